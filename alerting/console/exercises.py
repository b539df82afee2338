"""The page of exercises, and where its forms lead; steps of a plan ticked.  Pure."""

from collections.abc import Mapping
from typing import Any

from alerting.console import pages, views
from alerting.console.gate import page
from alerting.console.records import Records
from alerting.console.sessions import ACTORS
from alerting.console.visit import Answer, Problem, Visit, redirect
from alerting.drill.running import Drill, Refusal
from alerting.drill.scenarios import MINUTES_MAX
from alerting.people import times

SHOWN_MAX = 20


def drill_list(records: Records, visit: Visit) -> Answer:
    """GET /drills."""
    assert visit.session is not None
    city = records.city
    running = city.drill()
    return page(
        visit,
        "drills.html",
        running=None if running is None else _line(visit, running),
        drills=[
            {**_line(visit, one), "marks": _marks(records, visit, one)}
            for one in list(city.drills())[:SHOWN_MAX]
            if one.ended_ms is not None
        ],
        scenarios=[
            (one.name, f"{views.title(one.title, one.name, visit.language)} · {one.minutes} min")
            for one in city.scenarios()
        ],
        minutes_max=MINUTES_MAX,
        may_act=visit.session.role in ACTORS,
    )


def _line(visit: Visit, one: Drill) -> Mapping[str, Any]:
    zone = visit.site.zone
    ends_ms = one.ends_ms if one.ended_ms is None else one.ended_ms
    return {
        "title": views.title(one.scenario.title, one.scenario.name, visit.language),
        "span": visit.say(
            "windows.span",
            start=times.day_hour(one.started_ms, zone),
            end=times.day_hour(ends_ms, zone),
        ),
        "by": one.started_by,
        "why": visit.say(f"drill.why.{one.ended_why}") if one.ended_why else "",
    }


def _marks(records: Records, visit: Visit, one: Drill) -> list[tuple[str, str, str]]:
    """What it was worth: incident and points, then each aspect with its reason."""
    report = records.city.report(one.id)
    rows: list[tuple[str, str, str]] = []
    for scored in () if report is None else report.score.scored:
        place = views.asset_title(visit.site.catalog, scored.course.asset, visit.language)
        rows.append((place, f"{scored.points:g} / 100", ""))
        for mark in scored.marks:
            why = views.title(mark.why, "", visit.language)
            points = f"{mark.points:g} / {mark.of:g}"
            rows.append((visit.say(f"drill.aspect.{mark.aspect}"), points, why))
    return rows


def start(records: Records, visit: Visit) -> Answer:
    """POST /drills."""
    assert visit.session is not None
    text = visit.call.form.get("minutes", "")
    is_number = text.isascii() and text.isdigit() and 1 <= int(text[:5]) <= MINUTES_MAX
    if text and not is_number:
        raise Problem(400)
    name = visit.call.form.get("scenario", "")[:64]
    made = records.city.start(name, int(text) if text else None, visit.session.name, "console")
    if made is None:
        raise Problem(400)
    if isinstance(made, Refusal):
        raise Problem(409, "problem.409.refused", why=made.why.said(visit.language))
    return redirect("/drills")


def stop(records: Records, visit: Visit) -> Answer:
    """POST /drills/stop: one that is over already is over."""
    assert visit.session is not None
    records.city.stop(visit.session.name, "console")
    return redirect("/drills")


def tick(records: Records, visit: Visit) -> Answer:
    """POST /incidents/{id}/steps."""
    assert visit.session is not None
    text = visit.call.form.get("step", "")[:3]
    if not (text.isascii() and text.isdigit() and int(text)):
        raise Problem(400)
    name = pages.load(records, visit).summary.id
    records.city.tick(name, int(text), visit.session.name)
    return redirect(f"/incidents/{name}#plan")
