"""How far a notice came with its receiver: sent, delivered, accepted or refused, seen.  Pure.

Delivered is the receiver's HTTP answer; accepted and refused are its later word (CAP Ack, CAP
Error); seen is one of its people.  The words come in any order, more than once, and late.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from alerting.exchange import reading
from alerting.exchange.reading import Unreadable

Word = Literal["accepted", "refused", "seen"]
Stage = Literal["waiting", "sent", "delivered", "accepted", "refused", "seen"]
KINDS: dict[str, Word] = {"Ack": "accepted", "Error": "refused"}
"""What CAP calls them."""
GRAVE = frozenset(("opened", "worsened", "reopened"))
"""What must be signed for; what calms, need not."""
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


class Sent(msgspec.Struct, frozen=True):
    """A notice as far as it came with its receiver."""

    outbox: int
    target: str
    kind: str
    reason: str
    stage: Stage
    told_ms: int
    """When it was put in line."""


def is_owed(sent: Sent, phase: str) -> bool:
    """Whether its receiver still has to sign for it: for what begins or worsens, while it lasts."""
    is_grave = sent.kind == "alert" or sent.reason in GRAVE
    return is_grave and sent.stage not in SIGNED and phase not in ("closed", "archived")


def clock_of(
    notices: Iterable[Sent], within_s: Mapping[str, float], phase: str, now_ms: int
) -> int | None:
    """When people must be told that nobody has signed; None: nobody has to, or they were."""
    due = (_due_ms(n, within_s) for n in notices if n.target in within_s and is_owed(n, phase))
    return min((due_ms for due_ms in due if due_ms > now_ms), default=None)


def _due_ms(sent: Sent, within_s: Mapping[str, float]) -> int:
    return sent.told_ms + round(within_s[sent.target] * 1000)
