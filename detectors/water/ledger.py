"""Which leaks are known, how large they are, and what all of them together show by now.

A Kalman filter over the residuals' level: at rest and by load, and the size of every known leak.
Only known leaks may change it quickly, each along its own direction: a new one stands out against
it, however slowly it grows, and is entered; a repaired one is struck out.  Earlier levels are kept
for a month, so that what grows slowly is compared with a time before it.
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import State
from detectors.water.sight import (
    Model,
    Sight,
    Weighed,
    likely,
    moments,
    projected,
    seen,
    seen_covariance,
    weigh,
)
from lifeline.model import Floats

WINDOWS_D = (1, 2, 4, 8, 16, 32)
KEPT_D = max(WINDOWS_D)
PER_DAY = 4
"""Blocks a day: shorter ones mix up hours of the day with leaks."""
CANDIDATES = 64
SLOTS = 32

OFFSET_M, LOADED_M = 0.003, 0.002
BALANCE_M3_H, ZONE_M3_H, SHARE_M3_H = 3.5, 1.05, 0.3
"""How far the first day's residuals may lie from those that were learned, with no leak."""
ROUGHNESS = 0.05
"""Pipes' roughness coefficients are known to this share."""
DRIFT_M, DRIFT_BALANCE, DRIFT_ZONE, DRIFT_SHARE = 1e-4, 0.02, 0.01, 0.002
"""A square root of a day."""
FLOOR_M, FLOOR_SHARE_M3_H = 0.0015, 0.08
"""What no averaging makes smaller: the model is a model."""
SLOW_WEIGHT = 7.0
SIGNATURE_ERROR, AUDIT_ERROR = 0.15, 0.15
"""A sensor's share in a leak's direction is known so well; of all known leaks together."""
YOUNG_D, YOUNG_GROWTH, OLD_GROWTH, RATE_WEIGHT = 12.0, 0.7, 0.08, 2.0
"""How much a known leak may grow, m3/h a square root of a day: freely when it is new."""
RATE_D = 8.0
PAUSE_EVIDENCE, PAUSE_D = 4.0, 20
"""While a leak is suspected nothing is learned, for so long at most."""
REPAIR_EVIDENCE, REPAIR_MARGIN, REPAIR_SHARE, REPAIR_AFTER_D = 12.0, 5.0, 0.5, 1.5
GHOST_D, GHOST_SIZE_M3_H, GHOST_LARGEST_M3_H = 10.0, 0.3, 2.0
BLIND = 1e6
"""A variance's factor where nothing was measured."""


def blank(model_width: int, rows_a_day: float) -> State:
    """Nothing known; some 1 MB for a network of 33 heads, most of it the month of levels."""
    double = 2 * model_width
    states = double + SLOTS
    return {
        "blocks": np.zeros(1, np.int64),
        "rows_a_day": np.array([rows_a_day]),
        "ring": np.full((KEPT_D * PER_DAY, model_width + 1), np.nan),
        "jitter": np.zeros(model_width),
        "mean": np.zeros(states),
        "covariance": np.zeros((states, states)),
        "first_covariance": np.zeros((double, double)),
        "past_mean": np.zeros((KEPT_D + 1, double)),
        "past_covariance": np.zeros((KEPT_D + 1, double, double), np.float32),
        "pipe": np.full((SLOTS, CANDIDATES), -1, np.int32),
        "weight": np.zeros((SLOTS, CANDIDATES)),
        "known": np.zeros(SLOTS, np.bool_),
        "since": np.zeros(SLOTS, np.int64),
        "rate": np.zeros(SLOTS),
        "paused": np.zeros(1, np.int64),
        "evidence": np.zeros(1),
    }


