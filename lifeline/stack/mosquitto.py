"""The MQTT broker: configuration, installation without root, and the handshake that proves it."""

import contextlib
import os
import shutil
import signal
import socket
import string
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lifeline.stack.processes import StackError, run

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "urban-lifeline"
TEMPLATE = Path(__file__).parents[2] / "deploy" / "mosquitto" / "mosquitto.conf"

# MQTT 3.1.1 CONNECT with a clean session, an empty client id and 10 s keep-alive.
CONNECT = bytes.fromhex("100c 0004 4d515454 04 02 000a 0000")
ACCEPTED = bytes.fromhex("20020000")


@dataclass(slots=True)
class Mosquitto:
    """The machine's own mosquitto on loopback, anonymous, with persistent sessions."""

    folder: Path
    port: int
    name: str = "mosquitto"
    # Only an orderly end writes the sessions down; the default snapshot is every half hour.
    signum: signal.Signals = signal.SIGTERM
    start_s: float = 15.0
    stop_s: float = 15.0

    @property
    def ports(self) -> tuple[int, ...]:
        """Every port that must be free before it starts."""
        return (self.port,)

    @property
    def home(self) -> Path:
        """Where it keeps its data and works."""
        return self.folder / "mosquitto"

    def prepare(self) -> None:
        """Write the configuration."""
        program()
        self.home.mkdir(parents=True, exist_ok=True)
        text = string.Template(TEMPLATE.read_text("utf-8"))
        filled = text.substitute(port=self.port, folder=self.home.resolve())
        (self.home / "mosquitto.conf").write_text(filled, "utf-8")

    def command(self) -> list[str]:
        """What to run."""
        return [str(program()), "-c", str(self.home / "mosquitto.conf")]

    def environment(self) -> dict[str, str]:
        """With the libraries that came beside an unpacked broker."""
        return _libraries(program())

    def answers(self) -> bool:
        """Whether it accepts an MQTT connection."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1.0) as link:
                link.sendall(CONNECT)
                return link.recv(4) == ACCEPTED
        except OSError:
            return False

    def finish(self) -> None:
        """Nothing is to be done after its start."""

    def clear(self) -> None:
        """Nothing is left behind by a killed broker."""

    def version(self) -> str:
        """Its own version, such as ``2.0.11``."""
        found = program()
        said = subprocess.run(  # It prints its help with status 3.
            [found, "-h"],
            check=False,
            capture_output=True,
            text=True,
            timeout=10,
            env=_libraries(found),
        )
        first = said.stdout.splitlines()[0] if said.stdout else "unknown"
        return first.removeprefix("mosquitto version ").strip()


def program() -> Path:
    """The broker's program: the system's, or the one unpacked into the cache."""
    places = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:{CACHE}/mosquitto/usr/sbin"
    found = shutil.which("mosquitto", path=places)
    if found is None:
        raise StackError("mosquitto is missing on this machine: run `lifeline stack fetch`")
    return Path(found)


def _libraries(found: Path) -> dict[str, str]:
    env = dict(os.environ)
    root = CACHE / "mosquitto"
    if found.is_relative_to(root):
        places = sorted({str(library.parent) for library in root.rglob("*.so*")})
        env["LD_LIBRARY_PATH"] = ":".join([*places, env.get("LD_LIBRARY_PATH", "")]).rstrip(":")
    return env


def fetch() -> str:
    """Get the broker when it is missing; returns where it is."""
    with contextlib.suppress(StackError):
        return str(program())
    if shutil.which("apt-get") is None:
        raise StackError("mosquitto is missing: install it with this system's package manager")
    if os.geteuid() == 0:
        quiet = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        run(["apt-get", "update", "-qq"], 300, quiet)
        run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "mosquitto"], 300, quiet)
    else:
        _unpack()
    return str(program())


def _unpack() -> None:
    """Download the broker and the libraries this machine lacks, and unpack them into the cache.

    Everything apt writes is redirected, so no root is needed and the system stays as it is.
    """
    work = CACHE / "mosquitto.new"
    shutil.rmtree(work, ignore_errors=True)
    for part in ("lists/partial", "cache/archives/partial", "packages", "root"):
        (work / part).mkdir(parents=True)
    apt = ["apt-get", "-qq", "-o", "Debug::NoLocking=1"]
    apt += ["-o", f"Dir::State::lists={work}/lists", "-o", f"Dir::Cache={work}/cache"]
    run([*apt, "update"], 300)
    planned = run([*apt, "--simulate", "--no-install-recommends", "install", "mosquitto"], 60)
    names = [line.split()[1] for line in planned.splitlines() if line.startswith("Inst ")]
    if "mosquitto" not in names:
        raise StackError("apt offers no mosquitto: install it by hand, then again")
    # `download` writes into the working folder, which only a shell can set for it alone.
    within = ["sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", f"{work}/packages"]
    run([*within, *apt, "download", *names], 300)
    for package in sorted((work / "packages").glob("*.deb")):
        run(["dpkg-deb", "-x", str(package), f"{work}/root"], 60)
    shutil.rmtree(CACHE / "mosquitto", ignore_errors=True)
    (work / "root").rename(CACHE / "mosquitto")
    shutil.rmtree(work, ignore_errors=True)
