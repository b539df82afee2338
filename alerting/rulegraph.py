"""Which hazards belong together across the city, as written in a file and checked.  Pure.

``deploy/correlation.toml`` says how near and how soon two things must be to be one, what that would
mean, and what it does: each pair of one hazard in one network (``[[network]]``), each hypothesis
that joins two lifelines (``[[rule]]``).  What it may not say, however it is written: that a danger
to life is hidden, or that a finding of the top grade is lowered.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from alerting.conditions import Condition
from alerting.risk import Weights
from lifeline import words
from lifeline.catalog import Catalog, CatalogError
from lifeline.entries import wrongs
from lifeline.model import UNTITLED, Text

Effect = Literal["join", "raise", "lower", "suppress", "load"]
"""One incident; of the top grade; the second one grade less grave; the second told only with its
cause, or as an effect of it: no graver than that is."""
Scope = Literal["network", "asset", "zone", "basin", "feed"]
"""Where both must be: no farther along links, at one asset, in one zone, in one drainage basin, or
the one fed by the other."""
Order = Literal["either", "a-first"]
LIFE_SAFETY = frozenset(
    ("gas-leak", "gas-smell", "gas-composition", "burst", "heating-leak", "overload",
     "stiffness-loss", "collision", "flood", "settlement", "negative-pressure")
)  # fmt: skip
"""What no rule may hide."""
FACTOR_MAX = 10.0
DISTANCE_M_MAX = 5000.0
WINDOW_S_MAX = 14 * 86_400.0
COUNT_MAX = 1000

Metres = Annotated[float, Meta(gt=0, le=DISTANCE_M_MAX)]
Window = Annotated[float, Meta(gt=0, le=WINDOW_S_MAX)]
Factor = Annotated[float, Meta(ge=1, le=FACTOR_MAX)]


class Selector(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which findings are meant: all that is named must fit, what is not named is left open."""

    hazards: tuple[str, ...] = ()
    asset_kinds: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    """Kinds of assets, one of which must lie beside it: a link of kind ``adjacency`` away."""
    lifelines: tuple[str, ...] = ()
    quantities: tuple[str, ...] = ()
    detectors: tuple[str, ...] = ()
    contexts: tuple[str, ...] = ()
    """One of them must have held in the zone."""


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One hazard at two places of one network is one incident when they are so near."""

    hazards: Annotated[tuple[str, ...], Meta(min_length=1)]
    distance_m: Metres
    window_s: Window
    kinds: tuple[str, ...] = ()
    """Of links that are walked; none named: those that deliver something."""
    factors: dict[str, Factor] = {}
    """How much farther while a regime holds, by its name."""
    source: str = ""
    verified: bool = False


class Crossing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two findings that together mean something: a hypothesis with its limits."""

    id: Annotated[str, Meta(pattern="^[a-z0-9-]+$")]
    a: Selector
    """The cause, or the first of two."""
    b: Selector
    effect: Effect
    window_s: Window
    hypothesis: Text
    scope: Scope = "network"
    distance_m: Annotated[float, Meta(ge=0, le=DISTANCE_M_MAX)] = 0.0
    kinds: tuple[str, ...] = ()
    order: Order = "either"
    unless: tuple[Selector, ...] = ()
    """Not while one of these is open no farther away."""
    count_min: Annotated[int, Meta(ge=1, le=COUNT_MAX)] = 1
    """How many of ``b`` there must be."""
    lag_grows: bool = False
    """Whether what is farther from the first must have begun later."""
    factors: dict[str, Factor] = {}
    task: Text = UNTITLED
    """What somebody is to do about it, beside the plan."""
    source: str = ""
    verified: bool = False


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file: what joins within a network, what across them, and how risk is weighed."""

    top_grade: Annotated[int, Meta(ge=1, le=9)] = 1
    network: tuple[Network, ...] = ()
    rule: tuple[Crossing, ...] = ()
    condition: tuple[Condition, ...] = ()
    risk: Weights = Weights()


def parse_rules(file: str, tree: dict[str, Any]) -> Rules:
    """The rules of a parsed file; raises CatalogError with a sentence for everything wrong."""
    try:
        rules = msgspec.convert(tree, Rules)
    except msgspec.ValidationError as error:
        raise CatalogError(list(wrongs(file, tree, Rules)) or [f"{file}: {error}"]) from error
    problems = [f"{file}: {text}" for text in _unsound(rules)]
    if problems:
        raise CatalogError(problems)
    return rules


def _unsound(rules: Rules) -> Iterator[str]:
    names = [rule.id for rule in rules.rule]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"rule {name} is declared {names.count(name)} times"
    for rule in rules.rule:
        yield from (f"rule {rule.id} {text}" for text in _unsound_rule(rule))
    for one in rules.condition:
        if one.delay_s:
            for hazard in sorted(LIFE_SAFETY & {*one.hazards}):
                yield f"condition {one.regime} would delay {hazard}, which may cost lives"


def _unsound_rule(rule: Crossing) -> Iterator[str]:
    for side, selector in (("a", rule.a), ("b", rule.b), *(("unless", u) for u in rule.unless)):
        if selector == Selector():
            yield f"has an empty {side}: it would mean every finding of the city"
    if (rule.scope == "network") != (rule.distance_m > 0):
        yield "needs a distance_m if its scope is the network, and only then"
    if not (rule.hypothesis.zh and rule.hypothesis.en):
        yield "needs its hypothesis in both languages"
    if rule.effect == "suppress":
        if not rule.b.hazards:
            yield "hides what it does not name: list the hazards of b"
        for hazard in sorted(LIFE_SAFETY & {*rule.b.hazards}):
            yield f"would hide {hazard}, which may cost lives"


def problems_with(rules: Rules, catalog: Catalog) -> list[str]:
    """A sentence for every name in the rules that neither the catalog nor our words know."""
    hazards = {*words.HAZARDS, *(rule.hazard for rule in catalog.head.rules)}
    kinds = {link.kind for link in catalog.links()}
    lifelines = {*words.LIFELINES, *(one.name for one in catalog.head.lifelines)}
    told: list[str] = []
    for place, names, known, what in _names(rules, hazards, kinds, lifelines):
        told += [f"{place} names the unknown {what} {name}" for name in sorted({*names} - known)]
    return told


def _names(
    rules: Rules, hazards: set[str], kinds: set[str], lifelines: set[str]
) -> Iterator[tuple[str, Sequence[str], set[str], str]]:
    # Kinds of links that a catalog may have one day are no mistake where it has others already.
    known_kinds = kinds | {"adjacency", "conduit", "signal", "pipe"}
    for number, network in enumerate(rules.network, 1):
        yield f"network {number}", network.hazards, hazards, "hazard"
        yield f"network {number}", network.kinds, known_kinds, "kind of link"
    for rule in rules.rule:
        yield f"rule {rule.id}", rule.kinds, known_kinds, "kind of link"
        for selector in (rule.a, rule.b, *rule.unless):
            yield f"rule {rule.id}", selector.hazards, hazards, "hazard"
            yield f"rule {rule.id}", selector.lifelines, lifelines, "lifeline"
    for one in rules.condition:
        yield f"condition {one.regime}", one.hazards, hazards, "hazard"
        yield f"condition {one.regime}", one.lifelines, lifelines, "lifeline"
