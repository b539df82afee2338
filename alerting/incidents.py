"""Incidents: one per (asset, hazard) and episode, the thing that one officer works on.  Pure.

While an incident lives it is ``open`` as long as one of its alarms is not acknowledged and
``watching`` when every condition has gone; in between it is as far as its people have come:
``acknowledged``, ``verified``, ``dispatched``.
"""

import enum
import uuid
from typing import Literal

import msgspec

from lifeline.model import Finding, Lane

Phase = Literal["open", "acknowledged", "verified", "dispatched", "watching", "closed", "archived"]
Verdict = Literal["true", "false", "test", "unknown"]
LIVE: tuple[Phase, ...] = ("open", "acknowledged", "verified", "dispatched", "watching")
ENDED: tuple[Phase, ...] = ("closed", "archived")
TAKEN: tuple[Phase, ...] = ("acknowledged", "verified", "dispatched")
"""Somebody works on it, and a condition stands."""
NAMESPACE = uuid.UUID("6b1f6c1e-3a43-5d0e-9f43-1c1d0f6a7e55")


class Event(enum.StrEnum):
    """What can happen to an incident."""

    JOIN = "join"
    """An alarm was raised that is no graver than what has been told."""
    RECUR = "recur"
    WORSEN = "worsen"
    SURFACE = "surface"
    """What was hidden or acknowledged needs a human again: a shelf ended, a re-alarm time ran out,
    an acknowledgement was undone."""
    STIR = "stir"
    """A hidden condition of a calm incident came back: nobody is called, and it is calm no more."""
    CALM = "calm"
    """The last condition went."""
    ACKNOWLEDGE = "acknowledge"
    ACKNOWLEDGE_CALM = "acknowledge-calm"
    """Acknowledged when no condition stood any more."""
    VERIFY = "verify"
    DISPATCH = "dispatch"
    CLOSE = "close"
    SELF_CLOSE = "self-close"
    MERGE = "merge"
    """It goes on in another one."""
    ARCHIVE = "archive"


_ANY_TAKEN: dict[Event, "Phase | Literal['taken']"] = {
    Event.JOIN: "taken",
    Event.WORSEN: "open",
    Event.SURFACE: "open",
    Event.STIR: "taken",
    Event.CALM: "watching",
    Event.VERIFY: "taken",
    Event.DISPATCH: "dispatched",
    Event.CLOSE: "closed",
    Event.SELF_CLOSE: "closed",
    Event.MERGE: "closed",
}
TRANSITIONS: dict[Phase, dict[Event, "Phase | Literal['taken']"]] = {
    "open": {
        Event.JOIN: "open",
        Event.WORSEN: "open",
        # "Returned" was the last that its receivers heard: they must hear that it is back.
        Event.RECUR: "open",
        Event.SURFACE: "open",
        Event.STIR: "open",
        # Nobody has seen it yet: an alarm that went away by itself still needs a human.
        Event.CALM: "open",
        # As far as its people had come before it re-opened: verdict and task are kept.
        Event.ACKNOWLEDGE: "taken",
        Event.ACKNOWLEDGE_CALM: "watching",
        Event.SELF_CLOSE: "closed",
        Event.MERGE: "closed",
    },
    "acknowledged": _ANY_TAKEN,
    "verified": _ANY_TAKEN,
    "dispatched": _ANY_TAKEN,
    "watching": {
        # A recurrence before closure needs a human again, whoever acknowledged it before.
        Event.RECUR: "open",
        Event.SURFACE: "open",
        Event.STIR: "taken",
        Event.VERIFY: "watching",
        Event.DISPATCH: "watching",
        Event.CLOSE: "closed",
        Event.MERGE: "closed",
    },
    # After closure a recurrence is the next episode: another incident.
    "closed": {Event.ARCHIVE: "archived"},
    "archived": {},
}
"""``taken`` stands for the phase that its verdict and task make."""


