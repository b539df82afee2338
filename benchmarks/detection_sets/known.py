"""Every set that the bench knows: its files, its profile, and how its streams are scored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.detection_scores import economic, events, nab, rows
from benchmarks.detection_scores.alarms import Alarm
from benchmarks.detection_scores.rows import Mask, Tally
from benchmarks.detection_sets import arrays, tables
from calibration.recording import Recording
from detectors.history import Event

Tallies = Mapping[str, Tally]
"""Several tallies of one stream, by name; each adds up over the streams."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One stream's outcome, as scores see it."""

    recording: Recording
    alarms: Sequence[Alarm]
    flags: Mask
    folder: Path
    """The set's, for what lies beside its streams."""


@dataclass(frozen=True, slots=True)
class Set:
    """One set: how it is read, which profile watches it, how it is scored."""

    name: str
    profile: str
    files: str
    """What its streams are called, below its folder."""
    read: Callable[[Path, str, int], Recording]
    """(file, stream, seed)"""
    tally: Callable[[Judged], Tallies]
    score: Callable[[Sequence[Tallies]], dict[str, float]]
    folder: str = ""
    """Where its files lie, if not under its own name."""
    flags: str = ""
    """``held``: every row in alarm; ``raised``: rows that raise one; empty: no flags."""
    teaches: Callable[[Path], bool] | None = None
    """Whether the profile is calibrated on this stream, which is then run and not judged."""
    shipped: str = ""
    """The artefact beside the profiles that stands in where no file of the folder teaches."""

    @property
    def place(self) -> str:
        """Its folder below the data's."""
        return self.folder or self.name


def _sum(parts: Sequence[Tallies], name: str) -> Tally:
    return rows.added([tallies[name] for tallies in parts if name in tallies])


def _spans(told: Sequence[Event] | None) -> list[tuple[int, int]]:
    return [(event.row, event.end) for event in told or ()]


# --- by row ---------------------------------------------------------------------------------------


SKAB_LEARNING = 400


def _skab(judged: Judged) -> Tallies:
    start, truth = SKAB_LEARNING, judged.recording.truth
    flags = judged.flags[start:]
    times_s = judged.recording.time_ms[start:] / 1000.0
    return {
        "rows": rows.confusion(flags, truth["flags"][start:]),
        "changes": rows.changepoint_tally(times_s, flags, truth["changepoints"][start:]),
    }


def _skab_score(parts: Sequence[Tallies]) -> dict[str, float]:
    changes = rows.changepoint_scores(_sum(parts, "changes"))
    return rows.rates(_sum(parts, "rows")) | changes


def _row_tallies(judged: Judged, *, start: int = 0) -> Tallies:
    flags, truth = judged.flags[start:], judged.recording.truth["flags"][start:]
    spans = tables.runs(truth)
    return {
        "rows": rows.confusion(flags, truth),
        "early": rows.early_tally(flags, spans),
        "attacks": rows.attack_tally(flags, spans),
        "events": rows.event_tally(flags, spans),
    }


def _hanoi_score(parts: Sequence[Tallies]) -> dict[str, float]:
    early = _sum(parts, "early")
    sed = 100 * rows.share(early["sed"], early["leaks"])
    return rows.rates(_sum(parts, "rows")) | {"sed": sed}


def _batadal_score(parts: Sequence[Tallies]) -> dict[str, float]:
    return rows.attack_scores(_sum(parts, "rows") | _sum(parts, "attacks"))


def _row_score(parts: Sequence[Tallies]) -> dict[str, float]:
    found = _sum(parts, "events")
    share = rows.share(found["found"], found["events"])
    return rows.rates(_sum(parts, "rows")) | found | {"found_share": share}


def _nab(judged: Judged) -> Tallies:
    flagged = sorted({alarm.row for alarm in judged.alarms})
    n = len(judged.recording)
    return {"nab": nab.tally(n, flagged, _spans(judged.recording.events))}


