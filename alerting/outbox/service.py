"""Sends what the outbox holds, several at a time, until each receiver has accepted it.  A shell.

A notice is leased, sent, and marked, each in its own short transaction: a crash between any two of
them sends it again under the same key.
"""

import asyncio
import os
import random
import secrets
import ssl
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

import structlog

from alerting.notices import Push
from alerting.outbox import breaker, store
from alerting.outbox.breaker import Breaker
from alerting.outbox.store import Leased, Sent
from lifeline import crashpoints, telemetry
from lifeline.channels.webhook import MENDABLE, Webhook
from lifeline.config import ConfigError, Router, Target
from lifeline.db import Database
from lifeline.errors import Refused, Unavailable
from lifeline.store import read_secret
from lifeline.telemetry import now_ms

Log = structlog.stdlib.BoundLogger
IN_FLIGHT = 8
POLL_S = 0.5
"""How long a notice that somebody else's transaction wrote may lie before it is seen."""
MARK_S = 4.0
MENDED_S = 10.0
"""Between two tries of a notice that was refused for a reason that somebody may be mending."""


@dataclass(slots=True)
class Mailbox:
    """One target: its client, its breaker, and what is on the way to it."""

    target: Target
    channel: Webhook
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    breaker: Breaker = field(default_factory=Breaker)
    flying: set[asyncio.Task[None]] = field(default_factory=set)


