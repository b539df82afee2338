"""Work orders on their page: entered, watched, ticked, ended, cancelled."""

from dataclasses import replace

import msgspec
import pytest

from alerting.console.visit import Answer
from alerting.windows import Check
from alerting.work import watch
from tests.alerting.console.hall import Hall
from tests.alerting.scene import T0
from tests.integration.console_rig import WELL

HOUR = 3_600_000
FORM = {
    "id": "W/1", "kind": "gas-work", "begins": "2026-12-01T08:00", "ends": "2026-12-01T12:00",
    "zone": "gas/heping", "assets": "", "contractor": "城燃", "contact": "张 139",
    "watch_h": "24", "note": "welding",
}  # fmt: skip


def post(hall: Hall, path: str, who: str = "li", **form: str) -> Answer:
    return hall.ask("POST", path, who, form=form)


def watched(hall: Hall, now_ms: int) -> str:
    """An order whose watch runs; returns the watch."""
    post(hall, "/work", **FORM)
    (order,) = hall.city.orders
    window = msgspec.structs.replace(
        watch.window_of(order, "gas/heping", (), 1),
        checks=(Check("pressure-test"), Check("measured-again", "li", now_ms)),
        from_ms=now_ms - HOUR,
    )
    hall.slice.windows[window.id] = window
    hall.city.windows = (window,)
    return window.id


@pytest.mark.feature("A-13")
def test_a_work_order_is_entered_shown_and_cancelled() -> None:
    hall = Hall()
    empty = hall.page("/work")

    taken = post(hall, "/work", **FORM)
    page = hall.page("/work", query={"lang": "zh"})
    changed = post(hall, "/work", **{**FORM, "zone": "", "assets": WELL})
    (order,) = hall.city.orders
    cancelled = post(hall, "/work/cancel", order="W/1")

    assert "No work is announced." in empty
    assert dict(taken.headers)["Location"] == "/work"
    for word in (
        "W/1 · 燃气作业",
        "12-01 08:00 至 12-01 12:00",
        "城燃 · 张 139",
        "和平",
        "welding",
    ):
        assert word in page
    assert "pressure-test" in order.checks
    assert (changed.status, order.assets, order.zones) == (303, (WELL,), ("gas/heping",))
    assert cancelled.status == 303
    assert hall.city.orders[0].state == "cancelled"
    assert 'action="/work/cancel"' not in hall.page("/work")
    assert set(hall.city.channels) == {"console"}
    assert "action=" not in hall.page("/work", who="wang").split("<main")[1]


@pytest.mark.feature("A-13")
def test_the_checks_of_a_watch_are_ticked_where_the_order_stands_and_then_it_is_ended() -> None:
    hall = Hall()
    name = watched(hall, hall.now_ms)

    before = hall.page("/work")
    ended_early = post(hall, f"/windows/{name}/end", **{"from": "work"})
    ticked = post(hall, f"/windows/{name}/check", check="pressure-test", **{"from": "work"})
    hall.city.windows = (hall.slice.windows[name],)
    after = hall.page("/work")
    ended = post(hall, f"/windows/{name}/end", **{"from": "work"})

    assert f'action="/windows/{name}/check"' in before
    assert f'action="/windows/{name}/end"' not in before
    assert "watched" in before
    assert ended_early.status == 409
    assert dict(ticked.headers)["Location"] == dict(ended.headers)["Location"] == "/work"
    assert f'action="/windows/{name}/end"' in after
    assert hall.slice.windows[name].ended_by == "li"


def test_each_order_says_how_far_it_is() -> None:
    hall = Hall()
    watched(hall, hall.now_ms)
    (order,) = hall.city.orders

    def said(**changes: object) -> str:
        hall.city.orders = [msgspec.structs.replace(order, **changes)]
        return hall.page("/work").split('<span class="phase">')[1].split("<")[0]

    assert said() == "watched"
    late = msgspec.structs.replace(hall.city.windows[0], until_ms=T0)
    hall.city.windows = (late,)
    assert "card window late" in hall.page("/work")
    later_ms = hall.now_ms + HOUR
    begun = msgspec.structs.replace(late, from_ms=hall.now_ms + 1, until_ms=later_ms)
    hall.city.windows = (begun,)
    page = hall.page("/work", query={"lang": "zh"})
    assert "未开始" in page
    assert f'action="/windows/{begun.id}/check"' not in page, "not before the work was done"
    hall.city.windows = ()
    assert said() == "to come"
    assert said(from_ms=T0) == "at work"
    assert said(from_ms=T0, until_ms=T0 + 1) == "over"
    assert said(state="cancelled") == "cancelled"


def test_what_cannot_be_an_order_is_refused_in_a_sentence() -> None:
    hall = Hall()

    wrong = {
        "begins": "soon", "ends": "", "assets": "gas/x，gas/y", "contractor": "", "kind": "dig",
        "zone": "gas/nowhere", "watch_h": "1e9",
    }  # fmt: skip
    answers = {key: post(hall, "/work", **{**FORM, key: value}) for key, value in wrong.items()}
    backwards = post(hall, "/work", **{**FORM, "ends": FORM["begins"]})

    assert {key: answer.status for key, answer in answers.items()} == {
        "begins": 400, "ends": 400, "assets": 422, "contractor": 422, "kind": 422, "zone": 422,
        "watch_h": 422,
    }  # fmt: skip
    assert "gas/x, gas/y" in answers["assets"].body.decode()
    nowhere = post(hall, "/work", **{**FORM, "zone": ""})
    assert (backwards.status, nowhere.status) == (422, 422)
    assert "It must end after it begins" in backwards.body.decode()
    assert "A zone or an asset is needed" in nowhere.body.decode()
    assert post(hall, "/work/cancel", order="none").status == 404
    assert hall.city.orders == []


def test_without_plans_there_are_no_checks_and_so_no_orders() -> None:
    hall = Hall()
    hall.site = replace(hall.site, book=None)

    refused = post(hall, "/work", **FORM)

    assert refused.status == 409
    assert "no mandatory checks" in hall.page("/work")
