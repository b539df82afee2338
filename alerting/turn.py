"""One event being worked out: what is kept, scheduled and recorded on the way.  Pure.

Every change goes through here, so that the slice and the effects never disagree.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import msgspec

from alerting import conditions, windows
from alerting.actions import Act
from alerting.alarms import Alarm
from alerting.excursions import Excursion, Stage
from alerting.incidents import MINOR, Incident, Reason
from alerting.policy import DEFAULT, Policy
from alerting.slices import (
    Cancel,
    Deadline,
    Effect,
    End,
    Page,
    Proposal,
    Propose,
    Record,
    SaveAlarm,
    SaveExcursion,
    SaveIncident,
    SaveWindow,
    Schedule,
    Slice,
    Tell,
)
from alerting.windows import Window
from lifeline.model import CANARY, Finding

ROUTER = "router"
"""The actor of whatever no person did."""
SELF_CLOSING = frozenset((CANARY,))
"""Hazards whose incidents end with their alarm, unaudited: the canary's prove the chain every few
seconds and nobody works on them."""
OFFICES_S = 900.0
"""How often it is looked whether offices are open, for what waits for them."""


@dataclass(slots=True)
class Turn:
    """One event being worked out: the slice as far as it has come, and the effects so far."""

    slice: Slice
    now_ms: int
    policy: Policy = DEFAULT
    effects: list[Effect] = field(default_factory=list)
    seat: str = ""
    """Where the person sits whose action is worked out: it is kept with what he does."""

    def wait(self, excursion: Excursion, stage: Stage, due_ms: int, damp_ms: int = 0) -> None:
        """Keeps the excursion in a delay, with the time at which to come back to it."""
        self.keep(excursion, stage=stage, due_ms=due_ms, damp_ms=damp_ms)
        self.schedule("delay", excursion.id, excursion.finding.zone, due_ms)

    def keep(
        self,
        excursion: Excursion,
        *,
        stage: Stage | None = None,
        due_ms: int | None = None,
        last_ms: int | None = None,
        cleared_ms: int | None = None,
        incident: str | None = None,
        damp_ms: int | None = None,
    ) -> Excursion:
        """The excursion with these changes; with its stage its old delay is forgotten."""
        if stage is not None and excursion.due_ms is not None:
            self.cancel("delay", excursion.id)
        kept = msgspec.structs.replace(
            excursion,
            stage=stage or excursion.stage,
            due_ms=due_ms if stage is not None else excursion.due_ms,
            last_ms=excursion.last_ms if last_ms is None else last_ms,
            cleared_ms=excursion.cleared_ms if cleared_ms is None else cleared_ms,
            incident=excursion.incident if incident is None else incident,
            damp_ms=excursion.damp_ms if damp_ms is None else damp_ms,
        )
        self.slice.put_excursion(kept)
        self.effects.append(SaveExcursion(kept))
        return kept

    def keep_alarm(self, alarm: Alarm, **changes: Any) -> Alarm:
        """Keeps the alarm if anything about it changed."""
        changed = msgspec.structs.replace(alarm, **changes)
        if changed == alarm:
            return alarm
        since_ms = alarm.since_ms if changed.state == alarm.state else self.now_ms
        changed = msgspec.structs.replace(changed, revision=alarm.revision + 1, since_ms=since_ms)
        self.slice.put_alarm(changed)
        self.effects.append(SaveAlarm(changed))
        return changed

    def keep_incident(self, incident: Incident, reason: Reason) -> Incident:
        """Keeps the incident at its next revision."""
        revision = incident.revision + 1
        kept = msgspec.structs.replace(
            incident,
            revision=revision,
            changed_revision=incident.changed_revision if reason in MINOR else revision,
            updated_ms=self.now_ms,
        )
        self.slice.put_incident(kept)
        self.effects.append(SaveIncident(kept, reason))
        return kept

    def keep_window(self, window: Window) -> Window:
        """Keeps the window at its next revision."""
        kept = msgspec.structs.replace(window, revision=window.revision + 1)
        self.slice.put_window(kept)
        self.effects.append(SaveWindow(kept))
        return kept

    def record(
        self,
        incident: Incident | None,
        actor: str,
        reason: Reason,
        *,
        action: str = "state",
        note: str = "",
        channel: str = "router",
        alarm: Alarm | None = None,
        zone: str = "",
        subject: str = "",
        second: str = "",
        detail: str = "",
    ) -> None:
        """Writes it down, in the same breath as it is done.

        ``subject`` names what it is about where that is neither an incident nor an alarm.
        """
        about = incident if incident is not None else alarm
        if about is not None and about.hazard in SELF_CLOSING:
            return
        if actor != ROUTER:
            detail = "; ".join(text for text in (detail, self.seat) if text)
        name = "" if incident is None else incident.id
        revision = self.slice.incidents[name].revision if name else 0
        self.effects.append(
            Record(
                name,
                zone if about is None else about.zone,
                self.now_ms,
                actor,
                action,
                reason,
                note,
                channel,
                revision,
                ("" if incident is not None else subject) if alarm is None else alarm.key,
                second,
                detail,
            )
        )

    def tell(self, incident: Incident, reason: Reason, at_ms: int | None = None) -> None:
        """Receivers who were told of the incident hear how it goes on."""
        if incident.told is not None:
            at = self.now_ms if at_ms is None else at_ms
            told = Tell(
                incident.id,
                incident.lead,
                reason,
                at,
                incident.revision,
                into=incident.merged_into,
            )
            self.effects.append(told)

    def done(self, incident: Incident, action: Act, reason: Reason, detail: str = "") -> Reason:
        """Keeps the incident after somebody's action and writes it down; returns the reason."""
        kept = self.keep_incident(
            msgspec.structs.replace(incident, last_actor=action.actor), reason
        )
        self.record(
            kept,
            action.actor,
            reason,
            action=action.action,
            note=action.note,
            channel=action.channel,
            second=action.second,
            detail=detail,
        )
        return reason

    def propose(self, action: Act, zone: str) -> Reason:
        """Keeps what one person asked for, until a second confirms it."""
        asked = msgspec.json.encode(action) + str(self.now_ms).encode()
        proposal = Proposal(
            id=hashlib.blake2b(asked, digest_size=12).hexdigest(),
            zone=zone,
            act=action,
            at_ms=self.now_ms,
            expires_ms=self.now_ms + round(self.policy.life.proposal_s * 1000),
        )
        self.slice.proposals[proposal.id] = proposal
        self.effects.append(Propose(proposal))
        self.record(
            self.slice.incidents.get(action.incident),
            action.actor,
            Reason.PROPOSED,
            action=action.action,
            note=action.note,
            channel=action.channel,
            alarm=self.slice.alarms.get(action.alarm),
            zone=zone,
            subject=f"zone {zone}",
        )
        return Reason.PROPOSED

    # Deadlines.

    def schedule(self, kind: Deadline, subject: str, zone: str, due_ms: int) -> None:
        """Comes back to the subject at that time."""
        self.slice.put_deadline(kind, subject, due_ms)
        self.effects.append(Schedule(kind, subject, zone, due_ms))

    def cancel(self, kind: Deadline, subject: str) -> None:
        """Does not come back for that."""
        self.slice.deadlines.pop((kind, subject), None)
        self.effects.append(Cancel(kind, subject))

    def due_in(self, kind: Deadline, incident: Incident, seconds: float) -> None:
        """Comes back to the incident in so many seconds."""
        due_ms = self.now_ms + round(seconds * 1000)
        self.schedule(kind, incident.id, incident.zone, due_ms)

    def stop_calling(self, incident: Incident) -> None:
        """Nobody is called again for what he has taken, or for what has ended."""
        self.cancel("remind", incident.id)
        self.cancel("escalate", incident.id)

    def wait_for_offices(self, incident: Incident) -> None:
        """Nobody is called now; when offices are open it begins to wait for somebody."""
        self.stop_calling(incident)
        clocks = self.policy.clocks_for(incident.grade)
        if clocks.remind_s is not None or clocks.escalate_s:
            self.due_in("remind", incident, OFFICES_S)

    def watch_progress(self, incident: Incident) -> None:
        """Runs the clock of progress anew, where a condition stands and its grade has one."""
        clock_s = self.policy.clocks_for(incident.grade).progress_s
        if clock_s is not None and incident.phase in ("acknowledged", "verified", "dispatched"):
            self.due_in("progress", incident, clock_s)
        else:
            self.cancel("progress", incident.id)

    def haste(self, incident: Incident) -> float:
        """What its clocks are multiplied by: its zone is watched, or the weather leaves no time."""
        watch = windows.watching(self.slice.windows_of(incident.zone), incident.zone, self.now_ms)
        held = conditions.haste(self.policy.conditions, incident.lead)
        return held if watch is None else min(held, watch.factor)

    def call(
        self, incident: Incident, reason: Reason, finding: Finding, *, is_news: bool
    ) -> Incident:
        """People are called for an open incident that has just begun to wait for them.

        What is no new evidence calls nobody for a lower grade at night: it goes to a list.
        Returns the incident as it has to be kept.
        """
        if incident.hazard in SELF_CLOSING:
            return incident
        self.cancel("progress", incident.id)
        if incident.undo_ms is not None and incident.undo_ms > self.now_ms:
            # What the acknowledgement held has ended; what is new is not held by it.
            self.cancel("undo", incident.id)
            self.effects.append(End(incident.id, Reason.ACKNOWLEDGED, held_only=True))
        waits = is_news or self.policy.may_page(incident.grade, self.now_ms)
        if not waits:
            self.wait_for_offices(incident)
        else:
            revision = incident.revision + 1
            self.effects.append(
                Page(
                    incident.id, revision, incident.grade, 0, "first", reason, self.now_ms, finding
                )
            )
            self.start_clocks(incident, self.now_ms)
        return msgspec.structs.replace(
            incident,
            unseen_ms=self.now_ms,
            undo_ms=None,
            step=0,
            prolonged=False,
            review=not waits,
        )

    def start_clocks(self, incident: Incident, since_ms: int) -> int:
        """Runs reminder and escalation, counted from when it began to wait.

        Returns how many steps have been gone by then: none of them is gone again.
        """
        clocks, haste = self.policy.clocks_for(incident.grade), self.haste(incident)
        remind_s = clocks.remind_s
        remind_ms = since_ms - 1 if remind_s is None else since_ms + round(remind_s * haste * 1000)
        if remind_ms > self.now_ms:
            self.schedule("remind", incident.id, incident.zone, remind_ms)
        else:
            self.cancel("remind", incident.id)
        times = [since_ms + round(after_s * haste * 1000) for after_s in clocks.escalate_s]
        gone = sum(due_ms < self.now_ms for due_ms in times)
        if times:
            due_ms = max(times[min(gone, len(times) - 1)], self.now_ms)
            self.schedule("escalate", incident.id, incident.zone, due_ms)
        else:
            self.cancel("escalate", incident.id)
        return gone
