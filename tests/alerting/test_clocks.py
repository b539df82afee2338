"""Reminders, escalation, progress: who is called when; what other desks complain about."""

from typing import Any

import pytest

from alerting import engine
from alerting.policy import Clocks, Policy, clocks_of, policy_of
from alerting.slices import Page
from lifeline.catalog import Rule
from lifeline.grades import GRADING, Grade, Grading
from lifeline.life import Life
from tests.alerting.scene import AT_ONCE, T0, Scene, ack, cleared, close, pages, raised

# T0 is a Wednesday at 06:13 in Shanghai: outside working hours until 08:30.
NIGHT_S = (8.5 - 6.22) * 3600


def called(timeline: list[Any], until_s: float, policy: Policy = AT_ONCE) -> list[Any]:
    scene = Scene(policy)
    scene.play(timeline, until_s=until_s)
    return scene.called


@pytest.mark.feature("A-4")
def test_nobody_answers_reminder_then_every_step_then_the_last_again() -> None:
    assert called([(0, raised(0, grade=1))], 1300) == [
        (0, "first 1"),
        (30, "remind 1"),
        (120, "escalate 1 step 1"),
        (300, "escalate 1 step 2"),
        (600, "escalate 1 step 3"),
        (900, "escalate 1 step 4"),
        (1200, "escalate 1 step 5"),
    ]


@pytest.mark.feature("A-4")
def test_the_clocks_are_the_grades_own() -> None:
    assert called([(0, raised(0, grade=2))], 901) == [
        (0, "first 2"),
        (120, "remind 2"),
        (300, "escalate 2 step 1"),
        (900, "escalate 2 step 2"),
    ]
    assert called([(0, raised(0, grade=4))], 90_000) == [(0, "first 4")]


@pytest.mark.feature("OnCall #4654, #4760")
def test_after_an_acknowledgement_nobody_is_called_for_what_he_has_taken() -> None:
    """OnCall #4654, #4760: after ack the same person still got messages."""
    seen = called([(0, raised(0, grade=1)), (40, ack())], 639)

    assert seen == [(0, "first 1"), (30, "remind 1"), (40, "hold"), (48, "end held")]


@pytest.mark.feature("A-4")
def test_an_acknowledged_incident_without_progress_is_asked_after() -> None:
    scene = Scene()
    scene.play([(0, raised(0, grade=1)), (10, ack())], until_s=610)
    first = scene.called[-1]
    scene.do(700, "verify", verdict="true", code="leak")
    scene.play([], until_s=1299)
    quiet = scene.called[-1]
    scene.play([], until_s=1300)

    assert first == (610, "progress 1 step 1")
    assert quiet == first
    assert scene.called[-1] == (1300, "progress 1 step 1")
    scene.play([], until_s=1900)
    assert scene.called[-1] == (1900, "progress 1 step 2")


def test_the_time_for_progress_is_prolonged_by_as_much_again() -> None:
    scene = Scene()
    scene.play([(0, raised(0, grade=1)), (10, ack())])
    scene.do(100, "prolong", note="waits for the key")

    scene.play([], until_s=1209)
    before = list(scene.called)
    scene.play([], until_s=1210)

    assert before[-1] == (18, "end held")
    assert scene.called[-1] == (1210, "progress 1 step 1")


def test_a_grade_without_a_clock_of_progress_is_prolonged_in_name_only() -> None:
    scene = Scene()
    scene.play([(0, raised(0, grade=4)), (10, ack())])

    assert scene.do(100, "prolong", note="n") == "prolonged"
    scene.play([], until_s=90_000)
    assert [c for c in scene.called if "progress" in c[1]] == []


def test_a_rise_calls_again_whoever_has_acknowledged() -> None:
    seen = called(
        [(0, raised(0, grade=2)), (5, ack()), (8, raised(8, grade=1, rule="gas.ch4.50"))], 38
    )

    # What the acknowledgement held has ended; the rise is not held by it.
    assert seen == [
        (0, "first 2"), (5, "hold"), (8, "end held"), (8, "first 1"), (38, "remind 1"),
    ]  # fmt: skip


def test_an_undone_acknowledgement_starts_the_clocks_where_they_were() -> None:
    scene = Scene()
    scene.play([(0, raised(0, grade=1)), (115, ack())])
    scene.do(120, "undo")

    scene.play([], until_s=300)

    assert scene.called[2:] == [
        (115, "hold"),
        (120, "release"),
        (120, "escalate 1 step 1"),
        (300, "escalate 1 step 2"),
    ]


@pytest.mark.feature("OnCall #3111")
def test_an_old_acknowledged_incident_of_a_lower_grade_pages_nobody_at_night() -> None:
    """OnCall #3111: an acknowledged incident escalated two months later at 05:30."""
    scene = Scene()
    scene.play([(0, raised(0, grade=3)), (10, ack())], until_s=7210)
    called_at_night = [c for c in scene.called if "progress" in c[1]]

    assert called_at_night == []
    assert scene.newest().review
    scene.play([], until_s=60 * 86_400)
    assert [c for c in scene.called if "progress" in c[1]] == []


