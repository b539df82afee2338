"""What people did in an exercise, and what that is worth, each point with its reason.  Pure.

People are scored on what reached them alone: what the chain did not find is said, and costs them
nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from alerting.drill.scenarios import Event, Scenario
from alerting.policy import STILL, Clocks
from lifeline.model import Text
from lifeline.words import verdict_code

Aspect = Literal["seen", "acknowledged", "verified", "plan", "verdict"]
POINTS: dict[Aspect, float] = {
    "seen": 15.0,
    "acknowledged": 25.0,
    "verified": 15.0,
    "plan": 25.0,
    "verdict": 20.0,
}
"""They make 100."""
SEEN_S = (60.0, 300.0)
OTHER_S = (600.0, 1800.0)
"""Of grades without clocks: full points until the first, none from the second on."""
WRONG_CODE = 0.75
"""The right verdict for another reason."""


class StepDone(msgspec.Struct, frozen=True):
    """One step of the plan, and whether and when it was ticked."""

    number: int
    kind: str
    do: Text
    within_s: float
    by: str = ""
    at_ms: int | None = None


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one incident of the exercise; times unix ms."""

    incident: str
    asset: str
    hazard: str
    grade: int
    opened_ms: int
    seen_ms: int | None = None
    seen_by: str = ""
    acknowledged_ms: int | None = None
    acknowledged_by: str = ""
    verified_ms: int | None = None
    verified_by: str = ""
    verdict: str = ""
    code: str = ""
    steps: tuple[StepDone, ...] = ()


class Mark(msgspec.Struct, frozen=True):
    """The points of one aspect, and why."""

    aspect: Aspect
    points: float
    of: float
    why: Text


class Scored(msgspec.Struct, frozen=True):
    """One incident with its marks."""

    event: int
    """Its place in the scenario, from 1; 0: not scripted."""
    course: Course
    points: float
    """Of 100."""
    marks: tuple[Mark, ...]


class Score(msgspec.Struct, frozen=True):
    """A whole exercise."""

    points: float | None
    """Of 100; None where nothing reached anybody."""
    scored: tuple[Scored, ...]
    unfound: tuple[int, ...]
    """Events that the chain made no incident of: its fault, not the desk's."""


def score(scenario: Scenario, courses: Sequence[Course], clocks: Mapping[int, Clocks]) -> Score:
    """What an exercise was worth: the mean of what was scripted, or of all where nothing was.

    ``clocks``: those by which people were called, by grade.
    """
    left = sorted(courses, key=lambda course: (course.opened_ms, course.incident))
    scored: list[Scored] = []
    unfound: list[int] = []
    for number, event in enumerate(scenario.event, 1):
        found = next((course for course in left if _is_of(course, event)), None)
        if found is None:
            unfound.append(number)
            continue
        left.remove(found)
        scored.append(_scored(number, found, event, clocks))
    scored += [_scored(0, course, None, clocks) for course in left]
    counted = [one for one in scored if one.event or not scenario.event]
    points = sum(one.points for one in counted) / len(counted) if counted else None
    return Score(None if points is None else round(points, 1), tuple(scored), tuple(unfound))


def _is_of(course: Course, event: Event) -> bool:
    return course.hazard == event.hazard and event.asset in ("", course.asset)


def _scored(
    number: int, course: Course, event: Event | None, clocks: Mapping[int, Clocks]
) -> Scored:
    marks = _marks(course, event, clocks.get(course.grade, STILL))
    points = sum(mark.points for mark in marks) * 100 / sum(mark.of for mark in marks)
    return Scored(number, course, round(points, 1), marks)


def _marks(course: Course, event: Event | None, clocks: Clocks) -> tuple[Mark, ...]:
    taken_s = verified_s = OTHER_S
    if clocks.remind_s and clocks.escalate_s and clocks.escalate_s[0] > clocks.remind_s:
        taken_s = (clocks.remind_s, clocks.escalate_s[0])
    if clocks.progress_s:
        verified_s = (clocks.progress_s / 2, clocks.progress_s)
    marks = [
        _timed("seen", course, course.seen_ms, course.seen_by, SEEN_S),
        _timed("acknowledged", course, course.acknowledged_ms, course.acknowledged_by, taken_s),
        _timed("verified", course, course.verified_ms, course.verified_by, verified_s),
    ]
    marks += _plan(course, event)
    if event is not None:
        marks.append(_verdict(course, event))
    return tuple(marks)


_SAID: dict[str, Text] = {
    "seen": Text("看到", "seen"),
    "acknowledged": Text("确认", "acknowledged"),
    "verified": Text("研判", "verified"),
}


def _timed(
    aspect: Aspect, course: Course, at_ms: int | None, by: str,
    limits_s: tuple[float, float],
) -> Mark:  # fmt: skip
    """Full points up to the first limit, none from the second on, evenly in between."""
    of, said = POINTS[aspect], _SAID[aspect]
    full_s, none_s = limits_s
    if at_ms is None:
        why = Text(f"无人{said.zh}", f"nobody has {said.en} it")
        return Mark(aspect, 0.0, of, why)
    took_s = max(0.0, (at_ms - course.opened_ms) / 1000)
    share = min(1.0, max(0.0, (none_s - took_s) / (none_s - full_s)))
    why = Text(
        f"{by}用{took_s:.0f}秒{said.zh}；{full_s:.0f}秒内满分，{none_s:.0f}秒起不得分",
        f"{said.en} by {by} after {took_s:.0f} s; full points within {full_s:.0f} s,"
        f" none from {none_s:.0f} s on",
    )
    return Mark(aspect, round(of * share, 2), of, why)


def _plan(course: Course, event: Event | None) -> list[Mark]:
    kinds = event.steps if event is not None else ()
    wanted = [step for step in course.steps if not kinds or step.kind in kinds]
    if not wanted:
        return []
    worth, late, missing = 0.0, 0, 0
    for step in wanted:
        if step.at_ms is None:
            missing += 1
        elif step.at_ms - course.opened_ms <= step.within_s * 1000:
            worth += 1.0
        else:
            late += 1
            worth += 0.5
    n, done = len(wanted), len(wanted) - missing - late
    why = Text(
        f"预案要求的{n}个步骤中，按时完成{done}个，超时完成{late}个，未完成{missing}个",
        f"of {n} steps that the plan demands {done} were ticked in time, {late} late,"
        f" {missing} not at all",
    )
    of = POINTS["plan"]
    return [Mark("plan", round(of * worth / n, 2), of, why)]


_VERDICTS = {
    "": Text("无", "nothing"),
    "true": Text("属实", "true"),
    "false": Text("误报", "false"),
    "test": Text("测试", "a test"),
    "unknown": Text("不明", "unknown"),
}


def _verdict(course: Course, event: Event) -> Mark:
    of, said, right = POINTS["verdict"], _VERDICTS[course.verdict], _VERDICTS[event.verdict]
    if course.verdict != event.verdict:
        why = Text(f"结论为“{said.zh}”，应为“{right.zh}”", f"judged {said.en}, it was {right.en}")
        return Mark("verdict", 0.0, of, why)
    if event.codes and course.code not in event.codes:
        why = Text(
            f"结论“{right.zh}”正确，但原因不符（{verdict_code(course.code, 'zh')}）",
            f"rightly judged {right.en}, for another reason"
            f" ({verdict_code(course.code, 'en').lower()})",
        )
        return Mark("verdict", of * WRONG_CODE, of, why)
    return Mark("verdict", of, of, Text(f"结论“{right.zh}”正确", f"rightly judged {right.en}"))
