"""The signal that history contradicts: each is foretold by all the others, now and a row before.

A control system's signals are tied by physics and by rules: a level changes by what pumps and
demand make of it (mass balance), a pump runs while its tank is between two marks (control rules),
a pressure follows flows and states.  Once levels may bend at a few knots, all of it is linear; so
one ridge regression a signal, learned from a recording without attacks, holds it at once.  The
residuals are the last principal components of a PCA detector, one a signal; the envelope by state
is the rule check of the entry that was second in the BATADAL (Taormina et al., J. Water Resour.
Plann. Manage. 144(8), 2018; Abokifa et al., World Environ. Water Resour. Congr. 2017).
"""

from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from detectors.base import BELOW_ONE, Ground, GroupParams, Learned, Mask, Scores, State
from detectors.history import History
from lifeline.model import Detail, Floats, GroupFrame

Z_MAX = 8.0
SMOOTHED_MAX = 2.0
"""One row adds no more to the moving average."""
KNOTS = (0.275, 0.5, 0.725)
"""Quantiles of a level at which its influence may bend: near where pumps switch, and between."""
TAIL = 0.999
"""The residual that history passes once in a thousand rows is one."""
NOISE = 3.0
"""Of the resolution: readings may be as noisy as a third of this, whatever history was."""
SMOOTHED_MIN = 0.02
LATELY_ROWS = 100
SCALE_MIN = 1e-3
HISTORY_ROWS_MIN = 500
CASE_ROWS_MIN = 100
"""A state seen less often has no range of its own."""
GRACE_ROWS = 24
"""So long after an event the plant still recovers, and nothing is learned."""
SWEEPS = 3
"""Missing signals are put in so many times, each by what the others were last taken to be."""


