"""Keeps retention everywhere, and aggregates on plain PostgreSQL.  A shell."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import msgspec
import psycopg
import structlog
from psycopg import Connection

from lifeline import telemetry
from lifeline.catalog import Catalog, CatalogError
from lifeline.config import Settings
from lifeline.db import Database
from lifeline.errors import Unavailable
from lifeline.store import open_catalog
from streams.archive.names import retention_of
from streams.archive.store import refresh_aggregates
from streams.archive.upkeep import store
from streams.archive.upkeep.due import Piece, due

Log = structlog.stdlib.BoundLogger
T = TypeVar("T")

EVERY_S = 30.0
SETTLED_S = 30.0
"""A minute is aggregated once it is this long past: most readings are in by then."""
RETAIN_EVERY = 120
"""Retention is looked after once an hour."""
RETAIN_S = 60.0
"""The longest turn of deletes; the next goes on where this one stopped."""
DEADLINE_S = 600.0


@dataclass(slots=True)
class Upkeep:
    """What is done beside the writing; several archives may run it, one at a time works."""

    database: Database
    settings: Settings
    log: Log
    is_timescale: bool

    async def run(self) -> None:
        """Aggregates what is due and deletes what is too old, until cancelled."""
        turn = 0
        while True:
            try:
                if not self.is_timescale:
                    await self._run(lambda c: refresh_aggregates(c, SETTLED_S))
                if turn % RETAIN_EVERY == 0:
                    await self.retain(telemetry.now_ms())
                turn += 1
            except Unavailable as error:
                self.log.warning("upkeep waits", why=str(error))
            except psycopg.Error:
                self.log.exception("upkeep failed")
            await asyncio.sleep(EVERY_S)

    async def retain(self, now_ms: int) -> None:
        """One turn of retention: at most ``RETAIN_S`` of deletes, each a short transaction."""
        stop_s = time.monotonic() + RETAIN_S
        await self._classify()
        days = self.settings.archive.retention_days
        unknown = await self._run(lambda c: store.strangers(c, days))
        if unknown:
            self.log.warning(
                "retention classes without days, kept longest", classes=unknown, declared=list(days)
            )
        pieces = await self._run(lambda c: store.pieces(c, is_timescale=self.is_timescale))
        onsets_ms = await self._run(store.open_onsets)
        todo = due(pieces, days, onsets_ms, now_ms)
        if todo.held:
            self.log.info("old readings kept for open incidents", pieces=len(todo.held))
        for piece in todo.drop:
            if time.monotonic() > stop_s or not await self._drop(piece):
                return
        for piece, classes in todo.sweep:
            if time.monotonic() > stop_s or not await self._sweep(piece, classes, stop_s):
                return
        if not self.is_timescale:
            keep = self.settings.archive.aggregate_days
            await self._run(lambda c: store.drop_old_aggregates(c, keep))

    async def _classify(self) -> None:
        """Brings the channels' classes up to the catalog as it lies on disk now."""
        try:
            # A catalog of its own: the writer's is not made for two threads.
            catalog = open_catalog(self.settings.catalog.compiled)
        except (CatalogError, msgspec.MsgspecError) as error:
            self.log.warning("retention goes by the old catalog", why=str(error))
            return
        last: int | None = 0
        while last is not None:
            last = await self._run(partial(_classify_page, last, catalog))
            catalog.forget()

    async def _drop(self, piece: Piece) -> bool:
        """Whether it was our turn to drop it."""

        def work(connection: Connection) -> bool:
            if not store.take_turn(connection):
                return False
            store.drop(connection, piece, is_timescale=self.is_timescale)
            return True

        was_ours = await self._run(work)
        if was_ours:
            self.log.info("readings past every retention dropped", piece=piece.table)
        return was_ours

    async def _sweep(self, piece: Piece, classes: tuple[str, ...], stop_s: float) -> bool:
        """Whether the piece is rid of these classes; False when time or turn were used up."""
        left = await self._run(lambda c: store.unswept(c, piece, classes))
        if not left:
            return True
        total = 0
        for name in left:
            while True:
                gone, is_all, was_ours = await self._run(self._step(piece, name))
                total += gone
                if is_all:
                    break
                if not was_ours or time.monotonic() > stop_s:
                    self._say(piece, left, total, is_done=False)
                    return False

        def finish(connection: Connection) -> bool:
            if not store.take_turn(connection):
                return False
            store.finish(connection, piece, left, is_timescale=self.is_timescale)
            return True

        is_done = await self._run(finish)
        self._say(piece, left, total, is_done=is_done)
        return is_done

    def _step(self, piece: Piece, name: str) -> Callable[[Connection], tuple[int, bool, bool]]:
        def work(connection: Connection) -> tuple[int, bool, bool]:
            if not store.take_turn(connection):
                return 0, False, False
            return *store.sweep(connection, piece, name), True

        return work

    def _say(self, piece: Piece, classes: list[str], readings: int, *, is_done: bool) -> None:
        self.log.info(
            "readings past retention deleted",
            piece=piece.table,
            classes=classes,
            readings=readings,
            is_done=is_done,
        )

    async def _run(self, work: Callable[[Connection], T]) -> T:
        return await self.database.run(work, deadline_s=DEADLINE_S)


def _classify_page(after: int, catalog: Catalog, connection: Connection) -> int | None:
    return store.classify(connection, after, lambda name: retention_of(catalog, name))
