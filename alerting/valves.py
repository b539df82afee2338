"""Which valves to close so that nothing reaches a place, and whom that cuts off.  Pure.

A link is cut by its valves into pieces; assets and pieces are the nodes of a graph and valves that
can be closed its only cuttable edges.  The least number of valves between the place and every
source is a minimum cut, found by augmenting paths (Ford and Fulkerson 1956); of all least cuts the
one nearest to the place is taken, which leaves the fewest without supply.  A way to a source
without a closable valve is said, not hidden.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from alerting.topology import CARRIERS, Topology, may_walk
from lifeline.model import Text
from lifeline.network import Link, Valve

NODES_MAX = 20_000
"""Pieces and assets looked at for one answer; what lies beyond is taken for a source."""

Node = tuple[str, int]
"""An asset (name, -1) or a piece of a link (the link's mark, number from its end ``a``)."""


class Closing(msgspec.Struct, frozen=True):
    """A valve to close and where it stands."""

    name: str
    title: Text
    a: str
    b: str
    at_m: float


class Isolation(msgspec.Struct, frozen=True):
    """How a place is cut from its sources, or that it cannot be."""

    is_possible: bool
    valves: tuple[Closing, ...] = ()
    """To be closed, nearest link first by name; none where nothing reaches the place anyway."""
    open_to: tuple[str, ...] = ()
    """What cannot be kept away: no closable valve is on the way."""
    customers: int = 0
    hospitals: tuple[Text, ...] = ()
    hospitals_near: int = 0
    """Hospitals counted at assets that are cut off, where the register gives numbers alone."""
    assets: tuple[str, ...] = ()
    """Without supply then, by name."""
    is_bounded: bool = False
    """The network is too large to be looked at whole: there may be a way with fewer valves."""
    unusable: tuple[Closing, ...] = ()
    """Valves that would have been nearer but cannot be closed."""


class _Edge(NamedTuple):
    to: Node
    valve: int
    """Index into the valves, OPEN where nothing can be shut."""


OPEN = -1


@dataclass(slots=True)
class _Pipes:
    """The part of the network that one question looks at, in pieces."""

    edges: dict[Node, list[_Edge]] = field(default_factory=dict)
    valves: list[Closing] = field(default_factory=list)
    stuck: dict[Node, list[Closing]] = field(default_factory=dict)
    customers: dict[Node, float] = field(default_factory=dict)
    hospitals: dict[Node, tuple[Text, ...]] = field(default_factory=dict)
    sources: list[Node] = field(default_factory=list)
    """And whatever was not looked beyond."""
    marks: dict[int, str] = field(default_factory=dict)
    """Links by identity: two pipes may lie side by side, alike in everything."""
    is_bounded: bool = False

    def join(self, a: Node, b: Node, valve: int) -> None:
        self.edges.setdefault(a, []).append(_Edge(b, valve))
        self.edges.setdefault(b, []).append(_Edge(a, valve))


def isolate(topology: Topology, asset: str) -> Isolation:
    """The fewest valves that keep every source away from an asset, and who is without then."""
    return _isolated(topology, _pipes(topology, asset), (asset, -1))


def nearest(topology: Topology, asset: str) -> Isolation:
    """The valves right around an asset that keep every source away: the fewest cut off."""
    return _isolated(topology, _pipes(topology, asset), (asset, -1), is_nearest=True)


def _pipes(topology: Topology, asset: str) -> _Pipes:
    """What something can flow through from the asset, nearest first, links in their pieces."""
    pipes = _Pipes()
    waiting = [asset]
    seen = {asset}
    for here in waiting:
        found = topology.asset(here)
        is_beyond = len(pipes.edges) >= NODES_MAX
        pipes.is_bounded |= is_beyond
        if is_beyond or (found is not None and found.is_source):
            pipes.sources.append((here, -1))
        if is_beyond:
            continue
        for edge in topology.edges(here):
            if may_walk(edge.link, CARRIERS) and id(edge.link) not in pipes.marks:
                pipes.marks[id(edge.link)] = f"#{len(pipes.marks)}"
                _lay(pipes, edge.link)
                if edge.to not in seen:
                    seen.add(edge.to)
                    waiting.append(edge.to)
    return pipes


def _lay(pipes: _Pipes, link: Link) -> None:
    """A link in its pieces, from end ``a`` to end ``b``."""
    mark = pipes.marks[id(link)]
    closable = sorted((v for v in link.valves if v.is_closable), key=lambda v: (v.at_m, v.name))
    places = [0.0, *(valve.at_m for valve in closable), link.length_m]
    for number in range(len(closable) + 1):
        piece: Node = (mark, number)
        metres = places[number + 1] - places[number]
        share = metres / link.length_m if link.length_m else 1.0 / (len(closable) + 1)
        pipes.customers[piece] = link.customers * share
        pipes.hospitals[piece] = link.hospitals
        pipes.stuck[piece] = [
            _closing(link, v)
            for v in link.valves
            if not v.is_closable and places[number] <= v.at_m <= places[number + 1]
        ]
        if number:
            pipes.valves.append(_closing(link, closable[number - 1]))
            pipes.join((mark, number - 1), piece, len(pipes.valves) - 1)
    pipes.join((link.a, -1), (mark, 0), OPEN)
    pipes.join((mark, len(closable)), (link.b, -1), OPEN)


def _closing(link: Link, valve: Valve) -> Closing:
    return Closing(valve.name, valve.title, link.a, link.b, valve.at_m)


def _isolated(
    topology: Topology, pipes: _Pipes, start: Node, *, is_nearest: bool = False
) -> Isolation:
    every = frozenset(range(len(pipes.valves)))
    bare = _spread(pipes, [start], closed=every)
    stuck = {one for node in bare for one in pipes.stuck.get(node, ())}
    unusable = tuple(sorted(stuck, key=lambda one: one.name))
    open_to = tuple(sorted(name for name, number in pipes.sources if (name, number) in bare))
    if open_to:
        return Isolation(
            is_possible=False, open_to=open_to, is_bounded=pipes.is_bounded, unusable=unusable
        )
    cut = _around(pipes, bare) if is_nearest else _least_cut(pipes, start, set(pipes.sources))
    # Whoever had nothing before is not cut off by closing valves.
    before = _spread(pipes, pipes.sources, closed=frozenset())
    lost = before - _spread(pipes, pipes.sources, closed=cut)
    assets = sorted(name for name, number in lost if number == -1)
    stakes = [
        found.exposure
        for name in assets
        if (found := topology.asset(name)) is not None and found.exposure is not None
    ]
    hospitals = {text for node in lost for text in pipes.hospitals.get(node, ())}
    along = sum(pipes.customers[node] for node in sorted(lost) if node in pipes.customers)
    return Isolation(
        is_possible=True,
        valves=tuple(
            sorted((pipes.valves[v] for v in cut), key=lambda one: (one.a, one.b, one.at_m))
        ),
        customers=round(along) + sum(one.customers for one in stakes),
        hospitals=tuple(sorted(hospitals, key=lambda text: text.en)),
        hospitals_near=sum(one.hospitals for one in stakes),
        assets=tuple(assets),
        is_bounded=pipes.is_bounded,
        unusable=unusable,
    )


def _spread(pipes: _Pipes, start: list[Node], *, closed: frozenset[int]) -> set[Node]:
    """What is reached through everything but closed valves."""
    seen = set(start)
    waiting = list(start)
    while waiting:
        for edge in pipes.edges.get(waiting.pop(), ()):
            if edge.valve not in closed and edge.to not in seen:
                seen.add(edge.to)
                waiting.append(edge.to)
    return seen


def _around(pipes: _Pipes, bare: set[Node]) -> frozenset[int]:
    """The valves at the edge of what is open to the place, behind which something still comes."""
    edge = _leading_out(pipes, bare)
    fed = _spread(pipes, pipes.sources, closed=frozenset(valve for valve, _ in edge))
    return frozenset(valve for valve, beyond in edge if beyond in fed)


def _leading_out(pipes: _Pipes, inside: set[Node]) -> list[tuple[int, Node]]:
    """Valves between inside and outside, with the node outside."""
    return [
        (edge.valve, edge.to)
        for node in inside
        for edge in pipes.edges.get(node, ())
        if edge.valve != OPEN and edge.to not in inside
    ]


def _least_cut(pipes: _Pipes, start: Node, ends: set[Node]) -> frozenset[int]:
    """The fewest valves between start and ends, those nearest to the start.

    Unit flow is pushed from the start to an end until no path is left; what is still reachable
    from the start then is the smallest side of any least cut.
    """
    flow: dict[int, tuple[Node, Node]] = {}
    """Valve -> the direction in which one unit passes it."""
    while True:
        parents = _path(pipes, start, flow)
        end = next((node for node in parents if node in ends), None)
        if end is None:
            return frozenset(valve for valve, _ in _leading_out(pipes, set(parents)))
        node = end
        while (step := parents[node]) is not None:
            before, valve = step
            if valve != OPEN:
                if valve in flow:
                    del flow[valve]
                else:
                    flow[valve] = (before, node)
            node = before


def _path(
    pipes: _Pipes, start: Node, flow: dict[int, tuple[Node, Node]]
) -> dict[Node, tuple[Node, int] | None]:
    """Every node that another unit could reach, with the step that led there; breadth first."""
    parents: dict[Node, tuple[Node, int] | None] = {start: None}
    waiting = [start]
    for node in waiting:
        for edge in pipes.edges.get(node, ()):
            is_full = edge.valve != OPEN and flow.get(edge.valve) == (node, edge.to)
            if not is_full and edge.to not in parents:
                parents[edge.to] = (node, edge.valve)
                waiting.append(edge.to)
    return parents
