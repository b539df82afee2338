"""Checks the catalog as written, as a whole, and packs it for ``lifeline.catalog`` to read."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from lifeline import bounds, wire
from lifeline.artefact import ArtefactError, unpack
from lifeline.catalog import (
    DEVICE,
    MAGIC,
    METERS,
    NAME,
    SEEN,
    CatalogError,
    Device,
    Head,
    Limit,
    Model,
    Rule,
    Source,
    channel_name,
    hash_of,
)
from lifeline.grades import GRADING, Grading
from lifeline.model import CANARY
from lifeline.network import SPACES, UNDELIVERING, Link

_pack = msgspec.msgpack.Encoder().encode


def compile_catalog(sources: Sequence[Source], grades: Grading = GRADING) -> bytes:
    """The packed catalog of these lifelines; raises CatalogError with every problem found."""
    problems = problems_of(sources, grades)
    if problems:
        raise CatalogError(problems)
    devices = [device for source in sources for device in _devices(source)]
    assets = [
        msgspec.structs.replace(asset, lifeline=source.lifeline.name)
        for source in sources
        for asset in source.asset
    ]
    sections: dict[str, bytes] = {}
    _table(sections, "device", [d.name for d in devices], [_pack(d) for d in devices])
    _table(sections, "asset", [a.name for a in assets], [_pack(a) for a in assets])
    pairs = [(c.name, i) for i, d in enumerate(devices) for c in d.channels]
    _index(sections, "channel", [name for name, _ in pairs], [i for _, i in pairs])
    sections["links"] = _pack(tuple(link for source in sources for link in source.link))
    for source in sources:
        sections |= {f"artefact.{name}": packed for name, packed in source.learned.items()}
    offsets: dict[str, tuple[int, int]] = {}
    body = bytearray()
    for name, part in sections.items():
        body += b"\0" * (-len(body) % 8)
        offsets[name] = (len(body), len(part))
        body += part
    head = Head(
        digest="",
        lifelines=tuple(source.lifeline for source in sources),
        zones=tuple((z.name, source.lifeline.name) for source in sources for z in source.zone),
        zone_titles={z.name: z.title for source in sources for z in source.zone},
        limits={limit.id: limit for source in sources for limit in source.limit},
        rules=tuple(rule for source in sources for rule in source.rule),
        groups=tuple(group for source in sources for group in source.group),
        n_devices=len(devices),
        n_channels=len(pairs),
        basins={zone.name: zone.basin for source in sources for zone in source.zone if zone.basin},
        retention={
            source.lifeline.name: {"": source.lifeline.retention, **source.retention}
            for source in sources
        },
        sections=offsets,
    )
    return _whole(head, bytes(body))


def with_rules(packed: bytes, limits: Sequence[Limit], rules: Sequence[Rule]) -> bytes:
    """The packed catalog with other limits and rules; its devices, and the canary's, stay."""
    size = int.from_bytes(packed[8:16], "little")
    head = msgspec.msgpack.decode(packed[16 : 16 + size], type=Head)
    canary = [rule for rule in head.rules if rule.hazard == CANARY]
    kept = [head.limits[rule.limit] for rule in canary if rule.limit in head.limits]
    changed = msgspec.structs.replace(
        head,
        digest="",
        limits={limit.id: limit for limit in (*limits, *kept)},
        rules=(*rules, *canary),
    )
    return _whole(changed, packed[16 + size + -size % 8 :])


def _whole(head: Head, body: bytes) -> bytes:
    digest = hashlib.blake2b(_pack(head) + body, digest_size=12).hexdigest()
    packed = _pack(msgspec.structs.replace(head, digest=digest))
    padding = b"\0" * (-len(packed) % 8)
    return MAGIC + len(packed).to_bytes(8, "little") + packed + padding + body


def _devices(source: Source) -> Iterator[Device]:
    models = {model.name: model for model in source.model}
    for entry in source.device:
        model = models.get(entry.model, Model(entry.model or "-", ()))
        channels = tuple(
            msgspec.structs.replace(channel, name=channel_name(channel, entry.asset))
            for channel in (*model.channel, *entry.channel)
        )
        yield Device(
            entry.name,
            entry.zone,
            entry.asset,
            source.lifeline.name,
            entry.model,
            model.silent_after_s,
            max(900.0, 3.0 * model.upload_interval_s),
            entry.position,
            channels,
        )


