"""What to do now: the plan of a hazard, filled in for one incident.  Pure.

A plan is a file of ``deploy/plans``: who does what by when, whom to call, how far to keep people
away by grade, what must not be done, and what has to be checked before work there counts as over.
A hazard without a plan of its own has its lifeline's, else the default one: never an empty card.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from alerting import valves
from alerting.incidents import Incident
from alerting.risk import at_stake
from alerting.topology import Topology
from alerting.valves import Isolation
from lifeline import words
from lifeline.catalog import Catalog, CatalogError
from lifeline.entries import wrongs
from lifeline.model import UNTITLED, Text
from lifeline.network import SIGNAL, SPACES, Exposure

Kind = Literal[
    "call", "send", "keep-away", "evacuate", "ventilate", "measure", "isolate", "repair", "watch",
    "inform",
]  # fmt: skip
ANY = "*"
"""The hazard of a plan that holds where no other does."""
SPACES_MAX = 40
"""Spaces on a card: the nearest; more than that is a district, and another way of working."""
RADIUS_M_MAX = 5000.0
Metres = Annotated[float, Meta(ge=0, le=RADIUS_M_MAX)]


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing to be done, by whom, and how many seconds after the incident opened."""

    do: Text
    role: Text
    within_s: Annotated[float, Meta(gt=0)]
    kind: Kind = "call"
    regimes: tuple[str, ...] = ()
    """Only while one of these holds there; empty: always."""


class Phone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to call; without a number the roster has it."""

    name: Text
    number: Annotated[str, Meta(pattern=r"^[0-9 +-]*$")] = ""


class Radius(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far people are kept away at a grade, and who says so."""

    grade: Annotated[int, Meta(ge=1, le=9)]
    metres: Metres
    source: Annotated[str, Meta(min_length=1)]
    verified: bool = False


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must be ticked before a work-watch ends or work there counts as done."""

    id: Annotated[str, Meta(pattern="^[a-z0-9-]+$")]
    said: Text


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One plan as written."""

    hazard: Annotated[str, Meta(min_length=1)]
    title: Text
    step: Annotated[tuple[Step, ...], Meta(min_length=1)]
    lifeline: str = ""
    """Empty: of every lifeline."""
    phone: tuple[Phone, ...] = ()
    radius: tuple[Radius, ...] = ()
    avoid: tuple[Text, ...] = ()
    check: tuple[Check, ...] = ()
    """Mandatory after work or re-pressurisation."""
    isolates: bool = False
    """Whether valves are closed for it."""
    measure_m: Metres = 0.0
    """How far connected closed spaces are to be measured; 0: none."""
    factors: dict[str, Annotated[float, Meta(ge=1, le=10)]] = {}
    """How much farther while a regime holds, by its name."""


class Space(msgspec.Struct, frozen=True):
    """A closed space that is connected with the place and must be measured."""

    asset: str
    title: Text
    kind: str
    distance_m: float
    volume_m3: float | None
    """None: nobody has said."""


class Due(msgspec.Struct, frozen=True):
    """A step with the time by which it is to be done, unix ms."""

    number: int
    """From 1, as it stands in its plan: what is ticked stays ticked whatever else is shown."""
    do: Text
    role: Text
    kind: Kind
    due_ms: int


class Card(msgspec.Struct, frozen=True):
    """What to do now about one incident."""

    incident: str
    plan: str
    """``lifeline/hazard`` of the plan that it comes from."""
    is_default: bool
    title: Text
    place: Text
    steps: tuple[Due, ...]
    phones: tuple[Phone, ...]
    radius_m: float
    radius_source: str
    radius_verified: bool
    avoid: tuple[Text, ...]
    checks: tuple[Check, ...]
    spaces: tuple[Space, ...]
    exposure: Exposure | None
    fewest: Isolation | None
    """The fewest valves; None where the plan closes none."""
    nearest: Isolation | None
    """The valves that cut off the fewest, where those are others."""


