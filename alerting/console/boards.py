"""The desk's other pages: alarms, windows, proposals, letters, duty, hand-over.  Pure."""

from collections.abc import Mapping
from typing import Any, get_args

from alerting.board.rows import LISTS, Listed
from alerting.console import desk, duty, views
from alerting.console.doors import shift, windows
from alerting.console.gate import page
from alerting.console.records import Records
from alerting.console.sessions import ACTORS
from alerting.console.visit import Answer, Visit
from alerting.people import times
from alerting.people.handover import Handover
from alerting.windows import OPENED, Window, unticked
from alerting.work.orders import Kind
from lifeline import words
from lifeline.model import CANARY, UNTITLED
from lifeline.words import joined

LISTED_MAX = 200
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Of work that is announced."""


def alarms(records: Records, visit: Visit) -> Answer:
    """GET /alarms: what is out of sight stays an open item, whoever put it there."""
    assert visit.session is not None
    wanted = visit.call.query.get("list", "")
    chosen: Listed = next((name for name in LISTS if name == wanted), "hidden")
    rows = records.board.alarms(chosen, LISTED_MAX)
    return page(
        visit,
        "alarms.html",
        lists=[
            {
                "href": f"/alarms?list={name}",
                "title": visit.say(f"alarms.{name}"),
                "is_here": name == chosen,
            }
            for name in LISTS
        ],
        alarms=[desk.line(visit, row) for row in rows],
        may_act=visit.session.role in ACTORS,
        asked=desk.asked(visit),
        n_max=LISTED_MAX if len(rows) == LISTED_MAX else 0,
    )


def window_list(records: Records, visit: Visit) -> Answer:
    """GET /windows."""
    assert visit.session is not None
    found = records.board.windows(visit.pulse.now_ms - windows.ENDED_MS)
    zones = zones_of(visit)
    return page(
        visit,
        "windows.html",
        windows=[window(visit, one, dict(zones)) for one in found],
        kinds=[(kind, words.window(kind, visit.language)) for kind in OPENED],
        zones=zones,
        asked=desk.asked(visit),
        may_act=visit.session.role in ACTORS,
    )


def zones_of(visit: Visit) -> list[tuple[str, str]]:
    """The city's zones with what people call them."""
    catalog = visit.site.catalog
    return [
        (zone, views.title(catalog.head.zone_titles.get(zone, UNTITLED), zone, visit.language))
        for zone, lifeline in catalog.head.zones
        if lifeline != CANARY
    ]


def window(visit: Visit, one: Window, zones: Mapping[str, str]) -> Mapping[str, Any]:
    """A window as its page shows it, with its checks."""
    say, zone = visit.say, visit.site.zone
    ended = ""
    if one.ended_ms is not None:
        ended = say("windows.ended", at=times.day_second(one.ended_ms, zone), by=one.ended_by)
    now_ms = visit.pulse.now_ms
    is_overdue = not ended and one.until_ms <= now_ms
    state = say("windows.running") if now_ms >= one.from_ms else say("windows.to-come")
    return {
        "id": one.id,
        "kind": words.window(one.kind, visit.language),
        "zone": zones.get(one.zone, one.zone),
        "assets": joined(one.assets, visit.language),
        "author": one.author,
        "reason": _reason(visit, one),
        "work": say("windows.order", name=one.work) if one.work else "",
        "span": say(
            "windows.span",
            start=times.day_hour(one.from_ms, zone),
            end=times.day_hour(one.until_ms, zone),
        ),
        "hid": say("windows.hid", n=one.hidden) if one.hidden else "",
        "ended": ended,
        "state": say("windows.overdue") if is_overdue and unticked(one) else state,
        "is_overdue": is_overdue,
        "checks": [
            {
                "name": check.name,
                "title": _check_title(visit, check.name),
                "done": ""
                if check.done_ms is None
                else say("windows.done", name=check.done_by, at=times.second(check.done_ms, zone)),
            }
            for check in one.checks
        ],
        "can_tick": not ended and now_ms >= one.from_ms,
        # A common cause ends with its alarm.
        "can_end": not ended and not unticked(one) and one.kind != "common-cause",
    }


def _reason(visit: Visit, one: Window) -> str:
    """Why it is open; of a watch after announced work, in words."""
    kind, _, rest = one.reason.partition(" ")
    is_announced = bool(one.work) and kind in KINDS
    return f"{visit.say(f'work.kind.{kind}')} {rest}" if is_announced else one.reason


