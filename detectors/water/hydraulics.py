"""What a network's flows explain of its pressures, and where its water went.  Pure arithmetic.

A head at a sensor follows the flows: losses grow with the 1.852nd power (Hazen-Williams), a pump
shifts them, a tank's level carries its zone.  What is left when that is taken off is small, and a
leak shows in it by the direction in which it moves all sensors together.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from detectors.base import Members, Rows
from lifeline.model import Floats

HAZEN_WILLIAMS = 1.852
LOAD_M3_H = 150.0
"""A total inflow at which the load is 1: effects of losses are stated for it."""
PUMP_ON_M3_H = 1.0


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a group's channels stand, by what they measure."""

    heads: Rows
    inflows: Rows
    pumps: Rows
    levels: Rows

    @property
    def balances(self) -> int:
        """How many sums of flows are watched: total, tank zone, shares of the inflows."""
        return 2 + max(len(self.inflows) - 1, 0)

    @property
    def width(self) -> int:
        """How many residuals there are: heads, total, tank zone, shares of the inflows."""
        return len(self.heads) + self.balances

    @property
    def has_zone(self) -> bool:
        """Whether pumps fill a tank, so that its zone has a balance of its own."""
        return bool(len(self.pumps)) and bool(len(self.levels))

    def needed(self) -> Rows:
        """The channels without which a row says nothing."""
        return np.concatenate([self.inflows, self.pumps, self.levels])


@lru_cache(maxsize=32)
def layout(members: Members) -> Layout:
    """The group's channels by what they measure.

    >>> names, kinds = ("w/a", "w/b", "w/q"), ("head", "head", "inflow")
    >>> made = layout(Members(names, kinds, 300.0))
    >>> made.heads.tolist(), made.inflows.tolist(), made.width
    ([0, 1], [2], 4)
    """
    return Layout(
        heads=members.of("head"),
        inflows=members.of("inflow"),
        pumps=members.of("pump-flow"),
        levels=members.of("tank-level"),
    )


def load(at: Layout, values: Floats) -> Floats:
    """How hard the network works: the total inflow's losses, 1 at ``LOAD_M3_H``."""
    total = np.maximum(values[:, at.inflows].sum(axis=1), 0.0)
    made: Floats = (total / LOAD_M3_H) ** HAZEN_WILLIAMS
    return made


def regressors(at: Layout, values: Floats) -> Floats:
    """What heads are explained by, a column each: flows, their losses, the pump, the tank."""
    flows = values[:, at.inflows]
    total = np.maximum(flows.sum(axis=1), 0.0)
    pump = values[:, at.pumps].sum(axis=1)
    running = (pump > PUMP_ON_M3_H).astype(np.float64)
    level = values[:, at.levels].sum(axis=1)
    losses = np.maximum(flows, 0.0) ** HAZEN_WILLIAMS
    return np.column_stack([
        np.ones(len(values)), flows, losses, total**HAZEN_WILLIAMS,
        running, pump, np.maximum(pump, 0.0) ** HAZEN_WILLIAMS,
        level, running * level, running * total ** (HAZEN_WILLIAMS - 1.0), running * total,
    ])  # fmt: skip


def share_regressors(at: Layout, values: Floats) -> Floats:
    """What each inflow's share of the total is explained by.

    The total itself cannot say where water leaves; how it divides over the inlets can.
    """
    total = values[:, at.inflows].sum(axis=1)
    pump = values[:, at.pumps].sum(axis=1)
    running = (pump > PUMP_ON_M3_H).astype(np.float64)
    losses = np.maximum(total, 0.0) ** HAZEN_WILLIAMS
    return np.column_stack([np.ones(len(values)), total, running, running * total, pump, losses])


def least_squares(columns: Floats, wanted: Floats) -> Floats:
    """Coefficients by normal equations, scaled; a column of zeros gets 0."""
    gram = columns.T @ columns
    scale = np.sqrt(np.maximum(np.diag(gram), 1e-30))
    scaled = gram / np.outer(scale, scale) + 1e-11 * np.eye(len(scale))
    right = (columns.T @ wanted).reshape(len(scale), -1) / scale[:, None]
    made: Floats = np.linalg.solve(scaled, right) / scale[:, None]
    return made.reshape(len(scale), *wanted.shape[1:])


def season(day_of_year: Floats) -> Floats:
    """The year's harmonics, a column each: demand is highest in summer."""
    angle = 2.0 * np.pi * day_of_year / 365.25
    return np.column_stack([
        np.ones(len(angle)), np.cos(angle), np.sin(angle), np.cos(2.0 * angle), np.sin(2.0 * angle),
    ])  # fmt: skip
