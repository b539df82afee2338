"""The catalog: checked once, compiled, looked up by name."""

import msgspec
import pytest

from lifeline import catalog, compiler
from lifeline.catalog import (
    Asset,
    Catalog,
    CatalogError,
    Channel,
    DeviceEntry,
    Group,
    Lifeline,
    Limit,
    Link,
    Model,
    Rule,
    Source,
    Zone,
    parse_source,
    sound_part,
)
from lifeline.compiler import compile_catalog, problems_of
from lifeline.model import Text

METHANE = Channel("ch4", "methane", "%LEL", 0.0, 100.0, 60.0)
GAS = Source(
    lifeline=Lifeline("gas", Text("燃气", "Gas")),
    zone=(Zone("gas/heping"),),
    asset=(Asset("gas/well-1", "gas/heping"), Asset("gas/well-2", "gas/heping")),
    model=(Model("well", (METHANE,), upload_interval_s=1800.0),),
    device=(
        DeviceEntry("G-1", "gas/heping", "gas/well-1", "well"),
        DeviceEntry("G-2", "gas/heping", "gas/well-2", "well", position=(123.4, 41.8)),
    ),
    limit=(Limit("gas.20lel", 20.0, "%LEL"),),
    rule=(
        Rule(
            "gas.high", "gas-leak", 2, {"kind": "threshold"}, quantity="methane", limit="gas.20lel"
        ),
    ),
    group=(Group("gas/wells", "gas/heping", ("gas/well-1/ch4", "gas/well-2/ch4")),),
    link=(Link("gas/well-1", "gas/well-2", length_m=80.0),),
)


def test_what_was_declared_is_found_by_its_name() -> None:
    city = Catalog(compile_catalog([GAS]))

    device, channel = city.find("gas/well-2/ch4") or pytest.fail("not found")

    assert (device.name, device.position, channel.unit) == ("G-2", (123.4, 41.8), "%LEL")
    assert city.device("G-1") == next(city.devices())
    assert city.asset("gas/well-1") == Asset("gas/well-1", "gas/heping", lifeline="gas")
    assert city.lifeline_of("gas/heping") == "gas"
    assert city.links() == GAS.link


def test_what_was_not_declared_is_not_found() -> None:
    city = Catalog(compile_catalog([GAS]))

    assert city.device("G-3") is None
    assert city.find("gas/well-3/ch4") is None
    assert city.find("device/G-1/colour") is None
    assert city.asset("gas/well-3") is None


def test_a_devices_meters_are_channels_of_its_zone() -> None:
    city = Catalog(compile_catalog([GAS]))

    device, channel = city.find("device/G-1/gaps") or pytest.fail("not found")

    assert (device.zone, channel.quantity) == ("gas/heping", "meter.gaps")


def test_back_fill_begins_after_three_uploads_and_never_before_a_quarter_of_an_hour() -> None:
    city = Catalog(compile_catalog([GAS]))

    assert [device.historical_after_s for device in city.devices()] == [5400.0, 5400.0]
    model = Model("quick", (METHANE,), upload_interval_s=1.0)
    quick = msgspec.structs.replace(
        GAS,
        model=(model,),
        device=(DeviceEntry("G-1", "gas/heping", "gas/well-1", "quick"),),
        group=(),
    )
    assert next(Catalog(compile_catalog([quick])).devices()).historical_after_s == 900.0


def test_the_same_sources_have_the_same_digest_and_any_change_another() -> None:
    changed = msgspec.structs.replace(GAS, limit=(Limit("gas.20lel", 21.0, "%LEL"),))

    digests = [Catalog(compile_catalog([s])).digest for s in (GAS, GAS, changed)]

    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"device": (DeviceEntry("G-1", "gas/nowhere", "gas/well-1", "well"),)}, "unknown zone"),
        ({"device": (DeviceEntry("G 1", "gas/heping", "gas/well-1", "well"),)}, "does not fit"),
        ({"device": GAS.device * 2}, "declared 2 times"),
        ({"device": (DeviceEntry("G-1", "gas/heping", "gas/well-1", "other"),)}, "unknown model"),
        ({"limit": ()}, "unknown limit"),
        ({"group": (Group("g", "gas/heping", ("gas/other/ch4",)),)}, "outside its zone"),
        ({"rule": (Rule("r", "h", 2, {"kind": "threshold"}),)}, "exactly one of"),
        ({"rule": (Rule("r", "h", 8, {"kind": "threshold"}, quantity="q"),)}, "grading table"),
        ({"link": (Link("gas/well-1", "gas/well-9"),)}, "unknown asset"),
        ({"asset": (Asset("Gas Well", "gas/heping"),)}, "does not fit"),
    ],
)
def test_what_does_not_hold_together_is_said_in_a_sentence(change: dict, sentence: str) -> None:
    with pytest.raises(CatalogError) as caught:
        compile_catalog([msgspec.structs.replace(GAS, **change)])

    assert any(sentence in problem for problem in caught.value.problems)


def test_a_wrong_entry_names_its_file() -> None:
    with pytest.raises(CatalogError, match=r"gas\.toml.*unknown field"):
        parse_source("gas.toml", {"lifeline": {"name": "gas"}, "zones": []})


def test_a_range_upside_down_is_refused() -> None:
    with pytest.raises(CatalogError, match="not below"):
        parse_source(
            "x.toml",
            {
                "lifeline": {"name": "gas"},
                "model": [
                    {
                        "name": "m",
                        "channel": [
                            {"local": "a", "quantity": "q", "unit": "u", "low": 2, "high": 1}
                        ],
                    }
                ],
            },
        )


