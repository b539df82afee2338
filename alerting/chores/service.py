"""Loops by the clock: rules put in force, exercises ended, desks reminded of checks.  A shell."""

from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from alerting.drill import service as drill
from alerting.house.service import House
from alerting.rules.service import Changer
from alerting.work import service as work
from lifeline.config import Settings
from lifeline.db import Database

Log = structlog.stdlib.BoundLogger


def loops(
    settings: Settings, database: Database, house: House, wake: Callable[[], None], log: Log
) -> list[Coroutine[Any, Any, None]]:
    """Each runs for ever; of several routers one does what is due.

    ``wake`` is called when something is to be sent.
    """
    return [
        Changer(settings, database, log).run(),
        drill.end(settings, database, lambda: house.wording, wake, log),
        work.remind(settings, database, lambda: (house.wording, house.roster), wake, log),
    ]
