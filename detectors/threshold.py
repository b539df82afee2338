"""The hard limit: a value at or beyond a limit, with a deadband (OPC UA Part 9 exclusive level)."""

from typing import Annotated, ClassVar, Literal

import numpy as np
from msgspec import Meta

from detectors.base import BELOW_ONE, Params, Scores, State
from lifeline.model import Frame


class Threshold(Params, frozen=True, kw_only=True, tag="threshold"):
    """Alarm when the value reaches ``limit``, until it has come back by more than ``deadband``.

    Beyond the limit the score is ``value / limit`` (above) or ``2 - value / limit`` (below), so it
    grows with the excursion.  A NaN counts as beyond the limit: a threshold never goes silent
    through NaN.

    False alarms: those of the sensor.  Gaussian noise of sigma s and a limit k*s above the mean,
    sampled every minute, passes it 525,600 * Q(k) times a year: 0.15 for k = 5, so 10,000 channels
    with 5 s of room cause 1.4 calls in a shift of 8 h.

    >>> from detectors.base import State
    >>> methane = Threshold(limit=20.0, deadband=2.0)
    >>> state = methane.blank(1)
    >>> def at(value: float) -> float:
    ...     frame = Frame(np.array([0]), np.array([0]), np.array([value]), np.zeros(1, np.uint16))
    ...     return round(float(methane.step(state, frame)[0]), 3)
    >>> [at(value) for value in (19.0, 30.0, 19.0, 17.0, 19.0)]
    [0.95, 1.5, 1.0, 0.85, 0.95]
    """

    LEARNS: ClassVar[bool] = False
    LIMIT: ClassVar[str] = "limit"

    limit: float
    side: Literal["above", "below"] = "above"
    deadband: Annotated[float, Meta(ge=0)] = 0.0

    @property
    def code(self) -> str:
        """``above-limit`` or ``below-limit``."""
        return f"{self.side}-limit"

    @property
    def limit_value(self) -> float:
        """The limit itself."""
        return self.limit

    def blank(self, n: int) -> State:
        """``edge``: the value at which each row is in alarm now (limit, or limit less deadband)."""
        return {"edge": np.full(n, self.limit)}

    def step(self, state: State, frame: Frame) -> Scores:
        """Scores of the frame's rows."""
        rows, values = frame.rows, frame.values
        edge = state["edge"]
        # Written as `not (v < limit)`, because every comparison with NaN is false.
        if self.side == "above":
            alarm = ~(values < edge[rows])
            edge[rows] = np.where(alarm, self.limit - self.deadband, self.limit)
        else:
            alarm = ~(values > edge[rows])
            edge[rows] = np.where(alarm, self.limit + self.deadband, self.limit)
        span = abs(self.limit) or self.deadband or 1.0
        beyond = values - self.limit
        beyond *= (1.0 if self.side == "above" else -1.0) / span
        beyond += 1.0
        # Rounding must not turn 0.9999… into an alarm, nor a deadband's alarm into a 0.9999….
        scores: Scores = np.fmin(beyond, BELOW_ONE)
        if alarm.any():
            scores = np.where(alarm, np.fmax(beyond, 1.0), scores)
        return scores
