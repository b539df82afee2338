"""The machine's own servers: mosquitto, Kafka and PostgreSQL for demo, tests and benchmarks.

The whole folder is a shell: it starts, watches and ends processes.
"""

import contextlib
import fcntl
import functools
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import msgspec

from lifeline.stack.kafka import Kafka
from lifeline.stack.mosquitto import Mosquitto
from lifeline.stack.postgres import Postgres, choose_home
from lifeline.stack.processes import (
    StackError,
    end,
    free_port,
    is_alive,
    is_free,
    last_line,
    launch,
    read_mark,
    step_back,
    wait_until,
)
from lifeline.stack.programs import FETCHED, fetch, is_fetched, versions

__all__ = [
    "FETCHED",
    "NAMES",
    "Addresses",
    "Stack",
    "StackError",
    "Status",
    "fetch",
    "is_fetched",
    "versions",
]

NAMES = ("mosquitto", "kafka", "postgresql")
"""Also the order in which they are stopped: first what brings more work."""

LOCK_S = 120.0
PORT_S = 3.0
"""A client that was refused just now may hold a port for a moment."""

Say = Callable[[str, float, str], None]
"""Told of every step: the server, seconds since the call, and what happened."""


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``stack.json``: what was chosen once and holds as long as the folder."""

    ports: dict[str, int]
    postgresql_home: str
    kafka_cluster: str = "lifeline-local-stack00"


class Addresses(msgspec.Struct, frozen=True):
    """Where the servers of one folder are, and what they are."""

    folder: str
    mqtt_host: str
    mqtt_port: int
    kafka_bootstrap: str
    postgres_dsn: str
    postgres_admin_dsn: str
    versions: dict[str, str | None]

    def environment(self) -> dict[str, str]:
        """The settings that point every service at these servers."""
        return {
            "LIFELINE_MQTT_HOST": self.mqtt_host,
            "LIFELINE_MQTT_PORT": str(self.mqtt_port),
            "LIFELINE_KAFKA_BOOTSTRAP": self.kafka_bootstrap,
            "LIFELINE_POSTGRES_DSN": self.postgres_dsn,
        }


class Status(msgspec.Struct, frozen=True):
    """One server as it is now."""

    name: str
    running: bool
    pid: int | None
    port: int
    log: str


class Server(Protocol):
    """What the three have in common; each knows its own program and data."""

    name: str
    signum: signal.Signals
    start_s: float
    stop_s: float

    @property
    def ports(self) -> tuple[int, ...]: ...
    @property
    def home(self) -> Path: ...
    def prepare(self) -> None: ...
    def command(self) -> list[str]: ...
    def environment(self) -> dict[str, str]: ...
    def answers(self) -> bool: ...
    def finish(self) -> None: ...
    def clear(self) -> None: ...


def _silent(_name: str, _seconds: float, _text: str) -> None:
    pass


@dataclass(slots=True)
class Stack:
    """The servers of one data folder.

    Used as a context it stops at its end what it started, and nothing else.  Every public method
    is safe beside another process that works on the same folder.
    """

    folder: Path
    say: Say = _silent
    started: set[str] = field(default_factory=set)
    """Names of the servers that this object started."""
    _aborted: threading.Event = field(default_factory=threading.Event)
    _versions: dict[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, *names: str) -> Addresses:
        """Bring up the named servers (all by default), at the same time; those running are kept.

        On failure, Ctrl-C included, what this call started is stopped again.
        """
        wanted = [name for name in NAMES if name in (names or NAMES)]
        assert set(names) <= set(NAMES), names
        before = set(self.started)
        self._aborted.clear()
        self._make_folders()
        with self._locked():
            self._kept(is_new=True)
            servers = self._servers()
            try:
                self._all_up([servers[name] for name in wanted])
            except BaseException:
                for name in NAMES:
                    if name in self.started - before:
                        self._end(servers[name])
                self.started = before
                raise
        return self.addresses()

    def _all_up(self, servers: list[Server]) -> None:
        with ThreadPoolExecutor(len(servers)) as pool:
            waiting = [pool.submit(self._up, server) for server in servers]
            try:
                for done in waiting:
                    done.result()
            except BaseException:
                self._aborted.set()
                raise

    def _up(self, server: Server) -> None:
        began = time.monotonic()
        if is_alive(read_mark(self._mark(server.name))):
            text = "already running"
        else:
            server.prepare()
            server.clear()
            for port in server.ports:
                if not wait_until(functools.partial(is_free, port), PORT_S):
                    raise StackError(
                        f"port {port} of {server.name} is taken by another program: stop it, or "
                        f"remove this number from {self.folder}/stack.json to get another"
                    )
            self._launch(server)
            text = "started"
        self._await(server)
        server.finish()
        seconds = time.monotonic() - began
        self.say(server.name, seconds, f"{text} on 127.0.0.1:{server.ports[0]}")

    def _launch(self, server: Server) -> None:
        mark = self._mark(server.name)
        self.started.add(server.name)
        launch(
            server.command(),
            mark=mark,
            log=self._log(server.name),
            folder=server.home.resolve(),
            env=server.environment(),
        )
        if not wait_until(mark.exists, 10.0):
            raise StackError(f"{server.name} was not started: {last_line(self._log(server.name))}")
        if server.name == "postgresql" and (pid := self.pid(server.name)):
            # Storing is the greatest load, and a chart can wait where an alarm cannot.
            step_back(pid)

    def _await(self, server: Server) -> None:
        mark = read_mark(self._mark(server.name))
        ready = False

        def is_settled() -> bool:
            nonlocal ready
            ready = server.answers()
            return ready or self._aborted.is_set() or not is_alive(mark)

        settled = wait_until(is_settled, server.start_s)
        if ready:
            return
        log = self._log(server.name)
        if self._aborted.is_set():
            raise StackError(f"the start of {server.name} was given up")
        what = "ended while starting" if settled else f"gave no answer for {server.start_s:.0f} s"
        raise StackError(f"{server.name} {what}, saying: {last_line(log)} (see {log})")

    def stop(self) -> None:
        """Stop what this object started, in order, each within its limit."""
        self._stop_all(self.started)

    def down(self) -> None:
        """Stop every server of this folder, whoever started it."""
        self._stop_all(set(NAMES))

    def _stop_all(self, names: set[str]) -> None:
        if not (self.folder / "stack.json").exists():
            return
        with self._locked():
            servers = self._servers()
            for name in NAMES:
                if name in names:
                    self._end(servers[name])
        self.started -= names

    def _end(self, server: Server) -> None:
        began = time.monotonic()
        path = self._mark(server.name)
        mark = read_mark(path)
        was_alive = is_alive(mark)
        polite = end(mark, server.signum, server.stop_s)
        path.unlink(missing_ok=True)
        if was_alive:
            text = "stopped" if polite else f"killed after {server.stop_s:.0f} s"
            self.say(server.name, time.monotonic() - began, text)

    def remove(self) -> None:
        """Stop every server and remove the folder with all data, also PostgreSQL's elsewhere."""
        self.down()
        if (self.folder / "stack.json").exists():
            shutil.rmtree(self._kept().postgresql_home, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self, name: str) -> None:
        """``kill -9`` as a test or a crash would do it; returns when the process is gone."""
        end(read_mark(self._mark(name)), signal.SIGKILL, 10.0)

    def restart(self, name: str) -> float:
        """Stop the server if it runs, start it on its old port; seconds until it answers."""
        assert name in NAMES, name
        with self._locked():
            self._end(self._servers()[name])
        began = time.monotonic()
        self.start(name)
        return time.monotonic() - began

    def pid(self, name: str) -> int | None:
        """The server's process, for tests that stop or watch it; None when it does not run."""
        mark = read_mark(self._mark(name))
        return mark.pid if mark is not None and is_alive(mark) else None

    def status(self) -> list[Status]:
        """Every server as it is now; the folder must hold a stack."""
        ports = self._kept().ports
        return [
            Status(name, pid is not None, pid, ports[name], str(self._log(name)))
            for name, pid in ((name, self.pid(name)) for name in NAMES)
        ]

    def addresses(self) -> Addresses:
        """Where the servers are; the folder must hold a stack."""
        kept = self._kept()
        database = self._postgres(kept)
        if not self._versions:
            self._versions = versions(database.home)
        return Addresses(
            folder=str(self.folder),
            mqtt_host="127.0.0.1",
            mqtt_port=kept.ports["mosquitto"],
            kafka_bootstrap=f"127.0.0.1:{kept.ports['kafka']}",
            postgres_dsn=database.dsn(),
            postgres_admin_dsn=database.dsn("postgres", "postgres"),
            versions=dict(self._versions),
        )

    def _servers(self) -> dict[str, Server]:
        kept = self._kept()
        controller, cluster = kept.ports["kafka-controller"], kept.kafka_cluster
        broker = Kafka(self.folder, kept.ports["kafka"], controller, cluster)
        return {
            "mosquitto": Mosquitto(self.folder, kept.ports["mosquitto"]),
            "kafka": broker,
            "postgresql": self._postgres(kept),
        }

    def _postgres(self, kept: Kept) -> Postgres:
        return Postgres(self.folder, kept.ports["postgresql"], Path(kept.postgresql_home))

    def _kept(self, *, is_new: bool = False) -> Kept:
        """What was chosen; ports that are missing in it are chosen now and kept."""
        path = self.folder / "stack.json"
        try:
            kept = msgspec.json.decode(path.read_bytes(), type=Kept)
        except FileNotFoundError:
            if not is_new:
                raise StackError(f"no stack is in {self.folder}: run `lifeline stack up`") from None
            kept = Kept({}, str(choose_home(self.folder)))
        except msgspec.DecodeError as error:
            raise StackError(f"{path} cannot be read ({error}): mend it or remove it") from error
        missing = [name for name in (*NAMES, "kafka-controller") if name not in kept.ports]
        if not missing:
            return kept
        ports = dict(kept.ports)
        for name in missing:
            port = free_port()
            while port in ports.values():
                port = free_port()
            ports[name] = port
        kept = msgspec.structs.replace(kept, ports=ports)
        from lifeline.store import write_file  # the catalog's reader comes with it

        write_file(path, msgspec.json.format(msgspec.json.encode(kept), indent=2) + b"\n")
        return kept

    def _make_folders(self) -> None:
        for part in ("", "run", "log"):
            (self.folder / part).mkdir(mode=0o755, parents=True, exist_ok=True)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time changes what runs; the lock ends with its holder."""
        holder = os.open(self.folder / "stack.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if not wait_until(lambda: _lock(holder), LOCK_S):
                raise StackError(
                    f"another process has held {self.folder}/stack.lock for {LOCK_S:.0f} s: "
                    f"see `fuser -v {self.folder}/stack.lock`"
                )
            yield
        finally:
            os.close(holder)

    def _mark(self, name: str) -> Path:
        return self.folder / "run" / f"{name}.mark"

    def _log(self, name: str) -> Path:
        return self.folder / "log" / f"{name}.log"


def _lock(holder: int) -> bool:
    try:
        fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
