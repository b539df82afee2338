"""Readings of many messages into one batch a partition; drills never beside what is real."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ingest.acks import Receipt
from ingest.quality import Known, Verdict
from lifeline.model import Batch, Message

READING_BYTES = 34
"""What a reading adds to a record: the six columns of wire.encode_batch."""
MESSAGE_BYTES = 24
"""What a message adds to it, beside its device's name."""

Key = tuple[int, bool]
"""(partition, drill)."""


@dataclass(slots=True)
class Sealed:
    """A batch that takes no more, with the receipts of the messages in it."""

    partition: int
    drill: bool
    batch: Batch
    receipts: list[Receipt]
    counts: dict[str, int]
    """Readings by lifeline."""


@dataclass(slots=True)
class _Open:
    """A batch that is being filled: arrays, because lists of numbers take five times the memory."""

    names: dict[str, int] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    channel: "array[int]" = field(default_factory=lambda: array("i"))
    at_ms: "array[int]" = field(default_factory=lambda: array("q"))
    value: "array[float]" = field(default_factory=lambda: array("d"))
    quality: "array[int]" = field(default_factory=lambda: array("H"))
    received: "array[int]" = field(default_factory=lambda: array("q"))
    """One a message, as is the next; as columns only when the batch is sealed."""
    readings: "array[int]" = field(default_factory=lambda: array("q"))
    size: int = 0

    def add(self, known: Known, message: Message, verdict: Verdict, received_ms: int) -> None:
        n = len(verdict.names)
        self.size += n * READING_BYTES + MESSAGE_BYTES + len(message.device)
        if n == 1:
            self._add_one(verdict)
        elif n:
            self._add_many(verdict, n)
        self.messages.append(message)
        self.received.append(received_ms)
        self.readings.append(n)
        self.counts[known.lifeline] = self.counts.get(known.lifeline, 0) + n

    def _slot(self, name: str) -> int:
        slot = self.names.get(name)
        if slot is None:
            slot = self.names[name] = len(self.names)
            self.size += len(name) + 2
        return slot

    def _slots(self, names: Sequence[str], n: int) -> "Sequence[int] | NDArray[np.int32]":
        """The same for all of a message, as a rule without a look at each name."""
        table = self.names
        if table.keys().isdisjoint(names) and len(set(names)) == n:
            first = len(table)
            table.update(zip(names, range(first, first + n), strict=True))
            self.size += sum(map(len, names)) + 2 * n
            return np.arange(first, first + n, dtype=np.int32)
        try:
            return list(map(table.__getitem__, names))
        except KeyError:
            return [self._slot(name) for name in names]

    def _add_one(self, verdict: Verdict) -> None:
        self.channel.append(self._slot(verdict.names[0]))
        self.at_ms.append(int(verdict.at_ms[0]))
        self.value.append(float(verdict.values[0]))
        self.quality.append(int(verdict.quality[0]))

    def _add_many(self, verdict: Verdict, n: int) -> None:
        _extend(self.channel, self._slots(verdict.names, n))
        _extend(self.at_ms, verdict.at_ms)
        _extend(self.value, verdict.values)
        _extend(self.quality, verdict.quality)

    def seal(self, key: Key, now_ms: int) -> Sealed:
        readings = np.frombuffer(self.readings, np.int64)
        batch = Batch(
            received_ms=now_ms,
            channels=list(self.names),
            messages=self.messages,
            channel=np.frombuffer(self.channel, np.int32),
            at_ms=np.frombuffer(self.at_ms, np.int64),
            value=np.frombuffer(self.value, np.float64),
            quality=np.frombuffer(self.quality, np.uint16),
            received=np.repeat(np.frombuffer(self.received, np.int64), readings),
            message=np.repeat(np.arange(len(readings), dtype=np.int32), readings),
        )
        return Sealed(key[0], key[1], batch, self.receipts, self.counts)


def _extend(
    column: "array[int] | array[float]", more: "Sequence[float] | np.ndarray[tuple[int], np.dtype]"
) -> None:
    if isinstance(more, np.ndarray):
        column.frombytes(more.tobytes())
    else:
        column.extend(more)  # type: ignore[arg-type]


@dataclass(slots=True)
class Batcher:
    """The open batches.  ``limit_bytes`` closes one at once; its age is the shell's business."""

    limit_bytes: int
    open: dict[Key, _Open] = field(default_factory=dict)
    size: int = 0
    """Bytes in all open batches, about."""

    def add(
        self,
        known: Known,
        message: Message,
        verdict: Verdict,
        received_ms: int,
        receipt: Receipt,
    ) -> Key | None:
        """Puts one message's readings, or the fact that it had none, into its partition's batch.

        Returns the batch's key when it is full now.
        """
        key = (known.partition, receipt.drill)
        batch = self.open.get(key)
        if batch is None:
            batch = self.open[key] = _Open()
        before = batch.size
        batch.add(known, message, verdict, received_ms)
        batch.receipts.append(receipt)
        receipt.waits += 1
        self.size += batch.size - before
        return key if batch.size >= self.limit_bytes else None

    def seal(self, key: Key, now_ms: int) -> Sealed:
        """Closes one batch: the next reading of its partition opens another."""
        batch = self.open.pop(key)
        self.size -= batch.size
        return batch.seal(key, now_ms)

    def seal_all(self, now_ms: int) -> list[Sealed]:
        """Closes every open batch."""
        return [self.seal(key, now_ms) for key in list(self.open)]


def tick(now_ms: int) -> Batch:
    """An empty batch: it moves the clock of a partition on."""
    return _Open().seal((0, False), now_ms).batch
