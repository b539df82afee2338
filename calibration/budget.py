"""What the detectors' false alarms come to, held against what their profile states.  Pure."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from calibration.rates import LEVEL, YEAR_S, rate
from lifeline.catalog import Catalog, Rule
from lifeline.words import Language, said

Judged = tuple[int, int, int]
"""Alarms of a rule that the desk found true, false, and has not judged."""

STATES: dict[str, tuple[str, str]] = {
    "kept": ("达标", "kept"),
    "broken": ("超标", "broken"),
    "unclear": ("样本不足", "not enough seen"),
    "unstated": ("未设定", "none stated"),
}
HEADS: dict[str, tuple[str, str]] = {
    "rule": ("规则", "Rule"),
    "sensors": ("传感器数", "Sensors"),
    "true": ("真", "True"),
    "false": ("误", "False"),
    "unjudged": ("未研判", "Unjudged"),
    "per_year": ("误报/传感器年", "False/sensor-year"),
    "interval": (f"{LEVEL:.0%}区间", f"{LEVEL:.0%} interval"),
    "stated": ("预算", "Budget"),
    "state": ("结论", "Verdict"),
}


class Line(msgspec.Struct, frozen=True):
    """One rule: what it watched, what came of it, and whether its budget holds."""

    rule: str
    sensors: int
    sensor_years: float
    true: int
    false: int
    unjudged: int
    per_year: float
    """False alarms in a sensor-year."""
    low: float
    high: float
    stated: float
    """0: its profile states none."""
    state: str


def lines(catalog: Catalog, judged: Mapping[str, Judged], seconds: float) -> tuple[Line, ...]:
    """A line for each rule that watches a sensor, those whose budget is broken first.

    A budget is broken when the whole interval lies above it and kept when the whole lies below; in
    between too little was seen.  What the desk has not judged counts as neither: label it.
    """
    assert seconds > 0.0, seconds
    sensors = watched(catalog)
    made = [
        _line(rule, sensors[rule.id], judged.get(rule.id, (0, 0, 0)), seconds)
        for rule in catalog.head.rules
        if sensors.get(rule.id)
    ]
    order = list(STATES)
    order.insert(0, order.pop(order.index("broken")))
    return tuple(sorted(made, key=lambda line: (order.index(line.state), -line.per_year)))


def watched(catalog: Catalog) -> dict[str, int]:
    """How many channels each rule watches."""
    of_quantity: dict[str, int] = {}
    for device in catalog.devices():
        for channel in device.channels:
            of_quantity[channel.quantity] = of_quantity.get(channel.quantity, 0) + 1
    width = {group.name: len(group.channels) for group in catalog.head.groups}
    return {
        rule.id: of_quantity.get(rule.quantity, 0)
        + len(rule.channels)
        + sum(width.get(name, 0) for name in rule.groups)
        for rule in catalog.head.rules
    }


def _line(rule: Rule, sensors: int, judged: Judged, seconds: float) -> Line:
    true, false, unjudged = judged
    seen = rate(false, sensors * seconds / YEAR_S)
    stated = rule.far_per_sensor_year
    if not stated:
        state = "unstated"
    elif seen.low > stated:
        state = "broken"
    else:
        state = "kept" if seen.high <= stated else "unclear"
    return Line(
        rule.id, sensors, seen.sensor_years, true, false, unjudged,
        seen.per_year, seen.low, seen.high, stated, state,
    )  # fmt: skip


def table(found: Sequence[Line], language: Language) -> list[list[str]]:
    """The lines as a table of words, its head first."""
    head = [said(pair, language) for pair in HEADS.values()]
    return [head, *(list(_cells(one, language)) for one in found)]


def _cells(line: Line, language: Language) -> Iterator[str]:
    yield line.rule
    yield from map(str, (line.sensors, line.true, line.false, line.unjudged))
    yield f"{line.per_year:.3g}"
    yield f"{line.low:.3g} – {line.high:.3g}"
    yield f"{line.stated:.3g}" if line.stated else "–"
    yield said(STATES[line.state], language)
