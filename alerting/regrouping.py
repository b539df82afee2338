"""Incidents merged and split by hand.  Pure."""

import msgspec

from alerting import alarms, incidents, leaving
from alerting.actions import Act
from alerting.alarms import Alarm
from alerting.excursions import ACTIVE, leading
from alerting.incidents import Event, Incident, Reason
from alerting.slices import End, Join, Tell
from alerting.turn import SELF_CLOSING, Turn


def merge(turn: Turn, incident: Incident, action: Act) -> Reason:
    """The other incident ends and goes on in this one, with everything that it holds."""
    other = turn.slice.incidents.get(action.other)
    if other is None:
        return Reason.UNKNOWN
    if other.id == incident.id or not other.is_live or other.drill != incident.drill:
        return Reason.UNLIKE
    if {other.hazard, incident.hazard} & SELF_CLOSING:
        return Reason.UNLIKE
    moved = turn.slice.members(other.id)
    phase = incidents.advance(other.phase, Event.MERGE)
    assert phase is not None
    ended = msgspec.structs.replace(
        other,
        phase=phase,
        closed_by=action.actor,
        closed_ms=turn.now_ms,
        merged_into=incident.id,
        undo_ms=None,
        review=False,
    )
    leaving.put_away(turn, ended, Reason.MERGED)
    turn.done(ended, action, Reason.MERGED)
    for alarm in moved:
        _move(turn, alarm, incident)
    turn.tell(turn.slice.incidents[other.id], Reason.MERGED)
    return turn.done(_with_other(turn, incident, other), action, Reason.TOOK_OVER)


def _move(turn: Turn, alarm: Alarm, incident: Incident) -> None:
    turn.keep_alarm(alarm, incident=incident.id)
    turn.effects.append(Join(incident.id, alarm.key, Reason.JOINED_HAND, turn.now_ms))
    for excursion in turn.slice.active_of(alarm.key):
        turn.keep(excursion, incident=incident.id)


def _with_other(turn: Turn, incident: Incident, other: Incident) -> Incident:
    """The incident with what another one brings: first-out, grade, verdict, task, unseen alarms."""
    first = min((incident.first_ms, incident.first_out), (other.first_ms, other.first_out))
    told = [one.told for one in (incident, other) if one.told is not None]
    judge = incident if incident.verdict else other
    sender = incident if incident.task else other
    made = msgspec.structs.replace(
        incident,
        grade=min(incident.grade, other.grade),
        told=min(told, default=None),
        lead=incident.lead if _leads(incident, other) else other.lead,
        first_ms=first[0],
        first_out=first[1],
        is_active=incident.is_active or other.is_active,
        verdict=judge.verdict,
        verdict_code=judge.verdict_code,
        verdict_by=judge.verdict_by,
        verdict_ms=judge.verdict_ms,
        task=sender.task,
        person=sender.person,
        dispatched_ms=sender.dispatched_ms,
        arrived_ms=sender.arrived_ms,
    )
    if made.is_active:
        made = msgspec.structs.replace(made, calm_ms=None)
        turn.cancel("quiet", made.id)
    else:
        calm_ms = max(incident.calm_ms or 0, other.calm_ms or 0)
        made = msgspec.structs.replace(made, calm_ms=calm_ms)
    is_graver = made.told is not None and (
        incident.told is None or made.told < incident.told or made.grade < incident.grade
    )
    return _rephased(turn, made, other, is_graver=is_graver)


def _leads(incident: Incident, other: Incident) -> bool:
    """Whether what was told of the one is at least as grave as what was told of the other."""
    if other.told is None or incident.told is None:
        return other.told is None
    return incident.told <= other.told


def _rephased(turn: Turn, made: Incident, other: Incident, *, is_graver: bool) -> Incident:
    """The phase that follows from whom the alarms wait for, with its clocks."""
    has_unseen = any(m.state in alarms.UNACKNOWLEDGED for m in turn.slice.members(made.id))
    if has_unseen and (made.phase != "open" or is_graver):
        # Nobody has seen what the other one brought: its clocks go on here.
        made = msgspec.structs.replace(made, phase="open", acknowledged_by="", acknowledged_ms=None)
        return turn.call(made, Reason.TOOK_OVER, other.lead, is_news=False)
    if made.phase != "open":
        phase = incidents.taken(made) if made.is_active else "watching"
        made = msgspec.structs.replace(made, phase=phase)
        turn.watch_progress(made)
    return made


