"""What is measured of every device itself: missing and repeated messages, refusals, skew.  Pure.

Counts are those since the device's previous report, so that an ordinary threshold raises and clears
on them.  Reports are readings of the channels ``device/<device>/<meter>``: they go back through
Kafka, where the archive stores them and the bank judges them like any other.
"""

from array import array
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lifeline.catalog import meter
from lifeline.model import Batch, Ints, Message, Quality

OWN = "~detect"
"""The device name under which reports travel: no catalog can hold it, and nobody meters it."""
REPORTED = ("gaps", "duplicates", "rejects", "skew")
EVERY_MS = 60_000
"""A device whose figures change reports at most this often,"""
HURRY_MS = 10_000
"""unless something was lost, repeated or refused: then this soon;"""
QUIET_MS = 600_000
"""and one that has nothing new to say this often."""
SKEW_MS = 1_000
"""A change of the skew below this is no news."""
SEQ_BITS = 64
MASK = (1 << SEQ_BITS) - 1
GAP_MAX = 1_000_000
INT64 = (1 << 63) - 1
"""Devices may count as far as they like; we keep what fits."""

NEVER = -(1 << 62)

FIELDS = (
    "boot",
    "top",
    "gaps",
    "duplicates",
    "rejects",
    "skew",
    "reported_ms",
    "told_skew",
    "told",
)


