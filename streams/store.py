"""What both workers keep: snapshots and quarantine in PostgreSQL, one small file.  A shell.

Every function with SQL works on the connection that it is given; the caller's transaction holds it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from psycopg import Connection

from lifeline import wire
from lifeline.db import quarantine
from lifeline.model import Finding
from lifeline.store import write_file
from streams.shadow import Run


@dataclass(slots=True)
class Snapshot:
    """A partition's state as it was before it read ``next_offset``."""

    next_offset: int
    catalog: str
    body: bytes
    shadow: bytes | None = None
    """Of the profile that is tried, at the same offset."""


@dataclass(slots=True)
class Parked:
    """A record of our own topics that could not be worked on."""

    topic: str
    partition: int
    offset: int
    reason: str
    body: bytes


def newest_snapshot(connection: Connection, partition: int, until: int) -> Snapshot | None:
    """The newest snapshot of a partition that does not know offset ``until`` yet."""
    row = connection.execute(
        "select next_offset, catalog, body, shadow from snapshot"
        " where partition = %s and next_offset <= %s order by next_offset desc limit 1",
        (partition, until),
    ).fetchone()
    return Snapshot(*row) if row else None


def save_snapshot(connection: Connection, partition: int, snapshot: Snapshot) -> bool:
    """Keeps a snapshot unless a newer one is there (a worker woke up late); the 2 newest stay."""
    done = connection.execute(
        "insert into snapshot (partition, next_offset, catalog, body, shadow)"
        " select %(partition)s, %(next)s, %(catalog)s, %(body)s, %(shadow)s where not exists"
        " (select 1 from snapshot where partition = %(partition)s and next_offset >= %(next)s)"
        " on conflict do nothing",
        {
            "partition": partition,
            "next": snapshot.next_offset,
            "catalog": snapshot.catalog,
            "body": snapshot.body,
            "shadow": snapshot.shadow,
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


def keep_run(connection: Connection, partition: int, run: Run) -> None:
    """Keeps what a shadow has watched until now."""
    connection.execute(
        "insert into shadow_run"
        " (shadow, partition, profile, sensors, since_ms, until_ms, lost, off)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict (shadow, partition) do update set"
        " sensors = excluded.sensors, since_ms = least(shadow_run.since_ms, excluded.since_ms),"
        " until_ms = greatest(shadow_run.until_ms, excluded.until_ms), lost = excluded.lost,"
        " off = excluded.off",
        (run.shadow, partition, run.profile, run.sensors, run.since_ms, run.until_ms, run.lost,
         run.off),
    )  # fmt: skip


def keep_shadow_findings(
    connection: Connection, partition: int, shadow: str, findings: Sequence[Finding]
) -> None:
    """Keeps what a shadow would have raised, and when that was over; twice is once."""
    with connection.cursor() as cursor:
        for one in findings:
            if one.phase == "raised":
                cursor.execute(
                    "insert into shadow_finding (shadow, id, partition, zone, asset, channel, rule,"
                    " hazard, onset_ms, raised_ms, body)"
                    " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
                    (shadow, one.id, partition, one.zone, one.asset, one.channel, one.rule,
                     one.hazard, one.onset_ms, one.received_ms, wire.encode_finding(one).decode()),
                )  # fmt: skip
            else:
                cursor.execute(
                    "update shadow_finding set cleared_ms = %s where shadow = %s and id = %s",
                    (one.at_ms, shadow, one.id),
                )


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
        write_file(self.path, msgspec.json.encode(self.counts))
        return self.counts[key]

    def of(self, topic: str, partition: int, offset: int) -> int:
        """How often this record has failed."""
        return self.counts.get(f"{topic}/{partition}/{offset}", 0) if self.counts else 0
