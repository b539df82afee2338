"""The report of an exercise: as JSON, and as a page to print in either language.  Pure."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import msgspec
from markupsafe import Markup

from alerting.drill.scenarios import Scenario
from alerting.drill.scoring import Score, Scored
from alerting.people.times import clock
from lifeline import words
from lifeline.grades import Grading
from lifeline.model import Text
from lifeline.words import Language

WORDS: dict[str, Text] = {
    "title": Text("【演练】评分报告", "[EXERCISE] Report"),
    "total": Text("总分", "Points"),
    "nothing": Text("没有可评分的事件", "nothing reached anybody: there is nothing to score"),
    "began": Text("开始", "Began"),
    "ended": Text("结束", "Ended"),
    "by": Text("发起人", "Started by"),
    "aspect": Text("项目", "Aspect"),
    "points": Text("得分", "Points"),
    "why": Text("说明", "Why"),
    "seen": Text("发现", "Seen"),
    "acknowledged": Text("确认", "Acknowledged"),
    "verified": Text("研判", "Verified"),
    "plan": Text("预案步骤", "Steps of the plan"),
    "verdict": Text("研判结论", "Verdict"),
    "steps": Text("步骤", "Step"),
    "ticked": Text("完成", "Ticked"),
    "unscripted": Text("剧本之外的事件", "not scripted"),
    "unfound": Text(
        "系统未发现剧本中的第{n}个事件，不计入人员得分",
        "the chain made no incident of event {n}; that costs nobody points",
    ),
    "time": Text("到时自动结束", "its time was over"),
    "stopped": Text("人工结束", "stopped by hand"),
    "real": Text(
        "真实的最高等级事件发生，演练立即让路", "a real incident of the top grade broke it off"
    ),
}
STYLE = """
body { font: 14px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }
h1 span { color: #c8102e; }
table { border-collapse: collapse; width: 100%; margin: .5em 0 1.5em; }
th, td { border: 1px solid #bbb; padding: .3em .6em; text-align: left; vertical-align: top; }
td.number { text-align: right; white-space: nowrap; }
.total { font-size: 1.6em; font-weight: 650; }
"""


class DrillReport(msgspec.Struct, frozen=True, kw_only=True):
    """An exercise that is over, with its score; what is kept and shown."""

    schema: str = "drill/1"
    status: str = "Exercise"
    drill: str
    scenario: Scenario
    started_by: str
    started_ms: int
    ended_ms: int
    ended_why: str
    score: Score


def as_html(report: DrillReport, language: Language, zone: ZoneInfo, grades: Grading) -> str:
    """For people, on paper too; nothing in it comes from elsewhere."""
    said = report.score
    points = _say("nothing", language) if said.points is None else f"{said.points:g} / 100"
    title = report.scenario.title.said(language)
    facts = (
        ("began", clock(report.started_ms, zone)),
        ("ended", f"{clock(report.ended_ms, zone)} ({_say(report.ended_why, language)})"),
        ("by", report.started_by),
    )
    parts = [
        Markup("<h1><span>{}</span> {}</h1>").format(_say("title", language), title),
        Markup('<p class="total">{}: {}</p>').format(_say("total", language), points),
        _table((), [(_say(code, language), value) for code, value in facts]),
        *(Markup("<p>{}</p>").format(_say("unfound", language, n=n)) for n in said.unfound),
        *(_incident(one, language, zone, grades) for one in said.scored),
    ]
    lang = "zh-CN" if language == "zh" else "en"
    head = Markup('<!doctype html><html lang="{}"><head><meta charset="utf-8"><title>{}</title>')
    return str(
        head.format(lang, f"{_say('title', language)} {title}")
        + Markup("<style>{}</style></head><body>").format(Markup(STYLE))  # noqa: S704 (a constant)
        + Markup("\n").join(parts)
        + Markup("</body></html>\n")
    )


def _say(code: str, language: Language, **facts: int) -> str:
    return WORDS[code].said(language).format(**facts)


def _incident(one: Scored, language: Language, zone: ZoneInfo, grades: Grading) -> Markup:
    course = one.course
    mark = "" if one.event else f" ({_say('unscripted', language)})"
    grade, hazard = grades.word(course.grade, language), words.hazard(course.hazard, language)
    head = f"{grade} {hazard} {course.asset}, {one.points:g} / 100{mark}"
    marks = [
        (_say(m.aspect, language), f"{m.points:g} / {m.of:g}", m.why.said(language))
        for m in one.marks
    ]
    steps = [
        (
            step.do.said(language),
            "–" if step.at_ms is None else f"{clock(step.at_ms, zone)} {step.by}",
        )
        for step in course.steps
    ]
    heads = tuple(_say(code, language) for code in ("aspect", "points", "why"))
    made = Markup("<h2>{}</h2>").format(head) + _table(heads, marks)
    if steps:
        made += _table((_say("steps", language), _say("ticked", language)), steps)
    return made


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Markup:
    cells = [Markup("").join(Markup("<td>{}</td>").format(value) for value in row) for row in rows]
    top = Markup("").join(Markup("<th>{}</th>").format(head) for head in heads)
    body = Markup("").join(Markup("<tr>{}</tr>").format(line) for line in cells)
    return Markup("<table>{}{}</table>").format(
        Markup("<tr>{}</tr>").format(top) if heads else "", body
    )
