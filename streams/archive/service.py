"""The archive worker: a bounded queue, one writer, rows with their offsets.  A shell.

PostgreSQL's ``progress`` is the truth.  Faust's offset runs ahead of it by what the queue holds;
after a kill the difference is read again from Kafka.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import structlog
from numpy.typing import NDArray
from psycopg import Connection

from lifeline import crashpoints, telemetry, wire
from lifeline.catalog import Catalog
from lifeline.config import Settings
from lifeline.db import Database, begin_progress, has_timescale, read_progress
from lifeline.errors import Unavailable
from lifeline.log.service import Reader, Record
from lifeline.model import Batch
from lifeline.store import CatalogFile
from streams.archive import store
from streams.archive.courtesy.service import Courtesy
from streams.archive.names import Names, describe, merge
from streams.archive.rows import Rows, days_of, join
from streams.archive.upkeep.service import Upkeep
from streams.service import Worker
from streams.store import Parked

Log = structlog.stdlib.BoundLogger

GROUP = "lifeline.archive"
LINGER_S = 0.25
"""Records wait this long for company.  The more rows of a channel come in one COPY, the fewer pages
a row touches: PostgreSQL paid 14 % less a reading than with 0.03 s (docs/performance.md)."""
FETCH_BYTES = 1 << 20
"""Charts can wait 100 ms for a fetch that pays: it is a third of what a reading costs us."""
NAME_MAX = 256
RETRY_S_MAX = 2.0
LOOK_S = 3.0
RELOAD_S = 2.0


@dataclass(slots=True)
class Item:
    """One record on its way into the database."""

    record: Record
    batch: Batch | None = None
    """None: nothing to store (context, drill, poison); only the offset moves."""
    table: NDArray[np.int32] | None = None
    """The batch's channels as rows of ``Names``: the names themselves
    weigh more than the readings."""
    reason: str = ""
    """Why it goes into quarantine; '' when it does not."""


class Archive:
    """The body of the worker, its queue and its writer."""

    def __init__(
        self, settings: Settings, catalog: Catalog, health: telemetry.Health, log: Log
    ) -> None:
        self.settings, self.catalog, self.health, self.log = settings, catalog, health, log
        self.database = Database(settings.postgres, connections=3)
        self.reader = Reader(settings.kafka, GROUP)
        self.names = Names()
        self.courtesy = Courtesy()
        self.is_timescale = True
        self.days: set[int] = set()
        self.queues: dict[int, deque[Item]] = {}
        self.waiting_rows = 0
        self.expected: dict[int, int] = {}
        """Partition -> next offset, as PostgreSQL knew it last."""
        self.newer: Catalog | None = None
        self.quiet: dict[int, int] = {}
        """Assigned partitions of which nothing came: read up to this end of the log."""
        self.came: set[int] = set()
        self.assigned_now: set[int] = set()
        self.work = asyncio.Event()
        self.space = asyncio.Event()

    async def start(self) -> None:
        """Asks PostgreSQL what it is; raises Unavailable when it is away, Refused unmigrated."""
        try:
            await self.database.run(store.check_tables)
            self.is_timescale = await self.database.run(has_timescale)
            if self.is_timescale:
                await self.database.run(lambda c: store.apply_policies(c, self.settings.archive))
            else:
                self.days = await self.database.run(store.days_there)
        except Unavailable as error:
            raise Unavailable(
                f"archive needs PostgreSQL at start: {error}. Start it (`lifeline stack up`) or set"
                " postgres.dsn."
            ) from error

    def assigned(self, held: Mapping[str, set[int]]) -> None:
        """Keeps what is queued (the fence decides); called at every assignment."""
        self.assigned_now = set(held[wire.READINGS])
        self.came.clear()
        self.health.problem = ""

    async def readings(self, record: Record) -> None:
        """The body: puts the record into the queue, and waits while that is full."""
        item = self._decoded(record)
        self.came.add(record.partition)
        while self.waiting_rows >= self.settings.archive.queue_rows_max:
            self.space.clear()
            await self.space.wait()
        self.queues.setdefault(record.partition, deque()).append(item)
        self.waiting_rows += _weight(item)
        self.work.set()

    def _decoded(self, record: Record) -> Item:
        """The record as what is to be stored of it."""
        if record.header("schema") == wire.CONTEXT_SCHEMA or record.header("drill") is not None:
            return Item(record)  # exercises are no measurements: charts must not show them
        try:
            batch = wire.decode_batch(record.value)
        except wire.Malformed as error:
            return Item(record, reason=str(error))
        if any("\0" in name or len(name) > NAME_MAX for name in batch.channels):
            return Item(record, reason="a channel name that no table can hold")
        table = self.names.table_of(batch.channels)
        batch.channels, batch.messages = [], []
        return Item(record, batch, table)

    async def write_for_ever(self) -> None:
        """The writer; runs until cancelled.  A database that is away is waited for."""
        pause_s = 0.1
        while True:
            await self.work.wait()
            if self.waiting_rows < self.settings.archive.transaction_rows_max:
                await asyncio.sleep(LINGER_S)
            try:
                await self._round()
                pause_s = 0.1
                self.health.problem = ""
            except Unavailable as error:
                self.health.problem = str(error)
                self.log.warning("archive waits", why=str(error), rows=self.waiting_rows)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, RETRY_S_MAX)
            except store.Fenced:
                telemetry.fenced.labels("archive").inc()
                self.log.warning("another archive has gone on, reading the truth again")
                self.expected.clear()

    async def _round(self) -> None:
        """Everything that waits now, in as few transactions as the limit allows."""
        if self.newer is not None:
            self.catalog, self.newer = self.newer, None
            self.names.place(
                [n for n in self.names.rows if n not in self.names.unknown], self.catalog
            )
        await self._learn_expected({*self.quiet, *(n for n, queue in self.queues.items() if queue)})
        for number, end in list(self.quiet.items()):
            if self.expected[number] < end:
                await self._fill(number, end)
            self.quiet.pop(number, None)
        picked: list[Item] = []
        rows = 0
        for number, queue in list(self.queues.items()):
            if number not in self.expected:
                continue  # its first record came while this round was learning
            self._drop_known(number, queue)
            if queue and queue[0].record.offset > self.expected[number]:
                await self._fill(number, queue[0].record.offset)
                self._drop_known(number, queue)
            for item in _run_of(queue, self.expected[number]):
                if picked and rows + _weight(item) > self.settings.archive.transaction_rows_max:
                    break
                picked.append(item)
                rows += _weight(item)
        if picked:
            await self._store(picked)
            for item in picked:
                self._pop(self.queues[item.record.partition])
        elif not any(self.queues.values()):
            self.work.clear()

    def _drop_known(self, number: int, queue: deque[Item]) -> None:
        while queue and queue[0].record.offset < self.expected[number]:
            self._pop(queue)

    def _pop(self, queue: deque[Item]) -> None:
        self.waiting_rows -= _weight(queue.popleft())
        self.space.set()

    async def _learn_expected(self, numbers: set[int]) -> None:
        """Reads the truth where it is not known; begins anew where the log is younger than it."""
        new = sorted(numbers - set(self.expected))
        if not new:
            return
        known = await self.database.run(
            lambda c: begin_progress(c, store.CONSUMER, wire.READINGS, new)
        )
        ends = await self.reader.ends(wire.READINGS, new)
        for number in new:
            first, end = ends[number]
            if known[number] > end:
                # Rows are keyed: reading a log again that was made anew adds nothing twice.
                self.log.error(
                    "kafka began anew, archive follows",
                    partition=number,
                    was=known[number],
                    end=end,
                )
                await self._commit(
                    store.Work(wire.READINGS, [(number, known[number], first)], _no_rows())
                )
                known[number] = first
            self.expected[number] = known[number]
        telemetry.recoveries.labels("archive").inc(len(new))

    async def _fill(self, number: int, stop: int) -> None:
        """Stores what the log holds between the truth and ``stop``: Faust did not give it to us."""
        self.log.warning("reading again", partition=number, start=self.expected[number], stop=stop)
        self.health.problem = f"catching up partition {number}"
        async for records in self.reader.read(wire.READINGS, number, self.expected[number], stop):
            batch: list[Item] = []
            rows = 0
            for item in map(self._decoded, records):
                batch.append(item)
                rows += _weight(item)
                if rows >= self.settings.archive.transaction_rows_max:
                    await self._store(batch)
                    batch, rows = [], 0
            if batch:
                await self._store(batch)
        if self.expected[number] < stop:  # offsets that the log no longer has
            move = (number, self.expected[number], stop)
            await self._commit(store.Work(wire.READINGS, [move], _no_rows()))
            self.expected[number] = stop

    async def _store(self, items: list[Item]) -> None:
        """Commits these records; those that PostgreSQL refuses end in quarantine, alone."""
        had_days = bool(self.days)
        try:
            await self._learn_names()
            work = self._work_of(items)
            stored = await self._commit(work)
        except store.Undigestible as error:
            self.days.clear()  # upkeep may have dropped one: each is made sure of again
            record, half = items[0].record, len(items) // 2
            if half:
                await self._store(items[:half])
                await self._store(items[half:])
            elif had_days:
                await self._store(items)
            else:
                where = {"partition": record.partition, "offset": record.offset}
                self.log.warning("record parked", **where, why=str(error))
                await self._store([Item(record, reason=str(error))])
            return
        for number, _, after in work.moves:
            self.expected[number] = after
        self._count(items, stored)

    async def _learn_names(self) -> None:
        missing = list(self.names.unknown)
        if missing:
            facts = [describe(self.catalog, name) for name in missing]
            ids = await self.database.run(
                lambda c: store.channel_ids(
                    c, missing, [fact[0] for fact in facts], [fact[1] for fact in facts]
                )
            )
            self.names.learn(ids, self.catalog)
            self.catalog.forget()  # 100,000 channels decoded would weigh 100 MB

    def _work_of(self, items: list[Item]) -> store.Work:
        ends: dict[int, int] = {}
        parts: list[Rows] = []
        feeds: dict[str, tuple[int, int]] = {}
        parked: list[Parked] = []
        for item in items:
            record = item.record
            ends[record.partition] = record.offset + 1
            if item.batch is not None and item.table is not None and len(item.batch):
                rows, seen = self.names.rows_of(item.table, item.batch)
                parts.append(rows)
                merge(feeds, seen)
            if item.reason:
                parked.append(
                    Parked(record.topic, record.partition, record.offset, item.reason, record.value)
                )
        moves = [(number, self.expected[number], after) for number, after in sorted(ends.items())]
        return store.Work(wire.READINGS, moves, join(parts) if parts else _no_rows(), feeds, parked)

    async def _commit(self, work: store.Work) -> store.Stored:
        if not self.is_timescale:
            new = days_of(work.rows, self.days)
            if new:
                await self.database.run(lambda c: store.create_days(c, new))
                self.days.update(new)

        def write(connection: Connection) -> store.Stored:
            self.courtesy.ask(connection)
            return store.write(connection, work, is_timescale=self.is_timescale)

        stored = await self.database.run(write)
        crashpoints.reach("archive.after-commit")
        return stored

    def _count(self, items: list[Item], stored: store.Stored) -> None:
        telemetry.rows_stored.inc(stored.rows)
        telemetry.rows_duplicate.inc(stored.duplicates)
        telemetry.rows_conflicting.inc(stored.conflicts)
        if stored.conflicts:
            self.log.warning("two values under one channel and time", rows=stored.conflicts)
        now_ms = telemetry.now_ms()
        for item in items:
            if item.batch is not None:
                lag_s = max(0, now_ms - item.batch.received_ms) / 1000
                telemetry.archive_lag_seconds.labels(str(item.record.partition)).set(lag_s)
            if item.reason:
                telemetry.records_poison.labels(item.record.topic).inc()

    async def look_for_rest(self) -> None:
        """Finds records on quiet partitions that Faust took for done and nobody stored.

        Runs until cancelled.  Where records come, their offsets show the gap by themselves.
        """
        while True:
            await asyncio.sleep(LOOK_S)
            quiet = sorted(self.assigned_now - self.came)
            if not quiet:
                continue
            try:
                known = await self.database.run(
                    lambda c: read_progress(c, store.CONSUMER, wire.READINGS)
                )
                ends = await self.reader.ends(wire.READINGS, quiet)
            except Unavailable:
                continue
            for number in quiet:
                if number not in self.came and known.get(number, 0) < ends[number][1]:
                    self.quiet[number] = ends[number][1]
                    self.work.set()
                self.came.add(number)

    async def watch_catalog(self) -> None:
        """Takes a changed catalog over: new channels get their lifeline; runs until cancelled."""
        file = CatalogFile(self.settings.catalog.compiled)
        while True:
            await asyncio.sleep(RELOAD_S)
            newer = file.newer(self.newer or self.catalog)
            if newer is not None:
                self.newer = newer
                self.log.info("catalog taken over", catalog=newer.digest)


def _weight(item: Item) -> int:
    return 1 if item.batch is None else 1 + len(item.batch)


def _run_of(queue: deque[Item], start: int) -> list[Item]:
    """The records of the queue from ``start`` on without a gap."""
    run: list[Item] = []
    for item in queue:
        if item.record.offset != start + len(run):
            break
        run.append(item)
    return run


def _no_rows() -> Rows:
    return join([])


async def run(
    settings: Settings, catalog: Catalog, health: telemetry.Health, log: Log, stop: asyncio.Event
) -> None:
    """Runs the archive worker until ``stop``; raises Unavailable or Refused at the start."""
    archive = Archive(settings, catalog, health, log)
    bodies = {wire.READINGS: archive.readings}
    session_s, assigned = settings.archive.session_s, archive.assigned
    worker = Worker(GROUP, bodies, settings, session_s, health, assigned, FETCH_BYTES)
    tasks: list[asyncio.Task[None]] = []
    try:
        await archive.start()
        keeper = Upkeep(archive.database, settings, log, archive.is_timescale)
        loops = [archive.write_for_ever(), archive.look_for_rest(), archive.watch_catalog()]
        loops += [archive.courtesy.run(archive.database), keeper.run()]
        tasks = [asyncio.create_task(loop) for loop in loops]
        worker.must_live = tasks
        await worker.run(stop)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        archive.database.close()
