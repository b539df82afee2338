"""What a shadow costs: microseconds a reading of a partition alone, and with one beside it.

    python benchmarks/shadow.py --repeats 600

Nothing else runs: no server, no client, one process.  The shadow's profile watches none, a tenth or
all of the channels, each with five rules, as the live one does.
"""

import statistics
import sys
import time
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.bank import DETECTORS, PER_DEVICE, SETS, batches
from benchmarks.report import flags, put
from detectors.plan import compile_plan
from lifeline.candidate import exchanged
from lifeline.catalog import Catalog, Channel, DeviceEntry, Group, Lifeline, Model, Rule, Source
from lifeline.compiler import compile_catalog
from lifeline.network import Asset, Zone
from lifeline.profiles import Profile, expanded
from streams.partition import blank
from streams.shadow import cast

CHANNELS = 2000
RULES = tuple(Rule(kind, "h", 3, DETECTORS[kind], quantity="*") for kind in SETS["five"])


def catalog_of(share: float) -> Catalog:
    """Devices of 100 channels, one group a device; so many of the groups take the profile."""
    channels = tuple(Channel(f"c{k}", "q", "1", 0.0, 100.0) for k in range(PER_DEVICE))
    n = CHANNELS // PER_DEVICE
    groups = tuple(
        Group(
            f"bench/g{k}",
            "bench/z",
            tuple(f"bench/a{k}/c{i}" for i in range(PER_DEVICE)),
            profile="tried" if k < round(share * n) else "",
        )
        for k in range(n)
    )
    source = Source(
        lifeline=Lifeline("bench"),
        zone=(Zone("bench/z"),),
        asset=tuple(Asset(f"bench/a{k}", "bench/z") for k in range(n)),
        model=(Model("m", channels),),
        device=tuple(DeviceEntry(f"d{k}", "bench/z", f"bench/a{k}", "m") for k in range(n)),
        rule=tuple(msgspec.structs.replace(rule, quantity="q") for rule in RULES),
        group=groups,
    )
    return Catalog(compile_catalog([expanded(source, {"tried": Profile("tried")})]))


def measure(size: int, share: float, repeats: int) -> dict[str, float]:
    """Median microseconds of a partition's step, and of its shadow's, after warm-up."""
    catalog = catalog_of(share)
    plan = compile_plan(catalog.head.rules, catalog.head.limits)
    part = blank(catalog, plan, 0, 1, lateness_s=3600.0, held_s=60.0)
    profile = Profile("tried", rule=RULES)
    tried = exchanged(catalog, profile, {}) if share else None
    beside = cast(tried, 0, 1, lateness_s=3600.0) if tried else None
    live_us: list[float] = []
    shadow_us: list[float] = []
    for batch in batches(CHANNELS, size, repeats):
        start = time.perf_counter_ns()
        outcome = part.step(batch)
        between = time.perf_counter_ns()
        assert outcome.heard is not None
        if beside is not None:
            beside.step(*outcome.heard)
        live_us.append((between - start) / 1000.0)
        shadow_us.append((time.perf_counter_ns() - between) / 1000.0)
    warm = repeats // 4
    live, shadow = statistics.median(live_us[warm:]), statistics.median(shadow_us[warm:])
    return {
        "readings": size,
        "share_shadowed": share,
        "live_us_per_reading": round(live / size, 3),
        "shadow_us_per_reading": round(shadow / size, 3),
    }


def main() -> None:
    """Measures every case, prints a line each, and writes the report."""
    parser = flags(__doc__)
    parser.add_argument("--repeats", type=int, default=600, help="batches of each kind")
    options = parser.parse_args()
    rows = []
    for size in (240, 1000):
        for share in (0.0, 0.1, 1.0):
            rows.append(measure(size, share, options.repeats))
            print("  ".join(f"{k}={v}" for k, v in rows[-1].items()), file=sys.stderr)
    put(options.json, {"rows": rows})


if __name__ == "__main__":
    main()
