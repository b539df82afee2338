"""Exercises: scripts, points with their reasons, the report."""

import tomllib
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.drill import report, scenarios, scoring
from alerting.drill.report import DrillReport
from alerting.drill.scenarios import Event, Scenario
from alerting.drill.scoring import Course, Score, StepDone
from alerting.policy import clocks_of
from lifeline import store
from lifeline.catalog import Catalog, CatalogError
from lifeline.compiler import compile_catalog
from lifeline.grades import GRADING
from lifeline.model import Text
from simulators.base import Scenario as Planted

LEAK = Event(
    what="gas-leak", hazard="gas-leak", asset="gas/w", codes=("leak",), steps=("measure", "isolate")
)
SCRIPT = Scenario(name="s", title=Text("泄漏", "Leak"), lifeline="gas", event=(LEAK,))
STEPS = tuple(
    StepDone(n, kind, Text(kind, kind), 100.0 * n)
    for n, kind in enumerate(("call", "measure", "isolate"), 1)
)
SHANGHAI = ZoneInfo("Asia/Shanghai")
T0 = 1_700_000_000_000
CLOCKS = clocks_of(GRADING)


def score(script: Scenario, courses: list[Course]) -> Score:
    return scoring.score(script, courses, CLOCKS)


def course(**changes: Any) -> Course:
    base = Course(
        incident="i", asset="gas/w", hazard="gas-leak", grade=1, opened_ms=T0, seen_ms=T0 + 20_000,
        seen_by="li", acknowledged_ms=T0 + 30_000, acknowledged_by="li", verified_ms=T0 + 300_000,
        verified_by="li", verdict="true", code="leak",
        steps=ticked({2: 150, 3: 250}),
    )  # fmt: skip
    return msgspec.structs.replace(base, **changes)


def ticked(at_s: dict[int, int]) -> tuple[StepDone, ...]:
    return tuple(
        msgspec.structs.replace(step, by="li", at_ms=T0 + 1000 * at_s[step.number])
        if step.number in at_s
        else step
        for step in STEPS
    )


def points(aspect: str, **changes: Any) -> float:
    (one,) = score(SCRIPT, [course(**changes)]).scored
    return next(mark.points for mark in one.marks if mark.aspect == aspect)


def why(aspect: str, **changes: Any) -> str:
    (one,) = score(SCRIPT, [course(**changes)]).scored
    return next(mark.why.en for mark in one.marks if mark.aspect == aspect)


@pytest.mark.feature("M-5")
def test_who_does_everything_right_and_in_time_has_a_hundred_points() -> None:
    made = score(SCRIPT, [course()])

    assert made.points == 100.0
    assert made.unfound == ()
    assert sum(scoring.POINTS.values()) == 100.0


def test_who_does_nothing_has_none() -> None:
    idle = Course(
        incident="i", asset="gas/w", hazard="gas-leak", grade=1, opened_ms=T0, steps=STEPS
    )

    made = score(SCRIPT, [idle])

    assert made.points == 0.0
    assert [mark.why.en for mark in made.scored[0].marks] == [
        "nobody has seen it",
        "nobody has acknowledged it",
        "nobody has verified it",
        "of 2 steps that the plan demands 0 were ticked in time, 0 late, 2 not at all",
        "judged nothing, it was true",
    ]


def test_points_fall_evenly_between_the_reminder_and_the_first_escalation_of_the_grade() -> None:
    assert points("acknowledged", acknowledged_ms=T0 + 75_000) == 12.5
    assert points("acknowledged", acknowledged_ms=T0 + 120_000) == 0.0
    assert points("acknowledged", grade=2, acknowledged_ms=T0 + 120_000) == 25.0
    # Without clocks of its own there is time.
    assert points("acknowledged", grade=4, acknowledged_ms=T0 + 600_000) == 25.0
    assert points("seen", seen_ms=T0 - 5) == 15.0
    assert points("verified", verified_ms=T0 + 450_000) == 7.5
    assert why("seen") == ("seen by li after 20 s; full points within 60 s, none from 300 s on")


def test_late_steps_count_half_and_steps_that_are_not_asked_for_not_at_all() -> None:
    assert points("plan", steps=ticked({2: 150, 3: 250})) == 25.0
    assert points("plan", steps=ticked({2: 150, 3: 400})) == 18.75
    assert points("plan", steps=ticked({1: 10})) == 0.0
    everything = Scenario(
        name="s", title=SCRIPT.title, lifeline="gas",
        event=(msgspec.structs.replace(LEAK, steps=()),),
    )  # fmt: skip
    (one,) = score(everything, [course(steps=ticked({1: 10}))]).scored
    assert next(m for m in one.marks if m.aspect == "plan").points == pytest.approx(8.33)


def test_a_wrong_verdict_is_worth_nothing_and_a_wrong_reason_less() -> None:
    assert points("verdict", verdict="false", code="sensor") == 0.0
    assert points("verdict", code="other") == 15.0
    free = msgspec.structs.replace(LEAK, codes=())
    (one,) = score(msgspec.structs.replace(SCRIPT, event=(free,)), [course(code="other")]).scored
    assert one.points == 100.0


def test_what_the_chain_did_not_find_costs_nobody_points() -> None:
    other = msgspec.structs.replace(LEAK, asset="gas/other")
    two = msgspec.structs.replace(SCRIPT, event=(LEAK, other))

    made = score(two, [course()])

    assert (made.points, made.unfound) == (100.0, (2,))
    assert score(SCRIPT, []).points is None


