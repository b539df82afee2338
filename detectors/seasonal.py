"""The value that the hour and the weather do not explain: a seasonal baseline and its residuals.

Recursive least squares with forgetting (Ljung, System Identification, 2nd ed., 11.2) on the waves
of day and week and on covariates, and Page's CUSUM on what it leaves (Biometrika 1954).
"""

from typing import Annotated, Literal

import numpy as np
from msgspec import Meta

from detectors.base import Ground, GroupParams, Rows, Scores, State
from lifeline.model import Detail, Floats, GroupFrame

DAY_MS = 86_400_000.0
WEEK_DAYS = 7.0
PRIOR = 100.0
"""Variance of the coefficients before the first row, in squares of the scale."""
PRIOR_MAX = 1e4
"""Together they are never less known than this: what nothing excites is forgotten no further."""
SCALE_ROWS = 48
"""Rows whose scatter is the scale before there are residuals."""
SCALE_SHARE_MIN = 1e-9
"""Of the level: less is rounding."""
CEILING = 1.5
"""Limits to which a sum may pile up, so that an alarm ends soon after its cause."""


class Seasonal(GroupParams, frozen=True, kw_only=True, tag="seasonal"):
    """Alarm when a quantity's residuals pile up beyond ``limit_sigma``.

    The baseline of the first channel of ``target`` is a constant, ``day_waves`` and ``week_waves``
    harmonics, and the group's channels of ``covariates``.  It forgets over ``memory_rows`` and
    learns nothing while a sum is beyond half its limit; after ``release_rows`` in alarm it learns
    again from empty sums: somebody has built a factory.  While a regime of ``resting`` holds in the
    zone (a holiday, frozen ground) it neither judges nor learns.

    A residual counts at most ``clip_sigma``, and is learned no further than it counts.  A row
    without the target changes nothing; a missing covariate stays as it was.  State is 8 bytes
    times the square of the terms, and 300: with the defaults and two covariates 1.2 kB, for one
    channel of a group, which is why the catalog asks for it.

    A shift of d sigma is found after about ``limit_sigma / (d - slack_sigma)`` rows.  False alarms
    on white noise over a day and a week, defaults: none in 200,000 rows (simulated), two years on
    a grid of 5 minutes.  Residuals that are correlated over n rows want a limit n times as large.

    >>> Seasonal(target="inflow").code
    'unseasonal'
    """

    target: str
    covariates: tuple[str, ...] = ()
    day_waves: Annotated[int, Meta(ge=0, le=6)] = 3
    week_waves: Annotated[int, Meta(ge=0, le=3)] = 1
    memory_rows: Annotated[float, Meta(ge=100)] = 8064.0
    learn_rows: Annotated[int, Meta(gt=SCALE_ROWS)] = 4032
    slack_sigma: Annotated[float, Meta(gt=0)] = 0.75
    limit_sigma: Annotated[float, Meta(gt=0)] = 15.0
    clip_sigma: Annotated[float, Meta(gt=0)] = 4.0
    scale_min: Annotated[float, Meta(ge=0)] = 0.0
    """In the target's unit: no scale is believed to be smaller."""
    release_rows: Annotated[int, Meta(ge=1)] = 4032
    side: Literal["both", "above", "below"] = "both"
    resting: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.slack_sigma < self.clip_sigma:
            raise ValueError("slack_sigma must be below clip_sigma, else nothing ever adds up")

    @property
    def code(self) -> str:
        """``unseasonal``."""
        return "unseasonal"

    def blank(self, ground: Ground) -> State:
        """Coefficients and their covariance, scale, the two sums, what was seen last."""
        others = len(ground.members.of(*self.covariates))
        n = 1 + 2 * (self.day_waves + self.week_waves) + others
        return {
            "coefficients": np.zeros(n),
            "covariance": PRIOR * np.eye(n),
            "origin": np.full(others, np.nan),
            "known": np.zeros(others),
            "level": np.zeros(1),
            "variance": np.zeros(1),
            "sums": np.zeros(2),
            "onset_ms": np.zeros(2, np.int64),
            "rows": np.zeros(1, np.int64),
            "alarmed": np.zeros(1, np.int32),
            "expected": np.zeros(1),
            "value": np.zeros(1),
        }

    def told(self, ground: Ground, state: State, slot: int, at_ms: int) -> Detail:  # noqa: ARG002
        """The channel, its value, what the season would have it be, and since when it is not."""
        side = int(state["sums"].argmax())
        return Detail(
            channel=ground.members.names[int(self._target(ground)[0])],
            onset_ms=int(state["onset_ms"][side]) or None,
            value=float(state["value"][0]),
            facts={"expected": float(state["expected"][0])},
        )

    def step(self, ground: Ground, state: State, frame: GroupFrame) -> Scores:
        """The group's score at this instant."""
        target = self._target(ground)
        value = float(frame.values[target[0]]) if len(target) else np.nan
        if not np.isfinite(value) or not set(self.resting).isdisjoint(frame.regimes):
            return np.array([1.0 if state["alarmed"][0] else 0.0])
        state["value"][0] = value
        rows = int(state["rows"][0])
        state["rows"] += 1
        if rows < SCALE_ROWS:
            self._first_look(state, value, rows)
            return np.zeros(1)
        terms = self._terms(ground, state, frame)
        scale = max(float(np.sqrt(state["variance"][0])), self.scale_min)
        is_moving = scale > SCALE_SHARE_MIN * max(1.0, abs(float(state["level"][0])))
        expected = float(state["level"][0] + terms @ state["coefficients"])
        state["expected"][0] = expected
        judged = rows >= self.learn_rows and is_moving
        away = value - expected
        if judged:
            away = float(np.clip(away, -self.clip_sigma * scale, self.clip_sigma * scale))
            score = self._pile(state, away / scale, frame.at_ms)
        else:
            score = 0.0
        if score < 0.5:
            self._learn(state, terms, away, rows)
        state["alarmed"][0] = state["alarmed"][0] + 1 if score >= 1.0 else 0
        if state["alarmed"][0] >= self.release_rows:
            state["sums"][:] = 0.0
            state["alarmed"][0] = 0
            # It doubts all that it knew, and keeps its scale.
            state["covariance"][:] = PRIOR * np.eye(len(terms))
            state["rows"][0] = SCALE_ROWS
        return np.array([score])

    def _target(self, ground: Ground) -> Rows:
        return ground.members.of(self.target)

    def _first_look(self, state: State, value: float, rows: int) -> None:
        away = value - float(state["level"][0])
        state["level"] += away / (rows + 1)
        state["variance"] += (away * (value - state["level"]) - state["variance"]) / (rows + 1)

    def _terms(self, ground: Ground, state: State, frame: GroupFrame) -> Floats:
        day = 2.0 * np.pi * frame.at_ms / DAY_MS
        waves = np.concatenate(
            [
                day * np.arange(1, self.day_waves + 1),
                day / WEEK_DAYS * np.arange(1, self.week_waves + 1),
            ]
        )
        others = frame.values[ground.members.of(*self.covariates)]
        came = np.isfinite(others)
        origin, known = state["origin"], state["known"]
        # Counted from where it was first, so that the constant stays small.
        origin[:] = np.where(np.isfinite(origin) | ~came, origin, others)
        known[:] = np.where(came, others - origin, known)
        return np.concatenate([[1.0], np.cos(waves), np.sin(waves), known])

    def _pile(self, state: State, z: float, at_ms: int) -> float:
        """The larger of the two sums in limits; where each left nought is its onset."""
        sums = state["sums"]
        signs = np.array([self.side != "below", self.side != "above"]) * np.array([1.0, -1.0])
        begins = sums == 0.0
        sums += np.where(signs != 0.0, signs * z - self.slack_sigma, 0.0)
        np.clip(sums, 0.0, CEILING * self.limit_sigma, out=sums)
        state["onset_ms"][begins & (sums > 0.0)] = at_ms
        return float(sums.max()) / self.limit_sigma

    def _learn(self, state: State, terms: Floats, away: float, rows: int) -> None:
        """One step of recursive least squares; the scale follows the residuals."""
        covariance = state["covariance"]
        pull = covariance @ terms
        keep = 1.0 - 1.0 / self.memory_rows
        gain = pull / (keep + float(terms @ pull))
        state["coefficients"] += gain * away
        covariance -= np.outer(gain, pull)
        if np.trace(covariance) < PRIOR_MAX * len(terms):
            covariance /= keep
        # Rounding would make it lopsided in a year.
        covariance[:] = 0.5 * (covariance + covariance.T)
        rate = 1.0 / min(max(rows - SCALE_ROWS, SCALE_ROWS), self.memory_rows)
        state["variance"] += rate * (away * away - state["variance"])
