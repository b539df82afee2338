"""The console on a real PostgreSQL: signing in, staying, going out, being locked out."""

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from alerting.console import totp
from alerting.console.accounts import store
from alerting.console.sessions import BREAK_GLASS, FAILURES_SEAT
from lifeline import telemetry
from lifeline.commands import users
from lifeline.errors import Refused
from tests.integration.console_rig import (
    PASSWORD,
    City,
    act,
    all_of,
    form_of,
    sign_in,
    token,
)

pytestmark = pytest.mark.integration


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
        "insert into console_attempt values ('address:10.0.0.1', 500) on conflict (key) "
        " do update set failures = 500, last = clock_timestamp()"
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


# The second factor


def now_code(city: City, secret: bytes, steps: int = 0) -> str:
    """What the telephone shows, or showed or will show that many steps away."""
    return totp.code(secret, city.clock_ms() // 30_000 + steps)


@pytest.fixture
def chen(city: City) -> Iterator[bytes]:
    """Somebody with a second factor; yields his secret."""
    store.create_user(city.database, "chen", "officer", PASSWORD, replace=True)
    yield store.enrol(city.database, "chen", "")
    city.rows("delete from console_user where name = 'chen'")


async def test_who_has_a_second_factor_needs_its_code_and_nobody_learns_which_was_wrong(
    city: City, chen: bytes
) -> None:
    tried = [
        await sign_in(city.browser(), "chen"),
        await sign_in(city.browser(), "chen", code="000000"),
        await sign_in(city.browser(), "chen", "wrong password!", code=now_code(city, chen)),
        await sign_in(city.browser(), "nobody", code=now_code(city, chen)),
    ]

    assert [a.status_code for a in tried] == [401] * 4
    hidden = re.compile(r'value="[^"]*"|As of [^<]*|\d+ s ago')
    assert len({hidden.sub("", a.text) for a in tried}) == 1
    right = await sign_in(city.browser(), "chen", code=now_code(city, chen))
    assert right.status_code == 303


async def test_a_code_is_good_once_also_for_two_at_once(city: City, chen: bytes) -> None:
    code = now_code(city, chen)

    answers = await all_of(*(sign_in(city.browser(), "chen", code=code) for _ in range(3)))
    later = await sign_in(city.browser(), "chen", code=code)

    assert sorted(a.status_code for a in answers) == [303, 401, 401]
    assert later.status_code == 401


@pytest.mark.parametrize(("steps", "status"), [(0, 303), (1, 303), (-4, 401), (4, 401)])
async def test_a_clock_may_be_half_a_minute_off_and_no_more(
    city: City, chen: bytes, steps: int, status: int
) -> None:
    answer = await sign_in(city.browser(), "chen", code=now_code(city, chen, steps))

    assert answer.status_code == status


async def test_enrolling_again_ends_the_sessions_and_the_codes_of_the_lost_telephone(
    city: City, chen: bytes
) -> None:
    browser = city.browser()
    assert (await sign_in(browser, "chen", code=now_code(city, chen))).status_code == 303

    fresh = store.enrol(city.database, "chen", "")

    assert (await browser.get("/")).status_code == 303
    old = await sign_in(city.browser(), "chen", code=now_code(city, chen, 1))
    new = await sign_in(city.browser(), "chen", code=now_code(city, fresh))
    assert [old.status_code, new.status_code] == [401, 303]


async def test_where_all_need_a_second_factor_a_password_alone_opens_nothing(city: City) -> None:
    strict = city.with_console(second_factor_required=True)

    refused = await sign_in(strict.browser(), "li")
    sealed = store.seal_break_glass(city.database)
    emergency = await sign_in(strict.browser(), BREAK_GLASS, sealed)

    assert refused.status_code == 401
    assert emergency.status_code == 303


async def test_with_a_key_file_the_database_alone_makes_no_code(city: City, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("a key of this console alone")
    keyed = city.with_console(second_factor_key_file=str(file))
    secret = store.enrol(city.database, "zhao", file.read_text())
    (seed,) = city.rows("select seed from console_second_factor where name = 'zhao'")[0]

    stolen = await sign_in(
        keyed.browser(), "zhao", code=now_code(city, totp.secret_of(bytes(seed), ""))
    )
    own = await sign_in(keyed.browser(), "zhao", code=now_code(city, secret))

    assert [stolen.status_code, own.status_code] == [401, 303]
    store.remove_second_factor(city.database, "zhao")
    assert (await sign_in(keyed.browser(), "zhao")).status_code == 303


# The sealed account


def alarms_counted() -> float:
    return telemetry.security_events.labels("break-glass")._value.get()


async def test_the_sealed_account_works_once_and_everybody_is_told(city: City) -> None:
    sealed, counted = store.seal_break_glass(city.database), alarms_counted()
    incident, colleague = city.leak(), await city.signed_in("wang")

    with capture_logs() as logs:
        browser = city.browser("10.9.9.9")
        assert (await sign_in(browser, BREAK_GLASS, sealed)).status_code == 303
        again = await sign_in(city.browser("10.9.9.9"), BREAK_GLASS, sealed)

    assert again.status_code == 401
    assert alarms_counted() == counted + 1
    assert [(e["event"], e["address"]) for e in logs if e["log_level"] == "critical"] == [
        ("the sealed account was used", "10.9.9.9")
    ]
    for path in ("/", f"/incidents/{incident}", "/account", "/nothing-here"):
        assert "sealed emergency account. What you do" in (await browser.get(path)).text, path
    assert "sealed emergency account was used at" in (await colleague.get("/")).text
    assert "What you do is recorded" not in (await colleague.get("/")).text
    told = "select actor, action, note from audit where incident = '' order by id desc limit 1"
    assert city.rows(told) == [(BREAK_GLASS, "sign-in", "from 10.9.9.9")]
    assert (await act(browser, incident, "acknowledge")).status_code == 303


async def test_guesses_from_its_own_address_keep_nobody_from_the_sealed_account(
    city: City,
) -> None:
    sealed = store.seal_break_glass(city.database)

    guesses = [
        (await sign_in(city.browser("10.7.0.1"), BREAK_GLASS, "a guess at it")).status_code
        for _ in range(FAILURES_SEAT + 2)
    ]
    right = await sign_in(city.browser("10.7.0.1"), BREAK_GLASS, sealed)

    assert set(guesses) == {401}
    assert right.status_code == 303


async def test_a_sealed_password_is_spent_once_by_two_at_once(city: City) -> None:
    sealed = store.seal_break_glass(city.database)

    answers = await all_of(
        *(sign_in(city.browser(f"10.8.0.{n}"), BREAK_GLASS, sealed) for n in range(3))
    )

    assert sorted(a.status_code for a in answers) == [303, 401, 401]


async def test_a_new_sealed_password_ends_what_the_last_one_began(city: City) -> None:
    browser = city.browser()
    await sign_in(browser, BREAK_GLASS, store.seal_break_glass(city.database))

    sealed = store.seal_break_glass(city.database)

    assert (await browser.get("/")).status_code == 303
    assert (await sign_in(city.browser(), BREAK_GLASS, sealed)).status_code == 303


def test_the_sealed_account_is_nobodys_own(city: City) -> None:
    with pytest.raises(Refused, match="sealed account"):
        store.create_user(city.database, BREAK_GLASS, "admin", PASSWORD, replace=True)
    with pytest.raises(Refused, match="without a second factor"):
        store.enrol(city.database, BREAK_GLASS, "")
    with pytest.raises(Refused, match="nobody is called"):
        store.enrol(city.database, "xx", "")
    with pytest.raises(Refused, match="has no second factor"):
        store.remove_second_factor(city.database, "li")


def test_the_command_shows_a_secret_once_and_says_who_has_what(city: City, tmp_path: Path) -> None:
    file = tmp_path / "lifeline.toml"
    file.write_text(f"[postgres]\ndsn = '{city.settings.postgres.dsn}'\n")
    asked = partial(CliRunner().invoke, users.app)

    sealed = asked(["break-glass", "--config", str(file), "--json"])
    enrolled = asked(["second-factor", "wang", "--config", str(file)])
    listed = asked(["list", "--config", str(file)])
    removed = asked(["second-factor", "wang", "--remove", "--config", str(file)])
    unknown = asked(["second-factor", "xx", "--config", str(file)])

    assert len(json.loads(sealed.output)["password"]) == 35
    assert "otpauth://totp/Urban%20Lifeline:wang?secret=" in enrolled.output
    assert re.search(r"^wang +operator +active +second factor$", listed.output, re.MULTILINE)
    assert re.search(r"^break-glass +admin +active +password only$", listed.output, re.MULTILINE)
    assert [removed.exit_code, unknown.exit_code] == [0, 1]
