"""Timelines in virtual time; each asserts everything that came out."""

import msgspec
import pytest

from alerting import engine
from alerting.slices import Record, SaveExcursion, Slice
from lifeline.model import Detail
from tests.alerting.scene import T0, Scene, ack, cleared, close, finding, held, raised


def test_a_leak_is_told_taken_watched_and_closed() -> None:
    scene = Scene()

    seen = scene.play(
        [(0, raised(0)), (30, ack()), (60, held(60)), (90, cleared(90)), (600, close())]
    )

    assert seen == [
        (0, "1:opened>open", "tell alert opened 2"),
        (30, "1:acknowledged>acknowledged", "tell acknowledged 2"),
        (90, "1:returned>watching", "tell returned 2"),
        (600, "1:closed>closed", "tell closed 2"),
    ]
    assert scene.state() == "normal"
    records = [e for e in scene.effects if isinstance(e, Record)]
    assert [(r.actor, str(r.reason), r.note) for r in records] == [
        ("router", "opened", ""),
        ("li", "acknowledged", ""),
        ("router", "returned", ""),
        ("li", "closed", "checked on site"),
    ]


def test_an_alarm_that_went_away_by_itself_still_waits_for_a_human() -> None:
    scene = Scene()

    seen = scene.play([(0, raised(0)), (10, cleared(10)), (20, ack())])

    assert seen == [
        (0, "1:opened>open", "tell alert opened 2"),
        (10, "1:returned>open", "tell returned 2"),
        (20, "1:acknowledged>watching", "tell acknowledged 2"),
    ]


def test_on_delay_counts_event_time_whatever_the_timer_does() -> None:
    delayed = {"on_delay_s": 10.0}
    short = Scene().play([(0, raised(0, **delayed)), (9, cleared(9, **delayed))], until_s=60)
    by_timer = Scene().play([(0, raised(0, **delayed))], until_s=60)
    late_clear = Scene().play(
        [(0, raised(0, **delayed)), (9.5, cleared(12, **delayed))], until_s=60
    )

    assert short == []
    assert by_timer == [(10, "1:opened>open", "tell alert opened 2")]
    # The clear came before our timer, but says that it lasted: it counts, and has returned at once.
    assert late_clear == [
        (9.5, "1:opened>open", "tell alert opened 2", "1:returned>open", "tell returned 2")
    ]


def test_a_raise_within_the_off_delay_is_the_same_alarm() -> None:
    quiet = {"off_delay_s": 60.0}
    timeline = [
        (0, raised(0, **quiet)),
        (5, ack()),
        (10, cleared(10, **quiet)),
        (50, raised(50, **quiet)),
        (55, cleared(55, onset_s=50, **quiet)),
    ]

    seen = Scene().play(timeline, until_s=200)

    assert seen == [
        (0, "1:opened>open", "tell alert opened 2"),
        (5, "1:acknowledged>acknowledged", "tell acknowledged 2"),
        (50, "1:joined>acknowledged"),
        (115, "1:returned>watching", "tell returned 2"),
    ]


def test_a_raise_after_the_off_delay_returned_first_even_when_the_timer_was_late() -> None:
    quiet = {"off_delay_s": 60.0}
    scene = Scene()
    for event in (raised(0, **quiet), cleared(10, **quiet)):
        scene.play([(10, event)])
    scene.play([(11, ack())])

    effects = engine.step(scene.slice, raised(71, **quiet), T0 + 12_000)

    assert scene.slice.excursions["f0"].stage == "over"
    assert [str(e.reason) for e in effects if type(e).__name__ == "SaveIncident"] == [
        "returned",
        "reopened",
    ]


@pytest.mark.feature("A-5", "ThingsBoard #11434")
def test_the_acknowledgement_silences_repetition_but_never_a_rise() -> None:
    other = {"channel": "gas/well-1/ch4-b"}
    timeline = [
        (0, raised(0)),
        (5, ack()),
        (10, raised(10, **other)),
        (20, raised(20, grade=1, rule="gas.ch4.50")),
        (30, raised(30, grade=1, name="again", **other)),
    ]
    scene = Scene()

    seen = scene.play(timeline)

    assert seen == [
        (0, "1:opened>open", "tell alert opened 2"),
        (5, "1:acknowledged>acknowledged", "tell acknowledged 2"),
        (10, "1:joined>acknowledged"),
        (20, "1:worsened>open", "tell worsened 1"),
        (30, "1:joined>open"),
    ]
    assert scene.state("gas/well-1/ch4-b") == "acknowledged"


