"""Conditions that go: alarms return or latch, incidents calm down, ease, let go.  Pure."""

import msgspec

from alerting import alarms, incidents, windows
from alerting.alarms import Alarm, Change
from alerting.excursions import Excursion, leading
from alerting.incidents import Event, Incident, Reason
from alerting.slices import End
from alerting.turn import ROUTER, SELF_CLOSING, Turn


def end(turn: Turn, excursion: Excursion) -> None:
    """The excursion counts no more; the last one of an alarm returns it."""
    excursion = turn.keep(excursion, stage="over")
    alarm = turn.slice.alarms[excursion.alarm]
    rest = turn.slice.active_of(alarm.key)
    if rest:
        turn.keep_alarm(alarm, grade=min(e.finding.grade for e in rest))
    else:
        alarm = returned(turn, alarm, excursion)
    incident = turn.slice.incidents.get(alarm.incident)
    if incident is None or not incident.is_live:
        return
    if any(member.is_active for member in turn.slice.members(incident.id)):
        ease_later(turn, incident, excursion)
    else:
        calm(turn, incident, excursion)


def returned(turn: Turn, alarm: Alarm, excursion: Excursion) -> Alarm:
    """The alarm without its condition."""
    is_latching = turn.policy.treatment(excursion.finding.rule).latching and bool(alarm.incident)
    state = alarms.advance(alarm.state, Change.LATCH if is_latching else Change.RETURN)
    assert state is not None, (alarm.key, alarm.state)
    assert excursion.cleared_ms is not None
    lasted_ms = excursion.cleared_ms - excursion.finding.onset_ms
    # The canary flits by design.
    is_odd = alarm.hazard not in SELF_CLOSING and excursion.finding.lane == "live"
    kept = turn.keep_alarm(
        alarm,
        state=state,
        active_ms=None,
        is_chattering=False,
        is_fleeting=is_odd and not alarm.is_chattering and lasted_ms < alarms.FLEETING_MS,
    )
    if turn.policy.treatment(alarm.rule).realarm_s:
        turn.cancel("realarm", alarm.key)
    cause = turn.slice.windows.get(windows.cause_id(alarm.key))
    if cause is not None and cause.ended_ms is None:
        # What it explained and still stands is shown at once, in a step of its own.
        turn.schedule("window", cause.id, cause.zone, turn.now_ms)
    if alarm.is_chattering:
        turn.record(turn.slice.incidents.get(alarm.incident), ROUTER, Reason.STEADY, alarm=alarm)
    return kept


def calm(turn: Turn, incident: Incident, excursion: Excursion) -> None:
    """Every condition of the incident has gone."""
    is_self_closing = incident.hazard in SELF_CLOSING
    event = Event.SELF_CLOSE if is_self_closing else Event.CALM
    reason = Reason.SELF_CLOSED if is_self_closing else Reason.RETURNED
    phase = incidents.advance(incident.phase, event)
    assert phase is not None, (incident.id, incident.phase, event)
    kept = turn.keep_incident(
        msgspec.structs.replace(
            incident,
            phase=phase,
            is_active=False,
            calm_ms=turn.now_ms,
            closed_by=ROUTER if is_self_closing else "",
            closed_ms=turn.now_ms if is_self_closing else None,
            last_actor=ROUTER,
        ),
        reason,
    )
    if is_self_closing:
        release(turn, kept)
        return
    turn.due_in("quiet", kept, turn.policy.life.quiet_s)
    turn.cancel("progress", kept.id)
    turn.record(kept, ROUTER, reason)
    turn.tell(kept, reason, excursion.cleared_ms)


def ease_later(turn: Turn, incident: Incident, excursion: Excursion) -> None:
    """What is left may be less grave: the incident eases to it, if it lasts so."""
    hold_s = turn.policy.treatment(excursion.finding.rule).fall_hold_s
    if hold_s and _gravest(turn, incident) > incident.grade:
        turn.due_in("fall", incident, hold_s)


def ease(turn: Turn, incident: Incident) -> None:
    """The incident is as grave as what is left, if that is still less than before."""
    grade = _gravest(turn, incident)
    if not incident.is_active or grade <= incident.grade:
        return
    members = turn.slice.members(incident.id)
    first = leading(e for m in members for e in turn.slice.active_of(m.key))
    assert first is not None, "a condition stands"
    eased = msgspec.structs.replace(
        incident,
        grade=grade,
        lead=first.finding,
        # A rise from here is a rise: it is told again.
        told=None if incident.told is None else max(grade, incident.told),
        last_actor=ROUTER,
    )
    kept = turn.keep_incident(eased, Reason.EASED)
    turn.record(kept, ROUTER, Reason.EASED)
    turn.tell(kept, Reason.EASED)


def _gravest(turn: Turn, incident: Incident) -> int:
    members = turn.slice.members(incident.id)
    return min((m.grade for m in members if m.is_active), default=incident.grade)


def release(turn: Turn, incident: Incident) -> None:
    """An ended incident holds no alarm: what comes next belongs to the next episode."""
    for alarm in turn.slice.members(incident.id):
        state = alarms.advance(alarm.state, Change.ACKNOWLEDGE) or alarm.state
        state = alarms.advance(state, Change.RESET) or state
        turn.keep_alarm(alarm, state=state, incident="")


def put_away(turn: Turn, incident: Incident, reason: Reason) -> None:
    """Nothing is waited for any more, nobody is called; it goes to the archive in its time."""
    turn.stop_calling(incident)
    for kind in ("progress", "quiet", "undo", "fall", "receipt"):
        turn.cancel(kind, incident.id)
    turn.effects.append(End(incident.id, reason))
    turn.due_in("archive", incident, turn.policy.life.archive_after_s)
