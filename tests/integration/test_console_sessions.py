"""The console on a real PostgreSQL: signing in, staying, going out, being locked out."""

import re
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest

from alerting.console import store
from lifeline.stack import Addresses
from tests.integration.console_rig import (
    PASSWORD,
    City,
    all_of,
    form_of,
    new_city,
    sign_in,
    token,
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def city(addresses: Addresses) -> Iterator[City]:
    with new_city(addresses) as made:
        yield made


@pytest.fixture(autouse=True)
def _fresh(city: City) -> None:
    city.rows("delete from console_attempt")
    city.rows("update feed set newest_ms = %s, received_ms = %s", *[city_now(city)] * 2)


def city_now(city: City) -> int:
    return int(city.rows("select (extract(epoch from clock_timestamp()) * 1000)::int8")[0][0])


# Signing in


async def test_a_link_in_a_push_opens_its_page_after_signing_in(city: City) -> None:
    incident = city.leak()
    browser = city.browser()

    answer = await sign_in(browser, "li", path=f"/incidents/{incident}?window=900")

    assert answer.status_code == 303
    assert answer.headers["location"] == f"/incidents/{incident}?window=900"
    assert (await browser.get(answer.headers["location"])).status_code == 200


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/\\evil.example", "/x"]
)
async def test_signing_in_leads_to_no_foreign_place(city: City, path: str) -> None:
    browser = city.browser()
    page = (await browser.get(f"/login?next={quote(path, safe='')}")).text
    fields = {"form": token(page), "name": "li", "password": PASSWORD, "next": path}

    answer = await browser.post("/login", data=fields)

    assert answer.headers["location"] == "/"
    assert "evil" not in page


async def test_the_session_cookie_is_for_this_host_and_no_script(city: City) -> None:
    answer = await sign_in(city.browser(), "li")

    cookies = [c for c in answer.headers.get_list("set-cookie") if c.startswith("lifeline=")]
    assert len(cookies) == 1
    assert "; HttpOnly; SameSite=Lax" in cookies[0]
    assert "Domain" not in cookies[0]
    kept = city.rows("select encode(token, 'hex') from console_session")
    assert cookies[0].split("=")[1].split(";")[0] not in str(kept)


async def test_a_planted_session_is_worth_nothing(city: City) -> None:
    browser = city.browser()
    browser.cookies.set("lifeline", "planted-by-somebody", domain="desk.city")

    await sign_in(browser, "li")

    thief = city.browser()
    thief.cookies.set("lifeline", "planted-by-somebody", domain="desk.city")
    assert (await thief.get("/")).status_code == 303
    fresh = [c.value for c in browser.cookies.jar if c.name == "lifeline"]
    assert len(fresh[-1]) > 40


async def test_signing_in_again_ends_the_session_before(city: City) -> None:
    browser = await city.signed_in("li")
    old = browser.cookies["lifeline"]
    again = city.browser()
    again.cookies.set("lifeline", old)
    # The form is asked for without the old session, or it would lead on at once.
    page = (await city.browser().get("/login")).text
    assert token(page)
    answer = await again.post(
        "/login", data={"form": await form_of(again), "name": "boss", "password": PASSWORD}
    )

    assert answer.status_code == 303
    thief = city.browser()
    thief.cookies.set("lifeline", old)
    assert (await thief.get("/account")).status_code == 303


async def test_signing_out_ends_the_session_in_the_database(city: City) -> None:
    browser = await city.signed_in("li")
    stolen = browser.cookies["lifeline"]

    answer = await browser.post("/logout", data={"form": await form_of(browser)})

    assert answer.headers["location"] == "/login?why=out"
    thief = city.browser()
    thief.cookies.set("lifeline", stolen)
    assert (await thief.get("/")).status_code == 303


async def test_an_idle_session_ends_and_a_page_that_refreshes_itself_does_not_keep_it(
    city: City,
) -> None:
    browser = await city.signed_in("li")
    city.rows("update console_session set seen = clock_timestamp() - interval '14 minutes'")

    refreshed = await browser.get("/?auto=1")
    assert refreshed.status_code == 200
    assert "Signed out in" in refreshed.text
    city.rows("update console_session set seen = seen - interval '2 minutes'")

    assert (await browser.get("/?auto=1")).status_code == 303


async def test_somebody_at_work_stays_signed_in(city: City) -> None:
    browser = await city.signed_in("li")
    city.rows("update console_session set seen = clock_timestamp() - interval '14 minutes'")

    await browser.get("/")

    (idle,) = city.rows(
        "select min(extract(epoch from clock_timestamp() - seen)) from console_session"
    )
    assert idle[0] < 60


async def test_a_disabled_user_is_out_at_once(city: City) -> None:
    store.create_user(city.database, "gone", "officer", PASSWORD, replace=True)
    browser = await city.signed_in("gone")

    store.disable_user(city.database, "gone")

    assert (await browser.get("/")).status_code == 303
    assert (await sign_in(city.browser(), "gone")).status_code == 401
    city.rows("delete from console_user where name = 'gone'")


async def test_a_wrong_name_and_a_wrong_password_look_the_same(city: City) -> None:
    known = await sign_in(city.browser(), "li", "wrong password!")
    unknown = await sign_in(city.browser(), "xx", "wrong password!")

    assert known.status_code == unknown.status_code == 401
    hidden = re.compile(r'value="[^"]*"|As of [^<]*|\d+ s ago')
    assert hidden.sub("", known.text) == hidden.sub("", unknown.text)


async def test_guessing_locks_the_guesser_out_and_not_the_officer(city: City) -> None:
    desk = await city.signed_in("li", "10.0.0.1")
    guesser = city.browser("10.6.6.6")
    for _ in range(5):
        assert (await sign_in(guesser, "li", "wrong password!")).status_code == 401

    locked = await sign_in(guesser, "li", PASSWORD)
    known_seat = await sign_in_again(desk)
    elsewhere = await sign_in(city.browser("10.0.0.2"), "li")
    colleague = await sign_in(city.browser("10.6.6.6"), "boss")

    assert locked.status_code == 429
    assert int(locked.headers["retry-after"]) <= 31
    assert [a.status_code for a in (known_seat, elsewhere, colleague)] == [303, 303, 303]


async def test_a_flood_from_an_address_spares_the_seats_that_are_known(city: City) -> None:
    desk = await city.signed_in("li", "10.0.0.1")
    city.rows(
        "insert into console_attempt values ('address:10.0.0.1', 500) on conflict (key) do update set failures = 500, last = clock_timestamp()"
    )

    stranger = await sign_in(city.browser("10.0.0.1"), "boss")
    known = await sign_in_again(desk)

    assert stranger.status_code == 429
    assert known.status_code == 303


async def sign_in_again(browser: httpx.AsyncClient) -> httpx.Response:
    await browser.post("/logout", data={"form": await form_of(browser)})
    browser.cookies.delete("lifeline")
    return await sign_in(browser, "li")


async def test_many_guesses_at_once_are_many_failures(city: City) -> None:
    browser = city.browser("10.7.7.7")
    form = token((await browser.get("/login")).text)
    fields = {"form": form, "name": "li", "password": "wrong password!"}

    answers = await all_of(*(browser.post("/login", data=fields) for _ in range(12)))

    assert sorted(a.status_code for a in answers) == [401] * 5 + [429] * 7
