"""What must be durable on Kafka: a queue, one producer at a time, and no lost outcome."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer

from ingest.acks import Receipt
from lifeline import crashpoints, telemetry, wire
from lifeline.config import Kafka
from lifeline.errors import Unavailable
from lifeline.log.service import begin, check_topics, end, make_producer

START_S = 15.0
"""How long a start waits for Kafka before it says so and ends."""
RETRY_S_MAX = 2.0
FAILURES_MAX = 3
LOOK_S = 0.25


@dataclass(slots=True, eq=False)
class Record:
    """One record on its way, with what becomes true when it is durable."""

    topic: str
    partition: int
    value: bytes
    headers: list[tuple[str, bytes]]
    receipts: list[Receipt] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    """Readings by lifeline."""
    sent_s: float = 0.0
    """Monotonic time of the present attempt."""


class Outbox:
    """Sends records in order and keeps each until Kafka has confirmed it.

    An outcome that stays unknown for ``send_timeout_s``, or any error, ends the producer's life:
    aiokafka's idempotent one neither gives up nor recovers by itself (its issues 1101 and 1017).
    What it had not confirmed goes through the next one; twice is harmless, because rows are keyed.
    """

    def __init__(
        self, settings: Kafka, log: structlog.stdlib.BoundLogger, durable: Callable[[Record], None]
    ) -> None:
        self.settings = settings
        self.size = 0
        """Bytes that wait or are in flight."""
        self.is_connected = False
        self._log = log
        self._durable = durable
        self._queue: deque[Record] = deque()
        self._flying: dict[Record, None] = {}  # A set that keeps the order of sending.
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._trouble: asyncio.Future[BaseException] | None = None
        self._producer: AIOKafkaProducer | None = None
        self._confirmed = 0

    def put(self, record: Record) -> None:
        """Queues a record; never waits."""
        self._queue.append(record)
        self.size += len(record.value)
        self._wake.set()
        self._idle.clear()

    async def drained(self) -> None:
        """Returns when everything that was put is durable."""
        if self._queue or self._flying:
            await self._idle.wait()

    async def start(self) -> None:
        """The first producer; raises Unavailable after a while, Refused if partitions differ."""
        until_s = time.monotonic() + START_S
        while True:
            try:
                self._producer = await self._connect()
                break
            except Unavailable:
                if time.monotonic() > until_s:
                    raise
                await asyncio.sleep(0.5)
        await check_topics(self.settings, (wire.READINGS, wire.WAVES, wire.REJECTS))

    async def run(self) -> None:
        """Sends until cancelled; raises Unavailable when Kafka answers but thrice takes nothing."""
        failures = 0
        while True:
            if self._producer is None:
                self._producer = await self._connect_at_last()
            before = self._confirmed
            self.is_connected = True
            error = await self._pump(self._producer)
            self.is_connected = False
            self._retreat()
            failures = 0 if self._confirmed > before else failures + 1
            self._log.warning(
                "kafka producer discarded", error=repr(error), failures=failures, bytes=self.size
            )
            await self._discard()
            if failures >= FAILURES_MAX:
                raise Unavailable(
                    f"Kafka at {self.settings.bootstrap} confirms nothing ({type(error).__name__});"
                    " what came by MQTT stays with the broker."
                ) from error

    async def close(self) -> None:
        """Ends the producer, in bounded time."""
        self.is_connected = False
        self._retreat()
        await self._discard()

    async def _connect(self) -> AIOKafkaProducer:
        producer = make_producer(self.settings, "lifeline-ingest")
        await begin(producer, self.settings, self.settings.send_timeout_s)
        return producer

    async def _connect_at_last(self) -> AIOKafkaProducer:
        """A producer, however long Kafka is away: what is unconfirmed is still with the broker."""
        wait_s = 0.2
        while True:
            try:
                return await self._connect()
            except Unavailable as error:
                self._log.warning("kafka away", error=str(error), bytes=self.size)
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))  # noqa: S311
            wait_s = min(2 * wait_s, RETRY_S_MAX)

    async def _pump(self, producer: AIOKafkaProducer) -> BaseException:
        """Sends what is queued until something goes wrong; returns what."""
        self._trouble = asyncio.get_running_loop().create_future()
        sending = asyncio.create_task(self._send(producer, self._trouble))
        try:
            while True:
                watched: set[asyncio.Future[Any]] = {self._trouble, sending}
                await asyncio.wait(watched, timeout=LOOK_S, return_when="FIRST_COMPLETED")
                if self._trouble.done():
                    return self._trouble.result()
                if sending.done():
                    error = sending.exception()
                    assert error is not None, "sending ends only by an error"
                    return error
                oldest = next(iter(self._flying), None)
                if oldest and time.monotonic() - oldest.sent_s > self.settings.send_timeout_s:
                    return TimeoutError(f"unconfirmed for {self.settings.send_timeout_s} s")
        finally:
            sending.cancel()
            await asyncio.wait({sending})

    async def _send(
        self, producer: AIOKafkaProducer, trouble: "asyncio.Future[BaseException]"
    ) -> None:
        while True:
            while self._queue:
                record = self._queue.popleft()
                record.sent_s = time.monotonic()
                self._flying[record] = None
                crashpoints.reach("ingest.before-kafka")
                outcome = await producer.send(
                    record.topic, record.value, partition=record.partition, headers=record.headers
                )
                outcome.add_done_callback(
                    lambda done, record=record: self._settle(done, record, trouble)
                )
            self._wake.clear()
            await self._wake.wait()

    def _settle(
        self,
        outcome: "asyncio.Future[object]",
        record: Record,
        trouble: "asyncio.Future[BaseException]",
    ) -> None:
        error = asyncio.CancelledError() if outcome.cancelled() else outcome.exception()
        if trouble is not self._trouble or trouble.done() or record not in self._flying:
            return  # The word of a producer that was given up: its record goes again.
        if error is not None:
            trouble.set_result(error)
            return
        del self._flying[record]
        self.size -= len(record.value)
        self._confirmed += 1
        telemetry.kafka_send_seconds.observe(time.monotonic() - record.sent_s)
        crashpoints.reach("ingest.after-kafka")
        self._durable(record)
        if not self._queue and not self._flying:
            self._idle.set()

    def _retreat(self) -> None:
        """What is in flight goes to the head of the queue again, in its order."""
        self._trouble = None
        self._queue.extendleft(reversed(self._flying))
        self._flying.clear()

    async def _discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await end(producer)
