"""The archive keeps every reading exactly once, whatever dies, on both kinds of PostgreSQL."""

import math
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from lifeline.model import Batch, Message
from lifeline.stack import Addresses, Stack
from streams.archive import store as archive_store
from streams.archive.courtesy.service import BEHIND
from tests.integration.rig import (
    ZONE_PARTITION,
    Rig,
    committed,
    publish,
    publish_raw,
    rig,
    wait_for,
)
from tests.streams.town import batch

pytestmark = pytest.mark.integration

NOW_MS = time.time_ns() // 1_000_000 // 60_000 * 60_000 - 600_000


@pytest.fixture(params=["plain", "timescale"])
def city(request: pytest.FixtureRequest, addresses: Addresses, tmp_path: Path) -> Iterator[Rig]:
    is_timescale = request.param == "timescale"
    if is_timescale and not addresses.versions.get("timescaledb"):
        pytest.skip("TimescaleDB is not installed in this PostgreSQL")
    with rig(addresses, tmp_path, timescale=is_timescale) as made:
        yield made


def wells(first: int, n: int, base_ms: int = NOW_MS) -> list[Batch]:
    """``n`` batches of ten readings each; every (channel, time) once."""
    return [
        batch(
            [(f"gas/well-{w}/ch4", base_ms + k * 100, float(k)) for w in range(10)],
            received_ms=base_ms + k * 100,
            messages=[Message("G0", 1, k)],
            of=[0] * 10,
        )
        for k in range(first, first + n)
    ]


def count(city: Rig) -> int:
    return int(city.rows("select count(*) from reading")[0][0])


def has(city: Rig, n: int) -> bool:
    return count(city) >= n


def test_every_reading_arrives_once_and_nan_is_null(city: Rig) -> None:
    publish(city, wells(0, 50))
    odd = [("gas/well-0/temp", NOW_MS, math.nan), ("device/G0/gaps", NOW_MS, 1.0)]
    publish(city, [batch(odd, messages=[Message("G0", 1, 1)], of=[0, 0])])
    worker = city.start("archive")

    wait_for(lambda: has(city, 502), 30, "502 rows")

    assert count(city) == 502
    assert city.rows(
        "select value, c.lifeline, c.unit from reading r join channel c on c.id = r.channel"
        " where c.name = 'gas/well-0/temp'"
    ) == [(None, "gas", "Cel")]
    assert city.rows("select lifeline, newest_ms from feed") == [("gas", NOW_MS + 4900)]
    assert city.rows("select next_offset from progress where partition = %s", ZONE_PARTITION) == [
        (51,)
    ]
    wait_for(lambda: behind(city) >= {"client backend", "checkpointer"}, 10, "storing gives way")
    assert city.end(worker) == 0


def behind(city: Rig) -> set[str]:
    """The kinds of PostgreSQL's processes here that every other session goes before."""
    rows = city.rows("select pid, backend_type from pg_stat_activity")
    return {kind for pid, kind in rows if os.getpriority(os.PRIO_PROCESS, pid) == BEHIND}


def test_repeated_rows_are_counted_and_the_first_of_two_values_stands(city: Rig) -> None:
    worker = city.start("archive")
    publish(city, wells(0, 5))
    wait_for(lambda: has(city, 50), 30)

    publish(city, wells(0, 5))
    changed = batch([("gas/well-0/ch4", NOW_MS, 77.0), ("gas/well-0/ch4", NOW_MS + 50, 1.0)])
    publish(city, [changed])
    wait_for(lambda: has(city, 51), 30)

    assert city.rows(
        "select value from reading r join channel c on c.id = r.channel"
        " where c.name = 'gas/well-0/ch4' and time = to_timestamp(%s)",
        NOW_MS / 1000,
    ) == [(0.0,)]
    assert city.metric(worker, "lifeline_rows_duplicate_total") == 50
    assert city.metric(worker, "lifeline_rows_conflicting_total") == 1


def test_poison_is_quarantined_and_the_records_beside_it_are_stored(city: Rig) -> None:
    publish(city, wells(0, 3))
    publish_raw(city, b"\x00not ours")
    far = batch([("gas/well-0/ch4", 2**60, 1.0)])
    publish(city, [far])
    publish(city, wells(3, 3))
    city.start("archive")

    wait_for(lambda: has(city, 60), 30)

    assert count(city) == 60
    kept = city.rows("select record_offset, body from quarantine order by 1")
    assert [row[0] for row in kept] == [3, 4]
    assert bytes(kept[0][1]) == b"\x00not ours"


