"""The outlier: far from the running median, measured in running median absolute deviations."""

from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from detectors.base import BELOW_ONE, SIGMA_PER_MAD, Params, Rows, Scores, State
from lifeline.model import Frame

Counts = NDArray[np.int32]
REFRESH = 4
"""Median and MAD are taken anew every so many entries: sorting is the whole cost here."""


class Robust(Params, frozen=True, kw_only=True, tag="robust"):
    """Alarm when ``patience`` readings running are ``limit_sigma`` deviations off the median.

    Hampel's identifier (JASA 1974) over the last ``window`` readings (every ``stride``-th of them),
    with the value judged before it enters.  Half the window may be wild without moving the median;
    a shift that lasts longer is the new normal, so this detector finds steps and bursts, cusum
    finds shifts.

    A channel without any movement has no scale and is not judged: ``scale_min`` should be the
    sensor's resolution.

    False alarms on white Gaussian noise, defaults: none in 8e6 readings (simulated), so below 0.2 a
    sensor-year at one reading a minute; 1,000 channels: less than one call in five shifts.  With
    ``patience = 1`` there were 144.

    >>> wild = Robust()
    >>> state = wild.blank(1)
    >>> def at(value: float) -> float:
    ...     frame = Frame(np.array([0]), np.array([0]), np.array([value]), np.zeros(1, np.uint16))
    ...     return float(wild.step(state, frame)[0])
    >>> calm = [at(10.0 + k % 3) for k in range(60)]
    >>> max(calm) < 0.2, [at(40.0) >= 1.0 for _ in range(4)]
    (True, [False, False, True, True])
    """

    window: Annotated[int, Meta(ge=8, le=24)] = 24
    stride: Annotated[int, Meta(ge=1)] = 1
    limit_sigma: Annotated[float, Meta(gt=0)] = 8.0
    patience: Annotated[int, Meta(ge=1, le=16)] = 3
    scale_min: Annotated[float, Meta(ge=0)] = 0.0

    @property
    def code(self) -> str:
        """``outlier``."""
        return "outlier"

    def blank(self, n: int) -> State:
        """Ring, median and scale, readings seen, run of outliers: at most 216 bytes a row."""
        return {
            "ring": np.zeros((n, self.window)),
            "median": np.zeros(n),
            "scale": np.zeros(n),
            "seen": np.zeros(n, np.int32),
            "run": np.zeros(n, np.int32),
        }

    def step(self, state: State, frame: Frame) -> Scores:
        """Scores of the frame's rows."""
        rows, values = frame.rows, frame.values
        scale = np.maximum(state["scale"][rows], self.scale_min)
        seen = state["seen"][rows]
        real = np.isfinite(values)
        judged = (seen >= self.stride * REFRESH * -(-self.window // REFRESH)) & (scale > 0.0)
        away = np.abs(values - state["median"][rows])
        scores: Scores = np.zeros_like(values)
        np.divide(away, scale * self.limit_sigma, out=scores, where=judged & real)
        run = state["run"][rows]
        wild = scores >= 1.0
        if wild.any() or run.any():
            # A NaN neither adds to a run nor ends it.
            run = np.where(real, np.where(wild, np.minimum(run + 1, self.patience), 0), run)
            state["run"][rows] = run
            lasting = run >= self.patience
            scores = np.where(lasting, np.fmax(scores, 1.0), np.minimum(scores, BELOW_ONE))
        self._enter(state, rows[real], values[real], seen[real])
        return scores

    def _enter(self, state: State, rows: Rows, values: Scores, seen: Counts) -> None:
        """Put every ``stride``-th value into the ring; sort anew where it is time to."""
        state["seen"][rows] = seen + 1
        if self.stride > 1:
            keep = seen % self.stride == 0
            rows, values, seen = rows[keep], values[keep], seen[keep] // self.stride
        state["ring"][rows, seen % self.window] = values
        entries = seen + 1
        due = rows[(entries % REFRESH == 0) & (entries >= self.window)]
        if len(due) == 0:
            return
        ring = state["ring"][due]
        median = _middle(ring)
        state["median"][due] = median
        state["scale"][due] = SIGMA_PER_MAD * _middle(np.abs(ring - median[:, None]))


def _middle(ring: Scores) -> Scores:
    """The median of each row, without ``np.median``'s checks; sorts ``ring`` in place."""
    ring.sort(axis=1)
    n = ring.shape[1]
    middle: Scores = (ring[:, (n - 1) // 2] + ring[:, n // 2]) / 2.0
    return middle
