"""Between finding and receipt: routers and PostgreSQL killed, clocks set, people not bothered."""

import asyncio
import hashlib
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
import structlog

from alerting import store as router_store
from alerting.actions import Act
from alerting.desk import store as desk
from alerting.house.service import House as Rules
from lifeline import config, crashpoints
from lifeline.errors import Unavailable
from lifeline.stack import Stack
from lifeline.stack.processes import free_port
from tests.faults import checker
from tests.faults.checker import Calls, Page
from tests.faults.world import ROSTER
from tests.integration.console_rig import City, new_city, sign_in
from tests.integration.rig import forwarded, rig, wait_for
from tests.integration.router_house import SECRET, House, Platform
from tests.streams.town import catalog

pytestmark = pytest.mark.integration

POINTS = [name for name in crashpoints.NAMES if name.startswith("router.")]
QUICK = ["router.after-commit", "router.before-deadline"]
"""What `make test` dies at here; at all of them it does so in tests/faults."""


@pytest.fixture
def house(stack: Stack, tmp_path: Path) -> Iterator[House]:
    """A router's surroundings with one officer, who has a telephone and is called again soon."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    (tmp_path / "roster.toml").write_text(ROSTER)
    platform = Platform()
    there = f"http://127.0.0.1:{platform.server_address[1]}"
    common: dict[str, Any] = {"secret_file": str(secret), "private_allowed": True}
    targets = (
        config.Target("platform", f"{there}/push", **common),
        config.Target("phones", f"{there}/pages", desks=("nobody",), **common),
    )
    more = {"LIFELINE_PEOPLE_ROSTER": str(tmp_path / "roster.toml")}
    with rig(stack.addresses(), tmp_path, timescale=False) as made:
        yield House(made, platform, config.Router(targets=targets), more)
        print(made.tail())
    platform.shutdown()
    platform.server_close()


def rules(house: House) -> Rules:
    """What routers and the desk decide by."""
    settings = msgspec.structs.replace(
        house.rig.settings,
        router=house.settings,
        people=config.People(roster=house.more["LIFELINE_PEOPLE_ROSTER"]),
    )
    return Rules(settings, catalog(), structlog.get_logger())


def acknowledge(house: House, incident: str) -> int:
    """Takes an incident as the desk does; returns the clock after that was committed."""
    with psycopg.connect(house.rig.dsn) as connection:
        asked = "select (extract(epoch from clock_timestamp()) * 1000)::int8"
        row = connection.execute(asked).fetchone()
        assert row is not None
        act = Act(incident=incident, action="acknowledge", actor="li")
        done = desk.perform(connection, rules(house).wording, act, row[0])
    assert done.is_done, done.code
    return int(house.rig.rows(asked)[0][0])


def pages(house: House) -> list[Page]:
    rows = house.rig.rows(
        "select key, incident, reason, (extract(epoch from created) * 1000)::int8, overtaken_at"
        " is not null, held_until is not null or ended_at is not null from outbox"
        " where class = 'page'"
    )
    return [Page(*row) for row in rows]


def people(house: House, acknowledged: dict[str, int]) -> Calls:
    """What the checker of the fault programme has to know."""
    clocks = "select subject, kind from deadline where kind in ('remind', 'escalate')"
    return Calls(
        pages=pages(house),
        calls=list(house.platform.calls),
        acknowledged=acknowledged,
        taken=[i for (i,) in house.rig.rows(
            "select incident from audit where reason = 'acknowledged'"
        )],
        clocks=house.rig.rows(clocks),
    )  # fmt: skip


def bodies(house: House) -> dict[str, set[bytes]]:
    made: dict[str, set[bytes]] = {}
    for key, body in house.platform.pushes:
        made.setdefault(key, set()).add(body)
    return made


@pytest.mark.parametrize(
    "points",
    [
        QUICK,
        *(
            pytest.param(random.Random(seed).sample(POINTS, len(POINTS)), marks=pytest.mark.faults)
            for seed in (1, 2, 3)
        ),
    ],
    ids=["quick", "all-1", "all-2", "all-3"],
)
def test_routers_that_die_between_finding_and_receipt_tell_of_all_and_bother_nobody(
    house: House, points: list[str]
) -> None:
    """Each router dies at another point, with an incident of its own; the officer takes some."""
    acknowledged: dict[str, int] = {}
    for number, point in enumerate(points):
        house.platform.is_engaged = number % 3 == 0
        process = house.start(point)
        house.publish(house.finding(number, on_delay_s=0.2 if "deadline" in point else 0.0))
        assert process.wait(40) == 99, point
        house.platform.is_engaged = False
        if number % 2:
            found = house.rig.rows("select id from incident where phase = 'open' order by id")
            acknowledged |= {name: acknowledge(house, name) for (name,) in found}

    house.start()
    wait_for(lambda: len(house.incidents()) == len(points), 30, "incidents")
    rest = "select 1 from outbox where delivered_at is null and held_until is null and ended_at"
    wait_for(lambda: not house.rig.rows(f"{rest} is null"), 30, "delivered")

    assert {row[1] for row in house.incidents()} == {f"gas/well-{n}" for n in range(len(points))}
    alerts = Counter(n.incident for n in house.platform.notices() if n.reason == "opened")
    assert set(alerts) == {row[0] for row in house.incidents()}
    assert {len(found) for found in bodies(house).values()} == {1}
    assert dict(house.platform.pushes) == {
        key: body
        for key, body in house.delivered().items()
        if key not in {page.key for page in pages(house)}
    }
    seen = people(house, acknowledged)
    assert checker.bothered(seen) == []
    assert checker.called(_judged(house), seen) == []
    assert len(acknowledged) >= len(points) // 3


def _judged(house: House) -> list[checker.Incident]:
    query = "select id, asset, hazard, episode, lifeline, grade, opened_ms from incident"
    return [checker.Incident(*row) for row in house.rig.rows(query)]


LINES = (
    "select i.asset, a.reason, a.note, count(*)::int4 from audit a join incident i"
    " on i.id = a.incident where a.actor = 'router' group by 1, 2, 3 order by 1, 2, 3"
)


def test_no_deadline_is_lost_early_or_met_twice_when_two_routers_clocks_jump(house: House) -> None:
    house.platform.is_strict = True
    with psycopg.connect(house.rig.dsn) as connection:
        # As a router does that is killed then.
        leaks = [house.finding(n, on_delay_s=2.0) for n in range(4)]
        router_store.fold(connection, rules(house).wording, leaks)
    due = "select count(*) from deadline where kind = 'delay' and due_at <= clock_timestamp()"
    wait_for(lambda: house.rig.rows(due) == [(4,)], 10, "due while nobody is there")

    ahead, behind = house.start(), house.start()
    for process in (ahead, behind):
        house.rig.wait_ready(process)
    ahead.send_signal(signal.SIGUSR1)
    behind.send_signal(signal.SIGUSR2)
    house.publish(*(house.finding(n, on_delay_s=1.0) for n in range(4, 8)))
    stepped = "select count(*) from audit where reason = 'escalated' and action = 'page'"
    wait_for(lambda: house.rig.rows(stepped) == [(8,)], 40, "reminded and escalated")
    wait_for(lambda: len(set(house.platform.keys())) >= 8, 20, "told")
    ahead.send_signal(signal.SIGUSR2)
    behind.send_signal(signal.SIGUSR1)
    house.publish(*(house.finding(n) for n in range(8, 10)))
    wait_for(lambda: len(house.incidents()) == 10, 15, "incidents of another jump")
    wait_for(lambda: len(set(house.platform.keys())) == 10, 30, "told after another jump")
    for process in (ahead, behind):
        house.rig.kill(process)

    told = Counter(n.incident for n in house.platform.notices() if n.reason == "opened")
    assert sorted(told) == sorted(row[0] for row in house.incidents())
    lines = [row for row in house.rig.rows(LINES) if row[0] < "gas/well-8"]
    assert {count for *_, count in lines} == {1}, lines
    assert {asset for asset, reason, _, _ in lines if reason == "reminded"} == {
        f"gas/well-{n}" for n in range(8)
    }
    opened = "select min(opened_ms - onset_ms) from incident where asset < 'gas/well-4'"
    assert house.rig.rows(opened)[0][0] >= 2000
    _none_early(house)


def _none_early(house: House) -> None:
    """Every page was decided when its clock had run, by PostgreSQL's time."""
    by_kind = {"first": 0, "remind": 3000, "escalate": 5000}
    rows = house.rig.rows(
        "select o.reason, (extract(epoch from o.created) * 1000)::int8 - i.opened_ms"
        " from outbox o join incident i on i.id = o.incident where o.class = 'page'"
    )
    assert {kind for kind, _ in rows} == set(by_kind)
    assert [row for row in rows if row[1] < by_kind[row[0]]] == []


