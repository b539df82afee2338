"""The group that shifts: smoothed deviations of several channels from a reference that follows.

A multivariate exponentially weighted moving average (Lowry, Woodall, Champ, Rigdon, Technometrics
1992) in its robust form: each channel is held against the spread that its own smoothed deviation
had while it learned, so that slow wander and correlation in time are in the limit; the group's
score is the largest of them.
"""

from typing import Annotated

import numpy as np
from msgspec import Meta

from detectors.base import BELOW_ONE, Ground, GroupParams, Mask, Scores, State
from lifeline.model import Detail, Floats, GroupFrame

Z_CLIP, FOLLOW_CLIP = 8.0, 3.0
"""Standard deviations: what one reading adds at most, and what the reference follows at most."""
SPREAD_ROW = 100
"""From here on a smoothed deviation rests on a reference, and its spread is learned."""
SETTLE_ROWS = 30
"""Before so many rows a channel's spread is not known well enough to clip by it."""
SHARE = Annotated[float, Meta(gt=0, le=1)]


class Mewma(GroupParams, frozen=True, kw_only=True, tag="mewma"):
    """Alarm when smoothed deviations reach ``limit_sigma`` of what they did while learning.

    Channels of the ``lead`` quantities are judged by the limit, those of ``guard`` by
    ``guard_factor`` times it, others not at all; neither named: all lead.  The reference follows at
    rate ``follow`` while the score is below ``hold``; so a drift is followed and a shift is not.
    The alarm ends after ``calm_rows`` rows below ``release``; after ``relearn_rows`` in alarm the
    group starts anew.

    One wild reading adds at most eight standard deviations times ``smooth``.  A missing channel
    keeps its smoothed deviation; 46 bytes a channel.

    False alarms on white noise, eight channels (simulated): one in about 10,000 rows with the
    defaults, which suit runs of an hour; with ``limit_sigma = 5.5`` none in 160,000.
    """

    lead: tuple[str, ...] = ()
    guard: tuple[str, ...] = ()
    guard_factor: Annotated[float, Meta(ge=1)] = 1.6
    learn_rows: Annotated[int, Meta(gt=100)] = 400
    smooth: SHARE = 0.15
    follow: SHARE = 0.02
    limit_sigma: Annotated[float, Meta(gt=0)] = 4.0
    release: SHARE = 0.7
    hold: SHARE = 0.75
    calm_rows: Annotated[int, Meta(ge=1)] = 5
    relearn_rows: Annotated[int, Meta(ge=1)] = 100_000

    @property
    def code(self) -> str:
        """``shifted``."""
        return "shifted"

    def blank(self, ground: Ground) -> State:
        """Reference, spreads, smoothed deviations, rows learned, alarm."""
        k = ground.width
        return {
            "mean": np.zeros(k),
            "variance": np.zeros(k),
            "smoothed": np.zeros(k),
            "spread": np.zeros(k),
            "ratio": np.zeros(k),
            "learned": np.zeros(k, np.int32),
            "rows": np.zeros(1, np.int32),
            "alarmed": np.zeros(1, np.int32),
            "calm": np.zeros(1, np.int32),
        }

    def told(self, ground: Ground, state: State, slot: int, at_ms: int) -> Detail:  # noqa: ARG002
        """The channels that moved farthest, in limits."""
        order = np.argsort(-np.abs(state["ratio"]), kind="stable")[:8].tolist()
        names = ground.members.names
        return Detail(
            residuals=tuple((names[i], round(float(state["ratio"][i]), 2)) for i in order)
        )

    def step(self, ground: Ground, state: State, frame: GroupFrame) -> Scores:
        """The group's score at this instant."""
        s, x = state, frame.values
        came = np.isfinite(x)
        s["rows"] += 1
        learning = bool(s["rows"][0] <= self.learn_rows)
        away = np.where(came, x - s["mean"], 0.0)
        settled = s["learned"] >= SETTLE_ROWS
        scale = np.sqrt(s["variance"])
        reach = np.where(settled, Z_CLIP * scale, np.inf)
        away = np.clip(away, -reach, reach)
        z = np.divide(away, scale, out=np.zeros_like(away), where=settled & (scale > 0.0))
        s["smoothed"][came] += self.smooth * (z - s["smoothed"])[came]
        score = 0.0 if learning else self._score(ground, s)
        if learning or score < self.hold:
            self._follow(s, away, came, settled, learning=learning)
        return np.array([self._latched(s, score)])

    def _score(self, ground: Ground, s: State) -> float:
        limit = np.full(ground.width, float(self.limit_sigma))
        if self.lead or self.guard:
            limit[:] = np.inf
            limit[ground.members.of(*self.guard)] = self.limit_sigma * self.guard_factor
            limit[ground.members.of(*self.lead)] = self.limit_sigma
        least = np.sqrt(self.smooth / (2.0 - self.smooth))
        s["ratio"][:] = s["smoothed"] / (limit * np.maximum(np.sqrt(s["spread"]), least))
        return float(np.abs(s["ratio"]).max(initial=0.0))

    def _follow(self, s: State, away: Floats, came: Mask, settled: Mask, *, learning: bool) -> None:
        """The reference follows; while learning, the spreads are measured too."""
        scale = np.sqrt(s["variance"])
        s["learned"] += came & learning
        rate = np.maximum(1.0 / np.maximum(s["learned"], 1), self.follow) * came
        near = np.clip(away, -FOLLOW_CLIP * scale, FOLLOW_CLIP * scale)
        s["mean"] += rate * np.where(settled, near, away)
        if not learning:
            return
        share = came / np.maximum(s["learned"], 1)
        s["variance"] += share * (away * away * (1.0 - share) - s["variance"])
        rows = int(s["rows"][0])
        if rows > SPREAD_ROW:
            s["spread"] += (s["smoothed"] ** 2 - s["spread"]) / (rows - SPREAD_ROW)

    def _latched(self, s: State, score: float) -> float:
        """An alarm lasts until the score was low for a while."""
        if s["alarmed"][0]:
            s["alarmed"] += 1
            s["calm"][0] = s["calm"][0] + 1 if score < self.release else 0
            if s["alarmed"][0] > self.relearn_rows:
                for array in s.values():
                    array[...] = 0
                return 0.0
            if s["calm"][0] >= self.calm_rows:
                s["alarmed"][0] = s["calm"][0] = 0
                return min(score, BELOW_ONE)
            return max(score, 1.0)
        s["alarmed"][0] = score >= 1.0
        return score
