"""Readings held against the catalog: what is refused, what travels on, and with which flag."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from ingest.decode import Uplink
from lifeline import config
from lifeline.catalog import Catalog, Device
from lifeline.model import Bits, Floats, Ints, Quality
from lifeline.wire import partition_of

WIDE = 24
"""From so many readings on, columns in numpy are faster than a loop; both give the same answers."""
_PLANS_MAX = 64
_OWNERS_ASKED_MAX = 8
"""Unknown names of one message that are looked up in the whole city: each look-up costs 10 µs."""


class Window(msgspec.Struct, frozen=True):
    """How far a reading's time may be from ours."""

    ahead_ms: int
    behind_ms: int

    @classmethod
    def of(cls, settings: config.Ingest) -> "Window":
        """The window that is set: service, replay and second look judge by the same one."""
        return cls(round(settings.ahead_s_max * 1000), round(settings.behind_s_max * 1000))


@dataclass(slots=True, frozen=True)
class Plan:
    """A message's list of channels, resolved once for every device of the same make."""

    positions: tuple[int, ...]
    low: Floats
    high: Floats
    units: tuple[str, ...]


@dataclass(slots=True)
class Shape:
    """What devices of one make have in common: their local names, ranges and units."""

    index: dict[str, int]
    low: tuple[float, ...]
    high: tuple[float, ...]
    units: tuple[str, ...]
    plans: dict[tuple[str, ...], Plan | None] = field(default_factory=dict)

    def plan(self, channels: tuple[str, ...]) -> Plan | None:
        """The resolved list, or None when one of its names is unknown."""
        try:
            return self.plans[channels]
        except KeyError:
            pass
        if len(self.plans) >= _PLANS_MAX:
            self.plans.clear()
        made = None
        if all(name in self.index for name in channels):
            at = tuple(self.index[name] for name in channels)
            low, high = np.array(self.low), np.array(self.high)
            made = Plan(at, low[list(at)], high[list(at)], tuple(self.units[i] for i in at))
        self.plans[channels] = made
        return made


@dataclass(slots=True)
class Known:
    """A device as ingest remembers it."""

    name: str
    partition: int
    lifeline: str
    historical_after_ms: int
    names: tuple[str, ...]
    """Permanent channel names, in the order of the shape."""
    shape: Shape
    state_ms: int = 0
    """Time of its last birth or will: two of them never share a millisecond."""
    _plan: Plan | None = None
    _planned: tuple[str, ...] = ()

    def names_of(self, plan: Plan) -> tuple[str, ...]:
        """The permanent names of a list of channels; the last list is remembered."""
        if self._plan is not plan:
            self._plan, self._planned = plan, tuple(self.names[i] for i in plan.positions)
        return self._planned


class Directory:
    """The catalog's devices by name, in the little that ingest needs of each."""

    def __init__(self, catalog: Catalog, partitions: int) -> None:
        self.catalog = catalog
        self.partitions = partitions
        self._known: dict[str, Known] = {}
        self._shapes: dict[tuple[tuple[str, float, float, str], ...], Shape] = {}

    def find(self, device: str) -> Known | None:
        """The device, or None when the catalog has none of that name."""
        known = self._known.get(device)
        if known is None:
            found = self.catalog.device(device, keep=False)
            if found is None:
                return None
            known = self._known[device] = self._remember(found)
        return known

    def _remember(self, device: Device) -> Known:
        key = tuple((c.local, c.low, c.high, c.unit) for c in device.channels)
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._shapes[key] = Shape(
                {c.local: i for i, c in enumerate(device.channels)},
                tuple(c.low for c in device.channels),
                tuple(c.high for c in device.channels),
                tuple(c.unit for c in device.channels),
            )
        return Known(
            device.name,
            partition_of(device.zone, self.partitions),
            device.lifeline,
            int(device.historical_after_s * 1000),
            tuple(c.name for c in device.channels),
            shape,
        )

    def owner(self, channel: str) -> str:
        """The device that a permanent channel name belongs to, or ''."""
        found = self.catalog.find(channel)
        return found[0].name if found else ""


@dataclass(slots=True)
class Verdict:
    """What of an uplink goes on, as columns of one length, and which rows do not, by reason."""

    names: Sequence[str]
    """Permanent names."""
    at_ms: Sequence[int] | Ints
    values: Sequence[float] | Floats
    quality: Sequence[int] | Bits
    refused: dict[str, list[int]]


