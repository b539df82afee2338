"""Faust, fenced in: runs bodies over topics as a group.  A shell, and the only Faust there is.

What Faust is trusted with: the group, the assignment, one record after the other.  Its own offsets
are a hint; its tables, producer, serialisers and web server are not used (docs/decisions).
"""

import asyncio
import contextlib
import os
import time
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import faust
import structlog
import uvloop
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from mode.services import WaitResults

from lifeline.config import Settings
from lifeline.errors import Unavailable
from lifeline.log.service import Reader, Record, check_topics, translated, within
from lifeline.telemetry import Health, limit_arenas, settle_memory

log = structlog.get_logger("lifeline.streams")

Body = Callable[[Record], Awaitable[None]]
Assigned = Callable[[Mapping[str, set[int]]], None]

START_S = 45.0
STOP_S = 4.0
EXIT_BUG = 70
"""Status with which a worker ends at once, so that its offsets stay where they are."""
LOOK_S = 10.0
SILENT_S = 30.0
"""A partition whose log grows while Faust gives nothing for this long
is one that Faust has lost."""
BUFFER_RECORDS = 1024
"""Records that Faust may hold: 7 MB of 240 readings each, and as much again around
them.  When it is full Faust pauses the partitions; a fetch that waited 1.5 s then
kept a worker behind for good."""
FETCH_WAIT_MS = 100
"""Faust's own 1,500 ms is how long a partition that was paused is
forgotten by the fetch under way."""


