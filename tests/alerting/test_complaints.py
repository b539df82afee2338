"""What users of other consoles complain about, as far as it is about state, pages or time.

One test a complaint, named for what happens here instead; the marks lead to the others.
"""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from alerting.slices import End, Hold, Record, SaveIncident
from tests.alerting.people import city, test_paging
from tests.alerting.people.test_paging import incident, page, paging, people
from tests.alerting.scene import T0, Scene, ack, cleared, close, held, raised

NIGHT = dt.datetime(2024, 1, 15, 5, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
OFFICE_S = 3 * 3600.0
"""After nine in the morning of a working day."""
OPENS_S = (8.5 - 6.22) * 3600
"""Half past eight of it."""
MONTHS_S = NIGHT.timestamp() - T0 / 1000


@pytest.mark.feature("OnCall #4654, #4760")
def test_who_has_taken_it_gets_no_further_page_about_it() -> None:
    scene = Scene()

    scene.play([(0, raised(0, grade=1)), (20, ack())])
    waiting = {kind for kind, _ in scene.slice.deadlines}
    scene.play([], until_s=619)

    assert scene.called == [(0, "first 1"), (20, "hold"), (28, "end held")]
    assert waiting == {"undo", "progress"}, "reminder and escalation end with it, not later"
    held = [e for e in scene.effects if isinstance(e, Hold | End)]
    assert {e.incident for e in held} == {scene.newest().id}, "the same step of one transaction"


@pytest.mark.feature("OnCall #4761")
def test_a_responder_who_was_added_later_stops_his_own_pages_and_nobody_elses() -> None:
    taken = incident(acknowledged_by="wang", phase="acknowledged")
    one = paging()
    zhao = one.roster.persons["zhao"]

    called = one.call(taken, zhao, test_paging.DAY)
    before = people(one.pages(page("escalate", 1), taken))
    after = people(one.pages(page("escalate", 1), taken, frozenset(("zhao",))))
    others = people(one.pages(page("escalate", 2), taken, frozenset(("zhao",))))

    assert {push.person for push in called} == {"zhao"}
    assert (before, after, others) == (["zhao"], [], ["chief"])


@pytest.mark.feature("OnCall #3161", "A-10")
def test_a_late_acknowledgement_never_un_resolves() -> None:
    scene = Scene()
    scene.play([(0, raised(0)), (5, ack(actor="zhao")), (9, cleared(9))])
    seen = scene.newest().revision

    watching = scene.do(10, "acknowledge", expected_revision=seen)
    scene.play([(11, close())])
    closed = scene.newest()
    late = scene.do(12, "acknowledge", expected_revision=1, note="on my way")
    again = scene.do(3600, "acknowledge")

    assert (watching, late, again) == ("nothing-to-acknowledge", "noted-late", "noted-late")
    now = scene.newest()
    assert (now.phase, now.closed_by, now.acknowledged_by) == ("closed", "li", "zhao")
    assert now.changed_revision == closed.changed_revision
    assert [c for c in scene.called if c[0] > 11] == [], "nobody is called for it"


@pytest.mark.feature("OnCall #3111", "A-4")
def test_an_old_acknowledged_incident_pages_nobody_at_night_without_new_evidence() -> None:
    scene = Scene()
    scene.play([(0, raised(0, grade=3)), (60, ack())], until_s=MONTHS_S)

    asleep = [c for c in scene.called if c[0] > 70]
    listed = scene.newest().review
    scene.play([(MONTHS_S + 1, raised(MONTHS_S + 1, name="new", rule="gas.50", grade=2))])

    assert (asleep, listed) == ([], True)
    assert scene.called[-1] == (MONTHS_S + 1, "first 2"), "what is new and graver does"


@pytest.mark.feature("A-4")
@pytest.mark.parametrize("hides", [False, True])
def test_what_nobody_has_taken_at_night_calls_again_when_offices_are_open(hides: bool) -> None:
    scene = Scene()
    scene.play([(0, raised(0, grade=3))], until_s=5)
    if hides:
        scene.do(10, "acknowledge")
        key = scene.alarm().key
        scene.do(20, "shelve", alarm=key, note="n", until_ms=T0 + 600_000)
    scene.play([], until_s=OPENS_S - 1)
    asleep = [c for c in scene.called if c[0] > 30]
    listed = scene.newest().review

    scene.play([], until_s=OPENS_S + 4000)
    called = [c for c in scene.called if c[0] > 30]
    scene.do(OPENS_S + 4001, "acknowledge")
    scene.play([], until_s=OPENS_S + 86_400 * 2)

    assert (asleep, listed) == ([], True)
    begun = called[0][0]
    assert OPENS_S <= begun <= OPENS_S + 900
    assert called == [
        (begun, "first 3"),
        (begun + 600, "remind 3"),
        (begun + 1800, "escalate 3 step 1"),
    ]
    assert not any(
        "remind" in c[1] or "escalate" in c[1] for c in scene.called if c[0] > begun + 4001
    )


@pytest.mark.feature("OnCall #325, #4062, #3870, #3841", "A-4")
def test_reminders_are_the_grades_own_and_an_incident_can_be_given_more_time_once() -> None:
    first = {}
    for grade in (1, 2, 3):
        scene = Scene()
        scene.play([(OFFICE_S, raised(OFFICE_S, grade=grade))], until_s=OFFICE_S + 700)
        first[grade] = next(s for s, said in scene.called if said.startswith("remind"))
    scene = Scene()
    scene.play([(0, raised(0, grade=1)), (10, ack())])

    given = [scene.do(20 + n, "prolong", note="valve is stuck") for n in range(2)]
    scene.play([], until_s=1300)

    assert {g: at - OFFICE_S for g, at in first.items()} == {1: 30, 2: 120, 3: 600}
    assert given == ["prolonged", "already-prolonged"]
    assert [c for c in scene.called if "progress" in c[1]] == [(1210, "progress 1 step 1")]


@pytest.mark.feature("OnCall #1326")
def test_nobody_is_called_who_has_no_way_of_being_reached() -> None:
    mute = city.roster(persons=city.person("wang", addresses={}))

    called = paging(mute).pages(page(), incident())

    assert called
    assert all(push.person != "wang" for push in called), "the next step is called at once"


@pytest.mark.feature("OnCall #1931")
def test_the_wait_of_an_escalation_is_kept_over_a_restart() -> None:
    scene = Scene()
    scene.play([(0, raised(0, grade=1))], until_s=100)
    rows = dict(scene.slice.deadlines)

    # Another router reads the rows: nothing falls due before its time, and it then does.
    again = Scene()
    for one in (*scene.slice.alarms.values(),):
        again.slice.put_alarm(one)
    for excursion in scene.slice.excursions.values():
        again.slice.put_excursion(excursion)
    again.slice.put_incident(scene.newest())
    for (kind, subject), due_ms in rows.items():
        again.slice.put_deadline(kind, subject, due_ms)
    again.play([], until_s=310)

    assert again.called == [(120, "escalate 1 step 1"), (300, "escalate 1 step 2")]


@pytest.mark.feature("ThingsBoard #6047, #3919, #1721")
def test_who_acknowledged_when_by_which_way_and_with_what_words_is_kept() -> None:
    scene = Scene()
    scene.play([(0, raised(0))])

    scene.do(7, "acknowledge", actor="zhao", channel="sms-link", note="on my way")
    scene.do(9, "note", actor="li", note="the street is closed")

    kept = scene.newest()
    assert (kept.acknowledged_by, kept.acknowledged_ms) == ("zhao", T0 + 7000)
    lines = [e for e in scene.effects if isinstance(e, Record) and e.actor != "router"]
    assert [(e.actor, e.at_ms - T0, e.channel, e.action, e.note) for e in lines] == [
        ("zhao", 7000, "sms-link", "acknowledge", "on my way"),
        ("li", 9000, "console", "note", "the street is closed"),
    ]


@pytest.mark.feature("ThingsBoard #2986, #5652, #15583", "A-2")
@pytest.mark.parametrize("is_late_first", [False, True])
def test_two_readings_milliseconds_apart_are_one_alarm_of_one_incident_and_it_clears(
    *, is_late_first: bool
) -> None:
    scene = Scene()
    two = [(1, raised(1, name="a")), (1.004, raised(1.004, name="b"))]
    if is_late_first:
        two = [(1.004, two[1][1]), (1.005, two[0][1])]

    scene.play([*two, (2, held(2, name="b", onset_s=1.004))])
    scene.play([(9, cleared(9, name="b", onset_s=1.004))])
    scene.play([(9.1, cleared(9.1, name="a", onset_s=1))])

    assert len(scene.slice.alarms) == 1
    (one,) = scene.slice.incidents.values()
    assert not one.is_active
    assert [said for _, said in scene.called if said.startswith("first")] == ["first 2"]


@pytest.mark.feature("ThingsBoard #11434", "A-5")
def test_an_old_acknowledged_alarm_keeps_no_new_one_from_being_told() -> None:
    scene = Scene()
    scene.play([(0, raised(0, grade=3)), (5, ack())])

    worse = scene.play([(600, raised(600, name="worse", rule="gas.50", grade=2)), (605, ack())])
    again = scene.play(
        [
            (700, cleared(700, 600, name="worse", rule="gas.50", grade=2)),
            (701, cleared(701, 0, grade=3)),
            (900, raised(900, name="next", grade=3)),
        ]
    )

    assert worse[0] == (600, "1:worsened>open", "tell worsened 2")
    assert again[-1] == (900, "1:reopened>open", "tell reopened 3")
    firsts = [c for c in scene.called if c[1].startswith("first")]
    assert firsts == [(0, "first 3"), (600, "first 2"), (900, "first 3")]


@pytest.mark.feature("ThingsBoard #11803, netdata #945", "A-5")
def test_grades_rise_and_fall_by_how_long_it_lasts_and_flapping_is_no_spam() -> None:
    grave = {"name": "grave", "rule": "gas.50", "grade": 1, "on_delay_s": 60.0, "off_delay_s": 30.0}
    scene = Scene()

    brief = scene.play(
        [
            (0, raised(0, grade=3)),
            (10, raised(10, **grave)),
            (40, cleared(40, 10, **grave)),
        ],
        until_s=200,
    )
    lasting = scene.play([(300, raised(300, **{**grave, "name": "lasts"}))], until_s=400)
    flap = {**grave, "on_delay_s": 0.0}
    scene.play([(500, cleared(500, 300, **{**grave, "name": "lasts"}))])
    for n in range(20):
        at_s = 505 + 10 * n
        back = {**flap, "name": f"flap{n}"}
        scene.play([(at_s, raised(at_s, **back)), (at_s + 5, cleared(at_s + 5, at_s, **back))])
    firsts = [c for c in scene.called if c[1].startswith("first")]

    assert brief == [(0, "1:opened>open", "tell alert opened 3")], "half a minute is no minute"
    assert lasting == [(360, "1:worsened>open", "tell worsened 1")], "a minute is"
    assert firsts == [(0, "first 3"), (360, "first 1")], "forty changes call nobody"
    assert len(scene.slice.incidents) == 1


@pytest.mark.feature("Grafana #13364, #18193, #24762")
def test_an_acknowledgement_is_a_state_that_everybody_is_told_of() -> None:
    scene = Scene()
    scene.play([(0, raised(0))])

    seen = scene.play([(5, ack())])

    assert seen == [(5, "1:acknowledged>acknowledged", "tell acknowledged 2")]
    assert scene.state() == "acknowledged"
    saved = [e.incident.phase for e in scene.effects if isinstance(e, SaveIncident)]
    assert saved == ["open", "acknowledged"]
