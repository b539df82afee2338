"""A roster in which nobody would be reached is refused, and the hour and the reason are said."""

import datetime as dt
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.people.check import Problem, check, instants, is_refused
from alerting.people.roster import Roster, Stray, Turn
from alerting.people.rota import (
    Chain,
    Cover,
    Crew,
    Desk,
    Person,
    Rota,
    Rotation,
    Step,
)
from alerting.people.times import DAY_MS, Hours
from lifeline.model import Text
from tests.alerting.people.city import at, chain, desk, person, roster, rota, titled

NOW = at("11-23 10:07")


def codes(problems: list[Problem]) -> list[str]:
    return [problem.code for problem in problems]


@dataclass
class Fixed:
    """A calendar with these entries, whenever it is asked."""

    found: list[Turn | Stray]

    def entries(self, from_ms: int, until_ms: int) -> Iterable[Turn | Stray]:
        return self.found


def test_a_roster_that_always_reaches_somebody_has_no_problem() -> None:
    assert check(roster(), NOW) == []


@pytest.mark.feature("OnCall #1326")
def test_an_hour_in_which_nobody_would_be_reached_is_named_with_its_reason() -> None:
    asleep = Hours("03:20", "03:40")
    quiet = tuple(msgspec.structs.replace(p, quiet=(asleep,)) for p in rota().persons)

    problems = check(roster(persons=quiet), NOW, days=1)

    found = next(p for p in problems if p.desk == "gas" and p.grade == 2)
    assert (found.begins_ms, found.ends_ms) == (at("11-24 03:20"), at("11-24 03:40"))
    assert is_refused(problems)
    assert found.sentence("en") == (
        "roster.toml: desk gas: Gas desk: from 2026-11-24 03:20 to 2026-11-24 03:40 nobody would be"
        " reached for grade 2 Major (step 1, on duty: Officer B: quiet hours; step 2, leader:"
        " Chief: quiet hours)."
    )
    assert found.sentence("zh") == (
        "roster.toml: desk gas: 燃气值班席：2026-11-24 03:20 至 2026-11-24 03:40，二级事件无人可达"
        "（1 当班：值班员乙 处于免打扰时段；2 带班领导：值班长 处于免打扰时段）。"
    )
    assert {p.grade for p in problems} == {2, 3}, "quiet hours never hold for the top grade"


def test_one_who_is_reached_by_the_next_step_leaves_no_hole() -> None:
    nobody = person("wang", grade_max=1)

    problems = check(roster(persons=nobody, chains=rota().chains[:2]), NOW, days=1)

    # Of grade 2 the leader has the day, and the night when he is not asleep.
    holes = [(p.begins_ms, p.ends_ms) for p in problems if p.code == "hole"]
    assert holes == []


def test_a_hole_at_the_end_of_the_fortnight_is_told_to_its_end() -> None:
    problems = check(roster(targets=frozenset()), NOW, days=1)

    assert {(p.begins_ms, p.ends_ms) for p in problems if p.code == "hole"} == {(NOW, NOW + DAY_MS)}
    assert [p.text.en for p in problems if p.code == "no-target"] == [
        "the chains use chat, which router.targets lacks.",
        "the chains use sms, which router.targets lacks.",
        "the chains use voice, which router.targets lacks.",
    ]


def test_a_target_that_is_not_there_is_a_note_while_others_reach_everybody() -> None:
    problems = check(roster(targets=frozenset(("sms", "voice"))), NOW)

    assert codes(problems) == ["no-target"]
    assert not is_refused(problems)


@pytest.mark.parametrize(
    "chains", [chain(1)[1:], chain(1, hours="working"), chain(2, hours="working")]
)
def test_the_two_top_grades_have_a_chain_that_holds_at_any_hour(chains: tuple[Chain, ...]) -> None:
    problems = check(roster(chains=chains), NOW)

    assert codes(problems) == ["no-chain"]
    assert is_refused(problems)


def test_a_desk_without_anybody_on_duty_is_a_gap_even_where_a_leader_is_reached() -> None:
    day_only = Rotation(dt.date(2026, 11, 2), (Hours("08:00", "20:00"),), ("a", "b"))
    gap = desk("gas", rotation=day_only, standing={"leader": ("zhao",)})

    problems = check(roster(desks=gap), NOW, days=2)

    gaps = [(p.begins_ms, p.ends_ms) for p in problems if p.code == "gap"]
    assert gaps == [
        (at("11-23 20:00"), at("11-24 08:00")),
        (at("11-24 20:00"), at("11-25 08:00")),
    ]
    assert is_refused(problems)


