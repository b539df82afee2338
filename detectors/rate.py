"""How fast a value moves, over a span long enough that noise does not count as movement."""

from typing import Annotated, ClassVar, Literal

import numpy as np
from msgspec import Meta

from detectors.base import Params, Scores, State
from lifeline.model import Frame


class Rate(Params, frozen=True, kw_only=True, tag="rate"):
    """Alarm when the value changes by ``limit`` a second or more, over at least ``min_s`` seconds.

    Between two judgements (readings nearer than ``min_s`` to the anchor) the last score stands.

    False alarms: for white noise of sigma s the change over ``min_s`` has sigma 1.41 s; a limit of
    ``7 s * 1.41 / min_s`` is passed once in 4e11 readings.  1,000 channels: none a shift.

    >>> fall = Rate(limit=0.5, min_s=10.0, direction="fall")
    >>> state = fall.blank(1)
    >>> def at(ms: int, value: float) -> float:
    ...     frame = Frame(np.array([0]), np.array([ms]), np.array([value]), np.zeros(1, np.uint16))
    ...     return float(fall.step(state, frame)[0])
    >>> [at(0, 300.0), at(5_000, 290.0), at(10_000, 290.0), at(20_000, 290.0)]
    [0.0, 0.0, 2.0, 0.0]
    """

    LIMIT: ClassVar[str] = "limit"

    limit: Annotated[float, Meta(gt=0)]
    """In the channel's unit a second, never negative whatever the direction."""
    min_s: Annotated[float, Meta(gt=0)] = 60.0
    direction: Literal["both", "rise", "fall"] = "both"

    @property
    def code(self) -> str:
        """``fast-rise``, ``fast-fall``, or ``fast-change`` where both count."""
        return "fast-change" if self.direction == "both" else f"fast-{self.direction}"

    @property
    def limit_value(self) -> float:
        """The limit, in the channel's unit a second."""
        return self.limit

    def blank(self, n: int) -> State:
        """The anchor that the next change is measured from, and the score that stands."""
        return {
            "value": np.full(n, np.nan),
            "at_ms": np.zeros(n, np.int64),
            "score": np.zeros(n),
        }

    def step(self, state: State, frame: Frame) -> Scores:
        """Scores of the frame's rows."""
        rows, values = frame.rows, frame.values
        anchor = state["value"][rows]
        elapsed_ms = frame.at_ms - state["at_ms"][rows]
        fresh = np.isnan(anchor)
        due = elapsed_ms >= self.min_s * 1000.0
        due |= fresh
        due &= np.isfinite(values)  # A NaN moves no anchor.
        scores: Scores = state["score"][rows]
        if not due.any():
            return scores
        # A fresh row has a NaN anchor, hence a NaN change: no judgement yet.
        change = (values - anchor) / np.maximum(elapsed_ms, 1)
        change *= 1000.0 / self.limit
        if self.direction == "both":
            change = np.abs(change)
        elif self.direction == "fall":
            change = 0.0 - change  # not -change, which makes -0.0 of a rest
        change = np.fmax(change, 0.0)
        scores = np.where(due, change, scores)
        state["score"][rows] = scores
        state["value"][rows] = np.where(due, values, anchor)
        state["at_ms"][rows] = np.where(due, frame.at_ms, state["at_ms"][rows])
        return scores