def _index(
    sections: dict[str, bytes], table: str, names: Sequence[str], ordinals: Sequence[int]
) -> None:
    hashes = np.fromiter((hash_of(name) for name in names), np.uint64, len(names))
    order = np.argsort(hashes, kind="stable")
    if len(hashes) > 1 and bool((np.diff(hashes[order]) == 0).any()):
        raise CatalogError([f"two {table} names have one 64-bit hash: rename one of them"])
    sections[f"{table}.hash"] = hashes[order].astype("<u8").tobytes()
    sections[f"{table}.ordinal"] = np.asarray(ordinals, "<u4")[order].tobytes()


def _table(
    sections: dict[str, bytes], table: str, names: Sequence[str], records: Sequence[bytes]
) -> None:
    _index(sections, table, names, range(len(names)))
    bounds = np.zeros(len(records) + 1, "<u8")
    bounds[1:] = np.cumsum([len(record) for record in records])
    sections[f"{table}.bounds"] = bounds.tobytes()
    sections[f"{table}.records"] = b"".join(records)


def problems_of(
    sources: Sequence[Source], grades: Grading = GRADING, *, is_all: bool = True
) -> list[str]:
    """A sentence with its place for everything that does not hold together.

    Where not ``is_all`` could be read, what is named may stand in the rest: only what is wrong in
    itself is told then.
    """
    devices = [device for source in sources for device in _devices(source)]
    known = _Known(
        {zone.name for source in sources for zone in source.zone},
        {asset.name for source in sources for asset in source.asset},
        {limit.id: limit.unit for source in sources for limit in source.limit},
        {group.name for source in sources for group in source.group},
        {c.name: (device.zone, c.unit) for device in devices for c in device.channels},
        {f"meter.{local}": {unit} for local, unit in {**METERS, SEEN: "s"}.items()},
    )
    for device in devices:
        for channel in device.channels:
            known.units.setdefault(channel.quantity, set()).add(channel.unit)
    problems: list[str] = []
    for kind, names in _names(sources):
        problems += [
            f"{', '.join(dict.fromkeys(places))}: {kind} {name} is declared {len(places)} times"
            for name, places in names.items()
            if len(places) > 1
        ]
    for source in sources:
        found = [*_forms(source, grades), *(_references(source, known) if is_all else ())]
        problems += [f"{source.place}: {text}" for text in found]
    return [*problems, *bounds.problems(sources, grades)]


@dataclass(slots=True, frozen=True)
class _Known:
    """What all the files together declare."""

    zones: set[str]
    assets: set[str]
    limits: dict[str, str]
    """Limit -> unit."""
    groups: set[str]
    channels: dict[str, tuple[str, str]]
    """Channel -> zone and unit."""
    units: dict[str, set[str]]
    """Quantity -> the units in which it is measured; a device's own meters too."""


def _forms(source: Source, grades: Grading) -> Iterator[str]:
    """What is wrong in itself, whatever the other files say."""
    for kind, names in (
        ("zone", [zone.name for zone in source.zone]),
        ("asset", [asset.name for asset in source.asset]),
    ):
        for name in names:
            if not NAME.fullmatch(name):
                yield f"{kind} name {name!r} does not fit {NAME.pattern}"
    for entry in source.device:
        if not DEVICE.fullmatch(entry.name):
            yield f"device name {entry.name!r} does not fit {wire.DEVICE_NAME}"
    yield from _network_forms(source)
    yield from _artefact_forms(source)
    levels = {grade.level for grade in grades.rows}
    for rule in source.rule:
        if rule.grade not in levels:
            yield f"rule {rule.id} has grade {rule.grade}, which the grading table lacks"
        if bool(rule.quantity) + bool(rule.channels) + bool(rule.groups) != 1:
            yield f"rule {rule.id} must name exactly one of quantity, channels, groups"
        if rule.limit and rule.unless:
            yield (
                f"rule {rule.id} rests on the limit {rule.limit}, which holds whatever goes on:"
                " take its unless away, and shelve its alarm or open a window instead"
            )


