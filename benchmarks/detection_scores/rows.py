"""Scores by row: F1 and its parts, SKAB, LeakDB, BATADAL, GECCO.

Every stream gives a tally of numbers that add up; a set's score is made of their sum.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Spans = Sequence[tuple[int, int]]
"""First and last row of each event."""
Tally = dict[str, float]


def confusion(flags: Mask, truth: Mask) -> Tally:
    """True and false positives and negatives.

    >>> confusion(np.array([True, True, False]), np.array([True, False, False]))
    {'tp': 1.0, 'fp': 1.0, 'fn': 0.0, 'tn': 1.0}
    """
    return {
        "tp": float((flags & truth).sum()),
        "fp": float((flags & ~truth).sum()),
        "fn": float((~flags & truth).sum()),
        "tn": float((~flags & ~truth).sum()),
    }


def added(tallies: Sequence[Tally]) -> Tally:
    """The sum of the tallies of several streams."""
    total: Tally = {}
    for tally in tallies:
        for name, value in tally.items():
            total[name] = total.get(name, 0.0) + value
    return total


def share(part: float, whole: float) -> float:
    """A share; NaN of nothing."""
    return part / whole if whole else float("nan")


def rates(tally: Tally) -> dict[str, float]:
    """F1 = TP/(TP+(FP+FN)/2), FAR = FP/(FP+TN), MAR = FN/(FN+TP) and their like; per cent but F1.

    Source: SKAB core/metrics.py; LeakDB's paper for TPR and TNR.
    """
    tp, fp, fn, tn = (tally[name] for name in ("tp", "fp", "fn", "tn"))
    return {
        "f1": share(tp, tp + (fp + fn) / 2),
        "far": 100 * share(fp, fp + tn),
        "mar": 100 * share(fn, fn + tp),
        "precision": share(tp, tp + fp),
        "tpr": 100 * share(tp, tp + fn),
        "tnr": 100 * share(tn, tn + fp),
    }


def changepoint_tally(
    times_s: NDArray[np.float64], flags: Mask, changepoints: Mask, window_s: float = 60.0
) -> Tally:
    """SKAB's NAB score of changes, not yet normalised, in its three profiles.

    Source: SKAB core/metrics.py as detection.md section 2 states it.  The prediction is where the
    flag changes.  Windows are [cp, cp + 60 s]; one that begins within another begins where that
    ends.  Only the first flag of a window counts, y(u) = -0.5 tanh(x)/tanh(pi/2) + 0.5 with x from
    -pi/2 to pi/2.
    """
    at = times_s[np.flatnonzero(np.abs(np.diff(flags.astype(np.int8), prepend=0)))]
    starts = times_s[changepoints].copy()
    ends = starts + window_s
    for k in range(len(starts) - 1):
        starts[k + 1] = max(starts[k + 1], ends[k])
    inside = np.zeros(len(at), bool)
    hits = 0.0
    missed = 0
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        within = (at >= start) & (at <= end)
        inside |= within
        if not within.any():
            missed += 1
            continue
        x = np.pi * (float(at[within][0]) - start) / max(end - start, 1e-9) - np.pi / 2
        hits += float(-0.5 * np.tanh(x) / np.tanh(np.pi / 2) + 0.5)
    false = float((~inside).sum())
    return {"cp": float(len(starts)), "hit": hits, "missed": float(missed), "false": false}


def changepoint_scores(tally: Tally) -> dict[str, float]:
    """100 (s - null)/(perfect - null) in the profiles standard, LowFP and LowFN.

    >>> none = {"cp": 4.0, "hit": 0.0, "missed": 4.0, "false": 0.0}
    >>> changepoint_scores(none)["nab_standard"]
    0.0
    """
    made = {}
    for profile, false_cost, miss_cost in (
        ("standard", 0.11, 1.0), ("low_fp", 0.22, 1.0), ("low_fn", 0.11, 2.0),
    ):  # fmt: skip
        score = tally["hit"] - false_cost * tally["false"] - miss_cost * tally["missed"]
        null, perfect = -miss_cost * tally["cp"], tally["cp"]
        made[f"nab_{profile}"] = 100 * share(score - null, perfect - null)
    return made


def early_tally(flags: Mask, spans: Spans, behind: int = 10) -> Tally:
    """LeakDB's score of early detection, not yet divided by the number of leaks.

    Source: detection.md section 2 after LeakDB's scorer.  Per window [start, end + 10], a first
    flag after D counts 2/(1 + exp(5 D/length)) if at least 75 % of the rest is flagged.
    """
    got = 0.0
    for start, last in spans:
        window = flags[start : last + 1 + behind]
        if not window.any():
            continue
        delay = int(np.argmax(window))
        if float(window[delay:].mean()) >= 0.75:
            got += 2.0 / (1.0 + float(np.exp(5.0 * delay / len(window))))
    return {"sed": got, "leaks": float(len(spans))}


def attack_tally(flags: Mask, spans: Spans) -> Tally:
    """How much of each attack's duration had passed when it was found; all of it where it was not.

    >>> attack_tally(np.array([False, False, True, True]), [(0, 3)])
    {'attacks': 1.0, 'found': 1.0, 'ttd_share': 0.5}
    """
    late = found = 0.0
    for start, last in spans:
        window = flags[start : last + 1]
        found += float(window.any())
        late += int(np.argmax(window)) / len(window) if window.any() else 1.0
    return {"attacks": float(len(spans)), "found": found, "ttd_share": late}


def attack_scores(tally: Tally) -> dict[str, float]:
    """S = S_TTD/2 + S_CM/2, S_TTD = 1 - mean(TTD/duration), S_CM = (TPR + TNR)/2.

    Source: Taormina et al., Battle of the Attack Detection Algorithms, JWRPM 144(8), 2018.
    """
    parts = rates(tally)
    early = 1.0 - share(tally["ttd_share"], tally["attacks"])
    right = (parts["tpr"] + parts["tnr"]) / 200
    return {
        "s": (early + right) / 2,
        "s_ttd": early,
        "s_cm": right,
        "found": tally["found"],
        "found_share": share(tally["found"], tally["attacks"]),
        "attacks": tally["attacks"],
        **parts,
    }


def event_tally(flags: Mask, spans: Spans) -> Tally:
    """How many events have a flag."""
    found = sum(bool(flags[start : last + 1].any()) for start, last in spans)
    return {"events": float(len(spans)), "found": float(found)}
