"""The page of one incident: everything known of it, and what may be done now.  Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alerting import alarms
from alerting.actions import Action
from alerting.alarms import STALE_MS, Change
from alerting.board.rows import Member, Sift, Told, Wait
from alerting.console import cards, details, duty, following, pages, queue, refusals, views
from alerting.console.gate import page
from alerting.console.records import Records
from alerting.console.sessions import ACTORS
from alerting.console.visit import Answer, Visit
from alerting.correlate import of_record
from alerting.desk.rows import Detail
from alerting.incidents import VERDICT_CODES
from alerting.people import times
from alerting.people.responders import Responder
from alerting.risk import Risk
from lifeline import words
from lifeline.model import HOTLINE
from lifeline.words import joined

OTHERS_MAX = 30
PRIMARY: tuple[Action, ...] = ("acknowledge", "undo", "arrive", "verify", "dispatch")
"""The next step of the people: the first of these that may be done is the one big button."""
BY_STATE: dict[Change, Action] = {
    Change.RESET: "reset",
    Change.SHELVE: "shelve",
    Change.UNSHELVE: "unshelve",
    Change.RETIRE: "retire",
    Change.RESTORE: "restore",
}


@dataclass(slots=True, frozen=True)
class AlarmLine:
    """An alarm as a table shows it, with what may be done."""

    key: str
    revision: int
    level: int
    channel: str
    detector: str
    state: str
    since: str
    why: str
    marks: Sequence[str]
    hidden: str
    actions: Sequence[Action]
    incident: str
    hazard: str


def incident(records: Records, visit: Visit) -> Answer:
    """GET /incidents/{id}."""
    assert visit.session is not None
    row = pages.load(records, visit)
    one, board = row.summary, records.board
    from_ms, until_ms, made = pages.evidence_of(records, visit, row)
    here = (
        pages.NOW if visit.call.query.get("window") == pages.NOW else (until_ms - from_ms) // 1000
    )
    kept = queue.marks(visit)
    members = board.members(one.id)
    queued = following.queued(records, one)
    actions = following.actions(visit, one, members)
    proposals = board.proposals(one.id)
    plan, risk = following.plan(records, visit, one), following.risk(records, visit, one)
    closing = None
    if "close" in actions:
        found = board.standing(one.id, visit.pulse.now_ms)
        closing = refusals.standing(found, visit.pulse.now_ms, visit.language)
    others = []
    if "merge" in actions:
        rows = board.queue(Sift(lifeline=one.lifeline, limit=OTHERS_MAX))
        alike = [each for each in rows if each.summary.drill == one.drill]
        others = queue.others(alike, visit, one.id)
    return page(
        visit,
        "incident.html",
        incident=details.detail(visit, row),
        facts=_facts(visit, row, risk),
        pictures=details.pictures(visit, made),
        windows=[
            {
                "href": queue.address({**kept, "window": str(choice)}, f"/incidents/{one.id}"),
                "title": visit.say(f"detail.window.{choice}"),
                "is_here": choice == here,
            }
            for choice in (*pages.SPANS_S, pages.NOW)
        ],
        may_act=visit.session.role in ACTORS,
        actions=actions,
        primary=next((action for action in actions if action in PRIMARY), ""),
        next=views.next_step(visit, queued),
        undo=views.undo(visit, one),
        closing=closing,
        judgements=judgements(visit),
        others=others,
        members=[line(visit, member) for member in members],
        has_call=any(m.detector == HOTLINE and m.active_ms is not None for m in members),
        apart=[m for m in members if m.incident == one.id and m.asset != one.asset],
        people=_people(visit, records.crew.responders(one.id), board.told(one.id)),
        roster=_persons(visit, is_drill=one.drill),
        proposals=[proposal(visit, wait) for wait in proposals],
        asked=asked(visit),
        plan=None if plan is None else cards.plan(visit, plan, records.city.steps(one.id)),
        factors=[(cards.said(visit, factor.said), factor.raw) for factor in risk.factors],
        marks=kept,
        back=queue.address(kept),
    )


def asked(visit: Visit) -> str:
    """What is said to who has just asked for what a second person must confirm."""
    if visit.call.query.get("asked", "") != "1":
        return ""
    minutes = round(visit.site.settings.life.proposal_s / 60)
    return visit.say("proposal.sent", minutes=minutes)


def judgements(visit: Visit) -> list[tuple[str, list[tuple[str, str]]]]:
    """Verdicts, and under each its reasons: the choices of the form."""
    return [
        (
            words.verdict(verdict, visit.language),
            [(f"{verdict}:{code}", words.verdict_code(code, visit.language)) for code in codes],
        )
        for verdict, codes in VERDICT_CODES.items()
    ]


def _facts(visit: Visit, row: Detail, risk: Risk) -> Sequence[tuple[str, str]]:
    """What people have come to, and how bad it is; beside what the incident is."""
    one, say, zone = row.summary, visit.say, visit.site.zone
    facts = [
        (
            say("detail.rank"),
            say("detail.rank.words", n=f"{risk.score:g}", a=f"{risk.likelihood:.0%}",
                b=f"{risk.consequence:.0%}"),
        )
    ]  # fmt: skip
    first = next((f.finding for f in row.findings if f.id == one.first_out), None)
    if first is not None:
        facts.append(
            (
                say("detail.first"),
                f"{times.moment(one.first_ms, zone)} · {words.explain(first, visit.language)}",
            )
        )
    if one.verdict:
        judged = joined(
            [
                words.verdict(one.verdict, visit.language),
                words.verdict_code(one.verdict_code, visit.language),
            ],
            visit.language,
        )
        at = times.moment(one.verdict_ms or one.updated_ms, zone)
        facts.append((say("detail.verdict"), f"{judged} · {one.verdict_by} · {at}"))
    if one.task:
        at = times.moment(one.dispatched_ms or one.updated_ms, zone)
        facts.append((say("detail.task"), f"{one.task} · {one.person} · {at}"))
    if one.arrived_ms is not None:
        facts.append(
            (say("detail.arrived"), f"{one.person} · {times.moment(one.arrived_ms, zone)}")
        )
    if one.overridden:
        facts.append(
            (words.phase("closed", visit.language), say("detail.override", name=one.second or "–"))
        )
    if one.merged_into:
        facts.append((say("detail.merged"), one.merged_into))
    return facts


def line(visit: Visit, member: Member) -> AlarmLine:
    """An alarm as a table shows it."""
    say, language, zone = visit.say, visit.language, visit.site.zone
    marks = [
        words.alarm_mark(code, language)
        for code, is_so in (
            ("chattering", member.is_chattering),
            ("fleeting", member.is_fleeting),
            ("stale", is_stale(visit, member)),
        )
        if is_so
    ]
    hidden = ""
    if member.hidden_by:
        until = (
            "–"
            if member.hidden_until_ms is None
            else times.day_second(member.hidden_until_ms, zone)
        )
        hidden = say("detail.hidden", by=member.hidden_by, until=until)
        marks.append(say("alarms.raises", n=member.hidden_raises))
        if member.active_ms is not None:
            marks.append(say("alarms.standing"))
    why = words.reason(member.joined, language) if member.joined else ""
    if member.distance_m is not None:
        why += " · " + say("detail.distance", m=round(member.distance_m))
    if member.hypothesis or member.join_rule:
        why += f" · {of_record(member.hypothesis, language) or member.join_rule}"
    return AlarmLine(
        key=member.key,
        revision=member.revision,
        level=member.grade,
        channel=member.channel,
        detector=words.detector(member.detector, language),
        state=words.alarm_state(member.state, language),
        since=times.day_second(member.since_ms, zone),
        why=why,
        marks=marks,
        hidden=hidden,
        actions=on_alarm(visit, member),
        incident=member.incident,
        hazard=words.hazard(member.hazard, language),
    )


def is_stale(visit: Visit, member: Member) -> bool:
    """Whether its condition has stood for more than a day."""
    return member.active_ms is not None and visit.pulse.now_ms - member.active_ms > STALE_MS


def on_alarm(visit: Visit, member: Member) -> Sequence[Action]:
    """What the visitor may do with an alarm in its state."""
    assert visit.session is not None
    if visit.session.role not in ACTORS:
        return ()
    return tuple(
        action
        for change, action in BY_STATE.items()
        if alarms.advance(member.state, change) is not None
    )


def _people(
    visit: Visit, responders: Sequence[Responder], told: Sequence[Told]
) -> Sequence[Mapping[str, Any]]:
    """Who was called, by which way, how far it came, and whether he has seen it."""
    zone, say = visit.site.zone, visit.say
    known = {one.person: one for one in responders}
    shown: list[Mapping[str, Any]] = []
    for one in told:
        person = known.get(one.person)
        state = say(f"page.{one.state}")
        if one.is_overtaken:
            state += f" · {say('page.overtaken')}"
        if one.code and one.state in ("waiting", "leased", "dead"):
            state += f" · {one.code}"
        if person is not None and person.acknowledged_ms is not None:
            state += " · " + say("people.took", at=times.second(person.acknowledged_ms, zone))
        elif person is not None and person.seen_ms is not None:
            state += " · " + say("people.seen", at=times.second(person.seen_ms, zone))
        shown.append(
            {
                "person": duty.title_of(visit.site.roster, one.person, visit.language),
                "target": one.target,
                "reason": views.told_why(one.reason, visit.language),
                "state_name": one.state,
                "state": state,
                "at": times.second(one.at_ms, zone) if one.at_ms else "–",
            }
        )
    return shown


def _persons(visit: Visit, *, is_drill: bool) -> list[tuple[str, str]]:
    """Whom one can call in."""
    roster = visit.site.roster
    if roster is None:
        return []
    return [
        (name, views.title(person.title, name, visit.language))
        for name, person in roster.callable_for(drill=is_drill).items()
    ]


def proposal(visit: Visit, wait: Wait) -> Mapping[str, Any]:
    """What waits for a second person, as a line."""
    assert visit.session is not None
    zone, language = visit.site.zone, visit.language
    is_mine = wait.by == visit.session.name
    what = words.action(wait.action, language)
    return {
        "id": wait.id,
        "what": f"{what} · {words.window(wait.kind, language)}" if wait.kind else what,
        "about": wait.alarm or wait.zone,
        "incident": wait.incident,
        "by": visit.say("proposal.by", name=wait.by, at=times.second(wait.at_ms, zone)),
        "note": wait.note,
        "until": visit.say("proposal.until", at=times.second(wait.expires_ms, zone)),
        "can_approve": visit.session.role in ACTORS and not is_mine,
    }
