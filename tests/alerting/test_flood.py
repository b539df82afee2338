"""Alarm floods: few groups, the gravest on top at once, nothing lost, an end."""

import random
import time
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting import flood
from alerting.flood import Desk, Raised, View
from alerting.topology import Topology
from lifeline.catalog import Catalog, Lifeline, Source
from lifeline.compiler import compile_catalog
from lifeline.network import Asset, Link, Zone

MINUTE_MS = 60_000


class Apart:
    """A network in which everything stands alone."""

    def within(self, asset: str, radius_m: float) -> dict[str, float]:
        return {asset: 0.0}


class Pairs:
    """A network in which a-1 and a-2 are near each other."""

    def within(self, asset: str, radius_m: float) -> dict[str, float]:
        return {asset: 0.0, asset[:-1] + ("2" if asset.endswith("1") else "1"): 20.0}


def raised(number: int, grade: int = 3, **more: object) -> Raised:
    one = Raised(
        alarm=f"A{number}",
        incident=f"I{number}",
        asset=f"asset-{number}",
        zone=f"zone-{number % 4}",
        lifeline="gas",
        grade=grade,
        risk=float(number % 90),
        onset_ms=number * 1000,
    )
    return msgspec.structs.replace(one, **more)


def flooded(desk: Desk, count: int = 11, at_ms: int = 0, **more: object) -> None:
    for number in range(count):
        desk.take(raised(number, **more), at_ms)


def shown(view: View) -> list[str]:
    """Every standing alarm that the desk shows."""
    grouped = [alarm for line in view.groups for alarm in line.standing]
    return sorted([one.alarm for one in (*view.top, *view.single)] + grouped)


@pytest.mark.feature("A-6")
def test_the_eleventh_alarm_in_ten_minutes_is_a_flood_and_the_tenth_is_not() -> None:
    desk = Desk(Apart())

    flooded(desk, 10)
    assert not desk.view(0).is_flood
    assert len(desk.view(0).single) == 10

    desk.take(raised(10), 599_999)
    assert desk.view(599_999).is_flood
    assert desk.view(599_999).single == ()


def test_alarms_that_are_ten_minutes_apart_are_no_flood() -> None:
    desk = Desk(Apart())
    flooded(desk, 10)

    desk.take(raised(10), 600_000)

    assert not desk.is_flood


@pytest.mark.feature("A-6")
def test_a_flood_ends_below_five_in_ten_minutes_and_everything_standing_is_single_again() -> None:
    desk = Desk(Apart())
    flooded(desk)
    for number in range(5):
        desk.take(raised(20 + number), 300_000 + number)

    assert desk.view(900_000 - 1).is_flood
    calm = desk.view(900_000)

    assert not calm.is_flood
    assert (len(calm.single), calm.groups) == (16, ())


@pytest.mark.feature("A-6")
def test_the_top_grade_is_in_no_group_and_the_riskiest_of_all_is_on_top() -> None:
    desk = Desk(Apart())
    flooded(desk)
    desk.take(raised(77, grade=1, risk=40.0), 5)
    desk.take(raised(78, grade=1, risk=60.0), 6)
    desk.take(raised(79, grade=2, risk=99.0), 7)

    view = desk.view(10)

    assert [one.alarm for one in view.top] == ["A78", "A77"]
    assert view.highest is not None
    assert view.highest.alarm == "A79"
    assert not {"A77", "A78"} & {a for line in view.groups for a in line.standing}
    assert Desk(Apart()).view(0).highest is None


def test_an_alarm_that_worsens_leaves_its_group_for_the_top_and_comes_back_when_it_eases() -> None:
    desk = Desk(Apart())
    flooded(desk)
    worse = raised(3, grade=1)

    desk.take(worse, 1)
    assert [one.alarm for one in desk.view(1).top] == ["A3"]
    assert "A3" not in {a for line in desk.view(1).groups for a in line.standing}

    desk.take(raised(3, grade=2), 2)
    assert desk.view(2).top == ()
    assert "A3" in {a for line in desk.view(2).groups for a in line.standing}


@pytest.mark.feature("A-6")
def test_what_is_near_along_the_network_is_one_group_under_the_one_that_came_first() -> None:
    desk = Desk(Pairs())
    for number in range(6):
        desk.take(raised(number, asset=f"{number}-2", onset_ms=5000), 0)
    for number in range(6):
        late = raised(10 + number, asset=f"{number}-1", onset_ms=1000, grade=2)
        desk.take(late, 1)

    view = desk.view(1)

    assert view.is_flood
    assert len(view.groups) == 6
    for line in view.groups:
        assert (line.assets, line.raises, line.incidents) == (2, 2, 2)
        assert line.first_out.onset_ms == 1000, "first-out is decided by event time"
        assert line.worst.grade == 2


def test_without_room_for_a_group_an_alarm_goes_to_its_zone_its_lifeline_or_the_rest() -> None:
    desk = Desk(Apart())
    flooded(desk)
    desk.take(raised(40, zone="elsewhere"), 1)
    desk.take(raised(41, zone="elsewhere", lifeline="water"), 1)
    desk.take(raised(42, zone="elsewhere", lifeline="heating", asset="asset-41"), 1)

    view = desk.view(1)

    assert len(view.groups) == flood.GROUPS_MAX
    rest = {line.name: line.standing for line in view.groups}[flood.REST]
    assert rest == ("A41", "A42")
    assert len(shown(view)) == 14