class Killer:
    """Kills PostgreSQL when the transaction of a request is at one of its statements."""

    def __init__(self, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stack, self.patch = stack, monkeypatch
        self.statements: list[str] = []
        self.at: int | None = None
        self.is_dead = False
        self._real = psycopg.Cursor.execute
        self._many = psycopg.Cursor.executemany
        monkeypatch.setattr(psycopg.Cursor, "execute", self._one(self._real))
        monkeypatch.setattr(psycopg.Cursor, "executemany", self._one(self._many))

    def _one(self, real: Any) -> Any:
        def execute(cursor: Any, query: Any, *rest: Any, **more: Any) -> Any:
            if threading.current_thread() is not threading.main_thread():
                if len(self.statements) == self.at:
                    self.die()
                self.statements.append(str(query)[:60])
            return real(cursor, query, *rest, **more)

        return execute

    def die(self) -> None:
        """``kill -9``; once."""
        if not self.is_dead:
            self.is_dead = True
            self.stack.kill("postgresql")

    def at_commit(self, *, is_before: bool) -> None:
        """It dies just before, or just after, the COMMIT reaches it: the client hears nothing."""
        real = psycopg.Connection.commit

        def commit(connection: Any) -> None:
            is_ours = not self.is_dead and any("insert into audit" in s for s in self.statements)
            if is_ours and is_before:
                self.die()
            real(connection)
            if is_ours:
                self.die()
                raise psycopg.OperationalError("server closed the connection unexpectedly")

        self.patch.setattr(psycopg.Connection, "commit", commit)


@pytest.fixture(scope="module")
def city(stack: Stack) -> Iterator[City]:
    with new_city(stack.addresses()) as made:
        yield made


STATE = (
    "select i.phase, i.acknowledged_by, i.revision,"
    " (select count(*) from audit a where a.incident = i.id and a.reason = 'acknowledged'),"
    " (select array_agg(d.kind order by d.kind) from deadline d where d.subject = i.id),"
    " (select count(*) from outbox o where o.incident = i.id and o.class = 'page'"
    "  and o.held_until is not null), (select count(*) from outbox o where o.incident = i.id"
    "  and o.reason = 'acknowledged') from incident i where i.id = %s"
)


def waiting_page(city: City, incident: str) -> None:
    """A page that nobody has been sent yet."""
    key = hashlib.sha256(incident.encode()).hexdigest()
    city.rows(
        "insert into outbox (key, incident, target, kind, reason, revision, grade, body,"
        " received_ms, class, person, address, language) values (%s, %s, 'phones', 'page',"
        " 'first', 1, 1, '{}', 0, 'page', 'li', '1', 'zh')",
        key, incident,
    )  # fmt: skip


MOMENTS = ["early", "middle", "late", "before-commit", "after-commit"]


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(m, marks=[] if m in {"middle", "after-commit"} else [pytest.mark.faults])
        for m in MOMENTS
    ],
)
async def test_postgresql_killed_within_an_acknowledgement_leaves_all_of_it_or_nothing(
    city: City, stack: Stack, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    browser = city.browser()
    assert (await sign_in(browser, "li")).status_code == 303
    browser.headers["x-csrf-token"] = (await browser.get("/api/v1/session")).json()["csrf"]
    rehearsal, incident = city.leak(), city.leak()
    for name in (rehearsal, incident):
        waiting_page(city, name)
    ((*before,),) = city.rows(STATE, incident)

    async def take(name: str) -> int:
        head = {"if-match": '"1"', "idempotency-key": f"take-{name}"}
        answer = await browser.post(f"/api/v1/incidents/{name}/acknowledge", headers=head)
        return answer.status_code

    killer = Killer(stack, monkeypatch)
    assert await take(rehearsal) == 200
    ((*whole,),) = city.rows(STATE, rehearsal)
    first = next(n for n, s in enumerate(killer.statements) if "insert into incident" in s)
    last = len(killer.statements) - 1
    killer.statements.clear()
    match moment:
        case "early":
            killer.at = first + 1
        case "middle":
            killer.at = (first + last) // 2
        case "late":
            killer.at = last
        case _:
            killer.at_commit(is_before=moment == "before-commit")
    try:
        broken = await take(incident)
        assert killer.is_dead
    finally:
        stack.start("postgresql")
    monkeypatch.undo()
    await asyncio.to_thread(wait_for, lambda: _is_up(city), 20, "PostgreSQL")

    ((*after,),) = city.rows(STATE, incident)
    again = [await take(incident), await take(incident)]

    assert broken == 503
    assert after == (whole if moment == "after-commit" else before)
    assert again == [200, 200]
    ((*done,),) = city.rows(STATE, incident)
    assert done == whole
    assert before[0] == "open"
    assert (whole[0], whole[1], whole[3], whole[5]) == ("acknowledged", "li", 1, 1)
    assert "escalate" in before[4]
    assert not {"remind", "escalate"} & set(whole[4])


def _is_up(city: City) -> bool:
    try:
        city.rows("select 1")
    except (Unavailable, psycopg.Error):
        return False
    return True


def test_a_start_without_kafka_pages_and_pushes_and_reads_on_when_it_is_there(
    house: House,
) -> None:
    host, _, port = house.rig.addresses.kafka_bootstrap.rpartition(":")
    nowhere = free_port()
    house.more["LIFELINE_KAFKA_BOOTSTRAP"] = f"127.0.0.1:{nowhere}"
    process = house.start()
    with psycopg.connect(house.rig.dsn) as connection:
        leak = house.finding(1, on_delay_s=1.0)
        router_store.fold(connection, rules(house).wording, [leak])

    wait_for(lambda: house.platform.pushes and house.platform.calls, 30, "push and page")
    assert process.poll() is None
    assert not house.rig.is_ready(process)
    with forwarded(nowhere, (host, int(port))):
        house.publish(house.finding(2))
        wait_for(lambda: len(house.platform.pushes) == 2, 30, "push of what came by Kafka")
        wait_for(lambda: house.rig.is_ready(process), 10, "ready")

    assert [row[1] for row in house.incidents()] == ["gas/well-1", "gas/well-2"]
