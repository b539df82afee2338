"""A recorded trace as a source of messages: what real devices sent, again, now."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from simulators.base import Truth, Uplink, WaveBlock

_object = msgspec.json.Decoder(dict[str, Any])


@dataclass(slots=True)
class Trace:
    """Messages still to come as (due, message), oldest first."""

    start_ms: int
    waiting: list[tuple[int, Uplink]]
    devices: list[str]
    truth: list[Truth] = field(default_factory=list)
    _next: int = 0

    def step(self, at_ms: int) -> list[Uplink]:
        """What the trace sends up to ``at_ms``."""
        first = self._next
        while self._next < len(self.waiting) and self.waiting[self._next][0] <= at_ms:
            self._next += 1
        return [uplink for _, uplink in self.waiting[first : self._next]]


def read_trace(lines: Iterable[Mapping[str, Any]], start_ms: int, *, speed: float) -> Trace:
    """The trace shifted so that its first message is due at ``start_ms``, ``speed`` times faster.

    A line is {"ms": when it was received, "topic", "payload": bytes}.  Device times are shifted and
    compressed with it; (boot, seq) are the spool's own.
    """
    entries = sorted(lines, key=lambda line: int(line["ms"]))
    zero = int(entries[0]["ms"]) if entries else start_ms
    waiting: list[tuple[int, Uplink]] = []
    for line in entries:
        made = _uplinks(str(line["topic"]), bytes(line["payload"]))
        due = start_ms + round((int(line["ms"]) - zero) / speed)
        for uplink in made:
            at_ms = start_ms + round((uplink.at_ms - zero) / speed)
            waiting.append((due, msgspec.structs.replace(uplink, at_ms=at_ms)))
    devices = sorted({uplink.device for _, uplink in waiting})
    return Trace(start_ms, waiting, devices)


def _uplinks(topic: str, payload: bytes) -> list[Uplink]:
    words = topic.split("/")
    if len(words) < 3:
        return []
    device, suffix = words[-2], words[-1]
    try:
        if suffix == "wave":
            body = msgspec.msgpack.decode(payload)
            block = WaveBlock(*(body[k] for k in WaveBlock.__struct_fields__))
            return [Uplink(device, int(body["at_ms"]), (body["channel"],), wave=block)]
        return _readings(device, _object.decode(payload)) if suffix == "up" else []
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError, RecursionError):
        return []


def _readings(device: str, body: dict[str, Any]) -> list[Uplink]:
    if "channels" in body:
        times = body["at_ms"]
        names, values = tuple(body["channels"]), tuple(float(v) for v in body["values"])
        if isinstance(times, int):
            return [Uplink(device, times, names, values)]
        rows = zip(names, times, values, strict=True)
        return [Uplink(device, int(t), (name,), (value,)) for name, t, value in rows]
    return [
        Uplink(
            device,
            int(r["at_ms"]),
            (r["channel"],),
            (float(r["value"]),),
            tuple(r.get("state", ())),
        )
        for r in body.get("readings", [body])
    ]
