"""Payload bytes into uplinks: one table of formats, a format is one function and one entry.

Native JSON in its three shapes is decoded in one strict pass.  A message that the
strict pass refuses because it holds NaN, Infinity or 1e999 is read again leniently: the
good values beside the bad go on.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingest.topics import Kind
from lifeline.model import STATE_BITS

READINGS_MAX = 10_000
"""Readings a message may carry: what one message adds to a batch stays
far below a record's limit."""
COUNT_MAX = 2**53 - 1
"""The largest boot or seq: the largest integer that every JSON writer can say exactly."""

Counted = Annotated[int, Meta(ge=0, le=COUNT_MAX)]
State = Literal["fault", "calibration-due", "test-gas", "immersed", "cover-tilt", "battery-low"]
_BITS: dict[str, int] = {word: int(bit) for word, bit in STATE_BITS.items()}


class Uplink(msgspec.Struct, frozen=True, gc=False):
    """A decoded message: readings as columns of one length, in the device's own words."""

    device: str | None
    boot: int
    seq: int
    """-1 where the device does not count."""
    channels: tuple[str, ...]
    """Local names."""
    at_ms: list[int]
    values: list[float]
    """NaN where the device had no number."""
    states: list[int]
    units: Sequence[str | None] | None = None


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A waveform block as a device sends it (msgpack)."""

    channel: str
    at_ms: int
    rate_hz: float
    n: int
    scale: float
    offset: float = 0.0
    encoding: Literal["int16", "float32"]
    samples: bytes
    device: str | None = None
    boot: Counted = 0
    seq: Counted | None = None
    state: list[State] = []


class Presence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Birth or last will."""

    online: bool
    device: str | None = None
    boot: Counted = 0
    seq: Counted | None = None
    at_ms: int | None = None
    """Taken but not used: a will is written long before it is sent."""
    firmware: str = ""
    """Taken but not used."""


class Undecodable(msgspec.Struct, frozen=True):
    """Why a payload is none of these; ``reason`` is the metric's label."""

    reason: str
    detail: str


