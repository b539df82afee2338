"""The way past PostgreSQL: what must not wait is sent, kept, and brought in line.  A shell."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any

import psycopg
import structlog
from psycopg import Connection

from alerting import store
from alerting.fast import FastPath
from alerting.house.service import House
from alerting.notices import Push
from alerting.past.journal import Done, Entry, Journal, Named, Sent, Settled
from alerting.past.store import PastFile, settle
from lifeline.config import Router
from lifeline.db import Database
from lifeline.model import Finding
from lifeline.telemetry import now_ms

Log = structlog.stdlib.BoundLogger
Send = Callable[[Push, asyncio.Event], Awaitable[None]]
IN_LINE_S = 8.0


async def nowhere(_push: Push, _until: asyncio.Event) -> None:
    """Where pushes go until somebody says where."""


class Past:
    """What one router sends past PostgreSQL, and what it knows of what was sent before."""

    def __init__(
        self,
        settings: Router,
        house: House,
        log: Log,
        aside: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self.house, self.log, self._aside = house, log, aside
        self.fast = FastPath(house.wording, settings.fast_grade, paging=house.duty.paging)
        self.file, self.journal = PastFile(settings.past_folder), Journal()
        self.is_back = asyncio.Event()
        self.send: Send = nowhere

    def adopt(self) -> None:
        """Takes over what a router that was killed in an outage has sent."""
        try:
            self.journal.take(self.file.adopt())
        except OSError as error:
            self.log.warning("what went past PostgreSQL cannot be read", why=str(error))

    def renew(self) -> None:
        """Goes by the rules, windows and roster of now."""
        self.fast.wording, self.fast.windows = self.house.wording, self.house.windows
        self.fast.paging = self.house.duty.paging

    def begin(self) -> None:
        """An outage begins: what the outbox holds is sent."""
        self.is_back.clear()
        self._send(self.fast.begin(now_ms()))

    def take(self, findings: Sequence[Finding]) -> None:
        """Sends what cannot wait of these."""
        pushes, faults = self.fast.pass_by(findings, now_ms())
        for error in faults:
            # The finding that did this goes to quarantine when PostgreSQL is back.
            self.log.error("fast path begins anew", why=repr(error))
        self._send(pushes)

    def _send(self, pushes: Sequence[Push]) -> None:
        at_ms = now_ms()
        told = [Named(tell) for tell in self.fast.drain()]
        self._write([*told, *(Sent(push, at_ms) for push in pushes)])
        for push in pushes:
            self._aside(self._carry(push))

    async def _carry(self, push: Push) -> None:
        await self.send(push, self.is_back)

    def _write(self, entries: Sequence[Entry]) -> None:
        """Before it is sent; an alarm goes out whatever the disk says."""
        self.journal.take(entries)
        try:
            self.file.write(entries)
        except OSError as error:
            self.log.warning("what goes past PostgreSQL is not written down", why=str(error))

    def settled(self, keys: Iterable[str]) -> None:
        """A receiver has accepted these, or never will."""
        known = list(keys)
        self.fast.settle(known)
        past = self.journal
        self._write([Done(key) for key in known if key in past.sent and key not in past.done])

    async def bring_in_line(self, database: Database) -> None:
        """What is stored already learns what was sent past it, before anything is sent again."""
        if not self.journal.is_empty:
            past = self.journal.copy()
            self.in_line(await database.run(lambda c: self.settle(c, past), IN_LINE_S))

    def settle(self, connection: Connection, past: Journal) -> Settled:
        """The same in the transaction of whoever stores what comes now."""
        if past.is_empty:
            return Settled()
        try:
            with connection.transaction():
                return settle(connection, self.house.wording, past, store.now(connection))
        except psycopg.OperationalError:
            raise
        except Exception:
            self.log.exception("what went past PostgreSQL cannot be brought in line")
            return Settled()

    def in_line(self, settled: Settled) -> None:
        """That transaction is committed."""
        if self.journal.is_empty:
            return
        self.journal.settle(settled, now_ms())
        if self.journal.is_empty:
            with contextlib.suppress(OSError):
                self.file.clear()

    def close(self) -> None:
        """Lets its file go."""
        self.file.close()
