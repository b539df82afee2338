"""A pipeline's pressure waves: the method of characteristics along one line, with a burst in it."""

from dataclasses import dataclass

import numpy as np

from lifeline.model import Floats

G = 9.81


@dataclass(frozen=True, slots=True)
class Line:
    """One main between a reservoir and a demand."""

    length_m: float = 2400.0
    diameter_m: float = 0.3
    wave_speed_m_s: float = 1170.0
    friction: float = 0.02
    """Darcy's factor."""
    head_m: float = 50.0
    """Of the reservoir at the upper end."""
    flow_m3_s: float = 0.05
    """Drawn at the lower end."""
    reaches: int = 240

    @property
    def step_s(self) -> float:
        """Time in which a wave runs through one reach (Courant number 1)."""
        return self.length_m / self.reaches / self.wave_speed_m_s


@dataclass(frozen=True, slots=True)
class Event:
    """What disturbs the line, linearly over ``over_s``.

    ``burst``: at ``at_m`` an orifice opens to ``size`` m³/s per root of a metre of head.
    ``draw``: the demand at the lower end changes by ``size`` m³/s, as a valve or a pump does it.
    """

    what: str
    start_s: float
    size: float
    at_m: float = 0.0
    over_s: float = 0.1


def heads(line: Line, seconds: float, places_m: Floats, events: tuple[Event, ...]) -> Floats:
    """Heads (m) at the places, one row a ``line.step_s``, shape (steps, places).

    The characteristic equations ``H_P = C+ - B Q`` and ``H_P = C- + B Q`` with quasi-steady
    friction, B = a / (g A) (Wylie and Streeter, Fluid Transients in Systems, 1993, chapter 3).  At
    a node with an orifice the two meet in ``2 s² + B c s - (C+ + C-) = 0`` for s, the root of its
    head.
    """
    n, area = line.reaches, np.pi / 4.0 * line.diameter_m**2
    b = line.wave_speed_m_s / (G * area)
    r = line.friction * (line.length_m / n) / (2.0 * G * line.diameter_m * area**2)
    flow = np.full(n + 1, line.flow_m3_s)
    came = flow.copy()  # into a node; an orifice takes the difference to what leaves it
    head = line.head_m - np.arange(n + 1) * r * line.flow_m3_s * abs(line.flow_m3_s)
    at = np.rint(places_m / line.length_m * n).astype(int)
    steps = round(seconds / line.step_s)
    made = np.empty((steps, len(at)))
    for k in range(steps):
        now_s = (k + 1) * line.step_s
        plus = head[:-1] + b * flow[:-1] - r * flow[:-1] * np.abs(flow[:-1])
        minus = head[1:] - b * came[1:] + r * came[1:] * np.abs(came[1:])
        upper, lower = plus[:-1], minus[1:]
        head[1:-1] = 0.5 * (upper + lower)
        for event in events:
            if event.what == "burst":
                node = int(np.clip(round(event.at_m / line.length_m * n), 1, n - 1))
                c = event.size * _opened(event, now_s)
                both = max(float(plus[node - 1] + minus[node]), 0.0)
                head[node] = ((-b * c + np.sqrt(b * b * c * c + 8.0 * both)) / 4.0) ** 2
        flow[1:-1] = (head[1:-1] - lower) / b
        came[1:-1] = (upper - head[1:-1]) / b
        drawn = line.flow_m3_s + sum(e.size * _opened(e, now_s) for e in events if e.what == "draw")
        head[0], flow[0] = line.head_m, (line.head_m - minus[0]) / b
        head[-1], came[-1] = plus[-1] - b * drawn, drawn
        made[k] = head[at]
    return made


def _opened(event: Event, now_s: float) -> float:
    return min(max((now_s - event.start_s) / event.over_s, 0.0), 1.0)


def sampled(line: Line, made: Floats, rate_hz: float, clock_s: float = 0.0) -> Floats:
    """One place's heads as a logger with that rate and clock error samples them."""
    times = np.arange(1, len(made) + 1) * line.step_s
    n = int(times[-1] * rate_hz)
    wanted = np.arange(n) / rate_hz + clock_s
    values: Floats = np.interp(wanted, times, made)
    return values
