"""The archive stores what it can: a day that was dropped under it costs no reading."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import structlog

from lifeline import store, telemetry, wire
from lifeline.log.service import Record
from lifeline.stack import Addresses
from streams.archive.service import Archive, Item
from streams.archive.store import day_table
from tests.integration.rig import Rig, rig
from tests.streams.town import START_MS, batch

pytestmark = [pytest.mark.integration]

DAY = START_MS // 86_400_000
CENTURIES_MS = 86_400_000 * 365 * 3000


@pytest.fixture
def city(addresses: Addresses, tmp_path: Path) -> Iterator[Rig]:
    with rig(addresses, tmp_path, timescale=False) as made:
        yield made


async def started(city: Rig) -> Archive:
    catalog = store.open_catalog(city.settings.catalog.compiled)
    archive = Archive(city.settings, catalog, telemetry.Health(), structlog.get_logger())
    await archive.start()
    await archive._learn_expected({3})
    return archive


def item(archive: Archive, offset: int, later_ms: int = 0) -> Item:
    made = batch([("gas/well-0/ch4", START_MS + offset * 1000 + later_ms, 1.0)])
    return archive._decoded(Record(wire.READINGS, 3, offset, wire.encode_batch(made)))


def drop(city: Rig) -> None:
    with psycopg.connect(city.dsn, autocommit=True) as link:
        link.execute(f"drop table {day_table(DAY)}".encode())


def stored(city: Rig) -> tuple[int, list[int]]:
    """How many rows are there, and the offsets of what was parked."""
    parked = city.rows("select record_offset from quarantine order by 1")
    return city.rows("select count(*) from reading")[0][0], [row[0] for row in parked]


async def test_a_day_that_was_dropped_meanwhile_is_made_again_and_its_record_stored(
    city: Rig,
) -> None:
    archive = await started(city)
    await archive._store([item(archive, 0)])
    drop(city)

    await archive._store([item(archive, 1)])
    alone = stored(city)
    drop(city)
    await archive._store([item(archive, n) for n in range(2, 6)])

    assert alone == (1, [])
    assert stored(city) == (4, [])
    assert archive.expected == {3: 6}
    archive.database.close()


async def test_what_postgresql_refuses_twice_is_parked_alone(city: Rig) -> None:
    archive = await started(city)

    await archive._store([item(archive, n, CENTURIES_MS * (n in (0, 3))) for n in range(5)])

    assert stored(city) == (3, [0, 3])
    assert archive.expected == {3: 5}
    archive.database.close()