def _references(source: Source, known: _Known) -> Iterator[str]:
    """What is named and declared nowhere."""
    models = {model.name for model in source.model}
    for asset in source.asset:
        if asset.zone not in known.zones:
            yield f"asset {asset.name} names the unknown zone {asset.zone}"
    for entry in source.device:
        if entry.zone not in known.zones:
            yield f"device {entry.name} names the unknown zone {entry.zone}"
        if entry.asset not in known.assets:
            yield f"device {entry.name} names the unknown asset {entry.asset}"
        if entry.model and entry.model not in models:
            yield f"device {entry.name} names the unknown model {entry.model}"
    for rule in source.rule:
        yield from _rule_references(rule, known)
    for group in source.group:
        if group.artefact and group.artefact not in source.learned:
            yield (
                f"group {group.name} names the artefact {group.artefact}, which is not there:"
                f" make it with `lifeline calibrate {group.profile}`"
            )
        for name in group.channels:
            if known.channels.get(name, ("",))[0] != group.zone:
                yield f"group {group.name} has channels outside its zone: {name}"
    for quantity in source.retention:
        if quantity not in known.units:
            yield f"retention names the quantity {quantity}, which no channel measures"
    for link in source.link:
        for name in sorted({link.a, link.b} - known.assets):
            yield f"{_called(link)} names the unknown asset {name}"


def _artefact_forms(source: Source) -> Iterator[str]:
    """What is wrong with what was calibrated: detectors would start on it and fail."""
    profiles = {group.artefact: group.profile for group in source.group}
    for name, packed in source.learned.items():
        try:
            made = unpack(packed)
        except ArtefactError as error:
            yield f"artefact {name}: {error}"
            continue
        if made.profile != profiles.get(name, made.profile):
            yield f"artefact {name} was made for the profile {made.profile}, not {profiles[name]}"


def _network_forms(source: Source) -> Iterator[str]:
    """What is wrong with its links and valves: a plan to shut a pipe must not rest on a slip."""
    for link in source.link:
        if link.a == link.b:
            yield f"{_called(link)} leads from an asset to itself"
        if link.kind in UNDELIVERING and (link.valves or link.customers or link.hospitals):
            yield f"{_called(link)} is {link.kind}, which has no valves and serves nobody"
        if link.kind in SPACES and link.is_feed:
            yield f"{_called(link)} is {link.kind}, which feeds nothing"
        for valve in link.valves:
            if valve.at_m > link.length_m:
                yield (
                    f"valve {valve.name} stands {valve.at_m:g} m along {_called(link)},"
                    f" which is {link.length_m:g} m long"
                )


def _called(link: Link) -> str:
    return f"link {link.a} – {link.b}"


def _rule_references(rule: Rule, known: _Known) -> Iterator[str]:
    """What a rule names that is declared nowhere: it would watch nothing, and say nothing."""
    if rule.limit and rule.limit not in known.limits:
        yield f"rule {rule.id} names the unknown limit {rule.limit}"
    if rule.quantity and rule.quantity not in known.units:
        yield f"rule {rule.id} watches the quantity {rule.quantity}, which no channel measures"
    for name in rule.groups:
        if name not in known.groups:
            yield f"rule {rule.id} names the unknown group {name}"
    units = set(known.units.get(rule.quantity, ()))
    for name in rule.channels:
        if name in known.channels:
            units.add(known.channels[name][1])
        elif name.startswith("device/"):
            units |= known.units.get(f"meter.{name.rpartition('/')[2]}", set())
        else:
            yield f"rule {rule.id} names the unknown channel {name}"
    # Other detectors' limits are of something else: a rate, a duration, a score.
    if rule.limit in known.limits and rule.detector.get("kind") == "threshold":
        for unit in sorted(units - {known.limits[rule.limit]}):
            yield (
                f"rule {rule.id} holds readings in {unit} against the limit {rule.limit}"
                f" in {known.limits[rule.limit]}"
            )


def _names(sources: Sequence[Source]) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Every kind of name, and for each name the places where it is declared."""
    for kind, named in (
        ("lifeline", lambda source: [source.lifeline.name]),
        ("zone", lambda source: [zone.name for zone in source.zone]),
        ("asset", lambda source: [asset.name for asset in source.asset]),
        ("device", lambda source: [device.name for device in source.device]),
        ("channel", lambda source: [c.name for d in _devices(source) for c in d.channels]),
        ("limit", lambda source: [limit.id for limit in source.limit]),
        ("rule", lambda source: [rule.id for rule in source.rule]),
        ("group", lambda source: [group.name for group in source.group]),
        ("valve", lambda source: [valve.name for link in source.link for valve in link.valves]),
    ):
        places: dict[str, list[str]] = {}
        for source in sources:
            for name in named(source):
                places.setdefault(name, []).append(source.place)
        yield kind, places
