"""Reads what the settings name: the rules of correlation and the plans of what to do.  A shell."""

from dataclasses import replace

from alerting import plans, rulegraph
from alerting.closing import Sensors
from alerting.correlate import Correlator
from alerting.plans import Book
from alerting.policy import Policy, offices, policy_of
from alerting.rulegraph import Rules
from lifeline import store
from lifeline.catalog import Catalog, CatalogError
from lifeline.config import Router, Settings


def read_rules(settings: Router) -> Rules:
    """What belongs together, and how risk is weighed; raises CatalogError.

    Without a file named nothing is joined beyond one place, and risk is weighed by default.
    """
    if not settings.correlation:
        return Rules()
    trees = store.read_trees((settings.correlation,))
    if len(trees) != 1:
        raise CatalogError([f"router.correlation: {settings.correlation} is not one file"])
    file, tree = trees[0]
    return rulegraph.parse_rules(file, tree)


def read_book(settings: Router) -> Book:
    """What to do at each hazard; raises CatalogError."""
    return plans.parse_book(store.read_trees(settings.plans))


def policy(settings: Settings, catalog: Catalog, rules: Rules) -> Policy:
    """By what the engine decides: the settings' times, the catalog's rules, who knows the network.

    The clocks are those of the grading table; where there is a roster, its chains' come instead.
    """
    knower = Correlator(catalog, rules, settings.grading)
    knower.topology.edges("")  # Built now: the first alarm must not wait half a second for it.
    sensors = Sensors(knower)
    made = policy_of(
        settings.grading,
        settings.life,
        catalog.head.rules,
        correlator=knower,
        parents=knower.parents,
        is_working=offices(settings.console.timezone),
        sensors=sensors.of,
        conditions=rules.condition,
    )
    return replace(made, rules_in=sensors.rules_in)
