"""The radio gateway: its own supply alone, so that its silence is told from the city's calm."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lifeline.catalog import Device
from simulators.base import Cadence, Scenario, Truth, Uplink, cadence, readings


@dataclass(slots=True)
class Gateways:
    """Gateways on mains power."""

    devices: Sequence[Device]
    rng: np.random.Generator
    clock: Cadence

    def begin(self, scenario: Scenario, at_ms: int) -> Truth | None:
        """No scenario concerns a gateway."""
        assert at_ms >= 0, f"{scenario.what} before the epoch"
        return None

    def end(self, scenario: Scenario, asset: str) -> None:
        """Nothing began, nothing ends."""

    def advance(self, at_ms: int, dt_s: float, day_s: float) -> list[Uplink]:
        """The supply voltage of the gateways that are due."""
        assert dt_s >= 0, f"physics time goes forwards, at {day_s}"
        volts = 24.0 + 0.05 * self.rng.normal(size=(len(self.devices), 1))
        return [
            readings(self.devices[i], at_ms, ("supply",), volts[i].round(2))
            for i in self.clock.due(at_ms)
        ]


def gateways(
    devices: Sequence[Device], rng: np.random.Generator, start_ms: int, pace: float
) -> Gateways:
    """The gateways behind these devices."""
    return Gateways(devices, rng, cadence(devices, start_ms, pace))