def split(turn: Turn, incident: Incident, action: Act) -> Reason:
    """Alarms of other places go on in an incident of their own; a place stays together."""
    members = {alarm.key: alarm for alarm in turn.slice.members(incident.id)}
    chosen = [members[key] for key in action.alarms if key in members]
    if not chosen or len(chosen) != len(action.alarms):
        return Reason.UNKNOWN_ALARM
    places = {(alarm.asset, alarm.hazard, alarm.drill) for alarm in chosen}
    if incident.place in places:
        return Reason.SAME_PLACE
    moved = [a for a in members.values() if (a.asset, a.hazard, a.drill) in places]
    lead = min(chosen, key=lambda a: (a.grade, a.since_ms, a.key))
    made = _split_off(turn, incident, lead, moved, action)
    kept = turn.keep_incident(made, Reason.OPENED)
    for alarm in moved:
        _move(turn, alarm, kept)
    turn.record(kept, action.actor, Reason.OPENED, action=action.action, note=action.note)
    if kept.told is not None:
        at_ms, revision = turn.now_ms, kept.revision
        told = Tell(kept.id, kept.lead, Reason.OPENED, at_ms, revision, is_first=True)
        turn.effects.append(told)
    rest = [alarm for key, alarm in members.items() if alarm not in moved]
    is_active = any(alarm.is_active for alarm in rest)
    has_unseen = any(alarm.state in alarms.UNACKNOWLEDGED for alarm in rest)
    phase = incident.phase
    if not has_unseen:
        phase = incidents.taken(incident) if is_active else "watching"
    left = msgspec.structs.replace(
        incident,
        phase=phase,
        is_active=is_active,
        calm_ms=None if is_active else incident.calm_ms or turn.now_ms,
        acknowledged_by=incident.acknowledged_by or ("" if has_unseen else action.actor),
        acknowledged_ms=incident.acknowledged_ms or (None if has_unseen else turn.now_ms),
    )
    if not has_unseen and incident.phase == "open":
        turn.stop_calling(left)
        turn.effects.append(End(left.id, Reason.SPLIT))
    if not is_active:
        turn.due_in("quiet", left, turn.policy.life.quiet_s)
    if phase != "open":
        turn.watch_progress(left)
    return turn.done(left, action, Reason.SPLIT)


def _split_off(
    turn: Turn, incident: Incident, lead: Alarm, moved: list[Alarm], action: Act
) -> Incident:
    """The new incident, at the place of its gravest alarm, as far as the old one had come."""
    place = (lead.asset, lead.hazard, lead.drill)
    is_active = any(alarm.is_active for alarm in moved)
    is_open = any(alarm.state in alarms.UNACKNOWLEDGED for alarm in moved)
    own = [e for alarm in moved for e in turn.slice.excursions_of(alarm.key)]
    own = [e for e in own if e.stage != "ignored"]
    first = min(own, key=lambda e: (e.finding.onset_ms, e.id), default=None)
    gravest = leading(e for e in own if e.stage in ACTIVE) or first
    finding = incident.lead if gravest is None else gravest.finding
    made = msgspec.structs.replace(
        incident,
        id=incidents.incident_id(f"split {incident.id} {incident.revision}"),
        asset=lead.asset,
        hazard=lead.hazard,
        zone=lead.zone,
        lifeline=lead.lifeline,
        episode=turn.slice.episodes.get(place, 0) + 1,
        phase="open" if is_open else "watching",
        grade=min(alarm.grade for alarm in moved),
        told=None if finding.lane == "historical" else finding.grade,
        lead=finding,
        onset_ms=finding.onset_ms,
        opened_ms=turn.now_ms,
        is_active=is_active,
        calm_ms=None if is_active else turn.now_ms,
        revision=0,
        changed_revision=0,
        task="",
        person="",
        dispatched_ms=None,
        arrived_ms=None,
        verdict="",
        verdict_code="",
        verdict_by="",
        verdict_ms=None,
        first_out="" if first is None else first.id,
        first_ms=finding.onset_ms if first is None else first.finding.onset_ms,
        undo_ms=None,
        last_actor=action.actor,
    )
    if is_open:
        made = msgspec.structs.replace(made, acknowledged_by="", acknowledged_ms=None)
        return turn.call(made, Reason.SPLIT, finding, is_news=False)
    phase = incidents.taken(made) if is_active else "watching"
    made = msgspec.structs.replace(
        made,
        phase=phase,
        acknowledged_by=incident.acknowledged_by or action.actor,
        acknowledged_ms=incident.acknowledged_ms or turn.now_ms,
    )
    if not is_active:
        turn.due_in("quiet", made, turn.policy.life.quiet_s)
    turn.watch_progress(made)
    return made
