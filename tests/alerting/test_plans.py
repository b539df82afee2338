"""What to do now: every file holds, no card is empty, and the card says what Shiyan taught."""

import tomllib
from pathlib import Path

import msgspec
import pytest

from alerting import plans
from alerting.plans import Book, Plan, gaps, parse_book, problems_with, spaces, what_now
from alerting.topology import Topology
from lifeline.catalog import Catalog, CatalogError, Group, Lifeline, Rule, Source
from lifeline.compiler import compile_catalog
from lifeline.network import Asset, Exposure, Link, Valve, Zone
from tests.alerting.city import CITY, GAS, finding, incident

FOLDER = Path("deploy/plans")
TREES = [
    (str(file), tomllib.loads(file.read_text(encoding="utf-8")))
    for file in sorted(FOLDER.glob("*.toml"))
]
BOOK = parse_book(TREES)
TOPOLOGY = Topology(CITY)


def test_the_shipped_plans_hold_and_are_for_hazards_that_exist() -> None:
    assert problems_with(BOOK, CITY) == []
    assert {lifeline for lifeline, _ in BOOK.plans} >= {
        "gas",
        "water",
        "heating",
        "bridge",
        "drainage",
        "tunnel",
    }


def test_a_hazard_without_a_plan_has_its_lifelines_else_the_default() -> None:
    own = msgspec.structs.replace(BOOK.plans["", "*"], lifeline="gas")
    book = Book({**BOOK.plans, ("gas", "*"): own})

    assert BOOK.of("gas", "gas-leak")[0].hazard == "gas-leak"
    assert BOOK.of("gas", "sensor-fault") == (BOOK.plans["", "sensor-fault"], False)
    assert BOOK.of("gas", "collision") == (BOOK.plans["", "*"], True)
    assert book.of("gas", "collision") == (own, True)


@pytest.mark.feature("C-2")
def test_a_card_says_by_when_whom_to_call_how_far_and_what_not_to_do() -> None:
    leak = incident(finding("gas/v1", "gas-leak", grade=1))

    card = what_now(leak, TOPOLOGY, BOOK)

    assert (card.incident, card.plan, card.is_default) == (leak.id, "gas/gas-leak", False)
    assert [step.due_ms for step in card.steps] == sorted(step.due_ms for step in card.steps)
    assert card.steps[0].due_ms == leak.opened_ms + 60_000
    assert "119" in {phone.number for phone in card.phones}
    assert (card.radius_m, card.radius_verified) == (100.0, False)
    assert "115" in card.radius_source
    assert any("明火" in text.zh for text in card.avoid)
    assert any(step.kind == "ventilate" for step in card.steps)
    assert {"spaces-measured", "hour-later"} <= {check.id for check in card.checks}
    assert card.exposure == Exposure(population=400, volume_m3=30.0, ignition=0.2)
    assert card.place.zh == "gas/v1", "an asset without a title is called by its name"


@pytest.mark.feature("C-2")
def test_every_connected_closed_space_is_to_be_measured_and_more_under_frozen_ground() -> None:
    leak = finding("gas/v1", "gas-leak")

    card = what_now(incident(leak), TOPOLOGY, BOOK)
    frozen = what_now(
        incident(msgspec.structs.replace(leak, contexts=("frozen-ground",))), TOPOLOGY, BOOK
    )

    assert [(one.asset, one.distance_m, one.volume_m3) for one in card.spaces] == [
        ("gas/v1", 0.0, None),
        ("sewer/s1", 8.0, 30.0),
        ("power/p1", 45.0, None),
        ("sewer/s2", 98.0, None),
        ("gas/v2", 100.0, None),
    ]
    assert {one.asset for one in frozen.spaces} > {one.asset for one in card.spaces}
    assert "gas/gateway" not in {one.asset for one in frozen.spaces}
    assert spaces(TOPOLOGY, "nothing", BOOK.plans["gas", "gas-leak"]) == ()
    assert spaces(TOPOLOGY, "gas/v1", BOOK.plans["", "*"]) == ()


def valved(*, is_closable: bool = True, radius_m: float = 0.0) -> Topology:
    source = Source(
        lifeline=Lifeline("gas"),
        zone=(Zone("z"),),
        asset=(
            Asset("gate", "z", is_source=True),
            Asset("a", "z", radius_m=radius_m, title=GAS.lifeline.title),
            Asset("b", "z"),
        ),
        link=(
            Link("gate", "a", length_m=9.0, valves=(Valve("V1", 1.0, is_closable=is_closable),)),
            Link("a", "b", length_m=9.0, customers=5),
            Link("gate", "b", length_m=9.0, valves=(Valve("V2", 1.0, is_closable=is_closable),)),
        ),
    )
    return Topology(Catalog(compile_catalog([source])))


@pytest.mark.feature("C-2")
def test_a_card_names_the_valves_and_says_when_there_are_none_to_close() -> None:
    leak = incident(msgspec.structs.replace(finding("gas/v1", "gas-leak"), asset="a"))

    card = what_now(leak, valved(), BOOK)
    stuck = what_now(leak, valved(is_closable=False), BOOK)
    overload = what_now(incident(finding("bridge/span", "overload")), TOPOLOGY, BOOK)

    assert card.fewest is not None
    assert [valve.name for valve in card.fewest.valves] == ["V1", "V2"]
    assert card.nearest is None, "the nearest are the same"
    assert stuck.fewest is not None
    assert (stuck.fewest.is_possible, stuck.fewest.open_to) == (False, ("gate",))
    assert (overload.fewest, overload.nearest, overload.spaces) == (None, None, ())


