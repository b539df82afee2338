"""Windows, people told and on duty, hand-overs, letters: by form, with the records in memory."""

import msgspec
import pytest

from alerting.board.rows import Told
from alerting.desk.rows import NoticeRow
from alerting.people.handover import OpenIncident, ShelvedPoint
from alerting.people.responders import Responder
from tests.alerting.console.hall import Hall, leak
from tests.alerting.console.test_desk_forms import said
from tests.alerting.console.test_doors import header
from tests.alerting.scene import T0
from tests.integration.console_rig import WELL

# Windows


@pytest.mark.feature("A-13")
def test_a_watch_after_work_ends_only_when_its_checks_are_ticked() -> None:
    hall = Hall()
    form = {"kind": "work-watch", "zone": "gas/heping", "minutes": "60", "note": "valve changed",
            "assets": f" {WELL} ，", "work": "WO-1"}  # fmt: skip

    opened = hall.ask("POST", "/windows", form=form)
    (window,) = hall.slice.windows.values()
    page = hall.page("/windows")
    early = hall.ask("POST", f"/windows/{window.id}/end")
    for check in window.checks:
        ticked = hall.ask("POST", f"/windows/{window.id}/check", form={"check": check.name})
        assert ticked.status == 303
    hall.now_ms += 2 * 3_600_000
    hall.seen_ms = hall.now_ms
    late = hall.page("/windows")
    done = hall.ask("POST", f"/windows/{window.id}/end", form={"note": "measured"})

    assert (opened.status, early.status, done.status) == (303, 409, 303)
    assert window.assets == (WELL,)
    assert window.checks
    assert "work order WO-1" in page
    assert "Mandatory checks" in page
    assert "mandatory checks are missing" in said(early)
    assert "done by li at" in late
    assert "ended" in hall.page("/windows")
    assert "No windows" in Hall().page("/windows")


def test_a_window_over_time_with_checks_left_says_so() -> None:
    hall = Hall()
    form = {"kind": "work-watch", "zone": "gas/heping", "minutes": "60", "note": "x"}
    hall.ask("POST", "/windows", form=form)
    hall.now_ms += 2 * 3_600_000
    hall.seen_ms = hall.now_ms

    assert "over time, checks missing" in hall.page("/windows")


@pytest.mark.parametrize(
    ("changed", "status"),
    [({"kind": "common-cause"}, 400), ({"zone": "none"}, 422), ({"minutes": "0"}, 400),
     ({"note": ""}, 400), ({"minutes": "99999"}, 422)],
)  # fmt: skip
def test_a_window_that_cannot_be_is_refused(changed: dict[str, str], status: int) -> None:
    form = {"kind": "maintenance", "zone": "gas/heping", "minutes": "60", "note": "x", **changed}

    assert Hall().ask("POST", "/windows", form=form).status == status


# People


@pytest.mark.feature("ThingsBoard #12728")
def test_people_told_are_shown_with_what_became_of_each_page() -> None:
    hall = Hall().with_roster()
    name = hall.take(leak())
    base = Told(person="li-wei", target="sms", reason="first", state="delivered", attempts=1,
                code="OK", at_ms=T0, is_overtaken=False)  # fmt: skip
    hall.board.pages[name] = [
        base,
        msgspec.structs.replace(base, person="zhao", state="dead", code="E1", at_ms=None),
        msgspec.structs.replace(base, person="boss", state="ended", is_overtaken=True),
    ]
    hall.crew.known = [
        Responder(person="li-wei", added_by="", told_ms=T0, waiting=0, seen_ms=T0,
                  acknowledged_ms=T0),
        Responder(person="zhao", added_by="", told_ms=None, waiting=0, seen_ms=T0,
                  acknowledged_ms=None),
    ]  # fmt: skip

    page = hall.page(f"/incidents/{name}")
    stopped = hall.ask("POST", f"/incidents/{name}/stop-own", "wang")
    mine = hall.ask("POST", f"/incidents/{name}/stop-own")
    called = hall.ask("POST", f"/incidents/{name}/call", form={"person": "zhao"})
    nobody = hall.ask("POST", f"/incidents/{name}/call", form={"person": "none"})

    for text in ("Li Wei", "took note 06:13:20", "Zhao Min", "not delivered · E1", "seen 06:13:20",
                 "was on its way when it was acknowledged"):  # fmt: skip
        assert text in page, text
    played = hall.take(leak(drill=True, name="played"))
    for_real = hall.ask("POST", f"/incidents/{played}/call", form={"person": "zhao"})
    assert 'value="zhao"' in page
    assert 'value="zhao"' not in hall.page(f"/incidents/{played}")
    assert (stopped.status, mine.status, called.status, nobody.status) == (303, 303, 303, 400)
    assert for_real.status == 400, "an exercise calls whom it names, and nobody else"
    assert hall.crew.stopped == [(name, "wang"), (name, "li-wei")]
    assert hall.crew.called == [(name, "zhao", "li")]


