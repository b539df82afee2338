"""The hand-over: every open item is taken over one by one before the incoming officer signs."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.people import handover
from alerting.people.handover import (
    REFUSALS,
    Facts,
    FaultySensor,
    Handover,
    ItemKey,
    OpenIncident,
    ShelvedPoint,
)
from tests.alerting.people.city import at

NOW = at("11-23 19:50")
LEAK = OpenIncident(
    id="i1",
    grade=1,
    hazard="gas-leak",
    asset="gas/well-7",
    phase="acknowledged",
    since_ms=at("11-23 14:00"),
    owner="wang",
    next_kind="progress",
    next_ms=at("11-23 20:10"),
    note="crew on its way",
)
UNSEEN = OpenIncident(
    id="i2",
    grade=3,
    hazard="low-supply",
    asset="gas/well-8",
    phase="open",
    since_ms=at("11-23 15:00"),
    owner="",
    review=True,
)
SHELF = ShelvedPoint(
    key="a1", channel="gas/well-9/ch4", hazard="gas-leak", grade=2, by="lin", until_ms=NOW
)
FACTS = Facts(
    at_ms=NOW,
    since_ms=at("11-23 08:00"),
    opened=5,
    closed=3,
    acknowledged=4,
    incidents=(LEAK, UNSEEN),
    shelved=(SHELF,),
    faulty=(
        FaultySensor(channel="gas/w/ch4", hazard="sensor-fault", state="shelved", since_ms=NOW),
    ),
)
ITEMS: tuple[ItemKey, ...] = (("incident", "i1"), ("incident", "i2"), ("shelved", "a1"))


def fresh(facts: Facts = FACTS) -> Handover:
    begun = handover.begin("h1", "gas", "wang", "zhao.b", facts, "valve 3 is stiff")
    assert isinstance(begun, Handover)
    return begun


def done(step: Handover | str) -> Handover:
    assert isinstance(step, Handover), step
    return step


def taken_over(sheet: Handover) -> Handover:
    for item in sheet.left():
        sheet = done(handover.accept(sheet, "zhao.b", item, NOW))
    return sheet


@pytest.mark.feature("C-4", "OnCall #325, #4062, #3870, #3841")
def test_open_incidents_and_shelved_points_are_taken_over_one_by_one() -> None:
    sheet = done(handover.sign(fresh(), "wang", NOW))

    for item in ITEMS:
        assert handover.sign(sheet, "zhao.b", NOW) == "items-left"
        sheet = done(handover.accept(sheet, "zhao.b", item, NOW))
    sheet = done(handover.sign(sheet, "zhao.b", NOW + 5))

    assert sheet.is_done
    assert sheet.incoming_signed_ms == NOW + 5
    assert sheet.left() == ()


def test_taking_an_item_over_twice_is_once() -> None:
    sheet = done(handover.accept(fresh(), "zhao.b", ITEMS[0], NOW))

    assert handover.accept(sheet, "zhao.b", ITEMS[0], NOW + 9) == sheet


@pytest.mark.parametrize(
    ("step", "refusal"),
    [
        (lambda s: handover.accept(s, "wang", ITEMS[0], NOW), "not-incoming"),
        (lambda s: handover.accept(s, "zhao.b", ("incident", "i9"), NOW), "unknown-item"),
        (lambda s: handover.sign(s, "lin", NOW), "not-party"),
        (lambda s: handover.sign(s, "zhao.b", NOW), "items-left"),
        (lambda s: handover.sign(taken_over(s), "zhao.b", NOW), "not-signed"),
        (lambda s: handover.sign(done(handover.sign(s, "wang", 1)), "wang", 2), "already-signed"),
        (lambda s: handover.annotate(s, "zhao.b", "x"), "not-party"),
        (lambda s: handover.annotate(s, "wang", "x" * 4001), "too-long"),
        (lambda s: handover.begin("h", "gas", "wang", "wang", FACTS), "same-person"),
        (lambda s: handover.begin("h", "gas", "wang", "zhao", FACTS, "x" * 4001), "too-long"),
    ],
)
def test_what_is_not_allowed_is_refused_with_a_sentence(step: Any, refusal: str) -> None:
    assert step(fresh()) == refusal
    assert all(REFUSALS[refusal])


def test_a_complete_sheet_is_never_changed() -> None:
    sheet = done(handover.sign(taken_over(fresh()), "wang", NOW))
    sheet = done(handover.sign(sheet, "zhao.b", NOW))

    assert handover.sign(sheet, "wang", NOW) == "done"
    assert handover.accept(sheet, "zhao.b", ITEMS[0], NOW) == "done"
    assert handover.annotate(sheet, "wang", "x") == "done"
    assert handover.refresh(
        sheet, Facts(at_ms=1, since_ms=0, opened=0, closed=0, acknowledged=0)
    ) == (sheet)


@pytest.mark.feature("C-4", "OnCall #325, #4062, #3870, #3841")
def test_what_comes_up_meanwhile_must_be_taken_over_and_signed_for_too() -> None:
    sheet = done(handover.sign(taken_over(fresh()), "wang", NOW))
    burst = msgspec.structs.replace(UNSEEN, id="i3")
    more = msgspec.structs.replace(FACTS, incidents=(*FACTS.incidents, burst), at_ms=NOW + 1)

    sheet = handover.refresh(sheet, more)

    assert sheet.left() == (("incident", "i3"),)
    assert sheet.outgoing_signed_ms is None
    assert handover.sign(sheet, "zhao.b", NOW) == "items-left"


def test_what_has_been_settled_meanwhile_is_no_longer_asked_for() -> None:
    sheet = done(handover.sign(fresh(), "wang", NOW))
    less = msgspec.structs.replace(FACTS, incidents=(LEAK,), shelved=(), at_ms=NOW + 1)

    sheet = handover.refresh(sheet, less)

    assert sheet.left() == (("incident", "i1"),)
    assert sheet.outgoing_signed_ms == NOW
    assert handover.refresh(sheet, less) == sheet


def test_notes_that_change_after_the_signature_are_signed_anew() -> None:
    sheet = done(handover.sign(fresh(), "wang", NOW))

    sheet = done(handover.annotate(sheet, "wang", "valve 3 is mended"))

    assert sheet.notes == "valve 3 is mended"
    assert sheet.outgoing_signed_ms is None


ACTS = st.one_of(
    st.tuples(st.just("accept"), st.sampled_from(("wang", "zhao.b", "lin")), st.integers(0, 3)),
    st.tuples(st.just("sign"), st.sampled_from(("wang", "zhao.b", "lin")), st.just(0)),
    st.tuples(st.just("news"), st.just(""), st.integers(0, 3)),
)


@given(st.lists(ACTS, max_size=20))
def test_in_whatever_order_things_happen_nobody_signs_for_what_he_has_not_taken_over(
    acts: list[tuple[str, str, int]],
) -> None:
    sheet = fresh()

    for now_ms, (what, who, number) in enumerate(acts, NOW):
        before = sheet
        if what == "news":
            known = tuple(msgspec.structs.replace(LEAK, id=f"i{n}") for n in range(number))
            sheet = handover.refresh(sheet, msgspec.structs.replace(FACTS, incidents=known))
        elif what == "sign":
            after = handover.sign(sheet, who, now_ms)
            sheet = sheet if isinstance(after, str) else after
        else:
            after = handover.accept(sheet, who, ("incident", f"i{number}"), now_ms)
            sheet = sheet if isinstance(after, str) else after
        if before.is_done:
            assert sheet == before
        if sheet.is_done:
            assert sheet.left() == ()
        if sheet != before:
            assert sheet.revision == before.revision + 1
