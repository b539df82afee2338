"""The pure steps of the pipeline chained in virtual time: messages in, findings and incidents out.

The same intake, batches, windows, detectors and engine as the services; the clock is the messages'
own.  Same messages, same catalog, same rules: the same findings and incidents, byte for byte.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from alerting import engine
from alerting.incidents import Incident
from alerting.policy import DEFAULT, Policy
from alerting.slices import Slice
from detectors.plan import Plan
from ingest.acks import Receipt
from ingest.batch import Batcher, tick
from ingest.intake import Intake
from ingest.quality import Directory, Window
from lifeline.catalog import Catalog
from lifeline.config import Settings
from lifeline.model import Finding
from lifeline.wire import Reject, Wave
from streams import partition as partitions
from streams.detect.waves import readings_of
from streams.partition import Partition


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a recorded trace: when it was received, on which topic, what it was."""

    ms: int
    topic: str
    payload: bytes
    """base64 in the file."""


@dataclass(slots=True)
class Outcome:
    """What a replay came to."""

    findings: list[Finding] = field(default_factory=list)
    incidents: dict[str, Incident] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """Detectors that failed by a bug of ours, a sentence each."""
    messages: int = 0
    readings: int = 0


class Replay:
    """One run; feed it messages in the order in which they were received, then ``finish``."""

    def __init__(
        self, catalog: Catalog, plan: Plan, settings: Settings, policy: Policy = DEFAULT
    ) -> None:
        self.outcome = Outcome()
        self._policy = policy
        n = settings.kafka.partitions
        self._catalog = catalog
        self._intake = Intake(Directory(catalog, n), Window.of(settings.ingest))
        self._batcher = Batcher(settings.ingest.batch_bytes)
        self._batch_ms = round(settings.ingest.batch_ms)
        self._tick_ms = round(settings.ingest.tick_s * 1000)
        devices = partitions.devices_by_partition(catalog, n)
        self._parts = [
            partitions.blank(
                catalog, plan, p, n,
                lateness_s=settings.detect.lateness_s, held_s=settings.detect.held_s,
                devices=devices[p],
            )
            for p in range(n)
        ]  # fmt: skip
        self._slice = Slice()
        self._flush_at = self._tick_at = -1

    def feed(self, message: Message) -> None:
        """Works one message in, and everything that the clock brings before it."""
        self._advance(message.ms)
        self.outcome.messages += 1
        taken = self._intake.take(
            message.topic.encode(), message.payload, message.ms, retained=False
        )
        self.outcome.rejects += [reject for reject, _ in taken.rejects]
        if taken.topic is None or taken.known is None or taken.message is None:
            return
        drill = taken.topic.drill
        if taken.wave is not None:
            self._wave(taken.wave, taken.known.partition, message.ms, drill=drill)
        assert taken.verdict is not None, "a known device's message has one, be it empty"
        receipt = Receipt(0, 0, taken.topic.device, drill=drill)
        self._batcher.add(taken.known, taken.message, taken.verdict, message.ms, receipt)

    def finish(self, idle_s: float = 0.0) -> Outcome:
        """Lets the clock run on for ``idle_s`` and returns what came of it all."""
        self._advance(self._flush_at + round(idle_s * 1000))
        self._flush(self._flush_at)
        self.outcome.incidents = dict(self._slice.incidents)
        return self.outcome

    def _advance(self, now_ms: int) -> None:
        if self._flush_at < 0:
            self._flush_at, self._tick_at = now_ms + self._batch_ms, now_ms + self._tick_ms
        while min(self._flush_at, self._tick_at) <= now_ms:
            if self._flush_at <= self._tick_at:
                self._flush(self._flush_at)
                self._flush_at += self._batch_ms
                # Nothing waits now: the next flush is as far as the clock.
                self._flush_at = max(self._flush_at, min(now_ms, self._tick_at) + self._batch_ms)
            else:
                self._tick(self._tick_at)
                self._tick_at += self._tick_ms

    def _flush(self, now_ms: int) -> None:
        for sealed in self._batcher.seal_all(now_ms):
            part = self._parts[sealed.partition]
            self.outcome.readings += len(sealed.batch)
            self._settle(part.step(sealed.batch, drill=sealed.drill), part, now_ms)

    def _tick(self, now_ms: int) -> None:
        for part in self._parts:
            self._settle(part.step(tick(now_ms)), part, now_ms)
        engine.tick(self._slice, now_ms, self._policy)

    def _wave(self, wave: Wave, number: int, now_ms: int, *, drill: bool) -> None:
        made = readings_of(wave, self._catalog)
        if isinstance(made, Reject):
            self.outcome.rejects.append(made)
            return
        part = self._parts[number]
        self._settle(part.step(made, drill=drill), part, now_ms)

    def _settle(self, outcome: partitions.Outcome, part: Partition, now_ms: int) -> None:
        """Takes findings to the engine, what we derived back to the partition, as Kafka would."""
        self.outcome.failed += [why for _, why in outcome.failed]
        for finding in outcome.findings:
            self.outcome.findings.append(finding)
            engine.step(self._slice, finding, now_ms, self._policy)
        if outcome.derived is not None:
            self._settle(part.step(outcome.derived), part, now_ms)


def replay(
    messages: Iterable[Message],
    catalog: Catalog,
    plan: Plan,
    settings: Settings,
    idle_s: float = 0.0,
    policy: Policy = DEFAULT,
) -> Outcome:
    """What these messages come to, in virtual time; ``policy`` joins what belongs together."""
    run = Replay(catalog, plan, settings, policy)
    for message in messages:
        run.feed(message)
    return run.finish(idle_s)


_message = msgspec.json.Decoder(Message)


def read_messages(lines: Iterable[str]) -> Iterator[Message]:
    """The messages in the lines of a recorded trace; raises ValueError naming the line."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield _message.decode(line)
            except msgspec.MsgspecError as error:
                raise ValueError(f"line {number}: {error}") from error
