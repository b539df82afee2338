"""Features of raw waveform blocks."""

import numpy as np
import pytest

from detectors.waveforms import Unreadable, features
from lifeline.wire import Wave


def wave(samples: np.ndarray, rate_hz: float = 50.0, **changes) -> Wave:
    kind = "int16" if samples.dtype == np.int16 else "float32"
    fields = {
        "channel": "b/acc",
        "device": "d",
        "boot": 1,
        "seq": 1,
        "at_ms": 0,
        "rate_hz": rate_hz,
        "n": len(samples),
        "scale": 1.0,
        "offset": 0.0,
        "encoding": kind,
        "samples": samples.tobytes(),
        "received_ms": 0,
    }
    return Wave(**{**fields, **changes})


def test_a_sine_in_int16_has_its_rms_peak_and_frequency() -> None:
    t = np.arange(3000) / 50.0
    raw = np.round(1000.0 * np.sin(2 * np.pi * 2.37 * t)).astype("<i2")

    found = dict(features(wave(raw, scale=0.001, offset=9.81)))

    assert found["rms"] == pytest.approx(np.sqrt(0.5), rel=1e-2)
    assert found["peak"] == pytest.approx(1.0, rel=1e-2)
    assert found["frequency"] == pytest.approx(2.37, abs=0.001)


def test_noise_does_not_move_the_frequency_by_a_bin() -> None:
    t = np.arange(1024) / 50.0
    noise = np.random.default_rng(1).normal(size=1024)
    raw = (np.sin(2 * np.pi * 1.234 * t) + 0.3 * noise).astype("<f4")

    found = dict(features(wave(raw)))

    assert found["frequency"] == pytest.approx(1.234, abs=50.0 / 1024)


def test_a_block_at_rest_has_no_frequency() -> None:
    assert features(wave(np.full(100, 7.0, "<f4"))) == [("rms", 0.0), ("peak", 0.0)]


def test_a_sample_that_is_not_finite_makes_all_features_nan() -> None:
    raw = np.ones(64, "<f4")
    raw[5] = np.inf

    found = features(wave(raw))

    assert [name for name, _ in found] == ["rms", "peak", "frequency"]
    assert np.isnan([value for _, value in found]).all()


@pytest.mark.parametrize("scale", [1e300, -1e308])
def test_a_sample_beyond_all_measure_makes_all_features_nan(scale: float) -> None:
    found = features(wave(np.arange(64, dtype="<i2"), scale=scale))

    assert np.isnan([value for _, value in found]).all()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"n": 65}, "wave-length"),
        ({"n": -1}, "wave-length"),
        ({"n": 4}, "wave-length"),
        ({"rate_hz": 0.0}, "wave-rate"),
        ({"rate_hz": float("nan")}, "wave-rate"),
    ],
)
def test_a_block_that_cannot_be_read_is_a_value(changes: dict, reason: str) -> None:
    found = features(wave(np.ones(64, "<f4"), **changes))

    assert isinstance(found, Unreadable)
    assert found.reason == reason


def test_the_fastest_motion_that_the_rate_can_show_is_half_of_it() -> None:
    found = dict(features(wave(np.tile([1.0, -1.0], 50).astype("<f4"))))

    assert found["frequency"] == 25.0
