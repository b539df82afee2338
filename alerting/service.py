"""The router: findings from Kafka into incidents and notices, as PostgreSQL has it.  A shell.

Every router reads every partition, without a consumer group: PostgreSQL's fenced next offset
decides who has folded a batch, whoever comes second reads on from there, and a router that dies is
not waited for.  While PostgreSQL is away the gravest findings are pushed past it, and all are read
again when it is back.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Coroutine
from typing import Any

import psycopg
import structlog
from aiokafka import ConsumerRecord, TopicPartition
from psycopg import Connection

from alerting import store
from alerting.audit.service import Sealer
from alerting.chores import service as chores
from alerting.evidence.service import Keeper
from alerting.exchange.service import Exchange
from alerting.fast import quarantined
from alerting.feed.service import Feed
from alerting.house.service import House
from alerting.ledger.store import Contended, Folded, contended, is_poison
from alerting.notices import Wording
from alerting.outbox import store as outbox
from alerting.outbox.service import Courier
from alerting.past.journal import Settled
from alerting.past.service import Past
from alerting.places.service import Batches, Place, Places
from alerting.plain import plainer
from alerting.timer.service import Timer
from lifeline import crashpoints, telemetry, wire
from lifeline.catalog import Catalog
from lifeline.config import Settings
from lifeline.db import SERVICE_ROLE, Database, begin_progress, move_progress, quarantine
from lifeline.errors import Refused, Unavailable
from lifeline.model import CANARY, Finding
from lifeline.telemetry import Health

Log = structlog.stdlib.BoundLogger
FETCH_MS = 100
COMPANY_S = 0.05
"""After a batch the next one waits so long from its beginning: findings that come thick share a
transaction, whose cost is mostly its own.  One that comes alone waits for nothing."""
RECORDS_MAX = 500
FOLD_S = 8.0
"""A batch folds in far less; a server that is stopped must not hold an alarm for longer."""
PROBE_S = 3.0
CONTENDED_MAX = 5
GAUGES_S = 5
SWEEP_S = 600
CANARY_KEPT_S = 3600.0
AWAY = "PostgreSQL is away: only the gravest findings are pushed"


class Fenced(Exception):
    """Another router has gone on from where this one believed to be."""


class Router:
    """The reading side: positions, batches, and the way past PostgreSQL when it is away."""

    def __init__(self, settings: Settings, catalog: Catalog, health: Health, log: Log) -> None:
        self.settings, self.health, self.log = settings, health, log
        connections = settings.postgres.pool_max + 3
        self.database = Database(settings.postgres, connections, role=SERVICE_ROLE)
        self.house = House(settings, catalog, log)
        tables = self.house.tables
        self.exchange = Exchange(settings, self.database, log, tables, lambda: self.house.catalog)
        self.feed = Feed(settings.kafka, self.database, log)
        self.sealer = Sealer(settings.audit, self.database, log)
        self.keeper = Keeper(settings, self.database, log)
        self.past = Past(settings.router, self.house, log, self._aside)
        self.courier = Courier(settings, self.database, log, self.past.settled)
        self.past.send = self.courier.push_now
        self.noted: dict[TopicPartition, int] = {}
        self.is_away = False
        self.side: set[asyncio.Task[None]] = set()
        numbers = range(settings.kafka.partitions)
        partitions = [TopicPartition(wire.FINDINGS, number) for number in numbers]
        self.places = Places(settings.kafka, partitions, log)

    async def start(self) -> None:
        """Looks for PostgreSQL; raises Refused where its tables are missing.

        Without it it waits 3 s, says so, and goes on past it.
        """
        await asyncio.to_thread(self.past.adopt)
        try:
            await self.database.run(self._check_tables, self.settings.router.fast_after_s)
            await self.past.bring_in_line(self.database)
        except (Unavailable, psycopg.NotSupportedError) as error:
            self._leave(str(error))

    def _check_tables(self, connection: Connection) -> None:
        row = connection.execute("select to_regclass('outbox') is not null").fetchone()
        if row is None or not row[0]:
            raise Refused("router: its tables are not there: run `lifeline migrate`.")
        store.keep_grades(connection, self.settings.grading)

    async def read(self) -> None:
        """Reads and folds for ever, from when Kafka is there."""
        clock = asyncio.get_running_loop().time
        await self.places.meet(self.health)
        self.health.problem = AWAY if self.is_away else self.health.problem
        while True:
            await self._learn()
            # Its own limit is enough: what another one cut off would be lost to the next call.
            batches = await self.places.fetch(FETCH_MS, RECORDS_MAX)
            if self.is_away:
                self._pass_by(batches)
                continue
            began_s = clock()
            try:
                await self._fold_all(batches)
            except Unavailable as error:
                left = self.places.left(batches)
                self._leave(str(error))
                self._pass_by(left)
            if batches:
                await asyncio.sleep(began_s + COMPANY_S - clock())

    async def _learn(self) -> None:
        """Asks PostgreSQL for the positions that are not known, and goes there."""
        unknown = self.places.unknown()
        if not unknown or self.is_away:
            return
        numbers = [p.partition for p in unknown]
        try:
            known = await self.database.run(
                lambda c: begin_progress(c, store.CONSUMER, wire.FINDINGS, numbers), FOLD_S
            )
        except (Unavailable, psycopg.Error) as error:
            self._leave(str(error))
            return
        try:
            await self.places.go(unknown, known)
        except Unavailable as error:
            self.log.warning("Kafka does not say how far it is", why=str(error))
        else:
            self.health.problem = ""

    async def _fold_all(self, batches: Batches) -> None:
        """Folds what came, all in one transaction; what cannot be is folded in smaller parts."""
        rest = self.places.to_fold(batches)
        if not rest:
            return
        try:
            await self._fold(rest)
        except Unavailable:
            raise
        except Exception as error:
            is_fenced = isinstance(error, Fenced)
            if not (is_fenced or is_poison(error)):
                raise Unavailable(f"PostgreSQL refuses: {error}") from error
            if len(rest) == 1 and is_fenced:
                telemetry.fenced.labels("router").inc()
                self.places.of[next(iter(rest))] = Place()
            elif sum(map(len, rest.values())) == 1:
                await self._fold_plainly(rest, f"{type(error).__name__}: {error}")
            else:
                alone = [{p: [r]} for p, b in rest.items() for r in b]
                for part in [{p: b} for p, b in rest.items()] if len(rest) > 1 else alone:
                    await self._fold_all(part)

    async def _fold_plainly(self, batches: Batches, why: str) -> None:
        """Folds one record by fewer of the house's rules; what fails by none goes to quarantine."""
        for left_out, wording in plainer(self.house.wording):
            try:
                await self._fold(batches, wording=wording, left_out=left_out, why=why)
            except Unavailable:
                raise
            except Fenced:
                telemetry.fenced.labels("router").inc()
                self.places.of[next(iter(batches))] = Place()
                return
            except Exception as error:
                if not is_poison(error):
                    raise Unavailable(f"PostgreSQL refuses: {error}") from error
                why = f"{type(error).__name__}: {error}"
                continue
            telemetry.findings_plain.labels(left_out).inc()
            self.log.error("a finding was folded without rules", left_out=left_out, why=why)
            return
        await self._fold(batches, why)

    async def _fold(
        self,
        batches: Batches,
        verdict: str = "",
        *,
        wording: Wording | None = None,
        left_out: str = "",
        why: str = "",
    ) -> None:
        """Folds records and moves on, in one transaction; with a ``verdict``: to quarantine.

        ``left_out`` of the rules of the house, where one of them fails on it, and ``why``.
        """
        rules = wording or self.house.wording
        findings: list[Finding] = []
        records = list(itertools.chain.from_iterable(batches.values()))
        poison: list[tuple[ConsumerRecord, str]] = [(r, verdict) for r in records if verdict]
        for record in () if verdict else records:
            try:
                findings.append(wire.decode_finding(record.value or b""))
            except wire.Malformed as error:
                poison.append((record, str(error)))
        following = {p: batch[-1].offset + 1 for p, batch in batches.items()}
        moves = [(p.partition, self.places.of[p].expected, n) for p, n in sorted(following.items())]

        past, settled = self.past.journal.copy(), [Settled()]

        def work(connection: Connection) -> Folded:
            if not move_progress(connection, store.CONSUMER, wire.FINDINGS, moves):
                raise Fenced
            for r, said in poison:
                quarantine(connection, r.topic, r.partition, r.offset, said, r.value or b"")
            for r in records if verdict else ():
                grade = self.settings.router.fast_grade
                told = quarantined(self.house.wording, r.value or b"", grade)
                outbox.put(connection.cursor(), told, {})
            folded = store.fold(connection, rules, findings)
            settled.append(self.past.settle(connection, past))
            if left_out:
                store.note_plain(connection, findings, left_out, why)
            crashpoints.reach("router.before-commit")
            return folded

        folded = await self._run(work)
        crashpoints.reach("router.after-commit")
        self.past.in_line(settled[-1])
        for partition, after in following.items():
            self.noted[partition] = after
            self.places.of[partition] = Place(True, after, after)
        self.past.fast.heard(findings)
        if poison:
            telemetry.records_poison.labels(wire.FINDINGS).inc(len(poison))
            self.courier.wake()
            self.log.error("findings quarantined", n=len(poison), reason=poison[0][1])
        self._wake(folded)

    async def _run(self, work: Callable[[Connection], Folded]) -> Folded:
        for attempt in range(CONTENDED_MAX):
            try:
                return await self.database.run(contended(work), FOLD_S)
            except Contended as error:
                self.log.warning("lost a race", why=str(error))
                await asyncio.sleep(0.02 * 2**attempt)
        raise Unavailable(f"lost {CONTENDED_MAX} races for one batch: is a key not unique?")

    def _wake(self, folded: Folded) -> None:
        for incident in folded.opened:
            telemetry.incidents_opened.labels(incident.lifeline).inc()
            if incident.lifeline != CANARY:
                self.log.warning(
                    "incident opened",
                    incident=incident.id,
                    asset=incident.asset,
                    grade=incident.grade,
                )
        if folded.pushes:
            self.past.fast.owe(folded.pushes)
            self.courier.wake()
        if folded.changes:
            self.feed.wake.set()

    async def note(self) -> None:
        """Notes on Kafka how far PostgreSQL is, and measures what waits, for ever."""
        for second in itertools.count():
            await asyncio.sleep(1.0)
            noted, self.noted = self.noted, {}
            if noted:
                with contextlib.suppress(Unavailable):
                    await self.places.note(noted)
            if self.is_away or second % GAUGES_S:
                continue
            with contextlib.suppress(Unavailable, psycopg.Error):
                await self._measure()
                if second % SWEEP_S == 0:
                    await self.database.run(lambda c: outbox.sweep(c, CANARY_KEPT_S))

    def renew(self) -> None:
        """The way past PostgreSQL goes by the rules and windows of now."""
        self.past.renew()

    async def _measure(self) -> None:
        waiting, oldest_s = await self.database.run(
            lambda c: (outbox.waiting(c), outbox.oldest_open_s(c))
        )
        for target in self.settings.router.targets:
            telemetry.notices_waiting.labels(target.name).set(waiting.get(target.name, 0))
        telemetry.incident_unacked_age_seconds.set(oldest_s)
        if owed := list(self.past.fast.owed):
            self.past.fast.settle(await self.database.run(lambda c: outbox.settled(c, owed)))

    # While PostgreSQL is away.

    def _leave(self, why: str) -> None:
        """PostgreSQL is away: nothing is known, until the probe finds it again."""
        if self.is_away:
            return
        self.is_away = self.courier.is_paused = True
        self.places.forget()
        self.health.problem = AWAY
        self.log.error("PostgreSQL is away", why=why)
        self.past.begin()
        self._aside(self._probe())

    async def _probe(self) -> None:
        while True:
            try:
                await self.database.run(self._check_tables, PROBE_S)
                await self.past.bring_in_line(self.database)
                break
            except (Unavailable, Refused, psycopg.Error):
                await asyncio.sleep(PROBE_S / 10)
            except Exception:  # our bug: a router that stopped looking would stay away for ever
                self.log.exception("PostgreSQL cannot be taken up again yet")
                await asyncio.sleep(PROBE_S)
        self.is_away = self.courier.is_paused = False
        self.past.is_back.set()
        self.courier.wake()
        self.log.warning("PostgreSQL is back: findings are read again from where it stands")

    def _pass_by(self, batches: Batches) -> None:
        """Pushes what cannot wait for PostgreSQL.  Offsets stay: everything will be read again."""
        findings = []
        for record in itertools.chain.from_iterable(batches.values()):
            with contextlib.suppress(wire.Malformed):
                findings.append(wire.decode_finding(record.value or b""))
        self.past.take(findings)

    def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.side.add(task)
        task.add_done_callback(self.side.discard)

    def loops(self) -> dict[str, chores.Loop]:
        """All that runs for ever besides reading, by name."""
        database, house, wake = self.database, self.house, self.courier.wake
        wording, is_away = lambda: house.wording, lambda: self.is_away
        timer = Timer(self._run, wording, self._wake, self._leave, is_away, self.log)
        return {
            "time": timer.go,
            "note": self.note,
            "feed": self.feed.run,
            "regimes": self.exchange.switch,
            "zones": self.exchange.share,
            "house": lambda: house.watch(database, self.renew),
            "roster": lambda: house.duty.run(database, wake),
            "evidence": self.keeper.run,
            "seal": self.sealer.seal,
            "anchor": self.sealer.anchor,
            **chores.loops(self.settings, database, house, wake, self.log),
            **{f"target {name}": loop for name, loop in self.courier.loops().items()},
        }

    async def close(self) -> None:
        """Ends everything, each part within its limit."""
        for task in self.side:
            task.cancel()
        await self.places.close()
        await self.feed.close()
        await self.exchange.close()
        await self.courier.close()
        self.past.close()
        await asyncio.to_thread(self.database.close)


async def run(
    settings: Settings, catalog: Catalog, health: Health, log: Log, stop: asyncio.Event
) -> None:
    """Runs until told to stop; raises ConfigError, Unavailable or Refused when it cannot start."""
    router = Router(settings, catalog, health, log)
    tasks: list[asyncio.Task[Any]] = []
    try:
        await router.start()
        kept = (chores.kept(loop, name, log) for name, loop in router.loops().items())
        tasks = [asyncio.create_task(loop) for loop in (router.read(), stop.wait(), *kept)]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()  # Reading that ended by itself says why.
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await router.close()
