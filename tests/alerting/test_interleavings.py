"""Any order of findings, back-fills, re-deliveries and actions keeps the promises."""

from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from alerting import engine
from alerting.engine import Act
from alerting.slices import Effect, SaveIncident, Slice, Tell
from lifeline.model import Finding
from tests.alerting.scene import T0, check, finding

CHANNELS = ("gas/well-1/ch4", "gas/well-1/ch4-b")
LANES = st.sampled_from(("live", "live", "live", "late", "historical"))


class Desk(RuleBasedStateMachine):
    """One asset with two channels; every event is one second after the last."""

    def __init__(self) -> None:
        super().__init__()
        self.slice = Slice()
        self.second = 0
        self.lasting: list[Finding] = []
        self.read: list[Finding] = []
        self.told: list[Tell] = []
        self.closed: set[str] = set()

    def _step(self, record: Finding) -> None:
        self.read.append(record)
        self._take(engine.step(self.slice, record, self._now()), record)

    def _now(self) -> int:
        return T0 + self.second * 1000

    def _take(self, effects: list[Effect], cause: Finding | None) -> None:
        for effect in effects:
            if isinstance(effect, SaveIncident):
                is_note = effect.reason in ("noted", "noted-late", "archived")
                assert is_note or effect.incident.id not in self.closed, "a closed incident changed"
                if not effect.incident.is_live:
                    self.closed.add(effect.incident.id)
            if isinstance(effect, Tell):
                if effect.revision == 0:
                    assert effect.finding.lane != "historical", "history paged"
                self.told.append(effect)
        if cause is not None and cause.phase == "cleared":
            mine = self.slice.excursions.get(cause.id)
            assert mine is not None

    @rule(
        channel=st.sampled_from(CHANNELS),
        grade=st.integers(1, 3),
        lane=LANES,
        back_s=st.integers(0, 30),
        on_s=st.sampled_from((0.0, 0.0, 3.0)),
        off_s=st.sampled_from((0.0, 0.0, 3.0)),
    )
    def raise_(
        self, channel: str, grade: int, lane: Any, back_s: int, on_s: float, off_s: float
    ) -> None:
        self.second += 1
        onset = self.second - (0 if lane == "live" else back_s)
        record = finding(
            self.second,
            onset_s=onset,
            name=f"{channel}{self.second}",
            channel=channel,
            grade=grade,
            lane=lane,
            on_delay_s=on_s,
            off_delay_s=off_s,
        )
        self.lasting.append(record)
        self._step(record)

    @rule(data=st.data(), phase=st.sampled_from(("held", "cleared")), lane=LANES)
    def go_on(self, data: Any, phase: Any, lane: Any) -> None:
        if not self.lasting:
            return
        self.second += 1
        before = data.draw(st.sampled_from(self.lasting))
        record = msgspec.structs.replace(before, phase=phase, at_ms=self._now(), lane=lane)
        record = msgspec.structs.replace(record, received_ms=self._now())
        was = self.slice.excursions[record.id].stage
        self._step(record)
        if phase == "cleared" and lane not in ("live", before.lane):
            assert self.slice.excursions[record.id].stage == was, "back-fill cleared an alarm"

    @rule(data=st.data())
    def read_again(self, data: Any) -> None:
        """At the same clock, so that no delay can run out in between."""
        if not self.read:
            return
        at = data.draw(st.integers(0, len(self.read) - 1))
        for record in self.read[at:]:
            effects = engine.step(self.slice, record, self._now())
            assert not [e for e in effects if isinstance(e, Tell | SaveIncident)], effects

    @rule(seconds=st.integers(1, 10))
    def wait(self, seconds: int) -> None:
        self.second += seconds
        self._take(engine.tick(self.slice, self._now()), None)

    @rule(
        data=st.data(),
        action=st.sampled_from(("acknowledge", "acknowledge", "close", "note")),
        stale=st.integers(0, 2),
        override=st.booleans(),
    )
    def act(self, data: Any, action: Any, stale: int, override: bool) -> None:
        if not self.slice.incidents:
            return
        self.second += 1
        name = data.draw(st.sampled_from(sorted(self.slice.incidents)))
        before = self.slice.incidents[name]
        wanted = Act(
            incident=name,
            action=action,
            actor="li",
            note="n",
            expected_revision=before.revision - stale,
            override=override,
            verdict="true",
            code="leak",
            second="wang",
        )
        reason, effects = engine.act(self.slice, wanted, self._now())
        self._take(effects, None)
        after = self.slice.incidents[name]
        if not before.is_live:
            assert not after.is_live
        if action == "acknowledge" and effects:
            assert after.phase != "open", reason
        if not effects:
            assert after == before, reason

    @invariant()
    def promises_hold(self) -> None:
        check(self.slice)

    @invariant()
    def every_notice_is_told_once(self) -> None:
        names = [(t.incident, str(t.reason), t.finding.id, t.revision) for t in self.told]
        assert len(names) == len(set(names))

    @invariant()
    def whoever_is_gravest_was_told(self) -> None:
        for incident in self.slice.incidents.values():
            if not incident.is_live:
                continue
            for alarm in self.slice.members(incident.id):
                for e in self.slice.active_of(alarm.key):
                    if e.incident != incident.id:
                        continue  # Somebody closed an earlier episode over it, by name and reason.
                    is_told = incident.told is not None and incident.told <= e.finding.grade
                    assert e.finding.lane == "historical" or is_told, (incident, e)


Desk.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
test_any_interleaving_keeps_the_promises = Desk.TestCase
