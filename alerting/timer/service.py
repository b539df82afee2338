"""Meets the deadlines that have come, for ever.  A shell.

All that have come are met in one transaction.  Where that fails for what they are, and not for the
server, each is met alone, and one that fails is put off: reminders of every other incident must not
wait for it.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import psycopg
import structlog
from psycopg import Connection

from alerting import store
from alerting.ledger.store import Folded, is_poison
from alerting.notices import Wording
from alerting.plain import plainer
from alerting.timer.store import keep_time
from lifeline import crashpoints, telemetry
from lifeline.errors import Unavailable

Log = structlog.stdlib.BoundLogger
TIMER_S = 0.25
CLOCK_TURNS = 8
"""PostgreSQL's own clock is looked at every so many turns."""
PUT_OFF_S = 30.0

Run = Callable[[Callable[[Connection], Folded]], Awaitable[Folded]]
"""Runs a transaction again where it loses a race; raises Unavailable."""


@dataclass(slots=True)
class Timer:
    """A router's clockwork; ``leave`` is told why PostgreSQL is away, ``wake`` what was changed."""

    run: Run
    wording: Callable[[], Wording]
    wake: Callable[[Folded], None]
    leave: Callable[[str], None]
    is_away: Callable[[], bool]
    log: Log

    async def go(self) -> None:
        """For ever."""
        for turn in itertools.count():
            await asyncio.sleep(TIMER_S)
            if self.is_away():
                continue
            try:
                if turn % CLOCK_TURNS == 0:
                    await self._keep_time()
                await self._meet()
            except (Unavailable, psycopg.Error) as error:
                self.leave(str(error))

    async def _keep_time(self) -> None:
        back_s = 0.0

        def look(connection: Connection) -> Folded:
            nonlocal back_s
            back_s = keep_time(connection)
            return Folded()

        await self.run(look)
        if back_s:
            self.log.error("PostgreSQL's clock was set back, people's clocks with it", by_s=back_s)

    async def _meet(self) -> None:
        try:
            self._met(await self.run(lambda c: store.fire(c, self.wording())))
        except Exception as error:
            if not is_poison(error):
                raise
            await self._meet_apart()

    async def _meet_apart(self) -> None:
        due: list[store.Due] = []

        def look(connection: Connection) -> Folded:
            due[:] = store.due(connection)
            return Folded()

        await self.run(look)
        for one in due:
            try:
                await self._meet_one(one)
            except Exception as error:
                if not is_poison(error):
                    raise
                telemetry.deadlines_failed.inc()
                why = f"{type(error).__name__}: {error}"
                self.log.exception(
                    "a deadline cannot be met", kind=one.kind, of=one.subject, why=why
                )
                await self.run(lambda c, o=one: store.put_off(c, o, PUT_OFF_S))  # type: ignore[misc]

    async def _meet_one(self, one: store.Due) -> None:
        """Meets one, by fewer of the house's rules where one of them fails on it."""
        whole = self.wording()
        *tried, (left_out, plain) = [("", whole), *plainer(whole)]
        for name, wording in tried:
            try:
                self._met(await self.run(lambda c, w=wording: store.fire(c, w, [one])))  # type: ignore[misc]
            except Exception as error:
                if not is_poison(error):
                    raise
                continue
            if name:
                telemetry.findings_plain.labels(name).inc()
                self.log.error("a deadline was met without rules", left_out=name, of=one.subject)
            return
        self._met(await self.run(lambda c: store.fire(c, plain, [one])))
        telemetry.findings_plain.labels(left_out).inc()
        self.log.error("a deadline was met without rules", left_out=left_out, of=one.subject)

    def _met(self, folded: Folded) -> None:
        if folded.met:
            crashpoints.reach("router.after-deadline")
        self.wake(folded)
