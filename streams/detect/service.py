"""The detect worker: records in order, findings durable before their offset.  A shell."""

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
import structlog

from detectors.plan import Plan, PlanError, compile_plan
from lifeline import crashpoints, telemetry, wire
from lifeline.catalog import Catalog
from lifeline.config import Settings
from lifeline.db import Database
from lifeline.errors import Refused, Unavailable
from lifeline.grades import Grading
from lifeline.log.service import Publisher, Reader, Record, Send
from lifeline.store import CatalogFile
from streams import store
from streams.detect.recovery.service import Recovery
from streams.detect.shadow.service import Shadows, Written
from streams.detect.waves import readings_of
from streams.partition import Outcome, Partition, blank, devices_by_partition, squeeze
from streams.service import EXIT_BUG, Worker

Log = structlog.stdlib.BoundLogger

GROUP = "lifeline.detect"
FAILURES_MAX = 3
"""A record that ended the process this often is parked."""
SNAPSHOT_BYTES_PER_S = 2_000_000
"""PostgreSQL gets no more than this in snapshots: a large city takes them more rarely."""
RELOAD_S = 2.0
BEHIND_S = 15.0
SETTLED_S = 1.0


@dataclass(slots=True)
class Kept:
    """One partition as this process holds it."""

    state: Partition
    expected: int
    """The next offset that the state knows nothing of."""
    catalog: str
    saved_s: float
    saved_offset: int = -1
    bytes: int = 0


@dataclass(slots=True)
class Packed:
    """A snapshot of one moment between two records."""

    body: bytes
    offset: int
    beside: Written | None

    def squeezed(self) -> tuple[bytes, bytes | None]:
        """Both parts as they are stored."""
        shadow = self.beside.body if self.beside is not None else None
        return squeeze(self.body), None if shadow is None else squeeze(shadow)


