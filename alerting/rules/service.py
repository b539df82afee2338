"""Versions put in force at their time, by one router, through the compiled catalog.  A shell.

The file is written before the row says so, both under the row's lock: a router that is killed in
between leaves a version that is still due, and the next one writes the same bytes again.
"""

import asyncio
from pathlib import Path

import psycopg
import structlog
from psycopg import Connection

from alerting.rules import store, versions
from alerting.rules.versions import Version
from lifeline.catalog import Catalog, CatalogError
from lifeline.compiler import with_rules
from lifeline.config import Settings
from lifeline.db import Database
from lifeline.errors import Unavailable
from lifeline.store import open_catalog, write_catalog

Log = structlog.stdlib.BoundLogger
LOOK_S = 1.0
AGAIN_S = 5.0
WORK_S = 30.0
"""A large catalog is some tens of megabytes to write."""


class Changer:
    """Puts what is due in force; services take the file over as they do any other."""

    def __init__(self, settings: Settings, database: Database, log: Log) -> None:
        self.path = settings.catalog.compiled
        self.database, self.log = database, log

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                version = await self.database.run(lambda c: enforce(c, self.path), WORK_S)
            except (Unavailable, psycopg.Error, CatalogError, OSError) as error:
                self.log.warning("rules wait", why=str(error))
                await asyncio.sleep(AGAIN_S)
                continue
            if version is None:
                await asyncio.sleep(LOOK_S)
            elif version.state == "applied":
                self.log.warning("rules in force", version=version.number, digest=version.digest)
            else:
                self.log.error("rules not put in force", version=version.number)


def enforce(connection: Connection, path: str) -> Version | None:
    """Puts the version that is due in place; None when none is, or another router is about it."""
    found = store.due(connection)
    if found is None:
        return None
    version, body = found
    running = versions.of_head(open_catalog(path).head).digest
    if running not in (version.base, version.digest):
        return store.overtaken(connection, version, f"{running} runs, made against {version.base}")
    if running != version.digest:
        packed = with_rules(Path(path).read_bytes(), body.limits, body.rules)
        assert versions.of_head(Catalog(packed).head).digest == version.digest
        write_catalog(packed, path)
    return store.applied(connection, version)
