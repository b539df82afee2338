"""Hard bounds of rules on which lives depend: no file of a city can set them aside.  Pure.

They are part of the program.  A catalog beyond them does not compile, whoever approved it: moving
one is a change of the program, reviewed as such.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from lifeline.catalog import Limit, Rule, Source
from lifeline.grades import Grading
from lifeline.model import Text

ON_DELAY_S_MAX = 60.0
SILENT_S_MAX = 180.0
SLOW_INTERVALS = 3
"""A device that transmits rarely is silent after so many of its intervals."""
WHY_DELAY = Text(
    "涉及人身安全的报警，延时不得占用救援时间", "a delay must not eat the time of a rescue"
)
WHY_SILENT = Text(
    "失联的可燃气体探测器等于没有探测器", "a gas detector that is silent is one that is not there"
)


class Bound(msgspec.Struct, frozen=True):
    """How far a threshold of a quantity may be moved, and why no farther."""

    unit: str
    side: str
    value: float
    why: Text
    quantities: tuple[str, ...] = ()
    """Empty: whatever is measured in that unit."""
    is_needed: bool = False
    """Whether a catalog that measures it must have such a rule of one of the top grades."""


BOUNDS: tuple[Bound, ...] = (
    Bound(
        "%LEL", "above", 50.0,
        Text("达到爆炸下限一半时必须停止作业并撤人", "at half the explosive limit people leave"),
        is_needed=True,
    ),
    Bound(
        "%VOL", "above", 2.5,
        Text("甲烷2.5 %VOL即爆炸下限一半", "2.5 %VOL of methane is half its explosive limit"),
        ("ch4", "methane"), is_needed=True,
    ),
    Bound(
        "°", "above", 90.0,
        Text("井盖翻转90°即已打开", "a cover that has turned by 90° is off"),
        ("cover-tilt",),
    ),
    Bound(
        "%VOL", "below", 18.0,
        Text("低于18 %VOL时人员可能缺氧昏倒", "below 18 %VOL of oxygen people may faint"),
        ("o2", "oxygen"),
    ),
    Bound(
        "ppm", "above", 10.0,
        Text("高于10 ppm时不得进入有限空间", "above 10 ppm nobody enters a closed space"),
        ("h2s",),
    ),
)  # fmt: skip
"""Their clauses have not been read in the standards by this project; the reasons are its own."""


def is_life_safety(rule: Rule, grades: Grading) -> bool:
    """Whether lives depend on a rule: a top grade, or marked as managed."""
    return grades.is_top(rule.grade) or rule.is_managed


@dataclass(slots=True, frozen=True)
class _Measured:
    """What the sources measure."""

    units: dict[str, set[str]]
    """Quantity -> its units."""
    quantity: dict[str, str]
    """Channel -> its quantity."""


def problems(sources: Sequence[Source], grades: Grading) -> Iterator[str]:
    """A sentence with its place for everything beyond a bound."""
    measured = _measured(sources)
    limits = _limits(sources)
    for source in sources:
        for text in _broken(source, limits, measured, grades):
            yield f"{source.place}: {text.en}"


def sentences(source: Source, grades: Grading) -> Iterator[Text]:
    """For people: what a city's rules, all of them in one source, break and leave out."""
    yield from _broken(source, _limits([source]), _measured([source]), grades)
    yield from missing([source], grades)


def _broken(
    source: Source, limits: Mapping[str, Limit], measured: _Measured, grades: Grading
) -> Iterator[Text]:
    for rule in source.rule:
        yield from _rule(rule, limits, measured, grades)
    for model in source.model:
        if not any(channel.unit == "%LEL" for channel in model.channel):
            continue
        most = max(SILENT_S_MAX, SLOW_INTERVALS * model.upload_interval_s)
        if model.silent_after_s > most:
            after = f"{model.silent_after_s:g}"
            yield Text(
                f"型号 {model.name} 失联 {after} 秒才报警，上限为 {most:g} 秒：{WHY_SILENT.zh}",
                f"model {model.name} is called silent after {after} s;"
                f" the bound is {most:g} s: {WHY_SILENT.en}",
            )


