"""Rules and limits as versions: what differs, who must agree, in words."""

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.rules import versions, words
from alerting.rules.versions import Change, Refusal, Ruleset, State, Step, Version
from lifeline.catalog import Catalog, Lifeline, Limit, Rule, Source
from lifeline.compiler import compile_catalog, with_rules
from lifeline.grades import GRADING
from lifeline.model import Text
from lifeline.words import Language
from tests.lifeline.test_bounds import city
from watchdog import canary

ALARM = Limit("ch4", 20.0, "%LEL", title=Text("甲烷", "Methane"))
BATTERY = Limit("battery", 15.0, "%")
LEAK = Rule("leak", "gas-leak", 2, {"kind": "threshold", "deadband": 2.0}, "ch4", limit="ch4")
LOW = Rule("low", "sensor-fault", 5, {"kind": "threshold"}, "battery", limit="battery")
RUNNING = Ruleset((ALARM, BATTERY), (LEAK, LOW))


def with_limit(limit: Limit, **fields: Any) -> Ruleset:
    moved = msgspec.structs.replace(limit, **fields)
    return Ruleset(tuple(moved if x is limit else x for x in RUNNING.limits), RUNNING.rules)


def with_rule(rule: Rule, **fields: Any) -> Ruleset:
    moved = msgspec.structs.replace(rule, **fields)
    return Ruleset(RUNNING.limits, tuple(moved if x is rule else x for x in RUNNING.rules))


def said(after: Ruleset, language: Language = "en") -> list[str]:
    return words.sentences(versions.differences(RUNNING, after, GRADING), language)


def version(state: State = "proposed", **fields: Any) -> Version:
    made = Version(
        number=3, digest="d", base="b", author="li", note="why", at_ms=1,
        is_life_safety=True, state=state,
    )  # fmt: skip
    return msgspec.structs.replace(made, **fields)


def test_the_order_of_rules_is_no_difference() -> None:
    turned = Ruleset(RUNNING.limits[::-1], RUNNING.rules[::-1])

    assert turned.digest == RUNNING.digest
    assert said(turned) == ["The rules and limits are the same."]
    assert said(turned, "zh") == ["两者规则与限值完全一致。"]


def test_a_moved_limit_is_told_with_both_values_and_its_unit() -> None:
    moved = with_limit(ALARM, value=25.0)

    assert said(moved) == ["[life safety] limit ch4 moved: 20 → 25 %LEL."]
    assert said(moved, "zh") == ["【涉及人身安全】限值 ch4：20 → 25 %LEL。"]


def test_rules_that_are_gone_and_new_are_told() -> None:
    after = Ruleset(
        (ALARM, Limit("tilt", 10.0, "°")),
        (LOW, msgspec.structs.replace(LOW, id="tilt", limit="tilt")),
    )

    assert said(after) == [
        "limit battery (15 %) is gone.",
        "limit tilt (10 °) is new.",
        "[life safety] rule leak is gone.",
        "rule tilt is new.",
    ]
    assert said(after, "zh")[:3] == [
        "删除限值 battery（15 %）。",
        "新增限值 tilt（10 °）。",
        "【涉及人身安全】删除规则 leak。",
    ]


def test_every_field_of_a_rule_has_words() -> None:
    fields = {*Rule.__struct_fields__, *Limit.__struct_fields__} - {"id", "detector"}

    assert fields == set(words.FIELDS)
    assert set(words.STATES) == set(get_args(State)) == set(versions.TRANSITIONS)


def test_a_version_says_what_it_has_come_to_and_the_next_command() -> None:
    made = Version(
        number=3, digest="0123456789abcdef", base="", author="li", note="why", at_ms=0,
        is_life_safety=True, state="proposed",
    )  # fmt: skip
    put = msgspec.structs.replace(made, state="scheduled", approved_by="wang")
    since = "2026-12-01 02:00"

    assert words.told(made, "", "zh") == (
        "第 3 版：待批准；须由另一人批准：lifeline config approve 3"
    )
    assert words.told(put, since, "en") == f"version 3 scheduled; it holds from {since}"
    gone = msgspec.structs.replace(made, state="withdrawn")
    assert words.told(gone, "", "zh") == "第 3 版：已撤回"
    assert words.line(made, "", "en") == "   3  waits for approval  0123456789ab  by li: why"
    assert words.line(put, since, "zh") == (
        f"   3  待生效  自 {since}  0123456789ab  提交 li，批准 wang：why"
    )


@pytest.mark.parametrize(
    ("field", "value", "zh", "en"),
    [
        ("is_managed", True, "规则 low的严格管理：否 → 是", "rule low, highly managed: no → yes"),
        ("channels", ("a", "b"), "测点：无 → a、b", "channels: none → a, b"),
        ("title", Text("电量", "Charge"), "名称：", "title: "),
        ("hazard", "gas-leak", "sensor-fault → gas-leak", "sensor-fault → gas-leak"),
        ("grade", 2, "等级：5 → 2", "grade: 5 → 2"),
        (
            "detector", {"kind": "threshold", "deadband": 3.0},
            "检测参数 deadband：无 → 3", "detector's deadband: none → 3",
        ),
    ],
)  # fmt: skip
def test_every_kind_of_value_is_told_as_a_person_writes_it(
    field: str, value: Any, zh: str, en: str
) -> None:
    after = with_rule(LOW, **{field: value})

    assert zh in said(after, "zh")[0]
    assert en in said(after)[0]


