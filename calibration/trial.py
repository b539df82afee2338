"""What a shadow came to, held against what was live beside it.  Pure."""

from collections.abc import Sequence

import msgspec

from calibration.differences import Difference, Spell, Tally, counts, differences, tallies
from calibration.rates import YEAR_S
from lifeline.wire import partition_of
from streams.shadow import Run


class Watch(msgspec.Struct, frozen=True):
    """A shadow's run on one partition."""

    partition: int
    run: Run


class Trial(msgspec.Struct, frozen=True):
    """One version of a profile and all that it did differently."""

    profile: str
    shadow: str
    since_ms: int
    until_ms: int
    sensors: int
    sensor_years: float
    lost: int
    """Of its findings those that could not be kept: what follows is less than the truth."""
    off: tuple[str, ...]
    """Why it was switched off, partition by partition."""
    counts: dict[str, int]
    rules: tuple[Tally, ...]
    zones: tuple[Tally, ...]
    differences: tuple[Difference, ...]


def trial(
    watches: Sequence[Watch],
    live: Sequence[Spell],
    shadow: Sequence[Spell],
    partitions: int,
    span: tuple[int, int],
) -> Trial:
    """What one shadow came to; what was live counts only where and while it watched."""
    clipped = {
        watch.partition: (
            max(span[0], watch.run.since_ms), min(span[1], watch.run.until_ms), watch.run
        )
        for watch in watches
    }  # fmt: skip
    old = [one for one in live if _is_beside(one, clipped, partitions)]
    new = [one for one in shadow if _is_beside(one, clipped, partitions)]
    found = differences(old, new)
    first = watches[0].run
    spans = list(clipped.values())
    return Trial(
        profile=first.profile,
        shadow=first.shadow,
        since_ms=min(since for since, _, _ in spans),
        until_ms=max(until for _, until, _ in spans),
        sensors=sum(run.sensors for _, _, run in spans),
        sensor_years=sum(
            run.sensors * max(0, until - since) / 1000.0 / YEAR_S for since, until, run in spans
        ),
        lost=sum(run.lost for _, _, run in spans),
        off=tuple(f"{watch.partition}: {watch.run.off}" for watch in watches if watch.run.off),
        counts=counts(found),
        rules=tuple(tallies(found, lambda one: one.rule)),
        zones=tuple(tallies(found, lambda one: one.zone)),
        differences=tuple(found),
    )


def _is_beside(one: Spell, clipped: dict[int, tuple[int, int, Run]], partitions: int) -> bool:
    since_ms, until_ms, _ = clipped.get(partition_of(one.zone, partitions), (1, 0, None))
    return since_ms <= one.from_ms <= until_ms
