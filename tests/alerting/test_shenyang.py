"""Shenyang, 21 October 2021: gas is back after the night's repair, a street smells of it, 08:20.

The main beside the street had been repaired in the night and gas was restored that morning; after
04:00 a street cleaner had told of the smell.  So after such work the connected zones are watched:
graver, sooner, until each check is ticked; and what people smell speaks against every comfort.
"""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from alerting.exchange import store as exchange
from alerting.hotline import calls
from alerting.hotline.calls import Heard
from alerting.incidents import Incident
from alerting.plans import what_now
from alerting.slices import Join, Record
from alerting.turn import Turn
from alerting.work import watch
from alerting.work.orders import Order, Written, understood
from lifeline import words
from lifeline.catalog import Catalog, Lifeline, Source
from lifeline.compiler import compile_catalog
from lifeline.config import Exchange
from lifeline.model import Finding
from lifeline.network import Asset, Exposure, Link, Zone
from tests.alerting.accidents import BOOK, Accident
from tests.alerting.scene import T0, cleared, raised

STREET = "gas/taiyuan"
CITY = Catalog(
    compile_catalog(
        [
            Source(
                lifeline=Lifeline("gas"),
                zone=(Zone(STREET), Zone("gas/north")),
                asset=(
                    Asset("gas/well", STREET, "valve-well"),
                    Asset("gas/well-north", "gas/north", "valve-well"),
                    Asset("sewer/s", STREET, "sewer-well", exposure=Exposure(volume_m3=60.0)),
                    Asset("power/p", STREET, "power-well", exposure=Exposure(customers=15_196)),
                ),
                link=(
                    Link("gas/well", "gas/well-north", kind="gas-main", length_m=350.0),
                    Link("gas/well", "sewer/s", kind="adjacency", length_m=9.0),
                    Link("gas/well", "power/p", kind="adjacency", length_m=14.0),
                ),
            )
        ]
    )
)
WATCHED_S = 90_000
"""An hour of re-pressurisation and a day after it."""
KNOWN = ("work-order", "hotline")
"""What the zone's findings know that no sensor says: detect adds it to each."""
LEVEL = {
    "zone": STREET,
    "asset": "sewer/s",
    "channel": "sewer/s/level",
    "hazard": "sewage-level-fall",
    "rule": "sewer.level",
    "grade": 4,
}
METHANE = {"zone": STREET, "asset": "sewer/s", "channel": "sewer/s/ch4", "grade": 3}
DROP = {
    "zone": STREET,
    "asset": "gas/well",
    "channel": "gas/well/p",
    "hazard": "gas-pressure-low",
    "rule": "gas.pressure",
    "grade": 3,
}
POWER = {"zone": STREET, "asset": "power/p", "channel": "power/p/ch4", "grade": 3}


def order(scene: Accident) -> Order:
    """Gas is back from T0, 06:13 in the city, for an hour; the zones are watched for a day more."""
    written = Written(
        id="W-21",
        kind="re-pressurisation",
        begins="2023-11-15T06:13:20",
        ends="2023-11-15T07:13:20",
        assets=("gas/well",),
        contractor="城区燃气",
    )
    found = understood(written, scene.correlator.topology, BOOK, ZoneInfo("Asia/Shanghai"))
    assert isinstance(found, Order), found
    assert found.from_ms == T0
    return found


def watched() -> Accident:
    """A city whose connected zones are watched, as the work order says."""
    scene = Accident(CITY)
    taken = order(scene)
    places = watch.connected(scene.correlator.topology, taken)
    turn = Turn(scene.slice, T0 - 3600_000, scene.policy)
    windows = watch.settle(turn, taken, places, {}, "wang", 1, "api")
    assert set(windows) == {STREET, "gas/north"}, "the zone behind the main is watched as well"
    told = watch.contexts(taken, places, {}, T0, 1)
    assert {(one.zone, one.kind) for one in told} == {(zone, "work-order") for zone in windows}
    scene.effects += turn.effects
    return scene


def opened(scene: Accident, contexts: tuple[str, ...]) -> list[Any]:
    """A sewer's level falls, then there is methane in it."""
    return scene.play(
        [
            (540, raised(540, name="level", contexts=contexts, **LEVEL)),
            (600, raised(600, name="methane", contexts=contexts, **METHANE)),
        ]
    )


def test_on_an_ordinary_day_methane_over_a_falling_sewer_is_taken_for_biogas() -> None:
    scene = Accident(CITY)

    seen = opened(scene, ())

    assert seen == [(540, "1:opened>open", "tell alert opened 4"), (600, "1:joined-rule>open")]
    assert scene.newest().grade == 4
    assert scene.called == [(540, "first 4")]
    assert scene.rung() == [("first 0", 4, ())], "the least grade is only listed"


