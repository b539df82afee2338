"""Plain aiokafka: durable sends with a limit, and every record between two offsets.  A shell."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from lifeline import config, wire
from lifeline.errors import Refused, Unavailable

log = structlog.get_logger("lifeline.streams")

STOP_S = 2.0
START_S = 10.0
ATTEMPTS = 3
READ_S = 20.0
"""Longest silence of the broker while a range of offsets is read."""


@dataclass(slots=True)
class Record:
    """One record of a partition, as far as the workers need it."""

    topic: str
    partition: int
    offset: int
    value: bytes
    headers: Any = None
    """Faust gives a mapping, aiokafka pairs."""
    written_ms: int = 0
    """Kafka's timestamp, unix ms."""

    def header(self, name: str) -> bytes | None:
        """The value of a header, or None."""
        value = dict(self.headers or ()).get(name)
        return None if value is None else bytes(value)


@dataclass(slots=True)
class Send:
    """One record to be made durable."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]


async def within(work: Any, limit_s: float) -> Any:
    """The result of an awaitable; raises Unavailable when it takes longer, whatever it does then.

    aiokafka's calls may ignore a cancellation for as long as the broker is away, so nobody waits for it.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=limit_s)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        task.cancel()
        task.add_done_callback(lambda late: late.cancelled() or late.exception())
        raise Unavailable(f"Kafka did not answer within {limit_s:g} s")
    return task.result()


class Publisher:
    """An idempotent producer, acks=all, that is replaced when it fails."""

    def __init__(self, kafka: config.Kafka) -> None:
        self._kafka = kafka
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connects; raises Unavailable."""
        if self._producer is not None:
            return
        producer = AIOKafkaProducer(
            bootstrap_servers=self._kafka.bootstrap,
            client_id="lifeline-streams",
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_request_size=wire.RECORD_BYTES_MAX,
        )
        try:
            await within(producer.start(), START_S)
        except (KafkaError, OSError) as error:
            await _end(producer)
            raise Unavailable(f"Kafka at {self._kafka.bootstrap}: {error}") from error
        except Unavailable:
            await _end(producer)
            raise
        self._producer = producer

    async def send(self, records: Sequence[Send]) -> None:
        """Returns when every record is durable; raises Unavailable when three producers failed.

        A record may have been written more than once then: its readers know it by its id or key.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self.start()
                await within(self._all(records), self._kafka.send_timeout_s)
            except (KafkaError, OSError, Unavailable) as error:
                log.warning(
                    "send failed, the producer is replaced", why=str(error), attempt=attempt
                )
                await self.stop()
                if attempt == ATTEMPTS:
                    raise Unavailable(f"Kafka took no record: {error}") from error
                await asyncio.sleep(0.2 * attempt)
            else:
                return

    async def _all(self, records: Sequence[Send]) -> None:
        assert self._producer is not None, "started above"
        sent = [
            await self._producer.send(
                one.topic,
                one.value,
                key=one.key,
                partition=one.partition,
                headers=one.headers,
            )
            for one in records
        ]
        await asyncio.gather(*sent)

    async def stop(self) -> None:
        """Lets go of the producer, in 2 s at most."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await _end(producer)


async def _end(client: Any) -> None:
    with contextlib.suppress(Unavailable, KafkaError, OSError, asyncio.CancelledError):
        await within(client.stop(), STOP_S)


async def _close(admin: AIOKafkaAdminClient) -> None:
    with contextlib.suppress(Unavailable, KafkaError, OSError, asyncio.CancelledError):
        await within(admin.close(), STOP_S)


class Reader:
    """Reads ranges of offsets without belonging to any group."""

    def __init__(self, kafka: config.Kafka) -> None:
        self._kafka = kafka

    @contextlib.asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._kafka.bootstrap,
            client_id="lifeline-reader",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=100,
            max_partition_fetch_bytes=wire.RECORD_BYTES_MAX,
        )
        try:
            await within(consumer.start(), START_S)
            yield consumer
        except (KafkaError, OSError) as error:
            raise Unavailable(f"Kafka at {self._kafka.bootstrap}: {error}") from error
        finally:
            await _end(consumer)

    async def ends(self, topic: str, partitions: Sequence[int]) -> dict[int, tuple[int, int]]:
        """Partition -> (first offset still there, offset that comes next); raises Unavailable."""
        where = [TopicPartition(topic, partition) for partition in partitions]
        async with self._consumer() as consumer:
            first = await within(consumer.beginning_offsets(where), START_S)
            last = await within(consumer.end_offsets(where), START_S)
        return {at.partition: (first[at], last[at]) for at in where}

    async def offset_at(self, topic: str, partition: int, at_ms: int) -> int | None:
        """The first offset written at or after a time (Kafka's clock); None when there is none."""
        where = TopicPartition(topic, partition)
        async with self._consumer() as consumer:
            found = await within(consumer.offsets_for_times({where: at_ms}), START_S)
        return found[where].offset if found.get(where) else None

    async def read(
        self, topic: str, partition: int, start: int, stop: int
    ) -> AsyncIterator[list[Record]]:
        """Every record with start <= offset < stop that the log still has; raises Unavailable."""
        where = TopicPartition(topic, partition)
        async with self._consumer() as consumer:
            consumer.assign([where])
            first = (await within(consumer.beginning_offsets([where]), START_S))[where]
            if first > start:
                log.error(
                    "retention took records before they were read",
                    topic=topic,
                    partition=partition,
                    lost=min(first, stop) - start,
                )
            at = max(first, start)
            consumer.seek(where, at)
            silent_s = 0.0
            while at < stop:
                found = await within(consumer.getmany(where, timeout_ms=500), READ_S)
                records = [_record(one) for one in found.get(where, []) if one.offset < stop]
                # Offsets may be missing for good (compaction, markers): the position tells.
                now_at = await within(consumer.position(where), START_S)
                silent_s = 0.0 if now_at > at else silent_s + 0.5
                if silent_s > READ_S:
                    raise Unavailable(f"{topic}/{partition} gave nothing from offset {at} on")
                at = now_at
                if records:
                    yield records


def _record(one: Any) -> Record:
    return Record(
        one.topic, one.partition, one.offset, one.value or b"", one.headers, one.timestamp or 0
    )


async def check_topics(kafka: config.Kafka, topics: Sequence[str]) -> None:
    """Returns when Kafka answers and knows these topics with the set number of partitions.

    Raises Unavailable, or Refused with the command that mends it.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    try:
        await within(admin.start(), START_S)
        there = await within(admin.describe_topics(), START_S)
        partitions = {one["topic"]: len(one["partitions"]) for one in there}
        for topic in topics:
            found = partitions.get(topic, 0)
            if found != kafka.partitions:
                raise Refused(
                    f"topic {topic} has {found} partitions, kafka.partitions says"
                    f" {kafka.partitions}: run `lifeline migrate`"
                )
    except (KafkaError, OSError, Unavailable) as error:
        raise Unavailable(
            f"Kafka at {kafka.bootstrap} cannot be reached ({error}):"
            " start it or set kafka.bootstrap"
        ) from error
    finally:
        await _close(admin)
