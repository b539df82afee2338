"""Excursions that begin to count: they raise their alarm, which joins or opens an incident.  Pure.

What is shelved, suppressed or out of service is counted and calls nobody; when it comes back into
sight with its condition still there, it needs a human.
"""

from collections.abc import Iterable

import msgspec

from alerting import alarms, excursions, hiding, incidents, leaving
from alerting.alarms import Alarm, Change
from alerting.excursions import Excursion
from alerting.incidents import Event, Incident, Reason
from alerting.policy import Candidate
from alerting.slices import Join, Tell
from alerting.turn import ROUTER, SELF_CLOSING, Turn
from alerting.windows import Window
from lifeline.model import Finding

JOINED: dict[str, Reason] = {
    "network": Reason.JOINED_NETWORK,
    "rule": Reason.JOINED_RULE,
}

ADDED = frozenset((Reason.JOINED, Reason.LOCATED))
"""What joins an incident and calls nobody anew."""


def activate(turn: Turn, excursion: Excursion) -> Excursion:
    """The excursion counts from now on: its alarm is raised, in sight or hidden."""
    finding = excursion.finding
    older = excursions.superseded(excursion, turn.slice.active_of(excursion.alarm))
    for one in older:
        if excursions.is_forgotten(one, finding):
            # What it was about ended unseen long ago: this is a recurrence, and is told.
            leaving.end(turn, turn.keep(one, cleared_ms=one.last_ms))
    alarm = turn.slice.alarms.get(excursion.alarm) or alarms.blank(finding, turn.now_ms)
    window = hiding.window_over(turn, alarm, finding)
    if window is not None or hiding.stays_hidden(turn, alarm, finding):
        return conceal(turn, alarm, excursion, older, window)
    return show(turn, alarm, excursion, older)


def _counted(turn: Turn, alarm: Alarm, excursion: Excursion) -> Alarm:
    """The alarm with this raise counted; nothing is kept yet."""
    finding = excursion.finding
    grades = [e.finding.grade for e in turn.slice.active_of(alarm.key)]
    cycles, is_chattering = alarm.cycles, alarm.is_chattering
    if not alarm.is_active and finding.lane == "live" and finding.hazard not in SELF_CLOSING:
        cycles = alarms.cycled(cycles, finding.onset_ms)
        is_chattering = is_chattering or alarms.chatters(cycles)
    return msgspec.structs.replace(
        alarm,
        grade=min(grades, default=finding.grade),
        rule=finding.rule,
        active_ms=turn.now_ms if alarm.active_ms is None else alarm.active_ms,
        cycles=cycles,
        is_chattering=is_chattering,
    )


def _retire(turn: Turn, older: Iterable[Excursion]) -> None:
    for one in older:
        if turn.slice.excursions[one.id].stage == "active":
            turn.keep(one, stage="over", cleared_ms=one.last_ms)


def conceal(
    turn: Turn,
    alarm: Alarm,
    excursion: Excursion,
    older: Iterable[Excursion],
    window: Window | None,
) -> Excursion:
    """The raise of an alarm that is out of sight: recorded, counted, told to nobody."""
    excursion = turn.keep(excursion, stage="active", incident=alarm.incident, damp_ms=0)
    _retire(turn, older)
    is_new = window is not None and alarm.hidden_by != window.id
    change = Change.RAISE if alarm.state in alarms.HIDDEN else Change.SUPPRESS
    state = alarms.advance(alarm.state, change)
    assert state is not None, (alarm.key, alarm.state, change)
    counted = _counted(turn, alarm, excursion)
    kept = turn.keep_alarm(
        alarm,
        state=state,
        grade=alarm.grade if alarm.state == "shelved" else counted.grade,
        rule=alarm.rule if alarm.state == "out-of-service" else counted.rule,
        active_ms=counted.active_ms,
        cycles=counted.cycles,
        is_chattering=counted.is_chattering,
        hidden_by=alarm.hidden_by if window is None else window.id,
        hidden_until_ms=alarm.hidden_until_ms if window is None else window.until_ms,
        hidden_raises=1 if is_new else alarm.hidden_raises + 1,
    )
    if window is not None:
        turn.keep_window(msgspec.structs.replace(window, hidden=window.hidden + 1))
    incident = turn.slice.incidents.get(alarm.incident)
    if kept.hidden_raises == 1:
        turn.record(incident, ROUTER, Reason.SUPPRESSED, alarm=kept, note=kept.hidden_by)
    if incident is not None and not incident.is_active:
        stir(turn, incident)
    return excursion


