"""A build that breaks one promise is caught by the check that is this promise's."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults import checker
from tests.faults.run import Run, now_ms
from tests.faults.sabotage import SABOTAGES, Sabotage
from tests.faults.world import World

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

FIRST = 4000
"""Sensors from here on: the runs on honest builds use those before."""
N = 100
LEASE_S = 5.5
"""A notice that a dead router had in hand is sent again after this, not after 20 s."""
CRASHES = 10
"""A point that is passed for every kind of work is tried more than once."""


QUICK = {"acknowledge-before-kafka"}
"""What `make test` builds too, to see that the checker checks; `make faults` builds the others."""


@pytest.fixture(scope="module", autouse=True)
def _no_canary(world: World) -> Iterator[None]:
    """Canaries pass every point too, and would take the crashes that are meant for leaks."""
    world.keeper.stop("watchdog")
    yield
    world.start("watchdog")


def impatient(world: World) -> dict[str, str]:
    targets = world.environment()["LIFELINE_ROUTER_TARGETS"]
    quick = targets.replace('"timeout_s": 5.0', '"timeout_s": 1.0')
    return {"LIFELINE_ROUTER_LEASE_S": str(LEASE_S), "LIFELINE_ROUTER_TARGETS": quick}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.faults]) for name in SABOTAGES],
)
def test_a_sabotaged_build_is_caught(
    world: World, reports: list[dict[str, Any]], name: str
) -> None:
    sabotage = SABOTAGES[name]
    service = sabotage.service
    if name == "no-primary-key":  # the last of the list: no honest run may come after it
        with world.database() as link:
            link.execute("alter table reading drop constraint reading_pkey")
    world.keeper.stop(service)
    world.start(service, sabotage=name, **impatient(world))
    try:
        world.await_ready(service)
        first = FIRST + N * list(SABOTAGES).index(name)
        more = {"leak_every_s": 0.5, "leak_first_s": 1.0, "leak_lasts_s": 2.0}
        with Run(world, name, 1, first, N, more) as run:
            if sabotage.caught_by & {"C9"}:
                run.employ()
            time.sleep(3.0)
            reveal(run, sabotage)
            if run.officer is not None:
                run.officer.end()
            run.settle()
            report = run.close_books() | {"sabotage": name}
            reports.append(report)
    finally:
        world.keeper.stop(service)
        world.start(service)
        world.await_ready(service)

    found = {violation.partition(":")[0] for violation in report["violations"]}
    assert found & sabotage.caught_by, f"not caught: {report['violations']}"


def reveal(run: Run, sabotage: Sabotage) -> None:
    match sabotage.fault:
        case "":
            time.sleep(4.0 if run.officer is None else 12.0)
        case "kill -9":
            run.kill(sabotage.service)
        case "kill -9 while kafka stands still":
            run.kill_while_kafka_stands_still(sabotage.service)
        case point:
            for _ in range(CRASHES if sabotage.service == "router" else 1):
                run.crash(point, sabotage.service, run.chance.randint(3, 8))
                time.sleep(LEASE_S if sabotage.service == "router" else 0.0)
                if is_revealed(run):
                    return


def is_revealed(run: Run) -> bool:
    """Whether a notice of some seconds ago is missing or torn already."""
    seen = run.evidence()
    old = [i for i in seen.incidents if i.opened_ms < now_ms() - 3000]
    return bool(checker.untold(seen.ledger.leaks, old, [p for p in seen.pushes if known(p, old)]))


def known(push: checker.Push, incidents: list[checker.Incident]) -> bool:
    return push.incident in {i.id for i in incidents}
