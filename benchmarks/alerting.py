"""The duty desk under load: findings folded by one router, the engine alone, the API's list.

    python benchmarks/alerting.py --open 10000 --rate 1000 --seconds 30 --repeat 3

First so many incidents are opened, each at an asset of its own.  Then findings come to Kafka at the
rate: most say that something lasts, some join, worsen or end what is open.  The lag is how long a
finding waits on Kafka until the transaction that folded it is committed; CPU is the router's own,
one process on one core, and PostgreSQL's beside it.  The engine's step is timed here over
as many open incidents, without a server.  The list is asked for over HTTP, signed in, one request
after the other.
"""

import argparse
import asyncio
import re
import statistics
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import numpy as np
import psycopg
from aiokafka import AIOKafkaProducer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from alerting import engine
from alerting import store as router
from alerting.console.accounts import store as accounts
from alerting.policy import DEFAULT
from alerting.slices import Slice
from benchmarks import processes
from benchmarks.chain import Chain, running
from benchmarks.pipeline import summary
from benchmarks.report import flags, put
from lifeline import db, wire
from lifeline.model import Finding
from simulators.load.bench import ZONE_DEVICES

CHANNELS_A_DEVICE = 100
LOOK_S = 0.02
BURST_S = 0.05
PASSWORD = "every word of this is known"
PAGE = 100
SIGNED_S = 180.0


def leak(asset: int, now_ms: int, **changes: object) -> Finding:
    """A leak at an asset, raised now."""
    name = f"bench/{asset:06d}"
    base = Finding(
        id=f"open-{asset}", phase="raised", zone=f"bench/zone-{asset // ZONE_DEVICES:05d}",
        asset=name, lifeline="bench", channel=f"{name}/c000", rule="bench.leak",
        detector="threshold", hazard="gas-leak", grade=4, onset_ms=now_ms, at_ms=now_ms,
        received_ms=now_ms, code="above-limit", value=96.0, unit="1", limit=95.0,
        evidence=((now_ms, 96.0, 0),),
    )  # fmt: skip
    return msgspec.structs.replace(base, **changes)


def day(n_open: int, seed: int, now_ms: int) -> Iterator[Finding]:
    """What comes while so many are open: seven in ten last, one each joins, worsens, ends."""
    chance = np.random.default_rng(seed)
    at_ms = now_ms
    while True:
        at_ms += 1
        asset, kind = int(chance.integers(n_open)), int(chance.integers(10))
        if kind < 7:
            yield leak(asset, now_ms, phase="held", at_ms=at_ms, received_ms=at_ms)
        elif kind == 7:
            column = int(chance.integers(1, CHANNELS_A_DEVICE))
            channel = f"bench/{asset:06d}/c{column:03d}"
            name = f"join-{seed}-{asset}-{column}"
            yield leak(asset, at_ms, id=name, channel=channel)
        elif kind == 8:
            name = f"rise-{seed}-{asset}"
            yield leak(asset, at_ms, id=name, grade=3, rule="bench.rise")
        else:
            yield leak(asset, now_ms, phase="cleared", at_ms=at_ms, received_ms=at_ms)


def engine_steps(n_open: int, steps: int) -> dict[str, float]:
    """Microseconds of the engine's step over a slice with so many open incidents."""
    now_ms = round(time.time() * 1000)
    state = Slice()
    for asset in range(n_open):
        engine.step(state, leak(asset, now_ms), now_ms, DEFAULT)
    spent = []
    for finding, _ in zip(day(n_open, 0, now_ms), range(steps), strict=False):
        began = time.perf_counter()
        engine.step(state, finding, now_ms, DEFAULT)
        spent.append((time.perf_counter() - began) * 1e6)
    return {
        "engine_step_p50_us": round(float(np.quantile(spent, 0.5)), 1),
        "engine_step_p99_us": round(float(np.quantile(spent, 0.99)), 1),
    }


async def publish(chain: Chain, findings: list[Finding], producer: AIOKafkaProducer) -> None:
    """Puts findings onto their partitions, acknowledged by Kafka."""
    n = chain.settings.kafka.partitions
    sent = [
        await producer.send(
            wire.FINDINGS, wire.encode_finding(f), partition=wire.partition_of(f.zone, n),
            key=f.zone.encode(), headers=list(wire.headers(wire.FINDINGS)),
        )
        for f in findings
    ]  # fmt: skip
    await asyncio.gather(*sent)


async def folded(connection: psycopg.AsyncConnection) -> int:
    """How many findings have been folded, ever."""
    rows = await connection.execute(
        "select coalesce(sum(next_offset), 0)::int8 from progress where consumer = %s",
        (router.CONSUMER,),
    )
    row = await rows.fetchone()
    assert row is not None
    return int(row[0])


async def open_all(chain: Chain, n_open: int, producer: AIOKafkaProducer) -> float:
    """Opens the incidents; returns how long the router took for all of them, seconds."""
    now_ms = round(time.time() * 1000)
    connection = await psycopg.AsyncConnection.connect(
        db.conninfo(chain.settings.postgres), autocommit=True
    )
    began = time.monotonic()
    await publish(chain, [leak(asset, now_ms) for asset in range(n_open)], producer)
    while await folded(connection) < n_open:
        assert time.monotonic() - began < SIGNED_S, "the router does not open the incidents"
        await asyncio.sleep(0.1)
    await connection.close()
    return time.monotonic() - began


