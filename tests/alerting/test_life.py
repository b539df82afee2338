"""An incident's life in people's hands: taken, undone, judged, sent, arrived, closed, archived."""

import msgspec
import pytest

from alerting.incidents import VERDICT_CODES
from alerting.policy import Policy
from alerting.slices import Decided, Label, Propose, Record
from lifeline.life import Life
from tests.alerting.scene import T0, Scene, ack, cleared, close, raised

LEAK = {"verdict": "true", "code": "leak"}


def taken(**life: float) -> Scene:
    """A leak of grade 2, acknowledged by li after five seconds."""
    scene = Scene(Policy(life=Life(**life)))
    scene.play([(0, raised(0)), (5, ack())])
    return scene


@pytest.mark.feature("ThingsBoard #6047, #3919, #1721")
def test_each_step_is_kept_with_actor_time_channel_and_note() -> None:
    scene = taken(quiet_s=60)
    said = [
        scene.do(20, "verify", **LEAK, note="smell on site"),
        scene.do(30, "dispatch", task="close valve 3", person="wang", channel="api"),
        scene.do(400, "arrive"),
    ]
    scene.play([(500, cleared(500))])
    said += [scene.do(600, "close", note="sealed"), scene.do(700, "archive")]

    one = scene.newest()
    assert said == ["verified", "dispatched", "arrived", "closed", "archived"]
    assert (one.phase, one.verdict, one.verdict_code, one.verdict_by) == (
        "archived", "true", "leak", "li",
    )  # fmt: skip
    assert (one.task, one.person) == ("close valve 3", "wang")
    assert one.dispatched_ms == T0 + 30_000
    assert one.arrived_ms == T0 + 400_000
    lines = [e for e in scene.effects if isinstance(e, Record) and e.actor == "li"]
    assert [(r.at_ms - T0, r.action, r.note, r.channel) for r in lines] == [
        (5_000, "acknowledge", "", "console"),
        (20_000, "verify", "smell on site", "console"),
        (30_000, "dispatch", "", "api"),
        (400_000, "arrive", "", "console"),
        (600_000, "close", "sealed", "console"),
        (700_000, "archive", "", "console"),
    ]


def test_receivers_hear_of_every_step_that_matters_to_them() -> None:
    scene = taken(quiet_s=0)
    seen = scene.play([(6, ack())])
    scene.do(20, "verify", **LEAK)
    scene.do(30, "dispatch", task="look", person="wang")

    told = [str(e.reason) for e in scene.effects if type(e).__name__ == "Tell"]
    assert seen == [(6, "refused: already-acknowledged")]
    assert told == ["opened", "acknowledged", "verified", "dispatched"]


def test_phases_follow_the_steps_and_survive_a_rise() -> None:
    scene = taken()
    phases = [scene.newest().phase]
    scene.do(10, "verify", **LEAK)
    phases.append(scene.newest().phase)
    scene.do(20, "dispatch", task="look", person="wang")
    phases.append(scene.newest().phase)
    scene.play([(30, raised(30, grade=1, rule="gas.ch4.50"))])
    phases.append(scene.newest().phase)
    kept = (scene.newest().verdict, scene.newest().task)
    scene.do(40, "acknowledge")
    phases.append(scene.newest().phase)

    assert phases == ["acknowledged", "verified", "dispatched", "open", "dispatched"]
    assert kept == ("true", "look")


@pytest.mark.feature("A-3")
@pytest.mark.parametrize("verdict", VERDICT_CODES)
def test_a_verdict_needs_a_reason_that_fits_it_and_becomes_a_label(verdict: str) -> None:
    scene = taken()
    code = VERDICT_CODES[verdict][0]  # type: ignore[index]

    said = [
        scene.do(10, "verify"),
        scene.do(10, "verify", verdict=verdict, code="nonsense"),
        scene.do(10, "verify", verdict=verdict, code=code),
    ]

    assert said == ["needs-verdict", "needs-code", "verified"]
    (label,) = [e for e in scene.effects if isinstance(e, Label)]
    assert (label.verdict, label.code, label.actor) == (verdict, code, "li")


