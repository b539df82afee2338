"""One world for all runs, and the report of what they measured."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults import town
from tests.faults.world import World
from tests.integration.conftest import _orderly_end  # noqa: F401 - a session's orderly end

SENSORS = 3000
"""Pairs; every run uses its own."""


@pytest.fixture(scope="package")
def world() -> Iterator[World]:
    """All servers and services, up; a run leaves them up again."""
    with World([town.source(lifeline, SENSORS) for lifeline in town.LIMITS]) as made:
        yield made


@pytest.fixture(scope="package")
def reports(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[dict[str, Any]]]:
    """Every run puts its report here; at the end they are written down as JSON and as tables."""
    given = os.environ.get("LIFELINE_FAULT_REPORT")
    folder = Path(given) if given else tmp_path_factory.mktemp("faults", numbered=False)
    folder.mkdir(parents=True, exist_ok=True)
    made: list[dict[str, Any]] = []
    yield made
    (folder / "faults.json").write_text(json.dumps(made, indent=1))
    (folder / "faults.md").write_text(as_tables(made, world))
    if given or any(report["violations"] and not report.get("sabotage") for report in made):
        for part in ("log", "runs"):
            shutil.copytree(world.folder / part, folder / part, dirs_exist_ok=True)
        shutil.copy(world.record, folder)
        print(f"\nlogs, ledgers and the report are in {folder}")


def as_tables(reports: list[dict[str, Any]], world: World) -> str:
    versions = world.stack.addresses().versions
    lines = [f"Servers: {', '.join(f'{k} {v}' for k, v in versions.items())}", ""]
    lines += ["| target | fault | back after, s | bound, s |", "|---|---|---|---|"]
    slowest: dict[tuple[str, str], dict[str, Any]] = {}
    for recovery in (r for report in reports for r in report["recoveries"]):
        key = (recovery["target"], recovery["fault"])
        worst = recovery["seconds"] is None or (
            key in slowest and (slowest[key]["seconds"] or 0) >= recovery["seconds"]
        )
        if key not in slowest or not worst:
            slowest[key] = recovery
    for (target, fault), r in slowest.items():
        took = "not at all" if r["seconds"] is None else f"{r['seconds']:.1f}"
        lines.append(f"| {target} | {fault} | {took} | {r['bound_s']:g} |")
    lines += [
        "",
        "| run | seed | readings | resent | leaks | push median, s | push max, s | broken |",
    ]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for r in reports:
        push = r["push_s"] or {"median": 0.0, "max": 0.0}
        lines.append(
            f"| {r['run']} | {r['seed']} | {r['readings']} | {r['resent']} | {r['leaks']}"
            f" | {push['median']:.2f} | {push['max']:.1f} | {len(r['violations'])} |"
        )
    return "\n".join(lines) + "\n"
