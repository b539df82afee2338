"""Noise loggers: a leak is heard in the quietest moment of every night, at one tone."""

import numpy as np
import pytest

from detectors.base import Ground, Members, State
from detectors.noise import DAY_MS, LOGGERS_MAX, Noise
from lifeline.explanations import EXPLANATIONS
from lifeline.model import GroupFrame

HOUR_MS = 3_600_000
LOGGERS = 3
DETECTOR = Noise()
START_DAY = 19_700
"""Midnight in UTC; the night of UTC+8 begins six hours before it."""


def ground(apart_m: float = 100.0, *, tones: bool = True) -> Ground:
    """Two loggers so far apart, and one without a position."""
    lat = apart_m / 6_371_000.0 * 180.0 / np.pi
    names: tuple[str, ...] = tuple(f"water/l{i}/level" for i in range(LOGGERS))
    quantities = ("noise-level",) * LOGGERS
    places: tuple[tuple[float, float] | None, ...] = ((123.4, 41.7), (123.4, 41.7 + lat), None)
    if tones:
        names += tuple(f"water/l{i}/tone" for i in range(LOGGERS))
        quantities += ("noise-frequency",) * LOGGERS
        places += places
    return Ground(Members(names, quantities, 600.0, places))


def nights(
    count: int,
    *,
    first: int = 0,
    louder: tuple[float, ...] = (0.0, 0.0, 0.0),
    wander_hz: float = 10.0,
    seed: int = 0,
    tones: bool = True,
) -> list[GroupFrame]:
    """Frames every ten minutes from 00:00 to 06:00 local time; use comes and goes above 20 dB."""
    rng = np.random.default_rng([seed, first])
    made = []
    for day in range(first, first + count):
        for k in range(36):
            at_ms = (START_DAY + day) * DAY_MS + k * HOUR_MS // 6 - 8 * HOUR_MS
            use = np.where(rng.random(LOGGERS) < 0.4, rng.uniform(0, 25, LOGGERS), 0.0)
            level = 20.0 + rng.normal(0, 0.7, LOGGERS) + np.maximum(use, louder)
            tone = 400.0 + wander_hz * rng.normal(size=LOGGERS)
            values = np.concatenate([level, tone]) if tones else level
            made.append(GroupFrame(at_ms, values, np.zeros(len(values))))
    return made


def run(work: list[GroupFrame], state: State, at: Ground) -> np.ndarray:
    return np.array([DETECTOR.step(at, state, frame) for frame in work])


def learned(at: Ground, *, tones: bool = True) -> State:
    state = DETECTOR.blank(at)
    assert run(nights(10, tones=tones), state, at).max() < 1.0
    return state


@pytest.mark.feature("W-4")
def test_two_neighbours_that_stay_loud_are_a_leak_after_two_nights() -> None:
    at = ground()
    state = learned(at)
    scores = run(nights(3, first=10, louder=(9.0, 12.0, 0.0)), state, at)

    by_night = scores.reshape(3, 36, LOGGERS_MAX)[:, -1, :LOGGERS] >= 1.0
    assert by_night.tolist() == [[False] * 3, [True, True, False], [True, True, False]]
    detail = DETECTOR.told(at, state, 0, 0)
    assert detail.channel == "water/l0/level"
    assert [name for name, _ in detail.candidates] == ["water/l1/level", "water/l0/level"]
    assert sum(p for _, p in detail.candidates) == pytest.approx(1.0)
    assert detail.facts == {"nights": 3.0}


def test_alone_a_logger_needs_a_night_more_and_a_larger_rise() -> None:
    at = ground(apart_m=150.0)
    state, weak = learned(at), learned(at)
    scores = run(nights(4, first=10, louder=(12.0, 0.0, 0.0)), state, at)
    faint = run(nights(6, first=10, louder=(7.5, 0.0, 0.0)), weak, at)

    by_night = scores.reshape(4, 36, LOGGERS_MAX)[:, -1, 0] >= 1.0
    assert by_night.tolist() == [False, False, True, True]
    assert faint.max() < 1.0


def test_a_noise_without_a_steady_tone_is_use_and_no_leak() -> None:
    at = ground()
    state = learned(at)

    assert run(nights(4, first=10, louder=(12.0, 12.0, 0), wander_hz=200.0), state, at).max() < 1


def test_loggers_that_tell_no_tone_are_judged_by_their_level() -> None:
    at = ground(tones=False)
    state = learned(at, tones=False)

    assert run(nights(3, first=10, louder=(9, 9, 0), tones=False), state, at).max() == 1.0


def test_the_first_quiet_night_ends_it() -> None:
    at = ground()
    state = learned(at)
    run(nights(3, first=10, louder=(12.0, 12.0, 0.0)), state, at)

    assert run(nights(1, first=13), state, at)[-1].max() == 0.0


def test_a_year_of_honest_nights_is_silent() -> None:
    at = ground()

    assert run(nights(365, seed=5), DETECTOR.blank(at), at).max() < 1.0


def test_a_logger_that_says_nothing_is_neither_loud_nor_learned() -> None:
    at = ground()
    state = learned(at)
    missing = nights(3, first=10, louder=(12.0, 12.0, 0.0))
    for frame in missing:
        frame.values[[0, 3]] = np.nan
    scores = run(missing, state, at)

    assert scores[:, 0].max() == 0.0
    assert state["loud"].tolist()[:2] == [0, 3]


def test_it_resumes_exactly_in_the_middle_of_a_night() -> None:
    at = ground()
    work = [*nights(9), *nights(3, first=9, louder=(12.0, 12.0, 0.0))]
    expected = run(work, DETECTOR.blank(at), at)
    for cut in (5, 14, 330, 345, 400):
        state = DETECTOR.blank(at)
        first = run(work[:cut], state, at)
        kept = {name: array.copy() for name, array in state.items()}
        rest = run(work[cut:], kept, at)
        assert np.array_equal(np.concatenate([first, rest]), expected)


def test_an_outage_of_days_ends_the_night_that_was_under_way() -> None:
    at = ground()
    state = learned(at)
    half = nights(1, first=10, louder=(12.0, 12.0, 0.0))[:20]
    run(half, state, at)
    run(nights(1, first=14)[:13], state, at)

    assert state["loud"].tolist() == [1, 1, 0]


def test_too_many_loggers_and_a_night_that_ends_before_it_begins_are_refused() -> None:
    many = Members(("x",) * 65, ("noise-level",) * 65, 600.0)
    with pytest.raises(ValueError, match="65 loggers"):
        DETECTOR.blank(Ground(many))
    with pytest.raises(ValueError, match="after"):
        Noise(from_h=22.0, until_h=4.0)


def test_what_it_says_has_words() -> None:
    assert DETECTOR.code in EXPLANATIONS