class LearnedResidual(GroupParams, frozen=True, kw_only=True, tag="learned_residual"):
    """Alarm when a signal is not what the others say it must be, or was never seen so.

    Three tests, each of every signal.  At once: its residual is ``limit`` times the largest of a
    thousand of history.  Over a while: the moving average of it, at rate ``smooth``, is
    ``drift_limit`` times the largest such; so a concealed attack shows, whose residual is small but
    keeps its sign.  Envelope: it leaves, by ``margin`` of its range, where it ever was while this
    pump or valve was on, or off: a tank overfull with its pump on, a pump that never ran before.

    After ``relearn_rows`` in alarm what is seen is taken for the plant's new way, so that an
    exchanged meter does not alarm for ever; better is to calibrate anew.  The alarm ends after
    ``calm_rows`` rows in which residuals and envelope are below ``release``; the average may be
    late, it begins anew.  A missing signal is taken to be as the others foretell it and accuses
    nobody; a frame of which more than half is missing is not judged.

    Without what ``calibrate`` learned of these very signals it judges nothing.  State is 56 bytes a
    signal.

    False alarms on an hourly town of 43 signals (C-Town): learned from 6,300 hours, one in the
    other 2,461 of that year; learned from all of it, none in the half-year after, attacks apart.
    """

    levels: tuple[str, ...] = ("tank-level",)
    """Quantities whose marks switch others."""
    resolution: Annotated[float, Meta(ge=0)] = 0.01
    """History is read as roughly as this: what is finer than the stream's own is not known."""
    ridge: Annotated[float, Meta(gt=0)] = 0.001
    smooth: Annotated[float, Meta(gt=0, le=1)] = 0.2
    relearn_rows: Annotated[int, Meta(ge=24)] = 720
    limit: Annotated[float, Meta(gt=0)] = 1.7
    drift_limit: Annotated[float, Meta(gt=0)] = 1.6
    margin: Annotated[float, Meta(gt=0)] = 0.06
    release: Annotated[float, Meta(gt=0, le=1)] = 0.5
    calm_rows: Annotated[int, Meta(ge=1)] = 6

    @property
    def code(self) -> str:
        """``contradicted``."""
        return "contradicted"

    def calibrate(self, history: History) -> dict[str, NDArray[Any]]:
        """Regressions, how far their residuals reach, ranges; empty of too short a recording."""
        values = self._rough(history.values)
        calm: Mask = np.asarray(np.isfinite(values).all(axis=1))
        for event in history.events:
            calm[max(event.row, 0) : event.end + 1 + GRACE_ROWS] = False
        rows = np.flatnonzero(calm[1:] & calm[:-1]) + 1
        if len(rows) < HISTORY_ROWS_MIN:
            return {}
        now, before = values[rows], values[rows - 1]
        made = self._ranges(values[calm])
        moving = np.flatnonzero(np.ptp(now, axis=0) > 0)
        levels = np.intersect1d(history.members.of(*self.levels), moving)
        made["moving"] = moving
        made["names"] = np.array(history.members.names)
        made["knot_of"] = np.repeat(levels, len(KNOTS))
        made["knot"] = np.quantile(now[:, levels], KNOTS, axis=0).T.reshape(-1)
        made |= self._regressions(made, _design(made, now, before))
        reach = np.quantile(np.abs(_away(made, now, before)), TAIL, axis=0) + 1e-6
        read = made["weights"][: 2 * len(moving)] / made["scale"][: 2 * len(moving), None]
        made["reach"] = np.maximum(reach, NOISE * self.resolution * np.linalg.norm(read, axis=0))
        smoothed = np.zeros(len(moving))
        seen = np.empty((len(now), len(moving)))
        for row, z in enumerate(_residuals(made, now, before)):
            self._smooth_in(smoothed, z)
            seen[row] = smoothed
        made["smoothed_reach"] = np.quantile(np.abs(seen), TAIL, axis=0) + SMOOTHED_MIN
        return made

    def blank(self, ground: Ground) -> State:
        """The row before and its time, residuals of late, what was relearned, ratios, alarm."""
        k = ground.width
        names = ground.learned.get("names", np.array([""]))
        return {
            "fits": np.array([np.array_equal(names, np.array(ground.members.names))], np.int8),
            "last": np.full(k, np.nan),
            "last_ms": np.zeros(1, np.int64),
            "smoothed": np.zeros(k),
            "lately": np.zeros(k),
            "offset": np.zeros(k),
            "outside": np.zeros(k),
            "allowed": np.zeros(k),
            "ratio": np.zeros(k),
            "alarm": np.zeros(1, np.int32),
            "calm": np.zeros(1, np.int32),
        }

    def told(self, ground: Ground, state: State, slot: int, at_ms: int) -> Detail:  # noqa: ARG002
        """The signals that history contradicts most, in limits."""
        order = np.argsort(-np.abs(state["ratio"]), kind="stable")[:8].tolist()
        pairs = [(ground.members.names[i], round(float(state["ratio"][i]), 2)) for i in order]
        return Detail(residuals=tuple(pairs))

    def step(self, ground: Ground, state: State, frame: GroupFrame) -> Scores:
        """The group's score at this instant."""
        learned = ground.learned
        came = np.isfinite(frame.values)
        if not state["fits"][0] or 2 * np.count_nonzero(came) < len(came):
            return np.array([1.0 if state["alarm"][0] else 0.0])
        values = self._rough(frame.values)
        outside = _outside(learned, values) / self.margin
        np.maximum(outside, 0.99 * state["outside"], out=state["outside"])
        ratio = np.maximum(outside - state["allowed"], 0.0)
        moving = learned["moving"]
        drift = 0.0
        gone = ~came[moving]
        follows = frame.at_ms - int(state["last_ms"][0]) == round(ground.members.grid_s * 1000)
        if gone.any():
            before = state["last"] if follows else values
            values[moving[gone]] = np.where(np.isfinite(before), before, learned["usual"])[
                moving[gone]
            ]
        if follows:
            z = self._against(learned, state, values, gone)
            smoothed = state["smoothed"][: len(moving)]
            self._smooth_in(smoothed, z)
            drift = float((np.abs(smoothed) / learned["smoothed_reach"]).max(initial=0.0))
            z /= self.limit
            ratio[moving] = np.where(np.abs(z) > ratio[moving], z, ratio[moving])
        # Behind a gap nobody knows the row before: the envelope alone is asked.
        state["ratio"][:], state["last"][:] = ratio, values
        state["last_ms"][0] = frame.at_ms
        return np.array([self._latched(state, float(np.abs(ratio).max()), drift)])

    def _against(self, learned: Learned, state: State, values: Floats, gone: Mask) -> Floats:
        """Residuals in reaches of history, beside what was relearned; puts in what is missing."""
        moving = learned["moving"]
        before = state["last"][None]
        for _ in range(SWEEPS if gone.any() else 0):
            away = _away(learned, values[None], before)[0]
            values[moving[gone]] -= (away * learned["scale"][: len(moving)])[gone]
        z: Floats = _residuals(learned, values[None], before)[0]
        offset, lately = state["offset"][: len(moving)], state["lately"][: len(moving)]
        z[gone] = offset[gone]
        lately += (z - lately) / LATELY_ROWS
        z -= offset
        return z

    def _smooth_in(self, smoothed: Floats, z: Floats) -> None:
        smoothed += self.smooth * (np.clip(z, -SMOOTHED_MAX, SMOOTHED_MAX) - smoothed)

    def _latched(self, state: State, sharp: float, drift: float) -> float:
        score = max(sharp, drift / self.drift_limit)
        if not state["alarm"][0]:
            state["alarm"][0] = score >= 1.0
            return score
        state["alarm"] += 1
        state["calm"][0] = state["calm"][0] + 1 if sharp < self.release else 0
        if state["alarm"][0] > self.relearn_rows:
            state["offset"][:], state["allowed"][:] = state["lately"], state["outside"]
        elif state["calm"][0] < self.calm_rows:
            return max(score, 1.0)
        state["alarm"][0] = state["calm"][0] = 0
        state["smoothed"][:] = 0.0
        return min(sharp, BELOW_ONE)

    def _rough(self, values: Floats) -> Floats:
        rough: Floats = np.where(np.isfinite(values), values, np.nan)
        if self.resolution > 0.0:
            rough = np.asarray(np.round(rough / self.resolution) * self.resolution)
        return rough

    def _ranges(self, values: Floats) -> dict[str, NDArray[Any]]:
        """Where each signal was at all, and while each state was on, or off."""
        low, high = values.min(axis=0), values.max(axis=0)
        cases: list[tuple[int, float, Floats, Floats]] = [(-1, 0.0, low, high)]
        for column in np.flatnonzero((low == 0.0) & (high == 1.0)).tolist():
            one = values[:, column]
            for value in (0.0, 1.0):
                own = values[one == value]
                if ((one == 0.0) | (one == 1.0)).all() and len(own) >= CASE_ROWS_MIN:
                    cases.append((column, value, own.min(axis=0), own.max(axis=0)))
        return {
            "state": np.array([case[0] for case in cases]),
            "state_is": np.array([case[1] for case in cases]),
            "low": np.array([case[2] for case in cases]),
            "high": np.array([case[3] for case in cases]),
            # What never moved has no range: a unit stands for it.
            "range": np.where(high > low, np.maximum(high - low, 100.0 * self.resolution), 1.0),
            "usual": np.median(values, axis=0),
        }

    def _regressions(self, made: Learned, design: Floats) -> dict[str, NDArray[Any]]:
        """Each moving signal on all but itself and its own knots; rounding is noise in all."""
        mean, scale = design.mean(axis=0), np.maximum(design.std(axis=0), SCALE_MIN)
        z = (design - mean) / scale
        gram = z.T @ z / len(z)
        signals, width = len(made["moving"]), design.shape[1]
        penalty = np.full(width, self.ridge)
        penalty[: 2 * signals] += self.resolution**2 / 12.0 / scale[: 2 * signals] ** 2
        loaded = gram + np.diag(penalty)
        knots = np.arange(width - len(made["knot"]), width)
        weights = np.zeros((width, signals))
        for i, column in enumerate(made["moving"].tolist()):
            free = np.setdiff1d(np.arange(width), np.append(knots[made["knot_of"] == column], i))
            weights[free, i] = -np.linalg.solve(loaded[np.ix_(free, free)], gram[free, i])
            weights[i, i] = 1.0
        return {"mean": mean, "scale": scale, "weights": weights}


