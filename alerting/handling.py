"""What people do with incidents: take, judge, send, arrive, note, close.  Pure."""

from collections.abc import Callable, Mapping

import msgspec

from alerting import alarms, incidents, leaving, regrouping, support, witnesses
from alerting.actions import Act
from alerting.alarms import Change
from alerting.incidents import Event, Incident, Reason
from alerting.joining import realarm_later
from alerting.slices import End, Hold, Label, Release
from alerting.turn import SELF_CLOSING, Turn
from alerting.windows import DEVICE_HAZARDS
from alerting.witnesses import Objection

Deed = Callable[[Turn, Incident, Act], Reason]


def act(turn: Turn, action: Act) -> Reason:
    """Does what is asked of an incident, or says why not."""
    incident = turn.slice.incidents.get(action.incident)
    if incident is None:
        return Reason.UNKNOWN
    if action.action == "note":
        return _note(turn, incident, action)
    if action.action == "archive":
        return _archive(turn, incident, action)
    if not incident.is_live:
        if action.action != "acknowledge":
            return Reason.ALREADY_CLOSED
        # Somebody closed it while he was on his way: what he says is kept, but opens nothing.
        return turn.done(incident, action, Reason.NOTED_LATE)
    if is_overtaken(incident, action):
        return Reason.FASTER
    return DEEDS[action.action](turn, incident, action)


def is_overtaken(incident: Incident, action: Act) -> bool:
    """Whether what he saw is no longer so."""
    seen = action.expected_revision
    return seen is not None and seen < incident.changed_revision


def _note(turn: Turn, incident: Incident, action: Act) -> Reason:
    if not action.note.strip():
        return Reason.NEEDS_NOTE
    return turn.done(incident, action, Reason.NOTED)


def _archive(turn: Turn, incident: Incident, action: Act) -> Reason:
    phase = incidents.advance(incident.phase, Event.ARCHIVE)
    if phase is None:
        return Reason.NOT_CLOSED
    turn.cancel("archive", incident.id)
    archived = msgspec.structs.replace(incident, phase=phase)
    return turn.done(archived, action, Reason.ARCHIVED)


def _acknowledge(turn: Turn, incident: Incident, action: Act) -> Reason:
    if incident.phase != "open":
        is_taken = incident.phase in incidents.TAKEN
        return Reason.ALREADY_ACKNOWLEDGED if is_taken else Reason.NOTHING_TO_ACKNOWLEDGE
    for alarm in turn.slice.members(incident.id):
        state = alarms.advance(alarm.state, Change.ACKNOWLEDGE)
        if state is not None:
            realarm_later(turn, turn.keep_alarm(alarm, state=state))
    undo_ms = turn.now_ms + round(turn.policy.life.undo_s * 1000)
    taken = take(turn, incident, action.actor, undo_ms)
    turn.done(taken, action, Reason.ACKNOWLEDGED)
    turn.tell(turn.slice.incidents[incident.id], Reason.ACKNOWLEDGED)
    return Reason.ACKNOWLEDGED


def take(turn: Turn, incident: Incident, actor: str, undo_ms: int) -> Incident:
    """The incident in the hands of somebody who has seen every alarm of it.

    What would still call people for it is held until he can undo it no more, and then ended.
    """
    event = Event.ACKNOWLEDGE if incident.is_active else Event.ACKNOWLEDGE_CALM
    phase = incidents.advance(incident.phase, event, incidents.taken(incident))
    assert phase is not None
    turn.stop_calling(incident)
    can_undo = undo_ms > turn.now_ms
    if incident.hazard not in SELF_CLOSING:
        if can_undo:
            turn.effects.append(Hold(incident.id, undo_ms))
            turn.schedule("undo", incident.id, incident.zone, undo_ms)
        else:
            turn.effects.append(End(incident.id, Reason.ACKNOWLEDGED))
    taken = msgspec.structs.replace(
        incident,
        phase=phase,
        acknowledged_by=actor,
        acknowledged_ms=turn.now_ms,
        undo_ms=undo_ms if can_undo else None,
        progress_ms=turn.now_ms,
        step=0,
        review=False,
    )
    turn.watch_progress(taken)
    return taken


