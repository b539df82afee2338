"""Whatever strangers, devices and other systems write stays text on every page of the desk.

The same corpus on real pages: filled by the forms that take it, and by the tables that partners,
vendors and devices fill.
"""

import hashlib
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import replace

import httpx
import msgspec
import pytest
from playwright.async_api import Dialog, Route, async_playwright

from alerting.console.routes import PAGES
from alerting.people.reading import parse
from alerting.people.roster import Roster
from lifeline.model import Finding
from tests.alerting.console.seat import ROSTER
from tests.integration.console_rig import BASE, OTHER, City, form_of, live_parts
from tests.integration.test_console_security import XSS

pytestmark = pytest.mark.integration
EVIL = " ".join(XSS)
MARK = "<script>alert(1)</script>"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"


@pytest.fixture
def hostile(city: City) -> Iterator[City]:
    """The city with a roster in which every name is hostile."""
    quoted = EVIL.replace("\\", "\\\\").replace('"', '\\"')
    written = ROSTER
    for name in ("李伟", "Li Wei", "赵敏", "Zhao Min", "燃气席", "Gas desk", "市级席", "City desk"):
        written = written.replace(f'"{name}"', f'"{quoted}"')
    assert written.count(MARK) == 8
    before = city.site
    city.site = replace(before, roster=Roster(parse(written, "roster.toml"), "roster.toml"))
    yield city
    city.site = before


def from_a_device(city: City) -> str:
    """An incident of a finding in which everything that is text is hostile."""
    known = city.leak(OTHER)
    body = city.rows("select lead::text from incident where id = %s", known)[0][0]
    lead = msgspec.json.decode(body, type=Finding)
    name = uuid.uuid4().hex[:24]
    evil = msgspec.structs.replace(
        lead, id=name, channel=f"{EVIL}/{name}", asset=f"{EVIL}{name}", rule=EVIL, detector=EVIL,
        hazard=EVIL, unit=EVIL[:40], limit_id=EVIL, code=EVIL[:60], contexts=(EVIL,),
    )  # fmt: skip
    city.fold(evil)
    return str(city.rows("select id from incident where asset = %s", evil.asset)[0][0])


def from_other_systems(city: City, incident: str) -> str:
    """What partners and vendors write; returns the token of a link to the incident."""
    city.rows(
        "insert into city_case values (%s, %s, %s, %s, 'filed', %s, 1, 1, 1)",
        incident, EVIL, EVIL, EVIL, EVIL,
    )  # fmt: skip
    city.rows(
        "insert into outbox (key, incident, target, kind, reason, revision, grade, body,"
        " received_ms, class, person, address, language, last_code, dead_at, attempts)"
        " values (%s, %s, %s, 'alert', 'opened', 1, 1, '', 0, 'page', %s, %s, 'zh', %s, now(), 3)",
        uuid.uuid4().hex, incident, EVIL, EVIL, EVIL, EVIL,
    )  # fmt: skip
    city.rows(
        "insert into responder (incident, person, added_by) values (%s, %s, %s)",
        incident, EVIL, EVIL,
    )  # fmt: skip
    city.rows(
        "insert into link (token, incident, run, person, target, key, expires_at) values"
        " (%s, %s, '', %s, 'sms', 'k', now() + interval '1 hour') on conflict do nothing",
        hashlib.sha256(b"hostile").digest(), incident, EVIL,
    )  # fmt: skip
    return "hostile"


async def by_the_forms(
    city: City, browser: httpx.AsyncClient, incident: str
) -> list[httpx.Response]:
    """Every free text of every form, hostile."""
    csrf = await form_of(browser)
    revision = iter(range(1, 99))

    async def send(path: str, **fields: str) -> httpx.Response:
        return await browser.post(path, data={"form": csrf, **fields})

    async def act(action: str, **fields: str) -> httpx.Response:
        return await send(f"/incidents/{incident}/{action}", revision=str(99), **fields)

    return [
        await act("acknowledge", note=EVIL),
        await act("support", note=EVIL),
        await act("dispatch", task=EVIL, person=EVIL[:128], note=EVIL),
        await act("verify", judgement="true:leak", note=EVIL),
        await act("close", judgement="true:leak", note=EVIL, override="yes"),
        await send("/windows", kind="maintenance", zone="gas/heping", minutes="30", note=EVIL,
                   assets=EVIL.replace(",", " "), work=EVIL[:128]),
        await send("/work", id=f"W {next(revision)} {EVIL.replace('|', '')[:80]}", kind="gas-work",
                   begins="2030-01-01T08:00", ends="2030-01-01T12:00", zone="gas/heping",
                   contractor=EVIL[:200], contact=EVIL, note=EVIL, watch_h="24"),
        await send("/rules", what="limit:value:gas.20lel", value="24.5", note=EVIL),
        await send("/calls", kind="gas-smell", zone="gas/heping", said=EVIL,
                   heard=str(city.clock_ms())),
        await send("/language", lang="en", next=f"/{EVIL}"),
    ]  # fmt: skip


