"""Copies readings around incidents, makes their packages, notes whose figures are whose.

A shell.  What is due stands in the database: a router that dies leaves it to the next.
"""

import asyncio
import hashlib
import itertools
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from zoneinfo import ZoneInfo

import msgspec
import psycopg
import structlog
from psycopg import Connection

from alerting.evidence import package, store
from alerting.kpi import store as kpi
from alerting.people.service import read_roster
from lifeline.catalog import Catalog, CatalogError
from lifeline.config import Settings
from lifeline.db import Database
from lifeline.errors import Unavailable
from lifeline.store import CatalogFile, open_catalog

Log = structlog.stdlib.BoundLogger
Keep = Callable[[Connection, bytes, str], tuple[bytes, str] | None]
EVERY_S = 5.0
SEALED_WITHIN_S = 5.0
PLACES_EVERY = 120
"""Models and desks of what has alarmed are noted every ten minutes."""
AT_ONCE = 50
"""Incidents of one turn: a storm's wait, an alarm's own work does not."""
REST = 9.0
"""After a copy it rests so many times as long: what is kept for days has no hurry, and at 300,000
readings a second the copies of twenty incidents cost PostgreSQL as much as storing all of them."""


class Keeper:
    """The loop that looks after the copies; several routers may run one."""

    def __init__(self, settings: Settings, database: Database, log: Log) -> None:
        self.settings, self.database, self.log = settings, database, log

    async def run(self) -> None:
        """Copies for ever."""
        # A catalog of its own: the router's is not made for two threads.
        path = self.settings.catalog.compiled
        catalog, file = open_catalog(path), CatalogFile(path)
        for turn in itertools.count():
            await asyncio.sleep(EVERY_S)
            try:
                if turn % PLACES_EVERY == 0:
                    await self._place(catalog)
                catalog = file.newer(catalog) or catalog
                await self.database.run(store.begin)
                for _ in range(AT_ONCE):
                    began_s = time.monotonic()
                    copy = partial(
                        store.copy_next, catalog=catalog, settings=self.settings.evidence
                    )
                    if await self.database.run(copy) is None:
                        break
                    await asyncio.sleep(REST * (time.monotonic() - began_s))
                catalog.forget()
            except (Unavailable, CatalogError) as error:
                self.log.debug("evidence waits", why=str(error))
            except psycopg.Error:
                self.log.exception("readings not copied")

    async def _place(self, catalog: Catalog) -> None:
        try:
            roster = await asyncio.to_thread(read_roster, self.settings)
        except ValueError as error:
            self.log.debug("figures by desk wait", why=str(error))
            return
        place = partial(kpi.place, catalog=catalog, desk_of=roster.desk_of)
        await self.database.run(place)


def produce(
    database: Database,
    settings: Settings,
    catalog: Catalog,
    incident: str,
    *,
    actor: str,
    channel: str,
    kept: Keep | None = None,
) -> tuple[bytes, str] | None:
    """An incident's package and its SHA-256, which is written down in its audit; None: unknown.

    ``kept`` keeps it in the same transaction, or says which one was kept before: then that is the
    answer, and nothing is written down.
    Waits 5 s at most for the seal over the last line; to be called in a thread.  ``catalog`` is
    the caller's own.  Raises Unavailable.
    """
    digest = hashlib.sha256(msgspec.json.encode(settings)).hexdigest()
    database.run_now(store.begin)
    database.run_now(lambda c: store.copy_next(c, catalog, settings.evidence, only=incident))
    end_s = time.monotonic() + SEALED_WITHIN_S
    while True:
        dossier = database.run_now(
            lambda c: store.gather(
                c,
                incident,
                catalog,
                settings.grading,
                settings=digest,
                software=version("urban-lifeline"),
            )
        )
        if dossier is None:
            return None
        if store.is_sealed(dossier) or time.monotonic() > end_s:
            break
        time.sleep(0.5)
    made = package.make(dossier, ZoneInfo(settings.console.timezone))
    found = hashlib.sha256(made).hexdigest()

    def note(connection: Connection) -> tuple[bytes, str]:
        before = None if kept is None else kept(connection, made, found)
        if before is None:
            store.note_made(connection, incident, actor, found, channel)
        return before or (made, found)

    return database.run_now(note)
