"""An EPANET file asked what a leak at every node would do to the sensors.  A shell; needs wntr.

Source: EPANET 2.2 (Rossman et al., US EPA, 2020) by the library that wntr carries (Klise et al.,
Environmental Modelling and Software 95, 2017).
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import shortest_path

from calibration.recording import Recording
from lifeline.errors import Refused
from lifeline.model import Floats

LEAK_M3_H = 10.0
ROUGHER_HOUR, ROUGHER = 14, 0.1
"""When the network works hard every pipe shows; each is changed by so much."""
HOURS = (2, 5, 8, 11, 14, 17, 20, 23)
"""Of a weekday: what a leak does depends on what else flows."""
EMITTER, PRESSURE, DEMAND = 3, 11, 9
LINK_ROUGHNESS, LINK_FLOW, LINK_INITIAL = 2, 8, 11
START_TIME, DURATION = 4, 0
BURST_M3_H = (10.0, 40.0, 120.0, 320.0)
BURST_HOURS = (3, 12, 19)
"""By night, at noon, at the evening's peak: bursts are asked for at fewer hours, in more sizes."""
BURST_NODES_MAX = 300
"""Of a larger network bursts are not asked for: it would take calibration minutes more."""
DAY_S = 86_400
PRESSURE_MIN_M = 5.0


def surveyed(
    inp: Path, recording: Recording, hours: Sequence[int] = HOURS
) -> Mapping[str, NDArray[Any]]:
    """The network of the file as arrays, and the answer of every column to a leak at every node.

    ``nodes``, ``pipes`` names; ``ends`` (pipes, 2) nodes, -1 for a tank or reservoir; ``length_m``;
    ``distance_m`` (pipes, pipes) between their middles; ``base`` (hours, columns) without a leak;
    ``response`` (hours, nodes, columns) what ``leak_m3_h`` (hours, nodes) at a node changes.
    ``rougher`` (pipes, columns) what a roughness coefficient twice as large would change, by the
    slope, at ``rougher_base``.  ``pipe``, ``pipe_xy`` (n, 4): as they are drawn.  Of a network that
    is not large also ``burst_base`` (hours, columns), ``burst_response`` (hours, sizes, nodes,
    columns) and ``burst_m3_h`` (hours, sizes, nodes).

    A column is the node or link of its name, or the one that bears it as its tag ([TAGS]); one that
    the file does not know stays 0.  Raises Refused.
    """
    try:
        import wntr  # noqa: F401
    except ImportError as error:
        raise Refused(
            "EPANET is not installed: run  pip install 'urban-lifeline[calibrate]'"
        ) from error
    made, tagged = _layout(inp)
    places = [tagged.get(column, column) for column in recording.columns]
    made |= _responses(inp, places, made["nodes"].tolist(), hours)
    return made | _rougher(inp, places, made["pipes"].tolist())


