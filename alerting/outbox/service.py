"""Sends what the outbox holds, several at a time, until each receiver has accepted it.  A shell.

A message is leased, sent, and marked, each in its own short transaction: a crash between any two of
them sends it again under the same key.
"""

import asyncio
import os
import random
import secrets
import ssl
import time
import traceback
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import psycopg
import structlog

from alerting.notices import Push
from alerting.outbox import breaker, store
from alerting.outbox.breaker import Breaker
from alerting.outbox.contents import Contents
from alerting.outbox.messages import Leased, Message, Sent
from alerting.outbox.pace import Pace, pace_of
from lifeline import crashpoints, telemetry
from lifeline.channels.choice import Channel, channel_for
from lifeline.config import ConfigError, Settings
from lifeline.db import Database
from lifeline.errors import Busy, Mendable, Refused, Unavailable
from lifeline.store import read_secrets
from lifeline.targets import Target
from lifeline.telemetry import now_ms

Log = structlog.stdlib.BoundLogger
IN_FLIGHT = 8
POLL_S = 0.5
"""How long a notice that somebody else's transaction wrote may lie before it is seen."""
MARK_S = 4.0
MENDED_S = 10.0
"""Between two tries of a notice that was refused for a reason that somebody may be mending."""
STRANGE_TRIES = 20
"""Of a notice at which a way out fails as it never should: then it is a dead letter, and seen."""
MINUTE_S = 60.0


@dataclass(slots=True)
class Mailbox:
    """One target: its client, its breaker, and what is on the way to it."""

    target: Target
    channel: Channel
    pace: Pace | None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    breaker: Breaker = field(default_factory=Breaker)
    flying: dict[asyncio.Task[None], list[int]] = field(default_factory=dict)
    """With the numbers of the notices that each carries."""
    is_in_doubt: bool = False
    """A lease was asked for and nobody knows whether it was given."""
    past: deque[float] = field(default_factory=deque)
    """When messages went past PostgreSQL, in the last minute."""


@dataclass(slots=True)
class Tried:
    """What became of one try."""

    outcome: str
    """``delivered``, ``failed`` or ``refused``."""
    text: str
    error: Exception | None = None

    @property
    def code(self) -> str:
        """What the row of the attempt keeps."""
        return self.text.partition(":")[0][:60].replace("\0", "")


