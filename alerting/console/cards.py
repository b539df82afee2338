"""The plan card as its page shows it: steps, telephones, radius, valves, spaces.  Pure."""

from collections.abc import Mapping
from typing import Any

from alerting.console import views
from alerting.console.visit import Visit
from alerting.people import times
from alerting.plans import Card
from alerting.valves import Isolation
from lifeline.model import Text
from lifeline.words import joined


def said(visit: Visit, text: Text) -> str:
    """A text in the visitor's language."""
    return views.title(text, "", visit.language)


def plan(
    visit: Visit, card: Card, done: Mapping[int, tuple[str, int]] | None = None
) -> Mapping[str, Any]:
    """What to do now, in words; ``done``: the steps that somebody has ticked, from 1, and when."""
    ticked = {
        number: f"{times.hour(at_ms, visit.site.zone)} {by}"
        for number, (by, at_ms) in (done or {}).items()
    }
    say, zone = visit.say, visit.site.zone
    radius = ""
    if card.radius_m:
        checked = "" if card.radius_verified else f" · {say('plan.unverified')}"
        radius = f"{say('plan.metres', m=f'{card.radius_m:g}')} · {card.radius_source}{checked}"
    return {
        "title": say("plan.name", title=said(visit, card.title), place=said(visit, card.place)),
        "is_default": card.is_default,
        "steps": [
            {
                "number": step.number,
                "done": ticked.get(step.number, ""),
                "do": said(visit, step.do),
                "role": said(visit, step.role),
                "by": say("plan.by", at=times.hour(step.due_ms, zone)),
                "is_late": step.due_ms < visit.pulse.now_ms,
            }
            for step in card.steps
        ],
        "phones": [
            (said(visit, phone.name), phone.number or say("plan.roster")) for phone in card.phones
        ],
        "radius": radius,
        "avoid": [said(visit, text) for text in card.avoid],
        "valves": [_valves(visit, one) for one in (card.fewest, card.nearest) if one is not None],
        "spaces": [
            f"{views.title(space.title, space.asset, visit.language)} · "
            + say("detail.distance", m=round(space.distance_m))
            for space in card.spaces
        ],
        "checks": [said(visit, check.said) for check in card.checks],
    }


def _valves(visit: Visit, one: Isolation) -> Mapping[str, Any]:
    say, language = visit.say, visit.language
    names = [views.title(valve.title, valve.name, language) for valve in one.valves]
    hospitals = [said(visit, text) for text in one.hospitals]
    places = [views.asset_title(visit.site.catalog, name, language) for name in one.open_to]
    lacking = "" if one.is_possible else say("plan.no-valve", names=joined(places, language))
    return {
        "names": names,
        "lacking": lacking,
        "cut": say(
            "plan.cut",
            n=one.customers,
            names=joined(hospitals, language) or say("plan.nobody"),
        ),
    }
