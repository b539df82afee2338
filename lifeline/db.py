"""PostgreSQL: connections that never wait for ever, migrations, fenced offsets.  A shell.

Connections are psycopg's synchronous ones, used in threads: with its pool check this
form came back 2.8 s after the server was killed (docs/decisions/0004), and a stopped
server cannot hold the event loop.
"""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.resources import files
from typing import Any, TypeVar

import psycopg
from psycopg import Connection, sql
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool, PoolTimeout

from lifeline import config, store
from lifeline.errors import Refused, Unavailable

T = TypeVar("T")
CONNECT_S = 3
REMEDY = ". Is it up (`lifeline stack status`), and is postgres.dsn right?"
MIGRATION_LOCK = 0x11FE11FE
"""Key of the advisory lock that lets one migration run at a time."""
SERVICE_ROLE = "lifeline_service"
"""May read and write, but change or delete nothing of what is append-only; `migrate` makes it."""


def conninfo(settings: config.Postgres) -> str:
    """The connection string with every limit set; the password comes from its file."""
    limit_ms = int(settings.statement_timeout_s * 1000)
    extra: dict[str, Any] = {
        "connect_timeout": CONNECT_S,
        "keepalives": 1,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "application_name": "lifeline",
        "options": f"-c statement_timeout={limit_ms} -c lock_timeout={limit_ms}"
        f" -c idle_in_transaction_session_timeout={2 * limit_ms} -c timezone=UTC",
    }
    if settings.password_file:
        extra["password"] = store.read_secret(settings.password_file)
    try:
        return make_conninfo(settings.dsn, **extra)
    except psycopg.ProgrammingError as error:
        raise config.ConfigError(f"postgres.dsn is not a connection string: {error}") from error


class Database:
    """A pool of connections: work runs in a transaction, in a thread, with a deadline.

    Every failure of the server or the way to it is ``Unavailable``; the transaction may
    or may not have been committed then, so work must be safe to run again.  A statement
    that the server refuses (constraint, permission, data) stays psycopg's own error: it
    is our bug or the caller's case.

    With a ``role`` every statement runs under it where it is there and ours to take.
    """

    def __init__(
        self, settings: config.Postgres, connections: int | None = None, *, role: str = ""
    ) -> None:
        self._deadline_s = settings.statement_timeout_s + CONNECT_S
        self._pool = ConnectionPool(
            conninfo(settings),
            min_size=1,
            max_size=connections or settings.pool_max,
            open=False,
            check=ConnectionPool.check_connection,
            configure=partial(_take_role, role) if role else None,
            timeout=CONNECT_S,
            # The pool doubles its pauses until then: after 14 s without a
            # server, 30 s here meant 13 s more.
            reconnect_timeout=2.0,
            max_lifetime=3600.0,
            kwargs={"autocommit": False},
        )
        self._pool.open(wait=False)

    async def run(self, work: Callable[[Connection], T], deadline_s: float | None = None) -> T:
        """What ``work`` returned, after its transaction was committed; raises Unavailable."""
        taken: list[Connection] = []
        is_over = threading.Event()
        limit_s = deadline_s or self._deadline_s
        task = asyncio.ensure_future(asyncio.to_thread(self._run, work, taken, is_over))
        done, _ = await asyncio.wait({task}, timeout=limit_s)
        if not done:
            # Nobody waits for it any more, so it must not begin: who was told that a lease was
            # not given would never carry what it takes.
            is_over.set()
            # A stopped server answers nothing, not even a cancel: cut
            # the line, and the thread ends.
            for connection in taken:
                _cut(connection)
            task.add_done_callback(lambda late: late.cancelled() or late.exception())
            raise Unavailable(f"PostgreSQL did not answer within {limit_s:g} s")
        return task.result()

    def run_now(self, work: Callable[[Connection], T]) -> T:
        """The same in the calling thread, for commands and handlers that have a thread already."""
        return self._run(work, [], threading.Event())

    def _run(
        self, work: Callable[[Connection], T], taken: list[Connection], is_over: threading.Event
    ) -> T:
        with translated(), self._pool.connection() as connection:
            taken.append(connection)
            try:
                if is_over.is_set():
                    raise Unavailable("it came too late")
                return work(connection)
            finally:
                taken.clear()

    def close(self) -> None:
        """Closes every connection; waits 2 s at most."""
        self._pool.close(timeout=2.0)


def _take_role(role: str, connection: Connection) -> None:
    connection.execute(
        "select set_config('role', rolname, false) from pg_roles"
        " where rolname = %s and pg_has_role(oid, 'member')",
        (role,),
    )
    connection.commit()


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turns psycopg's words for a lost or unreachable server into ``Unavailable``."""
    try:
        yield
    except (PoolTimeout, psycopg.InterfaceError) as error:
        raise Unavailable(f"PostgreSQL cannot be reached: {_first_line(error)}{REMEDY}") from error
    except psycopg.errors.ReadOnlySqlTransaction as error:
        # After a fail-over the address may be a standby's for a moment.
        raise Unavailable(f"PostgreSQL is a standby: {_first_line(error)}{REMEDY}") from error
    except psycopg.errors.QueryCanceled as error:
        raise Unavailable(f"PostgreSQL took too long: {error}") from error
    except (psycopg.OperationalError, psycopg.InternalError) as error:
        # Internal: a damaged page, a chunk changed under us.  Its own trouble, and it may pass.
        raise Unavailable(f"PostgreSQL is away: {_first_line(error)}{REMEDY}") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _cut(connection: Connection) -> None:
    with contextlib.suppress(OSError, psycopg.Error):
        line = socket.socket(fileno=os.dup(connection.fileno()))
        with line:
            line.shutdown(socket.SHUT_RDWR)


