"""A small town for the tests of the two workers: ten wells, one water zone, and batches."""

import numpy as np

from lifeline.catalog import Catalog, parse_source
from lifeline.compiler import compile_catalog
from lifeline.model import Batch, Message

START_MS = 1_800_000_000_000

GAS = {
    "lifeline": {"name": "gas"},
    "zone": [{"name": "gas/east"}],
    "asset": [{"name": f"gas/well-{i}", "zone": "gas/east"} for i in range(10)],
    "model": [
        {
            "name": "well",
            "channel": [
                {"local": "ch4", "quantity": "ch4", "unit": "%LEL", "low": 0.0, "high": 100.0},
                {"local": "temp", "quantity": "temp", "unit": "Cel", "low": -40.0, "high": 80.0},
            ],
        }
    ],
    "device": [
        {"name": f"G{i}", "zone": "gas/east", "asset": f"gas/well-{i}", "model": "well"}
        for i in range(10)
    ],
    "rule": [
        {
            "id": "gas.ch4",
            "hazard": "gas-leak",
            "grade": 1,
            "quantity": "ch4",
            "detector": {"kind": "threshold", "limit": 20.0},
        },
        {
            "id": "gas.together",
            "hazard": "gas-leak",
            "grade": 3,
            "groups": ["gas/pair"],
            "detector": {"kind": "half_space"},
        },
    ],
    "group": [
        {
            "name": "gas/pair",
            "zone": "gas/east",
            "channels": ["gas/well-0/ch4", "gas/well-1/ch4"],
            "grid_s": 10.0,
        }
    ],
}


def catalog() -> Catalog:
    return Catalog(compile_catalog([parse_source("gas.toml", GAS)]))


def batch(
    rows: list[tuple[str, int, float]],
    *,
    received_ms: int = START_MS,
    messages: list[Message] | None = None,
    of: list[int] | None = None,
    quality: int = 0,
) -> Batch:
    """Readings (channel, at_ms, value) as one batch; by default each is a message of its own."""
    names = list(dict.fromkeys(row[0] for row in rows))
    if messages is None:
        messages = [Message(device_of(row[0]), 1, -1) for row in rows]
        of = list(range(len(rows)))
    n = len(rows)
    return Batch(
        received_ms=received_ms,
        channels=names,
        messages=messages,
        channel=np.array([names.index(row[0]) for row in rows], np.int32),
        at_ms=np.array([row[1] for row in rows], np.int64),
        value=np.array([row[2] for row in rows], np.float64),
        quality=np.full(n, quality, np.uint16),
        received=np.full(n, received_ms, np.int64),
        message=np.array(of if of is not None else [0] * n, np.int32),
    )


def device_of(channel: str) -> str:
    return f"G{channel.split('-')[1].split('/')[0]}" if "well-" in channel else "?"
