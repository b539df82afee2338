"""The outbox on a real PostgreSQL: held, ended, leased by one of several, killed in between."""

import asyncio
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from alerting.exchange import store as exchange
from alerting.outbox import store
from alerting.outbox.messages import Message, Sent
from alerting.outbox.pace import PACES, Pace
from lifeline import config, db
from lifeline.errors import Unavailable
from lifeline.targets import Target
from tests.integration.outbox_rig import (
    Outbox,
    courier,
    targets_of,
    until,
)  # fmt: skip
from tests.vendors.servers import vendor

pytestmark = pytest.mark.integration


def test_two_routers_never_begin_more_messages_than_the_robot_takes(outbox: Outbox) -> None:
    rounds, barrier = 40, threading.Barrier(2)
    taken: list[list[Message]] = []

    def work(owner: str) -> None:
        # A connection that lasts: a lease ends with its owner's.
        with psycopg.connect(outbox.dsn) as connection:
            for _ in range(rounds):
                with connection.cursor() as cursor:
                    store.put(
                        cursor,
                        [
                            outbox.push("robot", is_page=True, key=f"{owner}{time.monotonic_ns()}")
                            for _ in range(3)
                        ],
                        {},
                    )
                connection.commit()
                taken.append(
                    store.lease_paced(
                        connection,
                        store.Asked("robot", owner, 8, 60.0),
                        rule=PACES["wecom"],
                        bundle_s=0.001,
                    )
                )
                connection.commit()
            barrier.wait(30)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    messages = [message for some in taken for message in some]
    ids = [row.id for message in messages for row in message.rows]
    assert len(messages) <= PACES["wecom"].per_minute
    assert len(ids) == len(set(ids)) > 0


def start(outbox: Outbox, chosen: Target, crash: str = "") -> "subprocess.Popen[bytes]":
    router = config.Router(targets=(chosen,), retry_s_max=0.5)
    words = [msgspec.json.encode(router).decode(), outbox.dsn, *([crash] if crash else [])]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.courier", *words],
        env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.feature("OnCall #4654, #4760")
async def test_a_router_killed_before_it_sends_pages_nobody_who_has_acknowledged_since(
    outbox: Outbox, files: Path
) -> None:
    async with vendor("wecom") as there:
        (chosen,) = targets_of({"wecom": there}, files)
        outbox.put(outbox.push("wecom", "acked", is_page=True))
        first = start(outbox, chosen, "router.before-send")
        assert await asyncio.to_thread(first.wait, 20) == 99

        with psycopg.connect(outbox.dsn) as connection:
            assert store.hold(connection, "acked", int(time.time() * 1000) - 60_000) == 1
        second = start(outbox, chosen)
        try:
            outbox.put(outbox.push("wecom", "acked"), outbox.push("wecom", "other", is_page=True))
            await until(lambda: outbox.waiting() == 1, 20, "the update and the other's page")
            assert len(there.took) == 2

            with psycopg.connect(outbox.dsn) as connection:
                assert store.release(connection, "acked") == 1
            await until(lambda: outbox.waiting() == 0, 10, "released")
        finally:
            second.kill()
            await asyncio.to_thread(second.wait, 10)

    assert len(there.took) == 3
    assert outbox.rows("select 1 from outbox where overtaken_at is not null") == []


async def test_a_router_killed_after_it_sent_repeats_and_never_loses(
    outbox: Outbox, files: Path
) -> None:
    async with vendor("sms") as there:
        (chosen,) = targets_of({"sms": there}, files)
        outbox.put(outbox.push("sms"))
        first = start(outbox, chosen, "router.after-send")
        assert await asyncio.to_thread(first.wait, 20) == 99
        second = start(outbox, chosen)
        try:
            await until(
                lambda: outbox.waiting() == 0, 20, "sent again, long before a bundle is due"
            )
        finally:
            second.kill()
            await asyncio.to_thread(second.wait, 10)

    keys = {request.headers["idempotency-key"] for request in there.asked}
    assert len(there.took) == 2
    assert len(keys) == 1
    assert len({request.body for request in there.asked}) == 1