@dataclass(slots=True)
class Meters:
    """Counters of every device seen on one partition, one row a device."""

    rows: dict[str, int] = field(default_factory=dict)
    columns: dict[str, "array[int]"] = field(
        default_factory=lambda: {name: array("q") for name in FIELDS}
    )
    seen: "array[int]" = field(default_factory=lambda: array("Q"))
    """Bit k: whether message ``top - k`` has come."""
    clock_ms: int = 0
    checked_ms: int = 0

    def note(self, batch: Batch) -> None:
        """Counts the messages of one batch."""
        self.clock_ms = max(self.clock_ms, batch.received_ms)
        if not batch.messages:
            return
        skew = _skew(batch)
        for i, message in enumerate(batch.messages):
            if message.device.startswith("~"):
                continue
            row = self.rows.get(message.device)
            if row is None:
                row = self._enter(message)
            elif message.seq >= 0:
                self._count(row, message)
            self.columns["rejects"][row] += message.rejected
            ms = skew[i]
            if ms is not None:
                self.columns["skew"][row] = ms

    def _enter(self, message: Message) -> int:
        row = self.rows[message.device] = len(self.rows)
        for name in FIELDS:
            self.columns[name].append(0)
        self.seen.append(1)
        self.columns["boot"][row] = message.boot & INT64
        self.columns["top"][row] = max(-1, min(message.seq, INT64))
        # Due in HURRY_MS: the first report of a device is not kept waiting for a minute.
        self.columns["reported_ms"][row] = self.clock_ms - EVERY_MS + HURRY_MS
        self.columns["told"][row] = 1
        return row

    def _count(self, row: int, message: Message) -> None:
        column = self.columns
        boot, seq = message.boot & INT64, min(message.seq, INT64)
        if boot != column["boot"][row] or column["top"][row] < 0:
            # An older boot is a spool being emptied: its numbers say nothing about the present.
            if boot >= column["boot"][row]:
                column["boot"][row], column["top"][row], self.seen[row] = boot, seq, 1
            return
        ahead = seq - column["top"][row]
        if ahead > 0:
            column["gaps"][row] += min(ahead - 1, GAP_MAX)
            column["top"][row] = seq
            self.seen[row] = ((self.seen[row] << ahead) | 1) & MASK if ahead < SEQ_BITS else 1
        elif -ahead < SEQ_BITS and self.seen[row] >> -ahead & 1:
            column["duplicates"][row] += 1
        else:
            # A number that was missed has come after all, by another ingest or out of a spool.
            if -ahead < SEQ_BITS:
                self.seen[row] |= 1 << -ahead
            column["gaps"][row] = max(0, column["gaps"][row] - 1)

    def report(self) -> Batch | None:
        """The readings due by the clock, or None; looks once a second."""
        if self.clock_ms - self.checked_ms < 1000 or not self.rows:
            return None
        self.checked_ms = self.clock_ms
        view = {name: np.frombuffer(self.columns[name], np.int64) for name in FIELDS}
        wrong = (view["gaps"] + view["duplicates"] + view["rejects"]) > 0
        news = wrong | (view["told"] > 0) | (np.abs(view["skew"] - view["told_skew"]) > SKEW_MS)
        age_ms = self.clock_ms - view["reported_ms"]
        due = np.flatnonzero(
            (wrong & (age_ms >= HURRY_MS)) | (news & (age_ms >= EVERY_MS)) | (age_ms >= QUIET_MS)
        )
        if not len(due):
            return None
        values = np.stack([view[name][due] for name in REPORTED], axis=1).astype(np.float64)
        view["told"][due] = wrong[due]
        view["told_skew"][due] = view["skew"][due]
        view["reported_ms"][due] = self.clock_ms
        for name in ("gaps", "duplicates", "rejects"):
            view[name][due] = 0
        names = list(self.rows)
        channels = [meter(names[row], local) for row in due.tolist() for local in REPORTED]
        return derived(Message(OWN, 0, -1), channels, self.clock_ms, values.ravel())

    def state(self) -> dict[str, Any]:
        """Everything it remembers, as what msgpack can carry."""
        return {
            "names": list(self.rows),
            "seen": np.frombuffer(self.seen, np.uint64).astype("<u8").tobytes(),
            "columns": {
                name: np.frombuffer(column, np.int64).astype("<i8").tobytes()
                for name, column in self.columns.items()
            },
            "clock_ms": self.clock_ms,
            "checked_ms": self.checked_ms,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Takes up a ``state``."""
        self.rows = {name: row for row, name in enumerate(state["names"])}
        self.seen = array("Q", np.frombuffer(state["seen"], "<u8").astype(np.uint64).tobytes())
        self.columns = {
            name: array(
                "q", np.frombuffer(state["columns"][name], "<i8").astype(np.int64).tobytes()
            )
            for name in FIELDS
        }
        assert all(len(c) == len(self.rows) for c in self.columns.values()), "one row a device"
        self.clock_ms, self.checked_ms = state["clock_ms"], state["checked_ms"]


def _skew(batch: Batch) -> list[int | None]:
    """Received minus newest time of each message's own readings, ms; None where it has none."""
    if not len(batch):
        return [None] * len(batch.messages)
    newest: Ints = np.full(len(batch.messages), NEVER, np.int64)
    received: Ints = np.zeros(len(batch.messages), np.int64)
    np.maximum.at(newest, batch.message, batch.at_ms)
    received[batch.message] = batch.received
    age_ms: list[int] = (received - newest).tolist()
    return [
        None if at_ms == NEVER else ms for ms, at_ms in zip(age_ms, newest.tolist(), strict=True)
    ]


def derived(
    message: Message,
    channels: list[str],
    at_ms: int,
    values: NDArray[np.float64],
    quality: int = 0,
    received_ms: int | None = None,
) -> Batch:
    """A batch of our own readings, one a channel, all at one time, flagged as derived."""
    n = len(channels)
    assert len(values) == n, "one value a channel"
    clock_ms = at_ms if received_ms is None else received_ms
    bits = int(Quality.DERIVED) | quality
    flags = np.full(n, bits, np.uint16)
    flags[~np.isfinite(values)] |= int(Quality.NON_FINITE)
    return Batch(
        received_ms=clock_ms,
        channels=channels,
        messages=[message],
        channel=np.arange(n, dtype=np.int32),
        at_ms=np.full(n, at_ms, np.int64),
        value=values,
        quality=flags,
        received=np.full(n, clock_ms, np.int64),
        message=np.zeros(n, np.int32),
    )
