"""A profile that is tried beside the live one: the same readings, and no alarms.  Pure.

It hears what the live bank hears, in the same order and in the same lanes, with a bank and a grid
of its own, and keeps what it would have raised until that is written down.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace

from detectors.bank import Bank
from detectors.plan import compile_plan
from lifeline import wire
from lifeline.candidate import Candidate
from lifeline.catalog import Catalog, Group
from lifeline.model import Batch, Context, Finding
from streams.grid import Grid, lay_out
from streams.partition import SnapshotError
from streams.window import Lanes

VERSION = 1
NEVER_S = 1e9
"""Nobody is told what is held."""
FOUND_MAX = 10_000
"""What may wait to be written while PostgreSQL is away; beyond, the oldest are lost, counted."""
_pack = msgspec.msgpack.Encoder().encode


class Run(msgspec.Struct, frozen=True):
    """What a shadow has watched on one partition, for how long."""

    shadow: str
    """The candidate's digest."""
    profile: str
    sensors: int
    since_ms: int
    until_ms: int
    """Both by the clock of the records; 0 before the first."""
    lost: int = 0
    """Findings that could not be kept."""
    off: str = ""
    """Why it was switched off."""


class Saved(msgspec.Struct, frozen=True):
    """A shadow as bytes."""

    v: int
    run: Run
    bank: bytes
    grid: dict[str, Any]
    found: tuple[Finding, ...]


_unpack = msgspec.msgpack.Decoder(Saved).decode


@dataclass(slots=True)
class Shadow:
    """Bank and grid of the tried profile's rules on one partition."""

    run: Run
    bank: Bank
    grid: Grid
    rules: frozenset[str]
    channels: frozenset[str]
    """Those that its rules watch here, and what moves their devices' watermarks: the readings of
    all others are none of its business."""
    found: list[Finding] = field(default_factory=list)
    """Raised and cleared, not yet written down, oldest first."""

    def step(self, batch: Batch, lanes: Lanes, trace: str = "") -> None:
        """Works one batch in, as the live partition classed it; never one of a drill."""
        since_ms = self.run.since_ms or batch.received_ms
        until_ms = max(self.run.until_ms, batch.received_ms)
        self.run = replace(self.run, since_ms=since_ms, until_ms=until_ms)
        if len(batch) == 0:
            self._keep(self.bank.step(batch, lanes, trace))
        own, own_lanes = self._own(batch, lanes)
        if len(own):
            # Devices are the live bank's: no rule of a profile watches one.
            self._keep(self.bank.step(without_messages(own), own_lanes, trace))
        for name, frame in self.grid.take(own, own_lanes):
            if name in self.bank.plan.groups:
                self._keep(
                    self.bank.group_frame(frame, name, received_ms=batch.received_ms, trace=trace)
                )

        if self.bank.failed:
            # Live, the others go on; what is only tried has shown that it is not ready.
            raise RuntimeError(self.bank.failed[0][1])

    def context(self, record: Context) -> None:
        """Takes note of what no sensor says."""
        self.bank.context(record)

    def written(self, count: int) -> None:
        """Forgets its oldest findings, which are kept elsewhere now."""
        del self.found[:count]

    def snapshot(self) -> bytes:
        """Everything it remembers, versioned."""
        saved = Saved(VERSION, self.run, self.bank.snapshot(), self.grid.state(), tuple(self.found))
        return _pack(saved)

    def restore(self, packed: bytes) -> list[str]:
        """Takes up a snapshot on a blank shadow; sentences on what starts blank all the same.

        What another candidate left is not taken up: every version is judged from its own beginning.
        Raises SnapshotError, and is then to be thrown away.
        """
        try:
            saved = _unpack(packed)
            if saved.v > VERSION:
                raise SnapshotError(f"shadow version {saved.v} is newer than {VERSION}")
            if saved.run.shadow != self.run.shadow:
                return []
            blank = self.bank.restore(saved.bank)
            self.grid.resume(saved.grid)
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
            raise SnapshotError(f"not a shadow of ours: {error}") from error
        self.run = replace(saved.run, sensors=self.run.sensors)
        self.found = list(saved.found)
        return blank

    def _own(self, batch: Batch, lanes: Lanes) -> tuple[Batch, Lanes]:
        """The readings of its channels alone."""
        mine = np.fromiter(map(self.channels.__contains__, batch.channels), bool)
        if mine.all():
            return batch, lanes
        keep = mine[batch.channel]
        number = (np.cumsum(mine) - 1).astype(np.int32)
        own = Batch(
            received_ms=batch.received_ms,
            channels=[batch.channels[k] for k in np.flatnonzero(mine).tolist()],
            messages=batch.messages,
            channel=number[batch.channel[keep]],
            at_ms=batch.at_ms[keep],
            value=batch.value[keep],
            quality=batch.quality[keep],
            received=batch.received[keep],
            message=batch.message[keep],
        )
        return own, lanes[keep]

    def _keep(self, findings: Sequence[Finding]) -> None:
        self.found += [one for one in findings if one.rule in self.rules]
        over = len(self.found) - FOUND_MAX
        if over > 0:
            del self.found[:over]
            self.run = replace(self.run, lost=self.run.lost + over)


def without_messages(batch: Batch) -> Batch:
    """The batch without its messages."""
    return Batch(
        batch.received_ms, batch.channels, [], batch.channel, batch.at_ms, batch.value,
        batch.quality, batch.received, batch.message,
    )  # fmt: skip


def cast(candidate: Candidate, number: int, partitions: int, *, lateness_s: float) -> Shadow | None:
    """A shadow that has seen nothing; None where the candidate watches nothing of this partition.

    Raises PlanError with the rule that is wrong.
    """
    catalog, rules = candidate.catalog, candidate.rules
    groups = [
        group for group in candidate.groups if wire.partition_of(group.zone, partitions) == number
    ]
    if not groups:
        return None
    plan = compile_plan(rules, catalog.head.limits)
    sensors = {name for group in groups for name in group.channels}
    run = Run(candidate.digest, candidate.profile.name, len(sensors), 0, 0)
    bank = Bank(plan, catalog, number, partitions, held_s=NEVER_S, lateness_s=lateness_s)
    laid = list(_side_by_side(catalog, groups))
    channels = frozenset(sensors.union(*(group.channels for group in laid)))
    own = frozenset(rule.id for rule in rules)
    return Shadow(run, bank, lay_out(catalog, laid), own, channels)


def _side_by_side(catalog: Catalog, groups: Sequence[Group]) -> Iterator[Group]:
    """The groups that some rule watches and that share a device with one of these.

    A device has one watermark for all of its groups: it moves as it does on the live grid.
    """

    def devices(group: Group) -> set[str]:
        found = map(catalog.find, group.channels)
        return {pair[0].name for pair in found if pair is not None}

    ours = set().union(*map(devices, groups))
    watched = {name for rule in catalog.head.rules for name in rule.groups}
    for group in catalog.head.groups:
        if group.name in watched and not ours.isdisjoint(devices(group)):
            yield group