@pytest.mark.feature("A-13")
def test_after_the_gas_is_back_the_same_is_graver_sooner_and_no_comfort_is_taken() -> None:
    scene = watched()

    seen = opened(scene, KNOWN)
    scene.play([], until_s=1100)

    level, methane = scene.slice.incidents.values()
    assert (level.grade, methane.grade) == (3, 2), "each a grade graver than its reading"
    assert seen == [
        (540, "1:opened>open", "tell alert opened 3"),
        (600, "1:opened>open", "tell alert opened 2"),
    ]
    assert "biogas" not in {e.rule for e in scene.effects if isinstance(e, Join)}
    assert [row for row in scene.called if row[0] >= 600] == [
        (600, "first 2"),
        (660, "remind 2"),
        (750, "escalate 2 step 1"),
        (900, "escalate 2 step 2"),
        (1050, "escalate 2 step 3"),
    ], "in half the time of the chain: 120 s, then 300 s"
    assert scene.rung()[1:3] == [("first 0", 2, ("wang",)), ("remind 0", 2, ("wang",))]
    # The chief has his quiet hours until half past six: who cannot be reached is no end of it.
    everybody = ("wang", "zhao", "chief", "city-officer")
    assert scene.rung()[3] == ("escalate 1", 2, everybody)


@pytest.mark.feature("A-13")
def test_what_a_citizen_smelled_is_in_the_incident_with_who_took_the_call() -> None:
    scene = watched()
    opened(scene, KNOWN)

    said = scene.do(
        700, "note", actor="wang", channel="hotline", note="12345: a street cleaner smells gas"
    )

    assert said == "noted"
    incident = scene.newest()
    assert incident.lead.contexts == KNOWN
    assert [words.context(kind, "zh") for kind in incident.lead.contexts] == [
        "施工作业",
        "热线来电",
    ]
    (line,) = [e for e in scene.effects if isinstance(e, Record) and e.channel == "hotline"]
    assert (line.incident, line.actor, line.at_ms) == (incident.id, "wang", T0 + 700_000)


def spread(scene: Accident) -> Incident:
    """The main's pressure falls, and there is methane in the power well too."""
    scene.play(
        [
            (700, raised(700, name="drop", contexts=KNOWN, **DROP)),
            (760, raised(760, name="power", contexts=KNOWN, **POWER)),
        ]
    )
    (found,) = [one for one in scene.slice.incidents.values() if one.hazard == "gas-leak"]
    return found


@pytest.mark.feature("A-8")
def test_main_sewer_and_power_well_are_one_incident_of_the_top_grade() -> None:
    scene = watched()
    opened(scene, KNOWN)

    incident = spread(scene)

    assert (incident.grade, incident.first_out) == (1, "methane")
    members = {alarm.asset for alarm in scene.slice.members(incident.id)}
    assert members == {"sewer/s", "gas/well", "power/p"}, "the power well's customers are in it"
    joins = [(j.rule, j.distance_m) for j in scene.effects if isinstance(j, Join)][2:]
    assert joins == [("gas-migration", 9.0), ("gas-migration", 14.0)]
    assert scene.called[-3:] == [(700, "first 1"), (715, "remind 1"), (760, "escalate 1 step 1")]
    assert scene.rung()[-1] == ("escalate 1", 1, ("zhao",))


CHECKS = ("pressure-test", "spaces-measured", "hour-later", "residents", "next-morning")


@pytest.mark.feature("A-13")
def test_the_watch_cannot_end_before_each_of_its_checks_is_ticked() -> None:
    scene = watched()
    window = watch.window_id("W-21", STREET)
    assert tuple(check.name for check in scene.slice.windows[window].checks) == CHECKS

    ends = []
    for number, check in enumerate(CHECKS):
        ends.append(scene.do(5000 + number, "end-window", window=window))
        assert scene.do(5000 + number, "check", window=window, check=check) == "checked"
    again = scene.do(5010, "check", window=window, check="residents")
    ended = scene.do(5020, "end-window", window=window, actor="zhao")

    assert ends == ["unchecked"] * 5
    assert words.refusal("unchecked", "zh") == "必做检查项尚未全部完成，不能结束值守。"
    assert again == "no-such-check"
    assert ended == "window-ended"
    over = scene.slice.windows[window]
    assert (over.ended_by, over.ended_ms) == ("zhao", T0 + 5_020_000)
    assert {check.done_by for check in over.checks} == {"li"}
    after = scene.play([(5100, raised(5100, name="later", **METHANE))])
    assert after == [(5100, "1:opened>open", "tell alert opened 3")], "the reading's own grade"