class Courier:
    """Takes notices from the outbox to their targets; raises ConfigError without its secrets.

    ``settled`` hears the keys that need no further try.
    """

    def __init__(
        self,
        settings: Router,
        database: Database,
        log: Log,
        settled: Callable[[Iterable[str]], None],
    ) -> None:
        self.settings = settings
        self.database = database
        self.log = log
        self.settled = settled
        self.owner = f"lifeline router {os.getpid()} {secrets.token_hex(4)}"
        tls = ssl.create_default_context()
        self.boxes = {t.name: Mailbox(t, Webhook(t, tls)) for t in settings.targets}
        if len(self.boxes) != len(settings.targets):
            raise ConfigError("router.targets: two targets bear one name. Rename one of them.")
        for target in settings.targets:
            read_secret(target.secret_file)
            if settings.lease_s < target.timeout_s + MARK_S:
                raise ConfigError(
                    f"router.lease_s = {settings.lease_s:g} is too short for target {target.name}:"
                    f" set it to {target.timeout_s + MARK_S:g} or more."
                )

    def wake(self) -> None:
        """Says that the outbox has something new."""
        for box in self.boxes.values():
            box.wake.set()

    def loops(self) -> list[Coroutine[Any, Any, None]]:
        """One endless loop a target."""
        return [self._serve(box) for box in self.boxes.values()]

    async def _serve(self, box: Mailbox) -> None:
        while True:
            box.wake.clear()
            try:
                taken = await self._lease(box)
            except Unavailable:
                # What waits is safe in the outbox; PostgreSQL's return is somebody else's worry.
                taken = []
                await asyncio.sleep(_jitter(1.0))
            for notice in taken:
                box.breaker = breaker.begun(box.breaker, _steady_ms())
                task = asyncio.create_task(self._carry(box, notice))
                box.flying.add(task)
                task.add_done_callback(box.flying.discard)
            if not taken:
                await _wait(box.wake, POLL_S)
            elif len(box.flying) >= IN_FLIGHT:
                await asyncio.wait(box.flying, return_when=asyncio.FIRST_COMPLETED, timeout=POLL_S)

    async def _lease(self, box: Mailbox) -> list[Leased]:
        state = box.breaker.state(_steady_ms())
        free = IN_FLIGHT - len(box.flying)
        limit = 0 if state == "open" else min(free, 1) if state == "trying" else free
        if limit <= 0:
            return []
        name, lease_s = box.target.name, self.settings.lease_s
        return await self.database.run(
            lambda c: store.lease(c, name, self.owner, limit=limit, lease_s=lease_s), MARK_S
        )

    async def _carry(self, box: Mailbox, notice: Leased) -> None:
        began = time.monotonic()
        crashpoints.reach("router.before-send")
        outcome, text = await self._try(box, notice.key, notice.body)
        crashpoints.reach("router.after-send")
        latency_ms = round((time.monotonic() - began) * 1000)
        code = text.partition(":")[0][:60]
        tries = self.settings.refused_attempts_max if code in MENDABLE else 1
        is_dead = outcome == "refused" and notice.refusals + 1 >= tries
        chance = random.random()  # noqa: S311 - jitter, not a secret
        wait_s = breaker.wait_s(notice.attempts, self.settings.retry_s_max, chance)
        if outcome == "refused":
            wait_s = max(wait_s, MENDED_S)
        sent = Sent(notice.id, outcome, code, latency_ms, wait_s, is_dead)
        telemetry.notices.labels(box.target.name, "dead" if is_dead else outcome).inc()
        if outcome == "delivered" and notice.received_ms:
            telemetry.alarm_latency_seconds.observe((now_ms() - notice.received_ms) / 1000)
        if outcome != "delivered":
            tell = self.log.error if is_dead else self.log.warning
            tell("notice not delivered", target=box.target.name, key=notice.key, answer=text)
        if outcome == "delivered" or is_dead:
            self.settled([notice.key])
        await self._mark(sent)
        crashpoints.reach("router.after-mark")
        box.wake.set()

    async def _try(self, box: Mailbox, key: str, body: bytes) -> tuple[str, str]:
        settings = self.settings
        try:
            code = await box.channel.send(key, body)
        except Refused as error:
            box.breaker = breaker.Breaker()  # an answer, be it a refusal: the receiver is there
            return "refused", str(error)
        except Unavailable as error:
            box.breaker = breaker.failed(
                box.breaker, _steady_ms(), settings.breaker_failures, settings.breaker_open_s
            )
            return "failed", str(error)
        box.breaker = breaker.Breaker()  # an answer, be it a refusal: the receiver is there
        return "delivered", code

    async def _mark(self, sent: Sent) -> None:
        """Writes the outcome down; after a few tries the lease runs out and it is sent again."""
        for attempt in range(3):
            try:
                await self.database.run(lambda c: store.mark(c, sent), MARK_S)
                return
            except Unavailable:
                await asyncio.sleep(_jitter(0.3 * 2**attempt))
        self.log.warning("outcome not written", notice=sent.id, outcome=sent.outcome)

    async def push_now(self, push: Push, until: asyncio.Event) -> None:
        """Sends a notice past the outbox until it is accepted, refused, or ``until``."""
        box = self.boxes[push.target]
        attempts = 0
        while True:
            outcome, text = await self._try(box, push.key, push.body)
            telemetry.notices.labels(push.target, outcome).inc()
            if outcome == "delivered":
                telemetry.fast_path.inc()
                self.settled([push.key])
                self.log.warning("pushed without PostgreSQL", key=push.key, incident=push.incident)
                return
            self.log.warning("notice not delivered", target=push.target, key=push.key, answer=text)
            if outcome == "refused":
                return
            chance = random.random()  # noqa: S311 - jitter, not a secret
            pause_s = breaker.wait_s(attempts, min(5.0, self.settings.retry_s_max), chance)
            attempts += 1
            if await _wait(until, pause_s):
                return  # PostgreSQL is back, and the outbox will hold it.

    async def close(self) -> None:
        """Gives what is on its way 2 s to arrive, then ends the connections."""
        flying = {task for box in self.boxes.values() for task in box.flying}
        if flying:
            _, late = await asyncio.wait(flying, timeout=2.0)
            for task in late:
                task.cancel()
        for box in self.boxes.values():
            await box.channel.close()


async def _wait(event: asyncio.Event, limit_s: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), limit_s)
    except TimeoutError:
        return False
    return True


def _steady_ms() -> int:
    """A clock that nobody sets: an open breaker must not wait for the wall's to come round."""
    return round(time.monotonic() * 1000)


def _jitter(seconds: float) -> float:
    return seconds * (0.5 + random.random() / 2)  # noqa: S311 - jitter, not a secret
