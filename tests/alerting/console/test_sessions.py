"""Who comes in: waiting times, cookies, origins, and where a sign-in may lead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.console import sessions
from alerting.console.sessions import Sender, Session

NOW = 1_800_000_000_000
EVIL = (
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https://evil.example/",
    "/%2f%2fevil.example",
    "/incidents/../../x",
    "javascript:alert(1)",
    "/login",
    "/incidents/a\r\nSet-Cookie: x=1",
    "/incidents/a#//evil",
    "/?x=//evil.example",
    "/.evil.example",
    "@evil.example",
    "",
    "/ /evil",
)


@pytest.mark.parametrize("path", EVIL)
def test_a_sign_in_leads_to_no_foreign_place(path: str) -> None:
    assert sessions.safe_next(path) == "/"


@pytest.mark.parametrize(
    "path", ["/", "/incidents/0123abcd", "/incidents/a-b_c?window=900", "/account", "/?show=gas"]
)
def test_a_sign_in_leads_back_to_our_own_pages(path: str) -> None:
    assert sessions.safe_next(path) == path


@given(st.text())
def test_whatever_is_asked_the_way_leads_to_this_host(path: str) -> None:
    following = sessions.safe_next(path)

    assert following.startswith("/")
    assert not following.startswith(("//", "/\\"))
    assert following.isprintable()
    assert following.isascii()


@pytest.mark.parametrize(
    ("origin", "fetch_site", "is_own"),
    [
        ("http://desk.city:8080", "same-origin", True),
        ("", "", True),
        ("", "same-origin", True),
        ("http://desk.city:8080", "", True),
        ("http://desk.city:8080", "cross-site", False),
        ("http://desk.city:8080", "same-site", False),
        ("http://evil.example", "", False),
        ("http://evil.example", "same-origin", False),
        ("http://desk.city", "", False),
        ("http://desk.city:8080.evil.example", "", False),
        ("http://[::1", "", False),
        ("null", "", False),
    ],
)
def test_only_our_own_pages_may_send_forms(origin: str, fetch_site: str, is_own: bool) -> None:
    assert sessions.is_own(Sender("desk.city:8080", origin, fetch_site)) is is_own


def test_the_console_answers_under_its_own_names_alone() -> None:
    loopback = ["127.0.0.1", "::1", "[::1]", "localhost"]

    assert sessions.own_hosts("https://Desk.city/", "0.0.0.0") == sorted([*loopback, "desk.city"])
    assert sessions.own_hosts("", "::") == sorted(loopback)
    assert sessions.own_hosts("http://127.0.0.1:8080", "10.1.2.3") == sorted(
        [*loopback, "10.1.2.3"]
    )


def test_an_empty_token_is_never_right() -> None:
    assert not sessions.is_same("", "")
    assert not sessions.is_same("x", "")
    assert not sessions.is_same("\ud800", "x")
    assert sessions.is_same("é", "é")


def test_waiting_doubles_and_has_an_end() -> None:
    waits = [sessions.wait_ms(n, NOW, NOW, 5) for n in range(4, 13)]

    assert waits == [0, 30_000, 60_000, 120_000, 240_000, 480_000, 900_000, 900_000, 900_000]
    assert sessions.wait_ms(5, NOW, NOW + 30_000, 5) == 0
    assert sessions.wait_ms(10_000, NOW, NOW + 900_000, 5) == 0


def test_a_known_seat_is_counted_apart_from_strangers() -> None:
    sealed = sessions.attempt_keys("break-glass", "10.0.0.9", is_known_seat=False, seat="")
    strange = sessions.attempt_keys("li", "10.0.0.9", is_known_seat=False, seat="")
    known = sessions.attempt_keys("li", "10.0.0.9", is_known_seat=True, seat="secret")

    assert sealed == {}, "the sealed account is for when everybody is locked out"
    assert set(strange) == {"name:li|10.0.0.9", "address:10.0.0.9"}
    assert len(known) == 1
    assert not set(known) & set(strange)
    assert "secret" not in str(known)


def test_a_session_ends_when_idle_and_when_old() -> None:
    session = Session("li", "officer", "f", NOW, NOW)

    assert not sessions.is_over(session, NOW + 900_000, 900.0, 12.0)
    assert sessions.is_over(session, NOW + 900_001, 900.0, 12.0)
    busy = Session("li", "officer", "f", NOW, NOW + 12 * 3_600_000)
    assert sessions.is_over(busy, NOW + 12 * 3_600_000 + 1, 900.0, 12.0)


def test_the_cookie_is_bound_to_this_host_wherever_there_is_tls() -> None:
    name = sessions.session_cookie(is_secure=True)
    value = sessions.cookie(name, "t", is_secure=True)

    assert value == "__Host-lifeline=t; Path=/; HttpOnly; SameSite=Lax; Secure"
    plain = sessions.cookie(sessions.session_cookie(is_secure=False), "t", is_secure=False)
    assert plain == "lifeline=t; Path=/; HttpOnly; SameSite=Lax"


def test_passwords_that_can_be_guessed_are_refused() -> None:
    assert sessions.password_problem("li", "correct horse battery") == "", "three words will do"
    assert sessions.password_problem("li", "short")
    assert sessions.password_problem("wang", "wang-wang-2026")
    assert sessions.password_problem("li", "aaaaaaaaaaaaaa")
    assert sessions.password_problem("li", "x" * 300)


def test_names_are_one_however_they_are_written() -> None:
    assert sessions.login_name(" LI ") == "li"
    assert sessions.login_name("ｌｉ") == "li"
    assert sessions.name_problem("李伟") == ""
    assert sessions.name_problem("Li")
    assert sessions.name_problem("a b")
    assert sessions.name_problem("")


@pytest.mark.parametrize(
    ("choice", "setting", "accept", "language"),
    [
        ("en", "zh", "zh-CN", "en"),
        ("", "zh", "en-GB", "zh"),
        ("", "auto", "en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("", "auto", "fr, zh-CN;q=0.5, en;q=0.4", "zh"),
        ("", "auto", "", "zh"),
        ("xx", "auto", "en;q=nonsense, en;q=0.1", "en"),
    ],
)
def test_the_language_is_chosen_then_set_then_the_browsers(
    choice: str, setting: str, accept: str, language: str
) -> None:
    assert sessions.preferred(choice, setting, accept) == language


def test_no_page_may_run_a_script() -> None:
    headers = sessions.security_headers(is_secure=True)

    policy = headers["Content-Security-Policy"]
    for part in (
        "script-src 'none'",
        "object-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ):
        assert part in policy
    assert "unsafe" not in policy
    assert "Strict-Transport-Security" in headers
    assert "Strict-Transport-Security" not in sessions.security_headers(is_secure=False)
