"""A raw waveform block as the readings that its features are.  Pure.

A channel that has a ``<wave channel>/onset`` in the catalog gets one reading more where a pressure
wave arrives in the block: the change that lasts, at the moment of its arrival.
"""

import math

import numpy as np

from detectors.onset import onset
from detectors.waveforms import Unreadable, features, samples
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
    _add_onset(made, wave, catalog)
    for row, (channel, value) in enumerate(zip(made.channels, made.value.tolist(), strict=True)):
        place = catalog.find(channel)
        if place is None or not math.isfinite(value):
            continue
        if not place[1].low <= value <= place[1].high:
            made.quality[row] |= np.uint16(Quality.OUT_OF_RANGE)
    return made


def _add_onset(made: Batch, wave: wire.Wave, catalog: Catalog) -> None:
    name = f"{wave.channel}/onset"
    values = samples(wave) if catalog.find(name) is not None else None
    found = (
        None if values is None or isinstance(values, Unreadable) else onset(values, wave.rate_hz)
    )
    if found is None:
        return
    arrived = derived(
        made.messages[0],
        [name],
        wave.at_ms + round(found.after_s * 1000),
        np.array([found.change]),
        wave.quality,
        wave.received_ms,
    )
    for column in ("at_ms", "value", "quality", "received", "message"):
        both = (getattr(made, column), getattr(arrived, column))
        setattr(made, column, np.concatenate(both))
    made.channel = np.append(made.channel, np.int32(len(made.channels)))
    made.channels.append(name)