@pytest.mark.feature("A-3", "M-5")
def test_a_drill_leaves_no_label() -> None:
    scene = Scene()
    scene.play([(0, raised(0, drill=True)), (5, ack())])

    assert scene.do(10, "verify", **LEAK) == "verified"
    assert not [e for e in scene.effects if isinstance(e, Label)]


def test_what_comes_too_early_or_twice_is_refused() -> None:
    scene = Scene(Policy())
    scene.play([(0, raised(0))])
    early = [
        scene.do(1, "verify", **LEAK),
        scene.do(1, "dispatch", task="look", person="wang"),
        scene.do(1, "prolong", note="n"),
        scene.do(1, "arrive"),
        scene.do(1, "archive"),
        scene.do(1, "undo"),
    ]
    scene.do(2, "acknowledge")
    twice = [
        scene.do(3, "dispatch", task=" ", person="wang"),
        scene.do(4, "dispatch", task="look", person="wang"),
        scene.do(5, "arrive"),
        scene.do(6, "arrive"),
        scene.do(7, "prolong"),
        scene.do(7, "prolong", note="waits for the key"),
        scene.do(8, "prolong", note="again"),
    ]

    assert early == [
        "not-acknowledged", "not-acknowledged", "not-acknowledged", "not-dispatched", "not-closed",
        "too-late-to-undo",
    ]  # fmt: skip
    assert twice == [
        "needs-task", "dispatched", "arrived", "already-arrived", "needs-note", "prolonged",
        "already-prolonged",
    ]  # fmt: skip


@pytest.mark.feature("A-12")
def test_closing_waits_until_every_sensor_has_been_calm_for_long_enough() -> None:
    scene = taken(quiet_s=600)
    said = [scene.do(6, "close", note="n"), scene.do(7, "close", note="n", **LEAK)]
    scene.play([(100, cleared(100))])
    said += [scene.do(699, "close", note="n", **LEAK), scene.do(700, "close", note="n", **LEAK)]

    assert said == ["needs-verdict", "active", "not-calm", "closed"]
    assert not scene.newest().overridden


def test_a_recurrence_begins_the_calm_anew() -> None:
    scene = taken(quiet_s=600)
    scene.play([(100, cleared(100)), (300, raised(300)), (310, ack())])
    scene.play([(400, cleared(400, onset_s=300))])

    assert scene.do(900, "close", note="n", **LEAK) == "not-calm"
    assert scene.do(1000, "close", note="n", **LEAK) == "closed"


@pytest.mark.feature("A-12")
def test_nothing_closes_where_a_sensor_is_at_fault_but_a_fault_itself_does() -> None:
    fault = {"hazard": "sensor-fault", "detector": "flatline", "rule": "stuck", "grade": 5}
    mute = {**fault, "hazard": "gateway-silent", "detector": "silence", "channel": "gas/well-1/up"}
    scene = Scene()
    scene.play(
        [
            (0, raised(0)),
            (1, raised(1, name="stuck", **fault)),
            (2, raised(2, name="mute", **mute)),
            (5, cleared(5)),
            (6, cleared(6, 1, name="stuck", **fault)),
        ]
    )
    leak, stuck, _ = scene.slice.incidents
    for name in (leak, stuck):
        scene.do(10, "acknowledge", incident=name)

    said = [scene.do(20, "close", incident=name, note="n", **LEAK) for name in (leak, stuck)]

    assert said == ["blind", "closed"]


@pytest.mark.feature("A-12")
def test_closing_against_the_evidence_takes_two_persons_and_is_marked_for_ever() -> None:
    scene = taken(quiet_s=600)
    asked = scene.do(10, "close", note="sensor under water", override=True, **LEAK)
    (proposal,) = scene.slice.proposals
    said = [
        scene.do(20, "approve", proposal=proposal, actor="li"),
        scene.do(20, "approve", proposal="another", actor="wang"),
        scene.do(20, "approve", proposal=proposal, actor="wang"),
        scene.do(21, "approve", proposal=proposal, actor="zhao"),
    ]

    one = scene.newest()
    assert asked == "proposed"
    assert said == ["same-person", "proposal-gone", "closed-active", "proposal-gone"]
    assert (one.phase, one.overridden, one.closed_by, one.second) == ("closed", True, "li", "wang")
    assert [type(e) for e in scene.effects if isinstance(e, Propose | Decided)] == [
        Propose, Decided,
    ]  # fmt: skip


