"""From a score to what is said of it: raised, held or cleared, with everything that explains it."""

import math
from dataclasses import dataclass

import msgspec

from detectors.cohort import Evidence, Excursion, Phase, Watch
from detectors.plan import ONLINE
from lifeline.catalog import Catalog, Group
from lifeline.model import Detail, Finding, Lane, Quality, finding_id

SCORE_MAX = 1e6
"""Scores beyond it say nothing more, and JSON has no infinity."""

UNSAID = Detail()


@dataclass(slots=True, frozen=True)
class Cause:
    """The record that the bank is stepping over."""

    received_ms: int
    trace: str
    drill: bool


@dataclass(slots=True, frozen=True)
class Sight:
    """One row at one moment, as a rule saw it."""

    at_ms: int
    onset_ms: int
    value: float | None
    score: float
    quality: int = 0
    lane: Lane = "live"
    limit: float | None = None
    evidence: Evidence = ()
    detail: Detail | None = None


@dataclass(slots=True, frozen=True)
class Place:
    """Where a channel or group belongs."""

    name: str
    zone: str
    asset: str
    lifeline: str
    unit: str


def place_of_channel(catalog: Catalog, name: str) -> Place:
    """Where a channel that has a row belongs."""
    found = catalog.find(name)
    assert found is not None, f"{name} has a row but is not in the catalog"
    device, channel = found
    return Place(name, device.zone, device.asset, device.lifeline, channel.unit)


def place_of_group(catalog: Catalog, group: Group) -> Place:
    """Where a group belongs."""
    return Place(group.name, group.zone, group.asset, catalog.lifeline_of(group.zone), "")


def finite(value: float) -> float | None:
    """The value, or None: JSON has no NaN."""
    return value if math.isfinite(value) else None


def sealed(at_ms: int, value: float, quality: int) -> tuple[int, float, int]:
    """A reading as evidence; what is not finite is written as 0.0 and flagged."""
    if math.isfinite(value):
        return at_ms, value, quality
    return at_ms, 0.0, quality | int(Quality.NON_FINITE)


def say(watch: Watch, row: int, phase: Phase, place: Place, sight: Sight, cause: Cause) -> Finding:
    """The finding of one phase; opens, touches or closes the row's excursion."""
    if phase == "raised":
        return _raise(watch, row, place, sight, cause)
    return _follow(watch, row, phase, sight, cause)


def _raise(watch: Watch, row: int, place: Place, sight: Sight, cause: Cause) -> Finding:
    """The finding that begins an excursion, which is open from now on."""
    rule, detector, limit = watch.watching.rule, watch.detector, watch.watching.limit
    detail = sight.detail or UNSAID
    sure = rule.confidence if detail.probability is None else detail.probability
    # One group may have several excursions at once, and each is an alarm of its own.
    name = detail.channel or (f"{place.name}/{row + 1}" if row and sight.detail else place.name)
    # Drill and real readings may bear the same time: their excursions must not bear the same name.
    zone = f"drill:{place.zone}" if cause.drill else place.zone
    raised = Finding(
        id=finding_id(zone, rule.id, name, sight.onset_ms),
        phase="raised",
        zone=place.zone,
        asset=place.asset,
        lifeline=place.lifeline,
        channel=name,
        rule=rule.id,
        detector=detector.kind,
        version=detector.version,
        hazard=rule.hazard,
        grade=rule.grade,
        onset_ms=sight.onset_ms,
        at_ms=sight.at_ms,
        received_ms=cause.received_ms,
        lane=sight.lane,
        # "0 is below the limit of 0.5" would be true, and tell an officer nothing.
        code="offline" if rule.quantity == ONLINE else detail.code or detector.code,
        value=sight.value,
        unit=detail.unit or place.unit,
        limit=detector.limit_value if sight.limit is None else sight.limit,
        limit_id=limit.id if limit else "",
        clause=limit.clause if limit else "",
        score=_score(sight.score),
        confidence=sure,
        quality=sight.quality,
        on_delay_s=rule.on_delay_s,
        off_delay_s=rule.off_delay_s,
        evidence=sight.evidence,
        trace=cause.trace,
        drill=cause.drill,
        detail=sight.detail,
    )
    told_ms = sight.at_ms if sight.lane == "live" else cause.received_ms
    watch.open[row] = Excursion(raised, told_ms)
    watch.alarm[row] = True
    return raised


def _follow(watch: Watch, row: int, phase: Phase, sight: Sight, cause: Cause) -> Finding:
    """The finding that says an open excursion is held or cleared."""
    excursion = watch.open[row]
    if phase == "cleared":
        del watch.open[row]
        watch.alarm[row] = False
    else:
        excursion.told_ms = sight.at_ms
    return msgspec.structs.replace(
        excursion.raised,
        phase=phase,
        at_ms=sight.at_ms,
        received_ms=cause.received_ms,
        lane=sight.lane,
        value=sight.value,
        score=_score(sight.score),
        quality=sight.quality,
        evidence=sight.evidence,
        trace=cause.trace,
        detail=sight.detail,
    )


def _score(score: float) -> float:
    return min(max(score, 0.0), SCORE_MAX) if score == score else SCORE_MAX  # noqa: PLR0124
