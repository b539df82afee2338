"""Detectors that hold readings against what history, the hours before or the season say of them."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from msgspec.structs import replace

from detectors.base import Ground, Members
from detectors.history import Event, History
from detectors.learned_residual import LearnedResidual
from detectors.median_jump import MedianJump
from detectors.seasonal import SCALE_ROWS, Seasonal
from lifeline.model import GroupFrame
from tests.detectors import group_battery as battery
from tests.detectors.group_battery import START_MS, Case


def members(*quantities: str, grid_s: float) -> Members:
    return Members(tuple(f"w/c{i}" for i in range(len(quantities))), quantities, grid_s)


# --- a town under control -------------------------------------------------------------------------

TOWN = members("tank-level", "pump-flow", "pump-state", "pump-state", "valve-state", grid_s=3600.0)
LEVEL, FLOW, PUMP, SPARE, VALVE = range(5)
HOUR_MS = 3_600_000


def town(rows: int, seed: int) -> np.ndarray:
    """A level that its inflow fills and a daily demand empties, a pump that the level switches.

    The spare pump never ran; the valve follows the pump, now and then half open.
    """
    rng = np.random.default_rng(seed)
    made, level, pump = np.zeros((rows, 5)), 3.0, 1.0
    for k in range(rows):
        pump = 1.0 if level < 2.0 else 0.0 if level > 4.0 else pump
        flow = 50.0 * pump + rng.normal(0.0, 0.2)
        level += 0.02 * (flow - 25.0 - 8.0 * np.sin(2.0 * np.pi * k / 24.0))
        made[k] = level + rng.normal(0.0, 0.01), flow, pump, 0.0, 0.5 if k % 97 == 0 else pump
    return made


def hours(rows: int) -> np.ndarray:
    return START_MS + np.arange(rows) * HOUR_MS


WATCH = LearnedResidual()
LEARNED = WATCH.calibrate(History(TOWN, hours(3000), town(3000, 4)))
GROUND = Ground(TOWN, LEARNED)


def emptied() -> np.ndarray:
    """The pump's flow is lied about."""
    made = town(412, 6)[400:]
    made[:, FLOW] = 3.0
    return made


TOWN_CASE = Case(
    "learned-residual", WATCH, GROUND, town(400, 6), emptied(), town(1600, 6)[400:]
)  # fmt: skip

# --- water quality --------------------------------------------------------------------------------

WATER = Ground(members("chlorine", "ph", "temperature", grid_s=60.0))
JUMP = MedianJump(floors={"chlorine": 6.0, "ph": 6.0})


def white(rows: int, seed: int, channels: int = 3) -> np.ndarray:
    made: np.ndarray = 10.0 + np.random.default_rng(seed).normal(size=(rows, channels))
    return made


def on(channel: int, shift: float) -> np.ndarray:
    return shift * (np.arange(3) == channel)


JUMP_CASE = Case(
    "median-jump", JUMP, WATER, white(600, 1), white(5, 2) + on(0, 10.0),
    white(3000, 3) + on(2, 50.0),
)  # fmt: skip

# --- a district's inflow --------------------------------------------------------------------------

DISTRICT = Ground(members("inflow", "outdoor-temperature", grid_s=1800.0))
WEATHER = ("outdoor-temperature",)
SEASON = Seasonal(
    target="inflow", covariates=WEATHER, memory_rows=4032.0, learn_rows=672, release_rows=672
)
DAY_ROWS = 48


def district(rows: int, seed: int, start: int = 0) -> np.ndarray:
    """Two days' peaks, a quieter week-end, more on hot days."""
    rng = np.random.default_rng(seed)
    day = (start + np.arange(rows)) / DAY_ROWS
    warm = 15.0 + 6.0 * np.sin(2.0 * np.pi * day / 11.3) + 4.0 * np.sin(2.0 * np.pi * day)
    use = 60.0 + 20.0 * np.sin(2.0 * np.pi * day) + 8.0 * np.cos(4.0 * np.pi * day)
    use += 5.0 * np.sin(2.0 * np.pi * day / 7.0) + 0.8 * warm + rng.normal(0.0, 1.5, rows)
    made: np.ndarray = np.stack([use, warm], axis=1)
    return made


