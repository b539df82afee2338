"""What is exchanged with others, on a real PostgreSQL and Kafka: documents, receipts, cases."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import structlog
from lxml import etree

from alerting import cap
from alerting import store as router
from alerting.actions import Act
from alerting.console import app, inbound
from alerting.desk import store as desk
from alerting.exchange import store
from alerting.exchange.service import Exchange
from alerting.notices import Wording
from alerting.outbox.service import Courier
from lifeline import config, signing, wire
from lifeline.model import Finding
from lifeline.stack import Addresses
from lifeline.stack.processes import free_port, is_free
from lifeline.targets import Target
from lifeline.telemetry import Health
from simulators.platform import serve
from simulators.store import read_journal
from tests.alerting.exchange.papers import XSD, schema
from tests.alerting.exchange.test_tables import shipped
from tests.integration.console_rig import City, new_city, sign_in
from tests.integration.rig import PARTITIONS, Rig, clean_topics, consume, publish_raw

pytestmark = pytest.mark.integration

N = {"c": cap.NAMESPACE}
SECRET = "from-the-platform"
URL = "http://127.0.0.1:1/"


@pytest.fixture(scope="module")
def made(addresses: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """A city that tells a platform in CAP, another one in JSON, and the city's case desk."""
    secret = tmp_path_factory.mktemp("exchange") / "secret"
    secret.write_text(f"{SECRET}-new\n{SECRET}\n")
    with new_city(addresses) as city:
        targets = (
            Target("platform", URL, "-", format="cap", sign_within_s=60.0),
            Target("city", URL, "-", format="case"),
            Target("plain", URL, "-"),
            Target("far", URL, "-", desks=("tiexi",)),
        )
        partners = tuple(
            config.Partner(name, {name: str(secret)}, may)
            for name, may in (
                ("platform", ("receipts",)), ("city", ("cases",)), ("weather", ("warnings",)),
                ("shared", ("zones",)),
            )
        )  # fmt: skip
        city.settings = msgspec.structs.replace(
            city.settings,
            router=msgspec.structs.replace(city.settings.router, targets=targets),
            exchange=config.Exchange(partners=partners),
        )
        wording = Wording(city.catalog, city.settings.router, tables=shipped())
        city.site = replace(city.site, settings=city.settings, wording=wording)
        yield city


async def call(city: City, door: str, body: bytes, who: str, **more: Any) -> httpx.Response:
    headers = signing.headers(more.get("secret", SECRET), who, "once", body, int(time.time()))
    return await city.browser().post(f"/api/v1/exchange/{door}", content=body, headers=headers)


def leak(city: City, **more: Any) -> str:
    """An incident whose notices stand in the outbox."""
    count = city.rows("select count(*) from incident")[0][0]
    at_ms = city.clock_ms() - 5000
    finding = Finding(
        id=f"leak-{count}-{at_ms}", phase="raised", zone="gas/heping", asset="gas/well-0001",
        lifeline="gas", channel="gas/well-0001/ch4", rule="gas.ch4", detector="threshold",
        hazard=more.pop("hazard", f"gas-leak-{count}"), grade=1, onset_ms=at_ms, at_ms=at_ms,
        received_ms=at_ms, code="above-limit", value=25.0, unit="%LEL", limit=20.0, **more,
    )  # fmt: skip
    city.database.run_now(lambda c: router.fold(c, city.site.wording, [finding]))
    return str(city.rows("select id from incident where hazard = %s", finding.hazard)[0][0])


def documents(city: City, incident: str, target: str = "platform") -> list[etree._Element]:
    rows = city.rows(
        "select body from outbox where incident = %s and target = %s order by id", incident, target
    )
    return [etree.fromstring(bytes(body)) for (body,) in rows]


def ack(root: etree._Element, kind: str, name: str) -> bytes:
    reference = ",".join(
        root.findtext(f"c:{part}", "", N) for part in ("sender", "identifier", "sent")
    )
    return (
        f'<alert xmlns="{cap.NAMESPACE}"><identifier>{name}</identifier><sender>platform</sender>'
        f"<sent>2024-01-01T00:00:00+08:00</sent><status>Actual</status><msgType>{kind}</msgType>"
        f"<scope>Private</scope><note>n</note><references>{reference}</references></alert>"
    ).encode()