@pytest.mark.feature("A-13")
def test_a_watch_whose_time_is_over_goes_on_and_says_so_until_it_is_ticked() -> None:
    scene = watched()
    window = watch.window_id("W-21", STREET)

    scene.play([], until_s=WATCHED_S + 7300)

    assert scene.recorded().count("window-overdue") == 6, "both zones, at once and every hour"
    late = WATCHED_S + 7400
    seen = scene.play([(late, raised(late, name="late", **METHANE))])
    assert seen == [(late, "1:opened>open", "tell alert opened 2")], "as grave as on the first day"
    for check in CHECKS:
        scene.do(late + 10, "check", window=window, check=check)
    assert scene.do(late + 20, "end-window", window=window) == "window-ended"


@pytest.mark.feature("A-12")
def test_the_incident_of_that_morning_closes_on_evidence_like_any_other() -> None:
    scene = watched()
    opened(scene, KNOWN)
    incident = spread(scene)
    close = {
        "incident": incident.id,
        "actor": "wang",
        "note": "main repaired again",
        "verdict": "true",
        "code": "leak",
    }
    assert scene.do(800, "acknowledge", incident=incident.id, actor="wang") == "acknowledged"

    scene.play(
        [
            (2000, cleared(2000, 600, name="methane", **METHANE)),
            (2050, cleared(2050, 700, name="drop", **DROP)),
        ]
    )
    over_power = scene.do(2700, "close", **close)
    scene.play([(2760, cleared(2760, 760, name="power", **POWER))])
    too_soon = scene.do(3359, "close", **close)
    in_time = scene.do(3360, "close", **close)

    assert (over_power, too_soon, in_time) == ("active", "not-calm", "closed")
    assert not scene.slice.incidents[incident.id].overridden


def street_cleaner(second: float, **fields: Any) -> Any:
    """What the street cleaner told, as the desk takes it."""
    kinds = exchange.read_tables(Exchange(tables="deploy/exchange")).call
    heard = Heard(kind="gas-smell", said="道路两侧有煤气味", ticket="12345-0421", **fields)
    found = calls.understood(heard, kinds, CITY, {}, T0 + round(second * 1000))
    assert isinstance(found, Finding)
    return found


@pytest.mark.feature("C-7")
def test_the_street_cleaners_call_alone_would_have_opened_the_incident_before_any_sensor() -> None:
    scene = watched()

    seen = scene.play([(60, street_cleaner(60, zone=STREET))])

    assert seen == [(60, "1:opened>open", "tell alert opened 1")], "a grade graver: it is watched"
    assert scene.called[0] == (60, "first 1")
    incident = scene.newest()
    card = what_now(incident, scene.correlator.topology, BOOK)
    assert card.steps[0].do.zh.startswith("回访来电人")
    assert words.explain(incident.lead, "zh").endswith("市民来电反映：“道路两侧有煤气味”")


@pytest.mark.feature("C-7")
@pytest.mark.parametrize("call_s", [300, 800])
def test_call_sewer_and_power_well_are_one_incident_whichever_is_told_first(call_s: float) -> None:
    scene = watched()
    timeline = [
        (600, raised(600, name="methane", contexts=KNOWN, **METHANE)),
        (760, raised(760, name="power", contexts=KNOWN, **POWER)),
        (call_s, street_cleaner(call_s, asset="gas/well")),
    ]

    scene.play(sorted(timeline, key=lambda one: one[0]))

    (incident,) = [one for one in scene.slice.incidents.values() if one.is_live]
    members = {alarm.asset for alarm in scene.slice.members(incident.id)}
    assert incident.grade == 1
    assert members == {"gas/well", "sewer/s", "power/p"}
    assert "smell" in {e.rule for e in scene.effects if isinstance(e, Join)}


@pytest.mark.feature("C-7", "A-12")
def test_that_somebody_has_looked_ends_the_call_and_the_incident_still_needs_its_evidence() -> None:
    scene = watched()
    call = street_cleaner(60, asset="gas/well")
    scene.play([(60, call)])
    close = {"note": "nothing found", "verdict": "unknown", "code": "not-found"}
    assert scene.do(70, "acknowledge") == "acknowledged"

    standing = scene.do(80, "close", **close)
    scene.play([(900, calls.over(call, T0 + 900_000))])
    too_soon = scene.do(1000, "close", **close)
    in_time = scene.do(1500, "close", **close)

    assert (standing, too_soon, in_time) == ("active", "not-calm", "closed")
