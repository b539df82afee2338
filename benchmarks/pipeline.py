r"""The whole chain under load, on real servers: how fast, how much stored, what each process costs.

    python benchmarks/pipeline.py --rate 116000 --per-message 100 --seconds 60 --repeat 3

What an emergency platform is promised, 500 readings a second with 20 incidents a minute as CAP:

    python benchmarks/pipeline.py --format cap --rate 500 --per-message 5 --channels 40000 \
        --seconds 600 --steps 100 --leaks 200

Publish → finding runs from just before the sender hands its bytes to the kernel to the finding as a
consumer reads it from Kafka; → push to the receiver's accepted response; → stored to the row being
visible in PostgreSQL (looked for every 25 ms).  The generator and this program run on the same
cores and are reported, but not counted in ``cpu_share``.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition
from lxml import etree

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from alerting.notices import Wording
from benchmarks import processes
from benchmarks.chain import Chain, metric, running
from benchmarks.report import flags, put
from lifeline import db, store, wire
from lifeline.commands.demo import close_leftovers
from lifeline.config import Settings
from simulators.load.bench import STEP_RULE
from simulators.load.service import Plan, Report

STORED_S = 120.0
LOOK_S = 0.025
LOOK_AT = 20
STORED = "lifeline_rows_stored_total"
GENERATOR = """
import sys, msgspec
from simulators.load.service import Plan, generate
report = generate(msgspec.json.decode(sys.argv[1], type=Plan))
sys.stdout.buffer.write(msgspec.json.encode(report))
"""


async def follow_findings(
    settings: Settings, seen: dict[tuple[str, str, int], int], stop: asyncio.Event
) -> None:
    """Notes when each raised finding (rule, channel, onset) arrives, unix ns."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka.bootstrap, enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign(
            [TopicPartition(wire.FINDINGS, p) for p in range(settings.kafka.partitions)]
        )
        await consumer.seek_to_end()
        while not stop.is_set():
            records = await consumer.getmany(timeout_ms=200)
            now_ns = time.time_ns()
            for batch in records.values():
                for record in batch:
                    finding = wire.decode_finding(record.value)
                    if finding.phase == "raised":
                        seen.setdefault((finding.rule, finding.channel, finding.onset_ms), now_ns)
    finally:
        await consumer.stop()


async def follow_rows(
    settings: Settings,
    planted: list[tuple[str, int]],
    seen: dict[tuple[str, int], int],
    stop: asyncio.Event,
) -> None:
    """Looks for the rows of steps that have a finding; notes when each is there."""
    connection = await psycopg.AsyncConnection.connect(
        db.conninfo(settings.postgres), autocommit=True
    )
    # Row by row through the key, whatever the planner believes of a table that grows: as a plain
    # join this question alone took PostgreSQL a tenth of a core.
    question = (
        "select w.channel, w.at from unnest(%s::int4[], %s::int8[]) w(channel, at)"
        " cross join lateral (select 1 from reading r where r.channel = w.channel"
        " and r.time = to_timestamp(w.at / 1000.0) limit 1) found"
    )
    names: dict[int, str] = {}
    ids: dict[str, int] = {}
    while not stop.is_set():
        look = planted[:LOOK_AT]
        if new := [name for name, _ in look if name not in ids]:
            cursor = await connection.execute(
                "select name, id from channel where name = any(%s)", (new,)
            )
            ids.update(await cursor.fetchall())
            names = {number: name for name, number in ids.items()}
        if known := [(ids[name], at_ms) for name, at_ms in look if name in ids]:
            cursor = await connection.execute(question, tuple(map(list, zip(*known, strict=True))))
            now_ns = time.time_ns()
            for number, at_ms in await cursor.fetchall():
                seen[names[number], at_ms] = now_ns
                planted.remove((names[number], at_ms))
        await asyncio.sleep(LOOK_S)
    await connection.close()


