"""The raw-socket load generator: thousands of messages a second, a fraction of a core.  A shell."""

import contextlib
import socket
import struct
import time
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from lifeline.errors import Unavailable
from simulators.load import packets
from simulators.load.packets import LEAK_VALUE, STEP_VALUE, Packets

IDLE_S = 0.002
BURST_MAX = 2000
CONNECT_S_MAX = 5.0
SEND_S_MAX = 30.0
"""Longest that the broker may refuse to read before the run is called off."""


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One bounded run over the catalog of ``bench_sources(n_channels, channels_per_device)``."""

    rate: Annotated[float, Meta(gt=0)]
    """Readings a second."""
    seconds: Annotated[float, Meta(gt=0)]
    per_message: int = 100
    n_channels: int = 10_000
    channels_per_device: int = 100
    host: str = "127.0.0.1"
    port: int = 1883
    boot: int = 1
    """Another number for every run against the same database."""
    seed: int = 1
    steps: int = 1000
    """Values of 90, each followed by a normal one: findings of rule ``bench.step``."""
    leaks: int = 0
    """Values of 99, each at its own asset: findings of ``bench.leak`` and pushes."""
    plant_after_s: float = 5.0
    in_flight_max: int = 15_000
    drain_s: float = 30.0
    client_id: str = "lifeline-load"


class Planted(msgspec.Struct, frozen=True):
    """A step that was sent: the finding's channel, its onset, and when the bytes left us."""

    channel: str
    asset: str
    at_ms: int
    sent_ns: int
    is_leak: bool


class Report(msgspec.Struct):
    """What the generator did."""

    messages: int = 0
    readings: int = 0
    pubacks: int = 0
    elapsed_s: float = 0.0
    cpu_s: float = 0.0
    behind_s_max: float = 0.0
    """How far the sending ever fell behind its plan: beyond a second the rate was not reached."""
    first_ms: int = 0
    last_ms: int = 0
    planted: list[Planted] = []


