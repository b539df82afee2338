"""Keeps the queue's risk and the desks' floods up to date beside the console.  A shell.

What it writes can be made again at any time; several consoles may run one.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

import psycopg
import structlog
from psycopg import Connection

from alerting import store as router
from alerting.board import sight, store
from alerting.board.sight import Floods
from alerting.flood import WINDOW_MS, View
from alerting.people.roster import Roster
from alerting.risk import Weights
from alerting.topology import Topology
from lifeline.catalog import Catalog
from lifeline.db import Database
from lifeline.errors import Unavailable

Log = structlog.stdlib.BoundLogger
EVERY_S = 1.0
AT_ONCE = 500
ALARMS_MAX = 20_000


class Overview:
    """The loop; ``floods`` is what each desk shows, made anew every second."""

    def __init__(
        self,
        catalog: Catalog,
        weights: Weights,
        roster: Callable[[], Roster | None],
        log: Log,
    ) -> None:
        self.weights, self.log = weights, log
        self.floods: Mapping[str, View] = {}
        self._roster = roster
        self._floods = Floods(Topology(catalog), self._desk_of)

    def _desk_of(self, lifeline: str, zone: str) -> str:
        roster = self._roster()
        return lifeline if roster is None else roster.desk_of(lifeline, zone)

    def renew(self, catalog: Catalog) -> None:
        """Goes on with another catalog."""
        self._floods = replace(self._floods, topology=Topology(catalog))

    def turn(self, connection: Connection) -> None:
        """Assesses what has changed, and takes the new alarms in."""
        topology, now_ms = self._floods.topology, router.now(connection)
        ranks: list[tuple[str, int, float, str]] = []
        for incident, alarms in store.unranked(connection, AT_ONCE):
            found = sight.assess(topology, self.weights, incident, alarms)
            self._floods.scores[incident.id] = found.score
            words = sight.found_by(topology, incident)
            ranks.append((incident.id, incident.revision, found.score, words))
        store.rank(connection, ranks)
        since_ms = self._floods.since_ms or now_ms - WINDOW_MS
        self._floods.take(store.moved(connection, since_ms, ALARMS_MAX))
        self.floods = self._floods.views(now_ms)

    async def run(self, database: Database) -> None:
        """For ever; without PostgreSQL what was last known stays."""
        while True:
            try:
                await database.run(self.turn)
            except (Unavailable, psycopg.Error) as error:
                self.log.debug("overview waits", why=str(error))
            await asyncio.sleep(EVERY_S)
