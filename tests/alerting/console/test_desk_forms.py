"""What the desk does by form, page by page, with the records in memory."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from alerting.console.visit import Answer
from alerting.flood import Line, Raised, View
from alerting.incidents import Reason
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


@pytest.mark.feature("Grafana #13364, #18193, #24762")
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


@pytest.mark.feature("ThingsBoard #6047, #3919, #1721")
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


@pytest.mark.feature("OnCall #4654, #4760")
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


@pytest.mark.feature("OnCall #1931")
def test_the_countdown_is_that_of_the_stored_deadline_and_names_who_is_called() -> None:
    hall = Hall().with_roster()
    name = hall.take(leak(grade=1))
    hall.slice.deadlines = {("escalate", name): hall.now_ms + 102_000}

    card = hall.page("/", query={"lang": "zh"})
    hall.slice.deadlines = {("remind", name): hall.now_ms - 1000}

    assert "下一步 06:16 升级呼叫：赵敏（剩 1 分 42 秒）" in card
    assert "(due now)" in hall.page(f"/incidents/{name}")


@pytest.mark.feature("A-2")
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


@pytest.mark.feature("A-8")
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


@pytest.mark.feature("A-12")
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


@pytest.mark.feature("OnCall #2676", "OnCall #5094")
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


@pytest.mark.feature("OnCall #2447")
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


@pytest.mark.feature("OnCall #3111")
def test_what_waits_for_working_hours_has_a_band_of_its_own() -> None:
    hall = Hall()
    name = hall.take(leak(grade=3))
    one = hall.slice.incidents[name]
    hall.slice.put_incident(msgspec.structs.replace(one, review=True))

    page = hall.page("/")

    assert "For working hours" in page
    assert name in page.split('id="band-review"')[1]


@pytest.mark.feature("A-6")
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


@pytest.mark.feature("A-11")
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


@pytest.mark.feature("A-11")
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
