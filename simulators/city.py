"""The demo city: four lifelines advancing together on one grid of time, and the story they tell."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from lifeline.catalog import Device
from simulators.base import Part, Scenario, Truth, Uplink
from simulators.bridge import bridge
from simulators.gas import gas_wells
from simulators.gateway import gateways
from simulators.heating import heat_network
from simulators.water import water_zone

MORNING_S = 36_000.0
"""The city's day begins at ten: demand is past its peak, so the first burst stands alone."""

DEMO = (
    Scenario("gas-leak", 3.0, 420.0, deadline_s=20.0),
    Scenario("burst", 30.0, 450.0, deadline_s=60.0),
    Scenario("make-up-loss", 60.0, 480.0, deadline_s=60.0),
    Scenario("overload", 85.0, 90.0, deadline_s=30.0),
    Scenario("stiffness-loss", 95.0, 510.0, deadline_s=80.0),
)
"""One leak or fault in each lifeline within three minutes."""


@dataclass(slots=True)
class City:
    """All parts on one grid: what comes out depends on seed, start and grid alone."""

    parts: Sequence[Part]
    devices: Sequence[str]
    """The names of all that speak."""
    scenarios: Sequence[Scenario]
    start_ms: int
    speed: float
    grid_ms: int
    done_ms: int
    """The last instant of the grid that has been computed."""
    truth: list[Truth] = field(default_factory=list)
    """What has begun so far, in order; the caller may take entries out."""
    begun: dict[int, str] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)

    def step(self, at_ms: int) -> list[Uplink]:
        """Everything the city's devices send after the last call, up to and at ``at_ms``."""
        sent: list[Uplink] = []
        while self.done_ms + self.grid_ms <= at_ms:
            self.done_ms += self.grid_ms
            self._tell(self.done_ms)
            dt_s = self.grid_ms / 1000.0 * self.speed
            day_s = MORNING_S + (self.done_ms - self.start_ms) / 1000.0 * self.speed
            for part in self.parts:
                sent += part.advance(self.done_ms, dt_s, day_s)
        return sent

    def mend(self, what: str) -> None:
        """Ends what has begun of this kind now: the crew is done before the story's own time."""
        for i, scenario in enumerate(self.scenarios):
            if scenario.what == what and i in self.begun and i not in self.ended:
                self._end(i)

    def _end(self, i: int) -> None:
        self.ended.add(i)
        for part in self.parts:
            part.end(self.scenarios[i], self.begun[i])

    def _tell(self, at_ms: int) -> None:
        since_s = (at_ms - self.start_ms) / 1000.0
        for i, scenario in enumerate(self.scenarios):
            if i not in self.begun and since_s >= scenario.at_s:
                told = [t for part in self.parts if (t := part.begin(scenario, at_ms)) is not None]
                self.truth += told
                self.begun[i] = told[0].asset if told else ""
            if i in self.begun and i not in self.ended and since_s >= scenario.until_s:
                self._end(i)


def build_city(
    devices: Iterable[Device],
    rng: np.random.Generator,
    start_ms: int,
    *,
    speed: float = 60.0,
    pace: float = 1.0,
    scenarios: Sequence[Scenario] = DEMO,
    grid_ms: int = 100,
) -> City:
    """A city of these devices, told apart by their model; models it does not know stay silent.

    ``speed`` makes slow physics (days, wells, networks) run faster than the clock; ``pace`` scales
    the intervals at which devices send.  Vibration is never sped up: its frequency is what is
    measured.
    """
    models: dict[str, list[Device]] = {}
    for device in devices:
        models.setdefault(device.model, []).append(device)
    seeds = rng.spawn(5)
    parts: list[Part] = []
    speakers: list[str] = []
    makers: tuple[tuple[tuple[str, ...], Callable[..., Part]], ...] = (
        (("gas-well",), gas_wells),
        (("water-inlet", "water-logger", "water-tank"), water_zone),
        (("heat-plant", "heat-substation"), heat_network),
        (("bridge-dau", "bridge-wim", "bridge-accelerometer"), bridge),
        (("gateway",), gateways),
    )
    for (kinds, make), seed in zip(makers, seeds, strict=True):
        groups = [models.get(kind, []) for kind in kinds]
        if any(groups):
            parts.append(make(*groups, seed, start_ms, pace))
            speakers += [device.name for group in groups for device in group]
    return City(parts, speakers, tuple(scenarios), start_ms, speed, grid_ms, start_ms)


def planted_leaks(
    assets: Sequence[str], first_s: float, every_s: float, hold_s: float, deadline_s: float = 30.0
) -> tuple[Scenario, ...]:
    """One gas leak after another, each at its own well: what a fault programme plants."""
    return tuple(
        Scenario("gas-leak", first_s + i * every_s, first_s + i * every_s + hold_s, asset,
                 deadline_s=deadline_s)
        for i, asset in enumerate(assets)
    )  # fmt: skip
