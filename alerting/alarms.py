"""Alarms: how one (channel or group, detector kind, hazard) stands, after ISA-18.2.  Pure.

An excursion is one finding id from ``raised`` to ``cleared``, with its delays; an alarm is what its
excursions make together.  The hazard is part of the name because an incident has one hazard, and an
alarm belongs to one incident at a time.
"""

import enum
from collections.abc import Iterable
from typing import Literal

import msgspec

from lifeline.model import Finding, Lane

State = Literal["normal", "unacknowledged", "acknowledged", "returned-unacknowledged"]
Stage = Literal["pending", "active", "leaving", "over", "ignored"]
"""Of an excursion: in its on-delay, counting, in its off-delay, ended, never counted."""
ACTIVE: frozenset[Stage] = frozenset(("active", "leaving"))
BACKLOG_MS = 2000
"""After an outage records come late: a delay that ran out meanwhile waits so long for a clear."""

FORGOTTEN_MS = 180_000
"""A finding that lasts says so every minute: silent for three of them, it is believed no more."""


class Change(enum.StrEnum):
    """What can happen to an alarm."""

    RAISE = "raise"
    REALARM = "realarm"
    """A raise that needs a human again, whoever acknowledged: it opened, re-opened, worsened."""
    RETURN = "return"
    ACKNOWLEDGE = "acknowledge"


TRANSITIONS: dict[State, dict[Change, State]] = {
    "normal": {Change.RAISE: "unacknowledged", Change.REALARM: "unacknowledged"},
    "unacknowledged": {
        Change.RAISE: "unacknowledged",
        Change.REALARM: "unacknowledged",
        Change.RETURN: "returned-unacknowledged",
        Change.ACKNOWLEDGE: "acknowledged",
    },
    "acknowledged": {
        # The acknowledgement silences repetition, never a rise.
        Change.RAISE: "acknowledged",
        Change.REALARM: "unacknowledged",
        Change.RETURN: "normal",
    },
    "returned-unacknowledged": {
        Change.RAISE: "unacknowledged",
        Change.REALARM: "unacknowledged",
        Change.ACKNOWLEDGE: "normal",
    },
}
UNACKNOWLEDGED: frozenset[State] = frozenset(("unacknowledged", "returned-unacknowledged"))
RAISED: frozenset[State] = frozenset(("unacknowledged", "acknowledged"))


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """One alarm; ``grade`` is the gravest of what is active, or of what was last."""

    key: str
    channel: str
    detector: str
    hazard: str
    zone: str
    asset: str
    lifeline: str
    drill: bool
    state: State = "normal"
    grade: int
    since_ms: int
    """When this state began, our clock."""
    incident: str = ""
    """The open incident that holds it now."""
    revision: int = 0


class Excursion(msgspec.Struct, frozen=True, kw_only=True):
    """One finding id and how far it has come.  Kept for good: re-delivery is then harmless."""

    id: str
    alarm: str
    stage: Stage
    finding: Finding
    """Its first record: what explains it."""
    last_ms: int
    """Event time of its newest record."""
    cleared_ms: int | None = None
    due_ms: int | None = None
    """When its delay runs out by our clock, unless a record says so earlier by event time."""
    incident: str = ""


def advance(state: State, change: Change) -> State | None:
    """The state after a change; None where the standard knows no such transition."""
    return TRANSITIONS[state].get(change)


def key_of(finding: Finding) -> str:
    """The name of the alarm that a finding belongs to.  Drills never touch a real alarm."""
    drill = "drill|" if finding.drill else ""
    return f"{drill}{finding.detector}|{finding.hazard}|{finding.channel}"


def excursion_id(finding: Finding) -> str:
    """The name of the excursion; a drill's is another one even at the same instant."""
    return f"drill-{finding.id}" if finding.drill else finding.id


def blank(finding: Finding, now_ms: int) -> Alarm:
    """The alarm of a finding as it is before anything happened."""
    return Alarm(
        key=key_of(finding),
        channel=finding.channel,
        detector=finding.detector,
        hazard=finding.hazard,
        zone=finding.zone,
        asset=finding.asset,
        lifeline=finding.lifeline,
        drill=finding.drill,
        grade=finding.grade,
        since_ms=now_ms,
    )


def on_at_ms(finding: Finding) -> int:
    """Event time at which an excursion has lasted through its on-delay."""
    return finding.onset_ms + round(finding.on_delay_s * 1000)


def off_at_ms(excursion: Excursion) -> int:
    """Event time at which a cleared excursion has been quiet through its off-delay."""
    assert excursion.cleared_ms is not None
    return excursion.cleared_ms + round(excursion.finding.off_delay_s * 1000)


def due_ms(record: Finding, until_ms: int, now_ms: int) -> int:
    """Our time at which event time ``until_ms`` is over, as seen from the record just read."""
    rest_ms = max(0, until_ms - record.at_ms)
    return max(record.received_ms + rest_ms, now_ms + min(rest_ms, BACKLOG_MS))


def may_clear(opened: Lane, record: Lane) -> bool:
    """Whether a ``cleared`` of one lane ends what another lane opened.

    Back-filled readings never clear a live alarm: they say how it was, not how it is.
    """
    return record in ("live", opened)


def is_covered(finding: Finding, excursions: Iterable[Excursion]) -> bool:
    """Whether a back-filled excursion lies inside one that is known, at least as grave: no news."""
    return any(
        e.stage not in ("ignored", "pending")
        and e.finding.grade <= finding.grade
        and e.finding.onset_ms <= finding.onset_ms
        and (e.cleared_ms is None or finding.onset_ms <= e.cleared_ms)
        for e in excursions
    )


def superseded(newer: Excursion, active: Iterable[Excursion]) -> list[Excursion]:
    """Those that a newer live excursion of the same rule and channel proves to be over.

    A detector holds one at a time: an older one still counting is one whose ``cleared`` was lost,
    or that got another name when the detector began blank.
    """
    if newer.finding.lane != "live":
        return []
    return [
        e
        for e in active
        if e.id != newer.id
        and e.stage == "active"
        and e.finding.lane == "live"
        and e.finding.rule == newer.finding.rule
        and e.finding.onset_ms <= newer.finding.onset_ms
    ]


def is_forgotten(excursion: Excursion, newer: Finding) -> bool:
    """Whether an excursion had long been silent when a newer one began."""
    return newer.onset_ms - excursion.last_ms > FORGOTTEN_MS
