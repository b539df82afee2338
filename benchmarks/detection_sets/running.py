"""A recording through the pure path of production: catalog, partition, findings, alarms, flags."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.detection_scores.alarms import Alarm
from calibration.recording import Recording, kind_of
from calibration.rehearsal import NAME, ROWS_AT_ONCE, catalog_of, findings_of, prepared
from detectors.base import GroupParams, Params
from detectors.plan import Plan
from lifeline.model import Finding
from lifeline.profiles import Profile


@dataclass(slots=True)
class Clocked:
    """What one detector cost in processor time, and its largest score of each step."""

    rule: str
    seconds: float = 0.0
    steps: int = 0
    at_ms: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Ran:
    """What a recording came to."""

    alarms: list[Alarm]
    held: NDArray[np.bool_]
    """Every row with readings in which an alarm of the profile lasted."""
    raised: NDArray[np.bool_]
    seconds: float
    clocked: list[Clocked]


class Clock:
    """Wraps the detectors' own ``step``, so that each is timed and its scores are seen."""

    def __init__(self, plan: Plan) -> None:
        self.of: dict[int, Clocked] = {}
        self._own: list[tuple[type[Params], object]] = []
        for watching in plan.rules:
            if watching.rule.id.startswith(f"{NAME}."):
                rule = watching.rule.id.removeprefix(f"{NAME}.")
                self.of[id(watching.detector)] = Clocked(rule)
                kind = type(watching.detector)
                if all(kind is not known for known, _ in self._own):
                    self._own.append((kind, kind.step))  # type: ignore[attr-defined]

    def __enter__(self) -> Self:
        for kind, step in self._own:
            setattr(kind, "step", self._timed(step))  # noqa: B010
        return self

    def __exit__(self, *_: object) -> None:
        for kind, step in self._own:
            setattr(kind, "step", step)  # noqa: B010

    def _timed(self, step):
        of = self.of

        def timed(detector, *arguments):
            start = time.process_time()
            scores = step(detector, *arguments)
            took = time.process_time() - start
            clocked = of.get(id(detector))
            if clocked is not None:
                clocked.seconds += took
                clocked.steps += 1
                frame = arguments[-1]
                if isinstance(detector, GroupParams):
                    clocked.at_ms.append(frame.at_ms)
                    clocked.scores.append(float(np.nanmax(scores)))
                elif len(scores):
                    clocked.at_ms.append(int(frame.at_ms[-1]))
                    clocked.scores.append(float(np.nanmax(scores)))
            return scores

        return timed


def run(
    recording: Recording,
    profile: Profile,
    artefact: bytes = b"",
    *,
    rows_at_once: int = ROWS_AT_ONCE,
) -> Ran:
    """Every row in its order through the partition; what came of it."""
    part, plan = prepared(catalog_of(recording, profile, artefact))
    started = time.process_time()
    with Clock(plan) as clock:
        findings = findings_of(part, recording, rows_at_once)
    seconds = time.process_time() - started
    alarms, held, raised = told(recording, findings)
    return Ran(alarms, held, raised, seconds, list(clock.of.values()))


def told(
    recording: Recording, findings: Sequence[Finding]
) -> tuple[list[Alarm], NDArray[np.bool_], NDArray[np.bool_]]:
    """Alarms by row, and which rows were in alarm or raised one."""
    at_ms = recording.at_ms
    n = len(at_ms)
    held, raised = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    cleared = {
        finding.id: int(np.searchsorted(at_ms, finding.at_ms))
        for finding in findings
        if finding.phase == "cleared"
    }
    columns = {name: k for k, name in enumerate(recording.columns)}
    alarms: list[Alarm] = []
    for finding in findings:
        if finding.phase != "raised":
            continue
        row = int(np.searchsorted(at_ms, finding.at_ms))
        end = cleared.get(finding.id)
        alarms.append(_alarm(recording, finding, row, end, columns))
        held[row : n if end is None else end] = True
        raised[row] = True
    # Of a row in which nothing came nobody said anything; an alarm lasts across it all the same.
    held &= np.isfinite(recording.values).any(axis=1)
    alarms.sort(key=lambda alarm: (alarm.row, alarm.rule, alarm.channel))
    return alarms, held, raised


def _alarm(
    recording: Recording,
    finding: Finding,
    row: int,
    cleared_row: int | None,
    columns: Mapping[str, int],
) -> Alarm:
    detail = finding.detail
    candidates = detail.candidates if detail else ()
    facts = detail.facts if detail else {}
    sizes = [value for name, value in facts.items() if name.startswith("size")]
    # What the detector believes is in the pipeline's time; rows may lie beside the grid.
    shift_ms = int(recording.time_ms[row]) - int(recording.at_ms[row])
    onset_ms = detail.onset_ms if detail else None
    return Alarm(
        row=row,
        at=_iso(int(recording.time_ms[row])),
        kind=kind_of(finding.hazard),
        rule=finding.rule.removeprefix(f"{NAME}."),
        channel=finding.channel if finding.channel in columns else "",
        column=columns.get(finding.channel),
        pipe=candidates[0][0] if candidates else "",
        size=sizes[0] if sizes else None,
        score=finding.score,
        probability=detail.probability if detail else None,
        code=finding.code,
        onset="" if onset_ms is None else _iso(onset_ms + shift_ms),
        cleared_row=cleared_row,
        candidates=candidates,
        facts=facts,
    )


def _iso(at_ms: int) -> str:
    text = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00").removesuffix(".000")


def lines(alarms: Sequence[Alarm]) -> bytes:
    """The alarms as lines of JSON, the same for the same alarms."""
    encode = msgspec.json.Encoder(order="deterministic").encode
    return b"".join(encode(alarm) + b"\n" for alarm in alarms)


def before(alarms: Sequence[Alarm], rows: int) -> list[Alarm]:
    """What was known of the alarms when the stream was cut behind so many rows."""
    return [
        msgspec.structs.replace(
            alarm,
            cleared_row=alarm.cleared_row
            if alarm.cleared_row is not None and alarm.cleared_row < rows
            else None,
        )
        for alarm in alarms
        if alarm.row < rows
    ]
