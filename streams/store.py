"""What both workers keep: progress, snapshots and quarantine in PostgreSQL, two small files.  A shell.

Every function with SQL works on the connection that it is given; the caller's transaction holds it.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from psycopg import Connection

from lifeline.db import quarantine


@dataclass(slots=True)
class Snapshot:
    """A partition's state as it was before it read ``next_offset``."""

    next_offset: int
    catalog: str
    body: bytes


@dataclass(slots=True)
class Parked:
    """A record of our own topics that could not be worked on."""

    topic: str
    partition: int
    offset: int
    reason: str
    body: bytes


def read_progress(connection: Connection, consumer: str, topic: str) -> dict[int, int]:
    """Partition -> next offset of a consumer."""
    rows = connection.execute(
        "select partition, next_offset from progress where consumer = %s and topic = %s",
        (consumer, topic),
    )
    return dict(rows.fetchall())


def begin_progress(connection: Connection, consumer: str, topic: str, partition: int) -> int:
    """The next offset of a partition; a consumer that never read it begins at 0."""
    connection.execute(
        "insert into progress (consumer, topic, partition, next_offset) values (%s, %s, %s, 0)"
        " on conflict do nothing",
        (consumer, topic, partition),
    )
    return read_progress(connection, consumer, topic)[partition]


def move_progress(
    connection: Connection, consumer: str, topic: str, moves: list[tuple[int, int, int]]
) -> bool:
    """Whether every (partition, expected, new) could be moved; roll back when it is False."""
    done = connection.execute(
        "update progress set next_offset = moved.next_offset, changed = clock_timestamp()"
        " from unnest(%s::int4[], %s::int8[], %s::int8[]) as moved (partition, expected, next_offset)"
        " where progress.consumer = %s and progress.topic = %s"
        " and progress.partition = moved.partition and progress.next_offset = moved.expected",
        ([m[0] for m in moves], [m[1] for m in moves], [m[2] for m in moves], consumer, topic),
    )
    return done.rowcount == len(moves)


def newest_snapshot(connection: Connection, partition: int, until: int) -> Snapshot | None:
    """The newest snapshot of a partition that does not know offset ``until`` yet."""
    row = connection.execute(
        "select next_offset, catalog, body from snapshot"
        " where partition = %s and next_offset <= %s order by next_offset desc limit 1",
        (partition, until),
    ).fetchone()
    return Snapshot(*row) if row else None


def save_snapshot(connection: Connection, partition: int, snapshot: Snapshot) -> bool:
    """Keeps a snapshot unless a newer one is there (a worker that woke up late); the 2 newest stay."""
    done = connection.execute(
        "insert into snapshot (partition, next_offset, catalog, body)"
        " select %(partition)s, %(next)s, %(catalog)s, %(body)s where not exists"
        " (select 1 from snapshot where partition = %(partition)s and next_offset >= %(next)s)"
        " on conflict do nothing",
        {
            "partition": partition,
            "next": snapshot.next_offset,
            "catalog": snapshot.catalog,
            "body": snapshot.body,
        },
    )
    if done.rowcount == 0:
        return False
    connection.execute(
        "delete from snapshot where partition = %s and next_offset < coalesce((select next_offset"
        " from snapshot where partition = %s order by next_offset desc offset 1 limit 1), 0)",
        (partition, partition),
    )
    return True


def drop_snapshots(connection: Connection, partition: int, above: int) -> int:
    """Forgets snapshots from beyond the end of the log (Kafka began anew); returns how many."""
    return connection.execute(
        "delete from snapshot where partition = %s and next_offset > %s", (partition, above)
    ).rowcount


def park(connection: Connection, parked: Parked) -> None:
    """Keeps a record that cannot be worked on; twice is once."""
    quarantine(
        connection, parked.topic, parked.partition, parked.offset, parked.reason, parked.body
    )


@dataclass(slots=True)
class Failures:
    """How often the work on a record ended the process; a file, because it must outlive it."""

    path: Path
    counts: dict[str, int] = field(default_factory=dict)

    def load(self) -> None:
        """Reads what earlier processes left; a damaged file counts as none."""
        try:
            self.counts = msgspec.json.decode(self.path.read_bytes(), type=dict[str, int])
        except (OSError, msgspec.MsgspecError):
            self.counts = {}

    def add(self, topic: str, partition: int, offset: int) -> int:
        """Counts one more failure, durably; returns how many there are now."""
        key = f"{topic}/{partition}/{offset}"
        self.counts[key] = self.counts.get(key, 0) + 1
        self.path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.path.with_suffix(f".{os.getpid()}.new")
        with scratch.open("wb") as out:
            out.write(msgspec.json.encode(self.counts))
            out.flush()
            os.fsync(out.fileno())
        scratch.replace(self.path)
        return self.counts[key]

    def of(self, topic: str, partition: int, offset: int) -> int:
        """How often this record has failed."""
        return self.counts.get(f"{topic}/{partition}/{offset}", 0) if self.counts else 0
