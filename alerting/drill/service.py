"""Exercises ended at their time, or at once when something real happens, for ever.  A shell."""

import asyncio
from collections.abc import Callable
from secrets import token_hex

import psycopg
import structlog
from psycopg import Connection

from alerting.book.store import read_book
from alerting.drill import scenarios, store
from alerting.drill.report import DrillReport
from alerting.drill.scenarios import Scenario
from alerting.ledger.store import contended
from alerting.notices import Wording
from lifeline.catalog import CatalogError
from lifeline.config import Settings
from lifeline.db import Database
from lifeline.errors import Unavailable
from lifeline.store import read_trees

Log = structlog.stdlib.BoundLogger
LOOK_S = 1.0
AGAIN_S = 2.0
END_S = 15.0


def read_scenarios(settings: Settings) -> dict[str, Scenario]:
    """The exercises that the settings name; raises CatalogError."""
    return scenarios.parse(read_trees(settings.drill.scenarios))


def new_id() -> str:
    """A name for an exercise."""
    return token_hex(8)


def end_due(connection: Connection, wording: Wording, settings: Settings) -> DrillReport | None:
    """Ends the exercise whose time has come; None when there is none."""
    found = store.due(connection)
    if found is None:
        return None
    drill, why, real = found
    return store.finish(connection, wording, read_book(settings.router), drill, why, real)


async def end(
    settings: Settings,
    database: Database,
    wording: Callable[[], Wording],
    wake: Callable[[], None],
    log: Log,
) -> None:
    """Looks every second; of several routers, one ends it."""
    while True:
        await asyncio.sleep(LOOK_S)
        now = wording()
        try:
            report = await database.run(
                contended(lambda c, w=now: end_due(c, w, settings)),  # type: ignore[misc]
                END_S,
            )
        except (Unavailable, psycopg.Error, CatalogError) as error:
            log.warning("an exercise waits for its end", why=str(error))
            await asyncio.sleep(AGAIN_S)
            continue
        if report is not None:
            points = report.score.points
            log.warning("exercise over", drill=report.drill, why=report.ended_why, points=points)
            wake()