def test_the_roster_says_who_is_on_duty_now_and_next_and_who_stands_in() -> None:
    hall = Hall().with_roster()

    page = hall.page("/roster")

    assert "Li Wei until 12:00" in page
    assert "Zhao Min" in page
    assert "There is no roster" in Hall().page("/roster")


@pytest.mark.feature("C-4", "OnCall #325, #4062, #3870, #3841")
def test_a_desk_is_handed_over_item_by_item_and_signed_by_both() -> None:
    hall = Hall().with_roster()
    hall.crew.facts = {
        "incidents": (OpenIncident(id="i1", grade=1, hazard="gas-leak", asset=WELL, phase="open",
                                   since_ms=T0, owner=""),),
        "shelved": (ShelvedPoint(key="k1", channel="gas/x", hazard="gas-leak", grade=1, by="li",
                                 until_ms=None),),
    }  # fmt: skip
    form = {"desk": "gas", "incoming": "boss", "notes": "quiet night"}

    begun = hall.ask("POST", "/handovers", form=form)
    door = header(begun, "Location")
    mine, theirs = hall.page(door), hall.page(door, "boss")
    steps = [
        hall.ask("POST", f"{door}/notes", form={"notes": "V-31 is stiff"}),
        hall.ask("POST", f"{door}/sign"),
        hall.ask("POST", f"{door}/sign", "boss"),
        hall.ask("POST", f"{door}/accept", "boss"),
        hall.ask("POST", f"{door}/accept", "boss", form={"item-1": "incident:i1"}),
        hall.ask("POST", f"{door}/accept", "boss", form={"item-1": "shelved:k1"}),
        hall.ask("POST", f"{door}/sign", "boss"),
    ]
    sheet = hall.page(f"{door}/sheet")

    assert [one.status for one in steps] == [303, 303, 409, 400, 303, 303, 303]
    assert "To be taken over: 2" in mine
    assert 'value="shelved:k1"' in theirs
    assert "V-31 is stiff" in sheet
    assert "Both have signed" in hall.page(door)
    assert "Open the sheet" in hall.page("/roster")
    assert hall.ask("POST", "/handovers", form={**form, "desk": "none"}).status == 422
    assert hall.ask("POST", "/handovers", form={**form, "incoming": "li"}).status == 409
    assert hall.ask("GET", "/handovers/none").status == 404
    assert hall.ask("POST", "/handovers/none/sign").status == 404
    assert Hall().ask("POST", "/handovers", form=form).status == 409


# Letters and evidence


@pytest.mark.feature("E-1")
def test_what_a_receiver_refused_is_listed_and_sent_again() -> None:
    hall = Hall()
    name = hall.take(leak())
    letter = NoticeRow(7, name, "platform", "opened", "alert", "dead", 3, "400", T0, None, "k", b"")
    hall.board.dead = [letter, msgspec.structs.replace(letter, id=8, incident="", last_ms=None)]

    page = hall.page("/letters")
    done = hall.ask("POST", "/letters/7/resend")
    gone = hall.ask("POST", "/letters/7/resend")
    broken = hall.ask("POST", "/letters/x/resend")

    assert 'action="/letters/7/resend"' in page
    assert (done.status, gone.status, broken.status) == (303, 404, 404)
    hall.board.dead = []
    assert "No receiver has refused" in hall.page("/letters")


def test_an_evidence_package_is_asked_for_by_who_may() -> None:
    hall = Hall()
    name = hall.take(leak())

    asked = hall.ask("POST", f"/incidents/{name}/evidence")

    assert (asked.package, asked.by) == (name, "li")
    assert hall.ask("POST", f"/incidents/{name}/evidence", "wang").status == 403