@pytest.mark.feature("ThingsBoard #11434")
def test_a_recurrence_before_closure_reopens_and_after_it_is_the_next_episode() -> None:
    timeline = [
        (0, raised(0)),
        (1, ack()),
        (2, cleared(2)),
        (10, raised(10)),
        (11, ack()),
        (12, cleared(12, onset_s=10)),
        (20, close()),
        (30, raised(30)),
    ]
    scene = Scene()

    seen = scene.play(timeline)

    assert [row[1:] for row in seen if row[0] in (10, 20, 30)] == [
        ("1:reopened>open", "tell reopened 2"),
        ("1:closed>closed", "tell closed 2"),
        ("2:opened>open", "tell alert opened 2"),
    ]


@pytest.mark.feature("OnCall #3161")
def test_a_late_acknowledgement_of_a_closed_incident_is_a_note_and_opens_nothing() -> None:
    timeline = [(0, raised(0)), (1, ack()), (2, cleared(2)), (3, close()), (4, ack(actor="wang"))]
    scene = Scene()

    seen = scene.play([*timeline, (5, close())])

    assert seen[-2:] == [(4, "1:noted-late>closed"), (5, "refused: already-closed")]


def test_what_may_not_be_done_is_refused_with_its_reason() -> None:
    scene = Scene()
    seen = scene.play(
        [
            (0, raised(0)),
            (1, close()),
            (2, ack()),
            (3, ack()),
            (4, close()),
            (5, close(note=" ")),
            (6, close("nobody")),
            (7, cleared(7)),
            (8, ack()),
        ]
    )

    assert [row[1] for row in seen if row[1].startswith("refused")] == [
        "refused: not-acknowledged",
        "refused: already-acknowledged",
        "refused: active",
        "refused: needs-note",
        "refused: unknown",
        "refused: nothing-to-acknowledge",
    ]


def test_closing_over_an_active_alarm_needs_an_override_by_two_and_stays_marked() -> None:
    scene = Scene()
    timeline = [(0, raised(0)), (1, ack()), (2, close(override=True, second="wang")), (3, held(3))]

    seen = scene.play([*timeline, (4, raised(4, rule="gas.ch4.50", grade=1))])

    assert seen[2:] == [
        (2, "1:closed-active>closed", "tell closed 2"),
        (4, "2:opened>open", "tell alert opened 1"),
    ]
    assert next(iter(scene.slice.incidents.values())).overridden


def test_an_alarm_whose_incident_was_closed_over_it_returns_in_silence() -> None:
    scene = Scene()
    scene.play([(0, raised(0)), (1, ack()), (2, close(override=True, second="wang"))])

    seen = scene.play([(9, cleared(9))])

    assert seen == []
    assert scene.state() == "normal"


@pytest.mark.feature("A-10")
def test_who_saw_an_older_state_is_told_but_a_join_does_not_count() -> None:
    scene = Scene()
    scene.play([(0, raised(0))])
    joined = raised(1, channel="gas/well-1/ch4-b")

    seen = scene.play([(1, joined), (2, ack(expected_revision=1))])
    worse = scene.play([(3, raised(3, grade=1)), (4, ack(expected_revision=3))])

    assert seen == [(1, "1:joined>open"), (2, "1:acknowledged>acknowledged", "tell acknowledged 2")]
    assert worse == [(3, "1:worsened>open", "tell worsened 1"), (4, "refused: faster")]


def test_back_filled_findings_never_clear_a_live_alarm_and_history_never_pages() -> None:
    late = {"lane": "late"}
    old = {"lane": "historical"}
    scene = Scene()

    seen = scene.play(
        [
            (0, raised(0)),
            # Inside what is known, and no graver: no news.
            (10, raised(10, name="inside", onset_s=5, **late)),
            (11, cleared(11, **late)),
            (12, cleared(12, **old)),
            (13, cleared(13, name="inside", **late)),
        ]
    )

    assert seen == [(0, "1:opened>open", "tell alert opened 2")]
    assert scene.state() == "unacknowledged"


def test_a_historical_excursion_opens_a_back_dated_incident_in_silence_until_it_is_live() -> None:
    old = {"lane": "historical", "channel": "gas/well-1/ch4-b"}
    scene = Scene()

    seen = scene.play([(0, raised(0, name="old", **old)), (5, ack()), (10, raised(10))])

    assert seen == [
        (0, "1:opened>open"),
        (5, "1:acknowledged>acknowledged"),
        (10, "1:worsened>open", "tell alert worsened 2"),
    ]


def test_a_late_excursion_pages_and_ends_by_its_own_clear() -> None:
    late = {"lane": "late"}

    seen = Scene().play([(100, raised(0, **late)), (100, cleared(20, **late))])

    assert seen == [
        (100, "1:opened>open", "tell alert opened 2"),
        (100, "1:returned>open", "tell returned 2"),
    ]