async def all_pages(city: City, browser: httpx.AsyncClient, incident: str) -> dict[str, str]:
    """Every page there is, in both languages."""
    numbers = {
        "/rules/{id}": city.rows("select max(number)::text from rules_version"),
    }
    found: dict[str, str] = {}
    for route in PAGES:
        if route.method != "GET":
            continue
        name = str(numbers.get(route.path, [(incident,)])[0][0])
        path = route.path.replace("{id}", name).replace("{token}", "hostile")
        for language in ("zh", "en"):
            answer = await browser.get(path, params={"lang": language}, follow_redirects=True)
            assert answer.status_code in (200, 404), (path, answer.text[:500])
            found[f"{route.path} {language}"] = answer.text
    return found


async def test_no_page_runs_or_loads_what_a_stranger_or_a_device_wrote(hostile: City) -> None:
    incident = from_a_device(hostile)
    from_other_systems(hostile, incident)
    browser = await hostile.signed_in("li")

    answers = await by_the_forms(hostile, browser, incident)
    pages = await all_pages(hostile, browser, incident)

    assert {str(a.url.path): a.status_code for a in answers if a.status_code >= 400} == {}
    for path, page in {**pages, **{str(a.url): a.text for a in answers}}.items():
        assert live_parts(page) == [], path
    # It is there, as text: each of these pages shows some of it.
    shown = {path.split(" ")[0] for path, page in pages.items() if ESCAPED in page}
    assert shown >= {
        "/", "/incidents/{id}", "/windows", "/work", "/rules", "/rules/{id}", "/letters",
        "/roster", "/l/{token}",
    }  # fmt: skip


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is missing")
async def test_a_real_browser_runs_nothing_of_it(hostile: City) -> None:
    incident = from_a_device(hostile)
    from_other_systems(hostile, incident)
    browser = await hostile.signed_in("li")
    await by_the_forms(hostile, browser, incident)
    pages = await all_pages(hostile, browser, incident)

    ran = await looked_at_by_chromium(pages)

    assert len(pages) > 20
    assert ran == []


async def looked_at_by_chromium(pages: dict[str, str]) -> list[str]:
    """What ran, or was asked for elsewhere, when a browser shows them without our headers."""
    ran: list[str] = []
    shown = ""

    async def answer(route: Route) -> None:
        if route.request.url == f"{BASE}/shown":
            await route.fulfill(body=shown, content_type="text/html; charset=utf-8")
            return
        if not route.request.url.startswith(f"{BASE}/static/"):
            ran.append(route.request.url)
        await route.abort()

    async def dismiss(dialog: Dialog) -> None:
        ran.append(dialog.message)
        await dialog.dismiss()

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = await browser.new_page()
        page.on("dialog", dismiss)
        await page.route("**/*", answer)
        for shown in pages.values():  # noqa: B007 (read by ``answer``)
            await page.goto(f"{BASE}/shown")
            # Whatever waits for a pointer gets one.
            await page.evaluate(
                "document.querySelectorAll('*').forEach(e =>"
                " ['mouseover', 'focus', 'error'].forEach(n => e.dispatchEvent(new Event(n))))"
            )
        await browser.close()
    return ran


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is missing")
async def test_the_browser_of_these_tests_runs_what_it_can() -> None:
    page = f"<p>{XSS[0]}{XSS[1]}</p><p title='' onmouseover='alert(3)'>x</p>"

    ran = await looked_at_by_chromium({"": page})

    assert set(ran) == {"1", "3", f"{BASE}/x"}
