"""What the archive keeps, as a stream again: as batches, on a grid, with what the desk said.

Pure; ``calibration/archive/store.py`` reads the rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from calibration.recording import Recording, kind_of
from detectors.history import Event
from lifeline.catalog import Catalog, Group
from lifeline.model import UNUSABLE, Batch, Bits, Floats, Ints, Message

BATCH_MS = 60_000
"""Readings of a minute come together: their own clock closes what nobody fills."""
TRUE, TEST = "true", "test"
"""Of the desk's verdicts those after which the rows are no calm ones."""


@dataclass(slots=True)
class Stored:
    """Readings of some channels in the order of their times."""

    channels: tuple[str, ...]
    channel: NDArray[np.int32]
    """Which of ``channels`` each is of."""
    at_ms: Ints
    value: Floats
    quality: Bits


class Said(msgspec.Struct, frozen=True):
    """What the desk found one excursion to be."""

    channel: str
    """A channel's name, or a group's."""
    hazard: str
    verdict: str
    onset_ms: int
    until_ms: int
    """When it was over; the end of what is asked for where it lasts."""


def batches(stored: Stored, catalog: Catalog) -> Iterator[Batch]:
    """The readings as ingest would have written them, a minute at a time, device by device."""
    names = list(stored.channels)
    devices = [found[0].name if (found := catalog.find(name)) else "" for name in names]
    messages = list(dict.fromkeys(devices))
    message_of = np.array([messages.index(device) for device in devices], np.int32)
    minute = stored.at_ms // BATCH_MS
    edges = np.flatnonzero(np.diff(minute)) + 1
    for part in np.split(np.arange(len(minute)), edges):
        if not len(part):
            continue
        times, channel = stored.at_ms[part], stored.channel[part]
        yield Batch(
            received_ms=int(times[-1]),
            channels=names,
            messages=[Message(device, 1, -1) for device in messages],
            channel=channel,
            at_ms=times,
            value=stored.value[part],
            quality=stored.quality[part],
            received=times,
            message=message_of[channel],
        )


def on_grid(
    stored: Stored, group: Group, quantities: Mapping[str, str], from_ms: int, until_ms: int
) -> Recording:
    """The group's channels on its grid: the last usable reading of every cell (T - grid, T]."""
    grid_ms = max(1, round(group.grid_s * 1000))
    first_ms = -(-from_ms // grid_ms) * grid_ms
    rows = max(0, (until_ms - first_ms) // grid_ms + 1)
    values = np.full((rows, len(group.channels)), np.nan)
    place = {name: k for k, name in enumerate(group.channels)}
    column = np.array([place.get(name, -1) for name in stored.channels], np.intp)[stored.channel]
    row = -(-(stored.at_ms - first_ms) // grid_ms)
    usable = (stored.quality & int(UNUSABLE)) == 0
    kept = (column >= 0) & (row >= 0) & (row < rows) & usable & np.isfinite(stored.value)
    # Later readings come later: the last of a cell stays.
    values[row[kept], column[kept]] = stored.value[kept]
    return Recording(
        name=group.name.replace("/", "__"),
        columns=group.channels,
        quantities=tuple(quantities.get(name, "") for name in group.channels),
        time_ms=first_ms + np.arange(rows, dtype=np.int64) * grid_ms,
        values=values,
        step_s=grid_ms / 1000.0,
    )


def events(said: Sequence[Said], recording: Recording, group: str) -> tuple[Event, ...]:
    """What the desk found true, and tests, as events of the recording's rows.

    What it found false is no event: the rows are calm, and alarms on them are false again.
    """
    first_ms, step_ms = int(recording.time_ms[0]), round(recording.step_s * 1000)
    names = {*recording.columns, group}
    return tuple(
        Event(
            kind=kind_of(one.hazard) if one.verdict == TRUE else TEST,
            row=(one.onset_ms - first_ms) // step_ms,
            end=(one.until_ms - first_ms) // step_ms,
            place="" if one.channel == group else one.channel,
        )
        for one in said
        if one.channel in names and one.verdict in (TRUE, TEST)
    )