def test_a_gap_that_lasts_is_told_to_the_end() -> None:
    empty = desk("gas", rotation=None, crews=(), standing={"leader": ("zhao",)})

    (problem,) = [p for p in check(roster(desks=empty), NOW, days=1) if p.code == "gap"]

    assert (problem.begins_ms, problem.ends_ms) == (NOW, NOW + DAY_MS)
    assert problem.text.zh == "燃气值班席：2026-11-23 10:07 至 2026-11-24 10:07 无人当班。"


def test_a_part_time_desk_has_no_gaps_because_its_parent_stands_in() -> None:
    day_only = Rotation(dt.date(2026, 11, 2), (Hours("08:00", "20:00"),), ("a", "b"))

    problems = check(roster(desks=desk("gas", rotation=day_only, part_time=True)), NOW)

    assert problems == []


def test_one_post_given_twice_for_one_time_is_an_overlap() -> None:
    shifts = (Hours("08:00", "20:00"), Hours("19:00", "08:00"))
    twice = Rotation(dt.date(2026, 11, 2), shifts, ("a", "b"))

    problems = check(roster(desks=desk("gas", rotation=twice)), NOW, days=1)

    assert {p.code for p in problems} == {"overlap"}
    first = problems[0]
    assert (first.begins_ms, first.ends_ms) == (at("11-23 19:00"), at("11-23 20:00"))
    assert "the post on duty is given twice" in first.text.en
    assert "crew a; roster.toml: desk gas, crew b" in first.text.en


def test_one_who_is_covered_for_by_two_at_once_is_said() -> None:
    def cover(who: str, absent: str, begins: str, ends: str) -> Cover:
        return Cover(who, absent, *map(dt.datetime.fromisoformat, (begins, ends)))

    covers = (
        cover("zhao", "chief", "2026-11-24T08:00", "2026-11-26T08:00"),
        cover("wang", "chief", "2026-11-25T08:00", "2026-11-25T20:00"),
        cover("wang", "zhao", "2026-11-25T08:00", "2026-11-25T20:00"),
        cover("wang", "chief", "2026-11-27T08:00", "2026-11-28T20:00"),
    )

    (problem,) = [p for p in check(roster(covers=covers), NOW) if p.code == "cover-twice"]

    assert problem.begins_ms == at("11-25 08:00")
    assert problem.ends_ms == at("11-25 20:00")
    assert problem.text.en == (
        "Chief is covered for twice from 2026-11-25 08:00 to 2026-11-25 20:00 (zhao, wang)."
    )


def test_a_person_without_an_address_that_a_step_uses_is_said_once() -> None:
    problems = check(roster(persons=person("wang", addresses={"sms": "1", "voice": "1"})), NOW)

    assert [p.sentence("en") for p in problems] == [
        (
            "roster.toml: person wang: Officer A has no address for chat, which step 1 of grade 1"
            " Critical needs at Gas desk."
        )
    ]
    assert not is_refused(problems)


@pytest.mark.feature("OnCall #1326")
def test_a_person_without_any_address_for_a_step_refuses_the_roster() -> None:
    problems = check(roster(persons=person("chief", addresses={"mail": "x"})), NOW)

    assert [p.sentence("zh") for p in problems if p.code == "unreachable"] == [
        "roster.toml: person chief: 值班长 在燃气值班席一级预案第 3 步没有任何可用的联系方式。"
    ]
    assert is_refused(problems)


def test_an_event_of_a_calendar_that_names_nobody_is_said() -> None:
    stray = Stray("gas.ics: Lin of 2026-11-24 08:00", Text("无此人。", "no such person."))
    city = roster(calendars={"gas": (Fixed([stray]),)})

    problems = check(city, NOW)

    assert [p.sentence("en") for p in problems] == [
        "gas.ics: Lin of 2026-11-24 08:00: no such person."
    ]


def test_turns_of_a_calendar_count_beside_those_of_the_rotation() -> None:
    turn = Turn("leader", ("zhao",), at("11-24 08:00"), at("11-24 09:00"), "gas.ics")
    city = roster(calendars={"gas": (Fixed([turn]),)})

    assert city.holders("gas", "leader", at("11-24 08:30")) == ("zhao",)
    assert city.holders("gas", "leader", at("11-24 09:00")) == ("chief",)
    assert check(city, NOW) == []


