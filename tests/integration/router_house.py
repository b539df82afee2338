"""What the router's tests share: a platform that keeps pushes, routers as processes, findings."""

import asyncio
import hashlib
import os
import random
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer

from lifeline import config, signing, wire
from lifeline.model import Finding
from tests.faults.checker import Call
from tests.integration.rig import PARTITIONS, Rig

SECRET = "between router and platform"
ROUTER = """
import os, signal, sys, time
from lifeline import crashpoints
from lifeline.commands import serve
real, real_ns, ahead_s = time.time, time.time_ns, 0
def jump(by_s):
    global ahead_s
    ahead_s = by_s
time.time, time.time_ns = lambda: real() + ahead_s, lambda: real_ns() + ahead_s * 10**9
signal.signal(signal.SIGUSR1, lambda *_: jump(3600))
signal.signal(signal.SIGUSR2, lambda *_: jump(-7200))
if "bug-in-rules" in sys.argv:
    from alerting.correlate import Correlator
    def broken(self, finding):
        raise KeyError(finding.asset)
    Correlator.reach = broken
elif len(sys.argv) > 1:
    crashpoints.armed[sys.argv[1]] = lambda: os._exit(99)
serve.router(None)
"""
"""A router of which SIGUSR1 and SIGUSR2 set the clock; it may die at a crash point."""


class Platform(ThreadingHTTPServer):
    """The receiver: checks signatures, keeps every push that came, answers as it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.pushes: list[tuple[str, bytes]] = []
        self.calls: list[Call] = []
        """Whatever came to ``/pages``."""
        self.is_strict = False
        """Whether a signature that does not hold is refused."""
        self.is_engaged = False
        """Whether telephones are."""
        self.problems: list[str] = []
        self.status = 200
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def keys(self) -> list[str]:
        return [key for key, _ in self.pushes]

    def notices(self) -> list[wire.Notice]:
        return [wire.decode_notice(body) for _, body in self.pushes]


class _Answer(BaseHTTPRequestHandler):
    server: Platform

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        problem = signing.problem(SECRET, dict(self.headers), body, int(time.time()))
        if problem:
            self.server.problems.append(problem)
        status, key = self.server.status, self.headers["Idempotency-Key"]
        if problem and self.server.is_strict:
            status = 401
        elif self.path == "/pages":
            status = 503 if self.server.is_engaged else status
            sha256 = hashlib.sha256(body).hexdigest()
            now_ms = time.time_ns() // 1_000_000
            self.server.calls.append(Call(key, sha256, now_ms, is_answered=status == 200))
        elif status == 200:
            self.server.pushes.append((key, body))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b'{"accepted": true}')

    def log_message(self, *_: Any) -> None:
        pass


@dataclass(slots=True)
class House:
    """One test's rig, platform and routers."""

    rig: Rig
    platform: Platform
    settings: config.Router
    more: dict[str, str] = field(default_factory=dict)
    """More of the routers' environment."""
    count: int = 0
    sent: list[Finding] = field(default_factory=list)

    def start(self, crash: str = "") -> "subprocess.Popen[bytes]":
        from lifeline.stack.processes import free_port

        port = free_port()
        env = os.environ | {
            **self.rig.addresses.environment(),
            "LIFELINE_POSTGRES_DSN": self.rig.dsn,
            "LIFELINE_CATALOG_COMPILED": str(self.rig.folder / "catalog.bin"),
            "LIFELINE_AUDIT_ANCHOR_FILE": str(self.rig.folder / "anchors" / "audit.log"),
            "LIFELINE_ROUTER_PAST_FOLDER": str(self.rig.folder / "past"),
            "LIFELINE_TELEMETRY_PORT": str(port),
            "LIFELINE_TELEMETRY_LOG": "json",
            "LIFELINE_ROUTER_TARGETS": msgspec.json.encode(self.settings.targets).decode(),
            **self.more,
        }
        with (self.rig.folder / "router.log").open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-c", ROUTER, *([crash] if crash else [])],
                env=env,
                stdout=out,
                stderr=out,
            )
        self.rig.processes.append(process)
        self.rig.ports[process.pid] = port
        return process

    def ready(self) -> "subprocess.Popen[bytes]":
        process = self.start()
        self.rig.wait_ready(process)
        return process

    def finding(self, well: int = 0, **changes: Any) -> Finding:
        """A leak at a well, now; each another excursion."""
        self.count += 1
        now_ms = time.time_ns() // 1_000_000
        base = Finding(
            id=f"{now_ms:x}-{self.count}",
            phase="raised",
            zone="gas/east",
            asset=f"gas/well-{well}",
            lifeline="gas",
            channel=f"gas/well-{well}/ch4",
            rule="gas.ch4",
            detector="threshold",
            hazard="gas-leak",
            grade=1,
            onset_ms=now_ms,
            at_ms=now_ms,
            received_ms=now_ms,
            code="above-limit",
            value=23.0,
            unit="%LEL",
            limit=20.0,
        )
        return msgspec.structs.replace(base, **changes)

    def publish(self, *findings: Finding | bytes) -> None:
        bodies = [f if isinstance(f, bytes) else wire.encode_finding(f) for f in findings]
        asyncio.run(_publish(self.rig.addresses.kafka_bootstrap, bodies))

    def incidents(self) -> list[tuple[Any, ...]]:
        return self.rig.rows(
            "select id, asset, episode, phase, revision from incident order by opened_ms"
        )

    def delivered(self) -> dict[str, bytes]:
        return dict(self.rig.rows("select key, body from outbox where delivered_at is not null"))

    def waiting(self) -> int:
        return int(self.rig.rows("select count(*) from outbox where delivered_at is null")[0][0])


async def _publish(bootstrap: str, bodies: list[bytes]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        partition = wire.partition_of("gas/east", PARTITIONS)
        for body in bodies:
            await producer.send_and_wait(wire.FINDINGS, body, partition=partition)
    finally:
        await producer.stop()


def wild_findings(house: House, chance: random.Random, n: int) -> list[Finding]:
    """Raises, holds, clears, rises, re-deliveries and back-fill over three wells."""
    made: list[Finding] = []
    for _ in range(n):
        before = chance.choice(made) if made and chance.random() < 0.6 else None
        if before is None:
            lane = chance.choice(("live", "live", "late", "historical"))
            back_ms = 0 if lane == "live" else chance.randint(0, 5000)
            one = house.finding(chance.randint(0, 2), grade=chance.randint(1, 4), lane=lane)
            made.append(msgspec.structs.replace(one, onset_ms=one.onset_ms - back_ms))
            continue
        phase = chance.choice(("raised", "held", "cleared", "cleared"))
        at_ms = before.at_ms + chance.randint(0, 3000)
        made.append(msgspec.structs.replace(before, phase=phase, at_ms=at_ms))
    return made