def test_an_assets_own_radius_counts_where_it_is_the_wider_one() -> None:
    leak = incident(msgspec.structs.replace(finding("gas/v1", "gas-leak", grade=1), asset="a"))

    wide = what_now(leak, valved(radius_m=250.0), BOOK)
    narrow = what_now(leak, valved(radius_m=20.0), BOOK)

    assert (wide.radius_m, wide.radius_source) == (250.0, "catalog")
    assert narrow.radius_m == 100.0


@pytest.mark.parametrize(("grade", "metres"), [(1, 100.0), (2, 50.0), (3, 20.0), (4, 20.0)])
def test_a_grade_without_a_radius_has_that_of_the_next_graver_one(
    grade: int, metres: float
) -> None:
    card = what_now(incident(finding("gas/v1", "gas-leak", grade=grade)), TOPOLOGY, BOOK)

    assert card.radius_m == metres


def test_a_grade_graver_than_every_radius_has_the_gravest_and_no_radius_is_none() -> None:
    cover = what_now(incident(finding("gas/v1", "cover-moved", grade=1)), TOPOLOGY, BOOK)
    device = what_now(incident(finding("gas/v1", "sensor-fault", grade=5)), TOPOLOGY, BOOK)

    assert (cover.radius_m, device.radius_m, device.radius_source) == (5.0, 0.0, "")


def test_an_asset_that_the_catalog_has_lost_still_has_a_card() -> None:
    gone = incident(msgspec.structs.replace(finding("gas/v1", "gas-leak"), asset="gas/gone"))

    card = what_now(gone, TOPOLOGY, BOOK)

    assert card.place.en == "gas/gone"
    assert card.steps


def test_what_only_the_default_plan_answers_is_known() -> None:
    rules = (
        Rule("a", "gas-leak", 2, {}, quantity="gross-weight"),
        Rule("b", "collision", 2, {}, quantity="strain"),
        Rule("c", "overload", 2, {}, channels=("bridge/span/strain", "bridge/span/nothing")),
        Rule("d", "stiffness-loss", 2, {}, groups=("g",)),
        Rule("e", "ice", 2, {}, groups=("g",)),
    )
    head = msgspec.structs.replace(CITY.head, rules=rules, groups=(Group("g", "bridge/z", ()),))
    other = Catalog(compile_catalog([GAS]))
    other.head = head
    other.devices = CITY.devices  # type: ignore[method-assign]
    other.find = CITY.find  # type: ignore[method-assign]
    other._zones = CITY._zones

    assert gaps(BOOK, other) == ["bridge/collision", "bridge/gas-leak", "bridge/ice"]


STEP = {"within_s": 60, "role": {"zh": "甲", "en": "A"}, "do": {"zh": "做", "en": "do"}}
PLAIN = {"hazard": "*", "title": {"zh": "题", "en": "T"}, "step": [STEP]}


@pytest.mark.parametrize(
    ("trees", "sentence"),
    [
        ([{**PLAIN, "step": []}], "step"),
        ([{**PLAIN, "step": [{**STEP, "within_s": 0}]}], "within_s"),
        ([{**PLAIN, "step": [{**STEP, "kind": "pray"}]}], "kind"),
        ([{**PLAIN, "colour": "red"}], "unknown field `colour`"),
        ([PLAIN, PLAIN], "there is another plan for *"),
        ([{**PLAIN, "hazard": "burst"}], "the default is needed"),
        ([{**PLAIN, "title": {"zh": "", "en": "T"}}], "T stands there in one language only"),
        ([{**PLAIN, "isolates": True}], "isolates and a step of kind isolate go together"),
        ([{**PLAIN, "measure_m": 9}], "measure_m and a step of kind measure go together"),
        ([{**PLAIN, "phone": [{"name": STEP["do"], "number": "one"}]}], "number"),
        (
            [{**PLAIN, "radius": [{"grade": 1, "metres": 5, "source": ""}]}],
            "source",
        ),
        (
            [{**PLAIN, "radius": [{"grade": 1, "metres": 5, "source": "s"}] * 2}],
            "a grade has two radii",
        ),
        (
            [
                {
                    **PLAIN,
                    "radius": [
                        {"grade": 1, "metres": 5, "source": "s"},
                        {"grade": 2, "metres": 50, "source": "s"},
                    ],
                }
            ],
            "a graver grade has a smaller radius than a lesser one",
        ),
        ([{**PLAIN, "check": [{"id": "a", "said": STEP["do"]}] * 2}], "two checks have one id"),
    ],
)
def test_a_wrong_plan_is_said_in_a_sentence(trees: list[dict[str, object]], sentence: str) -> None:
    with pytest.raises(CatalogError) as caught:
        parse_book([(f"p{n}.toml", tree) for n, tree in enumerate(trees)])

    assert any(sentence in text for text in caught.value.problems), caught.value.problems


def test_a_plan_that_nobody_will_ever_ask_for_is_told() -> None:
    lost = msgspec.convert({**PLAIN, "hazard": "gas-leek", "lifeline": "wine"}, Plan)

    assert problems_with(Book({("wine", "gas-leek"): lost}), CITY) == [
        "plan wine/gas-leek names the unknown hazard gas-leek",
        "plan wine/gas-leek names the unknown lifeline wine",
    ]
    assert plans.ANY == "*"
