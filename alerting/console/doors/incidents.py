"""Incidents for programs: the queue, one of them, its evidence, what is done with it.  Pure."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from alerting.actions import Act, Action
from alerting.board.rows import Sift
from alerting.console import following, pages, refusals
from alerting.console.documents import AFTER, ID, LIMIT, MATCH, MAY_MATCH, Door, parameter
from alerting.console.doors import acting, shown
from alerting.console.doors.acting import Name, NoteBody, Said
from alerting.console.gate import Handler
from alerting.console.records import Records
from alerting.console.sessions import ACTORS, VIEWERS, Role
from alerting.console.visit import Answer, Problem, Visit, as_json
from alerting.incidents import LIVE, Verdict
from alerting.incidents import TRANSITIONS as PHASES
from lifeline import words

MANY = 200


class ListQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a list may be narrowed by."""

    phase: Annotated[str, Meta(max_length=128)] = ""
    """Phases with commas between; without, all but those that have ended."""
    lifeline: Annotated[str, Meta(max_length=128)] = ""
    grade: Annotated[str, Meta(max_length=32)] = ""
    desk: Annotated[str, Meta(max_length=64)] = ""
    review: bool | None = None
    text: Annotated[str, Meta(max_length=128)] = ""
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    after: Annotated[str, Meta(max_length=600)] = ""


class AcknowledgeBody(NoteBody, frozen=True, forbid_unknown_fields=True):
    """What is said while taking it; may stay empty."""


class VerifyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What it is, and why one thinks so."""

    verdict: Verdict
    code: Name
    """One of the codes of that verdict."""
    note: Said = ""


class DispatchBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who goes, and what for."""

    task: Said
    person: Annotated[str, Meta(max_length=128)]
    note: Said = ""


class CloseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why it is closed; with what it was, where nobody has said yet."""

    note: Said
    verdict: Verdict | None = None
    code: Name = ""
    override: bool = False
    """Although the evidence is missing: a second person must confirm it, and it is marked."""


class MergeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The incident that ends and goes on in this one."""

    other: Annotated[str, Meta(min_length=1, max_length=128)]
    note: Said = ""


class SplitBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The alarms that go on in an incident of their own."""

    alarms: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=MANY)]
    note: Said = ""


class SeenRevision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An incident, and the revision of it that was seen."""

    id: Annotated[str, Meta(min_length=1, max_length=128)]
    revision: Annotated[int, Meta(ge=0, lt=10**9)]


class ManyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Incidents that one takes in hand together, with one comment."""

    incidents: Annotated[tuple[SeenRevision, ...], Meta(min_length=1, max_length=MANY)]
    note: Said = ""


class ActionDone(msgspec.Struct, frozen=True):
    """What an action did, and the incident as it is then."""

    code: str
    said: str
    incident: shown.IncidentView
    proposal: str | None = None
    """What a second person must confirm before it is done."""


class OneOfMany(msgspec.Struct, frozen=True):
    """What became of one of several."""

    id: str
    done: bool
    code: str
    said: str
    incident: shown.IncidentView | None


class ManyDone(msgspec.Struct, frozen=True):
    """What became of each; those that were refused do not hinder the others."""

    done: int
    incidents: list[OneOfMany]


class CallBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to call in: a person of the roster."""

    person: Annotated[str, Meta(min_length=1, max_length=64)]


def listed(records: Records, visit: Visit) -> Answer:
    """GET /api/v1/incidents."""
    asked = acting.asked(visit, ListQuery)
    sift = narrowed(visit, asked)
    rows = records.board.queue(sift)
    after = rows[-1].summary.id if len(rows) == asked.limit else None
    views = [shown.incident(visit, one.summary, one) for one in rows]
    return as_json(shown.IncidentList(visit.pulse.now_ms, views, after))


def narrowed(visit: Visit, asked: ListQuery) -> Sift:
    """What a query means; raises Problem 422."""
    phases = tuple(phase for phase in PHASES if phase in asked.phase.split(","))
    if asked.phase and len(phases) != len(set(asked.phase.split(","))):
        raise Problem(422, detail=f"phase: {', '.join(PHASES)}")
    parts = [part for part in asked.grade.split(",") if part]
    if not all(part.isascii() and part.isdigit() and len(part) < 3 for part in parts):
        raise Problem(422, detail="grade: numbers with commas between")
    zones = None
    if asked.desk:
        roster = visit.site.roster
        if roster is None or asked.desk not in roster.desks:
            raise Problem(422, detail=f"desk: {asked.desk} is unknown")
        zones = following.zones_of(roster, visit, asked.desk)
    return Sift(
        phases=phases or LIVE,
        lifeline=asked.lifeline,
        grades=tuple(int(part) for part in parts),
        zones=zones,
        review=asked.review,
        text=asked.text.strip(),
        limit=asked.limit,
        after=asked.after,
    )


