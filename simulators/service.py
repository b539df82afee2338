"""The device side that loses nothing: synced spool, MQTT, forgotten on ingest's word.  A shell."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from lifeline import wire
from lifeline.config import Mqtt
from lifeline.store import read_secret
from simulators.base import Truth, Uplink
from simulators.device import Ack, Entry, Outbox, read_ack
from simulators.mischief import Mischief
from simulators.store import Journal, Spool, acked_lines, sent_lines, truth_lines

BACKOFF_S = (0.2, 5.0)
CONNECT_S_MAX = 5.0
TURN_S = 0.02
SUBSCRIBE_AT_ONCE = 100


class Sending(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the devices send."""

    mqtt: Mqtt = Mqtt()
    root: str = wire.MQTT_ROOT
    client_id: str = "lifeline-simulate"
    gateway: str = ""
    """The device whose last will this connection carries; '' none."""
    spool: str = ":memory:"
    """The spool's file.  In memory only what a broker's or ingest's outage takes is survived."""
    truth: str = ""
    ledger: str = ""
    resend_s: float = 15.0
    in_flight_max: int = 2000
    spool_max: int = 500_000
    """With so many messages owed, new ones are not taken on, and counted: memory is bounded."""
    seconds: float = 0.0
    """0: until stopped."""
    limit: int = 0
    """Messages, then end; 0: no limit."""
    drain_s: float = 30.0
    """At the end, how long to wait for the last acknowledgements."""


class Report(msgspec.Struct):
    """What was sent, and what came of it."""

    messages: int = 0
    """Made and taken into the spool, whether or not a broker took them."""
    published: int = 0
    """Handed to a connection, what was sent again included."""
    readings: int = 0
    acked: int = 0
    resent: int = 0
    refused: int = 0
    overflowed: int = 0
    connects: int = 0
    owed: int = 0
    elapsed_s: float = 0.0


class Source(Protocol):
    """Where the messages come from: a City, a recorded trace."""

    truth: list[Truth]

    def step(self, at_ms: int) -> list[Uplink]:
        """Everything to send since the last call, up to ``at_ms``."""
        ...


