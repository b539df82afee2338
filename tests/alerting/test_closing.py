"""What connected sensors say before an incident closes: fresh, within limits, for the set time."""

from typing import Any

import msgspec
import pytest

from alerting import witnesses
from alerting.closing import SENSORS_MAX, Sensors
from alerting.correlate import Correlator
from alerting.handling import detailed
from alerting.incidents import Reason
from alerting.policy import Policy
from alerting.rulegraph import Network, Rules
from alerting.slices import Record
from alerting.witnesses import Objection, Sensor, Witness, named
from lifeline import words
from lifeline.catalog import (
    Catalog,
    Channel,
    DeviceEntry,
    Group,
    Lifeline,
    Limit,
    Rule,
    Source,
)
from lifeline.compiler import compile_catalog
from lifeline.life import Life
from lifeline.network import Asset, Link, Zone
from tests.alerting.scene import T0, Scene, ack, cleared, close, raised

ZONE = "gas/heping"
WELLS = ("gas/well-1", "gas/well-2", "gas/well-3")


def device(asset: str, *locals_: str, interval_s: float = 60.0) -> DeviceEntry:
    channels = tuple(Channel(q, q, "%LEL", 0.0, 100.0, interval_s=interval_s) for q in locals_)
    return DeviceEntry(f"d-{asset.split('/')[1]}", ZONE, asset, channel=channels)


CITY = Catalog(
    compile_catalog(
        [
            Source(
                lifeline=Lifeline("gas"),
                zone=(Zone(ZONE),),
                asset=tuple(Asset(name, ZONE, "valve-well") for name in (*WELLS, "sewer/s")),
                device=(
                    device("gas/well-1", "ch4", "o2"),
                    device("gas/well-2", "ch4", interval_s=1800.0),
                    device("gas/well-3", "ch4"),
                    device("sewer/s", "tilt", "a", "b"),
                ),
                limit=(Limit("gas.ch4.alarm", 20.0, "%LEL"), Limit("gas.o2.low", 5.0, "%LEL")),
                rule=(
                    Rule("gas.ch4", "gas-leak", 2, {"kind": "threshold"}, "ch4",
                         limit="gas.ch4.alarm"),
                    Rule("gas.o2", "gas-leak", 2, {"kind": "threshold", "side": "below"}, "o2",
                         limit="gas.o2.low"),
                    Rule("cover", "cover-moved", 3, {"kind": "flatline"}, "tilt"),
                    Rule("pair", "gas-composition", 3, {"kind": "half_space"}, groups=("duo",)),
                ),
                group=(Group("duo", ZONE, ("sewer/s/a", "sewer/s/b"), asset="sewer/s"),),
                link=(
                    Link("gas/well-1", "gas/well-2", kind="gas-main", length_m=90.0),
                    Link("gas/well-2", "gas/well-3", kind="gas-main", length_m=90.0),
                    Link("gas/well-1", "sewer/s", kind="adjacency", length_m=9.0),
                ),
            )
        ]
    )
)  # fmt: skip
RULES = Rules(
    network=(
        Network(
            ("gas-leak", "gas-composition"), 120.0, 86400.0,
            kinds=("gas-main", "adjacency"), factors={"frozen-ground": 2.0},
        ),
    )
)  # fmt: skip
SENSORS = Sensors(Correlator(CITY, RULES))
OWN, NEAR, FAR = (f"{well}/ch4" for well in WELLS)
GAS = frozenset(("gas-leak", "gas-composition"))
ASKED = (OWN, "gas/well-1/o2", NEAR, "sewer/s/a", "sewer/s/b")


class Desk(Scene):
    """A desk whose closures ask the connected sensors."""

    def __init__(self, quiet_s: float = 60.0, sensors: Any = SENSORS.of) -> None:
        super().__init__(Policy(life=Life(quiet_s=quiet_s), sensors=sensors))

    def say(self, second: float, *silent: str, **said: Witness) -> None:
        """Every asked sensor has said at that second that all is well, but for these."""
        well = Witness(T0 + round(second * 1000), 9.0, 9.0)
        self.slice.witnesses = {name: well for name in ASKED if name not in silent}
        self.slice.witnesses |= said

    def calm(self) -> None:
        """An incident that nothing stands against but what its sensors say, from second 30."""
        self.play([(0, raised(0)), (10, ack()), (30, cleared(30))])


