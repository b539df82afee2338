"""Shiyan, 13 June 2021: gas under a market, a crew that says "done", an explosion minutes later.

A rusted main leaked into the covered channel under a market.  The crew worked for eight minutes,
declared the job finished and let people go; four minutes later it exploded.  So here no word of a
crew closes anything: the wells of the channel must have been back in their limits for the set time.
"""

from typing import Any

import pytest

from alerting import risk
from alerting.plans import what_now
from alerting.slices import Join, Label, Record, Tell
from lifeline import words
from lifeline.catalog import Catalog, Lifeline, Source
from lifeline.compiler import compile_catalog
from lifeline.model import Finding, Text
from lifeline.network import Asset, Exposure, Link, Valve, Zone
from tests.alerting.accidents import BOOK, Accident
from tests.alerting.scene import T0, cleared, raised

MARKET = Exposure(population=900, ignition=0.6)
CLINIC = Text("艳湖社区医院", "Yanhu clinic")
CITY = Catalog(
    compile_catalog(
        [
            Source(
                lifeline=Lifeline("gas"),
                zone=(Zone("gas/yanhu"),),
                asset=(
                    Asset("gas/station", "gas/yanhu", "gate-station", is_source=True),
                    Asset("gas/main", "gas/yanhu", "gas-main", exposure=MARKET),
                    *(
                        Asset(
                            f"channel/{n}",
                            "gas/yanhu",
                            "culvert",
                            Text(f"市场下暗渠 {n} 号井", f"Channel well {n}"),
                            exposure=Exposure(population=900, volume_m3=1400.0, ignition=0.6),
                        )
                        for n in (1, 2, 3)
                    ),
                ),
                link=(
                    Link(
                        "gas/station",
                        "gas/main",
                        kind="gas-main",
                        length_m=400.0,
                        valves=(Valve("V-12", at_m=380.0),),
                        is_feed=True,
                        customers=320,
                        hospitals=(CLINIC,),
                    ),
                    Link("gas/main", "channel/1", kind="adjacency", length_m=6.0),
                    Link("channel/1", "channel/2", kind="conduit", length_m=60.0),
                    Link("channel/2", "channel/3", kind="conduit", length_m=90.0),
                ),
            )
        ]
    )
)
ZONE: dict[str, Any] = {"zone": "gas/yanhu", "rule": "gas.ch4", "detector": "threshold"}
FIRST = {**ZONE, "asset": "channel/1", "channel": "channel/1/ch4", "grade": 2}
SECOND = {**ZONE, "asset": "channel/2", "channel": "channel/2/ch4", "grade": 2}
DROP = {
    **ZONE,
    "asset": "gas/main",
    "channel": "gas/main/p",
    "hazard": "gas-pressure-low",
    "grade": 3,
    "code": "below-limit",
}
DONE: dict[str, Any] = {
    "actor": "wang",
    "channel": "telephone",
    "note": "the crew says that it is done and people may go back",
    "verdict": "true",
    "code": "leak",
}


def leak() -> Accident:
    """Up to the crew's eight minutes: three alarms, one incident, taken, a crew on site."""
    scene = Accident(CITY)
    seen = scene.play(
        [
            (0, raised(0, name="first", **FIRST)),
            (90, raised(90, name="drop", **DROP)),
            (150, raised(150, name="second", **SECOND)),
        ]
    )
    assert seen == [
        (0, "1:opened>open", "tell alert opened 2"),
        (90, "1:worsened>open", "tell worsened 1"),
        (150, "1:joined-rule>open"),
    ]
    done = [
        scene.do(170, "acknowledge", actor="wang"),
        scene.do(200, "verify", actor="wang", verdict="true", code="leak"),
        scene.do(240, "dispatch", actor="wang", task="find it and shut V-12", person="crew 3"),
        scene.do(700, "arrive", actor="wang"),
    ]
    assert done == ["acknowledged", "verified", "dispatched", "arrived"]
    return scene