class _Reading(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    channel: str
    at_ms: int
    value: float | None
    unit: str | None = None
    state: list[State] = []


class _Native(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    device: str | None = None
    boot: Counted = 0
    seq: Counted | None = None
    channel: str | UnsetType = UNSET
    at_ms: int | list[int] | UnsetType = UNSET
    value: float | UnsetType | None = UNSET
    unit: str | None = None
    state: list[State | list[State]] = []
    readings: list[_Reading] | UnsetType = UNSET
    channels: msgspec.Raw | UnsetType = UNSET
    values: list[float | None] | UnsetType = UNSET
    units: list[str | None] | None = None


class _Shape(ValueError):
    """Fields that do not belong together."""


_native = msgspec.json.Decoder(_Native)
_names = msgspec.json.Decoder(tuple[str, ...])
_block = msgspec.msgpack.Decoder(Block)
_presence = msgspec.json.Decoder(Presence)
_FAULTS = (msgspec.MsgspecError, _Shape, RecursionError, ValueError)

_known_names: dict[bytes, tuple[str, ...]] = {}
"""A device sends the same list of channels every time: decoded once, a pure function's memory."""
_KNOWN_NAMES_MAX = 4096
_KNOWN_BYTES_MAX = 8192


def native(payload: bytes) -> Uplink | Undecodable:
    """The readings in a native JSON message, or why there are none; never raises."""
    try:
        return _uplink(_native.decode(payload))
    except _FAULTS as error:
        again = _without_wild_numbers(payload, str(error))
        if again is None:
            return Undecodable(*_why(error))
    try:
        return _uplink(_native.decode(again))
    except _FAULTS as error:
        return Undecodable(*_why(error))


def _why(error: Exception) -> tuple[str, str]:
    reason = "too-many" if isinstance(error, _TooMany) else "malformed"
    return reason, (str(error) or type(error).__name__)[:500]


class _TooMany(_Shape):
    """More readings than a message may carry."""


def _uplink(said: _Native) -> Uplink:
    seq = -1 if said.seq is None else said.seq
    if said.channel is not UNSET:
        if said.readings is not UNSET or said.channels is not UNSET or said.values is not UNSET:
            raise _Shape("one reading, readings and columns in one message")
        if said.units is not None or said.value is UNSET or not isinstance(said.at_ms, int):
            raise _Shape("one reading needs channel, at_ms and value, and unit not units")
        value = math.nan if said.value is None else said.value
        states = [_bits(said.state)] if said.state else [0]
        units = None if said.unit is None else (said.unit,)
        return Uplink(
            said.device, said.boot, seq, (said.channel,), [said.at_ms], [value], states, units
        )
    if said.value is not UNSET or said.unit is not None:
        raise _Shape("value or unit without channel")
    if said.readings is not UNSET:
        if said.channels is not UNSET or said.values is not UNSET or said.at_ms is not UNSET:
            raise _Shape("readings and columns in one message")
        if said.units is not None:
            raise _Shape("units without columns")
        return _listed(said, seq, said.readings)
    return _columns(said, seq)


def _listed(said: _Native, seq: int, rows: list[_Reading]) -> Uplink:
    _limit(len(rows))
    shared = _bits(said.state) if said.state else 0
    return Uplink(
        said.device,
        said.boot,
        seq,
        tuple([row.channel for row in rows]),
        [row.at_ms for row in rows],
        [math.nan if row.value is None else row.value for row in rows],
        [_bits(row.state) | shared for row in rows],
        [row.unit for row in rows] if any(row.unit is not None for row in rows) else None,
    )


def _columns(said: _Native, seq: int) -> Uplink:
    if said.channels is UNSET or said.values is UNSET or said.at_ms is UNSET:
        raise _Shape("a message needs channel, or readings, or channels with at_ms and values")
    channels = _channel_names(said.channels)
    n = len(channels)
    _limit(n)
    if len(said.values) != n:
        raise _Shape(f"{n} channels and {len(said.values)} values")
    at_ms = [said.at_ms] * n if isinstance(said.at_ms, int) else said.at_ms
    if len(at_ms) != n:
        raise _Shape(f"{n} channels and {len(at_ms)} times")
    if said.units is not None and len(said.units) != n:
        raise _Shape(f"{n} channels and {len(said.units)} units")
    values = said.values
    if None in values:
        values = [math.nan if value is None else value for value in values]
    states = _states(said.state, n) if said.state else [0] * n
    return Uplink(said.device, said.boot, seq, channels, at_ms, values, states, said.units)  # type: ignore[arg-type]


def _channel_names(raw: msgspec.Raw) -> tuple[str, ...]:
    text = bytes(raw)
    names = _known_names.get(text)
    if names is None:
        names = _names.decode(text)
        if len(text) <= _KNOWN_BYTES_MAX:
            if len(_known_names) >= _KNOWN_NAMES_MAX:
                _known_names.clear()
            _known_names[text] = names
    return names


def _limit(n: int) -> None:
    if n > READINGS_MAX:
        raise _TooMany(f"{n} readings in one message, {READINGS_MAX} are allowed")


def _bits(words: Sequence[str | list[Any]]) -> int:
    bits = 0
    for word in words:
        if not isinstance(word, str):
            raise _Shape("a list of states for each of several readings, and there is one")
        bits |= _BITS[word]
    return bits


def _states(said: Sequence[str | list[Any]], n: int) -> list[int]:
    """One list of words for all readings, or one list a reading."""
    if isinstance(said[0], str):
        return [_bits(said)] * n
    if len(said) != n:
        raise _Shape(f"{n} channels and {len(said)} states")
    return [_bits(words) if isinstance(words, list) else _bits([[]]) for words in said]


def _without_wild_numbers(payload: bytes, error: str) -> bytes | None:
    """The message with null for every number that is none; None when that is not what ails it."""
    if not (b"NaN" in payload or b"Infinity" in payload or "out of range" in error):
        return None
    try:
        tree = json.loads(
            payload.decode(), parse_constant=_nothing, parse_float=_finite, parse_int=_whole
        )
        return msgspec.json.encode(tree)
    except (ValueError, TypeError, RecursionError, msgspec.MsgspecError):
        return None


def _nothing(_word: str) -> None:
    return None


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _whole(text: str) -> int | float | None:
    return int(text) if len(text) <= 18 else _finite(text)


def block(payload: bytes) -> Block | Undecodable:
    """The waveform block in a msgpack message, checked against itself; never raises."""
    try:
        found = _block.decode(payload)
    except _FAULTS as error:
        return Undecodable("malformed", str(error)[:500])
    size = found.n * (2 if found.encoding == "int16" else 4)
    if found.n < 1 or size != len(found.samples):
        return Undecodable("malformed", f"{found.n} samples and {len(found.samples)} bytes")
    if not (math.isfinite(found.rate_hz) and found.rate_hz > 0):
        return Undecodable("malformed", f"a rate of {found.rate_hz} Hz")
    if not (math.isfinite(found.scale) and found.scale != 0 and math.isfinite(found.offset)):
        return Undecodable("malformed", f"scale {found.scale}, offset {found.offset}")
    return found


_PLAIN_STATES = {b"online": True, b"1": True, b"true": True}
_PLAIN_STATES |= {b"offline": False, b"0": False, b"false": False}


def presence(payload: bytes) -> Presence | Undecodable:
    """Birth or last will: a JSON object with ``online``, or that one word; never raises.

    >>> presence(b"offline").online
    False
    """
    word = _PLAIN_STATES.get(payload)
    if word is not None:
        return Presence(word)
    try:
        return _presence.decode(payload)
    except _FAULTS as error:
        return Undecodable("malformed", str(error)[:500])


Decoded = Uplink | Block | Presence | Undecodable
FORMATS: Mapping[Kind, Callable[[bytes], Decoded]] = {
    "up": native,
    "wave": block,
    "state": presence,
}
