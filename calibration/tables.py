"""Differences between two versions of a profile as tables of words.  Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from calibration.differences import WHAT, Difference, Tally
from calibration.rates import Rate, rate
from calibration.trial import Trial
from lifeline.words import Language, hazard, said, verdict

WHATS: dict[str, tuple[str, str]] = {
    "lost": ("不再发现", "lost"),
    "gained": ("新发现", "gained"),
    "later": ("较晚", "later"),
    "earlier": ("较早", "earlier"),
    "same": ("相同", "same"),
}
EVENT_HEADS = (
    ("差异", "Difference"),
    ("开始", "From"),
    ("设施", "Asset"),
    ("险情", "Hazard"),
    ("早晚", "By"),
    ("现行", "Today"),
    ("新版", "New"),
    ("研判", "Desk"),
)
TALLY_HEADS = (
    ("现行报警", "Today"),
    ("真", "True"),
    ("误", "False"),
    ("每传感器年", "Per sensor-year"),
    ("新版报警", "New"),
    ("真", "True"),
    ("误", "False"),
    ("每传感器年", "Per sensor-year"),
)
NAMES = {"rule": ("规则", "Rule"), "zone": ("片区", "Zone")}


def events(
    found: Sequence[Difference], language: Language, clock: Callable[[int], str]
) -> list[list[str]]:
    """A row for each event that differs, heads first; what is the same is only counted."""
    rows = [[said(pair, language) for pair in EVENT_HEADS]]
    for one in found:
        if one.what == "same":
            continue
        rows.append(
            [
                said(WHATS[one.what], language),
                clock(one.from_ms),
                one.asset,
                hazard(one.hazard, language),
                lasting(one.by_s) if one.by_s else "–",
                str(len(one.old)),
                str(len(one.new)),
                verdict(one.verdict, language) if one.verdict else "–",
            ]
        )
    return rows


def summary(counted: Mapping[str, int], language: Language) -> str:
    """How many events there are of each kind of difference, in one line."""
    parts = [f"{said(WHATS[what], language)} {counted[what]}" for what in WHAT]
    return said(("，", ", "), language).join(parts)


def tallied(found: Sequence[Tally], name: str, years: float, language: Language) -> list[list[str]]:
    """A row for each rule or zone, heads first: alarms of both versions, with their rate."""
    heads = [said(pair, language) for pair in (NAMES[name], *TALLY_HEADS)]
    return [heads, *(list(_cells(one, years)) for one in found)]


def _cells(one: Tally, years: float) -> Iterator[str]:
    yield one.name
    for total, true, false in (
        (one.old, one.old_true, one.old_false),
        (one.new, one.new_true, one.new_false),
    ):
        yield from map(str, (total, true, false))
        yield interval(rate(total, years)) if years else "–"


def interval(one: Rate) -> str:
    """A rate with the interval that holds the true one in 90 %.

    >>> interval(rate(3, 10.0))
    '0.3 (0.0818 – 0.775)'
    """
    return f"{one.per_year:.3g} ({one.low:.3g} – {one.high:.3g})"


def lasting(seconds: float) -> str:
    """A difference in time with its sign, as short as it can be read.

    >>> lasting(-5400.0), lasting(42.0), lasting(3 * 86400.0)
    ('-1.5 h', '+42 s', '+3 d')
    """
    for size_s, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if abs(seconds) >= size_s:
            return f"{seconds / size_s:+.3g} {unit}"
    return f"{seconds:+.3g} s"


def headline(one: Trial, began: str, ended: str, language: Language) -> str:
    """What was tried, from when until when, on how much; and why it is not whole, where so."""
    name = f"{one.profile} {one.shadow[:12]}"
    if language == "zh":
        told = (
            f"{name}：{began} 至 {ended}，传感器 {one.sensors} 个，{one.sensor_years:.3g} 传感器年"
        )
        told += f"；{one.lost} 条结果未能保存" if one.lost else ""
        return told + "".join(f"\n数据分区 {reason}（已停用）" for reason in one.off)
    told = f"{name}: {began} to {ended}, {one.sensors} sensors, {one.sensor_years:.3g} sensor-years"
    told += f"; {one.lost} findings could not be kept" if one.lost else ""
    return told + "".join(f"\npartition {reason} (switched off)" for reason in one.off)