class Courier:
    """Takes notices from the outbox to their targets; raises ConfigError without its secrets.

    ``settled`` hears the keys that need no further try.
    """

    def __init__(
        self,
        whole: Settings,
        database: Database,
        log: Log,
        settled: Callable[[Iterable[str]], None],
    ) -> None:
        self.settings = settings = whole.router
        self.database = database
        self.log = log
        self.settled = settled
        self.contents = Contents(settings.public_url, whole.console.timezone, whole.grading)
        self.owner = f"lifeline router {os.getpid()} {secrets.token_hex(4)}"
        tls = ssl.create_default_context()
        self.is_paused = False
        """While PostgreSQL is away nothing is leased: what went past it must be brought in line."""
        self.boxes = {t.name: Mailbox(t, channel_for(t, tls), pace_of(t)) for t in settings.targets}
        if len(self.boxes) != len(settings.targets):
            raise ConfigError("router.targets: two targets bear one name. Rename one of them.")
        for target in settings.targets:
            for file in filter(None, (target.secret_file, target.token_file)):
                read_secrets(file)
            if settings.lease_s < target.timeout_s + MARK_S:
                raise ConfigError(
                    f"router.lease_s = {settings.lease_s:g} is too short for target {target.name}:"
                    f" set it to {target.timeout_s + MARK_S:g} or more."
                )

    def wake(self) -> None:
        """Says that the outbox has something new."""
        for box in self.boxes.values():
            box.wake.set()

    def loops(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """One endless loop a target, by its name."""
        return {name: partial(self._serve, box) for name, box in self.boxes.items()}

    async def _serve(self, box: Mailbox) -> None:
        while True:
            box.wake.clear()
            try:
                taken = await self._lease(box)
            except (Unavailable, psycopg.Error) as error:
                # What waits is safe in the outbox; PostgreSQL's return is somebody else's worry.
                taken, box.is_in_doubt = [], True
                if isinstance(error, psycopg.Error):
                    self.log.exception("notices wait", target=box.target.name)
                await asyncio.sleep(_jitter(1.0))
            for message in taken:
                box.breaker = breaker.begun(box.breaker, _steady_ms())
                task = asyncio.create_task(self._carry(box, message))
                box.flying[task] = [row.id for row in message.rows]
                task.add_done_callback(box.flying.pop)
            if not taken:
                await _wait(box.wake, POLL_S)
            elif len(box.flying) >= IN_FLIGHT:
                await asyncio.wait(box.flying, return_when=asyncio.FIRST_COMPLETED, timeout=POLL_S)

    async def _lease(self, box: Mailbox) -> list[Message]:
        state = box.breaker.state(_steady_ms())
        free = IN_FLIGHT - len(box.flying)
        limit = 0 if state == "open" else min(free, 1) if state == "trying" else free
        if limit <= 0 or self.is_paused:
            return []
        in_hand = [number for ids in box.flying.values() for number in ids]
        asked = store.Asked(
            box.target.name,
            self.owner,
            limit,
            self.settings.lease_s,
            max(self.settings.retry_s_max, MENDED_S),
            in_hand if box.is_in_doubt else None,
        )
        pace, bundle_s = box.pace, box.target.bundle_s
        taken = await self.database.run(
            lambda c: (
                store.lease(c, asked)
                if pace is None
                else store.lease_paced(c, asked, rule=pace, bundle_s=bundle_s)
            ),
            MARK_S,
        )
        box.is_in_doubt = False
        return taken

    async def _carry(self, box: Mailbox, message: Message) -> None:
        began = time.monotonic()
        crashpoints.reach("router.before-send")
        tried = await self._try(box, message)
        crashpoints.reach("router.after-send")
        latency_ms = round((time.monotonic() - began) * 1000)
        sent = self._outcomes(box, message, tried, latency_ms)
        self._tell(box, message, tried, sent)
        await self._mark(sent)
        crashpoints.reach("router.after-mark")
        box.wake.set()

    def _outcomes(
        self, box: Mailbox, message: Message, tried: Tried, latency_ms: int
    ) -> list[Sent]:
        rows, error = message.rows, tried.error
        # Of many in one message only one may be at fault: they go again, as mere counts.
        may_mend = isinstance(error, Mendable) or len(rows) > 1
        tries = self.settings.refused_attempts_max if may_mend else 1
        if not isinstance(error, Refused):
            tries = STRANGE_TRIES
        chance = random.random()  # noqa: S311 - jitter, not a secret
        longest_s = self.settings.retry_s_max
        wait_s = breaker.wait_s(max(row.attempts for row in rows), longest_s, chance)
        if tried.outcome == "refused":
            wait_s = max(wait_s, MENDED_S)
        if isinstance(error, Busy):
            wait_s = longest_s
        return [
            Sent(
                id=row.id,
                outcome=tried.outcome,
                code=tried.code,
                latency_ms=latency_ms,
                wait_s=wait_s,
                is_dead=tried.outcome == "refused" and row.refusals + 1 >= tries,
                channel=box.target.kind,
                message=message.id,
            )
            for row in rows
        ]

    def _tell(self, box: Mailbox, message: Message, tried: Tried, sent: list[Sent]) -> None:
        """Metrics, log, and whoever waits for the keys."""
        is_delivered = tried.outcome == "delivered"
        for row, one in zip(message.rows, sent, strict=True):
            outcome = "dead" if one.is_dead else tried.outcome
            telemetry.notices.labels(box.target.name, outcome).inc()
            if is_delivered and row.received_ms:
                telemetry.alarm_latency_seconds.observe((now_ms() - row.received_ms) / 1000)
        dead = [row.key for row, one in zip(message.rows, sent, strict=True) if one.is_dead]
        self.settled([row.key for row in message.rows] if is_delivered else dead)
        if not is_delivered:
            tell = self.log.error if dead else self.log.warning
            tell(
                "notice not delivered",
                target=box.target.name,
                key=message.rows[0].key,
                notices=len(sent),
                answer=tried.text,
            )

    async def _try(self, box: Mailbox, message: Message) -> Tried:
        settings = self.settings
        try:
            key, body = self.contents.of(box.target, message)
            code = await box.channel.send(key, body)
        except Refused as error:
            box.breaker = breaker.Breaker()  # an answer, be it a refusal: the receiver is there
            return Tried("refused", str(error), error)
        except Unavailable as error:
            box.breaker = breaker.failed(
                box.breaker, _steady_ms(), settings.breaker_failures, settings.breaker_open_s
            )
            return Tried("failed", str(error), error)
        except Exception as error:
            # A mistake of ours or of a library's.  It must neither stop what waits behind it nor be
            # repeated for ever where nobody sees it.  What it says may hold a robot's key.
            at = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{at.filename}:{at.lineno}"
            self.log.error("a way out fails strangely", target=box.target.name, where=where)  # noqa: TRY400
            box.breaker = breaker.Breaker()
            return Tried("refused", type(error).__name__, error)
        box.breaker = breaker.Breaker()
        return Tried("delivered", code)

    async def _mark(self, sent: list[Sent]) -> None:
        """Writes the outcome down; after a few tries the lease runs out and it is sent again."""
        for attempt in range(3):
            try:
                await self.database.run(lambda c: store.mark(c, sent), MARK_S)
                return
            except Unavailable:
                await asyncio.sleep(_jitter(0.3 * 2**attempt))
            except psycopg.Error:
                self.log.exception("outcome refused", notice=sent[0].id, outcome=sent[0].outcome)
                return
        self.log.warning("outcome not written", notice=sent[0].id, outcome=sent[0].outcome)

    async def push_now(self, push: Push, until: asyncio.Event) -> None:
        """Sends a notice past the outbox until it is accepted, refused, or ``until``."""
        box = self.boxes[push.target]
        message = Message((_leased(push),))
        attempts = 0
        while True:
            while not _has_room(box):
                if await _wait(until, 1.0):
                    return
            tried = await self._try(box, message)
            telemetry.notices.labels(push.target, tried.outcome).inc()
            if tried.outcome == "delivered":
                telemetry.fast_path.inc()
                self.settled([push.key])
                self.log.warning("pushed without PostgreSQL", key=push.key, incident=push.incident)
                return
            self.log.warning(
                "notice not delivered", target=push.target, key=push.key, answer=tried.text
            )
            if isinstance(tried.error, Refused):
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


def _leased(push: Push) -> Leased:
    return Leased(
        id=0,
        key=push.key,
        body=push.body,
        incident=push.incident,
        target=push.target,
        attempts=0,
        refusals=0,
        received_ms=push.received_ms,
        grade=push.grade,
        is_page=push.is_page,
        address=push.address,
        language=push.language,
    )


def _has_room(box: Mailbox) -> bool:
    """Whether a receiver who counts takes another message past PostgreSQL; then it is counted."""
    now_s = time.monotonic()
    while box.past and now_s - box.past[0] > MINUTE_S:
        box.past.popleft()
    if box.pace is not None and len(box.past) >= box.pace.per_minute:
        return False
    box.past.append(now_s)
    return True


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
