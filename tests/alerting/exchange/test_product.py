"""The state of every zone: all zones, freshness, the same facts as JSON and CSV."""

import csv

import msgspec
import pytest

from alerting.exchange import product
from alerting.exchange.product import Facts, ZoneHead

NOW = 1_700_000_000_000
HEADS = [
    ZoneHead("water/b", "水", "Water b", "water", "210103"),
    ZoneHead("gas/a", '=cmd|" /C"', "Gas, a", "gas", "210102"),
]
FACTS = Facts(
    NOW, {"gas/a": {3: 2, 1: 1, 4: 0}}, {"gas/a": 4}, {"gas/a": NOW - 1500, "water/b": NOW + 500}
)


@pytest.mark.feature("E-6")
def test_every_zone_is_told_with_its_incidents_and_how_old_its_readings_are() -> None:
    gas, water = product.made_of(HEADS, FACTS, 600.0).zones

    assert (gas.zone, gas.incidents, gas.gravest) == ("gas/a", {"1": 1, "3": 2}, 1)
    assert (gas.silent_devices, gas.newest_ms, gas.age_s) == (4, NOW - 1500, 1.5)
    assert (water.incidents, water.gravest, water.silent_devices, water.age_s) == ({}, None, 0, 0.0)


def test_of_what_nobody_has_heard_nothing_is_said() -> None:
    made = product.made_of(HEADS, Facts(NOW, {}, {}, {}), 600.0)

    assert [(one.newest_ms, one.age_s) for one in made.zones] == [(None, None)] * 2
    assert b",,0,,,2023" in product.as_csv(made)


@pytest.mark.feature("E-6")
def test_json_and_csv_tell_the_same_and_no_cell_is_a_formula() -> None:
    made = product.made_of(HEADS, FACTS, 600.0)

    read = msgspec.json.decode(product.as_json(made), type=product.ZoneProduct)
    rows = list(csv.DictReader(product.as_csv(made).decode("utf-8-sig").splitlines()))

    assert read == made
    assert [row["zone"] for row in rows] == ["gas/a", "water/b"]
    assert rows[0]["title_zh"] == '\'=cmd|" /C"'
    assert (rows[0]["gravest"], rows[0]["incidents"]) == ("1", "1:1 3:2")
    assert (rows[0]["newest"], rows[0]["age_s"]) == ("2023-11-14T22:13:18Z", "1.5")
    assert rows[0]["made"] == "2023-11-14T22:13:20Z"


def test_the_tag_is_of_the_bytes() -> None:
    assert product.etag_of(b"a") == product.etag_of(b"a") != product.etag_of(b"b")