LONG = 1500
SEASON_CASE = Case(
    "seasonal", SEASON, DISTRICT, district(LONG, 1),
    district(40, 2, LONG) + np.array([4.5, 0.0]), district(3000, 3, LONG),
)  # fmt: skip

CASES = (TOWN_CASE, JUMP_CASE, SEASON_CASE)


@pytest.mark.parametrize("check", battery.CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_conforms(case: Case, check: Callable[[Case], None]) -> None:
    check(case)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_an_alarm_ends_when_its_cause_does(case: Case) -> None:
    state = case.detector.blank(case.ground)
    case.run(state, case.every())
    seen = len(case.calm) + len(case.fault)

    after = case.noise[len(case.fault) :][:300]
    scores = case.run(state, case.frames(after, seen))

    assert scores[0, 0] >= 1.0
    assert scores[-1, 0] < 1.0


# --- history --------------------------------------------------------------------------------------


def after_calm(values: np.ndarray, detector: LearnedResidual = WATCH) -> np.ndarray:
    """Scores of rows that follow the calm ones."""
    case = dataclasses.replace(TOWN_CASE, detector=detector)
    state = detector.blank(GROUND)
    case.run(state, case.frames(case.calm))
    return case.run(state, case.frames(values, len(case.calm)))[:, 0]


def test_a_detector_that_learned_nothing_before_the_stream_is_silent() -> None:
    bare = dataclasses.replace(TOWN_CASE, ground=Ground(TOWN))

    assert WATCH.calibrate(History(TOWN, hours(100), town(100, 4))) == {}
    assert not bare.run(WATCH.blank(bare.ground), bare.every()).any()


def test_what_was_learned_of_other_signals_is_not_used() -> None:
    other = dataclasses.replace(TOWN_CASE, ground=Ground(renamed(TOWN), LEARNED))

    assert not other.run(WATCH.blank(other.ground), other.every()).any()


def renamed(town_of: Members) -> Members:
    return replace(town_of, names=tuple(f"x/{name}" for name in town_of.names))


def test_what_happened_in_an_attack_is_not_learned() -> None:
    values = town(3000, 4)
    values[1000:1100, SPARE] = 1.0
    attacked = History(TOWN, hours(3000), values, (Event(kind="attack", row=1000, end=1099),))

    learned = WATCH.calibrate(attacked)

    assert learned["high"][:, SPARE].max() == 0.0


def test_a_pump_that_never_ran_before_is_found_at_once() -> None:
    strange = town(410, 6)[400:]
    strange[5:, SPARE] = 1.0

    scores = after_calm(strange)

    assert scores[4] < 1.0
    assert scores[5] >= 1.0


def test_a_pump_that_is_said_to_rest_and_delivers_is_found_by_the_envelope_alone() -> None:
    deaf = LearnedResidual(limit=1e9, drift_limit=1e9)
    hidden = town(410, 6)[400:]
    hidden[:, FLOW], hidden[:, PUMP] = 50.0, 0.0

    assert after_calm(hidden, deaf)[0] >= 1.0


def test_a_lie_too_small_for_one_row_is_found_by_its_sign_over_many() -> None:
    sharp, lasting = LearnedResidual(drift_limit=1e9), LearnedResidual(limit=1e9, margin=1e9)
    lie = town(460, 6)[400:]
    lie[:, FLOW] += 1.5 * lie[:, PUMP]

    assert after_calm(lie, sharp).max() < 1.0
    assert after_calm(lie, lasting).max() >= 1.0


def test_behind_a_gap_only_the_envelope_is_asked() -> None:
    state = WATCH.blank(GROUND)
    TOWN_CASE.run(state, TOWN_CASE.frames(TOWN_CASE.calm))
    later = emptied()[:1]

    gap = TOWN_CASE.run(state, TOWN_CASE.frames(later, 500))

    assert gap[0, 0] < 1.0
    np.testing.assert_allclose(state["last"], np.round(later[0], 2))


def test_a_signal_that_is_gone_is_put_in_and_accuses_nobody() -> None:
    silent = town(500, 6)[400:]
    silent[:, FLOW] = np.nan
    state = WATCH.blank(GROUND)
    TOWN_CASE.run(state, TOWN_CASE.frames(TOWN_CASE.calm))

    scores = TOWN_CASE.run(state, TOWN_CASE.frames(silent, 400))

    assert scores.max() < 1.0
    assert abs(state["last"][FLOW] - 50.0 * silent[-1, PUMP]) < 5.0


def test_an_exchanged_meter_is_the_new_way_after_a_while() -> None:
    patient = LearnedResidual(relearn_rows=200)
    other = town(1400, 6)[400:]
    other[:, LEVEL] += 3.0

    scores = after_calm(other, patient)

    assert scores[0] >= 1.0
    assert (scores[500:] >= 1.0).mean() < 0.1


def test_readings_may_be_taken_as_they_are() -> None:
    exact = LearnedResidual(resolution=0.0)
    ground = Ground(TOWN, exact.calibrate(History(TOWN, hours(3000), town(3000, 4))))

    case = dataclasses.replace(TOWN_CASE, detector=exact, ground=ground)
    assert case.run(exact.blank(ground), case.every())[-1].max() >= 1.0


# --- hours before ---------------------------------------------------------------------------------


def test_a_spike_of_one_reading_is_no_jump() -> None:
    state = JUMP.blank(WATER)
    spiked = white(600, 1)
    spiked[::50] += on(0, 80.0)

    assert JUMP_CASE.run(state, JUMP_CASE.frames(spiked)).max() < 1.0


def test_several_channels_that_move_a_little_together_are_a_jump() -> None:
    state = JUMP.blank(WATER)
    JUMP_CASE.run(state, JUMP_CASE.frames(white(600, 1)))
    still = np.full((3, 3), 10.0)

    alone = JUMP_CASE.run(dict(state), JUMP_CASE.frames(still + on(0, 5.4), 600))
    both = JUMP_CASE.run(state, JUMP_CASE.frames(still + on(0, 5.4) + on(1, 5.4), 603))

    assert alone.max() < 1.0
    assert both[-1, 0] >= 1.0


def test_a_sensor_exchanged_in_a_silence_comes_back_without_a_past() -> None:
    state = JUMP.blank(WATER)
    JUMP_CASE.run(state, JUMP_CASE.frames(white(600, 1)))

    scores = JUMP_CASE.run(state, JUMP_CASE.frames(white(900, 2) + on(0, 30.0), 600 + 200))
    jump = JUMP_CASE.run(state, JUMP_CASE.frames(white(5, 3) + on(0, 45.0), 1700))

    assert scores.max() < 1.0
    assert jump[-1, 0] >= 1.0


def test_one_channel_that_was_away_alone_is_not_judged_by_its_old_level() -> None:
    state = JUMP.blank(WATER)
    JUMP_CASE.run(state, JUMP_CASE.frames(white(600, 1)))
    away = white(200, 2)
    away[:, 0] = np.nan
    JUMP_CASE.run(state, JUMP_CASE.frames(away, 600))

    back = JUMP_CASE.run(state, JUMP_CASE.frames(white(50, 3) + on(0, 30.0), 800))

    assert back.max() < 1.0


# --- season ---------------------------------------------------------------------------------------


def season(detector: Seasonal, *parts: np.ndarray, regimes: tuple[str, ...] = ()) -> np.ndarray:
    """Scores of the last part, in which these regimes hold."""
    case = dataclasses.replace(SEASON_CASE, detector=detector)
    state, start = detector.blank(DISTRICT), 0
    for part in parts[:-1]:
        case.run(state, case.frames(part, start))
        start += len(part)
    last = [GroupFrame(f.at_ms, f.values, f.age_s, regimes) for f in case.frames(parts[-1], start)]
    return case.run(state, last)[:, 0]


LEAK = np.array([4.5, 0.0])


def test_the_onset_is_where_the_sum_began_to_grow_and_the_season_says_what_was_expected() -> None:
    state = SEASON.blank(DISTRICT)
    work = SEASON_CASE.every()
    SEASON_CASE.run(state, work)

    detail = SEASON.told(DISTRICT, state, 0, work[-1].at_ms)

    onset = (detail.onset_ms - work[0].at_ms) // 1_800_000
    assert abs(onset - LONG) <= 12
    assert detail.channel == "w/c0"
    assert detail.value == work[-1].values[0]
    assert abs(detail.value - detail.facts["expected"] - 4.5) < 6.0


@pytest.mark.feature("D-3")
def test_a_hot_week_is_no_leak_where_the_weather_is_known() -> None:
    hot = district(400, 2, LONG) + np.array([0.8 * 8.0, 8.0])

    informed = season(SEASON, district(LONG, 1), hot)
    ignorant = season(replace(SEASON, covariates=()), district(LONG, 1), hot)

    assert informed.max() < 1.0
    assert ignorant.max() >= 1.0


def test_a_leak_that_stays_is_not_learned_while_it_alarms() -> None:
    scores = season(SEASON, district(LONG, 1), district(600, 2, LONG) + LEAK)

    assert (scores[20:] >= 1.0).all()


def test_a_new_factory_is_learned_after_the_release() -> None:
    brief = replace(SEASON, release_rows=300)

    scores = season(brief, district(LONG, 1), district(2400, 2, LONG) + LEAK)

    assert scores[20] >= 1.0
    assert scores[1200:].max() < 1.0


@pytest.mark.parametrize(("side", "sign"), [("above", 1.0), ("below", -1.0)])
def test_one_side_alone_may_be_watched(side: str, sign: float) -> None:
    one = replace(SEASON, side=side)  # type: ignore[arg-type]

    for shift, found in ((sign, True), (-sign, False)):
        scores = season(one, district(LONG, 1), district(40, 2, LONG) + shift * LEAK)
        assert bool(scores.max() >= 1.0) is found


def test_in_a_regime_that_rests_it_neither_judges_nor_learns() -> None:
    resting = replace(SEASON, resting=("holiday",))
    holiday = district(200, 2, LONG) - 15.0

    assert season(resting, district(LONG, 1), holiday, regimes=("holiday",)).max() == 0.0
    assert season(resting, district(LONG, 1), holiday).max() >= 1.0


def test_a_missing_covariate_stays_as_it_was_and_a_missing_target_as_nothing() -> None:
    calm = district(LONG, 1)
    unknown = district(12, 2, LONG)
    unknown[:, 1] = np.nan

    assert season(SEASON, calm, unknown).max() < 1.0
    assert not season(replace(SEASON, target="heat"), calm).any()


def test_what_never_moved_has_no_scale_unless_it_is_told_one() -> None:
    still = np.full((1000, 2), 5.0)
    moved = still[:50] + np.array([1.0, 0.0])

    assert season(SEASON, still, moved)[0] == 0.0
    assert season(replace(SEASON, scale_min=0.1), still, moved)[0] > 0.0


def test_what_nothing_excites_is_forgotten_no_further() -> None:
    brief = replace(SEASON, memory_rows=100.0)
    mild = district(3000, 1)
    mild[:, 1] = 15.0
    state = brief.blank(DISTRICT)

    dataclasses.replace(SEASON_CASE, detector=brief).run(state, SEASON_CASE.frames(mild))

    assert np.trace(state["covariance"]) < 3e5


def test_state_of_a_channel_with_two_covariates_is_under_two_kilobytes() -> None:
    ground = Ground(members("inflow", "outdoor-temperature", "rain", grid_s=300.0))
    detector = Seasonal(target="inflow", covariates=("outdoor-temperature", "rain"))

    assert sum(array.nbytes for array in detector.blank(ground).values()) <= 2048


def test_a_slack_beyond_the_clip_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing ever adds up"):
        Seasonal(target="inflow", slack_sigma=4.0, clip_sigma=4.0)
    assert SEASON.learn_rows > SCALE_ROWS
