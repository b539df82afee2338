"""Publishes what changed about incidents to ``lifeline.incidents``, at least once.  A shell.

The rows were written with the change itself and go only when Kafka has them on ``acks=all``.
"""

import asyncio
import contextlib

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from alerting.outbox import store
from lifeline import wire
from lifeline.config import Kafka
from lifeline.db import Database
from lifeline.errors import Unavailable
from lifeline.telemetry import now_ms

Log = structlog.stdlib.BoundLogger
POLL_S = 0.5
BATCH = 200
STOP_S = 3.0


class Feed:
    """The producer, made anew after every failure: aiokafka's does not come back from all of them."""

    def __init__(self, settings: Kafka, database: Database, log: Log) -> None:
        self.settings = settings
        self.database = database
        self.log = log
        self.wake = asyncio.Event()
        self._producer: AIOKafkaProducer | None = None

    async def run(self) -> None:
        """Publishes for ever."""
        while True:
            self.wake.clear()
            try:
                published = await self._publish()
            except Unavailable as error:
                self.log.warning("incident feed waits", why=str(error))
                await asyncio.sleep(1.0)
                continue
            if published < BATCH:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.wake.wait(), POLL_S)

    async def _publish(self) -> int:
        lease_s = 2 * self.settings.send_timeout_s
        rows = await self.database.run(lambda c: store.lease_changes(c, BATCH, lease_s))
        if not rows:
            return 0
        try:
            await asyncio.wait_for(self._send(rows), self.settings.send_timeout_s)
        except (KafkaError, OSError, TimeoutError) as error:
            # The outcome is unknown: the lease runs out, and a reader sees the revision twice.
            await self.close()
            raise Unavailable(f"Kafka: {error or type(error).__name__}") from error
        ids = [number for number, _, _ in rows]
        await self.database.run(lambda c: store.forget_changes(c, ids))
        return len(rows)

    async def _send(self, rows: list[tuple[int, str, bytes]]) -> None:
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self.settings.bootstrap,
                acks="all",
                enable_idempotence=True,
                max_request_size=wire.RECORD_BYTES_MAX,
                request_timeout_ms=int(self.settings.send_timeout_s * 1000),
            )
            self._producer = producer
            await producer.start()
        sent = []
        for _, zone, body in rows:
            state = wire.decode_incident(body)
            stamped = msgspec.structs.replace(state, stamped_ms=now_ms())
            future = await self._producer.send(
                wire.INCIDENTS,
                wire.encode_incident(stamped),
                key=zone.encode(),
                partition=wire.partition_of(zone, self.settings.partitions),
                headers=wire.headers(wire.INCIDENTS, drill=state.drill),
            )
            sent.append(future)
        await asyncio.gather(*sent)

    async def close(self) -> None:
        """Stops the producer; waits 3 s at most."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(producer.stop(), STOP_S)