@dataclass(slots=True)
class Ledger:
    """The state's arrays with what was learned: everything here writes into the state."""

    model: Model
    state: State

    @property
    def day(self) -> float:
        """How long the ledger has been kept."""
        return float(self.state["blocks"][0]) / PER_DAY

    @property
    def double(self) -> int:
        """Where the sizes begin in the filter's mean."""
        return 2 * self.model.width

    def begin(self, roughness: Floats, balances: int) -> None:
        """Sets out how far the first day may lie from what was learned."""
        width, heads = self.model.width, self.model.heads
        shares = balances - 2
        still = [*[OFFSET_M] * heads, BALANCE_M3_H, ZONE_M3_H, *[SHARE_M3_H] * shares]
        loaded = [*[LOADED_M] * heads, 0.0, 0.0, *[SHARE_M3_H] * shares]
        first = np.diag(np.array([*still, *loaded]) ** 2)
        rough = width + np.array([*range(heads), *range(heads + 2, width)], np.intp)
        first[np.ix_(rough, rough)] += ROUGHNESS**2 * roughness
        self.state["first_covariance"][:] = first
        self.state["covariance"][: 2 * width, : 2 * width] = first
        self.state["past_covariance"][:] = first

    def put(self, block: Floats) -> None:
        """One block's residuals, its load behind them; NaN where there were none."""
        at = int(self.state["blocks"][0])
        self.state["ring"][at % len(self.state["ring"])] = block
        self.state["blocks"][0] = at + 1

    def averaged(self, days: float) -> tuple[Floats, Floats, float]:
        """The last days' mean residuals, the share of blocks that had each, and their load."""
        at, ring = int(self.state["blocks"][0]), self.state["ring"]
        rows = ring[(at - 1 - np.arange(min(round(days * PER_DAY), at))) % len(ring)]
        real = np.isfinite(rows)
        count = real.sum(axis=0)
        mean = np.where(real, rows, 0.0).sum(axis=0) / np.maximum(count, 1)
        share = count / len(rows)
        return mean[:-1], np.where(share >= 0.5, share, 0.0)[:-1], float(mean[-1])

    def _measured(self, days: float, share: Floats) -> Floats:
        """Covariance of a window's mean as such."""
        model = self.model
        rows = days * float(self.state["rows_a_day"][0])
        noise = model.day_cov / days + np.diag(self.state["jitter"] / rows)
        blind = np.where(share > 0.0, 0.0, BLIND * (np.diag(noise) + 1e-6))
        made: Floats = noise + np.diag(blind)
        return made

    def _floor(self) -> Floats:
        width, heads = self.model.width, self.model.heads
        small = np.full(width, FLOOR_SHARE_M3_H)
        small[:heads], small[heads : heads + 2] = FLOOR_M, 0.0
        return np.diag(small**2)

    def directions(self, slot: int) -> tuple[Floats, Floats]:
        """A known leak's expected direction and second moment, with the model's own error."""
        kept = self.state["pipe"][slot] >= 0
        pipes = self.state["pipe"][slot][kept].astype(np.float64)
        mean, second = moments(self.model, pipes, self.state["weight"][slot][kept])
        return mean, second + SIGNATURE_ERROR**2 * np.diag(mean**2)

    def slots(self) -> list[int]:
        """The slots of known leaks."""
        return [int(k) for k in np.flatnonzero(self.state["known"])]

    def size(self, slot: int) -> tuple[float, float]:
        """A known leak's size and its standard deviation, m3/h."""
        at = self.double + slot
        variance = float(self.state["covariance"][at, at])
        return float(self.state["mean"][at]), max(variance, 0.0) ** 0.5

    def _growth(self, slot: int) -> float:
        """Variance that a day may add to a known leak's size."""
        age_d = (int(self.state["blocks"][0]) - int(self.state["since"][slot])) / PER_DAY
        steady = OLD_GROWTH + RATE_WEIGHT * abs(float(self.state["rate"][slot]))
        return float((YOUNG_GROWTH if age_d < YOUNG_D else steady) ** 2)

    def growing(self) -> Floats:
        """Covariance that a day of known leaks' growth adds, still and loaded."""
        made = np.zeros((self.double, self.double))
        for slot in self.slots():
            made += self._growth(slot) * self.directions(slot)[1]
        return made

    def sight(self, days: float, growing: Floats) -> Sight:
        """The last days against the level that was known before them."""
        mean, share, load = self.averaged(days)
        back = min(max(round(days), 1), int(self.day))
        level = seen(self.state["past_mean"][back], load)
        doubt = self.state["past_covariance"][back].astype(np.float64) + growing * days / 3.0
        covariance = (
            seen_covariance(doubt, load)
            + self._measured(days, share)
            + self.model.slow_cov
            + self._floor()
        )
        return Sight(np.where(share > 0.0, mean - level, 0.0), covariance, load, days)

    def audit(self, days: float) -> Sight:
        """The last days against the network as it was learned, and the leaks that are known.

        A leak that grew too slowly, or that began with another, was learned as the level: here it
        still stands out.
        """
        mean, share, load = self.averaged(days)
        level, doubt = np.zeros(self.double), self.state["first_covariance"].copy()
        for slot in self.slots():
            direction, second = self.directions(slot)
            size, deviation = self.size(slot)
            level += size * direction
            doubt += (AUDIT_ERROR * size) ** 2 * np.diag(direction**2)
            doubt += size**2 * (second - np.outer(direction, direction)) + deviation**2 * second
        covariance = (
            seen_covariance(doubt, load)
            + self._measured(days, share)
            + self.model.slow_cov
            + self._floor()
        )
        away = np.where(share > 0.0, mean - seen(level, load), 0.0)
        return Sight(away, covariance, load, days, audits=True)

    def enter(self, weighed: Weighed, *, learned: bool) -> int:
        """Puts a leak into a free slot; ``learned`` where the level holds it already; -1: none."""
        state, double = self.state, self.double
        if state["known"].all():
            return -1
        slot = int(np.argmin(state["known"]))
        pipes, weights = likely(weighed, CANDIDATES)
        state["pipe"][slot] = -1
        state["weight"][slot] = 0.0
        state["pipe"][slot, : len(pipes)] = pipes
        state["weight"][slot, : len(pipes)] = weights
        state["known"][slot], state["since"][slot] = True, state["blocks"][0]
        direction, second = self.directions(slot)
        at, size = double + slot, weighed.size
        variance = (0.5 * size) ** 2 if learned else max(size, 1.0) ** 2
        self._forget(slot)
        state["mean"][at], state["covariance"][at, at] = size, variance
        if not learned:
            doubt = size**2 * (second - np.outer(direction, direction)) + variance * second
            self._shift(size * direction, doubt)
            state["covariance"][at, :double] += variance * direction
            state["covariance"][:double, at] += variance * direction
        return slot

    def strike(self, slot: int, *, gone: bool) -> None:
        """Takes a leak out of its slot; ``gone`` where the level goes back by it."""
        if gone:
            direction, second = self.directions(slot)
            size, _ = self.size(slot)
            doubt = size**2 * (second - np.outer(direction, direction))
            self._shift(-size * direction, doubt + max(0.15 * size, 1.0) ** 2 * second)
        self._forget(slot)
        self.state["known"][slot] = False

    def absorb(self, weighed: Weighed) -> None:
        """Learns at once that something ceased which was never known."""
        pipes, weights = likely(weighed, CANDIDATES)
        direction, second = moments(self.model, pipes, weights)
        size = weighed.size
        doubt = size**2 * (second - np.outer(direction, direction))
        self._shift(-size * direction, doubt + max(0.3 * size, 1.0) ** 2 * second)

    def _forget(self, slot: int) -> None:
        at = self.double + slot
        self.state["mean"][at] = 0.0
        self.state["covariance"][at] = 0.0
        self.state["covariance"][:, at] = 0.0
        self.state["rate"][slot] = 0.0

    def _shift(self, by: Floats, doubt: Floats) -> None:
        """Moves the level now and in all that is remembered."""
        state, double = self.state, self.double
        state["mean"][:double] += by
        state["covariance"][:double, :double] += doubt
        state["past_mean"] += by
        state["past_covariance"] += doubt.astype(np.float32)

    def ghosts(self) -> list[int]:
        """Slots whose leak turned out to be nothing."""
        found = []
        for slot in self.slots():
            size, deviation = self.size(slot)
            age_d = (int(self.state["blocks"][0]) - int(self.state["since"][slot])) / PER_DAY
            nothing = size < GHOST_SIZE_M3_H and size + 2.0 * deviation < GHOST_LARGEST_M3_H
            if nothing and age_d > GHOST_D:
                found.append(slot)
        return found

    def repaired(self, growing: Floats) -> int:
        """The slot whose leak has ceased, by the last day or two; -1: none.

        What a new leak would explain as well is no repair.
        """
        slots, best, found = self.slots(), 0.0, -1
        if not slots:
            return -1
        now = int(self.state["blocks"][0])
        rows = np.stack([self.directions(slot)[0] for slot in slots])
        for days in (1, 2):
            if now < days * PER_DAY:
                break
            sight = self.sight(days, growing)
            against = weigh(self.model, sight).evidence + REPAIR_MARGIN
            width = self.model.width
            precision, along = projected(sight, rows[:, :width] + sight.load * rows[:, width:])
            for k, slot in enumerate(slots):
                drop = -along[k] / max(precision[k], 1e-12)
                gain = along[k] ** 2 / max(precision[k], 1e-12) / 2.0 if drop > 0.0 else 0.0
                old = (now - int(self.state["since"][slot])) / PER_DAY > REPAIR_AFTER_D
                enough = drop > REPAIR_SHARE * self.size(slot)[0]
                if old and enough and gain > max(REPAIR_EVIDENCE, against, best):
                    best, found = float(gain), slot
        return found

    def close_day(self) -> None:
        """Learns the day that ended, unless a leak is suspected, and remembers the level."""
        state, width, double = self.state, self.model.width, self.double
        drift = np.zeros(width)
        heads = self.model.heads
        drift[:heads], drift[heads:] = DRIFT_M, DRIFT_SHARE
        drift[heads : heads + 2] = DRIFT_BALANCE, DRIFT_ZONE
        covariance = state["covariance"]
        covariance[np.arange(width), np.arange(width)] += drift**2
        for slot in self.slots():
            at, growth = double + slot, self._growth(slot)
            direction, second = self.directions(slot)
            covariance[:double, :double] += growth * second
            covariance[:double, at] += growth * direction
            covariance[at, :double] += growth * direction
            covariance[at, at] += growth
        suspected = float(state["evidence"][0]) > PAUSE_EVIDENCE
        state["paused"][0] = state["paused"][0] + 1 if suspected else 0
        if not 0 < state["paused"][0] <= PAUSE_D:
            self._update()
        for name, now in (("past_mean", state["mean"][:double]), ("past_covariance", None)):
            state[name][1:] = state[name][:-1].copy()
            state[name][0] = covariance[:double, :double] if now is None else now

    def _update(self) -> None:
        state, width, double = self.state, self.model.width, self.double
        mean, share, load = self.averaged(1)
        noise = self._measured(1, share) + SLOW_WEIGHT * self.model.slow_cov
        covariance = state["covariance"]
        shown = covariance[:width] + load * covariance[width:double]
        spread = shown[:, :width] + load * shown[:, width:double] + noise
        gain = np.linalg.solve(spread, shown).T
        away = np.where(share > 0.0, mean - seen(state["mean"][:double], load), 0.0)
        step = gain @ away
        state["mean"] += step
        covariance -= gain @ shown
        covariance[:] = (covariance + covariance.T) / 2.0
        state["rate"] += (step[double:] - state["rate"]) / RATE_D * state["known"]
