"""Exercises, rules and work orders for programs.  Pure."""

from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from alerting.console import pages
from alerting.console.documents import ID, Door, parameter
from alerting.console.doors import acting
from alerting.console.doors.acting import Confirmed, NoteBody
from alerting.console.gate import Handler
from alerting.console.records import Records
from alerting.console.sessions import ACTORS
from alerting.console.visit import Answer, Problem, Visit, as_json
from alerting.drill.report import DrillReport
from alerting.drill.running import Drill
from alerting.drill.running import Refusal as Hindered
from alerting.drill.scenarios import MINUTES_MAX
from alerting.rules import versions, words
from alerting.rules.moves import MOVES_MAX, Move
from alerting.rules.versions import Change, Refusal, Ruleset, Step, Version
from alerting.work import orders
from alerting.work.kept import Listed, Taken
from alerting.work.orders import Order, Written

NUMBER_MAX = 2**31
API = "api"


class DrillList(msgspec.Struct, frozen=True):
    """The exercise that runs, and those before it."""

    now_ms: int
    running: Drill | None
    drills: tuple[Drill, ...]


class DrillBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be played, and for how long; without minutes its own time."""

    scenario: Annotated[str, Meta(min_length=1, max_length=64)] = "free"
    minutes: Annotated[int, Meta(ge=1, le=MINUTES_MAX)] | None = None


class StepBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which step of the plan is done, counted from 1 as the incident shows them."""

    step: Annotated[int, Meta(ge=1, le=100)]


class RuleList(msgspec.Struct, frozen=True):
    """Versions of rules and limits, the newest first."""

    versions: tuple[Version, ...]


class RuleView(msgspec.Struct, frozen=True):
    """One version, and what it would change of the rules that run."""

    version: Version
    changes: tuple[Change, ...]
    said: tuple[str, ...]


class MovesBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which numbers of the rules that run are to be moved, and why."""

    note: Annotated[str, Meta(min_length=1, max_length=acting.NOTE_MAX)]
    moves: Annotated[tuple[Move, ...], Meta(min_length=1, max_length=MOVES_MAX)]


class EffectiveBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From when it holds, unix ms; without, from now on."""

    effective_ms: Annotated[int, Meta(ge=0, lt=2**53)] | None = None


class WorkList(msgspec.Struct, frozen=True):
    """Work orders to come and their watches."""

    now_ms: int
    orders: tuple[Listed, ...]


def _who(visit: Visit) -> str:
    assert visit.session is not None
    return visit.session.name


# Exercises.


def drills(records: Records, visit: Visit) -> Answer:
    """GET /api/v1/drills."""
    city = records.city
    return as_json(DrillList(visit.pulse.now_ms, city.drill(), tuple(city.drills())))


def start(records: Records, visit: Visit) -> Answer:
    """POST /api/v1/drills."""
    body = acting.read(visit, DrillBody)
    made = records.city.start(body.scenario, body.minutes, _who(visit), API)
    if made is None:
        raise Problem(422, detail=f"scenario: {body.scenario} is unknown")
    if isinstance(made, Hindered):
        raise Problem(409, "problem.409.refused", why=made.why.said(visit.language))
    return as_json(made)


def stop(records: Records, visit: Visit) -> Answer:
    """POST /api/v1/drills/stop."""
    acting.read(visit, NoteBody)
    made = records.city.stop(_who(visit), API)
    if made is None:
        raise Problem(404)
    return as_json(made)


def report(records: Records, visit: Visit) -> Answer:
    """GET /api/v1/drills/{id}/report."""
    made = records.city.report(visit.call.params["id"][:64])
    if made is None:
        raise Problem(404)
    return as_json(made)


def tick(records: Records, visit: Visit) -> Answer:
    """POST /api/v1/incidents/{id}/steps."""
    body = acting.read(visit, StepBody)
    incident = pages.load(records, visit).summary.id
    records.city.tick(incident, body.step, _who(visit))
    return as_json(Confirmed("checked", "✓"))


# Rules.


def rules(records: Records, _: Visit) -> Answer:
    """GET /api/v1/rules."""
    return as_json(RuleList(tuple(records.city.versions())))


def limits(records: Records, _: Visit) -> Answer:
    """GET /api/v1/limits."""
    return as_json(records.city.rules())


def number(visit: Visit) -> int:
    """The version that the address names; raises Problem 404."""
    text = visit.call.params["id"][:10]
    if not (text.isascii() and text.isdigit()) or int(text) >= NUMBER_MAX:
        raise Problem(404)
    return int(text)


def rule(records: Records, visit: Visit) -> Answer:
    """GET /api/v1/rules/{id}."""
    found = records.city.version(number(visit))
    if found is None:
        raise Problem(404)
    version, body, running = found
    changes = versions.differences(running, body, visit.site.grades)
    return as_json(RuleView(version, changes, tuple(words.sentences(changes, visit.language))))


def taken(visit: Visit, made: Version | Refusal, note: str = "") -> Version:
    """The version after a step; raises Problem with the sentence why not."""
    if not isinstance(made, Refusal):
        return made
    if made.code == "unknown":
        raise Problem(404)
    raise Problem(409, "problem.409.refused", note, why=words.refusal(made, visit.language))


