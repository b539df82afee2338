"""The outbox on a real PostgreSQL: held, ended, leased by one of several, killed in between."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psycopg
import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from alerting.outbox import store
from alerting.outbox.messages import Message, Sent
from alerting.outbox.pace import PACES
from lifeline import config
from lifeline.targets import Target
from tests.integration.outbox_rig import (
    Outbox,
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
                        connection, "robot", owner, limit=8, lease_s=60.0,
                        rule=PACES["wecom"], bundle_s=0.001,
                    )
                )  # fmt: skip
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
        chosen = msgspec.structs.replace(chosen, bundle_s=0.1)
        second = start(outbox, chosen)
        try:
            await until(lambda: outbox.waiting() == 0, 20, "sent again")
        finally:
            second.kill()
            await asyncio.to_thread(second.wait, 10)

    keys = {request.headers["idempotency-key"] for request in there.asked}
    assert len(there.took) == 2
    assert len(keys) == 1
    assert len({request.body for request in there.asked}) == 1


@dataclass(slots=True)
class Known:
    """What the model knows of a row."""

    incident: str
    is_page: bool
    state: str = "waiting"
    """``waiting``, ``leased``, ``delivered``, ``dead``."""
    is_held: bool = False
    is_ended: bool = False
    is_overtaken: bool = False


INCIDENTS = st.sampled_from(["a", "b"])
CURRENT: dict[str, Outbox] = {}


class Acknowledgements(RuleBasedStateMachine):
    """No page is leased after the commit of what holds or ends it; notices go on, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[int, Known] = {}
        self.name = f"machine-{time.monotonic_ns()}"
        self.connection = psycopg.connect(CURRENT["outbox"].dsn, autocommit=True)

    @rule(incident=INCIDENTS, is_page=st.booleans())
    def put(self, incident: str, is_page: bool) -> None:
        push = CURRENT["outbox"].push(self.name, self.name + incident, is_page=is_page)
        with self.connection.cursor() as cursor:
            store.put(cursor, [push], {})
        row = self.connection.execute("select max(id) from outbox").fetchone()
        assert row is not None
        self.known[row[0]] = Known(incident, is_page)

    def _pages(self, incident: str) -> list[Known]:
        return [
            k
            for k in self.known.values()
            if k.incident == incident and k.is_page and k.state in {"waiting", "leased"}
            and not k.is_ended
        ]  # fmt: skip

    @rule(incident=INCIDENTS)
    def hold(self, incident: str) -> None:
        pages = self._pages(incident)
        assert store.hold(self.connection, self.name + incident, 1) == len(pages)
        for page in pages:
            page.is_held = True
            page.is_overtaken |= page.state == "leased"

    @rule(incident=INCIDENTS)
    def release(self, incident: str) -> None:
        pages = [page for page in self._pages(incident) if page.is_held]
        assert store.release(self.connection, self.name + incident) == len(pages)
        for page in pages:
            page.is_held = page.is_overtaken = False

    @rule(incident=INCIDENTS, held_only=st.booleans())
    def end(self, incident: str, held_only: bool) -> None:
        pages = [page for page in self._pages(incident) if page.is_held or not held_only]
        done = store.end(self.connection, self.name + incident, "acknowledged", held_only=held_only)
        assert done == len(pages)
        for page in pages:
            page.is_held, page.is_ended = False, True
            page.is_overtaken |= page.state == "leased"

    @rule(limit=st.integers(1, 3), is_paced=st.booleans())
    def lease(self, limit: int, is_paced: bool) -> None:
        self.connection.execute(
            "update outbox set due_at = created where target = %s", (self.name,)
        )
        with self.connection.transaction():
            if is_paced:
                taken = store.lease_paced(
                    self.connection, self.name, "me", limit=limit, lease_s=60.0,
                    rule=PACES["wecom"], bundle_s=0.001,
                )  # fmt: skip
            else:
                taken = store.lease(self.connection, self.name, "me", limit=limit, lease_s=60.0)
        for row in (row for message in taken for row in message.rows):
            known = self.known[row.id]
            assert known.state == "waiting"
            assert not known.is_held
            assert not known.is_ended
            if not known.is_page:
                before = [
                    k
                    for n, k in self.known.items()
                    if n < row.id and k.incident == known.incident and not k.is_page
                ]
                assert all(k.state in {"delivered", "dead"} for k in before)
            known.state = "leased"

    def _leased(self) -> list[int]:
        return [n for n, known in self.known.items() if known.state == "leased"]

    @precondition(lambda self: self._leased())
    @rule(data=st.data(), outcome=st.sampled_from(["delivered", "failed", "dead"]))
    def mark(self, data: st.DataObject, outcome: str) -> None:
        number = data.draw(st.sampled_from(self._leased()))
        is_dead = outcome == "dead"
        word = "refused" if is_dead else outcome
        sent = Sent(number, word, "0", 1, 0.0, is_dead, "wecom", None)
        store.mark(self.connection, [sent])
        self.known[number].state = "waiting" if outcome == "failed" else outcome

    @invariant()
    def the_rows_say_the_same(self) -> None:
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

    def teardown(self) -> None:
        self.connection.close()


def test_no_page_is_leased_after_an_acknowledgement_committed_and_notices_go_on(
    outbox: Outbox,
) -> None:
    CURRENT["outbox"] = outbox
    machine = Acknowledgements.TestCase
    machine.settings = hypothesis_settings(
        max_examples=15, stateful_step_count=30, deadline=None, derandomize=True
    )
    machine().runTest()

    tried = outbox.rows("select count(*) from attempt")
    assert tried[0][0] > 20, "a machine that leases nothing shows nothing"
