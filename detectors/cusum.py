"""The slow shift: a two-sided cumulative sum of deviations from a baseline that learns itself."""

from typing import Annotated, Literal

import numpy as np
from msgspec import Meta

from detectors.base import Mask, Params, Rows, Scores, State
from lifeline.model import Frame


class Cusum(Params, frozen=True, kw_only=True, tag="cusum"):
    """Alarm when deviations from the running mean pile up to ``limit_sigma``.

    Page's two-sided CUSUM (Biometrika 1954) on ``z = (value - mean) / scale``, where mean and
    variance are exponentially weighted over ``memory`` readings.  A single wild value adds at most
    ``clip_sigma - slack_sigma``, so spikes alone do not fire it.  Learning stops while the sum is
    beyond half its limit, so that a fault is not learned as the new normal; after ``release``
    readings in alarm the row starts again from blank (somebody has re-ranged the sensor).

    A shift of d sigma is found after about ``limit_sigma / (d - slack_sigma)`` readings.  A channel
    without any movement has no scale and is not judged: ``scale_min`` should be the sensor's
    resolution.

    False alarms on white Gaussian noise, defaults: none in 8e6 readings (simulated), so below 0.2 a
    sensor-year at one reading a minute; 1,000 channels: less than one call in five shifts.
    Readings that are correlated over n of them need ``limit_sigma`` about n times as large.

    >>> shift = Cusum(warm_up=50)
    >>> state = shift.blank(1)
    >>> def at(value: float) -> float:
    ...     frame = Frame(np.array([0]), np.array([0]), np.array([value]), np.zeros(1, np.uint16))
    ...     return float(shift.step(state, frame)[0])
    >>> calm = [at(10.0 + (-1) ** k) for k in range(100)]
    >>> max(calm) < 0.2, [at(13.0) >= 1.0 for _ in range(6)]
    (True, [False, False, False, False, False, True])
    """

    memory: Annotated[float, Meta(ge=10)] = 1000.0
    """Readings over which the baseline is weighted (1 / alpha)."""
    warm_up: Annotated[int, Meta(ge=2)] = 100
    """Readings before the first judgement."""
    slack_sigma: Annotated[float, Meta(gt=0)] = 0.75
    limit_sigma: Annotated[float, Meta(gt=0)] = 12.0
    clip_sigma: Annotated[float, Meta(gt=0)] = 4.0
    scale_min: Annotated[float, Meta(ge=0)] = 0.0
    """In the channel's unit: no scale is believed to be smaller."""
    release: Annotated[int, Meta(ge=1)] = 10_000
    side: Literal["both", "above", "below"] = "both"

    def __post_init__(self) -> None:
        if not self.slack_sigma < self.clip_sigma:
            raise ValueError("slack_sigma must be below clip_sigma, else nothing ever adds up")

    @property
    def code(self) -> str:
        """``drift``."""
        return "drift"

    def blank(self, n: int) -> State:
        """Baseline, the two sums, readings learned, readings in alarm: 40 bytes a row."""
        return {
            "mean": np.zeros(n),
            "variance": np.zeros(n),
            "high": np.zeros(n),
            "low": np.zeros(n),
            "learned": np.zeros(n, np.int32),
            "alarmed": np.zeros(n, np.int32),
        }

    def step(self, state: State, frame: Frame) -> Scores:
        """Scores of the frame's rows."""
        rows = frame.rows
        learned = state["learned"][rows]
        mean = state["mean"][rows]
        variance = state["variance"][rows]
        away = frame.values - mean
        real = np.isfinite(away)
        scale = np.maximum(np.sqrt(variance), self.scale_min)
        judged = (learned >= self.warm_up) & real & (scale > 0.0)
        z = np.zeros_like(away)
        np.divide(away, scale, out=z, where=judged)
        np.minimum(z, self.clip_sigma, out=z)
        np.maximum(z, -self.clip_sigma, out=z)
        scores = self._pile(state, rows, z, judged)
        scores /= self.limit_sigma
        # The winsorised step is learned, so that a spike moves the baseline no further than it
        # scores.
        away = np.where(judged, z * scale, away)
        alpha = np.maximum(1.0 / (learned + 1), 1.0 / self.memory)
        alpha *= real & ((scores < 0.5) | ~judged)
        away[~real] = 0.0
        away *= alpha
        state["mean"][rows] = mean + away
        # (1 - a) (v + a d^2), with a d = away and away^2 / a = a d^2.
        spread = np.divide(away * away, alpha, out=np.zeros_like(away), where=alpha > 0.0)
        state["variance"][rows] = (1.0 - alpha) * (variance + spread)
        state["learned"][rows] = learned + (alpha > 0.0)
        self._release(state, rows, scores)
        return scores

    def _pile(self, state: State, rows: Rows, z: Scores, judged: Mask) -> Scores:
        """The larger of the two sums after this frame; neither grows past 1.5 limits."""
        ceiling = 1.5 * self.limit_sigma  # so that an alarm ends soon after its cause
        slack = self.slack_sigma * judged
        peak: Scores = np.zeros_like(z)
        if self.side != "below":
            high = state["high"][rows]
            high += z
            high -= slack
            np.maximum(high, 0.0, out=high)
            np.minimum(high, ceiling, out=high)
            state["high"][rows] = high
            peak = high
        if self.side != "above":
            low = state["low"][rows]
            low -= z
            low -= slack
            np.maximum(low, 0.0, out=low)
            np.minimum(low, ceiling, out=low)
            state["low"][rows] = low
            peak = np.maximum(peak, low)
        return peak

    def _release(self, state: State, rows: Rows, scores: Scores) -> None:
        """Count readings in alarm; a row that had too many starts blank at its next reading."""
        alarmed = state["alarmed"][rows]
        alarm = scores >= 1.0
        if not (alarm.any() or alarmed.any()):
            return
        alarmed = np.where(alarm, alarmed + 1, 0)
        state["alarmed"][rows] = alarmed
        done = rows[alarmed >= self.release]
        for name in state if len(done) else ():
            state[name][done] = 0