@pytest.mark.feature("A-8", "A-9", "C-2")
def test_gas_of_a_main_in_the_channel_is_one_incident_of_the_top_grade_with_what_to_do() -> None:
    scene = leak()
    incident = scene.newest()
    topology = scene.correlator.topology

    card = what_now(incident, topology, BOOK)
    found = risk.assess(
        incident, scene.slice.members(incident.id), risk.at_stake(topology, incident.asset)
    )

    assert len(scene.slice.incidents) == 1
    assert (incident.grade, incident.first_out, incident.first_ms) == (1, "first", T0)
    joins = [e for e in scene.effects if isinstance(e, Join)]
    assert [(j.reason, j.rule, j.distance_m) for j in joins] == [
        ("opened", "", None),
        ("joined-rule", "gas-migration", 6.0),
        ("joined-rule", "conduit-migration", 60.0),
    ]
    assert [(one.asset, one.volume_m3) for one in card.spaces] == [
        ("channel/1", 1400.0),
        ("gas/main", None),
        ("channel/2", 1400.0),
    ], "every connected space is to be measured, not only where the crew works"
    assert card.radius_m == 100.0
    assert card.fewest is not None
    assert [valve.name for valve in card.fewest.valves] == ["V-12"], "the main beside it has them"
    assert card.fewest.hospitals == (CLINIC,)
    assert any("口头报告" in text.zh for text in card.avoid)
    assert {"volume": "2800 m³", "ignition": "0.6", "people": "900"}.items() <= {
        one.name: one.raw for one in found.factors
    }.items()
    assert found.score > 60


@pytest.mark.feature("A-12")
def test_a_crew_that_says_done_closes_nothing_while_a_connected_well_is_not_back() -> None:
    scene = leak()
    scene.play(
        [
            (1100, cleared(1100, 90, name="drop", **DROP)),
            (1150, cleared(1150, 0, name="first", **FIRST)),
        ]
    )

    while_gas = scene.do(1180, "close", **DONE)
    scene.play([(1300, cleared(1300, 150, name="second", **SECOND))])
    too_soon = [scene.do(1310, "close", **DONE), scene.do(1899, "close", **DONE)]
    in_time = scene.do(1900, "close", **DONE)

    assert while_gas == "active"
    assert too_soon == ["not-calm", "not-calm"]
    assert words.refusal("active", "zh") == "仍有报警未恢复，不能关闭。"
    assert words.refusal("not-calm", "zh") == "测值恢复正常的时间还不够长，暂不能关闭。"
    assert in_time == "closed"
    closed = scene.newest()
    assert (closed.closed_by, closed.overridden, closed.second) == ("wang", False, "")
    assert closed.calm_ms == T0 + 1_300_000


@pytest.mark.feature("A-4", "A-12")
def test_the_explosion_that_came_four_minutes_later_meets_an_open_incident_and_everybody() -> None:
    scene = leak()
    scene.play(
        [
            (1100, cleared(1100, 90, name="drop", **DROP)),
            (1150, cleared(1150, 0, name="first", **FIRST)),
            (1160, cleared(1160, 150, name="second", **SECOND)),
        ]
    )
    assert scene.do(1180, "close", **DONE) == "not-calm"

    # The hole is still there: four minutes after the word "done" the channel is full again.
    again: Finding = raised(1420, name="again", **{**SECOND, "grade": 1})
    seen = scene.play([(1420, again)], until_s=2800)

    assert seen == [(1420, "1:reopened>open", "tell reopened 1")]
    assert scene.rung() == [
        ("first 0", 2, ("wang",)),
        ("first 0", 1, ("wang",)),
        ("remind 0", 1, ("wang",)),
        ("first 0", 1, ("wang",)),
        ("remind 0", 1, ("wang",)),
        ("escalate 1", 1, ("zhao",)),
        ("escalate 2", 1, ("chief",)),
        ("escalate 3", 1, ("city-officer",)),
        ("escalate 4", 1, ("wang", "zhao", "chief", "city-officer")),
        ("escalate 5", 1, ("wang", "zhao", "chief", "city-officer")),
    ]
    assert scene.called == [
        (0, "first 2"),
        (90, "first 1"),
        (120, "remind 1"),
        (170, "hold"),
        (178, "end held"),
        (1420, "first 1"),
        (1450, "remind 1"),
        (1540, "escalate 1 step 1"),
        (1720, "escalate 1 step 2"),
        (2020, "escalate 1 step 3"),
        (2320, "escalate 1 step 4"),
        (2620, "escalate 1 step 5"),
    ]
    incident = scene.newest()
    assert (incident.episode, incident.verdict, incident.task) == (
        1,
        "true",
        "find it and shut V-12",
    )