class Link:
    """One MQTT connection, driven by ``turn`` in the caller's own thread; each is a new client.

    paho's own queues live in memory and are never trusted: what is in flight when a connection ends
    is sent again by the outbox.
    """

    def __init__(self, sending: Sending, devices: Sequence[str], boot: int) -> None:
        self._sending = sending
        self._boot = boot
        self._devices = list(devices)
        self._client: mqtt.Client | None = None
        self._acks: list[tuple[str, bytes]] = []
        self._subscribed = 0
        self._wait_s = BACKOFF_S[0]
        self._next_try = 0.0
        self._began = 0.0
        self._was_up = False
        self.connects = 0

    @property
    def is_up(self) -> bool:
        """Connected, and every ``…/ack`` subscription confirmed."""
        if self._client is None or not self._client.is_connected():
            return False
        chunks = -(-len(self._devices) // SUBSCRIBE_AT_ONCE)
        return self._subscribed >= chunks

    def turn(self, limit_s: float) -> bool:
        """Reads and writes for up to ``limit_s``; True when the connection has just come up."""
        if self._client is None:
            self._connect(limit_s)
            return False
        if self._client.loop(limit_s) != mqtt.MQTT_ERR_SUCCESS:
            self._drop()
            return False
        if self.is_up:
            came_up, self._was_up = not self._was_up, True
            if came_up:
                self._birth()
            return came_up
        if time.monotonic() - self._began > CONNECT_S_MAX:
            self._drop()  # CONNACK or SUBACK did not come: this connection never will be one.
        return False

    def acks(self) -> list[tuple[str, bytes]]:
        """(device, payload) of the acknowledgements that came since the last call."""
        came, self._acks = self._acks, []
        return came

    def publish(self, entry: Entry) -> bool:
        """Hands one message to the connection; False when it has just been lost."""
        if self._client is None:
            return False
        topic = f"{self._sending.root}/{entry.device}/{entry.suffix}"
        return self._client.publish(topic, entry.payload, qos=1).rc == mqtt.MQTT_ERR_SUCCESS

    def close(self) -> None:
        """An orderly end: the broker keeps the last will to itself."""
        if self._client is not None:
            self._client.disconnect()
            self._client = None

    def _connect(self, limit_s: float) -> None:
        wait = self._next_try - time.monotonic()
        if wait > 0:
            time.sleep(min(wait, limit_s))
            return
        self._was_up, self._subscribed, self._began = False, 0, time.monotonic()
        client = self._made()
        try:
            client.connect(
                self._sending.mqtt.host, self._sending.mqtt.port, self._sending.mqtt.keepalive_s
            )
        except (OSError, ValueError):
            self._drop()
            return
        self._client = client

    def _made(self) -> mqtt.Client:
        settings = self._sending.mqtt
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, self._sending.client_id, clean_session=True
        )
        client.connect_timeout = CONNECT_S_MAX
        client.max_inflight_messages_set(min(65_000, 2 * self._sending.in_flight_max))
        if settings.username:
            secret = read_secret(settings.password_file) if settings.password_file else None
            client.username_pw_set(settings.username, secret)
        if settings.ca_file:
            client.tls_set(settings.ca_file, settings.cert_file or None, settings.key_file or None)
        if self._sending.gateway:
            topic = f"{self._sending.root}/{self._sending.gateway}/state"
            client.will_set(topic, _state(self._boot, is_online=False), qos=1)
        client.on_connect = self._connected
        client.on_subscribe = self._count_subscribed
        client.on_message = self._keep_ack
        return client

    # paho's callbacks only note what happened; they run inside ``turn``.
    def _connected(
        self, client: mqtt.Client, _data: Any, _flags: Any, code: Any, _props: Any
    ) -> None:
        if code.is_failure:
            return
        topics = [f"{self._sending.root}/{device}/ack" for device in self._devices]
        for i in range(0, len(topics), SUBSCRIBE_AT_ONCE):
            client.subscribe([(topic, 1) for topic in topics[i : i + SUBSCRIBE_AT_ONCE]])

    def _count_subscribed(self, _c: mqtt.Client, _d: Any, _mid: int, _codes: Any, _p: Any) -> None:
        self._subscribed += 1

    def _keep_ack(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self._acks.append((message.topic.split("/")[-2], bytes(message.payload)))

    def _birth(self) -> None:
        assert self._client is not None, "born without a connection"
        self.connects += 1
        self._wait_s = BACKOFF_S[0]
        for device in self._devices:
            topic = f"{self._sending.root}/{device}/state"
            self._client.publish(topic, _state(self._boot, is_online=True), qos=1)

    def _drop(self) -> None:
        if self._client is not None:
            self._client.disconnect()
        self._client = None
        self._was_up = False
        self._next_try = time.monotonic() + self._wait_s
        self._wait_s = min(self._wait_s * 2.0, BACKOFF_S[1])


def _state(boot: int, *, is_online: bool) -> bytes:
    body: dict[str, object] = {"online": is_online, "boot": boot}
    if is_online:
        body |= {"at_ms": time.time_ns() // 1_000_000, "firmware": "simulated"}
    return msgspec.json.encode(body)


class Sender:
    """Spool, outbox, ledger and link of one process, turned by ``run_devices``."""

    def __init__(
        self, sending: Sending, devices: Sequence[str], names: Mapping[tuple[str, str], str],
        mischief: Mischief | None,
    ) -> None:  # fmt: skip
        self.sending = sending
        self.report = Report()
        self.spool = Spool(sending.spool)
        self.ledger = Journal(sending.ledger) if sending.ledger else None
        self.truth = Journal(sending.truth) if sending.truth else None
        self.outbox = Outbox(sending.in_flight_max, round(sending.resend_s * 1000))
        self.outbox.offer(self.spool.owed())
        left = {key for key in self.outbox.owed if key not in devices}
        self.link = Link(sending, [*devices, *sorted(left)], self.spool.boot)
        self.names = names
        self.mischief = mischief

    def take(self, uplinks: Sequence[Uplink], now_ms: int) -> None:
        """Makes new messages durable, ledger first: what is in the spool is in the ledger."""
        if self.outbox.count >= self.sending.spool_max:
            self.report.overflowed += len(uplinks)
            return
        if not uplinks:
            return
        entries = self.spool.number(uplinks)
        if self.ledger is not None:
            self.ledger.append(sent_lines(entries, uplinks, self.names, now_ms))
        self.spool.keep(entries)
        self.outbox.offer(entries)
        self.report.messages += len(entries)
        self.report.readings += sum(len(uplink.values) for uplink in uplinks)

    def turn(self, limit_s: float, now_ms: Callable[[], int]) -> None:
        """Reads acknowledgements, releases what they cover, publishes what is due."""
        was_up = self.link.is_up
        self.link.turn(limit_s)
        for device, payload in self.link.acks():
            ack = read_ack(payload)
            if ack is not None:
                self._settle(device, ack, now_ms())
        if not self.link.is_up:
            if was_up:
                self.outbox.disconnected()
            return
        due = self.outbox.due(now_ms())
        if self.mischief is not None:
            due = self.mischief.carry(due, now_ms())
        for entry in due:
            if not self.link.publish(entry):
                self.outbox.disconnected()
                return
            self.report.published += 1

    def told(self, truths: list[Truth]) -> None:
        """Writes what the city says has begun, and takes it out of the list."""
        if self.truth is not None:
            self.truth.append(truth_lines(truths))
        truths.clear()

    def finished(self, began: float) -> Report:
        """Closes everything; what is still owed stays in the spool."""
        self.link.close()
        self.spool.close()
        for journal in (self.ledger, self.truth):
            if journal is not None:
                journal.close()
        self.report.elapsed_s = time.monotonic() - began
        self.report.owed = self.outbox.count
        self.report.resent = self.outbox.resent
        self.report.refused = self.outbox.refused
        self.report.connects = self.link.connects
        return self.report

    def _settle(self, device: str, ack: Ack, now_ms: int) -> None:
        settled = self.outbox.settle(device, ack)
        if not settled:
            return
        durable = [e for e in settled if not ack.sha256]
        if self.ledger is not None and durable:
            self.ledger.append(acked_lines(durable, now_ms))
        self.spool.release([entry.key for entry in settled])
        self.report.acked += len(durable)


def run_devices(
    sending: Sending,
    source: Source,
    devices: Sequence[str],
    *,
    names: Mapping[tuple[str, str], str] | None = None,
    mischief: Mischief | None = None,
    stop: threading.Event | None = None,
    say: Callable[[Truth], None] | None = None,
) -> Report:
    """Sends what the source makes until stopped, then waits for the last acknowledgements.

    ``devices`` are all that this connection speaks for; ``names`` maps (device, local) to a
    channel's permanent name, for the ledger; ``say`` hears each truth as it begins.  Nothing that
    was taken on is lost by a kill between any two lines when ``sending.spool`` is a file.  Raises
    OSError or sqlite3.Error when the spool's disk refuses: a gateway that cannot keep must not
    pretend.
    """
    began = time.monotonic()
    sender = Sender(sending, devices, names or {}, mischief)
    stopped = stop or threading.Event()
    try:
        while not stopped.is_set() and not _is_over(sending, sender.report, began):
            now_ms = _now_ms()
            uplinks = source.step(now_ms)
            if say is not None:
                for truth in source.truth:
                    say(truth)
            sender.told(source.truth)
            if mischief is not None:
                uplinks = mischief.spoil(uplinks)
            if sending.limit:
                uplinks = uplinks[: max(0, sending.limit - sender.report.messages)]
            sender.take(uplinks, now_ms)
            sender.turn(TURN_S, _now_ms)
        # Whoever was never connected has no last word to wait for, only one attempt more.
        wait_s = sending.drain_s if sender.link.connects else min(sending.drain_s, CONNECT_S_MAX)
        until = time.monotonic() + wait_s
        while sender.outbox.count and time.monotonic() < until:
            sender.turn(TURN_S, _now_ms)
    finally:
        report = sender.finished(began)
    return report


def _is_over(sending: Sending, report: Report, began: float) -> bool:
    timed_out = sending.seconds > 0 and time.monotonic() - began >= sending.seconds
    return timed_out or (sending.limit > 0 and report.messages >= sending.limit)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