def stir(turn: Turn, incident: Incident) -> None:
    """A hidden condition of a calm incident is back: nobody is called, and it is not calm."""
    phase = incidents.advance(incident.phase, Event.STIR, incidents.taken(incident))
    assert phase is not None, (incident.id, incident.phase)
    stirred = msgspec.structs.replace(
        incident, phase=phase, is_active=True, calm_ms=None, last_actor=ROUTER
    )
    kept = turn.keep_incident(stirred, Reason.STIRRED)
    turn.cancel("quiet", kept.id)
    turn.watch_progress(kept)
    turn.record(kept, ROUTER, Reason.STIRRED)


def show(turn: Turn, alarm: Alarm, excursion: Excursion, older: Iterable[Excursion]) -> Excursion:
    """The raise of an alarm in sight: it joins an incident or opens one, and people hear of it."""
    candidate = None
    before = turn.slice.incident_for(alarm)
    if before is None:
        before, candidate = related(turn, alarm, excursion.finding)
    finding = _together(excursion.finding, candidate)
    reason, incident = admit(turn, before, excursion, finding)
    excursion = turn.keep(excursion, stage="active", incident=incident.id, damp_ms=0)
    _retire(turn, older)
    _note_oddities(turn, alarm, excursion, before)
    change = _raising(alarm, reason)
    state = alarms.advance(alarm.state, change)
    assert state is not None, (alarm.key, alarm.state, change)
    if incident.phase in incidents.TAKEN and state in alarms.UNACKNOWLEDGED:
        # The officer has taken this incident, and this says nothing graver than he knows.
        state = alarms.advance(state, Change.ACKNOWLEDGE)
        assert state is not None
    if before is None or alarm.incident != incident.id:
        why = Reason.JOINED if reason in ADDED else reason
        turn.effects.append(_join(turn, incident, alarm, why, candidate))
    if alarm.state == "shelved":
        turn.cancel("shelf", alarm.key)
    counted = _counted(turn, alarm, excursion)
    kept = turn.keep_alarm(
        alarm,
        state=state,
        grade=counted.grade,
        rule=counted.rule,
        active_ms=counted.active_ms,
        cycles=counted.cycles,
        is_chattering=counted.is_chattering,
        incident=incident.id,
        hidden_by="",
        hidden_until_ms=None,
        hidden_raises=0,
    )
    realarm_later(turn, kept)
    told = JOINED[candidate.reason] if candidate and reason is Reason.JOINED else reason
    is_silent = reason is Reason.JOINED or finding.lane == "historical"
    if not is_silent and reason is not Reason.LOCATED:
        incident = turn.call(incident, reason, finding, is_news=True)
    elif reason not in ADDED:
        # What only back-filled readings know calls nobody, and is not forgotten.
        incident = msgspec.structs.replace(incident, review=True, unseen_ms=turn.now_ms)
    saved = turn.keep_incident(incident, told)
    note = f"{candidate.rule} {candidate.hypothesis}".strip() if candidate else ""
    turn.record(saved, ROUTER, told, note=note)
    if not is_silent:
        at_ms = max(finding.at_ms, excursions.on_at_ms(finding))
        is_first = before is None or before.told is None
        # Alone it is a function of its finding; together with another incident it is not.
        is_alone = candidate is None and reason is not Reason.LOCATED
        revision = 0 if is_alone else saved.revision
        turn.effects.append(Tell(saved.id, finding, reason, at_ms, revision, is_first))
    return excursion


def _raising(alarm: Alarm, reason: Reason) -> Change:
    """What a raise in sight is to an alarm in its state."""
    if alarm.state == "suppressed":
        return Change.SHOW  # It goes beyond what its window hides.
    if alarm.state == "out-of-service":
        return Change.RESTORE  # Lives depend on its rule, and nobody has agreed to that.
    is_added = reason in ADDED and alarm.state != "shelved"
    return Change.RAISE if is_added else Change.REALARM


