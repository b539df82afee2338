"""Everything about one incident that goes into its evidence package.  Pure."""

from typing import Any

import msgspec

from alerting.audit.anchors import Anchor
from alerting.audit.chain import Entry, Seal
from lifeline.model import UNTITLED, Text

Row = dict[str, Any]
"""A row as the database has it, by column."""


class Reading(msgspec.Struct, frozen=True, array_like=True):
    """One stored value."""

    channel: str
    at_ms: int
    value: float | None
    quality: int


class Told(msgspec.Struct, frozen=True):
    """One notice: the row, its body byte for byte, every try to deliver it."""

    row: Row
    body: bytes
    attempts: tuple[Row, ...] = ()


class Placed(msgspec.Struct, frozen=True):
    """An anchor, and where it was written down."""

    place: str
    anchor: Anchor


class Run(msgspec.Struct, frozen=True):
    """Seals one after the other; the first with its heads."""

    before: bytes
    """The hash of the seal before them."""
    seals: tuple[Seal, ...]


class Measured(msgspec.Struct, frozen=True):
    """What is known of a channel."""

    unit: str
    interval_s: float
    is_own: bool
    """Whether an alarm of the incident is about it."""


class Dossier(msgspec.Struct, frozen=True, kw_only=True):
    """One incident, whole; times in unix ms."""

    incident: Row
    alarms: tuple[Row, ...] = ()
    findings: tuple[Row, ...] = ()
    notices: tuple[Told, ...] = ()
    receipts: tuple[Row, ...] = ()
    entries: tuple[Entry, ...] = ()
    before: bytes = b""
    """The hash of the seal before the first of ``seals``."""
    seals: tuple[Seal, ...] = ()
    """From the one that covers the newest line that is covered, up to the next that is anchored."""
    proven: Run | None = None
    """The same for the newest line that an anchor proves, where ``seals`` have none yet."""
    anchors: tuple[Placed, ...] = ()
    channels: dict[str, Measured] = {}
    readings: tuple[Reading, ...] = ()
    """By channel and time."""
    spans: dict[str, list[tuple[int, int]]] = {}
    """Channel -> the time of which its readings are here."""
    is_cut: bool = False
    """Whether there were more readings than are kept."""
    rules: Row = {}
    """Rules and limits as they were when the incident opened."""
    catalog: str = ""
    """The catalog's digest then."""
    settings: str = ""
    """SHA-256 of the settings when this was made."""
    software: str = ""
    made_ms: int
    title: Text = UNTITLED
    """What people call the asset."""
    grade: Text = UNTITLED
    """What the city calls its grade."""
