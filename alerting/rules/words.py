"""Versions of rules in words: what differs, what was refused; Chinese and English.  Pure."""

from collections.abc import Sequence
from typing import Any

from alerting.rules.versions import Change, Refusal
from lifeline.model import Text
from lifeline.words import Language

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
    "far_per_sensor_year": ("每传感器年误报预算", "false alarms allowed a sensor-year"),
}
_OF = {"rule": ("规则", "rule"), "limit": ("限值", "limit")}
_VITAL = ("【涉及人身安全】", "[life safety] ")
_SAME = ("两者规则与限值完全一致。", "The rules and limits are the same.")


def sentence(change: Change, language: Language) -> str:
    """What differs, as one sentence.

    >>> moved = Change("limit", "gas.ch4.20lel", "changed", True, "value", 20.0, 25.0, "%LEL")
    >>> sentence(moved, "zh"), sentence(moved, "en")
    ('【涉及人身安全】限值 gas.ch4.20lel：20 → 25 %LEL。', '[life safety] limit gas.ch4.20lel moved: 20 → 25 %LEL.')
    """  # noqa: E501 (a doctest's line)
    at = 0 if language == "zh" else 1
    mark = _VITAL[at] if change.is_life_safety else ""
    of = f"{_OF[change.of][at]} {change.id}"
    if change.what != "changed":
        value = change.after if change.what == "new" else change.before
        shown = "" if value is None else f" ({value_of(value, language)} {change.unit})"
        if at == 0:
            shown = shown.replace(" (", "（").replace(")", "）")
            return f"{mark}{'新增' if change.what == 'new' else '删除'}{of}{shown}。"
        return f"{mark}{of}{shown} is {'new' if change.what == 'new' else 'gone'}."
    was, now = value_of(change.before, language), value_of(change.after, language)
    if change.of == "limit" and change.field == "value":
        moved = f"{was} → {now} {change.unit}"
        return f"{mark}{of}：{moved}。" if at == 0 else f"{mark}{of} moved: {moved}."
    field = _field(change.field, at)
    return f"{mark}{of}的{field}：{was} → {now}。" if at == 0 else (
        f"{mark}{of}, {field}: {was} → {now}."
    )  # fmt: skip


def _field(name: str, at: int) -> str:
    plain, _, parameter = name.partition(".")
    if parameter:
        return f"检测参数 {parameter}" if at == 0 else f"detector's {parameter}"
    return FIELDS[plain][at]


def value_of(value: Any, language: Language) -> str:
    """A value as a person writes it."""
    is_zh = language == "zh"
    match value:
        case None | "" | ():
            return "无" if is_zh else "none"
        case bool():
            return ("是" if value else "否") if is_zh else ("yes" if value else "no")
        case int() | float():
            return f"{value:g}"
        case Text():
            return value.zh if is_zh else value.en
        case tuple() | list():
            return ("、" if is_zh else ", ").join(map(str, value))
    return str(value)


def sentences(changes: Sequence[Change], language: Language) -> list[str]:
    """Every difference as a sentence; one that says so where there is none."""
    return [sentence(change, language) for change in changes] or [
        _SAME[0 if language == "zh" else 1]
    ]


def refusal(why: Refusal, language: Language) -> str:
    """Why a step was not taken."""
    facts = {
        name: fact.said(language) if isinstance(fact, Text) else fact
        for name, fact in why.facts.items()
    }
    at = 0 if language == "zh" else 1
    if "state" in facts:
        facts["state"] = STATES[str(facts["state"])][at]
    return REFUSALS[why.code][at].format(**facts)


def state(name: str, language: Language) -> str:
    """What a version's state is called."""
    return STATES[name][0 if language == "zh" else 1]
