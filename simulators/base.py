"""The words of every simulator: what a device sends, when it is due, what truly happened."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import msgspec
import numpy as np

from lifeline.catalog import Device
from lifeline.model import Floats, Ints

DAY_S = 86_400.0


class WaveBlock(msgspec.Struct, frozen=True):
    """Raw samples of one channel, ``value = offset + scale * sample``, the first at ``at_ms``."""

    rate_hz: float
    n: int
    scale: float
    offset: float
    encoding: Literal["int16", "float32"]
    samples: bytes


class Uplink(msgspec.Struct, frozen=True):
    """One message that a device wants to send; its (boot, seq) are given by the spool."""

    device: str
    at_ms: int
    channels: tuple[str, ...]
    """The device's local names."""
    values: tuple[float, ...] = ()
    state: tuple[str, ...] = ()
    wave: WaveBlock | None = None

    @property
    def suffix(self) -> Literal["up", "wave"]:
        """The last word of its topic."""
        return "up" if self.wave is None else "wave"


class Truth(msgspec.Struct, frozen=True):
    """What really happened, and what the chain must make of it: one incident (asset, hazard)."""

    what: str
    lifeline: str
    zone: str
    asset: str
    hazard: str
    onset_ms: int
    until_ms: int
    deadline_s: float
    """From the onset to the accepted push."""
    detail: dict[str, float | str] = {}


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that the simulator does to the city between two moments after its start.

    ``asset`` '' leaves the choice to the lifeline's simulator.  ``size`` is the scenario's own:
    hole in mm, gross weight in t, fraction of the bending stiffness lost; 0 takes its default.
    """

    what: Literal["gas-leak", "burst", "make-up-loss", "overload", "stiffness-loss"]
    at_s: float
    until_s: float
    asset: str = ""
    size: float = 0.0
    deadline_s: float = 60.0


class Part(Protocol):
    """One lifeline's physics.  ``advance`` is called on the city's grid with rising times."""

    def begin(self, scenario: Scenario, at_ms: int) -> Truth | None:
        """The scenario's truth, or None when it is not this lifeline's."""
        ...

    def end(self, scenario: Scenario, asset: str) -> None:
        """The scenario is over at this asset: repaired."""
        ...

    def advance(self, at_ms: int, dt_s: float, day_s: float) -> list[Uplink]:
        """What is sent now, ``dt_s`` of physics after the last time, ``day_s`` into day 0."""
        ...


_json = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode


def encode(uplink: Uplink, boot: int, seq: int) -> bytes:
    """The payload as the device sends it: columnar JSON, or msgpack for a waveform block.

    A NaN goes out as ``NaN``, as cheap firmware does; msgspec alone would write ``null``.

    >>> encode(Uplink("d", 5, ("ch4",), (1.5,)), 2, 9)
    b'{"boot":2,"seq":9,"channels":["ch4"],"at_ms":5,"values":[1.5]}'
    """
    if uplink.wave is not None:
        wave = uplink.wave
        block: dict[str, object] = {
            "channel": uplink.channels[0],
            "at_ms": uplink.at_ms,
            "rate_hz": wave.rate_hz,
            "n": wave.n,
            "scale": wave.scale,
            "offset": wave.offset,
            "encoding": wave.encoding,
            "samples": wave.samples,
            "boot": boot,
            "seq": seq,
        }
        return _pack(block | ({"state": uplink.state} if uplink.state else {}))
    values = b",".join(_number(value) for value in uplink.values)
    return b'{"boot":%d,"seq":%d,"channels":%b,"at_ms":%d,"values":[%b]%b}' % (
        boot,
        seq,
        _json(uplink.channels),
        uplink.at_ms,
        values,
        b',"state":' + _json(uplink.state) if uplink.state else b"",
    )


def _number(value: float) -> bytes:
    # repr writes nan and inf in Python's words; JSON writers that emit them say NaN and Infinity.
    if np.isfinite(value):
        return _json(value)
    return b"NaN" if np.isnan(value) else b"Infinity" if value > 0 else b"-Infinity"


@dataclass(slots=True)
class Cadence:
    """When each of ``n`` devices sends next; phases are spread, so that not all speak at once."""

    interval_ms: Ints
    next_ms: Ints

    def due(self, at_ms: int) -> Ints:
        """The devices whose time has come; each is moved to its next slot after ``at_ms``."""
        ready = np.flatnonzero(self.next_ms <= at_ms)
        if len(ready):
            late = (at_ms - self.next_ms[ready]) // self.interval_ms[ready] + 1
            self.next_ms[ready] += late * self.interval_ms[ready]
        return ready


def cadence(devices: Sequence[Device], start_ms: int, pace: float) -> Cadence:
    """The devices' own intervals (their fastest channel's) times ``pace``, at least 20 ms."""
    fastest = [min((c.interval_s for c in d.channels), default=60.0) for d in devices]
    interval = np.maximum((np.array(fastest, float) * 1000.0 * pace).astype(np.int64), 20)
    n = max(len(devices), 1)
    phase = (interval * np.arange(len(devices))) // n
    return Cadence(interval, start_ms + phase)


def daily(day_s: float, peaks: Sequence[tuple[float, float, float]], base: float) -> float:
    """A daily curve: ``base`` plus wrapped Gaussian peaks of (hour, width in hours, height).

    >>> round(daily(8 * 3600, [(8, 1.5, 2.0)], 1.0), 6)
    3.0
    """
    hour = day_s / 3600.0
    total = base
    for centre, width, height in peaks:
        away = (hour - centre + 12.0) % 24.0 - 12.0
        total += height * float(np.exp(-0.5 * (away / width) ** 2))
    return total


def locals_of(device: Device, made: Sequence[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Of the quantities that a simulator makes, those that the device has: names and indices."""
    has = {channel.local for channel in device.channels}
    kept = [(name, i) for i, name in enumerate(made) if name in has]
    return tuple(name for name, _ in kept), tuple(i for _, i in kept)


def readings(device: Device, at_ms: int, made: Sequence[str], values: Floats) -> Uplink:
    """One message of the device with the quantities it has, of those in ``made``."""
    names, index = locals_of(device, made)
    return Uplink(device.name, at_ms, names, tuple(float(values[i]) for i in index))
