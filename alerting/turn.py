"""One event being worked out: how excursions move alarms, and alarms incidents.  Pure."""

from dataclasses import dataclass

import msgspec

from alerting import alarms, excursions, incidents
from alerting.alarms import Alarm, Change
from alerting.excursions import Excursion
from alerting.incidents import Event, Incident, Reason
from alerting.slices import (
    Cancel,
    Effect,
    Join,
    Record,
    SaveAlarm,
    SaveExcursion,
    SaveIncident,
    Schedule,
    Slice,
    Tell,
)
from lifeline.model import CANARY, Finding

ROUTER = "router"
"""The actor of whatever no person did."""
SELF_CLOSING = frozenset((CANARY,))
"""Hazards whose incidents end with their alarm, unaudited: the canary's prove the chain every few
seconds and nobody works on them."""


@dataclass(slots=True)
class Turn:
    """One event being worked out: the slice as far as it has come, and the effects so far."""

    slice: Slice
    now_ms: int
    effects: list[Effect]

    # Excursions: the delays.

    def settle(self, alarm: str, record: Finding) -> None:
        """Ends the delays that event time has outrun: records go before any timer."""
        own = excursions.excursion_id(record)
        reached_ms = record.onset_ms if record.phase == "raised" else record.at_ms
        for excursion in self.slice.excursions_of(alarm):
            if excursion.finding.lane != "live" and excursion.id != own:
                continue
            is_on = excursions.on_at_ms(excursion.finding) <= reached_ms
            if excursion.stage == "pending" and is_on:
                self.activate(excursion)
            elif excursion.stage == "leaving" and excursions.off_at_ms(excursion) <= reached_ms:
                self.end(excursion)

    def begin(self, finding: Finding) -> None:
        """An excursion not heard of before.  ``held`` without ``raised`` counts: it lasts."""
        key = excursions.key_of(finding)
        excursion = Excursion(
            id=excursions.excursion_id(finding),
            alarm=key,
            stage="pending",
            finding=finding,
            last_ms=finding.at_ms,
        )
        others = self.slice.excursions_of(key)
        if finding.lane != "live" and excursions.is_covered(finding, others):
            self.keep(excursion, stage="ignored")
        elif finding.at_ms < (on_ms := excursions.on_at_ms(finding)):
            self.wait(excursion, "pending", excursions.due_ms(finding, on_ms, self.now_ms))
        else:
            self.activate(excursion)

    def hold(self, excursion: Excursion, record: Finding) -> None:
        """It lasts."""
        if record.at_ms > excursion.last_ms and excursion.stage in ("pending", "active"):
            excursion = self.keep(excursion, last_ms=record.at_ms)
        if excursion.stage == "pending" and excursions.on_at_ms(excursion.finding) <= record.at_ms:
            self.activate(excursion)

    def clear(self, excursion: Excursion | None, record: Finding) -> None:
        """It is said to be over."""
        if excursion is None:
            # Its beginning is in quarantine or before our time: nothing was raised, nothing ends.
            unknown = Excursion(
                id=excursions.excursion_id(record),
                alarm=excursions.key_of(record),
                stage="ignored",
                finding=record,
                last_ms=record.at_ms,
                cleared_ms=record.at_ms,
            )
            self.keep(unknown)
            return
        if not excursions.may_clear(excursion.finding.lane, record.lane):
            return
        if excursion.stage == "pending":
            if record.at_ms < excursions.on_at_ms(excursion.finding):
                self.keep(excursion, stage="over", cleared_ms=record.at_ms, last_ms=record.at_ms)
                return
            excursion = self.activate(excursion)
        if excursion.stage != "active":
            return
        excursion = msgspec.structs.replace(
            excursion, cleared_ms=record.at_ms, last_ms=max(excursion.last_ms, record.at_ms)
        )
        if excursion.finding.off_delay_s > 0:
            off_ms = excursions.off_at_ms(excursion)
            self.wait(excursion, "leaving", excursions.due_ms(record, off_ms, self.now_ms))
        else:
            self.end(excursion)

    def wait(self, excursion: Excursion, stage: excursions.Stage, due_ms: int) -> None:
        """Keeps the excursion in a delay, with the time at which to come back to it."""
        self.keep(excursion, stage=stage, due_ms=due_ms)
        self.effects.append(Schedule("delay", excursion.id, excursion.finding.zone, due_ms))

    def keep(
        self,
        excursion: Excursion,
        *,
        stage: excursions.Stage | None = None,
        due_ms: int | None = None,
        last_ms: int | None = None,
        cleared_ms: int | None = None,
        incident: str | None = None,
    ) -> Excursion:
        """The excursion with these changes; with its stage its old delay is forgotten."""
        if stage is not None and excursion.due_ms is not None:
            self.effects.append(Cancel("delay", excursion.id))
        kept = msgspec.structs.replace(
            excursion,
            stage=stage or excursion.stage,
            due_ms=due_ms if stage is not None else excursion.due_ms,
            last_ms=excursion.last_ms if last_ms is None else last_ms,
            cleared_ms=excursion.cleared_ms if cleared_ms is None else cleared_ms,
            incident=excursion.incident if incident is None else incident,
        )
        self.slice.put_excursion(kept)
        self.effects.append(SaveExcursion(kept))
        return kept

    # Alarms and incidents.

    def activate(self, excursion: Excursion) -> Excursion:
        """The excursion counts from now on: its alarm is raised and joins or opens an incident."""
        finding = excursion.finding
        older = excursions.superseded(excursion, self.slice.active_of(excursion.alarm))
        for one in older:
            if excursions.is_forgotten(one, finding):
                # What it was about ended unseen long ago: this is a recurrence, and is told.
                self.end(self.keep(one, cleared_ms=one.last_ms))
        alarm = self.slice.alarms.get(excursion.alarm) or alarms.blank(finding, self.now_ms)
        before = self.slice.incident_for(alarm)
        reason, incident = self.admit(before, excursion)
        excursion = self.keep(excursion, stage="active", incident=incident.id)
        for one in older:
            if self.slice.excursions[one.id].stage == "active":
                self.keep(one, stage="over", cleared_ms=one.last_ms)
        change = Change.RAISE if reason is Reason.JOINED else Change.REALARM
        state = alarms.advance(alarm.state, change)
        assert state is not None, (alarm.key, alarm.state, change)
        if incident.phase == "acknowledged" and state in alarms.UNACKNOWLEDGED:
            # The officer has taken this incident, and this says nothing graver than he knows.
            state = alarms.advance(state, Change.ACKNOWLEDGE)
            assert state is not None
        if before is None or alarm.incident != incident.id:
            self.effects.append(Join(incident.id, alarm.key, reason, self.now_ms))
        grades = [e.finding.grade for e in self.slice.active_of(alarm.key)]
        self.keep_alarm(alarm, state, min(grades), incident.id)
        self.keep_incident(incident, reason)
        self.record(incident, ROUTER, reason)
        if reason is not Reason.JOINED and finding.lane != "historical":
            at_ms = max(finding.at_ms, excursions.on_at_ms(finding))
            is_first = before is None or before.told is None
            self.effects.append(Tell(incident.id, finding, reason, at_ms, 0, is_first))
        return excursion

    def admit(self, incident: Incident | None, excursion: Excursion) -> tuple[Reason, Incident]:
        """The incident with this excursion in it, and what that meant."""
        finding = excursion.finding
        told = None if finding.lane == "historical" else finding.grade
        if incident is None:
            return Reason.OPENED, self.opened(excursion, told)
        if not incident.is_active:
            event, reason = Event.RECUR, Reason.REOPENED
        elif told is not None and (incident.told is None or told < incident.told):
            event, reason = Event.WORSEN, Reason.WORSENED
        elif told is not None and incident.lead.lane == "historical":
            # Back-filled readings re-opened it in silence; the last that was told is "returned".
            event, reason = Event.WORSEN, Reason.REOPENED
        else:
            event, reason = Event.JOIN, Reason.JOINED
        phase = incidents.advance(incident.phase, event)
        assert phase is not None, (incident.id, incident.phase, event)
        is_new = event is Event.RECUR
        is_silent = event is Event.JOIN or told is None
        return reason, msgspec.structs.replace(
            incident,
            phase=phase,
            grade=finding.grade if is_new else min(incident.grade, finding.grade),
            told=incident.told if is_silent else told,
            lead=incident.lead if event is Event.JOIN else finding,
            is_active=True,
            calm_ms=None,
            acknowledged_by=incident.acknowledged_by if phase == "acknowledged" else "",
            acknowledged_ms=incident.acknowledged_ms if phase == "acknowledged" else None,
            last_actor=ROUTER,
        )

    def opened(self, excursion: Excursion, told: int | None) -> Incident:
        """The next episode of the place, before its first revision is kept."""
        finding = excursion.finding
        place = (finding.asset, finding.hazard, finding.drill)
        return Incident(
            id=incidents.incident_id(excursion.id),
            asset=finding.asset,
            hazard=finding.hazard,
            drill=finding.drill,
            episode=self.slice.episodes.get(place, 0) + 1,
            phase="open",
            zone=finding.zone,
            lifeline=finding.lifeline,
            grade=finding.grade,
            told=told,
            lane=finding.lane,
            lead=finding,
            onset_ms=finding.onset_ms,
            opened_ms=self.now_ms,
            updated_ms=self.now_ms,
            is_active=True,
            revision=0,
            last_actor=ROUTER,
        )

    def end(self, excursion: Excursion) -> None:
        """The excursion counts no more; the last one of an alarm returns it."""
        excursion = self.keep(excursion, stage="over")
        alarm = self.slice.alarms[excursion.alarm]
        rest = self.slice.active_of(alarm.key)
        if rest:
            self.keep_alarm(alarm, alarm.state, min(e.finding.grade for e in rest), alarm.incident)
            return
        state = alarms.advance(alarm.state, Change.RETURN)
        assert state is not None, (alarm.key, alarm.state)
        self.keep_alarm(alarm, state, alarm.grade, alarm.incident)
        incident = self.slice.incidents.get(alarm.incident)
        if incident is None or incident.phase == "closed":
            return
        if any(member.state in alarms.RAISED for member in self.slice.members(incident.id)):
            return
        self.calm(incident, excursion)

    def calm(self, incident: Incident, excursion: Excursion) -> None:
        """Every alarm of the incident has returned."""
        is_self_closing = incident.hazard in SELF_CLOSING
        event = Event.SELF_CLOSE if is_self_closing else Event.CALM
        reason = Reason.SELF_CLOSED if is_self_closing else Reason.RETURNED
        phase = incidents.advance(incident.phase, event)
        assert phase is not None, (incident.id, incident.phase, event)
        kept = self.keep_incident(
            msgspec.structs.replace(
                incident,
                phase=phase,
                is_active=False,
                calm_ms=self.now_ms,
                closed_by=ROUTER if is_self_closing else "",
                closed_ms=self.now_ms if is_self_closing else None,
                last_actor=ROUTER,
            ),
            reason,
        )
        if is_self_closing:
            self.release(kept)
            return
        self.record(kept, ROUTER, reason)
        if kept.told is not None:
            at_ms = excursion.cleared_ms if excursion.cleared_ms is not None else self.now_ms
            self.effects.append(Tell(kept.id, kept.lead, reason, at_ms, kept.revision))

    def release(self, incident: Incident) -> None:
        """A closed incident holds no alarm: what comes next belongs to the next episode."""
        for alarm in self.slice.members(incident.id):
            state = alarms.advance(alarm.state, Change.ACKNOWLEDGE) or alarm.state
            self.keep_alarm(alarm, state, alarm.grade, "")

    def keep_alarm(self, alarm: Alarm, state: alarms.State, grade: int, incident: str) -> None:
        """Keeps the alarm if anything about it changed."""
        changed = msgspec.structs.replace(
            alarm,
            state=state,
            grade=grade,
            incident=incident,
            since_ms=alarm.since_ms if state == alarm.state else self.now_ms,
        )
        if changed != alarm:
            changed = msgspec.structs.replace(changed, revision=alarm.revision + 1)
            self.slice.put_alarm(changed)
            self.effects.append(SaveAlarm(changed))

    def keep_incident(self, incident: Incident, reason: Reason) -> Incident:
        """Keeps the incident at its next revision."""
        revision = incident.revision + 1
        kept = msgspec.structs.replace(
            incident,
            revision=revision,
            changed_revision=incident.changed_revision if reason in incidents.MINOR else revision,
            updated_ms=self.now_ms,
        )
        self.slice.put_incident(kept)
        self.effects.append(SaveIncident(kept, reason))
        return kept

    def record(
        self,
        incident: Incident,
        actor: str,
        reason: Reason,
        *,
        action: str = "state",
        note: str = "",
        channel: str = "router",
    ) -> None:
        """Writes it down, in the same breath as it is done."""
        if incident.hazard in SELF_CLOSING:
            return
        revision = self.slice.incidents[incident.id].revision
        self.effects.append(
            Record(
                incident.id,
                incident.zone,
                self.now_ms,
                actor,
                action,
                reason,
                note,
                channel,
                revision,
            )
        )