def test_lives_depend_on_grave_and_managed_rules_and_their_limits_but_not_on_titles() -> None:
    def grave(after: Ruleset) -> bool:
        return versions.is_grave(versions.differences(RUNNING, after, GRADING))

    assert grave(with_limit(ALARM, value=19.0))
    assert grave(with_rule(LEAK, on_delay_s=1.0))
    assert grave(with_rule(LEAK, detector={"kind": "threshold", "deadband": 3.0}))
    # Made lesser or graver: lives depended on it, or will.
    assert grave(with_rule(LEAK, grade=3))
    assert grave(with_rule(LOW, grade=1))
    assert grave(with_rule(LOW, is_managed=True))
    assert not grave(with_limit(ALARM, title=Text("瓦斯", "Firedamp"), verified=True))
    assert not grave(with_rule(LEAK, title=Text("泄漏", "Leak")))
    assert not grave(with_limit(BATTERY, value=10.0))
    assert not grave(with_rule(LOW, on_delay_s=5.0))


@pytest.mark.feature("O-4")
def test_nobody_approves_his_own_and_nothing_grave_is_applied_without_another() -> None:
    assert versions.refused(version(), "approve", "li", "b") == Refusal(
        "same-person", {"number": 3}
    )
    assert versions.refused(version(), "approve", "wang", "b") is None
    assert versions.after(version(), "approve") == "approved"
    why = versions.refused(version(), "schedule", "wang", "b")
    assert why is not None
    assert words.refusal(why, "en").startswith("Nobody else has approved version 3")
    assert (
        versions.refused(version("approved"), "schedule", "li", "b", now_ms=5, effective_ms=5)
        is None
    )


@pytest.mark.feature("O-4")
def test_what_was_made_against_other_rules_is_not_put_in_force_but_can_be_taken_back() -> None:
    why = versions.refused(version("approved"), "schedule", "li", "other")

    assert why == Refusal("stale", {"number": 3})
    assert versions.refused(version("approved"), "withdraw", "li", "other") is None


@pytest.mark.feature("O-4")
def test_nothing_takes_effect_in_the_past() -> None:
    why = versions.refused(version("approved"), "schedule", "li", "b", effective_ms=4, now_ms=5)

    assert why is not None
    assert words.refusal(why, "zh") == "第 3 版的生效时间已过，请给出将来的时间"


@pytest.mark.feature("O-4")
@given(st.lists(st.sampled_from(get_args(Step))))
def test_whatever_is_done_in_whatever_order_nothing_returns_from_the_end(steps: list[Step]) -> None:
    now = version()
    seen = [now.state]
    for step in steps:
        following = versions.after(now, step)
        if following is None:
            why = versions.refused(now, step, "wang", "b")
            assert why is not None
            assert why.code in ("wrong-state", "needs-approval")
            for language in ("zh", "en"):
                assert "3" in words.refusal(why, language)
            continue
        now = version(following)
        seen.append(following)

    assert "scheduled" not in seen or "approved" in seen
    assert "applied" not in seen or "scheduled" in seen
    if now.state in ("replaced", "withdrawn", "stale"):
        assert not versions.TRANSITIONS[now.state]


def test_states_have_names_in_both_languages() -> None:
    assert words.state("scheduled", "zh") == "待生效"
    assert words.state("scheduled", "en") == "scheduled"


def test_a_change_without_value_is_told_without() -> None:
    assert (
        words.sentence(Change("rule", "r", "new", is_life_safety=False), "en") == "rule r is new."
    )


def test_compiled_rules_are_exchanged_and_devices_and_canary_stay() -> None:
    before = city()
    packed = compile_catalog([before, canary.source(2)])
    wanted = versions.of_sources([city(25.0)])

    changed = Catalog(with_rules(packed, wanted.limits, wanted.rules))

    was = Catalog(packed)
    assert versions.of_head(was.head) == versions.of_sources([before])
    assert versions.of_head(changed.head).digest == wanted.digest
    assert changed.head.limits["lim"].value == 25.0
    assert canary.RULE in changed.head.limits
    assert [rule.id for rule in changed.head.rules] == ["gas.high", canary.RULE]
    assert list(changed.devices()) == list(was.devices())
    assert changed.digest != was.digest
    # The way a whole build would have made it, to the digest.
    assert changed.digest == Catalog(compile_catalog([city(25.0), canary.source(2)])).digest


def test_a_limit_that_the_canary_shares_stays_with_the_city() -> None:
    shared = Source(Lifeline("x"), rule=(msgspec.structs.replace(LOW, limit=canary.RULE),))
    head = Catalog(compile_catalog([city(), canary.source(1)])).head
    both = msgspec.structs.replace(head, rules=(*head.rules, *shared.rule))

    assert canary.RULE in {limit.id for limit in versions.of_head(both).limits}
