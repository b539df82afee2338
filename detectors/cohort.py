"""Channels that the same rules watch: detector states, open excursions, last readings."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from detectors.base import Ground, GroupParams, Mask, Params, Rows, State
from detectors.plan import ChannelDetector, Watching, ground_key
from lifeline.model import Bits, Finding, Floats, GroupFrame, Ints

Phase = Literal["raised", "held", "cleared"]
Evidence = tuple[tuple[int, float, int], ...]
Sleep = Literal["", "frozen", "off"]

RING = 8
"""Last readings remembered of a channel: 16 bytes each."""
QUALITY_BITS = 16
"""``at_ms`` and quality share one int64 in the ring: unix ms needs 41 bits until the year 2039."""


@dataclass(slots=True)
class Excursion:
    """An alarm that lasts: what was said when it was raised, and when it was spoken of last."""

    raised: Finding
    told_ms: int
    """Event time of the last record; in the late lane ingest's time of its last reading."""


@dataclass(slots=True)
class Watch:
    """One rule over the rows of one cohort (or one group, or all bad values)."""

    watching: Watching
    detector: Params
    state: State
    alarm: Mask
    """One a row: whether an excursion is open.  The same fact as ``open``, for array arithmetic."""
    open: dict[int, Excursion] = field(default_factory=dict)
    ground: Ground | None = None
    """Of a watch over a group."""
    limit: float = 1.0
    """The detector's score from which it alarms: 1, unless history has shown that to be too low."""

    @property
    def is_conditional(self) -> bool:
        """Whether what holds in a zone decides if it judges there."""
        rule = self.watching.rule
        return bool(rule.during or rule.unless)

    def sleeps(self, contexts: Collection[str]) -> Sleep:
        """Whether it judges where these contexts hold: ``""`` when it does.

        ``frozen`` in a maintenance, which changes nothing of what it knows or has said; ``off``
        outside of its regime, where what it has said is over.
        """
        rule = self.watching.rule
        if any(kind in contexts for kind in rule.unless):
            return "frozen"
        return "off" if rule.during and not any(k in contexts for k in rule.during) else ""

    @property
    def key(self) -> str:
        """Names the state that this watch may resume."""
        own = self.watching.key
        return own if self.ground is None else f"{own}/{ground_key(self.ground)}"

    def believed(self, frame: GroupFrame) -> GroupFrame:
        """The frame for those behind: without what this detector distrusts."""
        detector = group_detector(self.watching)
        if not detector.MASKS or self.ground is None:
            return frame
        values = np.where(detector.distrusted(self.ground, self.state), np.nan, frame.values)
        return replace(frame, values=values)

    def begin_anew(self) -> None:
        """Forgets what it had learned of its group; what it has said it clears by its new sight."""
        assert self.ground is not None, self.watching.rule.id
        self.state = group_detector(self.watching).blank(self.ground)

    def phase(self, row: int, at_ms: int, held_ms: int, *, over: bool) -> Phase | None:
        """What is to be said of this row now, or None."""
        excursion = self.open.get(row)
        if over:
            if excursion is None:
                return "raised"
            return "held" if at_ms - excursion.told_ms >= held_ms else None
        return None if excursion is None else "cleared"

    def grow(self, blank: State, size: int) -> None:
        """Take over ``size`` rows into larger blank arrays."""
        for name, array in blank.items():
            array[:size] = self.state[name][:size]
        self.state = blank
        self.alarm = longer(self.alarm, size, len(next(iter(blank.values()))))


@dataclass(slots=True)
class Late:
    """The lane of back-dated readings: hard limits only, with a state of their own."""

    watches: tuple[Watch, ...]
    last_ms: Ints
    """Event time of each row's last late reading; 0 for none."""

    def forget(self, rows: Rows) -> None:
        """Begin these rows anew: their back-fill starts again, or is over."""
        if len(rows) == 0:
            return
        for watch in self.watches:
            for name, array in channel_detector(watch.watching).blank(1).items():
                watch.state[name][rows] = array
            watch.alarm[rows] = False
            for row in rows.tolist():
                watch.open.pop(row, None)


