"""A benchmark city: any number of channels with the common rules, as catalog sources."""

from collections.abc import Sequence

from lifeline.catalog import (
    Channel,
    DeviceEntry,
    Group,
    Lifeline,
    Limit,
    Model,
    Rule,
    Source,
)  # fmt: skip
from lifeline.model import Text
from lifeline.network import Asset, Zone

STEP_LIMIT = 80.0
LEAK_LIMIT = 95.0
STEP_RULE = "bench.step"
LEAK_RULE = "bench.leak"
NEVER_S = 86_400.0
"""An on-delay longer than any benchmark: findings are made and measured, nobody is paged."""
ZONE_DEVICES = 25
GROUP_WIDTH = 36
GROUP_DETECTORS = ("sensor_fault", "mewma", "half_space", "novel_shape")


def device_name(index: int) -> str:
    """The name of the benchmark's device of that number."""
    return f"bench-{index:06d}"


def channel_name(index: int, column: int) -> str:
    """The permanent name of a column of a device."""
    return f"bench/{index:06d}/c{column:03d}"


def bench_sources(
    n_channels: int, channels_per_device: int = 100, *, full: bool = False
) -> list[Source]:
    """A city of ``n_channels`` on devices of one model, with five rules on each channel.

    A value from 80 makes a finding (``bench.step``) that never pages; from 95 also one of the top
    grade with no delay (``bench.leak``) that does, each device being an asset of its own.  With
    ``full`` a running median watches each channel too, and four detectors a group of 36 a zone.
    """
    assert n_channels % channels_per_device == 0, "devices must be full"
    n = n_channels // channels_per_device
    zones = [f"bench/zone-{i:05d}" for i in range(-(-n // ZONE_DEVICES))]
    model = Model(
        "bench",
        tuple(
            Channel(f"c{k:03d}", "bench", "1", -1000.0, 1000.0, 1.0)
            for k in range(channels_per_device)
        ),
        silent_after_s=3600.0,
        upload_interval_s=1.0,
    )
    return [
        Source(
            Lifeline("bench", Text("基准", "Benchmark")),
            zone=tuple(Zone(zone) for zone in zones),
            asset=tuple(Asset(f"bench/{i:06d}", zones[i // ZONE_DEVICES]) for i in range(n)),
            model=(model,),
            device=tuple(
                DeviceEntry(device_name(i), zones[i // ZONE_DEVICES], f"bench/{i:06d}", "bench")
                for i in range(n)
            ),
            limit=(
                Limit("bench.step", STEP_LIMIT, "1", "benchmark"),
                Limit("bench.leak", LEAK_LIMIT, "1", "benchmark"),
            ),
            rule=_rules(zones if full else ()),
            group=tuple(_group(zone, i * ZONE_DEVICES) for i, zone in enumerate(zones) if full),
        )
    ]


def _group(zone: str, first: int) -> Group:
    """The first columns of a zone's first device, on a grid of ten seconds."""
    channels = tuple(channel_name(first, column) for column in range(GROUP_WIDTH))
    return Group(f"{zone}/group", zone, channels, 10.0)


def _rules(grouped: Sequence[str]) -> tuple[Rule, ...]:
    threshold = {"kind": "threshold", "side": "above", "deadband": 5.0}
    quiet: tuple[tuple[str, dict[str, object]], ...] = (
        ("rate", {"kind": "rate", "limit": 1e6, "min_s": 5.0}),
        ("flatline", {"kind": "flatline", "limit_s": 3600.0}),
        ("cusum", {"kind": "cusum", "limit_sigma": 500.0}),
    )
    if grouped:
        quiet += (("robust", {"kind": "robust", "limit_sigma": 1e6, "scale_min": 1.0}),)
    return (
        Rule(
            STEP_RULE, "bench-step", 4, threshold, "bench", limit="bench.step", on_delay_s=NEVER_S
        ),
        Rule(LEAK_RULE, "gas-leak", 1, threshold, "bench", limit="bench.leak"),
        *(
            Rule(f"bench.{name}", f"bench-{name}", 4, detector, "bench", on_delay_s=NEVER_S)
            for name, detector in quiet
        ),
        *(
            Rule(f"bench.{kind}", f"bench-{kind}", 4, {"kind": kind}, on_delay_s=NEVER_S,
                 groups=tuple(f"{zone}/group" for zone in grouped))
            for kind in GROUP_DETECTORS if grouped
        ),
    )  # fmt: skip
