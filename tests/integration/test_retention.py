"""Old readings go by their class, on both kinds of PostgreSQL, and never from under an incident."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
import structlog

from lifeline import store
from lifeline.catalog import parse_source
from lifeline.compiler import compile_catalog
from lifeline.config import Archive, Settings
from lifeline.db import Database
from lifeline.stack import Addresses
from streams.archive.store import UPKEEP_LOCK, apply_policies, create_days
from streams.archive.upkeep.due import DAY_MS
from streams.archive.upkeep.service import Upkeep
from tests.integration.rig import Rig, rig
from tests.streams.town import GAS

pytestmark = pytest.mark.integration

TODAY = time.time_ns() // 1_000_000 // DAY_MS
NOW_MS = TODAY * DAY_MS + 1000
CLASSES = {"ch4": "regulatory", "temp": "features"}
KEEP = Archive(retention_days={"features": 9, "routine": 20, "regulatory": 40})
CH4, TEMP, GAPS = "gas/well-0/ch4", "gas/well-0/temp", "device/G0/gaps"
EVERY = {(name, ago) for name in (CH4, TEMP, GAPS) for ago in (0, 5, 12, 25, 45)}


@pytest.fixture(params=["plain", "timescale"])
def city(request: pytest.FixtureRequest, addresses: Addresses, tmp_path: Path) -> Iterator[Rig]:
    is_timescale = request.param == "timescale"
    if is_timescale and not addresses.versions.get("timescaledb"):
        pytest.skip("TimescaleDB is not installed in this PostgreSQL")
    with rig(addresses, tmp_path, timescale=is_timescale) as made:
        declare(made, CLASSES)
        fill(made, is_timescale=is_timescale)
        yield made


def declare(city: Rig, classes: Mapping[str, str]) -> None:
    source = parse_source("gas.toml", GAS | {"retention": classes})
    store.write_catalog(compile_catalog([source]), str(city.folder / "catalog.bin"))


def fill(city: Rig, *, is_timescale: bool) -> None:
    """An hour of three channels at noon, 5, 12, 25 and 45 days ago; the old days are compressed."""
    with psycopg.connect(city.dsn) as link:
        if not is_timescale:
            create_days(link, [TODAY - ago for ago in (0, 5, 12, 25, 45)])
        link.execute(
            "insert into channel (name, lifeline, unit) select unnest(%s::text[]), 'gas', '1'",
            ([CH4, TEMP, GAPS],),
        )
        link.execute(
            "insert into reading select c.id, to_timestamp(%s) - ago * interval '1 day'"
            " + s * interval '10 s', 1.0, 0 from channel c, unnest(%s::int4[]) ago,"
            " generate_series(0, 359) s",
            (TODAY * 86_400 + 43_200, [0, 5, 12, 25, 45]),
        )
        if is_timescale:
            link.execute("select compress_chunk(c) from show_chunks('reading', interval '9 d') c")


def there(city: Rig) -> set[tuple[str, int]]:
    """(channel, days ago) of whatever is whole; a part of an hour fails."""
    rows = city.rows(
        "select c.name, %s - extract(epoch from r.time)::int8 / 86400, count(*)"
        " from reading r join channel c on c.id = r.channel group by 1, 2",
        TODAY,
    )
    assert {row[2] for row in rows} == {360}
    return {(row[0], row[1]) for row in rows}


def incident(city: Rig, ago: int) -> None:
    values: dict[str, Any] = {
        "id": "i1", "asset": "gas/well-0", "hazard": "gas-leak", "drill": False, "episode": 1,
        "phase": "watching", "zone": "gas/east", "lifeline": "gas", "grade": 1, "lane": "live",
        "lead": "{}", "onset_ms": (TODAY - ago) * DAY_MS, "opened_ms": 0, "updated_ms": 0,
        "is_active": True, "revision": 1, "changed_revision": 1, "acknowledged_by": "",
        "closed_by": "", "overridden": False, "last_actor": "router",
    }  # fmt: skip
    columns, places = ", ".join(values), ", ".join(["%s"] * len(values))
    with psycopg.connect(city.dsn) as link:
        link.execute(
            f"insert into incident ({columns}) values ({places})".encode(), list(values.values())
        )


async def retain(city: Rig, archive: Archive = KEEP) -> None:
    settings: Settings = msgspec.structs.replace(city.settings, archive=archive)
    is_timescale = bool(city.rows("select 1 from pg_extension where extname = 'timescaledb'"))
    database = Database(settings.postgres, connections=2)
    try:
        await Upkeep(database, settings, structlog.get_logger(), is_timescale).retain(NOW_MS)
    finally:
        database.close()


PAST = {(TEMP, 12), (TEMP, 25), (GAPS, 25), *((name, 45) for name in (CH4, TEMP, GAPS))}


async def test_each_class_goes_in_its_own_time_and_once_is_enough(city: Rig) -> None:
    await retain(city)

    assert there(city) == EVERY - PAST
    first = city.rows("select day, class, readings, is_done from swept order by 1, 2")
    assert [row[1:] for row in first] == [
        ("features", 360, True), ("routine", 360, True), ("features", 360, True),
    ]  # fmt: skip
    await retain(city)
    assert city.rows("select day, class, readings, is_done from swept order by 1, 2") == first
    assert there(city) == EVERY - PAST


async def test_what_an_open_incident_needs_stays_until_it_is_closed(city: Rig) -> None:
    incident(city, 12)

    await retain(city)

    assert there(city) == EVERY - PAST | {(TEMP, 12)}
    city.rows("update incident set phase = 'closed' returning 1")
    await retain(city)
    assert there(city) == EVERY - PAST


async def test_a_day_past_every_class_is_not_dropped_under_an_open_incident(city: Rig) -> None:
    incident(city, 44)

    await retain(city)

    assert there(city) == EVERY - PAST | {(name, 45) for name in (CH4, TEMP, GAPS)}


async def test_a_channel_that_changes_its_class_follows_it_into_the_past(city: Rig) -> None:
    await retain(city)
    declare(city, CLASSES | {"meter.gaps": "features"})

    await retain(city)

    assert there(city) == EVERY - PAST - {(GAPS, 12)}


async def test_a_class_without_days_is_kept_as_long_as_the_longest(city: Rig) -> None:
    declare(city, CLASSES | {"temp": "for-the-museum"})

    await retain(city)

    assert there(city) == EVERY - PAST | {(TEMP, 12), (TEMP, 25)}


async def test_while_another_keeps_the_house_nothing_is_deleted(city: Rig) -> None:
    with psycopg.connect(city.dsn) as other:
        other.execute("select pg_advisory_xact_lock(%s)", (UPKEEP_LOCK,))

        await retain(city)

        assert there(city) == EVERY


async def test_timescales_own_policy_on_readings_is_taken_away(city: Rig) -> None:
    if not city.rows("select 1 from pg_extension where extname = 'timescaledb'"):
        pytest.skip("plain PostgreSQL has no policies")
    with psycopg.connect(city.dsn) as link:
        link.execute("select add_retention_policy('reading', interval '90 days')")
        apply_policies(link, KEEP)

    policies = city.rows(
        "select proc_name, hypertable_name from timescaledb_information.jobs"
        " where proc_name in ('policy_compression', 'policy_retention')"
    )

    assert ("policy_retention", "reading") not in policies
    assert ("policy_compression", "reading") in policies
    assert len(policies) == 3


def test_a_chunk_that_will_be_compressed_is_not_frozen_before(city: Rig) -> None:
    if not city.rows("select 1 from pg_extension where extname = 'timescaledb'"):
        pytest.skip("plain PostgreSQL keeps its partitions, and freezes them")

    options = city.rows(
        "select distinct reloptions from pg_class where relname like '\\_hyper\\_1\\_%%\\_chunk'"
    )

    assert options == [(["autovacuum_vacuum_insert_threshold=-1"],)]
