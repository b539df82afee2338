"""What the tests of the workers share: clean topics, a database of their own, processes."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError

from lifeline import config, db, store, wire
from lifeline.catalog import parse_source
from lifeline.compiler import compile_catalog
from lifeline.model import Batch, Finding
from lifeline.stack import Addresses
from lifeline.stack.processes import free_port
from tests.streams.town import GAS, catalog

PARTITIONS = 12
ZONE_PARTITION = wire.partition_of("gas/east", PARTITIONS)


@dataclass(slots=True)
class Rig:
    """One test's own database and catalog on the shared servers, and the workers it started."""

    folder: Path
    addresses: Addresses
    dsn: str
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    ports: dict[int, int] = field(default_factory=dict)

    @property
    def settings(self) -> config.Settings:
        return config.Settings(
            kafka=config.Kafka(bootstrap=self.addresses.kafka_bootstrap),
            postgres=config.Postgres(dsn=self.dsn),
            catalog=config.CatalogFiles(compiled=str(self.folder / "catalog.bin")),
        )

    def start(self, *words: str, **environment: str) -> "subprocess.Popen[bytes]":
        port = free_port()
        env = (
            os.environ
            | self.addresses.environment()
            | {
                "LIFELINE_POSTGRES_DSN": self.dsn,
                "LIFELINE_CATALOG_COMPILED": str(self.folder / "catalog.bin"),
                "LIFELINE_AUDIT_ANCHOR_FILE": str(self.folder / "anchors" / "audit.log"),
                "LIFELINE_ROUTER_PAST_FOLDER": str(self.folder / "past"),
                "LIFELINE_WATCHDOG_TOLD_FILE": str(self.folder / "watchdog.json"),
                "LIFELINE_TELEMETRY_PORT": str(port),
                "LIFELINE_TELEMETRY_LOG": "json",
                "LIFELINE_DETECT_SNAPSHOT_S": "1",
            }
            | environment
        )
        with (self.folder / f"{words[0]}.log").open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.worker", *words],
                env=env,
                stdout=out,
                stderr=out,
            )
        self.processes.append(process)
        self.ports[process.pid] = port
        return process

    def wait_ready(self, process: "subprocess.Popen[bytes]", limit_s: float = 30.0) -> None:
        wait_for(lambda: self.is_ready(process), limit_s, "ready")

    def is_ready(self, process: "subprocess.Popen[bytes]") -> bool:
        assert process.poll() is None, f"worker ended with {process.returncode}: {self.tail()}"
        with contextlib.suppress(OSError):
            url = f"http://127.0.0.1:{self.ports[process.pid]}/readyz"
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.status == 200)
        return False

    def metric(self, process: "subprocess.Popen[bytes]", name: str) -> float:
        url = f"http://127.0.0.1:{self.ports[process.pid]}/metrics"
        with urllib.request.urlopen(url, timeout=2) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    def tail(self) -> str:
        return "\n".join(
            f"{log.name}: {line}"
            for log in self.folder.glob("*.log")
            for line in log.read_text().splitlines()[-8:]
        )

    def kill(self, process: "subprocess.Popen[bytes]") -> None:
        process.kill()
        process.wait(10)

    def end(self, process: "subprocess.Popen[bytes]", limit_s: float = 12.0) -> int:
        process.send_signal(signal.SIGTERM)
        return process.wait(limit_s)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(query, values).fetchall()

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait(10)


def wait_for(is_true: Callable[[], Any], limit_s: float, what: str = "") -> None:
    end_s = time.monotonic() + limit_s
    while not is_true():
        assert time.monotonic() < end_s, f"not within {limit_s:g} s: {what}"
        time.sleep(0.1)


@contextlib.contextmanager
def rig(addresses: Addresses, folder: Path, *, timescale: bool) -> Iterator[Rig]:
    name = f"test_{time.time_ns()}"
    dsn = replace_database(addresses.postgres_dsn, name)
    with psycopg.connect(addresses.postgres_admin_dsn, autocommit=True) as admin:
        admin.execute(f"create database {name} owner lifeline")
    if timescale:
        with psycopg.connect(
            replace_database(addresses.postgres_admin_dsn, name), autocommit=True
        ) as admin:
            admin.execute("create extension if not exists timescaledb")
    else:
        with psycopg.connect(dsn, autocommit=True) as connection:
            # What `migrate` would have noted on a server without the extension.
            connection.execute(
                "create table migration (name text primary key,"
                " at timestamptz not null default clock_timestamp())"
            )
            connection.execute("insert into migration (name) values ('000_chosen.plain.sql')")
    db.migrate(config.Postgres(dsn=dsn), lambda _: None)

    store.write_catalog(
        compile_catalog([parse_source("gas.toml", GAS)]), str(folder / "catalog.bin")
    )
    asyncio.run(clean_topics(addresses.kafka_bootstrap))
    made = Rig(folder, addresses, dsn)
    try:
        yield made
    finally:
        made.close()
        with psycopg.connect(addresses.postgres_admin_dsn, autocommit=True) as admin:
            admin.execute(f"drop database if exists {name} with (force)")


