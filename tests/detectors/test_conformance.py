"""Every registered detector of channels passes the battery, and the battery finds broken ones."""

from typing import get_args

import numpy as np
import pytest

from detectors.bad_value import BadValue
from detectors.base import Params, Scores, State
from detectors.cusum import Cusum
from detectors.flatline import Flatline
from detectors.plan import ChannelDetector
from detectors.rate import Rate
from detectors.robust import Robust
from detectors.silence import Silence
from detectors.threshold import Threshold
from lifeline.explanations import EXPLANATIONS
from lifeline.model import Frame, Quality
from tests.detectors import battery
from tests.detectors.battery import START_MS, STEP_MS, N, frame

DETECTORS: tuple[ChannelDetector, ...] = (
    Threshold(limit=60.0, deadband=2.0),
    Threshold(limit=40.0, side="below", deadband=2.0),
    Threshold(limit=0.0, side="below"),
    Rate(limit=0.2),
    Rate(limit=0.2, direction="rise"),
    Rate(limit=0.2, direction="fall"),
    Flatline(),
    Cusum(),
    Cusum(side="above", release=30),
    Cusum(side="below", scale_min=0.5),
    Robust(),
    Robust(window=9, stride=3, patience=1, scale_min=1.0),
    Silence(limit_s=180.0),
    BadValue(),
)


def values_of(detector: ChannelDetector) -> np.ndarray:
    """A series, one reading a minute, that ends in the fault which the detector is for."""
    calm = 50.0 + np.random.default_rng(9).normal(size=300)
    match detector:
        case Threshold(side="above") | Rate(direction="rise"):
            return np.append(calm, 80.0)
        case Threshold() | Rate():
            return np.append(calm, -1.0)
        case Flatline():
            return np.append(calm, np.full(62, 50.0))
        case Cusum(side="below"):
            return np.append(calm, 47.0 + np.random.default_rng(10).normal(size=16))
        case Cusum() | Robust():
            shift = 54.0 if isinstance(detector, Cusum) else 90.0
            return np.append(calm, shift + np.random.default_rng(10).normal(size=6))
    raise AssertionError(detector)


def fault_of(detector: ChannelDetector) -> list[Frame]:
    rows = np.arange(N)
    if isinstance(detector, BadValue):
        clean, faulty = np.zeros(N), np.full(N, Quality.FAULT)
        return [
            frame(rows, np.full(N, START_MS + k), clean, faulty if k else None) for k in range(2)
        ]
    if isinstance(detector, Silence):
        return [
            frame(rows, np.full(N, START_MS + k * STEP_MS), np.full(N, np.nan if k else 0.0))
            for k in range(4)
        ]
    values = values_of(detector)
    return [
        frame(rows, np.full(N, START_MS + k * STEP_MS), np.full(N, value))
        for k, value in enumerate(values)
    ]


def test_the_battery_covers_the_registry() -> None:
    assert {type(detector) for detector in DETECTORS} == set(get_args(ChannelDetector))


