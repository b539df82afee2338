"""What the desk looks at, row by row, and what a list is narrowed by.  Pure."""

from typing import Literal, get_args

import msgspec

from alerting.alarms import State
from alerting.desk.rows import Summary
from alerting.incidents import LIVE, Phase

Listed = Literal[
    "hidden", "shelved", "suppressed", "out-of-service", "latched", "chattering", "stale"
]
LISTS: tuple[Listed, ...] = get_args(Listed)
"""``hidden``: whatever somebody or something has put out of sight, as open items."""
CALLING = ("remind", "escalate", "progress")
"""Deadlines at which somebody is called."""


class Sift(msgspec.Struct, frozen=True, kw_only=True):
    """What the queue is narrowed by."""

    phases: tuple[Phase, ...] = LIVE
    lifeline: str = ""
    grades: tuple[int, ...] = ()
    zones: tuple[str, ...] | None = None
    """Of a desk; None: every zone."""
    review: bool | None = None
    """Only what waits for working hours, or only what does not."""
    text: str = ""
    closed_since_ms: int = 0
    limit: int = 100
    after: str = ""
    """Goes on behind that incident."""


class Queued(msgspec.Struct, frozen=True, kw_only=True):
    """One incident in the queue."""

    summary: Summary
    risk: float | None
    """0 to 100; None: not yet assessed, and then it stands before what is."""
    next_kind: str = ""
    """What falls due next, of ``CALLING``; empty: nothing does."""
    next_ms: int | None = None


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One alarm of an incident, and why it belongs to it."""

    key: str
    channel: str
    detector: str
    hazard: str
    asset: str
    zone: str
    lifeline: str
    rule: str
    state: State
    grade: int
    since_ms: int
    active_ms: int | None
    """Since when its condition has stood; None: it has gone."""
    hidden_by: str
    hidden_until_ms: int | None
    hidden_raises: int
    is_chattering: bool
    is_fleeting: bool
    revision: int
    incident: str
    joined: str
    """A key of ``lifeline.words`` reasons; empty for an alarm that is shown by itself."""
    joined_ms: int | None
    join_rule: str
    hypothesis: str
    distance_m: float | None


class DueRow(msgspec.Struct, frozen=True):
    """One time at which something happens to an incident by itself."""

    kind: str
    due_ms: int


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One page to a person: the way, how far it came, and the vendor's word."""

    person: str
    target: str
    reason: str
    state: Literal["waiting", "held", "leased", "delivered", "dead", "ended"]
    attempts: int
    code: str
    at_ms: int | None
    is_overtaken: bool


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """What one person has asked for and a second must confirm."""

    id: str
    action: str
    incident: str
    alarm: str
    zone: str
    by: str
    note: str
    at_ms: int
    expires_ms: int
    until_ms: int | None
    kind: str
    """Of a window that is asked for."""
