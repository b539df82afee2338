"""What a warning from outside changes: graver, sooner, later, farther, and other steps to take."""

import msgspec
import pytest

from alerting import conditions
from alerting.conditions import Condition
from alerting.plans import what_now
from alerting.policy import Policy
from alerting.rulegraph import parse_rules
from lifeline import words
from lifeline.catalog import CatalogError
from lifeline.grades import GRADING
from tests.alerting.accidents import BOOK, RULE_TREE, Accident
from tests.alerting.city import CITY
from tests.alerting.scene import Scene, cleared, finding, raised

SHIPPED = parse_rules("correlation.toml", RULE_TREE).condition
RAIN, FROST = ("heavy-rain",), ("frozen-ground",)
COVER = {"hazard": "cover-moved", "rule": "gas.cover", "channel": "gas/well-1/tilt", "grade": 3}
SILENT = {
    "hazard": "gateway-silent",
    "rule": "device.silent",
    "detector": "silence",
    "channel": "device/d/seen",
    "grade": 5,
}


def desk() -> Scene:
    return Scene(Policy(conditions=SHIPPED))


@pytest.mark.feature("E-7")
def test_in_heavy_rain_an_open_manhole_is_a_grade_graver_and_its_clocks_run_twice_as_fast() -> None:
    dry, wet = desk(), desk()

    dry.play([(0, raised(0, **COVER))])
    wet.play([(0, raised(0, contexts=RAIN, **COVER))], until_s=200)

    assert dry.called == [(0, "first 3")]
    assert wet.called == [(0, "first 2"), (60, "remind 2"), (150, "escalate 2 step 1")]
    assert wet.newest().lead.contexts == RAIN


@pytest.mark.feature("E-7")
def test_a_sensor_that_the_rain_silences_for_minutes_calls_nobody_and_one_for_longer_does() -> None:
    dry, short, long_ = desk(), desk(), desk()

    dry.play([(0, raised(0, **SILENT))])
    short.play([(0, raised(0, contexts=RAIN, **SILENT)), (500, cleared(500, **SILENT))], 2000)
    long_.play([(0, raised(0, contexts=RAIN, **SILENT))], until_s=2000)

    assert len(dry.slice.incidents) == 1
    assert short.slice.incidents == {}
    assert [one.opened_ms for one in long_.slice.incidents.values()] == [raised(600).at_ms], (
        "after ten minutes it counts"
    )


@pytest.mark.feature("E-7")
def test_under_frozen_ground_a_gas_leak_is_not_delayed_and_people_are_called_sooner() -> None:
    scene = desk()

    scene.play([(0, raised(0, contexts=FROST))], until_s=160)

    assert scene.called == [(0, "first 2"), (60, "remind 2"), (150, "escalate 2 step 1")]


def test_a_condition_is_about_its_own_hazards_and_lifelines_alone() -> None:
    gale = Condition("gale", ("overload",), ("bridge",), clock_factor=0.5, is_graver=True)
    bridge = finding(contexts=("gale",), hazard="overload", lifeline="bridge", grade=3)
    others = [
        msgspec.structs.replace(bridge, lifeline="gas"),
        msgspec.structs.replace(bridge, hazard="collision"),
        msgspec.structs.replace(bridge, contexts=("heavy-rain",)),
    ]

    assert conditions.haste((gale,), bridge) == 0.5
    assert conditions.treated((gale,), bridge, GRADING).grade == 2
    assert [conditions.haste((gale,), one) for one in others] == [1.0] * 3
    assert [conditions.treated((gale,), one, GRADING) for one in others] == others


def test_nothing_that_pages_at_any_hour_waits_and_no_fault_of_a_device_becomes_a_danger() -> None:
    slow = Condition("heavy-rain", ("immersed",), delay_s=600.0)
    grave = Condition("heavy-rain", ("immersed",), is_graver=True)
    top, third, device = (finding(hazard="immersed", contexts=RAIN, grade=g) for g in (1, 3, 5))

    assert conditions.treated((slow,), top, GRADING) == top
    assert conditions.treated((slow,), third, GRADING).on_delay_s == 600.0
    assert conditions.treated((grave,), top, GRADING) == top
    assert conditions.treated((grave,), device, GRADING) == device


def test_no_file_can_delay_what_may_cost_lives() -> None:
    tree = {"condition": [{"regime": "heavy-rain", "hazards": ["gas-leak"], "delay_s": 60}]}

    with pytest.raises(CatalogError, match="would delay gas-leak, which may cost lives"):
        parse_rules("x", tree)


@pytest.mark.feature("E-7", "C-2")
def test_a_step_of_the_plan_is_shown_while_its_regime_holds_and_no_number_moves() -> None:
    scene = Accident(CITY)
    scene.play([(0, raised(0, asset="gas/v1", zone="gas/h"))])
    plain = scene.newest()
    frozen = msgspec.structs.replace(
        plain, lead=msgspec.structs.replace(plain.lead, contexts=FROST)
    )

    usual, more = (what_now(one, scene.correlator.topology, BOOK).steps for one in (plain, frozen))

    (extra,) = [step for step in more if step not in usual]
    assert "冻土期" in extra.do.zh
    assert [step for step in more if step is not extra] == list(usual)
    assert [step.number for step in more] == list(range(1, len(more) + 1))


def test_every_regime_that_ships_has_its_word() -> None:
    for one in SHIPPED:
        assert words.context(one.regime, "zh") != one.regime