def _nab_score(parts: Sequence[Tallies]) -> dict[str, float]:
    total = _sum(parts, "nab")
    return nab.scores(total) | {name: total[name] for name in ("windows", "found", "false_cost")}


# --- by event -------------------------------------------------------------------------------------


def _ltown(judged: Judged) -> Tallies:
    told, flow = judged.recording.events, judged.recording.truth["leak_flow"]
    leaks = [
        economic.Leak(event.place, event.row, event.end, flow[:, k])
        for k, event in enumerate(told or ())
    ]
    (inp,) = judged.folder.glob("*.inp")
    mains = economic.network(inp.read_text(encoding="utf-8", errors="replace"))
    found = [(a.row, a.pipe) for a in judged.alarms if a.kind in ("leak", "burst")]
    years = len(judged.recording) * judged.recording.step_s / (365 * events.DAY_S)
    made = dict(economic.score(found, leaks, mains))
    return {"year": made | {"years": years, "streams": 1.0}}


def _ltown_score(parts: Sequence[Tallies]) -> dict[str, float]:
    years = [tallies["year"] for tallies in parts]
    shares = [year["share"] for year in years]
    false = [rows.share(year["fp"], year["years"]) for year in years]
    return {
        "share_mean": float(np.mean(shares)),
        "share_min": min(shares),
        "tp_share": rows.share(sum(y["tp"] for y in years), sum(y["leaks"] for y in years)),
        "fp_per_year_max": max(false),
        "fp_per_year_mean": float(np.mean(false)),
        "eur_mean": float(np.mean([year["eur"] for year in years])),
        "perfect_eur_mean": float(np.mean([year["perfect_eur"] for year in years])),
    }


def _faults(judged: Judged) -> Tallies:
    told = judged.recording.events or ()
    total, kinds = events.fault_tally(judged.alarms, told, judged.recording.step_s)
    return {"faults": total} | {f"kind {kind}": tally for kind, tally in kinds.items()}


def _fault_score(parts: Sequence[Tallies]) -> dict[str, float]:
    kinds = sorted({name for tallies in parts for name in tallies if name.startswith("kind ")})
    by_kind = {name.removeprefix("kind "): _sum(parts, name) for name in kinds}
    return events.fault_scores(_sum(parts, "faults"), by_kind)


def _flows(judged: Judged) -> Tallies:
    told = judged.recording.events or ()
    step_s = judged.recording.step_s
    years = len(judged.recording) * step_s / (365 * events.DAY_S)
    return {"flows": events.flow_scores(judged.alarms, told, step_s, years)}


def _flow_score(parts: Sequence[Tallies]) -> dict[str, float]:
    return dict(parts[0]["flows"])


def _delays(judged: Judged, *, kind: str, grace_s: float) -> Tallies:
    """Of one kind; alarms of another kind on such an event are counted apart."""
    made = judged.recording
    every = made.events or ()
    own = [event for event in every if event.kind == kind]
    found, false = events.delays(judged.alarms, own, frozenset((kind,)), made.step_s, grace_s)
    hours = {f"h{k}": -1.0 if one is None else one for k, one in enumerate(found)}
    years = len(made) * made.step_s / (365 * events.DAY_S)
    return {"false": {"false": float(false), "years": years}, "delays": hours}


def _delay_score(parts: Sequence[Tallies]) -> dict[str, float]:
    hours = [one for tallies in parts for one in tallies["delays"].values()]
    false = _sum(parts, "false")
    scored = events.delay_scores([None if one < 0 else one for one in hours], int(false["false"]))
    return scored | {"false_per_year": rows.share(false["false"], false["years"])}


def _named(read: Callable[[Path, str], Recording]) -> Callable[[Path, str, int], Recording]:
    """A reader that adds no noise."""
    return lambda file, name, _seed: read(file, name)


def _generated(folder: str) -> Callable[[Path, str, int], Recording]:
    return lambda file, name, _seed: arrays.generated(file, name, folder)


