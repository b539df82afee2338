"""The common detectors of groups pass the battery, and the battery finds broken ones."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from detectors.base import Ground, GroupParams, Members, Scores, State
from detectors.mewma import Mewma
from detectors.novel_shape import NovelShape
from detectors.sensor_fault import SensorFault
from lifeline.model import GroupFrame
from tests.detectors import group_battery as battery
from tests.detectors.group_battery import START_MS, Case

CHANNELS = 8
CALM = 600
NOISE = 0.05


def members(*quantities: str, grid_s: float = 300.0) -> Members:
    return Members(tuple(f"w/c{i}" for i in range(len(quantities))), quantities, grid_s)


HEADS = Ground(members(*("head",) * CHANNELS))


def network(rows: int, seed: int) -> np.ndarray:
    """Heads that two demands move together, with noise of the sensors."""
    rng = np.random.default_rng(seed)
    hours = (np.arange(rows) + 1000 * seed)[:, None] / 24.0
    demands = np.hstack([np.sin(hours), np.cos(1.7 * hours)]) + 0.3 * rng.normal(size=(rows, 2))
    pull = np.random.default_rng(99).uniform(0.5, 1.5, (2, CHANNELS))
    made: np.ndarray = 50.0 + demands @ pull + NOISE * rng.normal(size=(rows, CHANNELS))
    return made


def faulty(code: str, rows: int) -> np.ndarray:
    """The network again, its third sensor at fault from the first row on."""
    rng = np.random.default_rng(5)
    made = network(rows, 2)
    one = made[:, 2]
    match code:
        case "loss":
            one[:] = np.nan
        case "stuck":
            one[:] = one[0]
        case "clipped":
            calm = network(CALM, 1)
            top = int(calm[:, 2].argmax())
            made[:] = calm[top] + NOISE * rng.normal(size=made.shape)
            one[:] = calm[top, 2] + 0.01
        case "bias":
            one += 0.8
        case "scale":
            one *= 0.1
        case "noise":
            one += rng.choice([-1.0, 1.0], rows) * rng.uniform(0.5, 1.5, rows)
        case "spikes":
            one[::15] += 3.0
        case "drift":
            one += 0.001 * np.arange(rows)
    return made


MORE = network(500, 3)
SENSORS = SensorFault(learn_rows=256, memory_rows=128, forget_rows=1024)
ROWS_TO_FIND = {
    "loss": 3, "stuck": 8, "clipped": 10, "bias": 14, "scale": 3, "noise": 30, "spikes": 40,
    "drift": 300,
}  # fmt: skip


def cycles(rows: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    day = np.arange(rows) / 288.0
    made: np.ndarray = (20.0 + 5.0 * np.sin(2.0 * np.pi * day) + rng.normal(0.0, 0.3, rows))[
        :, None
    ]
    return made


def white(rows: int, seed: int, channels: int = 4) -> np.ndarray:
    return 10.0 + np.random.default_rng(seed).normal(size=(rows, channels))


def on(channel: int, shift: float) -> np.ndarray:
    """A shift of one of four channels."""
    return shift * (np.arange(4) == channel)


LOOP = Ground(members("flow", "vibration", "vibration", "temperature", grid_s=1.0))
SENSOR_CASES = {
    code: Case(f"sensor-{code}", SENSORS, HEADS, network(CALM, 1), faulty(code, rows), MORE)
    for code, rows in ROWS_TO_FIND.items()
}
CASES = (
    SENSOR_CASES["bias"],
    Case("mewma", Mewma(), LOOP, white(600, 1), white(30, 2) + 3.0, white(3000, 3)),
    Case(
        "mewma-lead", Mewma(lead=("flow",), guard=("vibration",)), LOOP, white(600, 1),
        white(30, 2) + on(0, 3.0), white(3000, 3) + on(3, 50.0),
    ),
    Case(
        "novel-shape", NovelShape(), Ground(members("telemetry")), cycles(2000, 1),
        cycles(12, 2) + 15.0, cycles(4880, 1)[2000:],
    ),
)  # fmt: skip


@pytest.mark.parametrize("check", battery.CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_conforms(case: Case, check: Callable[[Case], None]) -> None:
    check(case)


@pytest.mark.parametrize("code", ROWS_TO_FIND)
@pytest.mark.feature("D-4")
def test_a_faulty_sensor_is_named_with_its_fault_and_masked_alone(code: str) -> None:
    case = SENSOR_CASES[code]
    state = SENSORS.blank(HEADS)

    scores = case.run(state, case.every())
    slot = int(scores[-1].argmax())
    detail = SENSORS.told(HEADS, state, slot, START_MS)

    assert (detail.channel, detail.code) == ("w/c2", code)
    assert np.flatnonzero(SENSORS.distrusted(HEADS, state)).tolist() == [2]


def test_what_a_finding_says_without_a_detail_is_that_a_sensor_is_bad() -> None:
    assert SENSORS.code == "bad-sensor"


def test_a_sensor_that_agrees_again_is_believed_again_and_its_slot_is_free() -> None:
    case = SENSOR_CASES["bias"]
    state = SENSORS.blank(HEADS)
    case.run(state, case.every())

    scores = case.run(state, case.frames(network(30, 4), CALM + len(case.fault)))

    assert scores[0].max() >= 1.0
    assert scores[-1].max() < 1.0
    assert not SENSORS.distrusted(HEADS, state).any()
    assert (state["slot"] == -1).all()


@pytest.mark.parametrize("rise_m", [0.4, 0.8, 3.0])
@pytest.mark.feature("D-4")
def test_a_leak_that_moves_neighbours_too_is_nobodys_fault(rise_m: float) -> None:
    state = SENSORS.blank(HEADS)
    case = SENSOR_CASES["bias"]
    case.run(state, case.frames(network(CALM, 1)))
    leak = network(600, 2) - rise_m * np.array([0.1, 0.5, 1.0, 0.6, 0.3, 0.1, 0.1, 0.1])

    scores = case.run(state, case.frames(leak, CALM))

    assert scores.max() < 1.0


def test_what_neighbours_cannot_contradict_is_still_watched_for_silence() -> None:
    ground = Ground(members(*("head",) * 7, "inflow"))
    detector = SensorFault(learn_rows=256, memory_rows=64, judged=("head",))
    case = dataclasses.replace(SENSOR_CASES["bias"], detector=detector, ground=ground)
    calm, leak, lost = network(CALM, 1), network(300, 2), network(5, 3)
    leak[:, 7] += 5.0
    lost[:, 7] = np.nan
    state = detector.blank(ground)
    case.run(state, case.frames(calm))

    moved = case.run(state, case.frames(leak, CALM))
    gone = case.run(state, case.frames(lost, CALM + 300))

    assert moved.max() < 1.0
    assert gone[-1].max() >= 1.0


def test_more_faults_than_slots_are_masked_and_wait_for_a_slot() -> None:
    width = 20
    ground = Ground(members(*("head",) * width))
    detector = SensorFault(learn_rows=64)
    state = detector.blank(ground)
    case = dataclasses.replace(SENSOR_CASES["bias"], detector=detector, ground=ground)

    scores = case.run(state, case.frames(np.full((4, width), np.nan)))

    assert (scores[-1] >= 1.0).all()
    assert detector.distrusted(ground, state).all()


@pytest.mark.parametrize("name", ["mewma", "novel-shape"])
def test_an_alarm_ends_when_its_cause_does(name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    state = case.detector.blank(case.ground)
    case.run(state, case.every())

    rest = case.calm[-300:]
    scores = case.run(state, case.frames(rest, len(case.calm) + len(case.fault)))

    assert scores[-1, 0] < 1.0


def test_a_shift_that_stays_becomes_the_new_reference_after_a_while() -> None:
    detector = Mewma(learn_rows=120, relearn_rows=50)
    case = dataclasses.replace(next(c for c in CASES if c.name == "mewma"), detector=detector)
    state = detector.blank(LOOP)
    case.run(state, case.frames(white(300, 1)))

    scores = case.run(state, case.frames(white(400, 2) + 20.0, 300))

    assert scores[20, 0] >= 1.0
    assert scores[-1, 0] < 1.0


class Forgets(Mewma, frozen=True, kw_only=True, tag="forgets"):
    """Broken: an alarm ends when nothing comes."""

    def step(self, ground: Ground, state: State, frame: GroupFrame) -> Scores:
        scores = super().step(ground, state, frame)
        return scores if np.isfinite(frame.values).any() else np.zeros(1)


class Writes(Mewma, frozen=True, kw_only=True, tag="writes_group"):
    """Broken: changes the frame."""

    def step(self, ground: Ground, state: State, frame: GroupFrame) -> Scores:
        values = frame.values
        values += 0.0
        return super().step(ground, state, frame)


class Deaf(Mewma, frozen=True, kw_only=True, tag="deaf_group"):
    """Broken: never fires."""

    def step(self, ground: Ground, state: State, frame: GroupFrame) -> Scores:
        return np.minimum(super().step(ground, state, frame), 0.9)


class Nervous(Mewma, frozen=True, kw_only=True, tag="nervous_group"):
    """Broken: fires on noise."""

    def step(self, ground: Ground, state: State, frame: GroupFrame) -> Scores:
        return 3.0 * super().step(ground, state, frame)


class Aliases(Mewma, frozen=True, kw_only=True, tag="aliases_group"):
    """Broken: hands out its own state."""

    def blank(self, ground: Ground) -> State:
        return {**super().blank(ground), "score": np.zeros(1)}

    def step(self, ground: Ground, state: State, frame: GroupFrame) -> Scores:
        state["score"][:] += super().step(ground, state, frame)
        return state["score"]


MEMORY: dict[int, int] = {}


class Remembers(Mewma, frozen=True, kw_only=True, tag="remembers_group"):
    """Broken: keeps what it saw outside of its state."""

    def step(self, ground: Ground, state: State, frame: GroupFrame) -> Scores:
        MEMORY[0] = MEMORY.get(0, 0) + 1
        return super().step(ground, state, frame) * (1.0 + 0.001 * (MEMORY[0] % 11))


class Hoards(Mewma, frozen=True, kw_only=True, tag="hoards_group"):
    """Broken: grows with every frame."""

    def step(self, ground: Ground, state: State, frame: GroupFrame) -> Scores:
        state["spread"] = np.append(state["spread"], 0.0)
        return np.zeros(1)


class Mumbles(Mewma, frozen=True, kw_only=True, tag="mumbles_group"):
    """Broken: has no words for what it says."""

    @property
    def code(self) -> str:
        return "hm"


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (Writes(), battery.inputs_untouched),
        (Aliases(), battery.scores_are_its_own),
        (Remembers(), battery.resumes_exactly),
        (Hoards(), battery.bounded),
        (Nervous(), battery.silent_on_noise),
        (Deaf(), battery.fires),
        (Forgets(), battery.survives_nan),
        (Mumbles(), battery.says_what_it_knows),
    ],
    ids=lambda x: type(x).__name__ if isinstance(x, GroupParams) else x.__name__,
)
def test_the_battery_finds_a_broken_detector(
    broken: GroupParams, check: Callable[[Case], None]
) -> None:
    case = dataclasses.replace(next(c for c in CASES if c.name == "mewma"), detector=broken)
    with pytest.raises((AssertionError, ValueError, KeyError)):
        check(case)
