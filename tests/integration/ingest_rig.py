"""What the integration tests of ingest stand on: an ingest, devices, and tails of Kafka topics."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as paho
import pytest
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from paho.mqtt.enums import CallbackAPIVersion

from ingest import service
from lifeline import store, wire
from lifeline.commands.migrate import create_topics
from lifeline.compiler import compile_catalog
from lifeline.config import CatalogFiles, Ingest, Kafka, Mqtt, Settings
from lifeline.stack import Addresses
from lifeline.telemetry import Health, now_ms
from tests.ingest.world import SOURCE

WITHIN_S = 20.0
INSTANCE = 900


@pytest.fixture
async def settings(addresses: Addresses, tmp_path: Path) -> AsyncIterator[Settings]:
    """Settings for the shared servers, with the test's own catalog in place."""
    kafka = Kafka(bootstrap=addresses.kafka_bootstrap, send_timeout_s=3.0)
    await create_topics(kafka)
    compiled = str(tmp_path / "catalog.bin")
    store.write_catalog(compile_catalog([SOURCE]), compiled)
    yield Settings(
        mqtt=Mqtt(host=addresses.mqtt_host, port=addresses.mqtt_port, keepalive_s=5),
        kafka=kafka,
        catalog=CatalogFiles(compiled=compiled),
        ingest=Ingest(instance=INSTANCE),
    )
    await forget(addresses, INSTANCE, INSTANCE + 1)


async def forget(addresses: Addresses, *instances: int) -> None:
    """Takes members off the broker's list: it deals shared messages to those away, too."""
    for instance in instances:
        name = f"lifeline-ingest-{instance}"
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=True)
        client.connect(addresses.mqtt_host, addresses.mqtt_port)
        client.loop_start()
        await until(client.is_connected)
        client.disconnect()
        client.loop_stop()


@contextlib.asynccontextmanager
async def ingesting(settings: Settings) -> AsyncIterator[Health]:
    """One ingest, ready; stopped in order at the end."""
    stop, health = asyncio.Event(), Health()
    catalog = store.open_catalog(settings.catalog.compiled)
    log = structlog.stdlib.get_logger("lifeline.test")
    task = asyncio.create_task(service.run(settings, catalog, health, log, stop))
    try:
        await until(lambda: not health.problem or task.done())
        if task.done():
            task.result()
        yield health
    finally:
        stop.set()
        await asyncio.wait_for(task, 15.0)


async def until(fact: Callable[[], bool], within_s: float = WITHIN_S) -> None:
    """Waits for a fact; fails when it does not come true."""
    async with asyncio.timeout(within_s):
        while not fact():  # noqa: ASYNC110 – facts come from other threads and processes.
            await asyncio.sleep(0.02)


@dataclass
class Device:
    """A device with a broker connection of its own; remembers PUBACKs and what ingest told it."""

    client: paho.Client
    name: str
    told: list[dict[str, Any]] = field(default_factory=list)

    def send(
        self, body: object, *, kind: str = "up", root: str = wire.MQTT_ROOT
    ) -> paho.MQTTMessageInfo:
        payload = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return self.client.publish(f"{root}/{self.name}/{kind}", payload, qos=1)

    def seqs(self, boot: int) -> set[int]:
        return {
            seq
            for note in self.told
            if note.get("boot") == boot
            for first, last in note["seq"]
            for seq in range(first, last + 1)
        }


@contextlib.contextmanager
def device(settings: Settings, name: str, *, will: bool = False) -> Iterator[Device]:
    """A connected device that listens for its acknowledgements."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    made = Device(client, name)
    client.on_message = lambda _c, _u, message: made.told.append(
        msgspec.json.decode(message.payload)
    )
    if will:
        topic = f"{wire.MQTT_ROOT}/{name}/state"
        client.will_set(topic, b'{"online":false}', qos=1, retain=True)
    client.max_inflight_messages_set(1000)
    client.connect(settings.mqtt.host, settings.mqtt.port)
    client.loop_start()
    for root in (wire.MQTT_ROOT, wire.MQTT_DRILL_ROOT):
        client.subscribe(f"{root}/{name}/ack", qos=1)
    try:
        yield made
    finally:
        client.disconnect()
        client.loop_stop()


@dataclass
class Tail:
    """What was written to a topic since the tail began."""

    consumer: AIOKafkaConsumer
    topic: str
    records: list[ConsumerRecord] = field(default_factory=list)

    async def until(self, fact: Callable[[], bool], within_s: float = WITHIN_S) -> None:
        async with asyncio.timeout(within_s):
            while not fact():
                got = await self.consumer.getmany(timeout_ms=100)
                self.records += [record for part in got.values() for record in part]

    def readings(self, *, drill: bool = False) -> list[tuple[str, int, float, int]]:
        rows = []
        for record in self.records:
            if (dict(record.headers).get("drill") == b"1") is not drill:
                continue
            batch = wire.decode_batch(record.value)
            names = [batch.channels[i] for i in batch.channel]
            columns = (names, batch.at_ms, batch.value, batch.quality)
            rows += [(c, int(t), float(v), int(q)) for c, t, v, q in zip(*columns, strict=True)]
        return rows

    def rejects(self) -> list[wire.Reject]:
        return [wire.decode_reject(record.value) for record in self.records]


@contextlib.asynccontextmanager
async def tail(settings: Settings, topic: str) -> AsyncIterator[Tail]:
    """Begins at the present end of a topic."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka.bootstrap, enable_auto_commit=False
    )
    await consumer.start()
    try:
        places = [TopicPartition(topic, p) for p in range(settings.kafka.partitions)]
        consumer.assign(places)
        for place, offset in (await consumer.end_offsets(places)).items():
            consumer.seek(place, offset)
        yield Tail(consumer, topic)
    finally:
        await consumer.stop()


def one(seq: int, value: object = 1.5, **more: object) -> dict[str, object]:
    return {
        "boot": 7,
        "seq": seq,
        "channel": "ch4",
        "at_ms": now_ms() - 60_000 + seq,
        "value": value,
    } | more