def _undo(turn: Turn, incident: Incident, action: Act) -> Reason:
    since_ms = incident.acknowledged_ms
    if since_ms is None or incident.undo_ms is None or turn.now_ms >= incident.undo_ms:
        return Reason.TOO_LATE_TO_UNDO
    if incident.acknowledged_by != action.actor:
        return Reason.NOT_YOURS
    steps = (incident.verdict_ms, incident.dispatched_ms, incident.arrived_ms)
    if any(step is not None and step >= since_ms for step in steps):
        return Reason.TOO_LATE_TO_UNDO
    # Whatever became quiet since then did so because of it, or unseen.
    undone = [
        (alarm, state)
        for alarm in turn.slice.members(incident.id)
        if alarm.since_ms >= since_ms
        and (state := alarms.advance(alarm.state, Change.UNDO)) is not None
    ]
    if not undone:
        return Reason.TOO_LATE_TO_UNDO
    for alarm, state in undone:
        turn.keep_alarm(alarm, state=state)
        turn.cancel("realarm", alarm.key)
    phase = incidents.advance(incident.phase, Event.SURFACE)
    assert phase is not None
    for kind in ("undo", "progress"):
        turn.cancel(kind, incident.id)
    turn.effects.append(Release(incident.id))
    waits_ms = turn.now_ms if incident.unseen_ms is None else incident.unseen_ms
    step = turn.start_clocks(incident, waits_ms)
    turn.done(
        msgspec.structs.replace(
            incident, phase=phase, acknowledged_by="", acknowledged_ms=None, undo_ms=None, step=step
        ),
        action,
        Reason.UNDONE,
    )
    turn.tell(turn.slice.incidents[incident.id], Reason.UNDONE)
    return Reason.UNDONE


def _progressed(turn: Turn, incident: Incident) -> Incident:
    """The incident after a step of its people: its clock of progress begins anew."""
    made = msgspec.structs.replace(incident, progress_ms=turn.now_ms, step=0, review=False)
    turn.watch_progress(made)
    return made


def _verify(turn: Turn, incident: Incident, action: Act) -> Reason:
    if incident.phase == "open":
        return Reason.NOT_ACKNOWLEDGED
    problem = _misjudged(action)
    if problem is not None:
        return problem
    judged = _judged(turn, incident, action)
    phase = incidents.advance(judged.phase, Event.VERIFY, incidents.taken(judged))
    assert phase is not None
    judged = _progressed(turn, msgspec.structs.replace(judged, phase=phase))
    turn.done(judged, action, Reason.VERIFIED)
    turn.tell(turn.slice.incidents[incident.id], Reason.VERIFIED)
    return Reason.VERIFIED


def _misjudged(action: Act) -> Reason | None:
    if not action.verdict:
        return Reason.NEEDS_VERDICT
    return None if action.code in incidents.VERDICT_CODES[action.verdict] else Reason.NEEDS_CODE


def _judged(turn: Turn, incident: Incident, action: Act) -> Incident:
    """The incident with what somebody found it to be; kept as a label, but never of a drill."""
    assert action.verdict
    if not incident.drill:
        turn.effects.append(
            Label(incident.id, action.verdict, action.code, action.actor, turn.now_ms)
        )
    return msgspec.structs.replace(
        incident,
        verdict=action.verdict,
        verdict_code=action.code,
        verdict_by=action.actor,
        verdict_ms=turn.now_ms,
    )


def _dispatch(turn: Turn, incident: Incident, action: Act) -> Reason:
    phase = incidents.advance(incident.phase, Event.DISPATCH)
    if phase is None:
        return Reason.NOT_ACKNOWLEDGED
    if not (action.task.strip() and action.person.strip()):
        return Reason.NEEDS_TASK
    sent = msgspec.structs.replace(
        incident,
        phase=phase,
        task=action.task.strip(),
        person=action.person.strip(),
        dispatched_ms=turn.now_ms,
        arrived_ms=None,
    )
    turn.done(_progressed(turn, sent), action, Reason.DISPATCHED)
    turn.tell(turn.slice.incidents[incident.id], Reason.DISPATCHED)
    return Reason.DISPATCHED


def _arrive(turn: Turn, incident: Incident, action: Act) -> Reason:
    if not incident.task:
        return Reason.NOT_DISPATCHED
    if incident.arrived_ms is not None:
        return Reason.ALREADY_ARRIVED
    there = msgspec.structs.replace(incident, arrived_ms=turn.now_ms)
    return turn.done(_progressed(turn, there), action, Reason.ARRIVED)


