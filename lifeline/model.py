"""What flows through the pipeline: readings as columns, frames, findings, quality bits."""

import enum
import hashlib
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bits = NDArray[np.uint16]

Lane = Literal["live", "late", "historical"]
"""How a reading stands to its channel's newest: in order, late but usable, or back-filled."""


LIVE, LATE, HISTORICAL, SKIP = 0, 1, 2, 3
"""The lanes as codes of a column; SKIP repeats a time that its channel has shown last."""


class Quality(enum.IntFlag):
    """What travels beside a value, from sensor to evidence.  Fits PostgreSQL's ``smallint``.

    The low byte is the device's own state, the high byte our verdict on the reading.
    """

    FAULT = 1 << 0
    CALIBRATION_DUE = 1 << 1
    TEST_GAS = 1 << 2
    IMMERSED = 1 << 3
    COVER_TILT = 1 << 4
    BATTERY_LOW = 1 << 5

    NON_FINITE = 1 << 8
    OUT_OF_RANGE = 1 << 9
    WRONG_UNIT = 1 << 10
    HISTORICAL = 1 << 11
    DERIVED = 1 << 12


STATE_BITS = {
    "fault": Quality.FAULT,
    "calibration-due": Quality.CALIBRATION_DUE,
    "test-gas": Quality.TEST_GAS,
    "immersed": Quality.IMMERSED,
    "cover-tilt": Quality.COVER_TILT,
    "battery-low": Quality.BATTERY_LOW,
}
"""The words a device uses for its state bits in native JSON."""

UNUSABLE = Quality.NON_FINITE | Quality.OUT_OF_RANGE | Quality.WRONG_UNIT
"""A value with one of these never reaches a detector of the physical world:
it is a sensor fault itself."""


CANARY = "canary"
"""Lifeline, hazard and quantity of the readings with which the watchdog proves the chain."""


HOTLINE = "hotline"
"""Detector, context and way of what people tell on the telephone."""


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One text for people, in both languages."""

    zh: str
    en: str

    def said(self, language: str) -> str:
        """In that language.

        >>> Text("阀门", "valve").said("zh"), Text("阀门", "valve").said("en")
        ('阀门', 'valve')
        """
        return self.zh if language == "zh" else self.en


UNTITLED = Text("", "")
"""Of what has no title but its name."""


class Message(msgspec.Struct, frozen=True, array_like=True):
    """One MQTT message as the batch remembers it: who counted it, and what was refused of it."""

    device: str
    boot: int
    seq: int
    """-1 where the device does not count."""
    rejected: int = 0
    """Readings of this message (or 1 for the message itself) that went to ``lifeline.rejects``."""


@dataclass(slots=True)
class Batch:
    """Readings of one partition as columns of one length; an empty one is a tick of the clock.

    ``channel[i]`` indexes ``channels``; ``message[i]`` indexes ``messages``.  ``received_ms`` of
    the batch is ingest's clock when it was written: the only clock that detect knows.
    """

    received_ms: int
    channels: list[str]
    messages: list[Message]
    channel: NDArray[np.int32]
    at_ms: Ints
    value: Floats
    quality: Bits
    received: Ints
    """When ingest received each reading, unix ms."""
    message: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.at_ms)


class Context(msgspec.Struct, frozen=True, tag="context"):
    """What a zone must know that no sensor says: work order, permit, weather, regime switch."""

    zone: str
    kind: str
    at_ms: int
    until_ms: int
    detail: dict[str, str | float] = {}


@dataclass(slots=True)
class Frame:
    """Readings for one detector step: each row at most once, rows in any order.

    ``rows`` index the detector's state; values are finite and in physical range.
    """

    rows: NDArray[np.intp]
    at_ms: Ints
    values: Floats
    quality: Bits

    def only(self, keep: NDArray[np.bool_]) -> "Frame":
        """The readings that are kept."""
        return Frame(self.rows[keep], self.at_ms[keep], self.values[keep], self.quality[keep])


@dataclass(slots=True)
class GroupFrame:
    """A group's channels on the group's own grid at one instant; NaN where one is missing.

    ``values`` and ``age_s`` have one entry a channel of the group, in the order in which the
    catalog declares them.
    """

    at_ms: int
    values: Floats
    age_s: Floats
    regimes: tuple[str, ...] = ()
    """Kinds of the context records that hold in the zone at that instant, sorted."""


class Detail(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a detector of groups knows beyond its score."""

    channel: str = ""
    """The member that it is about, such as the sensor that is at fault."""
    code: str = ""
    """What happened, where the detector can tell several things apart."""
    value: float | None = None
    unit: str = ""
    onset_ms: int | None = None
    """When it began, as the detector believes: before the reading that raised it."""
    probability: float | None = None
    """Calibrated; takes the place of the rule's confidence."""
    facts: dict[str, float] = {}
    """Named with their unit: ``size_m3_h``, ``lost_m3`` …"""
    candidates: tuple[tuple[str, float], ...] = ()
    """Where it may be: pipes with their probability, the most probable first, at most 32."""
    residuals: tuple[tuple[str, float], ...] = ()
    """How far each channel stands from what was expected, in its own standard deviations."""


class Finding(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A detector's verdict on one channel or group, with everything that explains it.

    ``raised``, ``held`` and ``cleared`` of one excursion share an id.  Explanations are codes with
    parameters; sentences are made where a person reads.
    """

    id: str
    phase: Literal["raised", "held", "cleared"]
    zone: str
    asset: str
    lifeline: str
    channel: str
    """A channel's name, or a group's."""
    rule: str
    detector: str
    version: int = 1
    hazard: str
    grade: int
    onset_ms: int
    """Event time of the reading that began the excursion."""
    at_ms: int
    """Event time of the reading (or tick) that made this record."""
    received_ms: int
    """Ingest's clock of the batch that caused it."""
    lane: Lane = "live"
    code: str = ""
    """What happened, as a key of the message catalogues, e.g. ``above-limit``."""
    value: float | None = None
    unit: str = ""
    limit: float | None = None
    limit_id: str = ""
    clause: str = ""
    score: float = 1.0
    confidence: float = 1.0
    """0 to 1: how sure the rule's author is that the hazard is there when it fires."""
    quality: int = 0
    on_delay_s: float = 0.0
    off_delay_s: float = 0.0
    evidence: tuple[tuple[int, float, int], ...] = ()
    """The readings that caused it: (at_ms, value, quality), oldest first, at most 16."""
    contexts: tuple[str, ...] = ()
    """Kinds of the context records that held in its zone then: ``work-order``, ``permit`` …"""
    trace: str = ""
    """topic/partition/offset of the record that caused it."""
    drill: bool = False
    detail: Detail | None = None
    said: str = ""
    """What a caller said, in his own words, where no sensor but a person is behind it."""


def finding_id(zone: str, rule: str, channel: str, onset_ms: int) -> str:
    """The name of one excursion, the same on every worker and at every replay.

    >>> finding_id("gas/heping", "gas.ch4.20lel", "gas/well-0001/ch4", 1700000000000)
    '80aa0eaab6eada0be1a58e1d'
    """
    text = "\n".join((zone, rule, channel, str(onset_ms)))
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
