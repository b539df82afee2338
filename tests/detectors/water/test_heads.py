"""A few heads and an inflow: a leak shifts them, its repair brings them back."""

from collections.abc import Callable

import numpy as np
import pytest

from detectors.base import Ground, Members
from detectors.water.heads import HeadShift
from lifeline.model import GroupFrame
from tests.detectors import group_battery as battery
from tests.detectors.group_battery import START_MS, Case

GROUND = Ground(Members(("w/q", "w/a", "w/b", "w/c"), ("inflow", *("head",) * 3), 1800.0))
DETECTOR = HeadShift()


def rows(n: int, seed: int, shift: float = 0.0, start: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    flow = 3000.0 + 1500.0 * np.sin((start + np.arange(n)) / 48 * 2 * np.pi) + rng.normal(0, 50, n)
    losses = (flow / 1000.0) ** 1.852
    heads = 100.0 - np.outer(losses, [1.0, 1.6, 0.7]) + rng.normal(0.0, 0.1, (n, 3))
    heads += shift * np.array([-0.3, -1.0, 0.4])
    return np.column_stack([flow, heads])


CASE = Case(
    "head-shift", DETECTOR, GROUND, rows(600, 1), rows(60, 2, 0.8, 600), rows(4000, 3, 0.0, 600)
)


@pytest.mark.parametrize("check", battery.CHECKS, ids=lambda c: c.__name__)
def test_conforms(check: Callable[[Case], None]) -> None:
    check(CASE)


def runs(values: np.ndarray) -> tuple[list[bool], dict[str, np.ndarray]]:
    state = DETECTOR.blank(GROUND)
    work = [GroupFrame(START_MS + k * 1_800_000, row, np.zeros(4)) for k, row in enumerate(values)]
    return [bool(DETECTOR.step(GROUND, state, one)[0] >= 1.0) for one in work], state


def test_an_alarm_lasts_from_the_leak_to_its_repair() -> None:
    values = np.concatenate([rows(800, 1), rows(500, 2, 0.5, 800), rows(300, 3, 0.0, 1300)])

    alarm, _ = runs(values)

    first, last = alarm.index(True), len(alarm) - 1 - alarm[::-1].index(True)
    assert 800 <= first <= 815
    assert all(alarm[first:1300])
    assert 1300 <= last <= 1312


def test_a_small_shift_is_found_by_the_long_memory() -> None:
    alarm, state = runs(np.concatenate([rows(3000, 1), rows(900, 2, 0.14, 3000)]))

    assert not any(alarm[:3000])
    assert alarm[-1]
    detail = DETECTOR.told(GROUND, state, 0, START_MS)
    begun_ms = START_MS + 3000 * 1_800_000
    assert detail.onset_ms is not None
    assert abs(detail.onset_ms - begun_ms) < 12 * 86_400_000
    assert min(detail.residuals, key=lambda one: one[1])[0] == "w/b"