def _limits(sources: Sequence[Source]) -> dict[str, Limit]:
    return {limit.id: limit for source in sources for limit in source.limit}


def _measured(sources: Sequence[Source]) -> _Measured:
    units: dict[str, set[str]] = {}
    quantity: dict[str, str] = {}
    for source in sources:
        models = {model.name: model.channel for model in source.model}
        for entry in source.device:
            for channel in (*models.get(entry.model, ()), *entry.channel):
                units.setdefault(channel.quantity, set()).add(channel.unit)
                quantity[channel.name or f"{entry.asset}/{channel.local}"] = channel.quantity
    return _Measured(units, quantity)


def _rule(
    rule: Rule, limits: Mapping[str, Limit], measured: _Measured, grades: Grading
) -> Iterator[Text]:
    if is_life_safety(rule, grades) and rule.on_delay_s > ON_DELAY_S_MAX:
        delay, most = f"{rule.on_delay_s:g}", f"{ON_DELAY_S_MAX:g}"
        yield Text(
            f"规则 {rule.id} 报警延时 {delay} 秒，上限为 {most} 秒：{WHY_DELAY.zh}",
            f"rule {rule.id} waits {delay} s; the bound is {most} s: {WHY_DELAY.en}",
        )
    value = _value(rule, limits)
    if value is None:
        return
    for bound in BOUNDS:
        if not (_watched(rule, measured) & _meant(bound, measured)) or _side(rule) != bound.side:
            continue
        if value > bound.value if bound.side == "above" else value < bound.value:
            side, end = ("高于", "上限") if bound.side == "above" else ("低于", "下限")
            at, most = f"{value:g} {bound.unit}", f"{bound.value:g} {bound.unit}"
            yield Text(
                f"规则 {rule.id} {side} {at} 才报警，{end}为 {most}：{bound.why.zh}",
                f"rule {rule.id} alarms {bound.side} {at}; the bound is {most}: {bound.why.en}",
            )


def _side(rule: Rule) -> str:
    return str(rule.detector.get("side", "above"))


def _value(rule: Rule, limits: Mapping[str, Limit]) -> float | None:
    """The threshold that a rule alarms at; None where its detector is of another kind."""
    if rule.detector.get("kind") != "threshold":
        return None
    limit = limits.get(rule.limit)
    value = rule.detector.get("limit") if limit is None else limit.value
    return float(value) if isinstance(value, int | float) else None


def _watched(rule: Rule, measured: _Measured) -> set[str]:
    """The quantities that a rule watches."""
    named = {measured.quantity.get(channel, "") for channel in rule.channels}
    return {name for name in (*named, rule.quantity) if name}


def _meant(bound: Bound, measured: _Measured) -> set[str]:
    """The quantities of a city that a bound is about."""
    return {
        quantity
        for quantity, units in measured.units.items()
        if bound.unit in units and (not bound.quantities or quantity in bound.quantities)
    }


def missing(sources: Sequence[Source], grades: Grading) -> Iterator[Text]:
    """A sentence for everything that is measured, must be watched, and is not: never disabled."""
    measured = _measured(sources)
    limits = _limits(sources)
    rules = [
        rule
        for source in sources
        for rule in source.rule
        if grades.is_top(rule.grade) and _value(rule, limits) is not None
    ]
    for bound in BOUNDS:
        for quantity in sorted(_meant(bound, measured)) if bound.is_needed else ():
            fit = [rule for rule in rules if _side(rule) == bound.side]
            named = {channel for rule in fit for channel in rule.channels}
            channels = {name for name, of in measured.quantity.items() if of == quantity}
            if not any(rule.quantity == quantity for rule in fit) and not channels <= named:
                top = grades.top[-1]
                yield Text(
                    f"监测量 {quantity}（{bound.unit}）没有被 {top} 级或更高等级的规则全部覆盖："
                    f"此类规则不得缺少，{bound.why.zh}",
                    f"{quantity} is measured in {bound.unit} and no rule of grade {top} or"
                    f" graver watches all of it: such a rule cannot be left out, {bound.why.en}",
                )
