"""Incidents: one per (asset, hazard) and episode, the thing that one officer works on.  Pure.

A phase follows from the member alarms while the incident lives: ``open`` as long as one of them is
not acknowledged, ``acknowledged`` while one is active, ``watching`` when all have returned to
normal.
"""

import enum
import uuid
from typing import Literal

import msgspec

from lifeline.model import Finding, Lane

Phase = Literal["open", "acknowledged", "watching", "closed"]
NAMESPACE = uuid.UUID("6b1f6c1e-3a43-5d0e-9f43-1c1d0f6a7e55")


class Event(enum.StrEnum):
    """What can happen to an incident."""

    JOIN = "join"
    """An alarm was raised that is no graver than what has been told."""
    RECUR = "recur"
    WORSEN = "worsen"
    CALM = "calm"
    """The last active alarm returned."""
    ACKNOWLEDGE = "acknowledge"
    ACKNOWLEDGE_CALM = "acknowledge-calm"
    """Acknowledged when no alarm was active any more."""
    CLOSE = "close"
    SELF_CLOSE = "self-close"


TRANSITIONS: dict[Phase, dict[Event, Phase]] = {
    "open": {
        Event.JOIN: "open",
        Event.WORSEN: "open",
        # "Returned" was the last that its receivers heard: they must hear that it is back.
        Event.RECUR: "open",
        # Nobody has seen it yet: an alarm that went away by itself still needs a human.
        Event.CALM: "open",
        Event.ACKNOWLEDGE: "acknowledged",
        Event.ACKNOWLEDGE_CALM: "watching",
        Event.SELF_CLOSE: "closed",
    },
    "acknowledged": {
        Event.JOIN: "acknowledged",
        Event.WORSEN: "open",
        Event.CALM: "watching",
        Event.CLOSE: "closed",
        Event.SELF_CLOSE: "closed",
    },
    "watching": {
        # A recurrence before closure needs a human again, whoever acknowledged it before.
        Event.RECUR: "open",
        Event.CLOSE: "closed",
    },
    # After closure a recurrence is the next episode: another incident.
    "closed": {},
}


class Reason(enum.StrEnum):
    """Why an incident changed, or why it did not; keys of ``lifeline.words``."""

    OPENED = "opened"
    JOINED = "joined"
    WORSENED = "worsened"
    REOPENED = "reopened"
    RETURNED = "returned"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"
    CLOSED_ACTIVE = "closed-active"
    SELF_CLOSED = "self-closed"
    NOTED = "noted"
    NOTED_LATE = "noted-late"
    # Refusals.
    UNKNOWN = "unknown"
    FASTER = "faster"
    ALREADY_ACKNOWLEDGED = "already-acknowledged"
    NOT_ACKNOWLEDGED = "not-acknowledged"
    ACTIVE = "active"
    NEEDS_NOTE = "needs-note"
    ALREADY_CLOSED = "already-closed"
    NOTHING_TO_ACKNOWLEDGE = "nothing-to-acknowledge"


DONE = frozenset(
    (Reason.ACKNOWLEDGED, Reason.CLOSED, Reason.CLOSED_ACTIVE, Reason.NOTED, Reason.NOTED_LATE)
)
MINOR = frozenset((Reason.JOINED, Reason.NOTED, Reason.NOTED_LATE))
"""Changes that do not make an officer's decision about an older revision wrong."""


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One incident at one revision; times in unix ms of our clock but for ``onset_ms``."""

    id: str
    asset: str
    hazard: str
    drill: bool
    episode: int
    phase: Phase
    zone: str
    lifeline: str
    grade: int
    """The gravest since it was opened or re-opened."""
    told: int | None
    """The gravest grade that a notice has told since then; None: nobody was told."""
    lane: Lane
    """Of the finding that opened it; ``historical`` marks a back-dated one."""
    lead: Finding
    """The finding that explains it: the one last told."""
    onset_ms: int
    """Event time."""
    opened_ms: int
    updated_ms: int
    is_active: bool
    revision: int = 1
    changed_revision: int = 1
    """The newest revision that an officer must have seen to decide."""
    acknowledged_by: str = ""
    acknowledged_ms: int | None = None
    calm_ms: int | None = None
    closed_by: str = ""
    closed_ms: int | None = None
    overridden: bool = False
    last_actor: str = ""


def incident_id(excursion: str) -> str:
    """The incident that an excursion opens, if it opens one: known before any database is asked.

    >>> incident_id("80aa0eaab6eada0be1a58e1d")
    '1a439d32-bf11-51ae-8571-d1c013753264'
    """
    return str(uuid.uuid5(NAMESPACE, excursion))


def advance(phase: Phase, event: Event) -> Phase | None:
    """The phase after an event; None where there is no such transition."""
    return TRANSITIONS[phase].get(event)