def test_a_proposal_lapses_and_what_changed_meanwhile_is_refused() -> None:
    late = taken(proposal_s=60)
    late.do(10, "close", note="n", override=True, **LEAK)
    changed = taken()
    changed.do(10, "close", note="n", override=True, expected_revision=2, **LEAK)
    changed.play([(12, raised(12, grade=1, rule="gas.ch4.50")), (13, ack())])

    gone = late.do(70, "approve", proposal=next(iter(late.slice.proposals)), actor="wang")
    faster = changed.do(20, "approve", proposal=next(iter(changed.slice.proposals)), actor="wang")

    assert (gone, faster) == ("proposal-gone", "faster")
    assert changed.newest().is_live


def test_an_override_of_what_is_calm_is_a_plain_closure() -> None:
    scene = taken(quiet_s=0)
    scene.play([(100, cleared(100))])

    assert scene.do(101, "close", note="n", override=True, **LEAK) == "closed"
    assert not scene.newest().overridden


def test_a_closed_incident_goes_to_the_archive_by_itself() -> None:
    scene = taken(quiet_s=0, archive_after_s=86_400)
    scene.play([(100, cleared(100)), (101, close())])

    scene.play([], until_s=101 + 86_400)

    assert scene.newest().phase == "archived"
    assert scene.recorded()[-1] == "archived"
    assert scene.do(90_000, "acknowledge") == "noted-late"
    assert scene.do(90_000, "verify", **LEAK) == "already-closed"
    assert scene.newest().phase == "archived"


@pytest.mark.feature("Grafana #13364, #18193, #24762")
def test_an_acknowledgement_can_be_undone_by_its_actor_for_eight_seconds() -> None:
    scene = taken()
    said = [
        scene.do(12, "undo", actor="wang"),
        scene.do(12.9, "undo"),
        scene.do(12.95, "undo"),
    ]

    assert said == ["not-yours", "undone", "too-late-to-undo"]
    assert (scene.newest().phase, scene.newest().acknowledged_by) == ("open", "")
    assert scene.state() == "unacknowledged"
    assert scene.called[:3] == [(0, "first 2"), (5, "hold"), (12.9, "release")]


def test_after_eight_seconds_it_stands() -> None:
    scene = taken()

    assert scene.do(13, "undo") == "too-late-to-undo"
    assert scene.called == [(0, "first 2"), (5, "hold"), (13, "end held")]


def test_who_has_gone_on_cannot_undo() -> None:
    scene = taken()
    scene.do(6, "verify", **LEAK)

    assert scene.do(7, "undo") == "too-late-to-undo"


def test_an_undone_acknowledgement_of_what_has_returned_waits_for_a_human_again() -> None:
    scene = taken()
    scene.play([(7, cleared(7))])

    assert scene.do(8, "undo") == "undone"
    assert scene.state() == "returned-unacknowledged"
    assert scene.newest().phase == "open"


def test_there_is_nothing_to_undo_where_every_alarm_was_put_away_since() -> None:
    scene = taken()
    scene.do(6, "shelve", alarm=scene.alarm().key, note="n", until_ms=T0 + 60_000)

    assert scene.do(7, "undo", incident=scene.newest().id) == "too-late-to-undo"


def test_without_time_to_undo_what_calls_people_ends_at_once() -> None:
    scene = taken(undo_s=0)

    assert scene.called == [(0, "first 2"), (5, "end acknowledged")]
    assert scene.do(5, "undo") == "too-late-to-undo"


def test_a_note_is_welcome_whatever_has_happened() -> None:
    scene = taken()

    assert scene.do(6, "note", note="x", expected_revision=1) == "noted"
    assert scene.do(7, "note") == "needs-note"
    assert scene.do(8, "note", incident="nobody", note="x") == "unknown"


def test_a_proposal_names_each_request_apart() -> None:
    scene = taken()
    for second in (10, 11):
        scene.do(second, "close", note="n", override=True, **LEAK)

    assert len(scene.slice.proposals) == 2
    (first, _) = scene.slice.proposals.values()
    assert msgspec.structs.asdict(first.act)["override"]
