"""What went past PostgreSQL, as a file keeps it: who was told what under which name.  Pure.

Written before it is sent, so that a router that is killed leaves behind what its successor must
know: which pages somebody has had already, and under which names incidents were told of that turn
out to belong to another one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from alerting.notices import Push
from alerting.slices import Tell

KEPT_MS = 86_400_000
"""What nothing stored has answered to in a day never will."""


class Named(msgspec.Struct, frozen=True, tag="named"):
    """An incident was told of under this name, from its finding alone."""

    tell: Tell


class Sent(msgspec.Struct, frozen=True, tag="sent"):
    """A push that is on its way."""

    push: Push
    at_ms: int


class Done(msgspec.Struct, frozen=True, tag="done"):
    """Its receiver has accepted it."""

    key: str


Entry = Named | Sent | Done
_entry = msgspec.json.Decoder(Entry)
_encode = msgspec.json.Encoder().encode


class Settled(msgspec.Struct, frozen=True):
    """What the stored state has answered to."""

    keys: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()


@dataclass(slots=True)
class Journal:
    """What is not yet in line with what PostgreSQL holds."""

    named: dict[str, Named] = field(default_factory=dict)
    sent: dict[str, Sent] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to bring in line."""
        return not (self.named or self.sent)

    def take(self, entries: Iterable[Entry]) -> None:
        """Takes entries in, in their order; the same again changes nothing."""
        for entry in entries:
            match entry:
                case Named(tell):
                    self.named.setdefault(tell.incident, entry)
                case Sent(push):
                    self.sent.setdefault(push.key, entry)
                case _:
                    self.done.add(entry.key)

    def copy(self) -> "Journal":
        """The same as it is now, for who reads it beside."""
        return Journal(dict(self.named), dict(self.sent), set(self.done))

    def settle(self, settled: Settled, now_ms: int) -> None:
        """Forgets what is in line now, and what is too old to come in line ever."""
        for name in [n for n, e in self.named.items() if now_ms - e.tell.at_ms > KEPT_MS]:
            del self.named[name]
        for name in settled.names:
            self.named.pop(name, None)
        for key, entry in list(self.sent.items()):
            is_old = now_ms - entry.at_ms > KEPT_MS
            is_over = entry.push.incident in settled.names
            if key in settled.keys or is_over or is_old:
                del self.sent[key]
        self.done &= self.sent.keys()


def encode(entries: Iterable[Entry]) -> bytes:
    """The entries as lines."""
    return b"".join(_encode(entry) + b"\n" for entry in entries)


def decode(body: bytes) -> list[Entry]:
    """The entries of a file; a line that was cut off by a kill, or is no entry, says nothing."""
    found: list[Entry] = []
    for line in body.split(b"\n"):
        try:
            found.append(_entry.decode(line))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
    return found
