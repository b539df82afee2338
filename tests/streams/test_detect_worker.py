"""The detect worker survives what it is given, and a PostgreSQL that answers with anything."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog

from lifeline import config, telemetry, wire
from lifeline.db import Database
from lifeline.errors import Unavailable
from lifeline.log.service import Record, Send
from streams.detect import service
from streams.detect.service import Detect
from tests.streams.town import START_MS, catalog


class Away(Database):
    """PostgreSQL as it answers on a bad day; nothing is connected."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.asked_s: list[float] = []

    async def run(self, work: Callable[[Any], Any], deadline_s: float | None = None) -> Any:
        del work
        self.asked_s.append(deadline_s or 0.0)
        raise self.error

    def close(self) -> None:
        pass


class Log:
    """Kafka's end of the publisher."""

    def __init__(self) -> None:
        self.sent: list[Send] = []

    async def send(self, records: list[Send]) -> None:
        self.sent += records


@pytest.fixture
def detect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Detect:
    monkeypatch.setattr(service, "Database", lambda *_, **__: Away(Unavailable("away")))
    files = config.CatalogFiles(compiled=str(tmp_path / "catalog.bin"))
    settings = config.Settings(catalog=files)
    made = Detect(settings, catalog(), telemetry.Health(), structlog.get_logger())
    made.publisher = Log()  # type: ignore[assignment]
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
