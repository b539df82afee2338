"""River's half-space trees on group frames: the battery's rules."""

import numpy as np

from detectors import half_space
from detectors.base import Ground, Members, State
from detectors.half_space import HalfSpace
from lifeline.model import GroupFrame

WIDTH = 8
DETECTOR = HalfSpace(window=64)
GROUND = Ground(Members(tuple(f"g/c{i}" for i in range(WIDTH)), ("head",) * WIDTH, 300.0))


def frames(seed: int, count: int, shift: float = 0.0) -> list[GroupFrame]:
    rng = np.random.default_rng(seed)
    return [
        GroupFrame(k * 300_000, 300.0 + shift + rng.normal(size=WIDTH), np.zeros(WIDTH))
        for k in range(count)
    ]


def run(state: State, work: list[GroupFrame]) -> list[float]:
    return [float(DETECTOR.step(GROUND, state, f)[0]) for f in work]


def test_a_common_shift_fires_and_honest_noise_does_not() -> None:
    state = DETECTOR.blank(GROUND)

    calm = run(state, frames(1, 500))
    shifted = run(state, frames(2, 5, shift=-3.0))

    assert max(calm) < 1.0
    assert [score >= 1.0 for score in shifted] == [False, False, True, True, True]


def test_nothing_is_judged_before_the_first_window_is_full() -> None:
    scores = run(DETECTOR.blank(GROUND), [*frames(1, 32), *frames(1, 31, shift=50.0)])

    assert set(scores) == {0.0}


def test_it_resumes_exactly_in_another_process() -> None:
    work = [*frames(3, 100), *frames(4, 100, shift=1.0), *frames(5, 100)]
    through = DETECTOR.blank(GROUND)
    expected = run(through, work)
    state = DETECTOR.blank(GROUND)
    run(state, work[:150])

    resumed = {
        k: np.frombuffer(v.tobytes(), v.dtype).reshape(v.shape).copy() for k, v in state.items()
    }
    half_space._grow.cache_clear()
    rest = run(resumed, work[150:])

    assert rest == expected[150:]
    for name in through:
        np.testing.assert_array_equal(resumed[name], through[name])


def test_inputs_stay_as_they_were() -> None:
    work = frames(6, 150)
    for f in work:
        f.values.flags.writeable = False
        f.age_s.flags.writeable = False

    assert len(run(DETECTOR.blank(GROUND), work)) == 150


def test_missing_channels_count_as_normal_and_an_empty_frame_is_not_judged() -> None:
    state = DETECTOR.blank(GROUND)
    work = frames(8, 200)
    for k, f in enumerate(work):
        f.values[k % WIDTH] = np.nan
        f.values[3] = np.nan

    assert max(run(state, work)) < 1.0
    assert run(state, [GroupFrame(1, np.full(WIDTH, np.nan), np.full(WIDTH, np.nan))]) == [0.0]
    fault = frames(9, 4, shift=8.0)
    fault[3].values[:] = np.nan
    scores = run(state, fault)
    assert scores[2] >= 1.0
    assert np.isfinite(scores).all()


def test_an_alarm_survives_a_frame_without_channels() -> None:
    state = DETECTOR.blank(GROUND)
    run(state, frames(10, 64))
    assert run(state, frames(11, 3, shift=8.0))[-1] >= 1.0

    empty = GroupFrame(1, np.full(WIDTH, np.nan), np.full(WIDTH, np.nan))

    assert run(state, [empty])[0] >= 1.0


def test_it_learns_nothing_while_it_alarms_and_gives_in_after_a_window() -> None:
    state = DETECTOR.blank(GROUND)
    run(state, frames(12, 64))

    scores = run(state, frames(13, 400, shift=8.0))

    assert all(score >= 1.0 for score in scores[2:66])
    assert scores[-1] < 1.0


def test_resting_channels_have_no_infinite_scores() -> None:
    state = DETECTOR.blank(GROUND)
    still = [GroupFrame(k, np.full(WIDTH, 5.0), np.zeros(WIDTH)) for k in range(70)]
    moved = [GroupFrame(99 + k, np.full(WIDTH, 5.1), np.zeros(WIDTH)) for k in range(3)]

    assert max(run(state, still)) < 1.0
    assert np.isfinite(run(state, moved)).all()