def test_other_bytes_are_not_a_catalog() -> None:
    with pytest.raises(CatalogError, match="catalog build"):
        Catalog(b"something else entirely")


def test_every_wrong_entry_of_a_file_is_told_and_the_sound_ones_are_kept() -> None:
    tree = {
        "lifeline": {"name": "gas", "titel": {}},
        "zone": [{"name": "gas/a"}, {"nmae": "gas/b"}, "gas/c"],
        "limit": [{"id": "x", "value": "high", "unit": 3}],
        "colour": "blue",
    }

    with pytest.raises(CatalogError) as caught:
        parse_source("gas.toml", tree)

    assert caught.value.problems == (
        "gas.toml: unknown field `colour`",
        "gas.toml: lifeline: unknown field `titel`",
        "gas.toml: zone 2: unknown field `nmae`",
        "gas.toml: zone 2: required field `name` is missing",
        "gas.toml: zone 3: Expected `object`, got `str`",
        "gas.toml: limit x: value: Expected `float`, got `str`",
        "gas.toml: limit x: unit: Expected `str`, got `int`",
    )
    assert sound_part("gas.toml", tree) is None
    part = sound_part("gas.toml", tree | {"lifeline": {"name": "gas"}})
    assert part == Source(Lifeline("gas"), zone=(Zone("gas/a"),), file="gas.toml")


def test_a_name_declared_in_two_files_is_told_with_both() -> None:
    other = Source(Lifeline("water"), zone=(Zone("gas/heping"),), file="water.toml")

    problems = problems_of([msgspec.structs.replace(GAS, file="gas.toml"), other])

    assert problems == ["gas.toml, water.toml: zone gas/heping is declared 2 times"]


def test_while_a_file_cannot_be_read_nothing_is_called_unknown() -> None:
    wrong = msgspec.structs.replace(GAS, asset=(), zone=(Zone("Gas"),))

    problems = problems_of([wrong], is_all=False)

    assert [problem.split(" does")[0] for problem in problems] == ["lifeline gas: zone name 'Gas'"]
    assert len(problems_of([wrong])) > 5


def test_two_names_that_share_a_hash_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "hash_of", lambda _name: 7)

    with pytest.raises(CatalogError, match="one 64-bit hash"):
        compile_catalog([GAS])


def test_a_stranger_whose_name_has_a_known_hash_is_not_taken_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    city = Catalog(compile_catalog([GAS]))
    known = catalog.hash_of("G-1")
    monkeypatch.setattr(catalog, "hash_of", lambda _name: known)

    assert city.device("G-9") is None
    assert city.device("G-1") is not None


def test_what_was_forgotten_or_not_kept_is_found_again() -> None:
    city = Catalog(compile_catalog([GAS]))

    assert city.device("G-1", keep=False) == city.device("G-1")
    city.forget()
    assert city.device("G-1") is not None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"asset": (Asset("gas/well-1", "gas/nowhere"),)}, "names the unknown zone gas/nowhere"),
        (
            {"rule": (Rule("r", "h", 2, {}, channels=("gas/well-9/ch4", "device/G-1/gaps")),)},
            "rule r names the unknown channel gas/well-9/ch4",
        ),
        ({"device": (DeviceEntry("G-1", "gas/heping", "gas/none", "well"),)}, "unknown asset"),
        (
            {"rule": (Rule("r", "h", 2, {"kind": "cusum"}, quantity="ch44"),)},
            "rule r watches the quantity ch44, which no channel measures",
        ),
        (
            {"rule": (Rule("r", "h", 2, {"kind": "cusum"}, quantity="meter.colour"),)},
            "rule r watches the quantity meter.colour",
        ),
        (
            {"rule": (Rule("r", "h", 2, {"kind": "half_space"}, groups=("gas/nowhere",)),)},
            "rule r names the unknown group gas/nowhere",
        ),
        ({"retention": {"ch44": "regulatory"}}, "retention names the quantity ch44"),
    ],
)
def test_whatever_is_named_must_be_declared(change: dict, sentence: str) -> None:
    with pytest.raises(CatalogError, match=sentence):
        compile_catalog([msgspec.structs.replace(GAS, **change)])


@pytest.mark.parametrize(
    "watched",
    [{"quantity": "methane"}, {"channels": ("gas/well-1/ch4",)}, {"quantity": "meter.gaps"},
     {"channels": ("device/G-1/gaps",)}],
)  # fmt: skip
def test_a_limit_is_in_the_unit_of_what_is_held_against_it(watched: dict) -> None:
    limits = (Limit("of-gas", 20.0, "%LEL"), Limit("of-gaps", 20.0, "1"), Limit("x", 2.0, "kPa"))
    right = "of-gaps" if "gaps" in str(watched) else "of-gas"

    def told(limit: str, kind: str = "threshold") -> list[str]:
        rule = Rule("r", "h", 2, {"kind": kind}, limit=limit, **watched)
        return problems_of([msgspec.structs.replace(GAS, limit=limits, rule=(rule,))])

    assert told(right) == []
    assert told("x", "rate") == []
    (sentence,) = told("x")
    assert sentence.endswith("against the limit x in kPa")


def test_a_title_is_in_both_languages() -> None:
    tree = {"lifeline": {"name": "gas", "title": {"zh": "燃气"}}}

    with pytest.raises(CatalogError, match="`en`"):
        parse_source("gas.toml", tree)