class _Thread(AIOKafkaConsumerThread):
    """Faust's consumer with our patience, for which it has no settings."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001
        consumer._fetch_min_bytes = transport.fetch_min_bytes  # noqa: SLF001
        return consumer


@types.coroutine
def _resumed(work: Coroutine[Any, Any, Any], pending: Any) -> Generator[Any, Any, Any]:
    """What is left of a coroutine that was begun and waits for ``pending``."""
    try:
        yield pending
    except BaseException as error:
        return (yield from _thrown(work, error))
    return (yield from work.__await__())


@types.coroutine
def _thrown(work: Coroutine[Any, Any, Any], error: BaseException) -> Generator[Any, Any, Any]:
    """The same, when the wait ended with an exception (a cancellation, mostly)."""
    try:
        pending = work.throw(error)
    except StopIteration as end:
        return end.value
    return (yield from _resumed(work, pending))


async def _rest(work: Coroutine[Any, Any, Any], pending: Any) -> Any:
    """``_resumed`` as a coroutine: mode takes a bare generator for something with a ``wait()``."""
    return await _resumed(work, pending)


class _Consumer(Consumer):
    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def wait_first(self, *waits: Any, timeout: Any = None) -> Any:  # noqa: ASYNC109
        """Faust's race of handing a record over against a rebalance, begun without tasks.

        Handing over nearly always succeeds at once; Faust makes four tasks to find that out, which
        was more than half of what a record cost.  Only what has to wait takes the old way.
        """
        if len(waits) != 2 or not isinstance(waits[0], Coroutine):
            return await super().wait_first(*waits, timeout=timeout)
        try:
            pending = waits[0].send(None)
        except StopIteration as end:
            waits[1].close()
            return WaitResults([waits[0]], [end.value], self.should_stop)
        except BaseException:
            waits[1].close()
            raise
        return await super().wait_first(_rest(waits[0], pending), waits[1], timeout=timeout)


class _Transport(Transport):
    Consumer = _Consumer
    fetch_min_bytes = 1


@dataclass(slots=True)
class Seen:
    """What came out of Faust, for the guard."""

    since_s: float
    """When the last record came, or the partition; on the monotonic clock."""
    next_offset: int | None = None
    suspected: bool = False


@dataclass(slots=True)
class Worker:
    """One Faust application over some topics."""

    group: str
    bodies: Mapping[str, Body]
    settings: Settings
    session_s: float
    health: Health
    on_assigned: Assigned
    fetch_min_bytes: int = 1
    """Kafka answers once it has so much, or after 100 ms: fewer, larger pieces for who can wait."""
    seen: dict[tuple[str, int], Seen] = field(default_factory=dict)
    must_live: list["asyncio.Task[None]"] = field(default_factory=list)
    """Tasks beside the bodies, without which their work is none."""
    busy: int = 0
    """Bodies at work now: one that waits (a database, a full queue) is no silence of Faust's."""

    async def run(self, stop: asyncio.Event) -> None:
        """Works until ``stop``; raises Unavailable or Refused when Kafka cannot be used at start.

        Ends the whole process with status 70 when Faust has crashed or gone silent.
        """
        limit_arenas()
        await check_topics(self.settings.kafka, tuple(self.bodies))
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # for the consumer's own thread
        app = self._app()
        for topic, body in self.bodies.items():
            self._add_agent(app, topic, body)
        app.on_partitions_assigned.connect(self._note_assignment)
        app.finalize()
        with translated(self.settings.kafka):
            await within(app.start(), START_S)
        settle_memory()
        guard = asyncio.create_task(self._guard())
        try:
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 0.5)
                if not stop.is_set() and (app.crashed or app.should_stop):
                    log.error("faust has crashed", why=repr(app.crash_reason))
                    os._exit(EXIT_BUG)
                self._check_company()
        finally:
            guard.cancel()
            with contextlib.suppress(TimeoutError):
                await within(app.stop(), STOP_S)

    def _check_company(self) -> None:
        for task in self.must_live:
            if task.done() and not task.cancelled():
                log.error("a task has ended, worker ends", why=repr(task.exception()))
                os._exit(EXIT_BUG)

    def _app(self) -> Any:
        folder = Path(self.settings.catalog.compiled).parent / "faust"
        folder.mkdir(parents=True, exist_ok=True)
        app = faust.App(
            self.group,
            broker=[f"kafka://{at}" for at in self.settings.kafka.bootstrap.split(",")],
            datadir=str(folder),
            autodiscover=False,
            web_enabled=False,
            store="memory://",
            topic_allow_declare=False,
            topic_disable_leader=True,
            processing_guarantee="at_least_once",
            consumer_auto_offset_reset="earliest",
            broker_session_timeout=self.session_s,
            broker_heartbeat_interval=self.session_s / 3.0,
            broker_rebalance_timeout=10.0,
            broker_request_timeout=30.0,
            broker_max_poll_interval=3600.0,
            broker_commit_interval=1.0,
            stream_buffer_maxsize=BUFFER_RECORDS,
            stream_wait_empty=False,
            key_serializer="raw",
            value_serializer="raw",
        )
        app.transport = _Transport(app.conf.broker_consumer, app)
        app.transport.fetch_min_bytes = self.fetch_min_bytes
        return app

    def _add_agent(self, app: Any, name: str, body: Body) -> None:
        topic = app.topic(name, key_serializer="raw", value_serializer="raw")

        async def agent(stream: Any) -> None:
            async for event in stream.events():
                await self._one(body, event.message)

        agent.__name__ = agent.__qualname__ = f"read_{name.replace('.', '_')}"
        app.agent(topic, name=f"{self.group}.{name}", concurrency=1)(agent)

    async def _one(self, body: Body, message: Any) -> None:
        """One record.  What the body did not foresee ends us: Faust would acknowledge it."""
        self.seen[message.topic, message.partition] = Seen(time.monotonic(), message.offset + 1)
        self.busy += 1
        try:
            await body(
                Record(
                    message.topic,
                    message.partition,
                    message.offset,
                    message.value or b"",
                    message.headers,
                    int((message.timestamp or 0) * 1000),
                )
            )
        except Exception:
            log.exception(
                "record not worked on, worker ends",
                topic=message.topic,
                partition=message.partition,
                offset=message.offset,
            )
            os._exit(EXIT_BUG)
        finally:
            self.busy -= 1

    async def _note_assignment(self, _app: Any, assigned: Any = (), **_other: Any) -> None:
        now_s = time.monotonic()
        held: dict[str, set[int]] = {topic: set() for topic in self.bodies}
        for at in assigned:
            held.setdefault(at.topic, set()).add(at.partition)
            self.seen[at.topic, at.partition] = Seen(now_s)
        for at in set(self.seen) - {(p.topic, p.partition) for p in assigned}:
            del self.seen[at]
        log.info("partitions assigned", **{k: sorted(v) for k, v in held.items()})
        self.on_assigned(held)

    async def _guard(self) -> None:
        """Ends the process when Faust gives nothing although the log grows: it blocks its group."""
        reader = Reader(self.settings.kafka, f"{self.group}-guard")
        while True:
            await asyncio.sleep(LOOK_S)
            now_s = time.monotonic()
            quiet = [at for at, seen in self.seen.items() if now_s - seen.since_s > SILENT_S]
            for topic in {at[0] for at in quiet} if not self.busy else ():
                numbers = [at[1] for at in quiet if at[0] == topic]
                try:
                    ends = await reader.ends(topic, numbers)
                except Unavailable:
                    break  # Kafka itself is away: no fault of Faust's.
                for number in numbers:
                    self._judge(topic, number, ends[number][1])

    def _judge(self, topic: str, partition: int, end: int) -> None:
        seen = self.seen.get((topic, partition))
        if seen is None or time.monotonic() - seen.since_s <= SILENT_S or self.busy:
            return
        if seen.next_offset is None or end <= seen.next_offset:
            self.seen[topic, partition] = Seen(time.monotonic(), end)
            return
        if not seen.suspected:
            seen.suspected = True  # Kafka may have come back just now: look once more.
            return
        log.error(
            "faust gives nothing, worker ends",
            topic=topic,
            partition=partition,
            behind=end - seen.next_offset,
        )
        os._exit(EXIT_BUG)
