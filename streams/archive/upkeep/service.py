"""Keeps aggregates and retention on plain PostgreSQL.  A shell."""

import asyncio

import psycopg
import structlog

from lifeline import telemetry
from lifeline.config import Archive
from lifeline.db import Database
from lifeline.errors import Unavailable
from streams.archive import store

Log = structlog.stdlib.BoundLogger

EVERY_S = 30.0
SETTLED_S = 30.0
"""A minute is aggregated once it is this long past: most readings are in by then."""
DROP_EVERY = 120
DEADLINE_S = 600.0


async def upkeep(database: Database, archive: Archive, log: Log) -> None:
    """Aggregates what is due and drops what is too old, on plain PostgreSQL, until cancelled."""
    turn = 0
    while True:
        try:
            await database.run(
                lambda c: store.refresh_aggregates(c, SETTLED_S), deadline_s=DEADLINE_S
            )
            if turn % DROP_EVERY == 0:
                gone = await database.run(
                    lambda c: store.drop_old(c, archive, telemetry.now_ms()), deadline_s=DEADLINE_S
                )
                if gone:
                    log.info("old days dropped", days=gone)
            turn += 1
        except Unavailable as error:
            log.warning("aggregates wait", why=str(error))
        except psycopg.Error:
            log.exception("aggregates failed")
        await asyncio.sleep(EVERY_S)
