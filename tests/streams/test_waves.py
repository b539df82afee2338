"""A block's features are readings like any other: flagged where they cannot be."""

import msgspec
import numpy as np
import pytest

from lifeline import wire
from lifeline.catalog import Catalog, parse_source
from lifeline.compiler import compile_catalog
from lifeline.model import Batch, Quality
from streams.detect.waves import readings_of
from tests.streams.town import GAS, START_MS

SHAPES = (
    ("hum", -50.0), ("hum/rms", 0.0), ("hum/peak", 0.0), ("hum/frequency", 0.0),
    ("main", -50.0), ("main/rms", 0.0), ("main/peak", 0.0), ("main/frequency", 0.0),
    ("main/onset", -50.0),
)  # fmt: skip
CITY = Catalog(
    compile_catalog(
        [
            parse_source(
                "gas.toml",
                GAS
                | {
                    "model": [
                        {
                            "name": "well",
                            "channel": [
                                {
                                    "local": name,
                                    "quantity": name.replace("/", "-"),
                                    "unit": "Pa",
                                    "low": low,
                                    "high": 50.0,
                                }
                                for name, low in SHAPES
                            ],
                        }
                    ],
                    "rule": [],
                    "group": [],
                },
            )
        ]
    )
)


def made(scale: float = 1.0, rate_hz: float = 50.0, quality: int = 0) -> dict[str, int]:
    """Feature -> quality of a tone of 30 times ``scale``."""
    raw = np.round(30.0 * np.sin(np.arange(400) / 3.0)).astype("<i2")
    block = wire.Wave(
        "gas/well-0/hum", "G0", 1, 1, START_MS, rate_hz, 400, scale, 0.0, "int16", raw.tobytes(),
        START_MS, quality,
    )  # fmt: skip
    batch = readings_of(block, CITY)
    assert isinstance(batch, Batch)
    return dict(zip(batch.channels, batch.quality.tolist(), strict=True))


def flagged(found: dict[str, int], bit: Quality) -> set[str]:
    return {name.rpartition("/")[2] for name, bits in found.items() if bits & bit}


def test_features_in_their_ranges_carry_what_the_block_carries() -> None:
    found = made(quality=int(Quality.FAULT))

    assert set(found.values()) == {Quality.DERIVED | Quality.FAULT}


@pytest.mark.parametrize(
    ("scale", "rate_hz", "out"),
    [(2.0, 50.0, {"peak"}), (4.0, 50.0, {"peak", "rms"}), (1.0, 5000.0, {"frequency"})],
)
def test_a_feature_out_of_its_own_range_is_flagged_alone(
    scale: float, rate_hz: float, out: set[str]
) -> None:
    assert flagged(made(scale, rate_hz), Quality.OUT_OF_RANGE) == out


def test_features_that_are_no_numbers_are_that_and_nothing_else() -> None:
    found = made(scale=1e300)

    assert flagged(found, Quality.NON_FINITE) == {"rms", "peak", "frequency"}
    assert flagged(found, Quality.OUT_OF_RANGE) == set()


def test_a_wave_that_arrives_is_a_reading_at_its_own_moment_where_the_catalog_asks() -> None:
    raw = np.round(200.0 * np.random.default_rng(1).normal(size=600)).astype("<i2")
    raw[350:] -= 15_000
    block = wire.Wave(
        "gas/well-0/main", "G0", 1, 1, START_MS, 100.0, 600, 1e-4, 30.0, "int16", raw.tobytes(),
        START_MS,
    )  # fmt: skip

    batch = readings_of(block, CITY)

    assert isinstance(batch, Batch)
    at = batch.channels.index("gas/well-0/main/onset")
    assert batch.channel.tolist() == list(range(len(batch.channels)))
    assert START_MS + 3490 <= batch.at_ms[at] <= START_MS + 3500
    assert batch.value[at] == pytest.approx(-1.5, abs=0.02)
    calm = readings_of(msgspec.structs.replace(block, samples=raw[:340].tobytes(), n=340), CITY)
    assert isinstance(calm, Batch)
    assert "gas/well-0/main/onset" not in calm.channels
