"""What programs see of incidents; times in unix ms.  Pure."""

import msgspec

from alerting.board.rows import DueRow, Member, Queued, Told, Wait
from alerting.cases import Case
from alerting.console import details, following, views
from alerting.console.records import Feed
from alerting.console.visit import Visit
from alerting.desk.rows import Detail, NoticeRow, Summary
from alerting.people.responders import Responder
from alerting.plans import Card
from alerting.risk import Risk
from lifeline import words
from lifeline.model import Finding, Lane, Text


class GradeView(msgspec.Struct, frozen=True):
    """A row of the grading table; level 1 is the gravest."""

    level: int
    zh: str
    en: str


class NextStep(msgspec.Struct, frozen=True):
    """What happens by itself if nobody does anything: when, and who is called."""

    kind: str
    due_ms: int
    persons: tuple[str, ...]


class IncidentView(msgspec.Struct, frozen=True, kw_only=True):
    """An incident as programs see it."""

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
    undo_until_ms: int | None
    """Until when the acknowledgement can be taken back."""
    verdict: str | None
    verdict_code: str | None
    verdict_by: str | None
    verdict_ms: int | None
    task: str | None
    person: str | None
    """Who was sent."""
    dispatched_ms: int | None
    arrived_ms: int | None
    prolonged: bool
    review: bool
    """Waits on the list for working hours."""
    closed_by: str | None
    closed_ms: int | None
    overridden: bool
    """Closed against the evidence; ``second`` confirmed it."""
    second: str | None
    merged_into: str | None
    link: str
    risk: float | None = None
    """0 to 100; the order of the queue."""
    next: NextStep | None = None


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


class NoticeView(msgspec.Struct, frozen=True, kw_only=True):
    """One telling of the incident to one receiver, and whether it arrived."""

    id: int
    incident: str
    target: str
    reason: str
    kind: str
    state: str
    stage: str
    """With its receiver: waiting, sent, delivered, accepted, refused, seen."""
    attempts: int
    last_code: str
    delivered_ms: int | None
    key: str


class EntryView(msgspec.Struct, frozen=True):
    """One step of the incident's history."""

    at_ms: int
    actor: str
    action: str
    reason: str
    note: str
    channel: str
    revision: int


class IncidentDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One incident with everything that is known of it."""

    now_ms: int
    incident: IncidentView
    actions: tuple[str, ...]
    """What the one who asks may do with it as it is."""
    first_out: Reason | None
    """The alarm that began first of all."""
    reasons: list[Reason]
    members: tuple[Member, ...]
    """Its alarms, and why each joined."""
    deadlines: tuple[DueRow, ...]
    notices: list[NoticeView]
    pages: tuple[Told, ...]
    people: tuple[Responder, ...]
    """Who was told, has seen it, has taken it."""
    proposals: tuple[Wait, ...]
    history: list[EntryView]
    cases: tuple[Case, ...]
    """What it is in the systems of the city's management."""
    plan: Card | None
    """What to do now."""
    risk: Risk


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


def incident(visit: Visit, one: Summary, queued: Queued | None = None) -> IncidentView:
    """An incident as programs see it."""
    grade = visit.site.grades.of(one.grade)
    step = None
    if queued is not None and queued.next_ms is not None:
        persons = following.persons(visit, one, queued.next_kind, queued.next_ms)
        step = NextStep(queued.next_kind, queued.next_ms, persons)
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
        headline=Text(views.headline(visit.site, one, "zh"), views.headline(visit.site, one, "en")),
        onset_ms=one.onset_ms,
        opened_ms=one.opened_ms,
        updated_ms=one.updated_ms,
        acknowledged_by=one.acknowledged_by or None,
        acknowledged_ms=one.acknowledged_ms,
        undo_until_ms=one.undo_ms,
        verdict=one.verdict or None,
        verdict_code=one.verdict_code or None,
        verdict_by=one.verdict_by or None,
        verdict_ms=one.verdict_ms,
        task=one.task or None,
        person=one.person or None,
        dispatched_ms=one.dispatched_ms,
        arrived_ms=one.arrived_ms,
        prolonged=one.prolonged,
        review=one.review,
        closed_by=one.closed_by or None,
        closed_ms=one.closed_ms,
        overridden=one.overridden,
        second=one.second or None,
        merged_into=one.merged_into or None,
        link=f"/incidents/{one.id}",
        risk=None if queued is None else queued.risk,
        next=step,
    )


def reasons(row: Detail) -> list[Reason]:
    """The findings that explain an incident, with their sentences."""
    return [reason(one) for one in details.told(row)]


def reason(finding: Finding) -> Reason:
    """A finding with its sentence."""
    return Reason(Text(words.explain(finding, "zh"), words.explain(finding, "en")), finding)


def first_out(row: Detail) -> Reason | None:
    """What began first, where it is still known."""
    found = next((f.finding for f in row.findings if f.id == row.summary.first_out), None)
    return None if found is None else reason(found)


def notice(one: NoticeRow) -> NoticeView:
    """One notice."""
    return NoticeView(
        id=one.id,
        incident=one.incident or "",
        target=one.target,
        reason=one.reason,
        kind=one.kind,
        state=one.state,
        stage=one.stage,
        attempts=one.attempts,
        last_code=str(one.last_code or ""),
        delivered_ms=one.delivered_ms,
        key=one.key,
    )


def history(row: Detail) -> list[EntryView]:
    """What was done, the oldest first."""
    return [
        EntryView(e.at_ms, e.actor, e.action, e.reason, e.note, e.channel, e.revision)
        for e in row.audit
    ]
