"""The same doors for programs: JSON out, problem+json on refusal, the revision as ETag."""

import hashlib
import re
from typing import Annotated

import msgspec
from msgspec import Meta

from alerting.cases import Case
from alerting.console import details, pages, views
from alerting.console.gate import Handler
from alerting.console.records import Feed, Records
from alerting.console.visit import Answer, Problem, Visit, as_json
from alerting.desk.rows import AlarmRow, Detail, Summary
from alerting.engine import Action
from lifeline import words
from lifeline.model import Finding, Lane, Text

ETAG = re.compile(r'(?:W/)?"(\d{1,9})"')
KEY_MAX = 128
PHASES = ("open", "acknowledged", "watching", "closed")


class GradeView(msgspec.Struct, frozen=True):
    """A row of the grading table; level 1 is the gravest."""

    level: int
    zh: str
    en: str


class IncidentView(msgspec.Struct, frozen=True):
    """An incident as programs see it; times in unix ms."""

    id: str
    lifeline: str
    zone: str
    asset: str
    hazard: str
    episode: int
    phase: str
    grade: GradeView
    revision: int
    drill: bool
    lane: Lane
    """Of the finding that explains it; ``historical``: back-filled, nobody was told."""
    active: bool
    """Whether one of its alarms still stands."""
    alarms: int
    headline: Text
    onset_ms: int
    opened_ms: int
    updated_ms: int
    acknowledged_by: str | None
    acknowledged_ms: int | None
    closed_by: str | None
    closed_ms: int | None
    link: str


class IncidentList(msgspec.Struct, frozen=True):
    """What was asked for, and when the database answered."""

    now_ms: int
    incidents: list[IncidentView]
    after: str | None
    """What to ask for next, when there may be more."""


class Reason(msgspec.Struct, frozen=True):
    """A finding, and what it says in words."""

    sentence: Text
    finding: Finding


class NoticeView(msgspec.Struct, frozen=True):
    """One telling of the incident to one receiver, and whether it arrived."""

    target: str
    reason: str
    kind: str
    state: str
    attempts: int
    last_code: str
    delivered_ms: int | None
    key: str
    stage: str
    """With its receiver: waiting, sent, delivered, accepted, refused, seen."""


class EntryView(msgspec.Struct, frozen=True):
    """One step of the incident's history."""

    at_ms: int
    actor: str
    action: str
    reason: str
    note: str
    channel: str
    revision: int


class IncidentDetail(msgspec.Struct, frozen=True):
    """One incident with everything that is known of it."""

    now_ms: int
    incident: IncidentView
    reasons: list[Reason]
    alarms: tuple[AlarmRow, ...]
    notices: list[NoticeView]
    history: list[EntryView]
    cases: tuple[Case, ...] = ()
    """What it is in the systems of the city's management."""


class ActionDone(msgspec.Struct, frozen=True):
    """What an action did: ``acknowledged``, ``closed``, ``noted`` or ``noted-late``."""

    code: str
    incident: IncidentView


class Series(msgspec.Struct, frozen=True):
    """Readings of one channel: (unix ms, value or null, quality bits), oldest first."""

    channel: str
    unit: str
    points: list[tuple[int, float | None, int]]


class Evidence(msgspec.Struct, frozen=True):
    """The readings around an incident's onset."""

    from_ms: int
    until_ms: int
    series: list[Series]


class FeedList(msgspec.Struct, frozen=True):
    """How far the stored data of each lifeline reach."""

    now_ms: int
    stale_after_s: float
    feeds: list[Feed]


class SessionView(msgspec.Struct, frozen=True):
    """Who is signed in, and the token that changing requests carry as ``X-CSRF-Token``."""

    name: str
    role: str
    csrf: str


class NoteBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of an action."""

    note: Annotated[str, Meta(max_length=pages.NOTE_MAX)] = ""
    override: bool = False
    """Close although an alarm still stands; the history says so."""


class ListQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a list may be narrowed by."""

    phase: str = ""
    """Phases with commas between; without, all but closed."""
    lifeline: Annotated[str, Meta(max_length=128)] = ""
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    after: Annotated[str, Meta(max_length=128)] = ""
    lang: str = ""


def whoami(_: Records, visit: Visit) -> Answer:
    """GET /api/v1/session."""
    session = visit.session
    assert session is not None
    return as_json(SessionView(session.name, session.role, session.form))


def feeds(_: Records, visit: Visit) -> Answer:
    """GET /api/v1/feeds."""
    limit_s = visit.site.settings.console.stale_after_s
    return as_json(FeedList(visit.pulse.now_ms, limit_s, list(visit.pulse.feeds)))


def incidents(records: Records, visit: Visit) -> Answer:
    """GET /api/v1/incidents."""
    try:
        asked = msgspec.convert(dict(visit.call.query), ListQuery, strict=False)
    except msgspec.ValidationError as error:
        raise Problem(422, detail=str(error)) from error
    phases = tuple(asked.phase.split(",")) if asked.phase else PHASES[:3]
    if set(phases) - set(PHASES):
        raise Problem(422, detail=f"phase: {', '.join(PHASES)}")
    rows = records.incidents(phases, asked.lifeline, asked.limit, after=asked.after)
    after = rows[-1].id if len(rows) == asked.limit else None
    return as_json(IncidentList(visit.pulse.now_ms, [view(visit, one) for one in rows], after))


