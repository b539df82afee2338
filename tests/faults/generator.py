"""The sender of the fault programme, a process: seeded readings, planted leaks, a ledger.

It trusts nobody: what it makes is on the disk before it is published, and only ingest's own word
(``…/ack``) lets it forget.  ``python -m tests.faults.generator PLAN``; a line ``calm`` on standard
input ends the making of readings, ``end`` ends the process.
"""

import json
import random
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.faults.ledger import Journal, Key

TURN_S = 0.02
IN_FLIGHT_MAX = 4000
CALM_VALUE = 10.0


class Sensor(msgspec.Struct, frozen=True):
    """A device with one channel, as the catalog of the programme has it."""

    device: str
    channel: str
    asset: str
    hazard: str
    limit: float


class Plan(msgspec.Struct, frozen=True):
    """Everything that decides what is sent; the same plan makes the same values."""

    seed: int
    boot: int
    host: str
    port: int
    folder: str
    sensors: tuple[Sensor, ...]
    period_s: float = 0.4
    """Between two readings of one sensor."""
    leak_every_s: float = 1.5
    leak_first_s: float = 2.0
    leak_lasts_s: float = 3.0
    leaks_max: int = 10_000
    resend_s: float = 5.0
    push_bound_s: float = 30.0


@dataclass(slots=True)
class Flow:
    """One sensor on its way through time."""

    sensor: Sensor
    due_s: float
    seq: int = 0
    last_ms: int = 0
    leak_until_s: float = 0.0