def one(records: Records, visit: Visit) -> Answer:
    """GET /api/v1/incidents/{id}."""
    row = pages.load(records, visit)
    etag = f'"{row.summary.revision}"'
    if visit.call.headers.get("if-none-match", "") == etag:
        return Answer(304, headers=(("ETag", etag),))
    summary, board = row.summary, records.board
    members = tuple(board.members(summary.id))
    queued = following.queued(records, summary)
    made = shown.IncidentDetail(
        now_ms=visit.pulse.now_ms,
        incident=shown.incident(visit, summary, queued),
        actions=following.actions(visit, summary, members),
        first_out=shown.first_out(row),
        reasons=shown.reasons(row),
        members=members,
        deadlines=tuple(board.deadlines(summary.id)),
        notices=[shown.notice(one) for one in row.notices],
        pages=tuple(board.told(summary.id)),
        people=tuple(records.crew.responders(summary.id)),
        proposals=tuple(board.proposals(summary.id)),
        history=shown.history(row),
        cases=row.cases,
        plan=following.plan(records, visit, summary),
        risk=following.risk(records, visit, summary),
    )
    return as_json(made, etag=etag)


def readings(records: Records, visit: Visit) -> Answer:
    """GET /api/v1/incidents/{id}/readings: the same that the picture shows."""
    row = pages.load(records, visit)
    from_ms, until_ms, made = pages.evidence_of(records, visit, row)
    series = [shown.Series(one.channel, one.unit, list(one.points)) for one in made]
    return as_json(shown.Evidence(from_ms, until_ms, series))


def act(action: Action, kind: type[msgspec.Struct]) -> Handler:
    """The handler of an action: on the revision in If-Match, once per Idempotency-Key."""

    def handler(records: Records, visit: Visit) -> Answer:
        body = acting.read(visit, kind)
        row = pages.load(records, visit)
        expected = acting.seen(visit)
        if action not in acting.UNSEEN:
            expected = acting.must_have_seen(visit)
        given = acting.act_of(
            visit,
            body,
            incident=row.summary.id,
            action=action,
            expected_revision=expected if action not in ("note", "support") else None,
            **_tidied(body),
        )
        pages.checked_note(action, given.note)
        outcome = acting.perform(records, visit, given)
        assert outcome.summary is not None
        done = ActionDone(
            outcome.code,
            refusals.said(outcome.code, visit.language),
            shown.incident(visit, outcome.summary, following.queued(records, outcome.summary)),
            outcome.proposal or None,
        )
        status = 202 if outcome.code == "proposed" else 200
        return as_json(done, status, etag=f'"{outcome.summary.revision}"')

    return acting.once(handler)


def _tidied(body: msgspec.Struct) -> dict[str, Any]:
    """What the engine wants otherwise than a program writes it."""
    return {"verdict": body.verdict or ""} if isinstance(body, CloseBody) else {}


def many(records: Records, visit: Visit) -> Answer:
    """POST /api/v1/incidents/acknowledge: several at once, each on the revision that was seen."""
    assert visit.session is not None
    body = acting.read(visit, ManyBody)
    acts = [
        Act(
            incident=seen.id,
            action="acknowledge",
            actor=visit.session.name,
            note=body.note.strip(),
            expected_revision=seen.revision,
            channel="api",
            seat=visit.seat,
        )
        for seen in {one.id: one for one in body.incidents}.values()
    ]
    outcomes = records.board.act(acts, visit.pulse.now_ms)
    results = [
        OneOfMany(
            act.incident,
            outcome.is_done,
            outcome.code,
            refusals.said(outcome.code, visit.language)
            if outcome.is_done
            else words.refusal(outcome.code, visit.language),
            None if outcome.summary is None else shown.incident(visit, outcome.summary),
        )
        for act, outcome in zip(acts, outcomes, strict=True)
    ]
    return as_json(ManyDone(sum(one.done for one in results), results))


class Stopped(msgspec.Struct, frozen=True):
    """How many of one's own pages will not be sent any more."""

    ended: int


class Called(msgspec.Struct, frozen=True):
    """How many pages were put in line."""

    pages: int


