"""What the console's tests share: a city with a hostile title, its database, browsers."""

import asyncio
import copy
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import httpx
import msgspec
import psycopg
import structlog
from psycopg import Connection
from psycopg.conninfo import make_conninfo

from alerting import store as router_store
from alerting.console import app
from alerting.console.accounts import store
from alerting.notices import Wording
from lifeline import config, db
from lifeline.catalog import (
    Asset,
    Catalog,
    Channel,
    DeviceEntry,
    Lifeline,
    Limit,
    Model,
    Rule,
    Source,
    Zone,
)
from lifeline.compiler import compile_catalog
from lifeline.model import CANARY, Finding, Text
from lifeline.stack import Addresses

PASSWORD = "correct horse battery"
EVIL_TITLE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'
BASE = "http://desk.city:8080"
WELL, OTHER = "gas/well-0001", "gas/well-0002"


def city() -> Catalog:
    """The catalog of ``compiled``."""
    return Catalog(compiled())


def compiled() -> bytes:
    """Two wells, one of them with a hostile title; a lifeline that never reports; the canary."""
    gas = Source(
        Lifeline("gas", Text("燃气", "Gas")),
        zone=(Zone("gas/heping", Text("和平", "Heping")),),
        asset=(
            Asset(WELL, "gas/heping", "well", Text("阀井一", "Well one"), (123.4, 41.8)),
            Asset(OTHER, "gas/heping", "well", Text(EVIL_TITLE, EVIL_TITLE)),
        ),
        model=(Model("m", (Channel("ch4", "methane", "%LEL", 0.0, 100.0, 5.0),)),),
        device=(
            DeviceEntry("w1", "gas/heping", WELL, "m"),
            DeviceEntry("w2", "gas/heping", OTHER, "m"),
        ),
        limit=(
            Limit(
                "gas.20lel",
                20.0,
                "%LEL",
                "GB 1 2.3",
                True,
                Text("甲烷超限", "Methane high"),
                clause_zh="GB 1第2.3条",
            ),
        ),
        rule=(
            Rule(
                "gas.ch4",
                "gas-leak",
                2,
                {"kind": "threshold"},
                "methane",
                limit="gas.20lel",
                title=Text("相邻空间甲烷", "Methane next door"),
            ),
        ),
    )
    water = Source(Lifeline("water", Text("供水", "Water")))
    return compile_catalog([gas, water, Source(Lifeline(CANARY))])


class City:
    """One module's database with its console, and the findings that it is given."""

    def __init__(self, settings: config.Settings) -> None:
        self.settings = settings
        self.catalog = city()
        self.database = db.Database(settings.postgres)
        self.site = app.make_site(settings, self.catalog)
        self.log: Any = structlog.get_logger("tests")
        self.now_ms = self.clock_ms()

    def clock_ms(self) -> int:
        """The database's clock."""
        asked = "select (extract(epoch from clock_timestamp()) * 1000)::int8"
        return int(self.rows(asked)[0][0])

    def freshen(self) -> None:
        """As if nobody had failed to sign in, and every feed had just spoken."""
        self.rows("delete from console_attempt")
        self.rows("update feed set newest_ms = %s, received_ms = %s", *[self.clock_ms()] * 2)

    def with_console(self, **changed: Any) -> "City":
        """The same city behind a console with other settings."""
        made = copy.copy(self)
        console = msgspec.structs.replace(self.settings.console, **changed)
        made.settings = msgspec.structs.replace(self.settings, console=console)
        made.site = replace(self.site, settings=made.settings)
        return made

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the database answers; writes are committed."""

        def work(connection: Connection) -> list[tuple[Any, ...]]:
            cursor = connection.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else []

        return self.database.run_now(work)

    def browser(self, address: str = "10.0.0.1", **headers: str) -> httpx.AsyncClient:
        """Somebody's browser, in front of the application itself."""
        console = app.create_app(self.site, self.database, self.log)
        transport = httpx.ASGITransport(console, client=(address, 50_000))
        return httpx.AsyncClient(
            transport=transport, base_url=BASE, headers={"accept-language": "en", **headers}
        )

    async def signed_in(self, name: str, address: str = "10.0.0.1") -> httpx.AsyncClient:
        """A browser in which that person has signed in."""
        browser = self.browser(address)
        answer = await sign_in(browser, name)
        assert answer.status_code == 303, answer.text
        return browser

    def leak(self, asset: str = WELL, *, value: float = 25.0, grade: int = 1, **more: Any) -> str:
        """An incident made by a finding through the router's own step; returns its id."""
        finding = Finding(
            id=uuid.uuid4().hex[:24],
            phase="raised",
            zone="gas/heping",
            asset=asset,
            lifeline="gas",
            channel=f"{asset}/ch4",
            rule="gas.ch4",
            detector="threshold",
            hazard=more.pop("hazard", f"gas-leak-{uuid.uuid4().hex[:6]}"),
            grade=grade,
            onset_ms=more.pop("onset_ms", self.now_ms - 60_000),
            at_ms=self.now_ms - 55_000,
            received_ms=self.now_ms - 54_900,
            code="above-limit",
            value=value,
            unit="%LEL",
            limit=20.0,
            limit_id="gas.20lel",
            evidence=((self.now_ms - 60_000, value, 0),),
            **more,
        )
        self.fold(finding)
        return str(self.rows("select id from incident where hazard = %s", finding.hazard)[0][0])

    def speak(self, channel: str = f"{WELL}/ch4", value: float = 1.0, ago_ms: int = 0) -> None:
        """A stored reading of a channel, as archive keeps it."""
        self.rows("insert into channel (name, lifeline, unit) values (%s, 'gas', '%%LEL')"
                  " on conflict do nothing", channel)  # fmt: skip
        self.rows(
            "insert into reading select id, clock_timestamp() - make_interval(secs => %s), %s, 0"
            " from channel where name = %s on conflict do nothing",
            ago_ms / 1000, value, channel,
        )  # fmt: skip

    def calm(self, incident: str) -> None:
        """Ends the alarm of an incident, whose sensor says that all is well."""
        self.speak()
        body = self.rows("select lead::text from incident where id = %s", incident)[0][0]
        finding = msgspec.json.decode(body, type=Finding)
        at_ms = finding.at_ms + 1000
        self.fold(msgspec.structs.replace(finding, phase="cleared", at_ms=at_ms))

    def fold(self, finding: Finding) -> None:
        """Takes a finding in as the router does."""
        wording = Wording(self.catalog, self.settings.router)
        self.database.run_now(lambda connection: router_store.fold(connection, wording, [finding]))

    def close(self) -> None:
        """Ends the connections."""
        self.database.close()


