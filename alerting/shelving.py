"""What people do with single alarms: reset, shelve, take out of service, and back.  Pure.

ISA-18.2's time-limited and attended ways out of sight: each with a reason, an end and an author,
listed all the while.
"""

from alerting import alarms, incidents
from alerting.actions import Act
from alerting.alarms import Alarm, Change
from alerting.handling import is_overtaken, take
from alerting.incidents import Incident, Reason
from alerting.joining import realarm_later, surface
from alerting.turn import ROUTER, Turn


def act(turn: Turn, action: Act) -> Reason:
    """Does what is asked of an alarm, or says why not."""
    alarm = turn.slice.alarms.get(action.alarm)
    if alarm is None:
        return Reason.UNKNOWN_ALARM
    incident = turn.slice.incidents.get(alarm.incident)
    if incident is not None and is_overtaken(incident, action):
        return Reason.FASTER
    match action.action:
        case "reset":
            return _reset(turn, alarm, action)
        case "shelve":
            return _shelve(turn, alarm, action)
        case "unshelve":
            return _unshelve(turn, alarm, action)
        case "retire":
            return _retire(turn, alarm, action)
    return _restore(turn, alarm, action)


def _written(turn: Turn, alarm: Alarm, action: Act, reason: Reason) -> Reason:
    turn.record(
        turn.slice.incidents.get(alarm.incident),
        action.actor,
        reason,
        action=action.action,
        note=action.note,
        channel=action.channel,
        alarm=alarm,
        second=action.second,
    )
    return reason


def _reset(turn: Turn, alarm: Alarm, action: Act) -> Reason:
    state = alarms.advance(alarm.state, Change.RESET)
    if state is None:
        return Reason.ILLEGAL
    return _written(turn, turn.keep_alarm(alarm, state=state), action, Reason.RESET)


def _shelve(turn: Turn, alarm: Alarm, action: Act) -> Reason:
    state = alarms.advance(alarm.state, Change.SHELVE)
    if state is None:
        return Reason.ILLEGAL
    if not action.note.strip():
        return Reason.NEEDS_NOTE
    if action.until_ms is None or action.until_ms <= turn.now_ms:
        return Reason.NEEDS_END
    is_managed = turn.policy.treatment(alarm.rule).is_managed
    life = turn.policy.life
    longest_s = life.managed_shelf_s_max if is_managed else life.shelf_s_max
    if action.until_ms - turn.now_ms > round(longest_s * 1000):
        return Reason.TOO_LONG
    if is_managed and not action.second:
        return turn.propose(action, alarm.zone)
    kept = turn.keep_alarm(
        alarm,
        state=state,
        hidden_by=action.actor,
        hidden_until_ms=action.until_ms,
        hidden_raises=0,
    )
    turn.schedule("shelf", kept.key, kept.zone, action.until_ms)
    turn.cancel("realarm", kept.key)
    _written(turn, kept, action, Reason.SHELVED)
    seen_by(turn, kept, action)
    return Reason.SHELVED


def _retire(turn: Turn, alarm: Alarm, action: Act) -> Reason:
    state = alarms.advance(alarm.state, Change.RETIRE)
    if state is None:
        return Reason.ILLEGAL
    if not action.note.strip():
        return Reason.NEEDS_NOTE
    if turn.policy.treatment(alarm.rule).is_managed and not action.second:
        return turn.propose(action, alarm.zone)
    kept = turn.keep_alarm(
        alarm, state=state, hidden_by=action.actor, hidden_until_ms=None, hidden_raises=0
    )
    turn.cancel("shelf", kept.key)
    turn.cancel("realarm", kept.key)
    _written(turn, kept, action, Reason.RETIRED)
    seen_by(turn, kept, action)
    return Reason.RETIRED


def seen_by(turn: Turn, alarm: Alarm, action: Act) -> None:
    """Who put the last unacknowledged alarm of an incident away has taken the incident."""
    incident = turn.slice.incidents.get(alarm.incident)
    if incident is None or incident.phase != "open":
        return
    if any(a.state in alarms.UNACKNOWLEDGED for a in turn.slice.members(incident.id)):
        return
    taken = take(turn, incident, action.actor, turn.now_ms)
    turn.done(taken, action, Reason.ACKNOWLEDGED)
    turn.tell(turn.slice.incidents[incident.id], Reason.ACKNOWLEDGED)


def _unshelve(turn: Turn, alarm: Alarm, action: Act) -> Reason:
    """By hand: back to acknowledged, by whoever took it off the shelf."""
    if alarm.state != "shelved":
        return Reason.ILLEGAL
    turn.cancel("shelf", alarm.key)
    _written(turn, alarm, action, Reason.UNSHELVED)
    if not alarm.is_active:
        _uncover(turn, alarm, Change.UNSHELVE_CALM)
    elif alarm.incident:
        realarm_later(turn, _uncover(turn, alarm, Change.UNSHELVE))
    else:
        incident = surface(turn, alarm, Change.EXPIRE, Reason.UNSHELVED)
        _take_at_once(turn, incident, action)
    return Reason.UNSHELVED


def _take_at_once(turn: Turn, incident: Incident, action: Act) -> None:
    """He sees what he has just uncovered: nobody has to be called for it."""
    for alarm in turn.slice.members(incident.id):
        state = alarms.advance(alarm.state, Change.ACKNOWLEDGE)
        if state is not None:
            realarm_later(turn, turn.keep_alarm(alarm, state=state))
    taken = take(turn, incident, action.actor, turn.now_ms)
    assert taken.phase in incidents.TAKEN
    turn.done(taken, action, Reason.ACKNOWLEDGED)
    turn.tell(turn.slice.incidents[incident.id], Reason.ACKNOWLEDGED)


def _uncover(turn: Turn, alarm: Alarm, change: Change) -> Alarm:
    state = alarms.advance(alarm.state, change)
    assert state is not None, (alarm.key, alarm.state, change)
    return turn.keep_alarm(alarm, state=state, hidden_by="", hidden_until_ms=None, hidden_raises=0)


def _restore(turn: Turn, alarm: Alarm, action: Act) -> Reason:
    if alarm.state != "out-of-service":
        return Reason.ILLEGAL
    _written(turn, alarm, action, Reason.RESTORED)
    uncovered(turn, alarm, Change.RESTORE, Change.RESTORE_CALM, Reason.SURFACED)
    return Reason.RESTORED


def expire(turn: Turn, alarm: Alarm) -> None:
    """The shelf's time is over."""
    incident = turn.slice.incidents.get(alarm.incident)
    turn.record(incident, ROUTER, Reason.SHELF_ENDED, alarm=alarm, note=alarm.hidden_by)
    uncovered(turn, alarm, Change.EXPIRE, Change.EXPIRE_CALM, Reason.SURFACED)


def uncovered(turn: Turn, alarm: Alarm, standing: Change, calm: Change, reason: Reason) -> None:
    """What was hidden is so no more: it needs a human where its condition still stands."""
    if alarm.is_active:
        surface(turn, alarm, standing, reason)
    else:
        _uncover(turn, alarm, calm)
