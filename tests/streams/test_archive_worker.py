"""The archive worker stores what it can: a day that was dropped under it costs no reading."""

from collections.abc import Callable
from typing import Any

import pytest
import structlog

from lifeline import config, telemetry, wire
from lifeline.db import Database
from lifeline.log.service import Record
from streams.archive import service, store
from streams.archive.rows import days_of
from streams.archive.service import Archive, Item
from tests.streams.town import START_MS, batch, catalog


class Postgres(Database):
    """Days of readings, and what is in quarantine, behind the functions that hold the SQL."""

    def __init__(self) -> None:
        self.there: set[int] = set()
        self.rows = 0
        self.parked: list[int] = []

    async def run(self, work: Callable[[Any], Any], deadline_s: float | None = None) -> Any:
        del deadline_s
        return work(self)

    def create_days(self, days: list[int]) -> None:
        self.there.update(days)

    def channel_ids(self, names: list[str], *_: object) -> dict[str, int]:
        return {name: number for number, name in enumerate(names)}

    def write(self, work: store.Work, *, is_timescale: bool) -> store.Stored:
        assert not is_timescale
        if days_of(work.rows, self.there) or (len(work.rows) and min(work.rows.value) < 0):
            raise store.Undigestible("no partition, or no value that a table takes")
        self.rows += len(work.rows)
        self.parked += [parked.offset for parked in work.parked]
        return store.Stored(len(work.rows))


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Archive:
    monkeypatch.setattr(service, "Database", lambda *_, **__: Postgres())
    for name in ("create_days", "channel_ids", "write"):
        monkeypatch.setattr(store, name, getattr(Postgres, name))
    made = Archive(config.Settings(), catalog(), telemetry.Health(), structlog.get_logger())
    made.is_timescale = False
    made.expected = {3: 0}
    return made


def item(archive: Archive, offset: int, value: float = 1.0) -> Item:
    made = batch([("gas/well-0/ch4", START_MS + offset * 1000, value)])
    return archive._decoded(Record(wire.READINGS, 3, offset, wire.encode_batch(made)))


async def test_a_day_that_was_dropped_meanwhile_is_made_again_and_its_record_stored(
    archive: Archive,
) -> None:
    postgres: Any = archive.database
    await archive._store([item(archive, 0)])
    postgres.there.clear()

    await archive._store([item(archive, 1)])
    postgres.there.clear()
    await archive._store([item(archive, n) for n in range(2, 6)])

    assert (postgres.rows, postgres.parked) == (6, [])
    assert archive.expected == {3: 6}


async def test_what_postgresql_refuses_twice_is_parked_alone(archive: Archive) -> None:
    postgres: Any = archive.database

    await archive._store([item(archive, n, -1.0 if n in (0, 3) else 1.0) for n in range(5)])

    assert (postgres.rows, postgres.parked) == (3, [0, 3])
    assert archive.expected == {3: 5}
