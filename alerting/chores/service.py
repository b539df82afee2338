"""A router's loops: those by the clock, and how each is kept going.  A shell."""

import asyncio
import random
import traceback
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog

from alerting.drill import service as drill
from alerting.house.service import House
from alerting.rules.service import Changer
from alerting.work import service as work
from lifeline import telemetry
from lifeline.config import Settings
from lifeline.db import Database

Log = structlog.stdlib.BoundLogger
Loop = Callable[[], Awaitable[Any]]
AGAIN_S = 2.0


async def kept(loop: Loop, name: str, log: Log) -> None:
    """Runs a loop for ever, and begins it anew where it ends: by its fault no other one stops.

    A router that ended with every loop would end again as soon as it is started where the fault is
    in a row that stays, and nobody would be paged about anything.
    """
    while True:
        why = "it ended"
        try:
            await loop()
        except Exception as error:
            at = traceback.extract_tb(error.__traceback__)[-1]
            why = f"{type(error).__name__}: {error} ({at.filename}:{at.lineno})"
        telemetry.loops_failed.labels(name).inc()
        log.error("a loop begins anew", loop=name, why=why)
        await asyncio.sleep(AGAIN_S * (0.5 + random.random()))  # noqa: S311 - jitter, not a secret


def loops(
    settings: Settings, database: Database, house: House, wake: Callable[[], None], log: Log
) -> dict[str, Loop]:
    """Rules put in force, exercises ended, desks reminded of checks: each runs for ever.

    Of several routers one does what is due.  ``wake`` is called when something is to be sent.
    """
    return {
        "rules": Changer(settings, database, log).run,
        "drill": partial(drill.end, settings, database, lambda: house.wording, wake, log),
        "work": partial(
            work.remind, settings, database, lambda: (house.wording, house.roster), wake, log
        ),
    }
