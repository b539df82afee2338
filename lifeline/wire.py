"""Topics, keys and codecs: the only place where our bytes get meaning."""

import zlib
from typing import Any, Literal

import msgspec
import numpy as np

from lifeline.model import Batch, Context, Finding, Message, Text

READINGS = "lifeline.readings"
WAVES = "lifeline.waves"
FINDINGS = "lifeline.findings"
INCIDENTS = "lifeline.incidents"
REJECTS = "lifeline.rejects"
TOPICS = (READINGS, WAVES, FINDINGS, INCIDENTS, REJECTS)

RECORD_BYTES_MAX = 8 * 1024 * 1024
"""``message.max.bytes`` and ``max_request_size`` everywhere; both default to 1 MiB."""

VERSION = 1
SCHEMA = {
    READINGS: b"readings/1",
    WAVES: b"wave/1",
    FINDINGS: b"finding/1",
    INCIDENTS: b"incident/1",
    REJECTS: b"reject/1",
}
CONTEXT_SCHEMA = b"context/1"
"""Context records travel in the readings partitions, so that detect sees one order."""

MQTT_ROOT = "lifeline/v1"
MQTT_DRILL_ROOT = "lifeline/drill/v1"
DEVICE_NAME = r"[A-Za-z0-9_-]{1,64}"


class Malformed(ValueError):
    """Bytes on our own topics that are not ours: kept as a reject, never raised past a shell."""


class Reject(msgspec.Struct, frozen=True, tag="reject", omit_defaults=True):
    """What could not be used, with the reason and the original bytes; acknowledged all the same."""

    reason: str
    """A short code, the metric's label: ``malformed``, ``unknown-device``, ``ahead`` …"""
    detail: str
    topic: str
    payload: bytes
    received_ms: int
    device: str = ""
    security: bool = False
    drill: bool = False
    rows: tuple[int, ...] = ()
    """Positions of the refused readings in the message; empty when all of it was refused."""


class Wave(msgspec.Struct, frozen=True, omit_defaults=True):
    """A raw waveform block of one channel: ``value = offset + scale * sample``."""

    channel: str
    device: str
    boot: int
    seq: int
    at_ms: int
    """Time of the first sample, unix ms."""
    rate_hz: float
    n: int
    scale: float
    offset: float
    encoding: Literal["int16", "float32"]
    samples: bytes
    received_ms: int
    quality: int = 0


class NoticeAsset(msgspec.Struct, frozen=True):
    """Where it is: the asset's name, title and WGS-84 longitude and latitude."""

    name: str
    title: Text
    position: tuple[float, float] | None


class NoticeGrade(msgspec.Struct, frozen=True):
    """How grave it is; level 1 is the gravest."""

    level: int
    zh: str
    en: str


class Explanation(msgspec.Struct, frozen=True):
    """Why we believe it: the finding behind a notice, as codes, numbers and one sentence."""

    finding: str
    detector: str
    version: int
    rule: str
    code: str
    channel: str
    value: float | None
    unit: str
    limit: float | None
    limit_id: str
    clause: str
    verified: bool
    """Whether somebody has read the clause that the limit names."""
    score: float
    confidence: float
    since_ms: int
    trace: str
    text: Text
    evidence: tuple[tuple[int, float, int], ...]
    """(at_ms, value, quality), oldest first."""
    quality: int = 0
    """Bits of the reading that the finding speaks of: what its sensor said
    of itself, and our verdict."""


Told = Literal[
    "opened",
    "located",
    "worsened",
    "eased",
    "reopened",
    "acknowledged",
    "undone",
    "verified",
    "dispatched",
    "returned",
    "merged",
    "closed",
]
"""What a notice tells of an incident."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What a receiver is told of an incident: the body of a signed push (contract ``notice/1``).

    ``alert`` opens, ``update`` changes, ``end`` closes.  Times are unix ms.  A receiver that knows
    the idempotency key answers as it did the first time; order between incidents is not promised.
    """

    schema: Literal["notice/1"] = "notice/1"
    incident: str
    kind: Literal["alert", "update", "end"]
    reason: Told
    status: Literal["Actual", "Exercise"]
    sender: str
    lifeline: str
    lifeline_title: Text
    zone: str
    asset: NoticeAsset
    hazard: str
    hazard_title: Text
    grade: NoticeGrade
    onset_ms: int
    detected_ms: int
    at_ms: int
    """When that happened of which this notice tells."""
    revision: int
    """Of the incident; 0 in notices that a finding made, which are
    functions of the finding alone."""
    headline: Text
    explanation: Explanation
    link: str
    verdict: Literal["", "true", "false", "test", "unknown"] = ""
    """What an officer found it to be; '' while nobody has said."""
    merged_into: str = ""
    """Of one that was merged: the incident in which it goes on."""


class IncidentState(msgspec.Struct, frozen=True, kw_only=True):
    """One record of ``lifeline.incidents``: an incident as it is after a change."""

    schema: Literal["incident/1"] = "incident/1"
    incident: str
    episode: int
    revision: int
    """Of two records of one incident the higher revision is the newer one."""
    phase: str
    lifeline: str
    zone: str
    asset: str
    hazard: str
    grade: int
    drill: bool
    is_active: bool
    onset_ms: int
    opened_ms: int
    changed_ms: int
    """When this state began."""
    stamped_ms: int
    """When this record was made: how fresh it is."""
    acknowledged_by: str
    closed_by: str
    reason: str


def partition_of(zone: str, partitions: int) -> int:
    """The partition on which everything about a zone lives.

    >>> partition_of("gas/heping", 12)
    1
    """
    return zlib.crc32(zone.encode()) % partitions


