"""Nothing came: the age of the last sign of life, judged on ticks of ingest's clock."""

from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from detectors.base import Params, Scores, State
from lifeline.model import Frame


class Silence(Params, frozen=True, kw_only=True, tag="silence"):
    """Alarm when a row was last heard ``limit_s`` seconds ago or longer.

    A frame with a finite value says *heard at* ``at_ms``; one with NaN is a tick, *nothing came by*
    ``at_ms``.  With ``limit_s = 0`` every row has its own limit, which the bank takes from the
    catalog: the device's ``silent_after_s`` for ``device/<device>/seen``, three intervals for any
    other channel.

    False alarms: the share of radio gaps longer than the limit; an outage of our own is not counted
    (the bank moves ``seen_ms`` on by it).

    >>> silent = Silence(limit_s=180.0)
    >>> state = silent.blank(1)
    >>> def at(ms: int, value: float) -> float:
    ...     frame = Frame(np.array([0]), np.array([ms]), np.array([value]), np.zeros(1, np.uint16))
    ...     return float(silent.step(state, frame)[0])
    >>> tick = float("nan")
    >>> [at(1_000, tick), at(2_000, 0.0), at(92_000, tick), at(182_000, tick), at(183_000, 0.0)]
    [0.0, 0.0, 0.5, 1.0, 0.0]
    """

    TICKS: ClassVar[bool] = True
    LIMIT: ClassVar[str] = "limit_s"

    limit_s: Annotated[float, Meta(ge=0)] = 0.0

    @property
    def code(self) -> str:
        """``silent``."""
        return "silent"

    def blank(self, n: int) -> State:
        """When each row was last heard (0: never), and each row's limit."""
        return {
            "seen_ms": np.zeros(n, np.int64),
            "limit_s": np.full(n, self.limit_s or 180.0),
        }

    def step(self, state: State, frame: Frame) -> Scores:
        """Scores of the frame's rows."""
        rows = frame.rows
        seen_ms = state["seen_ms"][rows]
        heard = ~np.isnan(frame.values)
        seen_ms = np.where(heard, np.maximum(seen_ms, frame.at_ms), seen_ms)
        state["seen_ms"][rows] = seen_ms
        age_ms = np.where(seen_ms > 0, frame.at_ms - seen_ms, 0)
        scores: Scores = np.maximum(age_ms, 0) / (state["limit_s"][rows] * 1000.0)
        return scores
