"""The servers that all integration tests share: real, started once a session."""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from lifeline.stack import Addresses, Stack
from lifeline.stack.processes import Mark, is_alive, read_mark
from tests.integration.console_rig import City, new_city
from tests.integration.outbox_rig import Outbox, own_database
from tests.vendors.servers import SECRET, TOKEN

PREFIX = "lifeline-tests-"


def _own_mark() -> str:
    ticks = Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19]
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    mark = Mark(os.getpid(), int(ticks), boot)
    return f"{mark.pid} {mark.ticks} {mark.boot}"


def _sweep() -> None:
    """Servers of a session that was killed would run on for ever: end them, remove their data."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = read_mark(folder / "owner")
        if owner is not None and not is_alive(owner):
            Stack(folder).remove()


def new_stack() -> Stack:
    """A stack in a new folder under /tmp, not started; remove() it at the end."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    (folder / "owner").write_text(_own_mark())
    return Stack(folder)


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@pytest.fixture(scope="session", autouse=True)
def _orderly_end() -> Iterator[None]:
    """A terminated session ends like an interrupted one: with its servers stopped."""
    _sweep()
    before = signal.signal(signal.SIGTERM, _interrupt)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Mosquitto, Kafka and PostgreSQL, up; a test that kills one leaves it up again."""
    servers = new_stack()
    try:
        servers.start()
        yield servers
    finally:
        servers.remove()


@pytest.fixture(scope="session")
def addresses(stack: Stack) -> Addresses:
    """Where the shared servers are."""
    return stack.addresses()


@pytest.fixture(scope="module")
def _city(addresses: Addresses) -> Iterator[City]:
    with new_city(addresses) as made:
        yield made


@pytest.fixture
def city(_city: City) -> City:
    """The module's city for the console, with no failed sign-ins and no stale feed."""
    _city.freshen()
    return _city


@pytest.fixture(scope="session")
def _outbox_dsn(addresses: Addresses) -> Iterator[str]:
    with own_database(addresses) as made:
        yield made


@pytest.fixture
def outbox(_outbox_dsn: str) -> Outbox:
    """An outbox with nothing in it."""
    made = Outbox(_outbox_dsn)
    made.rows("truncate outbox, attempt, outbox_message cascade")
    return made


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with the secrets that the vendors' stand-ins know."""
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "token").write_text(TOKEN)
    return tmp_path