async def test_a_lease_of_which_the_answer_was_lost_is_not_waited_for(
    outbox: Outbox, files: Path
) -> None:
    async with vendor("wecom") as there:
        (chosen,) = targets_of({"wecom": there}, files)
        async with courier(outbox.dsn, chosen) as one:
            lost: list[list[Message]] = []
            run = one.database.run

            async def cut(work: Any, limit_s: float | None = None) -> Any:
                found = await run(work, limit_s)
                if found and not lost:
                    lost.append(found)
                    raise Unavailable("the line was cut when the transaction was committed")
                return found

            one.database.run = cut  # type: ignore[method-assign]
            outbox.put(outbox.push("wecom"))
            await until(lambda: outbox.waiting() == 0, 8, "sent long before its lease ran out")

    assert len(lost) == 1
    assert len(there.took) == 1


def test_a_clock_that_is_set_back_holds_up_no_notice_and_no_robot(outbox: Outbox) -> None:
    outbox.put(*(outbox.push(name) for name in ("robot", "desk", "later")))
    outbox.rows("update outbox set due_at = clock_timestamp() + interval '2 h'")
    outbox.rows("update outbox set due_at = now() + interval '20 s' where target = 'later'")
    outbox.rows(
        "insert into outbox_message (target, address, grade, incidents, at) select 'robot', '', 1,"
        " 1, clock_timestamp() + interval '2 h' from generate_series(1, 18)"
    )

    with psycopg.connect(outbox.dsn) as connection:
        robot = store.lease_paced(
            connection, store.Asked("robot", "me", 8, 60.0), rule=PACES["wecom"], bundle_s=30.0
        )
        desk, later = (
            store.lease(connection, store.Asked(name, "me", 8, 60.0)) for name in ("desk", "later")
        )

    assert [len(found) for found in (robot, desk, later)] == [1, 1, 0]


def test_a_receipt_finds_its_notice_by_index_however_many_there_ever_were(outbox: Outbox) -> None:
    with psycopg.connect(outbox.dsn) as connection:
        for way in ("seqscan", "hashjoin", "mergejoin"):
            connection.execute(f"set enable_{way} = off")
        plan = "\n".join(row[0] for row in connection.execute(f"explain {exchange._TAKE_UP}"))

    assert "using outbox_key_key on outbox" in plan
    assert "outbox_identifier" in plan
    assert "Seq Scan on outbox" not in plan


async def test_work_that_nobody_waits_for_any_more_does_not_begin(outbox: Outbox) -> None:
    database = db.Database(config.Postgres(dsn=outbox.dsn), connections=1)
    begun, gate = threading.Event(), threading.Event()
    push = outbox.push("late")

    def hold(_: psycopg.Connection) -> bool:
        begun.set()
        return gate.wait(20)

    def work(connection: psycopg.Connection) -> None:
        with connection.cursor() as cursor:
            store.put(cursor, [push], {})

    holding = asyncio.create_task(database.run(hold))
    await asyncio.to_thread(begun.wait, 20)
    with pytest.raises(Unavailable):
        await database.run(work, 0.2)
    gate.set()
    await holding
    # Whoever waits for the one connection gets it in turn.
    await database.run(lambda _: None)
    await asyncio.to_thread(database.close)

    assert outbox.rows("select 1 from outbox") == []


def test_what_somebody_has_taken_is_not_owed_past_postgresql(outbox: Outbox) -> None:
    taken, open_ = outbox.push("phones", "i-1", is_page=True), outbox.push("phones", is_page=True)
    outbox.put(taken, open_)

    with psycopg.connect(outbox.dsn) as connection:
        store.hold(connection, "i-1", 1)
        owed = store.settled(connection, [taken.key, open_.key])
        store.release(connection, "i-1")

        assert owed == [taken.key]
        assert store.settled(connection, [taken.key, open_.key]) == []


class Known(msgspec.Struct):
    """What the model knows of a row."""

    incident: str
    is_page: bool
    state: str = "waiting"
    """``waiting``, ``leased``, ``delivered``, ``dead``."""
    is_held: bool = False
    is_ended: bool = False
    is_overtaken: bool = False


