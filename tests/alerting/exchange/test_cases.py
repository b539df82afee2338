"""A case goes out as their class and unit, and comes back as what it means to us."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting import cases
from alerting.cases import Case, CaseBody
from alerting.exchange import tables
from alerting.exchange.reading import Unreadable
from alerting.exchange.tables import CaseAction, CaseClass, CaseState, CaseSystem
from lifeline.model import Text
from tests.alerting.exchange.papers import notice

TEXT = Text("立案", "Filed")
STATES = tuple(
    CaseState(str(10 * n + 10), step, TEXT, action)
    for n, (step, action) in enumerate(
        zip(cases.STEPS, ("note", "dispatch", "arrive", "note", "note"), strict=True)
    )
)
SYSTEM = CaseSystem(
    STATES,
    {"gas-leak": CaseClass("01", "0101", TEXT), "": CaseClass("99", "9900", TEXT)},
    {"": "210100", "heping": "210102"},
)


def heard(state: str, at_ms: int, **changes: Any) -> CaseBody:
    made = CaseBody("m", "i1", state, "C-7", "Zhao", "note", at_ms)
    return msgspec.structs.replace(made, **changes)


@pytest.mark.feature("E-5")
@pytest.mark.parametrize(
    ("hazard", "desk", "sub", "unit"),
    [
        ("gas-leak", "heping", "0101", "210102"),
        ("gas-leak", "nowhere", "0101", "210100"),
        ("other", "heping", "9900", "210102"),
    ],
)
def test_a_case_bears_their_class_and_the_unit_of_its_desk(
    hazard: str, desk: str, sub: str, unit: str
) -> None:
    body = cases.notice_of(notice(hazard=hazard), SYSTEM, desk)

    made = msgspec.json.decode(body, type=cases.CaseNotice)

    assert (made.sub, made.unit, made.asked) == (sub, unit, "file")
    assert body == cases.notice_of(notice(hazard=hazard), SYSTEM, desk)


def test_a_system_without_tables_is_told_all_the_same() -> None:
    body = cases.notice_of(notice(kind="end", reason="closed"), CaseSystem(), "heping")

    made = msgspec.json.decode(body, type=cases.CaseNotice)

    assert (made.sub, made.unit, made.asked) == ("unknown", "", "check")


@pytest.mark.feature("E-5")
def test_a_case_goes_its_five_steps_and_never_closes_the_incident() -> None:
    case = Case("i1", "city")
    seen = []
    for n, state in enumerate(STATES):
        moved = cases.move(case, heard(state.code, n + 1), SYSTEM)
        case = moved.case
        seen.append((case.step, moved.action, moved.reason))

    assert seen == [
        ("filed", "note", "mapped"),
        ("dispatched", "dispatch", "mapped"),
        ("handling", "arrive", "mapped"),
        ("checking", "note", "mapped"),
        ("closed", "note", "closed-elsewhere"),
    ]
    assert (case.number, case.person, case.messages, case.strange) == ("C-7", "Zhao", 5, 0)


def test_no_table_can_make_another_system_close_an_incident() -> None:
    tree = {"case": {"city": {"state": [
        {"code": "50", "step": "closed", "title": {"zh": "结", "en": "c"}, "action": "close"}
    ]}}}  # fmt: skip

    with pytest.raises(ValueError, match="close"):
        tables.read({"cases.toml": tree})
    assert "close" not in CaseAction.__args__  # type: ignore[attr-defined]


def test_an_unknown_code_is_kept_counted_and_shown() -> None:
    before = Case("i1", "city", "C-7", "20", "dispatched", "Zhao", 5, 2, 0)

    moved = cases.move(before, heard("77", 6, person=""), SYSTEM)
    late = cases.move(moved.case, heard("88", 3), SYSTEM)

    assert (moved.case.state, moved.case.step, moved.case.strange) == ("77", "", 1)
    assert (moved.action, moved.reason) == ("note", "unknown-code")
    assert "unmapped code 77" in moved.note
    assert (late.case.state, late.case.strange) == ("77", 2)


def test_what_comes_late_or_leads_back_moves_nothing_but_is_noted() -> None:
    case = Case("i1", "city", "C-7", "30", "handling", "Zhao", 10, 3, 0)

    late = cases.move(case, heard("20", 9), SYSTEM)
    back = cases.move(case, heard("20", 11), SYSTEM)

    assert (late.case.step, late.action, late.reason) == ("handling", "note", "late")
    assert (back.case.step, back.action, back.reason) == ("dispatched", "note", "mapped")
    assert late.case.messages == back.case.messages == 4


@given(st.lists(st.tuples(st.sampled_from(("10", "20", "30", "40", "50", "x")), st.integers(0, 9))))
def test_no_order_of_messages_closes_or_dispatches_twice_without_a_step_back(
    messages: list[tuple[str, int]],
) -> None:
    case = Case("i1", "city")
    for state, at_ms in messages:
        moved = cases.move(case, heard(state, at_ms), SYSTEM)
        assert moved.action in ("dispatch", "arrive", "note")
        assert moved.case.messages == case.messages + 1
        assert moved.case.at_ms >= case.at_ms
        if moved.action != "note":
            assert moved.case.step != case.step
        case = moved.case


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b'{"id":"m"}', b'{"id":"m","incident":"i","state":"1","more":1}',
     b'{"id":"m","incident":"i","state":"\\u0000"}', b'{"id":"\xff"}', b"[" * 5000],
)  # fmt: skip
def test_each_wrong_message_is_refused(payload: bytes) -> None:
    with pytest.raises(Unreadable):
        cases.read(payload)


def test_a_right_message_is_read() -> None:
    assert cases.read(b'{"id":"m","incident":"i","state":"10"}') == CaseBody("m", "i", "10")
