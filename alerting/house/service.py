"""The rules of the house as they are now: catalog, policy, roster, what belongs together.  A shell.

Router and console decide by the same ones.  A file that can no longer be read is said to be wrong,
and the last good one holds.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import psycopg
import structlog

from alerting import store
from alerting.book import store as book
from alerting.exchange import store as exchange
from alerting.notices import Wording
from alerting.people.clocks import clocks_of
from alerting.people.roster import Roster
from alerting.people.service import Duty
from alerting.policy import Policy
from alerting.windows import Window
from lifeline.catalog import Catalog
from lifeline.config import Settings
from lifeline.db import Database
from lifeline.errors import Unavailable
from lifeline.store import CatalogFile

Log = structlog.stdlib.BoundLogger
LOOK_S = 2.0


class House:
    """One process's rules; ``wording`` is what the ledger and the desk work by."""

    def __init__(self, settings: Settings, catalog: Catalog, log: Log) -> None:
        self.settings, self.catalog, self.log = settings, catalog, log
        self.rules = book.read_rules(settings.router)
        self.tables = exchange.read_tables(settings.exchange)
        self.duty = Duty(settings, Wording(catalog, settings.router), log)
        self.roster: Roster | None = None
        self.windows: list[Window] = []
        """Those that have not ended: what the way past PostgreSQL must know."""
        self.wording = self._worded()

    def _worded(self) -> Wording:
        self.roster = self.duty.roster
        made = Wording(
            self.catalog,
            self.settings.router,
            policy=self._policy(),
            pager=self.duty.pager,
            tables=self.tables,
            desk_of=None if self.roster is None else self.roster.desk_of,
        )
        self.duty.wording = made
        return made

    def _policy(self) -> Policy:
        made = book.policy(self.settings, self.catalog, self.rules)
        if self.roster is None:
            return made
        clocks = clocks_of(self.roster.chains.values())
        return replace(made, clocks=clocks, is_working=self.roster.is_working)

    async def watch(self, database: Database, changed: Callable[[], None]) -> None:
        """Takes over another compiled catalog or roster, and the windows, for ever."""
        file = CatalogFile(self.settings.catalog.compiled)
        while True:
            await asyncio.sleep(LOOK_S)
            newer = file.newer(self.catalog)
            if newer is not None:
                self.catalog = newer
                self.log.info("catalog taken over", catalog=newer.digest)
            if newer is not None or self.duty.roster is not self.roster:
                self.wording = self._worded()
            try:
                self.windows = await database.run(store.running, LOOK_S)
            except (Unavailable, psycopg.Error):
                continue  # Those that are known hold until PostgreSQL is back.
            finally:
                changed()
