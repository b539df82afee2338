"""Keeps services and servers running as an operator's machine would, and notes every end."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lifeline.commands.supervisor import Child
from lifeline.stack import NAMES, Stack
from tests.faults.checker import Exit

TEND_S = 0.03
BACKOFF_S_MAX = 5.0
STEADY_S = 10.0
STOP_S = 10.0


@dataclass(slots=True)
class Service:
    """One service as it is wanted; the thread of the keeper alone starts it."""

    child: Child
    is_wanted: bool = True
    cause: str = ""
    """Why it is about to end, when somebody has decided so."""


@dataclass(slots=True)
class Keeper:
    """Two threads: one restarts services, with backoff, the other servers, at once."""

    stack: Stack
    services: dict[str, Service] = field(default_factory=dict)
    exits: list[Exit] = field(default_factory=list)
    server_causes: dict[str, str] = field(default_factory=dict)
    servers_wanted: set[str] = field(default_factory=lambda: set(NAMES))
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.RLock = field(default_factory=threading.RLock)
    threads: list[threading.Thread] = field(default_factory=list)

    def begin(self) -> None:
        # A child dies with the thread that started it: this one lives as long as the keeper.
        for body in (self._tend_services, self._tend_servers):
            thread = threading.Thread(target=body, daemon=True)
            thread.start()
            self.threads.append(thread)

    def want(self, name: str, command: list[str], log: Path, environ: Mapping[str, str]) -> None:
        """The service is started at once, and again whenever it ends."""
        with self.lock:
            assert name not in self.services, f"{name} runs already"
            self.services[name] = Service(Child(name, command, log, environ))

    def pid(self, name: str) -> int | None:
        """The process of a service or server, or None while there is none."""
        if name in NAMES:
            return self.stack.pid(name)
        with self.lock:
            service = self.services.get(name)
            process = service.child.process if service else None
            return process.pid if process is not None and process.poll() is None else None

    def kill(self, name: str) -> int:
        """``kill -9``; returns the moment, unix ms.  The keeper brings it back."""
        pid = self.pid(name)
        assert pid is not None, f"{name} does not run: there is nothing to kill"
        with self.lock:
            if name in NAMES:
                self.server_causes[name] = "kill -9"
            else:
                self.services[name].cause = "kill -9"
        at_ms = time.time_ns() // 1_000_000
        os.kill(pid, signal.SIGKILL)
        return at_ms

    def expect(self, name: str, cause: str) -> None:
        """The next end of this service is ours."""
        with self.lock:
            self.services[name].cause = cause

    def stop(self, *names: str) -> None:
        """Ends services for good, in order: SIGTERM, then after a while SIGKILL."""
        for name in names:
            with self.lock:
                service = self.services.pop(name, None)
            if service is None or service.child.process is None:
                continue
            process = service.child.process
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(STOP_S)
                self._note(name, "no end within 10 s of SIGTERM", "")

    def finish(self) -> None:
        """Stops everything that this keeper started; servers are the stack's own."""
        self.servers_wanted.clear()
        self.stop(*list(self.services))
        self.over.set()
        for thread in self.threads:
            thread.join(30.0)

    def _note(self, name: str, status: str, cause: str) -> None:
        self.exits.append(Exit(name, time.time_ns() // 1_000_000, status, cause))

    def _tend_services(self) -> None:
        while not self.over.wait(TEND_S):
            with self.lock:
                for name, service in self.services.items():
                    self._tend(name, service)

    def _tend(self, name: str, service: Service) -> None:
        child, now_s = service.child, time.monotonic()
        if child.process is None:
            if now_s >= child.start_at_s:
                child.start()
            return
        status = child.process.poll()
        if status is None:
            return
        told = signal.Signals(-status).name if status < 0 else f"status {status}"
        words = "" if service.cause else f": {child.last_words()[:300]}"
        self._note(name, told + words, service.cause)
        is_ours, service.cause = bool(service.cause), ""
        child.failures = 0 if is_ours or now_s - child.started_s > STEADY_S else child.failures + 1
        child.process = None
        child.start_at_s = now_s + min(BACKOFF_S_MAX, 0.1 * 3**child.failures)

    def _tend_servers(self) -> None:
        while not self.over.wait(TEND_S):
            for name in NAMES:
                if name not in self.servers_wanted or self.stack.pid(name) is not None:
                    continue
                self._note(name, "gone", self.server_causes.pop(name, ""))
                self.stack.restart(name)


def python(*words: str) -> list[str]:
    """The command line of a module of ours with this interpreter."""
    return [sys.executable, "-m", *words]
