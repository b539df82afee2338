"""Nothing is lost, doubled, missed or invented while processes are killed under load."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lifeline import crashpoints
from tests.faults.run import BOUNDS_S, Run, now_ms, strain_now
from tests.faults.world import World, wait_for

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

GIVEN = os.environ.get("LIFELINE_FAULT_SEED")
SEEDS = (
    [int(GIVEN)]
    if GIVEN
    else [1, *(pytest.param(seed, marks=pytest.mark.faults) for seed in (2, 3, 4))]
)
PAUSE_S = 20.0
REPLICAS = ("detect", "archive")
used = 0


@contextmanager
def load(
    world: World, reports: list[dict[str, Any]], name: str, seed: int, **more: Any
) -> Iterator[Run]:
    """Load while the block runs; then calm, and every promise held against the ledger."""
    global used
    first, used = used, used + 200
    with Run(world, f"{name}-{seed}", seed, first, more=more) as run:
        time.sleep(2.0)
        yield run
        if run.officer is not None:
            run.officer.end()
        run.calm()
        report = run.close_books()
        reports.append(report)
    repeat = f"LIFELINE_FAULT_SEED={seed} pytest tests/faults/test_faults.py -k {name}"
    assert report["violations"] == [], f"seed {seed}; again with: {repeat}"
    assert report["leaks"] >= 10, "a run that plants nothing shows nothing"


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_one_after_another_everything_comes_back_and_nothing_is_lost(
    world: World, reports: list[dict[str, Any]], seed: int
) -> None:
    with load(world, reports, "killed", seed) as run:
        targets = list(BOUNDS_S)
        run.chance.shuffle(targets)
        for target in targets:
            run.kill(target)
        run.kill_while_kafka_stands_still("ingest")


@pytest.mark.parametrize("seed", SEEDS)
def test_dying_at_every_crash_point_loses_and_doubles_nothing(
    world: World, reports: list[dict[str, Any]], seed: int
) -> None:
    with load(world, reports, "dying", seed, leak_every_s=1.0) as run:
        run.employ()
        points = list(crashpoints.NAMES)
        run.chance.shuffle(points)
        for point in points:
            service = point.partition(".")[0]
            often = {"ingest": 40, "archive": 12}.get(service, 4)
            run.crash(point, service, run.chance.randint(1, often))
        assert run.officer is not None
        assert len(run.officer.taken) >= 10


@pytest.mark.parametrize("seed", SEEDS)
def test_zombies_are_fenced_and_a_second_worker_takes_over(
    world: World, reports: list[dict[str, Any]], seed: int
) -> None:
    seconds = [world.start(name, worker="-2") for name in REPLICAS]
    try:
        world.await_ready(*seconds)
        with load(world, reports, "zombies", seed, leak_every_s=1.0) as run:
            pids = [world.keeper.pid(name) for name in REPLICAS]
            stopped_ms = now_ms()
            for pid in pids:
                assert pid is not None
                os.kill(pid, signal.SIGSTOP)
            time.sleep(PAUSE_S)
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            run.note("detect, archive", f"stopped for {PAUSE_S:.0f} s", at_ms=stopped_ms)
            assert wait_for(lambda: run.pushed_since(now_ms() - 3000) is not None, 15.0)
            for name in REPLICAS:
                # What a zombie still tried to write; nothing, if it was told of its death before.
                run.facts[f"fenced writes of {name}"] = world.metric(name, "lifeline_fenced_total")
            for name in run.chance.sample(seconds, len(seconds)):
                strain = strain_now()
                at_ms = world.keeper.kill(name)
                target = name.removesuffix("-2")
                # Half of the partitions never stopped: only several leaks tell of the others.
                leaks = 4 if target == "detect" else 1
                run.recovered(target, "kill -9 of one of two", at_ms, strain, leaks=leaks)
    finally:
        world.keeper.stop(*seconds)