class Reason(enum.StrEnum):
    """Why an incident changed, or why it did not; keys of ``lifeline.words``."""

    OPENED = "opened"
    JOINED = "joined"
    JOINED_NETWORK = "joined-network"
    JOINED_RULE = "joined-rule"
    JOINED_HAND = "joined-hand"
    LOCATED = "located"
    """It was not known where; now it is, as far as can be said."""
    WORSENED = "worsened"
    EASED = "eased"
    REOPENED = "reopened"
    SURFACED = "surfaced"
    REALARMED = "realarmed"
    STIRRED = "stirred"
    RETURNED = "returned"
    QUIET = "quiet"
    ACKNOWLEDGED = "acknowledged"
    UNDONE = "undone"
    SETTLED = "settled"
    """The acknowledgement can be undone no more: what was held for it has ended."""
    VERIFIED = "verified"
    DISPATCHED = "dispatched"
    ARRIVED = "arrived"
    PROLONGED = "prolonged"
    CLOSED = "closed"
    CLOSED_ACTIVE = "closed-active"
    SELF_CLOSED = "self-closed"
    ARCHIVED = "archived"
    MERGED = "merged"
    TOOK_OVER = "took-over"
    SPLIT = "split"
    NOTED = "noted"
    NOTED_LATE = "noted-late"
    PROPOSED = "proposed"
    # Of alarms.
    SHELVED = "shelved"
    UNSHELVED = "unshelved"
    SHELF_ENDED = "shelf-ended"
    SHELF_BROKEN = "shelf-broken"
    SUPPRESSED = "suppressed"
    SHOWN = "shown"
    RETIRED = "retired"
    RESTORED = "restored"
    RESET = "reset"
    CHATTERING = "chattering"
    STEADY = "steady"
    # Of windows.
    WINDOW_OPENED = "window-opened"
    CHECKED = "checked"
    WINDOW_ENDED = "window-ended"
    WINDOW_OVERDUE = "window-overdue"
    # Of deadlines.
    REMINDED = "reminded"
    ESCALATED = "escalated"
    NO_PROGRESS = "no-progress"
    UNSIGNED = "unsigned"
    REVIEW = "review"
    SUPPORT = "support"
    """Somebody asked for it: the next people are called at once."""
    # Refusals.
    UNKNOWN = "unknown"
    FASTER = "faster"
    ALREADY_ACKNOWLEDGED = "already-acknowledged"
    NOT_ACKNOWLEDGED = "not-acknowledged"
    NOTHING_TO_ACKNOWLEDGE = "nothing-to-acknowledge"
    TOO_LATE_TO_UNDO = "too-late-to-undo"
    NOT_YOURS = "not-yours"
    ACTIVE = "active"
    NOT_CALM = "not-calm"
    STILL_LATCHED = "still-latched"
    BLIND = "blind"
    SILENT = "silent"
    """A connected sensor has said nothing usable of late."""
    BEYOND = "beyond"
    """A connected sensor is, or was within the set time, beyond its limits."""
    NEEDS_NOTE = "needs-note"
    NEEDS_VERDICT = "needs-verdict"
    NEEDS_CODE = "needs-code"
    NEEDS_TASK = "needs-task"
    NOT_DISPATCHED = "not-dispatched"
    ALREADY_ARRIVED = "already-arrived"
    ALREADY_PROLONGED = "already-prolonged"
    ALREADY_CLOSED = "already-closed"
    NOT_CLOSED = "not-closed"
    UNKNOWN_ALARM = "unknown-alarm"
    ILLEGAL = "illegal"
    TOO_LONG = "too-long"
    NEEDS_END = "needs-end"
    UNLIKE = "unlike"
    SAME_PLACE = "same-place"
    SAME_PERSON = "same-person"
    PROPOSAL_GONE = "proposal-gone"
    UNKNOWN_WINDOW = "unknown-window"
    UNCHECKED = "unchecked"
    NO_SUCH_CHECK = "no-such-check"