def test_cleared_alarms_leave_and_an_empty_group_makes_room_only_after_the_window() -> None:
    desk = Desk(Apart())
    flooded(desk, 9)
    for number in range(9):
        desk.clear(f"A{number}", 1)
    for number in range(20, 31):
        desk.take(raised(number, zone="z", lifeline="w"), 2)

    assert {line.name for line in desk.view(2).groups} <= {f"asset-{n}" for n in range(20, 31)} | {
        flood.REST
    }
    for number in range(20, 31):
        desk.clear(f"A{number}", 3)
    assert desk.view(3).groups == ()
    for number in range(40, 46):
        desk.take(raised(number, zone="y", lifeline="v"), 500_000)
    assert [line.name for line in desk.view(500_000).groups] == [flood.REST]
    for number in range(60, 66):
        desk.take(raised(number, zone="x", lifeline="u"), 700_000)
    assert len(desk.view(700_000).groups) == 7
    desk.clear("unknown", 700_001)


def test_what_still_stands_stays_in_its_group_however_long_nothing_new_comes_to_it() -> None:
    desk = Desk(Apart())
    flooded(desk)
    for minute in range(1, 31):
        for number in range(2):
            desk.take(raised(50 + number), minute * MINUTE_MS)

    view = desk.view(30 * MINUTE_MS)

    assert view.is_flood
    assert len(shown(view)) == 13
    desk.clear("A3", 30 * MINUTE_MS)
    assert "A3" not in shown(desk.view(30 * MINUTE_MS))


def test_a_clock_that_jumps_back_neither_ends_nor_prolongs_a_flood() -> None:
    desk = Desk(Apart())
    flooded(desk, at_ms=1_000_000)

    assert desk.view(0).is_flood
    assert not desk.view(1_600_000).is_flood


STEPS = st.lists(
    st.tuples(
        st.integers(0, 40),
        st.sampled_from((0, 100, 20_000, 90_000)),
        st.sampled_from(("take", "take", "take", "clear", "top")),
    ),
    max_size=120,
)


@pytest.mark.feature("A-6")
@given(STEPS)
def test_nothing_is_dropped_the_top_is_never_grouped_and_groups_stay_few(
    steps: list[tuple[int, int, str]],
) -> None:
    desk, now_ms, standing = Desk(Pairs()), 0, {}
    seen: list[tuple[int, str]] = []

    for number, wait_ms, what in steps:
        now_ms += wait_ms
        if what == "clear":
            desk.clear(f"A{number}", now_ms)
            standing.pop(f"A{number}", None)
        else:
            one = raised(number, grade=1 if what == "top" else 3, asset=f"{number}-1")
            desk.take(one, now_ms)
            standing[one.alarm] = one
        view = desk.view(now_ms)

        assert shown(view) == sorted(standing)
        assert {one.alarm for one in view.top} == {
            a for a, one in standing.items() if one.grade == 1
        }
        assert [-one.risk for one in view.top] == sorted(-one.risk for one in view.top)
        assert bool(view.groups) <= view.is_flood
        seen = [(at, name) for at, name in seen if at > now_ms - flood.WINDOW_MS]
        if not view.is_flood:
            seen.clear()  # What follows is another flood.
        seen += [(now_ms, line.name) for line in view.groups]
        assert len({name for _, name in seen}) <= flood.GROUPS_MAX
        if standing:
            assert view.highest is not None
            assert view.highest.risk == max(one.risk for one in standing.values())


@pytest.mark.feature("A-6")
def test_twenty_leaks_in_a_hundred_thousand_alarms_are_on_top_within_ten_seconds() -> None:
    names = [f"gas/w{i:04}" for i in range(2000)]
    source = Source(
        lifeline=Lifeline("gas"),
        zone=tuple(Zone(f"z{i}") for i in range(40)),
        asset=tuple(Asset(name, f"z{i % 40}") for i, name in enumerate(names)),
        link=tuple(
            Link(a, b, kind="gas-main", length_m=90.0) for a, b in pairwise(names) if a[-1] != "9"
        ),
    )
    desk = Desk(Topology(Catalog(compile_catalog([source]))))
    chance = random.Random(4)
    leaks = {chance.randrange(5_000, 95_000) for _ in range(20)}
    assert len(leaks) == 20
    found_ms: dict[str, int] = {}
    taken: set[str] = set()
    groups: list[tuple[int, str]] = []
    began = time.process_time()

    for number in range(100_000):  # 10,000 a minute, for ten minutes of virtual time.
        at_ms = number * 6
        index = chance.randrange(2000)
        is_leak = number in leaks
        name = f"leak-{number}" if is_leak else f"raw-{index}"
        one = Raised(
            alarm=name,
            incident=f"I-{name}",
            asset=names[index],
            zone=f"z{index % 40}",
            lifeline="gas",
            grade=1 if is_leak else chance.randrange(2, 6),
            risk=80.0 if is_leak else chance.random() * 99,
            onset_ms=at_ms,
        )
        desk.take(one, at_ms)
        taken.add(name)
        if is_leak:
            found_ms[name] = at_ms
        if number % 500 == 0 or is_leak:
            view = desk.view(at_ms)
            groups += [(at_ms, line.name) for line in view.groups]
            assert {leak for leak, at in found_ms.items()} == {one.alarm for one in view.top}

    view = desk.view(600_000)

    assert {one.alarm for one in view.top} == {*found_ms}
    assert len(view.top) == 20
    assert {*shown(view)} == taken, "none is dropped"
    assert len({name for _, name in groups}) <= flood.GROUPS_MAX
    assert sum(line.raises for line in view.groups) >= 100_000 - 20 - flood.ON_ABOVE
    assert not desk.view(1_300_000).is_flood
    assert time.process_time() - began < 20.0
