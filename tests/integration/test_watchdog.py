"""A chain that is stopped is announced by the watchdog's own route, and so is its return."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from lifeline import store
from lifeline.catalog import parse_source
from lifeline.compiler import compile_catalog
from lifeline.config import Target
from lifeline.stack import Addresses
from lifeline.stack.processes import free_port
from tests.integration.ingest_rig import forget
from tests.integration.rig import PARTITIONS, Rig, rig, wait_for
from tests.streams.town import GAS
from tests.watchdog.test_announcer import SECRET, Office, offices
from watchdog import canary

__all__ = ["offices"]

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

INSTANCE = 950
SILENT_S = 5.0
PROMISED_S = 60.0


@pytest.fixture
def chain(addresses: Addresses, tmp_path: Path) -> Iterator[Rig]:
    with rig(addresses, tmp_path, timescale=False) as made:
        sources = [parse_source("gas.toml", GAS), canary.source(PARTITIONS)]
        store.write_catalog(compile_catalog(sources), str(tmp_path / "catalog.bin"))
        yield made
    asyncio.run(forget(addresses, INSTANCE))


def settings_of(folder: Path, office: Office) -> dict[str, str]:
    (folder / "secret").write_text(SECRET)
    port = free_port()

    def target(name: str, url: str) -> str:
        to = Target(name, url, str(folder / "secret"), private_allowed=True)
        return msgspec.json.encode([to]).decode()

    return {
        "LIFELINE_INGEST_INSTANCE": str(INSTANCE),
        "LIFELINE_ROUTER_TARGETS": target("watchdog", f"http://127.0.0.1:{port}/canary"),
        "LIFELINE_WATCHDOG_PORT": str(port),
        "LIFELINE_WATCHDOG_SECRET_FILE": str(folder / "secret"),
        "LIFELINE_WATCHDOG_CANARY_S": "1",
        "LIFELINE_WATCHDOG_SILENT_AFTER_S": str(SILENT_S),
        "LIFELINE_WATCHDOG_TARGETS": target("office", f"http://127.0.0.1:{office.server_port}/"),
    }


def test_a_detect_that_hangs_is_announced_and_so_is_its_return_by_a_watchdog_begun_anew(
    chain: Rig, offices: list[Office]
) -> None:
    office = offices[0]
    given = settings_of(chain.folder, office)
    services = {name: chain.start(name, **given) for name in ("ingest", "detect", "router")}
    for service in services.values():
        chain.wait_ready(service)
    dog = chain.start("watchdog", **given)
    chain.wait_ready(dog)

    def kinds() -> list[str]:
        return [told.kind for _, told in office.heard]

    through = "lifeline_notices_total{"
    wait_for(lambda: chain.metric(services["router"], through) >= PARTITIONS, 30.0, "the canaries")
    wait_for(lambda: kinds()[-1:] in ([], ["return"]), PROMISED_S, "the chain's first rounds")
    services["detect"].send_signal(signal.SIGSTOP)
    wait_for(lambda: kinds()[-1:] == ["silence"], PROMISED_S, f"silence; {chain.tail()}")
    wait_for((chain.folder / "watchdog.json").exists, 5.0, "what was told is kept")
    chain.kill(dog)
    chain.wait_ready(chain.start("watchdog", **given))
    services["detect"].send_signal(signal.SIGCONT)
    wait_for(lambda: kinds()[-1:] == ["return"], PROMISED_S, f"the return; {chain.tail()}")

    silence = [told for _, told in office.heard if told.kind == "silence"][-1]
    assert silence.at_ms - silence.since_ms >= SILENT_S * 1000
    assert silence.partitions
    assert office.problems == [""] * len(office.problems)
