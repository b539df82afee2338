"""The conformance battery: what must hold for every detector of channels, whatever it detects.

Each check takes a detector and raises AssertionError when the detector breaks the house rules.
"""

from collections.abc import Callable

import numpy as np

from detectors.base import State
from detectors.plan import ChannelDetector
from lifeline.model import Frame, Quality

N = 7
STEPS = 400
STEP_MS = 60_000
START_MS = 1_700_000_000_000
BYTES_MAX = 256


def frame(rows: object, at_ms: object, values: object, quality: object = None) -> Frame:
    rows = np.asarray(rows, np.intp)
    bits = np.zeros(len(rows), np.uint16) if quality is None else np.asarray(quality, np.uint16)
    return Frame(rows, np.asarray(at_ms, np.int64), np.asarray(values, np.float64), bits)


def history(seed: int, n: int = N, steps: int = STEPS) -> list[Frame]:
    """Noise with steps, spikes and flat parts; in each frame some rows, in any order."""
    rng = np.random.default_rng(seed)
    level = np.full(n, 50.0)
    made = []
    for k in range(steps):
        chosen = rng.permutation(n)[: rng.integers(1, n + 1)]
        level += rng.choice([0.0, 0.0, 0.0, 30.0, -30.0], n, p=[0.95, 0.02, 0.01, 0.01, 0.01])
        noise = rng.normal(size=n) * (rng.random(n) > 0.3)
        at_ms = START_MS + k * STEP_MS + rng.integers(0, 1000, len(chosen))
        made.append(frame(chosen, at_ms, (level + noise)[chosen]))
    return made


def run(detector: ChannelDetector, state: State, frames: list[Frame]) -> list[np.ndarray]:
    return [np.array(detector.step(state, f)) for f in frames]


def same(a: State, b: State, rows: int | None = None) -> None:
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name][:rows], b[name][:rows], name)


def copy(state: State) -> State:
    return {name: array.copy() for name, array in state.items()}


def inputs_untouched(detector: ChannelDetector) -> None:
    frames = history(1)
    kept = [(f.rows.copy(), f.at_ms.copy(), f.values.copy(), f.quality.copy()) for f in frames]
    for f in frames:
        for array in (f.rows, f.at_ms, f.values, f.quality):
            array.flags.writeable = False

    run(detector, detector.blank(N), frames)

    for f, before in zip(frames, kept, strict=True):
        for now, then in zip((f.rows, f.at_ms, f.values, f.quality), before, strict=True):
            np.testing.assert_array_equal(now, then)


def scores_are_its_own(detector: ChannelDetector) -> None:
    """A score handed out is not changed by later steps, and changing it changes no state."""
    frames = history(2)
    state, other = detector.blank(N), detector.blank(N)
    for f in frames:
        scores = detector.step(state, f)
        assert scores.shape == f.values.shape
        assert np.isfinite(scores).all()
        kept = scores.copy()
        np.testing.assert_array_equal(detector.step(other, f), kept)
        scores += 1000.0
    same(state, other)


def split_invariant(detector: ChannelDetector) -> None:
    whole, parts = detector.blank(N), detector.blank(N)
    for f in history(3):
        together = detector.step(whole, f)
        order = np.random.default_rng(len(f.rows)).permutation(len(f.rows))
        apart = np.empty(len(order))
        for i in order:
            one = frame(f.rows[[i]], f.at_ms[[i]], f.values[[i]], f.quality[[i]])
            apart[i] = detector.step(parts, one)[0]
        np.testing.assert_array_equal(together, apart)
    same(whole, parts)


