"""Any order of findings, back-fills, re-deliveries and actions keeps the promises."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from alerting import engine
from alerting.actions import Act
from alerting.alarms import UNACKNOWLEDGED
from alerting.incidents import DONE, TRANSITIONS, Incident, Phase
from alerting.policy import Candidate, Policy, Treatment
from alerting.slices import Effect, End, Hold, Page, Release, SaveIncident, Slice, Tell
from alerting.windows import Check, Window
from lifeline.life import Life
from lifeline.model import Finding
from tests.alerting.scene import T0, check, finding

PLACES = {
    "gas/well-1/ch4": "gas/well-1",
    "gas/well-1/ch4-b": "gas/well-1",
    "gas/well-2/ch4": "gas/well-2",
    "gas/well-3/ch4": "gas/well-3",
}
LANES = st.sampled_from(("live", "live", "live", "late", "historical"))
RULES = ("plain", "latching", "again", "easing")


class Street:
    """Wells 1 and 2 stand on one conduit; well 3 does not."""

    def reach(self, finding: Finding) -> frozenset[str]:
        near = ("gas/well-1", "gas/well-2")
        return frozenset(near if finding.asset in near else ())

    def candidates(
        self, finding: Finding, open_incidents: Sequence[Incident], now_ms: int, **_: Any
    ) -> list[Candidate]:
        return [Candidate(one.id, "network", "conduit", 8.0) for one in open_incidents]


POLICY = Policy(
    treatments={
        "latching": Treatment(latching=True),
        "again": Treatment(realarm_s=20),
        "easing": Treatment(fall_hold_s=5, is_managed=True),
    },
    life=Life(quiet_s=5, proposal_s=60, archive_after_s=200),
    correlator=Street(),
)


class Desk(RuleBasedStateMachine):
    """A street of three wells; every event is one second after the last."""

    def __init__(self) -> None:
        super().__init__()
        self.slice = Slice()
        self.second = 0
        self.lasting: list[Finding] = []
        self.read: list[Finding] = []
        self.told: list[Tell] = []
        self.ended: set[str] = set()
        self.pages: dict[str, list[bool]] = {}
        """Pages that wait to be leased, by incident: whether each is held."""
        self.before: dict[str, Incident] = {}
        self.windows = 0

    def _now(self) -> int:
        return T0 + self.second * 1000

    def _step(self, record: Finding) -> None:
        self.read.append(record)
        self._take(engine.step(self.slice, record, self._now(), POLICY))

    def _take(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case SaveIncident(incident, reason):
                    self._saved(incident, reason)
                case Tell():
                    if effect.revision == 0:
                        assert effect.finding.lane != "historical", "history paged"
                    self.told.append(effect)
                case Page(incident=name):
                    one = self.slice.incidents[name]
                    is_of_now = effect.kind == "first" or effect.revision <= one.revision
                    assert is_of_now
                    self.pages.setdefault(name, []).append(False)
                case Hold(incident=name):
                    self.pages[name] = [True for _ in self.pages.get(name, ())]
                case Release(incident=name):
                    self.pages[name] = [False for _ in self.pages.get(name, ())]
                case End(incident=name, held_only=held_only):
                    left = self.pages.get(name, ())
                    self.pages[name] = [h for h in left if held_only and not h]

    def _saved(self, incident: Incident, reason: str) -> None:
        known = self.before.get(incident.id)
        if known is not None:
            assert incident.revision == known.revision + 1, "a revision was left out"
            assert incident.changed_revision >= known.changed_revision
            reachable = {known.phase, *TRANSITIONS[known.phase].values()}
            if "taken" in reachable:
                reachable |= {"acknowledged", "verified", "dispatched"}
            if reason in ("split", "took-over"):
                reachable |= {"watching", "open", "acknowledged", "verified", "dispatched"}
            assert incident.phase in reachable, (known.phase, incident.phase, reason)
            assert incident.overridden >= known.overridden, "marked for ever"
            assert incident.first_ms <= known.first_ms, "first-out is kept"
            assert not (known.verdict and not incident.verdict), "a verdict was lost"
        if incident.id in self.ended:
            assert reason in ("noted", "noted-late", "archived"), "a closed incident changed"
        if not incident.is_live:
            self.ended.add(incident.id)
        self.before[incident.id] = incident

    @rule(
        channel=st.sampled_from(sorted(PLACES)),
        grade=st.integers(1, 3),
        lane=LANES,
        back_s=st.integers(0, 30),
        on_s=st.sampled_from((0.0, 0.0, 3.0)),
        off_s=st.sampled_from((0.0, 0.0, 3.0)),
        name=st.sampled_from(RULES),
    )
    def raise_(
        self, channel: str, grade: int, lane: Any, back_s: int, on_s: float, off_s: float, name: str
    ) -> None:
        self.second += 1
        onset = self.second - (0 if lane == "live" else back_s)
        record = finding(
            self.second,
            onset_s=onset,
            name=f"{channel}{self.second}",
            channel=channel,
            asset=PLACES[channel],
            grade=grade,
            lane=lane,
            rule=name,
            on_delay_s=on_s,
            off_delay_s=off_s,
        )
        self.lasting.append(record)
        self._step(record)

    @rule(data=st.data(), phase=st.sampled_from(("held", "cleared", "cleared")), lane=LANES)
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
            effects = engine.step(self.slice, record, self._now(), POLICY)
            seen = [e for e in effects if isinstance(e, Tell | SaveIncident | Page)]
            assert not seen, effects

    @rule(seconds=st.sampled_from((1, 3, 10, 60)))
    def wait(self, seconds: int) -> None:
        self.second += seconds
        self._take(engine.tick(self.slice, self._now(), POLICY))
        assert engine.tick(self.slice, self._now(), POLICY) == [], "a deadline was met twice"

    def _act(self, wanted: Act) -> None:
        self.second += 1
        before = dict(self.slice.incidents)
        reason, effects = engine.act(self.slice, wanted, self._now(), POLICY)
        self._take(effects)
        assert bool(effects) == (reason in DONE), reason
        if not effects:
            assert self.slice.incidents == before, reason
        if wanted.incident and reason in ("acknowledged", "closed", "closed-active"):
            after = self.slice.incidents[wanted.incident]
            assert after.phase != "open", reason
            left = self.pages.get(wanted.incident, [])
            assert all(left), "a page of an acknowledged revision could be leased"

    @rule(
        data=st.data(),
        action=st.sampled_from(
            ("acknowledge",) * 4
            + ("undo", "undo", "verify", "dispatch", "arrive", "close", "close", "note")
            + ("archive", "prolong", "merge", "merge")
        ),
        stale=st.sampled_from((0, 0, 0, 1, 2)),
        override=st.booleans(),
        actor=st.sampled_from(("li", "li", "wang")),
    )
    def act(self, data: Any, action: Any, stale: int, override: bool, actor: str) -> None:
        if not self.slice.incidents:
            return
        names = sorted(self.slice.incidents)
        live = [n for n in names if self.slice.incidents[n].is_live] or names
        name = data.draw(st.sampled_from(live if stale == 0 else names))
        wanted = Act(
            incident=name,
            action=action,
            actor=actor,
            note="n",
            expected_revision=self.slice.incidents[name].revision - stale,
            override=override,
            verdict="true",
            code="leak",
            task="look",
            person="wang",
            other=data.draw(st.sampled_from(live)),
        )
        self._act(wanted)

    @rule(
        data=st.data(),
        action=st.sampled_from(("shelve", "shelve", "unshelve", "retire", "restore", "reset")),
        seconds=st.sampled_from((1, 10, 60)),
    )
    def act_on_alarm(self, data: Any, action: Any, seconds: int) -> None:
        if not self.slice.alarms:
            return
        key = data.draw(st.sampled_from(sorted(self.slice.alarms)))
        until_ms = self._now() + (seconds + 1) * 1000
        self._act(Act(alarm=key, action=action, actor="li", note="n", until_ms=until_ms))

    @rule(data=st.data())
    def split(self, data: Any) -> None:
        live = [i for i in self.slice.incidents.values() if self.slice.members(i.id)]
        if not live:
            return
        one = data.draw(st.sampled_from(sorted(live, key=lambda i: i.id)))
        keys = [a.key for a in self.slice.members(one.id)]
        wanted = data.draw(st.lists(st.sampled_from(keys), min_size=1, max_size=2, unique=True))
        self._act(Act(incident=one.id, action="split", actor="li", alarms=tuple(wanted)))

    @rule(data=st.data(), actor=st.sampled_from(("li", "wang")))
    def approve(self, data: Any, actor: str) -> None:
        if not self.slice.proposals:
            return
        name = data.draw(st.sampled_from(sorted(self.slice.proposals)))
        self._act(Act(action="approve", actor=actor, proposal=name))

    @rule(kind=st.sampled_from(("maintenance", "calibration", "work-watch")), seconds=st.just(20))
    def open_window(self, kind: Any, seconds: int) -> None:
        self.windows += 1
        opening = Window(
            id=f"w{self.windows}",
            kind=kind,
            author="",
            reason="n",
            zone="gas/heping",
            rules=("plain", "again"),
            from_ms=self._now(),
            until_ms=self._now() + seconds * 1000,
            checks=(Check("look"),) if kind == "work-watch" else (),
        )
        self._act(Act(action="open-window", actor="li", opening=opening))

    @rule(data=st.data(), action=st.sampled_from(("check", "end-window")))
    def act_on_window(self, data: Any, action: Any) -> None:
        if not self.slice.windows:
            return
        name = data.draw(st.sampled_from(sorted(self.slice.windows)))
        self._act(Act(action=action, actor="li", window=name, check="look"))

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
                if alarm.hidden_by:
                    continue  # Recorded, counted, and told when it is shown.
                for e in self.slice.active_of(alarm.key):
                    if e.incident != incident.id:
                        continue  # Somebody closed an earlier episode over it, by name and reason.
                    is_told = incident.told is not None and incident.told <= e.finding.grade
                    assert e.finding.lane == "historical" or is_told, (incident, e)

    @invariant()
    def whoever_waits_for_a_human_has_a_clock_or_a_list(self) -> None:
        for incident in self.slice.incidents.values():
            if incident.phase != "open" or incident.told is None:
                continue
            waits = ("escalate", incident.id) in self.slice.deadlines
            assert waits or incident.review, incident

    @invariant()
    def what_is_taken_has_a_clock_of_progress(self) -> None:
        for incident in self.slice.incidents.values():
            if incident.phase in ("acknowledged", "verified", "dispatched"):
                waits = ("progress", incident.id) in self.slice.deadlines
                assert waits or incident.review, incident

    @invariant()
    def whatever_is_hidden_has_an_end(self) -> None:
        for alarm in self.slice.alarms.values():
            match alarm.state:
                case "shelved":
                    assert ("shelf", alarm.key) in self.slice.deadlines
                case "suppressed":
                    assert ("window", alarm.hidden_by) in self.slice.deadlines
                    assert self.slice.windows[alarm.hidden_by].ended_ms is None

    @invariant()
    def an_acknowledged_incident_holds_no_page_that_could_go(self) -> None:
        for incident in self.slice.incidents.values():
            members = self.slice.members(incident.id)
            if not incident.is_live:
                assert not self.pages.get(incident.id), "a page of what is over"
            if any(a.state in UNACKNOWLEDGED for a in members):
                assert incident.phase == "open"


PHASES: tuple[Phase, ...] = tuple(TRANSITIONS)
Desk.TestCase.settings = settings(max_examples=1000, stateful_step_count=30, deadline=None)
test_any_interleaving_keeps_the_promises = pytest.mark.feature(
    "A-2", "A-10", "OnCall #3161", "OnCall #4654, #4760"
)(Desk.TestCase)
