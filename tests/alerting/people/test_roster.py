"""Who is on duty and who is reached: shifts, covers, quiet hours, thresholds, the next step."""

import datetime as dt
from typing import Any

import pytest

from alerting.people import roster as rosters
from alerting.people.clocks import clocks_of
from alerting.people.roster import Lack
from alerting.people.rota import Cover, Crew, Desk, Drill, Rotation, Step
from alerting.people.times import Hours
from alerting.policy import Policy
from tests.alerting.people.city import at, chain, desk, person, roster, rota, titled

DAY, NIGHT = at("11-23 10:00"), at("11-24 03:00")


def people(found: tuple[rosters.Recipient, ...]) -> list[str]:
    return list(dict.fromkeys(one.person for one in found))


def test_crews_take_turns_from_the_first_day_on() -> None:
    city = roster()

    assert city.on_duty("gas", at("11-02 08:00")) == ("wang",)
    assert city.on_duty("gas", at("11-02 20:00")) == ("zhao",)
    assert city.on_duty("gas", at("11-03 07:59")) == ("zhao",)
    assert city.on_duty("gas", at("11-02 07:59")) == ()
    assert city.shift_ends_ms("gas", at("11-02 10:00")) == at("11-02 20:00")
    assert city.shift_ends_ms("city", DAY) is None


def test_four_crews_on_two_shifts_have_day_night_rest_rest() -> None:
    crews = tuple(Crew(name, {"on-duty": (who,)}) for name, who in zip("abcd", WHO, strict=True))
    shifts = (Hours("08:00", "20:00"), Hours("20:00", "08:00"))
    rotation = Rotation(dt.date(2026, 11, 2), shifts, tuple("adbacbdc"))
    city = roster(desks=desk("gas", crews=crews, rotation=rotation))

    days = [city.on_duty("gas", at(f"11-{day:02} 12:00")) for day in range(2, 6)]
    nights = [city.on_duty("gas", at(f"11-{day:02} 22:00")) for day in range(2, 6)]

    assert [who for (who,) in days] == list(WHO)
    assert [who for (who,) in nights] == [WHO[3], *WHO[:3]]


WHO = ("wang", "zhao", "chief", "city-officer")


def test_whoever_stands_in_holds_every_post_of_the_absent_and_only_for_that_time() -> None:
    begins, ends = map(dt.datetime.fromisoformat, ("2026-11-23T08:00", "2026-11-23T20:00"))
    cover = Cover("chief", "wang", begins, ends)
    city = roster(covers=(cover,))

    assert city.on_duty("gas", DAY) == ("chief",)
    assert city.holders("gas", "second", DAY) == ("zhao",)
    assert "wang" not in city.members("gas", DAY)
    assert city.holders("gas", "second", at("11-23 20:00")) == ("wang",)


def test_an_incident_belongs_to_the_desk_of_its_zone_then_of_its_lifeline_then_to_the_city() -> (
    None
):
    east = Desk(name="east", title=titled("east"), zones=("gas/east*",), parent="city")
    city = roster(desks=(*rota().desks, east))

    assert city.desk_of("gas", "gas/east-2") == "east"
    assert city.desk_of("gas", "gas/west") == "gas"
    assert city.desk_of("water", "water/east") == "city"


def test_where_no_desk_takes_everything_what_is_nobodys_is_the_citys() -> None:
    city = roster(desks=desk("city", lifelines=("bridge",)))

    assert city.desk_of("water", "water/east") == "city"


def test_each_step_calls_its_own_people_by_its_own_ways() -> None:
    city = roster()

    steps = [city.recipients("gas", 1, step, DAY) for step in range(6)]

    assert [people(found) for found in steps] == [
        ["wang"],
        ["zhao"],
        ["chief"],
        ["city-officer"],
        ["chief", "wang", "zhao", "city-officer"],
        ["chief", "wang", "zhao", "city-officer"],
    ]
    assert [one.target for one in steps[0]] == ["chat", "sms"]
    assert steps[1][0] == rosters.Recipient("zhao", "sms", "2", "en")