def _real(file: Path, name: str, _seed: int) -> Recording:
    made = tables.real_flows(file, name)
    listed = file.parent.parent / "ltown" / "leaks_evaluation.yaml"
    if listed.exists() and name.startswith("2019"):
        made.events = arrays.listed_leaks(listed.read_text(encoding="utf-8"), made)
    return made


NPZ, CSV = "*.npz", "*.csv*"
SETS = (
    Set("ltown", "water-network", NPZ, arrays.ltown, _ltown, _ltown_score, teaches=arrays.is_2018),
    Set(
        "ltown_noise_free", "water-network", "regen2019*.npz",
        partial(arrays.ltown, clean=True), _ltown, _ltown_score, folder="ltown",
        teaches=arrays.is_2018,
    ),
    Set("battledim_real", "water-inflow", "*Flows*.csv*", _real, _flows, _flow_score),
    Set(
        "leakdb_hanoi", "water-hanoi", NPZ, arrays.hanoi, _row_tallies, _hanoi_score, flags="held"
    ),
    Set("sensor_faults", "water-network", NPZ, _named(arrays.sensor_faults), _faults, _fault_score),
    Set("skab", "loop-bench", "**/*.csv*", _named(tables.skab), _skab, _skab_score, flags="held"),
    Set(
        "batadal", "scada", CSV, _named(tables.batadal), _row_tallies, _batadal_score,
        flags="held", teaches=tables.is_calm_year, shipped="c-town.art",
    ),
    Set(
        "gecco2018", "water-quality", CSV, _named(tables.gecco), _row_tallies, _row_score,
        flags="held",
    ),
    Set("nab", "telemetry", "**/*.csv*", _named(tables.nab), _nab, _nab_score, flags="raised"),
    Set(
        "gas_wells", "gas-well", NPZ, _generated("gas_wells"),
        partial(_delays, kind="gas", grace_s=3600.0), _delay_score,
    ),
    Set(
        "heating_balance", "heating-network", NPZ, _generated("heating_balance"),
        partial(_delays, kind="leak", grace_s=0.0), _delay_score,
    ),
    Set(
        "bridge_modes", "bridge-modes", NPZ, _generated("bridge_modes"),
        partial(_delays, kind="damage", grace_s=0.0), _delay_score,
    ),
    Set(
        "yonghe", "bridge-modes", CSV, _named(tables.yonghe), _row_tallies, _row_score,
        flags="held",
    ),
    Set(
        "munich", "bridge-test", "*100Hz*.zip", _named(tables.munich),
        partial(_delays, kind="damage", grace_s=0.0), _delay_score,
    ),
    Set(
        "lbnl_ahu", "air-handling", CSV, _named(tables.lbnl_ahu), _row_tallies, _row_score,
        flags="held",
    ),
    Set(
        "xai4heat", "heating-substation", CSV, _named(tables.xai4heat),
        partial(_delays, kind="fault", grace_s=0.0), _delay_score,
    ),
)  # fmt: skip
BY_NAME = {one.name: one for one in SETS}


def stream_name(file: Path, folder: Path) -> str:
    """The file's path within its set without endings, ``/`` written as ``__``.

    >>> stream_name(Path("d/skab/valve1/0.csv.gz"), Path("d/skab"))
    'valve1__0'
    """
    parts = file.relative_to(folder).parts
    ending = next(
        e for e in (".csv.gz", ".csv.zip", ".npz", ".csv", ".zip", "") if parts[-1].endswith(e)
    )
    return "__".join([*parts[:-1], parts[-1].removesuffix(ending)])


def is_labelled(recording: Recording, one: Set) -> bool:
    """Whether its truth is known, so that it can be scored."""
    needed = {_ltown: "leak_flow", _skab: "changepoints", _row_tallies: "flags"}.get(one.tally)
    if needed is not None:
        return needed in recording.truth
    return recording.events is not None
