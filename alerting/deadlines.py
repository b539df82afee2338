"""Times that have come: delays, shelves, windows, reminders, escalations, progress.  Pure.

A deadline is a row and says only where to look again: what is to be done follows from how things
stand then, so that one that comes late, or twice, does no harm.
"""

import msgspec

from alerting import incidents, leaving, shelving, spans
from alerting.alarms import Change
from alerting.incidents import Event, Incident, Reason
from alerting.joining import activate, surface
from alerting.slices import Deadline, End, Page
from alerting.support import escalate_later
from alerting.turn import ROUTER, Turn


def meet(turn: Turn, kind: Deadline, subject: str) -> None:
    """What has to be done now that it is time."""
    match kind:
        case "delay":
            _delay(turn, subject)
        case "realarm":
            _realarm(turn, subject)
        case "shelf":
            _shelf(turn, subject)
        case "window":
            window = turn.slice.windows.get(subject)
            if window is not None and window.ended_ms is None:
                spans.expire(turn, window)
        case _:
            incident = turn.slice.incidents.get(subject)
            if incident is not None:
                _of_incident(turn, kind, incident)


def _delay(turn: Turn, name: str) -> None:
    excursion = turn.slice.excursions.get(name)
    if excursion is None or excursion.due_ms is None or excursion.due_ms > turn.now_ms:
        return
    if excursion.stage == "pending":
        activate(turn, excursion)
    else:
        assert excursion.stage == "leaving", (name, excursion.stage)
        leaving.end(turn, excursion)


def _realarm(turn: Turn, key: str) -> None:
    alarm = turn.slice.alarms.get(key)
    if alarm is not None and alarm.state == "acknowledged" and alarm.incident:
        surface(turn, alarm, Change.REALARM, Reason.REALARMED)


def _shelf(turn: Turn, key: str) -> None:
    alarm = turn.slice.alarms.get(key)
    if alarm is None or alarm.state != "shelved" or alarm.hidden_until_ms is None:
        return
    if alarm.hidden_until_ms <= turn.now_ms:
        shelving.expire(turn, alarm)


def _of_incident(turn: Turn, kind: Deadline, incident: Incident) -> None:
    if kind == "archive":
        _archive(turn, incident)
        return
    if not incident.is_live:
        return
    match kind:
        case "fall":
            leaving.ease(turn, incident)
        case "remind":
            _remind(turn, incident)
        case "escalate":
            _escalate(turn, incident)
        case "progress":
            _progress(turn, incident)
        case "quiet":
            if incident.phase == "watching":
                turn.keep_incident(incident, Reason.QUIET)
        case "undo":
            turn.effects.append(End(incident.id, Reason.ACKNOWLEDGED, held_only=True))
        case _:
            assert kind == "receipt", kind
            _page(turn, incident, "unsigned", incident.step, Reason.UNSIGNED)


def _archive(turn: Turn, incident: Incident) -> None:
    phase = incidents.advance(incident.phase, Event.ARCHIVE)
    if phase is not None:
        kept = turn.keep_incident(
            msgspec.structs.replace(incident, phase=phase, last_actor=ROUTER), Reason.ARCHIVED
        )
        turn.record(kept, ROUTER, Reason.ARCHIVED)


def _page(turn: Turn, incident: Incident, kind: str, step: int, reason: Reason) -> bool:
    """Calls people, or puts it on the list where it is not grave enough to call them now.

    What nobody has taken does not stay there: it calls when offices are open.
    """
    if not turn.policy.may_page(incident.grade, turn.now_ms):
        if not incident.review:
            listed = msgspec.structs.replace(incident, review=True, last_actor=ROUTER)
            turn.record(turn.keep_incident(listed, Reason.REVIEW), ROUTER, Reason.REVIEW)
        if incident.phase == "open":
            turn.wait_for_offices(incident)
        return False
    page = Page(
        incident=incident.id,
        revision=incident.revision,
        grade=incident.grade,
        step=step,
        kind=kind,  # type: ignore[arg-type]
        reason=reason,
        at_ms=turn.now_ms,
        finding=incident.lead,
    )
    turn.effects.append(page)
    turn.record(incident, ROUTER, reason, action="page", note=str(step))
    return True


def _remind(turn: Turn, incident: Incident) -> None:
    if incident.phase != "open":
        return
    if incident.review and not turn.policy.is_top(incident.grade):
        if turn.policy.may_page(incident.grade, turn.now_ms):
            _begin_to_wait(turn, incident)
        else:
            turn.wait_for_offices(incident)
        return
    clocks = turn.policy.clocks_for(incident.grade)
    is_paged = _page(turn, incident, "remind", incident.step, Reason.REMINDED)
    if is_paged and not clocks.escalate_s and clocks.remind_s is not None:
        # Nobody else is called after him: he is reminded until he answers.
        turn.due_in("remind", incident, clocks.remind_s * turn.haste(incident))


def _begin_to_wait(turn: Turn, incident: Incident) -> None:
    """Offices have opened on what was listed meanwhile: whoever is there now is called."""
    called = turn.call(incident, Reason.REMINDED, incident.lead, is_news=False)
    kept = turn.keep_incident(msgspec.structs.replace(called, last_actor=ROUTER), Reason.REMINDED)
    turn.record(kept, ROUTER, Reason.REMINDED, action="page", note="0")


def _escalate(turn: Turn, incident: Incident) -> None:
    if incident.phase != "open":
        return
    times = turn.policy.clocks_for(incident.grade).escalate_s
    step = incident.step + 1
    if not times or not turn.policy.may_page(incident.grade, turn.now_ms):
        _page(turn, incident, "escalate", step, Reason.ESCALATED)
        return
    stepped = msgspec.structs.replace(incident, step=step, last_actor=ROUTER)
    kept = turn.keep_incident(stepped, Reason.ESCALATED)
    _page(turn, kept, "escalate", step, Reason.ESCALATED)
    escalate_later(turn, kept)


def _progress(turn: Turn, incident: Incident) -> None:
    if incident.phase not in incidents.TAKEN:
        return
    step = incident.step + 1
    if not turn.policy.may_page(incident.grade, turn.now_ms):
        _page(turn, incident, "progress", step, Reason.NO_PROGRESS)
        return
    stepped = msgspec.structs.replace(incident, step=step, last_actor=ROUTER)
    kept = turn.keep_incident(stepped, Reason.NO_PROGRESS)
    _page(turn, kept, "progress", step, Reason.NO_PROGRESS)
    turn.watch_progress(kept)
