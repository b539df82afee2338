"""Work orders as they are written, in a table or a TOML file, and as they are understood.  Pure."""

import csv
import io
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from alerting.plans import ANY, Book
from alerting.topology import Topology

Kind = Literal["gas-work", "re-pressurisation"]
State = Literal["planned", "cancelled"]
COLUMNS = (
    "id", "kind", "begins", "ends", "zones", "assets", "contractor", "contact", "checks", "watch_h",
    "state", "note",
)  # fmt: skip
"""Of the table; lists are written with ``;`` between."""
LISTS = ("zones", "assets", "checks")
HAZARDS = {"gas": "gas-leak", "heating": "heating-leak", "water": "burst"}
"""What is feared after work on a lifeline: its plan says what must be checked."""
DAYS_MAX = 90
ROWS_MAX = 10_000
Name = Annotated[str, Meta(min_length=1, max_length=96, pattern=r"^[^\s|]([^|]*[^\s|])?$")]
Said = Annotated[str, Meta(max_length=500)]


class Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One work order as somebody writes it; also what the API takes.

    Without ``zones`` they are those of the assets.  Times are ISO 8601, the city's own unless they
    say otherwise.
    """

    id: Name
    kind: Kind
    begins: Annotated[str, Meta(max_length=40)]
    ends: Annotated[str, Meta(max_length=40)]
    zones: Annotated[tuple[str, ...], Meta(max_length=50)] = ()
    assets: Annotated[tuple[str, ...], Meta(max_length=50)] = ()
    contractor: Annotated[str, Meta(min_length=1, max_length=200)]
    contact: Said = ""
    """A name and a telephone number."""
    checks: Annotated[tuple[Name, ...], Meta(max_length=20)] = ()
    """Beside those that the plan demands, which cannot be left out."""
    watch_h: Annotated[float, Meta(ge=1, le=336)] = 24.0
    """For how many hours after its end the zones are watched."""
    state: State = "planned"
    note: Said = ""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A work order as understood; times unix ms."""

    id: str
    kind: Kind
    state: State
    lifeline: str
    hazard: str
    zones: tuple[str, ...]
    assets: tuple[str, ...]
    from_ms: int
    until_ms: int
    watch_h: float
    contractor: str
    contact: str
    note: str
    checks: tuple[str, ...]

    @property
    def watch_from_ms(self) -> int:
        """When the watch begins: gas is back while it is re-pressurised, and after other work."""
        return self.from_ms if self.kind == "re-pressurisation" else self.until_ms

    @property
    def watch_until_ms(self) -> int:
        """When it ends, should every check be ticked by then."""
        return self.until_ms + round(self.watch_h * 3_600_000)


def read(name: str, content: bytes) -> tuple[list[Written], list[str]]:
    """The orders of a file, CSV or TOML by its name, and a sentence for each wrong one."""
    try:
        text = content.decode("utf-8-sig")
        rows = _of_toml(text) if name.endswith(".toml") else list(_of_csv(text))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, csv.Error, ValueError) as error:
        return [], [f"{name}: {error}"]
    if len(rows) > ROWS_MAX:
        return [], [f"{name}: {len(rows)} orders, at most {ROWS_MAX} at once"]
    orders: list[Written] = []
    problems: list[str] = []
    seen: set[str] = set()
    for place, row in rows:
        try:
            order = msgspec.convert(row, Written, strict=False)
        except msgspec.ValidationError as error:
            problems.append(f"{name} {place}: {error}")
            continue
        if order.id in seen:
            problems.append(f"{name} {place}: {order.id} stands there twice")
        seen.add(order.id)
        orders.append(order)
    return orders, problems


def _of_toml(text: str) -> list[tuple[str, Mapping[str, Any]]]:
    tree = tomllib.loads(text)
    rows = tree.get("order")
    if set(tree) != {"order"} or not isinstance(rows, list):
        raise ValueError("[[order]] tables were expected, and nothing else")
    return [(f"order {n}", row) for n, row in enumerate(rows, 1)]


def _of_csv(text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text), strict=True)
    unknown = sorted(set(reader.fieldnames or ()) - set(COLUMNS))
    if unknown or not reader.fieldnames:
        raise ValueError(
            f"columns {', '.join(unknown) or '(none)'}: known are {', '.join(COLUMNS)}"
        )
    for row in reader:
        if None in row or None in row.values():
            raise ValueError(f"line {reader.line_num} has not as many fields as the first")
        said = {key: value.strip() for key, value in row.items()}
        made: dict[str, Any] = {key: value for key, value in said.items() if value}
        for key in LISTS:
            if key in made:
                made[key] = [part.strip() for part in made[key].split(";") if part.strip()]
        yield f"line {reader.line_num}", made


def understood(
    written: Written, topology: Topology, book: Book, zone: ZoneInfo
) -> Order | list[str]:
    """The order, or a sentence for everything that is wrong with it."""
    catalog = topology.catalog
    problems = [
        f"zone {name} is unknown" for name in written.zones if not catalog.lifeline_of(name)
    ]
    known = {name: topology.asset(name) for name in written.assets}
    problems += [f"asset {name} is unknown" for name, asset in known.items() if asset is None]
    zones = tuple(
        dict.fromkeys((*written.zones, *(asset.zone for asset in known.values() if asset)))
    )
    if not zones and not problems:
        problems.append("zones or assets: at least one")
    times: list[int] = []
    for field, text in (("begins", written.begins), ("ends", written.ends)):
        at_ms = _time(text, zone)
        if at_ms is None:
            problems.append(f"{field}: {text} is no time, write it as 2026-12-01T08:30")
        else:
            times.append(at_ms)
    if len(times) == 2 and not 0 < times[1] - times[0] <= DAYS_MAX * 86_400_000:
        problems.append(f"ends: after it begins, and at most {DAYS_MAX} days")
    if problems:
        return [f"{written.id}: {text}" for text in problems]
    lifeline = catalog.lifeline_of(zones[0])
    return Order(
        id=written.id,
        kind=written.kind,
        state=written.state,
        lifeline=lifeline,
        hazard=HAZARDS.get(lifeline, ANY),
        zones=zones,
        assets=tuple(dict.fromkeys(written.assets)),
        from_ms=times[0],
        until_ms=times[1],
        watch_h=written.watch_h,
        contractor=written.contractor,
        contact=written.contact,
        note=written.note,
        checks=checks_of(book, lifeline, written.checks),
    )


def checks_of(book: Book, lifeline: str, more: Sequence[str] = ()) -> tuple[str, ...]:
    """What must be ticked after work: what the plan demands, and what is added; never nothing."""
    plan, _ = book.of(lifeline, HAZARDS.get(lifeline, ANY))
    return tuple(dict.fromkeys((*(check.id for check in plan.check), *more))) or ("measured-again",)


def _time(text: str, zone: ZoneInfo) -> int | None:
    try:
        at = datetime.fromisoformat(text)
        return round((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
