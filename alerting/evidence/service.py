"""Copies the readings around every incident before retention takes them.  A shell.

What is due stands in the database: a router that dies in between leaves it to the next.
"""

import asyncio
from functools import partial

import psycopg
import structlog

from alerting.evidence import store
from lifeline.catalog import CatalogError
from lifeline.config import Settings
from lifeline.db import Database
from lifeline.errors import Unavailable
from lifeline.store import CatalogFile, open_catalog

Log = structlog.stdlib.BoundLogger
EVERY_S = 5.0
AT_ONCE = 50
"""Incidents of one turn: a storm's wait, an alarm's own work does not."""


class Keeper:
    """The loop that looks after the copies; several routers may run one."""

    def __init__(self, settings: Settings, database: Database, log: Log) -> None:
        self.settings, self.database, self.log = settings, database, log

    async def run(self) -> None:
        """Copies for ever."""
        # A catalog of its own: the router's is not made for two threads.
        path = self.settings.catalog.compiled
        catalog, file = open_catalog(path), CatalogFile(path)
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                catalog = file.newer(catalog) or catalog
                await self.database.run(store.begin)
                for _ in range(AT_ONCE):
                    copy = partial(
                        store.copy_next, catalog=catalog, settings=self.settings.evidence
                    )
                    if await self.database.run(copy) is None:
                        break
                catalog.forget()
            except (Unavailable, CatalogError) as error:
                self.log.debug("evidence waits", why=str(error))
            except psycopg.Error:
                self.log.exception("readings not copied")
