"""Group frames: a group's channels on the grid that the group declares.  Pure.

The cell of grid time T holds the readings of (T - grid, T].  It closes when every device of the
group has a watermark of T or later, or when the clock says that a missing device has had its time
to speak. A message is offered against the watermark that its device had *before* it, so a closed
cell can never be offered anything, and frames do not depend on where batches are cut or how devices
interleave.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lifeline.catalog import Catalog, Group
from lifeline.model import LIVE, UNUSABLE, Batch, Floats, GroupFrame, Ints
from streams.window import Lanes

UNUSABLE_BITS = int(UNUSABLE)
CELLS_MAX = 256
"""A group never holds more open cells; the oldest closes early then."""


@dataclass(slots=True)
class Plot:
    """One group: its open cells and the newest value that each of its channels had before them."""

    group: Group
    devices: tuple[str, ...]
    patience_ms: int
    """How long after T the clock must be for a cell to close without everybody."""
    closed_ms: int = 0
    """Every cell up to this grid time is closed."""
    cells: dict[int, tuple[Floats, Ints]] = field(default_factory=dict)
    newest_ms: Ints = field(init=False)
    grid_ms: int = field(init=False)
    """Distance of two frames."""

    def __post_init__(self) -> None:
        self.newest_ms = np.zeros(len(self.group.channels), np.int64)
        self.grid_ms = max(1, round(self.group.grid_s * 1000))

    def offer(self, column: int, at_ms: int, value: float, before_ms: int) -> None:
        """Puts one live reading, the newest of its channel so far, into its cell.

        The cell's end decides, not the reading's own time: its device may not have passed it.
        """
        cell_ms = -(-at_ms // self.grid_ms) * self.grid_ms
        if cell_ms <= self.closed_ms or cell_ms <= before_ms:
            return
        cell = self.cells.get(cell_ms)
        if cell is None:
            n = len(self.group.channels)
            cell = self.cells[cell_ms] = (np.full(n, np.nan), np.zeros(n, np.int64))
        cell[0][column] = value
        cell[1][column] = at_ms

    def close(self, until_ms: int) -> list[GroupFrame]:
        """The frames of every cell up to ``until_ms``; a cell in which nobody spoke gives none."""
        frames: list[GroupFrame] = []
        if until_ms <= self.closed_ms:
            return frames
        for cell_ms in sorted(cell for cell in self.cells if cell <= until_ms):
            values, at_ms = self.cells.pop(cell_ms)
            self.newest_ms = np.maximum(self.newest_ms, at_ms)
            age_s = np.where(self.newest_ms > 0, (cell_ms - self.newest_ms) / 1000.0, np.inf)
            frames.append(GroupFrame(at_ms=cell_ms, values=values, age_s=age_s))
        self.closed_ms = until_ms // self.grid_ms * self.grid_ms
        return frames


@dataclass(slots=True)
class Grid:
    """Every watched group of one partition."""

    plots: list[Plot]
    seats: dict[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    """Channel -> (plot, column) of each group that it sits in."""
    watermark_ms: dict[str, int] = field(default_factory=dict)
    """Device -> the newest time that it has sent; only devices of the groups."""
    clock_ms: int = 0

    def take(self, batch: Batch, lanes: Lanes) -> list[tuple[str, GroupFrame]]:
        """Frames that this batch completes, by time: those that the clock ends, then its own."""
        if not self.plots:
            return []
        frames: list[tuple[str, GroupFrame]] = []
        if batch.received_ms > self.clock_ms:
            self.clock_ms = batch.received_ms
            for plot in self.plots:
                _add(frames, plot, self.clock_ms - plot.patience_ms)
        touched = self._offer(batch, lanes)
        for index in sorted(touched):
            plot = self.plots[index]
            passed_ms = min((self.watermark_ms[name] for name in plot.devices), default=0)
            oldest_ms = max(plot.cells, default=0) - CELLS_MAX * plot.grid_ms
            _add(frames, plot, max(passed_ms // plot.grid_ms * plot.grid_ms, oldest_ms))
        frames.sort(key=lambda pair: pair[1].at_ms)
        return frames

    def _offer(self, batch: Batch, lanes: Lanes) -> set[int]:
        seats = [self.seats.get(name, ()) for name in batch.channels]
        sits = np.array([bool(taken) for taken in seats], bool)
        touched: set[int] = set()
        if len(batch) == 0 or not sits.any():
            return touched
        wanted = np.flatnonzero((lanes == LIVE) & sits[batch.channel])
        messages, times = batch.message[wanted].tolist(), batch.at_ms[wanted].tolist()
        newest: dict[int, int] = {}
        for message, at_ms in zip(messages, times, strict=True):
            if at_ms > newest.get(message, 0):
                newest[message] = at_ms
        passed = self._advance(batch, newest)
        channels, values = batch.channel[wanted].tolist(), batch.value[wanted].tolist()
        usable = ((batch.quality[wanted] & UNUSABLE_BITS) == 0).tolist()
        plots = self.plots
        for i, channel in enumerate(channels):
            for index, column in seats[channel]:
                touched.add(index)
                if usable[i]:
                    plots[index].offer(column, times[i], values[i], passed[messages[i]])
        return touched

    def _advance(self, batch: Batch, newest: dict[int, int]) -> dict[int, int]:
        """Moves the watermarks; returns what each message's device had before that message."""
        passed: dict[int, int] = {}
        for message in sorted(newest):
            device = batch.messages[message].device
            before_ms = self.watermark_ms.get(device, 0)
            passed[message] = before_ms
            if device in self.watermark_ms:
                self.watermark_ms[device] = max(before_ms, newest[message])
        return passed

    def state(self) -> dict[str, Any]:
        """Everything it remembers, as what msgpack can carry."""
        plots = {
            plot.group.name: {
                "shape": _shape(plot.group),
                "closed_ms": plot.closed_ms,
                "newest_ms": plot.newest_ms.astype("<i8").tobytes(),
                "cells": [
                    (at, values.astype("<f8").tobytes(), times.astype("<i8").tobytes())
                    for at, (values, times) in sorted(plot.cells.items())
                ],
            }
            for plot in self.plots
        }
        return {"clock_ms": self.clock_ms, "watermark_ms": self.watermark_ms, "plots": plots}

    def resume(self, state: dict[str, Any]) -> None:
        """Takes up a ``state``; a group that was declared anew since starts without open cells."""
        self.clock_ms = state["clock_ms"]
        self.watermark_ms |= {
            device: at
            for device, at in state["watermark_ms"].items()
            if device in self.watermark_ms
        }
        for plot in self.plots:
            kept = state["plots"].get(plot.group.name)
            if kept is None or kept["shape"] != _shape(plot.group):
                continue
            plot.closed_ms = kept["closed_ms"]
            plot.newest_ms = np.frombuffer(kept["newest_ms"], "<i8").astype(np.int64)
            plot.cells = {
                at: (_copy(values, "<f8", np.float64), _copy(times, "<i8", np.int64))
                for at, values, times in kept["cells"]
            }


