"""Shifts for programs: who is on duty now and next, and the hand-over of a desk.  Pure."""

from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import Meta

from alerting.console import duty, views
from alerting.console.documents import Door, parameter
from alerting.console.doors import acting
from alerting.console.doors.acting import Name, Said
from alerting.console.duty import DeskDuty
from alerting.console.gate import Handler
from alerting.console.records import Records
from alerting.console.sessions import ACTORS
from alerting.console.visit import Answer, Problem, Visit, as_json
from alerting.people import sheet as sheets
from alerting.people.handover import NOTES_MAX, Handover, ItemKind
from alerting.people.roster import Roster

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
Desk = Annotated[str, Meta(min_length=1, max_length=64)]


class DutyList(msgspec.Struct, frozen=True):
    """Who is on duty now and next, desk by desk."""

    now_ms: int
    desks: tuple[DeskDuty, ...]


class BeginBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which desk is handed over, and to whom."""

    desk: Desk
    incoming: Annotated[str, Meta(min_length=1, max_length=64)]
    notes: Annotated[str, Meta(max_length=NOTES_MAX)] = ""


class ItemBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One open item of the sheet."""

    kind: ItemKind
    subject: Name


class NotesBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The outgoing officer's own words."""

    notes: Annotated[str, Meta(max_length=NOTES_MAX)]


class HandoverView(msgspec.Struct, frozen=True):
    """One sheet, and what is left to be taken over."""

    handover: Handover
    left: tuple[tuple[ItemKind, str], ...]
    is_done: bool


class HandoverQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of which desk."""

    desk: Desk


class Empty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing needs to be said."""

    note: Said = ""


def on_duty(_: Records, visit: Visit) -> Answer:
    """GET /api/v1/roster."""
    now_ms = visit.pulse.now_ms
    roster = visit.site.roster
    desks = () if roster is None else duty.desks(roster, now_ms)
    return as_json(DutyList(now_ms, desks))


def roster_of(visit: Visit) -> Roster:
    """The roster; raises Problem 409 where there is none."""
    if visit.site.roster is None:
        raise Problem(409, "problem.no-roster")
    return visit.site.roster


def _shown(made: Handover) -> Answer:
    view = HandoverView(made, made.left(), made.is_done)
    return as_json(view, etag=f'"{made.revision}"')


def newest(records: Records, visit: Visit) -> Answer:
    """GET /api/v1/handovers: the desk's last sheet, signed or not."""
    asked = acting.asked(visit, HandoverQuery)
    found = records.crew.newest(asked.desk)
    if found is None:
        raise Problem(404)
    return _shown(found)


def one(records: Records, visit: Visit) -> Answer:
    """GET /api/v1/handovers/{id}."""
    return _shown(load(records, visit))


def load(records: Records, visit: Visit) -> Handover:
    """The sheet that the address names; raises Problem 404."""
    found = records.crew.sheet(visit.call.params["id"][:128])
    if found is None:
        raise Problem(404)
    return found


def done(visit: Visit, made: Handover | str | None) -> Handover:
    """What came of it; raises Problem with the sentence why not."""
    if made is None:
        raise Problem(404)
    if isinstance(made, str):
        raise Problem(409, "problem.409.refused", why=duty.refusal(made, visit.language))
    return made


def begun(records: Records, visit: Visit, desk: str, incoming: str, notes: str) -> Handover:
    """A new sheet of a desk, by whoever is signed in."""
    assert visit.session is not None
    roster = roster_of(visit)
    if desk not in roster.desks:
        raise Problem(422, detail=f"desk: {desk} is unknown")
    since_ms = duty.shift_since_ms(roster, desk, visit.pulse.now_ms)
    made = records.crew.begin(desk, visit.session.name, incoming, since_ms, notes)
    return done(visit, made)


def begin(records: Records, visit: Visit) -> Answer:
    """POST /api/v1/handovers."""
    body = acting.read(visit, BeginBody)
    return _shown(begun(records, visit, body.desk, body.incoming, body.notes))


def _changing(work: Callable[[Records, Visit, str, str], Handover | str | None]) -> Handler:
    def handler(records: Records, visit: Visit) -> Answer:
        assert visit.session is not None
        roster_of(visit)
        name = visit.call.params["id"][:128]
        return _shown(done(visit, work(records, visit, name, visit.session.name)))

    return acting.once(handler)


def _accept(records: Records, visit: Visit, name: str, who: str) -> Handover | str | None:
    body = acting.read(visit, ItemBody)
    item = (body.kind, body.subject)
    return records.crew.accept(name, who, (item,), visit.pulse.now_ms)


def _annotate(records: Records, visit: Visit, name: str, who: str) -> Handover | str | None:
    return records.crew.annotate(name, who, acting.read(visit, NotesBody).notes)


def _sign(records: Records, visit: Visit, name: str, who: str) -> Handover | str | None:
    acting.read(visit, Empty)
    return records.crew.sign(name, who, visit.pulse.now_ms)


def view(visit: Visit, made: Handover) -> sheets.SheetView:
    """The sheet in words."""

    def place(asset: str) -> str:
        return views.asset_title(visit.site.catalog, asset, visit.language)

    return sheets.view(made, roster_of(visit), [], visit.language, place)


def workbook(records: Records, visit: Visit) -> Answer:
    """GET /api/v1/handovers/{id}/sheet.xlsx."""
    made = load(records, visit)
    saved = f'attachment; filename="handover-{made.id}.xlsx"'
    return Answer(200, sheets.workbook(view(visit, made)), XLSX, (("Content-Disposition", saved),))


SHEET = parameter("path", "id", "The hand-over's id.", required=True, minLength=1, maxLength=128)
NO_ROSTER = {"409": "There is no roster."}
DOORS: tuple[Door, ...] = (
    Door(method="GET", path="/roster", name="roster", handler=on_duty, shown=DutyList,
         summary="Who is on duty now and next."),
    Door(method="GET", path="/handovers", name="newest-handover", handler=newest,
         shown=HandoverView, summary="A desk's last hand-over.",
         parameters=(parameter("query", "desk", "Which.", required=True, minLength=1,
                               maxLength=64),)),
    Door(method="POST", path="/handovers", name="begin-handover", handler=acting.once(begin),
         roles=ACTORS, shown=HandoverView, body=BeginBody, summary="Begin to hand a desk over."),
    Door(method="GET", path="/handovers/{id}", name="handover", handler=one,
         shown=HandoverView, parameters=(SHEET,), summary="One hand-over."),
    Door(method="GET", path="/handovers/{id}/sheet.xlsx", name="handover-sheet",
         handler=workbook, media=XLSX, parameters=(SHEET,), also=NO_ROSTER,
         summary="The sheet for a spreadsheet."),
    Door(method="POST", path="/handovers/{id}/accept", name="accept-item",
         handler=_changing(_accept), roles=ACTORS, shown=HandoverView, body=ItemBody,
         parameters=(SHEET,), summary="Take one open item over."),
    Door(method="POST", path="/handovers/{id}/notes", name="annotate-handover",
         handler=_changing(_annotate), roles=ACTORS, shown=HandoverView, body=NotesBody,
         parameters=(SHEET,), summary="Write the outgoing officer's notes."),
    Door(method="POST", path="/handovers/{id}/sign", name="sign-handover",
         handler=_changing(_sign), roles=ACTORS, shown=HandoverView, body=Empty,
         parameters=(SHEET,), summary="Sign; the incoming officer when nothing is left."),
)  # fmt: skip