# Property: what is accepted reaches somebody at every minute of the fortnight.

MINUTES = st.integers(0, 95).map(lambda n: f"{n // 4:02}:{15 * (n % 4):02}")
TARGETS = ("chat", "sms", "voice")
NAMES = ("a", "b", "c", "d")
ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/St_Johns")


def subset(words: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(words), min_size=1, unique=True).map(tuple)


@st.composite
def rotas(draw: st.DrawFn) -> Rota:
    hours = st.builds(Hours, MINUTES, MINUTES)
    persons = tuple(
        Person(
            name=name,
            title=titled(name),
            addresses=dict.fromkeys(draw(subset(TARGETS)), "1"),
            grade_max=draw(st.sampled_from((1, 2, 3, 4))),
            quiet=tuple(draw(st.lists(hours, max_size=2))),
        )
        for name in NAMES
    )
    posts = st.dictionaries(st.sampled_from(("on-duty", "second", "leader")), subset(NAMES))
    desks: list[Desk] = []
    for number, name in enumerate(("city", "gas")):
        crews = tuple(Crew(c, draw(posts)) for c in ("x", "y"))
        changes = sorted(draw(st.sets(MINUTES, min_size=1, max_size=3)))
        shifts = tuple(
            Hours(begins, ends)
            for begins, ends in zip(changes, [*changes[1:], changes[0]], strict=True)
        )
        rotation = Rotation(dt.date(2026, 3, 1), shifts, draw(subset(("x", "y"))))
        desks.append(
            Desk(
                name=name,
                title=titled(name),
                parent="city" if number else "",
                part_time=draw(st.booleans()),
                standing=draw(posts),
                crews=crews,
                rotation=draw(st.sampled_from((rotation, None))),
            )
        )
    whom: tuple[Any, ...] = ("on-duty", "second", "leader", "parent-desk", "everyone", "list")
    chains: list[Chain] = []
    for grade in (1, 2, 3):
        steps = [Step(0, draw(st.sampled_from(whom[:-1])), draw(subset(TARGETS)))]
        for n, one in enumerate(draw(st.lists(st.sampled_from(whom), max_size=3)), 1):
            steps.append(Step(60 * n, one, () if one == "list" else draw(subset(TARGETS))))
        limit: Any = draw(st.sampled_from(("any", "working"))) if grade == 3 else "any"
        chains.append(
            Chain(grade=grade, steps=tuple(steps), remind_s=30, progress_s=60, hours=limit)
        )
    begins = dt.datetime.fromisoformat("2026-03-27T12:30")
    covers = (Cover("a", "b", begins, begins + dt.timedelta(hours=30)),)
    return Rota(
        timezone=draw(st.sampled_from(ZONES)),
        persons=persons,
        desks=tuple(desks),
        chains=tuple(chains),
        covers=covers if draw(st.booleans()) else (),
    )


DAYS = 3


@pytest.mark.feature("OnCall #1326")
@settings(max_examples=25)
@given(rotas(), st.lists(st.integers(0, DAYS * 1440 - 1), min_size=15, max_size=15))
def test_a_roster_that_is_accepted_reaches_somebody_at_every_minute(
    written: Rota, minutes: list[int]
) -> None:
    # Over the night on which Europe moves its clocks; a fortnight is only more of the same.
    city, from_ms = Roster(written, "roster.toml"), at("03-27 12:07")
    problems = check(city, from_ms, DAYS)
    holes = [p for p in problems if p.code == "hole"]
    moments = {from_ms + minute * 60_000 for minute in minutes}
    moments |= set(instants(city, from_ms, from_ms + DAYS * DAY_MS)[::8])

    for at_ms, name, grade in itertools.product(moments, city.desks, city.chains):
        reach = city.reach(name, grade, 0, at_ms)
        is_reached = bool(reach.recipients) and not reach.is_last_resort
        told = [p for p in holes if (p.desk, p.grade) == (name, grade)]
        assert is_reached is not any(p.begins_ms <= at_ms < p.ends_ms for p in told)
        chain = city.chains[grade]
        for number, step in enumerate(chain.steps):
            if step.whom != "list" and chain.hours == "any" and is_reached:
                assert city.recipients(name, grade, number, at_ms)
