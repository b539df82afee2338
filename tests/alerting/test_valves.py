"""The fewest valves between a place and every source: as brute force finds them, and honest."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting import valves
from alerting.topology import Topology
from alerting.valves import Isolation, isolate, nearest
from lifeline.catalog import Catalog, Lifeline, Source
from lifeline.compiler import compile_catalog
from lifeline.model import Text
from lifeline.network import Asset, Exposure, Link, Valve, Zone

HOSPITAL = Text("第三医院", "Third Hospital")


def city(
    links: list[Link], sources: str = "s", stakes: dict[str, Exposure] | None = None
) -> Topology:
    names = sorted({name for link in links for name in (link.a, link.b)} | {"lonely"})
    source = Source(
        lifeline=Lifeline("water"),
        zone=(Zone("z"),),
        asset=tuple(
            Asset(name, "z", is_source=name in sources, exposure=(stakes or {}).get(name))
            for name in names
        ),
        link=tuple(links),
    )
    return Topology(Catalog(compile_catalog([source])))


def pipe(a: str, b: str, *at_m: float, **more: object) -> Link:
    """100 m of main with valves at these metres."""
    fitted = tuple(Valve(f"V-{a}{b}-{at:g}", at) for at in at_m)
    return Link(a, b, kind="water-main", length_m=100.0, valves=fitted, **more)  # type: ignore[arg-type]


def closed(found: Isolation) -> list[str]:
    return [valve.name for valve in found.valves]


# A ring main with two sources, s and t:   s --|-- a --|-- b --|-- t,  a --|-- c,  c -- b
RING = [
    pipe("s", "a", 50, customers=10),
    pipe("a", "b", 10, 90, customers=100),
    pipe("b", "t", 50, customers=10),
    pipe("a", "c", 5, 95, customers=40, hospitals=(HOSPITAL,)),
    pipe("c", "b", customers=60),
]


def test_a_place_on_a_ring_is_cut_off_by_few_valves_or_by_near_ones() -> None:
    network = city(RING, "st", {"c": Exposure(customers=7, hospitals=1)})

    fewest, near = isolate(network, "c"), nearest(network, "c")

    assert fewest.is_possible
    assert closed(fewest) == ["V-bt-50", "V-sa-50"]
    assert fewest.assets == ("a", "b", "c")
    assert fewest.customers == 5 + 100 + 5 + 40 + 60 + 7
    assert closed(near) == ["V-ab-90", "V-ac-95", "V-bt-50"]
    assert near.assets == ("b", "c")
    assert near.customers == 10 + 5 + 2 + 60 + 7
    assert (near.hospitals, near.hospitals_near) == ((HOSPITAL,), 1)


def test_valves_behind_which_nothing_comes_stay_open() -> None:
    stub = [pipe("s", "a", 50), pipe("a", "b", 50)]

    assert closed(nearest(city(stub), "a")) == ["V-sa-50"]


def test_a_way_found_first_does_not_hide_a_second_one() -> None:
    # The shortest way x-a-d-s takes what both others need: it has to be taken back.
    ways = ["xa", "ad", "ds", "xb", "bc", "cd", "ae", "ef", "fs"]
    network = city([pipe(one[0], one[1], 50) for one in ways])

    assert closed(isolate(network, "x")) == ["V-xa-50", "V-xb-50"]


def test_a_branch_is_shut_by_one_valve_the_nearest_of_those_that_would_do() -> None:
    branch = [pipe("s", "a", 5, 50, 95, customers=100), pipe("a", "b", 20, customers=10)]

    found = isolate(city(branch), "b")

    assert closed(found) == ["V-ab-20"]
    assert (found.assets, found.customers) == (("b",), 8)


def test_fewer_valves_farther_away_are_chosen_over_more_near_by() -> None:
    twin = [pipe("s", "a", 50), pipe("a", "b", 50), pipe("a", "b", 60)]

    assert closed(isolate(city([*twin[:2], Link("a", "b", valves=(Valve("V-x"),))]), "b")) == [
        "V-sa-50"
    ]


def test_a_valve_that_cannot_be_closed_is_told_and_not_counted_on() -> None:
    stuck = Link("a", "b", length_m=100.0, valves=(Valve("V-stuck", 90.0, is_closable=False),))

    found = isolate(city([pipe("s", "a", 50), stuck]), "b")

    assert closed(found) == ["V-sa-50"]
    assert [valve.name for valve in found.unusable] == ["V-stuck"]


def test_a_place_without_a_closable_valve_before_a_source_cannot_be_isolated_and_says_so() -> None:
    found = isolate(city([pipe("s", "a"), pipe("a", "b", 50), pipe("b", "t", 50)], "st"), "a")

    assert found == Isolation(is_possible=False, open_to=("s",))
    assert isolate(city(RING, "st"), "s").open_to == ("s",)


def test_where_nothing_comes_from_a_source_there_is_nothing_to_close_and_nobody_to_cut_off() -> (
    None
):
    assert isolate(city(RING, "st"), "lonely") == Isolation(is_possible=True)
    assert isolate(city([pipe("a", "b", 50, customers=9)]), "b") == Isolation(is_possible=True)


def test_spaces_side_by_side_and_signals_bring_nothing() -> None:
    beside = [pipe("s", "a", 50), Link("s", "b", kind="adjacency"), Link("a", "b", kind="signal")]

    assert isolate(city(beside), "b") == Isolation(is_possible=True)


def test_what_is_too_far_to_be_looked_at_is_taken_for_a_source(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [f"n{i:02}" for i in range(20)]
    long = [pipe(a, b, 50) for a, b in pairwise(names)]
    monkeypatch.setattr(valves, "NODES_MAX", 8)

    found = isolate(city(long, sources="n19"), "n00")

    assert found.is_bounded
    assert closed(found) == ["V-n00n01-50"]


# Against brute force.

LETTERS = "abcs"
LINKS = st.lists(
    st.builds(
        lambda a, b, fitted, length, customers: Link(
            a, b, length_m=length, valves=tuple(fitted), customers=customers
        ),
        st.sampled_from(LETTERS),
        st.sampled_from(LETTERS),
        st.lists(
            st.builds(Valve, st.just("V"), st.sampled_from((0.0, 4.0, 9.0)), st.booleans()),
            max_size=2,
        ),
        st.just(10.0),
        st.sampled_from((0, 10, 100)),
    ).filter(lambda link: link.a != link.b),
    max_size=6,
)


def renamed(links: list[Link]) -> list[Link]:
    """Every valve by a name of its own."""
    return [
        Link(
            link.a,
            link.b,
            length_m=link.length_m,
            valves=tuple(
                Valve(f"V{i}.{j}", v.at_m, v.is_closable) for j, v in enumerate(link.valves)
            ),
            customers=link.customers,
        )
        for i, link in enumerate(links)
    ]


def reached(links: list[Link], start: set[str], shut: set[str]) -> set[str]:
    """Assets reached from ``start``, and whole metres of links as ``link/metre``."""
    steps: dict[str, set[str]] = {}

    def join(a: str, b: str) -> None:
        steps.setdefault(a, set()).add(b)
        steps.setdefault(b, set()).add(a)

    for number, link in enumerate(links):
        inner = [f"{number}/{metre}" for metre in range(10)]
        blocked = {
            # A valve at a metre stands at the head of that metre's piece.
            int(v.at_m)
            for v in link.valves
            if v.name in shut
        }
        before = link.a
        for metre, piece in enumerate(inner):
            if metre not in blocked:
                join(before, piece)
            before = piece
        join(before, link.b)
    seen, waiting = set(start), list(start)
    while waiting:
        for other in steps.get(waiting.pop(), ()):
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return seen


@pytest.mark.feature("C-2")
@given(LINKS, st.sampled_from("abc"), st.sampled_from(("s", "sc")))
def test_no_smaller_set_of_valves_would_do_and_this_one_does(
    drawn: list[Link], asset: str, sources: str
) -> None:
    links = renamed(drawn)
    closable = [v.name for link in links for v in link.valves if v.is_closable]
    known = {name for link in links for name in (link.a, link.b)}
    ends = {*sources} & known
    working = [
        set(some)
        for size in range(len(closable) + 1)
        for some in combinations(closable, size)
        if not reached(links, {asset}, set(some)) & ends
    ]

    found = isolate(city(links, sources), asset)

    assert found.is_possible == bool(working)
    if not working:
        assert found.open_to
        return
    mine = {*closed(found)}
    assert mine in working
    least = min(len(some) for some in working)
    assert len(mine) == least
    # Nobody else's least cut leaves fewer without.
    wet = reached(links, ends, set())
    lost = wet - reached(links, ends, mine)
    for some in working:
        if len(some) == least:
            assert lost <= wet - reached(links, ends, some)
    near = nearest(city(links, sources), asset)
    least_lost = wet - reached(links, ends, {*closed(near)})
    assert {*closed(near)} in working
    assert all(least_lost <= wet - reached(links, ends, some) for some in working)
    assert set(found.assets) == {one for one in lost if "/" not in one}
    served = sum(
        link.customers / 10
        for number, link in enumerate(links)
        for metre in range(10)
        if f"{number}/{metre}" in lost
    )
    assert found.customers == pytest.approx(served, abs=0.51)