def test_in_working_hours_a_lower_grade_calls() -> None:
    start = NIGHT_S + 600
    scene = Scene()
    scene.play([(start, raised(start, grade=3))], until_s=start + 1800)

    assert scene.called[1:] == [
        (start + 600, "remind 3"),
        (start + 1800, "escalate 3 step 1"),
    ]


def test_reminders_of_a_lower_grade_at_night_go_to_the_list_once() -> None:
    scene = Scene()
    scene.play([(0, raised(0, grade=3))], until_s=4000)

    assert scene.called == [(0, "first 3")]
    assert scene.newest().review
    assert scene.recorded().count("review") == 1
    scene.do(4001, "acknowledge")
    assert not scene.newest().review


def test_what_is_listed_already_is_listed_once_whatever_else_falls_due() -> None:
    scene = Scene()
    scene.play([(0, raised(0, grade=3))], until_s=700)
    scene.slice.put_deadline("receipt", scene.newest().id, T0 + 800_000)

    scene.play([], until_s=2000)

    assert scene.called == [(0, "first 3")]
    assert scene.recorded().count("review") == 1


@pytest.mark.parametrize("grade", [3, 4])
def test_a_shelf_that_ends_at_night_is_no_new_evidence(grade: int) -> None:
    scene = Scene()
    scene.play([(0, raised(0, grade=grade)), (5, ack())])
    scene.do(10, "shelve", alarm=scene.alarm().key, note="n", until_ms=T0 + 600_000)

    scene.play([], until_s=3000)

    assert scene.newest().phase == "open"
    assert scene.newest().review
    assert [c for c in scene.called if c[0] > 20] == []


@pytest.mark.feature("OnCall #1931")
def test_waiting_is_counted_from_stored_times_and_survives_a_restart() -> None:
    """OnCall #1931: escalation ignored the wait."""
    scene = Scene()
    scene.play([(0, raised(0, grade=1))])
    rows = dict(scene.slice.deadlines)

    late = engine.tick(scene.slice, T0 + 7_200_000, AT_ONCE)

    assert rows["remind", scene.newest().id] == T0 + 30_000
    assert rows["escalate", scene.newest().id] == T0 + 120_000
    assert [t for t in pages(late) if t.startswith("remind")] == ["remind 1"]
    steps = [e.step for e in late if isinstance(e, Page) and e.kind == "escalate"]
    assert steps == [1, 2, 3], "each step was made up for, in its order"


def test_a_closed_incident_calls_nobody_again() -> None:
    scene = Scene()
    scene.play([(0, raised(0, grade=1)), (5, ack()), (6, cleared(6)), (7, close())])

    scene.play([], until_s=20_000)

    assert scene.called == [(0, "first 1"), (5, "hold"), (7, "end closed")]


KINDS: Any = (
    "remind", "escalate", "progress", "fall", "undo", "quiet", "receipt", "archive",
)  # fmt: skip


@pytest.mark.parametrize("kind", [*KINDS, "shelf", "realarm", "delay", "window"])
def test_a_deadline_whose_subject_is_gone_does_nothing(kind: Any) -> None:
    scene = Scene()
    scene.slice.put_deadline(kind, "nothing", T0)

    assert engine.tick(scene.slice, T0, AT_ONCE) == []


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_a_deadline_of_a_closed_incident_does_nothing(kind: Any) -> None:
    scene = Scene()
    scene.play([(0, raised(0)), (5, ack()), (6, cleared(6)), (7, close())])
    scene.slice.put_deadline(kind, scene.newest().id, T0 + 8000)

    assert engine.tick(scene.slice, T0 + 8000, AT_ONCE) == []


@pytest.mark.parametrize("kind", ["remind", "escalate", "quiet", "archive", "fall"])
def test_a_deadline_that_no_longer_fits_does_nothing(kind: Any) -> None:
    scene = Scene()
    scene.play([(0, raised(0)), (5, ack())], until_s=20)
    scene.slice.put_deadline(kind, scene.newest().id, T0 + 21_000)

    assert engine.tick(scene.slice, T0 + 21_000, AT_ONCE) == []


def test_progress_is_not_asked_of_what_waits_to_be_acknowledged() -> None:
    scene = Scene()
    scene.play([(0, raised(0))])
    for kind, subject in (("progress", scene.newest().id), ("realarm", scene.alarm().key)):
        scene.slice.put_deadline(kind, subject, T0 + 1000)  # type: ignore[arg-type]

    assert engine.tick(scene.slice, T0 + 1000, AT_ONCE) == []


def test_what_returned_unseen_is_calm_and_still_waits() -> None:
    scene = Scene()
    scene.play([(0, raised(0)), (1, cleared(1))])

    assert scene.play([], until_s=60) == []
    assert scene.newest().phase == "open"


def test_a_shelf_is_not_ended_before_its_time() -> None:
    scene = Scene()
    scene.play([(0, raised(0)), (5, ack())], until_s=20)
    key = scene.alarm().key
    scene.do(21, "shelve", alarm=key, note="n", until_ms=T0 + 60_000)
    scene.slice.put_deadline("shelf", key, T0 + 22_000)

    assert engine.tick(scene.slice, T0 + 22_000, AT_ONCE) == []
    assert scene.state() == "shelved"