async def load_run(chain: Chain, arguments: argparse.Namespace, run: int) -> dict:
    """One run: generator, followers, quiescence; returns the figures."""
    plan = Plan(
        rate=arguments.rate, seconds=arguments.seconds, per_message=arguments.per_message,
        n_channels=arguments.spread or arguments.channels, channels_per_device=100,
        host=chain.settings.mqtt.host, port=chain.settings.mqtt.port, boot=run + 1, seed=run + 1,
        steps=arguments.steps, leaks=arguments.leaks, client_id=f"lifeline-load-{run}",
        plant_after_s=min(5.0, arguments.seconds / 4),
    )  # fmt: skip
    clear_the_desk(chain)
    stop = asyncio.Event()
    findings: dict[tuple[str, str, int], int] = {}
    rows: dict[tuple[str, int], int] = {}
    waiting: list[tuple[str, int]] = []
    followers = [
        asyncio.create_task(follow_findings(chain.settings, findings, stop)),
        asyncio.create_task(follow_rows(chain.settings, waiting, rows, stop)),
        asyncio.create_task(_feed(findings, waiting, stop)),
    ]
    await asyncio.sleep(1.5)
    stored_before = count_rows(chain.settings)
    counted = metric(chain.ports["archive"], STORED)
    before = {name: processes.cpu_s(pid) for name, pid in chain.pids.items()}
    began = time.monotonic()
    generator = await asyncio.create_subprocess_exec(
        sys.executable, "-c", GENERATOR, msgspec.json.encode(plan).decode(),
        stdout=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    sampler = asyncio.create_task(_sample_rss(chain, stop))
    out, _ = await asyncio.wait_for(generator.communicate(), arguments.seconds + 120)
    report = msgspec.json.decode(out, type=Report)
    during_s = time.monotonic() - began
    stored_at_end = int(metric(chain.ports["archive"], STORED) - counted)
    waited_s = await _until_stored(chain, counted, report.readings)
    after = {name: processes.cpu_s(pid) for name, pid in chain.pids.items()}
    wall_s = time.monotonic() - began
    await asyncio.sleep(1.0)
    stop.set()
    stored = count_rows(chain.settings) - stored_before
    await asyncio.wait(followers, timeout=5.0)
    rss = await sampler
    return figures(chain, report, findings, rows, {
        "stored": stored, "stored_at_end": stored_at_end, "stored_after_s": round(waited_s, 1),
        "during_s": round(during_s, 1), "wall_s": round(wall_s, 1), "rss": rss,
        "cpu": {name: after[name] - before[name] for name in after},
    })  # fmt: skip


def clear_the_desk(chain: Chain) -> None:
    """Closes what an earlier run left open: an asset with an open incident is not pushed anew."""
    opened = store.open_catalog(chain.settings.catalog.compiled)
    database = db.Database(chain.settings.postgres, connections=1)
    try:
        database.run_now(lambda c: close_leftovers(c, Wording(opened, chain.settings.router)))
    finally:
        database.close()


async def _feed(
    findings: dict[tuple[str, str, int], int], waiting: list[tuple[str, int]], stop: asyncio.Event
) -> None:
    fed: set[tuple[str, str, int]] = set()
    while not stop.is_set():
        for key in [k for k in findings if k not in fed and k[0] == STEP_RULE]:
            fed.add(key)
            waiting.append((key[1], key[2]))
        await asyncio.sleep(LOOK_S)


async def _sample_rss(chain: Chain, stop: asyncio.Event) -> dict[str, list[float]]:
    samples: dict[str, list[float]] = {name: [] for name in chain.pids}
    while not stop.is_set():
        for name, pid in chain.pids.items():
            samples[name].append(processes.rss_mb(pid))
        await asyncio.sleep(1.0)
    return samples


def count_rows(settings: Settings) -> int:
    """Rows of benchmark channels, by the estimate-free way."""
    with db.connect(settings.postgres) as connection:
        connection.execute("set statement_timeout = 0")
        row = connection.execute(
            "select count(*) from reading r where r.quality & 4096 = 0"
            " and r.channel in (select id from channel where lifeline = 'bench')"
        ).fetchone()
    assert row is not None
    return int(row[0])


async def _until_stored(chain: Chain, before: float, sent: int) -> float:
    """How long it took, by archive's own counter, which costs the database nothing."""
    began = time.monotonic()
    while time.monotonic() - began < STORED_S:
        if metric(chain.ports["archive"], STORED) - before >= sent:
            break
        await asyncio.sleep(0.25)
    return time.monotonic() - began


def figures(
    chain: Chain,
    report: Report,
    findings: dict,
    rows: dict,
    measured: dict,
) -> dict:
    """The figures of one run, in the fields that docs/performance.md shows."""
    steps = [p for p in report.planted if not p.is_leak]
    to_finding = [
        (findings[key] - p.sent_ns) / 1e6
        for p in steps
        if (key := (STEP_RULE, p.channel, p.at_ms)) in findings
    ]
    to_row = [
        (rows[p.channel, p.at_ms] - p.sent_ns) / 1e6 for p in steps if (p.channel, p.at_ms) in rows
    ]
    accepted = _accepted(chain.record)
    leaks = [p for p in report.planted if p.is_leak]
    to_push = [
        accepted[key] - p.sent_ns / 1e6 for p in leaks if (key := (p.asset, p.at_ms)) in accepted
    ]
    cpu = measured["cpu"]
    share = sum(cpu.values()) / measured["wall_s"] / (os.cpu_count() or 1)
    return {
        "sent": report.readings,
        "stored": measured["stored"],
        "stored_at_end": measured["stored_at_end"],
        "stored_after_s": measured["stored_after_s"],
        "duplicates": int(metric(chain.ports["archive"], "lifeline_rows_duplicate_total")),
        "findings": [len(to_finding), len(steps)],
        "finding_p50_ms": _quantile(to_finding, 0.5),
        "finding_p99_ms": _quantile(to_finding, 0.99),
        "pushes": [len(to_push), len(leaks)],
        "push_p50_ms": _quantile(to_push, 0.5),
        "push_p95_ms": _quantile(to_push, 0.95),
        "push_p99_ms": _quantile(to_push, 0.99),
        "stored_p50_ms": _quantile(to_row, 0.5),
        "stored_p99_ms": _quantile(to_row, 0.99),
        "cpu_share": round(share, 3),
        "cpu_us_per_reading": {
            name: round(s / report.readings * 1e6, 3) for name, s in cpu.items()
        },
        "rss_mb": {
            name: round(max(samples, default=0.0)) for name, samples in measured["rss"].items()
        },
        "rss_growth_mb": {
            name: round(_growth(samples), 1) for name, samples in measured["rss"].items()
        },
        "generator": {
            "cpu_us_per_reading": round(report.cpu_s / report.readings * 1e6, 3),
            "behind_s_max": round(report.behind_s_max, 2),
            "acknowledged": [report.pubacks, report.messages],
            "elapsed_s": round(report.elapsed_s, 1),
        },
        "wall_s": measured["wall_s"],
    }


def _accepted(record: Path) -> dict[tuple[str, int], float]:
    """(asset, onset) -> unix ms at which the stand-in for the platform accepted the push."""
    accepted: dict[tuple[str, int], float] = {}
    for line in record.read_text().splitlines() if record.exists() else ():
        entry = json.loads(line)
        if entry["verdict"] == "accepted":
            body = entry["body"]
            key = _of_cap(body) if body.startswith("<") else _of_notice(json.loads(body))
            accepted.setdefault(key, entry["received_ms"])
    return accepted


def _of_notice(body: dict) -> tuple[str, int]:
    return body["asset"]["name"], body["onset_ms"]


def _of_cap(document: str) -> tuple[str, int]:
    """Asset and onset of a CAP document: it says the onset to the millisecond as a parameter."""
    info = next(etree.fromstring(document.encode()).iter("{*}info"))
    told = {
        one.findtext("{*}valueName"): one.findtext("{*}value") for one in info.iter("{*}parameter")
    }
    return told["asset"], int(told["sinceMs"])


def _quantile(values: list[float], q: float) -> float | None:
    return round(float(np.quantile(values, q)), 1) if values else None


def _growth(samples: list[float]) -> float:
    """Last tenth against the second tenth: what a longer run would add."""
    tenth = max(1, len(samples) // 10)
    if len(samples) < 5:
        return 0.0
    return statistics.fmean(samples[-tenth:]) - statistics.fmean(samples[tenth : 2 * tenth])


def summary(runs: list[dict]) -> dict:
    """Minimum, median and maximum of every number over the runs."""
    made: dict = {}
    for name, first in runs[0].items():
        values = [run[name] for run in runs]
        if isinstance(first, dict):
            made[name] = summary([v for v in values if isinstance(v, dict)])
        elif all(isinstance(v, int | float) for v in values):
            made[name] = [min(values), statistics.median(values), max(values)]
        else:
            made[name] = values
    return made


def main() -> None:
    """Reads the arguments, runs, prints a line a run, and writes the report."""
    parser = flags(__doc__)
    parser.add_argument("--rate", type=float, default=116_000, help="readings a second")
    parser.add_argument(
        "--per-message", type=int, default=100, help="channels a message, one reading each"
    )
    parser.add_argument("--seconds", type=float, default=60, help="how long a run sends")
    parser.add_argument("--ingest", type=int, default=1, help="ingest processes")
    parser.add_argument("--channels", type=int, default=10_000, help="channels in the catalog")
    parser.add_argument("--spread", type=int, default=0, help="channels that send; 0: all")
    parser.add_argument("--steps", type=int, default=1000, help="planted findings in a run")
    parser.add_argument("--leaks", type=int, default=20, help="planted findings that are pushed")
    parser.add_argument(
        "--format", default="json", choices=("json", "cap", "cap-gb"), help="how pushes are told"
    )
    parser.add_argument("--repeat", type=int, default=1, help="runs, one after the other")
    parser.add_argument(
        "--full-bank", action="store_true", help="every common detector, and groups of channels"
    )
    parser.add_argument("--keep", action="store_true", help="keep data and logs at the end")
    arguments = parser.parse_args()
    runs = []
    with running(
        arguments,
        keep=arguments.keep,
        told_as=arguments.format,
        full_bank=arguments.full_bank,
    ) as chain:
        for run in range(arguments.repeat):
            runs.append(asyncio.run(load_run(chain, arguments, run)))
            print(f"run {run + 1}: {json.dumps(runs[-1])}", file=sys.stderr)
        versions = chain.stack.addresses().versions
    put(
        arguments.json,
        {"versions": versions, "runs": runs, "minimum_median_maximum": summary(runs)},
    )


if __name__ == "__main__":
    main()
