"""The city of the fault programme: many sensors, each an asset of its own, under one hard limit."""

import json

import msgspec

from lifeline.catalog import (
    Asset,
    Channel,
    DeviceEntry,
    Lifeline,
    Limit,
    Model,
    Rule,
    Source,
    Zone,
)
from lifeline.model import Text
from tests.faults.generator import Sensor

ZONES = 10
"""Of each lifeline."""
LIMITS = {"gas": ("gas-leak", 50.0, 1), "water": ("burst", 60.0, 2)}
"""Lifeline -> hazard, limit, grade: one that goes out without PostgreSQL, one that waits for it."""
SILENT_S = 7200.0
"""Devices of a run that is over stay silent; that is no news in the next one."""


def source(lifeline: str, n: int) -> Source:
    """``n`` devices with one channel each, dealt over the zones."""
    hazard, limit, grade = LIMITS[lifeline]
    level = Channel("level", f"{lifeline}-level", "%", -100.0, 1000.0, 1.0)
    zones = [f"{lifeline}/zone-{z}" for z in range(ZONES)]
    return Source(
        lifeline=Lifeline(lifeline, Text(lifeline, lifeline)),
        zone=tuple(Zone(zone) for zone in zones),
        asset=tuple(Asset(asset(lifeline, i), zones[i % ZONES]) for i in range(n)),
        model=(Model(lifeline, (level,), silent_after_s=SILENT_S),),
        device=tuple(
            DeviceEntry(f"{lifeline}-{i:05}", zones[i % ZONES], asset(lifeline, i), lifeline)
            for i in range(n)
        ),
        limit=(Limit(f"{lifeline}.limit", limit, "%", "fault programme"),),
        rule=(
            Rule(
                id=f"{lifeline}.high",
                hazard=hazard,
                grade=grade,
                detector={"kind": "threshold", "side": "above", "deadband": 2.0},
                quantity=f"{lifeline}-level",
                limit=f"{lifeline}.limit",
            ),
        ),
    )


def asset(lifeline: str, i: int) -> str:
    return f"{lifeline}/well-{i:05}"


def sensors(first: int, n: int) -> tuple[Sensor, ...]:
    """``n`` sensors from the ``first`` pair on, gas and water in turn."""
    made = []
    for i in range(n):
        lifeline = ("gas", "water")[i % 2]
        hazard, limit, _ = LIMITS[lifeline]
        ordinal = (first + i) // 2
        name = asset(lifeline, ordinal)
        made.append(Sensor(f"{lifeline}-{ordinal:05}", f"{name}/level", name, hazard, limit))
    return tuple(made)


def as_toml(source_of: Source) -> str:
    """The source as the TOML that services read: every table inline, every value as JSON has it."""
    tree = msgspec.to_builtins(source_of)
    lines = [f"lifeline = {_inline(tree.pop('lifeline'))}"]
    for name, entries in tree.items():
        if entries:
            lines += [f"{name} = [", *(f"  {_inline(entry)}," for entry in entries), "]"]
    return "\n".join(lines) + "\n"


def _inline(value: object) -> str:
    match value:
        case dict():
            inner = (f"{json.dumps(k)} = {_inline(v)}" for k, v in value.items() if v is not None)
            return "{ " + ", ".join(inner) + " }"
        case list() | tuple():
            return "[" + ", ".join(_inline(item) for item in value) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)