def _layout(inp: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """The network's arrays, and the node or link of each tag."""
    import wntr

    model = wntr.network.WaterNetworkModel(str(inp))
    every = {name: k for k, name in enumerate(model.node_name_list)}
    junctions = {name: k for k, name in enumerate(model.junction_name_list)}
    pipes = [model.get_link(name) for name in model.pipe_name_list]
    links = [model.get_link(name) for name in model.link_name_list]
    length_m = np.array([pipe.length for pipe in pipes], np.float64)
    # A zero in a sparse graph is no edge at all: pumps and valves are a millimetre long.
    weights = [max(float(getattr(link, "length", 0.0)), 1e-3) for link in links]
    rows = [every[link.start_node_name] for link in links]
    columns = [every[link.end_node_name] for link in links]
    graph = csr_matrix((weights, (rows, columns)), shape=(len(every), len(every)))
    apart = shortest_path(graph, directed=False)
    ends = np.array([[every[p.start_node_name], every[p.end_node_name]] for p in pipes])
    between = [apart[np.ix_(ends[:, a], ends[:, b])] for a in (0, 1) for b in (0, 1)]
    distance_m = np.minimum.reduce(between) + (length_m[:, None] + length_m[None, :]) / 2.0
    np.fill_diagonal(distance_m, 0.0)
    named = [(p.start_node_name, p.end_node_name) for p in pipes]
    tags = {str(one.tag): str(name) for name, one in (*model.nodes(), *model.links()) if one.tag}
    made = {
        "nodes": np.array(list(junctions)),
        "pipes": np.array(list(model.pipe_name_list)),
        "ends": np.array([[junctions.get(name, -1) for name in pair] for pair in named]),
        "length_m": length_m,
        "distance_m": distance_m.astype(np.float32),
        "pipe": np.array(list(model.pipe_name_list)),
        "pipe_xy": np.array(
            [[*pipe.start_node.coordinates, *pipe.end_node.coordinates] for pipe in pipes],
            np.float32,
        ),
    }
    return made, tags


class _Epanet:
    """EPANET over one file, asked by index."""

    def __init__(self, inp: Path, report: Path) -> None:
        from wntr.epanet.toolkit import ENepanet

        self.library = ENepanet(version=2.2)
        self.library.ENopen(str(inp), str(report), "")
        self.library.ENsettimeparam(DURATION, 0)
        self.library.ENopenH()

    def solved(self, sensors: Sequence[tuple[str, int]]) -> NDArray[np.float64]:
        """Every sensor's value after one solution from the initial state."""
        self.library.ENinitH(10)
        self.library.ENrunH()
        return np.array([self.value(kind, index) for kind, index in sensors])

    def value(self, kind: str, index: int) -> float:
        """A node's pressure head, or a link's flow; 0 for what the file does not know."""
        if kind == "node":
            return float(self.library.ENgetnodevalue(index, PRESSURE))
        return float(self.library.ENgetlinkvalue(index, LINK_FLOW)) if kind == "link" else 0.0

    def sensor(self, column: str) -> tuple[str, int]:
        """The node or link that a column's name is, by its index."""
        for kind, find in (
            ("node", self.library.ENgetnodeindex),
            ("link", self.library.ENgetlinkindex),
        ):
            try:
                return kind, int(find(column))
            except Exception:  # noqa: S112 - the toolkit raises its own kinds for an unknown name
                continue
        return "", 0

    def close(self) -> None:
        """Ends the library's use of the file."""
        self.library.ENcloseH()
        self.library.ENclose()


def _responses(
    inp: Path, places: Sequence[str], nodes: Sequence[str], hours: Sequence[int]
) -> dict[str, NDArray[Any]]:
    with tempfile.TemporaryDirectory() as folder:
        epanet = _Epanet(inp, Path(folder) / "report.txt")
        base, response, leak = _asked(epanet, places, nodes, hours, (LEAK_M3_H,))
        made: dict[str, NDArray[Any]] = {
            "hours": np.array(hours, np.int64),
            "base": base,
            "response": response[:, 0].astype(np.float32),
            "leak_m3_h": leak[:, 0].astype(np.float32),
        }
        if len(nodes) <= BURST_NODES_MAX:
            base, response, leak = _asked(epanet, places, nodes, BURST_HOURS, BURST_M3_H)
            made |= {"burst_base": base, "burst_response": response, "burst_m3_h": leak}
        epanet.close()
    return made


def _asked(
    epanet: _Epanet,
    places: Sequence[str],
    nodes: Sequence[str],
    hours: Sequence[int],
    sizes_m3_h: Sequence[float],
) -> tuple[Floats, Floats, Floats]:
    """Values without a leak, what a leak of each size at each node changes, and how it flows."""
    sensors = [epanet.sensor(place) for place in places]
    indices = [int(epanet.library.ENgetnodeindex(name)) for name in nodes]
    base = np.zeros((len(hours), len(sensors)))
    response = np.zeros((len(hours), len(sizes_m3_h), len(nodes), len(sensors)))
    leak = np.zeros((len(hours), len(sizes_m3_h), len(nodes)))
    for h, hour in enumerate(hours):
        # The third day of the pattern: a weekday, whatever day it begins on.
        epanet.library.ENsettimeparam(START_TIME, 2 * DAY_S + hour * 3600)
        base[h] = epanet.solved(sensors)
        calm = [epanet.value("node", index) for index in indices]
        used = [float(epanet.library.ENgetnodevalue(index, DEMAND)) for index in indices]
        for k, index in enumerate(indices):
            for s, size in enumerate(sizes_m3_h):
                strength = size / np.sqrt(max(calm[k], PRESSURE_MIN_M))
                epanet.library.ENsetnodevalue(index, EMITTER, float(strength))
                response[h, s, k] = epanet.solved(sensors) - base[h]
                leak[h, s, k] = float(epanet.library.ENgetnodevalue(index, DEMAND)) - used[k]
                epanet.library.ENsetnodevalue(index, EMITTER, 0.0)
    return base, response, leak


def _rougher(inp: Path, places: Sequence[str], pipes: Sequence[str]) -> dict[str, NDArray[Any]]:
    """No model knows its pipes' roughness well: what an error of each does to the sensors."""
    with tempfile.TemporaryDirectory() as folder:
        epanet = _Epanet(inp, Path(folder) / "report.txt")
        sensors = [epanet.sensor(place) for place in places]
        epanet.library.ENsettimeparam(START_TIME, 2 * DAY_S + ROUGHER_HOUR * 3600)
        base = epanet.solved(sensors)
        moved = np.zeros((len(pipes), len(sensors)))
        for k, name in enumerate(pipes):
            index = int(epanet.library.ENgetlinkindex(name))
            own = float(epanet.library.ENgetlinkvalue(index, LINK_ROUGHNESS))
            epanet.library.ENsetlinkvalue(index, LINK_ROUGHNESS, own * (1.0 + ROUGHER))
            moved[k] = (epanet.solved(sensors) - base) / ROUGHER
            epanet.library.ENsetlinkvalue(index, LINK_ROUGHNESS, own)
        epanet.close()
    return {"rougher_base": base, "rougher": moved.astype(np.float32)}
