"""Warnings from outside, and what they switch on in our zones: rain, flood, frost.  Pure.

A warning becomes context records, one a zone and regime, which travel among the readings.  It ends
by its own expiry, by a cancellation, or by an update that takes its place.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from alerting.exchange import reading
from alerting.exchange.reading import Document, Info, Unreadable
from alerting.exchange.tables import Place, Regime
from lifeline.model import Context

HOUR_MS = 3_600_000
HOURS_MAX = 240
KINDS = frozenset(("Alert", "Update", "Cancel"))
Code = Annotated[str, Meta(max_length=128)]


class WarningBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The JSON form of a warning."""

    id: Annotated[str, Meta(min_length=1, max_length=256)]
    event: Annotated[str, Meta(min_length=1, max_length=128)]
    """A code or a name."""
    kind: Annotated[str, Meta(pattern="^(Alert|Update|Cancel)$")] = "Alert"
    status: Annotated[str, Meta(pattern="^(Actual|Exercise|System|Test|Draft)$")] = "Actual"
    severity: Annotated[str, Meta(max_length=32)] = "Unknown"
    headline: Annotated[str, Meta(max_length=500)] = ""
    sender: Code = ""
    geocodes: tuple[Code, ...] = ()
    references: tuple[Code, ...] = ()
    sent_ms: Annotated[int, Meta(ge=0, le=1 << 53)] = 0
    onset_ms: Annotated[int, Meta(ge=0, le=1 << 53)] = 0
    expires_ms: Annotated[int, Meta(ge=0, le=1 << 53)] = 0


class Warned(msgspec.Struct, frozen=True):
    """A warning as it was understood."""

    id: str
    sender: str
    kind: str
    status: str
    events: tuple[str, ...]
    severity: str
    headline: str
    geocodes: tuple[str, ...]
    references: tuple[str, ...]
    """Identifiers of the warnings that this one replaces or cancels."""
    sent_ms: int
    onset_ms: int
    expires_ms: int


class Switch(msgspec.Struct, frozen=True):
    """One context record to be published, once: ``id`` says which."""

    id: str
    zone: str
    context: Context


_body = msgspec.json.Decoder(WarningBody)


def read(payload: bytes) -> Warned:
    """The warning in a message, CAP or JSON; raises Unreadable."""
    warned = _from_json(payload) if payload.lstrip()[:1] == b"{" else _from_cap(payload)
    if warned.kind not in KINDS:
        raise Unreadable(
            f"msgType {warned.kind or 'missing'}: Alert, Update or Cancel was expected"
        )
    if warned.kind == "Cancel" and not warned.references:
        raise Unreadable("cancels nothing: references are missing")
    return warned


def _from_cap(payload: bytes) -> Warned:
    document: Document = reading.document(payload)
    blocks = document.info
    if not blocks and document.kind != "Cancel":
        raise Unreadable("has no info")
    first = blocks[0] if blocks else Info(event="")
    # Each block says the same in another language: a name in either is enough to know it by.
    events = dict.fromkeys(
        text for one in blocks for text in (*(value for _, value in one.codes), one.event) if text
    )
    codes = dict.fromkeys(c for one in blocks for a in one.areas for _, c in a.geocodes if c)
    return Warned(
        id=document.identifier,
        sender=document.sender,
        kind=document.kind,
        status=document.status,
        events=tuple(events),
        severity=first.severity,
        headline=first.headline[:500],
        geocodes=tuple(codes),
        references=tuple(identifier for _, identifier, _ in document.references),
        sent_ms=document.sent_ms,
        onset_ms=first.onset_ms,
        expires_ms=first.expires_ms,
    )


def _from_json(payload: bytes) -> Warned:
    try:
        body = _body.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(str(error)) from error
    if "\0" in "".join((body.id, body.event, body.sender, body.headline, *body.references)):
        raise Unreadable("holds a NUL")
    return Warned(
        id=body.id,
        sender=body.sender,
        kind=body.kind,
        status=body.status,
        events=(body.event,),
        severity=body.severity,
        headline=body.headline,
        geocodes=body.geocodes,
        references=body.references,
        sent_ms=body.sent_ms,
        onset_ms=body.onset_ms,
        expires_ms=body.expires_ms,
    )


def switches(
    warned: Warned,
    regimes: Sequence[Regime],
    zones: Iterable[tuple[str, str]],
    places: Mapping[str, Place],
    now_ms: int,
) -> list[Switch]:
    """What a warning switches on; nothing for a cancellation, an exercise, or what has expired.

    ``zones`` are (zone, lifeline).  A warning without area codes is for the whole city.
    """
    if warned.kind == "Cancel" or warned.status != "Actual":
        return []
    known = list(zones)
    made: list[Switch] = []
    for regime in regimes:
        if not _is_meant(regime, warned):
            continue
        begin_ms = warned.onset_ms or warned.sent_ms or now_ms
        until_ms = warned.expires_ms or begin_ms + round(regime.hours * HOUR_MS)
        until_ms = min(until_ms, now_ms + HOURS_MAX * HOUR_MS)
        if until_ms <= now_ms:
            continue
        for zone, lifeline in known:
            if not _is_there(regime, zone, lifeline, places.get(zone), warned.geocodes):
                continue
            detail: dict[str, str | float] = {
                "id": f"{warned.sender}/{warned.id}/{regime.regime}",
                "revision": 1.0,
                "regime": regime.regime,
                "warning": warned.id,
                "severity": warned.severity,
            }
            context = Context(zone, regime.regime, begin_ms, until_ms, detail)
            made.append(Switch(id_of(context), zone, context))
    return made


def ends(switched: Iterable[Context], now_ms: int) -> list[Switch]:
    """What says that these have ended before their time."""
    made: list[Switch] = []
    for context in switched:
        if context.until_ms <= now_ms or context.detail.get("revision") != 1.0:
            continue
        # Under the same name and with a higher revision it takes the other's place.
        detail = {**context.detail, "revision": 2.0}
        ended = Context(context.zone, context.kind, min(context.at_ms, now_ms), now_ms, detail)
        made.append(Switch(id_of(ended), context.zone, ended))
    return made


def id_of(context: Context) -> str:
    """The name of a switch: the same warning, zone, regime and revision, the same name."""
    detail = context.detail
    text = f"{context.zone}\n{detail['id']}\n{detail['revision']}"
    return hashlib.sha256(text.encode()).hexdigest()


def _is_meant(regime: Regime, warned: Warned) -> bool:
    said = [event.lower() for event in warned.events]
    # A code is matched from its beginning (its last digits are the grade), a name inside a title.
    is_named = any(
        event.startswith(word.lower()) or word.lower() in event
        for word in regime.events
        for event in said
    )
    return is_named and (not regime.severities or warned.severity in regime.severities)


def _is_there(
    regime: Regime, zone: str, lifeline: str, place: Place | None, geocodes: tuple[str, ...]
) -> bool:
    if (regime.zones and zone not in regime.zones) or (
        regime.lifelines and lifeline not in regime.lifelines
    ):
        return False
    areas = [code for code in geocodes if code.isascii() and code.isdigit()]
    if not areas or place is None:
        return True  # Nobody has said where the zone lies, or where it will rain: better warned.
    return any(_covers(code, place.geocode) for code in areas)


def _covers(area: str, geocode: str) -> bool:
    """Whether an area code is the place's own or that of a city or province around it."""
    stem = area.rstrip("0")
    stem += "0" * (len(stem) % 2)
    return geocode.startswith(stem) or area.startswith(geocode)
