"""What a finding, a delay that ran out, or an officer's action does to alarms and incidents.  Pure.

Router, timers, console and replay all come through here: the state that the event concerns goes in
as a ``Slice`` and is brought forward, and what has to be kept, told and remembered comes out as
effects.
"""

import msgspec

from alerting import alarms, excursions, incidents
from alerting.actions import Act, Action
from alerting.alarms import Change
from alerting.excursions import Excursion
from alerting.incidents import Event, Incident, Reason
from alerting.slices import Effect, Slice, Tell
from alerting.turn import Turn
from lifeline.model import Finding

__all__ = ["Act", "Action", "act", "next_due", "step", "tick"]


def step(slice_: Slice, finding: Finding, now_ms: int) -> list[Effect]:
    """What one finding does.  Reading the same finding again does nothing."""
    turn = Turn(slice_, now_ms, [])
    alarm = excursions.key_of(finding)
    if alarm not in slice_.alarms:
        slice_.put_alarm(alarms.blank(finding, now_ms))
    if finding.lane == "live":
        turn.settle(alarm, finding)
    known = slice_.excursions.get(excursions.excursion_id(finding))
    if finding.phase == "cleared":
        turn.clear(known, finding)
    elif known is None or _is_news(known, finding):
        turn.begin(finding)
    elif finding.phase == "held":
        turn.hold(known, finding)
    return turn.effects


def _is_news(known: Excursion, finding: Finding) -> bool:
    """Whether live readings now say what only back-filled ones said, inside a known alarm."""
    return known.stage == "ignored" and known.cleared_ms is None and finding.lane == "live"


def tick(slice_: Slice, now_ms: int) -> list[Effect]:
    """What the delays that have run out by now do, in their order."""
    turn = Turn(slice_, now_ms, [])
    due = [(e.due_ms, e.id) for e in slice_.excursions.values() if e.due_ms is not None]
    for due_ms, name in sorted(due):
        excursion = slice_.excursions[name]
        if due_ms > now_ms or excursion.due_ms != due_ms:
            continue
        if excursion.stage == "pending":
            turn.activate(excursion)
        else:
            assert excursion.stage == "leaving", (name, excursion.stage)
            turn.end(excursion)
    return turn.effects


def next_due(slice_: Slice) -> int | None:
    """When ``tick`` has something to do next, for whoever drives virtual time."""
    return min((e.due_ms for e in slice_.excursions.values() if e.due_ms is not None), default=None)


def act(slice_: Slice, action: Act, now_ms: int) -> tuple[Reason, list[Effect]]:
    """What somebody's action does; without effects the reason says why it was refused."""
    incident = slice_.incidents.get(action.incident)
    if incident is None:
        return Reason.UNKNOWN, []
    reason = _decide(incident, action)
    if reason not in incidents.DONE:
        return reason, []
    turn = Turn(slice_, now_ms, [])
    match reason:
        case Reason.ACKNOWLEDGED:
            incident = _acknowledged(turn, incident, action)
        case Reason.CLOSED | Reason.CLOSED_ACTIVE:
            incident = _closed(turn, incident, action, reason)
    kept = turn.keep_incident(msgspec.structs.replace(incident, last_actor=action.actor), reason)
    if kept.phase == "closed":
        turn.release(kept)
    turn.record(
        kept, action.actor, reason, action=action.action, note=action.note, channel=action.channel
    )
    told = Reason.CLOSED if reason is Reason.CLOSED_ACTIVE else reason
    if kept.told is not None and reason not in incidents.MINOR:
        turn.effects.append(Tell(kept.id, kept.lead, told, now_ms, kept.revision))
    return reason, turn.effects


def _decide(incident: Incident, action: Act) -> Reason:
    """Whether it may be done, and if not why."""
    if action.action == "note":
        return Reason.NOTED if action.note.strip() else Reason.NEEDS_NOTE
    if incident.phase == "closed":
        # Somebody closed it while he was on his way: what he says is kept, but opens nothing.
        return Reason.NOTED_LATE if action.action == "acknowledge" else Reason.ALREADY_CLOSED
    seen = action.expected_revision
    if seen is not None and seen < incident.changed_revision:
        return Reason.FASTER
    if action.action == "acknowledge":
        if incident.phase == "open":
            return Reason.ACKNOWLEDGED
        is_taken = incident.phase == "acknowledged"
        return Reason.ALREADY_ACKNOWLEDGED if is_taken else Reason.NOTHING_TO_ACKNOWLEDGE
    if incident.phase == "open":
        return Reason.NOT_ACKNOWLEDGED
    if not action.note.strip():
        return Reason.NEEDS_NOTE
    if incident.is_active:
        return Reason.CLOSED_ACTIVE if action.override else Reason.ACTIVE
    return Reason.CLOSED


def _acknowledged(turn: Turn, incident: Incident, action: Act) -> Incident:
    for alarm in turn.slice.members(incident.id):
        state = alarms.advance(alarm.state, Change.ACKNOWLEDGE)
        if state is not None:
            turn.keep_alarm(alarm, state, alarm.grade, alarm.incident)
    event = Event.ACKNOWLEDGE if incident.is_active else Event.ACKNOWLEDGE_CALM
    phase = incidents.advance(incident.phase, event)
    assert phase is not None
    return msgspec.structs.replace(
        incident, phase=phase, acknowledged_by=action.actor, acknowledged_ms=turn.now_ms
    )


def _closed(turn: Turn, incident: Incident, action: Act, reason: Reason) -> Incident:
    phase = incidents.advance(incident.phase, Event.CLOSE)
    assert phase is not None
    return msgspec.structs.replace(
        incident,
        phase=phase,
        closed_by=action.actor,
        closed_ms=turn.now_ms,
        overridden=reason is Reason.CLOSED_ACTIVE,
    )
