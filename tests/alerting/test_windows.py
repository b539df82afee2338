"""Windows: maintenance, calibration, common cause suppress; a watch after work sharpens."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from alerting.policy import Policy, Treatment, policy_of
from alerting.slices import Record
from alerting.windows import Check, Window
from lifeline.catalog import Rule, parse_source
from lifeline.grades import GRADING
from lifeline.life import Life
from lifeline.model import Finding, Quality
from tests.alerting.scene import AT_ONCE, T0, Scene, ack, cleared, raised

LIFELINES = Path(__file__).parents[2] / "deploy" / "lifelines"


def window(kind: Any = "maintenance", until_s: float = 1000, **more: Any) -> Window:
    fields = {"zone": "gas/heping", "from_ms": T0, "until_ms": T0 + round(until_s * 1000), **more}
    return Window(id="w1", kind=kind, author="", reason="valve works", **fields)


def opened(scene: Scene, second: float = 0, **more: Any) -> str:
    return scene.do(second, "open-window", opening=window(**more))


@pytest.mark.feature("A-1")
def test_maintenance_suppresses_records_counts_and_shows_what_still_stands() -> None:
    scene = Scene()
    opened(scene)
    silent = scene.play([(10, raised(10)), (20, cleared(20, onset_s=10)), (30, raised(30))])
    during = (scene.state(), scene.alarm().hidden_raises, scene.slice.windows["w1"].hidden)

    shown = scene.play([], until_s=1000)

    assert silent == []
    assert during == ("suppressed", 2, 2)
    assert shown == [(1000, "1:opened>open", "tell alert opened 2")]
    assert scene.state() == "unacknowledged"
    assert scene.called[-1] == (1000, "first 2")
    assert scene.recorded() == ["window-opened", "suppressed", "shown", "opened", "window-ended"]
    assert scene.slice.windows["w1"].ended_by == "router"


def test_what_has_gone_when_the_window_ends_is_normal() -> None:
    scene = Scene()
    opened(scene)
    scene.play([(10, raised(10)), (20, cleared(20, onset_s=10))])

    assert scene.do(30, "end-window", window="w1") == "window-ended"
    assert scene.state() == "normal"
    assert scene.play([(40, raised(40))]) == [(40, "1:opened>open", "tell alert opened 2")]


def test_a_window_never_hides_what_already_waits_for_people() -> None:
    scene = Scene()
    scene.play([(0, raised(0))])
    opened(scene, 1)

    seen = scene.play([(10, cleared(10)), (20, raised(20))])

    assert [row[1] for row in seen] == ["1:returned>open", "1:reopened>open"]


@pytest.mark.feature("A-12")
def test_a_window_keeps_quiet_what_an_officer_watches_and_it_cannot_be_closed_over_it() -> None:
    scene = Scene()
    scene.play([(0, raised(0)), (1, ack()), (2, cleared(2))])
    opened(scene, 3)

    seen = scene.play([(20, raised(20))])
    refused = scene.do(
        21, "close", incident=scene.newest().id, note="n", verdict="true", code="leak"
    )
    shown = scene.play([], until_s=1000)

    assert seen == [(20, "1:stirred>acknowledged")]
    assert refused == "active"
    assert shown == [(1000, "1:surfaced>open", "tell surfaced 2")]


@pytest.mark.parametrize(
    "other",
    [{"zone": "gas/else"}, {"assets": ("gas/well-9",)}, {"rules": ("gas.ch4.50",)}],
)
def test_a_window_is_about_what_it_names(other: dict[str, Any]) -> None:
    scene = Scene()
    opened(scene, **other)

    assert scene.play([(10, raised(10))]) == [(10, "1:opened>open", "tell alert opened 2")]


def test_what_a_window_does_not_name_shows_the_alarm_that_it_hides() -> None:
    scene = Scene()
    opened(scene, rules=("gas.ch4",))
    scene.play([(10, raised(10))])

    seen = scene.play([(20, raised(20, rule="gas.ch4.50", grade=1))])

    assert seen == [(20, "1:opened>open", "tell alert opened 1")]
    assert scene.state() == "unacknowledged"


@pytest.mark.feature("A-1")
@pytest.mark.parametrize(
    ("is_declared", "quality", "is_hidden"),
    [
        (True, Quality.TEST_GAS, True),
        (True, 0, False),
        (False, Quality.TEST_GAS, False),
    ],
)
def test_test_gas_needs_both_the_mark_and_a_declared_calibration(
    *, is_declared: bool, quality: int, is_hidden: bool
) -> None:
    scene = Scene()
    if is_declared:
        opened(scene, kind="calibration")

    seen = scene.play([(10, raised(10, quality=quality))])

    assert (seen == []) == is_hidden


def test_what_happened_outside_the_window_is_not_hidden_however_late_it_is_heard() -> None:
    scene = Scene()
    opened(scene, from_ms=T0 + 100_000)

    early = {"onset_s": 50, "at_ms": T0 + 50_000, "lane": "late"}
    assert scene.play([(110, raised(110, **early))]) == [
        (110, "1:opened>open", "tell alert opened 2")
    ]


def test_a_window_is_opened_with_reason_end_and_limit() -> None:
    scene = Scene(Policy(treatments={"gas.ch4": Treatment(is_managed=True)}))
    said = [
        scene.do(1, "open-window"),
        opened(scene, 1, kind="common-cause"),
        scene.do(1, "open-window", opening=Window(
            id="w2", kind="maintenance", author="", reason=" ", zone="z", from_ms=T0,
            until_ms=T0 + 9_000,
        )),
        opened(scene, 2000),
        opened(scene, 1, until_s=72 * 3600 + 2),
        opened(scene, 1),
        opened(scene, 1, rules=("other",)),
        opened(scene, 1, rules=("other",)),
    ]  # fmt: skip
    said += [
        scene.do(2, "end-window", window="nothing"),
        scene.do(2, "end-window", window="w1"),
        scene.do(3, "end-window", window="w1"),
    ]

    assert said == [
        "unknown-window", "unknown-window", "needs-note", "needs-end", "too-long", "proposed",
        "window-opened", "unknown-window", "unknown-window", "window-ended", "unknown-window",
    ]  # fmt: skip


@pytest.mark.feature("A-11")
def test_who_hides_managed_alarms_by_a_window_needs_a_second_person() -> None:
    scene = Scene(Policy(treatments={"gas.ch4": Treatment(is_managed=True)}))
    opened(scene, 1)
    proposal = next(iter(scene.slice.proposals))

    assert scene.do(2, "approve", proposal=proposal, actor="wang") == "window-opened"
    lines = [e for e in scene.effects if isinstance(e, Record)]
    assert [(str(r.reason), r.actor, r.second) for r in lines] == [
        ("proposed", "li", ""),
        ("window-opened", "li", "wang"),
    ]


@pytest.mark.feature("A-11")
def test_a_window_where_no_managed_rule_judges_anything_takes_one_person() -> None:
    managed = {"gas.ch4": Treatment(is_managed=True)}
    codes = {}
    for rule in ("gas.ch4", "water.flow"):
        policy = Policy(treatments=managed, rules_in=lambda _zone, rule=rule: frozenset((rule,)))
        codes[rule] = opened(Scene(policy), 1)

    assert codes == {"gas.ch4": "proposed", "water.flow": "window-opened"}


@pytest.mark.feature("A-13")
def test_a_watch_after_work_sharpens_until_its_checks_are_ticked() -> None:
    scene = Scene()
    opened(
        scene,
        kind="work-watch",
        work="WO-7",
        factor=0.5,
        checks=(Check("odour round"), Check("pressure held")),
    )
    seen = scene.play([(10, raised(10, grade=3))])
    reminded = [row for row in scene.called if row[1].startswith("first")]
    scene.play([], until_s=10 + 60)
    said = [
        scene.do(80, "end-window", window="w1"),
        scene.do(81, "check", window="w1", check="odour round"),
        scene.do(82, "check", window="w1", check="odour round"),
        scene.do(83, "check", window="w1", check="nothing"),
    ]
    overdue = scene.play(
        [(1200, raised(1200, channel="gas/well-1/b", asset="gas/well-2", grade=3))]
    )
    said += [
        scene.do(1300, "check", window="w1", check="pressure held", note="0.2 MPa"),
        scene.do(1301, "end-window", window="w1"),
    ]
    after = scene.play([(1400, raised(1400, channel="c", asset="gas/well-3", grade=3))])

    assert seen == [(10, "1:opened>open", "tell alert opened 2")]
    assert reminded == [(10, "first 2")]
    assert (70, "remind 2") in scene.called, "at half of grade 2's two minutes"
    assert said == [
        "unchecked", "checked", "no-such-check", "no-such-check", "checked", "window-ended",
    ]  # fmt: skip
    assert overdue == [(1200, "1:opened>open", "tell alert opened 2")]
    assert "window-overdue" in scene.recorded()
    assert after == [(1400, "1:opened>open", "tell alert opened 3")]


def test_a_watch_whose_checks_are_done_ends_by_itself() -> None:
    scene = Scene()
    opened(scene, kind="work-watch", checks=(Check("odour round"),))
    scene.do(1, "check", window="w1", check="odour round")

    scene.play([], until_s=1000)

    assert scene.slice.windows["w1"].ended_ms == T0 + 1_000_000


def test_a_watch_leaves_devices_and_the_gravest_as_they_are() -> None:
    scene = Scene()
    opened(scene, kind="work-watch", rules=("gas.ch4", "r5"))

    fault = {"grade": 5, "rule": "r5", "hazard": "sensor-fault"}
    seen = scene.play([(1, raised(1, grade=1)), (2, raised(2, **fault))])

    assert [row[2] for row in seen] == ["tell alert opened 1", "tell alert opened 5"]
    elsewhere = {"rule": "other", "channel": "d", "asset": "gas/well-4", "grade": 3}
    assert scene.play([(3, raised(3, **elsewhere))])[0][2] == "tell alert opened 3"


FAULT: dict[str, Any] = {"grade": 5, "detector": "silence", "rule": "silent"}
GATEWAY = {**FAULT, "hazard": "gateway-silent", "asset": "gw-1", "channel": "gw-1/online"}
CHILD = {**FAULT, "hazard": "gateway-silent", "asset": "gas/well-1", "channel": "well-1/online"}


def parents(finding: Finding) -> tuple[str, ...]:
    return ("gw-1",) if finding.asset.startswith("gas/") else ()


@pytest.mark.feature("A-1", "A-8")
def test_a_gateways_fault_hides_its_childrens_until_it_returns() -> None:
    scene = Scene(Policy(life=AT_ONCE.life, parents=parents))
    quiet = {**CHILD, "asset": "gas/well-2", "channel": "well-2/online"}
    seen = scene.play(
        [
            (0, raised(0, name="gw", **GATEWAY)),
            (1, raised(1, name="a", **CHILD)),
            (2, raised(2, name="b", **quiet)),
            (3, cleared(3, onset_s=2, name="b", **quiet)),
            (4, raised(4, grade=1)),
        ]
    )
    hidden = [a.state for a in scene.slice.alarms.values() if a.detector == "silence"]

    after = scene.play([(50, cleared(50, name="gw", **GATEWAY))], until_s=51)

    assert [row[1] for row in seen] == ["1:opened>open", "1:opened>open"], "the leak is no fault"
    assert hidden == ["unacknowledged", "suppressed", "suppressed"]
    assert after == [
        (50, "1:returned>open", "tell returned 5"),
        (50, "1:opened>open", "tell alert opened 5"),
    ]
    (cause,) = scene.slice.windows.values()
    assert (cause.kind, cause.author, cause.hidden) == ("common-cause", "router", 2)


def test_a_common_cause_that_comes_back_hides_again() -> None:
    scene = Scene(Policy(life=AT_ONCE.life, parents=parents))
    scene.play([(0, raised(0, name="gw", **GATEWAY)), (1, raised(1, name="a", **CHILD))])
    scene.play([(20, cleared(20, name="gw", **GATEWAY)), (21, cleared(21, name="a", **CHILD))])

    scene.play(
        [
            (100, raised(100, name="gw2", **GATEWAY)),
            (101, raised(101, name="a2", **{**CHILD, "asset": "gas/well-3", "channel": "x"})),
        ]
    )

    assert scene.alarm("x").state == "suppressed"


def test_a_parent_whose_fault_is_itself_out_of_sight_explains_nothing() -> None:
    scene = Scene(Policy(life=AT_ONCE.life, parents=parents))
    scene.play([(0, raised(0, name="gw", **GATEWAY))])
    scene.do(1, "shelve", alarm=scene.alarm("gw-1/online").key, note="n", until_ms=T0 + 60_000)

    assert scene.play([(2, raised(2, name="a", **CHILD))]) == [
        (2, "1:opened>open", "tell alert opened 5")
    ]


def test_a_window_shows_what_it_hid_and_not_what_a_person_of_its_name_shelved() -> None:
    scene = Scene()
    scene.play([(0, raised(0)), (1, ack())])
    key = scene.alarm().key
    scene.do(2, "shelve", alarm=key, note="n", until_ms=T0 + 600_000, actor="w1")
    opened(scene, 3)

    scene.do(4, "end-window", window="w1")

    assert scene.state() == "shelved"


@pytest.mark.feature("A-11")
def test_of_the_shipped_rules_those_on_which_lives_depend_take_two() -> None:
    shipped = [
        rule
        for file in ("gas.toml", "bridge.toml")
        for rule in parse_source(file, tomllib.loads((LIFELINES / file).read_text("utf-8"))).rule
    ]
    forgotten = Rule("r", "gas-leak", 1, {"kind": "threshold"})

    treatments = policy_of(GRADING, Life(), [*shipped, forgotten]).treatments

    managed = {name for name, treatment in treatments.items() if treatment.is_managed}
    assert {"r", "gas.ch4.critical", "gas.ch4.major", "bridge.strain.live"} <= managed
    assert "gas.ch4.stuck" not in managed
