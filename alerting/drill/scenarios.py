"""Scenarios of exercises: what is planted, and what the desk is expected to make of it.  Pure."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from alerting.incidents import VERDICT_CODES, Verdict
from alerting.plans import Kind
from lifeline.catalog import Catalog, CatalogError
from lifeline.entries import wrongs
from lifeline.model import Text

What = Literal["gas-leak", "burst", "make-up-loss", "overload", "stiffness-loss"]
"""What the simulators can plant; empty: real test devices send under the drill prefix."""
MINUTES_MAX = 240
STEPS: tuple[Kind, ...] = get_args(Kind)


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One thing that happens in an exercise, and what is right then."""

    what: What
    hazard: Annotated[str, Meta(min_length=1)]
    asset: str = ""
    """Where; empty: the simulator chooses."""
    at_s: Annotated[float, Meta(ge=0)] = 10.0
    size: Annotated[float, Meta(ge=0)] = 0.0
    verdict: Verdict = "true"
    codes: tuple[str, ...] = ()
    """Right reasons for the verdict; empty: any."""
    steps: tuple[Kind, ...] = ()
    """Kinds of steps of the plan that must be ticked; empty: all of the plan."""

    def __post_init__(self) -> None:
        wrong = sorted(set(self.codes) - set(VERDICT_CODES[self.verdict]))
        if wrong:
            raise ValueError(f"codes: {', '.join(wrong)} is no reason for {self.verdict}")


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One exercise as written."""

    name: Annotated[str, Meta(pattern="^[a-z0-9-]+$", max_length=64)]
    title: Text
    lifeline: Annotated[str, Meta(min_length=1)]
    minutes: Annotated[int, Meta(ge=1, le=MINUTES_MAX)] = 30
    event: tuple[Event, ...] = ()
    """Empty: whatever test devices send is the exercise."""


FREE = Scenario(name="free", title=Text("自由演练", "Free exercise"), lifeline="*")
"""Without a script: test devices send, and people are timed on whatever comes of it."""


def parse(trees: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, Scenario]:
    """Scenarios by name; raises CatalogError with a sentence for everything wrong."""
    found: dict[str, Scenario] = {FREE.name: FREE}
    problems: list[str] = []
    for file, tree in trees:
        try:
            scenario = msgspec.convert(tree, Scenario)
        except msgspec.ValidationError as error:
            problems += list(wrongs(file, tree, Scenario)) or [f"{file}: {error}"]
            continue
        if scenario.name in found:
            problems.append(f"{file}: there is another exercise {scenario.name}")
        found[scenario.name] = scenario
    if problems:
        raise CatalogError(problems)
    return found


def problems_with(scenario: Scenario, catalog: Catalog) -> list[str]:
    """A sentence for everything that this city does not have."""
    known = {lifeline.name for lifeline in catalog.head.lifelines}
    problems = []
    if scenario.lifeline != FREE.lifeline and scenario.lifeline not in known:
        problems.append(f"exercise {scenario.name}: lifeline {scenario.lifeline} is unknown")
    return problems + [
        f"exercise {scenario.name}: asset {event.asset} is unknown"
        for event in scenario.event
        if event.asset and catalog.asset(event.asset) is None
    ]
