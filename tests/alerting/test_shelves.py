"""Alarms put out of sight by people, and back: shelf, out of service, latch and reset."""

from typing import Any

import pytest

from alerting.policy import Policy, Treatment
from tests.alerting.scene import AT_ONCE, T0, Scene, ack, cleared, close, finding, held, raised

MANAGED = Policy(life=AT_ONCE.life, treatments={"gas.ch4": Treatment(is_managed=True)})
LATCHING = Policy(life=AT_ONCE.life, treatments={"gas.ch4": Treatment(latching=True)})


def shelved(until_s: float = 1000, policy: Policy = AT_ONCE) -> Scene:
    """A leak of grade 2, acknowledged after five seconds and shelved after ten."""
    scene = Scene(policy)
    scene.play([(0, raised(0)), (5, ack())])
    assert shelve(scene, 10, until_s) == "shelved"
    return scene


def shelve(scene: Scene, second: float, until_s: float, **more: Any) -> str:
    fields = {"note": "valve works", "until_ms": T0 + round(until_s * 1000), **more}
    return scene.do(second, "shelve", alarm=scene.alarm().key, **fields)


@pytest.mark.feature("A-11")
def test_a_shelf_needs_reason_and_end_within_four_hours() -> None:
    scene = Scene()
    scene.play([(0, raised(0)), (5, ack())])
    key = scene.alarm().key

    said = [
        scene.do(10, "shelve", alarm="nothing", note="n", until_ms=T0 + 60_000),
        shelve(scene, 10, 60, note=" "),
        scene.do(10, "shelve", alarm=key, note="n"),
        shelve(scene, 10, 10),
        shelve(scene, 10, 10 + 14_401),
        shelve(scene, 10, 10 + 14_400),
        shelve(scene, 11, 60),
    ]

    assert said == [
        "unknown-alarm", "needs-note", "needs-end", "needs-end", "too-long", "shelved", "illegal",
    ]  # fmt: skip
    assert (scene.alarm().hidden_by, scene.alarm().hidden_until_ms) == ("li", T0 + 14_410_000)


@pytest.mark.feature("A-11")
def test_a_managed_alarm_takes_a_second_person_and_an_hour_at_most() -> None:
    scene = Scene(MANAGED)
    scene.play([(0, raised(0)), (5, ack())])
    said = [shelve(scene, 10, 3611), shelve(scene, 10, 3610)]
    proposal = next(iter(scene.slice.proposals))
    said += [
        scene.do(20, "approve", proposal=proposal, actor="li"),
        scene.do(20, "approve", proposal=proposal, actor="wang"),
        scene.do(30, "retire", alarm=scene.alarm().key, note="broken"),
    ]

    assert said == ["too-long", "proposed", "same-person", "shelved", "proposed"]
    assert scene.state() == "shelved"


@pytest.mark.feature("A-1")
def test_at_expiry_the_alarm_is_unacknowledged_again_and_by_hand_acknowledged() -> None:
    by_time, by_hand = shelved(100), shelved(100)

    seen = by_time.play([], until_s=100)
    said = by_hand.do(50, "unshelve", alarm=by_hand.alarm().key)

    assert seen == [(100, "1:surfaced>open", "tell surfaced 2")]
    assert by_time.state() == "unacknowledged"
    assert by_time.called[-1] == (100, "first 2")
    assert said == "unshelved"
    assert (by_hand.state(), by_hand.newest().phase) == ("acknowledged", "acknowledged")
    assert by_hand.do(60, "unshelve", alarm=by_hand.alarm().key) == "illegal"


@pytest.mark.feature("A-1")
def test_where_the_condition_has_gone_both_lead_back_to_normal() -> None:
    by_time, by_hand = shelved(100), shelved(100)
    for scene in (by_time, by_hand):
        scene.play([(40, cleared(40))])

    by_time.play([], until_s=100)
    by_hand.do(50, "unshelve", alarm=by_hand.alarm().key)

    assert (by_time.state(), by_hand.state()) == ("normal", "normal")
    assert "shelf-ended" in by_time.recorded()
    assert by_time.newest().phase == "watching"


@pytest.mark.feature("A-11", "A-12")
def test_a_shelved_alarm_is_an_open_item_that_keeps_its_incident_from_closing() -> None:
    scene = shelved()

    assert (scene.newest().phase, scene.newest().is_active) == ("acknowledged", True)
    assert scene.do(20, "close", note="n", verdict="false", code="sensor") == "active"


