"""A receiver's words: how they are read, what they come to in any order, who owes a signature."""

from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting import receipts
from alerting.exchange.reading import Unreadable
from alerting.receipts import SIGNED, TRANSITIONS, Receipt, Sent
from tests.alerting.exchange.test_reading import CAP


def answer(kind: str, references: str = "<references>s,doc-1,t s,doc-2,t</references>") -> bytes:
    return CAP.format(
        f"<sender>platform</sender><sent>2024-01-01T08:00:00+08:00</sent>"
        f"<msgType>{kind}</msgType><note>why</note>{references}"
    ).encode()


@pytest.mark.feature("E-2")
@pytest.mark.parametrize(("kind", "word"), [("Ack", "accepted"), ("Error", "refused")])
def test_a_cap_answer_signs_for_every_document_that_it_names(kind: str, word: str) -> None:
    first, second = receipts.read(answer(kind))

    assert first == Receipt("platform,a", word, "doc-1", "", "platform", "why", 1_704_067_200_000)
    assert second.identifier == "doc-2"


def test_the_json_form_says_the_same() -> None:
    body = {"id": "m1", "word": "seen", "key": "k", "by": "Wang", "note": "on it", "at_ms": 5}

    assert receipts.read(msgspec.json.encode(body)) == (
        Receipt("m1", "seen", "", "k", "Wang", "on it", 5),
    )


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (answer("Alert"), "Ack or Error was expected"),
        (answer(""), "msgType missing"),
        (answer("Ack", ""), "names no document"),
        (b'{"id":"m","word":"accepted"}', "neither identifier nor key"),
        (b'{"id":"m","word":"accepted","key":"\\u0000"}', "NUL"),
        (b'{"id":"m","word":"maybe","key":"k"}', "Invalid enum value"),
        (b'{"id":"","word":"seen","key":"k"}', "length"),
        (b'{"id":"m","word":"seen","key":"k","more":1}', "unknown field"),
        (b'{"a":' * 5000, "."),
        (b'{"id":"\xff"}', "."),
    ],
)
def test_each_wrong_receipt_is_refused_with_a_sentence(payload: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        receipts.read(payload)


def test_words_come_to_the_same_in_any_order() -> None:
    for words in permutations(("accepted", "refused", "seen")):
        assert receipts.stage_of(is_sent=True, is_delivered=True, words=words) == "seen"
    for words in permutations(("accepted", "refused")):
        assert receipts.stage_of(is_sent=True, is_delivered=True, words=words) == "accepted"


@given(st.lists(st.sampled_from(("accepted", "refused", "seen"))), st.booleans(), st.booleans())
def test_a_stage_is_as_far_as_the_words_say_and_never_less(
    words: list[receipts.Word], is_sent: bool, is_delivered: bool
) -> None:
    stage = receipts.stage_of(is_sent=is_sent, is_delivered=is_delivered, words=tuple(words))

    assert (stage in SIGNED) == bool({"accepted", "seen"} & set(words))
    assert (stage == "refused") == (bool(words) and set(words) == {"refused"})
    if not words:
        assert stage == ("delivered" if is_delivered else "sent" if is_sent else "waiting")


@pytest.mark.feature("E-2")
def test_every_stage_has_its_row_and_nothing_leads_back_to_silence() -> None:
    reached = {stage for row in TRANSITIONS.values() for stage in row.values()}

    assert reached == {"accepted", "refused", "seen"}
    assert receipts.advance("seen", "refused") is None
    assert receipts.advance("accepted", "refused") is None


def sent(n: int = 1, **changes: Any) -> Sent:
    return msgspec.structs.replace(Sent(n, "p", "alert", "opened", "delivered", 1000), **changes)


@pytest.mark.parametrize(
    ("changes", "phase", "owed"),
    [
        ({}, "open", True), ({"stage": "waiting"}, "open", True),
        ({"stage": "refused"}, "dispatched", True), ({"stage": "accepted"}, "open", False),
        ({"stage": "seen"}, "open", False), ({}, "closed", False), ({}, "archived", False),
        ({"kind": "update", "reason": "worsened"}, "open", True),
        ({"kind": "update", "reason": "returned"}, "watching", False),
    ],
)  # fmt: skip
def test_what_begins_or_worsens_is_owed_a_signature_while_it_lasts(
    changes: dict[str, Any], phase: str, owed: bool
) -> None:
    assert receipts.is_owed(sent(**changes), phase) is owed


@pytest.mark.feature("E-2")
def test_the_clock_is_that_of_the_next_signature_and_stops_when_all_have_signed() -> None:
    within = {"p": 60.0, "q": 90.0}
    first, second = sent(), sent(2, target="q")
    free = sent(3, target="nobody")

    def clock(*notices: Sent, now_ms: int = 2000) -> int | None:
        return receipts.clock_of(notices, within, "open", now_ms)

    signed = msgspec.structs.replace(first, stage="accepted")
    assert clock(first, second, free) == 61_000
    assert clock(signed, second) == 91_000
    assert clock(first, second, now_ms=61_000) == 91_000
    assert clock(signed, free) is None