class Detect:
    """The bodies of the worker, and what they keep."""

    def __init__(
        self, settings: Settings, catalog: Catalog, health: telemetry.Health, log: Log
    ) -> None:
        self.settings, self.health, self.log = settings, health, log
        self.catalog = catalog
        self.plan = plan_of(catalog, settings.grading)
        self.devices = devices_by_partition(catalog, settings.kafka.partitions)
        self.settling: asyncio.TimerHandle | None = None
        self.publisher = Publisher(settings.kafka, GROUP)
        self.database = Database(settings.postgres, connections=2)
        self.recovery = Recovery(
            self.database, Reader(settings.kafka, GROUP), settings, health, log
        )
        self.failures = store.Failures(
            Path(settings.catalog.compiled).parent / "detect-failures.json"
        )
        self.failures.load()
        self.kept: dict[int, Kept] = {}
        self.shadows = Shadows(settings, log)
        self.shadows.take_over(catalog)
        self.saving: asyncio.Task[None] | None = None

    def assigned(self, held: Mapping[str, set[int]]) -> None:
        """Forgets partitions that another worker has now; called at every assignment."""
        for number in set(self.kept) - held[wire.READINGS]:
            del self.kept[number]
            self.shadows.forget(number)
        self._resuming()

    def _resuming(self) -> None:
        """Not ready until no partition has had to be resumed for a moment: they come one by one."""
        self.health.problem = "resuming partitions"
        if self.settling is not None:
            self.settling.cancel()
        self.settling = asyncio.get_running_loop().call_later(SETTLED_S, self._settle)

    def _settle(self) -> None:
        self.settling = None
        self.health.problem = ""

    def _tell_health(self, behind_s: float) -> None:
        if self.settling is None:
            self.health.problem = f"{behind_s:.0f} s behind" if behind_s > BEHIND_S else ""

    async def readings(self, record: Record) -> None:
        """The body of ``lifeline.readings``."""
        kept = self.kept.get(record.partition)
        if kept is None or record.offset > kept.expected:
            kept = await self._recover(record, kept)
        if record.offset < kept.expected:
            return
        if kept.catalog != self.catalog.digest:
            self._adopt(record.partition, kept)
        await self._work(kept, record)
        self._save_if_due(record.partition, kept)

    async def waves(self, record: Record) -> None:
        """The body of ``lifeline.waves``: a block becomes readings of its features.

        A block touches no state, so one that fails is parked at once: no alarm waits for it.
        """
        try:
            send = self._reduced(record)
        except wire.Malformed as error:
            await self._park(record, str(error))
        except Exception as error:  # our bug: never a crash loop, never a silent skip
            self.log.critical("detect failed on a block", trace=_trace(record), exc_info=error)
            await self._park(record, f"failed: {error!r}")
        else:
            await self._send([send])

    def _reduced(self, record: Record) -> Send:
        made = readings_of(wire.decode_wave(record.value), self.catalog)
        if isinstance(made, wire.Reject):
            telemetry.rejects.labels(made.reason).inc()
            body, topic, partition = wire.encode_reject(made), wire.REJECTS, None
        else:
            body, topic, partition = wire.encode_batch(made), wire.READINGS, record.partition
        is_drill = record.header("drill") is not None
        headers = wire.headers(topic, trace=_trace(record), drill=is_drill)
        return Send(topic, partition, None, body, headers)

    async def _recover(self, record: Record, kept: Kept | None) -> Kept:
        """The partition at ``record.offset``, by its newest snapshot and the records between."""
        number, offset = record.partition, record.offset
        held = None if kept is None else (kept.state, kept.expected)
        base = await self.recovery.base(lambda: self._blank(number), number, record, held)
        if kept is None or base.state is not kept.state:
            self.shadows.begin(number, base.shadow)
        kept = Kept(base.state, base.start, self.catalog.digest, self._first_save_s(number))
        while kept.expected < offset:
            try:
                async for records in self.recovery.between(number, kept.expected, offset):
                    for one in records:
                        await self._work(kept, one)
                    await asyncio.sleep(0)
                kept.expected = max(kept.expected, offset)
            except Unavailable as error:
                self.log.warning("re-reading waits for Kafka", partition=number, why=str(error))
                await asyncio.sleep(1.0)
        self.kept[number] = kept
        self._resuming()
        telemetry.recoveries.labels("detect").inc()
        self.log.info("partition resumed", partition=number, start=base.start, offset=offset)
        return kept

    def _first_save_s(self, number: int) -> float:
        """Spreads the snapshots of the partitions over the interval."""
        share = number % self.settings.kafka.partitions / self.settings.kafka.partitions
        return time.monotonic() - self.settings.detect.snapshot_s * share

    def _blank(self, number: int) -> Partition:
        detect = self.settings.detect
        return blank(
            self.catalog,
            self.plan,
            number,
            self.settings.kafka.partitions,
            lateness_s=detect.lateness_s,
            held_s=detect.held_s,
            devices=self.devices[number],
        )

    async def _work(self, kept: Kept, record: Record) -> None:
        """One record into the state, and what follows from it onto Kafka; moves ``expected``."""
        failed = self.failures.of(record.topic, record.partition, record.offset)
        if failed < FAILURES_MAX:
            try:
                outcome = self._step(kept.state, record)
            except wire.Malformed as error:
                await self._park(record, str(error))
                outcome = Outcome()
            except Exception as error:  # our bug: never a crash loop, never a silent skip
                await self._give_up(record, error)
                return
            for rule, why in outcome.failed:
                telemetry.detectors_failed.labels(rule).inc()
                self.log.critical(
                    "a detector failed and begins blank", trace=_trace(record), why=why
                )
            if outcome.findings or outcome.derived is not None:
                await self._publish(record, outcome)
            if outcome.heard is not None:
                # Last of all: what is only tried delays nothing that is live.
                self.shadows.hear(record.partition, *outcome.heard, _trace(record))
        kept.expected = record.offset + 1

    def _step(self, state: Partition, record: Record) -> Outcome:
        if record.header("schema") == wire.CONTEXT_SCHEMA:
            told = wire.decode_context(record.value)
            state.context(told)
            self.shadows.context(record.partition, told)
            return Outcome()
        batch = wire.decode_batch(record.value)
        self._tell_health(telemetry.now_ms() / 1000 - record.written_ms / 1000)
        drill = record.header("drill") is not None
        return state.step(batch, _trace(record), drill=drill)

    async def _give_up(self, record: Record, error: Exception) -> None:
        """Ends the process so that the offset stays; at the last try parks the record before."""
        count = self.failures.add(record.topic, record.partition, record.offset)
        self.log.critical(
            "detect failed on a record, worker ends",
            partition=record.partition,
            offset=record.offset,
            times=count,
            exc_info=error,
        )
        if count >= FAILURES_MAX:
            await self._park(record, f"failed {count} times: {error!r}")
        os._exit(EXIT_BUG)

    async def _publish(self, record: Record, outcome: Outcome) -> None:
        sends = [
            Send(
                wire.FINDINGS,
                record.partition,
                finding.zone.encode(),
                wire.encode_finding(finding),
                wire.headers(wire.FINDINGS, trace=finding.trace, drill=finding.drill),
            )
            for finding in outcome.findings
        ]
        if sends:
            crashpoints.reach("detect.before-publish")
            await self._send(sends)
            crashpoints.reach("detect.after-publish")
            now_ms = telemetry.now_ms()
            for finding in outcome.findings:
                telemetry.findings_published.labels(finding.lifeline, finding.phase).inc()
            telemetry.detect_seconds.observe(
                max(0.0, (now_ms - outcome.findings[-1].received_ms) / 1000)
            )
        if outcome.derived is not None:
            body = wire.encode_batch(outcome.derived)
            headers = wire.headers(wire.READINGS, trace=_trace(record))
            await self._send([Send(wire.READINGS, record.partition, None, body, headers)])

    async def _send(self, sends: list[Send]) -> None:
        try:
            await self.publisher.send(sends)
        except Unavailable as error:
            # The offset must stay where it is: only the end of the process keeps Faust from moving
            # it.
            self.log.critical("findings cannot be published, worker ends", why=str(error))
            os._exit(EXIT_BUG)

    async def _park(self, record: Record, reason: str) -> None:
        """Keeps a record that cannot be worked on: among the rejects, if it can in the table."""
        telemetry.records_poison.labels(record.topic).inc()
        self.log.warning(
            "record parked",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            why=reason,
        )
        reject = wire.Reject(
            "poison", reason[:2000], _trace(record), record.value, telemetry.now_ms()
        )
        headers = wire.headers(wire.REJECTS, trace=_trace(record))
        await self._send([Send(wire.REJECTS, None, None, wire.encode_reject(reject), headers)])
        parked = store.Parked(record.topic, record.partition, record.offset, reason, record.value)
        try:
            await self.database.run(lambda c: store.park(c, parked), deadline_s=3.0)
        except (Unavailable, psycopg.Error) as error:
            self.log.warning("quarantine table not reached", why=str(error))

    def _save_if_due(self, number: int, kept: Kept) -> None:
        """Starts a snapshot when it is time and none is on its way."""
        total = sum(one.bytes for one in self.kept.values())
        every_s = max(self.settings.detect.snapshot_s, total / SNAPSHOT_BYTES_PER_S)
        now_s = time.monotonic()
        if now_s - kept.saved_s < every_s or kept.expected == kept.saved_offset:
            return
        if self.saving is not None and not self.saving.done():
            return
        kept.saved_s = now_s
        telemetry.bank_channels.labels(str(number)).set(kept.state.bank.channels)
        # Packed here and not in the task: that begins later, in the midst of another record.
        self.saving = asyncio.create_task(self._save(number, kept, self._pack(number, kept)))

    def _pack(self, number: int, kept: Kept) -> Packed:
        return Packed(kept.state.snapshot(), kept.expected, self.shadows.to_write(number))

    async def _save(self, number: int, kept: Kept, packed: Packed) -> None:
        digest, beside = kept.catalog, packed.beside
        try:
            body, shadow = await asyncio.to_thread(packed.squeezed)
            snapshot = store.Snapshot(packed.offset, digest, body, shadow)
            saved, wrote = await self.database.run(
                lambda c: (
                    store.save_snapshot(c, number, snapshot),
                    beside is not None and self.shadows.write(c, number, beside),
                )
            )
            if not saved and await self.recovery.drop_from_beyond(number):
                self.log.error("kafka began anew, old snapshots dropped", partition=number)
        except (Unavailable, psycopg.Error) as error:
            self.log.warning("snapshot not kept", partition=number, why=str(error))
            return
        if beside is not None and wrote:
            self.shadows.written(number, beside)
        kept.saved_offset, kept.bytes = packed.offset, len(body) + len(shadow or b"")
        if not saved:
            telemetry.fenced.labels("detect").inc()
        crashpoints.reach("detect.after-snapshot")

    def _adopt(self, number: int, kept: Kept) -> None:
        """Takes a changed catalog over: what its rules leave as it was goes on."""
        fresh = self._blank(number)
        for sentence in fresh.restore(kept.state.snapshot()):
            self.log.warning("starts blank", partition=number, what=sentence)
            telemetry.bank_blank_starts.labels("rule").inc()
        kept.state, kept.catalog = fresh, self.catalog.digest
        self.shadows.again(number)

    async def watch_catalog(self) -> None:
        """Looks for another compiled catalog; runs until cancelled."""
        file = CatalogFile(self.settings.catalog.compiled)
        while True:
            await asyncio.sleep(RELOAD_S)
            newer = file.newer(self.catalog)
            if newer is None:
                continue
            try:
                self.plan = plan_of(newer, self.settings.grading)
            except Refused as error:
                self.log.warning("the new catalog is not taken over", why=str(error))
                continue
            self.catalog = newer
            self.devices = devices_by_partition(newer, self.settings.kafka.partitions)
            self.shadows.take_over(newer)
            self.log.info("catalog taken over", catalog=newer.digest)

    async def close(self) -> None:
        """Last snapshots, so that the next start re-reads little; bounded."""
        until_s = time.monotonic() + 3.0
        for number, kept in self.kept.items():
            if time.monotonic() < until_s and kept.saved_offset != kept.expected:
                await self._save(number, kept, self._pack(number, kept))
        await self.publisher.stop()
        self.database.close()


def plan_of(catalog: Catalog, grades: Grading) -> Plan:
    """The catalog's rules as detectors; raises Refused with the rule that is wrong."""
    try:
        return compile_plan(catalog.head.rules, catalog.head.limits, grades.device)
    except PlanError as error:
        raise Refused(f"catalog: {error}") from error


def _trace(record: Record) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"


async def run(
    settings: Settings, catalog: Catalog, health: telemetry.Health, log: Log, stop: asyncio.Event
) -> None:
    """Runs the detect worker until ``stop``; raises Unavailable or Refused when it cannot start."""
    detect = Detect(settings, catalog, health, log)
    bodies = {wire.READINGS: detect.readings, wire.WAVES: detect.waves}
    worker = Worker(GROUP, bodies, settings, settings.detect.session_s, health, detect.assigned)
    watch = asyncio.create_task(detect.watch_catalog())
    try:
        await worker.run(stop)
    finally:
        watch.cancel()
        await detect.close()
