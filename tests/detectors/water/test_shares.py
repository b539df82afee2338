"""Two inlets and a total: a leak shifts how they divide, or what they carry together."""

from collections.abc import Callable

import numpy as np
import pytest

from detectors.base import Ground, Members
from detectors.water.shares import ShareShift
from lifeline.model import GroupFrame
from tests.detectors import group_battery as battery
from tests.detectors.group_battery import START_MS, Case

STEP_MS = 900_000
DAY = 96
GROUND = Ground(
    Members(("w/a", "w/b", "w/p", "w/t"), ("inflow", "inflow", "pump-flow", "tank-level"), 900.0)
)
DETECTOR = ShareShift()


def flows(days: float, seed: int, start: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    n = round(days * DAY)
    at = round(start * DAY) + np.arange(n)
    demand = 150.0 - 60.0 * np.cos(2.0 * np.pi * at / DAY) + rng.normal(0.0, 6.0, n)
    pump = 40.0 * (at // 8 % 2)
    total = demand + pump
    first = 0.48 * total + 2.0 * (pump > 0) + rng.normal(0.0, 0.6, n)
    return np.column_stack([first, total - first, pump, 3.0 + 0.1 * np.sin(at / 9.0)])


def leaking(
    values: np.ndarray, row: int, size: float, split: float, end: int | None = None
) -> None:
    values[row:end, 0] += split * size
    values[row:end, 1] += (1.0 - split) * size


def watched(values: np.ndarray) -> list[tuple[int, int]]:
    """(row, +slot or -slot - 1) of every beginning and end."""
    state = DETECTOR.blank(GROUND)
    seen, before = [], np.zeros(DETECTOR.SLOTS, bool)
    for row, one in enumerate(values):
        frame = GroupFrame(START_MS + row * STEP_MS, one, np.zeros(4))
        now = DETECTOR.step(GROUND, state, frame) >= 1.0
        seen += [
            (row, slot if now[slot] else -slot - 1)
            for slot in np.flatnonzero(now != before).tolist()
        ]
        before = now
    return seen


def case() -> Case:
    fault = flows(3, 2, 20)
    leaking(fault, 0, 12.0, 0.8)
    return Case("share-shift", DETECTOR, GROUND, flows(20, 1), fault, flows(40, 3, 20))


@pytest.mark.parametrize("check", battery.CHECKS, ids=lambda c: c.__name__)
def test_conforms(check: Callable[[Case], None]) -> None:
    check(case())


@pytest.mark.feature("W-1")
def test_a_shift_is_found_within_hours_and_ends_with_the_repair() -> None:
    values = flows(30, 4)
    leaking(values, 16 * DAY, 10.0, 0.9, 23 * DAY)

    seen = watched(values)

    assert [slot for _, slot in seen] == [0, -1]
    assert seen[0][0] - 16 * DAY <= 24
    assert seen[1][0] - 23 * DAY <= 24


def test_a_second_leak_that_shifts_the_share_back_is_no_repair() -> None:
    values = flows(30, 4)
    leaking(values, 16 * DAY, 24.0, 0.9)
    leaking(values, 21 * DAY, 24.0, 0.05)

    seen = watched(values)

    assert [slot for _, slot in seen] == [0, 1]


def test_a_leak_that_both_inlets_feed_alike_is_found_by_the_total_until_it_ends() -> None:
    values = flows(34, 5)
    leaking(values, 20 * DAY, 25.0, 0.48, 27 * DAY)

    seen = watched(values)

    assert [slot for _, slot in seen] == [0, -1]
    assert seen[0][0] - 20 * DAY <= 3 * DAY


def test_a_total_that_falls_without_a_known_leak_is_no_alarm() -> None:
    values = flows(30, 5)
    leaking(values, 20 * DAY, -25.0, 0.48)

    assert watched(values) == []


def test_no_slot_is_free_for_one_more() -> None:
    state = DETECTOR.blank(GROUND)
    values = flows(22, 4)
    leaking(values, 16 * DAY, 10.0, 0.9)
    for row, one in enumerate(values):
        if row == 16 * DAY:
            state["known"][:] = True
        frame = GroupFrame(START_MS + row * STEP_MS, one, np.zeros(4))
        scores = DETECTOR.step(GROUND, state, frame)

    assert (scores == 1.5).all()
    assert not state["shift"].any()
