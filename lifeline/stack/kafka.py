"""The Kafka broker: one node in KRaft mode, started from jars that Maven resolved once."""

import os
import re
import shutil
import signal
import socket
import string
import struct
from dataclasses import dataclass
from pathlib import Path

from lifeline.stack.mosquitto import CACHE
from lifeline.stack.processes import StackError, run

DEPLOY = Path(__file__).parents[2] / "deploy" / "kafka"

# Metadata v1, correlation 1, client "stack", an empty list of topics: it names the live brokers.
METADATA = struct.pack(">hhih5si", 3, 1, 1, 5, b"stack", 0)

# The serial collector and the first compiler alone are no slower here and leave the second core
# to the pipeline.
JAVA_OPTIONS = [
    "-Xms128m",
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
]


@dataclass(slots=True)
class Kafka:
    """Apache Kafka on loopback; one process is broker and controller."""

    folder: Path
    port: int
    controller_port: int
    cluster: str
    name: str = "kafka"
    signum: signal.Signals = signal.SIGTERM
    start_s: float = 60.0
    stop_s: float = 20.0

    @property
    def ports(self) -> tuple[int, ...]:
        """Every port that must be free before it starts."""
        return (self.port, self.controller_port)

    @property
    def home(self) -> Path:
        """Where it keeps its data and works."""
        return self.folder / "kafka"

    def prepare(self) -> None:
        """Write the configuration, and format the log folder when it is new."""
        self.home.mkdir(parents=True, exist_ok=True)
        logs = self.home.resolve() / "logs"
        self._configure("server.properties", logs)
        if logs.exists():
            return
        # Formatted beside and renamed: a format that was killed half-way is never started from.
        fresh = self.home.resolve() / "logs.new"
        shutil.rmtree(fresh, ignore_errors=True)
        config = self._configure("format.properties", fresh)
        tool = [*java(), "kafka.tools.StorageTool", "format", "--standalone"]
        run([*tool, "--cluster-id", self.cluster, "--config", str(config)], 60)
        fresh.rename(logs)

    def _configure(self, name: str, logs: Path) -> Path:
        template = string.Template((DEPLOY / "server.properties").read_text("utf-8"))
        filled = template.substitute(
            port=self.port, controller_port=self.controller_port, logs=logs
        )
        (self.home / name).write_text(filled, "utf-8")
        return self.home / name

    def command(self) -> list[str]:
        """What to run."""
        return [*java(), "kafka.Kafka", str((self.home / "server.properties").resolve())]

    def environment(self) -> dict[str, str]:
        """The caller's own."""
        return dict(os.environ)

    def answers(self) -> bool:
        """Whether it names itself a live broker: listening alone comes before it may be used."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1.0) as link:
                link.sendall(struct.pack(">i", len(METADATA)) + METADATA)
                answer = link.recv(4096)
        except OSError:
            return False
        return len(answer) >= 12 and struct.unpack_from(">i", answer, 8)[0] >= 1

    def finish(self) -> None:
        """Nothing is to be done after its start."""

    def clear(self) -> None:
        """Nothing is left behind by a killed broker: its locks die with it."""

    def version(self) -> str:
        """The pinned version, such as ``4.3.0``."""
        return pinned()


def pinned() -> str:
    """Kafka's version in pom.xml."""
    found = re.search(r"<kafka.version>([\d.]+)<", (DEPLOY / "pom.xml").read_text("utf-8"))
    assert found, "deploy/kafka/pom.xml names no kafka.version"
    return found[1]


def java() -> list[str]:
    """The Java command with Kafka's jars on its path."""
    jars = CACHE / f"kafka-{pinned()}"
    if not jars.exists():
        raise StackError(f"Kafka's jars are missing in {jars}: run `lifeline stack fetch`")
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin" if home else None)
    if found is None:
        raise StackError("java is missing: install a Java runtime of version 17 or newer")
    return [found, *JAVA_OPTIONS, "-cp", f"{jars}/*"]


def fetch() -> str:
    """Resolve the jars into the cache when they are missing; returns where they are."""
    jars = CACHE / f"kafka-{pinned()}"
    if jars.exists():
        return str(jars)
    fresh = jars.with_name(f"{jars.name}.new-{os.getpid()}")
    resolve = ["mvn", "-B", "-q", "-f", str(DEPLOY / "pom.xml"), "dependency:copy-dependencies"]
    run([*resolve, "-DincludeScope=runtime", f"-DoutputDirectory={fresh}"], 600)
    if not jars.exists():
        fresh.rename(jars)
    shutil.rmtree(fresh, ignore_errors=True)
    return str(jars)
