"""A closure that is refused: it names the sensors, its key is given back, its line stays."""

from typing import Any

import pytest

from alerting.desk.rows import Outcome
from lifeline.life import Life
from tests.alerting.console.hall import Hall, leak
from tests.alerting.console.test_api import send
from tests.alerting.console.test_doors import json_of
from tests.alerting.scene import cleared
from tests.integration.console_rig import WELL

BODY = {"note": "aired", "verdict": "true", "code": "leak"}


def calm(hall: Hall) -> str:
    """An incident that is taken and whose alarm has gone, with one silent sensor."""
    name = hall.take(leak())
    hall.ask("POST", f"/incidents/{name}/acknowledge", form={"revision": "1"})
    hall.take(cleared(30, asset=WELL, channel=f"{WELL}/ch4", rule="gas.ch4"))
    hall.board.silent = [f"{WELL}/ch4"]
    return name


def close(hall: Hall, name: str, **more: Any) -> Any:
    seen = f'"{hall.slice.incidents[name].revision}"'
    return send(hall, f"/incidents/{name}/close", BODY, if_match=seen, **more)


def test_a_refusal_names_the_silent_sensor_and_gives_the_key_back() -> None:
    hall = Hall(life=Life(quiet_s=0.0))
    name = calm(hall)

    refused = close(hall, name, idempotency_key="k")
    by_form = hall.ask(
        "POST",
        f"/incidents/{name}/close",
        form={"revision": str(hall.slice.incidents[name].revision), "note": "aired",
              "judgement": "true:leak"},
    )  # fmt: skip
    hall.board.silent = []
    closed = close(hall, name, idempotency_key="k")

    assert (refused.status, by_form.status, closed.status) == (409, 409, 200)
    assert json_of(refused)["detail"].endswith(f"{WELL}/ch4 (nothing usable of late).")
    assert f"{WELL}/ch4" in by_form.body.decode()
    assert hall.slice.incidents[name].phase == "closed"


def test_a_refusal_of_which_nothing_is_written_is_taken_back_whole() -> None:
    hall = Hall()
    name = hall.take(leak())

    answer = send(hall, f"/incidents/{name}/verify", {"verdict": "true", "code": "leak"},
                  if_match='"1"', idempotency_key="k")  # fmt: skip

    assert answer.status == 409
    assert Outcome(is_done=False, code="x", summary=None, actor="", at_ms=0).against == ()


@pytest.mark.feature("A-12")
def test_what_stands_against_closing_is_on_the_page_before_anybody_asks() -> None:
    hall = Hall(life=Life(quiet_s=0.0))
    name = hall.take(leak())
    unseen = hall.page(f"/incidents/{name}")
    hall.ask("POST", f"/incidents/{name}/acknowledge", form={"revision": "1"})
    standing = hall.page(f"/incidents/{name}")
    hall.take(cleared(30, asset=WELL, channel=f"{WELL}/ch4", rule="gas.ch4"))
    hall.board.silent = [f"{WELL}/ch4"]
    silent = hall.page(f"/incidents/{name}")
    chinese = hall.page(f"/incidents/{name}", query={"lang": "zh"})
    hall.board.silent = []
    free = hall.page(f"/incidents/{name}")

    asked = [act.action for act in hall.board.acts]
    assert "What stands against closing" not in unseen
    assert "An alarm is still active" in standing
    assert f"so this incident cannot be closed. {WELL}/ch4 (nothing usable of late)." in silent
    assert f"不能关闭。{WELL}/ch4（近期没有可用数据）。" in chinese
    assert "Nothing: every connected sensor has been back" in free
    assert asked == ["acknowledge"]
