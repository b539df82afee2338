"""Checks the catalog as written, as a whole, and packs it for ``lifeline.catalog`` to read."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec
import numpy as np

from lifeline import wire
from lifeline.catalog import (
    DEVICE,
    MAGIC,
    NAME,
    CatalogError,
    Device,
    Head,
    Model,
    Rule,
    Source,
    hash_of,
)
from lifeline.model import GRADES

_pack = msgspec.msgpack.Encoder().encode


def compile_catalog(sources: Sequence[Source]) -> bytes:
    """The packed catalog of these lifelines; raises CatalogError with every problem found."""
    devices = [device for source in sources for device in _devices(source)]
    _check(sources, devices)
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
        retention={
            source.lifeline.name: {"": source.lifeline.retention, **source.retention}
            for source in sources
        },
        sections=offsets,
    )
    digest = hashlib.blake2b(_pack(head) + body, digest_size=12).hexdigest()
    packed = _pack(msgspec.structs.replace(head, digest=digest))
    padding = b"\0" * (-len(packed) % 8)
    return MAGIC + len(packed).to_bytes(8, "little") + packed + padding + bytes(body)


def _devices(source: Source) -> Iterator[Device]:
    models = {model.name: model for model in source.model}
    for entry in source.device:
        model = models.get(entry.model, Model(entry.model or "-", ()))
        channels = tuple(
            msgspec.structs.replace(channel, name=channel.name or f"{entry.asset}/{channel.local}")
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


def _check(sources: Sequence[Source], devices: Sequence[Device]) -> None:
    problems: list[str] = []
    zones = {zone.name for source in sources for zone in source.zone}
    assets = {asset.name for source in sources for asset in source.asset}
    limits = {limit.id for source in sources for limit in source.limit}
    channels = {c.name: device.zone for device in devices for c in device.channels}
    levels = {grade.level for grade in GRADES}
    for kind, names in _names(sources, devices):
        problems += [
            f"{kind} {name} is declared {n} times" for name, n in Counter(names).items() if n > 1
        ]
    for source in sources:
        models = {model.name for model in source.model}
        where = f"lifeline {source.lifeline.name}"
        problems += [
            f"{where}: name {name!r} does not fit {NAME.pattern}"
            for name in (*(z.name for z in source.zone), *(a.name for a in source.asset))
            if not NAME.fullmatch(name)
        ]
        problems += [
            f"{where}: asset {a.name} names the unknown zone {a.zone}"
            for a in source.asset
            if a.zone not in zones
        ]
        for entry in source.device:
            if not DEVICE.fullmatch(entry.name):
                problems.append(
                    f"{where}: device name {entry.name!r} does not fit {wire.DEVICE_NAME}"
                )
            if entry.zone not in zones or entry.asset not in assets:
                problems.append(f"{where}: device {entry.name} names an unknown zone or asset")
            if entry.model and entry.model not in models:
                problems.append(
                    f"{where}: device {entry.name} names the unknown model {entry.model}"
                )
        for rule in source.rule:
            problems += _check_rule(where, rule, limits, set(channels), levels)
        for group in source.group:
            wrong = [c for c in group.channels if channels.get(c) != group.zone]
            if wrong:
                problems.append(
                    f"{where}: group {group.name} has channels outside its zone: {wrong[0]}"
                )
        measured = {c.quantity for device in devices for c in device.channels}
        problems += [
            f"{where}: retention names the quantity {quantity}, which no channel measures"
            for quantity in source.retention
            if quantity not in measured and not quantity.startswith("meter.")
        ]
        problems += [
            f"{where}: link {k.a} – {k.b} names an unknown asset"
            for k in source.link
            if {k.a, k.b} - assets
        ]
    if problems:
        raise CatalogError(problems)


def _check_rule(
    where: str, rule: Rule, limits: set[str], channels: set[str], levels: set[int]
) -> Iterable[str]:
    if rule.limit and rule.limit not in limits:
        yield f"{where}: rule {rule.id} names the unknown limit {rule.limit}"
    if rule.grade not in levels:
        yield f"{where}: rule {rule.id} has grade {rule.grade}, which the grading table lacks"
    if bool(rule.quantity) + bool(rule.channels) + bool(rule.groups) != 1:
        yield f"{where}: rule {rule.id} must name exactly one of quantity, channels, groups"
    unknown = [c for c in rule.channels if c not in channels and not c.startswith("device/")]
    if unknown:
        yield f"{where}: rule {rule.id} names the unknown channel {unknown[0]}"


def _names(sources: Sequence[Source], devices: Sequence[Device]) -> Iterator[tuple[str, list[str]]]:
    yield "lifeline", [source.lifeline.name for source in sources]
    yield "zone", [zone.name for source in sources for zone in source.zone]
    yield "asset", [asset.name for source in sources for asset in source.asset]
    yield "device", [device.name for device in devices]
    yield "channel", [c.name for device in devices for c in device.channels]
    yield "limit", [limit.id for source in sources for limit in source.limit]
    yield "rule", [rule.id for source in sources for rule in source.rule]
    yield "group", [group.name for source in sources for group in source.group]