@contextlib.contextmanager
def forwarded(port: int, there: tuple[str, int]) -> Iterator[None]:
    """What comes to this port reaches ``there``: a server that appears late."""

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while got := source.recv(65536):
                sink.sendall(got)
        for end in (source, sink):
            end.close()

    def accept(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near = listener.accept()[0]
                far = socket.create_connection(there, 5)
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    listener = socket.create_server(("127.0.0.1", port))
    threading.Thread(target=accept, args=(listener,), daemon=True).start()
    try:
        yield
    finally:
        listener.close()


def replace_database(dsn: str, name: str) -> str:
    return psycopg.conninfo.make_conninfo(dsn, dbname=name)


async def clean_topics(bootstrap: str) -> None:
    """The topics empty: their groups' offsets go with them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        with contextlib.suppress(UnknownTopicOrPartitionError):
            await admin.delete_topics(list(wire.TOPICS))
        end_s = time.monotonic() + 20
        while set(wire.TOPICS) & set(await admin.list_topics()):
            assert time.monotonic() < end_s, "topics do not go away"
            await asyncio.sleep(0.2)
        topics = [
            NewTopic(name, PARTITIONS, 1, topic_configs={"max.message.bytes": str(8 << 20)})
            for name in wire.TOPICS
        ]
        while True:
            answer = await admin.create_topics(topics)
            are_made = all(row[1] in (0, 36) for row in answer.topic_errors)
            # Created is not yet listed: who looks at once would find them missing.
            if are_made and set(wire.TOPICS) <= set(await admin.list_topics()):
                return
            assert time.monotonic() < end_s, answer
            await asyncio.sleep(0.2)
    except TopicAlreadyExistsError:
        pass
    finally:
        await admin.close()


async def _produce(
    bootstrap: str, records: list[tuple[int, bytes, list[tuple[str, bytes]]]]
) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, max_request_size=8 << 20
    )
    await producer.start()
    try:
        waiting = [
            await producer.send(wire.READINGS, value, partition=partition, headers=headers)
            for partition, value, headers in records
        ]
        await asyncio.gather(*waiting)
    finally:
        await producer.stop()


def publish(rig: Rig, batches: list[Batch], partition: int = ZONE_PARTITION) -> None:
    headers = wire.headers(wire.READINGS)
    records = [(partition, wire.encode_batch(one), headers) for one in batches]
    asyncio.run(_produce(rig.addresses.kafka_bootstrap, records))


def publish_raw(rig: Rig, value: bytes, partition: int = ZONE_PARTITION, **headers: bytes) -> None:
    records = [(partition, value, list(headers.items()))]
    asyncio.run(_produce(rig.addresses.kafka_bootstrap, records))


async def _consume(bootstrap: str, topic: str) -> list[tuple[int, bytes]]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=None, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        at = [TopicPartition(topic, n) for n in range(PARTITIONS)]
        consumer.assign(at)
        ends = await consumer.end_offsets(at)
        made: list[tuple[int, bytes]] = []
        for one in at:
            while await consumer.position(one) < ends[one]:
                got = await consumer.getmany(one, timeout_ms=500)
                made += [(r.partition, r.value) for rs in got.values() for r in rs]
        return made
    finally:
        await consumer.stop()


def consume(rig: Rig, topic: str) -> list[tuple[int, bytes]]:
    return asyncio.run(_consume(rig.addresses.kafka_bootstrap, topic))


def findings(rig: Rig) -> list[Finding]:
    return [wire.decode_finding(value) for _, value in consume(rig, wire.FINDINGS)]


async def _committed(bootstrap: str, group: str) -> dict[int, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(group)
        return {at.partition: v.offset for at, v in found.items() if at.topic == wire.READINGS}
    finally:
        await admin.close()


def committed(rig: Rig, group: str) -> dict[int, int]:
    return asyncio.run(_committed(rig.addresses.kafka_bootstrap, group))


def expected_findings(batches: list[Batch]) -> list[Finding]:
    """What the pure path says to these batches."""
    from detectors.plan import compile_plan
    from streams.partition import blank

    city = catalog()
    plan = compile_plan(city.head.rules, city.head.limits)
    state = blank(city, plan, ZONE_PARTITION, PARTITIONS, lateness_s=3600.0, held_s=60.0)
    made = [
        one for b in batches for one in state.step(wire.decode_batch(wire.encode_batch(b))).findings
    ]
    return [msgspec.structs.replace(one, trace="") for one in made]