@pytest.mark.feature("A-12")
def test_a_connected_well_that_never_alarmed_and_is_silent_keeps_the_incident_open() -> None:
    desk = Desk()
    desk.calm()
    desk.say(99, NEAR)

    silent = desk.do(100, "close", note="aired", verdict="true", code="leak")
    desk.say(100)
    heard = desk.do(101, "close", note="aired", verdict="true", code="leak")

    assert (silent, heard) == ("silent", "closed")
    assert not desk.newest().overridden


@pytest.mark.feature("A-12")
def test_a_value_from_before_the_incident_is_no_evidence_and_an_old_one_is_none_either() -> None:
    desk = Desk()
    desk.calm()
    desk.say(200)
    early, late = Witness(T0 - 1000, 0.0, 0.0), Witness(T0 + 1000, 0.0, 0.0)

    desk.slice.witnesses[NEAR] = early
    before = desk.do(201, "close", note="aired", verdict="true", code="leak")
    desk.slice.witnesses[NEAR] = late
    slow = desk.do(3000, "close", note="aired", verdict="true", code="leak")
    desk.say(3000)
    desk.slice.witnesses[NEAR] = late
    in_time = desk.do(3001, "close", note="aired", verdict="true", code="leak")

    assert before == "silent"
    assert slow == "silent", "the well's own minute sensors have said nothing for long"
    assert in_time == "closed", "a sensor that speaks every half hour may be an hour and a half old"


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        (NEAR, Witness(T0 + 99_000, 1.0, 20.0)),
        ("gas/well-1/o2", Witness(T0 + 99_000, 5.0, 20.9)),
        ("sewer/s/a", Witness(T0 + 99_000, 1.0, 1.0, ("gas-composition",))),
    ],
)
def test_a_sensor_beyond_its_limit_within_the_set_time_or_in_alarm_keeps_it_open(
    channel: str, said: Witness
) -> None:
    desk = Desk()
    desk.calm()
    desk.say(99, **{channel: said})
    desk.slice.witnesses[NEAR] = (
        said if channel == NEAR else Witness(T0 + 99_000, 9.0, 9.0, ("cover-moved",))
    )

    assert desk.do(100, "close", note="aired", verdict="true", code="leak") == "beyond"


def test_what_is_nearer_to_see_is_said_first_and_all_of_it_is_written_down() -> None:
    desk = Desk()
    desk.play([(0, raised(0)), (10, ack())])
    active = desk.do(20, "close", note="x", verdict="true", code="leak")
    desk.play([(30, cleared(30))])
    desk.say(40, NEAR, **{OWN: Witness(T0 + 40_000, 0.0, 30.0)})
    silent = desk.do(40, "close", note="x", verdict="true", code="leak")
    desk.say(41, **{OWN: Witness(T0 + 41_000, 0.0, 30.0)})
    soon = desk.do(41, "close", note="x", verdict="true", code="leak")

    assert (active, silent, soon) == ("active", "silent", "not-calm")


@pytest.mark.feature("A-12")
def test_over_a_silent_sensor_only_two_close_and_it_is_marked_and_written_for_ever() -> None:
    desk = Desk()
    desk.calm()
    desk.say(99, NEAR)
    asked = desk.do(100, "close", note="well filled in", verdict="true", code="leak", override=True)
    (proposal,) = desk.slice.proposals
    same = desk.do(101, "approve", proposal=proposal)

    done = desk.do(102, "approve", proposal=proposal, actor="boss")

    assert (asked, same, done) == ("proposed", "same-person", "closed-active")
    incident = desk.newest()
    assert (incident.overridden, incident.second) == (True, "boss")
    line = next(e for e in desk.effects if isinstance(e, Record) and e.reason == "closed-active")
    assert line.detail == f"silent: {NEAR} (nothing usable of late)"


def test_the_same_network_is_asked_farther_under_frozen_ground() -> None:
    desk = Desk()
    desk.play([(0, raised(0, contexts=("frozen-ground",)))])

    asked = SENSORS.of(desk.newest(), desk.slice.members(desk.newest().id))

    assert [one.channel for one in asked] == sorted([*ASKED, FAR])


def test_each_sensor_is_asked_with_its_own_limits_and_its_own_patience() -> None:
    desk = Desk()
    desk.play([(0, raised(0))])

    asked = SENSORS.of(desk.newest(), desk.slice.members(desk.newest().id))

    assert asked == [
        Sensor(OWN, "%LEL", 180.0, 20.0, None, GAS),
        Sensor("gas/well-1/o2", "%LEL", 180.0, None, 5.0, GAS),
        Sensor(NEAR, "%LEL", 5400.0, 20.0, None, GAS),
        Sensor("sewer/s/a", "%LEL", 180.0, None, None, GAS),
        Sensor("sewer/s/b", "%LEL", 180.0, None, None, GAS),
    ]


