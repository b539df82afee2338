"""How far apart the network makes two assets, what feeds what, and what stands in a zone.  Pure.

Distances run along links, never straight through the ground: gas follows a trench, water a pipe.
Lengths are whole millimetres inside, so that the way there is exactly as long as the way back.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from lifeline.catalog import Catalog
from lifeline.network import SIGNAL, UNDELIVERING, Asset, Link

Kinds = frozenset[str]
"""Kinds of links that may be walked; empty: every kind that delivers something."""
CARRIERS: Kinds = frozenset()
ASSETS_MAX = 2048
"""A walk ends here whatever its radius: a network written without lengths has none."""
KEPT_MAX = 20_000
"""Assets that are remembered, about a kilobyte each."""
WALKS_MAX = 512
"""Walks that are remembered; an incident asks for the same ones again and again."""


class Edge(NamedTuple):
    """A link as seen from one of its ends."""

    to: str
    length_mm: int
    link: Link


@dataclass(slots=True)
class Topology:
    """The catalog's links as a graph; built when it is first asked, walked no farther than asked.

    100,000 links are read in half a second; assets are read one by one as they are walked over.
    """

    catalog: Catalog
    _edges: dict[str, list[Edge]] | None = None
    _walks: dict[tuple[str, int, Kinds], dict[str, int]] = field(default_factory=dict)
    _assets: dict[str, Asset | None] = field(default_factory=dict)
    _zones: dict[str, list[tuple[str, str]]] | None = None

    def edges(self, asset: str) -> list[Edge]:
        """The links that end at an asset, in the order of the files."""
        if self._edges is None:
            self._edges = {}
            for link in self.catalog.links():
                length_mm = round(link.length_m * 1000)
                self._edges.setdefault(link.a, []).append(Edge(link.b, length_mm, link))
                self._edges.setdefault(link.b, []).append(Edge(link.a, length_mm, link))
        return self._edges.get(asset, [])

    def asset(self, name: str) -> Asset | None:
        """The asset of that name, remembered; None where the catalog has none."""
        if name not in self._assets:
            if len(self._assets) >= KEPT_MAX:
                self._assets.clear()
            self._assets[name] = self.catalog.asset(name)
        return self._assets[name]

    def kind(self, name: str) -> str:
        """What an asset is; ``zone`` for a whole zone, '' for what the catalog does not know."""
        found = self.asset(name)
        if found is None:
            return "zone" if self.catalog.lifeline_of(name) else ""
        return found.kind

    def lifeline(self, name: str) -> str:
        """Whose network an asset is of; '' for one that the catalog does not know."""
        found = self.asset(name)
        return found.lifeline if found is not None else ""

    def basin(self, zone: str) -> str:
        """The drainage basin that a zone lies in; the zone itself where none is named."""
        return self.catalog.head.basins.get(zone, zone)

    def within(self, asset: str, radius_m: float, kinds: Kinds = CARRIERS) -> dict[str, float]:
        """The assets no farther along links of these kinds, nearest first, with metres; itself too.

        Dijkstra's algorithm, ended by the radius and by ``ASSETS_MAX``.
        """
        return {name: mm / 1000 for name, mm in self._walk(asset, radius_m, kinds).items()}

    def distance_m(self, a: str, b: str, radius_m: float, kinds: Kinds = CARRIERS) -> float | None:
        """Metres along links of these kinds; None when it is more than the radius."""
        if a == b:
            return 0.0
        # From the same end whoever asks, so that both get one answer even where a walk is cut off.
        found = self._walk(min(a, b), radius_m, kinds).get(max(a, b))
        return None if found is None else found / 1000

    def _walk(self, asset: str, radius_m: float, kinds: Kinds) -> dict[str, int]:
        radius_mm = round(radius_m * 1000)
        key = (asset, radius_mm, kinds)
        found = self._walks.get(key)
        if found is None:
            if len(self._walks) >= WALKS_MAX:
                del self._walks[next(iter(self._walks))]
            found = self._walks[key] = self._dijkstra(asset, radius_mm, kinds)
        return found

    def _dijkstra(self, asset: str, radius_mm: int, kinds: Kinds) -> dict[str, int]:
        found: dict[str, int] = {}
        waiting = [(0, asset)]
        while waiting and len(found) < ASSETS_MAX:
            so_far, here = heapq.heappop(waiting)
            if here in found:
                continue
            found[here] = so_far
            for edge in self.edges(here):
                there = so_far + edge.length_mm
                if there <= radius_mm and edge.to not in found and may_walk(edge.link, kinds):
                    heapq.heappush(waiting, (there, edge.to))
        return found

    def neighbours(self, asset: str, kinds: Kinds = CARRIERS) -> list[str]:
        """The assets one link away, by name."""
        return sorted({e.to for e in self.edges(asset) if may_walk(e.link, kinds)})

    def speakers(self, asset: str) -> list[str]:
        """The gateways through which an asset's devices speak, through however many, by name."""
        found: set[str] = set()
        waiting = [asset]
        while waiting and len(found) < ASSETS_MAX:
            here = waiting.pop()
            for edge in self.edges(here):
                is_up = edge.link.kind == SIGNAL and edge.link.b == here
                if is_up and edge.to not in found and edge.to != asset:
                    found.add(edge.to)
                    waiting.append(edge.to)
        return sorted(found)

    def parents(self, asset: str) -> list[str]:
        """What feeds an asset directly, by name."""
        return sorted({e.to for e in self.edges(asset) if feeds(e.link) and e.link.b == asset})

    def children(self, asset: str) -> list[str]:
        """What an asset feeds directly, by name."""
        return sorted({e.to for e in self.edges(asset) if feeds(e.link) and e.link.a == asset})

    def is_fed_by(self, asset: str, source: str) -> bool:
        """Whether what fails at ``source`` is felt at the asset, through however many others."""
        return source in self._fed(asset)

    def kin(self, asset: str) -> list[str]:
        """Whatever an asset is fed by or feeds, through however many others; sorted, bounded."""
        found = {*self._fed(asset)}
        waiting = [asset]
        while waiting and len(found) < ASSETS_MAX:
            new = [child for child in self.children(waiting.pop()) if child not in found]
            found.update(new)
            waiting += new
        return sorted(found - {asset})

    def _fed(self, asset: str) -> Iterator[str]:
        seen = {asset}
        waiting = [asset]
        while waiting and len(seen) < ASSETS_MAX:
            for parent in self.parents(waiting.pop()):
                if parent not in seen:
                    seen.add(parent)
                    waiting.append(parent)
                    yield parent

    def of_zones(self, zones: Iterable[str]) -> list[tuple[str, str]]:
        """(asset, kind) of everything that stands in these zones."""
        if self._zones is None:
            self._zones = {}
            for asset in self.catalog.assets():
                self._zones.setdefault(asset.zone, []).append((asset.name, asset.kind))
        return [one for zone in zones for one in self._zones.get(zone, ())]

    def zones_of(self, basin: str) -> list[str]:
        """The zones of a drainage basin, by name."""
        return sorted(z for z, _ in self.catalog.head.zones if self.basin(z) == basin)


def may_walk(link: Link, kinds: Kinds) -> bool:
    """Whether a link is of these kinds.

    >>> may_walk(Link("a", "b", kind="gas-main"), CARRIERS)
    True
    >>> may_walk(Link("a", "b", kind="adjacency"), CARRIERS)
    False
    """
    return link.kind in kinds if kinds else link.kind not in UNDELIVERING


def feeds(link: Link) -> bool:
    """Whether what fails at its end ``a`` is felt at ``b``; a gateway's silence always is.

    >>> feeds(Link("gateway", "well", kind="signal")), feeds(Link("a", "b"))
    (True, False)
    """
    return link.is_feed or link.kind == SIGNAL