async def load_run(
    chain: Chain, arguments: argparse.Namespace, seed: int, producer: AIOKafkaProducer
) -> dict:
    """Findings at the rate for the time; how long each waited, and what it cost."""
    connection = await psycopg.AsyncConnection.connect(
        db.conninfo(chain.settings.postgres), autocommit=True
    )
    pids = {name: chain.pids[name] for name in ("router", "postgresql")}
    cpu = {name: processes.cpu_s(pid) for name, pid in pids.items()}
    base, sent = await folded(connection), 0
    waiting: deque[tuple[int, float]] = deque()
    lags: list[float] = []
    source = day(arguments.open, seed, round(time.time() * 1000))
    began = time.monotonic()
    next_s = began
    while waiting or time.monotonic() - began < arguments.seconds:
        now_s = time.monotonic()
        if now_s - began < arguments.seconds and now_s >= next_s:
            next_s += BURST_S
            burst = [next(source) for _ in range(round(arguments.rate * BURST_S))]
            sent += len(burst)
            waiting.append((base + sent, now_s))
            await publish(chain, burst, producer)
        done = await folded(connection)
        while waiting and done >= waiting[0][0]:
            lags.append((time.monotonic() - waiting.popleft()[1]) * 1000)
        assert time.monotonic() - began < 5 * arguments.seconds + 60, "the router falls behind"
        await asyncio.sleep(max(0.0, min(LOOK_S, next_s - time.monotonic())))
    wall_s = time.monotonic() - began
    await connection.close()
    return {
        "findings": sent,
        "wall_s": round(wall_s, 1),
        "lag_p50_ms": round(float(np.quantile(lags, 0.5)), 1),
        "lag_p99_ms": round(float(np.quantile(lags, 0.99)), 1),
        "cores": {
            name: round((processes.cpu_s(pid) - cpu[name]) / wall_s, 3)
            for name, pid in pids.items()
        },
        "us_per_finding": {
            name: round((processes.cpu_s(pid) - cpu[name]) / sent * 1e6)
            for name, pid in pids.items()
        },
    }


def list_times(chain: Chain, requests: int) -> dict[str, float]:
    """Milliseconds of the API's list of open incidents, over HTTP, signed in."""
    database = db.Database(chain.settings.postgres, connections=1)
    try:
        accounts.create_user(database, "bench", "officer", PASSWORD, replace=True)
    finally:
        database.close()
    base = f"http://{chain.settings.console.host}:{chain.settings.console.port}"
    with httpx.Client(base_url=base, timeout=30.0) as browser:
        page = browser.get("/login", follow_redirects=True).text
        form = re.search(r'name="form" value="([^"]+)"', page)
        assert form is not None, page[:500]
        fields = {"form": form[1], "name": "bench", "password": PASSWORD, "code": "", "next": "/"}
        assert browser.post("/login", data=fields).status_code == 303
        spent = []
        for _ in range(requests):
            began = time.perf_counter()
            answer = browser.get("/api/v1/incidents", params={"limit": PAGE})
            spent.append((time.perf_counter() - began) * 1000)
            assert answer.status_code == 200, answer.text[:500]
        assert len(answer.json()["incidents"]) == PAGE
    return {
        "list_p50_ms": round(statistics.median(spent), 1),
        "list_p99_ms": round(float(np.quantile(spent, 0.99)), 1),
    }


async def measure(chain: Chain, arguments: argparse.Namespace) -> tuple[float, list[dict]]:
    """Opens the incidents and runs the load so often."""
    producer = AIOKafkaProducer(
        bootstrap_servers=chain.settings.kafka.bootstrap, acks="all", enable_idempotence=True
    )
    await producer.start()
    try:
        opened_s = await open_all(chain, arguments.open, producer)
        runs = []
        for seed in range(1, arguments.repeat + 1):
            runs.append(await load_run(chain, arguments, seed, producer))
            print(f"run {seed}: {runs[-1]}", file=sys.stderr)
    finally:
        await producer.stop()
    return opened_s, runs


def main() -> None:
    """Reads the arguments, runs, prints a line a run, and writes the report."""
    parser = flags(__doc__)
    parser.add_argument("--open", type=int, default=10_000, help="incidents open all the while")
    parser.add_argument("--rate", type=float, default=1_000, help="findings a second")
    parser.add_argument("--seconds", type=float, default=30, help="how long a run sends")
    parser.add_argument("--repeat", type=int, default=1, help="runs, one after the other")
    parser.add_argument("--steps", type=int, default=20_000, help="steps of the engine alone")
    parser.add_argument("--requests", type=int, default=300, help="requests of the list")
    arguments = parser.parse_args()
    arguments.channels, arguments.ingest = arguments.open * CHANNELS_A_DEVICE, 1
    alone = engine_steps(arguments.open, arguments.steps)
    with running(arguments) as chain:
        opened_s, runs = asyncio.run(measure(chain, arguments))
        listed = list_times(chain, arguments.requests)
        versions = chain.stack.addresses().versions
    figures = {**alone, **listed, "opened_s": round(opened_s, 1), "versions": versions}
    put(arguments.json, {**figures, "runs": runs, "minimum_median_maximum": summary(runs)})


if __name__ == "__main__":
    main()
