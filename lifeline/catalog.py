"""What stands where in the city: lifelines, zones, assets, devices, channels, limits, rules.

Written in TOML (``Source``: one lifeline a file), checked once by ``compile_catalog``, and read by
the services as one packed buffer (``Catalog``) that may be memory-mapped: looking one device up
touches one page, so a million channels cost a process only what it has seen of them.
"""

import copy
import hashlib
import mmap
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from lifeline import wire
from lifeline.artefact import unpack
from lifeline.entries import entry_of, wrongs
from lifeline.model import UNTITLED, Text
from lifeline.network import Asset, Link, Name, Position, Zone

MAGIC = b"LLCAT001"
METERS = {"online": "bool", "gaps": "1", "duplicates": "1", "rejects": "1", "skew": "ms"}
"""What is measured of every device itself, local name -> unit: ``device/<device>/<local>``."""
SEEN = "seen"
"""The meter that only the tick moves: seconds since a device was last heard."""
NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*")
DEVICE = re.compile(wire.DEVICE_NAME)

Seconds = Annotated[float, Meta(gt=0)]


class CatalogError(ValueError):
    """The catalog cannot be used; ``problems`` has one sentence each, naming file and entry."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems[:5]))
        self.problems = tuple(problems)


class Channel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One measured quantity at one place; ``low`` and ``high`` bound what physics allows."""

    local: Name
    """The device's own word for it."""
    quantity: Name
    unit: str
    low: float
    high: float
    interval_s: Seconds = 60.0
    """How often a value is expected."""
    name: str = ""
    """Permanent; ``<asset>/<local>`` unless given."""
    position: Position | None = None

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"channel {self.local}: low {self.low} is not below high {self.high}")


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of device: the channels that each one of it has."""

    name: Name
    channel: tuple[Channel, ...]
    silent_after_s: Seconds = 175.0
    """Judged once a second: a silent gateway is reported within 180 s."""
    upload_interval_s: Seconds = 60.0
    """How often it transmits; readings older than three of these, and 15 min, are back-fill."""


class DeviceEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device as written: its channels are its model's, and any of its own."""

    name: Name
    zone: Name
    asset: Name
    model: str = ""
    position: Position | None = None
    channel: tuple[Channel, ...] = ()


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A limit of the standards table: data, never code; ``verified`` when its clause was read."""

    id: Name
    value: float
    unit: str
    clause: str = ""
    verified: bool = False
    title: Text = UNTITLED
    clause_zh: str = ""
    """The clause as a Chinese page says it; else as it stands."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which detector watches which channels or groups, and what it means when it fires.

    ``detector`` is decoded by ``detectors.plan``: ``kind`` and its parameters.  ``limit`` names the
    limit whose value the detector takes.
    """

    id: Name
    hazard: Name
    grade: Annotated[int, Meta(ge=1, le=9)]
    detector: dict[str, Any]
    quantity: str = ""
    channels: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    limit: str = ""
    on_delay_s: Annotated[float, Meta(ge=0)] = 0.0
    off_delay_s: Annotated[float, Meta(ge=0)] = 0.0
    confidence: Annotated[float, Meta(gt=0, le=1)] = 0.9
    title: Text = UNTITLED
    latching: bool = False
    """Whether its alarms stay after the condition has gone, until somebody resets them."""
    is_managed: bool = False
    """Whether lives depend on it: shelving takes a second person and lasts an hour at most.

    Of the gravest grade every rule is, whatever stands here.
    """
    realarm_s: Annotated[float, Meta(ge=0)] = 0.0
    """When an acknowledged alarm that still stands needs a human again; 0: never."""
    fall_hold_s: Annotated[float, Meta(ge=0)] = 0.0
    """How long a lesser grade must last before its incident eases to it; 0: it never does."""
    during: tuple[Name, ...] = ()
    """It judges only while one of these contexts holds in the zone: ``heating-season`` …"""
    unless: tuple[Name, ...] = ()
    """What comes while one of these holds is neither judged nor learned: ``maintenance`` …"""
    far_per_sensor_year: Annotated[float, Meta(ge=0)] = 0.0
    """How many false alarms it may raise in a year for each sensor; 0: its profile's, or none."""


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Channels of one zone that are judged together, on a grid of ``grid_s``."""

    name: Name
    zone: Name
    channels: tuple[str, ...]
    grid_s: Seconds = 300.0
    asset: str = ""
    profile: str = ""
    """The profile whose rules watch it, beside those that name it."""
    artefact: str = ""
    """The file of what was calibrated from its history, beside the profiles."""


class Lifeline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the city's networks: gas, water, heating, bridge …"""

    name: Name
    title: Text = UNTITLED
    retention: str = ""
    """The retention class of its readings where ``Source.retention`` says nothing else."""


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One TOML file of ``deploy/lifelines``."""

    lifeline: Lifeline
    retention: dict[str, str] = {}
    """Quantity -> the class of ``archive.retention_days`` whose days its readings are kept."""
    zone: tuple[Zone, ...] = ()
    asset: tuple[Asset, ...] = ()
    model: tuple[Model, ...] = ()
    device: tuple[DeviceEntry, ...] = ()
    limit: tuple[Limit, ...] = ()
    rule: tuple[Rule, ...] = ()
    group: tuple[Group, ...] = ()
    link: tuple[Link, ...] = ()
    file: str = ""
    """Where it was read; set when it is."""
    learned: dict[str, bytes] = {}
    """The artefacts that its groups name; set when it is read."""

    @property
    def place(self) -> str:
        """How a sentence about it begins."""
        return self.file or f"lifeline {self.lifeline.name}"


class Device(msgspec.Struct, frozen=True, array_like=True):
    """A device as compiled, with everything ingest and detect need of it."""

    name: str
    zone: str
    asset: str
    lifeline: str
    model: str
    silent_after_s: float
    historical_after_s: float
    position: Position | None
    channels: tuple[Channel, ...]


class Head(msgspec.Struct, frozen=True):
    """The small part of the compiled catalog, decoded whole at opening."""

    digest: str
    lifelines: tuple[Lifeline, ...]
    zones: tuple[tuple[str, str], ...]
    """(zone, lifeline)"""
    zone_titles: dict[str, Text]
    limits: dict[str, Limit]
    rules: tuple[Rule, ...]
    groups: tuple[Group, ...]
    n_devices: int
    n_channels: int
    retention: dict[str, dict[str, str]] = {}
    """Lifeline -> quantity -> retention class; '' stands for every other quantity."""
    basins: dict[str, str] = {}
    """Zone -> the drainage basin that it lies in, where one is named."""
    sections: dict[str, tuple[int, int]] = {}
    """Section name -> (offset, bytes) from the end of the head."""


_read_device = msgspec.msgpack.Decoder(Device)
_read_asset = msgspec.msgpack.Decoder(Asset)
_read_links = msgspec.msgpack.Decoder(tuple[Link, ...])
_read_head = msgspec.msgpack.Decoder(Head)


class Catalog:
    """The compiled catalog over a buffer; looks up by name, remembers what it has decoded.

    Raises CatalogError when the buffer is not one of ours.
    """

    def __init__(self, buffer: bytes | mmap.mmap) -> None:
        view = memoryview(buffer)
        if bytes(view[:8]) != MAGIC:
            raise CatalogError(["not a compiled catalog: run `lifeline catalog build`"])
        size = int.from_bytes(view[8:16], "little")
        self.head = _read_head.decode(view[16 : 16 + size])
        self._body = view[16 + size + -size % 8 :]
        self._devices: dict[str, Device] = {}
        self._found: dict[str, tuple[Device, Channel]] = {}
        self._zones = dict(self.head.zones)
        self.tried: dict[str, bytes] = {}
        """Artefacts before its own: of a profile that is tried."""

    def varied(self, head: Head, artefacts: Mapping[str, bytes]) -> "Catalog":
        """The same city under another head, and with these artefacts before its own."""
        other = copy.copy(self)
        other.head, other.tried = head, dict(artefacts)
        return other

    @property
    def digest(self) -> str:
        """Changes whenever anything in the catalog does."""
        return self.head.digest

    def _section(self, name: str, kind: str) -> NDArray[Any]:
        offset, size = self.head.sections[name]
        return np.frombuffer(self._body[offset : offset + size], dtype=kind)

    def _record(self, table: str, ordinal: int) -> memoryview:
        bounds = self._section(f"{table}.bounds", "<u8")
        offset, _ = self.head.sections[f"{table}.records"]
        start, end = int(bounds[ordinal]), int(bounds[ordinal + 1])
        return self._body[offset + start : offset + end]

    def _ordinal(self, table: str, name: str) -> int:
        hashes = self._section(f"{table}.hash", "<u8")
        wanted = np.uint64(hash_of(name))
        at = int(np.searchsorted(hashes, wanted))
        if at == len(hashes) or hashes[at] != wanted:
            return -1
        return int(self._section(f"{table}.ordinal", "<u4")[at])

    def device(self, name: str, *, keep: bool = True) -> Device | None:
        """The device of that name, or None; with ``keep`` false it is not remembered."""
        found = self._devices.get(name)
        if found is None:
            ordinal = self._ordinal("device", name)
            if ordinal < 0:
                return None
            found = _read_device.decode(self._record("device", ordinal))
            if found.name != name:
                return None
            if keep:
                self._devices[name] = found
        return found

    def find(self, channel: str) -> tuple[Device, Channel] | None:
        """The device and channel behind a channel's permanent name, or None; meters included."""
        found = self._found.get(channel)
        if found is None:
            found = self._meter(channel) if channel.startswith("device/") else None
            ordinal = -1 if found else self._ordinal("channel", channel)
            if ordinal >= 0:
                device = _read_device.decode(self._record("device", ordinal))
                device = self._devices.setdefault(device.name, device)
                # All of a device's channels at once: one by one, 100,000 were 5 s of start-up.
                self._found.update((c.name, (device, c)) for c in device.channels)
                found = self._found.get(channel)
            if found is None:
                return None
            self._found[channel] = found
        return found

    def _meter(self, channel: str) -> tuple[Device, Channel] | None:
        _, _, rest = channel.partition("/")
        name, _, local = rest.partition("/")
        device = self.device(name)
        unit = "s" if local == SEEN else METERS.get(local)
        if device is None or unit is None:
            return None
        low, high = (-1e12, 1e12)
        return device, Channel(local, f"meter.{local}", unit, low, high, 60.0, name=channel)

    def forget(self) -> None:
        """Lets go of everything decoded so far, for those who ask about a name only once."""
        self._devices.clear()
        self._found.clear()

    def devices(self) -> Iterator[Device]:
        """Every device, in the order of the files; decoded on the way, not kept."""
        for ordinal in range(self.head.n_devices):
            yield _read_device.decode(self._record("device", ordinal))

    def asset(self, name: str) -> Asset | None:
        """The asset of that name, or None."""
        ordinal = self._ordinal("asset", name)
        if ordinal < 0:
            return None
        found = _read_asset.decode(self._record("asset", ordinal))
        return found if found.name == name else None

    def assets(self) -> Iterator[Asset]:
        """Every asset, in the order of the files; decoded on the way, not kept."""
        for ordinal in range(len(self._section("asset.ordinal", "<u4"))):
            yield _read_asset.decode(self._record("asset", ordinal))

    def retention_of(self, lifeline: str, quantity: str) -> str:
        """The class that says for how long such readings are kept; '' where none is named."""
        classes = self.head.retention.get(lifeline, {})
        return classes.get(quantity) or classes.get("", "")

    def learned(self, artefact: str) -> dict[str, NDArray[Any]]:
        """The arrays of an artefact that a group names; none for a group that names none."""
        if not artefact:
            return {}
        if artefact in self.tried:
            return unpack(self.tried[artefact]).arrays
        offset, size = self.head.sections[f"artefact.{artefact}"]
        return unpack(bytes(self._body[offset : offset + size])).arrays

    def links(self) -> tuple[Link, ...]:
        """The topology's edges."""
        offset, size = self.head.sections["links"]
        return _read_links.decode(self._body[offset : offset + size])

    def lifeline_of(self, zone: str) -> str:
        """The lifeline that a zone belongs to; '' for a zone that the catalog does not know."""
        return self._zones.get(zone, "")


