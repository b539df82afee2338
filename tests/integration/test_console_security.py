"""The console on a real PostgreSQL: who may do what, and what an attacker gets."""

from urllib.parse import quote

import pytest

from alerting.console import gate, store
from alerting.console.gate import Route
from alerting.console.routes import ROUTES
from alerting.console.sessions import Sender
from alerting.console.visit import Call
from tests.integration.console_rig import (
    BASE,
    EVIL_TITLE,
    OTHER,
    PASSWORD,
    City,
    act,
    form_of,
    live_parts,
    sign_in,
    token,
)

pytestmark = pytest.mark.integration

PEOPLE = {"": "", "operator": "wang", "officer": "li", "admin": "boss"}
XSS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</textarea><svg onload=alert(1)>",
    "{{ 7*7 }}${7*7}",
    "javascript:alert(1)",
    "\u202e<b>",
)
SQL = (
    "'",
    "' or '1'='1",
    "'; drop table incident; --",
    '" or ""="',
    "1); delete from console_user; --",
    "%s %(name)s %%",
    "\\'; select pg_sleep(9); --",
    "\x00",
    "\ud800",
    "A" * 5000,
)


# Who may do what


OPENED = (200, 202, 303, 400, 404, 409, 412, 422)


@pytest.mark.parametrize("role", PEOPLE)
async def test_every_door_opens_for_its_roles_alone(city: City, role: str) -> None:
    browser = await city.signed_in(PEOPLE[role]) if role else city.browser()

    incident = city.leak()
    for route in ROUTES:
        if route.path == "/logout" or route.is_public or route.is_signed:
            continue  # Signed doors open to no role: see test_exchange.
        path = route.path.replace("{id}", incident)
        revision = city.rows("select revision from incident where id = %s", incident)[0][0]

        if route.method == "GET":
            answer = await browser.get(path)
        elif route.is_api:
            csrf = (await browser.get("/api/v1/session")).json().get("csrf", "")
            headers = {"x-csrf-token": csrf, "if-match": f'"{revision}"'}
            answer = await browser.post(path, json={"note": "n"}, headers=headers)
        else:
            page = (await browser.get("/account", follow_redirects=True)).text
            fields = {"form": token(page), "revision": revision, "note": "n"}
            answer = await browser.post(path, data=fields)

        if not role:
            expected = 401 if route.is_api else 303
            assert answer.status_code == expected, route.path
            if not route.is_api:
                assert answer.headers["location"].startswith("/login?why=")
        elif role in route.roles:
            # What he may do may still be refused for what it is about, in a sentence.
            assert answer.status_code in OPENED, (route.path, answer.text)
        else:
            assert answer.status_code == 403, route.path
            after = city.rows("select revision from incident where id = %s", incident)[0][0]
            assert after == revision, route.path


async def test_looking_changes_nothing(city: City) -> None:
    incident = city.leak()
    browser = await city.signed_in("li")
    watched = (
        "select (select count(*) from audit), (select max(revision) from incident),"
        " (select count(*) from outbox), (select count(*) from console_session)"
    )
    before = city.rows(watched)

    for route in ROUTES:
        if route.method == "GET" and not route.is_signed:
            answer = await browser.get(route.path.replace("{id}", incident))
            assert answer.status_code in OPENED

    assert city.rows(watched) == before


async def test_the_database_itself_refuses_writes_behind_get(city: City) -> None:
    def sly(records, visit):
        records.connection.execute("delete from console_user")

    route = Route(method="GET", path="/sly", handler=sly, is_public=True)
    call = Call("GET", "/sly", "10.0.0.1", Sender("desk.city", "", ""))

    with pytest.raises(Exception, match="read-only transaction"):
        await city.database.run(
            lambda c: gate.answer(
                store.Connected(c, city.site.wording), route, call, city.site, "n"
            )
        )

    assert city.rows("select count(*) from console_user") == [(4,)]


# Forged requests


