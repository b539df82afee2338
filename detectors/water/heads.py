"""A leak by a few pressures and the inflow, learned on line: heads that no demand explains."""

from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from detectors.base import BELOW_ONE, Ground, GroupParams, Scores, State
from detectors.water import hydraulics
from detectors.water.hydraulics import HAZEN_WILLIAMS
from lifeline.model import Detail, Floats, GroupFrame

MEMORIES = (4.0, 16.0, 64.0, 256.0)
"""Rows over which residuals are averaged: quick for what is large, long for what is small."""
TERMS = 3
SCALE_M3_H = 1000.0
PRIOR = 1e6
CLIP_SIGMA = 4.0
CALM_SHARE = 0.5
QUIET_MEMORY, USUAL_MAX = 500.0, 2.0
ALARM = 1.5


class HeadShift(GroupParams, frozen=True, kw_only=True, tag="head_shift"):
    """Alarm while heads stand elsewhere than the inflow explains, together and for long enough.

    Every head is regressed on the inflow and its losses (Hazen-Williams) by recursive least squares
    with forgetting; residuals are averaged exponentially over several memories and each average is
    judged by its own covariance (MEWMA: Lowry et al., Technometrics 34, 1992).  From half its limit
    on nothing is learned.  The alarm ends when the likelihood of the old level against the shifted
    one says so (Page's test): a repair, or a shift that was none.

    False alarms, defaults: see ``docs/detection.md``; none in 100,000 rows of seven
    heads with white noise of 0.1 m beside a daily inflow (simulated).
    """

    SLOTS: ClassVar[int] = 1

    limit: Annotated[float, Meta(gt=0)] = 60.0
    """Of the averages' squared distance, in units of what is usual for each sensor count."""
    warm_up: Annotated[int, Meta(ge=10)] = 96
    memory: Annotated[float, Meta(ge=100)] = 20_000.0
    release: Annotated[float, Meta(gt=0)] = 25.0
    """Log likelihood ratio at which the old level has come back."""
    noise_min: Annotated[float, Meta(gt=0)] = 0.02
    """Metres: no head is believed to be steadier."""

    @property
    def code(self) -> str:
        """``head-shift``."""
        return "head-shift"

    def blank(self, ground: Ground) -> State:
        """Coefficients, noise, averages: some kilobytes."""
        k = len(hydraulics.layout(ground.members).heads)
        return {
            "rows": np.zeros(1, np.int64),
            "coefficients": np.zeros((TERMS, k)),
            "doubt": np.eye(TERMS) * PRIOR,
            "noise": np.eye(k),
            "means": np.zeros((len(MEMORIES), k)),
            "weights": np.zeros((len(MEMORIES), 2)),
            "usual": np.ones(len(MEMORIES)),
            "score": np.zeros(1),
            "open": np.zeros(1, np.int8),
            "shift": np.zeros(k),
            "shift_rows": np.zeros(1),
            "back": np.zeros(1),
            "onset_ms": np.zeros(1, np.int64),
        }

    def step(self, ground: Ground, state: State, frame: GroupFrame) -> Scores:
        """The largest of the averages' distances over its limit; 1.5 while the alarm is open."""
        at = hydraulics.layout(ground.members)
        heads, flows = frame.values[at.heads], frame.values[at.inflows]
        if not np.isfinite(flows).all() or not np.isfinite(heads).any():
            return self._score(state)
        flow = max(float(flows.sum()), 0.0) / SCALE_M3_H
        terms = np.array([1.0, flow, flow**HAZEN_WILLIAMS])
        away = heads - terms @ state["coefficients"]
        real = np.isfinite(away)
        away = np.where(real, away, 0.0)
        state["rows"][0] += 1
        if state["rows"][0] <= self.warm_up:
            self._learn(state, terms, away, real)
            return self._score(state)
        self._average(state, away)
        if state["open"][0]:
            self._hold(state, away)
            return self._score(state)
        distance = self._distances(state, terms)
        state["score"][0] = float((distance / state["usual"]).max()) / self.limit
        if state["score"][0] >= 1.0:
            self._raise(state, int((distance / state["usual"]).argmax()), frame.at_ms, ground)
        elif state["score"][0] < CALM_SHARE:
            self._learn(state, terms, away, real)
            share = 1.0 / QUIET_MEMORY
            usual = np.clip(distance / len(away), 1.0, USUAL_MAX)
            state["usual"] += (usual - state["usual"]) * share
        return self._score(state)

    def told(self, ground: Ground, state: State, slot: int, at_ms: int) -> Detail:  # noqa: ARG002
        """When it began, and how far each head stands off, in its own noise."""
        at = hydraulics.layout(ground.members)
        sigma = np.sqrt(np.diag(state["noise"]))
        names = [ground.members.names[c] for c in at.heads.tolist()]
        off = (state["shift"] / sigma).tolist()
        lowest = float(state["shift"].min(initial=0.0))
        return Detail(
            onset_ms=int(state["onset_ms"][0]) or None,
            value=round(lowest, 2),
            unit="m",
            residuals=tuple((name, round(one, 1)) for name, one in zip(names, off, strict=True)),
        )

    def _score(self, state: State) -> Scores:
        score = ALARM if state["open"][0] else min(float(state["score"][0]), BELOW_ONE)
        return np.array([score])

    def _learn(self, state: State, terms: Floats, away: Floats, real: Floats) -> None:
        """One row of recursive least squares, and of the noise; both forget."""
        rows = int(state["rows"][0])
        doubt = state["doubt"]
        along = doubt @ terms
        spread = 1.0 + float(terms @ along)
        noise = np.maximum(np.sqrt(np.diag(state["noise"])), self.noise_min)
        settled = rows > self.warm_up
        bounded = np.clip(away, -CLIP_SIGMA * noise, CLIP_SIGMA * noise) if settled else away
        state["coefficients"] += np.outer(along / spread, np.where(real, bounded, 0.0))
        doubt -= np.outer(along, along) / spread
        doubt *= 1.0 + 1.0 / self.memory
        np.minimum(doubt, PRIOR, out=doubt)
        if rows > TERMS + 1:
            share = max(1.0 / (rows - TERMS), 1.0 / self.memory)
            # The part of a residual that is the coefficients' own doubt is no noise.
            seen = np.outer(bounded, bounded) / spread
            state["noise"] += (seen - state["noise"]) * share

    def _average(self, state: State, away: Floats) -> None:
        for i, memory in enumerate(MEMORIES):
            share = 1.0 / memory
            state["means"][i] += (away - state["means"][i]) * share
            first, second = state["weights"][i]
            state["weights"][i] = (
                first * (1.0 - share) + share,
                second * (1.0 - share) ** 2 + share**2,
            )

    def _distances(self, state: State, terms: Floats) -> Floats:
        """Squared Mahalanobis distance of each average from nothing."""
        k = len(state["noise"])
        noise = state["noise"] + self.noise_min**2 * np.eye(k)
        inverse = np.linalg.inv(noise)
        doubt = float(terms @ state["doubt"] @ terms)
        squares = np.einsum("mi,ij,mj->m", state["means"], inverse, state["means"])
        first, second = state["weights"].T
        made: Floats = squares / np.maximum(second + doubt * first**2, 1e-12)
        return made

    def _raise(self, state: State, which: int, at_ms: int, ground: Ground) -> None:
        state["open"][0] = 1
        state["shift"][:] = state["means"][which] / max(float(state["weights"][which, 0]), 1e-9)
        state["shift_rows"][0] = MEMORIES[which]
        state["back"][0] = 0.0
        rows_ms = ground.members.grid_s * 1000.0
        state["onset_ms"][0] = at_ms - round(MEMORIES[which] * rows_ms)

    def _hold(self, state: State, away: Floats) -> None:
        """The shift follows what it becomes; the sum grows while the old level fits better."""
        noise = state["noise"] + self.noise_min**2 * np.eye(len(away))
        inverse = np.linalg.inv(noise)
        shift = state["shift"]
        # log N(away; 0) - log N(away; shift), bounded so that no single row ends an alarm.
        gain = float(-away @ inverse @ shift + shift @ inverse @ shift / 2.0)
        state["back"][0] = max(0.0, state["back"][0] + min(max(gain, -10.0), 5.0))
        if state["back"][0] == 0.0:
            state["shift_rows"][0] = min(state["shift_rows"][0] + 1.0, 2.0 * MEMORIES[-1])
            shift += (away - shift) / state["shift_rows"][0]
        if state["back"][0] >= self.release:
            state["open"][0], state["score"][0] = 0, 0.0
            state["means"][:], state["weights"][:] = 0.0, 0.0
