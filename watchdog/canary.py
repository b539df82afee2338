"""The canary: who it is in the catalog, what it says, when its silence is announced.  Pure.

One canary lives on every partition.  Its value steps to 1 every ``canary_s`` and back
half-way; the step is a finding, an incident, and a notice to the watchdog's own receiver: so
one arrival proves every stage.
"""

from dataclasses import dataclass, field
from itertools import count

from lifeline.catalog import (
    Channel,
    DeviceEntry,
    Lifeline,
    Limit,
    Model,
    Rule,
    Source,
)
from lifeline.model import CANARY, Text
from lifeline.network import Asset, Zone
from lifeline.wire import partition_of

CHANNEL = "beat"
RULE = f"{CANARY}.{CHANNEL}"


def zone_of(partition: int, partitions: int) -> str:
    """The first canary zone whose hash falls on that partition.

    >>> from lifeline.wire import partition_of
    >>> [partition_of(zone_of(p, 3), 3) for p in range(3)]
    [0, 1, 2]
    """
    candidates = (f"{CANARY}/{n}" for n in count())
    return next(zone for zone in candidates if partition_of(zone, partitions) == partition)


def device_of(partition: int) -> str:
    """The canary's device name on a partition."""
    return f"{CANARY}-{partition}"


def asset_of(partition: int) -> str:
    """The canary's asset name on a partition."""
    return f"{CANARY}/partition-{partition}"


def source(partitions: int) -> Source:
    """The canaries as a lifeline of the catalog."""
    zones = [zone_of(p, partitions) for p in range(partitions)]
    return Source(
        lifeline=Lifeline(CANARY, Text("自检", "Self-test")),
        zone=tuple(Zone(zone) for zone in zones),
        asset=tuple(
            Asset(asset_of(p), zone, CANARY, Text(f"自检通道 {p}", f"Self-test {p}"))
            for p, zone in enumerate(zones)
        ),
        model=(
            Model(CANARY, (Channel(CHANNEL, CANARY, "1", -1.0, 2.0, 15.0),), silent_after_s=3600.0),
        ),
        device=tuple(
            DeviceEntry(device_of(p), zone, asset_of(p), CANARY) for p, zone in enumerate(zones)
        ),
        limit=(Limit(RULE, 0.5, "1", "watchdog", verified=True),),
        rule=(
            Rule(
                id=RULE,
                hazard=CANARY,
                grade=4,
                detector={"kind": "threshold", "side": "above"},
                quantity=CANARY,
                limit=RULE,
            ),
        ),
    )


@dataclass(slots=True)
class Watch:
    """Which partitions' canaries came through, and what has been announced.

    Its times are of a clock that only goes forward: one that is set back would hide silence for as
    long.  They begin at the watch's own start: a chain that never worked is announced too.
    """

    partitions: int
    silent_after_ms: int
    started_ms: int
    heard_ms: dict[int, int] = field(default_factory=dict)
    """When the newest canary was sent that came through."""
    sent_ms: dict[tuple[int, int], int] = field(default_factory=dict)
    """When each was sent whose arrival would still be news, by partition and what its reading
    says of the time."""
    announced: frozenset[int] = frozenset()
    """What was told last; of a watch before this one, silent until a canary says otherwise."""

    def send(self, partition: int, at_ms: int, now_ms: int) -> None:
        """A canary sets out, with the reading's time ``at_ms``."""
        fresh_ms = now_ms - self.silent_after_ms
        self.sent_ms = {name: sent for name, sent in self.sent_ms.items() if sent >= fresh_ms}
        self.sent_ms[partition, at_ms] = now_ms

    def hear(self, partition: int, at_ms: int) -> bool:
        """Whether the canary that arrived proves anything: one of ours, and not too late to.

        What counts is when it was sent: a chain that is minutes behind lets every canary through,
        and alarms come as late.
        """
        assert 0 <= partition < self.partitions
        sent_ms = self.sent_ms.pop((partition, at_ms), None)
        if sent_ms is None:
            return False
        self.heard_ms[partition] = max(sent_ms, self.heard_ms.get(partition, sent_ms))
        return True

    def age_ms(self, partition: int, now_ms: int) -> int:
        """How long that partition has been silent."""
        return now_ms - self.heard_ms.get(partition, self.started_ms)

    def judge(self, now_ms: int) -> "Verdict | None":
        """What must be announced now: a change in the set of silent partitions, or None."""
        silent = frozenset(
            p
            for p in range(self.partitions)
            if self.age_ms(p, now_ms) >= self.silent_after_ms
            or (p in self.announced and p not in self.heard_ms)
        )
        if silent == self.announced:
            return None
        worse = silent - self.announced
        self.announced = silent
        since = min((now_ms - self.age_ms(p, now_ms) for p in silent), default=now_ms)
        return Verdict(bool(worse), tuple(sorted(silent)), since, now_ms)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A change worth telling: which partitions are silent since when; worse, or back again.

    Times are of the watch's clock.
    """

    is_worse: bool
    silent: tuple[int, ...]
    since_ms: int
    at_ms: int
