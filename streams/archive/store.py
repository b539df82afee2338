"""SQL of the readings: ids, COPY with its fence, days and aggregates of plain PostgreSQL.  A shell.

Every function works on the connection that it is given; the caller's transaction holds it.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg import Connection, sql

from lifeline import crashpoints
from lifeline.config import Archive
from lifeline.db import move_progress
from lifeline.errors import Refused
from streams import store
from streams.archive.rows import Rows, copy_bytes, minutes_of

CONSUMER = "archive"
NEW_DAYS_MAX = 16
"""Ingest lets 8 days through; more new ones at once are no city's readings."""
LAST_DAY = 84_000
"""Year 2199: what Python's calendar and a table's name can carry with room to spare."""
DAY_LOCK = 0x11FEDA75
UPKEEP_LOCK = 0x11FE0C1E
"""Advisory locks: one creates partitions at a time, one keeps the aggregates."""
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Fenced(Exception):
    """Another worker has gone on: read the truth again."""


class Undigestible(Exception):
    """PostgreSQL refuses these rows, and would again."""


@dataclass(slots=True)
class Work:
    """What one transaction is to store."""

    topic: str
    moves: list[tuple[int, int, int]]
    """(partition, expected offset, next offset)"""
    rows: Rows
    feeds: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Lifeline -> (newest reading, received), unix ms."""
    parked: list[store.Parked] = field(default_factory=list)


@dataclass(slots=True)
class Stored:
    """What one transaction did."""

    rows: int
    duplicates: int = 0
    conflicts: int = 0


def check_tables(connection: Connection) -> None:
    """Raises Refused when this database was never migrated."""
    row = connection.execute("select to_regclass('reading') is not null").fetchone()
    if row is None or not row[0]:
        raise Refused("archive: its tables are not there: run `lifeline migrate`.")


def write(connection: Connection, work: Work, *, is_timescale: bool) -> Stored:
    """Stores it all or nothing.

    Raises Fenced or Undigestible (both want a rollback, which the pool's context does).
    """
    try:
        # The fence first: whoever comes late waits here, before it has copied anything.
        if not move_progress(connection, CONSUMER, work.topic, work.moves):
            raise Fenced
        for parked in work.parked:
            store.park(connection, parked)
        stored = _rows(connection, work.rows)
        _feeds(connection, work.feeds)
        if not is_timescale and len(work.rows):
            connection.execute(
                "insert into aggregate_due"
                " select to_timestamp(m * 60) from unnest(%s::int8[]) as m",
                (minutes_of(work.rows),),
            )
    except (
        psycopg.DataError,
        psycopg.IntegrityError,
        psycopg.errors.OutOfMemory,
        psycopg.errors.ProgramLimitExceeded,
    ) as error:
        # 53200 is "out of shared memory": too many days at once, for one.
        raise Undigestible(str(error)) from error
    crashpoints.reach("archive.before-commit")
    return stored


def _rows(connection: Connection, rows: Rows) -> Stored:
    if not len(rows):
        return Stored(0)
    try:
        with connection.transaction():
            _copy(connection, "reading (channel, time, value, quality)", copy_bytes(rows))
    except psycopg.errors.UniqueViolation:
        return _staged(connection, rows)
    return Stored(len(rows))


def _copy(connection: Connection, table: str, body: bytes) -> None:
    statement = sql.SQL("copy {} from stdin (format binary)").format(sql.SQL(table))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(body)


def _staged(connection: Connection, rows: Rows) -> Stored:
    """The way for rows of which some are there already: the first value of a key stands."""
    connection.execute(
        "create temp table staged (channel int4, time timestamptz, value float8, quality int2,"
        " number int4) on commit drop"
    )
    _copy(
        connection, "staged (channel, time, value, quality, number)", copy_bytes(rows, number=True)
    )
    added = connection.execute(
        "insert into reading (channel, time, value, quality)"
        " select channel, time, value, quality from staged order by number on conflict do nothing"
    ).rowcount
    found = connection.execute(
        "select count(*) from staged join reading using (channel, time)"
        " where reading.time between (select min(time) from staged)"
        " and (select max(time) from staged)"
        " and reading.value is distinct from staged.value"
    ).fetchone()
    conflicts = int(found[0]) if found else 0
    return Stored(added, len(rows) - added - conflicts, conflicts)


def _feeds(connection: Connection, feeds: dict[str, tuple[int, int]]) -> None:
    if feeds:
        names = sorted(feeds)
        connection.execute(
            "insert into feed (lifeline, newest_ms, received_ms)"
            " select * from unnest(%s::text[], %s::int8[], %s::int8[])"
            " on conflict (lifeline) do update"
            " set newest_ms = greatest(feed.newest_ms, excluded.newest_ms),"
            " received_ms = greatest(feed.received_ms, excluded.received_ms)",
            (names, [feeds[n][0] for n in names], [feeds[n][1] for n in names]),
        )


def channel_ids(
    connection: Connection, names: Sequence[str], lifelines: Sequence[str], units: Sequence[str]
) -> dict[str, int]:
    """The id of each name; a new one gets its row, whose lifeline and unit stay as first seen."""
    known: dict[str, int] = dict(
        connection.execute(
            "select name, id from channel where name = any(%s)", (list(names),)
        ).fetchall()
    )
    new = [i for i, name in enumerate(names) if name not in known]
    if new:
        connection.execute(
            "insert into channel (name, lifeline, unit)"
            " select * from unnest(%s::text[], %s::text[], %s::text[])"
            " on conflict (name) do nothing",
            ([names[i] for i in new], [lifelines[i] for i in new], [units[i] for i in new]),
        )
        known |= dict(
            connection.execute(
                "select name, id from channel where name = any(%s)", ([names[i] for i in new],)
            ).fetchall()
        )
    return known


def apply_policies(connection: Connection, archive: Archive) -> None:
    """Makes TimescaleDB's own jobs follow the settings; those that do already are left alone.

    Raw readings have no retention policy of its own: it knows neither classes nor open incidents.
    """
    wanted = (
        ("policy_compression", "reading", "compress_after", f"{archive.compress_after_h} h"),
        ("policy_retention", "reading", "drop_after", None),
        ("policy_retention", "reading_1min", "drop_after", f"{archive.aggregate_days} d"),
        ("policy_retention", "reading_10min", "drop_after", f"{archive.aggregate_days} d"),
    )
    connection.execute("select pg_advisory_xact_lock(%s)", (UPKEEP_LOCK,))
    for job, table, key, after in wanted:
        row = connection.execute(
            "select job_id, (config->>%s)::interval = %s::interval"
            " from timescaledb_information.jobs j where proc_name = %s and (hypertable_name = %s or"
            " hypertable_name = (select materialization_hypertable_name"
            " from timescaledb_information.continuous_aggregates where view_name = %s))",
            (key, after, job, table, table),
        ).fetchone()
        if row is not None and row[1]:
            continue
        if row is not None:
            connection.execute("select delete_job(%s)", (row[0],))
        if after is None:
            continue
        if job == "policy_compression":
            connection.execute(
                "call add_columnstore_policy(%s, after => %s::interval)", (table, after)
            )
        else:
            connection.execute("select add_retention_policy(%s, %s::interval)", (table, after))


def create_days(connection: Connection, days: Sequence[int]) -> None:
    """Partitions of plain PostgreSQL for these days since 1970; those that are there stay.

    Raises Undigestible for days that no clock of ours has let through.
    """
    if len(days) > NEW_DAYS_MAX or not 0 <= min(days) <= max(days) <= LAST_DAY:
        raise Undigestible(f"{len(days)} days from {min(days)} to {max(days)} at once")
    connection.execute("select pg_advisory_xact_lock(%s)", (DAY_LOCK,))
    for day in days:
        start = EPOCH + dt.timedelta(days=day)
        connection.execute(
            sql.SQL(
                "create table if not exists {} partition of reading for values from ({}) to ({})"
            ).format(
                sql.Identifier(day_table(day)),
                sql.Literal(start),
                sql.Literal(start + dt.timedelta(days=1)),
            )
        )


def day_table(day: int) -> str:
    """The partition of plain PostgreSQL that holds this day since 1970."""
    return f"reading_{EPOCH + dt.timedelta(days=day):%Y%m%d}"


def days_there(connection: Connection) -> set[int]:
    """The days for which plain PostgreSQL has a partition."""
    rows = connection.execute(
        "select right(c.relname, 8) from pg_inherits i join pg_class c on c.oid = i.inhrelid"
        " where i.inhparent = 'reading'::regclass and c.relname ~ '^reading_[0-9]{8}$'"
    ).fetchall()
    made = (dt.datetime.strptime(row[0], "%Y%m%d").replace(tzinfo=dt.UTC) for row in rows)
    return {(day - EPOCH).days for day in made}


_FOLD = {
    "reading_1min": "select channel, date_trunc('minute', time), count(value), min(value),"
    " max(value), avg(value), bit_or(quality) from reading",
    "reading_10min": "select channel, date_bin('10 minutes', time, 'epoch'), sum(n)::bigint,"
    " min(low), max(high), sum(mean * n) / nullif(sum(n), 0)::float8,"
    " bit_or(quality) from reading_1min",
}


def refresh_aggregates(connection: Connection, settled_s: float) -> int:
    """Aggregates anew each minute into which rows were stored, ``settled_s`` later; how many.

    For plain PostgreSQL.  Rows committed meanwhile left their own mark in ``aggregate_due``.
    """
    held = connection.execute("select pg_try_advisory_xact_lock(%s)", (UPKEEP_LOCK,)).fetchone()
    if held is None or not held[0]:
        return 0
    connection.execute("set local statement_timeout = 0")
    connection.execute("set local idle_in_transaction_session_timeout = 0")
    due = connection.execute(
        "with gone as (delete from aggregate_due where minute < now() - make_interval(secs => %s)"
        " returning minute) select distinct minute from gone order by 1",
        (60.0 + settled_s,),
    ).fetchall()
    minutes = [row[0] for row in due]
    tens = sorted({minute - dt.timedelta(minutes=minute.minute % 10) for minute in minutes})
    for table, starts, width in (("reading_1min", minutes, 1), ("reading_10min", tens, 10)):
        for start in starts:
            connection.execute(
                sql.SQL(
                    "insert into {} (channel, time, n, low, high, mean, quality) {}"
                    " where time >= %s and time < %s group by 1, 2"
                    " on conflict (channel, time) do update set n = excluded.n,"
                    " low = excluded.low, high = excluded.high, mean = excluded.mean,"
                    " quality = excluded.quality"
                ).format(sql.Identifier(table), sql.SQL(_FOLD[table])),
                (start, start + dt.timedelta(minutes=width)),
            )
    return len(minutes)


def background(connection: Connection) -> list[int]:
    """The processes in which the server works for nobody: checkpoints, aggregates, vacuum."""
    rows = connection.execute(
        "select pid from pg_stat_activity where backend_type <> 'client backend'"
    ).fetchall()
    return [pid for (pid,) in rows]