class Cohort:
    """Rows of channels with the same rules, only ever added, in the order of first sight."""

    def __init__(self, watched: Sequence[Watching]) -> None:
        self.names: list[str] = []
        self.capacity = 0
        self.watches = tuple(
            Watch(w, w.detector, channel_detector(w).blank(0), np.zeros(0, np.bool_))
            for w in watched
        )
        self.readers = tuple(w for w in self.watches if not w.detector.TICKS)
        self.tickers = tuple(w for w in self.watches if w.detector.TICKS)
        self.hard = tuple(w.watching for w in self.readers if not w.detector.LEARNS)
        self.late: Late | None = None
        self.ring_at: NDArray[np.int64] = np.zeros((0, RING), np.int64)
        self.ring_value: Floats = np.zeros((0, RING))
        self.ring_next: NDArray[np.int8] = np.zeros(0, np.int8)

    def __len__(self) -> int:
        return len(self.names)

    def add(self, names: Sequence[str]) -> range:
        """The new rows of these channels."""
        size = len(self.names)
        self.names.extend(names)
        if len(self.names) > self.capacity:
            # A quarter more than needed: doubling would waste half of a large bank's memory.
            self._grow(size, len(self.names) + len(self.names) // 4 + 16)
        return range(size, len(self.names))

    def _grow(self, size: int, capacity: int) -> None:
        for watch in self.watches:
            watch.grow(channel_detector(watch.watching).blank(capacity), size)
        if self.readers:
            self.ring_at = longer(self.ring_at, size, capacity)
            self.ring_value = longer(self.ring_value, size, capacity)
            self.ring_next = longer(self.ring_next, size, capacity)
        if self.late is not None:
            for watch in self.late.watches:
                watch.grow(channel_detector(watch.watching).blank(capacity), size)
            self.late.last_ms = longer(self.late.last_ms, size, capacity)
        self.capacity = capacity

    def open_late(self) -> Late:
        """The lane of late readings, made when the first one comes."""
        if self.late is None:
            n = self.capacity
            self.late = Late(
                tuple(
                    Watch(w, w.detector, channel_detector(w).blank(n), np.zeros(n, np.bool_))
                    for w in self.hard
                ),
                np.zeros(n, np.int64),
            )
        return self.late

    def remember(self, rows: Rows, at_ms: Ints, values: Floats, quality: Bits) -> None:
        """Put one reading a row into the rings of evidence."""
        slot = self.ring_next[rows]
        at = rows * RING
        at += slot
        self.ring_at.reshape(-1)[at] = (at_ms << QUALITY_BITS) | quality
        self.ring_value.reshape(-1)[at] = values
        slot += 1
        slot &= RING - 1
        self.ring_next[rows] = slot

    def evidence(self, row: int) -> Evidence:
        """The last readings of a row, oldest first, as findings carry them."""
        if not self.readers:
            return ()
        first = int(self.ring_next[row])
        packed = np.roll(self.ring_at[row], -first).tolist()
        values = np.roll(self.ring_value[row], -first).tolist()
        mask = (1 << QUALITY_BITS) - 1
        return tuple(
            (stamp >> QUALITY_BITS, value, stamp & mask)
            for stamp, value in zip(packed, values, strict=True)
            if stamp
        )


def group_watch(watching: Watching, ground: Ground) -> Watch:
    """One rule over one group, from blank; its rows are the detector's slots."""
    detector = group_detector(watching)
    alarm = np.zeros(detector.SLOTS, np.bool_)
    limit = ground.learned.get(limit_of(watching.rule.id))
    return Watch(
        watching,
        detector,
        detector.blank(ground),
        alarm,
        ground=ground,
        limit=1.0 if limit is None else float(limit),
    )


def limit_of(rule: str) -> str:
    """Under which name an artefact keeps the limit of a profile's rule.

    >>> limit_of("water.water-network.leak")
    'limit.leak'
    """
    return f"limit.{rule.rpartition('.')[2]}"


def group_detector(watching: Watching) -> GroupParams:
    """The detector of a rule that watches groups."""
    assert isinstance(watching.detector, GroupParams), watching.rule.id
    return watching.detector


def channel_detector(watching: Watching) -> ChannelDetector:
    """The detector of a rule that watches channels."""
    assert not isinstance(watching.detector, GroupParams), watching.rule.id
    return watching.detector


def longer(array: NDArray[Any], size: int, capacity: int) -> NDArray[Any]:
    """A copy with room for ``capacity`` rows, zeros behind the first ``size``."""
    made = np.zeros((capacity, *array.shape[1:]), array.dtype)
    made[:size] = array[:size]
    return made