def resumes_exactly(detector: ChannelDetector) -> None:
    frames = history(4)
    through = detector.blank(N)
    expected = run(detector, through, frames)
    state = detector.blank(N)
    run(detector, state, frames[: STEPS // 2])
    cells = {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in state.items()}

    resumed = {k: np.frombuffer(c, d).reshape(s).copy() for k, (d, s, c) in cells.items()}
    # Another process: nothing that lives outside the state may matter.
    twin = type(detector)(**{f: getattr(detector, f) for f in detector.__struct_fields__})
    rest = run(twin, resumed, frames[STEPS // 2 :])

    for a, b in zip(rest, expected[STEPS // 2 :], strict=True):
        np.testing.assert_array_equal(a, b)
    same(resumed, through)


def growing_disturbs_nobody(detector: ChannelDetector) -> None:
    frames = history(5)
    small, state = detector.blank(N), detector.blank(N)
    expected = run(detector, small, frames)
    first = run(detector, state, frames[:200])
    grown = detector.blank(3 * N)
    for name in state:
        grown[name][:N] = state[name]
    blank = detector.blank(3 * N)
    rest = []
    for f in frames[200:]:
        more = frame(
            np.concatenate([f.rows, [N + 2]]),
            np.append(f.at_ms, f.at_ms[0]),
            np.append(f.values, 1e6),
        )
        rest.append(detector.step(grown, more)[:-1])

    for a, b in zip(first + rest, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    same({k: v[:N] for k, v in grown.items()}, small)
    for name in grown:
        np.testing.assert_array_equal(grown[name][N + 3 :], blank[name][N + 3 :])
        np.testing.assert_array_equal(grown[name][N : N + 2], blank[name][N : N + 2])


def bounded(detector: ChannelDetector) -> None:
    state = detector.blank(N)
    shapes = {name: (a.shape, a.dtype) for name, a in state.items()}
    assert all(a.shape[0] == N for a in state.values())
    assert sum(a.nbytes for a in state.values()) / N <= BYTES_MAX
    run(detector, state, history(6))
    rows = np.arange(N)
    for k in range(200):
        detector.step(
            state, frame(rows, np.full(N, START_MS + (STEPS + k) * STEP_MS), np.full(N, 1e9))
        )
    assert {name: (a.shape, a.dtype) for name, a in state.items()} == shapes
    for name, array in state.items():
        assert not np.isinf(array).any(), name


def survives_nan(detector: ChannelDetector, fault: list[Frame]) -> None:
    """A NaN poisons nothing: the fault is found after it, and an alarm is not ended by it."""
    rows = np.arange(N)
    state = detector.blank(N)
    nan = frame(rows, fault[0].at_ms - 1, np.full(N, np.nan), np.full(N, Quality.NON_FINITE))
    detector.step(state, nan)
    for k, f in enumerate(fault):
        if k == len(fault) // 2:
            middle = frame(rows, f.at_ms - 1, np.full(N, np.nan), np.full(N, Quality.NON_FINITE))
            detector.step(state, middle)
        scores = detector.step(state, f)
        assert np.isfinite(scores).all()
    assert (scores >= 1.0).all()
    last = frame(rows, fault[-1].at_ms + 1, np.full(N, np.nan), np.full(N, Quality.NON_FINITE))
    assert (detector.step(state, last) >= 1.0).all(), "an alarm went silent through NaN"


def silent_on_noise(detector: ChannelDetector, steps: int = 3000) -> None:
    rng = np.random.default_rng(8)
    n = 50
    state = detector.blank(n)
    rows = np.arange(n)
    for k in range(steps):
        f = frame(rows, np.full(n, START_MS + k * STEP_MS), 50.0 + rng.normal(size=n))
        assert (detector.step(state, f) < 1.0).all(), f"alarm on honest noise at step {k}"


def fires(detector: ChannelDetector, fault: list[Frame]) -> None:
    state = detector.blank(N)
    scores = run(detector, state, fault)
    assert (scores[0] < 1.0).all() or len(fault) == 1
    assert (scores[-1] >= 1.0).all()


CHECKS: tuple[Callable[[ChannelDetector], None], ...] = (
    inputs_untouched,
    scores_are_its_own,
    split_invariant,
    resumes_exactly,
    growing_disturbs_nobody,
    bounded,
    silent_on_noise,
)
FAULT_CHECKS = (fires, survives_nan)
