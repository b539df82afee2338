"""Who is told what, and when: MQTT acknowledgements in order, to each device what is durable."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from ingest.topics import ack_topic

NO_COUNT = -1


@dataclass(slots=True, eq=False)
class Receipt:
    """One MQTT message on its way: ``waits`` counts the records that still carry some of it."""

    epoch: int
    """The connection it came by: its ``mid`` means nothing on any other."""
    mid: int
    """0 at QoS 0: nothing to acknowledge to the broker."""
    device: str = ""
    """'' when not even the topic named one."""
    drill: bool = False
    boot: int = 0
    seq: int = NO_COUNT
    digest: str = ""
    """SHA-256 of a payload in which no count could be read."""
    waits: int = 0


@dataclass(slots=True)
class _Note:
    """What one device is told next."""

    seqs: dict[int, list[int]] = field(default_factory=dict)
    digests: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Acknowledgements:
    """The order of arrival on the present connection, and the notes to devices that are due."""

    epoch: int = 0
    order: deque[Receipt] = field(default_factory=deque)
    notes: dict[tuple[str, bool], _Note] = field(default_factory=dict)

    def connect(self) -> int:
        """A new connection: what the old one brought will be redelivered, its mids are void.

        Returns the new epoch.
        """
        self.epoch += 1
        self.order.clear()
        return self.epoch

    def arrive(self, receipt: Receipt) -> None:
        """A message came; every one that comes must be told here, in order."""
        if receipt.mid and receipt.epoch == self.epoch:
            self.order.append(receipt)

    def settle(self, receipts: Iterable[Receipt]) -> None:
        """One Kafka record that carried a part of each of these is durable."""
        for receipt in receipts:
            receipt.waits -= 1
            assert receipt.waits >= 0, "a message settled more often than it was sent"
            if not receipt.waits and receipt.device:
                self._note(receipt)

    def due(self) -> list[int]:
        """The mids to acknowledge now: MQTT wants them in the order of arrival, so a prefix."""
        order = self.order
        mids: list[int] = []
        while order and not order[0].waits:
            mids.append(order.popleft().mid)
        return mids

    def _note(self, receipt: Receipt) -> None:
        if receipt.seq == NO_COUNT and not receipt.digest:
            return
        key = (receipt.device, receipt.drill)
        note = self.notes.get(key)
        if note is None:
            note = self.notes[key] = _Note()
        if receipt.digest:
            note.digests.append(receipt.digest)
        else:
            note.seqs.setdefault(receipt.boot, []).append(receipt.seq)

    def take_notes(self) -> list[tuple[str, bytes]]:
        """(topic, payload) of every application-level acknowledgement that is due."""
        notes, self.notes = self.notes, {}
        made: list[tuple[str, bytes]] = []
        for (device, drill), note in notes.items():
            topic = ack_topic(device, drill=drill)
            for boot, seqs in note.seqs.items():
                body: dict[str, object] = {"boot": boot, "seq": ranges(seqs)}
                made.append((topic, msgspec.json.encode(body)))
            if note.digests:
                made.append((topic, msgspec.json.encode({"sha256": note.digests})))
        return made


def ranges(seqs: Iterable[int]) -> list[list[int]]:
    """Closed ranges that cover exactly these numbers, ascending.

    >>> ranges([7, 3, 1, 2, 2])
    [[1, 3], [7, 7]]
    """
    made: list[list[int]] = []
    for seq in sorted(seqs):
        if made and seq <= made[-1][1] + 1:
            made[-1][1] = seq
        else:
            made.append([seq, seq])
    return made
