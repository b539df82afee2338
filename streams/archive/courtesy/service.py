"""Storing gives way to alarms: PostgreSQL's side of it is put behind everything else.  A shell.

Linux shares a processor out by sessions first, and each of PostgreSQL's processes makes itself one:
what the server was told at its start does not reach them.  Left alone, the rows of charts weighed
as much as detect, and at 300,000 readings a second findings came seconds late.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import Connection

from lifeline.db import Database
from lifeline.errors import Unavailable
from lifeline.stack.processes import step_back
from streams.archive import store

EVERY_S = 2.0
BEHIND = 19
TITLE = b"postgres:"


@dataclass(slots=True)
class Courtesy:
    """The processes of PostgreSQL that have been asked to wait, by pid."""

    asked: set[int] = field(default_factory=set)

    def ask(self, connection: Connection) -> None:
        """Asks the server's end of this connection."""
        self._ask(connection.info.backend_pid)

    def _ask(self, pid: int) -> None:
        if pid not in self.asked and _is_postgres(pid) and step_back(pid, BEHIND):
            self.asked.add(pid)

    async def run(self, database: Database) -> None:
        """Asks whatever the server does by itself (checkpoints, aggregates), for ever."""
        while True:
            with contextlib.suppress(Unavailable, psycopg.Error):
                pids = await database.run(store.background)
                # A copy: ``ask`` runs in the threads that write, at the same time.
                self.asked -= {pid for pid in self.asked.copy() if not _is_postgres(pid)}
                for pid in pids:
                    self._ask(pid)
            await asyncio.sleep(EVERY_S)


def _is_postgres(pid: int) -> bool:
    """Whether this is one of its processes here: its own word for it may be of another machine."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(TITLE)
    except OSError:
        return False
