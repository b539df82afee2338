"""A raw waveform block as the readings that its features are.  Pure."""

import numpy as np

from detectors.waveforms import Unreadable, features
from lifeline import wire
from lifeline.model import Batch, Message
from streams.meters import derived


def readings_of(wave: wire.Wave) -> Batch | wire.Reject:
    """RMS, peak and dominant frequency at the block's last sample, or why there are none."""
    found = features(wave)
    if isinstance(found, Unreadable):
        return wire.Reject(
            found.reason,
            found.detail,
            wire.WAVES,
            wire.encode_wave(wave),
            wave.received_ms,
            wave.device,
        )
    end_ms = wave.at_ms + round((wave.n - 1) / wave.rate_hz * 1000)
    return derived(
        # -1: the block is counted where it came in; here it only shows that the device lives.
        Message(wave.device, wave.boot, -1),
        [f"{wave.channel}/{name}" for name, _ in found],
        end_ms,
        np.array([value for _, value in found], np.float64),
        wave.quality,
        wave.received_ms,
    )
