"""The device side's files: a spool that survives a power cut, ledger and truth.  A shell."""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from simulators.base import Truth, Uplink, encode
from simulators.device import Entry, Key

SCHEMA = """
create table if not exists life (one integer primary key check (one = 1), boot integer not null);
create table if not exists device (name text primary key, seq integer not null) without rowid;
create table if not exists spool (
  device text, boot integer, seq integer, suffix text not null, payload blob not null,
  primary key (device, boot, seq)
) without rowid;
insert or ignore into life values (1, 0);
"""


class Spool:
    """Messages that must not be lost, in SQLite with a synced write-ahead log.

    Opening counts one more ``boot``, durably, before any message can carry it; ``seq`` goes on from
    where the last committed one stood.  A number lost with an uncommitted message belongs to the
    old boot, so (boot, seq) never names two messages.  Raises sqlite3.Error when the disk refuses.
    """

    def __init__(self, path: str) -> None:
        if path != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, timeout=5.0)
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=full")
        self._db.executescript(SCHEMA)
        with self._transaction():
            self._db.execute("update life set boot = boot + 1")
        self.boot: int = self._db.execute("select boot from life").fetchone()[0]
        self._seq: dict[str, int] = dict(self._db.execute("select name, seq from device"))

    def number(self, uplinks: Sequence[Uplink]) -> list[Entry]:
        """The messages with their (boot, seq); nothing is durable before ``keep``."""
        made = []
        for uplink in uplinks:
            seq = self._seq.get(uplink.device, 0) + 1
            self._seq[uplink.device] = seq
            payload = encode(uplink, self.boot, seq)
            made.append(Entry(uplink.device, self.boot, seq, uplink.suffix, payload))
        return made

    def keep(self, entries: Sequence[Entry]) -> None:
        """Returns when these messages and their numbers are on the disk, all of them or none."""
        highest = {entry.device: entry.seq for entry in entries}
        rows = [(e.device, e.boot, e.seq, e.suffix, e.payload) for e in entries]
        with self._transaction():
            self._db.executemany("insert into spool values (?, ?, ?, ?, ?)", rows)
            self._db.executemany(
                "insert into device values (?, ?)"
                " on conflict (name) do update set seq = excluded.seq",
                list(highest.items()),
            )

    def owed(self) -> list[Entry]:
        """Everything not yet released, in the order of (boot, seq)."""
        rows = self._db.execute(
            "select device, boot, seq, suffix, payload from spool order by boot, seq, device"
        )
        return [Entry(*row) for row in rows]

    def release(self, keys: Iterable[Key]) -> None:
        """Forgets messages that ingest has made durable."""
        with self._transaction():
            self._db.executemany(
                "delete from spool where device = ? and boot = ? and seq = ?", list(keys)
            )

    def close(self) -> None:
        """Closes the file; not needed for durability."""
        self._db.close()

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._db)


class _Transaction:
    """``begin immediate`` … ``commit``, or ``rollback`` when the body raises."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("begin immediate")

    def __exit__(self, kind: object, *_: object) -> None:
        self._db.execute("commit" if kind is None else "rollback")


class Journal:
    """A file of JSON lines; each call returns when its lines are on the disk.

    A line torn by a kill is ended at the next opening, so that the line after it stays readable.
    """

    def __init__(self, path: str) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        self._file = target.open("ab+")
        size = self._file.seek(0, os.SEEK_END)
        if size:
            self._file.seek(size - 1)
            if self._file.read(1) != b"\n":
                self._file.write(b"\n")

    def append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Writes and syncs the lines."""
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        if text:
            self._file.write(text.encode())
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def read_journal(path: str) -> Iterator[dict[str, Any]]:
    """The readable lines of a journal; torn ones are passed over."""
    with Path(path).open("rb") as file:
        for line in file:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                yield entry


def sent_lines(
    entries: Sequence[Entry],
    uplinks: Sequence[Uplink],
    names: Mapping[tuple[str, str], str],
    now_ms: int,
) -> Iterator[dict[str, Any]]:
    """One ledger line a message: ``readings`` are (channel's permanent name, at_ms, value)."""
    for entry, uplink in zip(entries, uplinks, strict=True):
        known = [names.get((uplink.device, local), local) for local in uplink.channels]
        yield {
            "what": "sent", "device": entry.device, "boot": entry.boot, "seq": entry.seq,
            "ms": now_ms, "suffix": entry.suffix,
            "readings": [[c, uplink.at_ms, v] for c, v in zip(known, uplink.values, strict=False)],
        }  # fmt: skip


def acked_lines(entries: Iterable[Entry], now_ms: int) -> Iterator[dict[str, Any]]:
    """One ledger line a message that ingest reported durable."""
    for entry in entries:
        yield {
            "what": "acked",
            "device": entry.device,
            "boot": entry.boot,
            "seq": entry.seq,
            "ms": now_ms,
        }


def truth_lines(truths: Iterable[Truth]) -> Iterator[dict[str, Any]]:
    """The truth as JSON lines."""
    for truth in truths:
        line: dict[str, Any] = msgspec.to_builtins(truth)
        yield line
