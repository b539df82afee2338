"""How fast a detect worker that finds no snapshot works its way through what Kafka has kept.

    python benchmarks/blind_start.py --minutes 3 --rate 116000

Writes readings of the last minutes to a real Kafka, in the records that ingest would make of that
rate, sets the group's offsets to the end, as after a loss of every snapshot, and starts one worker.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import processes
from benchmarks.chain import metric, until_ready
from benchmarks.report import flags, put
from ingest.batch import tick as clock
from lifeline import db, store, wire
from lifeline.catalog import Catalog
from lifeline.commands.migrate import create_topics
from lifeline.commands.supervisor import Supervisor, environment, lifeline_command
from lifeline.compiler import compile_catalog
from lifeline.config import Kafka, Settings, load
from lifeline.log.service import make_consumer, make_producer, running
from lifeline.model import Batch, Message
from lifeline.stack import Stack
from lifeline.stack.processes import free_port
from simulators.load.bench import bench_sources, channel_name
from streams.detect.service import GROUP
from streams.partition import devices_by_partition

PER_DEVICE = 100
RECORDS_PER_S = 40
"""A partition's records when a batch waits 25 ms."""
RECOVERIES = "lifeline_recoveries_total"
LIMIT_S = 1800.0


def records(
    devices: list[str], rate: float, seconds: int, end_ms: int
) -> list[tuple[int, int, bytes]]:
    """(time, readings, body) of a partition's records: its share of the rate, devices in turn."""
    rng = np.random.default_rng(11)
    per_record = max(1, round(rate / RECORDS_PER_S / PER_DEVICE))
    made = []
    for k in range(seconds * RECORDS_PER_S):
        at_ms = end_ms - seconds * 1000 + k * 1000 // RECORDS_PER_S
        chosen = [devices[(k * per_record + j) % len(devices)] for j in range(per_record)]
        indices = [int(name.rpartition("-")[2]) for name in chosen]
        names = [channel_name(index, column) for index in indices for column in range(PER_DEVICE)]
        n = len(names)
        batch = Batch(
            at_ms + 20,
            names,
            [Message(name, 1, k) for name in chosen],
            np.arange(n, dtype=np.int32),
            np.full(n, at_ms),
            20.0 + rng.normal(size=n),
            np.zeros(n, np.uint16),
            np.full(n, at_ms + 5),
            np.repeat(np.arange(per_record, dtype=np.int32), PER_DEVICE),
        )
        made.append((at_ms + 20, n, wire.encode_batch(batch)))
    return made


async def fill(kafka: Kafka, catalog: Catalog, rate: float, seconds: int) -> tuple[int, int]:
    """Writes the past and sets the group behind it; returns how many records and readings it is."""
    count = readings = 0
    end_ms = int(time.time() * 1000)
    headers = wire.headers(wire.READINGS)
    places = devices_by_partition(catalog, kafka.partitions)
    busy = sum(map(bool, places))
    async with running(make_producer(kafka, "blind-start"), kafka) as producer:
        for number, devices in enumerate(places):
            made = records(devices, rate / busy, seconds, end_ms) if devices else []
            waiting = [
                await producer.send(
                    wire.READINGS, body, partition=number, timestamp_ms=at_ms, headers=headers
                )
                for at_ms, _, body in made
            ]
            await asyncio.gather(*waiting)
            count += len(made)
            readings += sum(n for _, n, _ in made)
            print(f"  partition {number}: {len(made)} records", file=sys.stderr)
    where = [TopicPartition(wire.READINGS, number) for number in range(kafka.partitions)]
    async with running(make_consumer(kafka, "blind-start", GROUP), kafka) as consumer:
        consumer.assign(where)
        ends = await consumer.end_offsets(where)
        await consumer.commit({at: OffsetAndMetadata(end, "") for at, end in ends.items()})
    return count, readings


async def tick(kafka: Kafka) -> None:
    """One empty record on every partition: what the worker wakes up to."""
    now_ms = int(time.time() * 1000)
    body = wire.encode_batch(clock(now_ms))
    async with running(make_producer(kafka, "blind-start"), kafka) as producer:
        for number in range(kafka.partitions):
            await producer.send_and_wait(
                wire.READINGS, body, partition=number, headers=wire.headers(wire.READINGS)
            )


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, object]:
    """The report of one run on servers of its own."""
    stack = Stack(folder / "stack")
    addresses = stack.start()
    supervisor = Supervisor(lambda name, text: print(f"  {name:12} {text}", file=sys.stderr))
    try:
        port = free_port()
        overrides = addresses.environment() | {
            "LIFELINE_CATALOG_COMPILED": str(folder / "catalog.bin"),
            "LIFELINE_TELEMETRY_LOG": "json",
            "LIFELINE_TELEMETRY_PORT": str(port),
        }
        settings: Settings = load("", "benchmark", overrides)[0]
        packed = compile_catalog(bench_sources(arguments.channels, PER_DEVICE))
        store.write_catalog(packed, settings.catalog.compiled)
        asyncio.run(create_topics(settings.kafka))
        db.migrate(settings.postgres, lambda _: None)
        seconds = round(arguments.minutes * 60)
        n, readings = asyncio.run(fill(settings.kafka, Catalog(packed), arguments.rate, seconds))
        start_s = time.monotonic()
        log = folder / "detect.log"
        supervisor.add("detect", lifeline_command("detect"), log, environment(overrides))
        until_ready("detect", port)
        asyncio.run(tick(settings.kafka))
        pid = next(one.process.pid for one in supervisor.children if one.process)
        while metric(port, RECOVERIES) < settings.kafka.partitions:
            if time.monotonic() - start_s > LIMIT_S:
                raise SystemExit(f"not done within {LIMIT_S:.0f} s: see {log}")
            time.sleep(0.1)
        spent_s = time.monotonic() - start_s
        return {
            "records": n,
            "readings": readings,
            "seconds": round(spent_s, 1),
            "records_per_s": round(n / spent_s),
            "readings_per_s": round(readings / spent_s),
            "times_live": round(arguments.minutes * 60 / spent_s, 2),
            "cpu_us_per_reading": round(processes.cpu_s(pid) / readings * 1e6, 2),
            "rss_mb": round(processes.rss_mb(pid)),
        }
    finally:
        supervisor.stop()
        stack.remove()


def main() -> None:
    """Runs once and prints, or writes, the report."""
    parser = flags(__doc__)
    parser.add_argument("--minutes", type=float, default=3.0, help="how much past to read again")
    parser.add_argument("--rate", type=float, default=116_000.0, help="readings a second, then")
    parser.add_argument("--channels", type=int, default=10_000, help="channels in the catalog")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lifeline-bench-"))
    try:
        figures = measure(arguments, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    put(arguments.json, figures)


if __name__ == "__main__":
    main()
