"""aiokafka, fenced in: durable sends, ranges of offsets, topics; every wait has a limit.  A shell.

Whatever Kafka or the way to it does wrong is ``Unavailable``, in one
sentence with the next command.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from lifeline import wire
from lifeline.config import Kafka
from lifeline.errors import Refused, Unavailable

log = structlog.get_logger("lifeline.log")

T = TypeVar("T")
Client = TypeVar("Client", AIOKafkaProducer, AIOKafkaConsumer, AIOKafkaAdminClient)

STOP_S = 2.0
START_S = 10.0
ATTEMPTS = 3
READ_S = 20.0
"""Longest silence of the broker while a range of offsets is read."""
FETCH_MS = 100
REQUEST_MS = 10_000
PRODUCER_BATCH_BYTES = 4 * 1024 * 1024 + 512 * 1024
"""Above ingest's own batches: a record that has to wait for the next batch waits a round trip."""


@dataclass(slots=True)
class Record:
    """One record of a partition, as far as anybody here needs it."""

    topic: str
    partition: int
    offset: int
    value: bytes
    headers: Any = None
    """Faust gives a mapping, aiokafka pairs."""
    written_ms: int = 0
    """Kafka's timestamp, unix ms."""
    key: bytes | None = None

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


async def within(work: Awaitable[T], limit_s: float) -> T:
    """The result of an awaitable; raises TimeoutError when it takes longer, whatever it does then.

    aiokafka's calls may ignore a cancellation while the broker is away, so nobody waits for it.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=limit_s)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        task.cancel()
        task.add_done_callback(_forget)
        raise TimeoutError(f"no answer within {limit_s:g} s")
    return task.result()


def _forget(late: "asyncio.Future[Any]") -> None:
    """Takes note of an outcome that nobody waits for, so that asyncio does not complain of it."""
    if not late.cancelled():
        late.exception()


@contextlib.contextmanager
def translated(kafka: Kafka) -> Iterator[None]:
    """Turns aiokafka's words for a lost or unreachable broker into ``Unavailable``.

    Its own texts hold representations of objects, so a person gets the name of the error only.
    """
    try:
        yield
    except (KafkaError, OSError) as error:
        raise Unavailable(
            f"Kafka at {kafka.bootstrap} does not answer ({type(error).__name__}):"
            " start it (`lifeline stack up`) or set kafka.bootstrap."
        ) from error


def make_producer(kafka: Kafka, client_id: str) -> AIOKafkaProducer:
    """An idempotent producer, acks=all."""
    return AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap,
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        linger_ms=0,
        max_request_size=wire.RECORD_BYTES_MAX,
        max_batch_size=PRODUCER_BATCH_BYTES,
        request_timeout_ms=int(kafka.send_timeout_s * 1000),
        retry_backoff_ms=50,
    )


def make_consumer(kafka: Kafka, client_id: str, group: str | None = None) -> AIOKafkaConsumer:
    """A consumer that is told what to read; ``group`` only names where it notes its offsets."""
    return AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap,
        client_id=client_id,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=FETCH_MS,
        max_partition_fetch_bytes=wire.RECORD_BYTES_MAX,
        request_timeout_ms=REQUEST_MS,
    )


def make_admin(kafka: Kafka, client_id: str) -> AIOKafkaAdminClient:
    """A client for topics and groups."""
    return AIOKafkaAdminClient(
        bootstrap_servers=kafka.bootstrap, client_id=client_id, request_timeout_ms=REQUEST_MS
    )


async def begin(client: Client, kafka: Kafka, limit_s: float = START_S) -> None:
    """Connects a client; raises Unavailable, and has ended the client then."""
    with translated(kafka):
        try:
            await within(client.start(), limit_s)
        except BaseException:
            await end(client)
            raise


async def end(client: Client) -> None:
    """Lets go of a client in a few seconds, whatever state it and the broker are in."""
    ending = client.close() if isinstance(client, AIOKafkaAdminClient) else client.stop()
    stopping = asyncio.ensure_future(ending)
    stopping.add_done_callback(_forget)
    _, late = await asyncio.wait({stopping}, timeout=STOP_S)
    if late:
        stopping.cancel()
        if isinstance(client, AIOKafkaProducer):
            await _give_up(client)


async def _give_up(producer: AIOKafkaProducer) -> None:
    """Takes a producer apart: its stop() waits until everything is delivered.

    Without its connections, its batches and its sender the rest of it is garbage.
    """
    with contextlib.suppress(KafkaError, OSError):
        await within(producer.client.close(), STOP_S)
    batches = producer._message_accumulator  # noqa: SLF001
    # aiokafka 0.14 takes a batch that fails out of this set, also one that is back in line for
    # another try and is not in it.
    batches._pending_batches.update(*batches._batches.values())  # noqa: SLF001
    batches.fail_all(KafkaError("this producer was given up"))
    # What its sender was about to try again has just failed: it ends with whatever that makes of
    # it, a KeyError, say.  Nobody is told by that of anything that he has not been told already.
    with contextlib.suppress(Exception):
        await within(producer._sender.close(), STOP_S)  # noqa: SLF001


@contextlib.asynccontextmanager
async def running(client: Client, kafka: Kafka) -> AsyncIterator[Client]:
    """The client, connected, until the block ends; raises Unavailable."""
    await begin(client, kafka)
    try:
        with translated(kafka):
            yield client
    finally:
        await end(client)


class Publisher:
    """An idempotent producer, replaced when it fails: aiokafka's does not always recover.

    Several tasks may send at once: they share one producer, and one failure replaces it once.
    """

    def __init__(self, kafka: Kafka, client_id: str) -> None:
        self._kafka = kafka
        self._client_id = client_id
        self._producer: AIOKafkaProducer | None = None
        self._making = asyncio.Lock()

    async def send(self, records: Sequence[Send], attempts: int = ATTEMPTS) -> None:
        """Returns when every record is durable; raises Unavailable when so many producers failed.

        A record may have been written more than once then: its readers know it by its id or key.
        """
        for attempt in range(1, attempts + 1):
            producer = None
            try:
                with translated(self._kafka):
                    producer = await self._connected()
                    await within(self._all(producer, records), self._limit_s)
            except Unavailable as error:
                if producer is not None and producer is self._producer:
                    await self.stop()  # else another task has replaced it by now
                if attempt == attempts:
                    raise
                log.warning(
                    "send failed, the producer is replaced",
                    why=str(error.__cause__ or error),
                    attempt=attempt,
                )
                await asyncio.sleep(0.2 * attempt)
            else:
                return

    @property
    def _limit_s(self) -> float:
        return self._kafka.send_timeout_s

    async def _connected(self) -> AIOKafkaProducer:
        async with self._making:
            if self._producer is None:
                producer = make_producer(self._kafka, self._client_id)
                await begin(producer, self._kafka)
                self._producer = producer
            return self._producer

    async def _all(self, producer: AIOKafkaProducer, records: Sequence[Send]) -> None:
        sent = [
            await producer.send(
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
        """Lets go of the producer, in bounded time."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await end(producer)


