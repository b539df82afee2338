"""Leaks of a small town are found, placed, sized and struck out; what looks like one is none."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from detectors.base import Ground, Members, State
from detectors.water import leaks
from detectors.water.leaks import WaterLeaks
from detectors.water.ledger import Ledger
from detectors.water.sight import Weighed, model_of
from lifeline.model import GroupFrame
from tests.detectors import group_battery as battery
from tests.detectors.group_battery import Case
from tests.detectors.water import town

DETECTOR = WaterLeaks()
STEP_MS = int(town.GRID_S * 1000)
YEAR_LATER = town.rows_of(364)


@cache
def ground() -> Ground:
    return Ground(town.MEMBERS, DETECTOR.calibrate(town.history()))


def flow(rows: int, size: float, begin: int, end: int | None = None) -> np.ndarray:
    at = np.arange(rows)
    return size * ((at >= begin) & (at < (rows if end is None else end)))


def watched(
    values: np.ndarray,
    start: int = YEAR_LATER,
    *,
    state: State | None = None,
    detector: WaterLeaks = DETECTOR,
    absent: range = range(0),
) -> list[tuple[int, int, str]]:
    """(row, +slot or -slot - 1, place) of every beginning and end of an alarm."""
    state = DETECTOR.blank(ground()) if state is None else state
    seen, before = [], state["known"].copy()
    for row, one in enumerate(values):
        if row in absent:
            continue
        at_ms = town.START_MS + (start + row) * STEP_MS
        now = detector.step(ground(), state, GroupFrame(at_ms, one, np.zeros(len(one)))) >= 1.0
        for slot in np.flatnonzero(now != before).tolist():
            detail = DETECTOR.told(ground(), state, slot, at_ms)
            place = detail.candidates[0][0]
            seen.append((row, slot if now[slot] else -slot - 1, place))
        before = now
    return seen


def case() -> Case:
    calm, fault = town.rows_of(14), town.rows_of(5)
    begun = town.year(19, 2, start=YEAR_LATER, leaks={5: flow(calm + fault, 9.0, calm)})
    more = town.year(20, 3, start=YEAR_LATER + calm)
    return Case("leaks", DETECTOR, ground(), begun[:calm], begun[calm:], more, bytes_max=200_000)


@pytest.mark.parametrize("check", battery.CHECKS, ids=lambda c: c.__name__)
def test_conforms(check: Callable[[Case], None]) -> None:
    check(case())


@pytest.mark.feature("W-1", "W-3")
def test_a_leak_is_placed_within_days_and_struck_out_when_repaired() -> None:
    rows = town.rows_of(50)
    values = town.year(50, 2, start=YEAR_LATER, leaks={5: flow(rows, 7.0, 1000, 1900)})

    seen = watched(values)

    assert [(slot, place) for _, slot, place in seen] == [(0, "p5"), (-1, "p5")]
    assert seen[0][0] - 1000 <= town.rows_of(2)
    assert seen[1][0] - 1900 <= town.rows_of(2)


@pytest.mark.feature("W-3")
def test_a_second_leak_is_found_beside_the_first_and_a_slow_one_while_it_grows() -> None:
    rows = town.rows_of(70)
    slow = 8.0 * np.clip((np.arange(rows) - 1500) / 1400.0, 0.0, 1.0) ** 2
    values = town.year(
        70, 2, start=YEAR_LATER, leaks={5: flow(rows, 7.0, 700), 9: flow(rows, 6.0, 800), 1: slow}
    )

    seen = watched(values)

    assert sorted(place for _, _, place in seen) == ["p1", "p5", "p9"]
    assert max(row for row, _, _ in seen) < 1500 + 1400


@pytest.mark.feature("W-3")
def test_a_detail_names_pipes_size_loss_and_residuals() -> None:
    state = DETECTOR.blank(ground())
    rows = town.rows_of(20)
    values = town.year(20, 2, start=YEAR_LATER, leaks={5: flow(rows, 7.0, 480)})
    for row, one in enumerate(values):
        at_ms = town.START_MS + (YEAR_LATER + row) * STEP_MS
        scores = DETECTOR.step(ground(), state, GroupFrame(at_ms, one, np.zeros(len(one))))

    detail = DETECTOR.told(ground(), state, int(scores.argmax()), at_ms)

    begun_ms = town.START_MS + (YEAR_LATER + 480) * STEP_MS
    assert detail.onset_ms is not None
    assert abs(detail.onset_ms - begun_ms) <= 2 * 86_400_000
    facts = detail.facts
    assert facts["size_low_m3_h"] <= 7.0 <= facts["size_high_m3_h"]
    assert facts["lost_m3"] == pytest.approx(7.0 * 24.0 * 10.0, rel=0.3)
    assert facts["cost_cny"] == pytest.approx(4.0 * facts["lost_m3"], abs=4.0)
    assert min(detail.residuals, key=lambda one: one[1])[0] == "t/h5"
    assert DETECTOR.told(ground(), state, 9, at_ms).candidates == ()


def test_without_an_artefact_it_is_silent() -> None:
    bare = Ground(town.MEMBERS)
    state = DETECTOR.blank(bare)

    scores = DETECTOR.step(bare, state, GroupFrame(town.START_MS, np.ones(10), np.zeros(10)))

    assert not scores.any()


def test_what_ceases_without_having_been_known_is_learned_and_hides_nothing() -> None:
    rows = town.rows_of(50)
    fewer, leak = flow(rows, -8.0, 900), flow(rows, 8.0, 1700)

    seen = watched(town.year(50, 2, start=YEAR_LATER, leaks={4: fewer, 8: leak}))

    assert [place for _, _, place in seen] == ["p8"]


def hidden() -> tuple[State, np.ndarray]:
    """Twelve calm days, then a leak that the level holds already, as if it had grown for months."""
    state = DETECTOR.blank(ground())
    calm_rows, rows = town.rows_of(12), town.rows_of(32)
    values = town.year(32, 2, start=YEAR_LATER, leaks={5: flow(rows, 8.0, calm_rows)})
    watched(values[:calm_rows], state=state)
    level = 8.0 * np.asarray(ground().learned["signatures"][5], np.float64)
    state["mean"][: len(level)] += level
    state["past_mean"] += level
    state["ring"][:, :-1] += level[: len(level) // 2]
    return state, values[calm_rows:]


def test_an_audit_finds_what_was_learned_as_habit() -> None:
    state, values = hidden()

    seen = watched(values, YEAR_LATER + town.rows_of(12), state=state)

    assert [(slot, place) for _, slot, place in seen] == [(0, "p5")]


def test_an_audit_that_cannot_place_a_leak_sends_nobody() -> None:
    state, values = hidden()
    strict = WaterLeaks(reach_share=1.0 - 1e-16)

    assert watched(values, YEAR_LATER + town.rows_of(12), state=state, detector=strict) == []


def test_a_leak_that_turns_out_to_be_nothing_is_struck_out() -> None:
    state = DETECTOR.blank(ground())
    values = calm(20)
    watched(values[:600], state=state)
    state["known"][3] = True
    state["pipe"][3, 0], state["weight"][3, 0], state["place"][3] = 2, 1.0, 2

    seen = watched(values[600:], YEAR_LATER + 600, state=state)

    assert [slot for _, slot, _ in seen] == [-4]


def test_hours_without_any_row_pass_all_the_same() -> None:
    rows = town.rows_of(30)
    values = town.year(30, 2, start=YEAR_LATER, leaks={5: flow(rows, 8.0, 800)})

    seen = watched(values, absent=range(600, 700))

    assert [place for _, _, place in seen] == ["p5"]


def test_no_slot_is_free_for_one_more() -> None:
    state = DETECTOR.blank(ground())
    rows = town.rows_of(25)
    values = town.year(25, 2, start=YEAR_LATER, leaks={5: flow(rows, 8.0, 600)})
    watched(values[:600], state=state)
    state["known"][:], state["since"][:] = True, state["blocks"][0]

    assert watched(values[600:900], YEAR_LATER + 600, state=state) == []


def test_a_leak_known_on_the_first_day_is_watched_by_that_day_alone() -> None:
    state = DETECTOR.blank(ground())
    watched(calm(2)[:60], state=state)
    book = Ledger(model_of(ground().learned), state)
    one = np.zeros(town.PIPES)
    one[5] = 1.0
    slot = book.enter(Weighed(20.0, one, 8.0 * one), learned=True)

    assert book.repaired(book.growing()) == -1
    assert book.size(slot)[0] == 8.0


def test_a_network_without_tank_is_watched_too() -> None:
    history = town.history()
    columns = Members(town.COLUMNS[:8], town.QUANTITIES[:8], town.GRID_S)
    network = {
        name: array[..., :8] if array.shape[-1:] == (10,) else array
        for name, array in history.network.items()
    }
    for name, value in (
        ("members", columns), ("network", network), ("values", history.values[:, :8]),
    ):  # fmt: skip
        object.__setattr__(history, name, value)
    bare = Ground(columns, DETECTOR.calibrate(history))
    state = DETECTOR.blank(bare)

    for row, one in enumerate(calm(8)[:, :8]):
        at_ms = town.START_MS + (YEAR_LATER + row) * STEP_MS
        scores = DETECTOR.step(bare, state, GroupFrame(at_ms, one, np.zeros(8)))

    assert scores.max() < 1.0


def test_full_slots_show_no_evidence_of_a_further_leak() -> None:
    state = DETECTOR.blank(ground())
    state["known"][:] = True

    frame = GroupFrame(town.START_MS, town.year(1, 2)[0], np.zeros(10))

    assert (DETECTOR.step(ground(), state, frame) == leaks.ALARM).all()
    book = Ledger(model_of(ground().learned), state)
    one = Weighed(20.0, np.full(town.PIPES, 1 / town.PIPES), np.ones(town.PIPES))
    assert book.enter(one, learned=False) == -1


# What users fear: each is no leak, and none may be told as one.


def calm(days: float = 40) -> np.ndarray:
    return town.year(days, 6, start=YEAR_LATER)


def test_a_sensor_replaced_with_an_offset_is_no_leak() -> None:
    values = calm()
    values[900:, 2] -= 0.4

    assert watched(values) == []


def test_two_days_without_data_are_no_leak() -> None:
    values = calm()
    values[900 : 900 + town.rows_of(2)] = np.nan

    assert watched(values) == []


def test_a_level_that_is_missing_for_a_day_is_no_leak() -> None:
    values = calm()
    values[900 : 900 + town.rows_of(1), -1] = np.nan
    values[1200 : 1200 + town.rows_of(1), 1] = np.nan

    assert watched(values) == []


def test_a_holiday_is_no_leak() -> None:
    values = town.year(40, 6, start=YEAR_LATER, quiet=(18, 19, 20))

    assert watched(values) == []


def test_a_fire_fighting_draw_of_two_hours_is_no_leak() -> None:
    rows = town.rows_of(40)
    values = town.year(40, 6, start=YEAR_LATER, leaks={4: flow(rows, 60.0, 900, 904)})

    assert watched(values) == []


def test_a_meter_exchanged_for_one_that_reads_more_is_no_leak() -> None:
    values = calm()
    values[900:, 6] *= 1.05

    assert watched(values) == []


def test_a_changed_pump_schedule_is_no_leak() -> None:
    values = town.year(40, 6, start=YEAR_LATER, pump_rows=3)

    assert watched(values) == []


def test_a_clock_an_hour_off_is_no_leak() -> None:
    values = calm()
    values[900:-2] = values[902:]

    assert watched(values) == []


def test_a_week_that_stands_otherwise_to_the_calendar_is_learned() -> None:
    assert watched(town.year(40, 6, start=YEAR_LATER), start=YEAR_LATER + town.rows_of(2)) == []
