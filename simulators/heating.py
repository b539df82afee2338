"""A heating network: supply by the outdoor curve, water that shrinks as it cools, make-up."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lifeline.catalog import Device
from lifeline.model import Floats
from simulators.base import DAY_S, Cadence, Scenario, Truth, Uplink, cadence, readings

G = 9.81
CD = 0.75
VOLUME_M3 = 2000.0
SET_KPA = 600.0
STIFFNESS_KPA_M3 = 10.0
"""Pressure gained by one cubic metre more in the network (expansion vessel)."""
MAKE_UP_MAX_M3_H = 25.0
MAKE_UP_BASE_M3_H = 1.5
"""What every network loses at glands and air vents."""
GAIN_M3_H_KPA = 0.5
CIRCULATION_M3_H = 1200.0
PLANT = (
    "supply-temperature", "return-temperature", "flow", "supply-pressure", "return-pressure",
    "make-up-flow",
)  # fmt: skip
SUBSTATION = ("supply-temperature", "return-temperature", "secondary-temperature", "pressure")


def water_kg_m3(celsius: float) -> float:
    """Density of water, kg/m³ (Kell's shorter form as in hydrology handbooks), 0-100 °C.

    >>> round(10_000 * (1 - water_kg_m3(70) / water_kg_m3(69)), 1)  # m³ a kelvin of 10,000 m³
    5.8
    """
    offset = (celsius + 288.9414) / (508929.2 * (celsius + 68.12963))
    return 1000.0 * (1.0 - offset * (celsius - 3.9863) ** 2)


def supply_celsius(day_s: float) -> float:
    """Supply temperature by the heating curve of a day between -18 and -6 °C outside."""
    outdoor = -12.0 + 6.0 * math.sin(2.0 * math.pi * (day_s / DAY_S - 0.375))
    return 80.0 - 0.8 * (outdoor + 12.0)


def leak_m3_h(hole_mm: float, gauge_kpa: float, celsius: float) -> float:
    """Hot water out of a hole, m³/h: Q = Cd·A·√(2p/ρ)."""
    area = math.pi / 4.0 * (hole_mm / 1000.0) ** 2
    pressure = max(gauge_kpa, 0.0) * 1000.0
    return 3600.0 * CD * area * math.sqrt(2.0 * pressure / water_kg_m3(celsius))


@dataclass(slots=True)
class HeatNetwork:
    """One plant and its substations, mass balance and pressure of the primary side."""

    plants: Sequence[Device]
    substations: Sequence[Device]
    rng: np.random.Generator
    clocks: tuple[Cadence, Cadence]
    delay_s: Floats
    """Heat front from plant to substation: 5 km at 1 m/s are 83 min, so the two ends are never to
    be compared at one instant."""
    pressure_kpa: float = SET_KPA
    make_up_m3_h: float = MAKE_UP_BASE_M3_H
    hole_mm: float = 0.0
    density: float = field(default=0.0)

    def begin(self, scenario: Scenario, at_ms: int) -> Truth | None:
        """A hole in the primary main: make-up rises to its pump's limit, and pressure falls."""
        if scenario.what != "make-up-loss" or not self.plants:
            return None
        self.hole_mm = scenario.size or 25.0
        plant = self.plants[0]
        return Truth(
            scenario.what, plant.lifeline, plant.zone, plant.asset, "heating-leak", at_ms,
            at_ms + round((scenario.until_s - scenario.at_s) * 1000), scenario.deadline_s,
            {"hole_mm": self.hole_mm},
        )  # fmt: skip

    def end(self, scenario: Scenario, asset: str) -> None:
        """The section is shut off."""
        if scenario.what == "make-up-loss" and asset:
            self.hole_mm = 0.0

    def advance(self, at_ms: int, dt_s: float, day_s: float) -> list[Uplink]:
        """Temperatures, water volume, make-up and pressure after ``dt_s``."""
        supply = supply_celsius(day_s)
        back = supply_celsius(day_s - 5400.0) - 27.0
        mean = 0.5 * (supply + back)
        density = water_kg_m3(mean)
        before = self.density or density
        # The same mass at a new density: cooling shrinks the water and looks like a leak.
        shrunk_m3 = VOLUME_M3 * (1.0 - before / density)
        self.density = density
        hours = dt_s / 3600.0
        wanted = MAKE_UP_BASE_M3_H + GAIN_M3_H_KPA * (SET_KPA - self.pressure_kpa)
        self.make_up_m3_h = min(max(wanted, 0.0), MAKE_UP_MAX_M3_H)
        leak = leak_m3_h(self.hole_mm, self.pressure_kpa, mean) + MAKE_UP_BASE_M3_H
        self.pressure_kpa += STIFFNESS_KPA_M3 * ((self.make_up_m3_h - leak) * hours - shrunk_m3)
        self.pressure_kpa = min(max(self.pressure_kpa, 0.0), 1000.0)
        return [*self._plant(at_ms, supply, back), *self._substations(at_ms, day_s)]

    def _plant(self, at_ms: int, supply: float, back: float) -> list[Uplink]:
        sent = []
        for i in self.clocks[0].due(at_ms):
            noise = self.rng.normal(size=6)
            exact = np.array([supply, back, CIRCULATION_M3_H, self.pressure_kpa + 250.0,
                              self.pressure_kpa, self.make_up_m3_h])  # fmt: skip
            values = exact + noise * np.array([0.05, 0.05, 4.0, 1.0, 1.0, 0.08])
            values[3:] = np.maximum(values[3:], 0.0)
            sent.append(readings(self.plants[i], at_ms, PLANT, values.round(2)))
        return sent

    def _substations(self, at_ms: int, day_s: float) -> list[Uplink]:
        sent = []
        for i in self.clocks[1].due(at_ms):
            noise = self.rng.normal(size=4)
            # A DN150 branch at 0.5 m/s loses about 0.78 K/km (through 50 mm PUR, computed).
            arriving = supply_celsius(day_s - float(self.delay_s[i])) - 0.78 * (0.3 + 0.3 * i)
            exact = np.array([arriving, arriving - 25.0, 0.5 * arriving + 8.0,
                              max(0.0, self.pressure_kpa - 40.0 - 12.0 * i)])  # fmt: skip
            values = np.maximum(exact + noise * np.array([0.08, 0.08, 0.06, 1.2]), 0.0)
            sent.append(readings(self.substations[i], at_ms, SUBSTATION, values.round(2)))
        return sent


def heat_network(
    plants: Sequence[Device], substations: Sequence[Device],
    rng: np.random.Generator, start_ms: int, pace: float,
) -> HeatNetwork:  # fmt: skip
    """The network behind these devices; substations stand 10 to 60 minutes of heat front away."""
    delay = np.linspace(600.0, 3600.0, max(len(substations), 1))
    clocks = (cadence(plants, start_ms, pace), cadence(substations, start_ms, pace))
    return HeatNetwork(plants, substations, rng, clocks, delay)