DONE = frozenset(
    (
        Reason.ACKNOWLEDGED,
        Reason.UNDONE,
        Reason.VERIFIED,
        Reason.DISPATCHED,
        Reason.ARRIVED,
        Reason.PROLONGED,
        Reason.CLOSED,
        Reason.CLOSED_ACTIVE,
        Reason.ARCHIVED,
        Reason.TOOK_OVER,
        Reason.SPLIT,
        Reason.NOTED,
        Reason.NOTED_LATE,
        Reason.SUPPORT,
        Reason.PROPOSED,
        Reason.SHELVED,
        Reason.UNSHELVED,
        Reason.RETIRED,
        Reason.RESTORED,
        Reason.RESET,
        Reason.WINDOW_OPENED,
        Reason.CHECKED,
        Reason.WINDOW_ENDED,
    )
)
"""What an action may come to; every other reason refuses it."""
TRIED = frozenset(
    (
        Reason.NOT_ACKNOWLEDGED,
        Reason.ACTIVE,
        Reason.STILL_LATCHED,
        Reason.BLIND,
        Reason.SILENT,
        Reason.NOT_CALM,
        Reason.BEYOND,
        Reason.SAME_PERSON,
    )
)
"""What stands against a closure: whoever asked for it all the same is written down."""
UNWITNESSED = frozenset((Reason.SILENT, Reason.BEYOND))
"""Those of them that name sensors."""
MINOR = frozenset(
    (
        Reason.JOINED,
        Reason.JOINED_NETWORK,
        Reason.JOINED_RULE,
        Reason.LOCATED,
        Reason.STIRRED,
        Reason.QUIET,
        Reason.SETTLED,
        Reason.ARRIVED,
        Reason.PROLONGED,
        Reason.ARCHIVED,
        Reason.NOTED,
        Reason.NOTED_LATE,
        Reason.PROPOSED,
        Reason.RESET,
        Reason.REVIEW,
        Reason.EASED,
        Reason.ESCALATED,
        Reason.SUPPORT,
        Reason.NO_PROGRESS,
        Reason.UNSIGNED,
    )
)
"""Changes that do not make an officer's decision about an older revision wrong."""
VERDICT_CODES: dict[Verdict, tuple[str, ...]] = {
    "true": ("leak", "burst", "damage", "overload", "flooding", "intrusion", "other"),
    "false": ("sensor", "biogas", "cross-gas", "weather", "work", "threshold", "other"),
    "test": ("test-gas", "calibration", "drill", "maintenance"),
    "unknown": ("not-found", "no-access", "other"),
}
"""Why somebody judged as he did: the labels from which detectors are tuned."""


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
    """The gravest since it was opened or re-opened, or to what it has eased since."""
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
    """Whether a condition stands at one of its alarms, shown or hidden."""
    revision: int = 1
    changed_revision: int = 1
    """The newest revision that an officer must have seen to decide."""
    acknowledged_by: str = ""
    acknowledged_ms: int | None = None
    calm_ms: int | None = None
    closed_by: str = ""
    closed_ms: int | None = None
    overridden: bool = False
    """Closed over a condition or without calm, for ever marked."""
    last_actor: str = ""
    unseen_ms: int | None = None
    """Since when it has waited for a human: the clocks of reminders run from here."""
    undo_ms: int | None = None
    """Until when the acknowledgement can be undone."""
    verdict: Verdict | Literal[""] = ""
    verdict_code: str = ""
    verdict_by: str = ""
    verdict_ms: int | None = None
    task: str = ""
    person: str = ""
    """Who was sent."""
    dispatched_ms: int | None = None
    arrived_ms: int | None = None
    progress_ms: int | None = None
    """The last step of its people: the clock of progress runs from here."""
    prolonged: bool = False
    review: bool = False
    """On the list for working hours: its clock ran out, and it is not grave enough for a page."""
    first_out: str = ""
    """The excursion that began first of all its alarms'."""
    first_ms: int = 0
    """When that began, event time."""
    merged_into: str = ""
    second: str = ""
    """Who confirmed the override."""
    step: int = 0
    """How far its calls have been escalated since it began to wait, or to lack progress."""

    @property
    def is_live(self) -> bool:
        """Whether it is neither closed nor archived."""
        return self.phase not in ENDED

    @property
    def place(self) -> tuple[str, str, bool]:
        """(asset, hazard, drill): what has one live incident at most."""
        return (self.asset, self.hazard, self.drill)


def incident_id(excursion: str) -> str:
    """The incident that an excursion opens, if it opens one: known before any database is asked.

    >>> incident_id("80aa0eaab6eada0be1a58e1d")
    '1a439d32-bf11-51ae-8571-d1c013753264'
    """
    return str(uuid.uuid5(NAMESPACE, excursion))


def taken(incident: Incident) -> Phase:
    """How far its people have come."""
    return "dispatched" if incident.task else "verified" if incident.verdict else "acknowledged"


def advance(phase: Phase, event: Event, taken: Phase = "acknowledged") -> Phase | None:
    """The phase after an event; None where there is no such transition."""
    following = TRANSITIONS[phase].get(event)
    return taken if following == "taken" else following
