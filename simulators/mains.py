"""The demo city's water mains: a street grid of pipes, what flows in it, the same for EPANET.

The simulator's truth is this network with pipes somewhat rougher or smoother, and demands
elsewhere, than the model says that a utility would hand over (``model_text``).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from lifeline.model import Floats

SOURCE_HEAD_M = 44.0
"""Behind the inlet's pressure-reducing valve, above the datum of ``ground_m``."""
INLET_GROUND_M = 4.0
HAZEN_WILLIAMS = 1.852
RESISTANCE = 10.667
"""Of Hazen-Williams in metres and m³/s (EPANET 2.2 user manual, table 3.1, in SI units)."""
ORIGIN = (123.4660, 41.7110)
"""Where the inlet stands: longitude and latitude of x = y = 0."""
ROUNDS = 12
"""Newton's steps to a flow; the errors square themselves, from about the eighth on."""
METRES_PER_DEGREE = (83_110.0, 111_130.0)
INLET = "INLET"
COLUMNS, ROWS = "ABCDEFGH", range(1, 9)
FIRST_M = (180.0, -491.0)
ALONG_M, DOWN_M = (108.0, -16.7), (44.3, -159.3)
"""From one crossing to the next in a street's direction, and to the next street."""
ROUGHNESS_ERROR, DEMAND_ERROR = 0.08, 0.25
"""How far the truth lies from the model: share of a pipe's coefficient, of a crossing's demand."""
SIZES_MM = {"trunk": 350.0, "main": 250.0, "ring": 200.0, "street": 150.0, "lane": 100.0}


@dataclass(frozen=True, slots=True)
class Junction:
    """A crossing: where it lies (metres east and north of the inlet) and its share of demand."""

    name: str
    x: float
    y: float
    ground_m: float
    share: float


@dataclass(frozen=True, slots=True)
class Pipe:
    """A main between two junctions; ``a`` may be the inlet."""

    name: str
    a: str
    b: str
    length_m: float
    diameter_mm: float
    coefficient: float
    """Hazen and Williams's C: 140 is new and smooth, 90 old and rough."""


@dataclass(frozen=True, slots=True)
class Network:
    """What lies behind one inlet; demands' shares add up to 1."""

    junctions: tuple[Junction, ...]
    pipes: tuple[Pipe, ...]

    def nearest(self, position: tuple[float, float] | None) -> str:
        """The junction nearest to a longitude and latitude; the first where nobody knows one."""
        if position is None:
            return self.junctions[0].name
        x = (position[0] - ORIGIN[0]) * METRES_PER_DEGREE[0]
        y = (position[1] - ORIGIN[1]) * METRES_PER_DEGREE[1]
        return min(self.junctions, key=lambda j: (j.x - x) ** 2 + (j.y - y) ** 2).name

    def broken(self, pipe: str) -> tuple["Network", str]:
        """The network with a junction in the middle of that pipe, and its name."""
        one = next(p for p in self.pipes if p.name == pipe)
        at = {j.name: j for j in self.junctions}
        a, b, name = at[one.a], at[one.b], f"{pipe}-break"
        middle = Junction(
            name, (a.x + b.x) / 2, (a.y + b.y) / 2, (a.ground_m + b.ground_m) / 2, 0.0
        )
        half = one.length_m / 2
        halves = (
            replace(one, name=f"{pipe}-1", b=name, length_m=half),
            replace(one, name=f"{pipe}-2", a=name, length_m=half),
        )
        rest = tuple(p for p in self.pipes if p.name != pipe)
        return Network((*self.junctions, middle), (*rest, *halves)), name

    def losses(self, extra: Mapping[str, float]) -> Floats:
        """Loss of head (m) from the inlet to each junction, all customers drawing 1 m³/h.

        ``extra`` is drawn besides at a junction, in m³/h.  Losses grow with one power of the flow,
        so at another demand D they are D^1.852 times those where ``extra`` is divided by D.

        The global gradient method (Todini and Pilati, in Computer Applications in Water Supply,
        1988), as EPANET's.
        """
        index = {j.name: k for k, j in enumerate(self.junctions)}
        drawn = np.array([j.share + extra.get(j.name, 0.0) for j in self.junctions])
        incidence = np.zeros((len(index), len(self.pipes)))
        for k, pipe in enumerate(self.pipes):
            if pipe.a != INLET:
                incidence[index[pipe.a], k] = -1.0
            incidence[index[pipe.b], k] = 1.0
        resistance = np.array([_resistance(pipe) for pipe in self.pipes])
        flow = np.full(len(self.pipes), drawn.sum() / 10.0)
        loss = np.zeros(len(index))
        for _ in range(ROUNDS):
            slope = HAZEN_WILLIAMS * resistance * np.maximum(np.abs(flow), 1e-6) ** 0.852
            eased = incidence / slope
            own = flow * (1.0 - 1.0 / HAZEN_WILLIAMS)
            # Unknown: the heads, 0 at the inlet; what remains of each balance drives them.
            loss = np.linalg.solve(eased @ incidence.T, drawn - incidence @ own)
            flow = own + (incidence.T @ loss) / slope
        return loss


