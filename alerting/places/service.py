"""Where a router stands in each partition, as PostgreSQL says it.  A shell."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from lifeline.config import Kafka
from lifeline.errors import Unavailable
from lifeline.log.service import begin, end, make_consumer, translated, within
from lifeline.telemetry import Health

Log = structlog.stdlib.BoundLogger
Batches = Mapping[TopicPartition, Sequence[ConsumerRecord]]
GROUP = "lifeline.router"
"""Under which offsets are noted on Kafka: where to begin when PostgreSQL is away at the start."""
ASK_S = 8.0
AGAIN_S = 2.0
COMMIT_S = 15.0


@dataclass(slots=True)
class Place:
    """How far a partition is; ``is_known`` only while PostgreSQL has said so."""

    is_known: bool = False
    expected: int = 0
    """What PostgreSQL holds."""
    floor: int = 0
    """Records before this one have been folded."""


@dataclass(slots=True)
class Places:
    """Every partition's place, and the consumer that is moved there."""

    kafka: Kafka
    partitions: Sequence[TopicPartition]
    log: Log
    _consumer: AIOKafkaConsumer | None = field(default=None, init=False)
    of: dict[TopicPartition, Place] = field(init=False)

    def __post_init__(self) -> None:
        self.forget()

    @property
    def consumer(self) -> AIOKafkaConsumer:
        """The one that was connected."""
        assert self._consumer is not None, "meet() comes first"
        return self._consumer

    async def meet(self, health: Health) -> None:
        """Connects, however long Kafka is away: what is stored already does not wait for it.

        A router that ended instead would leave reminders, escalations and notices where they are.
        """
        while True:
            consumer = make_consumer(self.kafka, GROUP, GROUP)
            try:
                await begin(consumer, self.kafka)
            except Unavailable as error:
                health.problem = str(error)
                self.log.warning("no findings are read, what is stored goes on", why=str(error))
                await asyncio.sleep(AGAIN_S * (0.5 + random.random()))  # noqa: S311 - jitter
            else:
                consumer.assign(self.partitions)
                self._consumer = consumer
                return

    async def fetch(self, within_ms: int, records_max: int) -> Batches:
        """What came, in every partition."""
        got = await self.consumer.getmany(timeout_ms=within_ms, max_records=records_max)
        assert isinstance(got, dict)
        return got

    async def note(self, following: Mapping[TopicPartition, int]) -> None:
        """Notes on Kafka how far PostgreSQL is; raises Unavailable."""
        with translated(self.kafka):
            await within(self.consumer.commit(dict(following)), COMMIT_S)

    async def close(self) -> None:
        """Lets go of Kafka, in bounded time."""
        if self._consumer is not None:
            await end(self._consumer)

    def forget(self) -> None:
        """Nothing is known any more: PostgreSQL must say it again."""
        self.of = {partition: Place() for partition in self.partitions}

    def unknown(self) -> list[TopicPartition]:
        """The partitions whose places are not known."""
        return [partition for partition, place in self.of.items() if not place.is_known]

    def left(self, batches: Batches) -> Batches:
        """What of these records has not been folded."""
        floors = {p: self.of[p].floor for p in batches}
        return {p: [r for r in b if r.offset >= floors[p]] for p, b in batches.items()}

    def to_fold(self, batches: Batches) -> dict[TopicPartition, Sequence[ConsumerRecord]]:
        """What of them is to be folded now: where PostgreSQL has said how far it is."""
        left = self.left(batches)
        return {p: b for p, b in left.items() if b and self.of[p].is_known}

    async def go(self, unknown: Sequence[TopicPartition], known: Mapping[int, int]) -> None:
        """Reads on from where PostgreSQL stands; raises Unavailable without Kafka."""
        with translated(self.kafka):
            ends = await within(self.consumer.end_offsets(unknown), ASK_S)
            for partition in unknown:
                await self._go_to(partition, known[partition.partition], ends[partition])

    async def _go_to(self, partition: TopicPartition, expected: int, end: int) -> None:
        if expected <= end:
            self.consumer.seek(partition, expected)
            self.of[partition] = Place(True, expected, expected)
            return
        # The topic was made anew: what it holds has never been seen, whatever its numbers.
        self.log.error("findings begin anew", partition=partition.partition, was=expected)
        await within(self.consumer.seek_to_beginning(partition), ASK_S)
        self.of[partition] = Place(True, expected, 0)
