"""Codes to words, Chinese and English: the one place where findings become sentences.

Pure.  Every table maps a code to (zh, en); a code that a city adds itself comes back as it is, so
that a missing word never hides an alarm.
"""

from collections.abc import Iterable
from typing import Literal

from lifeline.explanations import DETECTORS, EXPLANATIONS, FACTS
from lifeline.grades import Grading
from lifeline.model import Finding, Quality
from lifeline.terms import (
    ACTIONS,
    ALARM_MARKS,
    ALARM_STATES,
    PHASES,
    REASONS,
    REFUSALS,
    VERDICT_CODES,
    VERDICTS,
    WINDOWS,
    Table,
)

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")

LIFELINES: Table = {
    "gas": ("燃气", "Gas"),
    "water": ("供水", "Water"),
    "heating": ("供热", "Heating"),
    "bridge": ("桥梁", "Bridges"),
    "drainage": ("排水", "Drainage"),
    "tunnel": ("综合管廊", "Utility tunnel"),
    "power": ("电力", "Power"),
    "canary": ("自检", "Self-test"),
}
HAZARDS: Table = {
    "gas-leak": ("燃气泄漏", "Gas leak"),
    "cover-moved": ("井盖移位", "Manhole cover moved"),
    "burst": ("爆管", "Pipe burst"),
    "low-supply": ("供水不足", "Low supply"),
    "negative-pressure": ("管网负压", "Negative pressure"),
    "water-leak": ("漏损", "Water leak"),
    "heating-leak": ("供热管网失水", "Heating network leak"),
    "overload": ("超载", "Overload"),
    "stiffness-loss": ("刚度下降", "Loss of stiffness"),
    "collision": ("撞击", "Collision"),
    "flood": ("内涝", "Flooding"),
    "gas-pressure-low": ("燃气压力下降", "Gas pressure drop"),
    "gas-flow-excess": ("燃气流量异常增大", "Excess gas flow"),
    "gas-smell": ("燃气异味", "Smell of gas"),
    "gas-composition": ("检出管道天然气成分", "Ethane: gas of the mains"),
    "settlement": ("地面沉降", "Ground settlement"),
    "temperature-high": ("温度异常升高", "Temperature high"),
    "soil-hot": ("土壤温度偏高", "Hot soil"),
    "sewage-level-fall": ("污水液位下降", "Sewage level falls"),
    "heavy-rain": ("强降雨", "Heavy rain"),
    "immersed": ("传感器浸水", "Sensor under water"),
    "pump-trip": ("水泵跳停", "Pump trip"),
    "sensor-fault": ("传感器故障", "Sensor fault"),
    "anomaly": ("运行异常", "Anomaly"),
    "attack": ("疑似入侵", "Suspected intrusion"),
    "water-quality": ("水质异常", "Water quality"),
    "equipment-fault": ("设备故障", "Equipment fault"),
    "data-quality": ("数据质量异常", "Data quality"),
    "gateway-silent": ("设备失联", "Device silent"),
    "canary": ("链路自检", "Chain self-test"),
}
CONTEXTS: Table = {
    "work-order": ("施工作业", "Work order"),
    "permit": ("作业许可", "Permit"),
    "weather": ("天气", "Weather"),
    "hotline": ("热线来电", "Hotline"),
    "regime": ("工况切换", "Change of regime"),
    "frozen-ground": ("冻土期", "Frozen ground"),
    "heavy-rain": ("强降雨期", "Heavy rain"),
    "flood": ("防汛期", "Flood warning"),
    "gale": ("大风期", "Gale"),
}
_OTHER = ("规则 {rule} 触发：{value}", "rule {rule} fired at {value}")
_HEADLINES: Table = {
    "opened": (
        "{mark}{grade}{lifeline}报警：{asset} {hazard}",
        "{mark}{grade} {lifeline} alarm: {hazard} at {asset}",
    ),
    "located": (
        "{mark}位置已推定：{asset} {hazard}",
        "{mark}Located: {hazard} at {asset}",
    ),
    "worsened": (
        "{mark}升级为{grade}：{asset} {hazard}",
        "{mark}Now {grade}: {hazard} at {asset}",
    ),
    "reopened": (
        "{mark}{grade}再次报警：{asset} {hazard}",
        "{mark}{grade} again: {hazard} at {asset}",
    ),
    "eased": (
        "{mark}降级为{grade}：{asset} {hazard}",
        "{mark}Eased to {grade}: {hazard} at {asset}",
    ),
    "undone": ("{mark}确认已撤销：{asset} {hazard}", "{mark}No longer taken: {hazard} at {asset}"),
    "verified": ("{mark}已研判：{asset} {hazard}", "{mark}Verified: {hazard} at {asset}"),
    "dispatched": ("{mark}已派遣：{asset} {hazard}", "{mark}Dispatched: {hazard} at {asset}"),
    "merged": ("{mark}已并入另一事件：{asset} {hazard}", "{mark}Merged: {hazard} at {asset}"),
    "acknowledged": ("{mark}已确认：{asset} {hazard}", "{mark}Acknowledged: {hazard} at {asset}"),
    "returned": (
        "{mark}测值已恢复：{asset} {hazard}",
        "{mark}Readings back to normal: {hazard} at {asset}",
    ),
    "closed": ("{mark}已关闭：{asset} {hazard}", "{mark}Closed: {hazard} at {asset}"),
}  # fmt: skip
_DEVICE_OPENED = (
    "{mark}{lifeline}设备异常：{asset} {hazard}",
    "{mark}{lifeline} device: {hazard} at {asset}",
)
_DEVICE_HEADLINES: Table = {
    "opened": _DEVICE_OPENED,
    # From what back-filled readings alone had said: the first that anybody hears of it.
    "worsened": _DEVICE_OPENED,
    "reopened": (
        "{mark}{lifeline}设备再次异常：{asset} {hazard}",
        "{mark}{lifeline} device again: {hazard} at {asset}",
    ),
}
"""Of sensors and data: nothing has happened in the city, so it is no alarm of its lifeline."""
_EXERCISE = ("【演练】", "[EXERCISE] ")
_TEST_GAS = ("【标准气测试】", "[TEST GAS] ")
_AT = ("，最可能在{place}（{p}）", ", most probably at {place} ({p})")
_ON_TEST_GAS = ("，传感器报告正在通标准气测试", ", while the sensor reports test gas")