class Wire:
    """One MQTT connection that only publishes and counts PUBACKs.  Raises Unavailable."""

    def __init__(self, host: str, port: int, client_id: str) -> None:
        try:
            self.socket = socket.create_connection((host, port), CONNECT_S_MAX)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # Keep-alive 0: no ping has to be sent, so nothing but PUBACKs ever comes back.
            self.socket.sendall(packets.connect(client_id, keepalive_s=0))
            answer = self._exactly(4)
        except OSError as error:
            raise Unavailable(f"MQTT broker {host}:{port} cannot be reached: {error}.") from error
        if answer[:2] != b"\x20\x02" or answer[3]:
            raise Unavailable(f"MQTT broker {host}:{port} refused the connection ({answer.hex()}).")
        # A Python time-out would make recv wait although told not to: the kernel bounds sending.
        self.socket.settimeout(None)
        limit = struct.pack("ll", int(SEND_S_MAX), 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self.pubacks = 0
        self._rest = 0

    def send(self, data: bytes) -> None:
        """Hands all bytes to the kernel."""
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Unavailable(
                f"the MQTT broker took nothing for {SEND_S_MAX:g} s: {error}."
            ) from error

    def count(self) -> None:
        """Counts the PUBACKs that have come, without waiting."""
        with contextlib.suppress(BlockingIOError):
            while True:
                came = self.socket.recv(1 << 16, socket.MSG_DONTWAIT)
                if not came:
                    raise Unavailable("the MQTT broker closed the connection during the run.")
                # Every packet from the broker is a PUBACK of four bytes.
                whole = self._rest + len(came)
                self.pubacks += whole // 4
                self._rest = whole % 4
                if len(came) < 1 << 16:
                    return

    def close(self) -> None:
        """Says good-bye."""
        with contextlib.suppress(OSError):
            self.socket.sendall(packets.DISCONNECT)
        self.socket.close()

    def _exactly(self, n: int) -> bytes:
        got = b""
        while len(got) < n:
            part = self.socket.recv(n - len(got))
            if not part:
                raise OSError("connection closed")
            got += part
        return got


class Plants:
    """Which messages carry a step: evenly spread, no channel twice before it has come back."""

    def __init__(self, plan: Plan, total: int, first: int) -> None:
        span = max(1, total - first)
        self.marks = [(first + span * k // max(1, plan.steps), False) for k in range(plan.steps)]
        self.marks += [(first + span * k // max(1, plan.leaks), True) for k in range(plan.leaks)]
        self.marks.sort(reverse=True)
        self._round: dict[int, int] = {}
        self._leaked: set[str] = set()

    def value(self, i: int, made: Packets) -> tuple[str, bool]:
        """The planted value for message ``i``, '' for none; a mark that does not fit waits."""
        if not self.marks or self.marks[-1][0] > i:
            return "", False
        slot, turn = i % made.slots, i // made.slots
        is_leak = self.marks[-1][1]
        if turn - self._round.get(slot, -9) < 3 or (is_leak and made.asset(i) in self._leaked):
            return "", False
        self.marks.pop()
        self._round[slot] = turn
        if is_leak:
            self._leaked.add(made.asset(i))
        return (LEAK_VALUE if is_leak else STEP_VALUE), is_leak


def generate(plan: Plan) -> Report:
    """Runs the plan to its end and says what was sent; bounded by ``seconds`` and ``drain_s``.

    Time stamps are the publish time: read just before a burst of packets is built and handed to the
    kernel.  A burst never holds one channel twice, and no two bursts share a millisecond, so every
    (channel, at_ms) is a row of its own.  Raises Unavailable when the broker is not there or goes
    away.
    """
    made = Packets(
        plan.n_channels // plan.channels_per_device, plan.channels_per_device, plan.per_message,
        plan.boot, np.random.default_rng(plan.seed),
    )  # fmt: skip
    per_s = plan.rate / plan.per_message
    total = max(1, round(per_s * plan.seconds))
    plants = Plants(plan, total, min(total - 1, round(per_s * plan.plant_after_s)))
    link = Wire(plan.host, plan.port, plan.client_id)
    report = Report(first_ms=time.time_ns() // 1_000_000)
    cpu, began = time.process_time(), time.monotonic()
    try:
        while report.messages < total:
            _turn(plan, made, plants, link, report, (began, per_s, total))
        until = time.monotonic() + plan.drain_s
        report.elapsed_s = time.monotonic() - began
        while link.pubacks < report.messages and time.monotonic() < until:
            link.count()
            time.sleep(IDLE_S)
    finally:
        link.close()
    report.cpu_s = time.process_time() - cpu
    report.pubacks = link.pubacks
    report.readings = report.messages * plan.per_message
    return report


def _turn(
    plan: Plan,
    made: Packets,
    plants: Plants,
    link: Wire,
    report: Report,
    pace: tuple[float, float, int],
) -> None:
    """One burst, or a short sleep when none is due."""
    began, per_s, total = pace
    link.count()
    sent = report.messages
    due_f = (time.monotonic() - began) * per_s
    report.behind_s_max = max(report.behind_s_max, (due_f - sent) / per_s)
    room = plan.in_flight_max - (sent - link.pubacks)
    n = min(int(due_f) - sent + 1, total - sent, room, BURST_MAX, max(1, made.slots // 2))
    at_ms = time.time_ns() // 1_000_000
    if n <= 0 or at_ms <= report.last_ms:
        time.sleep(IDLE_S if n <= 0 else IDLE_S / 4)
        return
    parts, planted = [], []
    for i in range(sent, sent + n):
        value, is_leak = plants.value(i, made)
        parts.append(made.build(i, i % 65_535 + 1, at_ms, value))
        if value:
            planted.append((i, is_leak))
    data = b"".join(parts)
    sent_ns = time.time_ns()
    link.send(data)
    report.planted += [
        Planted(made.channel(i), made.asset(i), at_ms, sent_ns, is_leak) for i, is_leak in planted
    ]
    report.messages = sent + n
    report.last_ms = at_ms
    if int((time.monotonic() - began) * per_s) < report.messages:
        time.sleep(IDLE_S)
