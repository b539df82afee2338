"""The arrival of a pressure wave in a block of samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.onset import _levels, onset
from lifeline.model import Floats
from simulators.transient import Event, Line, heads, sampled

LINE = Line()
PLACES = np.array([600.0, 1200.0, 1800.0])


def block(seed: int, n: int = 1000, rate_hz: float = 100.0) -> Floats:
    """A calm block: noise of 2 cm on a head that wanders."""
    rng = np.random.default_rng(seed)
    wander = np.cumsum(0.02 / rate_hz * rng.normal(size=n))
    calm: Floats = 40.0 + 0.02 * rng.normal(size=n) + wander
    return calm


@pytest.mark.parametrize("rate_hz", [50.0, 100.0, 200.0])
def test_a_burst_is_heard_at_every_logger_when_its_wave_passes(rate_hz: float) -> None:
    made = heads(LINE, 8.0, PLACES, (Event("burst", 3.0, 0.002, 1350.0),))
    rng = np.random.default_rng(1)

    for column, place in enumerate(PLACES):
        values = sampled(LINE, made[:, column], rate_hz)
        found = onset(values + 0.02 * rng.normal(size=len(values)), rate_hz)
        passes_s = 3.0 + abs(place - 1350.0) / LINE.wave_speed_m_s
        assert found is not None
        # Within two samples and the line's own step.
        assert found.after_s == pytest.approx(passes_s, abs=2.0 / rate_hz + 0.01)
        assert found.change < -5.0


def test_honest_noise_has_no_onset() -> None:
    assert not any(onset(block(seed), 100.0) for seed in range(500))


@given(st.integers(220, 940), st.sampled_from([-3.0, -0.4, 0.4, 3.0]), st.integers(0, 99))
def test_a_lasting_step_is_found_to_the_sample(at: int, change: float, seed: int) -> None:
    values = block(seed)
    values[at:] += change

    found = onset(values, 100.0)

    assert found is not None
    assert found.after_s * 100.0 == pytest.approx(at, abs=3)
    assert found.change == pytest.approx(change, abs=0.1)


def test_a_spike_and_a_pulse_that_passes_are_no_onset() -> None:
    spiked, pulsed = block(1), block(2)
    spiked[500] -= 8.0
    pulsed[500:515] -= 8.0

    assert onset(spiked, 100.0) is None
    assert onset(pulsed, 100.0) is None


def test_what_comes_at_the_very_end_waits_for_the_next_block() -> None:
    values = block(3)
    values[980:] -= 3.0

    assert onset(values, 100.0) is None


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_sample_that_is_no_number_leaves_the_block_unjudged(bad: float) -> None:
    values = block(4)
    values[500:] -= 3.0
    values[100] = bad

    assert onset(values, 100.0) is None


def test_a_block_without_lead_is_not_judged() -> None:
    assert onset(block(5, n=240), 100.0) is None
    assert onset(block(5, n=240), 5.0) is None


def test_a_sensor_that_stands_still_has_no_noise_and_still_hears_a_step() -> None:
    still = np.full(600, 40.0)
    stepped = still.copy()
    stepped[400:] = 39.0

    assert onset(still, 100.0) is None
    found = onset(stepped, 100.0)
    assert found is not None
    assert found.after_s == pytest.approx(4.0, abs=0.01)


def test_the_level_before_a_sample_is_the_median_of_the_samples_before_it() -> None:
    values = block(6, n=300)

    expected = [np.median(values[k - 20 : k]) for k in range(20, 300)]

    # An even window's lower and upper middle stand for each other.
    assert _levels(values, 20) == pytest.approx(expected, abs=0.03)
    exactly = [np.median(values[k - 21 : k]) for k in range(21, 300)]
    assert _levels(values, 21) == pytest.approx(exactly)
