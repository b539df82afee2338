"""How well the detectors detect: every set of recordings through the path of production, scored.

    python benchmarks/detection.py --data DIR --out DIR

Rows go one by one through catalog, windows, bank and detectors, under the profiles that ship in
deploy/profiles; no detector, threshold or feature lives here.  Writes alarms/SET/STREAM.jsonl,
flags/SET/STREAM.npy, scores.json and report.html.  Learns beforehand, by the code of `lifeline
calibrate`, where a set's profile asks for it.
"""

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

# Each stream has one core: threads of a matrix product would take the other's, and their sums may
# differ in the last bit.
for _library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.detection_sets import goals, running
from benchmarks.detection_sets.drawing import page, picture
from benchmarks.detection_sets.known import (
    BY_NAME,
    SETS,
    Judged,
    Set,
    Tallies,
    is_labelled,
    stream_name,
)
from benchmarks.detection_sets.learning import learn
from lifeline import store
from lifeline.catalog import CatalogError
from lifeline.profiles import Profile

CUTS = 2
"""At how many rows each stream is cut to show that nothing looks ahead."""


@dataclass(frozen=True, slots=True)
class Task:
    """One stream to be run."""

    of: str
    file: Path
    stream: str
    folder: Path
    out: Path
    seed: int
    artefact: bytes
    profile: Profile
    cut_check: bool


@dataclass(slots=True)
class Result:
    """What one stream came to."""

    of: str
    stream: str
    rows: int = 0
    columns: int = 0
    alarms: int = 0
    seconds: float = 0.0
    cost: dict[str, tuple[float, int]] = field(default_factory=dict)
    """Rule -> seconds and steps of its detector."""
    has_taught: bool = False
    """Whether the profile was calibrated on it."""
    tallies: Tallies | None = None
    own: dict[str, float] = field(default_factory=dict)
    """The stream's own score."""
    picture: str = ""
    problem: str = ""
    cuts: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what is asked for; 1 when a set that was asked for could not be run."""
    asked = _flags().parse_args(arguments)
    began = time.perf_counter()
    asked.out.mkdir(parents=True, exist_ok=True)
    wanted = [BY_NAME[name] for name in asked.only] if asked.only else list(SETS)
    problems: dict[str, str] = {}
    tasks: list[Task] = []
    for one in wanted:
        made = _tasks(one, asked, problems)
        tasks += made
        if not made and one.name not in problems:
            problems[one.name] = (
                f"not run: no stream like {one.files} under {asked.data / one.place}"
            )
    for name, why in problems.items():
        print(f"{name}: {why}", file=sys.stderr)
    results = _run_all(tasks, asked.jobs)
    for result in results:
        if result.problem:
            print(f"{result.of}/{result.stream}: not run: {result.problem}", file=sys.stderr)
        if result.cuts and result.cuts != "same":
            print(f"{result.of}/{result.stream}: LOOKS AHEAD: {result.cuts}", file=sys.stderr)
    scores = _scores(wanted, results, problems)
    scores["seconds"] = round(time.perf_counter() - began, 1)
    (asked.out / "scores.json").write_text(
        json.dumps(_finite(scores), indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
    told = goals.table(scores["goals"])
    (asked.out / "goals.md").write_text(told, encoding="utf-8")
    (asked.out / "report.html").write_text(
        page(_finite(scores), [(r.of, r.stream, r.own, r.picture) for r in results]),
        encoding="utf-8",
    )
    _say(scores)
    ahead = [r for r in results if r.cuts not in ("", "same")]
    return 1 if ahead or (asked.only and problems) else 0


def _flags() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument(
        "--only", nargs="+", choices=sorted(BY_NAME), default=[], metavar="SET",
        help=f"of {', '.join(sorted(BY_NAME))}; else all",
    )  # fmt: skip
    parser.add_argument("--streams", default="", help="only streams whose name begins so")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    parser.add_argument("--seed", type=int, default=1, help="of the noise and of the cuts")
    parser.add_argument(
        "--profiles", type=Path, default=None, help="folder of profiles; else those that ship"
    )
    parser.add_argument(
        "--cut-check", action="store_true",
        help=f"also cut each stream at {CUTS} random rows: alarms before must be the same bytes",
    )  # fmt: skip
    return parser


def _tasks(one: Set, asked: argparse.Namespace, problems: dict[str, str]) -> list[Task]:
    folder = asked.data / one.place
    if not folder.is_dir():
        problems[one.name] = f"not run: {folder} is not there"
        return []
    profiles = asked.profiles or store.here_or_shipped("deploy/profiles")
    artefact = b""
    try:
        profile = store.read_profile(profiles / f"{one.profile}.toml")
    except CatalogError as error:
        problems[one.name] = f"not run: {error}"
        return []
    try:
        artefact = learn(one, profile, folder, asked.out / "artefacts", asked.seed)
        if not artefact and one.shipped and (profiles / one.shipped).is_file():
            artefact = (profiles / one.shipped).read_bytes()
    except Exception as error:
        # Detectors that learn must start without history too: the streams run all the same.
        problems[one.name] = f"learned nothing: {type(error).__name__}: {error}"
    files = sorted(path for path in folder.glob(one.files) if path.is_file())
    named = [(file, stream_name(file, folder)) for file in files]
    return [
        Task(
            one.name, file, stream, folder, asked.out, asked.seed, artefact, profile,
            asked.cut_check,
        )
        for file, stream in named
        if stream.startswith(asked.streams)
    ]  # fmt: skip


def _run_all(tasks: Sequence[Task], jobs: int) -> list[Result]:
    """Every task's result, by set and stream; says how far it is."""
    done: list[Result] = []
    if jobs <= 1:
        for task in tasks:
            done.append(run_one(task))
            _progress(done, len(tasks))
    else:
        with ProcessPoolExecutor(jobs) as pool:
            # The longest first: a year begun last would keep one core waiting.
            begun = [
                pool.submit(run_one, task)
                for task in sorted(tasks, key=lambda t: -t.file.stat().st_size)
            ]
            for one in as_completed(begun):
                done.append(one.result())
                _progress(done, len(tasks))
    order = {name: k for k, name in enumerate(BY_NAME)}
    return sorted(done, key=lambda r: (order[r.of], r.stream))