def test_what_was_not_scripted_is_shown_and_does_not_count() -> None:
    stray = course(incident="j", asset="gas/x", acknowledged_ms=None)

    made = score(SCRIPT, [stray, course()])

    assert [(one.event, one.course.incident) for one in made.scored] == [(1, "i"), (0, "j")]
    assert made.points == 100.0
    assert {mark.aspect for mark in made.scored[1].marks} == set(scoring.POINTS) - {"verdict"}


def test_without_a_script_everything_counts() -> None:
    everything = course(steps=ticked({1: 50, 2: 150, 3: 250}))
    made = score(scenarios.FREE, [everything, course(incident="j", seen_ms=None, steps=())])

    assert made.points == pytest.approx((100 + 40 * 100 / 55) / 2, abs=0.1)


def test_two_events_of_one_kind_are_two_incidents() -> None:
    anywhere = msgspec.structs.replace(LEAK, asset="")
    two = msgspec.structs.replace(SCRIPT, event=(anywhere, anywhere))

    made = score(two, [course(incident="late", opened_ms=T0 + 1), course()])

    assert [one.course.incident for one in made.scored] == ["i", "late"]


@given(
    st.lists(
        st.builds(
            course,
            grade=st.integers(1, 9),
            seen_ms=st.none() | st.integers(T0 - 10, T0 + 10**7),
            acknowledged_ms=st.none() | st.integers(T0 - 10, T0 + 10**7),
            verified_ms=st.none() | st.integers(T0 - 10, T0 + 10**7),
            verdict=st.sampled_from(("", "true", "false", "test", "unknown")),
            steps=st.sampled_from(((), STEPS, ticked({1: 1, 2: 10**6}))),
        ),
        max_size=4,
    ),
    st.sampled_from((SCRIPT, scenarios.FREE)),
)
def test_points_stay_within_their_bounds_and_each_has_a_reason_in_both_languages(
    courses: list[Course], script: Scenario
) -> None:
    made = score(script, courses)

    for one in made.scored:
        assert 0 <= one.points <= 100
        for mark in one.marks:
            assert 0 <= mark.points <= mark.of
            assert mark.why.zh
            assert mark.why.en
    told = reported(made)
    assert msgspec.json.decode(msgspec.json.encode(told), type=DrillReport) == told
    assert "【演练】" in report.as_html(told, "zh", SHANGHAI, GRADING)


# The report.


def reported(made: scoring.Score, script: Scenario = SCRIPT) -> DrillReport:
    return DrillReport(
        drill="d", scenario=script, started_by="<b>boss</b>", started_ms=T0, ended_ms=T0 + 60_000,
        ended_why="time", score=made,
    )  # fmt: skip


def test_the_report_is_marked_escaped_and_says_each_point_in_either_language() -> None:
    two = msgspec.structs.replace(SCRIPT, event=(LEAK, LEAK))
    made = score(two, [course(), course(incident="j", hazard="<script>", steps=())])

    zh = report.as_html(reported(made, two), "zh", SHANGHAI, GRADING)
    en = report.as_html(reported(made, two), "en", SHANGHAI, GRADING)

    assert "【演练】评分报告" in zh
    assert "[EXERCISE] Report" in en
    assert "the chain made no incident of event 2" in en
    assert "<b>boss" not in en
    assert "<script>" not in en
    assert "按时完成2个" in zh
    assert "(not scripted)" in en
    assert reported(made).status == "Exercise"


def test_a_report_of_nothing_says_so() -> None:
    assert "nothing to score" in report.as_html(
        reported(score(SCRIPT, [])), "en", SHANGHAI, GRADING
    )


# Scripts.


def trees() -> list[tuple[str, dict[str, Any]]]:
    return [
        (file.name, tomllib.loads(file.read_text("utf-8")))
        for file in sorted(Path("deploy/drills").glob("*.toml"))
    ]


def test_the_scripts_that_ship_fit_the_city_that_ships_and_the_simulators() -> None:
    city = Catalog(compile_catalog(store.read_sources(("deploy/lifelines",))))

    known = scenarios.parse(trees())

    assert {"free", "gas-leak", "burst"} <= set(known)
    for one in known.values():
        assert scenarios.problems_with(one, city) == []
        for event in one.event:
            msgspec.convert({"what": event.what, "at_s": 0, "until_s": 1}, Planted)


def test_a_script_for_another_city_is_told() -> None:
    city = Catalog(compile_catalog(store.read_sources(("deploy/lifelines",))))
    other = msgspec.structs.replace(SCRIPT, lifeline="steam")

    assert scenarios.problems_with(other, city) == [
        "exercise s: lifeline steam is unknown",
        "exercise s: asset gas/w is unknown",
    ]


def test_wrong_scripts_are_told_with_their_place() -> None:
    good = trees()[0][1]
    wrong = {**good, "minutes": 9999}
    reasons = {**good, "name": "x", "event": [{**good["event"][0], "codes": ["weather"]}]}

    with pytest.raises(CatalogError) as caught:
        scenarios.parse([("a", good), ("b", good), ("c", wrong), ("d", reasons)])

    said = caught.value.problems
    assert [text[0] for text in said] == ["b", "c", "d"]
    assert "there is another exercise" in said[0]
    assert "weather is no reason for true" in said[2]
