"""Where a router stands in each partition, as PostgreSQL says it.  A shell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from lifeline.config import Kafka
from lifeline.log.service import translated, within

Log = structlog.stdlib.BoundLogger
Batches = Mapping[TopicPartition, Sequence[ConsumerRecord]]
ASK_S = 8.0


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

    consumer: AIOKafkaConsumer
    kafka: Kafka
    partitions: Sequence[TopicPartition]
    log: Log
    of: dict[TopicPartition, Place] = field(init=False)

    def __post_init__(self) -> None:
        self.forget()

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
