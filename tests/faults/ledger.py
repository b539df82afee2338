"""What was really sent: one JSON line an event, on the disk before anything depends on it."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Key = tuple[str, int, int]
"""(device, boot, seq): the name of one message."""


class Journal:
    """Append-only; a line that ``append`` returned from survives a power cut."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        text = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
        if text:
            self._file.write(text)
            os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True, slots=True)
class Sent:
    """One reading as it left the generator; ``value`` is None where it sent no finite number."""

    device: str
    boot: int
    seq: int
    channel: str
    at_ms: int
    value: float | None

    @property
    def key(self) -> Key:
        return (self.device, self.boot, self.seq)


@dataclass(frozen=True, slots=True)
class Leak:
    """A planted cause: what it must become, and until when the push must have been accepted."""

    asset: str
    hazard: str
    channel: str
    onset_ms: int
    deadline_ms: int


@dataclass(slots=True)
class Ledger:
    """What the generator did."""

    sent: list[Sent] = field(default_factory=list)
    acked: dict[Key, int] = field(default_factory=dict)
    """Key -> when the application-level acknowledgement was on our disk, unix ms."""
    leaks: list[Leak] = field(default_factory=list)
    resent: int = 0


@dataclass(slots=True)
class Tail:
    """The whole lines of a growing file, each once: what was read is not read again."""

    path: Path
    at: int = 0

    def news(self) -> list[dict[str, Any]]:
        """The lines since the last call."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.at)
                whole = file.read().rpartition(b"\n")[0]
        except FileNotFoundError:
            return []
        if whole:
            self.at += len(whole) + 1
        return [json.loads(line) for line in whole.splitlines()]


@dataclass(slots=True)
class Reader:
    """The ledger of a run, as far as it is written."""

    tail: Tail
    ledger: Ledger = field(default_factory=Ledger)

    def read(self) -> Ledger:
        """The ledger brought up to now; the same object at every call."""
        for line in self.tail.news():
            self._take(line)
        return self.ledger

    def _take(self, line: dict[str, Any]) -> None:
        ledger = self.ledger
        match line["event"]:
            case "sent":
                d, b, s, c, t, v = line["row"]
                ledger.sent.append(Sent(d, b, s, c, t, v))
            case "acked":
                for first, last in line["seq"]:
                    for seq in range(first, last + 1):
                        key = (line["device"], line["boot"], seq)
                        ledger.acked.setdefault(key, line["at_ms"])
            case "leak":
                ledger.leaks.append(Leak(*line["row"]))
            case "resent":
                ledger.resent += line["n"]


def read_ledger(path: Path) -> Ledger:
    """The ledger as it lies there."""
    return Reader(Tail(path)).read()
