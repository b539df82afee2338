"""What may be done with an incident as it is, what happens by itself, who is called.  Pure."""

from collections.abc import Sequence

from alerting import plans
from alerting.actions import Action
from alerting.board import sight
from alerting.board.rows import CALLING, DueRow, Member, Queued
from alerting.console.records import Records
from alerting.console.sessions import ACTORS
from alerting.console.visit import Visit
from alerting.desk.rows import Summary
from alerting.incidents import ENDED, TAKEN
from alerting.people.roster import Roster
from alerting.plans import Card
from alerting.risk import Risk
from lifeline.model import CANARY


def actions(visit: Visit, one: Summary, members: Sequence[Member]) -> tuple[Action, ...]:
    """What the visitor may do with an incident in its phase, the next step first."""
    assert visit.session is not None
    if visit.session.role not in ACTORS:
        return ("note",)
    if one.phase == "archived":
        return ("note",)
    if one.phase == "closed":
        return ("archive", "note")
    if one.phase == "open":
        return ("acknowledge", "support", "note", "merge", *_split(one, members))
    is_undoable = can_undo(visit, one)
    found: list[Action] = ["undo"] if is_undoable else []
    found += ["verify", "dispatch"] if not one.verdict else ["dispatch", "verify"]
    if one.task and one.arrived_ms is None:
        found.insert(1 if is_undoable else 0, "arrive")
    if one.phase in TAKEN and not one.prolonged:
        found.append("prolong")
    found += ["support", "close", "note", "merge", *_split(one, members)]
    return tuple(found)


def can_undo(visit: Visit, one: Summary) -> bool:
    """Whether the visitor can take his acknowledgement back: nobody has gone on from it."""
    since_ms = one.acknowledged_ms
    is_mine = visit.session is not None and one.acknowledged_by == visit.session.name
    if since_ms is None or one.undo_ms is None or not is_mine:
        return False
    steps = (one.verdict_ms, one.dispatched_ms, one.arrived_ms)
    is_gone_on = any(step is not None and step >= since_ms for step in steps)
    return visit.pulse.now_ms < one.undo_ms and not is_gone_on


def _split(one: Summary, members: Sequence[Member]) -> tuple[Action, ...]:
    """Whether an alarm of another place is in it."""
    own = (one.asset, one.hazard)
    is_mixed = any(m.incident == one.id and (m.asset, m.hazard) != own for m in members)
    return ("split",) if is_mixed else ()


def next_call(deadlines: Sequence[DueRow]) -> DueRow | None:
    """The next time at which somebody is called."""
    return next((one for one in deadlines if one.kind in CALLING), None)


def desk_of(visit: Visit, one: Summary) -> str:
    """The desk that an incident belongs to; empty where there is no roster."""
    roster = visit.site.roster
    return "" if roster is None else roster.desk_of(one.lifeline, one.zone)


def persons(visit: Visit, one: Summary, kind: str, due_ms: int) -> tuple[str, ...]:
    """Who is called then, by name, each once."""
    roster = visit.site.roster
    if roster is None:
        return ()
    step = one.step + (1 if kind == "escalate" else 0)
    found = roster.recipients(desk_of(visit, one), one.grade, step, due_ms, drill=one.drill)
    return tuple(dict.fromkeys(recipient.person for recipient in found))


def zones_of(roster: Roster, visit: Visit, desk: str) -> tuple[str, ...]:
    """The zones whose incidents a desk sees: its own, and those of the desks below it."""
    return tuple(
        zone
        for zone, lifeline in visit.site.catalog.head.zones
        if lifeline != CANARY and desk in roster.line(roster.desk_of(lifeline, zone))
    )


def queued(records: Records, summary: Summary) -> Queued:
    """An incident as it stands in the queue now."""
    due = next_call(records.board.deadlines(summary.id)) if summary.phase not in ENDED else None
    return Queued(
        summary=summary,
        risk=None,
        next_kind="" if due is None else due.kind,
        next_ms=None if due is None else due.due_ms,
    )


def plan(records: Records, visit: Visit, summary: Summary) -> Card | None:
    """What to do now; None where no plans are written."""
    if visit.site.book is None:
        return None
    incident, _ = records.board.whole(summary.id)
    return plans.what_now(incident, visit.site.topology, visit.site.book)


def risk(records: Records, visit: Visit, summary: Summary) -> Risk:
    """How bad it is, with every factor."""
    incident, alarms = records.board.whole(summary.id)
    return sight.assess(visit.site.topology, visit.site.weights, incident, alarms)