def _progress(done: Sequence[Result], of: int) -> None:
    last = done[-1]
    width = 30
    full = round(width * len(done) / max(of, 1))
    bar = "█" * full + "·" * (width - full)
    what = f"{last.of}/{last.stream}: {last.rows} rows in {last.seconds:.1f} s"
    end = "\r" if sys.stderr.isatty() else "\n"
    print(f"{bar} {len(done)}/{of}  {what:60.60}", end=end, file=sys.stderr, flush=True)


def run_one(task: Task) -> Result:
    """One stream through the pipeline, its files written; what went wrong is in the result."""
    result = Result(task.of, task.stream)
    try:
        _run(task, result)
    except Exception as error:
        result.problem = f"{type(error).__name__}: {error}"
    return result


def _run(task: Task, result: Result) -> None:
    one = BY_NAME[task.of]
    profile = task.profile
    recording = one.read(task.file, task.stream, task.seed)
    ran = running.run(recording, profile, task.artefact)
    result.rows, result.columns = recording.values.shape
    result.alarms, result.seconds = len(ran.alarms), ran.seconds
    result.cost = {one.rule: (one.seconds, one.steps) for one in ran.clocked}
    _write(task.out / "alarms" / one.name / f"{task.stream}.jsonl", running.lines(ran.alarms))
    flags = ran.raised if one.flags == "raised" else ran.held
    if one.flags:
        target = task.out / "flags" / one.name / f"{task.stream}.npy"
        target.parent.mkdir(parents=True, exist_ok=True)
        np.save(target, flags)
    if is_labelled(recording, one):
        result.tallies = one.tally(Judged(recording, ran.alarms, flags, task.folder))
        result.own = one.score([result.tallies])
    result.has_taught = bool(task.artefact) and one.teaches is not None and one.teaches(task.file)
    result.picture = picture(recording, ran)
    if task.cut_check:
        result.cuts = _cut_check(task, recording, profile, ran)