class Acknowledgements:
    """What the rows must say after any order of putting, holding, ending, leasing and marking."""

    def __init__(self, outbox: Outbox, connection: psycopg.Connection, seed: int) -> None:
        self.outbox, self.connection, self.chance = outbox, connection, random.Random(seed)
        self.known: dict[int, Known] = {}
        self.name = f"walk-{seed}"

    def step(self) -> None:
        chance = self.chance
        what = chance.choice([self.put, self.put, self.hold, self.release, self.end, self.lease,
                              self.lease, self.mark, self.mark])  # fmt: skip
        what(f"{self.name}-{chance.choice('abc')}")
        self.check()

    def put(self, incident: str) -> None:
        is_page = self.chance.random() < 0.6
        push = self.outbox.push(self.name, incident, is_page=is_page)
        with self.connection.cursor() as cursor:
            store.put(cursor, [push], {})
        row = self.connection.execute("select max(id) from outbox").fetchone()
        assert row is not None
        self.known[row[0]] = Known(incident, is_page)

    def _pages(self, incident: str) -> list[Known]:
        """The pages of an incident that are neither told nor given up."""
        return [
            one
            for one in self.known.values()
            if one.incident == incident and one.is_page and not one.is_ended
            and one.state in {"waiting", "leased"}
        ]  # fmt: skip

    def hold(self, incident: str) -> None:
        pages = self._pages(incident)
        assert store.hold(self.connection, incident, 1) == len(pages)
        for page in pages:
            page.is_held = True
            page.is_overtaken |= page.state == "leased"

    def release(self, incident: str) -> None:
        pages = [page for page in self._pages(incident) if page.is_held]
        assert store.release(self.connection, incident) == len(pages)
        for page in pages:
            page.is_held = page.is_overtaken = False

    def end(self, incident: str) -> None:
        held_only = self.chance.random() < 0.5
        pages = [page for page in self._pages(incident) if page.is_held or not held_only]
        done = store.end(self.connection, incident, "acknowledged", held_only=held_only)
        assert done == len(pages)
        for page in pages:
            page.is_held, page.is_ended = False, True
            page.is_overtaken |= page.state == "leased"

    def lease(self, _incident: str) -> None:
        retry = "update outbox set due_at = created where target = %s"
        self.connection.execute(retry, (self.name,))
        asked = store.Asked(self.name, "me", self.chance.randint(1, 4), 60.0)
        with self.connection.transaction():
            if self.chance.random() < 0.5:
                taken = store.lease_paced(
                    self.connection, asked, rule=Pace(10_000, 5), bundle_s=0.001
                )
            else:
                taken = store.lease(self.connection, asked)
        before = {number: msgspec.structs.replace(one) for number, one in self.known.items()}
        for row in (row for message in taken for row in message.rows):
            self._may_go(row.id, before)
            self.known[row.id].state = "leased"

    def _may_go(self, number: int, before: dict[int, Known]) -> None:
        """A page that nobody has acknowledged; of notices, the oldest that is open."""
        one = before[number]
        assert (one.state, one.is_held, one.is_ended) == ("waiting", False, False)
        older = [
            k
            for n, k in before.items()
            if n < number and k.incident == one.incident and not k.is_page
        ]
        assert one.is_page or all(k.state in {"delivered", "dead"} for k in older)

    def mark(self, _incident: str) -> None:
        leased = [number for number, one in self.known.items() if one.state == "leased"]
        for number in leased[: self.chance.randint(1, 3)]:
            outcome = self.chance.choice(["delivered", "failed", "dead"])
            word = "refused" if outcome == "dead" else outcome
            is_dead = outcome == "dead"
            store.mark(self.connection, [Sent(number, word, "0", 1, 0.0, is_dead, "wecom", None)])
            self.known[number].state = "waiting" if outcome == "failed" else outcome

    def check(self) -> None:
        rows = self.connection.execute(
            "select id, held_until is not null, ended_at is not null, overtaken_at is not null,"
            " delivered_at is not null, dead_at is not null from outbox where target = %s"
            " order by id",
            (self.name,),
        ).fetchall()
        assert rows == [
            (n, k.is_held, k.is_ended, k.is_overtaken, k.state == "delivered", k.state == "dead")
            for n, k in sorted(self.known.items())
        ]


@pytest.mark.feature("OnCall #4654, #4760")
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_no_page_is_leased_after_an_acknowledgement_committed_and_notices_go_on(
    outbox: Outbox, seed: int
) -> None:
    with psycopg.connect(outbox.dsn, autocommit=True) as connection:
        connection.execute("set synchronous_commit = off")
        walk = Acknowledgements(outbox, connection, seed)
        for _ in range(250):
            walk.step()

    states = {(one.is_page, one.state, one.is_overtaken) for one in walk.known.values()}
    assert {(True, "delivered", True), (True, "delivered", False), (False, "delivered", False)} <= (
        states
    )
