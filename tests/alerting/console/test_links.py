"""A link in a page: looking shows, pressing acts as its person, once."""

from typing import Any

import msgspec
import pytest

from alerting.people.links import Link
from tests.alerting.console.hall import Hall, leak
from tests.alerting.console.test_desk_forms import act, said
from tests.alerting.scene import T0
from tests.integration.console_rig import WELL


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


@pytest.mark.feature("A-4")
def test_support_is_asked_for_by_a_link_at_once_once_and_nothing_is_taken_by_that() -> None:
    hall = Hall().with_roster()
    name = hall.take(leak())
    linked(hall, name)

    looked = hall.page("/l/abc", "", query={"lang": "zh"})
    asked = hall.ask("POST", "/l/abc/support", "")
    again = hall.ask("POST", "/l/abc/support", "")
    pressed = hall.ask("POST", "/l/abc", "", form={"revision": "1"})
    after = hall.page("/l/abc", "")

    assert "需要支援" in looked
    assert "the next people are being called" in said(asked)
    assert 'action="/l/abc"' in asked.body.decode(), "he can still take it"
    assert 'action="/l/abc/support"' not in asked.body.decode()
    assert (again.status, "already" in said(again)) == (200, True)
    assert "you will not be called again" in said(pressed)
    assert hall.slice.incidents[name].step == 0, "taken: its clocks begin anew"
    (act_,) = [one for one in hall.audit if one.action == "support"]
    assert (act_.actor, act_.channel, act_.reason) == ("li", "link", "support")
    assert 'action="/l/abc/support"' not in after


def test_support_can_be_asked_for_after_the_link_was_used_and_not_for_what_is_over() -> None:
    hall = Hall().with_roster()
    name = hall.take(leak())
    linked(hall, name, used_ms=1)

    taken = hall.ask("POST", "/l/abc/support", "")
    linked(hall)
    of_test = hall.ask("POST", "/l/abc/support", "")
    linked(hall, name)
    one = hall.slice.incidents[name]
    hall.slice.put_incident(msgspec.structs.replace(one, phase="closed"))
    closed = hall.ask("POST", "/l/abc/support", "")

    assert taken.status == 200
    assert (of_test.status, closed.status) == (404, 409)
    assert 'action="/l/abc/support"' not in hall.page("/l/abc", "")
    assert hall.ask("POST", "/l/none/support", "").status == 404


def test_support_is_asked_for_on_the_incidents_page_and_two_clicks_are_one() -> None:
    hall = Hall().with_roster()
    name = hall.take(leak())

    clicks = [
        hall.ask("POST", f"/incidents/{name}/support", form={"revision": "1", "note": "two down"})
        for _ in range(2)
    ]

    assert [answer.status for answer in clicks] == [303, 303]
    assert hall.slice.incidents[name].step == 1
    assert f'action="/incidents/{name}/support"' in hall.page(f"/incidents/{name}")