FORGED = (
    {"origin": "http://evil.example"},
    {"origin": "null"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site", "origin": BASE},
)


@pytest.mark.parametrize("headers", FORGED)
async def test_forms_from_elsewhere_are_refused_even_with_the_token(
    city: City, headers: dict[str, str]
) -> None:
    incident = city.leak()
    browser = await city.signed_in("li")
    fields = {"form": await form_of(browser), "revision": "1", "note": "x"}

    for route in ROUTES:
        if route.method == "POST" and not route.is_api:
            answer = await browser.post(
                route.path.replace("{id}", incident), data=fields, headers=headers
            )
            assert answer.status_code == 403, route.path
    assert (await browser.post("/login", data=fields, headers=headers)).status_code == 403
    api = await browser.post(
        f"/api/v1/incidents/{incident}/note",
        json={"note": "x"},
        headers={"x-csrf-token": fields["form"], **headers},
    )

    assert api.status_code == 403
    assert city.rows("select phase, revision from incident where id = %s", incident) == [
        ("open", 1)
    ]


async def test_a_missing_or_foreign_token_is_refused(city: City) -> None:
    incident = city.leak()
    browser, other = await city.signed_in("li"), await city.signed_in("boss")

    for form in ("", "wrong", await form_of(other)):
        answer = await browser.post(
            f"/incidents/{incident}/acknowledge", data={"form": form, "revision": "1", "note": ""}
        )
        assert answer.status_code == 403
    assert (await browser.post("/logout")).status_code == 403
    assert (await browser.post("/language", data={"lang": "en"})).status_code == 403
    assert (
        await city.browser().post("/login", data={"name": "li", "password": PASSWORD})
    ).status_code == 403

    assert city.rows("select phase from incident where id = %s", incident) == [("open",)]


async def test_our_own_origin_is_let_through(city: City) -> None:
    incident = city.leak()
    browser = await city.signed_in("li")
    browser.headers.update({"origin": BASE, "sec-fetch-site": "same-origin"})

    assert (await act(browser, incident, "acknowledge")).status_code == 303


async def test_only_post_acts(city: City) -> None:
    incident = city.leak()
    browser = await city.signed_in("li")

    for method in ("GET", "PUT", "DELETE", "PATCH"):
        answer = await browser.request(method, f"/incidents/{incident}/acknowledge")
        assert answer.status_code == 405
        assert "does not take that kind" in answer.text

    assert city.rows("select phase from incident where id = %s", incident) == [("open",)]


# Hostile text


@pytest.mark.parametrize("evil", XSS)
async def test_hostile_notes_and_titles_stay_text(city: City, evil: str) -> None:
    incident = city.leak(OTHER)
    browser = await city.signed_in("li")

    assert (await act(browser, incident, "note", evil)).status_code == 303
    detail = (await browser.get(f"/incidents/{incident}?window={quote(evil)}")).text
    pages = [
        detail,
        (await browser.get("/")).text,
        (await browser.get(f"/?show={quote(evil)}&lang={quote(evil)}")).text,
        (await browser.get(f"/incidents/{quote(evil, safe='')}")).text,
        (await city.browser().get(f"/login?next={quote(evil)}&why={quote(evil)}")).text,
        (await sign_in(city.browser("10.8.8.8"), evil[:60], "wrong password!")).text,
        (await act(browser, incident, "close", evil)).text,
    ]

    for page in pages:
        assert live_parts(page) == []
    assert "&lt;script&gt;" in pages[1], EVIL_TITLE
    assert city.rows(
        "select note from audit where incident = %s order by id desc limit 1", incident
    ) == [(evil,)]


@pytest.mark.parametrize("evil", SQL)
async def test_injected_sql_reaches_no_table(city: City, evil: str) -> None:
    incident = city.leak()
    browser = await city.signed_in("li")
    csrf = await form_of(browser)
    watched = (
        "select (select count(*) from console_user), (select count(*) from incident),"
        " (select count(*) from feed)"
    )
    before = city.rows(watched)
    text = evil.encode("utf-8", "surrogatepass")
    part = quote(text, safe="")

    answers = [
        await browser.get(f"/incidents/{part}"),
        await browser.get(f"/?show={part}&auto={part}"),
        await browser.get(f"/incidents/{incident}?window={part}"),
        await browser.get(f"/api/v1/incidents?phase={part}"),
        await browser.get(f"/api/v1/incidents?lifeline={part}"),
        await browser.get(f"/api/v1/incidents?limit={part}"),
        await browser.get(f"/api/v1/incidents/{part}"),
        await browser.get(f"/api/v1/incidents/{part}/readings"),
        await browser.get("/", headers={"cookie": f"lifeline={part}"}),
    ]
    for action in ("acknowledge", "close", "note"):
        form = f"form={quote(csrf)}&revision={part}&note={part}".encode()
        kind = {"content-type": "application/x-www-form-urlencoded"}
        answers.append(
            await browser.post(f"/incidents/{incident}/{action}", content=form, headers=kind)
        )
        answers.append(
            await browser.post(f"/incidents/{part}/{action}", content=form, headers=kind)
        )
        body = b'{"note": "' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"}'
        for key in ("if-match", "idempotency-key"):
            headers = {
                "x-csrf-token": csrf,
                "if-match": '"999"',
                key: evil.encode("ascii", "ignore").replace(b"\0", b"").decode(),
            }
            answers.append(
                await browser.post(
                    f"/api/v1/incidents/{incident}/{action}", content=body, headers=headers
                )
            )
    login = city.browser("10.9.9.9")
    form = f"form={await form_of(login)}&name={part}&password={part}&next={part}".encode()
    answers.append(
        await login.post(
            "/login", content=form, headers={"content-type": "application/x-www-form-urlencoded"}
        )
    )

    assert {a.status_code for a in answers} <= {200, 303, 400, 401, 404, 409, 412, 422, 428}
    assert city.rows(watched) == before
    assert (await browser.get("/")).status_code == 200


async def test_a_huge_request_is_refused(city: City) -> None:
    browser = city.browser()

    answer = await browser.post("/login", data={"name": "x" * 100_000})

    assert answer.status_code == 413
    assert "too large" in answer.text


async def test_every_answer_carries_the_security_headers(city: City) -> None:
    browser = await city.signed_in("li")
    answers = [
        await browser.get("/"),
        await browser.get("/nowhere"),
        await browser.post("/nowhere"),
        await browser.put("/"),
        await browser.get("/static/console.css"),
        await browser.get("/static/../app.py"),
        await browser.get("/api/v1/openapi.json"),
        await browser.get("/api/v1/incidents/none"),
        await browser.post("/login", data={"name": "x" * 100_000}),
        await city.browser().get("/"),
    ]

    for answer in answers:
        assert "script-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "same-origin"
        kept = "no-store" if "static" not in str(answer.url) else "public, max-age=300"
        assert answer.headers["cache-control"] == kept or answer.status_code == 404
    assert [a.status_code for a in answers] == [200, 404, 404, 405, 200, 404, 200, 404, 413, 303]


async def test_the_colours_of_the_grades_are_a_style_sheet_that_anybodys_page_may_load(
    city: City,
) -> None:
    answer = await city.browser().get("/static/grades.css")

    assert (answer.status_code, answer.headers["content-type"][:8]) == (200, "text/css")
    assert ".g1 { --grade: #C8102E; --on-grade: #FFFFFF; }" in answer.text
    assert "default-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/login", "/api/v1/openapi.json", "/static/console.css"])
@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("desk.city:8080", True),
        ("DESK.city", True),
        ("127.0.0.1:8080", True),
        ("localhost", True),
        ("[::1]:8080", True),
        ("evil.example", False),
        ("desk.city.evil.example:8080", False),
        ("www.desk.city", False),
        ("", False),
    ],
)
async def test_only_our_own_names_are_answered(
    city: City, host: str, path: str, *, is_ours: bool
) -> None:
    answer = await city.browser().get(path, headers={"host": host})

    assert answer.status_code == (200 if is_ours else 400)
    assert "content-security-policy" in answer.headers
