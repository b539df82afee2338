"""The shared data product: the state of every zone, with its freshness, as JSON and CSV.  Pure."""

import csv
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec


class ZoneState(msgspec.Struct, frozen=True):
    """One zone as others are told of it; drills are never in it."""

    zone: str
    title_zh: str
    title_en: str
    lifeline: str
    geocode: str
    incidents: dict[str, int]
    """Live incidents by grade, gravest first; only grades that have one."""
    gravest: int | None
    silent_devices: int
    newest_ms: int | None
    """Time of the newest stored reading; None: none in the last day."""
    age_s: float | None


class ZoneProduct(msgspec.Struct, frozen=True):
    """The state of every zone at one instant (contract ``zones/1``)."""

    made_ms: int
    """PostgreSQL's clock."""
    every_s: float
    zones: tuple[ZoneState, ...]
    schema: str = "zones/1"


class Facts(msgspec.Struct, frozen=True):
    """What the database knows, drills left out: open incidents, silent devices, newest readings."""

    now_ms: int
    incidents: Mapping[str, Mapping[int, int]]
    silent: Mapping[str, int]
    newest_ms: Mapping[str, int]


class ZoneHead(msgspec.Struct, frozen=True):
    """A zone of the catalog, as far as the product names it."""

    zone: str
    title_zh: str
    title_en: str
    lifeline: str
    geocode: str


_encode = msgspec.json.Encoder().encode
COLUMNS = (
    "zone", "title_zh", "title_en", "lifeline", "geocode", "gravest", "incidents",
    "silent_devices", "newest", "age_s", "made",
)  # fmt: skip


def made_of(heads: Iterable[ZoneHead], facts: Facts, every_s: float) -> ZoneProduct:
    """The product at one instant: every zone of the catalog, also where nothing is known."""
    states = []
    for head in sorted(heads, key=lambda one: one.zone):
        grades = facts.incidents.get(head.zone, {})
        newest_ms = facts.newest_ms.get(head.zone)
        age_s = None if newest_ms is None else max(0.0, (facts.now_ms - newest_ms) / 1000.0)
        states.append(
            ZoneState(
                head.zone,
                head.title_zh,
                head.title_en,
                head.lifeline,
                head.geocode,
                {str(grade): grades[grade] for grade in sorted(grades) if grades[grade]},
                min((grade for grade in grades if grades[grade]), default=None),
                facts.silent.get(head.zone, 0),
                newest_ms,
                age_s,
            )
        )
    return ZoneProduct(facts.now_ms, every_s, tuple(states))


def as_json(product: ZoneProduct) -> bytes:
    """The product as JSON."""
    return _encode(product)


def as_csv(product: ZoneProduct) -> bytes:
    """The product as CSV: UTF-8 with its mark, so that a spreadsheet reads Chinese titles."""
    out = _Lines()
    rows = csv.writer(out, lineterminator="\r\n")
    rows.writerow(COLUMNS)
    for one in product.zones:
        grades = " ".join(f"{grade}:{n}" for grade, n in one.incidents.items())
        rows.writerow(
            (
                *(_cell(t) for t in (one.zone, one.title_zh, one.title_en, one.lifeline)),
                one.geocode,
                "" if one.gravest is None else one.gravest,
                grades,
                one.silent_devices,
                "" if one.newest_ms is None else _time(one.newest_ms),
                "" if one.age_s is None else f"{one.age_s:.1f}",
                _time(product.made_ms),
            )
        )
    return "".join(out.lines).encode("utf-8-sig", "replace")


@dataclass(slots=True)
class _Lines:
    """What a CSV writer writes to."""

    lines: list[str] = field(default_factory=list)

    def write(self, line: str) -> None:
        self.lines.append(line)


def etag_of(body: bytes) -> str:
    """The tag under which somebody who has these very bytes is told so."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def http_time(at_ms: int) -> str:
    """A time as HTTP writes it.

    >>> http_time(1_700_000_000_000)
    'Tue, 14 Nov 2023 22:13:20 GMT'
    """
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[at.weekday()]
    month = (
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    )[at.month - 1]  # fmt: skip
    return f"{day}, {at.day:02d} {month} {at.year} {at:%H:%M:%S} GMT"


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms // 1000, UTC).isoformat().replace("+00:00", "Z")


def _cell(text: str) -> str:
    """A title that a spreadsheet must not take for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
