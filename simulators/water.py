"""A district metered area: daily demand, heads from its mains, a burst by the root of its head."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lifeline.catalog import Device
from lifeline.model import Floats
from simulators import mains
from simulators.base import Cadence, Scenario, Truth, Uplink, cadence, daily, readings
from simulators.mains import HAZEN_WILLIAMS, INLET_GROUND_M, SOURCE_HEAD_M, Network

G = 9.81
CD = 0.75
DEMAND_PEAKS = ((7.5, 1.6, 75.0), (12.0, 2.0, 35.0), (19.0, 2.4, 80.0))
DEMAND_BASE_M3_H = 70.0
BURST_PIPE = "P-G7H7"
"""Far from the inlet, half a block from a crossing, and with no logger in its street."""
RATIOS = np.linspace(0.0, 4.0, 49) ** 2
"""A burst's flow over the area's demand, wherever its losses are computed."""
OPENING_S = 60.0
"""A burst opens linearly over a minute (TSNet's burst: linear from ts over tc)."""
TANK_M2 = 600.0
PUMP_M3_H = 260.0


def leak_m3_h(hole_mm: float, head_m: float) -> float:
    """Water out of a hole, m³/h: Q = Cd·A·√(2gh), Cd 0.75 (WNTR, documentation/hydraulics).

    >>> round(leak_m3_h(20, 30), 1)
    20.6
    """
    area = math.pi / 4.0 * (hole_mm / 1000.0) ** 2
    return 3600.0 * CD * area * math.sqrt(2.0 * G * max(head_m, 0.0))


@dataclass(frozen=True, slots=True)
class Losses:
    """Loss of head at some places, one of them a break, while water runs out of it."""

    ground_m: Floats
    at_ratio: Floats
    """(ratios, places): losses at a demand of 1 m³/h, by the burst's flow over the demand."""
    broken: int
    """Which place is the break."""

    def heads(self, demand_m3_h: float, burst_m3_h: float) -> Floats:
        """Pressure heads (m): losses grow with one power of all flows, so one table serves all."""
        ratio = min(burst_m3_h / demand_m3_h, float(RATIOS[-1]))
        above = max(int(np.searchsorted(RATIOS, ratio)), 1)
        part = (ratio - RATIOS[above - 1]) / (RATIOS[above] - RATIOS[above - 1])
        loss = (1.0 - part) * self.at_ratio[above - 1] + part * self.at_ratio[above]
        made: Floats = SOURCE_HEAD_M - self.ground_m - loss * demand_m3_h**HAZEN_WILLIAMS
        return made


def losses_of(network: Network, places: Sequence[str], pipe: str) -> Losses:
    """The losses at these junctions, and behind them at a break in the middle of that pipe."""
    network, broken = network.broken(pipe)
    index = {junction.name: k for k, junction in enumerate(network.junctions)}
    rows = [index[name] for name in (*places, broken)]
    ground = np.array([network.junctions[k].ground_m for k in rows])
    table = [network.losses({broken: float(ratio)})[rows] for ratio in RATIOS]
    return Losses(ground, np.array(table), len(places))


def burst_heads(demand_m3_h: float, hole_mm: float, losses: Losses) -> tuple[Floats, float]:
    """Pressure heads (m) at the places and the burst's flow (m³/h) that agree with each other.

    The flow falls as its own head does, so the pair is found by bisection, which cannot diverge.
    """
    low, high = 0.0, leak_m3_h(hole_mm, SOURCE_HEAD_M)
    for _ in range(40 if hole_mm > 0 else 0):
        middle = 0.5 * (low + high)
        if leak_m3_h(hole_mm, float(losses.heads(demand_m3_h, middle)[losses.broken])) > middle:
            low = middle
        else:
            high = middle
    burst = 0.5 * (low + high) if hole_mm > 0 else 0.0
    return losses.heads(demand_m3_h, burst), burst


@dataclass(slots=True)
class WaterZone:
    """One metered area: an inlet meter, pressure loggers along the mains, a service tank."""

    inlets: Sequence[Device]
    loggers: Sequence[Device]
    tanks: Sequence[Device]
    rng: np.random.Generator
    clocks: tuple[Cadence, Cadence, Cadence]
    losses: Losses
    level_m: float = 3.4
    is_pumping: bool = True
    wander: float = 0.0
    hole_mm: float = 0.0
    open_s: float = 0.0

    def begin(self, scenario: Scenario, at_ms: int) -> Truth | None:
        """A main bursts in the middle of its street."""
        if scenario.what != "burst" or not self.loggers:
            return None
        self.hole_mm = scenario.size or 90.0
        self.open_s = 0.0
        device = self.loggers[0]
        return Truth(
            scenario.what, device.lifeline, device.zone, device.asset, "burst", at_ms,
            at_ms + round((scenario.until_s - scenario.at_s) * 1000), scenario.deadline_s,
            {"hole_mm": self.hole_mm, "pipe": BURST_PIPE},
        )  # fmt: skip

    def end(self, scenario: Scenario, asset: str) -> None:
        """The valves on both sides are shut."""
        if scenario.what == "burst" and asset:
            self.hole_mm = 0.0

    def advance(self, at_ms: int, dt_s: float, day_s: float) -> list[Uplink]:
        """Demand, heads, the burst and the tank after ``dt_s``."""
        # Demand wanders by a first-order process of 10 minutes and 4 % besides its daily curve.
        keep = math.exp(-dt_s / 600.0)
        self.wander = keep * self.wander + math.sqrt(1.0 - keep * keep) * 0.04 * self.rng.normal()
        demand = daily(day_s, DEMAND_PEAKS, DEMAND_BASE_M3_H) * (1.0 + self.wander)
        self.open_s += dt_s
        opened = math.sqrt(min(1.0, self.open_s / OPENING_S))
        heads, burst = burst_heads(demand, self.hole_mm * opened, self.losses)
        flow = demand + burst
        self._fill(flow, dt_s)
        return [*self._send(at_ms, flow, heads)]

    def _fill(self, flow_m3_h: float, dt_s: float) -> None:
        if self.level_m > 4.5:
            self.is_pumping = False
        elif self.level_m < 2.5:
            self.is_pumping = True
        supply = PUMP_M3_H if self.is_pumping else 0.0
        self.level_m += (supply - flow_m3_h) * dt_s / 3600.0 / TANK_M2
        self.level_m = min(max(self.level_m, 0.0), 5.0)

    def _send(self, at_ms: int, flow: float, heads: Floats) -> list[Uplink]:
        sent = []
        for i in self.clocks[0].due(at_ms):
            inlet = np.array(
                [flow * (1.0 + 0.004 * self.rng.normal()), SOURCE_HEAD_M - INLET_GROUND_M]
            )
            inlet[1] += 0.08 * self.rng.normal()
            sent.append(readings(self.inlets[i], at_ms, ("flow", "head"), inlet.round(2)))
        for i in self.clocks[1].due(at_ms):
            head = np.array([max(0.0, heads[i] + 0.08 * self.rng.normal())]).round(2)
            local = self.loggers[i].channels[0].local
            sent.append(readings(self.loggers[i], at_ms, (local,), head))
        for i in self.clocks[2].due(at_ms):
            level = np.array([self.level_m + 0.004 * self.rng.normal()]).round(3)
            sent.append(readings(self.tanks[i], at_ms, ("level",), level))
        return sent


def water_zone(
    inlets: Sequence[Device], loggers: Sequence[Device], tanks: Sequence[Device],
    rng: np.random.Generator, start_ms: int, pace: float,
) -> WaterZone:  # fmt: skip
    """The area behind these devices: each logger at the crossing that is nearest to it."""
    network = mains.hunnan(is_true=True)
    places = [network.nearest(device.position) for device in loggers]
    clocks = tuple(cadence(group, start_ms, pace) for group in (inlets, loggers, tanks))
    return WaterZone(
        inlets,
        loggers,
        tanks,
        rng,
        (clocks[0], clocks[1], clocks[2]),
        losses_of(network, places, BURST_PIPE),
    )