@pytest.mark.feature("A-12")
def test_a_well_that_has_fallen_silent_is_no_well_that_has_returned() -> None:
    scene = leak()
    name = scene.newest().id
    silent = {
        **SECOND,
        "channel": "channel/2/seen",
        "hazard": "gateway-silent",
        "detector": "silence",
        "rule": "silent",
        "grade": 5,
    }
    scene.play(
        [
            (1100, cleared(1100, 90, name="drop", **DROP)),
            (1150, cleared(1150, 0, name="first", **FIRST)),
            (1160, cleared(1160, 150, name="second", **SECOND)),
            (1500, raised(1500, name="silent", **silent)),
        ]
    )

    blind = scene.do(2000, "close", incident=name, **DONE)
    scene.play([(2100, cleared(2100, 1500, name="silent", **silent))])

    assert blind == "blind"
    assert words.refusal("blind", "zh") == "该处有设备故障或失联，测值不足为据，不能关闭。"
    assert scene.do(2101, "close", incident=name, **DONE) == "closed"


@pytest.mark.feature("A-4")
def test_a_taken_incident_whose_crew_is_silent_is_asked_after_at_any_hour() -> None:
    scene = leak()

    scene.play([], until_s=2000)

    assert scene.rung()[3:] == [
        ("progress 1", 1, ("wang", "zhao")),
        ("progress 2", 1, ("wang", "chief")),
    ]
    assert scene.called[5:] == [(1300, "progress 1 step 1"), (1900, "progress 1 step 2")]


@pytest.mark.feature("A-12")
def test_closing_against_the_wells_takes_another_person_and_is_marked_for_ever() -> None:
    scene = leak()
    scene.play([(1100, cleared(1100, 90, name="drop", **DROP))])

    asked = scene.do(1180, "close", override=True, **DONE)
    (proposal,) = scene.slice.proposals
    alone = scene.do(1185, "approve", actor="wang", proposal=proposal)
    agreed = scene.do(1190, "approve", actor="chief", proposal=proposal)

    assert (asked, alone, agreed) == ("proposed", "same-person", "closed-active")
    closed = scene.newest()
    assert (closed.phase, closed.overridden) == ("closed", True)
    assert (closed.closed_by, closed.second) == ("wang", "chief")
    last = [e for e in scene.effects if isinstance(e, Record)][-1]
    assert (last.actor, last.second, last.channel, last.reason) == (
        "wang",
        "chief",
        "telephone",
        "closed-active",
    )
    assert last.note == DONE["note"]

    # And the gas is still there: the next rise is the next episode, told and paged as new.
    worse = scene.play([(1420, raised(1420, name="again", **{**SECOND, "grade": 1}))])

    assert worse == [(1420, "1:opened>open", "tell alert opened 1")]
    assert scene.called[-1] == (1420, "first 1")
    assert scene.slice.incidents[closed.id].overridden


@pytest.mark.feature("O-2")
def test_what_was_done_and_told_is_all_written_down_in_its_order() -> None:
    scene = leak()
    scene.do(1180, "close", **DONE)

    assert scene.recorded() == [
        "opened",
        "worsened",
        "reminded",
        "joined-rule",
        "acknowledged",
        "verified",
        "dispatched",
        "arrived",
    ]
    assert [e.verdict for e in scene.effects if isinstance(e, Label)] == ["true"]
    assert [str(e.reason) for e in scene.effects if isinstance(e, Tell)] == [
        "opened",
        "worsened",
        "acknowledged",
        "verified",
        "dispatched",
    ]
