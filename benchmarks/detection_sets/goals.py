"""What is asked of each set: the least that is acceptable, and what to aim at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PARTS = 5
"""A score's spread is taken over so many parts of the set's streams, each scored alone."""


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure of one set; ``least`` where more is better."""

    name: str
    of: str
    figure: str
    gate: float | None
    moonshot: float | None
    least: bool = True

    def state(self, value: float | None) -> str:
        """``moonshot``, ``gate``, ``missed``, or ``unknown``.

        >>> Goal("G5", "skab", "far", 15.0, 8.0, least=False).state(9.0)
        'gate'
        """
        if value is None or value != value:  # noqa: PLR0124 - NaN is nobody's figure
            return "unknown"
        if self._reaches(value, self.moonshot):
            return "moonshot"
        return "gate" if self.gate is None or self._reaches(value, self.gate) else "missed"

    def _reaches(self, value: float, wanted: float | None) -> bool:
        if wanted is None:
            return False
        return value >= wanted if self.least else value <= wanted


def _at_least(name: str, of: str, figure: str, gate: float | None, moonshot: float) -> Goal:
    return Goal(name, of, figure, gate, moonshot)


def _at_most(name: str, of: str, figure: str, gate: float | None, moonshot: float) -> Goal:
    return Goal(name, of, figure, gate, moonshot, least=False)


GOALS = (
    _at_least("G1", "ltown", "share_mean", 0.60, 0.80),
    _at_least("G1", "ltown", "share_min", None, 0.65),
    _at_least("G1", "ltown", "tp_share", None, 0.85),
    _at_most("G1", "ltown", "fp_per_year_max", 8.0, 5.0),
    _at_least("G2", "ltown_noise_free", "eur_mean", 300_000.0, 420_000.0),
    _at_least("G2", "ltown_noise_free", "tp_share", None, 20 / 23),
    _at_most("G2", "ltown_noise_free", "fp_per_year_max", 6.0, 3.0),
    _at_least("G3", "battledim_real", "abrupt_share_72h", 1.0, 1.0),
    _at_most("G3", "battledim_real", "abrupt_delay_h_median", None, 3.0),
    _at_most("G3", "battledim_real", "abrupt_delay_h_max", 72.0, 24.0),
    _at_least("G3", "battledim_real", "slow_share_before_peak", None, 0.9),
    _at_most("G3", "battledim_real", "unexplained_per_year", 2.0, 1.0),
    _at_least("G4", "leakdb_hanoi", "f1", 0.88, 0.95),
    _at_least("G4", "leakdb_hanoi", "tpr", None, 93.0),
    _at_least("G4", "leakdb_hanoi", "tnr", 98.5, 99.3),
    _at_least("G4", "leakdb_hanoi", "sed", None, 85.0),
    _at_least("G5", "skab", "f1", 0.80, 0.88),
    _at_most("G5", "skab", "far", 15.0, 8.0),
    _at_most("G5", "skab", "mar", None, 14.0),
    _at_least("G5", "skab", "nab_standard", None, 50.0),
    _at_least("G6", "nab", "standard", 57.0, 70.0),
    _at_least("G7", "batadal", "s", 0.94, 0.975),
    _at_least("G7", "batadal", "s_ttd", None, 0.97),
    _at_least("G7", "batadal", "found_share", 1.0, 1.0),
    _at_least("G7", "batadal", "tnr", None, 99.5),
    _at_least("G8", "gecco2018", "f1", 0.72, 0.82),
    _at_least("G8", "gecco2018", "precision", None, 0.80),
    _at_least("G8", "gecco2018", "found_share", None, 42 / 46),
    _at_most("G9", "bridge_modes", "false_per_year", 1.0, 0.2),
    _at_most("G10", "heating_balance", "false_per_year", 2.4, 2.4),
    _at_most("G11", "gas_wells", "false_per_year", 24.0, 2.4),
    _at_least("G13", "sensor_faults", "event_f1", 0.90, 0.97),
    _at_most("G13", "sensor_faults", "confusion", None, 0.02),
    _at_most("G13", "sensor_faults", "drift_delay_h", None, 48.0),
    _at_most("G14", "nab", "us_per_step_max", None, 50.0),
)


def judged(sets: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every goal whose set was scored: its figure, the spread of it, whether it is reached."""
    told: list[dict[str, Any]] = []
    for goal in GOALS:
        entry = sets.get(goal.of)
        if entry is None or entry["score"] is None:
            continue
        costs = [one["us_per_step"] for one in entry["detectors"].values()]
        figures = {**entry["score"], "us_per_step_max": max(costs, default=float("nan"))}
        value = figures.get(goal.figure)
        told.append(
            {
                "goal": goal.name,
                "set": goal.of,
                "figure": goal.figure,
                "sense": ">=" if goal.least else "<=",
                "gate": goal.gate,
                "moonshot": goal.moonshot,
                "score": value,
                "spread": entry["spread"].get(goal.figure),
                "state": goal.state(value),
            }
        )
    return told


def spread(scores: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    """The least and the largest of each figure over the parts, those left out that say nothing."""
    found: dict[str, list[float]] = {}
    for score in scores:
        for figure, value in score.items():
            if value == value:  # noqa: PLR0124 - NaN is nobody's figure
                found.setdefault(figure, []).append(value)
    return {figure: (min(values), max(values)) for figure, values in found.items()}


def table(goals: Sequence[Mapping[str, Any]]) -> str:
    """The goals as a table of Markdown, as docs/detection.md shows it."""
    lines = [
        "| goal | set | figure | gate | moonshot | development score | spread | reached |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in goals:
        sense = "≥" if one["sense"] == ">=" else "≤"
        low_high = one["spread"]
        wide = "–" if low_high is None else f"{_said(low_high[0])} … {_said(low_high[1])}"
        lines.append(
            f"| {one['goal']} | `{one['set']}` | {one['figure']} | {_bound(sense, one['gate'])} |"
            f" {_bound(sense, one['moonshot'])} | **{_said(one['score'])}** | {wide} |"
            f" {one['state']} |"
        )
    return "\n".join(lines) + "\n"


def _bound(sense: str, value: float | None) -> str:
    return "–" if value is None else f"{sense} {_said(value)}"


def _said(value: float | None) -> str:
    if value is None or value != value:  # noqa: PLR0124 - NaN is nobody's figure
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
