"""Calls for programs: taken as incidents, ended when somebody has looked.  Pure."""

import msgspec

from alerting.console.documents import ID, Door
from alerting.console.doors import acting, shown
from alerting.console.doors.acting import Said
from alerting.console.records import Records
from alerting.console.sessions import ACTORS
from alerting.console.visit import Answer, Problem, Visit, as_json
from alerting.hotline.calls import REFUSED, Heard, Taken
from lifeline import words


class EndCallBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was found where the caller smelled or saw it."""

    note: Said


class CallDone(msgspec.Struct, frozen=True):
    """What became of a call, and its incident as it is then."""

    code: str
    said: str
    incident: shown.IncidentView


def _way(visit: Visit) -> str:
    """By which way it came, for the audit."""
    return "api" if visit.call.is_api else "console"


def taken(records: Records, visit: Visit, heard: Heard) -> Taken:
    """The call, with its incident; raises Problem with the sentence why it is none."""
    assert visit.session is not None
    now_ms, who = visit.pulse.now_ms, visit.session.name
    done = records.city.call(heard, who, _way(visit), now_ms)
    if done.code in REFUSED:
        raise Problem(422, "problem.409.refused", why=words.refusal(done.code, visit.language))
    return done


def ended(records: Records, visit: Visit, incident: str, note: str) -> Taken:
    """What the calls of an incident told of has been looked at; raises Problem why not."""
    assert visit.session is not None
    now_ms, who = visit.pulse.now_ms, visit.session.name
    done = records.city.end_calls(incident, who, note, _way(visit), now_ms)
    match done.code:
        case "unknown":
            raise Problem(404)
        case "needs-note":
            raise Problem(400, "problem.note-missing")
        case "no-call":
            why = words.refusal(done.code, visit.language)
            raise Problem(409, "problem.409.refused", note, why=why)
    return done


def take(records: Records, visit: Visit) -> Answer:
    """POST /api/v1/calls."""
    return _answer(records, visit, taken(records, visit, acting.read(visit, Heard)))


def end(records: Records, visit: Visit) -> Answer:
    """POST /api/v1/incidents/{id}/end-call."""
    body = acting.read(visit, EndCallBody)
    note = body.note.replace("\r\n", "\n").strip()
    return _answer(records, visit, ended(records, visit, visit.call.params["id"][:128], note))


def _answer(records: Records, visit: Visit, done: Taken) -> Answer:
    row = records.incident(done.incident)
    assert row is not None, done
    said = words.reason(done.code, visit.language)
    view = shown.incident(visit, row.summary)
    return as_json(CallDone(done.code, said, view), etag=f'"{row.summary.revision}"')


DOORS: tuple[Door, ...] = (
    Door(method="POST", path="/calls", name="call", handler=acting.once(take), roles=ACTORS,
         body=Heard, shown=CallDone,
         summary="Take a call: it opens an incident, or joins the one that it belongs to."),
    Door(method="POST", path="/incidents/{id}/end-call", name="end-call",
         handler=acting.once(end), roles=ACTORS, body=EndCallBody, shown=CallDone,
         parameters=(ID,),
         summary="What its calls told of has been looked at on site: they stand no more."),
)  # fmt: skip