@pytest.mark.parametrize("check", battery.CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("detector", DETECTORS, ids=repr)
def test_conforms(detector: ChannelDetector, check) -> None:
    check(detector)


@pytest.mark.parametrize("check", battery.FAULT_CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("detector", DETECTORS, ids=repr)
def test_finds_its_fault(detector: ChannelDetector, check) -> None:
    check(detector, fault_of(detector))


def test_a_shift_that_stays_is_not_learned_as_the_new_normal() -> None:
    detector = Cusum(memory=100.0)
    rng = np.random.default_rng(1)
    state = detector.blank(1)
    row = np.zeros(1, np.intp)

    scores = [
        detector.step(state, frame(row, [k], [50.0 + rng.normal() + 4.0 * (k >= 300)]))[0]
        for k in range(3000)
    ]

    assert max(scores[:300]) < 1.0
    assert min(scores[320:]) >= 1.0


def test_a_shift_that_stays_for_ever_is_released() -> None:
    detector = Cusum(release=500)
    rng = np.random.default_rng(1)
    state = detector.blank(1)
    row = np.zeros(1, np.intp)

    scores = [
        detector.step(state, frame(row, [k], [50.0 + rng.normal() + 4.0 * (k >= 300)]))[0]
        for k in range(1500)
    ]

    assert scores[700] >= 1.0
    assert max(scores[900:]) < 1.0


class Writes(Threshold, frozen=True, kw_only=True, tag="writes"):
    """Broken: sorts the frame's values in place."""

    def step(self, state: State, frame: Frame) -> Scores:
        values = frame.values
        values += 0.0
        return super().step(state, frame)


class Aliases(Rate, frozen=True, kw_only=True, tag="aliases"):
    """Broken: hands out its own state."""

    def blank(self, n: int) -> State:
        return {"score": np.zeros(n)}

    def step(self, state: State, frame: Frame) -> Scores:
        if len(frame.rows) == len(state["score"]):
            return state["score"]
        return state["score"][frame.rows]


class Batches(Cusum, frozen=True, kw_only=True, tag="batches"):
    """Broken: compares with the batch's mean, so the split of the batch matters."""

    def step(self, state: State, frame: Frame) -> Scores:
        centred = frame.values - frame.values.mean() + 50.0
        return super().step(state, Frame(frame.rows, frame.at_ms, centred, frame.quality))


MEMORY: dict[int, int] = {}


class Remembers(Threshold, frozen=True, kw_only=True, tag="remembers"):
    """Broken: keeps state outside of its state, by its own identity."""

    def step(self, state: State, frame: Frame) -> Scores:
        MEMORY[id(self)] = MEMORY.get(id(self), 0) + 1
        return super().step(state, frame) * (1.0 + 0.01 * (MEMORY[id(self)] % 7))


class Neighbours(Threshold, frozen=True, kw_only=True, tag="neighbours"):
    """Broken: writes every row."""

    def step(self, state: State, frame: Frame) -> Scores:
        scores = super().step(state, frame)
        state["edge"][:] = state["edge"].min()
        return scores


class Hoards(Params, frozen=True, kw_only=True, tag="hoards"):
    """Broken: grows with every frame."""

    def blank(self, n: int) -> State:
        return {"all": np.zeros((n, 0))}

    def step(self, state: State, frame: Frame) -> Scores:
        state["all"] = np.concatenate([state["all"], np.zeros((len(state["all"]), 1))], axis=1)
        return np.zeros(len(frame.rows))


class Deaf(Threshold, frozen=True, kw_only=True, tag="deaf"):
    """Broken: the comparison the wrong way round, false for NaN."""

    def step(self, state: State, frame: Frame) -> Scores:
        return np.where(frame.values >= self.limit, 2.0, 0.0)


class Nervous(Threshold, frozen=True, kw_only=True, tag="nervous"):
    """Broken: fires on noise."""

    def step(self, state: State, frame: Frame) -> Scores:
        return np.where(frame.values >= 53.0, 2.0, 0.0)


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (Writes(limit=60.0), battery.inputs_untouched),
        (Aliases(limit=1.0), battery.scores_are_its_own),
        (Batches(), battery.split_invariant),
        (Remembers(limit=60.0), battery.resumes_exactly),
        (Neighbours(limit=60.0, deadband=5.0), battery.growing_disturbs_nobody),
        (Hoards(), battery.bounded),
        (Nervous(limit=60.0), battery.silent_on_noise),
    ],
    ids=lambda x: type(x).__name__ if isinstance(x, Params) else x.__name__,
)
def test_the_battery_finds_a_broken_detector(broken, check) -> None:
    with pytest.raises((AssertionError, ValueError)):
        check(broken)


def test_the_battery_finds_a_threshold_that_is_deaf_to_nan() -> None:
    with pytest.raises(AssertionError, match="silent through NaN"):
        battery.survives_nan(Deaf(limit=60.0), fault_of(Threshold(limit=60.0)))


@pytest.mark.parametrize("detector", DETECTORS, ids=repr)
def test_what_a_detector_says_has_words_in_both_languages(detector: ChannelDetector) -> None:
    assert all(EXPLANATIONS[detector.code])


def test_a_detector_that_does_not_say_what_happened_is_a_mistake() -> None:
    class Mute(Params, frozen=True, kw_only=True, tag="mute"):
        pass

    with pytest.raises(NotImplementedError):
        _ = Mute().code


def test_a_limit_is_told_in_its_own_unit() -> None:
    assert Flatline(limit_s=60.0).limit_value == 60.0
    assert Threshold(limit=20.0).limit_value == 20.0
    assert Robust().limit_value is None
