"""Publishes what changed about incidents to ``lifeline.incidents``, at least once.  A shell.

The rows were written with the change itself and go only when Kafka has them on ``acks=all``.
"""

import asyncio
import contextlib

import msgspec
import structlog
from psycopg import Connection

from alerting.outbox import store
from lifeline import telemetry, wire
from lifeline.config import Kafka
from lifeline.db import Database, quarantine
from lifeline.errors import Unavailable
from lifeline.log.service import Publisher, Send
from lifeline.telemetry import now_ms
from lifeline.wire import IncidentState

Log = structlog.stdlib.BoundLogger
POLL_S = 0.5
BATCH = 200
NOT_YET = -1
"""The partition of what never came to Kafka."""


class Feed:
    """What leases changed incidents and publishes them."""

    def __init__(self, settings: Kafka, database: Database, log: Log) -> None:
        self.settings = settings
        self.database = database
        self.log = log
        self.wake = asyncio.Event()
        self._publisher = Publisher(settings, "lifeline-router-feed")

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
        sends: list[Send] = []
        strange: list[tuple[int, str, bytes]] = []
        for number, zone, body in rows:
            try:
                sends.append(self._send(zone, wire.decode_incident(body)))
            except wire.Malformed as error:
                strange.append((number, str(error), body))
        # One attempt, which ends within the lease: when its outcome is unknown, the lease runs out,
        # and a reader sees the revision twice.
        if sends:
            await self._publisher.send(sends, attempts=1)
        ids = [number for number, _, _ in rows]

        def forget(connection: Connection) -> None:
            for number, why, body in strange:
                # Another version's row: what waits behind it must not.
                quarantine(connection, wire.INCIDENTS, NOT_YET, number, why, body)
            store.forget_changes(connection, ids)

        await self.database.run(forget)
        if strange:
            telemetry.records_poison.labels(wire.INCIDENTS).inc(len(strange))
            self.log.error("incident feed quarantined", n=len(strange), reason=strange[0][1])
        return len(rows)

    def _send(self, zone: str, state: IncidentState) -> Send:
        stamped = msgspec.structs.replace(state, stamped_ms=now_ms())
        return Send(
            wire.INCIDENTS,
            wire.partition_of(zone, self.settings.partitions),
            zone.encode(),
            wire.encode_incident(stamped),
            wire.headers(wire.INCIDENTS, drill=state.drill),
        )

    async def close(self) -> None:
        """Lets go of Kafka, in bounded time."""
        await self._publisher.stop()
