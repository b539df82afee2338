"""Builds that break one promise each, by patching at start: each must be caught by the checker.

Each keeps working while nothing fails; only the fault that belongs to it reveals what is missing.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Sabotage:
    """A broken build of one service, the fault that reveals it, and the check that must see it."""

    service: str
    patch: Callable[[], None]
    fault: str
    """A crash point, ``kill -9``, or nothing: it reveals itself."""
    caught_by: frozenset[str]


def nothing() -> None:
    """The service is as it should be; what is broken is elsewhere."""


def acknowledge_before_kafka() -> None:
    from ingest.store import Outbox, Record

    begin, put = Outbox.__init__, Outbox.put
    durable: list[Callable[[Record], None]] = []

    def begin_eagerly(
        self: Outbox, settings: Any, log: Any, told: Callable[[Record], None]
    ) -> None:
        durable.append(told)
        begin(self, settings, log, lambda _record: None)

    def put_eagerly(self: Outbox, record: Record) -> None:
        put(self, record)
        durable[0](record)

    Outbox.__init__ = begin_eagerly
    Outbox.put = put_eagerly


def commit_past_unprocessed() -> None:
    """The archive moves its offsets at once and stores rows one transaction later."""
    from streams.archive import store
    from streams.archive.rows import Rows

    honest, held = store._rows, list[Rows]()

    def lagging(connection: Any, rows: Rows) -> store.Stored:
        held.append(rows)
        return honest(connection, held.pop(0)) if len(held) > 1 else store.Stored(0)

    store._rows = lagging


def skip_the_outbox() -> None:
    """The router sends notices itself once it has committed, and writes none of them down."""
    from alerting.ledger import store
    from alerting.service import Router

    held: list[Any] = []
    tasks: set[asyncio.Task[Any]] = set()

    def keep_in_memory(_cursor: Any, pushes: Any, _slice: Any) -> None:
        held.extend(pushes)

    def send_directly(self: Router, _folded: Any) -> None:
        while held:
            push = held.pop(0)
            channel = self.courier.boxes[push.target].channel
            task = asyncio.create_task(channel.send(push.key, push.body))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    store._keep_pushes = keep_in_memory
    Router._wake = send_directly


def swallow_an_exception() -> None:
    """A detector fails on some values, and the body goes on as if nothing had been."""
    from streams.detect.service import Detect
    from streams.partition import Partition

    step = Partition.step

    def buggy(self: Partition, batch: Any, *rest: Any, **more: Any) -> Any:
        if len(batch) and batch.value.max() > FATAL_VALUE:
            raise ValueError("a value that our detector cannot bear")
        return step(self, batch, *rest, **more)

    async def go_on(self: Detect, record: Any, _error: Exception) -> None:
        self.kept[record.partition].expected = record.offset + 1

    Partition.step = buggy
    Detect._give_up = go_on


def snapshot_without_offset() -> None:
    """A worker takes its snapshot for the state of the log as it is now."""
    from lifeline import wire
    from streams.detect.recovery.service import Base, Recovery

    honest = Recovery.base

    async def now(self: Recovery, make: Any, number: int, record: Any, held: Any) -> Base:
        base = await honest(self, make, number, record, held)
        end = (await self.reader.ends(wire.READINGS, [number]))[number][1]
        return Base(base.state, end)

    Recovery.base = now


def a_body_that_tells_the_time() -> None:
    """The bytes of a push are made when it is sent, not when it was decided."""
    import time

    from lifeline.channels.webhook import Webhook

    send = Webhook.send

    async def fresh(self: Webhook, key: str, body: bytes) -> Any:
        stamp = f'{{"sent_ms":{time.time_ns() // 1_000_000},'.encode()
        return await send(self, key, stamp + body.removeprefix(b"{"))

    Webhook.send = fresh


def a_page_that_tells_the_time() -> None:
    """The bytes of a page are made when it is sent."""
    import time

    from lifeline.channels.webhook import Webhook

    send = Webhook.send

    async def fresh(self: Webhook, key: str, body: bytes) -> Any:
        stamp = f'{{"sent_ms":{time.time_ns() // 1_000_000},'.encode()
        is_page = self.target.name == "phones"
        return await send(self, key, stamp + body.removeprefix(b"{") if is_page else body)

    Webhook.send = fresh


def lease_what_is_held() -> None:
    """Pages go out although somebody has taken what they are about."""
    from alerting.outbox import store

    for name in ("_WAITING", "_NEXT", "_TAKE"):
        query = getattr(store, name)
        for part in ("o.held_until is null", "held_until is null", "ended_at is null"):
            query = query.replace(part, "true").replace("o.true", "true")
        setattr(store, name, query)


def let_the_clocks_run() -> None:
    """An acknowledgement ends neither reminder nor escalation."""
    from alerting.turn import Turn

    def go_on(_self: Turn, _incident: Any) -> None:
        """Whoever is asked once more has only to look."""

    Turn.stop_calling = go_on


def thank_for_receipts() -> None:
    """The desk says that it has a receipt, and does not keep it."""
    from alerting.exchange.post.store import Post

    def thank(_self: Post, _partner: str, receipts: Any, _body: bytes) -> int:
        return len(receipts)

    Post.sign = thank


FATAL_VALUE = 70.0
"""Between the leaks of the programme's two lifelines: one of them triggers the bug."""

SABOTAGES = {
    "acknowledge-before-kafka": Sabotage(
        "ingest", acknowledge_before_kafka, "kill -9 while kafka stands still", frozenset({"C1"})
    ),
    "commit-past-unprocessed": Sabotage(
        "archive", commit_past_unprocessed, "archive.after-commit", frozenset({"C1"})
    ),
    "skip-the-outbox": Sabotage(
        "router", skip_the_outbox, "router.after-commit", frozenset({"C4"})
    ),
    "swallow-an-exception": Sabotage("detect", swallow_an_exception, "", frozenset({"C3"})),
    "snapshot-without-offset": Sabotage(
        "detect", snapshot_without_offset, "kill -9", frozenset({"C3"})
    ),
    "a-body-that-tells-the-time": Sabotage(
        "router", a_body_that_tells_the_time, "router.after-send", frozenset({"C4"})
    ),
    "a-page-that-tells-the-time": Sabotage(
        "router", a_page_that_tells_the_time, "", frozenset({"C9"})
    ),
    "lease-what-is-held": Sabotage("router", lease_what_is_held, "", frozenset({"C9"})),
    "let-the-clocks-run": Sabotage("console", let_the_clocks_run, "", frozenset({"C9"})),
    "thank-for-receipts": Sabotage("console", thank_for_receipts, "", frozenset({"C10"})),
    "no-primary-key": Sabotage("ingest", nothing, "ingest.after-kafka", frozenset({"C2"})),
}
