"""The file of what belongs together: every hypothesis is in it, every slip is a sentence."""

import tomllib
from pathlib import Path

import msgspec
import pytest

from alerting.rulegraph import Network, Rules, parse_rules, problems_with
from lifeline.catalog import CatalogError
from tests.alerting.city import CITY

SHIPPED = Path("deploy/correlation.toml")
TREE = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
RULES = parse_rules(str(SHIPPED), TREE)


@pytest.mark.feature("A-8")
def test_every_hypothesis_of_the_domain_is_in_the_shipped_file_and_knows_its_words() -> None:
    assert [rule.id for rule in RULES.rule][:8] == [
        "gas-migration",
        "conduit-migration",
        "biogas",
        "washout",
        "heating-neighbour",
        "rain-immersion",
        "pump-trip",
        "load-effect",
    ]
    assert all(rule.hypothesis.zh and rule.hypothesis.en for rule in RULES.rule)
    assert problems_with(parse_rules("x", _without_kinds()), CITY) == []


def _without_kinds() -> dict[str, object]:
    """The shipped rules; which kinds of links there are is this small city's own affair."""
    return {
        **TREE,
        "network": [{k: v for k, v in one.items() if k != "kinds"} for one in TREE["network"]],
        "rule": [{k: v for k, v in one.items() if k != "kinds"} for one in TREE["rule"]],
    }


def changed(**more: object) -> dict[str, object]:
    """The shipped file with its first rule written otherwise."""
    first, *rest = TREE["rule"]
    return {**TREE, "rule": [{**first, **more}, *rest]}


@pytest.mark.parametrize(
    ("tree", "sentence"),
    [
        (changed(effect="hide"), "rule gas-migration: effect"),
        (changed(window_s=0), "window_s"),
        (changed(window_s=1e9), "window_s"),
        (changed(factors={"frozen-ground": 0.5}), "factors"),
        (changed(distance_m=0), "needs a distance_m if its scope is the network"),
        (changed(scope="zone"), "needs a distance_m if its scope is the network, and only then"),
        (changed(id="biogas"), "rule biogas is declared 2 times"),
        (changed(a={}), "has an empty a"),
        (changed(unless=[{}]), "has an empty unless"),
        (changed(hypothesis={"zh": "", "en": "x"}), "in both languages"),
        (changed(effect="suppress"), "would hide gas-leak, which may cost lives"),
        (changed(effect="suppress", b={"asset_kinds": ["span"]}), "hides what it does not name"),
        (changed(colour="red"), "unknown field `colour`"),
        ({"risk": {"severity": 0}}, "risk: severity"),
        ({"risk": {"explosive": ["burst"]}}, "explosive whatever a file says"),
        ({"network": [{"hazards": [], "distance_m": 5, "window_s": 5}]}, "hazards"),
    ],
)
def test_a_wrong_rule_is_said_in_a_sentence(tree: dict[str, object], sentence: str) -> None:
    with pytest.raises(CatalogError) as caught:
        parse_rules("correlation.toml", tree)

    assert any(
        sentence in text and text.startswith("correlation.toml") for text in caught.value.problems
    ), caught.value.problems


def test_names_that_nobody_knows_are_told() -> None:
    rules = Rules(
        network=(Network(("gas-leek",), 10.0, 60.0, kinds=("tube",)),),
        rule=(
            msgspec.structs.replace(
                RULES.rule[3], a=msgspec.structs.replace(RULES.rule[3].a, lifelines=("wine",))
            ),
        ),
    )

    assert problems_with(rules, CITY) == [
        "network 1 names the unknown hazard gas-leek",
        "network 1 names the unknown kind of link tube",
        "rule washout names the unknown kind of link water-main",
        "rule washout names the unknown lifeline wine",
    ]
