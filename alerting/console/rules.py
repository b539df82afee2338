"""The pages of rules and limits: versions, what differs, who agrees, from when.  Pure."""

import math
from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

from alerting.console import pages, views
from alerting.console.doors import city
from alerting.console.gate import Handler, page
from alerting.console.records import Records
from alerting.console.sessions import ACTORS
from alerting.console.visit import Answer, Problem, Visit, redirect
from alerting.people import times
from alerting.rules import versions, words
from alerting.rules.moves import OF_RULE, Move
from alerting.rules.versions import Ruleset, Step, Version
from lifeline.words import said

CONSOLE = "console"


def version_list(records: Records, visit: Visit) -> Answer:
    """GET /rules: every version, and the form that proposes another."""
    assert visit.session is not None
    return page(
        visit,
        "rules.html",
        versions=[_line(visit, one) for one in records.city.versions()],
        choices=_choices(visit, records.city.rules()),
        may_act=visit.session.role in ACTORS,
    )


def version(records: Records, visit: Visit) -> Answer:
    """GET /rules/{id}: what it changes, and what may be done with it."""
    assert visit.session is not None
    found = records.city.version(city.number(visit))
    if found is None:
        raise Problem(404)
    one, body, running = found
    changes = versions.differences(running, body, visit.site.grades)
    may_act = visit.session.role in ACTORS
    can = {step: may_act and versions.after(one, step) is not None for step in STEPS}
    return page(
        visit,
        "rule.html",
        version=_line(visit, one),
        changes=words.sentences(changes, visit.language),
        can=can,
        is_own=one.author == visit.session.name,
        can_return=may_act and one.state in ("replaced", "withdrawn", "stale") and bool(changes),
    )


STEPS: tuple[Step, ...] = ("approve", "schedule", "withdraw")


def _line(visit: Visit, one: Version) -> Mapping[str, Any]:
    zone, say = visit.site.zone, visit.say
    facts = [(say("rules.by"), f"{one.author} · {times.clock(one.at_ms, zone)}")]
    if one.approved_by and one.approved_ms is not None:
        agreed = f"{one.approved_by} · {times.clock(one.approved_ms, zone)}"
        facts.append((say("rules.agreed"), agreed))
    if one.effective_ms is not None:
        since = f"{times.clock(one.effective_ms, zone)} · {one.scheduled_by}"
        facts.append((say("rules.since"), since))
    if one.applied_ms is not None:
        facts.append((say("rules.applied"), times.clock(one.applied_ms, zone)))
    return {
        "number": one.number,
        "title": say("rules.number", n=one.number),
        "state": words.state(one.state, visit.language),
        "is_here": one.state == "applied",
        "is_vital": one.is_life_safety,
        "note": one.note,
        "facts": facts,
    }


def _choices(visit: Visit, running: Ruleset) -> list[tuple[str, list[tuple[str, str]]]]:
    """What can be moved: under each heading the form's value, and what it is called now."""
    language = visit.language
    named = {field: said(words.FIELDS[field], language) for field in OF_RULE}
    limits = [
        (
            f"limit:value:{one.id}",
            f"{views.title(one.title, one.id, language)} · {one.value:g} {one.unit}",
        )
        for one in sorted(running.limits, key=lambda limit: limit.id)
    ]
    rules = [
        (
            f"rule:{field}:{one.id}",
            f"{views.title(one.title, one.id, language)} · {name} · {getattr(one, field):g}",
        )
        for one in sorted(running.rules, key=lambda rule: rule.id)
        for field, name in named.items()
    ]
    return [(visit.say("rules.limits"), limits), (visit.say("rules.rules"), rules)]


def propose(records: Records, visit: Visit) -> Answer:
    """POST /rules."""
    assert visit.session is not None
    form = visit.call.form
    note = pages.checked_note("close", form.get("note", ""))
    move = _move(form.get("what", ""), form.get("value", ""))
    made = records.city.propose((move,), note, visit.session.name, CONSOLE)
    return redirect(f"/rules/{city.taken(visit, made, note).number}")


def _move(what: str, value: str) -> Move:
    """What the form asks for, of what it offers; raises Problem."""
    of, _, rest = what.partition(":")
    field, _, name = rest.partition(":")
    is_known = (of, field) == ("limit", "value") or (of == "rule" and field in OF_RULE)
    if not (is_known and name):
        raise Problem(400)
    try:
        number = float(value.strip()[:32])
    except ValueError as error:
        raise Problem(400, "problem.number") from error
    if not math.isfinite(number):
        raise Problem(400, "problem.number")
    return Move(of, name[:128], field, number)  # type: ignore[arg-type]


def take(step: Step) -> Handler:
    """The handler of a form of one version: agree, say from when, take back."""

    def handler(records: Records, visit: Visit) -> Answer:
        assert visit.session is not None
        at_ms = time_of(visit.call.form.get("effective", ""), visit.site.zone)
        number = city.number(visit)
        made = records.city.take(number, step, visit.session.name, at_ms, CONSOLE)
        return redirect(f"/rules/{city.taken(visit, made).number}")

    return handler


def roll_back(records: Records, visit: Visit) -> Answer:
    """POST /rules/{id}/rollback."""
    assert visit.session is not None
    made = records.city.roll_back(city.number(visit), visit.session.name, CONSOLE)
    return redirect(f"/rules/{city.taken(visit, made).number}")


def time_of(text: str, zone: tzinfo) -> int | None:
    """A time as a form gives it, in the city's own; None where it is empty; raises Problem."""
    if not text.strip():
        return None
    try:
        at = datetime.fromisoformat(text.strip()[:32])
        return round((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise Problem(400, "problem.time") from error
