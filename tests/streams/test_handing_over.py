"""Handing a record over: our shortcut around Faust's race keeps every outcome that the race has."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import faust
import pytest

from streams.service import _Consumer, _Transport


@pytest.fixture
async def consumer(tmp_path: Path) -> AsyncIterator[_Consumer]:
    loop = asyncio.get_running_loop()
    app = faust.App(
        "handing-over", store="memory://", web_enabled=False, datadir=str(tmp_path), loop=loop
    )
    transport = _Transport(app.conf.broker_consumer, app, loop=loop)
    made = _Consumer(
        transport,
        callback=lambda _message: None,
        on_partitions_revoked=lambda _gone: None,
        on_partitions_assigned=lambda _new: None,
        loop=loop,
    )
    yield made
    made._thread.thread_loop.close()  # it is made with the consumer, and runs only in a worker


async def rebalance() -> None:
    await asyncio.Event().wait()


async def test_what_can_be_handed_over_at_once_needs_no_task(consumer: _Consumer) -> None:
    async def handed() -> str:
        return "record"

    before = asyncio.all_tasks()
    hand = handed()
    won = await consumer.wait_first(hand, rebalance())

    assert (won.done, won.results, won.stopped) == ([hand], ["record"], False)
    assert asyncio.all_tasks() == before


async def test_what_has_to_wait_is_handed_over_when_there_is_room(consumer: _Consumer) -> None:
    room: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    seen = []

    async def handed() -> str:
        seen.append(await room)
        await asyncio.sleep(0)
        return "record"

    waiting = asyncio.create_task(consumer.wait_first(handed(), rebalance()))
    await asyncio.sleep(0)
    room.set_result("room")
    won = await waiting

    assert (won.results, won.stopped) == (["record"], False)
    assert seen == ["room"], "it went on from where it waited, not from its beginning"


async def test_a_rebalance_wins_over_what_waits(consumer: _Consumer) -> None:
    async def rebalanced() -> str:
        return "rebalance"

    won = await consumer.wait_first(asyncio.Event().wait(), rebalanced())

    assert won.results == ["rebalance"]


async def test_a_consumer_that_stops_hands_nothing_over(consumer: _Consumer) -> None:
    consumer._stopped.set()

    won = await consumer.wait_first(asyncio.Event().wait(), rebalance())

    assert won.stopped


async def test_what_waits_hears_of_its_cancellation(consumer: _Consumer) -> None:
    heard: list[str] = []

    async def handed() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            heard.append("cancelled")

    waiting = asyncio.create_task(consumer.wait_first(handed(), rebalance()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert heard == ["cancelled"]


async def test_what_was_cancelled_may_still_clean_up(consumer: _Consumer) -> None:
    cleaned = asyncio.Event()

    async def handed() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            cleaned.set()
            raise

    waiting = asyncio.create_task(consumer.wait_first(handed(), rebalance()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    await asyncio.wait_for(cleaned.wait(), 1.0)


@pytest.mark.parametrize("waits", [False, True])
async def test_what_fails_says_so(consumer: _Consumer, waits: bool) -> None:
    async def handed() -> None:
        if waits:
            await asyncio.sleep(0)
        raise ValueError("the stream is gone")

    with pytest.raises(ValueError, match="the stream is gone"):
        await consumer.wait_first(handed(), rebalance())
