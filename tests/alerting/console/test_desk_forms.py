"""What the desk does by form, page by page, with the records in memory."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from alerting.board.rows import Told
from alerting.console.visit import Answer
from alerting.desk.rows import NoticeRow
from alerting.flood import Line, Raised, View
from alerting.incidents import Reason
from alerting.people.handover import OpenIncident, ShelvedPoint
from alerting.people.links import Link
from alerting.people.responders import Responder
from alerting.slices import Join
from lifeline.catalog import Rule
from lifeline.life import Life
from tests.alerting.console.hall import Hall, leak
from tests.alerting.console.test_doors import header
from tests.alerting.scene import T0
from tests.integration.console_rig import OTHER, WELL


def act(hall: Hall, incident: str, action: str, who: str = "li", **form: str) -> Answer:
    """Uses a form on the newest revision."""
    revision = str(hall.slice.incidents[incident].revision)
    return hall.ask(
        "POST", f"/incidents/{incident}/{action}", who, form={"revision": revision, **form}
    )


def said(answer: Answer) -> str:
    return answer.body.decode()


def lone_alarm(hall: Hall) -> Any:
    (found,) = hall.slice.alarms.values()
    return found


def on_alarm(hall: Hall, action: str, who: str = "li", **form: str) -> Answer:
    one = lone_alarm(hall)
    form = {"alarm": one.key, "revision": str(one.revision), **form}
    return hall.ask("POST", f"/alarms/{action}", who, form=form)


# One incident from end to end


def test_an_incident_is_led_to_its_end_by_the_forms_that_its_phase_allows() -> None:
    hall = Hall(life=Life(quiet_s=0.0)).with_roster()
    name = hall.take(leak(grade=1))
    door = f"/incidents/{name}"
    opened = hall.page(door)

    early = act(hall, name, "verify", judgement="true:leak")
    act(hall, name, "acknowledge", note="going")
    taken = hall.page(door)
    wrong = act(hall, name, "verify", judgement="nonsense:leak")
    unlike = act(hall, name, "verify", judgement="true:sensor")
    act(hall, name, "verify", judgement="true:leak")
    act(hall, name, "dispatch", task="close V-31", person="Li Qiang")
    sent = hall.page(door)
    act(hall, name, "arrive")
    act(hall, name, "prolong", note="valve is stuck")
    hall.take(leak(50, phase="cleared", onset_s=0))
    calm = hall.page(door)
    act(hall, name, "close", note="valve shut")
    act(hall, name, "archive")
    ended = hall.page(door)

    assert (early.status, wrong.status, unlike.status) == (409, 400, 422)
    assert "Acknowledge this incident first" in said(early)
    assert f'action="{door}/acknowledge"' in opened
    assert f'action="{door}/verify"' not in opened, "what would be refused is not shown"
    assert f'action="{door}/acknowledge"' not in taken
    assert "can be undone until" in taken
    assert "close V-31 · Li Qiang" in sent
    assert f'action="{door}/arrive"' in sent
    assert "Li Qiang" in hall.page("/") or hall.slice.incidents[name].phase == "archived"
    assert "True, Leak · li" in calm
    assert f'action="{door}/note"' in ended
    assert f'action="{door}/close"' not in ended
    assert hall.slice.incidents[name].phase == "archived"


def test_an_acknowledgement_is_taken_back_within_its_seconds_by_its_own_officer() -> None:
    hall = Hall()
    name = hall.take(leak())
    act(hall, name, "acknowledge")
    listed = hall.page("/")

    other = act(hall, name, "undo", "boss")
    done = act(hall, name, "undo")

    assert "can be undone until" in listed
    assert f'action="/incidents/{name}/undo"' in listed
    assert "can be undone" not in hall.page("/", "boss")
    assert (other.status, done.status) == (409, 303)
    assert hall.slice.incidents[name].phase == "open"


def test_who_acknowledged_is_shown_with_time_and_channel_everywhere() -> None:
    hall = Hall()
    name = hall.take(leak())
    act(hall, name, "acknowledge", note="on my way")

    page = hall.page(f"/incidents/{name}")

    assert "acknowledged by li at 06:14:20" in hall.page("/")
    assert "li · 2023-11-15 06:14:20" in page
    assert "on my way" in page
    (line,) = [one for one in hall.audit if one.actor == "li"]
    assert (line.channel, line.at_ms, line.note) == ("console", hall.now_ms, "on my way")


def test_no_reminder_is_shown_as_pending_once_somebody_has_acknowledged() -> None:
    hall = Hall().with_roster()
    name = hall.take(leak())
    before = hall.page("/")

    act(hall, name, "acknowledge")
    after = hall.page("/")

    assert "Next at 06:15" in before
    assert "reminder" in before
    assert "reminder" not in after
    assert "escalation" not in after


def test_the_countdown_is_that_of_the_stored_deadline_and_names_who_is_called() -> None:
    hall = Hall().with_roster()
    name = hall.take(leak(grade=1))
    hall.slice.deadlines = {("escalate", name): hall.now_ms + 102_000}

    card = hall.page("/", query={"lang": "zh"})
    hall.slice.deadlines = {("remind", name): hall.now_ms - 1000}

    assert "下一步 06:16 升级呼叫：赵敏（剩 1 分 42 秒）" in card
    assert "(due now)" in hall.page(f"/incidents/{name}")


def test_alarms_of_two_places_are_split_and_incidents_of_a_kind_merged() -> None:
    hall = Hall()
    first = hall.take(leak())
    second = hall.take(leak(1, asset=OTHER, channel=f"{OTHER}/ch4", name="b"))
    offered = hall.page(f"/incidents/{first}")

    merged = act(hall, first, "merge", other=second, note="one trench")
    mixed = hall.page(f"/incidents/{first}")
    key = next(a.key for a in hall.slice.alarms.values() if a.asset == OTHER)
    parted = act(hall, first, "split", **{"alarm-1": key})

    assert f'<option value="{second}">' in offered
    assert "split" not in offered
    assert (merged.status, parted.status) == (303, 303)
    assert f'value="{key}"' in mixed
    assert "Goes on in" in hall.page(f"/incidents/{second}")


def test_an_alarm_that_joined_says_why_how_far_and_by_what_rule() -> None:
    hall = Hall()
    name = hall.take(leak())
    key = lone_alarm(hall).key
    hall.joins = [
        Join(name, key, Reason.JOINED_RULE, T0, "gas-to-sewer", "leak into the sewer", 41.6)
    ]

    page = hall.page(f"/incidents/{name}")

    assert "An alarm joined by a rule · 42 m along the network · leak into the sewer" in page
    assert "First out" in page


def test_closing_against_the_evidence_is_asked_for_confirmed_by_another_and_marked() -> None:
    hall = Hall()
    name = hall.take(leak())
    act(hall, name, "acknowledge")

    asked = act(hall, name, "close", note="sensor gone", judgement="false:sensor", override="yes")
    shown = hall.page(header(asked, "Location").split("?")[0], query={"asked": "1"})
    own = hall.page("/proposals")
    (proposal,) = hall.slice.proposals
    mine = hall.ask("POST", f"/proposals/{proposal}/approve")
    others = hall.page("/proposals", "boss")
    done = hall.ask("POST", f"/proposals/{proposal}/approve", "boss")
    gone = hall.ask("POST", f"/proposals/{proposal}/approve", "boss")

    assert header(asked, "Location").endswith("?asked=1")
    assert "within 15 min" in shown
    assert "Somebody else must confirm it" in own
    assert f'action="/proposals/{proposal}/approve"' in others
    assert (mine.status, done.status, gone.status) == (409, 303, 404)
    assert "closed against the evidence, confirmed by boss" in hall.page(f"/incidents/{name}")
    assert "Nothing waits" in hall.page("/proposals")


# Several at once


def test_several_are_taken_with_one_comment_and_the_new_state_is_shown_at_once() -> None:
    hall = Hall()
    one, two = hall.take(leak()), hall.take(leak(1, hazard="burst", name="b"))
    three = hall.take(leak(2, hazard="flood", name="c"))
    page = hall.page("/", query={"show": "gas", "text": "gas"})
    form = {f"pick-{one}": "1", f"pick-{two}": "1", f"seen-{three}": "1", "note": "one cause"}

    done = hall.ask("POST", "/acknowledge", form={**form, "back-show": "gas"})
    after = hall.page("/", query={"show": "gas", "did": "2", "not": "0"})
    again = hall.ask("POST", "/acknowledge", form=form)
    everything = hall.ask("POST", "/acknowledge", form={f"seen-{three}": "1", "all": "1"})

    assert f'name="pick-{one}" value="1"' in page
    assert 'name="back-text" value="gas"' in page, "the filter survives what is done under it"
    assert f'href="/incidents/{one}?show=gas&amp;text=gas"' in page
    assert header(done, "Location") == "/?show=gas&did=2&not=0"
    assert "Acknowledged: 2." in after
    assert header(again, "Location") == "/?did=0&not=2"
    assert "have changed since" in hall.page("/", query={"did": "x", "not": "2"})
    assert header(everything, "Location") == "/?did=1&not=0"
    assert {o.note for o in hall.audit if o.actor == "li"} == {"one cause", ""}
    nothing = hall.ask("POST", "/acknowledge", form={"note": "x"})
    broken = hall.ask("POST", "/acknowledge", form={f"pick-{one}": "x"})
    assert (nothing.status, broken.status) == (400, 400)
    assert hall.ask("POST", "/acknowledge", "wang", form=form).status == 403


def test_filters_stand_in_the_address_and_lead_back() -> None:
    hall = Hall().with_roster()
    name = hall.take(leak())
    query = {"show": "gas", "desk": "gas", "grade": "2", "text": "井", "review": "1"}

    listed = hall.page("/", query={**query, "text": ""})
    shown = hall.page(f"/incidents/{name}", query=query)
    nonsense = hall.page("/", query={"desk": "none", "grade": "77", "show": "x", "review": "2"})

    assert 'href="/?show=gas&amp;grade=2&amp;desk=gas&amp;review=1&amp;text=%E4%BA%95"' in shown
    assert name not in listed, "it does not wait for working hours"
    assert name in nonsense
    assert name in hall.page("/", query={"desk": "gas"})
    assert "selected" in listed
    done = act(hall, name, "acknowledge", **{"back-desk": "gas"})
    assert header(done, "Location") == f"/incidents/{name}?desk=gas"


def test_what_waits_for_working_hours_has_a_band_of_its_own() -> None:
    hall = Hall()
    name = hall.take(leak(grade=3))
    one = hall.slice.incidents[name]
    hall.slice.put_incident(msgspec.structs.replace(one, review=True))

    page = hall.page("/")

    assert "For working hours" in page
    assert name in page.split('id="band-review"')[1]


def test_a_flood_is_said_with_its_groups_and_the_highest_risk_on_top() -> None:
    hall = Hall().with_roster()
    name = hall.take(leak(grade=1))
    worst = Raised(alarm="a", incident=name, asset=WELL, zone="gas/heping", lifeline="gas",
                   grade=1, risk=88.0, onset_ms=T0)  # fmt: skip
    slight = msgspec.structs.replace(worst, alarm="b", grade=3, risk=9.0)
    group = Line(WELL, slight, slight, ("b", "c"), 2, 1, 5)
    view = View(is_flood=True, highest=worst, top=(worst,), groups=(group,), single=())
    quiet = View(is_flood=False, highest=None, top=(), groups=(), single=())
    hall.site = replace(hall.site, floods={"gas": view, "water": quiet})

    page = hall.page("/")
    empty = msgspec.structs.replace(view, highest=None, top=(), groups=())
    hall.site = replace(hall.site, floods={"drainage": empty})

    assert "Alarm flood: Gas desk" in page
    assert "Well one · risk 88" in page
    assert "Well one: alarms 2, incidents 2" in page
    assert page.count("Alarm flood") == 2, "heading and label of one desk alone"
    assert "Alarm flood: drainage" in hall.page("/").replace("Drainage", "drainage")


# Alarms out of sight


def test_a_shelf_has_an_end_a_reason_and_stands_among_the_open_items() -> None:
    hall = Hall()
    name = hall.take(leak())

    no_why = on_alarm(hall, "shelve", minutes="30")
    no_time = on_alarm(hall, "shelve", note="probe", minutes="none")
    done = on_alarm(hall, "shelve", note="probe changed", minutes="30")
    listed, shown = hall.page("/alarms"), hall.page(f"/incidents/{name}")
    stale = hall.ask(
        "POST", "/alarms/unshelve", form={"alarm": lone_alarm(hall).key, "revision": "0"}
    )
    back = on_alarm(hall, "unshelve", **{"from": "alarms"})

    assert (no_why.status, no_time.status) == (400, 400)
    assert header(done, "Location") == f"/incidents/{name}"
    assert "Shelved" in listed
    assert "li, until" in listed
    assert "condition still there" in shown
    assert stale.status == 409
    assert header(back, "Location") == "/alarms"
    assert "Nothing in this list" in hall.page("/alarms", query={"list": "shelved"})
    gone = hall.ask("POST", "/alarms/reset", form={"alarm": "none", "revision": "1"})
    assert gone.status == 404
    assert "no such alarm" in said(gone)


def test_a_managed_alarm_is_shelved_by_two() -> None:
    hall = Hall()
    policy = hall.site.wording.policy
    rule = Rule("gas.ch4", "gas-leak", 2, {"kind": "threshold"}, "methane", is_managed=True)
    treated = {rule.id: msgspec.structs.replace(policy.treatment("x"), is_managed=True)}
    wording = replace(hall.site.wording, policy=replace(policy, treatments=treated))
    hall.site = replace(hall.site, wording=wording)
    hall.take(leak())

    asked = on_alarm(hall, "retire", note="removed", **{"from": "alarms"})

    assert header(asked, "Location") == "/alarms?asked=1"
    assert "second person" in hall.page("/alarms", query={"asked": "1"})
    assert len(hall.slice.proposals) == 1
    assert "Take out of service" in hall.page("/proposals", "boss")


def test_lists_say_what_chatters_latches_and_stands_too_long() -> None:
    hall = Hall()
    hall.take(leak())
    one = lone_alarm(hall)
    marked = msgspec.structs.replace(
        one, is_chattering=True, is_fleeting=True, active_ms=hall.now_ms - 2 * 86_400_000,
        state="latched-acknowledged", incident="",
    )  # fmt: skip
    hall.slice.put_alarm(marked)

    for chosen in ("latched", "chattering", "stale"):
        page = hall.page("/alarms", query={"list": chosen})
        assert "Chattering" in page
        assert "Standing for more than a day" in page
    done = on_alarm(hall, "reset")
    assert header(done, "Location") == "/alarms"
    assert 'action="/alarms/' not in hall.page("/alarms", "wang", query={"list": "stale"})


# Windows


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
    assert (stopped.status, mine.status, called.status, nobody.status) == (303, 303, 303, 400)
    assert hall.crew.stopped == [(name, "wang"), (name, "li-wei")]
    assert hall.crew.called == [(name, "zhao", "li")]


def test_the_roster_says_who_is_on_duty_now_and_next_and_who_stands_in() -> None:
    hall = Hall().with_roster()

    page = hall.page("/roster")

    assert "Li Wei until 12:00" in page
    assert "Zhao Min" in page
    assert "There is no roster" in Hall().page("/roster")


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


# A link in a page


def linked(hall: Hall, incident: str = "", **changes: Any) -> None:
    link = Link(incident=incident, run="" if incident else "t1", person="li-wei", target="sms",
                key="k", expires_ms=hall.now_ms + 1000, used_ms=None)  # fmt: skip
    hall.crew.links["abc"] = msgspec.structs.replace(link, **changes)


def test_a_link_shows_its_incident_without_signing_in_and_acknowledges_once_as_its_person() -> None:
    hall = Hall().with_roster()
    name = hall.take(leak())
    hall.stored = {f"{WELL}/ch4": [(T0 + n * 5000, 5.0, 0) for n in range(3)]}
    linked(hall, name)

    looked = hall.page("/l/abc", "")
    looked = hall.page("/l/abc", "")
    assert hall.slice.incidents[name].phase == "open", "looking never acts"
    pressed = hall.ask("POST", "/l/abc", "", form={"revision": "1"})
    again = hall.ask("POST", "/l/abc", "", form={"revision": "1"})
    after = hall.page("/l/abc", "")

    assert 'action="/l/abc"' in looked
    assert "<svg" in looked
    assert "Gas leak at Well one" in looked
    assert "you will not be called again" in said(pressed)
    assert hall.slice.incidents[name].acknowledged_by == "li"
    assert [one.channel for one in hall.audit if one.actor == "li"] == ["link"]
    assert hall.crew.stopped == [(name, "li-wei")]
    assert again.status == 409
    assert "has been used" in after
    assert "li · 2023-11-15" in after


def test_whoever_is_late_with_his_link_stops_his_own_calls() -> None:
    hall = Hall().with_roster()
    name = hall.take(leak())
    act(hall, name, "acknowledge", "boss")
    linked(hall, name, person="gone")

    late = hall.ask("POST", "/l/abc", "", form={"revision": "x"})

    assert "boss has it already" in said(late)
    assert hall.crew.stopped == [(name, "gone")]


def test_a_link_that_saw_less_than_there_is_now_does_not_acknowledge() -> None:
    hall = Hall()
    name = hall.take(leak())
    linked(hall, name)
    hall.take(leak(1, name="worse", grade=1, rule="gas.50"))

    refused = hall.ask("POST", "/l/abc", "", form={"revision": "1"})

    assert refused.status == 409
    assert hall.slice.incidents[name].phase == "open"


def test_a_test_page_is_confirmed_and_a_link_that_is_none_says_so() -> None:
    hall = Hall()
    linked(hall)

    shown = hall.page("/l/abc", "")
    done = hall.ask("POST", "/l/abc", "")
    linked(hall, expires_ms=0)
    expired = hall.ask("GET", "/l/abc", "")
    unknown = hall.ask("GET", "/l/none", "")

    assert "This is a test" in shown
    assert "Noted that it reached you" in said(done)
    assert (expired.status, unknown.status) == (410, 404)
    assert "has expired" in said(expired)
    assert hall.ask("POST", "/l/none", "").status == 404
