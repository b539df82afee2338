"""The detect worker survives what it is given, and a PostgreSQL that answers with anything."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
import structlog

from lifeline import config, telemetry, wire
from lifeline.db import Database
from lifeline.errors import Unavailable
from lifeline.log.service import Reader, Record, Send
from streams.detect import service
from streams.detect.recovery import service as recovery
from streams.detect.service import Detect
from tests.streams.town import START_MS, batch, catalog


class Clock:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    async def sleep(self, pause_s: float) -> None:
        self.now_s += pause_s


class Away(Database):
    """PostgreSQL as it answers on a bad day: not at all, or with ``error`` at once."""

    def __init__(self, error: Exception | None = None, clock: Clock | None = None) -> None:
        self.error: Exception | None = error
        self.clock = clock or Clock()

    async def run(self, work: Callable[[Any], Any], deadline_s: float | None = None) -> Any:
        del work
        if self.error is not None:
            raise self.error
        self.clock.now_s += deadline_s or 13.0
        raise Unavailable("away")

    def close(self) -> None:
        pass


class Sink:
    """Kafka's end of the publisher."""

    def __init__(self) -> None:
        self.sent: list[Send] = []

    async def send(self, records: list[Send]) -> None:
        self.sent += records

    async def stop(self) -> None:
        pass


@pytest.fixture
def detect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Detect:
    monkeypatch.setattr(service, "Database", lambda *_, **__: Away())
    files = config.CatalogFiles(compiled=str(tmp_path / "catalog.bin"))
    settings = config.Settings(catalog=files)
    made = Detect(settings, catalog(), telemetry.Health(), structlog.get_logger())
    made.publisher = Sink()  # type: ignore[assignment]
    return made


def block(rate_hz: float) -> Record:
    samples = np.arange(64, dtype="<i2").tobytes()
    wave = wire.Wave(
        "gas/well-0/hum", "G0", 1, 1, START_MS, rate_hz, 64, 1.0, 0.0, "int16", samples, START_MS
    )
    return Record(wire.WAVES, 3, 17, wire.encode_wave(wave))


@pytest.mark.parametrize("rate_hz", [1e-306, 1e-20])
def test_a_block_that_cannot_be_reduced_is_parked_and_the_next_one_counts(
    detect: Detect, rate_hz: float
) -> None:
    bad, good = block(rate_hz), block(50.0)

    async def give() -> None:
        await detect.waves(bad)
        await detect.waves(Record(wire.WAVES, 3, 18, b"rubbish"))
        await detect.waves(good)

    asyncio.run(give())

    first, second, third = detect.publisher.sent  # type: ignore[attr-defined]
    assert wire.decode_reject(first.value).payload == bad.value
    assert wire.decode_reject(second.value).payload == b"rubbish"
    assert (third.topic, third.partition) == (wire.READINGS, 3)


class NoLog(Reader):
    """Kafka's end of the recovery: nothing to go back to."""

    def __init__(self) -> None:
        pass

    async def offset_at(self, topic: str, partition: int, at_ms: int) -> int | None:
        return None


BAD_DAYS = [
    psycopg.errors.UndefinedTable("no snapshot table"),
    psycopg.errors.InsufficientPrivilege("not yours"),
    psycopg.errors.DataCorrupted("missing chunk"),
    psycopg.errors.ReadOnlySqlTransaction("a standby"),
    psycopg.NotSupportedError("not here"),
]


@pytest.mark.parametrize("error", BAD_DAYS, ids=lambda error: type(error).__name__)
async def test_whatever_postgresql_answers_detect_starts_and_runs_on(
    detect: Detect, error: Exception
) -> None:
    detect.database = detect.recovery.database = Away(error)
    detect.recovery.reader = NoLog()
    tick = wire.encode_batch(batch([], messages=[]))

    for offset in range(40, 43):
        await detect.readings(Record(wire.READINGS, 3, offset, tick, None, START_MS))
    await detect.close()

    assert detect.kept[3].expected == 43
    assert detect.kept[3].saved_offset == -1


async def test_twelve_partitions_wait_for_postgresql_together_not_each(
    detect: Detect, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(recovery, "time", clock)
    monkeypatch.setattr(recovery, "asyncio", clock)
    looking = detect.recovery
    looking.database, looking.reader = Away(clock=clock), NoLog()
    begin_s = clock.now_s

    async def recover(number: int) -> float:
        before_s = clock.now_s
        record = Record(wire.READINGS, number, 40, b"", None, START_MS)
        await looking.base(lambda: detect._blank(number), number, record, None)
        return clock.now_s - before_s

    for number in range(12):
        await recover(number)

    assert clock.now_s - begin_s <= 6.0
    clock.now_s += 60.0
    assert await recover(0) == pytest.approx(3.0), "that outage says nothing about today's"
    looking.database.run = _nothing  # type: ignore[method-assign]
    assert await recover(1) == 0.0
    looking.database = Away(clock=clock)
    assert await recover(2) == pytest.approx(3.0), "it had come back"


async def _nothing(work: Callable[[Any], Any], deadline_s: float | None = None) -> None:
    del work, deadline_s


class Back(Database):
    """PostgreSQL again, which needs a second for a large snapshot."""

    def __init__(self) -> None:
        self.deadlines: list[float] = []

    async def run(self, work: Callable[[Any], Any], deadline_s: float | None = None) -> Any:
        del work
        assert deadline_s is not None
        self.deadlines.append(deadline_s)

    def close(self) -> None:
        pass


async def test_a_postgresql_that_is_back_has_all_the_time_that_a_snapshot_needs(
    detect: Detect, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(recovery.time, "monotonic", clock.monotonic)
    detect.recovery.away_until_s = clock.now_s + 10.0
    detect.recovery.database = back = Back()

    await detect.recovery._snapshot(3, 40)

    assert back.deadlines == [recovery.SHORT_S, recovery.POSTGRES_S]
    assert detect.recovery.away_until_s == 0.0
