"""The stuck sensor: a value that has not moved by its resolution for too long."""

from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from detectors.base import Params, Scores, State
from lifeline.model import Frame


class Flatline(Params, frozen=True, kw_only=True, tag="flatline"):
    """Alarm when the value has not moved by more than ``resolution`` for ``limit_s`` seconds.

    The stuck-at class of sensor faults (Ni et al., Sensor Network Data Fault Types, ACM TOSN 2009).

    False alarms: none on a noisy channel (two equal doubles in a row do not last an hour); a
    channel that may rest (a pump that is off, a quantised temperature at night) needs a ``limit_s``
    beyond its longest honest rest, or no such rule.

    >>> stuck = Flatline(limit_s=60.0)
    >>> state = stuck.blank(1)
    >>> def at(ms: int, value: float) -> float:
    ...     frame = Frame(np.array([0]), np.array([ms]), np.array([value]), np.zeros(1, np.uint16))
    ...     return float(stuck.step(state, frame)[0])
    >>> [at(0, 3.0), at(30_000, 3.0), at(60_000, 3.0), at(90_000, 3.1)]
    [0.0, 0.5, 1.0, 0.0]
    """

    LIMIT: ClassVar[str] = "limit_s"

    limit_s: Annotated[float, Meta(gt=0)] = 3600.0
    resolution: Annotated[float, Meta(ge=0)] = 0.0

    @property
    def code(self) -> str:
        """``stuck``."""
        return "stuck"

    @property
    def limit_value(self) -> float:
        """Seconds without movement."""
        return self.limit_s

    def blank(self, n: int) -> State:
        """The value that it rests at, and since when."""
        return {"value": np.full(n, np.nan), "since_ms": np.zeros(n, np.int64)}

    def step(self, state: State, frame: Frame) -> Scores:
        """Scores of the frame's rows."""
        rows, values = frame.rows, frame.values
        rested = state["value"][rows]
        since_ms = state["since_ms"][rows]
        # A fresh row (NaN) has moved; a NaN reading has not, else a stuck sensor could hide behind
        # it.
        moved = ~(np.abs(values - rested) <= self.resolution)
        moved &= np.isfinite(values)
        rested = np.where(moved, values, rested)
        state["value"][rows] = rested
        since_ms = np.where(moved, frame.at_ms, since_ms)
        state["since_ms"][rows] = since_ms
        held_ms = frame.at_ms - since_ms
        # Until the first real value nothing rests.
        scores: Scores = np.where(np.isnan(rested), 0.0, held_ms / (self.limit_s * 1000.0))
        return scores
