"""Risk, search words and floods beside the engine."""

import msgspec

from alerting.alarms import Alarm
from alerting.board.sight import Floods, assess, found_by
from alerting.incidents import Incident
from alerting.risk import Weights
from alerting.topology import Topology
from tests.alerting.scene import T0, finding
from tests.integration.console_rig import WELL, city


def incident(asset: str = WELL) -> Incident:
    lead = finding(asset=asset, channel=f"{asset}/ch4", confidence=0.5)
    return Incident(
        id="i", asset=asset, hazard="gas-leak", drill=False, episode=1, phase="open",
        zone="gas/heping", lifeline="gas", grade=2, told=2, lane="live", lead=lead, onset_ms=T0,
        opened_ms=T0, updated_ms=T0, is_active=True,
    )  # fmt: skip


def alarm(key: str, second: float, **changes: object) -> Alarm:
    base = Alarm(
        key=key, channel="c", detector="threshold", hazard="gas-leak", zone="gas/heping",
        asset=WELL, lifeline="gas", drill=False, state="unacknowledged", grade=2,
        since_ms=T0 + round(second * 1000), incident="i", revision=1,
        active_ms=T0 + round(second * 1000),
    )  # fmt: skip
    return msgspec.structs.replace(base, **changes)


def test_an_incident_is_found_by_what_it_is_called_in_either_language() -> None:
    words = found_by(Topology(city()), incident())

    for text in ("阀井一", "Well one", "和平", "Heping", "燃气泄漏", "Gas leak", f"{WELL}/ch4"):
        assert text in words
    assert "gone" in found_by(Topology(city()), incident("gone"))


def test_the_risk_of_an_incident_is_more_where_more_alarms_agree() -> None:
    topology = Topology(city())

    alone = assess(topology, Weights(), incident(), [alarm("a", 0)])
    agreed = assess(topology, Weights(), incident(), [alarm("a", 0), alarm("b", 1, channel="d")])

    assert agreed.score > alone.score


def test_eleven_alarms_in_ten_minutes_are_a_flood_until_they_are_few_again() -> None:
    floods = Floods(Topology(city()), lambda _, zone: zone.split("/")[0], {"i": 55.0})
    raised = [alarm(f"a{n}", n) for n in range(11)]

    floods.take(raised)
    floods.take(raised)
    once = floods.views(T0 + 20_000)["gas"]
    floods.take([alarm("a0", 30, state="normal", revision=2, active_ms=None)])
    floods.take([alarm("a1", 31, revision=2, active_ms=T0 + 1000)])
    later = floods.views(T0 + 20 * 60_000)["gas"]

    assert once.is_flood
    assert sum(len(group.standing) for group in once.groups) == 11
    assert once.highest is not None
    assert once.highest.risk == 55.0
    assert not later.is_flood
    assert len(later.single) == 10
