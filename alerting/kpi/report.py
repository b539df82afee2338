"""The alarm figures as people and spreadsheets read them: Chinese and English.  Pure."""

import csv
import io
from collections.abc import Sequence
from typing import Literal

import msgspec

from alerting.console.evidence import number_text
from alerting.console.words import age
from lifeline.grades import Grading
from lifeline.words import Language, said

Dimension = Literal["desk", "lifeline", "model", "day"]
DIMENSIONS: tuple[Dimension, ...] = ("desk", "lifeline", "model", "day")


class Figures(msgspec.Struct, frozen=True):
    """What one desk, lifeline, sensor model or day came to; None where there was nothing to say."""

    key: str
    alarms: int
    per_10min: float
    peak_10min: int
    flood_share: float
    """Of the time: above 10 alarms in 10 minutes until below 5."""
    chattering: int
    """Alarms that were raised three times within a minute."""
    chatter_share: float | None
    standing: int
    """Raises that lasted for more than a day."""
    grades: dict[str, int]
    incidents: int
    acknowledge_p50_s: float | None
    acknowledge_p95_s: float | None
    verify_p50_s: float | None
    verify_p95_s: float | None
    close_p50_s: float | None
    close_p95_s: float | None
    in_time_share: float | None
    false_share: float | None


class Frequent(msgspec.Struct, frozen=True):
    """One of the ten alarms that come most often."""

    key: str
    place: int
    channel: str
    rule: str
    alarms: int
    share: float


class Report(msgspec.Struct, frozen=True):
    """The figures of a time by one dimension."""

    by: Dimension
    from_ms: int
    until_ms: int
    figures: tuple[Figures, ...]
    top: tuple[Frequent, ...]


HEADS: dict[str, tuple[str, str]] = {
    "desk": ("值班席", "Desk"),
    "lifeline": ("专项", "Lifeline"),
    "model": ("传感器型号", "Sensor model"),
    "day": ("日期", "Day"),
    "alarms": ("报警数", "Alarms"),
    "per_10min": ("每10分钟", "Per 10 min"),
    "peak_10min": ("10分钟峰值", "Peak 10 min"),
    "flood_share": ("泛滥时间占比", "In flood"),
    "chattering": ("抖动报警", "Chattering"),
    "standing": ("超24小时", "Over 24 h"),
    "grades": ("按等级", "By grade"),
    "incidents": ("事件数", "Incidents"),
    "acknowledge_p50_s": ("确认中位", "Ack p50"),
    "acknowledge_p95_s": ("确认P95", "Ack p95"),
    "verify_p50_s": ("研判中位", "Verify p50"),
    "close_p50_s": ("关闭中位", "Close p50"),
    "in_time_share": ("按时关闭率", "Closed in time"),
    "false_share": ("误报率", "False"),
}
TOP = ("最频繁的报警", "The alarms that come most often")
NOTHING = "–"


def table(report: Report, language: Language, grades: Grading) -> list[list[str]]:
    """The figures as a table of words, its head first."""
    columns = [name for name in HEADS if name not in DIMENSIONS]
    head = [said(HEADS[name], language) for name in (report.by, *columns)]
    return [
        head,
        *([one.key or NOTHING, *(_cell(one, name, language, grades) for name in columns)]
          for one in report.figures),
    ]  # fmt: skip


def top_lines(report: Report) -> list[str]:
    """The alarms that come most often, a line each."""
    return [
        f"{one.key or NOTHING}  {one.place:2}. {one.channel}  {one.rule}  {one.alarms}"
        f"  {one.share:.0%}"
        for one in report.top
    ]


def _cell(figures: Figures, name: str, language: Language, grades: Grading) -> str:
    value = getattr(figures, name)
    if value is None:
        return NOTHING
    if name == "grades":
        counted = sorted((int(grade), n) for grade, n in value.items())
        return " ".join(f"{grades.word(grade, language)}:{n}" for grade, n in counted)
    if name.endswith("_s"):
        return age(value, language)
    if name.endswith("_share"):
        return f"{value:.1%}"
    return number_text(value) if isinstance(value, float) else str(value)


def as_csv(report: Report) -> str:
    """The figures for a spreadsheet: machine names, plain numbers, one row a key."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [name for name in Figures.__struct_fields__ if name not in ("key", "grades")]
    grades = sorted({grade for one in report.figures for grade in one.grades}, key=int)
    writer.writerow([report.by, *names, *(f"grade_{grade}" for grade in grades)])
    for one in report.figures:
        values = [getattr(one, name) for name in names]
        writer.writerow([
            one.key,
            *("" if value is None else value for value in values),
            *(one.grades.get(grade, 0) for grade in grades),
        ])  # fmt: skip
    return out.getvalue()


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines whose columns stand below each other, Chinese counted twice as wide."""
    widths = [max(_width(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _width(text: str) -> int:
    return sum(2 if "\u2e80" <= letter <= "\uffef" else 1 for letter in text)