@dataclass(slots=True, frozen=True)
class Book:
    """All plans, by lifeline and hazard."""

    plans: Mapping[tuple[str, str], Plan]

    def of(self, lifeline: str, hazard: str) -> tuple[Plan, bool]:
        """The plan for a hazard, and whether it is only a default one."""
        for key in ((lifeline, hazard), ("", hazard)):
            if key in self.plans:
                return self.plans[key], False
        return self.plans.get((lifeline, ANY)) or self.plans["", ANY], True


def parse_book(trees: Iterable[tuple[str, dict[str, Any]]]) -> Book:
    """The plans of these parsed files; raises CatalogError with a sentence for everything wrong."""
    plans: dict[tuple[str, str], Plan] = {}
    problems: list[str] = []
    for file, tree in trees:
        try:
            plan = msgspec.convert(tree, Plan)
        except msgspec.ValidationError as error:
            problems += list(wrongs(file, tree, Plan)) or [f"{file}: {error}"]
            continue
        problems += [f"{file}: {text}" for text in _unsound(plan)]
        key = (plan.lifeline, plan.hazard)
        if key in plans:
            problems.append(f"{file}: there is another plan for {_named(plan)}")
        plans[key] = plan
    if ("", ANY) not in plans and not problems:
        problems.append('plans: none is for hazard = "*" without a lifeline: the default is needed')
    if problems:
        raise CatalogError(problems)
    return Book(plans)


def _named(plan: Plan) -> str:
    return f"{plan.lifeline}/{plan.hazard}" if plan.lifeline else plan.hazard


def _unsound(plan: Plan) -> Iterator[str]:
    texts = [plan.title, *(s.do for s in plan.step), *(s.role for s in plan.step), *plan.avoid]
    texts += [p.name for p in plan.phone] + [c.said for c in plan.check]
    yield from (
        f"{text.en or text.zh} stands there in one language only"
        for text in texts
        if not (text.zh and text.en)
    )
    grades = [one.grade for one in plan.radius]
    if len(set(grades)) < len(grades):
        yield "a grade has two radii"
    metres = [one.metres for one in sorted(plan.radius, key=lambda one: one.grade)]
    if metres != sorted(metres, reverse=True):
        yield "a graver grade has a smaller radius than a lesser one"
    names = [one.id for one in plan.check]
    if len(set(names)) < len(names):
        yield "two checks have one id"
    if plan.isolates != any(step.kind == "isolate" for step in plan.step):
        yield "isolates and a step of kind isolate go together"
    if (plan.measure_m > 0) != any(step.kind == "measure" for step in plan.step):
        yield "measure_m and a step of kind measure go together"


def problems_with(book: Book, catalog: Catalog) -> list[str]:
    """A sentence for every plan that no hazard or lifeline of the city will ever ask for."""
    hazards = {*words.HAZARDS, *(rule.hazard for rule in catalog.head.rules), ANY}
    lifelines = {*words.LIFELINES, *(one.name for one in catalog.head.lifelines), ""}
    return [
        f"plan {_named(plan)} names the unknown {what} {name}"
        for plan in book.plans.values()
        for what, name, known in (
            ("hazard", plan.hazard, hazards),
            ("lifeline", plan.lifeline, lifelines),
        )
        if name not in known
    ]


def gaps(book: Book, catalog: Catalog) -> list[str]:
    """``lifeline/hazard`` of everything that a rule may raise and only a default plan answers."""
    measured: dict[str, set[str]] = {}
    for device in catalog.devices():
        for channel in device.channels:
            measured.setdefault(channel.quantity, set()).add(device.lifeline)
    zones = {group.name: group.zone for group in catalog.head.groups}
    found: set[str] = set()
    for rule in catalog.head.rules:
        own = set(measured.get(rule.quantity, ()))
        own |= {catalog.lifeline_of(zones[name]) for name in rule.groups}
        own |= {one[0].lifeline for name in rule.channels if (one := catalog.find(name))}
        found |= {f"{one}/{rule.hazard}" for one in own if book.of(one, rule.hazard)[1]}
    return sorted(found)


