"""The console on a real PostgreSQL: what an officer sees and does, by page and API."""

import asyncio
import contextlib
import re
from pathlib import Path

import httpx
import pytest

from alerting.console import app
from alerting.console.routes import ROUTES
from alerting.console.sessions import session_cookie
from lifeline.catalog import Lifeline, Source
from lifeline.commands.demo import close_leftovers
from lifeline.compiler import compile_catalog
from lifeline.errors import Unavailable
from lifeline.model import Text
from lifeline.stack import Stack
from lifeline.store import CatalogFile, write_catalog
from lifeline.telemetry import Health
from tests.integration.console_rig import (
    WELL,
    City,
    act,
    all_of,
    token,
)

pytestmark = pytest.mark.integration


# What an officer does


@pytest.mark.feature("A-10")
async def test_of_two_officers_at_once_one_is_told_who_was_faster(city: City) -> None:
    incident = city.leak()
    li, zhao = await city.signed_in("li"), await city.signed_in("zhao", "10.0.0.3")

    answers = await all_of(
        act(li, incident, "acknowledge"), act(zhao, incident, "acknowledge", "on my way")
    )

    assert sorted(a.status_code for a in answers) == [303, 409]
    loser = next(a for a in answers if a.status_code == 409)
    winner = city.rows("select acknowledged_by from incident where id = %s", incident)[0][0]
    assert f"{winner} was faster" in loser.text
    audit = city.rows(
        "select actor from audit where incident = %s and action = 'acknowledge'", incident
    )
    assert audit == [(winner,)]


@pytest.mark.feature("ThingsBoard #6047, #3919, #1721", "Grafana #13364, #18193, #24762")
async def test_an_incident_travels_from_alarm_to_closed_with_its_history(city: City) -> None:
    incident = city.leak()
    browser = await city.signed_in("li")

    assert (await act(browser, incident, "acknowledge", "通知燃气公司")).status_code == 303
    judged = await act(browser, incident, "verify", judgement="true:leak")
    too_early = await act(browser, incident, "close", "looks fine")
    city.calm(incident)
    without_note = await act(browser, incident, "close", "  ")
    closed = await act(browser, incident, "close", "valve shut, 0 %LEL")
    assert judged.status_code == 303
    page = (await browser.get(f"/incidents/{incident}")).text

    assert [a.status_code for a in (too_early, without_note, closed)] == [409, 400, 303]
    assert "looks fine" in too_early.text, "what was written is not lost"
    assert "通知燃气公司" in page
    assert "valve shut, 0 %LEL" in page
    assert city.rows("select phase, closed_by from incident where id = %s", incident) == [
        ("closed", "li")
    ]


async def test_the_page_shows_the_evidence_with_its_limit(city: City) -> None:
    incident = city.leak()
    city.rows(
        "insert into channel (name, lifeline, unit) values (%s, 'gas', '%%LEL') "
        " on conflict do nothing",
        f"{WELL}/ch4",
    )
    city.rows(
        "insert into reading select id, to_timestamp(%s / 1000.0) + make_interval(secs => 5 * n),"
        " n, 0"
        " from channel, generate_series(1, 10) n where name = %s on conflict do nothing",
        city.now_ms - 60_000,
        f"{WELL}/ch4",
    )
    browser = await city.signed_in("wang")

    page = (await browser.get(f"/incidents/{incident}")).text
    readings = (await browser.get(f"/api/v1/incidents/{incident}/readings")).json()

    assert '<svg class="trace"' in page
    assert "gas.20lel = 20 %LEL" in page
    assert "GB 1 2.3 (clause verified)" in page
    assert "may add notes, but not acknowledge" in page
    # The reading that caused it, and those that are stored; other tests have stored theirs.
    drawn = {value for _, value, _ in readings["series"][0]["points"]}
    assert {25.0, *map(float, range(1, 11))} <= drawn


async def test_a_back_filled_incident_says_so_and_stands_behind_the_live_ones(city: City) -> None:
    three_days_ms = city.now_ms - 3 * 86_400_000
    old = city.leak(lane="historical", onset_ms=three_days_ms)
    turned = city.leak(lane="historical", onset_ms=three_days_ms, hazard="turned-live")
    live = city.leak()
    city.leak(onset_ms=three_days_ms + 1, hazard="turned-live")
    browser = await city.signed_in("li")

    page = (await browser.get("/")).text
    shown = (await browser.get("/api/v1/incidents?limit=500")).json()["incidents"]

    cards = {one: page[page.index(f"/incidents/{one}") :].split("</li>")[0] for one in (old, live)}
    assert "back-filled" in cards[old]
    assert "for 3 d" not in cards[old]
    assert "back-filled" not in cards[live]
    lanes = {one["id"]: one["lane"] for one in shown}
    assert [lanes[one] for one in (turned, live, old)] == ["live", "live", "historical"]
    order = [one for one in lanes if one in (old, live, turned)]
    assert order[-1] == old, "what became live is no longer past"
    assert set(order) == {turned, live, old}


