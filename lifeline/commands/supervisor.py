"""Our child processes: started, restarted with backoff, stopped in order, never left behind."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

STOP_S = 10.0
"""What a child gets to stop in order before it is killed."""
BACKOFF_S_MAX = 10.0
STEADY_S = 20.0
"""A child that lived so long failed anew when it ends, and is restarted at once."""
PR_SET_PDEATHSIG = 1

Say = Callable[[str, str], None]


@dataclass(slots=True)
class Child:
    """One supervised process: its command, and when it may be started again."""

    name: str
    command: list[str]
    log: Path
    environ: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    failures: int = 0
    start_at_s: float = 0.0
    restarts: int = 0

    def start(self) -> None:
        """Starts it in a session of its own, so that a Ctrl-C in the terminal reaches only us."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=dict(self.environ),
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one prctl, no locks taken
            )
        self.started_s = time.monotonic()

    def last_words(self) -> str:
        """The last line of its log, for the sentence that says why it ended."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return next((line for line in reversed(lines) if line.strip()), "")


def _die_with_parent() -> None:
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass(slots=True)
class Supervisor:
    """Children in the order in which they are started; they are stopped in the same order.

    Stopping begins at the source: what flows is drained before the stages behind it end.
    """

    say: Say
    children: list[Child] = field(default_factory=list)

    def add(
        self, name: str, command: Sequence[str], log: Path, environ: Mapping[str, str]
    ) -> Child:
        """Takes a child on and starts it."""
        child = Child(name, list(command), log, environ)
        child.start()
        self.children.append(child)
        return child

    def tend(self) -> None:
        """Looks after each child once: restarts what ended, later each time it fails at once."""
        now_s = time.monotonic()
        for child in self.children:
            if child.process is None:
                if now_s >= child.start_at_s:
                    child.restarts += 1
                    child.start()
                continue
            status = child.process.poll()
            if status is None:
                continue
            child.failures = 1 if now_s - child.started_s > STEADY_S else child.failures + 1
            wait_s = min(BACKOFF_S_MAX, 0.1 * 3 ** (child.failures - 1))
            child.process, child.start_at_s = None, now_s + wait_s
            self.say(
                child.name,
                f"ended with {_cause(status)}, again in {wait_s:.1f} s: {child.last_words()}",
            )

    def stop(self) -> None:
        """Ends every child in order: SIGTERM, ten seconds at the most, then SIGKILL."""
        for child in list(self.children):
            self.stop_one(child)

    def stop_one(self, child: Child) -> None:
        """Ends one child and lets it rest."""
        self.children.remove(child)
        if child.process is None or child.process.poll() is not None:
            return
        child.process.terminate()
        try:
            child.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.say(child.name, f"did not stop within {STOP_S:.0f} s: killed")
            child.process.kill()
            child.process.wait(STOP_S)


def _cause(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"status {status}"


def lifeline_command(*words: str) -> list[str]:
    """The command line that runs ``lifeline`` with this interpreter."""
    return [sys.executable, "-m", "lifeline", *words]


def environment(overrides: Mapping[str, str]) -> dict[str, str]:
    """Our environment with these settings on top."""
    return {**os.environ, **overrides}