def what_now(incident: Incident, topology: Topology, book: Book) -> Card:
    """What to do now about an incident: its plan with place, times, radius, spaces and valves."""
    plan, is_default = book.of(incident.lifeline, incident.hazard)
    asset = topology.asset(incident.asset)
    title = asset.title if asset is not None else UNTITLED
    radius = _radius(plan, incident.grade)
    own_m = asset.radius_m if asset is not None else 0.0
    is_own = own_m > (radius.metres if radius else 0.0)
    held = incident.lead.contexts
    around = spaces(topology, incident.asset, plan, held)
    fed = _fed(topology, incident, around)
    fewest = valves.isolate(topology, fed) if plan.isolates else None
    near = valves.nearest(topology, fed) if plan.isolates else None
    return Card(
        incident=incident.id,
        plan=_named(plan),
        is_default=is_default,
        title=plan.title,
        place=title if title != UNTITLED else Text(incident.asset, incident.asset),
        steps=tuple(
            Due(number, step.do, step.role, step.kind, _due_ms(incident, step))
            for number, step in steps_under(plan, held)
        ),
        phones=plan.phone,
        radius_m=own_m if is_own else radius.metres if radius else 0.0,
        radius_source="catalog" if is_own else radius.source if radius else "",
        radius_verified=not is_own and radius is not None and radius.verified,
        avoid=plan.avoid,
        checks=plan.check,
        spaces=around,
        exposure=at_stake(topology, incident.asset),
        fewest=fewest,
        nearest=near if near != fewest else None,
    )


def steps_under(plan: Plan, regimes: Iterable[str]) -> Iterator[tuple[int, Step]]:
    """The steps that are asked for while these hold, each with its number in the whole plan."""
    held = {*regimes}
    for number, step in enumerate(sorted(plan.step, key=lambda one: one.within_s), 1):
        if not step.regimes or held & {*step.regimes}:
            yield number, step


def _due_ms(incident: Incident, step: Step) -> int:
    return incident.opened_ms + round(step.within_s * 1000)


def _fed(topology: Topology, incident: Incident, around: Iterable[Space]) -> str:
    """The place whose supply is cut: where nothing is delivered, the nearest of its lifeline's own.

    Gas in a covered channel comes from a main beside it, and that has the valves.
    """
    for name in (incident.asset, *(one.asset for one in around)):
        asset = topology.asset(name)
        is_own = asset is not None and asset.lifeline == incident.lifeline
        if is_own and topology.neighbours(name):
            return name
    return incident.asset


def _radius(plan: Plan, grade: int) -> Radius | None:
    """That of the grade, else of the next less grave one: people are never let nearer by a gap."""
    graver = [one for one in plan.radius if one.grade <= grade]
    lesser = [one for one in plan.radius if one.grade > grade]
    if graver:
        return max(graver, key=lambda one: one.grade)
    return min(lesser, key=lambda one: one.grade) if lesser else None


def spaces(
    topology: Topology, asset: str, plan: Plan, regimes: Iterable[str] = ()
) -> tuple[Space, ...]:
    """The closed spaces that are connected with a place, nearest first: all are to be measured.

    At Shiyan in 2021 the crew measured where it worked and not in the covered channel beside it.
    """
    if plan.measure_m <= 0:
        return ()
    metres = plan.measure_m * max((plan.factors.get(name, 1.0) for name in regimes), default=1.0)
    kinds = SPACES | {edge.link.kind for edge in topology.edges(asset)} - {SIGNAL}
    found: list[Space] = []
    for name, distance_m in topology.within(asset, metres, kinds).items():
        one = topology.asset(name)
        if one is None or one.kind in OPEN_AIR:
            continue
        volume = one.exposure.volume_m3 if one.exposure is not None else None
        found.append(Space(name, one.title, one.kind, distance_m, volume or None))
    return tuple(found[:SPACES_MAX])


OPEN_AIR = frozenset(("gateway", "span", "rain-gauge", "tank"))
"""Kinds of assets into which nobody could pump gas unnoticed."""
