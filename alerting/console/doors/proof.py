"""What can be shown later: an incident's audit, its evidence, figures, dead letters.  Pure."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from alerting.console import pages
from alerting.console.documents import ID, Door, parameter
from alerting.console.doors import acting, shown
from alerting.console.doors.acting import Confirmed, NoteBody
from alerting.console.records import Records
from alerting.console.sessions import ACTORS
from alerting.console.visit import Answer, Problem, Visit, as_json
from alerting.kpi import report
from alerting.kpi.report import Dimension, Report
from lifeline import words

ZIP, CSV = "application/zip", "text/csv; charset=utf-8"
DAYS = 7
DAYS_MAX = 400


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an incident's chain."""

    number: int
    at_ms: int
    written_us: int
    actor: str
    second: str
    action: str
    reason: str
    note: str
    channel: str
    revision: int
    alarm: str
    detail: str
    hash: str
    """SHA-256 of the line and of the one before it."""
    seal: int | None
    """The seal whose head it is, where one has been made of it."""


class AuditList(msgspec.Struct, frozen=True):
    """An incident's audit, the oldest first; a seal covers every line up to its own."""

    incident: str
    entries: tuple[AuditEntry, ...]


class KpiQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By what, and of which days of the city; ``until`` is not part of it."""

    by: Dimension = "lifeline"
    since: Annotated[str, Meta(max_length=10)] = ""
    until: Annotated[str, Meta(max_length=10)] = ""


class LetterList(msgspec.Struct, frozen=True):
    """Notices that their receivers refused, the newest first."""

    now_ms: int
    letters: list[shown.NoticeView]


def audit(records: Records, visit: Visit) -> Answer:
    """GET /api/v1/incidents/{id}/audit."""
    row = pages.load(records, visit)
    found = records.proof.chain(row.summary.id)
    entries = tuple(
        AuditEntry(
            number=one.number,
            at_ms=one.line.at_ms,
            written_us=one.written_us,
            actor=one.line.actor,
            second=one.line.second,
            action=one.line.action,
            reason=one.line.reason,
            note=one.line.note,
            channel=one.line.channel,
            revision=one.line.revision,
            alarm=one.line.alarm,
            detail=one.line.detail,
            hash=one.hash.hex(),
            seal=found.seals.get(one.number),
        )
        for one in found.entries
    )
    return as_json(AuditList(row.summary.id, entries))


def evidence(records: Records, visit: Visit) -> Answer:
    """POST /api/v1/incidents/{id}/evidence: the shell makes the package when this is allowed."""
    acting.read(visit, NoteBody)
    assert visit.session is not None
    name, who = pages.load(records, visit).summary.id, visit.session.name
    saved = ("Content-Disposition", f'attachment; filename="evidence-{name}.zip"')
    key = acting.key_of(visit)
    if key:
        digest = acting.digest_of(visit)
        found = records.recall(who, key, digest)
        if found is not None and found.digest != digest:
            raise Problem(422, "problem.key-reused")
        if found is not None and found.status:
            return Answer(200, found.body, ZIP, (saved, ("X-Content-SHA256", found.etag)))
    return Answer(200, b"", ZIP, (saved,), package=name, by=who, key=key)


def _figures(records: Records, visit: Visit) -> Report:
    asked = acting.asked(visit, KpiQuery)
    zone = visit.site.zone
    today = datetime.fromtimestamp(visit.pulse.now_ms / 1000, UTC).astimezone(zone).date()
    until = _day("until", asked.until) if asked.until else today + timedelta(days=1)
    since = _day("since", asked.since) if asked.since else until - timedelta(days=DAYS)
    if not 0 < (until - since).days <= DAYS_MAX:
        raise Problem(422, detail=f"since: before until, and at most {DAYS_MAX} days")
    begin, end = (
        datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() for day in (since, until)
    )
    return records.proof.figures(asked.by, round(begin * 1000), round(end * 1000))


def _day(name: str, written: str) -> date:
    try:
        day = date.fromisoformat(written)
    except ValueError as error:
        raise Problem(422, detail=f"{name}: a day like 2026-11-30") from error
    if not 2000 <= day.year <= 2999:
        raise Problem(422, detail=f"{name}: a day between 2000 and 2999")
    return day


def kpi(records: Records, visit: Visit) -> Answer:
    """GET /api/v1/kpi."""
    return as_json(_figures(records, visit))


def kpi_sheet(records: Records, visit: Visit) -> Answer:
    """GET /api/v1/kpi.csv."""
    made = report.as_csv(_figures(records, visit))
    saved = 'attachment; filename="kpi.csv"'
    return Answer(200, made.encode(), CSV, (("Content-Disposition", saved),))


def letters(records: Records, visit: Visit) -> Answer:
    """GET /api/v1/letters."""
    made = [shown.notice(one) for one in records.board.letters()]
    return as_json(LetterList(visit.pulse.now_ms, made))


def send_again(records: Records, visit: Visit, note: str = "") -> None:
    """Puts the dead letter that the address names back in line; raises Problem."""
    assert visit.session is not None
    number = visit.call.params["id"]
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        raise Problem(404)
    done = records.board.resend(int(number), visit.session.name, note)
    if done == "unknown":
        raise Problem(404)
    if done == "taken":
        why = words.refusal("taken-since", visit.language)
        raise Problem(409, "problem.409.refused", note, why=why)


def resend(records: Records, visit: Visit) -> Answer:
    """POST /api/v1/letters/{id}/resend."""
    send_again(records, visit, acting.read(visit, NoteBody).note)
    return as_json(Confirmed("resent", visit.say("letters.resent")))


SPAN = (
    parameter("query", "by", "What the figures are of.", enum=list(report.DIMENSIONS),
              default="lifeline"),
    parameter("query", "since", "The first day; without, a week before the end.", maxLength=10),
    parameter("query", "until", "The day after the last; without, today is the last.",
              maxLength=10),
)  # fmt: skip
NUMBER = parameter("path", "id", "Its `id` in the list.", required=True, minLength=1, maxLength=32)
DOORS: tuple[Door, ...] = (
    Door(method="GET", path="/incidents/{id}/audit", name="audit", handler=audit,
         shown=AuditList, parameters=(ID,), summary="Who did what, chained and sealed."),
    Door(method="POST", path="/incidents/{id}/evidence", name="evidence", handler=evidence,
         roles=ACTORS, media=ZIP, body=NoteBody, parameters=(ID,),
         summary="Everything about an incident as one file that proves itself."),
    Door(method="GET", path="/kpi", name="kpi", handler=kpi, shown=Report, parameters=SPAN,
         summary="The figures of the alarm system."),
    Door(method="GET", path="/kpi.csv", name="kpi-sheet", handler=kpi_sheet, media="text/csv",
         parameters=SPAN, summary="The same for a spreadsheet."),
    Door(method="GET", path="/letters", name="letters", handler=letters, shown=LetterList,
         summary="Notices that their receivers refused."),
    Door(method="POST", path="/letters/{id}/resend", name="resend", handler=acting.once(resend),
         roles=ACTORS, shown=Confirmed, body=NoteBody, parameters=(NUMBER,),
         summary="Put one of them back in line, under its old key."),
)  # fmt: skip
