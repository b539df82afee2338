"""Exercises, rules and work orders at the API, with the records in memory."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from alerting.console.records import Pulse
from alerting.console.visit import Answer
from lifeline.model import Text
from tests.alerting.console.hall import Hall, leak
from tests.alerting.console.test_doors import json_of


def ask(hall: Hall, door: str, body: dict[str, Any] | None = None, who: str = "li") -> Answer:
    method, _, path = door.partition(" ")
    content = msgspec.json.encode(body or {}) if method == "POST" else b""
    return hall.ask(method, f"/api/v1{path}", who, body=content)


def test_an_exercise_is_begun_seen_and_stopped() -> None:
    hall = Hall()

    begun = ask(hall, "POST /drills", {"minutes": 5})
    listed = json_of(ask(hall, "GET /drills"))
    again = ask(hall, "POST /drills")
    stopped = ask(hall, "POST /drills/stop")
    none = ask(hall, "POST /drills/stop")

    assert (begun.status, json_of(begun)["ends_ms"]) == (200, 300_000)
    assert listed["running"]["started_by"] == "li"
    assert again.status == 409
    assert "Another exercise runs: d" in again.body.decode()
    assert json_of(stopped)["stop_by"] == "li"
    assert none.status == 404


def test_no_exercise_beside_what_is_real_and_none_that_is_unknown() -> None:
    hall = Hall()
    hall.city.real = "i-1"

    refused = hall.ask("POST", "/api/v1/drills", query={"lang": "zh"}, body=b"{}")

    assert refused.status == 409
    assert "最高等级事件 i-1 未关闭，不能开始演练" in refused.body.decode()
    assert ask(hall, "POST /drills", {"scenario": "storm"}).status == 422
    assert ask(hall, "POST /drills", {"minutes": 0}).status == 422
    hall.city.real = ""
    ask(hall, "POST /drills")
    second = hall.ask("POST", "/api/v1/drills", query={"lang": "zh"}, body=b"{}")
    assert "已有演练正在进行（d）" in second.body.decode()
    hall.city.running, hall.city.real = None, "i-2"
    assert "top grade is open: i-2" in ask(hall, "POST /drills").body.decode()


def test_a_report_is_shown_where_there_is_one() -> None:
    hall = Hall()

    assert json_of(ask(hall, "GET /drills/d/report"))["status"] == "Exercise"
    assert ask(hall, "GET /drills/x/report").status == 404


def test_steps_of_a_plan_are_ticked_in_the_officers_name() -> None:
    hall = Hall()
    name = hall.take(leak())

    done = ask(hall, f"POST /incidents/{name}/steps", {"step": 3})

    assert json_of(done)["code"] == "checked"
    assert hall.city.ticked == [(name, 3, "li")]
    assert ask(hall, f"POST /incidents/{name}/steps", {"step": 0}).status == 422
    assert ask(hall, "POST /incidents/none/steps", {"step": 1}).status == 404


def test_a_version_says_what_it_changes_and_another_person_approves_it() -> None:
    hall = Hall()

    one = json_of(ask(hall, "GET /rules/1"))
    own = ask(hall, "POST /rules/1/approve")
    early = ask(hall, "POST /rules/1/apply")
    approved = ask(hall, "POST /rules/1/approve", who="boss")
    applied = ask(hall, "POST /rules/1/apply", {"effective_ms": 7})

    assert one["said"] == ["[life safety] limit ch4 moved: 20 → 25 %LEL."]
    assert own.status == early.status == 409
    assert "another person must approve it" in own.body.decode()
    assert json_of(approved)["state"] == "approved"
    assert (json_of(applied)["state"], json_of(applied)["effective_ms"]) == ("scheduled", 7)
    assert json_of(ask(hall, "GET /rules"))["versions"][0]["state"] == "scheduled"
    assert ask(hall, "POST /rules/1/withdraw").status == 200


def test_versions_that_are_not_there_are_not_found() -> None:
    hall = Hall()

    for name in ("2", "x", "9999999999"):
        assert ask(hall, f"GET /rules/{name}").status == 404
        assert ask(hall, f"POST /rules/{name}/approve").status == 404


ORDER = {
    "id": "W-1", "kind": "gas-work", "begins": "2026-12-01T08:00", "ends": "2026-12-01T12:00",
    "zones": ["gas/heping"], "contractor": "城燃",
}  # fmt: skip


def test_a_work_order_is_taken_with_the_checks_of_the_plan() -> None:
    hall = Hall()

    taken = ask(hall, "POST /work", ORDER)

    assert json_of(taken)["became"] == "taken"
    assert "pressure-test" in hall.city.orders[0].checks
    assert json_of(ask(hall, "GET /work"))["orders"][0]["order"]["id"] == "W-1"


def test_a_work_order_that_does_not_fit_is_refused_with_every_reason() -> None:
    hall = Hall()

    wrong = ask(hall, "POST /work", ORDER | {"zones": ["x"], "begins": "soon"})

    assert wrong.status == 422
    assert "zone x is unknown" in wrong.body.decode()
    assert "begins: soon is no time" in wrong.body.decode()
    hall.site = replace(hall.site, book=None)
    assert ask(hall, "POST /work", ORDER).status == 422


def test_every_page_says_that_an_exercise_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    hall = Hall()
    calm = hall.page("/")
    plain = hall.pulse

    def drilling(token: bytes | None) -> Pulse:
        return msgspec.structs.replace(plain(token), drill=Text("井下<泄漏>", "Leak"))

    monkeypatch.setattr(hall, "pulse", drilling)

    assert "[EXERCISE] Leak" in hall.page("/")
    assert "【演练】正在进行：井下&lt;泄漏&gt;" in hall.page("/windows", query={"lang": "zh"})
    assert "EXERCISE" not in calm


def post(hall: Hall, path: str, who: str = "li", **form: str) -> Answer:
    return hall.ask("POST", path, who, form=form)


@pytest.mark.feature("M-5")
def test_exercises_are_begun_and_ended_on_their_page_and_shown_with_their_points() -> None:
    hall = Hall()
    empty = hall.page("/drills")

    refused = [
        post(hall, "/drills", scenario="storm"),
        post(hall, "/drills", scenario="free", minutes="0"),
        post(hall, "/drills", scenario="free", minutes="1e9"),
    ]
    begun = post(hall, "/drills", scenario="free", minutes="5")
    running = hall.page("/drills")
    again = post(hall, "/drills", scenario="free")
    drill = hall.city.running
    ended = post(hall, "/drills/stop")

    assert "No exercise has been held yet." in empty
    assert "Free exercise · 30 min" in empty
    assert [answer.status for answer in refused] == [400, 400, 400]
    assert (begun.status, again.status, ended.status) == (303, 409, 303)
    assert "End the exercise" in running
    assert drill is not None
    hall.city.running = None
    over = msgspec.structs.replace(drill, ended_ms=1, ended_why="real")
    hall.city.past = [over, msgspec.structs.replace(over, id="other")]
    shown = hall.page("/drills")
    assert "broken off by a real incident" in shown
    assert "Acknowledged" in shown
    assert "End the exercise" not in hall.page("/drills", who="wang")


@pytest.mark.feature("C-2")
def test_steps_are_ticked_on_the_incidents_page() -> None:
    hall = Hall()
    name = hall.take(leak())

    ticked = post(hall, f"/incidents/{name}/steps", step="2")
    wrong = [post(hall, f"/incidents/{name}/steps", step=text) for text in ("", "0", "x")]

    assert ticked.status == 303
    assert hall.city.ticked == [(name, 2, "li")]
    assert [answer.status for answer in wrong] == [400, 400, 400]
    page = hall.page(f"/incidents/{name}")
    assert "li</span>" in page
    assert page.count(f'action="/incidents/{name}/steps"') > 1
    assert f'action="/incidents/{name}/steps"' not in hall.page(f"/incidents/{name}", who="wang")