def test_a_shelved_alarm_is_counted_calls_nobody_and_stirs_a_calm_incident() -> None:
    scene = shelved()
    before = list(scene.called)

    seen = scene.play([(20, cleared(20)), (30, raised(30)), (31, raised(31, grade=3, rule="r"))])

    assert seen == [
        (20, "1:returned>watching", "tell returned 2"),
        (30, "1:stirred>acknowledged"),
    ]
    assert [c for c in scene.called if c not in before] == [(13, "end held")]
    assert scene.alarm().hidden_raises == 2


@pytest.mark.feature("A-5", "A-11")
def test_a_rise_breaks_the_shelf() -> None:
    scene = shelved()

    seen = scene.play([(20, raised(20, grade=1, rule="gas.ch4.50"))])

    assert seen == [(20, "1:worsened>open", "tell worsened 1")]
    assert scene.state() == "unacknowledged"
    assert "shelf-broken" in scene.recorded()
    assert scene.play([], until_s=1000) == [], "the old end of the shelf means nothing more"


def test_who_shelves_the_last_alarm_that_nobody_had_seen_has_taken_the_incident() -> None:
    scene = Scene()
    scene.play([(0, raised(0)), (1, raised(1, channel="gas/well-1/ch4-b"))])
    shelve(scene, 10, 100)
    between = scene.newest().phase
    other = scene.alarm("gas/well-1/ch4-b").key
    scene.do(11, "shelve", alarm=other, note="n", until_ms=T0 + 100_000)

    assert between == "open"
    assert (scene.newest().phase, scene.newest().acknowledged_by) == ("acknowledged", "li")
    assert scene.called == [(0, "first 2"), (11, "end acknowledged")]


def test_an_alarm_may_be_shelved_before_the_work_and_shown_in_an_incident_of_its_own() -> None:
    scenes = []
    for _ in range(3):
        scene = Scene()
        scene.play([(0, raised(0)), (1, ack()), (2, cleared(2)), (3, close())])
        shelve(scene, 10, 100)
        assert scene.play([(20, raised(20))]) == []
        scenes.append(scene)
    by_time, by_hand, quiet = scenes
    quiet.play([(30, cleared(30, onset_s=20))], until_s=100)

    seen = by_time.play([], until_s=100)
    said = by_hand.do(50, "unshelve", alarm=by_hand.alarm().key)

    assert seen == [(100, "2:opened>open", "tell alert opened 2")]
    assert said == "unshelved"
    assert (by_hand.newest().episode, by_hand.newest().phase) == (2, "acknowledged")
    assert quiet.newest().episode == 1


@pytest.mark.feature("A-1")
def test_out_of_service_goes_and_comes_by_hand() -> None:
    scene = shelved()
    key = scene.alarm().key
    said = [
        scene.do(20, "retire", alarm=key),
        scene.do(20, "retire", alarm=key, note="sensor broken"),
        scene.do(21, "retire", alarm=key, note="again"),
        scene.do(22, "shelve", alarm=key, note="n", until_ms=T0 + 60_000),
    ]
    silent = scene.play([(30, raised(30, grade=1, rule="gas.ch4.50"))], until_s=2000)
    said.append(scene.do(2001, "restore", alarm=key))

    assert said == ["needs-note", "retired", "illegal", "illegal", "restored"]
    assert silent == []
    assert scene.state() == "unacknowledged"
    assert scene.newest().grade == 1
    assert scene.do(2002, "restore", alarm=key) == "illegal"


@pytest.mark.feature("A-11")
def test_what_one_person_took_out_of_service_hides_nothing_on_which_lives_depend() -> None:
    grave = {"gas.ch4.50": Treatment(is_managed=True)}
    alone = Scene(Policy(life=AT_ONCE.life, treatments=grave))
    two = Scene(Policy(life=AT_ONCE.life, treatments=grave | MANAGED.treatments))
    for scene in (alone, two):
        scene.play([(0, raised(0)), (5, ack())])
    key = alone.alarm().key
    said = [
        alone.do(20, "retire", alarm=key, note="broken"),
        two.do(20, "retire", alarm=key, note="broken"),
        two.do(21, "approve", proposal=next(iter(two.slice.proposals)), actor="wang"),
    ]
    again = {"name": "again", "grade": 2}

    for scene in (alone, two):
        scene.play([(25, cleared(25)), (30, raised(30, **again))], until_s=35)
    hidden = [scene.state() for scene in (alone, two)]
    for scene in (alone, two):
        scene.play([(40, raised(40, grade=1, rule="gas.ch4.50"))], until_s=41)

    assert said == ["retired", "proposed", "retired"]
    assert hidden == ["out-of-service"] * 2
    assert (alone.state(), two.state()) == ("unacknowledged", "out-of-service")
    assert alone.called[-1] == (40, "first 1")
    assert "restored" in alone.recorded()


