"""How long the bank takes for a batch: microseconds a batch and a reading, by batch size and rules.

    python benchmarks/bank.py --repeats 1200

Nothing else runs: no server, no client, one process.
"""

import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import flags, put
from detectors.bank import Bank
from detectors.plan import compile_plan
from lifeline.catalog import (
    Asset,
    Catalog,
    Channel,
    DeviceEntry,
    Lifeline,
    Model,
    Rule,
    Source,
    Zone,
)
from lifeline.compiler import compile_catalog
from lifeline.model import Batch, Message

PER_DEVICE = 100
SETS = {
    "hard": ("above", "below"),
    "five": ("above", "below", "rate", "flatline", "cusum"),
    "six": ("above", "below", "rate", "flatline", "cusum", "robust"),
}
DETECTORS = {
    "above": {"kind": "threshold", "limit": 90.0, "deadband": 2.0},
    "below": {"kind": "threshold", "limit": 5.0, "side": "below"},
    "rate": {"kind": "rate", "limit": 5.0, "min_s": 10.0},
    "flatline": {"kind": "flatline"},
    "cusum": {"kind": "cusum"},
    "robust": {"kind": "robust"},
}


def catalog_of(channels: int, kinds: Sequence[str], quantities: int = 1) -> Catalog:
    """A catalog whose every channel has all these rules."""
    model = Model(
        "m",
        tuple(Channel(f"c{k}", f"q{k % quantities}", "1", 0.0, 100.0) for k in range(PER_DEVICE)),
    )
    n = -(-channels // PER_DEVICE)
    return Catalog(
        compile_catalog(
            [
                Source(
                    lifeline=Lifeline("bench"),
                    zone=(Zone("bench/z"),),
                    asset=tuple(Asset(f"bench/a{k}", "bench/z") for k in range(n)),
                    model=(model,),
                    device=tuple(
                        DeviceEntry(f"d{k}", "bench/z", f"bench/a{k}", model="m") for k in range(n)
                    ),
                    rule=tuple(
                        Rule(f"{kind}.{q}", "h", 3, DETECTORS[kind], quantity=f"q{q}")
                        for kind in kinds
                        for q in range(quantities)
                    ),
                )
            ]
        )
    )


def batches(channels: int, size: int, count: int) -> list[Batch]:
    """Batches of ``size`` different channels, in turn over all of them, honest noise."""
    rng = np.random.default_rng(7)
    names = [f"bench/a{k // PER_DEVICE}/c{k % PER_DEVICE}" for k in range(channels)]
    made = []
    per_message = min(size, PER_DEVICE)
    for b in range(count):
        at_ms = 1_700_000_000_000 + 1000 * b
        chosen = [(b * size + k) % channels for k in range(size)]
        owners = dict.fromkeys(f"d{k // PER_DEVICE}" for k in chosen)
        made.append(
            Batch(
                at_ms + 5,
                [names[k] for k in chosen],
                [Message(d, 1, b) for d in owners],
                np.arange(size, dtype=np.int32),
                np.full(size, at_ms),
                50.0 + rng.normal(size=size),
                np.zeros(size, np.uint16),
                np.full(size, at_ms + 3),
                np.minimum(np.arange(size, dtype=np.int32) // per_message, len(owners) - 1).astype(
                    np.int32
                ),
            )
        )
    return made


def measure(size: int, kinds: Sequence[str], repeats: int, quantities: int) -> dict[str, float]:
    """Median and p99 microseconds of ``Bank.step`` after warm-up."""
    channels = max(size, 2000)
    catalog = catalog_of(channels, kinds, quantities)
    bank = Bank(compile_plan(catalog.head.rules, catalog.head.limits), catalog)
    work = batches(channels, size, repeats)
    lanes = np.zeros(size, np.int8)
    spent = []
    for batch in work:
        start = time.perf_counter_ns()
        found = bank.step(batch, lanes)
        spent.append((time.perf_counter_ns() - start) / 1000.0)
        assert not found, found[0]
    settled = sorted(spent[repeats // 4 :])
    median_us = statistics.median(settled)
    return {
        "readings": size,
        "rules": len(kinds),
        "quantities": quantities,
        "us_per_batch": round(median_us, 1),
        "us_per_batch_p99": round(settled[int(len(settled) * 0.99)], 1),
        "us_per_reading": round(median_us / size, 4),
    }


def main() -> None:
    """Measures every case, prints a line each, and writes the report."""
    parser = flags(__doc__)
    parser.add_argument("--repeats", type=int, default=1200, help="batches of each kind")
    options = parser.parse_args()
    rows = []
    for name, kinds in SETS.items():
        for size, quantities in ((240, 1), (240, 6), (1000, 1), (5000, 1)):
            rows.append({"set": name, **measure(size, kinds, options.repeats, quantities)})
            print("  ".join(f"{k}={v}" for k, v in rows[-1].items()), file=sys.stderr)
    put(options.json, {"numpy": np.__version__, "rows": rows})


if __name__ == "__main__":
    main()
