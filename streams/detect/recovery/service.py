"""Where a partition resumes from, with and without PostgreSQL.  A shell."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import psycopg
import structlog

from lifeline import telemetry, wire
from lifeline.config import Settings
from lifeline.db import Database
from lifeline.errors import Unavailable
from lifeline.log.service import Reader, Record
from streams import store
from streams.partition import Partition, SnapshotError, unsqueeze

Log = structlog.stdlib.BoundLogger

POSTGRES_S = 3.0
"""How long a start waits for PostgreSQL before it begins blank."""
SHORT_S = 0.2
"""How long the other partitions wait when one has just waited in vain: they come one by one."""
AWAY_S = 30.0
"""So long one partition has waited for all."""
PAUSE_S = 0.2


@dataclass(slots=True)
class Base:
    """A state, and the first offset that it does not know."""

    state: Partition
    start: int
    shadow: bytes | None = None
    """What the shadow beside it remembered then."""


@dataclass(slots=True)
class Recovery:
    """Finds the newest state of a partition that does not know a certain record yet."""

    database: Database
    reader: Reader
    settings: Settings
    health: telemetry.Health
    log: Log
    away_until_s: float = 0.0

    async def base(
        self,
        make: Callable[[], Partition],
        number: int,
        record: Record,
        held: tuple[Partition, int] | None,
    ) -> Base:
        """The state to go on from: a snapshot, what is in memory, or a blank one a while back."""
        self.health.problem = f"resuming partition {number}"
        until = record.offset
        try:
            snapshot = await self._snapshot(number, until)
        except (Unavailable, psycopg.Error) as error:
            # A table that is missing or damaged, a standby: alarms do not wait for a snapshot.
            snapshot = None
            self.log.warning("no snapshot from PostgreSQL", partition=number, why=str(error))
        if (
            held is not None
            and held[1] <= until
            and (snapshot is None or snapshot.next_offset <= held[1])
        ):
            return Base(*held)
        if snapshot is not None:
            fresh = make()
            try:
                blank = fresh.restore(unsqueeze(snapshot.body))
            except SnapshotError as error:
                self.log.warning("snapshot not usable", partition=number, why=str(error))
            else:
                for sentence in blank:
                    self.log.warning("starts blank", partition=number, what=sentence)
                    telemetry.bank_blank_starts.labels("rule").inc()
                return Base(fresh, snapshot.next_offset, snapshot.shadow)
        return Base(make(), await self._blind(number, record))

    async def _snapshot(self, number: int, until: int) -> store.Snapshot | None:
        """The newest that fits; raises Unavailable when there was no answer in the time given."""
        if time.monotonic() < self.away_until_s:
            # Away a moment ago: a short look whether it is back, and then all the time it needs.
            await self.database.run(lambda _: None, deadline_s=SHORT_S)
        end_s = time.monotonic() + POSTGRES_S
        while True:
            try:
                found = await self.database.run(
                    lambda c: store.newest_snapshot(c, number, until),
                    deadline_s=max(SHORT_S, end_s - time.monotonic()),
                )
            except Unavailable:
                now_s = time.monotonic()
                if now_s + PAUSE_S >= end_s:
                    self.away_until_s = now_s + AWAY_S
                    raise
                await asyncio.sleep(PAUSE_S)
            else:
                self.away_until_s = 0.0
                return found

    async def _blind(self, number: int, record: Record) -> int:
        """The offset of some minutes ago: from there a blank state sees what most rules need."""
        since_ms = record.written_ms - round(self.settings.detect.blind_start_s * 1000)
        telemetry.bank_blank_starts.labels("no-snapshot").inc()
        try:
            found = await self.reader.offset_at(wire.READINGS, number, max(0, since_ms))
        except Unavailable as error:
            self.log.warning("start not found in the log", partition=number, why=str(error))
            found = None
        start = record.offset if found is None else min(found, record.offset)
        self.log.warning("starts blank", partition=number, start=start, offset=record.offset)
        return start

    async def drop_from_beyond(self, number: int) -> int:
        """Forgets snapshots of a log that is gone; returns how many.  Raises Unavailable."""
        end = (await self.reader.ends(wire.READINGS, [number]))[number][1]
        return await self.database.run(lambda c: store.drop_snapshots(c, number, end))

    def between(self, number: int, start: int, stop: int) -> AsyncIterator[list[Record]]:
        """Every record of the readings from ``start`` to before ``stop``; raises Unavailable."""
        return self.reader.read(wire.READINGS, number, start, stop)
