"""The officer takes a call: on a page, by a program, and says when it has been looked into."""

import msgspec
import pytest

from alerting.hotline.calls import Heard, Taken
from lifeline.model import HOTLINE
from tests.alerting.console.hall import Hall, leak
from tests.alerting.console.test_api import send
from tests.alerting.console.test_doors import header, json_of
from tests.alerting.scene import T0

FORM = {"kind": "gas-smell", "said": " 煤气味\r\n很大 ", "zone": "gas/heping", "heard": str(T0)}


def test_a_call_on_the_page_leads_to_its_incident_and_bears_the_moment_of_the_form() -> None:
    hall = Hall()
    name = hall.take(leak())
    hall.city.called = Taken("call-taken", name)

    shown = hall.page("/calls")
    done = hall.ask("POST", "/calls", form=FORM | {"position": "123.4，41.8", "ticket": "T-1"})

    assert f'name="heard" value="{hall.now_ms}"' in shown
    assert "闻到燃气异味" in shown or "Smell of gas" in shown
    assert (done.status, header(done, "Location")) == (303, f"/incidents/{name}")
    assert hall.city.heard == [
        (
            Heard(kind="gas-smell", said="煤气味\n很大", zone="gas/heping", heard_ms=T0,
                  position=(123.4, 41.8), ticket="T-1"),
            "li",
            hall.now_ms,
        )
    ]  # fmt: skip
    assert hall.city.channels == ["console"]


@pytest.mark.parametrize(
    ("form", "status"),
    [
        (FORM | {"said": "  "}, 400),
        (FORM | {"heard": "x"}, 400),
        (FORM | {"ticket": "a b"}, 400),
        (FORM | {"position": "here"}, 400),
        (FORM | {"position": "1"}, 400),
        (FORM | {"position": "200 41"}, 400),
    ],
)
def test_a_form_that_cannot_be_read_is_refused(form: dict[str, str], status: int) -> None:
    hall = Hall()

    assert hall.ask("POST", "/calls", form=form).status == status
    assert hall.city.heard == []


def test_only_who_acts_takes_a_call() -> None:
    hall = Hall()

    assert hall.ask("POST", "/calls", "wang", form=FORM).status == 403
    assert 'name="said"' not in hall.page("/calls", "wang")
    assert send(hall, "/calls", {"kind": "gas-smell", "said": "x"}, "wang").status == 403


def test_a_program_takes_a_call_once_a_key_and_hears_why_one_is_refused() -> None:
    hall = Hall()
    name = hall.take(leak())
    hall.city.called = Taken("call-taken", name)
    body = {"kind": "gas-smell", "said": "smells", "position": [123.4, 41.8]}

    first = send(hall, "/calls", body, idempotency_key="c")
    again = send(hall, "/calls", body, idempotency_key="c")
    hall.city.called = Taken("call-place")
    lost = send(hall, "/calls", body)

    assert (first.status, again.body, len(hall.city.heard)) == (200, first.body, 2)
    assert (json_of(first)["code"], json_of(first)["incident"]["id"]) == ("call-taken", name)
    assert lost.status == 422
    assert "Say where" in json_of(lost)["detail"]
    assert hall.city.channels == ["api", "api"]


def test_what_was_found_ends_a_call_and_each_refusal_is_a_sentence() -> None:
    hall = Hall()
    name = hall.take(leak())
    door = f"/incidents/{name}/end-call"
    hall.city.called = Taken("call-ended", name)

    by_form = hall.ask("POST", door, form={"note": "0 %LEL"})
    by_program = send(hall, door, {"note": "0 %LEL"})
    silent = hall.ask("POST", door, form={"note": " "})
    refused = {}
    for code in ("unknown", "needs-note", "no-call"):
        hall.city.called = Taken(code, name)
        refused[code] = send(hall, door, {"note": "x"}).status

    assert (by_form.status, by_program.status, silent.status) == (303, 200, 400)
    assert hall.city.ended[0] == (name, "li", "0 %LEL", hall.now_ms)
    assert refused == {"unknown": 404, "needs-note": 400, "no-call": 409}


def test_an_incident_with_a_call_that_stands_asks_what_was_found() -> None:
    hall = Hall()
    name = hall.take(leak())
    plain = hall.page(f"/incidents/{name}")
    hall.take(
        msgspec.structs.replace(
            leak(1), id="call", detector=HOTLINE, channel="hotline/1", hazard="gas-smell",
            code="reported", said="<b>gas</b>",
        )
    )  # fmt: skip

    page = hall.page(f"/incidents/{name}")

    assert f'action="/incidents/{name}/end-call"' in page, "it joined the leak at its well"
    assert "&lt;b&gt;gas&lt;/b&gt;" in page
    assert "<b>gas</b>" not in page
    assert "end-call" not in plain
