"""One MQTT message, from bytes to what becomes of it: readings, a block, rejects."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from detectors.waveforms import ENCODINGS
from ingest.decode import FORMATS, Block, Presence, Undecodable, Uplink
from ingest.quality import Directory, Known, Shape, Verdict, Window, judge
from ingest.topics import Topic, parse
from lifeline.catalog import meter
from lifeline.model import STATE_BITS, Message, Quality
from lifeline.wire import RECORD_BYTES_MAX, Reject, Wave

PAYLOAD_BYTES_MAX = RECORD_BYTES_MAX // 2
"""Of a refused message's bytes so many are kept; the broker lets no
more than half of this through."""
_TOPICS_MAX = 200_000
REPEATED = "~retained"
"""In the place of a device's name: the broker repeats what that device had said before, at each of
our connections, and that is no sign of its life."""


@dataclass(slots=True)
class Taken:
    """What becomes of a message.

    ``message`` is its row in the partition's batch, to be written when ``known`` is there;
    ``verdict`` holds its readings, ``wave`` its block.
    """

    topic: Topic | None
    known: Known | None = None
    message: Message | None = None
    verdict: Verdict | None = None
    wave: Wave | None = None
    rejects: list[tuple[Reject, int]] = field(default_factory=list)
    """Each with the number of readings (or 1 for the message) that it stands for."""
    digest: str = ""
    """SHA-256 of the payload when no count could be read in it."""


_NOTHING = Verdict([], [], [], [], {})


class Intake:
    """Everything that is decided about a message, against one catalog; nothing of the world."""

    def __init__(self, directory: Directory, window: Window) -> None:
        self.directory = directory
        self.window = window
        self._topics: dict[bytes, Topic | None] = {}

    def take(self, raw: bytes, payload: bytes, received_ms: int, *, retained: bool) -> Taken:
        """What becomes of a message; never raises, whatever the bytes are."""
        try:
            topic = self._topics[raw]
        except KeyError:
            topic = self._topic(raw)
        if topic is None:
            taken = Taken(None)
            _refuse(taken, raw, payload, received_ms, "topic", "not a topic of a device")
            return taken
        known = self.directory.find(topic.device)
        taken = Taken(topic, known)
        if retained and topic.kind != "state":
            _refuse(taken, raw, payload, received_ms, "retained", "a stored reading is no reading")
            return taken
        decoded = FORMATS[topic.kind](payload)
        if isinstance(decoded, Undecodable):
            if payload or topic.kind != "state":  # An empty state is a retained one being removed.
                _refuse(taken, raw, payload, received_ms, decoded.reason, decoded.detail)
            return taken
        if decoded.device is not None and decoded.device != topic.device:
            detail = f"the payload says {decoded.device[:64]!r}"
            _refuse(taken, raw, payload, received_ms, "identity", detail, security=True)
            return taken
        seq = -1 if decoded.seq is None else decoded.seq
        taken.message = Message(REPEATED if retained else topic.device, decoded.boot, seq)
        if known is None:
            _refuse(taken, raw, payload, received_ms, "unknown-device", "not in the catalog")
        elif isinstance(decoded, Uplink):
            self._take_uplink(taken, known, decoded, raw, payload, received_ms)
        elif isinstance(decoded, Block):
            self._take_block(taken, known, decoded, raw, payload, received_ms)
        else:
            taken.verdict = _presence(known, decoded, received_ms)
        return taken

    def _topic(self, raw: bytes) -> Topic | None:
        if len(self._topics) >= _TOPICS_MAX:
            self._topics.clear()
        try:
            topic = parse(raw.decode())
        except UnicodeDecodeError:
            topic = None
        if topic is not None:
            self._topics[raw] = topic
        return topic

    def _take_uplink(
        self,
        taken: Taken,
        known: Known,
        uplink: Uplink,
        raw: bytes,
        payload: bytes,
        received_ms: int,
    ) -> None:
        verdict = judge(uplink, known, self.directory, received_ms, self.window)
        taken.verdict = verdict
        for reason, rows in verdict.refused.items():
            detail = _told(reason, rows, uplink)
            _refuse(taken, raw, payload, received_ms, reason, detail, rows=tuple(rows))

    def _take_block(
        self, taken: Taken, known: Known, block: Block, raw: bytes, payload: bytes, received_ms: int
    ) -> None:
        bits = 0
        for word in block.state:
            bits |= STATE_BITS[word]
        as_uplink = Uplink(
            None, block.boot, -1, (block.channel,), [block.at_ms], [math.nan], [bits]
        )
        verdict = judge(as_uplink, known, self.directory, received_ms, self.window)
        taken.verdict = _NOTHING
        # The features are stamped with the last sample: a period where the rate should be would put
        # them hours ahead.  A float, because the time may lie beyond every integer.
        if verdict.names and _end_ms(block) > received_ms + self.window.ahead_ms:
            verdict.refused["ahead"] = [0]
        for reason in verdict.refused:
            detail = _told(reason, [0], as_uplink)
            if verdict.names:
                detail = f"{detail}, {block.n} samples at {block.rate_hz} Hz"
            _refuse(taken, raw, payload, received_ms, reason, detail)
        if not verdict.refused:
            quality = int(verdict.quality[0]) & ~int(Quality.NON_FINITE)
            quality |= _flags(block, known.shape)
            taken.wave = _wave(block, known, verdict.names[0], received_ms, quality)


def _end_ms(block: Block) -> float:
    """The time of the last sample; infinite where the rate is next to nothing."""
    return block.at_ms + (block.n - 1) / block.rate_hz * 1000.0


def _flags(block: Block, shape: Shape) -> int:
    """What its samples are, as one reading's value would be: finite, and in the physical range."""
    raw = np.frombuffer(block.samples, ENCODINGS[block.encoding])
    if not np.isfinite(raw).all():
        return int(Quality.NON_FINITE)
    ends = [block.offset + block.scale * float(end) for end in (raw.min(), raw.max())]
    place = shape.index[block.channel]
    is_fine = shape.low[place] <= min(ends) and max(ends) <= shape.high[place]
    return 0 if is_fine else int(Quality.OUT_OF_RANGE)


