"""How far a notice came with its receiver: sent, delivered, accepted or refused, seen.  Pure.

Delivered is the receiver's HTTP answer; accepted and refused are its later word (CAP Ack, CAP
Error); seen is one of its people.  The words come in any order, more than once, and late.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from alerting.exchange import reading
from alerting.exchange.reading import Unreadable

Word = Literal["accepted", "refused", "seen"]
Stage = Literal["waiting", "sent", "delivered", "accepted", "refused", "seen"]
KINDS: dict[str, Word] = {"Ack": "accepted", "Error": "refused"}
"""What CAP calls them."""
SIGNED = frozenset(("accepted", "seen"))
"""Somebody over there has taken it on."""

TRANSITIONS: dict[Stage, dict[Word, Stage]] = {
    "waiting": {"accepted": "accepted", "refused": "refused", "seen": "seen"},
    "sent": {"accepted": "accepted", "refused": "refused", "seen": "seen"},
    "delivered": {"accepted": "accepted", "refused": "refused", "seen": "seen"},
    "accepted": {"seen": "seen"},
    # Refused by a machine, taken on by a person or by a second, better answer: that counts.
    "refused": {"accepted": "accepted", "seen": "seen"},
    "seen": {},
}

Id = Annotated[str, Meta(min_length=1, max_length=256)]
Note = Annotated[str, Meta(max_length=2000)]


class Receipt(msgspec.Struct, frozen=True):
    """A receiver's word about one notice of ours."""

    id: str
    """The receiver's own name of this word: the same again is the same word."""
    word: Word
    identifier: str
    """The document that it is about, or ''."""
    key: str = ""
    """The idempotency key that it is about, or ''."""
    by: str = ""
    note: str = ""
    at_ms: int = 0


class ReceiptBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The JSON form of a receipt: about a document (``identifier``) or a push (``key``)."""

    id: Id
    word: Word
    identifier: Annotated[str, Meta(max_length=256)] = ""
    key: Annotated[str, Meta(max_length=128)] = ""
    by: Annotated[str, Meta(max_length=128)] = ""
    note: Note = ""
    at_ms: Annotated[int, Meta(ge=0, le=1 << 53)] = 0


_body = msgspec.json.Decoder(ReceiptBody)


def read(payload: bytes) -> tuple[Receipt, ...]:
    """The receipts in a call back, CAP or JSON; raises Unreadable.

    One CAP answer may name several documents: one receipt each.
    """
    if payload.lstrip()[:1] == b"{":
        return (_from_json(payload),)
    document = reading.document(payload)
    word = KINDS.get(document.kind)
    if word is None:
        raise Unreadable(f"msgType {document.kind or 'missing'}: Ack or Error was expected")
    if not document.references:
        raise Unreadable("names no document that it answers")
    return tuple(
        Receipt(
            id=f"{document.sender},{document.identifier}"[:256],
            word=word,
            identifier=identifier,
            by=document.sender,
            note=document.note[:2000],
            at_ms=document.sent_ms,
        )
        for _, identifier, _ in document.references
    )


def _from_json(payload: bytes) -> Receipt:
    try:
        body = _body.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(str(error)) from error
    if not (body.identifier or body.key):
        raise Unreadable("names neither identifier nor key")
    if "\0" in body.id + body.identifier + body.key + body.by + body.note:
        raise Unreadable("holds a NUL")
    return Receipt(body.id, body.word, body.identifier, body.key, body.by, body.note, body.at_ms)


def advance(stage: Stage, word: Word) -> Stage | None:
    """The stage after a word; None where the word changes nothing."""
    return TRANSITIONS[stage].get(word)


def stage_of(*, is_sent: bool, is_delivered: bool, words: tuple[Word, ...]) -> Stage:
    """How far it came, whatever the order in which the words arrived.

    >>> stage_of(is_sent=True, is_delivered=True, words=("seen", "accepted"))
    'seen'
    """
    stage: Stage = "delivered" if is_delivered else "sent" if is_sent else "waiting"
    # Refused first, seen last: a word that came late over the net must not undo a later one.
    for word in sorted(words, key=("refused", "accepted", "seen").index):
        stage = advance(stage, word) or stage
    return stage


class Owed(msgspec.Struct, frozen=True):
    """A notice that its receiver has not signed for in time."""

    outbox: int
    incident: str
    target: str
    zone: str
    grade: int
    stage: Stage
    told_ms: int


def begins_clock(kind: str, reason: str, sign_within_s: float) -> bool:
    """Whether a notice is to be signed for: what begins or worsens, not what calms."""
    is_grave = kind == "alert" or reason in ("opened", "worsened", "reopened")
    return sign_within_s > 0 and is_grave


def is_owed(stage: Stage, phase: str) -> bool:
    """Whether people must be told that nobody over there has signed for it."""
    return stage not in SIGNED and phase not in ("closed", "archived")