def headers(topic: str, *, trace: str = "", drill: bool = False) -> list[tuple[str, bytes]]:
    """The Kafka headers of a record on one of our topics."""
    made = [("schema", SCHEMA[topic])]
    if trace:
        made.append(("trace", trace.encode()))
    if drill:
        made.append(("drill", b"1"))
    return made


_pack = msgspec.msgpack.Encoder().encode
# What msgspec raises over strange bytes; text that is no UTF-8 is not among its own errors.
_FAULTS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_finding = msgspec.json.Decoder(Finding)
_finding_bytes = msgspec.json.Encoder().encode
_reject = msgspec.msgpack.Decoder(Reject)
_wave = msgspec.msgpack.Decoder(Wave)
_notice = msgspec.json.Decoder(Notice)
_incident = msgspec.json.Decoder(IncidentState)
_context = msgspec.msgpack.Decoder(Context)

_COLUMNS: tuple[tuple[str, str, str], ...] = (
    # name on the wire, field of Batch, little-endian type
    ("channel", "channel", "<i4"),
    ("at_ms", "at_ms", "<i8"),
    ("value", "value", "<f8"),
    ("quality", "quality", "<u2"),
    ("received_ms", "received", "<i8"),
    ("message", "message", "<i4"),
)


class _Readings(msgspec.Struct, gc=False):
    """A record of ``lifeline.readings`` as it is packed."""

    v: int
    now_ms: int
    channels: list[str]
    messages: list[Message]
    channel: memoryview
    at_ms: memoryview
    value: memoryview
    quality: memoryview
    received_ms: memoryview
    message: memoryview


_readings = msgspec.msgpack.Decoder(_Readings).decode


def encode_batch(batch: Batch) -> bytes:
    """One record of ``lifeline.readings``: names once, then columns of raw little-endian bytes."""
    body: dict[str, Any] = {
        "v": VERSION,
        "now_ms": batch.received_ms,
        "channels": batch.channels,
        "messages": batch.messages,
    }
    for name, field, kind in _COLUMNS:
        body[name] = getattr(batch, field).astype(kind, copy=False).tobytes()
    return _pack(body)


def decode_batch(payload: bytes) -> Batch:
    """The batch in a record of ``lifeline.readings``.  Columns are read-only views of the payload.

    Raises Malformed for anything else, whatever it is.
    """
    try:
        body = _readings(payload)
        if body.v > VERSION:
            raise Malformed(f"readings version {body.v} is newer than {VERSION}")
        columns = {
            field: np.frombuffer(getattr(body, name), dtype=kind) for name, field, kind in _COLUMNS
        }
    except Malformed:
        raise
    except (*_FAULTS, ValueError) as error:
        raise Malformed(f"not a readings batch: {error}") from error
    batch = Batch(body.now_ms, body.channels, body.messages, **columns)
    _check_batch(batch)
    return batch


def _check_batch(batch: Batch) -> None:
    n = len(batch)
    if any(len(getattr(batch, field)) != n for _, field, _ in _COLUMNS):
        raise Malformed("columns differ in length")
    if n and not (0 <= batch.channel.min() and batch.channel.max() < len(batch.channels)):
        raise Malformed("a channel index points outside the names")
    if n and not (0 <= batch.message.min() and batch.message.max() < len(batch.messages)):
        raise Malformed("a message index points outside the messages")


def encode_finding(finding: Finding) -> bytes:
    """One record of ``lifeline.findings``: JSON."""
    return _finding_bytes(finding)


def decode_finding(payload: bytes) -> Finding:
    """The finding in a record; raises Malformed."""
    try:
        return _finding.decode(payload)
    except _FAULTS as error:
        raise Malformed(f"not a finding: {error}") from error


def encode_reject(reject: Reject) -> bytes:
    """One record of ``lifeline.rejects``: msgpack, because original bytes stay as they came."""
    return _pack(reject)


def decode_reject(payload: bytes) -> Reject:
    """The reject in a record; raises Malformed."""
    try:
        return _reject.decode(payload)
    except _FAULTS as error:
        raise Malformed(f"not a reject: {error}") from error


def encode_wave(wave: Wave) -> bytes:
    """One record of ``lifeline.waves``."""
    return _pack(wave)


def decode_wave(payload: bytes) -> Wave:
    """The waveform block in a record; raises Malformed."""
    try:
        return _wave.decode(payload)
    except _FAULTS as error:
        raise Malformed(f"not a waveform block: {error}") from error


def encode_context(context: Context) -> bytes:
    """A context record for a readings partition."""
    return _pack(context)


def decode_context(payload: bytes) -> Context:
    """The context in a record; raises Malformed."""
    try:
        return _context.decode(payload)
    except _FAULTS as error:
        raise Malformed(f"not a context record: {error}") from error


def encode_notice(notice: Notice) -> bytes:
    """The body of a push: JSON, the same bytes for the same notice."""
    return _finding_bytes(notice)


def decode_notice(payload: bytes) -> Notice:
    """The notice in a push; raises Malformed."""
    try:
        return _notice.decode(payload)
    except _FAULTS as error:
        raise Malformed(f"not a notice: {error}") from error


def encode_incident(state: IncidentState) -> bytes:
    """One record of ``lifeline.incidents``: JSON."""
    return _finding_bytes(state)


def decode_incident(payload: bytes) -> IncidentState:
    """The incident in a record; raises Malformed."""
    try:
        return _incident.decode(payload)
    except _FAULTS as error:
        raise Malformed(f"not an incident: {error}") from error
