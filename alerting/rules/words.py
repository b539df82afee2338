"""Versions of rules in words: what differs, what was refused; Chinese and English.  Pure."""

from collections.abc import Sequence
from typing import Any

from alerting.rules.versions import Change, Refusal, Version
from lifeline.model import Text
from lifeline.words import Language, bracketed, joined, said

REFUSALS: dict[str, tuple[str, str]] = {
    "unknown": ("没有第 {number} 版规则", "There is no version {number} of the rules"),
    "nothing": (
        "所写规则与正在运行的规则一致，没有可提交的内容",
        "What is written is what runs: there is nothing to propose",
    ),
    "needs-note": ("请写明修改原因", "Say why it is changed"),
    "same-person": (
        "第 {number} 版由本人提交，须由另一人批准",
        "Version {number} is your own: another person must approve it",
    ),
    "needs-approval": (
        "第 {number} 版涉及人身安全，尚未经另一人批准：lifeline config approve {number}",
        "Nobody else has approved version {number}: lifeline config approve {number}",
    ),
    "wrong-state": (
        "第 {number} 版处于“{state}”状态，不能执行此操作",
        "Version {number} is {state}: that cannot be done with it",
    ),
    "stale": (
        "第 {number} 版提交之后运行规则已变更，请对照现行规则重新提交",
        "Other rules have come into force since version {number} was proposed: propose it anew",
    ),
    "past": (
        "第 {number} 版的生效时间已过，请给出将来的时间",
        "Version {number} cannot take effect in the past: give a time to come",
    ),
    "no-such": ("现行规则中没有 {id}", "There is no {id} in the rules that run"),
    "no-such-number": ("{id} 不能取 {value}", "{id} cannot be {value} in that place"),
    "same": (
        "同样的内容已作为第 {number} 版提交",
        "The same has been proposed already, as version {number}",
    ),
    "beyond": (
        "超出程序内置的安全底线，任何人都不能批准：{why}",
        "Beyond the bounds of the program, which nobody can approve: {why}",
    ),
}
STATES: dict[str, tuple[str, str]] = {
    "proposed": ("待批准", "waits for approval"),
    "approved": ("已批准", "approved"),
    "scheduled": ("待生效", "scheduled"),
    "applied": ("生效中", "in force"),
    "replaced": ("已被替换", "replaced"),
    "withdrawn": ("已撤回", "withdrawn"),
    "stale": ("已过时", "overtaken by others"),
}
NEXT: dict[str, tuple[str, str]] = {
    "proposed": (
        "须由另一人批准：lifeline config approve {number}",
        "another person: lifeline config approve {number}",
    ),
    "approved": (
        "确定生效时间：lifeline config apply {number} --effective-from TIME",
        "lifeline config apply {number} --effective-from TIME",
    ),
    "scheduled": ("自 {since} 起生效", "it holds from {since}"),
}
"""What comes after a state."""
_VERSION = ("第 {number} 版：{state}", "version {number} {state}")
FIELDS: dict[str, tuple[str, str]] = {
    "value": ("限值", "limit"),
    "unit": ("单位", "unit"),
    "clause": ("条款", "clause"),
    "clause_zh": ("中文条款", "Chinese clause"),
    "verified": ("条款已核对", "clause verified"),
    "title": ("名称", "title"),
    "hazard": ("险情", "hazard"),
    "grade": ("等级", "grade"),
    "quantity": ("监测量", "quantity"),
    "channels": ("测点", "channels"),
    "groups": ("分组", "groups"),
    "limit": ("所用限值", "limit used"),
    "on_delay_s": ("报警延时（秒）", "on-delay in seconds"),
    "off_delay_s": ("恢复延时（秒）", "off-delay in seconds"),
    "confidence": ("置信度", "confidence"),
    "latching": ("锁定", "latching"),
    "is_managed": ("严格管理", "highly managed"),
    "realarm_s": ("再报警时间（秒）", "re-alarm time in seconds"),
    "fall_hold_s": ("降级保持（秒）", "hold before easing in seconds"),
    "during": ("仅在此工况下生效", "judges only during"),
    "unless": ("此工况下不判断不学习", "neither judges nor learns during"),
    "far_per_sensor_year": ("每传感器年误报预算", "false alarms allowed a sensor-year"),
}
_OF = {"rule": ("规则", "rule"), "limit": ("限值", "limit")}
_VITAL = ("【涉及人身安全】", "[life safety] ")
_WHOLE = {"new": ("新增{}。", "{} is new."), "gone": ("删除{}。", "{} is gone.")}
_MOVED = ("{}：{}。", "{} moved: {}.")
_CHANGED = ("{}的{}：{}。", "{}, {}: {}.")
_SAME = ("两者规则与限值完全一致。", "The rules and limits are the same.")


