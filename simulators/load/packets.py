"""The bytes of the load: MQTT 3.1.1 packets built ahead, the few fields that change put in late."""

from dataclasses import dataclass, field

import numpy as np

from lifeline import wire
from simulators.load import bench

SEQ_FIRST = 1_000_000_000
"""All numbers of a run have ten digits, so that every packet of a device has one length."""
VARIANTS = 8
TAILS_MAX = 64
STEP_VALUE = "90.000"
LEAK_VALUE = "99.000"
PUBACK = b"\x40\x02"


def remaining_length(n: int) -> bytes:
    r"""MQTT's variable byte integer.

    >>> remaining_length(321)
    b'\xc1\x02'
    """
    assert 0 <= n < 268_435_456, "too long for MQTT"
    out = bytearray()
    while True:
        n, digit = divmod(n, 128)
        out.append(digit | (0x80 if n else 0))
        if not n:
            return bytes(out)


def connect(client_id: str, keepalive_s: int = 60) -> bytes:
    """CONNECT of MQTT 3.1.1 with a clean session."""
    name = client_id.encode()
    body = b"\x00\x04MQTT\x04\x02" + keepalive_s.to_bytes(2, "big") + len(name).to_bytes(2, "big")
    body += name
    return b"\x10" + remaining_length(len(body)) + body


DISCONNECT = b"\xe0\x00"


@dataclass(slots=True)
class Packets:
    """Messages of a benchmark city, ``per_message`` different channels each, device by device.

    Message ``i`` of a run belongs to slot ``i mod slots``: a device and a part of its channels.
    Only packet id, seq, time and one of a few sets of values are put in when it is sent.
    """

    devices: int
    channels_per_device: int
    per_message: int
    boot: int
    rng: np.random.Generator
    root: str = wire.MQTT_ROOT
    parts: int = 0
    """Messages that a device needs for one round of its channels."""
    slots: int = 0
    _heads: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)
    _tails: list[bytes] = field(default_factory=list)
    _columns: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        assert self.channels_per_device % self.per_message == 0, "messages must be full"
        self.parts = self.channels_per_device // self.per_message
        self.slots = self.devices * self.parts
        tails = max(VARIANTS, TAILS_MAX if self.per_message == 1 else VARIANTS)
        # Honest noise about 50, six characters each, far from the limits of 80 and 95.
        table = np.clip(self.rng.normal(50.0, 3.0, (tails, self.per_message)), 20.0, 75.0)
        self._tails = [",".join(f"{v:06.3f}" for v in row).encode() + b"]}" for row in table]
        for part in range(self.parts):
            first = part * self.per_message
            names = ",".join(f'"c{first + k:03d}"' for k in range(self.per_message))
            self._columns.append(names.encode())

    def build(self, i: int, packet_id: int, at_ms: int, value: str = "") -> bytes:
        """The PUBLISH packet of message ``i``; ``value`` replaces its first channel's value."""
        slot = i % self.slots
        head = self._heads.get(slot)
        if head is None:
            head = self._heads[slot] = self._head(slot)
        device, part = divmod(slot, self.parts)
        seq = SEQ_FIRST + (i // self.slots) * self.parts + part
        tail = self._tails[(i + device) % len(self._tails)]
        if value:
            tail = value.encode() + tail[6:]
        return b'%b%b{"boot":%d,"seq":%d%b%d,"values":[%b' % (
            head[0], packet_id.to_bytes(2, "big"), self.boot, seq, head[1], at_ms, tail,
        )  # fmt: skip

    def channel(self, i: int) -> str:
        """The permanent name of the first channel of message ``i``."""
        device, part = divmod(i % self.slots, self.parts)
        return bench.channel_name(device, part * self.per_message)

    def asset(self, i: int) -> str:
        """The asset of message ``i``."""
        return f"bench/{(i % self.slots) // self.parts:06d}"

    def _head(self, slot: int) -> tuple[bytes, bytes]:
        device, part = divmod(slot, self.parts)
        topic = f"{self.root}/{bench.device_name(device)}/up".encode()
        middle = b',"channels":[' + self._columns[part] + b'],"at_ms":'
        # {"boot":B,"seq":10 digits + middle + 13 digits + ,"values":[ + six characters and a comma
        # each + ]}
        body = 8 + len(str(self.boot)) + 7 + 10 + len(middle) + 13 + 11 + 7 * self.per_message + 1
        length = 2 + len(topic) + 2 + body
        return b"\x32" + remaining_length(length) + len(topic).to_bytes(2, "big") + topic, middle
