"""Two versions of a profile held against each other: found by both, gained, lost, moved.  Pure.

What-if compares incidents with it, the report on a shadow what was raised.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import msgspec

What = Literal["lost", "gained", "later", "earlier", "same"]
WHAT: tuple[What, ...] = ("lost", "gained", "later", "earlier", "same")
VERDICTS = ("true", "false", "test", "unknown")
"""Of the desk, the one that decides first: whatever else was said, once it was true."""
WITHIN_MS = 3_600_000
"""No further apart it is one event, though one version let go before the other saw it."""
SAME_MS = 1000
FOREVER_MS = 1 << 60


class Spell(msgspec.Struct, frozen=True):
    """One incident, or one excursion, of one version; or one that the desk judged."""

    zone: str
    asset: str
    hazard: str
    channel: str
    rule: str
    from_ms: int
    """When it was raised, by the clock of the records: also what came late is raised then."""
    until_ms: int | None
    """None while it lasts."""
    verdict: str = ""


class Difference(msgspec.Struct, frozen=True):
    """One event, with everything that either version raised about it."""

    what: What
    zone: str
    asset: str
    hazard: str
    old: tuple[Spell, ...]
    new: tuple[Spell, ...]
    by_s: float = 0.0
    """How much later the new version raised it, below 0 earlier."""
    verdict: str = ""
    """What the desk found it to be, where it did."""

    @property
    def from_ms(self) -> int:
        """When the first of them raised it."""
        return min(one.from_ms for one in (*self.old, *self.new))


def differences(
    old: Sequence[Spell],
    new: Sequence[Spell],
    said: Sequence[Spell] = (),
    within_ms: int = WITHIN_MS,
) -> list[Difference]:
    """Every event of either version, by time.

    What is of one hazard at one asset and overlaps in time is one event, whichever rule raised it;
    what the desk ``said`` of that place and time is said of it.
    """
    made: list[Difference] = []
    everything = [
        *((one, 0) for one in old),
        *((one, 1) for one in new),
        *((one, 2) for one in said),
    ]
    for spells in _events(everything, within_ms):
        sides: tuple[list[Spell], ...] = ([], [], [])
        for one, side in spells:
            sides[side].append(one)
        if sides[0] or sides[1]:
            made.append(_difference(*sides))
    return sorted(made, key=lambda one: (one.from_ms, one.asset, one.hazard))


def _events(
    spells: Iterable[tuple[Spell, int]], within_ms: int
) -> Iterable[list[tuple[Spell, int]]]:
    ordered = sorted(
        spells,
        key=lambda pair: (
            pair[0].asset, pair[0].hazard, pair[0].from_ms, pair[1], pair[0].channel, pair[0].rule,
        ),
    )  # fmt: skip
    event: list[tuple[Spell, int]] = []
    end_ms = 0
    for one, side in ordered:
        is_same = event and (event[0][0].asset, event[0][0].hazard) == (one.asset, one.hazard)
        if event and not (is_same and one.from_ms <= end_ms + within_ms):
            yield event
            event, end_ms = [], 0
        event.append((one, side))
        end_ms = max(end_ms, FOREVER_MS if one.until_ms is None else one.until_ms)
    if event:
        yield event


def _difference(old: list[Spell], new: list[Spell], said: list[Spell]) -> Difference:
    first = (old or new)[0]
    words = {one.verdict for one in (*old, *new, *said)}
    verdict = next((word for word in VERDICTS if word in words), "")
    by_ms = new[0].from_ms - old[0].from_ms if old and new else 0
    what: What
    if not new:
        what = "lost"
    elif not old:
        what = "gained"
    elif abs(by_ms) < SAME_MS:
        what = "same"
    else:
        what = "later" if by_ms > 0 else "earlier"
    return Difference(
        what, first.zone, first.asset, first.hazard, tuple(old), tuple(new), by_ms / 1000.0, verdict
    )


class Tally(msgspec.Struct, frozen=True):
    """What one rule, or everything in one zone, came to in both versions."""

    name: str
    old: int
    """Alarms of the old version."""
    new: int
    old_true: int
    """Of these, those that the desk found true."""
    new_true: int
    old_false: int
    new_false: int


def tallies(found: Sequence[Difference], name_of: Callable[[Spell], str]) -> list[Tally]:
    """A tally for each name, such as the rule's or the zone's, by name."""
    counted: dict[str, list[int]] = {}
    for event in found:
        for side, spells in enumerate((event.old, event.new)):
            for one in spells:
                counts = counted.setdefault(name_of(one), [0] * 6)
                counts[side] += 1
                counts[2 + side] += event.verdict == "true"
                counts[4 + side] += event.verdict == "false"
    return [Tally(name, *counts) for name, counts in sorted(counted.items())]


def counts(found: Sequence[Difference]) -> dict[str, int]:
    """How many events there are of each kind of difference."""
    return {what: sum(one.what == what for one in found) for what in WHAT}