def meter(device: str, local: str) -> str:
    """The channel name of a device's own meter."""
    return f"device/{device}/{local}"


def channel_name(channel: Channel, asset: str) -> str:
    """A channel's permanent name, as given or by its asset."""
    return channel.name or f"{asset}/{channel.local}"


def parse_source(file: str, tree: dict[str, Any]) -> Source:
    """One lifeline from its parsed TOML; raises CatalogError with every wrong entry of the file."""
    try:
        return msgspec.structs.replace(msgspec.convert(tree, Source), file=file)
    except msgspec.ValidationError as error:
        raise CatalogError(list(wrongs(file, tree, Source)) or [f"{file}: {error}"]) from error


def sound_part(file: str, tree: dict[str, Any]) -> Source | None:
    """The entries of a wrong file that can be read; None where not even its lifeline can."""
    kept: dict[str, Any] = {}
    for field in msgspec.structs.fields(Source):
        value = tree.get(field.name)
        if isinstance(value, list) and entry_of(field.type) is not None:
            kept[field.name] = [
                one for one in value if not any(wrongs("", one, entry_of(field.type)))
            ]
        elif value is not None and not any(wrongs("", value, field.type)):
            kept[field.name] = value
    return msgspec.convert(kept | {"file": file}, Source) if "lifeline" in kept else None


def hash_of(name: str) -> int:
    """The 64 bits under which a name is found in the packed catalog."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
