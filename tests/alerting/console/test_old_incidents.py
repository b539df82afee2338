"""Incidents that have stood for long: closed over their alarm, looked at when they come back."""

import msgspec

from tests.alerting.console.hall import Hall, leak
from tests.alerting.scene import T0


def test_an_officer_may_close_over_an_alarm_that_never_clears_and_the_history_says_so() -> None:
    hall = Hall()
    name = hall.take(leak())
    hall.ask("POST", f"/incidents/{name}/acknowledge", form={"revision": "1"})
    form = {"revision": "2", "note": "sensor was taken away", "judgement": "false:sensor"}

    shown = hall.ask("GET", f"/incidents/{name}").body.decode()
    forgot = hall.ask("POST", f"/incidents/{name}/close", form=form)
    done = hall.ask("POST", f"/incidents/{name}/close", form={**form, "override": "yes"})

    assert 'name="override" value="yes"' in shown
    assert (forgot.status, done.status, hall.slice.incidents[name].phase) == (
        409,
        303,
        "acknowledged",
    )
    (asked,) = hall.slice.proposals
    confirmed = hall.ask("POST", f"/proposals/{asked}/approve", "boss")
    assert confirmed.status == 303
    assert [str(one.reason) for one in hall.audit][-1] == "closed-active"
    assert hall.slice.incidents[name].overridden
    assert hall.slice.incidents[name].second == "boss"


def test_a_program_may_close_over_an_alarm_too() -> None:
    hall = Hall()
    name = hall.take(leak())
    hall.ask("POST", f"/incidents/{name}/acknowledge", form={"revision": "1"})
    asked = {"note": "sensor was taken away", "override": True, "verdict": "false"}
    body = msgspec.json.encode({**asked, "code": "sensor"})
    door = f"/api/v1/incidents/{name}/close"

    done = hall.ask("POST", door, headers={"if-match": '"2"'}, body=body)

    proposal = msgspec.json.decode(done.body)["proposal"]
    approving = f"/api/v1/proposals/{proposal}/approve"
    own = hall.ask("POST", approving)
    confirmed = hall.ask("POST", approving, "boss")

    assert (done.status, own.status, confirmed.status) == (202, 409, 200)
    assert hall.audit[-1].reason == "closed-active"


def test_an_empty_note_is_refused_in_words_about_notes() -> None:
    hall = Hall()
    name = hall.take(leak())

    refused = hall.ask("POST", f"/incidents/{name}/note", form={"revision": "1", "note": " "})

    assert refused.status == 400
    assert "The note is empty" in refused.body.decode()


def test_the_picture_of_a_leak_that_came_back_shows_that_moment_and_the_present() -> None:
    hall = Hall()
    again_s = 4 * 3600
    name = hall.take(leak())
    hall.take(leak(60, onset_s=0, phase="cleared"))
    hall.take(leak(again_s, name="again"))
    hall.now_ms = hall.seen_ms = T0 + (again_s + 600) * 1000
    hall.stored = {leak().channel: [(hall.now_ms - 1000, 3.0, 0)]}
    door = f"/api/v1/incidents/{name}/readings"

    back = msgspec.json.decode(hall.ask("GET", door).body)
    present = msgspec.json.decode(hall.ask("GET", door, query={"window": "now"}).body)
    shown = hall.page(f"/incidents/{name}", query={"window": "now"})

    assert (back["from_ms"], back["until_ms"]) == (hall.now_ms - 900_000, hall.now_ms)
    assert "onset 10:13:20" in shown
    assert (present["until_ms"], present["until_ms"] - present["from_ms"]) == (
        hall.now_ms,
        3_600_000,
    )
    assert 'window=now" aria-current="page"' in shown
    assert shown.count("aria-current") == 1
    assert "newest reading" in shown
