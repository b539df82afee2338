"""SQL of retention: classes of channels, old pieces of the table, bounded deletes.  A shell.

Every function works on the connection that it is given; the caller's transaction holds it.
"""

from collections.abc import Callable, Mapping, Sequence

from psycopg import Connection, sql

from streams.archive.store import UPKEEP_LOCK, day_table, days_there
from streams.archive.upkeep.due import DAY_MS, Piece

CHANNELS_A_PAGE = 10_000
CHANNELS_A_STEP = 100
"""At one reading a second a day of these is 8.6 million rows: the largest transaction here."""
AGGREGATES = ("reading_1min", "reading_10min")


def take_turn(connection: Connection) -> bool:
    """Whether this transaction alone keeps the house; without it nothing may be deleted."""
    connection.execute("set local statement_timeout = 0")
    connection.execute("set local idle_in_transaction_session_timeout = 0")
    held = connection.execute("select pg_try_advisory_xact_lock(%s)", (UPKEEP_LOCK,)).fetchone()
    return held is not None and bool(held[0])


def classify(connection: Connection, after: int, class_of: Callable[[str], str]) -> int | None:
    """Writes the class of the next channels after this id; the last id seen, None at the end.

    A channel that nobody knows any more keeps the class that it had.  Where a class gains a
    channel, what was swept of it is looked at again.
    """
    rows = connection.execute(
        "select id, name, retention from channel where id > %s order by id limit %s",
        (after, CHANNELS_A_PAGE),
    ).fetchall()
    if not rows:
        return None
    changed = [
        (number, found, before)
        for number, name, before in rows
        if (found := class_of(name)) and found != before
    ]
    if changed:
        connection.execute(
            "update channel set retention = found.class"
            " from unnest(%s::int4[], %s::text[]) as found (id, class) where channel.id = found.id",
            ([row[0] for row in changed], [row[1] for row in changed]),
        )
        again = sorted({found for _, found, before in changed if before})
        connection.execute("delete from swept where class = any(%s)", (again,))
    return int(rows[-1][0])


def pieces(connection: Connection, *, is_timescale: bool) -> list[Piece]:
    """Every chunk or partition of ``reading``."""
    if not is_timescale:
        return [
            Piece(day_table(day), day * DAY_MS, (day + 1) * DAY_MS)
            for day in days_there(connection)
        ]
    rows = connection.execute(
        "select format('%I.%I', chunk_schema, chunk_name), range_start, range_end"
        " from timescaledb_information.chunks where hypertable_name = 'reading'"
    ).fetchall()
    return [
        Piece(table, round(start.timestamp() * 1000), round(end.timestamp() * 1000))
        for table, start, end in rows
    ]


def open_onsets(connection: Connection) -> list[int]:
    """When each incident began that is not closed, unix ms."""
    rows = connection.execute("select onset_ms from incident where phase <> 'closed'").fetchall()
    return [int(row[0]) for row in rows]


def drop(connection: Connection, piece: Piece, *, is_timescale: bool) -> None:
    """Drops a piece and what is known of its sweeping."""
    if is_timescale:
        connection.execute(
            "select drop_chunks('reading', older_than => to_timestamp(%s),"
            " newer_than => to_timestamp(%s))",
            (piece.until_ms / 1000, piece.from_ms / 1000),
        )
    else:
        connection.execute(sql.SQL("drop table {}").format(sql.SQL(piece.table)))
    connection.execute("delete from swept where day = to_timestamp(%s)", (piece.from_ms / 1000,))


def unswept(connection: Connection, piece: Piece, classes: Sequence[str]) -> list[str]:
    """Those of the classes that this piece may still hold readings of."""
    rows = connection.execute(
        "select class from swept where day = to_timestamp(%s) and is_done", (piece.from_ms / 1000,)
    ).fetchall()
    done = {row[0] for row in rows}
    return [name for name in classes if name not in done]


def sweep(connection: Connection, piece: Piece, name: str) -> tuple[int, bool]:
    """Deletes a class's readings of the next channels from a piece; (how many, whether all are).

    Compressed by channel, TimescaleDB drops whole batches: 430,000 rows in 14 ms were measured.
    """
    day = piece.from_ms / 1000
    connection.execute(
        "insert into swept (day, class) values (to_timestamp(%s), %s) on conflict do nothing",
        (day, name),
    )
    ids = [
        row[0]
        for row in connection.execute(
            "select id from channel where retention = %s and id > (select through from swept"
            " where day = to_timestamp(%s) and class = %s) order by id limit %s",
            (name, day, name, CHANNELS_A_STEP),
        ).fetchall()
    ]
    if not ids:
        return 0, True
    # The ids and times go in as literals: a plan for unknown ones looks at every chunk.
    gone = connection.execute(
        sql.SQL("delete from reading where channel = any({}) and time >= {} and time < {}").format(
            sql.Literal(ids),
            sql.SQL("to_timestamp({})").format(sql.Literal(day)),
            sql.SQL("to_timestamp({})").format(sql.Literal(piece.until_ms / 1000)),
        )
    ).rowcount
    connection.execute(
        "update swept set through = %s, readings = readings + %s"
        " where day = to_timestamp(%s) and class = %s",
        (ids[-1], gone, day, name),
    )
    return gone, False


def finish(
    connection: Connection, piece: Piece, names: Sequence[str], *, is_timescale: bool
) -> None:
    """Notes that these classes are gone from the piece, and gives their space back to the disk."""
    row = connection.execute(
        "update swept set is_done = true where day = to_timestamp(%s) and class = any(%s)"
        " returning (select sum(readings) from swept"
        " where day = to_timestamp(%s) and class = any(%s))",
        (piece.from_ms / 1000, list(names)) * 2,
    ).fetchone()
    if row is None or not row[0]:
        return
    if not is_timescale:
        key = connection.execute(
            "select indexrelid::regclass::text from pg_index"
            " where indrelid = %s::regclass and indisprimary",
            (piece.table,),
        ).fetchone()
        assert key is not None
        connection.execute(
            sql.SQL("cluster {} using {}").format(
                sql.SQL(piece.table), sql.SQL(key[0].rpartition(".")[2])
            )
        )
        return
    compressed = connection.execute(
        "select is_compressed from timescaledb_information.chunks"
        " where format('%%I.%%I', chunk_schema, chunk_name) = %s",
        (piece.table,),
    ).fetchone()
    if compressed is not None and compressed[0]:
        connection.execute(
            "select compress_chunk(%s::regclass, recompress => true)", (piece.table,)
        )


def drop_old_aggregates(connection: Connection, days: int) -> int:
    """Deletes plain PostgreSQL's aggregates past their time; returns how many."""
    return sum(
        connection.execute(
            sql.SQL("delete from {} where time < now() - make_interval(days => %s)").format(
                sql.Identifier(table)
            ),
            (days,),
        ).rowcount
        for table in AGGREGATES
    )


def strangers(connection: Connection, days: Mapping[str, int]) -> list[str]:
    """Classes that channels have and that the settings do not know: kept as long as the longest."""
    rows = connection.execute(
        "select distinct retention from channel where retention <> '' and retention <> all(%s)",
        (list(days),),
    ).fetchall()
    return sorted(row[0] for row in rows)
