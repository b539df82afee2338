"""Starting, recognising and ending one server process, so that a reused pid is never killed."""

import contextlib
import errno
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

POLL_S = 0.02
LOG_BYTES_MAX = 16 << 20

# The child itself writes who it is, and only then becomes the server: a parent killed between
# the fork and its own note would otherwise leave a server that nobody can find again.
# Field 22 of /proc/PID/stat is the start in ticks since boot; together with the boot it names
# one process for ever.
LAUNCHER = """
mark=$1; cd "$2" || exit 96; shift 2
{ echo "$$ $(cut -d' ' -f22 /proc/$$/stat) $(cat /proc/sys/kernel/random/boot_id)" >"$mark.new" \
  && mv "$mark.new" "$mark"; } || exit 97
exec "$@"
"""


class StackError(Exception):
    """A server cannot be had: one sentence with what, where and the next command."""


class Mark(msgspec.Struct, frozen=True):
    """Names one process for ever: pid, start in ticks since boot, and the boot itself."""

    pid: int
    ticks: int
    boot: str


def read_mark(path: Path) -> Mark | None:
    """The process noted in ``path``, or None when nothing (readable) is noted."""
    try:
        pid, ticks, boot = path.read_text("ascii").split()
        return Mark(int(pid), int(ticks), boot)
    except (OSError, ValueError):
        return None


def is_alive(mark: Mark | None) -> bool:
    """Whether exactly this process still runs; a zombie counts as gone, and is reaped when ours.

    A zombie with threads is still dying, and holds its ports until the last of them is gone.
    """
    if mark is None:
        return False
    with contextlib.suppress(ChildProcessError):
        os.waitpid(mark.pid, os.WNOHANG)
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        stat = Path(f"/proc/{mark.pid}/stat").read_text("ascii", "replace")
        threads = sum(1 for _ in Path(f"/proc/{mark.pid}/task").iterdir())
    except OSError:
        return False
    # The command's name stands in parentheses and may hold blanks, so count from its end.
    fields = stat[stat.rindex(")") + 2 :].split()
    is_gone = fields[0] in "ZX" and threads <= 1
    return boot == mark.boot and int(fields[19]) == mark.ticks and not is_gone


def launch(
    command: Sequence[str], *, mark: Path, log: Path, folder: Path, env: Mapping[str, str]
) -> None:
    """Start ``command`` in a session of its own, so that Ctrl-C reaches only the parent.

    Returns at once; ``mark`` appears when the process runs, output is appended to ``log``.
    """
    mark.unlink(missing_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_suffix(".log.1"))
    writing = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    # posix_spawn keeps no object that warns when the parent ends before a detached server.
    os.posix_spawn(
        "/bin/sh",
        ["/bin/sh", "-c", LAUNCHER, "sh", str(mark), str(folder), *command],
        dict(env),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), writing, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGHUP],
    )


def step_back(pid: int, by: int = 10) -> bool:
    """Lets alarms go first on a shared machine: this process and its session yield.

    Linux groups processes by session (autogroup) before it looks at their niceness, so both are
    set.  False where either is refused: nothing is lost then but the courtesy.
    """
    try:
        os.setpriority(os.PRIO_PROCESS, pid, by)
        Path(f"/proc/{pid or 'self'}/autogroup").write_text(str(by), encoding="ascii")
    except OSError:
        return False
    return True


def wait_until(fact: Callable[[], bool], within_s: float) -> bool:
    """Whether ``fact`` became true in time."""
    deadline = time.monotonic() + within_s
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def end(mark: Mark | None, how: signal.Signals, within_s: float) -> bool:
    """Whether the process went by itself; after ``within_s`` it is killed."""
    polite = True
    for signum, limit_s in ((how, within_s), (signal.SIGKILL, 10.0)):
        if mark is None or not is_alive(mark):
            return polite
        with contextlib.suppress(ProcessLookupError):
            os.kill(mark.pid, signum)
        if wait_until(lambda: not is_alive(mark), limit_s):
            return polite
        polite = False
    raise StackError(f"process {mark.pid if mark else 0} does not end even when killed: see `ps`")


def residents(folder: Path) -> list[int]:
    """Pids of all processes that work in ``folder``: a server's children when it was killed."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if (entry / "cwd").readlink() == folder:
                    found.append(int(entry.name))
    return found


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def free_port() -> int:
    """A free loopback port below the range of outgoing connections.

    A port inside that range can be taken by any client while its server restarts; worse, a
    client that keeps trying to reach it may be given it as its own and then talk to itself.
    """
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    chance = random.SystemRandom()
    for _ in range(200):
        port = chance.randrange(10_000, max(low, 12_000))
        if is_free(port):
            return port
    raise StackError("no free port was found on 127.0.0.1: see `ss -ltn`")


def run(command: Sequence[str], within_s: float, env: Mapping[str, str] | None = None) -> str:
    """The output of a program that ends by itself; StackError with its last line otherwise."""
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=within_s,
            env=env,
        )
    except FileNotFoundError:
        raise StackError(f"the program {command[0]} is missing: install it, then again") from None
    except subprocess.TimeoutExpired:
        raise StackError(f"{command[0]} did not end within {within_s:.0f} s") from None
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()
        telling = [line for line in said if "error" in line.lower()] or said
        raise StackError(f"{command[0]} ended with status {done.returncode}: {telling[-1].strip()}")
    return done.stdout


def last_line(log: Path) -> str:
    """What a server said last, for the sentence that says why it did not start."""
    try:
        tail = log.read_bytes()[-4096:].decode("utf-8", "replace").strip().splitlines()
    except OSError:
        tail = []
    telling = [line for line in tail if "FATAL" in line or "rror" in line] or tail
    return telling[-1].strip() if telling else "nothing"