@dataclass(slots=True)
class Generator:
    plan: Plan
    chance: random.Random
    journal: Journal
    flows: list[Flow]
    to_leak: list[Flow]
    payloads: dict[Key, tuple[str, bytes]] = field(default_factory=dict)
    """Made and not acknowledged by ingest, in the order of their making."""
    unsent: deque[Key] = field(default_factory=deque)
    flying: dict[Key, float] = field(default_factory=dict)
    """Key -> when it was last published, monotonic seconds."""
    heard: deque[tuple[str, bytes]] = field(default_factory=deque)
    made: int = 0
    resent: int = 0
    leaks: int = 0

    def make(self, now_s: float) -> None:
        """Readings that are due; durable in the ledger, then waiting to be published."""
        lines: list[dict[str, Any]] = []
        for flow in self.flows:
            while flow.due_s <= now_s:
                flow.due_s += self.plan.period_s
                lines += self._reading(flow, now_s)
        self.journal.append(lines)

    def _reading(self, flow: Flow, now_s: float) -> list[dict[str, Any]]:
        # Two readings under one channel and time would be a conflict, of which the first stands.
        at_ms = flow.last_ms = max(time.time_ns() // 1_000_000, flow.last_ms + 1)
        sensor = flow.sensor
        is_leaking = now_s < flow.leak_until_s
        lines: list[dict[str, Any]] = []
        value = round(CALM_VALUE + self.chance.uniform(-1, 1), 3)
        if is_leaking:
            value = round(sensor.limit * 1.3 + self.chance.uniform(0, 1), 3)
        if is_leaking and flow in self.to_leak:
            self.to_leak.remove(flow)
            self.leaks += 1
            deadline_ms = at_ms + int(self.plan.push_bound_s * 1000)
            row = [sensor.asset, sensor.hazard, sensor.channel, at_ms, deadline_ms]
            lines.append({"event": "leak", "row": row})
        flow.seq += 1
        self.made += 1
        key = (sensor.device, self.plan.boot, flow.seq)
        lines.append({"event": "sent", "row": [*key, sensor.channel, at_ms, value]})
        self.payloads[key] = (f"lifeline/v1/{sensor.device}/up", _body(key, at_ms, value))
        self.unsent.append(key)
        return lines

    def plant(self, now_s: float) -> None:
        """The next leak: on a sensor that never had one, so that each asset has one cause."""
        if self.to_leak and self.leaks < self.plan.leaks_max:
            self.to_leak[0].leak_until_s = now_s + self.plan.leak_lasts_s

    def settle(self) -> None:
        """What ingest called durable: on the disk first, forgotten then."""
        lines: list[dict[str, Any]] = []
        settled: list[Key] = []
        now_ms = time.time_ns() // 1_000_000
        while self.heard:
            topic, payload = self.heard.popleft()
            device, said = topic.split("/")[-2], json.loads(payload)
            if said.get("boot") != self.plan.boot:
                continue
            lines.append(
                {"event": "acked", "device": device, "boot": said["boot"], "seq": said["seq"]}
                | {"at_ms": now_ms}
            )
            settled += [
                (device, said["boot"], seq)
                for first, last in said["seq"]
                for seq in range(first, last + 1)
            ]
        self.journal.append(lines)
        for key in settled:
            self.payloads.pop(key, None)
            self.flying.pop(key, None)

    def publish(self, client: mqtt.Client, now_s: float) -> None:
        """First what was waited for in vain, then what is new."""
        late = [k for k, at_s in self.flying.items() if now_s - at_s > self.plan.resend_s]
        for key in late:
            self._out(client, key, now_s)
        if late:
            self.resent += len(late)
            self.journal.append([{"event": "resent", "n": len(late)}])
        while self.unsent and len(self.flying) < IN_FLIGHT_MAX:
            self._out(client, self.unsent.popleft(), now_s)

    def _out(self, client: mqtt.Client, key: Key, now_s: float) -> None:
        if key in self.payloads:
            self.flying[key] = now_s
            client.publish(*self.payloads[key], qos=1)


def _body(key: Key, at_ms: int, value: float) -> bytes:
    """One of the three shapes of native JSON, by the number of the message."""
    head: dict[str, Any] = {"boot": key[1], "seq": key[2]}
    one = {"channel": "level", "at_ms": at_ms, "value": value}
    match key[2] % 3:
        case 0:
            body = head | one
        case 1:
            body = head | {"readings": [one]}
        case _:
            body = head | {"channels": ["level"], "at_ms": at_ms, "values": [value]}
    return json.dumps(body).encode()


def generate(plan: Plan, is_calm: threading.Event, is_over: threading.Event) -> None:
    """Runs until told to end."""
    folder = Path(plan.folder)
    chance = random.Random(plan.seed)
    began_s = time.monotonic()
    flows = [Flow(sensor, began_s + chance.random() * plan.period_s, 0) for sensor in plan.sensors]
    to_leak = flows[:]
    chance.shuffle(to_leak)
    journal = Journal(folder / "ledger.jsonl")
    work = Generator(plan, chance, journal, flows, to_leak)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"faults-{plan.boot}")
    client.max_inflight_messages_set(IN_FLIGHT_MAX)
    client.reconnect_delay_set(min_delay=1, max_delay=1)
    client.on_connect = lambda c, *_: c.subscribe("lifeline/v1/+/ack", qos=1)
    client.on_message = lambda _c, _u, m: work.heard.append((m.topic, m.payload))
    client.connect_async(plan.host, plan.port, keepalive=5)
    client.loop_start()
    next_leak_s = began_s + plan.leak_first_s
    while not is_over.is_set():
        now_s = time.monotonic()
        if now_s >= next_leak_s and not is_calm.is_set():
            next_leak_s += plan.leak_every_s
            work.plant(now_s)
        if not is_calm.is_set() or any(now_s < f.leak_until_s + 1 for f in flows):
            work.make(now_s)
        if client.is_connected():
            work.publish(client, now_s)
        work.settle()
        _tell(folder / "status.json", work, client.is_connected())
        is_over.wait(TURN_S)
    client.disconnect()
    client.loop_stop()


def _tell(path: Path, work: Generator, is_connected: bool) -> None:
    status = {"made": work.made, "owed": len(work.payloads), "resent": work.resent}
    status |= {"leaks": work.leaks, "connected": is_connected}
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(status))
    fresh.replace(path)


def main() -> None:
    plan = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)
    is_calm, is_over = threading.Event(), threading.Event()

    def listen() -> None:
        for line in sys.stdin:
            (is_over if line.strip() == "end" else is_calm).set()
        is_over.set()  # Whoever started us is gone.

    threading.Thread(target=listen, daemon=True).start()
    generate(plan, is_calm, is_over)


if __name__ == "__main__":
    main()
