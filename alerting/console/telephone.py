"""The page on which an officer takes a call, and where its forms lead.  Pure."""

from alerting.console import boards, pages, views
from alerting.console.doors import calls
from alerting.console.gate import page
from alerting.console.records import Records
from alerting.console.sessions import ACTORS
from alerting.console.visit import Answer, Problem, Visit, redirect
from alerting.hotline.calls import Heard, Taken


def form(_: Records, visit: Visit) -> Answer:
    """GET /calls."""
    assert visit.session is not None
    kinds = visit.site.wording.tables.call
    return page(
        visit,
        "calls.html",
        kinds=[(one.kind, views.title(one.title, one.kind, visit.language)) for one in kinds],
        zones=boards.zones_of(visit),
        # Sent twice, the form is one call: it bears the moment at which it was opened.
        heard_ms=visit.pulse.now_ms,
        may_act=visit.session.role in ACTORS,
    )


def take(records: Records, visit: Visit) -> Answer:
    """POST /calls: to the incident."""
    given = visit.call.form
    position = _position(given.get("position", ""))
    heard = given.get("heard", "")
    if not (heard.isascii() and heard.isdigit() and len(heard) < 16):
        raise Problem(400)
    said = given.get("said", "").replace("\r\n", "\n").strip()
    if not said:
        raise Problem(400, "problem.note-missing")
    ticket = given.get("ticket", "").strip()
    if not (ticket == "" or (ticket.isascii() and ticket.replace("-", "").isalnum())):
        raise Problem(400, "call.ticket-wrong", said)
    done = calls.taken(
        records,
        visit,
        Heard(
            kind=given.get("kind", "")[:64],
            said=said[:500],
            asset=given.get("asset", "").strip()[:128],
            zone=given.get("zone", "")[:128],
            position=position,
            ticket=ticket[:64],
            heard_ms=int(heard),
        ),
    )
    return _to(done)


def _position(given: str) -> tuple[float, float] | None:
    """Longitude and latitude as people write them, with a comma or a space between."""
    parts = given.replace("，", ",").replace(",", " ").split()
    if not parts:
        return None
    try:
        longitude, latitude = (float(part) for part in parts)
    except ValueError as error:
        raise Problem(400, "call.position-wrong") from error
    if not (abs(longitude) <= 180 and abs(latitude) <= 90):
        raise Problem(400, "call.position-wrong")
    return longitude, latitude


def end(records: Records, visit: Visit) -> Answer:
    """POST /incidents/{id}/end-call."""
    row = pages.load(records, visit)
    note = pages.checked_note("close", visit.call.form.get("note", ""))
    return _to(calls.ended(records, visit, row.summary.id, note))


def _to(done: Taken) -> Answer:
    return redirect(f"/incidents/{done.incident}")