def _cut_check(task: Task, recording, profile, ran) -> str:
    """``same``, or what was different before a random cut; rows come in other batches too."""
    salt = [task.seed, *task.stream.encode()]
    rng = np.random.default_rng(salt)
    for at in rng.integers(1, max(len(recording), 2), CUTS).tolist():
        part = running.run(
            recording.cut(at), profile, task.artefact, rows_at_once=int(rng.integers(1, 200))
        )
        if running.lines(part.alarms) != running.lines(running.before(ran.alarms, at)):
            return f"alarms before row {at} differ"
        if not np.array_equal(part.held, ran.held[:at]):
            return f"rows in alarm before row {at} differ"
    return "same"


def _write(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def _scores(wanted: Sequence[Set], results: Sequence[Result], problems: dict[str, str]) -> dict:
    """Everything that scores.json says."""
    sets: dict[str, dict] = {}
    for one in wanted:
        own = [r for r in results if r.of == one.name]
        ran = [r for r in own if not r.problem]
        scored = [r for r in ran if r.tallies is not None]
        judged = [r for r in scored if not r.has_taught]
        cost: dict[str, list[float]] = {}
        for result in ran:
            for rule, (seconds, steps) in result.cost.items():
                sums = cost.setdefault(rule, [0.0, 0])
                sums[0] += seconds
                sums[1] += steps
        entry = {
            "profile": one.profile,
            "streams": len(ran),
            "rows": sum(r.rows for r in ran),
            "alarms": sum(r.alarms for r in ran),
            "seconds": round(sum(r.seconds for r in ran), 2),
            "us_per_row": round(
                1e6 * sum(r.seconds for r in ran) / max(1, sum(r.rows for r in ran)), 2
            ),
            "detectors": {
                rule: {
                    "seconds": round(s, 2),
                    "us_per_step": round(1e6 * s / max(steps, 1), 2),
                    "us_per_row": round(1e6 * s / max(1, sum(r.rows for r in ran)), 2),
                }
                for rule, (s, steps) in cost.items()
            },
            "score": one.score([r.tallies for r in judged if r.tallies]) if judged else None,
            "spread": _spread(one, judged),
            "learned_from": [r.stream for r in scored if r not in judged],
            "by_stream": {r.stream: r.own for r in scored},
            "problems": {r.stream: r.problem for r in own if r.problem},
        }
        if one.name in problems:
            entry["problems"][""] = problems[one.name]
        cuts = {r.stream: r.cuts for r in ran if r.cuts}
        if cuts:
            entry["cuts"] = cuts
        sets[one.name] = entry
    return {"sets": sets, "goals": goals.judged(sets)}


def _spread(one: Set, judged: Sequence[Result]) -> dict[str, tuple[float, float]]:
    """How far the figures lie apart over parts of the streams; empty where there are too few."""
    if len(judged) < 2:
        return {}
    parts = [judged[k :: goals.PARTS] for k in range(min(goals.PARTS, len(judged)))]
    return goals.spread([one.score([r.tallies for r in part if r.tallies]) for part in parts])


def _finite(value):
    """The same without NaN and infinity, which JSON does not have; floats of six figures."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def _say(scores: dict) -> None:
    for name, one in scores["sets"].items():
        score = one["score"] or {}
        told = "  ".join(f"{key} {value:.4g}" for key, value in score.items())
        print(
            f"{name:17} {one['streams']:3} streams {one['seconds']:7.1f} s"
            f" {one['us_per_row']:7.1f} µs/row  {told or 'not scored'}"
        )


if __name__ == "__main__":
    sys.exit(main())
