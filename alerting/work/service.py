"""Tells desks of watches whose checks are missing, for ever.  A shell."""

import asyncio
from collections.abc import Callable

import psycopg
import structlog

from alerting.book.store import read_book
from alerting.notices import Wording
from alerting.people.roster import Roster
from alerting.work import store
from lifeline.catalog import CatalogError
from lifeline.config import Settings
from lifeline.db import Database
from lifeline.errors import Unavailable

Log = structlog.stdlib.BoundLogger
LOOK_S = 60.0


async def remind(
    settings: Settings,
    database: Database,
    house: Callable[[], tuple[Wording, Roster | None]],
    wake: Callable[[], None],
    log: Log,
) -> None:
    """Looks every minute; of several routers, each watch is told of by one."""
    url = f"{settings.router.public_url.rstrip('/')}/windows"
    while True:
        wording, roster = house()
        try:
            book = read_book(settings.router)
            pushes = (
                []
                if roster is None
                else await database.run(
                    lambda c, w=wording, r=roster, b=book: store.remind(c, w, r, b, url)  # type: ignore[misc]
                )
            )
        except (Unavailable, psycopg.Error, CatalogError, OSError) as error:
            log.warning("watches wait", why=str(error))
        else:
            if pushes:
                log.warning("watches lack checks", pages=len(pushes))
                wake()
        await asyncio.sleep(LOOK_S)
