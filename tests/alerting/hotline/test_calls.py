"""What a caller says, as a finding: where it is, what it is called, what it joins."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from alerting.exchange import store as exchange
from alerting.exchange.tables import CallKind, Place
from alerting.hotline import calls
from alerting.hotline.calls import Heard
from alerting.slices import Join
from alerting.windows import Window
from lifeline import words
from lifeline.catalog import Catalog, Lifeline, Source
from lifeline.compiler import compile_catalog
from lifeline.config import Exchange
from lifeline.model import Finding, Text
from lifeline.network import Asset, Link, Zone
from tests.alerting.accidents import Accident
from tests.alerting.scene import T0, raised

GAS, WATER = "gas/heping", "water/heping"
AT = (123.40, 41.78)
CITY = Catalog(
    compile_catalog(
        [
            Source(
                lifeline=Lifeline("gas"),
                zone=(Zone(GAS), Zone("gas/far")),
                asset=(
                    Asset("gas/well", GAS, "valve-well", position=AT),
                    Asset("gas/off", GAS, "valve-well", position=(123.41, 41.78)),
                    Asset("sewer/s", GAS, "sewer-well", position=(123.4005, 41.78)),
                ),
                link=(Link("gas/well", "sewer/s", kind="adjacency", length_m=9.0),),
            ),
            Source(
                lifeline=Lifeline("water"),
                zone=(Zone(WATER),),
                asset=(
                    Asset("water/main", WATER, position=(123.42, 41.7800)),
                    Asset("water/beside", WATER, position=(123.4101, 41.78)),
                ),
            ),
        ]
    )
)
SQUARE = ((123.3, 41.7), (123.5, 41.7), (123.5, 41.9), (123.3, 41.9), (123.3, 41.7))
PLACES = {GAS: Place(outline=SQUARE), WATER: Place(outline=SQUARE), "gas/far": Place()}
KIND = CallKind("gas-smell", Text("闻到燃气异味", "Smell of gas"), "gas-smell", "gas", 2, 0.6)
SAID = "路口很大的煤气味"


def told(**fields: Any) -> Finding | str:
    heard = Heard(**{"kind": "gas-smell", "said": SAID, **fields})
    return calls.understood(heard, (KIND,), CITY, PLACES, T0 + 600_000)


def smell(second: float, **fields: Any) -> Finding:
    found = told(heard_ms=T0 + round(second * 1000), **fields)
    assert isinstance(found, Finding), found
    return found


def test_a_call_is_a_finding_with_the_callers_own_words() -> None:
    found = told(asset="gas/well", ticket="12345-77")

    assert isinstance(found, Finding)
    assert (found.asset, found.zone, found.lifeline) == ("gas/well", GAS, "gas")
    assert (found.hazard, found.grade, found.confidence) == ("gas-smell", 2, 0.6)
    assert (found.onset_ms, found.contexts) == (T0 + 600_000, ("hotline",))
    assert found.trace == "hotline/12345-77"
    assert words.explain(found, "zh") == f"hotline/12345-77：市民来电反映：“{SAID}”"


def test_the_same_ticket_is_the_same_call_and_so_is_the_same_form_sent_twice() -> None:
    names = [told(asset="gas/well", ticket="T1"), told(zone=GAS, ticket="T1", said="again")]
    forms = [told(zone=GAS, heard_ms=T0), told(zone=GAS, heard_ms=T0)]
    other = told(zone=GAS, heard_ms=T0 + 1)

    ids = [one.id for one in (*names, *forms, other) if isinstance(one, Finding)]

    assert (ids[0], ids[2]) == (ids[1], ids[3])
    assert len({*ids}) == 3


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"position": AT}, ("gas/well", GAS)),
        ({"position": (123.4006, 41.78)}, ("sewer/s", GAS)),
        ({"position": (123.4101, 41.78)}, ("gas/off", GAS)),
        ({"position": (123.4201, 41.78)}, ("water/main", WATER)),
        ({"position": (123.45, 41.75)}, (GAS, GAS)),
        ({"position": (123.45, 41.75), "zone": "gas/far"}, ("gas/far", "gas/far")),
        ({"zone": "gas/far"}, ("gas/far", "gas/far")),
    ],
)
def test_a_place_is_the_nearest_thing_of_its_network_else_a_zone(
    fields: dict[str, Any], where: tuple[str, str]
) -> None:
    found = told(**fields)

    assert isinstance(found, Finding)
    assert (found.asset, found.zone) == where


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"kind": "ufo", "zone": GAS}, "call-kind"),
        ({"asset": "gas/none"}, "call-asset"),
        ({}, "call-place"),
        ({"position": (10.0, 10.0)}, "call-place"),
        ({"zone": "nowhere"}, "call-place"),
        ({"zone": GAS, "heard_ms": T0 - 86_400_000}, "call-old"),
        ({"zone": GAS, "heard_ms": T0 + 700_000}, "call-old"),
    ],
)
def test_what_cannot_be_taken_says_why(fields: dict[str, Any], code: str) -> None:
    assert told(**fields) == code
    assert code in calls.REFUSED
    assert words.refusal(code, "zh") != code


def test_a_clock_a_little_ahead_heard_it_now() -> None:
    found = told(zone=GAS, heard_ms=T0 + 630_000)

    assert isinstance(found, Finding)
    assert found.onset_ms == T0 + 600_000


def test_the_kinds_that_ship_name_hazards_that_have_words_and_a_plan() -> None:
    kinds = exchange.read_tables(Exchange(tables="deploy/exchange")).call

    assert next(one.kind for one in kinds) == "gas-smell"
    for one in kinds:
        assert words.hazard(one.hazard, "zh") != one.hazard
    assert Path("deploy/plans/gas-smell.toml").is_file()


def test_a_smell_opens_an_incident_alone_and_calls_people() -> None:
    scene = Accident(CITY)

    seen = scene.play([(10, smell(10, asset="gas/well"))])

    assert seen == [(10, "1:opened>open", "tell alert opened 2")]
    assert scene.called == [(10, "first 2")]


METHANE = {"zone": GAS, "asset": "sewer/s", "channel": "sewer/s/ch4", "grade": 3}


def test_methane_near_a_smell_is_one_incident_of_the_top_grade_whichever_comes_first() -> None:
    first, last = Accident(CITY), Accident(CITY)

    first.play([(10, smell(10, asset="gas/well")), (60, raised(60, **METHANE))])
    last.play([(10, raised(10, **METHANE)), (60, smell(60, asset="gas/well"))])

    for scene in (first, last):
        (incident,) = scene.slice.incidents.values()
        assert incident.grade == 1
        assert [j.rule for j in scene.effects if isinstance(j, Join)] == ["", "smell"]


def test_a_smell_somewhere_in_a_zone_joins_what_the_zones_sensors_find_before_and_after() -> None:
    first, last = Accident(CITY), Accident(CITY)

    first.play([(10, smell(10, zone=GAS)), (60, raised(60, **METHANE))])
    last.play([(10, raised(10, **METHANE)), (60, smell(60, zone=GAS))])
    apart = Accident(CITY)
    apart.play([(10, smell(10, zone="gas/far")), (60, raised(60, **METHANE))])

    for scene in (first, last):
        (incident,) = scene.slice.incidents.values()
        assert [j.rule for j in scene.effects if isinstance(j, Join)] == ["", "smell-in-zone"]
        assert incident.grade == min(2, incident.grade)
    assert len(apart.slice.incidents) == 2


def test_two_callers_of_one_street_are_one_incident_and_page_once() -> None:
    scene = Accident(CITY)

    scene.play(
        [(10, smell(10, asset="gas/well", ticket="A")), (500, smell(500, zone=GAS, ticket="B"))]
    )

    assert len(scene.slice.incidents) == 1
    assert [row for row in scene.called if row[1].startswith("first")] == [(10, "first 2")]


def test_a_smell_ends_when_somebody_has_looked_and_no_maintenance_hides_it() -> None:
    scene = Accident(CITY)
    call = smell(10, asset="gas/well")
    scene.play([(10, call), (20, calls.over(call, T0 + 20_000))])

    assert scene.newest().is_active is False
    assert scene.newest().phase == "open", "nobody has acknowledged it"


def test_a_maintenance_window_hides_what_sensors_show_and_not_what_somebody_smells() -> None:
    scene = Accident(CITY)
    opening = Window(
        id="w", kind="maintenance", author="", reason="valves", zone=GAS,
        from_ms=T0, until_ms=T0 + 3_600_000,
    )  # fmt: skip
    scene.do(1, "open-window", opening=opening)

    scene.play([(10, raised(10, **METHANE))])
    before = len(scene.slice.incidents)
    scene.play([(20, smell(20, asset="gas/well"))])

    assert (before, len(scene.slice.incidents)) == (0, 1)
    assert scene.newest().hazard == "gas-smell"


def test_the_zones_detectors_are_told_of_the_call_for_a_day() -> None:
    call = smell(10, asset="gas/well", ticket="A")

    told_ = calls.known_in(call)

    assert (told_.zone, told_.context.kind) == (GAS, "hotline")
    assert told_.context.until_ms - told_.context.at_ms == 86_400_000
    assert told_.id == calls.known_in(call).id
    assert msgspec.json.decode(msgspec.json.encode(call), type=Finding) == call
