"""Rules become detectors, or a sentence that names the rule."""

import msgspec
import numpy as np
import pytest

from detectors.base import Ground, GroupParams, Members
from detectors.plan import (
    BUILT_IN,
    PlanError,
    Watching,
    compile_plan,
    ground_key,
    state_key,
)
from detectors.threshold import Threshold
from lifeline.catalog import Limit, Rule
from lifeline.model import GroupFrame

LIMITS = {"lel20": Limit("lel20", 20.0, "%LEL", "clause 5")}


def rule(detector: dict, **where) -> Rule:
    return Rule("r1", "leak", 2, detector, **(where or {"quantity": "ch4"}))


def by_id(rules) -> dict[str, Watching]:
    return {w.rule.id: w for w in compile_plan(rules, LIMITS).rules}


def test_a_named_limit_fills_the_detector() -> None:
    watching = by_id([rule({"kind": "threshold", "deadband": 1}, quantity="ch4", limit="lel20")])[
        "r1"
    ]

    assert watching.detector == Threshold(limit=20.0, deadband=1.0)
    assert watching.limit == LIMITS["lel20"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (rule({"kind": "magic"}), "kind 'magic' is none of threshold"),
        (rule({}), "kind None"),
        (rule({"kind": "threshold"}), "missing required field `limit`"),
        (rule({"kind": "threshold", "limit": 1.0, "dead_band": 1}), "dead_band"),
        (rule({"kind": "threshold", "limit": 1.0, "deadband": -1}), "deadband"),
        (rule({"kind": "threshold", "limit": float("nan")}), "must be finite"),
        (
            rule({"kind": "threshold", "limit": 1.0}, quantity="ch4", limit="lel20"),
            "do not give both",
        ),
        (rule({"kind": "cusum"}, quantity="ch4", limit="lel20"), "takes no limit"),
        (rule({"kind": "cusum", "slack_sigma": 5.0}), "slack_sigma must be below"),
        (rule({"kind": "threshold"}, quantity="ch4", limit="lel99"), "lel99 is not in the table"),
        (rule({"kind": "half_space"}), "half_space watches groups"),
        (rule({"kind": "cusum"}, groups=("g",)), "cusum watches channels"),
        (rule({"kind": "bad_value"}), "only rule sensor.bad-value"),
    ],
)
def test_a_wrong_rule_is_named(wrong: Rule, says: str) -> None:
    with pytest.raises(PlanError, match="rule r1: ") as caught:
        compile_plan([wrong], LIMITS)

    assert says in str(caught.value)


def test_rules_are_found_by_quantity_and_name() -> None:
    rules = [
        rule({"kind": "cusum"}),
        Rule("r2", "leak", 2, {"kind": "flatline"}, channels=("w0/ch4",)),
        Rule("r3", "leak", 2, {"kind": "half_space"}, groups=("g",)),
    ]

    plan = compile_plan(rules, LIMITS)

    assert plan.rules_for("ch4", "w0/ch4") == (0, 1)
    assert plan.rules_for("ch4", "w1/ch4") == (0,)
    assert plan.rules_for("level", "w1/level") == ()
    assert plan.rules_of_group("g") == (2,)
    assert plan.groups == {"g"}
    assert plan.bad_value.rule.id == "sensor.bad-value"
    assert [plan.rules[k].rule.id for k in plan.rules_for("meter.seen", "device/d/seen")] == [
        "device.silent"
    ]


def test_a_rule_of_the_city_takes_the_place_of_a_built_in_one() -> None:
    silent = msgspec.structs.replace(BUILT_IN[1], grade=3, on_delay_s=30.0)

    found = by_id([silent])

    assert found["device.silent"].rule.grade == 3
    assert len(found) == len(BUILT_IN)


def test_a_city_without_a_rule_of_its_own_is_told_of_bad_data_and_of_silence() -> None:
    watched = {w.rule.quantity: w.rule.hazard for w in by_id([]).values()}

    assert watched == {
        "*": "sensor-fault",
        "meter.seen": "gateway-silent",
        "meter.online": "gateway-silent",
        "meter.rejects": "data-quality",
        "meter.gaps": "data-quality",
        "meter.skew": "data-quality",
    }


def test_the_key_of_a_state_is_its_parameters() -> None:
    assert state_key(Threshold(limit=20.0)) == state_key(Threshold(limit=20.0, deadband=0.0))
    assert state_key(Threshold(limit=20.0)) != state_key(Threshold(limit=20.5))


def test_the_digest_changes_with_any_rule() -> None:
    one = compile_plan([rule({"kind": "cusum"})], LIMITS)
    again = compile_plan([rule({"kind": "cusum"})], LIMITS)
    other = compile_plan([rule({"kind": "cusum", "memory": 500.0})], LIMITS)

    assert one.digest == again.digest
    assert one.digest != other.digest


def test_a_groups_state_rests_on_its_channels_and_on_what_was_learned() -> None:
    members = Members(("a", "b"), ("head", "head"), 300.0)
    learned = {"scale": np.array([1.0, 2.0]), "centre": np.zeros(2)}

    keys = [
        ground_key(Ground(members)),
        ground_key(Ground(Members(("b", "a"), ("head", "head"), 300.0))),
        ground_key(Ground(members, learned)),
        ground_key(Ground(members, learned | {"centre": np.ones(2)})),
    ]

    assert len(set(keys)) == 4
    assert ground_key(Ground(members, dict(reversed(learned.items())))) == keys[2]


def test_a_detector_of_groups_says_itself_how_it_begins_and_steps() -> None:
    ground = Ground(Members(("a",), ("head",), 300.0))

    with pytest.raises(NotImplementedError):
        GroupParams().blank(ground)
    with pytest.raises(NotImplementedError):
        GroupParams().step(ground, {}, GroupFrame(0, np.zeros(1), np.zeros(1)))
