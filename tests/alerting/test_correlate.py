"""What belongs together: hypotheses across lifelines, and one hazard along one network."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from alerting import correlate
from alerting.alarms import blank
from alerting.correlate import Candidate, Correlator
from alerting.incidents import Incident
from alerting.rulegraph import parse_rules
from lifeline.catalog import Catalog, Lifeline, Source
from lifeline.compiler import compile_catalog
from lifeline.model import Finding
from lifeline.network import Asset, Link, Zone
from tests.alerting.city import CITY, finding, incident

SHIPPED = Path("deploy/correlation.toml")
TREE = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
RULES = parse_rules(str(SHIPPED), TREE)
HOUR_S = 3600.0
FROZEN = ("frozen-ground",)


def asked(new: Finding, *leads: Finding | Incident) -> list[Candidate]:
    open_ = [one if isinstance(one, Incident) else incident(one) for one in leads]
    found = Correlator(CITY, RULES).candidates(new, open_, new.at_ms)
    assert all(isinstance(one, Candidate) for one in found)
    return [one for one in found if isinstance(one, Candidate)]


def told(found: Sequence[Candidate]) -> list[tuple[str, str, str, int | None]]:
    """(incident's asset, rule, effect, grade), best first."""
    return [(c.incident[2:].split("|")[0], c.rule, c.effect, c.grade) for c in found]


# The hypotheses, each with what it must not take.


@pytest.mark.feature("A-8")
def test_methane_in_a_neighbours_well_with_a_pressure_drop_on_the_main_is_of_the_top_grade() -> (
    None
):
    drop = finding("gas/v1", "gas-pressure-low", grade=3)
    methane = finding("power/p1", "gas-leak", 2 * HOUR_S)

    (found,) = asked(methane, drop)

    assert told([found]) == [("gas/v1", "gas-migration", "raise", 1)]
    assert (found.reason, found.distance_m, found.lag_s) == ("rule", 45.0, 7200.0)
    assert found.said.en.startswith("Gas of the mains")
    assert found.task.zh
    assert not found.is_cause
    assert asked(methane, finding("gas/v3", "gas-pressure-low")) == []
    assert asked(finding("power/p1", "gas-leak", 7 * HOUR_S), drop) == []


@pytest.mark.feature("A-8")
def test_methane_along_one_conduit_is_one_incident_when_the_lag_grows_with_the_distance() -> None:
    first = finding("sewer/s1", "gas-leak")
    second = finding("sewer/s2", "gas-leak", 1200)
    third = finding("sewer/s3", "gas-leak", 3000)

    found = asked(third, first, second)

    assert [c.rule for c in found] == ["conduit-migration", "conduit-migration"]
    assert [c.distance_m for c in found] == [90.0, 180.0]
    assert {c.origin for c in found} == {"sewer/s1"}


def test_methane_that_reaches_the_far_well_before_the_near_one_is_no_migration() -> None:
    first = finding("sewer/s1", "gas-leak")
    far = finding("sewer/s3", "gas-leak", 600)
    near = finding("sewer/s2", "gas-leak", 3000)

    assert {c.rule for c in asked(near, first, far)} == {"network"}
    assert {c.rule for c in asked(far, first)} == {"conduit-migration"}


@pytest.mark.feature("A-8")
def test_methane_of_a_sewer_whose_level_falls_is_eased_by_one_grade() -> None:
    level = finding("sewer/s1", "sewage-level-fall", grade=4)
    methane = finding("sewer/s1", "gas-leak", HOUR_S, grade=2)

    (found,) = asked(methane, level)

    assert told([found]) == [("sewer/s1", "biogas", "lower", 3)]
    assert "Ventilate" in found.task.en


@pytest.mark.parametrize(
    "against",
    [
        finding("sewer/s1", "gas-composition", 60),
        finding("gas/v1", "gas-pressure-low", 60),
        finding("gas/v1", "gas-leak", 60),
    ],
)
def test_nothing_is_called_biogas_once_something_speaks_for_the_mains(against: Finding) -> None:
    level = finding("sewer/s1", "sewage-level-fall", grade=4)
    methane = finding("sewer/s1", "gas-leak", HOUR_S)

    assert "biogas" not in {c.rule for c in asked(methane, level, against)}


def test_the_top_grade_is_never_called_biogas_nor_is_a_leak_beside_road_works() -> None:
    level = finding("sewer/s1", "sewage-level-fall", grade=4)

    assert asked(finding("sewer/s1", "gas-leak", 60, grade=1), level) == []
    assert asked(finding("sewer/s1", "gas-leak", 60, contexts=("work-order",)), level) == []


@pytest.mark.feature("A-8")
def test_settlement_and_methane_after_a_burst_beside_it_belong_to_the_burst() -> None:
    burst = finding("water/n1", "burst")

    for hazard in ("settlement", "cover-moved", "gas-leak"):
        (found,) = asked(finding("gas/v2", hazard, 50 * HOUR_S), burst)
        assert told([found]) == [("water/n1", "washout", "join", None)]
    assert asked(finding("gas/v2", "gas-leak", 73 * HOUR_S), burst) == []
    assert asked(finding("gas/v1", "gas-leak", HOUR_S), burst) == []
    assert asked(burst, finding("gas/v2", "gas-leak", -60)) == [], "it was there before"


@pytest.mark.feature("W-5")
def test_negative_pressure_at_a_leak_beside_a_sewer_is_dirt_in_the_water() -> None:
    drawn = finding("water/n2", "negative-pressure", HOUR_S)

    found = asked(drawn, finding("water/n2", "water-leak", grade=3))

    assert told(found)[0] == ("water/n2", "contamination", "raise", 1)
    assert "Sewage" in found[0].said.en
    # No sewer lies beside the other area, and a sound main draws nothing in.
    away = asked(
        finding("water/n1", "negative-pressure", HOUR_S), finding("water/n1", "water-leak")
    )
    assert [rule for _, rule, _, _ in told(away)] == []
    assert asked(drawn, finding("water/n2", "low-supply")) == []


@pytest.mark.feature("A-8")
def test_a_hot_tunnel_beside_a_heating_leak_belongs_to_it() -> None:
    leak = finding("heat/main", "heating-leak")

    (found,) = asked(finding("tunnel/t1", "temperature-high", 5 * HOUR_S, grade=3), leak)

    assert told([found]) == [("heat/main", "heating-neighbour", "join", None)]


@pytest.mark.feature("A-8")
def test_drowned_sensors_of_one_basin_are_hidden_behind_the_rain_once_they_are_many() -> None:
    rain = finding("drainage/gauge", "heavy-rain")
    drowned = [
        finding(name, "immersed", 60.0 * i, grade=5)
        for i, name in enumerate(("gas/v1", "water/n1", "sewer/s2"), 1)
    ]

    assert asked(drowned[1], rain, drowned[0]) == []
    (found, *_) = asked(drowned[2], rain, drowned[0], drowned[1])

    assert told([found]) == [("drainage/gauge", "rain-immersion", "suppress", 5)]
    dry = finding("drainage/dry", "immersed", 60, grade=5)
    assert "rain-immersion" not in {c.rule for c in asked(dry, rain, *drowned)}


@pytest.mark.feature("A-8")
def test_low_pressure_is_hidden_behind_the_pump_that_tripped_whichever_was_seen_first() -> None:
    pump = finding("water/pump", "pump-trip", grade=2)
    low = finding("water/n2", "low-supply", 20, grade=3)

    (after,) = asked(low, pump)
    (before,) = asked(pump, low)

    assert told([after]) == [("water/pump", "pump-trip", "suppress", 3)]
    assert told([before]) == [("water/n2", "pump-trip", "suppress", None)]
    assert (after.is_cause, before.is_cause) == (False, True)
    assert asked(finding("water/n2", "low-supply", 300), pump) == []


@pytest.mark.feature("A-8")
def test_an_outlier_under_an_overloaded_lorry_is_its_effect_and_lasting_loss_is_not() -> None:
    lorry = finding("bridge/span", "overload", grade=3, channel="bridge/span/gross-weight")
    outlier = finding("bridge/span", "stiffness-loss", 5, grade=2, detector="robust")

    (found,) = asked(outlier, lorry)

    assert told([found]) == [("bridge/span", "load-effect", "load", 3)]
    assert asked(msgspec.structs.replace(outlier, detector="threshold"), lorry) == []
    assert asked(msgspec.structs.replace(outlier, grade=1), lorry) == []
    assert asked(msgspec.structs.replace(outlier, asset="bridge/span-2"), lorry) == []
    strain = msgspec.structs.replace(lorry, channel="bridge/span/strain")
    assert asked(outlier, strain) == [], "the scale has seen no lorry"
    unknown = msgspec.structs.replace(lorry, channel="bridge/span/nothing")
    assert asked(outlier, unknown) == []


def test_devices_behind_a_silent_gateway_are_hidden_behind_it() -> None:
    gateway = finding("gas/gateway", "gateway-silent", grade=5)

    (found,) = asked(finding("gas/v1", "gateway-silent", 30, grade=5), gateway)

    assert told([found]) == [("gas/gateway", "gateway", "suppress", 5)]
    assert asked(finding("gas/v3", "gateway-silent", 30, grade=5), gateway) == []


def test_a_devices_fault_is_explained_by_the_gateways_before_it_and_by_nothing_else() -> None:
    city = Correlator(CITY, RULES)

    assert city.parents(finding("gas/v1", "gateway-silent")) == ["gas/gateway"]
    assert city.parents(finding("gas/gateway", "gateway-silent")) == []
    assert city.parents(finding("gas/v3", "gateway-silent")) == []


# One network.


def test_one_hazard_so_near_along_the_main_is_one_incident_and_farther_under_frost() -> None:
    near, far = finding("gas/v1", "gas-leak"), finding("gas/v3", "gas-leak")

    (found,) = asked(finding("gas/v2", "gas-leak", 60), near)

    assert (found.reason, found.rule, found.distance_m) == ("network", "network", 100.0)
    assert found.grade is None
    assert asked(finding("gas/v2", "gas-leak", 60), far) == []
    (frozen,) = asked(finding("gas/v2", "gas-leak", 60, contexts=FROZEN), far)
    assert frozen.distance_m == 300.0


def test_the_best_candidate_comes_first_and_the_order_of_asking_does_not_matter() -> None:
    drop = finding("gas/v1", "gas-flow-excess", grade=3)
    well = finding("sewer/s2", "gas-leak")
    methane = finding("sewer/s1", "gas-leak", 600)

    found = asked(methane, well, drop)

    assert [c.rule for c in found] == ["gas-migration", "conduit-migration"]
    assert asked(methane, drop, well) == found


def test_two_of_one_network_without_a_rule_for_the_hazard_stay_apart() -> None:
    assert asked(finding("gas/v2", "cover-moved", 5), finding("gas/v1", "cover-moved")) == []


def test_one_hazard_in_two_lifelines_side_by_side_is_not_one_without_a_rule() -> None:
    bare = msgspec.structs.replace(RULES, rule=())
    seen = finding("water/n1", "gas-leak", 60)

    found = Correlator(CITY, bare).candidates(seen, [incident(finding("gas/v2", "gas-leak"))], 0)

    assert found == []


def test_drills_and_ended_incidents_are_no_candidates_nor_is_the_places_own() -> None:
    near = finding("gas/v1", "gas-leak")
    new = finding("gas/v2", "gas-leak", 60)

    assert asked(msgspec.structs.replace(new, drill=True), near) == []
    assert asked(new, incident(near, phase="closed")) == []
    assert asked(new, incident(near, drill=True)) == []
    assert asked(finding("gas/v1", "gas-leak", 60), near) == []


def test_an_incident_is_as_near_as_its_nearest_alarm() -> None:
    lead = finding("gas/v3", "gas-leak")
    known = incident(lead)
    member = msgspec.structs.replace(
        blank(finding("gas/v1", "gas-leak"), lead.onset_ms), incident=known.id
    )
    own = blank(lead, lead.onset_ms)
    new = finding("gas/v2", "gas-leak", 60)
    city = Correlator(CITY, RULES)

    alone = city.candidates(new, [known], new.at_ms)
    (found,) = city.candidates(new, [known], new.at_ms, members={known.id: [member, own]})

    assert alone == []
    assert (found.incident, found.distance_m) == (known.id, 100.0)


# Reach.


def test_whatever_a_finding_may_join_is_in_its_reach() -> None:
    city = Correlator(CITY, RULES)
    pairs = [
        ("power/p1", "gas-leak", "gas/v1"),
        ("gas/v1", "gas-pressure-low", "power/p1"),
        ("water/n2", "low-supply", "water/pump"),
        ("gas/v1", "immersed", "drainage/gauge"),
        ("gas/v1", "gateway-silent", "gas/gateway"),
        ("gas/gateway", "gateway-silent", "gas/v2"),
        ("bridge/span", "stiffness-loss", "bridge/span"),
        ("water/n1", "burst", "gas/v2"),
    ]

    for asset, hazard, other in pairs:
        reach = city.reach(finding(asset, hazard, detector="robust"))
        assert other in reach
        assert asset in reach


def test_frost_widens_the_reach_and_an_unknown_hazard_reaches_itself_alone() -> None:
    city = Correlator(CITY, RULES)

    assert "gas/v3" not in city.reach(finding("gas/v2", "gas-leak"))
    assert "gas/v3" in city.reach(finding("gas/v2", "gas-leak", contexts=FROZEN))
    assert city.reach(finding("gas/v2", "canary")) == {"gas/v2"}


def test_the_reach_of_a_finding_ends_after_a_few_hundred_assets_the_nearest_ones() -> None:
    names = [f"w{i:04}" for i in range(1500)]
    source = Source(
        lifeline=Lifeline("gas"),
        zone=(Zone("z"),),
        asset=tuple(Asset(name, "z") for name in names),
        link=tuple(Link("w0000", name, kind="gas-main", length_m=i / 20) for i, name in
                   enumerate(names[1:], 1)),
    )  # fmt: skip
    city = Correlator(Catalog(compile_catalog([source])), RULES)
    seen = msgspec.structs.replace(
        finding("gas/v1", "gas-leak"), asset="w0000", zone="z", lifeline="gas"
    )

    assert city.reach(seen) == {*names[: correlate.REACH_MAX]}


def test_only_so_many_reaches_are_remembered() -> None:
    city = Correlator(CITY, RULES)

    for number in range(correlate.REACHES_MAX + 5):
        city.reach(finding("gas/v1", "gas-leak", channel=f"gas/v1/c{number}"))

    assert len(city._reaches) == correlate.REACHES_MAX