def said(pair: tuple[str, str], language: Language) -> str:
    """The one of (zh, en) that is in that language."""
    return pair[LANGUAGES.index(language)]


def joined(texts: Iterable[str], language: Language) -> str:
    """Several things as each language lists them.

    >>> joined(["甲", "乙"], "zh"), joined(["A", "B"], "en")
    ('甲、乙', 'A, B')
    """
    return said(("、", ", "), language).join(texts)


def bracketed(text: str, aside: str, language: Language) -> str:
    """A text with an aside behind it, in brackets as each language writes them.

    >>> bracketed("限值", "未核对", "zh"), bracketed("limit", "not verified", "en")
    ('限值（未核对）', 'limit (not verified)')
    """
    return said(("{}（{}）", "{} ({})"), language).format(text, aside)


def _word(table: Table, code: str, language: Language) -> str:
    return said(table.get(code, (code, code)), language)


def lifeline(name: str, language: Language) -> str:
    """A lifeline's name."""
    return _word(LIFELINES, name, language)


def hazard(code: str, language: Language) -> str:
    """What is feared."""
    return _word(HAZARDS, code, language)


def context(kind: str, language: Language) -> str:
    """What a zone knew of that no sensor says."""
    return _word(CONTEXTS, kind, language)


def detector(kind: str, language: Language) -> str:
    """A kind of detector."""
    return _word(DETECTORS, kind, language)


def fact(name: str, value: float, language: Language) -> tuple[str, str]:
    """A detector's fact as a label and a value with its unit.

    >>> fact("size_m3_h", 12.345, "en"), fact("odd_thing", 2.0, "zh")
    (('Size', '12.35 m³/h'), ('odd_thing', '2'))
    """
    zh, en, unit = FACTS.get(name, (name, name, ""))
    return said((zh, en), language), quantity(value, unit)


def phase(code: str, language: Language) -> str:
    """Where an incident stands."""
    return _word(PHASES, code, language)


def alarm_state(code: str, language: Language) -> str:
    """Where an alarm stands."""
    return _word(ALARM_STATES, code, language)