def _wave(block: Block, known: Known, channel: str, received_ms: int, quality: int) -> Wave:
    return Wave(
        channel=channel,
        device=known.name,
        boot=block.boot,
        seq=-1 if block.seq is None else block.seq,
        at_ms=block.at_ms,
        rate_hz=block.rate_hz,
        n=block.n,
        scale=block.scale,
        offset=block.offset,
        encoding=block.encoding,
        samples=block.samples,
        received_ms=received_ms,
        quality=quality,
    )


def _presence(known: Known, said: Presence, received_ms: int) -> Verdict:
    """A reading of the device's own meter.

    Two within one millisecond are moved apart: under one channel and time the first would stand.
    """
    known.state_ms = max(received_ms, known.state_ms + 1)
    return Verdict(
        [meter(known.name, "online")], [known.state_ms], [1.0 if said.online else 0.0], [0], {}
    )


def _told(reason: str, rows: Sequence[int], uplink: Uplink) -> str:
    """One sentence with the first of the refused readings."""
    row = rows[0]
    first = f"{uplink.channels[row][:64]} at {str(uplink.at_ms[row])[:24]}"
    more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
    return f"{reason}: {first}{more}"


def _refuse(
    taken: Taken,
    raw: bytes,
    payload: bytes,
    received_ms: int,
    reason: str,
    detail: str,
    *,
    security: bool = False,
    rows: tuple[int, ...] = (),
) -> None:
    """Notes the reject, and on the device's row of messages that something of it was refused."""
    topic, n = taken.topic, len(rows) or 1
    if topic is not None and taken.message is None:
        taken.digest = hashlib.sha256(payload).hexdigest()
    if len(payload) > PAYLOAD_BYTES_MAX:
        payload = payload[:PAYLOAD_BYTES_MAX]
        detail = f"{detail} (cut)"
    taken.rejects.append(
        (
            Reject(
                reason=reason,
                detail=detail,
                topic=raw.decode("utf-8", "replace"),
                payload=payload,
                received_ms=received_ms,
                device=topic.device if topic else "",
                security=security or reason == "identity",
                drill=topic.drill if topic else False,
                rows=rows,
            ),
            n,
        )
    )
    if topic is None:
        return
    if taken.message is None:
        taken.message = Message(topic.device, 0, -1, n)
        taken.verdict = _NOTHING
    else:
        said = taken.message
        taken.message = Message(said.device, said.boot, said.seq, said.rejected + n)
