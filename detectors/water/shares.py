"""A leak by how two inlets divide the flow: demand moves both together, a leak favours one."""

from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from detectors.base import BELOW_ONE, Ground, GroupParams, Scores, State
from detectors.water import hydraulics
from lifeline.model import Detail, Floats, GroupFrame

HOUR_MS = 3_600_000
TERMS, HARMONICS = 6, 3
COLUMNS = TERMS + 2 * HARMONICS
SCALE_M3_H = 100.0
PRIOR = 1e4
ROWS_MIN = 4
CLIP_SIGMA = 4.0
CALM_SHARE = 0.5
SETTLED_H = 24.0
SHIFT_ERROR = 0.1
"""What is open varies with the hour by so much of itself."""
ALARM = 1.5
PLAIN_M3_H = 3.0
SAME_H, WEEK_H = 72.0, 168
"""What the total shows so soon after a shift is the same leak."""
USUAL_WEEKS = 6.0


class ShareShift(GroupParams, frozen=True, kw_only=True, tag="share_shift"):
    """Alarm when an inlet's share of the total shifts by more than demand and pump explain.

    The first inlet is regressed on the total, its losses, the pump and the hour by recursive least
    squares; hourly means of what is left go through a two-sided CUSUM (Page, Biometrika 1954)
    against a level that is learned slowly, and anew after an alarm.  A shift back by as much as a
    known one is its repair and ends its alarm; every other shift is a new leak.  The total without
    the tank's zone goes through the same test.  On the real inflows of L-Town an hour's residual
    has a deviation of 0.3 m3/h where the total's is 5, and leaks of 5 m3/h shift it by 0.3 to 8.

    False alarms, defaults: none in 60 days of made flows; one in half a year of real ones.
    """

    SLOTS: ClassVar[int] = 32

    slack_sigma: Annotated[float, Meta(gt=0)] = 0.75
    limit_sigma: Annotated[float, Meta(gt=0)] = 12.0
    slack_total: Annotated[float, Meta(gt=0)] = 0.75
    limit_total: Annotated[float, Meta(gt=0)] = 12.0
    warm_up_h: Annotated[int, Meta(ge=24)] = 168
    memory_h: Annotated[float, Meta(ge=24)] = 96.0
    noise_min_m3_h: Annotated[float, Meta(gt=0)] = 0.1
    returned_share: Annotated[float, Meta(gt=0, lt=1)] = 0.3
    """A shift back within this share of a known one is its repair."""

    @property
    def code(self) -> str:
        """``share-shift``."""
        return "share-shift"

    def blank(self, ground: Ground) -> State:  # noqa: ARG002
        """Coefficients, the open hour, the level and the sums: some kilobytes."""
        return {
            "coefficients": np.zeros(COLUMNS),
            "doubt": np.eye(COLUMNS) * PRIOR,
            "hour": np.full(1, -1, np.int64),
            "sums": np.zeros(TERMS + 3),
            "hours": np.zeros(1, np.int64),
            "level": np.zeros(2),
            "noise": np.ones(1),
            "total": np.zeros((2, 3)),
            "total_noise": np.ones(1) * SCALE_M3_H,
            "quiet_h": np.full(1, SAME_H),
            "size": np.zeros(self.SLOTS),
            "usual": np.zeros((WEEK_H, 2)),
            "used": np.array([0.0, SETTLED_H]),
            "cusum": np.zeros((2, 4)),
            "shift": np.zeros(self.SLOTS),
            "known": np.zeros(self.SLOTS, np.bool_),
            "onset_ms": np.zeros(self.SLOTS, np.int64),
        }

    def step(self, ground: Ground, state: State, frame: GroupFrame) -> Scores:
        """1.5 for every known shift; the first free slot shows the larger sum over its limit."""
        at = hydraulics.layout(ground.members)
        hour = frame.at_ms // HOUR_MS
        if hour != state["hour"][0]:
            if state["sums"][-1] >= ROWS_MIN:
                self._close(state)
            state["hour"][0] = hour
            state["sums"][:] = 0.0
        if np.isfinite(frame.values[at.needed()]).all() and len(at.inflows):
            values = frame.values[None]
            terms = hydraulics.share_regressors(at, values)[0]
            state["sums"][:TERMS] += terms
            state["sums"][TERMS] += frame.values[at.inflows[0]]
            state["sums"][TERMS + 1] += terms[1] - terms[4]
            state["sums"][-1] += 1.0
        scores = np.where(state["known"], ALARM, 0.0)
        if not state["known"].all():
            highest = float(state["cusum"][:, 0].max()) / self.limit_sigma
            scores[int(np.argmin(state["known"]))] = min(highest, BELOW_ONE)
        return scores

    def told(self, ground: Ground, state: State, slot: int, at_ms: int) -> Detail:  # noqa: ARG002
        """When it began and by how much the inlet's share shifted."""
        return Detail(
            onset_ms=int(state["onset_ms"][slot]) or None,
            value=round(float(state["shift"][slot]), 2),
            unit="m3/h",
        )

    def _close(self, state: State) -> None:
        """Judges the hour that ended, and learns from it."""
        mean = state["sums"][:-1] / state["sums"][-1]
        flows = mean[:TERMS] / np.array([1.0, SCALE_M3_H, 1.0, SCALE_M3_H, 10.0, 1e4])
        angles = 2.0 * np.pi / 24.0 * float(state["hour"][0]) * np.arange(1, HARMONICS + 1)
        terms = np.concatenate([flows, np.cos(angles), np.sin(angles)])
        away = float(mean[TERMS] - terms @ state["coefficients"])
        excess = self._excess(state, float(mean[TERMS + 1]))
        state["hours"][0] += 1
        hours = int(state["hours"][0])
        state["quiet_h"][0] += 1.0
        self._balance(state, excess, hours)
        if hours <= self.warm_up_h:
            self._regress(state, terms, away, hours)
            return
        varies = SHIFT_ERROR * float(np.abs(state["shift"] * state["known"]).max())
        sigma = max((float(state["noise"][0]) + varies**2) ** 0.5, self.noise_min_m3_h)
        level = float(state["level"][0])
        off = away - level
        bounded = min(max(off, -CLIP_SIGMA * sigma), CLIP_SIGMA * sigma)
        settling = state["level"][1] < SETTLED_H
        for row, sign in enumerate((1.0, -1.0)):
            total, since, piled, more = state["cusum"][row]
            total = 0.0 if settling else max(0.0, total + sign * bounded / sigma - self.slack_sigma)
            grown = (total, since + 1.0, piled + off, more + excess)
            state["cusum"][row] = grown if total else (0.0, 0.0, 0.0, 0.0)
        highest = int(state["cusum"][:, 0].argmax())
        if state["cusum"][highest, 0] >= self.limit_sigma:
            self._shifted(state, highest, off)
        elif settling or state["cusum"][highest, 0] < CALM_SHARE * self.limit_sigma:
            state["level"][1] += 1.0
            share = max(1.0 / float(state["level"][1]), 1.0 / self.memory_h)
            state["level"][0] += (off if settling else bounded) * share
            if not settling:
                state["noise"][0] += (bounded**2 - state["noise"][0]) / self.memory_h / 4.0

    def _excess(self, state: State, used: float) -> float:
        """How much more is used than usual at this hour, m3/h, without the tank's zone."""
        usual = state["usual"][int(state["hour"][0]) % WEEK_H]
        level = float(state["used"][0])
        excess = used - level - float(usual[0]) if usual[1] else 0.0
        if usual[1] and state["total"][:, 0].max() < CALM_SHARE * self.limit_total:
            state["used"][1] += 1.0
            memory = self.memory_h if state["used"][1] > SETTLED_H else float(state["used"][1])
            state["used"][0] += excess / memory
        usual[1] += 1.0
        usual[0] += (used - level - usual[0]) / min(float(usual[1]), USUAL_WEEKS)
        return excess

    def _balance(self, state: State, excess: float, hours: int) -> None:
        """The total, by the same test: finds what draws on both inlets alike, only slower."""
        sigma = float(state["total_noise"][0]) ** 0.5
        bounded = min(max(excess, -CLIP_SIGMA * sigma), CLIP_SIGMA * sigma)
        if hours <= 2 * WEEK_H:
            share = 1.0 / max(hours - WEEK_H, 1)
            state["total_noise"][0] += (excess**2 - state["total_noise"][0]) * share
            return
        if state["used"][1] <= SETTLED_H:
            return
        for row, sign in enumerate((1.0, -1.0)):
            total, since, piled = state["total"][row]
            total = max(0.0, total + sign * bounded / sigma - self.slack_total)
            state["total"][row] = (total, since + 1.0, piled + excess) if total else (0.0,) * 3
        row = int(state["total"][:, 0].argmax())
        highest, since, piled = state["total"][row]
        if highest >= self.limit_total:
            size = piled / since
            state["used"][:] = state["used"][0] + size, 0.0
            state["total"][:] = 0.0
            if state["quiet_h"][0] >= SAME_H:
                self._enter(state, 0.0, size, since)
        elif highest < CALM_SHARE * self.limit_total:
            state["total_noise"][0] += (bounded**2 - state["total_noise"][0]) / self.memory_h / 4.0

    def _enter(self, state: State, shift: float, size: float, since: float) -> None:
        """A free slot for what began; what ceased is struck out, if it was known."""
        if size < 0.0:
            sized = state["known"] & (state["size"] > 0.0)
            apart = np.where(sized, state["size"] + size, np.inf)
            nearest = int(np.argmin(np.abs(apart)))
            if abs(apart[nearest]) <= -self.returned_share * size:
                state["known"][nearest] = False
            return
        state["quiet_h"][0] = 0.0
        if not state["known"].all():
            slot = int(np.argmin(state["known"]))
            state["known"][slot] = True
            state["shift"][slot], state["size"][slot] = shift, size
            state["onset_ms"][slot] = (int(state["hour"][0]) + 1 - round(since)) * HOUR_MS

    def _regress(self, state: State, terms: Floats, away: float, hours: int) -> None:
        doubt = state["doubt"]
        along = doubt @ terms
        spread = 1.0 + float(terms @ along)
        state["coefficients"] += along / spread * away
        doubt -= np.outer(along, along) / spread
        if hours > 2 * COLUMNS:
            seen = away**2 / spread
            state["noise"][0] += (seen - state["noise"][0]) / (hours - 2 * COLUMNS)
        state["level"][:] = 0.0, SETTLED_H

    def _shifted(self, state: State, row: int, last: float) -> None:
        """Enters a new shift, or strikes out the one that it undoes; the level starts anew."""
        _, since, piled, more = state["cusum"][row]
        # The hour in which it began has only a part of it.
        shift = max(piled / since, last, key=abs)
        state["cusum"][:] = 0.0
        state["level"][:] = state["level"][0] + shift, 0.0
        undone = np.abs(state["shift"] + shift)
        room = self.returned_share * np.abs(state["shift"])
        back = state["known"] & (undone <= room)
        # A large shift says by the total whether water began or ceased to be lost.
        if abs(shift) > PLAIN_M3_H and more / since > abs(shift) / 2.0:
            back[:] = False
        if back.any():
            state["known"][int(np.argmin(np.where(back, undone, np.inf)))] = False
            state["quiet_h"][0] = 0.0
            return
        newest = int(np.argmax(np.where(state["known"], state["onset_ms"], -1)))
        same = state["known"][newest] and state["quiet_h"][0] < SAME_H
        if same and state["shift"][newest] == 0.0:
            # The total has shown it already; now it is known how the inlets share it.
            state["shift"][newest] = shift
        else:
            self._enter(state, shift, 0.0, since)