def test_a_delay_that_was_moved_is_not_met_twice() -> None:
    scene = Scene()
    scene.play([(0, raised(0, on_delay_s=30.0))])
    scene.slice.put_deadline("delay", "f0", T0 + 1000)

    assert engine.tick(scene.slice, T0 + 1000, AT_ONCE) == []


@pytest.mark.feature("E-2")
def test_a_notice_that_nobody_signs_for_calls_people() -> None:
    scene = Scene()
    scene.play([(0, raised(0, grade=1)), (5, ack())])
    scene.slice.put_deadline("receipt", scene.newest().id, T0 + 300_000)

    scene.play([], until_s=300)

    assert scene.called[-1] == (300, "unsigned 1")


def test_the_canary_calls_nobody_whatever_is_done_with_it() -> None:
    canary = {"hazard": "canary", "lifeline": "canary", "grade": 4}

    timeline = [(0, raised(0, **canary)), (5, ack()), (7, cleared(7, **canary))]
    assert called(timeline, 9000) == []


def test_who_is_not_escalated_is_reminded_until_he_answers() -> None:
    alone = Policy(life=Life(), clocks={1: Clocks(remind_s=60.0)})

    assert called([(0, raised(0, grade=1))], 181, alone) == [
        (0, "first 1"), (60, "remind 1"), (120, "remind 1"), (180, "remind 1"),
    ]  # fmt: skip


def test_a_single_step_of_escalation_is_repeated_at_its_own_pace() -> None:
    one = Policy(life=Life(), clocks={1: Clocks(escalate_s=(10.0,))})

    assert called([(0, raised(0, grade=1))], 131, one) == [
        (0, "first 1"),
        (10, "escalate 1 step 1"),
        (70, "escalate 1 step 2"),
        (130, "escalate 1 step 3"),
    ]


@pytest.mark.parametrize(("hour", "is_working"), [(6, False), (9, True), (17, True), (18, False)])
def test_working_hours_are_the_citys(hour: int, *, is_working: bool) -> None:
    at_ms = T0 - 6 * 3600_000 - 13 * 60_000 + hour * 3600_000

    assert Policy().is_working(at_ms) == is_working
    assert not Policy().is_working(at_ms + 3 * 86_400_000), "Saturday"
    assert Policy().may_page(2, at_ms)
    assert Policy().may_page(3, at_ms) == is_working


@pytest.mark.feature("A-4")
def test_three_flood_grades_of_one_city_are_grades_like_any_other() -> None:
    flood = Grading(
        (
            Grade(1, "红色", "Red", "#C8102E", "▲", remind_s=30.0, escalate_s=(120.0,)),
            Grade(2, "橙色", "Orange", "#B85000", "◆", remind_s=120.0),
            Grade(3, "黄色", "Yellow", "#F2C200", "■"),
        )
    )
    rule = Rule("r", "flood", 3, {"kind": "threshold"}, latching=True, realarm_s=9.0)

    made = policy_of(flood, Life(), [rule])

    assert made.clocks == clocks_of(flood)
    assert made.clocks_for(1) == Clocks(30.0, (120.0,), None)
    assert made.clocks_for(9) == Clocks()
    assert (made.is_top(2), made.is_top(3)) == (True, False)
    assert made.treatment("r").latching
    assert not made.treatment("other").latching
    assert policy_of(GRADING, Life(), [], clocks={}).clocks == {}


@pytest.mark.feature("A-4")
def test_support_that_is_asked_for_calls_the_next_people_at_once_and_takes_nothing() -> None:
    scene = Scene()
    scene.play([(0, raised(0, grade=1))], until_s=10)

    done = scene.do(10, "support", channel="link")
    scene.play([], until_s=650)

    assert done == "support"
    assert scene.newest().phase == "open"
    assert scene.called == [
        (0, "first 1"),
        (10, "support 1 step 1"),
        (30, "remind 1 step 1"),
        (300, "escalate 1 step 2"),
        (600, "escalate 1 step 3"),
    ]
    assert scene.recorded().count("support") == 2


def test_support_is_called_also_for_what_somebody_has_taken_and_its_progress_waits_anew() -> None:
    scene = Scene()
    scene.play([(0, raised(0, grade=1)), (10, ack())])

    scene.do(100, "support")
    scene.play([], until_s=701)

    assert [one for one in scene.called if "hold" not in one[1] and "end" not in one[1]] == [
        (0, "first 1"),
        (100, "support 1 step 1"),
        (700, "progress 1 step 2"),
    ]
    assert scene.newest().acknowledged_by == "li"


def test_support_for_a_grade_that_escalates_to_nobody_is_called_for_once() -> None:
    scene = Scene()
    scene.play([(0, raised(0, grade=4))])

    scene.do(5, "support")

    assert scene.called == [(0, "first 4"), (5, "support 4 step 1")]
    scene.play([(10, ack()), (20, cleared(20))])
    scene.do(5000, "close", note="fixed", verdict="true", code="leak")
    assert scene.do(5001, "support") == "already-closed"
