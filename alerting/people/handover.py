"""The hand-over of a shift: what the sheet says, who has accepted what, and when both may sign.

Pure.  An acknowledgement is forgotten at the end of a shift: so the incoming officer takes over
every open item one by one, and his signature is refused while one of them is left.
"""

from typing import Literal

import msgspec

from lifeline.terms import Table

ItemKind = Literal["incident", "shelved"]
ItemKey = tuple[ItemKind, str]
NOTES_MAX = 4000


class OpenIncident(msgspec.Struct, frozen=True, kw_only=True):
    """One incident that goes on over the change of shift."""

    id: str
    grade: int
    hazard: str
    asset: str
    phase: str
    since_ms: int
    owner: str
    """Who has acknowledged it, or was sent; empty: nobody yet."""
    next_kind: str = ""
    """What falls due next, a kind of deadline; empty: nothing is set."""
    next_ms: int | None = None
    note: str = ""
    """The last that somebody wrote about it."""
    review: bool = False


class ShelvedPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One alarm that is silenced by hand."""

    key: str
    channel: str
    hazard: str
    grade: int
    by: str
    until_ms: int | None


class FaultySensor(msgspec.Struct, frozen=True, kw_only=True):
    """One sensor or device that does not measure as it should."""

    channel: str
    hazard: str
    state: str
    since_ms: int


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the database says about a desk's shift, at one moment."""

    at_ms: int
    since_ms: int
    """The beginning of the shift that ends."""
    opened: int
    closed: int
    acknowledged: int
    incidents: tuple[OpenIncident, ...] = ()
    shelved: tuple[ShelvedPoint, ...] = ()
    faulty: tuple[FaultySensor, ...] = ()

    def open_items(self) -> tuple[ItemKey, ...]:
        """What the incoming officer must take over, the gravest first."""
        incidents: list[ItemKey] = [("incident", one.id) for one in self.incidents]
        return (*incidents, *(("shelved", one.key) for one in self.shelved))


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """One hand-over of a desk."""

    id: str
    desk: str
    outgoing: str
    incoming: str
    opened_ms: int
    notes: str
    facts: Facts
    accepted: tuple[tuple[ItemKey, int], ...] = ()
    """What has been taken over, and when."""
    outgoing_signed_ms: int | None = None
    incoming_signed_ms: int | None = None
    revision: int = 1

    @property
    def is_done(self) -> bool:
        """Whether both have signed."""
        return self.outgoing_signed_ms is not None and self.incoming_signed_ms is not None

    def left(self) -> tuple[ItemKey, ...]:
        """What the incoming officer has not taken over yet."""
        taken = {key for key, _ in self.accepted}
        return tuple(key for key in self.facts.open_items() if key not in taken)


REFUSALS: Table = {
    "done": ("交接班已完成，不能再改。", "This hand-over is complete and cannot be changed."),
    "not-incoming": (
        "只有接班人可以逐项接收。",
        "Only the incoming officer takes over the open items.",
    ),
    "not-party": (
        "只有交班人和接班人可以操作。",
        "Only the outgoing and the incoming officer may do that.",
    ),
    "unknown-item": ("交接单上没有这一项。", "There is no such item on the sheet."),
    "items-left": (
        "请先逐项接收全部未结事项，再签字。",
        "Take over every open item, one by one, before you sign.",
    ),
    "not-signed": (
        "请等交班人先签字。",
        "The outgoing officer signs first.",
    ),
    "already-signed": ("您已签字。", "You have signed already."),
    "same-person": ("交班人与接班人不能是同一人。", "Nobody hands over to himself."),
    "open": ("本席已有一份未完成的交接单。", "A hand-over of this desk is open already."),
    "too-long": ("备注过长。", "The notes are too long."),
}
"""Why something was not done."""


def begin(
    name: str, desk: str, outgoing: str, incoming: str, facts: Facts, notes: str = ""
) -> Handover | str:
    """A sheet to be signed, or a key of ``REFUSALS``."""
    if outgoing == incoming:
        return "same-person"
    if len(notes) > NOTES_MAX:
        return "too-long"
    return Handover(
        id=name,
        desk=desk,
        outgoing=outgoing,
        incoming=incoming,
        opened_ms=facts.at_ms,
        notes=notes,
        facts=facts,
    )


def refresh(handover: Handover, facts: Facts) -> Handover:
    """The sheet as things stand now: what has come since must be taken over too.

    What is complete stays what was signed; what the outgoing officer signed for is signed for anew
    when more has come to it.
    """
    if handover.is_done or facts == handover.facts:
        return handover
    known = set(handover.facts.open_items())
    has_grown = any(key not in known for key in facts.open_items())
    return _changed(
        handover,
        facts=facts,
        outgoing_signed_ms=None if has_grown else handover.outgoing_signed_ms,
    )


def annotate(handover: Handover, who: str, notes: str) -> Handover | str:
    """The outgoing officer's own words; signed ones are signed anew."""
    if handover.is_done:
        return "done"
    if who != handover.outgoing:
        return "not-party"
    if len(notes) > NOTES_MAX:
        return "too-long"
    return _changed(handover, notes=notes, outgoing_signed_ms=None)


def accept(handover: Handover, who: str, item: ItemKey, now_ms: int) -> Handover | str:
    """The incoming officer takes one item over; twice is once."""
    if handover.is_done:
        return "done"
    if who != handover.incoming:
        return "not-incoming"
    if item not in handover.facts.open_items():
        return "unknown-item"
    if item not in handover.left():
        return handover
    return _changed(handover, accepted=(*handover.accepted, (item, now_ms)))


def sign(handover: Handover, who: str, now_ms: int) -> Handover | str:
    """One of both signs: the outgoing officer first, the incoming when nothing is left."""
    if handover.is_done:
        return "done"
    if who == handover.outgoing:
        if handover.outgoing_signed_ms is not None:
            return "already-signed"
        return _changed(handover, outgoing_signed_ms=now_ms)
    if who != handover.incoming:
        return "not-party"
    if handover.left():
        return "items-left"
    if handover.outgoing_signed_ms is None:
        return "not-signed"
    return _changed(handover, incoming_signed_ms=now_ms)


def _changed(handover: Handover, **changes: object) -> Handover:
    return msgspec.structs.replace(handover, revision=handover.revision + 1, **changes)
