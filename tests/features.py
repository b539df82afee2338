"""Which feature is shown by which tests: the rows, what the tests' marks say, and the table.

A test says what it shows by ``@pytest.mark.feature("A-12", …)``; ``make features`` runs all of
those and writes ``docs/features.md`` from what passed.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "features.md"
FEATURES = {
    "A-1": "Alarm states of ISA-18.2 and IEC 62682, each transition tested, the illegal refused",
    "A-2": "An alarm is no incident: many fold into one, merged and split by hand, first-out kept",
    "A-3": "Verify: true, false, test, unknown, with a reason, kept as labels for the detectors",
    "A-4": "Clocks on what nobody took *and* on what was taken without progress, by grade",
    "A-5": "Re-alarm on worsening; graded rise and fall with hold",
    "A-6": "Flood: over 10 alarms in 10 minutes group by topology; the highest risk stays on top",
    "A-7": "Alarm figures by desk, lifeline, sensor model and day",
    "A-8": "Hypotheses across lifelines, as a declared rule graph with distance and time",
    "A-9": "Risk = likelihood × consequence: people, schools, hospitals, closed space, ignition",
    "A-10": "State settled by revision: no race of acknowledgement and return, merges in any order",
    "A-11": "Shelving with reason and expiry; a second person where lives depend on it",
    "A-12": "Closing needs the evidence of connected sensors, overriding a second person",
    "A-13": "Work-watch after gas work: graver, sooner, until its checks are ticked",
    "E-1": "Signed, at least once, one key, backed off by class, dead letters, circuit breaker",
    "E-2": "Receipts: sent, delivered, accepted or refused, seen; a clock until signed for",
    "E-3": "CAP 1.2 with Update and Cancel chains, valid by the OASIS schema",
    "E-4": "GB/T 35965 style profile behind a switch, clause text unverified",
    "E-5": "Two-way case loop with the city-management platform",
    "E-6": "Shared data product: the state of every zone with its freshness",
    "E-7": "Warnings in switch regimes that the catalog names",
    "C-2": "What to do now: plan steps, phones, radius, spaces to measure, valves to close",
    "C-4": "Hand-over sheet, signed by both, each open item accepted",
    "C-7": "What a caller says opens an incident, and is one with what sensors find near by",
    "D-3": "A season by hour of week and weather, its residuals, frozen while it alarms",
    "D-4": "A sensor's fault by its neighbours' vote, named, masked, told from a leak",
    "D-5": "Maintenance and calibration freeze what learns, and never a hard limit",
    "D-6": "False alarms per sensor-year of each rule, with their interval, against its budget",
    "D-8": "Regimes, such as frozen ground or the heating season, select the rules that judge",
    "S-3": "The same readings under the same rules: the same findings and incidents, byte for byte",
    "W-1": "Flow balance with the tank, bursts by flow and pressures together",
    "W-2": "A burst placed by the arrival times of its pressure wave, the speed learned",
    "W-3": "Leaks placed by the network's model: pipes, size, loss; several at once",
    "W-4": "Noise loggers: the nightly minimum, a steady tone, a neighbour closer than 120 m",
    "W-5": "Dirt in the water: negative pressure at a leak beside a sewer",
    "M-5": "Drills on the real chain that never leave as Actual",
    "D-21": "Evidence package: one file that proves itself",
    "D-22": "What-if: a new profile over stored readings, incidents gained, lost, earlier, later",
    "S-4": "Shadow mode: a new profile runs silently beside the live one, compared",
    "O-2": "Append-only audit, hash-chained, sealed, anchored outside",
    "O-4": "Rules and limits as reviewed versions with effective-from time, two persons, roll-back",
}
"""Rows of the domain's feature table, by their ids."""
COMPLAINTS = {
    "OnCall #4654, #4760": "After an acknowledgement the same person still gets messages",
    "OnCall #4761": "A responder added to a taken incident cannot stop his own pages",
    "OnCall #3161": "An acknowledgement that races a resolve un-resolves the incident",
    "OnCall #3111": "An acknowledged incident pages two months later at 05:30",
    "OnCall #325, #4062, #3870, #3841": "What was taken is forgotten at the end of the shift",
    "OnCall #1326": "Escalation reaches somebody who has no way of being reached",
    "OnCall #1931": "Escalation ignores its wait",
    "ThingsBoard #6047, #3919, #1721": "Nobody knows who acknowledged, and what he said",
    "ThingsBoard #2986, #5652, #15583": "Two readings milliseconds apart make two alarms",
    "ThingsBoard #11434": "No new alarm while an old acknowledged one is not cleared",
    "ThingsBoard #11803, netdata #945": "No grades by duration, and flapping alarms are spam",
    "ThingsBoard #12728": "A push was not received, and nobody knows",
    "Grafana #13364, #18193, #24762": "Nothing can be acknowledged in the product",
    "OnCall #2676": "A bulk acknowledgement shows the old state until somebody refreshes",
    "OnCall #5094": "Sixty alerts are selected one by one",
    "OnCall #2447": "Filters are lost on the way back",
    "ThingsBoard #12383, #7990": "Ten thousand alarms freeze the list, and it is renewed by hand",
    "Node-RED #618, hashi-ui #119, gardener #105": (
        "A connection is lost in silence, and nobody sees that the page is old"
    ),
    "PagerDuty, liked": "Pages of a storm are bundled into one summary",
}
"""What users of other consoles complain about, as far as it is about state, pages or time."""
ROWS = {**FEATURES, **COMPLAINTS}


def marked(root: Path = ROOT / "tests") -> dict[str, list[str]]:
    """Feature -> the tests that are marked with it, ``path::name``, as their files say."""
    found: dict[str, list[str]] = {}
    for path in sorted(root.rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for name, features in _marks(tree.body):
            for feature in features:
                found.setdefault(feature, []).append(f"{path.relative_to(root.parent)}::{name}")
    return found


def _marks(body: Iterable[ast.stmt]) -> Iterator[tuple[str, list[str]]]:
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                for mark in node.decorator_list:
                    yield node.name, _named(mark)
            # A state machine's TestCase: test_x = pytest.mark.feature("…")(Machine.TestCase)
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=mark)):
                yield name, _named(mark)
            case _:
                pass


def _named(mark: ast.expr) -> list[str]:
    if not (isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.feature"):
        return []
    return [ast.literal_eval(argument) for argument in mark.args]


def owner(nodeid: str) -> str:
    """The test behind a node: without its parameters and what stands inside of a class."""
    path, name = nodeid.split("[")[0].split("::")[:2]
    return f"{path}::{name}"


def table(shown: Mapping[str, Iterable[str]]) -> str:
    """The page: every row with the tests that show it, each a link that reads as a sentence."""
    lines = [
        "# What each feature is shown by",
        "",
        "Made by `make features` from the tests that passed; not edited by hand.",
        "Each link is a test and says, as a sentence, what it establishes.",
    ]
    for title, rows in (
        ("Features", FEATURES),
        ("What users of other consoles complain about", COMPLAINTS),
    ):
        lines += ["", f"## {title}", "", "| | What it is | Shown by |", "|---|---|---|"]
        for name, said in rows.items():
            links = "<br>".join(_link(one) for one in sorted(set(shown.get(name, ()))))
            lines.append(f"| {name} | {said} | {links or '**nothing**'} |")
    return "\n".join(lines) + "\n"


def _link(test: str) -> str:
    path, name = test.split("::")
    return f"[{name.removeprefix('test_').replace('_', ' ')}](../{path})"
