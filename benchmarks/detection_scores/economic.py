"""The economic score of BattLeDIM 2020, and the distances along the network that it needs.

Source: KIOS-Research/BattLeDIM, functions/scoring_function.m and Scoring_Algorithm.m.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

REACH_M = 300.0
WATER_EUR_M3 = 0.80
CREW_EUR = 500.0
STEPS_PER_HOUR = 12


@dataclass(slots=True)
class Network:
    """The pipes of an EPANET file: their end nodes and lengths, and who is next to whom."""

    pipes: dict[str, tuple[str, str, float]] = field(default_factory=dict)
    near: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    _from: dict[str, dict[str, float]] = field(default_factory=dict)

    def distance(self, a: str, b: str) -> float:
        """Between two pipes' middles: the nearest end nodes' distance and half of both lengths."""
        if a == b:
            return 0.0
        if a not in self.pipes or b not in self.pipes:
            return float("inf")
        first, second = self.pipes[a], self.pipes[b]
        apart = min(
            self._reach(node).get(other, float("inf")) for node in first[:2] for other in second[:2]
        )
        return apart + first[2] / 2 + second[2] / 2

    def _reach(self, node: str) -> dict[str, float]:
        """Shortest distances from a node, as far as matters."""
        if node not in self._from:
            found: dict[str, float] = {}
            queue = [(0.0, node)]
            while queue:
                so_far, at = heapq.heappop(queue)
                if at in found or so_far > REACH_M:
                    continue
                found[at] = so_far
                for other, length in self.near.get(at, ()):
                    heapq.heappush(queue, (so_far + length, other))
            self._from[node] = found
        return self._from[node]


def network(text: str) -> Network:
    """The network in the text of an EPANET input file; pumps and valves have no length.

    >>> lines = "[PIPES]", "p1 a b 100 200", "p2 b c 60 200", "[VALVES]", "v c d 200 PRV 40 0"
    >>> made = network(chr(10).join(lines))
    >>> made.distance("p1", "p2"), made.distance("p1", "p1"), made.distance("p1", "x")
    (80.0, 0.0, inf)
    """
    made = Network()
    section = ""
    for raw in text.splitlines():
        line = raw.partition(";")[0].split()
        if not line:
            continue
        if line[0].startswith("["):
            section = line[0].upper()
        elif section in ("[PIPES]", "[PUMPS]", "[VALVES]"):
            name, a, b = line[:3]
            length = float(line[3]) if section == "[PIPES]" else 0.0
            made.pipes[name] = (a, b, length)
            made.near.setdefault(a, []).append((b, length))
            made.near.setdefault(b, []).append((a, length))
    return made


@dataclass(slots=True, frozen=True)
class Leak:
    """A true leak: where, from which row to which, its flow of every row in m3/h."""

    pipe: str
    row: int
    end: int
    flow: NDArray[np.floating]

    def saved_eur(self, row: int) -> float:
        """What water is not lost when it is found at ``row``; the official sum, one earlier."""
        # MATLAB counts from one: its first element is row 0 and belongs to step 1.
        return float(self.flow[max(row, 1) - 1 :].sum()) / STEPS_PER_HOUR * WATER_EUR_M3


def score(
    detections: Sequence[tuple[int, str]], leaks: Sequence[Leak], mains: Network
) -> Mapping[str, float]:
    """Euro, hits, false positives and misses of (row, pipe) detections, in order of time."""
    found: dict[int, int] = {}
    total = 0.0
    false = 0
    for row, pipe in sorted(detections, key=lambda one: one[0]):
        apart = {
            k: mains.distance(leak.pipe, pipe)
            for k, leak in enumerate(leaks)
            if leak.row <= row <= leak.end
        }
        hits = {k: metres for k, metres in apart.items() if metres <= REACH_M}
        fresh = {k: metres for k, metres in hits.items() if k not in found}
        if not hits:
            false += 1
            total -= CREW_EUR
        elif fresh:
            k = min(fresh, key=lambda one: fresh[one])
            found[k] = row
            total += leaks[k].saved_eur(row) - CREW_EUR * fresh[k] / REACH_M
    delays = [row - leaks[k].row for k, row in found.items() if leaks[k].row > 0]
    perfect = sum(leak.saved_eur(max(leak.row, 1)) for leak in leaks)
    return {
        "eur": total,
        "perfect_eur": perfect,
        "share": total / perfect if perfect else float("nan"),
        "tp": float(len(found)),
        "leaks": float(len(leaks)),
        "fp": float(false),
        "delay_h_median": float(np.median(delays)) / STEPS_PER_HOUR if delays else float("nan"),
    }