@pytest.mark.feature("Node-RED #618, hashi-ui #119, gardener #105")
async def test_stopped_data_look_stopped(city: City) -> None:
    browser = await city.signed_in("li")
    fresh = (await browser.get("/")).text
    city.rows("update feed set newest_ms = newest_ms - 100000")

    stale = (await browser.get("/")).text

    assert fresh.count("feed stale") == 1, "water has never reported"
    assert "No fresh data from Water." in fresh
    assert stale.count("feed stale") == 2
    assert "No fresh data from Gas, Water." in stale
    assert re.search(r"stopped 1 min 4\d s ago", stale)


async def test_the_language_follows_browser_and_choice(city: City) -> None:
    browser = city.browser(**{"accept-language": "zh-CN,zh;q=0.9"})
    first = await browser.get("/login")
    once = await browser.get("/login?lang=en")
    again = await browser.get("/login")

    answer = await browser.post(
        "/language", data={"form": token(first.text), "lang": "en", "next": "/account"}
    )
    chosen = await browser.get("/login")

    assert "登录" in first.text
    assert "Sign in" in once.text
    assert "登录" in again.text
    assert answer.headers["location"] == "/account"
    assert "Sign in" in chosen.text


# The API


async def api(city: City, name: str = "li") -> httpx.AsyncClient:
    browser = await city.signed_in(name)
    browser.headers["x-csrf-token"] = (await browser.get("/api/v1/session")).json()["csrf"]
    return browser


async def test_an_action_holds_for_the_revision_that_was_seen(city: City) -> None:
    incident = city.leak()
    browser = await api(city)
    path = f"/api/v1/incidents/{incident}"
    etag = (await browser.get(path)).headers["etag"]

    blind = await browser.post(f"{path}/acknowledge")
    done = await browser.post(f"{path}/acknowledge", headers={"if-match": etag})
    stale = await browser.post(f"{path}/acknowledge", headers={"if-match": etag})
    unchanged = await browser.get(path, headers={"if-none-match": done.headers["etag"]})

    assert blind.status_code == 428
    assert done.json()["code"] == "acknowledged"
    assert stale.status_code in (409, 412)
    assert stale.headers["content-type"] == "application/problem+json"
    assert "li was faster" in stale.json()["detail"]
    assert unchanged.status_code == 304


async def test_a_key_does_its_thing_once(city: City) -> None:
    incident = city.leak()
    browser = await api(city)
    path = f"/api/v1/incidents/{incident}/note"
    headers = {"idempotency-key": f"k-{incident}"}

    answers = await all_of(
        *(browser.post(path, json={"note": "once"}, headers=headers) for _ in range(4))
    )
    other = await browser.post(path, json={"note": "another"}, headers=headers)

    assert {a.status_code for a in answers} == {200}
    assert len({a.text for a in answers}) == 1
    assert other.status_code == 422
    assert city.rows(
        "select count(*) from audit where incident = %s and note = 'once'", incident
    ) == [(1,)]


async def test_a_refused_action_does_not_use_its_key_up(city: City) -> None:
    incident = city.leak()
    browser = await api(city)
    path = f"/api/v1/incidents/{incident}/close"
    headers = {"idempotency-key": f"c-{incident}", "if-match": '"1"'}

    refused = await browser.post(path, json={"note": "x"}, headers=headers)

    assert refused.status_code == 409
    assert city.rows(
        "select count(*) from console_request where key = %s", headers["idempotency-key"]
    ) == [(0,)]


@pytest.mark.parametrize(
    "query", ["phase=broken", "limit=0", "limit=9999", "limit=x", "nonsense=1"]
)
async def test_a_query_that_means_nothing_is_a_problem(city: City, query: str) -> None:
    answer = await (await api(city)).get(f"/api/v1/incidents?{query}")

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_document_describes_every_door_of_the_api(city: City) -> None:
    document = (await city.browser().get("/api/v1/openapi.json")).json()

    described = {
        (method.upper(), path) for path, doors in document["paths"].items() for method in doors
    }
    assert described == {(r.method, r.path) for r in ROUTES if r.is_api}
    signed = {route.path for route in ROUTES if route.is_signed}
    for path, doors in document["paths"].items():
        for door in doors.values():
            if path in signed:
                assert {"partner": []} in door["security"]
            else:
                assert door["security"] == [{"session": []}]
            assert door["description"].startswith(door["summary"]), "ours, not the framework's"
    schemas = document["components"]["schemas"]
    wanted = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert wanted <= set(schemas)
    assert "session" in document["components"]["securitySchemes"]


