"""A burst by arrival times: found, placed, and told from what pumps and valves do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.base import Ground, Members, State
from detectors.burst import Burst
from detectors.onset import onset
from lifeline.explanations import EXPLANATIONS
from lifeline.model import Detail, Floats, GroupFrame
from simulators.transient import Event, Line, heads, sampled

LINE = Line()
CHAINAGE = (400.0, 900.0, 1700.0, 2300.0)
"""Nearer to the reservoir its echo makes a pulse of the step."""
NAMES = tuple(f"water/main/p{i}/onset" for i in range(4))
GROUND = Ground(
    Members((*NAMES, "water/main/head", "water/main/pump"),
            ("pressure-step",) * 4 + ("head", "pump-state"), 1.0)
)  # fmt: skip
DETECTOR = Burst(chainage_m=CHAINAGE, wave_speed_m_s=1150.0)
START_MS = 1_700_000_000_000


def frames(
    arrivals: dict[int, tuple[float, float]], seconds: int = 20, pump: float | None = None
) -> list[GroupFrame]:
    """Frames a second; ``arrivals``: logger -> (seconds, metres); the pump switches at ``pump``."""
    made = []
    for k in range(1, seconds + 1):
        values, age_s = np.full(6, np.nan), np.full(6, np.inf)
        values[4], age_s[4] = 40.0, 0.0
        values[5], age_s[5] = float(pump is not None and k >= pump), 0.0
        for logger, (at_s, change) in arrivals.items():
            if k - 1 < at_s <= k:
                values[logger], age_s[logger] = change, k - at_s
        made.append(GroupFrame(START_MS + k * 1000, values, age_s))
    return made


def run(detector: Burst, work: list[GroupFrame], state: State | None = None) -> list[float]:
    state = detector.blank(GROUND) if state is None else state
    return [float(detector.step(GROUND, state, frame)[0]) for frame in work]


def told(detector: Burst, work: list[GroupFrame]) -> Detail:
    state = detector.blank(GROUND)
    scores = run(detector, work, state)
    assert scores[-1] >= 1.0, "no burst was found"
    return detector.told(GROUND, state, 0, work[-1].at_ms)


def heard(
    event: Event, rng: np.random.Generator, clock_s: float = 0.0
) -> dict[int, tuple[float, float]]:
    """What the four loggers pick of an event on the line, at 200 Hz with 2 cm of noise."""
    made = heads(LINE, 9.0, np.array(CHAINAGE), (event,))
    found = {}
    for logger in range(4):
        values = sampled(LINE, made[:, logger], 200.0, clock_s * float(rng.normal()))
        step = onset(values + 0.02 * rng.normal(size=len(values)), 200.0)
        if step is not None:
            found[logger] = (step.after_s, step.change)
    return found


@pytest.mark.feature("W-2")
@settings(max_examples=30)
@given(st.floats(450.0, 2250.0), st.integers(0, 1000))
def test_a_burst_is_placed_within_two_hundredths_of_the_line(at_m: float, seed: int) -> None:
    event = Event("burst", 3.0, 0.002, at_m)
    detail = told(DETECTOR, frames(heard(event, np.random.default_rng(seed), clock_s=0.001)))

    assert detail.facts["chainage_m"] == pytest.approx(at_m, abs=0.02 * LINE.length_m)
    assert detail.facts["chainage_low_m"] <= at_m + 15.0
    assert detail.facts["chainage_high_m"] >= at_m - 15.0
    assert detail.value is not None
    assert detail.value < -1.0


def test_the_reaches_between_loggers_are_ranked_by_probability() -> None:
    detail = told(
        DETECTOR, frames(heard(Event("burst", 3.0, 0.002, 1300.0), np.random.default_rng(1)))
    )

    assert detail.candidates[0][0] == f"{NAMES[1]} – {NAMES[2]}"
    assert detail.candidates[0][1] > 0.9


def test_it_is_told_within_five_seconds_of_the_onset() -> None:
    work = frames(heard(Event("burst", 3.0, 0.002, 1300.0), np.random.default_rng(2)))
    scores = run(DETECTOR, work)

    assert scores.index(1.0) + 1 <= 3 + 5


def test_the_alarm_lasts_as_long_as_it_is_held() -> None:
    detector = Burst(chainage_m=CHAINAGE, hold_s=30.0)
    scores = run(detector, frames({0: (3.2, -2.0), 1: (3.9, -2.0)}, 60))

    assert 25 <= sum(score >= 1.0 for score in scores) <= 30
    assert scores[-1] == 0.0


def test_a_clock_worse_than_ten_milliseconds_withholds_the_place() -> None:
    loose = Burst(chainage_m=CHAINAGE, clock_ms=20.0)
    detail = told(loose, frames({0: (3.2, -2.0), 1: (3.9, -2.0)}))

    assert "chainage_m" not in detail.facts
    assert detail.candidates == ()
    assert detail.onset_ms == START_MS + 3200


def test_without_chainage_it_is_found_and_not_placed() -> None:
    detail = told(Burst(), frames({0: (3.2, -2.0), 1: (3.9, -2.0)}))

    assert set(detail.facts) == {"drop_m", "wave_speed_m_s"}


@pytest.mark.parametrize(
    ("arrivals", "pump"),
    [
        ({0: (3.2, -2.0)}, None),
        ({0: (3.2, 2.0), 1: (3.9, 2.0)}, None),
        ({0: (3.2, -2.0), 1: (9.9, -2.0)}, None),
        ({0: (3.2, -0.1), 1: (3.9, -0.1)}, None),
        ({0: (3.2, -2.0), 1: (3.9, -2.0)}, 4.0),
        ({0: (3.2, -2.0), 1: (3.9, -2.0)}, 2.0),
    ],
    ids=["one logger", "a rise", "too far apart", "too small", "pump told later", "pump"],
)
def test_what_is_no_burst(arrivals: dict[int, tuple[float, float]], pump: float | None) -> None:
    assert max(run(DETECTOR, frames(arrivals, pump=pump))) == 0.0


@pytest.mark.feature("W-2")
def test_operations_teach_the_wave_speed() -> None:
    detector = Burst(chainage_m=CHAINAGE, wave_speed_m_s=1080.0)
    state = detector.blank(GROUND)
    rng = np.random.default_rng(3)
    for _ in range(3):
        event = Event("draw", 3.0, 0.02, over_s=0.02)
        run(detector, frames(heard(event, rng), pump=4.0), _forgotten(state))

    assert state["speed"][0] == pytest.approx(LINE.wave_speed_m_s, rel=0.01)
    assert state["speed"][1] < 0.01 * 1080.0


@pytest.mark.parametrize(
    "arrivals",
    [{0: (3.0, 1.0)}, {0: (3.0, 1.0), 1: (3.7, 1.0), 2: (3.1, 1.0)}, {0: (3.0, 1.0), 3: (3.3, 1.0)},
     {0: (3.0, 1.0), 3: (3.0, 1.0)}],
    ids=["one logger", "out of order", "an impossible speed", "at once"],
)  # fmt: skip
def test_an_operation_that_makes_no_sense_teaches_nothing(
    arrivals: dict[int, tuple[float, float]],
) -> None:
    state = DETECTOR.blank(GROUND)
    run(DETECTOR, frames(arrivals, pump=3.0), state)

    assert state["speed"][0] == 1150.0


def _forgotten(state: State) -> State:
    """The frames of every run bear the same times."""
    for name in ("arrived_ms", "done_ms", "switched_ms", "onset_ms", "heard_ms"):
        state[name][:] = 0
    state["switch"][:] = 0.0
    return state


def test_it_resumes_exactly() -> None:
    work = frames(heard(Event("burst", 3.0, 0.002, 1300.0), np.random.default_rng(4)), 30)
    expected = run(DETECTOR, work)
    for cut in range(1, 20):
        state = DETECTOR.blank(GROUND)
        first = run(DETECTOR, work[:cut], state)
        kept = {name: array.copy() for name, array in state.items()}
        assert first + run(DETECTOR, work[cut:], kept) == expected


def test_the_chainage_rises() -> None:
    with pytest.raises(ValueError, match="rise"):
        Burst(chainage_m=(5.0, 5.0))


def calm_day(rng: np.random.Generator) -> Floats:
    return 40.0 + 0.02 * rng.normal(size=1000)


def test_a_month_of_calm_blocks_raises_nothing() -> None:
    rng = np.random.default_rng(5)
    alarms = [onset(calm_day(rng), 100.0) for _ in range(2000)]

    assert alarms.count(None) == 2000


def test_what_it_says_has_words() -> None:
    assert DETECTOR.code in EXPLANATIONS
