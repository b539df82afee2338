"""Distances along the network, what feeds what, and how quickly a big city's network is read."""

import time
from itertools import pairwise, product

from hypothesis import given
from hypothesis import strategies as st

from alerting import topology
from alerting.topology import Topology
from lifeline.catalog import Catalog, Lifeline, Source
from lifeline.compiler import compile_catalog
from lifeline.network import Asset, Link, Zone

LETTERS = "abcdefg"
PIPES = st.lists(
    st.builds(
        Link,
        st.sampled_from(LETTERS),
        st.sampled_from(LETTERS),
        kind=st.sampled_from(("gas-main", "conduit", "adjacency")),
        length_m=st.floats(0, 100),
    ).filter(lambda link: link.a != link.b),
    max_size=14,
)
EVERY = frozenset(("gas-main", "conduit", "adjacency"))


def city(links: tuple[Link, ...] | list[Link], names: str = LETTERS, **more: object) -> Topology:
    source = Source(
        lifeline=Lifeline("gas"),
        zone=(Zone("north", basin="hun"), Zone("south", basin="hun"), Zone("east")),
        asset=tuple(Asset(name, "north", "well") for name in names),
        link=tuple(links),
    )
    return Topology(Catalog(compile_catalog([source])))


def brute_force_mm(links: list[Link], kinds: frozenset[str]) -> dict[tuple[str, str], int]:
    """Floyd and Warshall's: every pair, in the dullest way."""
    away = {(a, b): 0 if a == b else 10**12 for a, b in product(LETTERS, LETTERS)}
    for link in links:
        if link.kind in kinds:
            for pair in ((link.a, link.b), (link.b, link.a)):
                away[pair] = min(away[pair], round(link.length_m * 1000))
    for k, i, j in product(LETTERS, LETTERS, LETTERS):
        away[i, j] = min(away[i, j], away[i, k] + away[k, j])
    return away


@given(PIPES, st.floats(0, 250), st.sampled_from((EVERY, frozenset(("conduit",)))))
def test_distances_are_the_shortest_way_and_end_at_the_radius(
    links: list[Link], radius_m: float, kinds: frozenset[str]
) -> None:
    network, true_mm = city(links), brute_force_mm(links, kinds)

    for a, b in product(LETTERS, LETTERS):
        mm = true_mm[a, b]
        expected = mm / 1000 if mm <= round(radius_m * 1000) else None
        assert network.distance_m(a, b, radius_m, kinds) == expected
        assert network.within(a, radius_m, kinds).get(b) == expected


@given(PIPES, st.floats(0, 250))
def test_the_way_there_is_as_long_as_the_way_back(links: list[Link], radius_m: float) -> None:
    network = city(links)

    for a, b in product(LETTERS, LETTERS):
        there = network.distance_m(a, b, radius_m, EVERY)
        assert there == network.distance_m(b, a, radius_m, EVERY)
        assert network.within(a, radius_m, EVERY).get(b) == network.within(b, radius_m, EVERY).get(
            a
        )


@given(PIPES)
def test_a_walk_comes_nearest_first(links: list[Link]) -> None:
    metres = list(city(links).within("a", 500.0, EVERY).values())

    assert metres == sorted(metres)


def test_without_named_kinds_only_links_that_deliver_are_walked() -> None:
    network = city([Link("a", "b", kind="gas-main"), Link("b", "c", kind="adjacency")])

    assert network.distance_m("a", "c", 10.0) is None
    assert network.distance_m("a", "c", 10.0, EVERY) == 0.0
    assert network.neighbours("b") == ["a"]
    assert network.neighbours("b", EVERY) == ["a", "c"]


def test_what_feeds_what_has_a_direction_and_may_run_in_a_ring() -> None:
    network = city(
        [
            Link("a", "b", is_feed=True),
            Link("b", "c", is_feed=True),
            Link("c", "a", is_feed=True),
            Link("c", "d"),
        ]
    )

    assert (network.parents("b"), network.children("b")) == (["a"], ["c"])
    assert network.is_fed_by("c", "a")
    assert not network.is_fed_by("d", "a")
    assert not network.is_fed_by("a", "d")


def test_gateways_may_speak_through_gateways_and_even_in_a_ring() -> None:
    network = city(
        [
            Link("a", "b", kind="signal"),
            Link("b", "c", kind="signal"),
            Link("c", "a", kind="signal"),
            Link("d", "c", kind="gas-main", is_feed=True),
        ]
    )

    assert network.speakers("c") == ["a", "b"]
    assert network.speakers("d") == []
    assert network.kin("c") == ["a", "b", "d"]


def test_zones_know_their_assets_and_their_basin() -> None:
    network = city([], names="ab")

    assert network.of_zones(["north", "nowhere"]) == [("a", "well"), ("b", "well")]
    assert (network.basin("north"), network.basin("east")) == ("hun", "east")
    assert network.of_zones(["south"]) == []
    assert network.zones_of("hun") == ["north", "south"]
    assert (network.kind("a"), network.lifeline("a")) == ("well", "gas")
    assert (network.kind("nothing"), network.lifeline("nothing")) == ("", "")


def test_a_network_without_lengths_does_not_make_every_walk_endless() -> None:
    size = topology.ASSETS_MAX + 50
    names = [f"w{i:05}" for i in range(size)]
    source = Source(
        lifeline=Lifeline("gas"),
        zone=(Zone("z"),),
        asset=tuple(Asset(name, "z") for name in names),
        link=tuple(Link(a, b, is_feed=True) for a, b in pairwise(names)),
    )
    network = Topology(Catalog(compile_catalog([source])))

    assert len(network.within(names[0], 1.0)) == topology.ASSETS_MAX
    assert not network.is_fed_by(names[-1], names[0])


def test_only_so_many_walks_are_remembered() -> None:
    network = city([Link("a", "b", length_m=1.0)])

    for metres in range(topology.WALKS_MAX + 10):
        network.within("a", float(metres))

    assert len(network._walks) == topology.WALKS_MAX


def test_only_so_many_assets_are_remembered() -> None:
    network = city([], names="ab")

    for number in range(topology.KEPT_MAX):
        network.asset(f"nothing-{number}")
    network.asset("a")

    assert len(network._assets) == 1


def test_a_hundred_thousand_assets_are_read_in_about_a_second() -> None:
    names = [f"gas/well-{i:06}" for i in range(100_000)]
    source = Source(
        lifeline=Lifeline("gas"),
        zone=(Zone("z"),),
        asset=tuple(Asset(name, "z", "well") for name in names),
        link=tuple(Link(a, b, kind="gas-main", length_m=40.0) for a, b in pairwise(names)),
    )
    network = Topology(Catalog(compile_catalog([source])))
    # The processor's time, not the clock's: what else the machine does is no fact about this.
    began = time.process_time()

    near = network.within(names[50_000], 400.0)

    assert len(near) == 21
    assert time.process_time() - began < 3.0