def test_a_restored_alarm_whose_condition_has_gone_is_normal() -> None:
    scene = Scene()
    scene.play([(0, raised(0))])
    key = scene.alarm().key
    scene.do(1, "retire", alarm=key, note="broken")
    taken = scene.newest().phase
    scene.play([(2, cleared(2))])

    assert taken == "acknowledged"
    assert scene.do(3, "restore", alarm=key) == "restored"
    assert scene.state() == "normal"


def test_what_he_saw_must_still_be_so() -> None:
    scene = Scene()
    scene.play([(0, raised(0)), (5, ack()), (6, raised(6, grade=1, rule="gas.ch4.50"))])

    assert shelve(scene, 10, 60, expected_revision=2) == "faster"


@pytest.mark.feature("A-1")
@pytest.mark.parametrize("is_taken", [False, True])
def test_a_latching_alarm_stays_until_somebody_resets_it(*, is_taken: bool) -> None:
    scene = Scene(LATCHING)
    scene.play([(0, raised(0))])
    key = scene.alarm().key
    if is_taken:
        scene.play([(1, ack())])
    scene.play([(20, cleared(20))])
    states = [scene.state()]
    said = [scene.do(21, "reset", alarm=key)]
    if not is_taken:
        scene.play([(22, ack())])
        states.append(scene.state())
        said[0] = scene.do(23, "close", note="n", verdict="true", code="leak")
    else:
        said.insert(0, "still-latched")
    if not is_taken:
        said.append(scene.do(24, "reset", alarm=key))

    assert states[-1] == "latched-acknowledged"
    assert said == ["still-latched", "reset"]
    assert scene.state() == "normal"
    assert scene.play([(30, close())]) == [(30, "1:closed>closed", "tell closed 2")]


def test_an_unacknowledged_latch_cannot_be_reset() -> None:
    scene = Scene(LATCHING)
    scene.play([(0, raised(0)), (20, cleared(20))])

    assert scene.state() == "latched-unacknowledged"
    assert scene.do(21, "reset", alarm=scene.alarm().key) == "illegal"


def test_an_override_lets_a_latch_go_and_what_stands_afterwards_latches_no_more() -> None:
    scene = Scene(LATCHING)
    scene.play([(0, raised(0)), (1, ack()), (20, cleared(20))])
    scene.play([(30, close(override=True, second="wang"))])
    over = Scene(LATCHING)
    over.play([(0, raised(0)), (1, ack()), (2, close(override=True, second="wang"))])
    over.play([(9, cleared(9))])

    assert (scene.state(), over.state()) == ("normal", "normal")


@pytest.mark.feature("A-5")
def test_an_acknowledged_alarm_that_stands_too_long_needs_a_human_again() -> None:
    again = Policy(life=AT_ONCE.life, treatments={"gas.ch4": Treatment(realarm_s=600)})
    scene = Scene(again)
    scene.play([(0, raised(0)), (5, ack())])

    seen = scene.play([(60, held(60))], until_s=605)

    assert seen == [(605, "1:realarmed>open")]
    assert scene.state() == "unacknowledged"
    assert scene.called[-1] == (605, "first 2")


def test_one_that_returned_in_time_does_not() -> None:
    again = Policy(life=AT_ONCE.life, treatments={"gas.ch4": Treatment(realarm_s=600)})
    scene = Scene(again)
    scene.play([(0, raised(0)), (5, ack()), (100, cleared(100))])

    assert scene.play([], until_s=700) == []


