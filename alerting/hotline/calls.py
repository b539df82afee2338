"""A caller's word as a finding: what he said, where that is, and when it is over.  Pure.

A smell is told of before any sensor has it, and where there is none.  So a call opens an incident
by itself, at a thing of the network or, where nobody can say more, at a zone.
"""

import hashlib
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from alerting.exchange.regimes import Switch, id_of
from alerting.exchange.tables import CallKind, Place, Point
from lifeline.catalog import Catalog
from lifeline.model import HOTLINE, Context, Finding
from lifeline.network import Asset

NEAR_M = 150.0
"""A thing of the network no farther from where the caller stands is what he speaks of."""
OLD_MS = 86_400_000
"""What was heard longer ago is a note, no alarm; and for so long the zone's findings know of it."""
AHEAD_MS = 60_000
METRES_A_DEGREE = 111_320.0

Name = Annotated[str, Meta(max_length=128)]


class Heard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call as the officer enters it: at an asset, at a position, or somewhere in a zone."""

    kind: Annotated[str, Meta(min_length=1, max_length=64)]
    """One of the kinds of ``deploy/exchange/calls.toml``, such as ``gas-smell``."""
    said: Annotated[str, Meta(min_length=1, max_length=500)]
    """In the caller's own words; never his name or number."""
    asset: Name = ""
    zone: Name = ""
    position: (
        tuple[Annotated[float, Meta(ge=-180, le=180)], Annotated[float, Meta(ge=-90, le=90)]] | None
    ) = None
    """WGS-84 longitude, latitude."""
    ticket: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{0,64}$")] = ""
    """The hotline's own number: the same ticket again is the same call."""
    heard_ms: Annotated[int, Meta(ge=0, lt=2**53)] | None = None
    """When he called; without it, now."""


class Taken(NamedTuple):
    """What became of a call."""

    code: str
    """``call-taken``, ``call-known``, or why it was not taken."""
    incident: str = ""


REFUSED = frozenset(("call-kind", "call-asset", "call-place", "call-old"))


def understood(
    heard: Heard,
    kinds: Sequence[CallKind],
    catalog: Catalog,
    places: Mapping[str, Place],
    now_ms: int,
) -> Finding | str:
    """The finding that a call is; a code of the refusals where it cannot be taken."""
    kind = next((one for one in kinds if one.kind == heard.kind), None)
    if kind is None:
        return "call-kind"
    at_ms = now_ms if heard.heard_ms is None else min(heard.heard_ms, now_ms)
    is_ahead = heard.heard_ms is not None and heard.heard_ms > now_ms + AHEAD_MS
    if is_ahead or at_ms < now_ms - OLD_MS:
        return "call-old"
    if heard.asset and catalog.asset(heard.asset) is None:
        return "call-asset"
    where = _where(heard, kind, catalog, places)
    if where is None:
        return "call-place"
    asset, zone = where
    name = heard.ticket or _name(heard, at_ms)
    return Finding(
        id=hashlib.blake2b(f"{HOTLINE}\n{name}".encode(), digest_size=12).hexdigest(),
        phase="raised",
        zone=zone,
        asset=asset,
        lifeline=kind.lifeline,
        channel=f"{HOTLINE}/{name}",
        rule=f"{HOTLINE}.{kind.kind}",
        detector=HOTLINE,
        hazard=kind.hazard,
        grade=kind.grade,
        onset_ms=at_ms,
        at_ms=at_ms,
        received_ms=now_ms,
        code="reported",
        confidence=kind.confidence,
        contexts=(HOTLINE,),
        trace=f"{HOTLINE}/{heard.ticket}" if heard.ticket else "",
        said=heard.said.strip(),
    )


def _name(heard: Heard, at_ms: int) -> str:
    """What a call without a ticket is called: one that is sent twice is one call."""
    told = "\n".join((heard.kind, heard.asset, heard.zone, str(heard.position), heard.said))
    return hashlib.blake2b(f"{told}\n{at_ms}".encode(), digest_size=8).hexdigest()


def _where(
    heard: Heard, kind: CallKind, catalog: Catalog, places: Mapping[str, Place]
) -> tuple[str, str] | None:
    """(asset, zone); of a place that nobody can name better the zone stands for the asset."""
    known = catalog.asset(heard.asset) if heard.asset else None
    if known is None and heard.position is not None:
        known = nearest(catalog, heard.position, kind.lifeline)
    if known is not None:
        return known.name, known.zone
    zone = heard.zone
    if not zone and heard.position is not None:
        zone = _zone_around(heard.position, kind.lifeline, catalog, places)
    return (zone, zone) if catalog.lifeline_of(zone) else None


def nearest(catalog: Catalog, position: Point, lifeline: str) -> Asset | None:
    """The nearest thing of that lifeline within ``NEAR_M``; of another one, where it has none."""
    near = [
        (one.lifeline != lifeline, metres, one.name, one)
        for one in catalog.assets()
        if one.position is not None and (metres := _apart_m(one.position, position)) <= NEAR_M
    ]
    return min(near)[-1] if near else None


def _apart_m(a: Point, b: Point) -> float:
    east = (a[0] - b[0]) * math.cos(math.radians((a[1] + b[1]) / 2))
    return math.hypot(east, a[1] - b[1]) * METRES_A_DEGREE


def _zone_around(
    position: Point, lifeline: str, catalog: Catalog, places: Mapping[str, Place]
) -> str:
    """The zone whose outline holds the position, best one of the lifeline; '' for none."""
    around = [
        (of != lifeline, zone)
        for zone, of in catalog.head.zones
        if zone in places and is_inside(position, places[zone].outline)
    ]
    return min(around)[1] if around else ""


def is_inside(position: Point, outline: Sequence[Point]) -> bool:
    """Whether a position lies in an outline whose last point is its first.

    >>> square = ((0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0), (0.0, 0.0))
    >>> is_inside((1.0, 1.0), square), is_inside((3.0, 1.0), square)
    (True, False)
    """
    x, y = position
    crossed = 0
    for (ax, ay), (bx, by) in itertools.pairwise(outline):
        if (ay > y) != (by > y) and x < ax + (y - ay) / (by - ay) * (bx - ax):
            crossed += 1
    return crossed % 2 == 1


def over(finding: Finding, now_ms: int) -> Finding:
    """What ends a call: somebody has been there and has looked."""
    return msgspec.structs.replace(finding, phase="cleared", at_ms=now_ms, received_ms=now_ms)


def known_in(finding: Finding) -> Switch:
    """What tells the zone's detectors that somebody has called: their findings will name it."""
    detail: dict[str, str | float] = {"id": finding.channel, "revision": 1.0}
    until_ms = finding.onset_ms + OLD_MS
    context = Context(finding.zone, HOTLINE, finding.onset_ms, until_ms, detail)
    return Switch(id_of(context), finding.zone, context)