def test_a_late_excursion_needs_its_on_delay_by_its_own_times() -> None:
    late = {"lane": "late", "on_delay_s": 60.0}

    held_on = Scene().play([(100, raised(0, **late)), (100, held(70, **late))])
    cleared_after = Scene().play([(100, raised(0, **late)), (100, cleared(70, **late))])
    cleared_before = Scene().play([(100, raised(0, **late)), (100, cleared(50, **late))], 300)

    assert held_on == [(100, "1:opened>open", "tell alert opened 2")]
    assert cleared_after == [
        (100, "1:opened>open", "tell alert opened 2", "1:returned>open", "tell returned 2")
    ]
    assert cleared_before == []


def test_a_graver_late_excursion_inside_a_known_one_is_news() -> None:
    late = {"lane": "late", "grade": 1, "name": "worse"}

    seen = Scene().play([(0, raised(0)), (10, raised(10, onset_s=5, **late))])

    assert seen[1:] == [(10, "1:worsened>open", "tell worsened 1")]


def test_a_finding_read_again_does_nothing() -> None:
    scene = Scene()
    timeline = [(0, raised(0)), (5, held(5)), (9, cleared(9))]
    scene.play(timeline)
    before = msgspec.json.encode(scene.slice.incidents)

    seen = scene.play([(10, f) for _, f in timeline])

    assert seen == []
    assert msgspec.json.encode(scene.slice.incidents) == before


def test_held_without_a_raise_counts_and_cleared_without_one_ends_nothing() -> None:
    assert Scene().play([(60, held(60))]) == [(60, "1:opened>open", "tell alert opened 2")]
    assert Scene().play([(60, cleared(60)), (61, raised(0))]) == []


def test_live_readings_are_believed_where_back_filled_ones_were_no_news() -> None:
    scene = Scene()
    scene.play([(0, raised(0)), (8, raised(8, name="x", lane="late", onset_s=5))])
    ignored = scene.slice.excursions["x"].stage

    scene.play([(9, raised(9, name="x", onset_s=5)), (10, cleared(10))])

    assert ignored == "ignored"
    assert scene.state() == "unacknowledged", "the live excursion still lasts"


def test_a_drill_and_the_real_thing_do_not_meet() -> None:
    scene = Scene()

    seen = scene.play([(0, raised(0, drill=True)), (1, raised(0)), (2, cleared(2, drill=True))])

    assert [row[1] for row in seen] == ["1:opened>open", "1:opened>open", "1:returned>open"]
    assert scene.state() == "unacknowledged"


def test_the_canary_pages_at_every_beat_and_leaves_no_trace_in_the_audit() -> None:
    canary = {"hazard": "canary", "lifeline": "canary", "grade": 4}
    scene = Scene()

    seen = scene.play(
        [
            (0, raised(0, **canary)),
            (7, cleared(7, **canary)),
            (15, raised(15, **canary)),
        ]
    )

    assert seen == [
        (0, "1:opened>open", "tell alert opened 4"),
        (7, "1:self-closed>closed"),
        (15, "2:opened>open", "tell alert opened 4"),
    ]
    assert not [e for e in scene.effects if isinstance(e, Record)]


def test_a_backlog_gives_the_clear_two_seconds_before_the_timer_speaks() -> None:
    slice_ = Slice()
    late_by_ms = 600_000

    (saved, *_) = engine.step(slice_, finding(0, on_delay_s=30.0), T0 + late_by_ms)

    assert isinstance(saved, SaveExcursion)
    assert saved.excursion.due_ms == T0 + late_by_ms + 2000


def test_a_live_record_says_nothing_of_what_back_filled_ones_began() -> None:
    scene = Scene()
    late = {"lane": "late", "name": "late", "onset_s": 5, "on_delay_s": 60.0}
    scene.play([(10, raised(10, **late))])

    seen = scene.play([(11, raised(80, grade=1))])

    assert seen == [(11, "1:opened>open", "tell alert opened 1")]
    assert scene.slice.excursions["late"].stage == "pending"


def test_where_it_is_is_told_once_leads_from_then_on_and_calls_nobody() -> None:
    scene = Scene()
    where = Detail(candidates=(("P-7", 0.6),))
    area = {"channel": "gas/area", "rule": "gas.area", "detector": "mains_burst"}
    vague = raised(
        5, name="vague", channel="gas/well-1/flow", rule="gas.flow", grade=3, detail=where
    )

    seen = scene.play([
        (0, raised(0)),
        (5, vague),
        (10, raised(10, name="placed", detail=where, **area)),
        (15, raised(15, name="again", detail=where, **area | {"rule": "gas.other"})),
    ])  # fmt: skip

    assert seen == [
        (0, "1:opened>open", "tell alert opened 2"),
        (5, "1:joined>open"),
        (10, "1:located>open", "tell located 2"),
        (15, "1:joined>open"),
    ]
    (one,) = scene.slice.incidents.values()
    assert one.lead.id == "placed"
