"""Each action is kept with hashes of the device, the session and the screen it came from."""

import hashlib
import re
from typing import Any

import msgspec
import pytest

from alerting.console import sessions
from alerting.console.visit import SCREEN
from alerting.people.links import Link
from tests.alerting.console.hall import Hall, leak

COOKIES = {"__Host-lifeline": "li", "__Host-lifeline-seat": "browser-1"}


def begins(token: str) -> str:
    return sessions.digest(token).hex()[:16]


def screen_of(page: str) -> str:
    (found,) = set(re.findall(r'name="screen" value="([^"]+)"', page))
    return str(found)


def details(hall: Hall, actor: str) -> list[str]:
    return [one.detail for one in hall.audit if one.actor == actor]


@pytest.mark.feature("O-2")
def test_an_acknowledgement_is_kept_with_device_session_and_screen() -> None:
    hall = Hall()
    name = hall.take(leak())
    page = hall.page(f"/incidents/{name}", cookies=COOKIES)
    screen = screen_of(page)

    form = {"revision": "1", "screen": screen}
    hall.ask("POST", f"/incidents/{name}/acknowledge", cookies=COOKIES, form=form)

    assert details(hall, "li") == [
        f"device {begins('browser-1')}, session {begins('li')}, screen {screen}"
    ]
    # A page that was saved proves what stood on the screen.
    sent = page.replace(f'value="{screen}"', f'value="{SCREEN}"')
    assert hashlib.sha256(sent.encode()).hexdigest() == screen
    assert screen_of(hall.page("/", cookies=COOKIES)) != screen


def test_what_somebody_writes_is_no_hash_of_a_screen() -> None:
    hall = Hall()
    name = hall.take(leak(asset=f'x" value="{SCREEN}'))
    page = hall.page(f"/incidents/{name}")

    form = {"revision": "1", "screen": "<script>"}
    hall.ask("POST", f"/incidents/{name}/acknowledge", form=form)

    assert SCREEN in page
    assert details(hall, "li") == [f"session {begins('li')}"]


@pytest.mark.feature("O-2")
def test_programs_several_at_once_and_links_leave_their_seat_too() -> None:
    hall = Hall().with_roster()
    one, other, third = (hall.take(leak(name=f"n{n}", hazard=f"h{n}")) for n in range(3))
    link = Link(incident=third, run="", person="zhao", target="sms", key="k",
                expires_ms=hall.now_ms + 1000, used_ms=None)  # fmt: skip
    hall.crew.links["abc"] = link

    def send(path: str, body: Any) -> None:
        headers = {"if-match": '"1"'}
        sent = msgspec.json.encode(body)
        assert hall.ask("POST", f"/api/v1{path}", body=sent, headers=headers).status == 200

    send(f"/incidents/{one}/acknowledge", {})
    send("/incidents/acknowledge", {"incidents": [{"id": other, "revision": 1}]})
    hall.ask("POST", "/l/abc", "", form={"revision": "1", "screen": "a" * 64})

    assert details(hall, "li") == [f"session {begins('li')}"] * 2
    assert details(hall, "zhao") == [f"link {begins('abc')}, screen {'a' * 64}"]


@pytest.mark.feature("O-2")
def test_what_two_have_agreed_on_is_kept_with_both_seats() -> None:
    hall = Hall()
    name = hall.take(leak())
    hall.ask("POST", f"/incidents/{name}/acknowledge", form={"revision": "1"})
    revision = str(hall.slice.incidents[name].revision)
    form = {"revision": revision, "note": "aired", "judgement": "true:leak", "override": "yes"}
    hall.ask("POST", f"/incidents/{name}/close", form=form, cookies=COOKIES)
    (wait,) = hall.board.proposals()

    hall.ask("POST", f"/proposals/{wait.id}/approve", "boss", form={"note": ""})

    done = next(one for one in hall.audit if one.second == "boss")
    seats = f"device {begins('browser-1')}, session {begins('li')}; second session {begins('boss')}"
    assert done.detail.endswith(seats)
