"""A burst by flow and pressures: found within frames, placed, sized; what is none is none."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from detectors import mains_burst
from detectors.base import Ground, Members, State
from detectors.history import Event, History
from detectors.mains_burst import MainsBurst
from lifeline.model import Detail, Floats, GroupFrame
from tests.detectors import group_battery as battery
from tests.detectors.group_battery import Case

CHAIN = 6
"""A line of nodes behind one inlet; four of them have a logger."""
NAMES = ("w/flow", "w/h0", "w/h1", "w/h3", "w/h5")
LOGGED = (0, 1, 3, 5)
MEMBERS = Members(NAMES, ("inlet-flow", *("head",) * 4), 10.0)
DETECTOR = MainsBurst()
DEMAND_M3_H = 100.0


def shown(node: int, size: float) -> Floats:
    """What a burst at a node does: flow up by its size, heads down by the way that is shared."""
    shared = np.minimum(np.array(LOGGED), node) + 1.0
    return np.concatenate([[size], -0.02 * size * shared])


def network() -> dict[str, Any]:
    sizes = np.array([10.0, 100.0, 300.0])
    response = [[[shown(node, size) for node in range(CHAIN)] for size in sizes]] * 2
    return {
        "burst_base": np.array([[60.0, 0, 0, 0, 0], [DEMAND_M3_H, 0, 0, 0, 0]]),
        "burst_response": np.array(response),
        "burst_m3_h": np.broadcast_to(sizes[:, None], (2, 3, CHAIN)),
        # The first main comes from a tank.
        "ends": np.array([[-1, 0], *([k, k + 1] for k in range(CHAIN - 1)), [CHAIN - 1, -1]]),
    }


def calm(rows: int, seed: int = 0) -> Floats:
    """Demand wanders, heads follow it everywhere alike, sensors are noisy."""
    rng = np.random.default_rng(seed)
    demand = np.zeros(rows)
    for k in range(1, rows):
        demand[k] = 0.9 * demand[k - 1] + 3.0 * rng.normal()
    heads = 40.0 - 0.01 * demand[:, None] * np.array(LOGGED)
    made = np.column_stack([DEMAND_M3_H + demand, heads])
    return made + np.array([0.3, *(0.08,) * 4]) * rng.normal(size=made.shape)


def ground(detector: MainsBurst = DETECTOR) -> Ground:
    history = History(
        MEMBERS, np.arange(600) * 10_000, calm(600, 7),
        events=(Event(kind="burst", row=-3, end=40),), network=network(),
    )  # fmt: skip
    pipes = np.array(["P-FEED", "P-01", "P-12", "P-23", "P-34", "P-45", "P-5"])
    return Ground(MEMBERS, detector.calibrate(history) | {"pipe": pipes})


GROUND = ground()


def burst(rows: Floats, node: int, size: float, first: int, last: int = 10_000) -> Floats:
    rows = rows.copy()
    rows[first:last] += shown(node, size)
    return rows


def run(rows: Floats, state: State | None = None, on: Ground = GROUND) -> list[float]:
    state = DETECTOR.blank(on) if state is None else state
    return [
        float(DETECTOR.step(on, state, GroupFrame((k + 1) * 10_000, row, np.zeros(len(row))))[0])
        for k, row in enumerate(rows)
    ]


def told(rows: Floats) -> Detail:
    state = DETECTOR.blank(GROUND)
    assert run(rows, state)[-1] >= 1.0
    return DETECTOR.told(GROUND, state, 0, len(rows) * 10_000)


@pytest.mark.parametrize("node", [1, 2, 4])
@pytest.mark.parametrize("size", [60.0, 250.0])
@pytest.mark.feature("W-1")
def test_a_burst_is_raised_at_its_second_frame_with_its_main_among_the_first(
    node: int, size: float
) -> None:
    rows = burst(calm(60, node), node, size, 50)

    scores = run(rows)

    detail = told(rows)
    assert [k for k, score in enumerate(scores) if score >= 1.0] == list(range(51, 60))
    assert {name for name, _ in detail.candidates[:3]} & {
        f"P-{node - 1}{node}",
        f"P-{node}{node + 1}",
    }
    assert sum(p for _, p in detail.candidates) == pytest.approx(1.0, abs=0.03)
    assert DETECTOR.code == "burst-shown"
    assert detail.onset_ms == 50 * 10_000
    assert detail.facts["size_low_m3_h"] <= size <= detail.facts["size_high_m3_h"]
    assert detail.facts["lost_m3"] == pytest.approx(size * 100 / 3600, rel=0.25)
    assert dict(detail.residuals)["w/flow"] > 3.0
    assert dict(detail.residuals)["w/h5"] < -3.0


def test_what_demand_and_noise_do_raises_nothing() -> None:
    assert max(run(calm(5000, 3))) < 0.6


@pytest.mark.parametrize("what", ["a logger", "the meter", "all heads", "the demand"])
def test_what_is_no_burst_raises_nothing(what: str) -> None:
    rows = calm(60, 5)
    match what:
        case "a logger":
            rows[50:, 3] -= 6.0
        case "the meter":
            rows[50:, 0] += 80.0
        case "all heads":
            rows[50:, 1:] -= 5.0
        case _:
            rows[50:, 0] += 12.0
            rows[50:, 1:] -= 0.01 * 12.0 * np.array(LOGGED)

    assert max(run(rows)) < 1.0


def test_a_burst_ends_when_it_is_repaired_and_the_next_is_found_as_well() -> None:
    rows = burst(calm(200, 8), 4, 200.0, 50, 110)
    rows = burst(rows, 1, 150.0, 160)

    scores = run(rows)

    assert [k for k, score in enumerate(scores) if score >= 1.0] == [
        *range(51, 110), *range(161, 200),
    ]  # fmt: skip


def test_what_goes_on_for_longer_than_a_day_is_habit() -> None:
    brief = MainsBurst(hold_s=300.0)
    state = brief.blank(GROUND)
    rows = burst(calm(120, 8), 4, 200.0, 50)

    scores = [
        float(brief.step(GROUND, state, GroupFrame((k + 1) * 10_000, row, np.zeros(5)))[0])
        for k, row in enumerate(rows)
    ]

    assert [k for k, score in enumerate(scores) if score >= 1.0] == list(range(51, 79))


def test_a_dead_logger_or_a_missing_meter_ends_nothing() -> None:
    rows = burst(calm(90, 9), 4, 200.0, 50)
    rows[:, 2] = np.nan
    rows[70:75, 0] = np.nan
    rows[80:85] = np.nan

    scores = run(rows)

    assert [k for k, score in enumerate(scores) if score >= 1.0] == list(range(51, 90))


def test_without_flow_or_history_nothing_is_judged() -> None:
    rows = burst(calm(60, 1), 4, 200.0, 50)
    rows[:, 0] = np.nan
    bare = Ground(MEMBERS, {})
    others = Ground(Members(NAMES[::-1], MEMBERS.quantities, 10.0), GROUND.learned)

    assert run(rows) == [0.0] * 60
    assert run(rows, on=bare) == [0.0] * 60
    assert run(rows, on=others) == [0.0] * 60
    assert DETECTOR.calibrate(History(MEMBERS, np.arange(9), calm(9))) == {}
    assert DETECTOR.told(bare, DETECTOR.blank(bare), 0, 0).candidates == ()


def test_one_frame_that_jumps_and_comes_back_is_no_burst() -> None:
    rows = burst(calm(60, 2), 4, 200.0, 50, 51)

    scores = run(rows)

    assert scores[50] == mains_burst.BELOW_ONE
    assert max(scores) < 1.0


CASE = Case(
    "mains-burst", DETECTOR, GROUND, calm(100, 4), calm(20, 5) + shown(3, 200.0), calm(2000, 6)
)


@pytest.mark.parametrize("check", battery.CHECKS, ids=lambda check: check.__name__)
def test_it_conforms(check: Callable[[Case], None]) -> None:
    check(CASE)
