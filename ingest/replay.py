"""Quarantined messages again: the same checks, as of when they came, against today's catalog."""

from dataclasses import dataclass, field

from ingest.acks import Receipt
from ingest.batch import Batcher, Sealed
from ingest.intake import Intake, Taken
from ingest.quality import Verdict
from lifeline.model import Message, Quality
from lifeline.wire import Reject, Wave

NEVER = ("poison", "identity", "retained")
"""Reasons that no catalog mends."""


@dataclass(slots=True)
class Second:
    """What a second look found."""

    accepted: int = 0
    """Readings (or 1 for a block)."""
    refused: str = ""
    """The reason why something of it is refused still; '' when nothing is."""
    waves: list[tuple[int, Wave]] = field(default_factory=list)
    """With their partitions."""


class Replay:
    """Collects what today's catalog accepts of yesterday's rejects."""

    def __init__(self, intake: Intake, limit_bytes: int) -> None:
        self.intake = intake
        self.batcher = Batcher(limit_bytes)

    def look(self, reject: Reject, now_ms: int) -> tuple[Second, list[Sealed]]:
        """Checks one reject again; returns what came of it, and a batch if one became full."""
        if reject.reason in NEVER:
            return Second(refused=reject.reason), []
        taken = self.intake.take(
            reject.topic.encode(), reject.payload, reject.received_ms, retained=False
        )
        second = Second(refused=taken.rejects[0][0].reason if taken.rejects else "")
        if taken.topic is None or taken.known is None or taken.message is None:
            return second, []
        if taken.topic.kind == "state":
            return Second(refused="overtaken"), []  # What a device was then, it need not be now.
        if taken.wave is not None:
            second.waves.append((taken.known.partition, taken.wave))
            second.accepted += 1
        verdict = self._only(taken, reject.rows, now_ms)
        full = None
        if verdict.names:
            second.accepted += len(verdict.names)
            # Not counted: its number was seen when it came, and would look like a duplicate now.
            row = Message(taken.topic.device, 0, -1)
            receipt = Receipt(0, 0, drill=reject.drill)
            full = self.batcher.add(taken.known, row, verdict, reject.received_ms, receipt)
        return second, [self.batcher.seal(full, now_ms)] if full else []

    def _only(self, taken: Taken, rows: tuple[int, ...], now_ms: int) -> Verdict:
        """The readings that were refused then: those beside them went on when they came."""
        verdict, known = taken.verdict, taken.known
        assert known is not None
        assert verdict is not None, "a known device's message has one, be it empty"
        refused = {row for rows in verdict.refused.values() for row in rows}
        n = len(verdict.names) + len(refused)
        kept = [row for row in range(n) if row not in refused]
        wanted = set(rows) if rows else set(kept)
        chosen = [i for i, row in enumerate(kept) if row in wanted]
        old = int(Quality.HISTORICAL)
        back_fill = now_ms - known.historical_after_ms
        at_ms = [int(verdict.at_ms[i]) for i in chosen]
        bits = [int(verdict.quality[i]) for i in chosen]
        return Verdict(
            [verdict.names[i] for i in chosen],
            at_ms,
            [float(verdict.values[i]) for i in chosen],
            [q | old if at < back_fill else q for q, at in zip(bits, at_ms, strict=True)],
            {},
        )
