"""Everything that detect knows of one partition, and what one record of it leads to.  Pure.

``lifeline replay`` and the tests chain it without any server; ``streams.detect`` feeds it from
Kafka.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from detectors.bank import Bank
from detectors.plan import Plan
from lifeline import wire
from lifeline.catalog import Catalog
from lifeline.model import Batch, Context, Finding
from streams.grid import Grid, lay_out
from streams.meters import Meters
from streams.window import Lanes, Window

VERSION = 1
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder().decode


class SnapshotError(ValueError):
    """Bytes that are not a snapshot of ours: the partition starts blank."""


@dataclass(slots=True)
class Outcome:
    """What one record led to."""

    findings: list[Finding] = field(default_factory=list)
    derived: Batch | None = None
    """Our own readings, to be sent to the same partition."""
    heard: tuple[Batch, Lanes] | None = None
    """The batch as it was classed, for a shadow beside it; None of a drill."""
    failed: list[tuple[str, str]] = field(default_factory=list)
    """(rule, sentence) of detectors that our own bug has ended for this record."""


@dataclass(slots=True)
class Partition:
    """Window, grid, meters and bank of one partition; drill readings have a window of their own."""

    bank: Bank
    window: Window
    drill: Window
    grid: Grid
    meters: Meters
    unheard: Sequence[str] = ()
    """Devices that should speak: of those never heard, the silence counts from the next record."""

    def step(self, batch: Batch, trace: str = "", *, drill: bool = False) -> Outcome:
        """Works one batch in; a batch without readings is a tick of the clock."""
        if self.unheard:
            self.bank.expect(self.unheard, batch.received_ms)
            self.unheard = ()
        if drill:
            lanes = self.drill.classify(batch, self.drill.rows_of(batch.channels))
            return Outcome(self.bank.step(batch, lanes, trace, drill=True))
        self.meters.note(batch)
        lanes = self.window.classify(batch, self.window.rows_of(batch.channels))
        findings = self.bank.step(batch, lanes, trace)
        for name, frame in self.grid.take(batch, lanes):
            findings += self.bank.group_frame(
                frame, name, received_ms=batch.received_ms, trace=trace
            )
        told = [self._in_context(one) for one in findings]
        failed, self.bank.failed = self.bank.failed, []
        return Outcome(told, self.meters.report(), (batch, lanes), failed)

    def _in_context(self, finding: Finding) -> Finding:
        """The finding with what its zone knew then that no sensor says."""
        held = self.bank.contexts(finding.zone, finding.at_ms)
        if not held:
            return finding
        kinds = tuple(sorted({record.kind for record in held}))
        return msgspec.structs.replace(finding, contexts=kinds)

    def context(self, record: Context) -> None:
        """Takes note of what no sensor says."""
        self.bank.context(record)

    def snapshot(self) -> bytes:
        """Everything it remembers, versioned; quick, because the event loop waits for it."""
        state = {
            "v": VERSION,
            "bank": self.bank.snapshot(),
            "window": self.window.state(),
            "drill": self.drill.state(),
            "grid": self.grid.state(),
            "meters": self.meters.state(),
        }
        return _pack(state)

    def restore(self, packed: bytes) -> list[str]:
        """Takes up a snapshot on a blank partition; sentences on what starts blank all the same.

        Raises SnapshotError, and is then to be thrown away.
        """
        try:
            state: dict[str, Any] = _unpack(packed)
            if state["v"] > VERSION:
                raise SnapshotError(f"snapshot version {state['v']} is newer than {VERSION}")
            blank = self.bank.restore(state["bank"])
            self.window.resume(state["window"])
            self.drill.resume(state["drill"])
            self.grid.resume(state["grid"])
            self.meters.resume(state["meters"])
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
            raise SnapshotError(f"not a snapshot of ours: {error}") from error
        return blank


def devices_by_partition(catalog: Catalog, partitions: int) -> list[list[str]]:
    """The names of the catalog's devices, by the partition that their zone lives on."""
    made: list[list[str]] = [[] for _ in range(partitions)]
    for device in catalog.devices():
        made[wire.partition_of(device.zone, partitions)].append(device.name)
    return made


def blank(
    catalog: Catalog,
    plan: Plan,
    number: int,
    partitions: int,
    *,
    lateness_s: float,
    held_s: float,
    devices: Sequence[str] = (),
) -> Partition:
    """A partition that has seen nothing; ``devices`` are those that should speak on it."""
    bank = Bank(plan, catalog, number, partitions, held_s=held_s, lateness_s=lateness_s)
    lateness_ms = round(lateness_s * 1000)
    groups = [
        group
        for group in catalog.head.groups
        if group.name in plan.groups and wire.partition_of(group.zone, partitions) == number
    ]
    return Partition(
        bank, Window(lateness_ms), Window(lateness_ms), lay_out(catalog, groups), Meters(), devices
    )


def squeeze(snapshot: bytes) -> bytes:
    """A snapshot as it is stored: compressed, with a checksum inside (zlib's own)."""
    return zlib.compress(snapshot, 1)


def unsqueeze(stored: bytes) -> bytes:
    """The snapshot as it was; raises SnapshotError when a byte of it is wrong."""
    try:
        return zlib.decompress(stored)
    except zlib.error as error:
        raise SnapshotError(f"snapshot is damaged: {error}") from error
