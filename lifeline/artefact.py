"""What was calibrated from history before a stream: named arrays and facts, and their bytes.  Pure.

One file a group and profile: sensitivities, baselines, noise scales, thresholds for a stated rate
of false alarms.  The compiled catalog carries it, so that a service needs no further file.
"""

import hashlib
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

MAGIC = b"LLART001"
KINDS = "biufU"
"""Kinds of numpy arrays that may stand in one: truth, whole numbers, numbers and text."""


class ArtefactError(ValueError):
    """Bytes that are no artefact of ours, or one that was damaged."""


class Artefact(msgspec.Struct, frozen=True):
    """What one calibration learned, for the detectors of one profile."""

    profile: str
    facts: dict[str, float | str]
    """What it rests on: spans, counts, rates with their interval; for people, not for detectors."""
    arrays: dict[str, NDArray[Any]]
    version: int = 1


class _Array(msgspec.Struct, frozen=True, array_like=True):
    kind: str
    shape: tuple[int, ...]
    cells: bytes


class _Saved(msgspec.Struct, frozen=True):
    profile: str
    facts: dict[str, float | str]
    arrays: dict[str, _Array]
    version: int


_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_decode = msgspec.msgpack.Decoder(_Saved).decode


def pack(artefact: Artefact) -> bytes:
    """The artefact as a file's bytes, the same for the same content, with a digest of themselves.

    >>> made = pack(Artefact("water-network", {"years": 1.0}, {"scale": np.array([0.05])}))
    >>> unpack(made).arrays["scale"].tolist()
    [0.05]
    """
    arrays = {name: _array(name, array) for name, array in artefact.arrays.items()}
    body = _encode(_Saved(artefact.profile, artefact.facts, arrays, artefact.version))
    return MAGIC + _digest(body) + body


def unpack(packed: bytes) -> Artefact:
    """The artefact in these bytes, its arrays not to be written to; raises ArtefactError."""
    start = len(MAGIC)
    body = packed[start + 16 :]
    if packed[:start] != MAGIC:
        raise ArtefactError("not an artefact: make one with `lifeline calibrate`")
    if packed[start : start + 16] != _digest(body):
        raise ArtefactError("the artefact is damaged: its bytes do not fit their digest")
    try:
        saved = _decode(body)
        arrays = {name: _cells(array) for name, array in saved.arrays.items()}
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise ArtefactError(f"not an artefact that this version can read: {error}") from error
    return Artefact(saved.profile, saved.facts, arrays, saved.version)


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).digest()


def _array(name: str, array: NDArray[Any]) -> _Array:
    assert array.dtype.kind in KINDS, f"{name}: arrays of {array.dtype} are not kept"
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return _Array(little.dtype.str, array.shape, little.tobytes())


def _cells(array: _Array) -> NDArray[Any]:
    return np.frombuffer(array.cells, array.kind).reshape(array.shape)