@pytest.mark.feature("A-1", "ThingsBoard #11803, netdata #945")
def test_three_raises_within_a_minute_chatter_and_wait_for_a_minute_of_quiet() -> None:
    scene = Scene()
    timeline: list[Any] = [(0, raised(0)), (1, ack())]
    for second in (5, 25, 45, 65):
        onset = 0 if second == 5 else second - 15
        timeline.append((second, cleared(second, onset_s=onset)))
        timeline.append((second + 5, raised(second + 5)))
    seen = scene.play(timeline)
    marked = scene.alarm().is_chattering
    calm = scene.play([(80, cleared(80, onset_s=70))], until_s=200)

    assert [row[0] for row in seen] == [0, 1, 5, 10, 25, 30, 50, 70]
    assert [row[1] for row in seen if row[0] in (50, 70)] == ["1:joined>open", "1:joined>open"]
    assert marked
    assert calm == [(140, "1:returned>open", "tell returned 2")]
    assert not scene.alarm().is_chattering
    assert [r for r in scene.recorded() if r in ("chattering", "steady")] == [
        "chattering", "steady",
    ]  # fmt: skip


def test_slow_raises_do_not_chatter() -> None:
    scene = Scene()
    for second in (0, 40, 80):
        scene.play([(second, raised(second)), (second + 20, cleared(second + 20, onset_s=second))])

    assert not scene.alarm().is_chattering


@pytest.mark.feature("A-1", "ThingsBoard #11803, netdata #945")
def test_a_fleeting_alarm_of_a_lower_grade_must_last_longer_the_next_time() -> None:
    low, top = Scene(), Scene()
    for scene, grade in ((low, 3), (top, 2)):
        scene.play([(0, raised(0, grade=grade)), (4, cleared(4, grade=grade))])
    marked = low.alarm().is_fleeting

    again = {"grade": 3}
    short = low.play([(100, raised(100, **again)), (105, cleared(105, onset_s=100, **again))])
    lasting = low.play([(200, raised(200, **again)), (211, held(211, onset_s=200, **again))])
    grave = top.play([(100, raised(100))])

    assert marked
    assert short == []
    assert lasting == [(210, "1:reopened>open", "tell reopened 3")]
    assert grave == [(100, "1:reopened>open", "tell reopened 2")]


@pytest.mark.feature("A-5", "ThingsBoard #11803, netdata #945")
def test_an_incident_eases_when_the_lesser_grade_has_lasted_and_rises_anew() -> None:
    easing = Policy(life=AT_ONCE.life, treatments={"gas.ch4.50": Treatment(fall_hold_s=300.0)})
    scene = Scene(easing)
    top = {"grade": 1, "rule": "gas.ch4.50", "name": "top"}
    scene.play([(0, raised(0)), (10, raised(10, **top)), (20, ack())])
    early = scene.play([(100, cleared(100, onset_s=10, **top)), (399, held(399))])
    eased = scene.play([], until_s=400)
    again = scene.play([(500, raised(500, grade=1, rule="gas.ch4.50", name="again"))])

    assert (early, eased) == ([], [(400, "1:eased>acknowledged", "tell eased 2")])
    assert again == [(500, "1:worsened>open", "tell worsened 1")]


@pytest.mark.feature("A-5")
def test_a_grade_that_rose_again_in_time_does_not_ease() -> None:
    easing = Policy(life=AT_ONCE.life, treatments={"gas.ch4.50": Treatment(fall_hold_s=300.0)})
    scene = Scene(easing)
    top = {"grade": 1, "rule": "gas.ch4.50"}
    scene.play([(0, raised(0)), (10, raised(10, name="top", **top))])
    scene.play([(100, cleared(100, onset_s=10, name="top", **top))])

    scene.play([(200, raised(200, name="again", **top))], until_s=500)

    assert scene.newest().grade == 1


def test_a_standing_alarm_says_since_when() -> None:
    scene = Scene()
    scene.play([(0, raised(0)), (60, held(60)), (70, finding(70, rule="other"))])

    assert scene.alarm().active_ms == T0


def test_who_uncovers_an_alarm_takes_what_else_its_place_holds() -> None:
    scene = Scene()
    scene.play([(0, raised(0)), (1, ack()), (2, cleared(2)), (3, close())])
    shelve(scene, 10, 1000)
    scene.play([(20, raised(20)), (21, raised(21, channel="b")), (22, ack())])

    scene.do(30, "unshelve", alarm=scene.alarm().key)

    assert scene.state() == "acknowledged"
    assert scene.newest().phase == "acknowledged"