def alarm_mark(code: str, language: Language) -> str:
    """What is odd about an alarm: that it chatters, flits or stands."""
    return _word(ALARM_MARKS, code, language)


def verdict(code: str, language: Language) -> str:
    """What somebody found an incident to be."""
    return _word(VERDICTS, code, language)


def verdict_code(code: str, language: Language) -> str:
    """Why he found so."""
    return _word(VERDICT_CODES, code, language)


def window(kind: str, language: Language) -> str:
    """A kind of window."""
    return _word(WINDOWS, kind, language)


def action(code: str, language: Language) -> str:
    """What people can do."""
    return _word(ACTIONS, code, language)


def reason(code: str, language: Language) -> str:
    """Why an incident changed."""
    return _word(REASONS, code, language)


def refusal(code: str, language: Language) -> str:
    """Why somebody's action was not done, as a sentence."""
    return _word(REFUSALS, code, language)


def quantity(value: float | None, unit: str) -> str:
    """A value with its unit, as many digits as a person reads.

    >>> shown = ((23.456789, "%LEL"), (1234567.8, "Pa"), (None, "kPa"), (3, "1"))
    >>> tuple(quantity(value, unit) for value, unit in shown)
    ('23.46 %LEL', '1234568 Pa', '–', '3')
    """
    if value is None:
        return "–"
    digits = 0 if abs(value) >= 1000 else 4
    text = f"{value:.{digits}f}" if digits == 0 else f"{value:.{digits}g}"
    return text if unit in ("", "1") else f"{text} {unit}"


def explain(finding: Finding, language: Language) -> str:
    """Why the detector fired, in one sentence without its full stop.

    >>> f = Finding(
    ...     id="1", phase="raised", zone="z", asset="a", lifeline="gas", channel="a/ch4", rule="r",
    ...     detector="threshold", hazard="gas-leak", grade=1, onset_ms=0, at_ms=0, received_ms=0,
    ...     code="above-limit", value=23.4, unit="%LEL", limit=20.0, limit_id="gas.ch4.alarm")
    >>> explain(f, "en")
    'a/ch4: 23.4 %LEL is above the limit of 20 %LEL (gas.ch4.alarm)'
    """
    sentence = said(EXPLANATIONS.get(finding.code, _OTHER), language).format(
        value=quantity(finding.value, finding.unit),
        limit=quantity(finding.limit, finding.unit),
        rule=finding.rule,
        said=finding.said,
    )
    if finding.quality & Quality.TEST_GAS:
        sentence += said(_ON_TEST_GAS, language)
    if finding.detail and finding.detail.candidates:
        place, probability = finding.detail.candidates[0]
        sentence += said(_AT, language).format(place=place, p=f"{probability:.0%}")
    if finding.limit_id:
        sentence = bracketed(sentence, finding.limit_id, language)
    return said(("{}：{}", "{}: {}"), language).format(finding.channel, sentence)


def headline(
    finding: Finding,
    asset_title: str,
    language: Language,
    grades: Grading,
    *,
    reason: str = "opened",
) -> str:
    """One line for a list or a push: how grave, what, where.

    >>> f = Finding(
    ...     id="1", phase="raised", zone="z", asset="a", lifeline="gas", channel="a/ch4", rule="r",
    ...     detector="threshold", hazard="gas-leak", grade=1, onset_ms=0, at_ms=0, received_ms=0)
    >>> headline(f, "Well 7", "en", Grading()), headline(f, "7 号井", "zh", Grading())
    ('Critical gas alarm: Gas leak at Well 7', '一级燃气报警：7 号井 燃气泄漏')
    """
    at = LANGUAGES.index(language)
    name = lifeline(finding.lifeline, language)
    of_device = _DEVICE_HEADLINES.get(reason) if grades.is_device(finding.grade) else None
    texts = of_device or _HEADLINES.get(reason, _HEADLINES["opened"])
    return texts[at].format(
        mark=(_EXERCISE[at] if finding.drill else "")
        + (_TEST_GAS[at] if finding.quality & Quality.TEST_GAS else ""),
        grade=grades.word(finding.grade, language),
        lifeline=name.lower() if language == "en" and not of_device else name,
        hazard=hazard(finding.hazard, language),
        asset=asset_title or finding.asset,
    )
