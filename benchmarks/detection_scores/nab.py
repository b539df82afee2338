"""The score of the Numenta Anomaly Benchmark, from its own rules.

Source: numenta/NAB, nab/sweeper.py and nab/scorer.py (v1.1), as detection.md section 2 states them.
"""

import math
from collections.abc import Sequence

from benchmarks.detection_scores.rows import Tally, share

PROFILES = {
    "standard": (1.0, 0.11, 1.0),
    "low_fp": (1.0, 0.22, 1.0),
    "low_fn": (1.0, 0.11, 2.0),
}
"""Weights of a true positive, a false positive, a false negative."""


def probation(rows: int) -> int:
    """How many rows are for learning: 15 % of a file, 750 at most.

    >>> probation(4032), probation(15902)
    (604, 750)
    """
    return math.floor(0.15 * min(rows, 5000))


def sigmoid(place: float) -> float:
    """What a flag is worth at a place in widths of the window: its end is 0, its start -1.

    >>> round(sigmoid(-1.0), 5), sigmoid(0.0), sigmoid(3.1)
    (0.98661, 0.0, -1.0)
    """
    if place > 3.0:
        return -1.0
    return 2.0 / (1.0 + math.exp(5.0 * place)) - 1.0


def tally(rows: int, flagged: Sequence[int], windows: Sequence[tuple[int, int]]) -> Tally:
    """What the flagged rows of a file earn and cost, and how many windows they miss."""
    start = probation(rows)
    best: dict[int, float] = {}
    cost = 0.0
    for row in flagged:
        if row < start:
            continue
        inside = [k for k, (left, right) in enumerate(windows) if left <= row <= right]
        if inside:
            left, right = windows[inside[0]]
            place = -(right - row + 1) / (right - left + 1)
            worth = sigmoid(place) / sigmoid(-1.0)
            best[inside[0]] = max(worth, best.get(inside[0], -math.inf))
            continue
        before = [(left, right) for left, right in windows if right < row]
        if not before:
            cost += 1.0
            continue
        left, right = before[-1]
        cost -= sigmoid((row - right) / max(right - left, 1))
    return {
        "windows": float(len(windows)),
        "found": float(len(best)),
        "earned": sum(best.values()),
        "false_cost": cost,
    }


def scores(total: Tally) -> dict[str, float]:
    """100 (raw - null)/(perfect - null) in each profile.

    >>> scores({"windows": 3.0, "found": 0.0, "earned": 0.0, "false_cost": 0.0})["standard"]
    0.0
    >>> scores({"windows": 3.0, "found": 3.0, "earned": 3.0, "false_cost": 0.0})["low_fn"]
    100.0
    """
    made = {}
    for profile, (tp, fp, fn) in PROFILES.items():
        missed = total["windows"] - total["found"]
        raw = tp * total["earned"] - fp * total["false_cost"] - fn * missed
        null, perfect = -fn * total["windows"], tp * total["windows"]
        made[profile] = 100 * share(raw - null, perfect - null)
    return made
