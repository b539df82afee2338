"""What belongs together: joined by the network, by a rule, by hand; and taken apart again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from alerting.incidents import Incident
from alerting.policy import Candidate, Policy
from alerting.slices import Join, Record, Tell
from lifeline.model import Finding
from tests.alerting.scene import AT_ONCE, T0, Scene, ack, cleared, close, raised

OTHER: dict[str, Any] = {"asset": "gas/well-2", "channel": "gas/well-2/ch4"}
MAIN: dict[str, Any] = {
    "asset": "gas/main-1", "channel": "gas/main-1/flow", "hazard": "pressure-drop", "grade": 3,
}  # fmt: skip


@dataclass
class Street:
    """Whatever is open within the street belongs to the first incident of it."""

    grade: int | None = None

    def reach(self, finding: Finding) -> frozenset[str]:
        return frozenset(("gas/well-1", "gas/well-2", "gas/main-1"))

    def candidates(
        self, finding: Finding, open_incidents: Sequence[Incident], now_ms: int, **_: Any
    ) -> list[Candidate]:
        reason: Any = "network" if finding.hazard == "gas-leak" else "rule"
        return [
            Candidate(one.id, reason, "street", 12.0, "migration", self.grade)
            for one in open_incidents
            if one.asset != "gas/main-1"
        ][:1]


def street(grade: int | None = None) -> Scene:
    return Scene(Policy(life=AT_ONCE.life, correlator=Street(grade)))


def two() -> tuple[Scene, str, str]:
    """Leaks in two wells, each in an incident of its own, the first one acknowledged."""
    scene = Scene()
    scene.play([(0, raised(0)), (5, ack()), (10, raised(10, **OTHER))])
    first, second = scene.slice.incidents
    return scene, first, second


@pytest.mark.feature("A-2", "A-8")
def test_an_alarm_joins_along_the_network_and_says_why() -> None:
    scene = street()

    seen = scene.play([(0, raised(0)), (5, ack()), (10, raised(10, **OTHER))])

    assert seen[2:] == [(10, "1:joined-network>acknowledged")]
    join = [e for e in scene.effects if isinstance(e, Join)][-1]
    assert (join.reason, join.rule, join.hypothesis, join.distance_m) == (
        "joined-network", "street", "migration", 12.0,
    )  # fmt: skip
    assert [r.note for r in scene.effects if isinstance(r, Record)][-1] == "street migration"
    assert scene.play([(20, raised(20, name="b", rule="b", **{**OTHER, "channel": "b"}))]) == [
        (20, "1:joined>acknowledged")
    ], "the place now belongs to that incident"


def test_what_two_are_together_may_be_graver_than_each() -> None:
    scene = street(grade=1)

    seen = scene.play([(0, raised(0)), (5, ack()), (10, raised(10, **MAIN))])

    assert seen[2:] == [(10, "1:worsened>open", "tell worsened 1")]
    (tell,) = [e for e in scene.effects if isinstance(e, Tell) and e.reason == "worsened"]
    assert tell.revision > 0, "no function of its finding alone"
    join = [e for e in scene.effects if isinstance(e, Join)][-1]
    assert str(join.reason) == "joined-rule"


def test_drills_and_real_alarms_are_never_joined() -> None:
    scene = street()

    seen = scene.play([(0, raised(0, drill=True)), (1, raised(1, **OTHER))])

    assert [row[1] for row in seen] == ["1:opened>open", "1:opened>open"]


def test_nothing_open_within_reach_opens_an_incident() -> None:
    scene = street()

    assert scene.play([(0, raised(0, **MAIN)), (1, raised(1))]) == [
        (0, "1:opened>open", "tell alert opened 3"),
        (1, "1:opened>open", "tell alert opened 2"),
    ]


def test_a_hidden_alarm_joins_what_is_near_when_it_is_shown() -> None:
    scene = street()
    scene.play([(0, raised(0, **OTHER)), (1, ack()), (2, cleared(2, **OTHER)), (3, close())])
    key = scene.alarm(OTHER["channel"]).key
    scene.do(4, "shelve", alarm=key, note="n", until_ms=T0 + 100_000)
    scene.play([(10, raised(10)), (11, ack()), (20, raised(20, **OTHER))])

    seen = scene.play([], until_s=100)

    assert seen == [(100, "1:surfaced>open", "tell surfaced 2")]


@pytest.mark.feature("A-2")
def test_first_out_is_the_earliest_in_whatever_order_it_was_heard_of() -> None:
    scene = street()
    late = {"onset_s": -30, "lane": "late", "name": "earlier", **OTHER}

    scene.play([(0, raised(0)), (10, raised(10, name="later", **OTHER)), (12, raised(12, **late))])

    one = scene.newest()
    assert (one.first_out, one.first_ms) == ("earlier", T0 - 30_000)


@pytest.mark.feature("A-2")
def test_two_incidents_are_merged_by_hand_and_nothing_is_lost() -> None:
    scene, first, second = two()
    scene.do(12, "acknowledge", incident=second)
    scene.do(13, "verify", incident=second, verdict="true", code="leak")
    scene.do(14, "dispatch", incident=second, task="close valve 3", person="wang")

    said = scene.do(20, "merge", incident=first, other=second)

    one, gone = scene.slice.incidents[first], scene.slice.incidents[second]
    assert said == "took-over"
    assert (gone.phase, gone.merged_into) == ("closed", first)
    assert (one.phase, one.verdict, one.task) == ("dispatched", "true", "close valve 3")
    assert {a.asset for a in scene.slice.members(first)} == {"gas/well-1", "gas/well-2"}
    told = [(e.incident, str(e.reason)) for e in scene.effects if isinstance(e, Tell)]
    assert told[-1] == (second, "merged")
    after = scene.play([(30, raised(30, rule="c", **{**OTHER, "channel": "c"}))])
    assert after == [(30, "1:joined>dispatched")], "its place is the merged one's now"


def test_a_merge_brings_whom_nobody_has_seen() -> None:
    scene, first, second = two()

    scene.do(20, "merge", incident=first, other=second)

    assert scene.slice.incidents[first].phase == "open"
    assert scene.called[-1] == (20, "first 2")


def test_a_merge_into_an_open_incident_stays_open() -> None:
    scene, first, second = two()

    scene.do(20, "merge", incident=second, other=first)

    assert scene.slice.incidents[second].phase == "open"
    assert scene.slice.incidents[second].first_out == "f0"


def test_merged_calm_incidents_are_calm_since_the_later_one() -> None:
    scene, first, second = two()
    scene.do(12, "acknowledge", incident=second)
    scene.play([(20, cleared(20)), (30, cleared(30, onset_s=10, **OTHER))])

    scene.do(40, "merge", incident=first, other=second)

    one = scene.slice.incidents[first]
    assert (one.phase, one.calm_ms) == ("watching", T0 + 30_000)


def test_a_calm_incident_that_takes_a_standing_one_over_is_not_calm() -> None:
    scene, first, second = two()
    scene.do(12, "acknowledge", incident=second)
    scene.play([(20, cleared(20))])

    scene.do(40, "merge", incident=first, other=second)

    one = scene.slice.incidents[first]
    assert (one.phase, one.is_active, one.calm_ms) == ("acknowledged", True, None)


def test_the_graver_of_two_leads_them() -> None:
    scene = Scene()
    old = {"lane": "historical", "channel": "h", "asset": "gas/well-3"}
    scene.play([(0, raised(0)), (1, raised(1, grade=1, **OTHER)), (2, raised(2, **old))])
    first, second, third = scene.slice.incidents
    scene.do(3, "merge", incident=first, other=third)
    silent = scene.slice.incidents[first].lead.id
    scene.do(4, "merge", incident=first, other=second)

    one = scene.slice.incidents[first]
    assert silent == "f0"
    assert (one.grade, one.told, one.lead.grade) == (1, 1, 1)


def test_an_incident_that_nobody_was_told_of_takes_the_others_word() -> None:
    scene = Scene()
    old = {"lane": "historical", "channel": "h", "asset": "gas/well-3"}
    scene.play([(0, raised(0, **old)), (2, raised(2))])
    silent, told = scene.slice.incidents

    scene.do(3, "merge", incident=silent, other=told)

    assert scene.slice.incidents[silent].told == 2
    assert scene.slice.incidents[silent].lead.id == "f2"


def test_what_cannot_be_merged_is_refused() -> None:
    scene, first, second = two()
    scene.play([(11, raised(11, drill=True)), (12, raised(12, hazard="canary", channel="c"))])
    *_, drill, canary = scene.slice.incidents

    said = [
        scene.do(20, "merge", incident=first, other=other)
        for other in ("nobody", first, drill, canary)
    ]
    scene.do(21, "merge", incident=first, other=second)
    said.append(scene.do(22, "merge", incident=first, other=second))

    assert said == ["unknown", "unlike", "unlike", "unlike", "unlike"]


def merged(*, is_taken: bool = True) -> tuple[Scene, str]:
    scene, first, second = two()
    if is_taken:
        scene.do(12, "acknowledge", incident=second)
    scene.do(20, "merge", incident=first, other=second)
    return scene, first


def split(scene: Scene, incident: str, second: float = 30) -> str:
    key = scene.alarm(OTHER["channel"]).key
    return scene.do(second, "split", incident=incident, alarms=(key,), note="another leak")


@pytest.mark.feature("A-2")
def test_a_split_makes_an_incident_of_its_own_and_tells_of_it() -> None:
    scene, first = merged()

    assert split(scene, first) == "split"

    made = scene.newest()
    assert made.id != first
    assert (made.asset, made.episode, made.phase) == ("gas/well-2", 2, "acknowledged")
    assert (made.acknowledged_by, made.first_out) == ("li", "f10")
    assert scene.slice.incidents[first].phase == "acknowledged"
    told = [e for e in scene.effects if isinstance(e, Tell)][-1]
    assert (told.incident, str(told.reason), told.is_first) == (made.id, "opened", True)
    after = scene.play([(40, raised(40, rule="c", **{**OTHER, "channel": "c"}))])
    assert after == [(40, "2:joined>acknowledged")]


def test_a_split_takes_what_nobody_has_seen_with_it() -> None:
    scene, first = merged(is_taken=False)
    scene.play([(25, raised(25, rule="b", **{**OTHER, "channel": "b"}))])

    split(scene, first)

    made, left = scene.newest(), scene.slice.incidents[first]
    assert (made.phase, left.phase) == ("open", "acknowledged")
    assert {a.channel for a in scene.slice.members(made.id)} == {OTHER["channel"], "b"}
    assert left.acknowledged_by == "li"
    assert scene.called[-2:] == [(30, "first 2"), (30, "end split")]


def test_what_has_returned_is_split_off_calm() -> None:
    scene, first = merged()
    scene.play([(25, cleared(25, onset_s=10, **OTHER))])

    split(scene, first)

    assert (scene.newest().phase, scene.newest().calm_ms) == ("watching", T0 + 30_000)


def test_what_is_left_calm_watches() -> None:
    scene, first = merged()
    scene.play([(25, cleared(25))])

    split(scene, first)

    left = scene.slice.incidents[first]
    assert (left.phase, left.is_active) == ("watching", False)


def test_a_split_of_a_calm_incident_leaves_two_calm_ones() -> None:
    scene, first = merged()
    scene.play([(25, cleared(25)), (26, cleared(26, onset_s=10, **OTHER))])

    split(scene, first)

    assert scene.slice.incidents[first].calm_ms == T0 + 26_000
    assert scene.newest().phase == "watching"


def test_a_split_of_what_nobody_was_told_of_tells_nobody() -> None:
    scene = Scene()
    old: dict[str, Any] = {"lane": "historical"}
    scene.play([(0, raised(0, **old)), (1, raised(1, **old, **OTHER))])
    first, second = scene.slice.incidents
    scene.do(2, "merge", incident=first, other=second)

    split(scene, first, 3)

    assert not [e for e in scene.effects if isinstance(e, Tell)]
    assert (scene.newest().phase, scene.slice.incidents[first].phase) == ("open", "open")


def test_alarms_of_the_incidents_own_place_stay() -> None:
    scene, first = merged()
    own = scene.alarm().key

    said = [
        scene.do(30, "split", incident=first, alarms=(own,)),
        scene.do(30, "split", incident=first, alarms=("nothing",)),
        scene.do(30, "split", incident=first),
    ]

    assert said == ["same-place", "unknown-alarm", "unknown-alarm"]