def test_an_alarm_of_another_place_is_asked_by_its_own_channel_and_a_group_by_all_of_its() -> None:
    desk = Desk(sensors=None)
    cover = {"hazard": "cover-moved", "detector": "flatline", "asset": "elsewhere", "grade": 3}
    desk.play(
        [
            (0, raised(0, channel="sewer/s/tilt", **cover)),
            (1, raised(1, channel="gone/x", rule="r2", **cover)),
            (2, raised(2, channel="duo", rule="r3", **cover)),
        ]
    )

    asked = SENSORS.of(desk.newest(), desk.slice.members(desk.newest().id))

    assert [one.channel for one in asked] == ["sewer/s/a", "sewer/s/b", "sewer/s/tilt"]


@pytest.mark.parametrize("fields", [{"drill": True}, {"hazard": "gateway-silent"}])
def test_of_an_exercise_and_of_a_devices_own_fault_no_sensor_is_asked(fields: Any) -> None:
    desk = Desk()
    desk.play([(0, raised(0, **fields))])

    assert SENSORS.of(desk.newest(), desk.slice.members(desk.newest().id)) == []


def test_a_device_fault_among_the_alarms_asks_nothing_of_its_own() -> None:
    desk = Desk()
    desk.play([(0, raised(0))])
    fault = desk.alarm()
    members = [*desk.slice.members(desk.newest().id)]
    members.append(
        msgspec.structs.replace(
            fault, key="f", hazard="sensor-fault", channel=FAR, asset="gas/well-3"
        )
    )

    assert [one.channel for one in SENSORS.of(desk.newest(), members)] == sorted(ASKED)


def test_of_a_thousand_sensors_the_nearest_are_asked() -> None:
    many = tuple(f"c{n:04}" for n in range(SENSORS_MAX + 50))
    city = Catalog(
        compile_catalog(
            [
                Source(
                    lifeline=Lifeline("gas"),
                    zone=(Zone(ZONE),),
                    asset=(Asset("gas/well-1", ZONE),),
                    device=(
                        DeviceEntry(
                            "d", ZONE, "gas/well-1",
                            channel=tuple(Channel(c, "ch4", "1", 0.0, 1.0) for c in many),
                        ),
                    ),
                    rule=(Rule("g", "gas-leak", 2, {"kind": "flatline"}, "ch4"),),
                )
            ]
        )
    )  # fmt: skip
    desk = Desk()
    desk.play([(0, raised(0))])

    asked = Sensors(Correlator(city, Rules())).of(desk.newest(), [])

    assert len(asked) == SENSORS_MAX


def test_a_refusal_names_the_sensors_in_both_languages_and_counts_the_rest() -> None:
    found = [
        Objection("a", "silent"),
        Objection("b", "silent", newest_ms=T0 - 35 * 60_000),
        Objection("c", "beyond", "%LEL", T0, 23.4),
        Objection("d", "beyond", "%LEL", T0),
        *[Objection(name, "silent") for name in ("e", "f", "g")],
    ]

    assert named(found[:4], T0, "zh") == (
        "a（近期没有可用数据）、b（已 35 分钟没有新数据）、c（23.4 %LEL，仍超限）、d（仍在报警）"
    )
    assert named(found, T0, "en").endswith("e (nothing usable of late), 2 more")
    assert named([], T0, "en") == ""
    assert words.refusal("silent", "zh") == "相连的传感器没有新数据，不足为据，不能关闭。"
    assert detailed({}) == ""
    assert detailed({Reason.ACTIVE: "k", Reason.NOT_CALM: ""}) == "active: k; not-calm"
    assert witnesses.NOBODY.newest_ms is None


def test_an_incident_closes_without_any_sensor_where_none_is_connected() -> None:
    desk = Desk(sensors=lambda _incident, _members: ())

    seen = desk.play([(0, raised(0)), (10, ack()), (30, cleared(30)), (100, close())])

    assert seen[-1] == (100, "1:closed>closed", "tell closed 2")


def test_a_zone_is_judged_by_the_rules_of_its_channels_and_of_its_groups() -> None:
    assert SENSORS.rules_in(ZONE) == {"gas.ch4", "gas.o2", "cover", "pair"}
    assert SENSORS.rules_in("water/elsewhere") == frozenset()
