"""Event time of one partition: which reading is in order, late, back-filled or a repetition.  Pure.

A reading is *live* when it is newer than everything its channel has shown: that is all a detector's
state needs, and it makes the verdict independent of how devices interleave and of where batches are
cut.  (A device whose channels upload at different times is not late with half of them.)  The
watermark per device decides when group frames are complete: see ``streams.grid``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lifeline.model import HISTORICAL, LATE, LIVE, SKIP, Batch, Ints, Quality

Lanes = NDArray[np.int8]
Rows = NDArray[np.intp]

TIME_BITS = 43
TIME_MAX = (1 << TIME_BITS) - 1
"""Year 2248 in unix ms: room for a row number above it in 64 bits."""
HISTORICAL_BIT = int(Quality.HISTORICAL)


@dataclass(slots=True)
class Window:
    """The newest live time of every channel seen, unix ms; 0 where none was."""

    lateness_ms: int
    rows: dict[str, int] = field(default_factory=dict)
    last_ms: Ints = field(default_factory=lambda: np.zeros(64, np.int64))
    _scratch: NDArray[np.int32] = field(default_factory=lambda: np.zeros(64, np.int32))
    """Room to find repeated rows in, one a row; means nothing between two calls."""

    def rows_of(self, names: Sequence[str]) -> Rows:
        """The row of each name; a name never seen gets the next free one."""
        rows, n = self.rows, len(names)
        try:
            return np.fromiter(map(rows.__getitem__, names), np.intp, n)
        except KeyError:
            found = [rows.setdefault(name, len(rows)) for name in names]
            self._grow(len(rows))
        return np.array(found, np.intp)

    def _grow(self, n: int) -> None:
        have = len(self.last_ms)
        if n > have:
            wider = np.zeros(max(n, 2 * have), np.int64)
            wider[:have] = self.last_ms
            self.last_ms = wider
            self._scratch = np.zeros(len(wider), np.int32)

    def classify(self, batch: Batch, names: Rows) -> Lanes:
        """A lane code for each reading, in the order of arrival; remembers what was live.

        ``names`` is ``rows_of(batch.channels)``.  Times outside 1970-2248 cannot be live.
        """
        rows = names[batch.channel]
        at = np.clip(batch.at_ms, 0, TIME_MAX)
        old = (batch.quality & HISTORICAL_BIT) != 0
        if self._are_single(batch.channel, names):
            prior = self.last_ms[rows]
            live = (at > prior) & ~old
            self.last_ms[rows[live]] = at[live]
        else:
            prior = self._prior(rows, at, old)
        lanes: Lanes = np.where(at > prior, LIVE, LATE).astype(np.int8)
        lanes[at == prior] = SKIP
        lanes[old | (at < prior - self.lateness_ms)] = HISTORICAL
        return lanes

    def _are_single(self, channel: NDArray[np.int32], names: Rows) -> bool:
        """Whether every channel comes at most once: the common case, and told quickly."""
        if not len(channel):
            return True
        order = np.arange(len(names), dtype=np.int32)
        self._scratch[names] = order
        is_once = np.array_equal(self._scratch[names], order)
        return is_once and int(np.bincount(channel).max()) == 1

    def _prior(self, rows: Rows, at: Ints, old: NDArray[np.bool_]) -> Ints:
        """The newest live time of each reading's channel just before it came; moves ``last_ms``.

        A running maximum for every channel at once: the channel's rank stands above the time bits.
        """
        order = np.argsort(rows, kind="stable")
        first = np.ones(len(order), bool)
        first[1:] = np.diff(rows[order]) != 0
        floor = (np.cumsum(first) - 1) << TIME_BITS
        offered = floor + np.where(old[order], 0, at[order])
        offered[first] = np.maximum(offered[first], floor[first] + self.last_ms[rows[order][first]])
        running = np.maximum.accumulate(offered)
        before = np.empty_like(running)
        before[1:] = running[:-1]
        before -= floor
        before[first] = self.last_ms[rows[order][first]]
        ends = np.append(np.flatnonzero(first)[1:] - 1, len(order) - 1)
        self.last_ms[rows[order][ends]] = running[ends] - floor[ends]
        prior = np.empty_like(before)
        prior[order] = before
        return prior

    def state(self) -> dict[str, Any]:
        """Everything it remembers, as what msgpack can carry."""
        n = len(self.rows)
        return {"names": list(self.rows), "last_ms": self.last_ms[:n].astype("<i8").tobytes()}

    def resume(self, state: dict[str, Any]) -> None:
        """Takes up a ``state``."""
        self.rows = {name: row for row, name in enumerate(state["names"])}
        last = np.frombuffer(state["last_ms"], "<i8").astype(np.int64)
        assert len(last) == len(self.rows), "one time a channel"
        self.last_ms = np.zeros(max(64, len(last)), np.int64)
        self.last_ms[: len(last)] = last
        self._scratch = np.zeros(len(self.last_ms), np.int32)