def _note_oddities(
    turn: Turn, alarm: Alarm, excursion: Excursion, incident: Incident | None
) -> None:
    """What breaks out of hiding, and the beginning of chatter, is written down."""
    if alarm.state == "out-of-service":
        turn.record(incident, ROUTER, Reason.RESTORED, alarm=alarm, note=alarm.hidden_by)
    if alarm.state == "shelved":
        turn.record(incident, ROUTER, Reason.SHELF_BROKEN, alarm=alarm, note=alarm.hidden_by)
    if not alarm.is_chattering and _counted(turn, alarm, excursion).is_chattering:
        turn.record(incident, ROUTER, Reason.CHATTERING, alarm=alarm)


def realarm_later(turn: Turn, alarm: Alarm) -> None:
    """An acknowledged alarm that goes on standing needs a human again, where its rule says so."""
    after_s = turn.policy.treatment(alarm.rule).realarm_s
    if after_s and alarm.state == "acknowledged" and alarm.incident:
        due_ms = turn.now_ms + round(after_s * 1000)
        turn.schedule("realarm", alarm.key, alarm.zone, due_ms)


def related(turn: Turn, alarm: Alarm, finding: Finding) -> tuple[Incident | None, Candidate | None]:
    """The incident elsewhere to which a finding belongs, and why."""
    correlator = turn.policy.correlator
    if correlator is None or finding.hazard in SELF_CLOSING:
        return None, None
    near = turn.slice.live_at(correlator.reach(finding))
    near = [one for one in near if one.drill == alarm.drill and one.hazard not in SELF_CLOSING]
    if not near:
        return None, None
    members = {one.id: turn.slice.members(one.id) for one in near}
    found = correlator.candidates(finding, near, turn.now_ms, members=members)
    best = next(iter(found), None)
    return (None, None) if best is None else (turn.slice.incidents[best.incident], best)


def _together(finding: Finding, candidate: Candidate | None) -> Finding:
    """The finding at the grade that it counts as together with the incident.

    A hypothesis may make it less grave too, such as biogas, or an effect of a load that is known;
    never what is of the top grade: the correlator offers none for that.
    """
    if candidate is None or candidate.grade is None:
        return finding
    return msgspec.structs.replace(finding, grade=candidate.grade)


def _join(
    turn: Turn, incident: Incident, alarm: Alarm, reason: Reason, candidate: Candidate | None
) -> Join:
    if candidate is None:
        return Join(incident.id, alarm.key, reason, turn.now_ms)
    return Join(
        incident.id,
        alarm.key,
        JOINED[candidate.reason],
        turn.now_ms,
        candidate.rule,
        candidate.hypothesis,
        candidate.distance_m,
    )


def admit(
    turn: Turn, incident: Incident | None, excursion: Excursion, finding: Finding
) -> tuple[Reason, Incident]:
    """The incident with this excursion in it, and what that meant.

    ``finding`` is the excursion's, perhaps at a graver grade.
    """
    told = None if finding.lane == "historical" else finding.grade
    if incident is None:
        return Reason.OPENED, opened(turn, excursion, finding, told)
    if not incident.is_active:
        event, reason = Event.RECUR, Reason.REOPENED
    elif told is not None and (incident.told is None or told < incident.told):
        event, reason = Event.WORSEN, Reason.WORSENED
    elif told is not None and incident.lead.lane == "historical":
        # Back-filled readings re-opened it in silence; the last that was told is "returned".
        event, reason = Event.WORSEN, Reason.REOPENED
    elif told is not None and locates(incident.lead, finding):
        event, reason = Event.JOIN, Reason.LOCATED
    else:
        event, reason = Event.JOIN, Reason.JOINED
    is_new = event is Event.RECUR
    is_silent = event is Event.JOIN or told is None
    incident = _with_first(incident, excursion)
    return reason, raised(
        incident,
        event,
        grade=finding.grade if is_new else min(incident.grade, finding.grade),
        told=incident.told if is_silent else told,
        lead=incident.lead if reason is Reason.JOINED else finding,
    )


def locates(lead: Finding, finding: Finding) -> bool:
    """Whether it says where that which leads is, and nobody has; it must be as grave."""
    knows = bool(finding.detail and finding.detail.candidates)
    knew = bool(lead.detail and lead.detail.candidates)
    is_same = (finding.asset, finding.hazard) == (lead.asset, lead.hazard)
    return knows and not knew and is_same and finding.grade <= lead.grade