def test_quiet_hours_hold_for_every_grade_but_the_first() -> None:
    city = roster(chains=(*chain(2)[:2], *chain(3)[2:]))

    assert people(city.recipients("gas", 1, 2, NIGHT)) == ["chief"]
    assert city.is_quiet(city.persons["chief"], 2, NIGHT)
    assert not city.is_quiet(city.persons["chief"], 2, DAY)
    assert not city.is_quiet(city.persons["chief"], 1, NIGHT)


def test_nobody_is_paged_for_less_than_his_threshold() -> None:
    city = roster(persons=person("wang", grade_max=1))

    assert people(city.recipients("gas", 1, 0, DAY)) == ["wang"]
    assert city.reach("gas", 2, 0, DAY).lacks == (Lack(0, "threshold", ("wang",)),)


@pytest.mark.feature("OnCall #1326")
@pytest.mark.parametrize(
    ("changes", "lack"),
    [
        ({"desks": desk("gas", crews=(), rotation=None)}, Lack(0, "nobody")),
        ({"persons": person("wang", grade_max=1)}, Lack(0, "threshold", ("wang",))),
        ({"persons": person("wang", addresses={})}, Lack(0, "address", ("wang",))),
        (
            {"persons": person("wang", quiet=(Hours("00:00", "00:00"),))},
            Lack(0, "quiet", ("wang",)),
        ),
        ({"targets": frozenset(("voice",))}, Lack(0, "address", ("wang",))),
    ],
)
def test_whom_a_step_cannot_reach_the_next_calls_at_once_and_why_is_said(
    changes: dict[str, Any], lack: Lack
) -> None:
    found = roster(**changes).reach("gas", 2, 0, DAY)

    assert people(found.recipients) == ["chief"]
    assert (found.step, found.lacks, found.is_last_resort) == (1, (lack,), False)


def test_when_no_step_reaches_anybody_everybody_of_the_desk_is_called_by_every_way() -> None:
    quiet = tuple(p for p in person("zhao", addresses={"mail": "b"}) if p.name != "city-officer")
    steps = (Step(0, "on-duty", ("pigeon",)), Step(60, "second", ("pigeon",)))
    city = roster(
        persons=quiet,
        desks=desk("city", standing={}),
        chains=chain(1, steps=steps),
    )

    found = city.reach("gas", 1, 0, DAY)

    assert found.is_last_resort
    assert {(one.person, one.target) for one in found.recipients} == {
        ("wang", "chat"),
        ("wang", "sms"),
        ("wang", "voice"),
        ("zhao", "mail"),
        ("chief", "sms"),
        ("chief", "voice"),
    }


def test_a_desk_whose_people_have_no_address_at_all_calls_anybody_who_has() -> None:
    nobody = tuple(
        p if p.name == "city-officer" else one
        for p, one in zip(
            rota().persons,
            (person(p.name, addresses={})[n] for n, p in enumerate(rota().persons)),
            strict=True,
        )
    )
    desks = (Desk(name="lone", title=titled("lone"), standing={"on-duty": ("wang",)}),)
    city = roster(persons=nobody, desks=desks)

    assert people(city.reach("lone", 1, 0, DAY).recipients) == ["city-officer"]


def test_a_roster_in_which_nobody_has_an_address_reaches_nobody_and_says_so() -> None:
    city = roster(targets=frozenset())

    found = city.reach("gas", 1, 0, DAY)

    assert found.recipients == ()
    assert found.is_last_resort
    assert len(found.lacks) == 5


def test_a_roster_can_page_as_long_as_one_of_its_targets_is_there() -> None:
    assert roster().wanted() == {"chat", "sms", "voice"}
    assert roster().can_page
    assert roster(targets=frozenset(("voice", "platform"))).can_page
    assert not roster(targets=frozenset(("platform",))).can_page


