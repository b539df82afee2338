"""What a gateway still owes: messages unsent, in flight, or sent and not yet reported durable."""

import hashlib
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

Key = tuple[str, int, int]
"""(device, boot, seq): the name of one message."""


class Entry(msgspec.Struct, frozen=True):
    """One message in the spool."""

    device: str
    boot: int
    seq: int
    suffix: str
    payload: bytes

    @property
    def key(self) -> Key:
        """Its name."""
        return (self.device, self.boot, self.seq)


class Ack(msgspec.Struct, frozen=True):
    """What ingest says on ``…/ack``: ranges durable on Kafka, or payloads it could not decode."""

    boot: int = -1
    seq: tuple[tuple[int, int], ...] = ()
    sha256: tuple[str, ...] = ()


_ack = msgspec.json.Decoder(Ack)


def read_ack(payload: bytes) -> Ack | None:
    """The acknowledgement, or None for bytes that are none: they settle nothing."""
    try:
        return _ack.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


@dataclass(slots=True)
class Outbox:
    """The sender's state machine.  A message leaves it by ingest's own word alone.

    ``unsent`` and ``flying`` together are exactly ``owed``: unsent in the order of their making,
    flying in the order of their last sending.  PUBACKs of the broker mean nothing here: a broker
    can lose what it acknowledged; Kafka behind ``acks=all`` does not.
    """

    in_flight_max: int
    resend_ms: int
    owed: dict[str, dict[tuple[int, int], Entry]] = field(default_factory=dict)
    unsent: deque[Key] = field(default_factory=deque)
    flying: dict[Key, int] = field(default_factory=dict)
    """Key -> when it was last sent, unix ms."""
    count: int = 0
    resent: int = 0
    refused: int = 0

    def offer(self, entries: Iterable[Entry]) -> None:
        """New messages, already durable in the spool."""
        for entry in entries:
            box = self.owed.setdefault(entry.device, {})
            assert (entry.boot, entry.seq) not in box, f"{entry.key} was offered twice"
            box[entry.boot, entry.seq] = entry
            self.unsent.append(entry.key)
            self.count += 1

    def due(self, now_ms: int) -> list[Entry]:
        """What to publish now: first what waited ``resend_ms`` in vain, then new ones."""
        chosen: list[Entry] = []
        late = []
        for key, sent_ms in self.flying.items():
            if now_ms - sent_ms < self.resend_ms:
                break  # Ordered by sending: the rest is younger.
            late.append(key)
        for key in late:
            del self.flying[key]
            self.flying[key] = now_ms
            chosen.append(self.owed[key[0]][key[1:]])
        self.resent += len(late)
        while self.unsent and len(self.flying) < self.in_flight_max:
            key = self.unsent.popleft()
            entry = self.owed.get(key[0], {}).get(key[1:])
            if entry is not None:  # A late acknowledgement may have settled it meanwhile.
                self.flying[key] = now_ms
                chosen.append(entry)
        return chosen

    def settle(self, device: str, ack: Ack) -> list[Entry]:
        """What this acknowledgement releases, oldest first; unknown numbers change nothing."""
        box = self.owed.get(device)
        if not box:
            return []
        settled = [box[key] for key in _covered(box, ack)]
        if ack.sha256:
            digests = set(ack.sha256)
            bad = [e for e in box.values() if hashlib.sha256(e.payload).hexdigest() in digests]
            self.refused += len(bad)
            settled += [entry for entry in bad if entry not in settled]
        for entry in settled:
            del box[entry.boot, entry.seq]
            self.flying.pop(entry.key, None)
            self.count -= 1
        return settled

    def disconnected(self) -> None:
        """Everything in flight must be sent again, before what is newer."""
        self.unsent.extendleft(sorted(self.flying, key=lambda key: key[1:], reverse=True))
        self.flying.clear()


def _covered(box: Mapping[tuple[int, int], Entry], ack: Ack) -> list[tuple[int, int]]:
    covered: list[tuple[int, int]] = []
    for first, last in ack.seq:
        # A range may claim to be enormous: never loop over what we do not owe.
        if last - first < len(box):
            keys = [(ack.boot, seq) for seq in range(first, last + 1) if (ack.boot, seq) in box]
        else:
            keys = [key for key in box if key[0] == ack.boot and first <= key[1] <= last]
        covered += [key for key in keys if key not in covered]
    return covered
