"""A raw waveform block as the readings that its features are.  Pure."""

import math

import numpy as np

from detectors.waveforms import Unreadable, features
from lifeline import wire
from lifeline.catalog import Catalog
from lifeline.model import Batch, Message, Quality
from streams.meters import derived


def readings_of(wave: wire.Wave, catalog: Catalog) -> Batch | wire.Reject:
    """RMS, peak and dominant frequency at the block's last sample, or why there are none.

    Each is held against its own physical range, like any other reading.
    """
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
    made = derived(
        # -1: the block is counted where it came in; here it only shows that the device lives.
        Message(wave.device, wave.boot, -1),
        [f"{wave.channel}/{name}" for name, _ in found],
        end_ms,
        np.array([value for _, value in found], np.float64),
        wave.quality,
        wave.received_ms,
    )
    for row, (channel, value) in enumerate(zip(made.channels, made.value.tolist(), strict=True)):
        place = catalog.find(channel)
        if place is None or not math.isfinite(value):
            continue
        if not place[1].low <= value <= place[1].high:
            made.quality[row] |= np.uint16(Quality.OUT_OF_RANGE)
    return made
