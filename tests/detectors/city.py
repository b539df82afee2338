"""A small catalog and batches for tests of plan and bank."""

from collections.abc import Sequence

import numpy as np

from detectors.bank import Bank
from detectors.plan import compile_plan
from lifeline.catalog import (
    Asset,
    Catalog,
    Channel,
    DeviceEntry,
    Group,
    Lifeline,
    Limit,
    Model,
    Rule,
    Source,
    Zone,
)
from lifeline.compiler import compile_catalog
from lifeline.model import Batch, Finding, Message, Quality

START_MS = 1_700_000_000_000
CH4_20 = Rule(
    "gas.ch4.20",
    "gas-leak",
    2,
    {"kind": "threshold", "deadband": 2.0},
    quantity="ch4",
    limit="lel20",
    on_delay_s=3.0,
)
RULES = (
    CH4_20,
    Rule(
        "gas.ch4.rise",
        "gas-leak",
        3,
        {"kind": "rate", "limit": 1.0, "min_s": 1.0, "direction": "rise"},
        quantity="ch4",
    ),
    Rule("gas.ch4.shift", "gas-leak", 4, {"kind": "cusum", "warm_up": 20}, quantity="ch4"),
    Rule(
        "temp.stuck",
        "sensor-fault",
        5,
        {"kind": "flatline", "limit_s": 60.0},
        quantity="temperature",
    ),
    Rule("temp.wild", "sensor-fault", 5, {"kind": "robust"}, channels=("w1/temperature",)),
    Rule("gaps", "data-quality", 5, {"kind": "threshold", "limit": 5.0}, quantity="meter.gaps"),
    Rule("picture", "burst", 2, {"kind": "half_space", "window": 32}, groups=("pair",)),
)


def catalog(
    rules: Sequence[Rule] = RULES,
    wells: int = 6,
    silent_after_s: float = 180.0,
    moved: Sequence[int] = (),
) -> Catalog:
    """``wells`` devices d0… with ch4 and temperature in zone z, and a group of two channels.

    Those that ``moved`` are in zone y, and the group with its first.
    """
    zones = ["gas/y" if k in moved else "gas/z" for k in range(wells)]
    model = Model(
        "well",
        (
            Channel("ch4", "ch4", "%LEL", 0.0, 100.0, 1.0),
            Channel("temperature", "temperature", "°C", -40.0, 80.0, 1.0),
        ),
        silent_after_s=silent_after_s,
    )
    source = Source(
        lifeline=Lifeline("gas"),
        zone=(Zone("gas/z"), Zone("gas/y")),
        asset=tuple(Asset(f"w{k}", zones[k]) for k in range(wells)),
        model=(model,),
        device=tuple(DeviceEntry(f"d{k}", zones[k], f"w{k}", model="well") for k in range(wells)),
        limit=(Limit("lel20", 20.0, "%LEL", "CJJ/T 146 5.2"),),
        rule=tuple(rules),
        group=(Group("pair", zones[0], ("w0/ch4", "w1/ch4"), 10.0),),
    )
    return Catalog(compile_catalog([source]))


def bank(rules: Sequence[Rule] = RULES, **settings: float) -> Bank:
    """A fresh bank over ``catalog(rules)``."""
    known = catalog(rules)
    return Bank(compile_plan(known.head.rules, known.head.limits), known, **settings)


Row = tuple[str, float, float] | tuple[str, float, float, int]
"""(channel, seconds after START_MS, value[, quality])"""


def batch(rows: Sequence[Row], received_s: float = 0.0, device: str = "d0") -> Batch:
    """One batch of these readings, all of one message."""
    channels = list(dict.fromkeys(row[0] for row in rows))
    n = len(rows)
    received_ms = START_MS + int(received_s * 1000)
    return Batch(
        received_ms,
        channels,
        [Message(device, 1, 1)],
        np.array([channels.index(row[0]) for row in rows], np.int32),
        np.array([START_MS + round(row[1] * 1000) for row in rows], np.int64),
        np.array([row[2] for row in rows], np.float64),
        np.array([int(row[3]) if len(row) > 3 else 0 for row in rows], np.uint16),
        np.full(n, received_ms, np.int64),
        np.zeros(n, np.int32),
    )


def live(rows: Sequence[Row]) -> np.ndarray:
    """Lane codes: all live."""
    return np.zeros(len(rows), np.int8)


def feed(target: Bank, *rows: Row, lane: int = 0, received_s: float = 0.0) -> list[Finding]:
    """One step over these readings."""
    return target.step(batch(rows, received_s), np.full(len(rows), lane, np.int8))


def told(findings: Sequence[Finding]) -> list[tuple[str, str, str, float]]:
    """(phase, rule, channel, seconds) of each finding."""
    return [(f.phase, f.rule, f.channel, (f.at_ms - START_MS) / 1000) for f in findings]


def ticks(target: Bank, start_s: int, end_s: int) -> list[Finding]:
    """What the bank says on its own, a tick a second and no reading."""
    return [f for s in range(start_s, end_s) for f in target.tick(START_MS + s * 1000)]


BAD = int(Quality.OUT_OF_RANGE)