def test_a_desk_above_all_others_has_no_parent_to_call() -> None:
    city = roster()

    found = city.reach("city", 1, 1, DAY)

    assert people(found.recipients) == ["city-officer"]
    assert found.step == 4
    assert city.whom("city", "parent-desk", DAY) == ()


def test_a_part_time_desk_is_its_parents_while_nobody_is_there() -> None:
    shift = Rotation(dt.date(2026, 11, 2), (Hours("08:00", "18:00"),), ("a",))
    city = roster(desks=desk("gas", rotation=shift, part_time=True, standing={}))

    assert city.on_duty("gas", DAY) == ("wang",)
    assert city.seat("gas", NIGHT) == "city"
    assert city.on_duty("gas", NIGHT) == ("city-officer",)


def test_a_part_time_desk_without_a_parent_is_nobodys_while_nobody_is_there() -> None:
    city = roster(desks=desk("city", part_time=True, standing={}))

    assert city.seat("city", DAY) == "city"
    assert city.on_duty("city", DAY) == ()


def test_a_grade_without_a_chain_and_the_step_that_is_a_list_page_nobody() -> None:
    city = roster()

    assert city.recipients("gas", 4, 0, DAY) == ()
    assert city.reach("gas", 3, 1, DAY) == rosters.Reach((), 1)
    assert city.whom("gas", "list", DAY) == ()


def test_a_lower_grade_wakes_nobody_whom_its_own_chain_does_not() -> None:
    asleep = person("wang", quiet=(Hours("20:00", "08:00"),), grade_max=4)
    both = tuple(p if p.name != "zhao" else one for p, one in zip(asleep, ASLEEP, strict=True))
    city = roster(persons=both)

    assert city.reach("gas", 3, 0, NIGHT).recipients == ()
    assert city.reach("gas", 2, 0, NIGHT).is_last_resort


ASLEEP = person("zhao", quiet=(Hours("20:00", "08:00"),))


def test_in_an_exercise_nobody_is_called_but_the_drill_roster() -> None:
    city = roster()

    assert people(city.recipients("gas", 1, 0, DAY, drill=True)) == ["wang"]
    assert people(city.recipients("gas", 1, 1, DAY, drill=True)) == ["wang"]
    assert list(city.callable_for(drill=True)) == ["wang"], "nor can somebody else be called in"
    assert city.callable_for(drill=False) == city.persons
    nobody = roster(drill=Drill()).reach("gas", 1, 0, DAY, drill=True)
    assert nobody.recipients == ()
    assert {lack.code for lack in nobody.lacks} == {"exercise"}


def test_the_person_behind_a_sign_in_is_found_by_it() -> None:
    city = roster()

    assert city.person_of("zhao.b") == city.persons["zhao"]
    assert city.person_of("wang") == city.persons["wang"]
    assert city.person_of("zhao") is None


def test_turns_are_remembered_for_a_while_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rosters, "CHUNKS_MAX", 2)
    city = roster()

    found = [city.on_duty("gas", at(f"11-{day:02} 12:00")) for day in range(2, 9)]

    assert found == [("wang",)] * 7


def test_the_engine_goes_by_the_offices_of_the_roster_with_their_holidays() -> None:
    policy = Policy(is_working=roster().is_working)

    friday_off, saturday_worked = at("11-27 10:00"), at("11-28 10:00")

    assert [policy.may_page(3, t) for t in (DAY, friday_off, saturday_worked)] == [
        True,
        False,
        True,
    ]
    assert [policy.may_page(2, t) for t in (DAY, NIGHT, friday_off)] == [True] * 3


@pytest.mark.feature("A-4")
def test_the_clocks_are_those_of_the_chains() -> None:
    clocks = clocks_of(roster().rota.chains)

    assert clocks[1].remind_s == 30.0
    assert clocks[1].escalate_s == (120.0, 300.0, 600.0, 900.0)
    assert clocks[2].progress_s == 1200.0
    assert 4 not in clocks