def sentence(change: Change, language: Language) -> str:
    """What differs, as one sentence.

    >>> moved = Change("limit", "gas.ch4.20lel", "changed", True, "value", 20.0, 25.0, "%LEL")
    >>> sentence(moved, "zh"), sentence(moved, "en")
    ('【涉及人身安全】限值 gas.ch4.20lel：20 → 25 %LEL。', '[life safety] limit gas.ch4.20lel moved: 20 → 25 %LEL.')
    """  # noqa: E501 (a doctest's line)
    mark = said(_VITAL, language) if change.is_life_safety else ""
    of = f"{said(_OF[change.of], language)} {change.id}"
    if change.what != "changed":
        value = change.after if change.what == "new" else change.before
        if value is not None:
            of = bracketed(of, f"{value_of(value, language)} {change.unit}", language)
        return mark + said(_WHOLE[change.what], language).format(of)
    was, now = value_of(change.before, language), value_of(change.after, language)
    if change.of == "limit" and change.field == "value":
        return mark + said(_MOVED, language).format(of, f"{was} → {now} {change.unit}")
    field = _field(change.field, language)
    return mark + said(_CHANGED, language).format(of, field, f"{was} → {now}")


def _field(name: str, language: Language) -> str:
    plain, _, parameter = name.partition(".")
    if parameter:
        return said((f"检测参数 {parameter}", f"detector's {parameter}"), language)
    return said(FIELDS[plain], language)


def value_of(value: Any, language: Language) -> str:
    """A value as a person writes it."""
    match value:
        case None | "" | ():
            return said(("无", "none"), language)
        case bool():
            return said(("是", "yes") if value else ("否", "no"), language)
        case int() | float():
            return f"{value:g}"
        case Text():
            return value.said(language)
        case tuple() | list():
            return joined(map(str, value), language)
    return str(value)


def sentences(changes: Sequence[Change], language: Language) -> list[str]:
    """Every difference as a sentence; one that says so where there is none."""
    return [sentence(change, language) for change in changes] or [said(_SAME, language)]


def refusal(why: Refusal, language: Language) -> str:
    """Why a step was not taken."""
    facts = {
        name: fact.said(language) if isinstance(fact, Text) else fact
        for name, fact in why.facts.items()
    }
    if "state" in facts:
        facts["state"] = state(str(facts["state"]), language)
    return said(REFUSALS[why.code], language).format(**facts)


def state(name: str, language: Language) -> str:
    """What a version's state is called."""
    return said(STATES[name], language)


def told(version: Version, since: str, language: Language) -> str:
    """What a version has come to and what comes next; ``since`` is when it holds from."""
    parts = [
        said(_VERSION, language).format(number=version.number, state=state(version.state, language))
    ]
    if version.state in NEXT:
        parts.append(said(NEXT[version.state], language).format(number=version.number, since=since))
    return said(("；", "; "), language).join(parts)


def line(version: Version, since: str, language: Language) -> str:
    """A version in a list: number, state, since when, digest, by whom, why."""
    parts = [f"{version.number:4}", state(version.state, language)]
    if since:
        parts.append(said(("自 {}", "from {}"), language).format(since))
    by = said(("提交 {}", "by {}"), language).format(version.author)
    if version.approved_by:
        by += said(("，批准 {}", ", approved by {}"), language).format(version.approved_by)
    parts += [version.digest[:12], by]
    return said(("{}：{}", "{}: {}"), language).format("  ".join(parts), version.note)