def _add(frames: list[tuple[str, GroupFrame]], plot: Plot, until_ms: int) -> None:
    frames += [(plot.group.name, frame) for frame in plot.close(until_ms)]


def _copy(raw: bytes, kind: str, to: Any) -> NDArray[Any]:
    return np.frombuffer(raw, kind).astype(to)


def _shape(group: Group) -> list[Any]:
    return [group.grid_s, *group.channels]


def lay_out(catalog: Catalog, groups: Iterable[Group]) -> Grid:
    """The empty grid of these groups; a channel that the catalog lacks stays NaN."""
    plots: list[Plot] = []
    seats: dict[str, list[tuple[int, int]]] = {}
    watermark_ms: dict[str, int] = {}
    for index, group in enumerate(groups):
        found = [catalog.find(channel) for channel in group.channels]
        devices = {pair[0].name: pair[0] for pair in found if pair is not None}
        silent_s = max((device.silent_after_s for device in devices.values()), default=0.0)
        plots.append(Plot(group, tuple(devices), round(max(group.grid_s, silent_s) * 1000)))
        watermark_ms |= dict.fromkeys(devices, 0)
        _seat(seats, index, group.channels)
    return Grid(plots, {name: tuple(taken) for name, taken in seats.items()}, watermark_ms)


def _seat(seats: dict[str, list[tuple[int, int]]], index: int, channels: Sequence[str]) -> None:
    for column, channel in enumerate(channels):
        seats.setdefault(channel, []).append((index, column))
