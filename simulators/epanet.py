"""The demo's mains as a utility would hand them over: an EPANET file, its sensors named by tags."""

from collections.abc import Mapping, Sequence

from simulators.base import daily
from simulators.mains import INLET, INLET_GROUND_M, SOURCE_HEAD_M, Network
from simulators.water import DEMAND_BASE_M3_H, DEMAND_PEAKS

TITLE = "Hunnan metered area 3, the demo's: made by benchmarks/demo_network.py"
VALVE, TANK, WORKS = "PRV-HUNNAN-3", "TONGHU", "WORKS"
TANK_GROUND_M = 55.0
FEED_M = 640.0


def model_text(network: Network, tags: Mapping[str, str]) -> str:
    """The file; ``tags`` gives the channel that is measured at a junction or link, by its name."""
    hours = [daily(hour * 3600.0, DEMAND_PEAKS, DEMAND_BASE_M3_H) for hour in range(24)]
    mean_m3_h = sum(hours) / 24.0
    sections = {
        "TITLE": [TITLE],
        "JUNCTIONS": [
            f"{j.name} {j.ground_m:.2f} {j.share * mean_m3_h:.4f} DAY"
            for j in network.junctions
        ] + [f"{INLET} {INLET_GROUND_M:.2f} 0", f"FEED {INLET_GROUND_M:.2f} 0"],
        "RESERVOIRS": [f"{WORKS} 40"],
        "TANKS": [f"{TANK} {TANK_GROUND_M} 3.4 0 5 27.64 0"],
        "PIPES": [
            f"{p.name} {p.a} {p.b} {p.length_m:.1f} {p.diameter_mm:.0f} {p.coefficient:.1f} 0 Open"
            for p in network.pipes
        ] + [f"P-FEED {TANK} FEED {FEED_M:.1f} 400 120.0 0 Open"],
        "PUMPS": [f"PUMP-TONGHU {WORKS} {TANK} HEAD LIFT"],
        "VALVES": [f"{VALVE} FEED {INLET} 300 PRV {SOURCE_HEAD_M - INLET_GROUND_M} 0"],
        "CURVES": ["LIFT 260 25"],
        "CONTROLS": [
            f"LINK PUMP-TONGHU CLOSED IF NODE {TANK} ABOVE 4.5",
            f"LINK PUMP-TONGHU OPEN IF NODE {TANK} BELOW 2.5",
        ],
        "PATTERNS": [f"DAY {hour / mean_m3_h:.4f}" for hour in hours],
        "TAGS": [_tag(network, name, channel) for name, channel in tags.items()],
        "TIMES": ["Duration 24:00", "Hydraulic Timestep 1:00", "Pattern Timestep 1:00"],
        "OPTIONS": ["Units CMH", "Headloss H-W", "Accuracy 0.00001", "Trials 100"],
        "COORDINATES": [f"{j.name} {j.x:.1f} {j.y:.1f}" for j in network.junctions]
        + [f"{INLET} 0 0", "FEED -10 10", f"{TANK} -42 111", f"{WORKS} -42 140"],
    }  # fmt: skip
    return "".join(_section(name, lines) for name, lines in sections.items()) + "[END]\n"


def _tag(network: Network, name: str, channel: str) -> str:
    kind = "NODE" if any(j.name == name for j in network.junctions) else "LINK"
    return f"{kind} {name} {channel}"


def _section(name: str, lines: Sequence[str]) -> str:
    return "\n".join([f"[{name}]", *lines]) + "\n\n"
