"""A hand on the broker for tests of single messages: sends bytes, knows what became durable."""

import hashlib
import json
import struct
import threading
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.faults.world import World, wait_for


class Sender:
    """Publishes with QoS 1; ``boot`` is its own, so that no two senders share a message's name."""

    def __init__(self, world: World) -> None:
        where = world.stack.addresses()
        self.boot = time.time_ns() // 1_000_000
        self.seq = 0
        self.counted: set[tuple[str, int, int]] = set()
        self.digests: set[str] = set()
        self._owed: set[tuple[str, int, int]] = set()
        self._owed_digests: set[str] = set()
        self._lock = threading.Lock()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self.client.max_inflight_messages_set(1000)
        ready = threading.Event()
        self.client.on_connect = lambda c, *_: c.subscribe("lifeline/v1/+/ack", qos=1)
        self.client.on_subscribe = lambda *_: ready.set()
        self.client.on_message = self._hear
        self.client.connect(where.mqtt_host, where.mqtt_port)
        self.client.loop_start()
        assert ready.wait(10.0), "the broker does not answer"

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _hear(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        device, said = message.topic.split("/")[-2], json.loads(message.payload)
        with self._lock:
            self.digests |= set(said.get("sha256", []))
            for first, last in said.get("seq", []):
                self.counted |= {(device, said["boot"], seq) for seq in range(first, last + 1)}

    def send(self, to: str, *readings: dict[str, Any], **more: Any) -> dict[str, Any]:
        """One message with these readings under the next number; returns it as it was sent."""
        self.seq += 1
        body = {"boot": self.boot, "seq": self.seq, "readings": list(readings)} | more
        self._owed.add((to, self.boot, self.seq))
        self.again(to, json.dumps(body).encode())
        return body

    def block(self, to: str, channel: str, samples: Sequence[int], **more: Any) -> None:
        """One waveform block of int16 samples, at 50 Hz, under the next number."""
        self.seq += 1
        body = {
            "boot": self.boot,
            "seq": self.seq,
            "channel": channel,
            "at_ms": time.time_ns() // 1_000_000,
            "rate_hz": 50.0,
            "n": len(samples),
            "scale": 1.0,
            "encoding": "int16",
            "samples": struct.pack(f"<{len(samples)}h", *samples),
        }
        self._owed.add((to, self.boot, self.seq))
        self.again(to, msgspec.msgpack.encode(body | more), "wave")

    def again(self, device: str, payload: bytes, suffix: str = "up") -> None:
        """These very bytes, without any expectation."""
        told = self.client.publish(f"lifeline/v1/{device}/{suffix}", payload, qos=1)
        assert told.rc == mqtt.MQTT_ERR_SUCCESS, told

    def rubbish(self, device: str, payload: bytes) -> None:
        """Bytes that ingest is expected to refuse, and to acknowledge by their SHA-256."""
        self._owed_digests.add(hashlib.sha256(payload).hexdigest())
        self.again(device, payload)

    def is_settled(self) -> bool:
        with self._lock:
            return self._owed <= self.counted and self._owed_digests <= self.digests

    def settle(self, within_s: float = 15.0) -> None:
        """Returns when ingest has called everything durable."""
        settled = wait_for(self.is_settled, within_s)
        missing = self._owed - self.counted, self._owed_digests - self.digests
        assert settled, f"not acknowledged: {missing}"


def reading(at_ms: int, value: float | None, **more: Any) -> dict[str, Any]:
    return {"channel": "level", "at_ms": at_ms, "value": value} | more