@pytest.mark.feature("E-3")
async def test_the_documents_of_an_incident_are_chained_through_the_database(made: City) -> None:
    incident = leak(made)
    wording, now_ms = made.site.wording, made.clock_ms()
    for act in (
        Act(incident=incident, action="acknowledge", actor="li"),
        Act(incident=incident, action="verify", actor="li", verdict="true", code="leak"),
    ):
        done = made.database.run_now(lambda c, act=act: desk.perform(c, wording, act, now_ms))
        assert done.is_done, done.code

    roots = documents(made, incident)

    valid = schema()
    for root in roots:
        valid.assertValid(root)
    assert [root.findtext("c:msgType", "", N) for root in roots] == ["Alert", "Update", "Update"]
    named = [root.findtext("c:references", "", N).split() for root in roots]
    assert [len(one) for one in named] == [0, 1, 2]
    assert roots[2].findtext("c:info/c:certainty", "", N) == "Observed"
    assert made.rows("select count(*) from outbox where target = 'far'") == [(0,)]
    body = made.rows("select body from outbox where target = 'city' order by id limit 1")[0][0]
    assert msgspec.json.decode(bytes(body))["unit"] == "210102"


@pytest.mark.feature("E-3")
async def test_what_a_platform_has_refused_is_not_referred_to_until_it_takes_it(made: City) -> None:
    incident = leak(made)
    (root,) = documents(made, incident)
    take = Act(incident=incident, action="acknowledge", actor="li")

    def chain() -> int:
        found = made.database.run_now(lambda c: store.chains(c, [incident]))
        return len(found.get((incident, "platform"), ()))

    lengths, now_ms = [chain()], made.clock_ms()
    for word, name in (("Error", "e9"), ("Ack", "a9")):
        await call(made, "receipts", ack(root, word, name), "platform")
        lengths.append(chain())
        if word == "Error":
            made.database.run_now(lambda c: desk.perform(c, made.site.wording, take, now_ms))
    made.rows("update outbox set dead_at = now() where incident = %s", incident)

    assert (lengths, chain()) == ([1, 0, 1], 0)
    assert len(documents(made, incident)) == 1, "it was told nothing of what it had refused"


@pytest.mark.feature("E-2")
async def test_a_receipt_is_kept_once_and_stops_the_clock(made: City) -> None:
    incident = leak(made)
    (root,) = documents(made, incident)
    (outbox,) = made.rows(
        "select id from outbox where incident = %s and target = 'platform'", incident
    )[0]
    clock = "select count(*) from deadline where kind = 'receipt' and subject = %s"
    before = made.rows(clock, incident)
    hurry = {"platform": 0.001}

    refused = await call(made, "receipts", ack(root, "Error", "e1"), "platform")
    still = made.rows(clock, incident)
    taken = await call(made, "receipts", ack(root, "Ack", "a1"), "platform")
    again = await call(made, "receipts", ack(root, "Ack", "a1"), "platform")
    forged = await call(made, "receipts", ack(root, "Ack", "a2"), "platform", secret="x")
    stray = await call(made, "receipts", b'{"id":"s","word":"seen","key":"none"}', "platform")

    assert before == still == [(1,)]
    assert [one.status_code for one in (refused, taken, again, forged, stray)] == [
        200, 200, 200, 401, 200,
    ]  # fmt: skip
    assert [one.json()["known"] for one in (refused, taken, stray)] == [1, 1, 0]
    assert again.json()["duplicate"]
    assert made.rows(clock, incident) == [(0,)]
    assert made.rows("select word from receipt where outbox = %s order by id", outbox) == [
        ("refused",), ("accepted",),
    ]  # fmt: skip
    assert made.rows("select count(*) from exchange_stray where kind = 'receipt'") == [(1,)]

    # As if the notice had gone past PostgreSQL, and its row came after the receiver's word.
    made.rows("update outbox set key = 'none' where id = %s", outbox)
    took = [made.database.run_now(lambda c: store.take_up(c, hurry)) for _ in range(2)]

    assert took == [1, 0]
    assert made.rows("select word from receipt where outbox = %s order by id", outbox)[-1] == (
        "seen",
    )
    assert made.rows("select count(*) from exchange_stray where kind = 'receipt'") == [(0,)]

    # One that an older version kept in another form holds up none behind it.
    made.rows(
        "insert into exchange_stray (partner, kind, reason, body, receipt) values"
        " ('platform', 'receipt', '', '', '{\"key\": \"none\", \"word\": 3}')"
    )
    odd = [made.database.run_now(lambda c: store.take_up(c, hurry)) for _ in range(2)]

    assert odd == [1, 0]
    assert made.rows("select receipt from exchange_stray where kind = 'receipt'") == [(None,)]


