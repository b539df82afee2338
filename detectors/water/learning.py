"""What leak detection learns from a year of history and from the network's model.

Fitted with the known leaks of that year modelled, each with its own effect on every sensor, so that
they are not taken for the network's habit.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.history import Event, History
from detectors.water import hydraulics
from detectors.water.hydraulics import Layout
from lifeline.model import Floats, Ints

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
WEEK_H = 168
REACH_M = 300.0
"""How far around a place a crew looks."""
LEVEL_TYPICAL_M = 3.2
FULL_SHARE = 0.75
"""A block with less of its rows says nothing."""
METER_ERROR = 0.05
HEAD_ERROR_M = 0.05

Arrays = dict[str, NDArray[Any]]


def learned(history: History, block_ms: int) -> Arrays:
    """Everything that the ledger of leaks needs, by name."""
    at = hydraulics.layout(history.members)
    wanted = np.concatenate([at.heads, at.needed()])
    real = np.isfinite(history.values[:, wanted]).all(axis=1)
    values, at_ms = history.values[real], history.at_ms[real]
    shapes = event_shapes(history)[real]
    made = _fitted(at, values, at_ms, shapes)
    made |= _balanced(at, history, values, at_ms, shapes, block_ms)
    residuals = _residuals(at, values, at_ms, made)
    loads = hydraulics.load(at, values)
    around = np.column_stack([shapes, shapes * loads[:, None]])
    residuals -= (
        around
        @ hydraulics.least_squares(np.column_stack([np.ones(len(values)), around]), residuals)[1:]
    )
    made |= _noise(at, residuals, at_ms, made.pop("balance_left"), block_ms)
    if "response" in history.network:
        made |= _signatures(at, history, made)
        made |= _faults(at, values, made)
    return made


def event_shapes(history: History) -> Floats:
    """How each known leak ran, a column each: its flow, or its growth to 1 where nobody knows it.

    A slow leak's opening grows linearly in diameter, so its flow with the square.
    """
    if history.event_flow is not None:
        return np.asarray(history.event_flow, np.float64)
    rows = np.arange(len(history.values), dtype=np.float64)
    leaks = [event for event in history.events if event.kind == "leak"]
    return np.column_stack([np.zeros((len(rows), 0)), *(_shape(rows, leak) for leak in leaks)])


def _shape(rows: Floats, leak: Event) -> Floats:
    grows = max(leak.peak - leak.row, 1) if leak.peak > leak.row else 1
    grown = np.clip((rows - leak.row + 1.0) / grows, 0.0, 1.0) ** 2
    made: Floats = np.where((rows >= leak.row) & (rows <= leak.end), grown, 0.0)
    return made


def hour_of_week(at_ms: Ints) -> NDArray[np.intp]:
    """0 to 167, from Thursday's midnight on, as the epoch began on one."""
    return np.asarray(at_ms // HOUR_MS % WEEK_H, np.intp)


def _fitted(at: Layout, values: Floats, at_ms: Ints, shapes: Floats) -> Arrays:
    """Coefficients of heads and shares, and what is left of them by the hour of the week."""
    loads = hydraulics.load(at, values)
    around = np.column_stack([shapes, shapes * loads[:, None]])
    columns, shares = hydraulics.regressors(at, values), hydraulics.share_regressors(at, values)
    heads, inflows = values[:, at.heads], values[:, at.inflows[:-1]]
    of_heads = hydraulics.least_squares(np.column_stack([columns, around]), heads)
    of_shares = hydraulics.least_squares(np.column_stack([shares, around]), inflows)
    left = np.column_stack([
        heads - np.column_stack([columns, around]) @ of_heads,
        inflows - np.column_stack([shares, around]) @ of_shares,
    ])  # fmt: skip
    hours = hour_of_week(at_ms)
    habit = np.zeros((WEEK_H, left.shape[1]))
    for hour in np.unique(hours):
        habit[hour] = left[hours == hour].mean(axis=0)
    return {
        "of_heads": of_heads[: columns.shape[1]],
        "of_shares": of_shares[: shares.shape[1]],
        "habit": habit,
    }


def _residuals(at: Layout, values: Floats, at_ms: Ints, made: Arrays) -> Floats:
    """Heads and shares without what flows, and the hour of the week, explain."""
    explained = np.column_stack([
        hydraulics.regressors(at, values) @ made["of_heads"],
        hydraulics.share_regressors(at, values) @ made["of_shares"],
    ])  # fmt: skip
    told = np.column_stack([values[:, at.heads], values[:, at.inflows[:-1]]])
    left: Floats = told - explained - made["habit"][hour_of_week(at_ms)]
    return left


def _blocks(at_ms: Ints, values: Floats, block_ms: int) -> tuple[Ints, Floats]:
    """Which blocks are full, and the mean of each."""
    keys, first, count = np.unique(at_ms // block_ms, return_index=True, return_counts=True)
    means = np.add.reduceat(values, first, axis=0) / count[:, None]
    full = count >= FULL_SHARE * count.max()
    return keys[full], means[full]


def _balanced(
    at: Layout, history: History, values: Floats, at_ms: Ints, shapes: Floats, block_ms: int
) -> Arrays:
    """The tank's area, and what the total and the zone use by time of week and of year."""
    area = tank_area(at, values, history.members.grid_s) if at.has_zone else 0.0
    hours = (at_ms - at_ms[0]) / HOUR_MS
    stored = area * _slopes(hours, values[:, at.levels].sum(axis=1), at_ms, block_ms)
    pumped, total = values[:, at.pumps].sum(axis=1), values[:, at.inflows].sum(axis=1)
    keys, means = _blocks(at_ms, np.column_stack([total, pumped, shapes]), block_ms)
    used = means[:, :2] - stored[:, None]
    leaked = means[:, 2:]
    phases = week_phase(keys, block_ms)
    cycle = int(WEEK_H * HOUR_MS // block_ms)
    year = hydraulics.season((keys + 0.5) * block_ms / DAY_MS)
    profile, seasons = np.ones((cycle, 2)), np.zeros((year.shape[1], 2))
    sizes = np.zeros((leaked.shape[1], 2))
    for _ in range(6):
        for k in range(2):
            columns = np.column_stack([year * profile[phases, k][:, None], leaked])
            both = hydraulics.least_squares(columns, used[:, k])
            seasons[:, k], sizes[:, k] = both[: year.shape[1]], both[year.shape[1] :]
            if history.event_flow is not None:
                sizes[:, k] = _known(at, history, k)
                seasons[:, k] = hydraulics.least_squares(
                    columns[:, : year.shape[1]], used[:, k] - leaked @ sizes[:, k]
                )
            calm, level = used[:, k] - leaked @ sizes[:, k], year @ seasons[:, k]
            for phase in range(cycle):
                own = phases == phase
                profile[phase, k] = (calm[own] @ level[own]) / max(level[own] @ level[own], 1e-9)
    left = used - leaked @ sizes - (year @ seasons) * profile[phases]
    return {
        "tank_area": np.array([area]),
        "profile": profile,
        "seasons": seasons,
        "balance_left": left if at.has_zone else left * np.array([1.0, 0.0]),
    }


def _known(at: Layout, history: History, k: int) -> Floats:
    """How much of each known leak the total (0) or the tank's zone (1) sees."""
    if k == 0 or "response" not in history.network:
        return np.full(len(history.events), 1.0 - k)
    network = history.network
    in_zone = zone_share(at, network)
    names = {str(name): i for i, name in enumerate(network["pipes"])}
    return np.array([in_zone[names[e.place]] if e.place in names else 0.0 for e in history.events])


def week_phase(keys: Ints, block_ms: int) -> NDArray[np.intp]:
    """Which block of the week."""
    return np.asarray(keys % int(WEEK_H * HOUR_MS // block_ms), np.intp)


def _slopes(hours: Floats, level: Floats, at_ms: Ints, block_ms: int) -> Floats:
    """How fast the level rises over each full block, metres an hour."""
    _, first, count = np.unique(at_ms // block_ms, return_index=True, return_counts=True)
    full = count >= FULL_SHARE * count.max()
    begin, end = first[full], (first + count - 1)[full]
    made: Floats = (level[end] - level[begin]) / np.maximum(hours[end] - hours[begin], 1e-9)
    return made


def tank_area(at: Layout, values: Floats, grid_s: float) -> float:
    """The tank's area, m2: how much faster the level rises while the pump runs."""
    level, pump = values[:, at.levels].sum(axis=1), values[:, at.pumps].sum(axis=1)
    rise = np.diff(level) / (grid_s / 3600.0)
    # One step before the level moved, the pump had run it: the level is the state at the row.
    both = hydraulics.least_squares(np.column_stack([np.ones(len(rise)), pump[:-1]]), rise)
    return float(1.0 / max(both[1], 1e-6))


def _noise(at: Layout, residuals: Floats, at_ms: Ints, balance: Floats, block_ms: int) -> Arrays:
    """How blocks, days and weeks scatter, and what single rows do."""
    _, means = _blocks(at_ms, residuals, block_ms)
    heads = len(at.heads)
    series = np.column_stack([means[:, :heads], balance, means[:, heads:]])
    per_day = DAY_MS // block_ms
    day, week = _means(series, per_day), _means(series, 7 * per_day)
    of_day = np.cov(np.diff(day, axis=0).T) / 2.0
    excess = np.cov(week.T) - of_day / 7.0
    values, vectors = np.linalg.eigh(excess)
    fast = np.diff(residuals, axis=0).var(axis=0) / 2.0
    quiet = np.concatenate([fast[:heads], np.zeros(2), fast[heads:]])
    return {
        "day_cov": of_day + 1e-10 * np.eye(len(of_day)),
        "slow_cov": (vectors * np.maximum(values, 0.0)) @ vectors.T,
        "row_var": quiet,
    }


def _means(series: Floats, n: int) -> Floats:
    kept = len(series) // n * n
    made: Floats = series[:kept].reshape(-1, n, series.shape[1]).mean(axis=1)
    return made


def zone_share(at: Layout, network: Any) -> Floats:
    """How much of a leak of each pipe the inlets do not see at once: the tank feeds its zone."""
    moved = network["response"][:, :, at.inflows].sum(axis=2)
    share = 1.0 - (moved / np.maximum(network["leak_m3_h"], 1e-6)).mean(axis=0)
    return np.asarray(_of_pipes(np.clip(share, 0.0, 1.0)[:, None], network["ends"])[:, 0])


def _of_pipes(of_nodes: Floats, ends: NDArray[np.int64]) -> Floats:
    """A pipe is the mean of its ends; a tank's or a reservoir's end says nothing."""
    first = np.where(ends[:, 0] >= 0, ends[:, 0], ends[:, 1])
    second = np.where(ends[:, 1] >= 0, ends[:, 1], ends[:, 0])
    made: Floats = (of_nodes[first] + of_nodes[second]) / 2.0
    return made


def _beyond(at: Layout, base: Floats, moved: Floats, made: Arrays) -> Floats:
    """What a change of all columns leaves when the flows' own explanation is taken off."""
    before = np.repeat(base[None], len(moved), axis=0)
    before[:, at.levels] = LEVEL_TYPICAL_M
    after = before + moved
    after[:, at.levels] = LEVEL_TYPICAL_M
    heads = hydraulics.regressors(at, after) - hydraulics.regressors(at, before)
    shares = hydraulics.share_regressors(at, after) - hydraulics.share_regressors(at, before)
    left: Floats = np.column_stack([
        moved[:, at.heads] - heads @ made["of_heads"],
        moved[:, at.inflows[:-1]] - shares @ made["of_shares"],
    ])  # fmt: skip
    return left


def _signatures(at: Layout, history: History, made: Arrays) -> Arrays:
    """What 1 m3/h out of each pipe does to every residual, at rest and by load."""
    network = history.network
    base = np.asarray(network["base"], np.float64)
    loads = hydraulics.load(at, base)
    effects = np.stack([
        _beyond(at, base[h], np.asarray(moved, np.float64), made)
        / np.maximum(network["leak_m3_h"][h], 1e-6)[:, None]
        for h, moved in enumerate(network["response"])
    ])  # fmt: skip
    flat = effects.reshape(len(loads), -1)
    both = hydraulics.least_squares(np.column_stack([np.ones(len(loads)), loads]), flat)
    still, loaded = (_of_pipes(one.reshape(effects.shape[1:]), network["ends"]) for one in both)
    zone = zone_share(at, network)
    heads, pipes = len(at.heads), len(zone)
    calm = np.column_stack([still[:, :heads], np.ones(pipes), zone, still[:, heads:]])
    busy = np.column_stack([loaded[:, :heads], np.zeros((pipes, 2)), loaded[:, heads:]])
    return {
        "pipes": np.asarray(network["pipes"]),
        "signatures": np.column_stack([calm, busy]).astype(np.float32),
        "within_reach": np.packbits(network["distance_m"] <= REACH_M, axis=1),
        "roughness": _roughness(at, history, made),
    }


def _roughness(at: Layout, history: History, made: Arrays) -> Floats:
    """Covariance of residuals at load 1 where every pipe's roughness is wrong by its own share.

    The year that is watched has other pipes than the model: what that shifts is no leak.
    """
    width = len(at.heads) + len(at.inflows) - 1
    if "rougher" not in history.network:
        return np.zeros((width, width))
    base = np.asarray(history.network["rougher_base"], np.float64)
    moved = np.asarray(history.network["rougher"], np.float64)
    small = 0.01  # The response is per whole roughness; explanations are taken near the base.
    left = _beyond(at, base, moved * small, made) / small
    effect = left / hydraulics.load(at, base[None])[0]
    covariance: Floats = effect.T @ effect
    return covariance


def _faults(at: Layout, values: Floats, made: Arrays) -> Arrays:
    """What a sensor that is off, or a meter that reads 5 % more, does to every residual."""
    heads, width = len(at.heads), at.width
    offsets = np.zeros((heads, width))
    offsets[:, :heads] = HEAD_ERROR_M * np.eye(heads)
    typical = values.mean(axis=0)
    rows = [offsets]
    for column in (*at.inflows.tolist(), *at.pumps.tolist()):
        moved = np.zeros((1, len(typical)))
        moved[0, column] = METER_ERROR * typical[column]
        left = _beyond(at, typical, moved, made)[0]
        total, pumped = moved[0, at.inflows].sum(), moved[0, at.pumps].sum()
        rows.append(np.concatenate([left[:heads], [total, pumped], left[heads:]])[None])
    return {"faults": np.concatenate(rows)}
