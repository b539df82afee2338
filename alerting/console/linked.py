"""What follows a link of a page: looking shows, each button acts as its person, once.  Pure."""

import msgspec

from alerting.actions import Act
from alerting.console import details, duty, pages, refusals, views
from alerting.console.gate import page
from alerting.console.records import Records
from alerting.console.visit import Answer, Problem, Visit
from alerting.desk.rows import Detail
from alerting.incidents import ENDED
from alerting.people import times
from alerting.people.links import LinkView

PICTURES_MAX = 1
TAKEN = frozenset(("already-acknowledged", "nothing-to-acknowledge", "already-closed"))
"""Refusals that mean: somebody else has it already."""


def look(records: Records, visit: Visit) -> Answer:
    """GET /l/{token}: the card, without signing in.  Messengers open every link they see."""
    found = records.crew.look(visit.call.params["token"])
    return _shown(records, visit, found, "")


def _shown(
    records: Records, visit: Visit, found: LinkView, did: str, *, is_over: bool = False
) -> Answer:
    """The card; ``is_over``: it has just been pressed, and acknowledges no more."""
    row = records.incident(found.incident) if found.is_shown and found.incident else None
    pictures = []
    if row is not None:
        _, _, made = pages.evidence_of(records, visit, row)
        pictures = list(details.pictures(visit, made))[:PICTURES_MAX]
    status = 200 if found.is_shown else 410 if found.state == "expired" else 404
    return page(
        visit,
        "link.html",
        status,
        link=found,
        token=visit.call.params["token"],
        name=duty.title_of(visit.site.roster, found.person, visit.language),
        incident=None if row is None else details.detail(visit, row),
        facts=[] if row is None else _plain(visit, row),
        pictures=pictures,
        did=did,
        can_act=found.can_act and not is_over,
        can_call=_can_call(found, row),
    )


def _can_call(found: LinkView, row: Detail | None) -> bool:
    return found.can_call and row is not None and row.summary.phase not in ENDED


def _plain(visit: Visit, row: Detail) -> list[tuple[str, str]]:
    one = row.summary
    if not one.acknowledged_by or one.acknowledged_ms is None:
        return []
    at = times.moment(one.acknowledged_ms, visit.site.zone)
    return [(visit.say("link.acknowledge"), f"{one.acknowledged_by} · {at}")]


def press(records: Records, visit: Visit) -> Answer:
    """POST /l/{token}: acknowledges as the person of the link; a test page is confirmed."""
    found = records.crew.press(visit.call.params["token"])
    if not found.can_act:
        raise Problem(409 if found.is_shown else 404, "problem.link")
    if not found.incident:
        return _shown(records, visit, found, visit.say("link.thanks"), is_over=True)
    wanted = Act(
        incident=found.incident,
        action="acknowledge",
        actor=_actor(visit, found),
        channel="link",
        seat=visit.seat,
        expected_revision=_revision(visit),
    )
    (outcome,) = records.board.act((wanted,), visit.pulse.now_ms)
    if not outcome.is_done and outcome.code not in TAKEN:
        # The token is not spent: the transaction goes back with this.
        raise refusals.problem(visit, outcome)
    records.crew.stop_own(found.incident, found.person)
    if outcome.is_done:
        return _shown(records, visit, found, visit.say("link.did"), is_over=True)
    name = outcome.actor if views.is_person(outcome.actor) else visit.say("timeline.system")
    return _shown(records, visit, found, visit.say("link.late", name=name), is_over=True)


def _actor(visit: Visit, found: LinkView) -> str:
    """The person of the link, as the console calls him."""
    roster = visit.site.roster
    person = None if roster is None else roster.persons.get(found.person)
    return found.person if person is None else person.login or person.name


def support(records: Records, visit: Visit) -> Answer:
    """POST /l/{token}/support: the next people are called at once, whoever has taken it."""
    found = records.crew.ask_support(visit.call.params["token"])
    if not (found.is_shown and found.incident):
        raise Problem(404, "problem.link")
    asked = msgspec.structs.replace(found, can_call=False)
    if not found.can_call:
        return _shown(records, visit, asked, visit.say("link.asked"))
    wanted = Act(
        incident=found.incident, action="support", actor=_actor(visit, found), channel="link",
        seat=visit.seat,
    )  # fmt: skip
    (outcome,) = records.board.act((wanted,), visit.pulse.now_ms)
    if not outcome.is_done:
        raise refusals.problem(visit, outcome)
    return _shown(records, visit, asked, visit.say("link.called"))


def _revision(visit: Visit) -> int | None:
    given = visit.call.form.get("revision", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else None