class Reader:
    """Reads ranges of offsets without belonging to any group."""

    def __init__(self, kafka: Kafka, client_id: str) -> None:
        self._kafka = kafka
        self._client_id = client_id

    @contextlib.asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        async with running(make_consumer(self._kafka, self._client_id), self._kafka) as consumer:
            yield consumer

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

    async def follow(self, topic: str, *, from_start: bool) -> AsyncGenerator[Record, None]:
        """Every record from the oldest, or from now, on, for as long as one listens."""
        places = [TopicPartition(topic, p) for p in range(self._kafka.partitions)]
        async with self._consumer() as consumer:
            consumer.assign(places)
            seek = consumer.seek_to_beginning if from_start else consumer.seek_to_end
            await within(seek(*places), START_S)
            while True:
                found = await within(consumer.getmany(timeout_ms=500), READ_S)
                for one in chain.from_iterable(found.values()):
                    yield _record(one)


def _record(one: Any) -> Record:
    return Record(
        one.topic,
        one.partition,
        one.offset,
        one.value or b"",
        one.headers,
        one.timestamp or 0,
        one.key,
    )


async def partitions_there(admin: AIOKafkaAdminClient) -> dict[str, int]:
    """Topic -> its number of partitions, of every topic that Kafka has."""
    there = await within(admin.describe_topics(), START_S)
    return {one["topic"]: len(one["partitions"]) for one in there}


async def check_topics(kafka: Kafka, topics: Sequence[str]) -> None:
    """Returns when Kafka answers and knows these topics with the set number of partitions.

    Raises Unavailable, or Refused with the command that mends it.
    """
    async with running(make_admin(kafka, "lifeline-check"), kafka) as admin:
        there = await partitions_there(admin)
    for topic in topics:
        found = there.get(topic, 0)
        if found != kafka.partitions:
            raise Refused(
                f"topic {topic} has {found} partitions, kafka.partitions says"
                f" {kafka.partitions}: run `lifeline migrate`, or mend the setting."
            )