def stop_own(records: Records, visit: Visit) -> Answer:
    """POST /api/v1/incidents/{id}/stop-own: nobody needs to be called about what he knows."""
    assert visit.session is not None
    row = pages.load(records, visit)
    person = pages.person_of(visit)
    return as_json(Stopped(records.crew.stop_own(row.summary.id, person, "api")))


def call_in(records: Records, visit: Visit) -> Answer:
    """POST /api/v1/incidents/{id}/call: somebody of the roster, by hand."""
    assert visit.session is not None
    body = acting.read(visit, CallBody)
    row = pages.load(records, visit)
    who, now_ms = visit.session.name, visit.pulse.now_ms
    sent = records.crew.call_in(row.summary.id, body.person, who, now_ms, "api")
    if sent is None:
        raise Problem(
            422, detail=f"person: {body.person} is not in the roster, or not of its exercises"
        )
    return as_json(Called(sent))


FILTERS = (
    parameter("query", "phase", "Phases with commas between; without it all that live."),
    parameter("query", "lifeline", "One lifeline's name.", maxLength=128),
    parameter("query", "grade", "Grades with commas between.", maxLength=32),
    parameter("query", "desk", "What that desk sees.", maxLength=64),
    parameter("query", "review", "Only what waits for working hours, or what does not.",
              type="boolean"),
    parameter("query", "text", "In names, titles, hazards, people.", maxLength=128),
    LIMIT,
    AFTER,
)  # fmt: skip
ACTIONS: tuple[tuple[Action, type[msgspec.Struct], str, frozenset[Role]], ...] = (
    ("acknowledge", AcknowledgeBody, "Take an incident in hand.", ACTORS),
    ("undo", NoteBody, "Take one's own acknowledgement back, within seconds.", ACTORS),
    ("verify", VerifyBody, "Say what it is, and why.", ACTORS),
    ("dispatch", DispatchBody, "Send somebody with a task.", ACTORS),
    ("arrive", NoteBody, "Whoever was sent is there.", ACTORS),
    ("note", NoteBody, "Add a note.", VIEWERS),
    ("support", NoteBody, "Ask for support: the next people of the chain are called now.", ACTORS),
    ("prolong", NoteBody, "Give those who work on it more time, once, and say why.", ACTORS),
    ("close", CloseBody, "Close it, with a note that says why.", ACTORS),
    ("archive", NoteBody, "Put a closed incident away.", ACTORS),
    ("merge", MergeBody, "Let another incident go on in this one.", ACTORS),
    ("split", SplitBody, "Let alarms go on in an incident of their own.", ACTORS),
)
NOT_MODIFIED = {"304": "It is still at that revision."}
KNOWN = parameter("header", "If-None-Match", "The ETag of an earlier answer.")
DOORS: tuple[Door, ...] = (
    Door(method="GET", path="/incidents", name="incidents", handler=listed,
         summary="Incidents, the highest risk first.", shown=shown.IncidentList,
         parameters=FILTERS),
    Door(method="POST", path="/incidents/acknowledge", name="acknowledge-many",
         handler=acting.once(many), roles=ACTORS, shown=ManyDone, body=ManyBody,
         summary="Take several incidents in hand with one comment."),
    Door(method="GET", path="/incidents/{id}", name="incident", handler=one,
         summary="One incident with everything that is known of it.",
         shown=shown.IncidentDetail, parameters=(ID, KNOWN), also=NOT_MODIFIED),
    Door(method="GET", path="/incidents/{id}/readings", name="readings", handler=readings,
         summary="The evidence's readings.", shown=shown.Evidence,
         parameters=(ID, parameter("query", "window", "900, 3600, 86400 or now.", maxLength=8))),
    *(
        Door(method="POST", path=f"/incidents/{{id}}/{action}", name=action, roles=roles,
             handler=act(action, kind), summary=summary, shown=ActionDone, body=kind,
             parameters=(ID, MAY_MATCH if action in acting.UNSEEN else MATCH),
             more=ActionDone if action == "close" else None)
        for action, kind, summary, roles in ACTIONS
    ),
    Door(method="POST", path="/incidents/{id}/stop-own", name="stop-own",
         handler=acting.once(stop_own), shown=Stopped, parameters=(ID,),
         summary="End one's own pages of an incident, whoever has taken it."),
    Door(method="POST", path="/incidents/{id}/call", name="call-in",
         handler=acting.once(call_in), shown=Called, body=CallBody, parameters=(ID,),
         roles=ACTORS, summary="Call somebody in by hand."),
)  # fmt: skip