def raised(
    incident: Incident, event: Event, *, grade: int, told: int | None, lead: Finding
) -> Incident:
    """The incident after an event that may open it to people again; verdict and task are kept."""
    phase = incidents.advance(incident.phase, event, incidents.taken(incident))
    assert phase is not None, (incident.id, incident.phase, event)
    is_taken = phase in incidents.TAKEN
    return msgspec.structs.replace(
        incident,
        phase=phase,
        grade=grade,
        told=told,
        lead=lead,
        is_active=True,
        calm_ms=None,
        acknowledged_by=incident.acknowledged_by if is_taken else "",
        acknowledged_ms=incident.acknowledged_ms if is_taken else None,
        last_actor=ROUTER,
    )


def _with_first(incident: Incident, excursion: Excursion) -> Incident:
    """First-out: the earliest of all, in whatever order they were heard of."""
    onset_ms = excursion.finding.onset_ms
    if (onset_ms, excursion.id) >= (incident.first_ms, incident.first_out):
        return incident
    return msgspec.structs.replace(incident, first_out=excursion.id, first_ms=onset_ms)


def opened(turn: Turn, excursion: Excursion, finding: Finding, told: int | None) -> Incident:
    """The next episode of the place, before its first revision is kept."""
    place = (finding.asset, finding.hazard, finding.drill)
    return Incident(
        id=incidents.incident_id(excursion.id),
        asset=finding.asset,
        hazard=finding.hazard,
        drill=finding.drill,
        episode=turn.slice.episodes.get(place, 0) + 1,
        phase="open",
        zone=finding.zone,
        lifeline=finding.lifeline,
        grade=finding.grade,
        told=told,
        lane=finding.lane,
        lead=finding,
        onset_ms=finding.onset_ms,
        opened_ms=turn.now_ms,
        updated_ms=turn.now_ms,
        is_active=True,
        revision=0,
        last_actor=ROUTER,
        unseen_ms=turn.now_ms,
        first_out=excursion.id,
        first_ms=finding.onset_ms,
    )


def surface(turn: Turn, alarm: Alarm, change: Change, reason: Reason) -> Incident:
    """An alarm whose condition stands needs a human again; returns its incident.

    It was hidden, or acknowledged for longer than its rule allows.
    """
    excursion = excursions.leading(turn.slice.active_of(alarm.key))
    assert excursion is not None, "a condition stands"
    finding = excursion.finding
    before, candidate = turn.slice.incident_for(alarm), None
    if before is None:
        before, candidate = related(turn, alarm, finding)
    finding = _together(finding, candidate)
    told = None if finding.lane == "historical" else finding.grade
    if before is None:
        incident, reason = opened(turn, excursion, finding, told), Reason.OPENED
    else:
        is_graver = told is not None and (before.told is None or told < before.told)
        incident = raised(
            _with_first(before, excursion),
            Event.SURFACE,
            grade=min(before.grade, finding.grade),
            told=told if is_graver else before.told,
            lead=finding if is_graver else before.lead,
        )
    for one in turn.slice.active_of(alarm.key):
        turn.keep(one, incident=incident.id)
    if alarm.incident != incident.id:
        turn.effects.append(_join(turn, incident, alarm, Reason.JOINED, candidate))
    state = alarms.advance(alarm.state, change)
    assert state is not None, (alarm.key, alarm.state, change)
    turn.keep_alarm(
        alarm,
        state=state,
        incident=incident.id,
        hidden_by="",
        hidden_until_ms=None,
        hidden_raises=0,
        grade=min(e.finding.grade for e in turn.slice.active_of(alarm.key)),
    )
    turn.cancel("quiet", incident.id)
    incident = turn.call(incident, reason, finding, is_news=before is None)
    kept = turn.keep_incident(incident, reason)
    turn.record(kept, ROUTER, reason, alarm=alarm)
    if before is None and told is not None:
        at_ms = max(finding.at_ms, excursions.on_at_ms(finding))
        turn.effects.append(Tell(kept.id, finding, reason, at_ms, 0, is_first=True))
    elif reason is not Reason.REALARMED:
        turn.tell(kept, Reason.SURFACED)
    return kept
