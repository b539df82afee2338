"""Gas into valve wells: outflow from a hole, the well's box, a detector that wakes itself."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lifeline.catalog import Device
from lifeline.model import Floats, Ints
from simulators.base import DAY_S, Cadence, Scenario, Truth, Uplink, cadence, readings

GAMMA = 1.31
R_J_KGK = 518.3
CD = 0.72
ATMOSPHERE_KPA = 101.325
DENSITY_20C = 0.668
"""Methane at 20 °C and one atmosphere, kg/m³ (ideal gas with R above: 0.5 kg/h is 0.75 m³/h)."""
LEL_VOL = 0.05
"""5 %VOL is 100 %LEL."""
MADE = ("ch4", "temperature", "humidity", "pressure", "battery", "rssi", "cover-tilt")
WAKE_LEL = 10.0
"""The detector itself leaves its sleep above this: at 30 min cadence 1 % → 5 %VOL fits between two
readings, so firmware must wake by threshold."""
ALARM_RATIO = 30
"""Normal cadence to alarm cadence: 30 min to 1 min."""


def outflow_kg_h(
    hole_mm: float, gauge_kpa: float, celsius: float = 10.0, discharge: float = CD
) -> float:
    """Methane out of a round hole, kg/h: choked above 85 kPa(g), else subsonic.

    Isentropic nozzle flow with γ 1.31 and R 518.3 J/kgK (codingace.net, gas orifice; Cd by edge,
    industrialmonitordirect.com).

    >>> round(outflow_kg_h(2, 100), 1)
    2.9
    """
    area = math.pi / 4.0 * (hole_mm / 1000.0) ** 2
    upstream_pa = (gauge_kpa + ATMOSPHERE_KPA) * 1000.0
    ratio = ATMOSPHERE_KPA / (gauge_kpa + ATMOSPHERE_KPA)
    thermal = R_J_KGK * (celsius + 273.15)
    critical = (2.0 / (GAMMA + 1.0)) ** (GAMMA / (GAMMA - 1.0))
    if ratio <= critical:
        term = GAMMA / thermal * (2.0 / (GAMMA + 1.0)) ** ((GAMMA + 1.0) / (GAMMA - 1.0))
    else:
        bracket = ratio ** (2.0 / GAMMA) - ratio ** ((GAMMA + 1.0) / GAMMA)
        term = 2.0 * GAMMA / ((GAMMA - 1.0) * thermal) * bracket
    return 3600.0 * discharge * area * upstream_pa * math.sqrt(max(term, 0.0))


def well_step(
    fraction: Floats, inflow_m3_h: Floats, volume_m3: Floats, ach: Floats, dt_s: float
) -> Floats:
    """Methane fraction (0-1) of each well after ``dt_s``: V dC/dt = q(1-C) - nVC, solved exactly.

    Well-mixed box model, V dC/dt = q(1-C) - n V C (textbook, not verified against a measured well).
    A linear equation needs no small steps: any ``dt_s`` is exact.

    >>> c = well_step(*(np.array([x]) for x in (0.0, 0.05 * 0.75, 2.0, 1.0)), 46 * 60)
    >>> round(float(c[0]), 3)
    0.01
    """
    gain = inflow_m3_h / volume_m3
    decay = gain + ach
    steady = np.divide(gain, decay, out=np.zeros_like(gain), where=decay > 0)
    mixed: Floats = steady + (fraction - steady) * np.exp(-decay * dt_s / 3600.0)
    return mixed


@dataclass(slots=True)
class GasWells:
    """All wells of the city as arrays over wells, with their battery-powered detectors."""

    devices: Sequence[Device]
    rng: np.random.Generator
    clock: Cadence
    normal_ms: Ints
    fraction: Floats
    background: Floats
    """Biogas and zero drift of each well, %LEL."""
    volume_m3: Floats
    ach: Floats
    inflow_m3_h: Floats
    battery: Floats

    def begin(self, scenario: Scenario, at_ms: int) -> Truth | None:
        """A hole in the low-pressure main beside the well; a tenth of the gas finds the well."""
        if scenario.what != "gas-leak" or not len(self.devices):
            return None
        assets = [d.asset for d in self.devices]
        row = assets.index(scenario.asset) if scenario.asset in assets else min(6, len(assets) - 1)
        hole_mm = scenario.size or 5.0
        mass = outflow_kg_h(hole_mm, 2.5)
        self.inflow_m3_h[row] = 0.10 * mass / DENSITY_20C
        self.ach[row] = 0.5
        device = self.devices[row]
        return Truth(
            scenario.what, device.lifeline, device.zone, device.asset, "gas-leak", at_ms,
            at_ms + round((scenario.until_s - scenario.at_s) * 1000), scenario.deadline_s,
            {"hole_mm": hole_mm, "leak_kg_h": round(mass, 3), "reaches_well": 0.10},
        )  # fmt: skip

    def end(self, scenario: Scenario, asset: str) -> None:
        """The hole is closed; the well airs itself out."""
        if scenario.what == "gas-leak":
            rows = [i for i, d in enumerate(self.devices) if d.asset == asset]
            self.inflow_m3_h[rows] = 0.0
            # The crew's fan: ten air changes an hour until the air is clean.
            self.ach[rows] = 10.0

    def advance(self, at_ms: int, dt_s: float, day_s: float) -> list[Uplink]:
        """The wells after ``dt_s``; a detector that finds gas sends now and stays awake."""
        self.fraction = well_step(self.fraction, self.inflow_m3_h, self.volume_m3, self.ach, dt_s)
        lel = self.fraction / LEL_VOL * 100.0 + self.background
        awake = lel >= WAKE_LEL
        alarm_ms = np.maximum(self.normal_ms // ALARM_RATIO, np.minimum(self.normal_ms, 500))
        woken = awake & (self.clock.interval_ms == self.normal_ms) & (alarm_ms < self.normal_ms)
        self.clock.interval_ms = np.where(awake, alarm_ms, self.normal_ms)
        self.clock.next_ms[woken] = at_ms
        due = self.clock.due(at_ms)
        if not len(due):
            return []
        self.battery[due] -= 2e-6
        table = self._measure(lel[due], due, day_s)
        return [
            readings(self.devices[i], at_ms, MADE, row) for i, row in zip(due, table, strict=True)
        ]

    def _measure(self, lel: Floats, due: Ints, day_s: float) -> Floats:
        n = len(due)
        swing = math.sin(2.0 * math.pi * (day_s / DAY_S - 0.375))
        noise = self.rng.normal(size=(6, n))
        table = np.empty((n, len(MADE)))
        # A catalytic detector saturates at its full scale of 100 %LEL.
        table[:, 0] = np.clip(lel + 0.12 * noise[0], -4.0, 100.0).round(2)
        table[:, 1] = (8.0 + 1.5 * swing + 0.05 * noise[1]).round(2)
        table[:, 2] = np.clip(82.0 - 4.0 * swing + 0.3 * noise[2], 5.0, 99.0).round(1)
        table[:, 3] = (100.8 + 0.2 * swing + 0.01 * noise[3]).round(3)
        table[:, 4] = self.battery[due].round(2)
        table[:, 5] = np.clip(-83.0 + 3.0 * noise[4], -110.0, -60.0).round(0)
        # A closed cover lies a degree or two askew, as its frame does.
        table[:, 6] = np.clip(1.5 + 0.2 * noise[5], 0.0, 180.0).round(1)
        return table


def gas_wells(
    devices: Sequence[Device], rng: np.random.Generator, start_ms: int, pace: float
) -> GasWells:
    """The wells behind these devices, clean and airing at half to one air change an hour."""
    n = len(devices)
    clock = cadence(devices, start_ms, pace)
    return GasWells(
        devices, rng, clock, clock.interval_ms.copy(), np.zeros(n), rng.uniform(0.0, 1.5, n),
        np.full(n, 2.0), rng.uniform(0.4, 0.8, n), np.zeros(n), rng.uniform(88.0, 99.0, n),
    )  # fmt: skip