@pytest.mark.feature("E-2")
async def test_when_nobody_signs_in_time_the_incident_says_so_once(made: City) -> None:
    incident = leak(made)
    said = "select count(*) from audit where incident = %s and reason = 'unsigned'"
    clock = "select count(*) from deadline where kind = 'receipt' and subject = %s"
    before = made.rows(said, incident)
    made.rows(
        "update deadline set due_at = now() where kind = 'receipt' and subject = %s", incident
    )

    for _ in range(2):
        made.database.run_now(lambda c: router.fire(c, made.site.wording))

    assert (before, made.rows(said, incident), made.rows(clock, incident)) == (
        [(0,)], [(1,)], [(0,)],
    )  # fmt: skip


@pytest.mark.feature("E-5")
async def test_a_case_moves_the_incident_and_never_closes_it(made: City) -> None:
    incident = leak(made)
    wording, now_ms = made.site.wording, made.clock_ms()
    taken = Act(incident=incident, action="acknowledge", actor="li")
    said = []
    for n, state in enumerate(("10", "20", "20", "30", "99", "50")):
        if n == 2:  # Too early the first time: nobody here had seen it yet.
            made.database.run_now(lambda c: desk.perform(c, wording, taken, now_ms))
            made.rows("update city_case set step = 'filed' where incident = %s", incident)
        body = {"id": f"{incident}{n}", "incident": incident, "state": state, "at_ms": n + 1,
                "number": "C-7", "person": "Zhao"}  # fmt: skip
        answer = await call(made, "cases", msgspec.json.encode(body), "city")
        said.append((answer.status_code, answer.json()["step"], answer.json()["outcome"]))

    assert said == [
        (200, "filed", "noted"), (200, "dispatched", "noted"), (200, "dispatched", "dispatched"),
        (200, "handling", "arrived"), (200, "", "noted"), (200, "closed", "noted"),
    ]  # fmt: skip
    assert made.rows("select phase, task, person from incident where id = %s", incident) == [
        ("dispatched", "city C-7", "Zhao")
    ]
    assert made.rows(
        "select state, step, messages, strange from city_case where incident = %s", incident
    ) == [("50", "closed", 6, 1)]
    notes = made.rows(
        "select actor, channel from audit where incident = %s and channel = 'exchange'", incident
    )
    assert notes
    assert set(notes) == {("city", "exchange")}


@pytest.mark.feature("E-7")
async def test_a_warning_switches_regimes_on_kafka_and_its_cancellation_ends_them(
    made: City, addresses: Addresses, tmp_path: Path
) -> None:
    rig = Rig(tmp_path, addresses, "")
    await clean_topics(addresses.kafka_bootstrap)
    # A topic made a moment ago may still be without a leader: the first record finds it.
    place = wire.partition_of("gas/heping", PARTITIONS)
    await asyncio.to_thread(publish_raw, rig, b"first", place)
    settings = msgspec.structs.replace(
        made.settings, kafka=config.Kafka(bootstrap=addresses.kafka_bootstrap)
    )
    log: Any = structlog.get_logger("tests")
    exchange = Exchange(settings, made.database, log, shipped(), lambda: made.catalog)
    warning = b'{"id":"w1","event":"rain","severity":"Severe","geocodes":["210100"]}'
    cancel = b'{"id":"w2","event":"rain","kind":"Cancel","references":["w1"]}'

    try:
        on = await call(made, "warnings", warning, "weather")
        first = await exchange._publish()
        off = await call(made, "warnings", cancel, "weather")
        second = await exchange._publish()
        nothing = await exchange._publish()
    finally:
        await exchange.close()

    read = await asyncio.to_thread(consume, rig, wire.READINGS)
    records = [wire.decode_context(value) for _, value in read if value != b"first"]
    assert [one.json()["known"] for one in (on, off)] == [1, 1]
    assert (first, second, nothing) == (1, 1, 0)
    assert [(one.zone, one.detail["revision"]) for one in records] == [
        ("gas/heping", 1.0), ("gas/heping", 2.0),
    ]  # fmt: skip
    assert records[1].until_ms <= made.clock_ms() < records[0].until_ms
    assert made.rows("select ended_by from warning where id = 'w1'") == [("w2",)]


