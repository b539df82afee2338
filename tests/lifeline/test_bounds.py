"""What no file of a city can set aside: bounds of rules on which lives depend."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifeline import bounds, store
from lifeline.catalog import (
    CatalogError,
    Channel,
    DeviceEntry,
    Lifeline,
    Limit,
    Model,
    Rule,
    Source,
)
from lifeline.compiler import compile_catalog
from lifeline.grades import GRADING
from lifeline.network import Asset, Zone

METHANE = Rule(
    "gas.high", "gas-leak", 2, {"kind": "threshold", "side": "above"}, quantity="ch4", limit="lim"
)


def city(value: float = 20.0, *, unit: str = "%LEL", quantity: str = "ch4", **more: Any) -> Source:
    channel = Channel("ch4", quantity, unit, 0.0, 100.0)
    rule = msgspec.structs.replace(METHANE, quantity=quantity)
    fields: dict[str, Any] = {
        "lifeline": Lifeline("gas"),
        "zone": (Zone("gas/a"),),
        "asset": (Asset("gas/w", "gas/a"),),
        "model": (Model("m", (channel,)),),
        "device": (DeviceEntry("w", "gas/a", "gas/w", "m"),),
        "limit": (Limit("lim", value, unit),),
        "rule": (rule,),
    }
    return Source(**(fields | more))


def problems(sources: list[Source]) -> list[str]:
    return list(bounds.problems(sources, GRADING))


def missing(sources: list[Source]) -> list[str]:
    return [text.en for text in bounds.missing(sources, GRADING)]


def changed(**fields: Any) -> tuple[Rule, ...]:
    return (msgspec.structs.replace(METHANE, **fields),)


def test_the_city_that_ships_is_within_every_bound() -> None:
    sources = store.read_sources(("deploy/lifelines",))

    assert problems(sources) == missing(sources) == []


def test_methane_never_alarms_above_half_the_explosive_limit() -> None:
    compile_catalog([city(50.0)])

    with pytest.raises(CatalogError, match=r"alarms above 51 %LEL; the bound is 50 %LEL"):
        compile_catalog([city(51.0)])


@pytest.mark.parametrize(
    ("unit", "quantity", "side", "fits", "beyond"),
    [
        ("%VOL", "methane", "above", 2.5, 2.6),
        ("°", "cover-tilt", "above", 90.0, 91.0),
        ("%VOL", "o2", "below", 18.0, 17.9),
        ("ppm", "h2s", "above", 10.0, 10.5),
    ],
)
def test_each_quantity_has_its_own_bound(
    unit: str, quantity: str, side: str, fits: float, beyond: float
) -> None:
    rule = changed(quantity=quantity, detector={"kind": "threshold", "side": side})

    ok = problems([city(fits, unit=unit, quantity=quantity, rule=rule)])
    found = problems([city(beyond, unit=unit, quantity=quantity, rule=rule)])

    assert ok == []
    assert len(found) == 1
    assert f"the bound is {fits:g} {unit}" in found[0]


def test_a_limit_written_into_the_detector_or_for_one_channel_is_bound_too() -> None:
    inline = changed(limit="", detector={"kind": "threshold", "limit": 60})
    one = changed(quantity="", channels=("gas/w/ch4",))
    other = changed(limit="", detector={"kind": "rate", "limit": 60})

    assert len(problems([city(rule=inline)])) == 1
    assert len(problems([city(60.0, rule=one)])) == 1
    assert problems([city(60.0, rule=other)]) == []


def test_what_lives_depend_on_is_not_delayed_by_more_than_a_minute() -> None:
    slow = changed(on_delay_s=61.0)
    managed = changed(on_delay_s=61.0, grade=4, is_managed=True)
    lesser = changed(on_delay_s=61.0, grade=3)

    assert len(problems([city(rule=slow)])) == 1
    assert len(problems([city(rule=managed)])) == 1
    assert problems([city(rule=lesser)]) == []


def test_a_gas_detector_is_silent_after_three_minutes_or_three_of_its_slow_intervals() -> None:
    gas = Channel("ch4", "ch4", "%LEL", 0.0, 100.0)

    def told(model: Model) -> int:
        return len(problems([city(model=(model,))]))

    assert told(Model("m", (gas,), silent_after_s=180.0)) == 0
    assert told(Model("m", (gas,), silent_after_s=181.0)) == 1
    assert told(Model("m", (gas,), silent_after_s=5400.0, upload_interval_s=1800.0)) == 0
    assert told(Model("m", (msgspec.structs.replace(gas, unit="t"),), silent_after_s=900.0)) == 0


def test_methane_that_is_measured_is_watched_by_a_grave_rule() -> None:
    named = changed(quantity="", channels=("gas/w/ch4",))

    assert missing([city()]) == missing([city(rule=named)]) == []
    for rules in ((), changed(grade=3), changed(detector={"kind": "threshold", "side": "below"})):
        (said,) = missing([city(rule=rules)])
        assert "cannot be left out" in said


def test_a_part_of_the_methane_sensors_is_not_enough() -> None:
    two = (DeviceEntry("w", "gas/a", "gas/w", "m"), DeviceEntry("v", "gas/a", "gas/v", "m"))
    one = changed(quantity="", channels=("gas/w/ch4",))

    assert len(missing([city(device=two, rule=one)])) == 1


def test_the_bound_holds_for_files_whoever_writes_them(tmp_path: Path) -> None:
    text = Path("deploy/lifelines/gas.toml").read_text(encoding="utf-8")
    (tmp_path / "gas.toml").write_text(text.replace("value = 50\n", "value = 55\n"), "utf-8")

    with pytest.raises(CatalogError, match="the bound is 50 %LEL"):
        compile_catalog(store.read_sources((str(tmp_path),)))
