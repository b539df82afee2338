"""What one record makes the bank say: scores against open excursions, by row where it matters."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.base import Scores
from detectors.cohort import Cohort, Evidence, Late, Watch, group_detector
from detectors.roster import Roster
from detectors.sifting import Columns
from detectors.verdicts import Cause, Place, Sight, finite, place_of_channel, say, sealed
from lifeline.catalog import Catalog
from lifeline.model import Finding, Frame, GroupFrame, Lane

LANES: tuple[Lane, ...] = ("live", "late", "historical")
"""Names of the lane codes."""
NEVER_MS = 1 << 62
EVIDENCE_MAX = 16


@dataclass(slots=True)
class Report:
    """The findings of one record, as they are made.

    The quiet path is array arithmetic alone: Python sees a reading only when it raises, holds or
    clears.
    """

    catalog: Catalog
    cause: Cause
    held_ms: int
    findings: list[Finding] = field(default_factory=list)

    def judge(self, cohort: Cohort, watch: Watch, frame: Frame, scores: Scores) -> None:
        """A rule's scores of a live frame."""
        over = scores >= 1.0
        if watch.open:
            hot = over | watch.alarm[frame.rows]
        elif over.any():
            hot = over
        else:
            return
        for i in np.flatnonzero(hot).tolist():
            row, at_ms = int(frame.rows[i]), int(frame.at_ms[i])
            phase = watch.phase(row, at_ms, self.held_ms, over=bool(over[i]))
            if phase is None:
                continue
            score, quality = float(scores[i]), int(frame.quality[i])
            if watch.detector.TICKS:
                seen_ms = int(watch.state["seen_ms"][row])
                limit_s = float(watch.state["limit_s"][row])
                age_s = (at_ms - seen_ms) / 1000.0
                sight = Sight(at_ms, seen_ms, age_s, score, quality, limit=limit_s)
            else:
                value, evidence = float(frame.values[i]), cohort.evidence(row)
                sight = Sight(at_ms, at_ms, value, score, quality, evidence=evidence)
            place = place_of_channel(self.catalog, cohort.names[row])
            self.findings.append(say(watch, row, phase, place, sight, self.cause))

    def judge_faults(self, roster: Roster, columns: Columns) -> None:
        """Bad values raise, the first good one clears; comes before readings become evidence."""
        watch = roster.faults
        for i in np.flatnonzero(columns.bad | watch.alarm[columns.rows]).tolist():
            row, at_ms, over = int(columns.rows[i]), int(columns.at_ms[i]), bool(columns.bad[i])
            phase = watch.phase(row, at_ms, self.held_ms, over=over)
            if phase is None:
                continue
            value, quality = float(columns.value[i]), int(columns.quality[i])
            before = roster.cohorts[roster.cohort[row]].evidence(int(roster.local[row]))
            evidence = (*before, sealed(at_ms, value, quality))
            score = 2.0 if over else 0.0
            sight = Sight(at_ms, at_ms, finite(value), score, quality, evidence=evidence)
            place = place_of_channel(self.catalog, roster.names[row])
            self.findings.append(say(watch, row, phase, place, sight, self.cause))

    def judge_late(
        self, cohort: Cohort, watch: Watch, frame: Frame, scores: Scores, lanes: NDArray[np.int8]
    ) -> None:
        """A hard limit's scores of back-dated readings: raised and cleared, never held."""
        over = scores >= 1.0
        for i in np.flatnonzero(over | watch.alarm[frame.rows]).tolist():
            row, at_ms = int(frame.rows[i]), int(frame.at_ms[i])
            phase = watch.phase(row, at_ms, NEVER_MS, over=bool(over[i]))
            if phase is None:
                watch.open[row].told_ms = self.cause.received_ms
                continue
            value, quality = float(frame.values[i]), int(frame.quality[i])
            sight = Sight(
                at_ms,
                at_ms,
                value,
                float(scores[i]),
                quality,
                LANES[lanes[i]],
                evidence=(sealed(at_ms, value, quality),),
            )
            place = place_of_channel(self.catalog, cohort.names[row])
            self.findings.append(say(watch, row, phase, place, sight, self.cause))

    def judge_group(
        self, place: Place, watch: Watch, frame: GroupFrame, *, is_off: bool = False
    ) -> None:
        """A rule's scores of a group's frame, one a slot; outside of its regime all is over."""
        detector, ground = group_detector(watch.watching), watch.ground
        assert ground is not None, place
        own = np.zeros(detector.SLOTS) if is_off else detector.step(ground, watch.state, frame)
        # Raised at the calibrated limit, and over by the detector's own: it knows when to let go.
        scores = own / watch.limit
        over = (scores >= 1.0) | (watch.alarm & (own >= 1.0))
        for slot in np.flatnonzero(over | watch.alarm).tolist():
            score = float(scores[slot])
            phase = watch.phase(slot, frame.at_ms, self.held_ms, over=bool(over[slot]))
            if phase is None:
                continue
            detail = detector.told(ground, watch.state, slot, frame.at_ms)
            sight = Sight(
                frame.at_ms,
                frame.at_ms,
                detail.value,
                score,
                evidence=_group_evidence(frame),
                detail=detail,
            )
            self.findings.append(say(watch, slot, phase, place, sight, self.cause))

    def hold(self, names: list[str], cohort: Cohort | None, watch: Watch, now_ms: int) -> None:
        """Say again what lasts although nothing came."""
        for row, excursion in list(watch.open.items()):
            phase = watch.phase(row, now_ms, self.held_ms, over=True)
            if phase is None:
                continue
            evidence = cohort.evidence(row) if cohort else excursion.raised.evidence
            value = evidence[-1][1] if cohort and evidence else excursion.raised.value
            quality = evidence[-1][2] if evidence else 0
            raised = excursion.raised
            sight = Sight(now_ms, raised.onset_ms, value, 1.0, quality, evidence=evidence)
            place = place_of_channel(self.catalog, names[row])
            self.findings.append(say(watch, row, phase, place, sight, self.cause))

    def expire(self, cohort: Cohort, late: Late, now_ms: int, lateness_ms: int) -> None:
        """End back-dated excursions that no reading continues any more."""
        for watch in late.watches:
            for row, excursion in list(watch.open.items()):
                if now_ms - excursion.told_ms < lateness_ms:
                    continue
                raised = excursion.raised
                at_ms = int(late.last_ms[row])
                sight = Sight(at_ms, raised.onset_ms, None, 0.0, lane=raised.lane)
                place = place_of_channel(self.catalog, cohort.names[row])
                self.findings.append(say(watch, row, "cleared", place, sight, self.cause))
                late.forget(np.array([row], np.intp))


def _group_evidence(frame: GroupFrame) -> Evidence:
    pairs = zip(frame.values.tolist(), frame.age_s.tolist(), strict=True)
    readings = [
        (frame.at_ms - int(age_s * 1000.0), value, 0)
        for value, age_s in pairs
        if math.isfinite(value) and math.isfinite(age_s)
    ]
    return tuple(sorted(readings[:EVIDENCE_MAX]))
