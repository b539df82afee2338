"""The conformance battery of detectors of groups: what must hold for each, whatever it detects.

Each check takes a case and raises AssertionError when its detector breaks the house rules.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from detectors.base import Ground, GroupParams, State
from lifeline.explanations import EXPLANATIONS, FACTS
from lifeline.model import GroupFrame

START_MS = 1_700_000_000_000


@dataclass(frozen=True)
class Case:
    """A detector on its ground, rows in which nothing happens, and rows in which its fault does."""

    name: str
    detector: GroupParams
    ground: Ground
    calm: np.ndarray
    fault: np.ndarray
    """Follows the calm rows; at its end the detector is in alarm."""
    noise: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    """More honest rows, on which it must be silent."""
    bytes_max: int = 100_000

    def frames(self, values: np.ndarray, start: int = 0) -> list[GroupFrame]:
        step_ms = int(self.ground.members.grid_s * 1000)
        ages = np.zeros(self.ground.width)
        return [
            GroupFrame(START_MS + (start + k) * step_ms, row.copy(), ages)
            for k, row in enumerate(values)
        ]

    def every(self) -> list[GroupFrame]:
        return self.frames(np.concatenate([self.calm, self.fault]))

    def run(self, state: State, work: Sequence[GroupFrame]) -> np.ndarray:
        return np.array([self.detector.step(self.ground, state, f) for f in work])


def same(a: State, b: State) -> None:
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], name)


def inputs_untouched(case: Case) -> None:
    work = case.every()
    kept = [f.values.copy() for f in work]
    for f in work:
        f.values.flags.writeable = f.age_s.flags.writeable = False
    learned = {name: array.copy() for name, array in case.ground.learned.items()}

    case.run(case.detector.blank(case.ground), work)

    for f, before in zip(work, kept, strict=True):
        np.testing.assert_array_equal(f.values, before)
    for name, array in learned.items():
        np.testing.assert_array_equal(case.ground.learned[name], array)


def scores_are_its_own(case: Case) -> None:
    state, other = case.detector.blank(case.ground), case.detector.blank(case.ground)
    for f in case.every():
        scores = case.detector.step(case.ground, state, f)
        assert scores.shape == (case.detector.SLOTS,)
        assert np.isfinite(scores).all()
        kept = scores.copy()
        np.testing.assert_array_equal(case.detector.step(case.ground, other, f), kept)
        scores += 1000.0
    same(state, other)


def resumes_exactly(case: Case) -> None:
    work = case.every()
    for half in (len(work) // 3, len(case.calm) + len(case.fault) // 2):
        through = case.detector.blank(case.ground)
        expected = case.run(through, work)
        state = case.detector.blank(case.ground)
        case.run(state, work[:half])
        cells = {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in state.items()}

        resumed = {k: np.frombuffer(c, d).reshape(s).copy() for k, (d, s, c) in cells.items()}
        np.testing.assert_array_equal(case.run(resumed, work[half:]), expected[half:])
        same(resumed, through)


def bounded(case: Case) -> None:
    state = case.detector.blank(case.ground)
    shapes = {name: (a.shape, a.dtype) for name, a in state.items()}
    assert sum(a.nbytes for a in state.values()) <= case.bytes_max
    case.run(state, case.every())
    wild = np.tile([[1e9], [-1e9], [0.0]], (60, case.ground.width))
    scores = case.run(state, case.frames(wild, len(case.calm) + len(case.fault)))
    assert np.isfinite(scores).all()
    assert {name: (a.shape, a.dtype) for name, a in state.items()} == shapes
    for name, array in state.items():
        assert not np.isinf(array).any(), name


def silent_on_noise(case: Case) -> None:
    work = case.frames(np.concatenate([case.calm, case.noise]))
    scores = case.run(case.detector.blank(case.ground), work)
    assert scores.max() < 1.0, f"alarm on honest noise in row {int(scores.max(axis=1).argmax())}"


def fires(case: Case) -> None:
    state = case.detector.blank(case.ground)
    calm = case.run(state, case.frames(case.calm))
    assert calm.max() < 1.0
    scores = case.run(state, case.frames(case.fault, len(case.calm)))
    assert scores[-1].max() >= 1.0


def survives_nan(case: Case) -> None:
    """What is missing poisons nothing: the fault is found all the same, no alarm ends by it."""
    state = case.detector.blank(case.ground)
    calm, nothing = case.calm.copy(), np.full((1, case.ground.width), np.nan)
    # Rows that miss channels one after another, and one that misses all of them.
    for k in range(10, len(calm), max(10, len(calm) // 40)):
        calm[k, k % case.ground.width] = np.nan
    calm = np.concatenate([nothing, calm[:-1]])
    scores = case.run(state, case.frames(calm))
    assert np.isfinite(scores).all()
    assert scores.max() < 1.0
    assert case.run(state, case.frames(case.fault, len(calm)))[-1].max() >= 1.0
    after = case.run(state, case.frames(nothing, len(calm) + len(case.fault)))
    assert after.max() >= 1.0, "an alarm went silent through NaN"


def says_what_it_knows(case: Case) -> None:
    """The detail can be written as JSON, names members alone, and its codes have words."""
    state = case.detector.blank(case.ground)
    work = case.every()
    scores = case.run(state, work)
    slot = int(scores[-1].argmax())
    detail = case.detector.told(case.ground, state, slot, work[-1].at_ms)
    assert msgspec.json.decode(msgspec.json.encode(detail)) is not None
    assert detail.channel in ("", *case.ground.members.names)
    assert {name for name, _ in detail.residuals} <= set(case.ground.members.names)
    assert all(EXPLANATIONS[detail.code or case.detector.code])
    assert set(detail.facts) <= set(FACTS)
    assert case.detector.distrusted(case.ground, state).shape == (case.ground.width,)


CHECKS: tuple[Callable[[Case], None], ...] = (
    inputs_untouched,
    scores_are_its_own,
    resumes_exactly,
    bounded,
    silent_on_noise,
    fires,
    survives_nan,
    says_what_it_knows,
)
