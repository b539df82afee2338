"""The running chain that a benchmark loads: real servers, every service a process of its own."""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lifeline import db, store
from lifeline.commands.migrate import create_topics
from lifeline.commands.supervisor import Supervisor, environment, lifeline_command
from lifeline.compiler import compile_catalog
from lifeline.config import Settings, load
from lifeline.stack import NAMES, Stack
from lifeline.stack.processes import free_port
from simulators.load.bench import bench_sources

READY_S = 60.0


@dataclass(slots=True)
class Chain:
    """The running chain: its servers, its services, and where each shows itself."""

    stack: Stack
    settings: Settings
    supervisor: Supervisor
    ports: dict[str, int]
    record: Path
    folder: Path
    pids: dict[str, int] = field(default_factory=dict)


@contextmanager
def running(
    arguments: argparse.Namespace,
    *,
    keep: bool = False,
    told_as: str = "json",
    full_bank: bool = False,
) -> Iterator[Chain]:
    """The chain in a folder of its own, ended and removed with the block, however that ends.

    ``told_as`` is the format in which the platform is told of incidents.
    """
    folder = Path(tempfile.mkdtemp(prefix="lifeline-bench-"))
    folder.chmod(0o755)
    stack = Stack(
        folder / "stack",
        lambda name, s, text: print(f"  {name:12} {s:5.1f} s  {text}", file=sys.stderr),
    )
    supervisor = Supervisor(lambda name, text: print(f"  {name:12} {text}", file=sys.stderr))
    try:
        yield _started(arguments, folder, stack, supervisor, told_as, full_bank)
    finally:
        supervisor.stop()
        stack.stop()
        if keep:
            print(f"kept: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _started(
    arguments: argparse.Namespace,
    folder: Path,
    stack: Stack,
    supervisor: Supervisor,
    told_as: str,
    full_bank: bool,  # noqa: FBT001
) -> Chain:
    """Servers, catalog, topics, tables, services; returns when every service is ready."""
    addresses = stack.start()
    secret, record = folder / "secret", folder / "pushes.jsonl"
    secret.write_text("benchmark")
    push_port = free_port()
    target = {
        "name": "platform",
        "url": f"http://127.0.0.1:{push_port}/incidents",
        "secret_file": str(secret),
        "private_allowed": True,
        "format": told_as,
    }
    overrides = addresses.environment() | {
        "LIFELINE_CATALOG_COMPILED": str(folder / "catalog.bin"),
        "LIFELINE_AUDIT_ANCHOR_FILE": str(folder / "anchors" / "audit.log"),
        "LIFELINE_ROUTER_PAST_FOLDER": str(folder / "past"),
        "LIFELINE_ROUTER_TARGETS": json.dumps([target]),
        "LIFELINE_CONSOLE_PORT": str(free_port()),
        "LIFELINE_CONSOLE_SECURE_COOKIE": "false",
        "LIFELINE_TELEMETRY_LOG": "json",
    }
    settings, _ = load("", "benchmark", overrides)
    packed = compile_catalog(bench_sources(arguments.channels, 100, full=full_bank))
    store.write_catalog(packed, settings.catalog.compiled)
    asyncio.run(create_topics(settings.kafka))
    db.migrate(settings.postgres, lambda _: None)
    platform = lifeline_command(
        "simulate", "--platform", "--port", str(push_port), "--secret-file", str(secret),
        "--record", str(record),
    )  # fmt: skip
    supervisor.add("platform", platform, folder / "platform.log", environment({}))
    ports: dict[str, int] = {}
    services = [("ingest", i) for i in range(arguments.ingest)]
    services += [(name, 0) for name in ("detect", "archive", "router", "console")]
    for name, instance in services:
        label = f"{name}{instance or ''}"
        ports[label] = free_port()
        words = ["--instance", str(instance)] if name == "ingest" else []
        more = overrides | {"LIFELINE_TELEMETRY_PORT": str(ports[label])}
        supervisor.add(
            label, lifeline_command(name, *words), folder / f"{label}.log", environment(more)
        )
    chain = Chain(stack, settings, supervisor, ports, record, folder)
    for label, port in ports.items():
        until_ready(label, port)
    chain.pids = {
        c.name: c.process.pid for c in supervisor.children if c.process and c.name != "platform"
    }
    chain.pids |= {name: pid for name in NAMES if (pid := stack.pid(name))}
    return chain


def until_ready(label: str, port: int) -> None:
    """Returns when the service behind that port says that it is ready; ends the program else."""
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"{label} was not ready within {READY_S:.0f} s: see its log")


def metric(port: int, name: str) -> float:
    """The sum of a counter over its labels, 0 when it has none yet."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return sum(
        float(line.split()[-1]) for line in lines if line.split("{")[0].split(" ")[0] == name
    )
