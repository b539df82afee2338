"""Alarms: how one (channel or group, detector kind, hazard) stands, after ISA-18.2.  Pure.

An alarm is what its excursions make together.  The hazard is part of the name because an incident
has one hazard it is named for, and an alarm belongs to one incident at a time.
"""

import enum
from typing import Literal

import msgspec

from alerting.excursions import key_of
from lifeline.model import Finding

State = Literal[
    "normal",
    "unacknowledged",
    "acknowledged",
    "returned-unacknowledged",
    "latched-unacknowledged",
    "latched-acknowledged",
    "shelved",
    "suppressed",
    "out-of-service",
]


class Change(enum.StrEnum):
    """What can happen to an alarm."""

    RAISE = "raise"
    REALARM = "realarm"
    """A raise that needs a human again, whoever acknowledged: it opened, re-opened, worsened."""
    RETURN = "return"
    LATCH = "latch"
    """The condition has gone, and the alarm stays until somebody resets it."""
    ACKNOWLEDGE = "acknowledge"
    UNDO = "undo"
    """The acknowledgement is taken back in the seconds in which it may be."""
    RESET = "reset"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    UNSHELVE_CALM = "unshelve-calm"
    """By hand, when the condition has gone."""
    EXPIRE = "expire"
    """The shelf's time is over and the condition still there."""
    EXPIRE_CALM = "expire-calm"
    SUPPRESS = "suppress"
    SHOW = "show"
    """What suppressed it has ended and the condition is still there."""
    SHOW_CALM = "show-calm"
    RETIRE = "retire"
    RESTORE = "restore"
    RESTORE_CALM = "restore-calm"


_SEEN: dict[Change, State] = {
    Change.SHELVE: "shelved",
    Change.SUPPRESS: "suppressed",
    Change.RETIRE: "out-of-service",
}
"""What may happen to every alarm that people can see."""
TRANSITIONS: dict[State, dict[Change, State]] = {
    "normal": {
        **_SEEN,
        Change.RAISE: "unacknowledged",
        Change.REALARM: "unacknowledged",
        Change.UNDO: "returned-unacknowledged",
    },
    "unacknowledged": {
        **_SEEN,
        Change.RAISE: "unacknowledged",
        Change.REALARM: "unacknowledged",
        Change.RETURN: "returned-unacknowledged",
        Change.LATCH: "latched-unacknowledged",
        Change.ACKNOWLEDGE: "acknowledged",
    },
    "acknowledged": {
        **_SEEN,
        # The acknowledgement silences repetition, never a rise.
        Change.RAISE: "acknowledged",
        Change.REALARM: "unacknowledged",
        Change.RETURN: "normal",
        Change.LATCH: "latched-acknowledged",
        Change.UNDO: "unacknowledged",
    },
    "returned-unacknowledged": {
        **_SEEN,
        Change.RAISE: "unacknowledged",
        Change.REALARM: "unacknowledged",
        Change.ACKNOWLEDGE: "normal",
    },
    "latched-unacknowledged": {
        **_SEEN,
        Change.RAISE: "unacknowledged",
        Change.REALARM: "unacknowledged",
        Change.ACKNOWLEDGE: "latched-acknowledged",
    },
    "latched-acknowledged": {
        **_SEEN,
        Change.RAISE: "unacknowledged",
        Change.REALARM: "unacknowledged",
        Change.RESET: "normal",
        Change.UNDO: "latched-unacknowledged",
    },
    # Hidden from the list of alarms: the condition comes and goes, and is counted.
    "shelved": {
        Change.RAISE: "shelved",
        # Somebody shelved what he knew of: a rise breaks through.
        Change.REALARM: "unacknowledged",
        Change.RETURN: "shelved",
        Change.LATCH: "shelved",
        Change.UNSHELVE: "acknowledged",
        Change.UNSHELVE_CALM: "normal",
        Change.EXPIRE: "unacknowledged",
        Change.EXPIRE_CALM: "normal",
        Change.RETIRE: "out-of-service",
    },
    "suppressed": {
        Change.RAISE: "suppressed",
        Change.RETURN: "suppressed",
        Change.LATCH: "suppressed",
        Change.SHOW: "unacknowledged",
        Change.SHOW_CALM: "normal",
        Change.RETIRE: "out-of-service",
    },
    "out-of-service": {
        Change.RAISE: "out-of-service",
        Change.RETURN: "out-of-service",
        Change.LATCH: "out-of-service",
        Change.RESTORE: "unacknowledged",
        Change.RESTORE_CALM: "normal",
    },
}
UNACKNOWLEDGED: frozenset[State] = frozenset(
    ("unacknowledged", "returned-unacknowledged", "latched-unacknowledged")
)
RAISED: frozenset[State] = frozenset(("unacknowledged", "acknowledged"))
LATCHED: frozenset[State] = frozenset(("latched-unacknowledged", "latched-acknowledged"))
HIDDEN: frozenset[State] = frozenset(("shelved", "suppressed", "out-of-service"))

CHATTER_CYCLES, CHATTER_MS = 3, 60_000
"""ISA-18.2's starting criterion: three alarms within a minute."""
FLEETING_MS = 10_000
"""An excursion shorter than this has gone before anybody could look."""
STALE_MS = 24 * 3600_000
"""A condition that stands longer is no news to anybody: it is listed."""


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
    """The live incident that holds it now."""
    revision: int = 0
    rule: str = ""
    """The rule whose excursion was the last to raise it."""
    active_ms: int | None = None
    """Since when its condition has stood, whatever hides the alarm; None: it has gone."""
    hidden_by: str = ""
    """Who shelved it or took it out of service; of a suppressed one, the window."""
    hidden_until_ms: int | None = None
    """When the shelf ends."""
    hidden_raises: int = 0
    """How often it was raised since it was hidden."""
    cycles: tuple[int, ...] = ()
    """Event times of its last raises, at most as many as make it chatter."""
    is_chattering: bool = False
    is_fleeting: bool = False
    """Its last excursion had gone before anybody could look."""

    @property
    def is_active(self) -> bool:
        """Whether its condition stands, shown or hidden."""
        return self.active_ms is not None


def advance(state: State, change: Change) -> State | None:
    """The state after a change; None where the standard knows no such transition."""
    return TRANSITIONS[state].get(change)


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
        rule=finding.rule,
    )


def cycled(cycles: tuple[int, ...], at_ms: int) -> tuple[int, ...]:
    """The times of the last raises with this one among them.

    >>> cycled((10, 20, 30), 25)
    (20, 25, 30)
    """
    return tuple(sorted((*cycles, at_ms))[-CHATTER_CYCLES:])


def chatters(cycles: tuple[int, ...]) -> bool:
    """Whether these raises came as fast as a chattering alarm's."""
    return len(cycles) == CHATTER_CYCLES and cycles[-1] - cycles[0] <= CHATTER_MS