def _prolong(turn: Turn, incident: Incident, action: Act) -> Reason:
    if incident.phase not in incidents.TAKEN:
        return Reason.NOT_ACKNOWLEDGED
    if incident.prolonged:
        return Reason.ALREADY_PROLONGED
    if not action.note.strip():
        return Reason.NEEDS_NOTE
    clock_s = turn.policy.clocks_for(incident.grade).progress_s
    if clock_s is not None:
        since_ms = turn.now_ms if incident.progress_ms is None else incident.progress_ms
        due_ms = since_ms + round(2 * clock_s * 1000)
        turn.schedule("progress", incident.id, incident.zone, max(due_ms, turn.now_ms))
    prolonged = msgspec.structs.replace(incident, prolonged=True)
    return turn.done(prolonged, action, Reason.PROLONGED)


def _close(turn: Turn, incident: Incident, action: Act) -> Reason:
    """Needs a note, a verdict, and the evidence of every connected sensor."""
    if incident.phase == "open":
        return Reason.NOT_ACKNOWLEDGED
    if not action.note.strip():
        return Reason.NEEDS_NOTE
    if action.verdict or not incident.verdict:
        problem = _misjudged(action)
        if problem is not None:
            return problem
    found = against(turn, incident)
    missing = next(iter(found), None)
    if missing is not None and not action.override:
        return missing
    if missing is not None and not action.second:
        return turn.propose(action, incident.zone)
    if action.verdict:
        incident = _judged(turn, incident, action)
    phase = incidents.advance(incident.phase, Event.CLOSE)
    assert phase is not None
    closed = msgspec.structs.replace(
        incident,
        phase=phase,
        closed_by=action.actor,
        closed_ms=turn.now_ms,
        overridden=missing is not None,
        second=action.second,
        undo_ms=None,
        review=False,
    )
    reason = Reason.CLOSED if missing is None else Reason.CLOSED_ACTIVE
    leaving.put_away(turn, closed, Reason.CLOSED)
    turn.done(closed, action, reason, detailed(found))
    kept = turn.slice.incidents[incident.id]
    leaving.release(turn, kept)
    turn.tell(kept, Reason.CLOSED)
    return reason


def against(turn: Turn, incident: Incident) -> dict[Reason, str]:
    """Everything that stands against a closure, with what the audit says of it.

    Hidden conditions count like those in sight, and what a silent sensor does not say as well.
    """
    members = turn.slice.members(incident.id)
    found: dict[Reason, str] = {}
    if standing := [alarm.key for alarm in members if alarm.is_active]:
        found[Reason.ACTIVE] = ", ".join(standing)
    if latched := [alarm.key for alarm in members if alarm.state in alarms.LATCHED]:
        found[Reason.STILL_LATCHED] = ", ".join(latched)
    if _is_blind(turn, incident):
        found[Reason.BLIND] = incident.asset
    told = objections(turn, incident)
    if silent := [one for one in told if one.why == "silent"]:
        found[Reason.SILENT] = witnesses.named(silent, turn.now_ms, "en")
    calm_ms = turn.now_ms if incident.calm_ms is None else incident.calm_ms
    if turn.now_ms - calm_ms < round(turn.policy.life.quiet_s * 1000):
        found[Reason.NOT_CALM] = ""
    if beyond := [one for one in told if one.why == "beyond"]:
        found[Reason.BEYOND] = witnesses.named(beyond, turn.now_ms, "en")
    return found


def objections(turn: Turn, incident: Incident) -> list[Objection]:
    """The connected sensors that stand against a closure."""
    if turn.policy.sensors is None or not incident.is_live:
        return []
    asked = turn.policy.sensors(incident, turn.slice.members(incident.id))
    return witnesses.objections(asked, turn.slice.witnesses, incident, turn.now_ms)


def detailed(found: Mapping[Reason, str]) -> str:
    """What stood against a closure, as a line of the audit keeps it."""
    return "; ".join(f"{reason}: {said}" if said else str(reason) for reason, said in found.items())


def _is_blind(turn: Turn, incident: Incident) -> bool:
    """Whether a device at a place of its alarms is at fault: what is silent has not returned."""
    if incident.hazard in DEVICE_HAZARDS:
        return False
    places = {alarm.asset for alarm in turn.slice.members(incident.id)}
    return any(
        one.hazard in DEVICE_HAZARDS and one.drill == incident.drill
        for place in places
        for one in turn.slice.standing_at(place)
    )


DEEDS: dict[str, Deed] = {
    "acknowledge": _acknowledge,
    "undo": _undo,
    "verify": _verify,
    "dispatch": _dispatch,
    "arrive": _arrive,
    "prolong": _prolong,
    "support": support.ask,
    "close": _close,
    "merge": regrouping.merge,
    "split": regrouping.split,
}
