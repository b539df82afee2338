"""The jump of a level: readings against the running median of their hours, in engineering units.

The approach that survived the exchange of sensors in the GECCO 2018 challenge on drinking-water
quality, where models that had learned the first half failed in the second (its data:
frehbach/EventDetectR).  What is a remarkable change is known to a chemist, not to the data.
"""

from typing import Annotated

import numpy as np
from msgspec import Meta

from detectors.base import BELOW_ONE, Ground, GroupParams, Mask, Scores, State
from lifeline.model import Detail, Floats, GroupFrame

RATIO_MAX = 3.0
"""Of its floor: one channel says no more."""
POWER = 4
"""Between the largest channel alone (many) and their sum of squares (two)."""


class MedianJump(GroupParams, frozen=True, kw_only=True, tag="median_jump"):
    """Alarm when channels leave the median of their last ``window`` samples by their ``floors``.

    ``floors`` gives each quantity its remarkable change in its own unit; channels of other
    quantities are not judged.  Every ``stride``-th reading is a sample, so the defaults look back
    six hours at one a minute.  What counts of a channel is the middle one of its last three
    deviations, so that a spike of one reading is nothing; channels add up by the fourth power.
    The alarm ends below ``release``, or when the median has followed.

    A channel that is missing keeps its last deviations.  One that was away for ``forget_rows``
    comes back without a past, as does one whose sensor was exchanged meanwhile; it is judged again
    when half of its window is full.

    State is 8 bytes a sample and 40: 616 a channel, more than the rule for detectors on every
    channel, since a median needs its samples.

    False alarms, three months of a utility's drinking water, floors of the committed profile: 11
    alarms outside of labelled events, 3 of them in the hour beside one.
    """

    floors: dict[str, Annotated[float, Meta(gt=0)]]
    window: Annotated[int, Meta(ge=5, le=1024)] = 72
    stride: Annotated[int, Meta(ge=1)] = 5
    release: Annotated[float, Meta(gt=0, le=1)] = 0.8
    forget_rows: Annotated[int, Meta(ge=1)] = 120

    @property
    def code(self) -> str:
        """``jumped``."""
        return "jumped"

    def blank(self, ground: Ground) -> State:
        """Samples, their median, the last two deviations, rows, alarm."""
        k = ground.width
        return {
            "ring": np.full((k, self.window), np.nan),
            "median": np.full(k, np.nan),
            "before": np.zeros((2, k)),
            "away": np.zeros(k, np.int32),
            "ratio": np.zeros(k),
            "rows": np.zeros(1, np.int64),
            "last_ms": np.zeros(1, np.int64),
            "alarm": np.zeros(1, np.int8),
        }

    def told(self, ground: Ground, state: State, slot: int, at_ms: int) -> Detail:  # noqa: ARG002
        """The channels that jumped, in floors."""
        order = np.argsort(-np.abs(state["ratio"]), kind="stable")[:8].tolist()
        pairs = [(ground.members.names[i], round(float(state["ratio"][i]), 2)) for i in order]
        return Detail(residuals=tuple(pairs))

    def step(self, ground: Ground, state: State, frame: GroupFrame) -> Scores:
        """The group's score at this instant."""
        values = np.where(np.isfinite(frame.values), frame.values, np.nan)
        came = np.isfinite(values)
        self._forget(ground, state, frame.at_ms, came)
        if not came.any():
            return np.array([1.0 if state["alarm"][0] else 0.0])
        rows = int(state["rows"][0])
        state["rows"] += 1
        if rows % self.stride == 0:
            state["ring"][:, rows // self.stride % self.window] = values
            state["median"][:] = self._medians(state["ring"])
        floors = np.array([self.floors.get(q, np.inf) for q in ground.members.quantities])
        before = state["before"]
        now = np.where(came, (values - state["median"]) / floors, before[1])
        now[np.isnan(now)] = 0.0
        low, high = np.minimum(before[0], before[1]), np.maximum(before[0], before[1])
        ratio = np.clip(now, low, high)
        before[0], before[1] = before[1], now
        state["ratio"][:] = ratio
        size = np.minimum(np.abs(ratio), RATIO_MAX)
        score = float((size**POWER).sum() ** (1.0 / POWER))
        if state["alarm"][0]:
            state["alarm"][0] = score >= self.release
            return np.array([max(score, 1.0) if state["alarm"][0] else min(score, BELOW_ONE)])
        state["alarm"][0] = score >= 1.0
        return np.array([score])

    def _forget(self, ground: Ground, state: State, at_ms: int, came: Mask) -> None:
        """Channels that were away too long come back without a past."""
        gap_ms = at_ms - int(state["last_ms"][0])
        skipped = max(0, int(gap_ms / (1000.0 * ground.members.grid_s)) - 1)
        state["last_ms"][0] = at_ms
        away = state["away"]
        away += np.where(came, min(skipped, self.forget_rows), 1 + min(skipped, self.forget_rows))
        strange = came & (away >= self.forget_rows)
        if strange.any():
            state["ring"][strange] = np.nan
            state["median"][strange] = np.nan
            state["before"][:, strange] = 0.0
        away[came] = 0
        np.minimum(away, self.forget_rows, out=away)

    def _medians(self, ring: Floats) -> Floats:
        """NaN where half of the window is empty; missing samples are sorted behind the others."""
        ordered = np.sort(ring, axis=1)
        known = np.count_nonzero(np.isfinite(ordered), axis=1)
        at = np.arange(len(ring))
        low, high = (
            ordered[at, np.maximum(known - 1, 0) // 2],
            ordered[at, known // 2 % self.window],
        )
        made: Floats = np.where(2 * known >= self.window, 0.5 * (low + high), np.nan)
        return made