def judge(
    uplink: Uplink, known: Known, directory: Directory, received_ms: int, window: Window
) -> Verdict:
    """The uplink's readings, flagged, and those that are refused with the reason.

    Refused are unknown channels (``identity`` when the name is another device's) and times outside
    the window.  Everything else goes on: a value that is no number, outside the physical range or
    in a foreign unit carries a flag, and detect makes a sensor fault of it.
    """
    if len(uplink.channels) >= WIDE:
        verdict = _judge_columns(uplink, known, received_ms, window)
        if verdict is not None:
            return verdict
    return _judge_rows(uplink, known, directory, received_ms, window)


def _judge_rows(
    uplink: Uplink, known: Known, directory: Directory, received_ms: int, window: Window
) -> Verdict:
    verdict = Verdict([], [], [], [], {})
    names: list[str] = verdict.names  # type: ignore[assignment]
    at_ms: list[int] = verdict.at_ms  # type: ignore[assignment]
    values: list[float] = verdict.values  # type: ignore[assignment]
    quality: list[int] = verdict.quality  # type: ignore[assignment]
    shape, units = known.shape, uplink.units
    newest, oldest = received_ms + window.ahead_ms, received_ms - window.behind_ms
    back_fill = received_ms - known.historical_after_ms
    rows = zip(uplink.channels, uplink.at_ms, uplink.values, uplink.states, strict=True)
    for row, (channel, at, value, bits) in enumerate(rows):
        place = shape.index.get(channel, -1)
        if place < 0 or at > newest or at < oldest:
            reason = "unknown-channel" if place < 0 else "ahead" if at > newest else "behind"
            verdict.refused.setdefault(reason, []).append(row)
            continue
        unit = units[row] if units is not None else None
        if not math.isfinite(value):
            bits |= Quality.NON_FINITE  # noqa: PLW2901
        elif unit is not None and unit != shape.units[place]:
            bits |= Quality.WRONG_UNIT  # noqa: PLW2901
        elif not shape.low[place] <= value <= shape.high[place]:
            bits |= Quality.OUT_OF_RANGE  # noqa: PLW2901
        if at < back_fill:
            bits |= Quality.HISTORICAL  # noqa: PLW2901
        names.append(known.names[place])
        at_ms.append(at)
        values.append(value)
        quality.append(int(bits))
    if "unknown-channel" in verdict.refused:
        _tell_foreign(verdict.refused, uplink, known, directory)
    return verdict


def _tell_foreign(
    refused: dict[str, list[int]], uplink: Uplink, known: Known, directory: Directory
) -> None:
    """Splits the unknown channels: a name that is another device's is a matter of identity."""
    unknown = refused.pop("unknown-channel")
    asked = list(dict.fromkeys(uplink.channels[row] for row in unknown))[:_OWNERS_ASKED_MAX]
    foreign = {name for name in asked if directory.owner(name) not in ("", known.name)}
    for row in unknown:
        reason = "identity" if uplink.channels[row] in foreign else "unknown-channel"
        refused.setdefault(reason, []).append(row)


def _judge_columns(
    uplink: Uplink, known: Known, received_ms: int, window: Window
) -> Verdict | None:
    """The same for many readings at once; None when a row must be refused or has a foreign unit."""
    plan = known.shape.plan(uplink.channels)
    if plan is None or (uplink.units is not None and tuple(uplink.units) != plan.units):
        return None
    newest, oldest = received_ms + window.ahead_ms, received_ms - window.behind_ms
    first, last = min(uplink.at_ms), max(uplink.at_ms)
    if first < oldest or last > newest:
        return None
    values = np.array(uplink.values)
    quality: Sequence[int] | Bits = uplink.states
    is_fine = (values >= plan.low) & (values <= plan.high)
    back_fill = received_ms - known.historical_after_ms
    if first < back_fill or np.count_nonzero(is_fine) < len(is_fine):
        bits = np.array(uplink.states, np.uint16)
        is_number = np.isfinite(values)
        bits[~is_number] |= np.uint16(Quality.NON_FINITE)
        bits[is_number & ~is_fine] |= np.uint16(Quality.OUT_OF_RANGE)
        bits[np.array(uplink.at_ms) < back_fill] |= np.uint16(Quality.HISTORICAL)
        quality = bits
    return Verdict(known.names_of(plan), uplink.at_ms, values, quality, {})