async def test_a_lifeline_that_the_catalog_gains_has_its_age_without_a_restart(
    city: City, tmp_path: Path
) -> None:
    path = str(tmp_path / "catalog.bin")
    served = app.create_app(city.site, city.database, city.log)
    browser = httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://desk.city")
    file = CatalogFile(path)
    write_catalog(
        compile_catalog([Source(Lifeline("drainage", Text("排水", "Storm drains")))]), path
    )

    before = (await browser.get("/login?lang=en")).text
    newer = file.newer(city.catalog)
    assert newer is not None
    served.state.console.ground.renew(newer)
    after = (await browser.get("/login?lang=en")).text

    assert ("Storm drains" in before, "Storm drains" in after) == (False, True)
    assert file.newer(newer) is None


async def test_a_page_that_answers_get_answers_head_and_an_action_does_not(city: City) -> None:
    incident = city.leak()
    browser = await city.signed_in("li")

    answers = [
        await browser.head(path)
        for path in ("/", f"/incidents/{incident}", "/api/v1/feeds", f"/incidents/{incident}/close")
    ]
    at_the_door = await city.browser().head("/login")

    assert [a.status_code for a in (*answers, at_the_door)] == [200, 200, 200, 405, 200]


# When PostgreSQL is away


async def test_without_postgresql_the_console_says_so_and_does_not_start(city: City) -> None:
    from msgspec.structs import replace

    dsn = "postgresql://lifeline@127.0.0.1:1/lifeline"
    settings = replace(city.settings, postgres=replace(city.settings.postgres, dsn=dsn))

    with pytest.raises(Unavailable):
        await app.run(settings, city.catalog, Health(), city.log, asyncio.Event())


@pytest.mark.feature("Node-RED #618, hashi-ui #119, gardener #105")
async def test_a_lost_database_is_a_sentence_and_comes_back_by_itself(
    city: City, stack: Stack
) -> None:
    browser = await city.signed_in("li")
    incident = city.leak()
    stack.kill("postgresql")
    try:
        page, lost, program = await all_of(
            browser.get("/"),
            browser.post(f"/incidents/{incident}/note", data={"form": "x"}),
            browser.get("/api/v1/incidents"),
        )
    finally:
        stack.restart("postgresql")

    for answer in (page, lost, program):
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        assert "script-src 'none'" in answer.headers["content-security-policy"]
    assert "The database does not answer" in page.text
    assert 'http-equiv="refresh"' in page.text
    assert 'http-equiv="refresh"' not in lost.text, "a form is not sent again by itself"
    assert program.headers["content-type"] == "application/problem+json"
    # The target of the whole chain for the console is five seconds.
    async with asyncio.timeout(5):
        for _ in range(25):
            if (await browser.get("/")).status_code == 200:
                return
            await asyncio.sleep(0.2)
    pytest.fail("the console did not come back")


async def test_it_serves_on_a_socket_until_told_to_stop(
    city: City, capfd: pytest.CaptureFixture[str]
) -> None:
    stop, health = asyncio.Event(), Health()
    listener = app.listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    listener.close()
    from msgspec.structs import replace

    settings = replace(city.settings, console=replace(city.settings.console, port=port))
    running = asyncio.create_task(app.run(settings, city.catalog, health, city.log, stop))
    async with asyncio.timeout(10), httpx.AsyncClient() as client:
        while True:
            with contextlib.suppress(httpx.ConnectError):
                answer = await client.get(f"http://127.0.0.1:{port}/")
                break
            await asyncio.sleep(0.05)

    stop.set()
    await asyncio.wait_for(running, 10)

    assert answer.status_code == 303
    assert "server" not in answer.headers
    assert session_cookie(is_secure=True) == "__Host-lifeline"


# Many


async def test_the_queue_can_be_read_page_by_page(city: City) -> None:
    boss = await city.signed_in("boss")
    gone = city.leak()
    await act(boss, gone, "acknowledge")
    city.calm(gone)
    await act(boss, gone, "close", "checked")
    for grade in (1, 2, 3):
        city.leak(grade=grade)
    asked = "/api/v1/incidents?phase=open,acknowledged,watching,closed"
    whole = (await boss.get(f"{asked}&limit=500")).json()
    assert whole["after"] is None

    paged: list[str] = []
    after: str | None = ""
    while after is not None:
        page = (await boss.get(f"{asked}&limit=3&after={after}")).json()
        paged += [one["id"] for one in page["incidents"]]
        after = page["after"]

    assert paged == [one["id"] for one in whole["incidents"]]
    assert gone in paged
    assert (await boss.get(f"{asked}&after=unknown")).json()["incidents"] == []


async def test_a_demo_closes_all_that_an_earlier_one_left_however_many(city: City) -> None:
    for _ in range(205):
        city.leak()

    closed = city.database.run_now(lambda c: close_leftovers(c, city.site.wording))

    assert closed >= 205
    assert city.rows("select count(*) from incident where phase <> 'closed'") == [(0,)]
