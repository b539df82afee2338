"""``roster.toml``: everything that is wrong is said, with file and entry."""

from pathlib import Path

import pytest

from alerting.people.check import check
from alerting.people.reading import RosterError, parse
from alerting.people.roster import Roster
from tests.alerting.people.city import FILE, WRITTEN, at, rota


def test_the_shipped_roster_reaches_somebody_at_every_hour() -> None:
    text = (Path(__file__).parents[3] / "deploy" / "roster.toml").read_text(encoding="utf-8")
    shipped = Roster(parse(text, "deploy/roster.toml"), "deploy/roster.toml")

    assert check(shipped, at("11-21 20:07"), days=60) == []


def test_what_is_written_comes_back() -> None:
    written = rota()

    assert [person.name for person in written.persons] == ["wang", "zhao", "chief", "city-officer"]
    assert written.desks[1].rotation is not None
    assert written.chains[2].hours == "working"


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("timezone =", "timezone", "roster.toml is not TOML: "),
        ('"Asia/Shanghai"', '"Asia/Nowhere"', "timezone Asia/Nowhere is none"),
        ('"Asia/Shanghai"', '"../etc"', "timezone ../etc is none"),
        ('name = "zhao"', 'name = "wang"', "person wang stands there 2 times"),
        ('login = "zhao.b"', 'login = "wang"', "login wang stands there 2 times"),
        ('name = "gas"\n', 'name = "city"\n', "desk city stands there 2 times"),
        ("grade = 3", "grade = 2", "chain of grade 2 stands there 2 times"),
        (
            'persons = ["wang"]',
            'persons = ["lin"]',
            "drill names lin, who is no person of the roster",
        ),
        (
            '{ on-duty = ["city-officer"] }',
            '{ on-duty = ["lin"] }',
            "desk city, standing on-duty names lin, who is no person of the roster",
        ),
        (
            'on-duty = ["wang"], second',
            'on-duty = ["lin"], second',
            "desk gas, crew a, on-duty names lin, who is no person of the roster",
        ),
        (
            "[[chains]]\ngrade = 1",
            (
                '[[covers]]\nperson = "lin"\nabsent = "wang"\nbegins = 2026-11-30T08:00:00\n'
                "ends = 2026-11-30T20:00:00\n\n[[chains]]\ngrade = 1"
            ),
            "cover of 2026-11-30 08:00 names lin, who is no person of the roster",
        ),
        ('{ name = "b", posts', '{ name = "a", posts', "desk gas: crew a stands there 2 times"),
        (
            'order = ["a", "b"]',
            'order = ["a", "c", "c"]',
            "desk gas, rotation names c, which is no crew of the desk",
        ),
        ('parent = "city"', 'parent = "county"', "desk gas: parent county is no desk"),
        ('parent = "city"', 'parent = "gas"', "desk gas is its own parent"),
        ('level = "city"', 'level = "city"\nparent = "gas"', "desk city is its own parent"),
        ('level = "city"', 'level = "village"', "roster.toml: desks city: level"),
        ("[drill]", "[[drill.nobody]]", "roster.toml: drill: unknown field `nobody`"),
        ("remind_s = 30\n", "", "required field `remind_s` is missing"),
        ("after_s = 120", "after_s = 0", "each is later than the last"),
        (
            'whom = "on-duty", targets = ["sms"]',
            'whom = "list"',
            "the first must page somebody",
        ),
        (
            'whom = "second", targets = ["sms"]',
            'whom = "list", targets = ["sms"]',
            "targets: at least one",
        ),
        ('title = { zh = "值班员甲"', 'titel = { zh = "值班员甲"', "unknown field `titel`"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_entry(before: str, after: str, sentence: str) -> None:
    assert before in WRITTEN

    with pytest.raises(RosterError) as said:
        parse(WRITTEN.replace(before, after, 1), FILE)

    assert all(problem.startswith(FILE) for problem in said.value.problems)
    assert sentence in str(said.value)


def test_crews_without_a_rotation_never_have_their_turn() -> None:
    begins, ends = WRITTEN.index("[desks.rotation]"), WRITTEN.index("[[chains]]")

    with pytest.raises(
        RosterError, match="gas has crews but no rotation: nobody's turn ever comes"
    ):
        parse(WRITTEN[:begins] + WRITTEN[ends:], FILE)


@pytest.mark.parametrize(
    "times",
    [
        "begins = 2026-11-30T08:00:00\nends = 2026-11-30T08:00:00",
        "begins = 2026-11-30T08:00:00Z\nends = 2026-11-30T09:00:00Z",
    ],
)
def test_a_cover_has_a_beginning_before_its_end_in_the_citys_time(times: str) -> None:
    cover = f'\n[[covers]]\nperson = "wang"\nabsent = "zhao"\n{times}\n'

    with pytest.raises(RosterError, match="the earlier first"):
        parse(WRITTEN + cover, FILE)


def test_a_ring_of_parents_below_another_desk_is_said_of_those_in_it() -> None:
    more = """
[[desks]]
name = "x"
title = { zh = "x", en = "x" }
parent = "y"
[[desks]]
name = "y"
title = { zh = "y", en = "y" }
parent = "x"
[[desks]]
name = "z"
title = { zh = "z", en = "z" }
parent = "x"
"""

    with pytest.raises(RosterError) as said:
        parse(WRITTEN + more, FILE)

    assert said.value.problems == (
        "roster.toml: desk x is its own parent, directly or by others",
        "roster.toml: desk y is its own parent, directly or by others",
    )


def test_a_roster_without_people_is_none() -> None:
    with pytest.raises(RosterError, match="one of each at least"):
        parse("persons = []\ndesks = []\nchains = []\n", FILE)