@pytest.mark.feature("E-2", "E-3")
async def test_an_alert_travels_to_the_platform_and_what_it_answers_comes_back(
    made: City, tmp_path: Path
) -> None:
    log: Any = structlog.get_logger("tests")
    (tmp_path / "secret").write_text(SECRET)
    server, platform = await serve(SECRET, str(tmp_path / "record.jsonl"), schema=str(XSD))
    there = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    port, secret = free_port(), str(tmp_path / "secret")
    targets = tuple(
        Target(name, there + path, secret, format=form, private_allowed=True)
        for name, path, form in (("platform", "/incidents", "cap"), ("city", "/cases", "case"))
    )
    routing = msgspec.structs.replace(made.settings.router, targets=targets)
    console = msgspec.structs.replace(made.settings.console, port=port)
    settings = msgspec.structs.replace(made.settings, router=routing, console=console)
    stop, incident = asyncio.Event(), leak(made)
    courier = Courier(settings, made.database, log, lambda _keys: None)
    back = f"http://127.0.0.1:{port}"
    told = {"callback": back, "words": ["ack", "seen"], "states": ["10"]}
    answered = (
        "select (select array_agg(distinct r.word order by r.word) from receipt r join outbox o"
        " on o.id = r.outbox where o.incident = %s), (select step from city_case where"
        " incident = %s)"
    )

    serving = asyncio.create_task(app.run(settings, made.catalog, Health(), log, stop))
    async with httpx.AsyncClient() as client:
        await client.post(f"{there}/control", content=msgspec.json.encode(told))
        await until(lambda: is_free(port), is_it=False)
    loops = [asyncio.ensure_future(loop()) for loop in courier.loops().values()]
    try:
        await until(lambda: made.rows(answered, incident, incident) == [
            (["accepted", "seen"], "filed")
        ])  # fmt: skip
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, *platform.later, return_exceptions=True)
        await courier.close()
        stop.set()
        await serving
        server.close()
        await server.wait_closed()
        platform.record.close()

    said = {line["verdict"] for line in read_journal(str(tmp_path / "record.jsonl"))}
    assert said == {"accepted", "called"}


async def until(happens: Callable[[], bool], limit_s: float = 20.0, *, is_it: bool = True) -> None:
    end_s = time.monotonic() + limit_s
    while await asyncio.to_thread(happens) is not is_it:
        assert time.monotonic() < end_s, f"not within {limit_s:g} s"
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("who", ["", "wang", "li", "boss"])
async def test_a_signed_door_opens_to_no_role(made: City, who: str) -> None:
    browser = await made.signed_in(who) if who else made.browser()
    csrf = (await browser.get("/api/v1/session")).json().get("csrf", "")

    answers = [
        await browser.post(route.path, content=b"{}", headers={"x-csrf-token": csrf})
        for route in inbound.ROUTES
        if route.method == "POST"
    ]
    looked = await browser.get("/api/v1/zones")

    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert (looked.status_code == 401) == (who == "")


@pytest.mark.feature("E-6", "M-5")
async def test_the_state_of_zones_is_made_by_one_of_several_and_drills_are_not_in_it(
    made: City,
) -> None:
    leak(made, hazard="real")
    leak(made, hazard="drilled", drill=True)
    live = made.rows(
        "select count(*) from incident where not drill and phase not in ('closed', 'archived')"
    )[0][0]

    def make() -> int | None:
        return made.database.run_now(
            lambda c: store.make_product(c, made.catalog, shipped(), 600.0)
        )

    times = [make(), make()]
    headers = signing.headers(SECRET, "shared", "once", b"", int(time.time()))
    answer = await made.browser().get("/api/v1/zones", headers=headers)
    sheet = await made.browser().get("/api/v1/zones.csv", headers=headers)

    (zone,) = answer.json()["zones"]
    assert times[0] is not None
    assert times[0] == times[1]
    assert (zone["zone"], zone["incidents"], zone["geocode"]) == (
        "gas/heping", {"1": live}, "210102",
    )  # fmt: skip
    assert answer.headers["etag"] != sheet.headers["etag"]
    assert sheet.headers["content-type"].startswith("text/csv")
    officer = made.browser()
    await sign_in(officer, "li")
    assert (await officer.get("/api/v1/zones")).content == answer.content
