"""A burst by its pressure wave: who heard it when along a main, and so where it is."""

from itertools import pairwise
from typing import Annotated

import numpy as np
from msgspec import Meta

from detectors.base import Ground, GroupParams, Rows, Scores, State
from lifeline.model import Detail, Floats, GroupFrame, Ints

STEP = "pressure-step"
"""Quantity of an arrival: the lasting change (m) at the moment of the wave's onset."""
SWITCHES = ("pump-state", "valve-state")
"""Quantities whose change is an operation: its wave is no burst."""
PLACES = 481
"""Points of the main at which the location is weighed."""
SPEEDS = np.linspace(-2.0, 2.0, 9)
"""Wave speeds that are weighed, in standard deviations."""
SPEED_PRIOR = 0.06
"""Relative standard deviation of a wave speed that is only computed (Korteweg)."""
SPEED_KNOWN = 0.01
"""The same of one operation that both ends of the main have heard."""
CLOCK_MS_MAX = 10.0
"""A worse clock puts the burst 5 m and more aside at 1,000 m/s: no place is told then."""
PICK_MS = 6.0
"""How well an onset is picked from samples at 100 Hz: half a sample, and what noise adds."""
MASS = 0.9
"""The interval told holds the burst with this probability."""


class Burst(GroupParams, frozen=True, kw_only=True, tag="burst"):
    """Alarm when two loggers or more hear a lasting drop within the time a wave needs between them.

    Joukowsky: a burst of Q into a main of area A lowers the head by a Q / (2 g A) each way, and the
    wave runs with the speed a.  Arrival times give the place: for two loggers L apart,
    x = (L - a dt) / 2 from the first; for more the posterior over places and speeds of all arrival
    times together.  What a pump or a valve does within ``veto_s`` is no burst; a wave of theirs
    that runs past every logger calibrates the speed instead.  The alarm lasts ``hold_s``.

    A single logger's drop is never a burst here: the flow balance and the limits see that one.  An
    event is judged at the next frame after its time, so the group needs a channel that speaks on
    every grid, such as a head.
    """

    chainage_m: tuple[float, ...] = ()
    """Where each channel of quantity ``pressure-step`` sits along the main, in their order."""
    wave_speed_m_s: Annotated[float, Meta(ge=200, le=1500)] = 1100.0
    clock_ms: Annotated[float, Meta(ge=0)] = 1.0
    """Standard deviation of a logger's clock."""
    drop_m: Annotated[float, Meta(gt=0)] = 0.3
    """Lesser drops are not believed."""
    veto_s: Annotated[float, Meta(ge=0)] = 15.0
    """Five times the main's length over the wave speed."""
    hold_s: Annotated[float, Meta(gt=0)] = 1800.0

    def __post_init__(self) -> None:
        if any(b <= a for a, b in pairwise(self.chainage_m)):
            raise ValueError("chainage_m must rise from logger to logger")

    @property
    def code(self) -> str:
        """``pressure-wave``."""
        return "pressure-wave"

    def blank(self, ground: Ground) -> State:
        """Arrivals of the event under way, operations seen, the speed learned, the burst told."""
        k = len(ground.members.of(STEP))
        return {
            "arrived_ms": np.zeros(k, np.int64),
            "change": np.zeros(k),
            "done_ms": np.zeros(1, np.int64),
            "switch": np.full(len(ground.members.of(*SWITCHES)), np.nan),
            "switched_ms": np.zeros(1, np.int64),
            "speed": np.array([self.wave_speed_m_s, SPEED_PRIOR * self.wave_speed_m_s]),
            "onset_ms": np.zeros(1, np.int64),
            "heard_ms": np.zeros(k, np.int64),
            "drop": np.zeros(1),
        }

    def step(self, ground: Ground, state: State, frame: GroupFrame) -> Scores:
        """1 while a burst is told, else 0."""
        self._hear(ground, state, frame)
        first_ms = self._first(state)
        if first_ms and frame.at_ms >= first_ms + self._reach_ms(state):
            self._judge(state, first_ms)
        told_ms = int(state["onset_ms"][0])
        lasts = told_ms > 0 and frame.at_ms - told_ms < self.hold_s * 1000.0
        return np.array([1.0 if lasts else 0.0])

    def told(self, ground: Ground, state: State, slot: int, at_ms: int) -> Detail:  # noqa: ARG002
        """When, how deep, and between which metres of the main."""
        steps = ground.members.of(STEP)
        names = [ground.members.names[i] for i in steps.tolist()]
        drop = float(state["drop"][0])
        facts = {"drop_m": round(drop, 2), "wave_speed_m_s": round(float(state["speed"][0]), 1)}
        onset_ms, value = int(state["onset_ms"][0]), round(-drop, 2)
        heard = np.flatnonzero(state["heard_ms"])
        if len(self.chainage_m) != len(steps) or self.clock_ms > CLOCK_MS_MAX or len(heard) < 2:
            return Detail(onset_ms=onset_ms, value=value, unit="m", facts=facts)
        places, mass = self._posterior(state, heard)
        total = np.cumsum(mass)
        low, high = places[np.searchsorted(total, [(1.0 - MASS) / 2.0, (1.0 + MASS) / 2.0])]
        facts |= {
            "chainage_m": round(float(mass @ places), 1),
            "chainage_low_m": round(float(low), 1),
            "chainage_high_m": round(float(high), 1),
        }
        cuts = np.searchsorted(places, np.array(self.chainage_m))
        shares = [float(mass[a : b + 1].sum()) for a, b in pairwise(cuts.tolist())]
        between = zip(names, names[1:], shares, strict=False)
        ranked = sorted(((f"{a} – {b}", round(p, 3)) for a, b, p in between), key=lambda c: -c[1])
        likely = tuple(one for one in ranked if one[1] >= 0.01)
        return Detail(onset_ms=onset_ms, value=value, unit="m", facts=facts, candidates=likely)

    def _hear(self, ground: Ground, state: State, frame: GroupFrame) -> None:
        """Note arrivals, and operations of pumps and valves."""
        steps = ground.members.of(STEP)
        values = frame.values[steps]
        came = np.isfinite(values)
        if came.any():
            at_ms = frame.at_ms - np.rint(frame.age_s[steps][came] * 1000.0).astype(np.int64)
            rows = np.flatnonzero(came)
            # An arrival that the event under way has had already is its own echo.
            new = (state["arrived_ms"][rows] == 0) & (at_ms > state["done_ms"][0])
            state["arrived_ms"][rows[new]] = at_ms[new]
            state["change"][rows[new]] = values[came][new]
        switches = ground.members.of(*SWITCHES)
        now, before = frame.values[switches], state["switch"]
        if (np.isfinite(now) & np.isfinite(before) & (now != before)).any():
            state["switched_ms"][0] = frame.at_ms
        state["switch"][:] = np.where(np.isfinite(now), now, before)

    def _first(self, state: State) -> int:
        arrived: Ints = state["arrived_ms"]
        return int(arrived[arrived > 0].min()) if (arrived > 0).any() else 0

    def _reach_ms(self, state: State) -> float:
        """How long a wave may be under way between the loggers, and a second for lateness."""
        length_m = self.chainage_m[-1] - self.chainage_m[0] if self.chainage_m else 3000.0
        return 1000.0 * (1.3 * length_m / float(state["speed"][0]) + 1.0)

    def _judge(self, state: State, first_ms: int) -> None:
        """The event is over: a burst, an operation, or nothing; the next may begin."""
        arrived, change = state["arrived_ms"].copy(), state["change"].copy()
        late = arrived > first_ms + self._reach_ms(state)
        arrived[late] = 0
        dropped = (arrived > 0) & (change <= -self.drop_m)
        since_ms = first_ms - int(state["switched_ms"][0])
        # The state of a pump is sampled: it may be told a little after its wave.
        operated = state["switched_ms"][0] > 0 and abs(since_ms) <= self.veto_s * 1000.0
        if operated:
            self._learn_speed(state, np.flatnonzero(arrived > 0), arrived)
            # The main rings for a while: what follows at once is the operation's echo.
            state["switched_ms"][0] = max(int(state["switched_ms"][0]), first_ms)
        elif np.count_nonzero(dropped) >= 2:
            state["onset_ms"][0] = first_ms
            state["heard_ms"][:] = np.where(dropped, arrived, 0)
            state["drop"][0] = -float(change[dropped].min())
        state["done_ms"][0] = first_ms + round(self._reach_ms(state))
        state["arrived_ms"][:] = np.where(late, state["arrived_ms"], 0)

    def _learn_speed(self, state: State, rows: Rows, arrived: Ints) -> None:
        """A wave from beyond the loggers needs L / a from the first to the last of them."""
        if len(rows) < 2 or len(self.chainage_m) != len(arrived):
            return
        first, last = rows[0], rows[-1]
        took_s = abs(int(arrived[last] - arrived[first])) / 1000.0
        length_m = self.chainage_m[last] - self.chainage_m[first]
        in_order = np.diff(arrived[rows])
        if took_s == 0.0 or not ((in_order > 0).all() or (in_order < 0).all()):
            return
        measured = length_m / took_s
        own_sd = measured * max(SPEED_KNOWN, np.hypot(self.clock_ms, PICK_MS) / (1000.0 * took_s))
        mean, sd = state["speed"]
        if abs(measured - mean) > 4.0 * np.hypot(sd, own_sd):
            return
        weight = sd**2 / (sd**2 + own_sd**2)
        state["speed"][:] = mean + weight * (measured - mean), np.sqrt(1.0 - weight) * sd

    def _posterior(self, state: State, heard: Rows) -> tuple[Floats, Floats]:
        """Places along the main and the probability of each, over all speeds that are likely."""
        sensors = np.array(self.chainage_m)[heard]
        times = (state["heard_ms"][heard] - state["onset_ms"][0]) / 1000.0
        places = np.linspace(self.chainage_m[0], self.chainage_m[-1], PLACES)
        mean, sd = state["speed"]
        speeds = mean + SPEEDS * sd
        sigma = max(np.hypot(self.clock_ms, PICK_MS), 0.5) / 1000.0
        travel = np.abs(places[None, :, None] - sensors) / speeds[:, None, None]
        start = (times - travel).mean(axis=2, keepdims=True)
        misfit = (((times - travel - start) / sigma) ** 2).sum(axis=2)
        logged = -0.5 * misfit - 0.5 * SPEEDS[:, None] ** 2
        mass = np.exp(logged - logged.max()).sum(axis=0)
        return places, mass / mass.sum()