def propose(records: Records, visit: Visit) -> Answer:
    """POST /api/v1/rules."""
    body = acting.read(visit, MovesBody)
    made = records.city.propose(body.moves, body.note, _who(visit), API)
    return as_json(taken(visit, made))


def roll_back(records: Records, visit: Visit) -> Answer:
    """POST /api/v1/rules/{id}/rollback."""
    acting.read(visit, NoteBody)
    return as_json(taken(visit, records.city.roll_back(number(visit), _who(visit), API)))


def _step(step: Step, body: type[NoteBody | EffectiveBody]) -> Handler:
    def handler(records: Records, visit: Visit) -> Answer:
        asked = acting.read(visit, body)
        effective_ms = asked.effective_ms if isinstance(asked, EffectiveBody) else None
        made = records.city.take(number(visit), step, _who(visit), effective_ms, API)
        return as_json(taken(visit, made))

    return acting.once(handler)


# Work orders.


def work(records: Records, visit: Visit) -> Answer:
    """GET /api/v1/work."""
    return as_json(WorkList(visit.pulse.now_ms, tuple(records.city.work())))


def take(records: Records, visit: Visit) -> Answer:
    """POST /api/v1/work: a new order, or one that is known, moved or cancelled."""
    written = acting.read(visit, Written)
    site = visit.site
    if site.book is None:
        raise Problem(422, detail="there are no plans, and so no checks: set router.plans")
    zone = ZoneInfo(site.settings.console.timezone)
    order = orders.understood(written, site.topology, site.book, zone)
    if not isinstance(order, Order):
        raise Problem(422, detail="; ".join(order))
    return as_json(records.city.order(order, _who(visit), API))


DRILL = parameter("path", "id", "The exercise's id.", required=True, minLength=1, maxLength=64)
VERSION = parameter("path", "id", "The version's number.", required=True, minLength=1, maxLength=10)
DOORS: tuple[Door, ...] = (
    Door(method="GET", path="/drills", name="drills", handler=drills, shown=DrillList,
         summary="The exercise that runs, and those before it."),
    Door(method="POST", path="/drills", name="start-drill", handler=acting.once(start),
         roles=ACTORS, shown=Drill, body=DrillBody,
         summary="Begin an exercise; refused while a real incident of the top grade is open."),
    Door(method="POST", path="/drills/stop", name="stop-drill", handler=acting.once(stop),
         roles=ACTORS, shown=Drill, body=NoteBody, summary="End the exercise that runs."),
    Door(method="GET", path="/drills/{id}/report", name="drill-report", handler=report,
         shown=DrillReport, parameters=(DRILL,), summary="What an exercise was worth."),
    Door(method="POST", path="/incidents/{id}/steps", name="tick-step", handler=acting.once(tick),
         roles=ACTORS, shown=Confirmed, body=StepBody, parameters=(ID,),
         summary="Tick a step of the incident's plan."),
    Door(method="GET", path="/rules", name="rules", handler=rules, shown=RuleList,
         summary="Versions of rules and limits."),
    Door(method="GET", path="/limits", name="limits", handler=limits, shown=Ruleset,
         summary="The rules and limits that run."),
    Door(method="POST", path="/rules", name="propose-rules", handler=acting.once(propose),
         roles=ACTORS, shown=Version, body=MovesBody,
         summary="Propose to move numbers of the rules that run; beyond their bounds none moves."),
    Door(method="GET", path="/rules/{id}", name="rule", handler=rule, shown=RuleView,
         parameters=(VERSION,), summary="One version, and what differs from the rules that run."),
    Door(method="POST", path="/rules/{id}/approve", name="approve-rules",
         handler=_step("approve", NoteBody), roles=ACTORS, shown=Version, body=NoteBody,
         parameters=(VERSION,), summary="Agree, as another person, with a version."),
    Door(method="POST", path="/rules/{id}/apply", name="apply-rules",
         handler=_step("schedule", EffectiveBody), roles=ACTORS, shown=Version,
         body=EffectiveBody, parameters=(VERSION,), summary="Say from when a version holds."),
    Door(method="POST", path="/rules/{id}/withdraw", name="withdraw-rules",
         handler=_step("withdraw", NoteBody), roles=ACTORS, shown=Version, body=NoteBody,
         parameters=(VERSION,), summary="Take a version back that does not hold yet."),
    Door(method="POST", path="/rules/{id}/rollback", name="roll-back-rules",
         handler=acting.once(roll_back), roles=ACTORS, shown=Version, body=NoteBody,
         parameters=(VERSION,), summary="Propose an earlier version again."),
    Door(method="GET", path="/work", name="work", handler=work, shown=WorkList,
         summary="Work orders, the watches after them, and the checks that are missing."),
    Door(method="POST", path="/work", name="take-work", handler=acting.once(take), roles=ACTORS,
         shown=Taken, body=Written, summary="Take a work order in: new, moved or cancelled."),
)  # fmt: skip