def _design(learned: Learned, now: Floats, before: Floats) -> Floats:
    """Columns of the regressions: signals now, the row before, levels of both beyond each knot."""
    moving, knot_of, knot = learned["moving"], learned["knot_of"], learned["knot"]
    bent = [np.maximum(side[:, knot_of] - knot, 0.0) for side in (before, now)]
    return np.hstack([now[:, moving], before[:, moving], *bent])


def _away(learned: Learned, now: Floats, before: Floats) -> Floats:
    """What each moving signal is beside what it should be, in its own deviations."""
    z = (_design(learned, now, before) - learned["mean"]) / learned["scale"]
    made: Floats = np.clip(z, -Z_MAX, Z_MAX) @ learned["weights"]
    return made


def _residuals(learned: Learned, now: Floats, before: Floats) -> Floats:
    """The same in the reaches of history."""
    made: Floats = np.clip(_away(learned, now, before) / learned["reach"], -Z_MAX, Z_MAX)
    return made


def _outside(learned: Learned, values: Floats) -> Floats:
    """By how much of its range each signal is outside of where it ever was in these states."""
    state = learned["state"]
    holds = (state < 0) | (values[state] == learned["state_is"])
    low, high = learned["low"][holds].max(axis=0), learned["high"][holds].min(axis=0)
    over = np.maximum(low - values, values - high) / learned["range"]
    return np.where(np.isfinite(over), np.clip(over, 0.0, Z_MAX), 0.0)