def incident(records: Records, visit: Visit) -> Answer:
    """GET /api/v1/incidents/{id}."""
    row = pages.load(records, visit)
    etag = f'"{row.summary.revision}"'
    if visit.call.headers.get("if-none-match", "") == etag:
        return Answer(304, headers=(("ETag", etag),))
    return as_json(_detail(visit, row), etag=etag)


def readings(records: Records, visit: Visit) -> Answer:
    """GET /api/v1/incidents/{id}/readings: the same that the picture shows."""
    row = pages.load(records, visit)
    from_ms, until_ms, made = pages.evidence_of(records, visit, row)
    series = [Series(one.channel, one.unit, list(one.points)) for one in made]
    return as_json(Evidence(from_ms, until_ms, series))


def act(action: Action) -> Handler:
    """The handler of an action: on the revision in If-Match, once per Idempotency-Key."""

    def handler(records: Records, visit: Visit) -> Answer:
        key = visit.call.headers.get("idempotency-key", "")
        if not key:
            return _act(records, visit, action)
        if len(key) > KEY_MAX:
            raise Problem(422, detail=f"Idempotency-Key: at most {KEY_MAX} characters")
        return _once(records, visit, action, key)

    return handler


def _once(records: Records, visit: Visit, action: Action, key: str) -> Answer:
    assert visit.session is not None
    asked = "\n".join((visit.call.path, visit.call.headers.get("if-match", "")))
    digest = hashlib.sha256(asked.encode() + b"\n" + visit.call.body).digest()
    kept = records.recall(visit.session.name, key, digest)
    if kept is None:
        # A refusal is not kept: the transaction that claimed the key goes with it.
        answer = _act(records, visit, action)
        etag = dict(answer.headers)["ETag"]
        records.keep(visit.session.name, key, answer.status, answer.body, etag)
        return answer
    if kept.digest != digest:
        raise Problem(422, "problem.key-reused")
    return Answer(kept.status, kept.body, "application/json", (("ETag", kept.etag),))


def _act(records: Records, visit: Visit, action: Action) -> Answer:
    try:
        body = msgspec.json.decode(visit.call.body or b"{}", type=NoteBody)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Problem(422, detail=str(error)) from error
    if "\0" in body.note:
        raise Problem(422, detail="note: holds a NUL")
    row = pages.load(records, visit)
    given = ETAG.fullmatch(visit.call.headers.get("if-match", ""))
    if action != "note" and given is None:
        raise Problem(428)
    note = pages.checked_note(action, body.note)
    expected = int(given[1]) if given else None
    outcome = pages.perform(
        records, visit, row.summary.id, action, note, expected, is_override=body.override
    )
    if not outcome.is_done or outcome.summary is None:
        problem = pages.refusal(visit, outcome)
        if outcome.code == "faster":
            problem.status = 412
        raise problem
    done = ActionDone(outcome.code, view(visit, outcome.summary))
    return as_json(done, etag=f'"{outcome.summary.revision}"')


def view(visit: Visit, one: Summary) -> IncidentView:
    """An incident as programs see it."""
    grade, catalog = views.grade_of(one.grade), visit.site.catalog
    return IncidentView(
        id=one.id,
        lifeline=one.lifeline,
        zone=one.zone,
        asset=one.asset,
        hazard=one.hazard,
        episode=one.episode,
        phase=one.phase,
        grade=GradeView(grade.level, grade.zh, grade.en),
        revision=one.revision,
        drill=one.drill,
        lane=one.lead.lane,
        active=one.is_active,
        alarms=one.alarms,
        headline=Text(views.headline(catalog, one, "zh"), views.headline(catalog, one, "en")),
        onset_ms=one.onset_ms,
        opened_ms=one.opened_ms,
        updated_ms=one.updated_ms,
        acknowledged_by=one.acknowledged_by or None,
        acknowledged_ms=one.acknowledged_ms or None,
        closed_by=one.closed_by or None,
        closed_ms=one.closed_ms or None,
        link=f"/incidents/{one.id}",
    )


def _detail(visit: Visit, row: Detail) -> IncidentDetail:
    return IncidentDetail(
        now_ms=visit.pulse.now_ms,
        incident=view(visit, row.summary),
        reasons=[
            Reason(Text(words.explain(one, "zh"), words.explain(one, "en")), one)
            for one in details.told(row)
        ],
        alarms=row.alarms,
        notices=[
            NoticeView(
                n.target,
                n.reason,
                n.kind,
                n.state,
                n.attempts,
                str(n.last_code or ""),
                n.delivered_ms or None,
                n.key,
                n.stage,
            )
            for n in row.notices
        ],
        history=[
            EntryView(e.at_ms, e.actor, e.action, e.reason, e.note, e.channel, e.revision)
            for e in row.audit
        ],
        cases=row.cases,
    )
