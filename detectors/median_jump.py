"""The jump of a level: readings against the running median of their hours, in engineering units.

The approach that survived the exchange of sensors in the GECCO 2018 challenge on drinking-water
quality, where models that had learned the first half failed in the second (its data:
frehbach/EventDetectR).  What is a remarkable change is known to a chemist, not to the data.
"""

from typing import Annotated

import numpy as np
from msgspec import Meta

from detectors.base import BELOW_ONE, Ground, GroupParams, Scores, State
from lifeline.model import Detail, GroupFrame

RATIO_MAX = 3.0
"""Of its floor: one channel says no more."""
POWER = 4
"""Between the largest channel alone (many) and their sum of squares (two)."""


class MedianJump(GroupParams, frozen=True, kw_only=True, tag="median_jump"):
    """Alarm when channels leave the median of their last ``window`` samples by their ``floors``.

    ``floors`` gives each quantity its remarkable change in its own unit; channels of other
    quantities are not judged.  Every ``stride``-th reading is a sample, so the defaults look back
    six hours at one a minute.  Channels add up by the fourth power.  The alarm ends below
    ``release``, or when the median has followed.  A channel that is missing is not judged.

    State is 8 bytes a sample: 576 a channel, more than the rule for detectors on every channel,
    since a median needs its samples.

    False alarms, four months of a utility's drinking water, floors of the committed profile: one
    row in 900 outside of labelled events.
    """

    floors: dict[str, Annotated[float, Meta(gt=0)]]
    window: Annotated[int, Meta(ge=5, le=1024)] = 72
    stride: Annotated[int, Meta(ge=1)] = 5
    release: Annotated[float, Meta(gt=0, le=1)] = 0.8

    @property
    def code(self) -> str:
        """``jumped``."""
        return "jumped"

    def blank(self, ground: Ground) -> State:
        """Samples, their median, rows counted, alarm."""
        return {
            "ring": np.full((ground.width, self.window), np.nan),
            "median": np.full(ground.width, np.nan),
            "ratio": np.zeros(ground.width),
            "rows": np.zeros(1, np.int64),
            "alarm": np.zeros(1, np.int8),
        }

    def told(self, ground: Ground, state: State, slot: int, at_ms: int) -> Detail:  # noqa: ARG002
        """The channels that jumped, in floors."""
        order = np.argsort(-np.abs(state["ratio"]), kind="stable")[:8].tolist()
        pairs = [(ground.members.names[i], round(float(state["ratio"][i]), 2)) for i in order]
        return Detail(residuals=tuple(pairs))

    def step(self, ground: Ground, state: State, frame: GroupFrame) -> Scores:
        """The group's score at this instant."""
        floors = np.array([self.floors.get(q, np.inf) for q in ground.members.quantities])
        values = np.where(np.isfinite(frame.values), frame.values, np.nan)
        rows = int(state["rows"][0])
        if rows % self.stride == 0:
            state["ring"][:, rows // self.stride % self.window] = values
            # Missing samples are sorted behind the others.
            ordered = np.sort(state["ring"], axis=1)
            known = np.isfinite(ordered).sum(axis=1)
            at = np.arange(ground.width)
            low, high = (
                ordered[at, np.maximum(known - 1, 0) // 2],
                ordered[at, known // 2 % self.window],
            )
            state["median"][:] = 0.5 * (low + high)
        state["rows"] += 1
        ratio = np.nan_to_num((values - state["median"]) / floors)
        state["ratio"][:] = ratio
        if rows < self.window * self.stride // 2 or not np.isfinite(values).any():
            return np.array([1.0 if state["alarm"][0] else 0.0])
        score = float((np.minimum(np.abs(ratio), RATIO_MAX) ** POWER).sum() ** (1.0 / POWER))
        if state["alarm"][0]:
            state["alarm"][0] = score >= self.release
            score = max(score, 1.0) if state["alarm"][0] else min(score, BELOW_ONE)
        else:
            state["alarm"][0] = score >= 1.0
        return np.array([score])