def _resistance(pipe: Pipe) -> float:
    """Metres of loss at 1 m³/h."""
    size = math.pow(pipe.coefficient, HAZEN_WILLIAMS) * math.pow(pipe.diameter_mm / 1000.0, 4.871)
    return RESISTANCE * pipe.length_m / size / math.pow(3600.0, HAZEN_WILLIAMS)


def _wave(a: float, b: float) -> float:
    """Between -1 and 1, without order: what makes no street like the next, the same every time."""
    return math.sin(12.9898 * a + 78.233 * b)


def hunnan(*, is_true: bool) -> Network:
    """Hunnan metered area 3: 64 crossings behind one inlet, as it is or as the model has it."""
    doubt = 1.0 if is_true else 0.0
    junctions = []
    for i, column in enumerate(COLUMNS):
        for row in ROWS:
            x = FIRST_M[0] + i * ALONG_M[0] + (row - 1) * DOWN_M[0]
            y = FIRST_M[1] + i * ALONG_M[1] + (row - 1) * DOWN_M[1]
            wanted = 1.0 + 0.5 * _wave(i, row) + doubt * DEMAND_ERROR * _wave(row + 0.5, i)
            ground_m = round(3.0 + 1.6 * math.sin(x / 310.0) + 1.2 * math.cos(y / 270.0), 1)
            junctions.append(Junction(f"{column}{row}", round(x, 1), round(y, 1), ground_m, wanted))
    total = sum(j.share for j in junctions)
    junctions = [replace(j, share=j.share / total) for j in junctions]
    at = {j.name: j for j in junctions}
    pipes = [Pipe("P-TRUNK", INLET, "A1", 540.0, SIZES_MM["trunk"], 120.0)]
    for i, column in enumerate(COLUMNS):
        for row in ROWS:
            after = COLUMNS[i + 1] if i + 1 < len(COLUMNS) else ""
            for other, kind in (
                (f"{after}{row}" if after else "", _kind_along(column, row)),
                (f"{column}{row + 1}" if row + 1 in ROWS else "", _kind_down(column, row)),
            ):
                if not other or not kind:
                    continue
                a, b = at[f"{column}{row}"], at[other]
                wave = _wave(i + (0.3 if after in other else 0.7), row)
                coefficient = 112.0 + 14.0 * wave
                if is_true:
                    coefficient *= 1.0 + ROUGHNESS_ERROR * _wave(row, i + 0.25 * len(pipes))
                pipes.append(
                    Pipe(
                        f"P-{a.name}{b.name}", a.name, b.name,
                        round(math.hypot(a.x - b.x, a.y - b.y), 1), SIZES_MM[kind],
                        round(coefficient, 1),
                    )
                )  # fmt: skip
    return Network(tuple(junctions), tuple(pipes))


def _kind_along(column: str, row: int) -> str:
    """What lies in the street between this crossing and the next column; '' for nothing."""
    if row == 1 and column in "ABC":
        return "main"
    if row in (5, 8) or (row == 1 and column in "DEFG"):
        return "ring"
    if (COLUMNS.index(column) * 3 + row * 5) % 7 < 2:
        return ""
    return "street" if row % 2 else "lane"


def _kind_down(column: str, row: int) -> str:
    """What lies in the street between this crossing and the next row; '' for nothing."""
    if column == "D":
        return "main"
    if column in "AH":
        return "ring"
    if (COLUMNS.index(column) * 5 + row * 3) % 9 < 1:
        return ""
    return "street" if column in "BFG" else "lane"