def connect(settings: config.Postgres) -> Connection:
    """One connection outside any pool, e.g. for LISTEN; raises Unavailable."""
    with translated():
        return psycopg.connect(conninfo(settings))


def quarantine(
    connection: Connection, topic: str, partition: int, offset: int, reason: str, body: bytes
) -> None:
    """Keeps a record of ours that could not be worked on; once, however often it is read."""
    connection.execute(
        "insert into quarantine (topic, partition, record_offset, reason, body)"
        " values (%s, %s, %s, %s, %s) on conflict do nothing",
        (topic, partition, offset, reason.replace("\0", "")[:2000], body),
    )


def read_progress(connection: Connection, consumer: str, topic: str) -> dict[int, int]:
    """Partition -> next offset of a consumer, where it has begun."""
    rows = connection.execute(
        "select partition, next_offset from progress where consumer = %s and topic = %s",
        (consumer, topic),
    )
    return dict(rows.fetchall())


def begin_progress(
    connection: Connection, consumer: str, topic: str, partitions: Sequence[int]
) -> dict[int, int]:
    """Partition -> next offset of these; a consumer that never read one begins it at 0."""
    connection.execute(
        "insert into progress (consumer, topic, partition, next_offset)"
        " select %s, %s, number, 0 from unnest(%s::int4[]) as number on conflict do nothing",
        (consumer, topic, list(partitions)),
    )
    known = read_progress(connection, consumer, topic)
    return {number: known[number] for number in partitions}


def move_progress(
    connection: Connection, consumer: str, topic: str, moves: Sequence[tuple[int, int, int]]
) -> bool:
    """Whether every (partition, expected, new) could be moved; roll back when it is False.

    False says that another process has gone on from there: whoever asked is the zombie.
    """
    numbers, expected, following = zip(*moves, strict=True) if moves else ((), (), ())
    done = connection.execute(
        # Rows are locked in one order, so that two who move several never wait in a ring.
        "with held as (select p.partition, moved.following from progress p"
        " join unnest(%s::int4[], %s::int8[], %s::int8[]) as moved (partition, expected, following)"
        " on p.partition = moved.partition and p.next_offset = moved.expected"
        " where p.consumer = %s and p.topic = %s order by p.partition for update of p)"
        " update progress set next_offset = held.following, changed = clock_timestamp() from held"
        " where progress.consumer = %s and progress.topic = %s"
        " and progress.partition = held.partition",
        (list(numbers), list(expected), list(following), consumer, topic, consumer, topic),
    )
    return done.rowcount == len(moves)


def has_timescale(connection: Connection) -> bool:
    """Whether TimescaleDB is installed in this database."""
    row = connection.execute("select 1 from pg_extension where extname = 'timescaledb'").fetchone()
    return row is not None


def migrate(settings: config.Postgres, say: Callable[[str], None]) -> list[str]:
    """Brings the database up to date; returns files applied.  Raises Unavailable, Refused.

    ``deploy/timescaledb/NNN_name.sql`` run in order, each in its transaction; ``.timescale.sql``
    only where the extension can be had, ``.plain.sql`` only where it cannot.  Which of the two a
    database is was decided at its first migration and is kept.
    """
    applied: list[str] = []
    with translated(), psycopg.connect(conninfo(settings), autocommit=True) as connection:
        connection.execute("set statement_timeout = 0")
        connection.execute("select pg_advisory_lock(%s)", (MIGRATION_LOCK,))
        connection.execute(
            "create table if not exists migration (name text primary key,"
            " at timestamptz not null default clock_timestamp())"
        )
        done = {row[0] for row in connection.execute("select name from migration").fetchall()}
        is_timescale = _decide_timescale(connection, done)
        for name, text in _migrations(is_timescale=is_timescale):
            if name in done:
                continue
            say(name)
            try:
                with connection.transaction():
                    connection.execute(text.encode())
                    connection.execute("insert into migration (name) values (%s)", (name,))
            except psycopg.Error as error:
                if isinstance(error, psycopg.OperationalError):
                    raise
                raise Refused(f"migration {name}: {error}") from error
            applied.append(name)
        row = connection.execute("select provide_service_role()").fetchone()
        if row is None or not row[0]:
            say(f"role {SERVICE_ROLE} cannot be made by us: services run as the owner for now")
    return applied


def missing_migrations(connection: Connection) -> list[str]:
    """The files that this version has and the database lacks; raises UndefinedTable unmigrated."""
    done = {row[0] for row in connection.execute("select name from migration").fetchall()}
    is_timescale = any(".timescale." in name for name in done)
    return [name for name, _ in _migrations(is_timescale=is_timescale) if name not in done]


def _decide_timescale(connection: Connection, done: set[str]) -> bool:
    if any(".plain." in name for name in done):
        return False
    if any(".timescale." in name for name in done) or has_timescale(connection):
        return True
    row = connection.execute(
        "select 1 from pg_available_extensions where name = 'timescaledb'"
    ).fetchone()
    if row is None:
        return False
    try:
        connection.execute(sql.SQL("create extension if not exists timescaledb"))
    except psycopg.Error:
        return False  # Not preloaded or not allowed: plain PostgreSQL serves; `doctor` says so.
    return True


def _migrations(*, is_timescale: bool) -> Iterator[tuple[str, str]]:
    other = ".plain.sql" if is_timescale else ".timescale.sql"
    folder = files("deploy") / "timescaledb"
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".sql") and not entry.name.endswith(other):
            yield entry.name, entry.read_text(encoding="utf-8")