@contextmanager
def new_city(addresses: Addresses) -> Iterator[City]:
    """A city in a database of its own, dropped at the end."""
    name = f"console_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(addresses.postgres_admin_dsn, autocommit=True) as admin:
        admin.execute(f"create database {name} owner lifeline".encode())
    dsn = make_conninfo(addresses.postgres_dsn, dbname=name)
    environment = addresses.environment() | {
        "LIFELINE_POSTGRES_DSN": dsn,
        "LIFELINE_CONSOLE_SECURE_COOKIE": "false",
        "LIFELINE_CONSOLE_PORT": "0",
        "LIFELINE_ROUTER_PUBLIC_URL": BASE,
        "LIFELINE_LIFE_QUIET_S": "0",
    }
    settings, _ = config.load("", "tests", environment)
    db.migrate(settings.postgres, lambda _: None)
    made = City(settings)
    for person, role in (
        ("li", "officer"),
        ("wang", "operator"),
        ("boss", "admin"),
        ("zhao", "officer"),
    ):
        store.create_user(made.database, person, role, PASSWORD)  # type: ignore[arg-type]
    made.rows("insert into feed values ('gas', %s, %s)", made.now_ms, made.now_ms)
    try:
        yield made
    finally:
        made.close()
        with psycopg.connect(addresses.postgres_admin_dsn, autocommit=True) as admin:
            admin.execute(f"drop database if exists {name} with (force)".encode())


def token(page: str) -> str:
    """The hidden token of a page's first form."""
    found = re.search(r'name="form" value="([^"]+)"', page)
    assert found is not None, page[:2000]
    return found[1]


async def sign_in(
    browser: httpx.AsyncClient,
    name: str,
    password: str = PASSWORD,
    path: str = "/login",
    code: str = "",
) -> httpx.Response:
    """Signs in by the form, as a person does."""
    page = (await browser.get(path, follow_redirects=True)).text
    following = re.search(r'name="next" value="([^"]+)"', page.split("<main")[1])
    assert following is not None
    fields = {"form": token(page), "name": name, "password": password, "code": code}
    fields["next"] = following[1]
    return await browser.post("/login", data=fields)


async def act(
    browser: httpx.AsyncClient, incident: str, action: str, note: str = "", **fields: str
) -> httpx.Response:
    """Uses one of the forms of an incident's page."""
    page = (await browser.get(f"/incidents/{incident}")).text
    revision = re.search(r'name="revision" value="(\d+)"', page)
    assert revision is not None, page[:2000]
    data = {"form": token(page), "revision": revision[1], "note": note, **fields}
    return await browser.post(f"/incidents/{incident}/{action}", data=data)


class Elements(HTMLParser):
    """The elements of a page as a browser would see them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def live_parts(page: str) -> list[str]:
    """Whatever in a page could run or load something foreign."""
    found = []
    for tag, attributes in Elements(page).tags:
        if tag in ("script", "iframe", "object", "embed", "style", "base", "img"):
            found.append(tag)
        found += [f"{tag}.{k}" for k in attributes if k.startswith("on") or k == "style"]
        for key in ("href", "src", "action"):
            value = (attributes.get(key) or "").strip().lower()
            if (value and not value.startswith(("/", "#"))) or value.startswith("//"):
                found.append(f"{tag}.{key}={value}")
    return found


async def all_of(*asked: Any) -> list[Any]:
    """The answers of several requests sent at once."""
    return list(await asyncio.gather(*asked))


async def form_of(browser: httpx.AsyncClient) -> str:
    """The hidden token of a browser's pages."""
    return token((await browser.get("/account", follow_redirects=True)).text)
