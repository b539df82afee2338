"""Waits for Kafka: each has an end, and what a person reads of it names place and remedy."""

import asyncio

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError

from lifeline.config import Kafka
from lifeline.errors import Refused, Unavailable
from lifeline.log import service
from lifeline.log.service import Publisher, Record, Send, make_producer, translated, within


async def test_what_comes_in_time_is_handed_on() -> None:
    async def work() -> int:
        return 5

    assert await within(work(), 1.0) == 5


async def test_what_fails_in_time_fails() -> None:
    async def work() -> None:
        raise ValueError("why")

    with pytest.raises(ValueError, match="why"):
        await within(work(), 1.0)


async def test_what_ignores_its_cancellation_is_not_waited_for() -> None:
    released = asyncio.Event()

    async def stubborn() -> None:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    with pytest.raises(TimeoutError, match=r"no answer within 0\.01 s"):
        await within(stubborn(), 0.01)

    released.set()


async def test_who_is_cancelled_while_waiting_takes_the_work_along() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    waiting = asyncio.create_task(within(work(), 10.0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    await asyncio.wait_for(ended.wait(), 1.0)


@pytest.mark.parametrize(
    "error",
    [KafkaConnectionError("Unable to bootstrap from [('h', 1, <AddressFamily>)]"), TimeoutError()],
)
def test_what_kafka_fails_with_is_one_sentence_without_its_objects(error: Exception) -> None:
    with pytest.raises(Unavailable) as found, translated(Kafka(bootstrap="k:1")):
        raise error

    said = str(found.value)
    assert said == (
        f"Kafka at k:1 does not answer ({type(error).__name__}):"
        " start it (`lifeline stack up`) or set kafka.bootstrap."
    )


def test_what_was_refused_stays_refused() -> None:
    with pytest.raises(Refused, match="no"), translated(Kafka()):
        raise Refused("no")


async def test_a_publisher_that_reaches_nobody_says_where() -> None:
    publisher = Publisher(Kafka(bootstrap="127.0.0.1:1", send_timeout_s=1.0), "lifeline-test")

    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 does not answer"):
        await publisher.send([Send("t", 0, None, b"", [])], attempts=1)

    await publisher.stop()


@pytest.mark.parametrize("headers", [{"schema": b"s/1"}, [("schema", b"s/1")], (), None])
def test_a_header_is_found_in_either_form(headers: object) -> None:
    record = Record("t", 0, 0, b"", headers)

    assert record.header("schema") == (b"s/1" if headers else None)


async def test_a_producer_is_given_up_whatever_it_was_about_to_try_again() -> None:
    producer = make_producer(Kafka(bootstrap="127.0.0.1:1"), "lifeline-test")
    producer._closed = True  # as stop() leaves it, which did not come to its end
    batches = producer._message_accumulator
    producer._txn_manager.set_pid_and_epoch(1, 0)
    tried, waits = TopicPartition("t", 0), TopicPartition("t", 1)
    told = [await batches.add_message(where, None, b"x", 1.0) for where in (tried, waits)]
    in_hand = batches._pop_batch(tried)
    batches.reenqueue(batches._pop_batch(waits))

    async def sender() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            batches.reenqueue(in_hand)

    producer._sender._sender_task = asyncio.create_task(sender())
    strange: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, said: strange.append(said))
    await asyncio.sleep(0)

    await service._give_up(producer)
    await asyncio.sleep(0)

    assert strange == []
    for one in told:
        with pytest.raises(KafkaError, match="given up"):
            one.result()


class Producer:
    """Kafka's client: the first one made loses the broker, and fails whatever is under way."""

    made: list["Producer"]

    def __init__(self) -> None:
        self.is_good = bool(self.made)
        self.stopped = 0
        self.made.append(self)

    async def start(self) -> None:
        await asyncio.sleep(0)

    async def send(self, *_: object, **__: object) -> "asyncio.Future[None]":
        await asyncio.sleep(0)
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.is_good and not self.stopped:
            told.set_result(None)
        else:
            told.set_exception(KafkaConnectionError("gone"))
        return told

    async def stop(self) -> None:
        self.stopped += 1


async def test_two_tasks_share_a_publisher_and_one_failure_replaces_its_producer_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Producer.made = []
    monkeypatch.setattr(service, "make_producer", lambda *_: Producer())
    publisher = Publisher(Kafka(send_timeout_s=1.0), "lifeline-test")
    one = [Send("t", 0, None, b"", [])]

    await asyncio.gather(*(publisher.send(one) for _ in range(4)))
    await publisher.stop()

    assert [producer.stopped for producer in Producer.made] == [1, 1], "one replaced, one at last"