def _check_title(visit: Visit, name: str) -> str:
    """What a check is called in the plans; its name where they do not know it."""
    book = visit.site.book
    plans = () if book is None else tuple(book.plans.values())
    known = next((c.said for plan in plans for c in plan.check if c.id == name), None)
    return name if known is None else views.title(known, name, visit.language)


def proposals(records: Records, visit: Visit) -> Answer:
    """GET /proposals."""
    found = [desk.proposal(visit, wait) for wait in records.board.proposals()]
    return page(visit, "proposals.html", proposals=found)


def letters(records: Records, visit: Visit) -> Answer:
    """GET /letters: a receiver's refusal is somebody's business."""
    assert visit.session is not None
    rows = [
        {
            "id": one.id,
            "target": one.target,
            "incident": one.incident or "",
            "reason": views.told_why(one.reason, visit.language),
            "code": one.last_code,
            "at": times.day_second(one.last_ms, visit.site.zone) if one.last_ms else "–",
            "attempts": one.attempts,
        }
        for one in records.board.letters()
    ]
    return page(visit, "letters.html", letters=rows, may_act=visit.session.role in ACTORS)


def roster(records: Records, visit: Visit) -> Answer:
    """GET /roster: who is on duty now and next; desks are handed over here."""
    assert visit.session is not None
    known = visit.site.roster
    found = () if known is None else duty.desks(known, visit.pulse.now_ms)
    titles = {one.desk: views.title(one.title, one.desk, visit.language) for one in found}

    def people(names: tuple[duty.OnDuty, ...]) -> str:
        told = [views.title(one.title, one.person, visit.language) for one in names]
        return joined(told, visit.language) or visit.say("roster.nobody")

    desks = []
    for one in found:
        sheet = records.crew.newest(one.desk)
        until = times.hour(one.until_ms, visit.site.zone) if one.until_ms else ""
        stand_in = titles.get(one.seat, one.seat) if one.seat != one.desk else ""
        desks.append(
            {
                "name": one.desk,
                "title": titles[one.desk],
                "now": people(one.here),
                "is_empty": not one.here,
                "until": visit.say("roster.until", at=until) if until else "",
                "stand_in": visit.say("roster.stand-in", desk=stand_in) if stand_in else "",
                "next": people(one.next),
                "incoming": one.next[0].login if one.next else "",
                "second": people(one.second),
                "leader": people(one.leader),
                "sheet": None if sheet is None else sheet.id,
                "is_open": sheet is not None and not sheet.is_done,
            }
        )
    return page(visit, "roster.html", desks=desks, may_act=visit.session.role in ACTORS)


def handover(records: Records, visit: Visit) -> Answer:
    """GET /handovers/{id}: the sheet, with what the visitor has to do."""
    assert visit.session is not None
    made = shift.load(records, visit)
    who = visit.session.name
    signed = {made.outgoing: made.outgoing_signed_ms, made.incoming: made.incoming_signed_ms}
    return page(
        visit,
        "handover-desk.html",
        sheet=shift.view(visit, made),
        handover=made,
        left=_left(visit, made),
        is_outgoing=who == made.outgoing,
        is_incoming=who == made.incoming,
        can_sign=not made.is_done and who in signed and signed[who] is None,
    )


def _left(visit: Visit, made: Handover) -> list[tuple[str, str]]:
    """What is to be taken over: the field's value, and what it is."""
    incidents = {one.id: one for one in made.facts.incidents}
    shelved = {one.key: one for one in made.facts.shelved}
    named: list[tuple[str, str]] = []
    for kind, subject in made.left():
        if kind == "incident":
            one = incidents[subject]
            hazard = words.hazard(one.hazard, visit.language)
            place = views.asset_title(visit.site.catalog, one.asset, visit.language)
            title = f"{visit.say('handover.incident')} · {place} {hazard}"
        else:
            title = f"{visit.say('handover.shelved')} · {shelved[subject].channel}"
        named.append((f"{kind}:{subject}", title))
    return named


def sheet(records: Records, visit: Visit) -> Answer:
    """GET /handovers/{id}/sheet: for print, with nothing around it."""
    made = shift.load(records, visit)
    body = visit.site.templates.get_template("handover.html").render(sheet=shift.view(visit, made))
    return Answer(200, body.encode("utf-8", "replace"))