@pytest.mark.faults
@pytest.mark.parametrize("point", ["archive.before-commit", "archive.after-commit"])
def test_an_exit_at_a_crash_point_loses_and_doubles_nothing(city: Rig, point: str) -> None:
    worker = city.start("archive", point, "2")
    for turn in range(30):
        publish(city, wells(turn * 3, 3))
        if worker.poll() is None:
            time.sleep(0.5)
    assert worker.wait(30) == 99

    city.start("archive")

    wait_for(lambda: has(city, 900), 30)
    assert count(city) == 900


def test_offsets_that_run_ahead_of_the_rows_are_read_again(city: Rig) -> None:
    worker = city.start("archive")
    city.wait_ready(worker)
    publish(city, wells(0, 20))
    wait_for(lambda: has(city, 200), 30)
    wait_for(lambda: committed(city, "lifeline.archive").get(ZONE_PARTITION, 0) >= 20, 15)
    city.end(worker)
    city.rows(
        "update progress set next_offset = 5 where partition = %s returning 1", ZONE_PARTITION
    )
    city.rows("delete from reading where value >= 5 returning 1")

    city.start("archive")  # nothing new is published: the log itself has to be asked

    wait_for(lambda: has(city, 200), 30)
    assert count(city) == 200


@pytest.mark.faults
def test_kill_9_again_and_again(city: Rig) -> None:
    for turn in range(3):
        worker = city.start("archive", LIFELINE_ARCHIVE_TRANSACTION_ROWS_MAX="50")
        publish(city, wells(turn * 200, 200))
        city.wait_ready(worker)
        time.sleep(0.3 * turn)
        city.kill(worker)
    city.start("archive")

    wait_for(lambda: has(city, 6000), 40)

    assert count(city) == 6000


def test_a_stopped_database_holds_readings_back_and_loses_none(city: Rig, stack: Stack) -> None:
    worker = city.start("archive")
    publish(city, wells(0, 10))
    wait_for(lambda: has(city, 100), 30)

    stack.kill("postgresql")
    publish(city, wells(10, 50))
    stack.restart("postgresql")

    began = time.monotonic()
    wait_for(lambda: _soon(city, 600), 15, "600 rows after PostgreSQL came back")
    assert count(city) == 600
    assert worker.poll() is None
    assert time.monotonic() - began < 15


def _soon(city: Rig, n: int) -> bool:
    try:
        return has(city, n)
    except psycopg.OperationalError:
        return False


@pytest.mark.faults
def test_a_worker_that_slept_through_a_takeover_is_fenced(city: Rig) -> None:
    sleeper = city.start("archive")
    city.wait_ready(sleeper)
    publish(city, wells(0, 20))
    wait_for(lambda: has(city, 200), 30)
    sleeper.send_signal(signal.SIGSTOP)
    publish(city, wells(20, 20))

    other = city.start("archive")
    wait_for(lambda: has(city, 400), 40, "takeover")
    sleeper.send_signal(signal.SIGCONT)
    publish(city, wells(40, 20))

    wait_for(lambda: has(city, 600), 30)
    time.sleep(2)
    assert count(city) == 600
    assert other.poll() is None


def test_aggregates_answer_the_same_query_on_both(city: Rig) -> None:
    city.start("archive")
    publish(city, wells(0, 3))
    wait_for(lambda: has(city, 30), 30)
    if city.rows("select 1 from pg_extension where extname = 'timescaledb'"):
        with psycopg.connect(city.dsn, autocommit=True) as connection:
            connection.execute("call refresh_continuous_aggregate('reading_1min', null, null)")
            connection.execute("call refresh_continuous_aggregate('reading_10min', null, null)")
    else:
        with psycopg.connect(city.dsn) as connection:
            archive_store.refresh_aggregates(connection, 0.0)

    for table in ("reading_1min", "reading_10min"):
        found = city.rows(
            f"select n, low, high, mean from {table} a join channel c on c.id = a.channel"
            " where c.name = 'gas/well-4/ch4'"
        )
        assert found == [(3, 0.0, 2.0, 1.0)]


def test_without_postgresql_at_start_it_ends_with_one_sentence(city: Rig) -> None:
    worker = city.start("archive", LIFELINE_POSTGRES_DSN="postgresql://nobody@127.0.0.1:1/x")

    assert worker.wait(30) == 2
    assert "archive needs PostgreSQL at start" in city.tail()
    assert "Traceback" not in city.tail()
