"""A small town with two inlets, a pumped tank and six heads, whose hydraulics are a few lines.

Losses grow with the power of flows; a leak lowers heads by its own shares, draws on the inlets by
its own split, and in the tank's zone on the pump alone.
"""

import numpy as np

from detectors.base import Members
from detectors.history import Event, History

GRID_S = 1800.0
ROWS_A_DAY = 48
WEEK = 7 * ROWS_A_DAY
START_MS = 1_700_000_000_000 - 364 * 86_400_000
"""Fifty-two weeks before the battery's rows."""
HEADS, PIPES = 6, 12
COLUMNS = (*(f"t/h{k}" for k in range(HEADS)), "t/q1", "t/q2", "t/pump", "t/tank")
QUANTITIES = (*("head",) * HEADS, "inflow", "inflow", "pump-flow", "tank-level")
MEMBERS = Members(COLUMNS, QUANTITIES, GRID_S)
AREA_M2 = 120.0
PIPE_NAMES = tuple(f"p{k}" for k in range(PIPES))

_shape = np.random.default_rng(4)
LOSS = _shape.uniform(1.0, 4.0, (HEADS, 2))
DROP = _shape.uniform(0.0, 0.03, (PIPES, HEADS))
DROP[np.arange(PIPES), np.arange(PIPES) % HEADS] += 0.05
SPLIT = np.linspace(0.2, 0.8, PIPES)


def rows_of(days: float) -> int:
    return round(days * ROWS_A_DAY)


def year(
    days: float,
    seed: int,
    *,
    start: int = 0,
    leaks: dict[int, np.ndarray] | None = None,
    quiet: tuple[int, ...] = (),
    pump_rows: int = 4,
) -> np.ndarray:
    """Rows of every column; ``leaks``: by pipe, its flow at each row; ``quiet``: days of rest."""
    rng = np.random.default_rng(seed)
    n = rows_of(days)
    at = np.arange(start, start + n)
    hour = at / ROWS_A_DAY * 2.0 * np.pi
    rests = (at // ROWS_A_DAY % 7 >= 5) | np.isin((at - start) // ROWS_A_DAY, quiet)
    weekend = rests.astype(float)
    demand = (100.0 - 12.0 * weekend) * (1.0 - 0.5 * np.cos(hour)) + rng.normal(0.0, 1.5, n)
    zone = 0.15 * demand
    running = (at // pump_rows % 2 == 0).astype(float)
    pump = 30.0 * running + rng.normal(0.0, 0.05, n) * running
    level = 3.0 + np.concatenate([[0.0], np.cumsum(pump - zone)[:-1]]) * 0.5 / AREA_M2
    total = 0.85 * demand + pump
    leaked = np.zeros((n, PIPES))
    for pipe, flow in (leaks or {}).items():
        leaked[:, pipe] = flow
    q1 = 0.5 * total + leaked @ SPLIT + rng.normal(0.0, 0.2, n)
    q2 = total + leaked.sum(axis=1) - q1
    losses = np.column_stack([q1, q2]) ** 1.852 / 150.0**1.852
    heads = 50.0 - losses @ LOSS.T - leaked @ DROP + rng.normal(0.0, 0.02, (n, HEADS))
    return np.column_stack([heads, q1, q2, pump, level])


def network() -> dict[str, np.ndarray]:
    """What EPANET would say of the town."""
    base = np.array([[50.0] * HEADS + [q / 2, q / 2, 15.0, 3.0] for q in (60.0, 120.0, 180.0)])
    leak = np.full((3, PIPES + 1), 10.0)
    response = np.zeros((3, PIPES + 1, len(COLUMNS)))
    split, drop = np.append(SPLIT, 0.5), np.vstack([DROP, DROP[-1:]])
    for h, row in enumerate(base):
        flows = row[6:8] + 10.0 * np.column_stack([split, 1.0 - split])
        response[h, :, 6:8] = flows - row[6:8]
        before = (row[6:8] / 150.0) ** 1.852 @ LOSS.T
        response[h, :, :HEADS] = before - (flows / 150.0) ** 1.852 @ LOSS.T - 10.0 * drop
    ends = np.column_stack([np.arange(PIPES), np.arange(PIPES)])
    ends[-1] = -1, PIPES
    ends[0] = 0, -1
    apart = np.abs(np.arange(PIPES)[:, None] - np.arange(PIPES)) * 400.0
    rougher = np.zeros((PIPES, len(COLUMNS)))
    rougher[:, :HEADS] = np.random.default_rng(9).normal(0.0, 0.02, (PIPES, HEADS))
    return {
        "nodes": np.array([f"n{k}" for k in range(PIPES + 1)]),
        "pipes": np.array(PIPE_NAMES),
        "ends": ends,
        "distance_m": apart.astype(np.float32),
        "base": base,
        "response": response,
        "leak_m3_h": leak,
        "rougher_base": base[1],
        "rougher": rougher,
    }


def history(days: float = 84.0, *, known: bool = True, model: bool = True) -> History:
    """Twelve weeks with two leaks, one abrupt, one slow."""
    n = rows_of(days)
    at = np.arange(n)
    first = 8.0 * ((at >= 960) & (at < 1440))
    second = 6.0 * np.clip((at - 1900) / 480.0, 0.0, 1.0) ** 2 * (at >= 1900) * (at < 2800)
    events = (
        Event(kind="leak", row=960, end=1439, place="p3"),
        Event(kind="leak", row=1900, end=2799, peak=2380, place="p7"),
    )
    return History(
        members=MEMBERS,
        at_ms=START_MS + at * int(GRID_S * 1000),
        values=year(days, 1, leaks={3: first, 7: second}),
        events=events,
        event_flow=np.column_stack([first, second]) if known else None,
        network=network() if model else {},
    )
