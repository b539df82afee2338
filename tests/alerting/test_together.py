"""Hypotheses as the desk lives them: one incident, told at the grade that they make together."""

import tomllib
from pathlib import Path

import msgspec
import pytest

from alerting import engine
from alerting.correlate import Correlator
from alerting.incidents import Incident
from alerting.policy import Policy
from alerting.rulegraph import parse_rules
from alerting.slices import Join, Record, Slice, Tell
from lifeline.model import Finding
from tests.alerting.city import CITY, finding

SHIPPED = Path("deploy/correlation.toml")
KNOWER = Correlator(
    CITY, parse_rules(str(SHIPPED), tomllib.loads(SHIPPED.read_text(encoding="utf-8")))
)
POLICY = Policy(correlator=KNOWER, parents=KNOWER.parents)


def live(*found: Finding) -> tuple[list[Incident], list[tuple[str, str, int]], Slice, list[object]]:
    """Incidents, what was told (asset, reason, grade), the state and all effects."""
    slice_, effects = Slice(), []
    for one in found:
        effects += engine.step(slice_, one, one.at_ms, POLICY)
    told = [
        (e.finding.asset, str(e.reason), e.finding.grade) for e in effects if isinstance(e, Tell)
    ]
    return list(slice_.incidents.values()), told, slice_, effects


@pytest.mark.feature("A-8")
def test_methane_in_a_power_well_after_a_pressure_drop_is_one_incident_of_the_top_grade() -> None:
    drop = finding("gas/v1", "gas-pressure-low", grade=3)
    methane = finding("power/p1", "gas-leak", 3600, grade=2)

    incidents, told, _, effects = live(drop, methane)

    (one,) = incidents
    assert (one.grade, one.first_ms) == (1, drop.onset_ms)
    assert told == [("gas/v1", "opened", 3), ("power/p1", "worsened", 1)]
    (first, joined) = [e for e in effects if isinstance(e, Join)]
    assert joined.incident == first.incident
    assert joined.reason == "joined-rule"
    lines = [e.note for e in effects if isinstance(e, Record) and "gas-migration" in e.note]
    assert lines
    assert "管道天然气" in lines[0]


def test_the_other_way_round_it_is_the_same_incident_and_the_same_grade() -> None:
    methane = finding("power/p1", "gas-leak", grade=2)
    drop = finding("gas/v1", "gas-pressure-low", 600, grade=3)

    incidents, told, _, _ = live(methane, drop)

    assert [(one.asset, one.grade) for one in incidents] == [("power/p1", 1)]
    assert told[-1][1:] == ("worsened", 1)


def test_biogas_reaches_the_desk_a_grade_less_grave_and_without_its_sign_it_does_not() -> None:
    level = finding("sewer/s1", "sewage-level-fall", grade=4)
    methane = finding("sewer/s1", "gas-leak", 1800, grade=2)

    incidents, told, _, _ = live(level, methane)

    assert [one.grade for one in incidents] == [3]
    assert told[-1] == ("sewer/s1", "worsened", 3)
    assert live(methane)[1] == [("sewer/s1", "opened", 2)]


def test_low_pressure_behind_a_tripped_pump_calls_nobody_a_second_time() -> None:
    pump = finding("water/pump", "pump-trip", grade=2)
    low = [finding(f"water/n{n}", "low-supply", 10 * n, grade=2) for n in (1, 2)]

    incidents, told, slice_, _ = live(pump, *low)

    assert [(one.asset, one.first_ms) for one in incidents] == [("water/pump", pump.onset_ms)]
    assert told == [("water/pump", "opened", 2)]
    assert len(slice_.members(incidents[0].id)) == 3, "nothing is dropped"


def test_an_outlier_under_a_lorry_does_not_make_the_incident_graver() -> None:
    lorry = finding("bridge/span", "overload", grade=3, channel="bridge/span/gross-weight")
    outlier = finding(
        "bridge/span", "stiffness-loss", 5, detector="robust", channel="bridge/span/strain"
    )

    incidents, told, _, _ = live(lorry, outlier)

    assert [(one.hazard, one.grade) for one in incidents] == [("overload", 3)]
    assert len(told) == 1


def test_a_leak_that_spreads_along_the_main_is_one_incident() -> None:
    leaks = [finding("gas/v1", "gas-leak"), finding("gas/v2", "gas-leak", 600)]

    incidents, _, _, effects = live(*leaks)

    assert len(incidents) == 1
    assert [e.reason for e in effects if isinstance(e, Join)] == ["opened", "joined-network"]


def test_a_device_behind_a_silent_gateway_is_out_of_sight_and_kept() -> None:
    gateway = finding("gas/gateway", "gateway-silent", grade=5)
    behind = finding("gas/v1", "gateway-silent", 30, grade=5)

    incidents, told, slice_, _ = live(gateway, behind)

    assert [one.asset for one in incidents] == ["gas/gateway"]
    assert len(told) == 1
    assert {a.asset: a.state for a in slice_.alarms.values()} == {
        "gas/gateway": "unacknowledged",
        "gas/v1": "suppressed",
    }


@pytest.mark.parametrize("drills", [(True, False), (False, True)])
def test_a_drill_and_a_real_leak_side_by_side_are_two_incidents(
    drills: tuple[bool, bool],
) -> None:
    pair = [
        msgspec.structs.replace(one, drill=drill)
        for one, drill in zip(
            (finding("gas/v1", "gas-leak"), finding("gas/v2", "gas-leak", 5)), drills, strict=True
        )
    ]

    assert len(live(*pair)[0]) == 2


@pytest.mark.feature("E-7")
def test_a_warning_of_frost_switches_on_what_the_gas_rules_ask_for() -> None:
    tables = tomllib.loads(Path("deploy/exchange/warnings.toml").read_text(encoding="utf-8"))
    (frost,) = [one for one in tables["regime"] if "frost" in one["events"]]

    # Findings carry the kinds of the contexts that held, and a regime's kind is its name.
    plain, frozen = (
        KNOWER.connected("gas/v1", "gas-leak", finding("gas/v1", "gas-leak", contexts=held))
        for held in ((), (frost["regime"],))
    )
    assert {*frozen} > {*plain}
    assert "gas" in frost["lifelines"]
