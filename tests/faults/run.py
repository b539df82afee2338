"""One run of the generator on a world: start, faults meanwhile, quiescence, and the verdict."""

import functools
import itertools
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import msgspec
import psycopg

from tests.faults import checker
from tests.faults.checker import Calls, Evidence, Recovery
from tests.faults.generator import Plan
from tests.faults.keeper import python
from tests.faults.ledger import Ledger, Reader, Tail
from tests.faults.officer import Officer
from tests.faults.town import ZONES, sensors
from tests.faults.world import World, wait_for

BOUNDS_S = {
    "ingest": 5.0,
    "router": 5.0,
    "console": 5.0,
    "watchdog": 5.0,
    "detect": 12.0,
    "archive": 12.0,
    "mosquitto": 5.0,
    "kafka": 5.0,
    "postgresql": 15.0,
}
PATIENCE_S = 45.0
"""How long a recovery is waited for, beyond which it counts as none."""
QUIET_S = 60.0
CONTINUE_S = 60.0
STILL_S = 6.0
"""More than the generator's patience with a missing acknowledgement."""
STRAIN_MIN = 1.4
"""Below that the difference is measurement."""
STRAIN_MAX = 3.0


@dataclass(slots=True)
class Run:
    """The load and everything seen of it; used as a context it ends its generator."""

    world: World
    name: str
    seed: int
    first: int
    """The first of the world's sensors that this run uses; no other run may use them."""
    n: int = 200
    more: dict[str, Any] = field(default_factory=dict)
    """Fields of the generator's plan that differ from its defaults."""
    chance: random.Random = field(init=False)
    recoveries: list[Recovery] = field(default_factory=list)
    timeline: list[dict[str, Any]] = field(default_factory=list)
    began_ms: int = 0
    process: subprocess.Popen[bytes] | None = None
    exits_before: int = 0
    reader: Reader | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    """What else the report should say."""
    officer: Officer | None = None
    """Who takes incidents of this run, where somebody does."""

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    @property
    def folder(self) -> Path:
        return self.world.folder / "runs" / self.name

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        self.began_ms = now_ms()
        self.exits_before = len(self.world.keeper.exits)
        where = self.world.stack.addresses()
        plan = Plan(
            seed=self.seed,
            boot=int(time.time()),
            host=where.mqtt_host,
            port=where.mqtt_port,
            folder=str(self.folder),
            sensors=sensors(self.first, self.n),
            **self.more,
        )
        (self.folder / "plan.json").write_bytes(msgspec.json.encode(plan))
        with (self.folder / "generator.log").open("wb") as log:
            self.process = subprocess.Popen(
                python("tests.faults.generator", str(self.folder / "plan.json")),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={k: v for k, v in os.environ.items() if not k.startswith("LIFELINE_")},
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self.officer is not None:
            self.officer.end()
        self._tell("end")
        if self.process is not None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                self.process.wait(5.0)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def employ(self) -> None:
        """Somebody acknowledges every second incident, as soon as he sees it."""
        assets = frozenset(sensor.asset for sensor in sensors(self.first, self.n))
        self.officer = Officer(self.world, self.name, assets)
        self.officer.begin()

    def _tell(self, word: str) -> None:
        if self.process is not None and self.process.poll() is None:
            assert self.process.stdin is not None
            self.process.stdin.write(f"{word}\n".encode())
            self.process.stdin.flush()

    def status(self) -> dict[str, int]:
        try:
            said: dict[str, int] = json.loads((self.folder / "status.json").read_text())
        except FileNotFoundError:
            return {"made": 0, "owed": 0, "leaks": 0, "resent": 0}
        return said

    def ledger(self) -> Ledger:
        """What was sent and acknowledged until now."""
        if self.reader is None:
            self.reader = Reader(Tail(self.folder / "ledger.jsonl"))
        return self.reader.read()

    # Is the chain in its normal state again?  Each answers with the moment since when, or None.

    def acked_since(self, at_ms: int) -> int | None:
        """When a reading made after ``at_ms`` was acknowledged by ingest."""
        ledger = self.ledger()
        since = itertools.takewhile(lambda s: s.at_ms > at_ms, reversed(ledger.sent))
        times = [ledger.acked[s.key] for s in since if s.key in ledger.acked]
        return min(times, default=None)

    def pushed_since(self, at_ms: int, n: int = 1) -> int | None:
        """When ``n`` of the leaks planted after ``at_ms`` were accepted by the receiver."""
        leaks = [leak for leak in self.ledger().leaks if leak.onset_ms > at_ms]
        times = sorted(checker.first_pushes(leaks, self.world.pushes()).values())
        return times[n - 1] if len(times) >= n else None

    def stored_since(self, at_ms: int) -> int | None:
        """Now, when readings made after ``at_ms`` are stored in every zone."""
        names = [sensor.channel for sensor in sensors(self.first, self.n)[: 2 * ZONES]]
        query = (
            "select count(*) from channel c where c.name = any(%s) and exists (select 1"
            " from reading r where r.channel = c.id and r.time > to_timestamp(%s))"
        )
        try:
            with self.world.database() as link:
                row = link.execute(query, (names, at_ms / 1000)).fetchone()
        except psycopg.OperationalError:
            return None
        return now_ms() if row and row[0] == len(names) else None

    def answers_since(self, name: str) -> Callable[[int], int | None]:
        def ask(at_ms: int) -> int | None:
            is_up = self.world.keeper.pid(name) is not None and self.world.answers(name)
            return max(now_ms(), at_ms) if is_up else None

        return ask

    def sign_of(self, target: str) -> Callable[[int], int | None]:
        """What tells that this target does its work again."""
        match target:
            case "ingest" | "mosquitto" | "kafka":
                return self.acked_since
            case "archive" | "postgresql":
                return self.stored_since
            case "detect" | "router":
                return self.pushed_since
            case _:
                return self.answers_since(target)

    def recovered(
        self, target: str, fault: str, at_ms: int, strain: float = 1.0, *, leaks: int = 1
    ) -> Recovery:
        """Waits until the target, and the chain with it, works again; what it took is kept."""
        sign = self.sign_of(target)
        if leaks > 1:
            sign = functools.partial(self.pushed_since, n=leaks)
        since: int | None = None

        def is_back() -> bool:
            nonlocal since
            since = sign(at_ms)
            return since is not None

        wait_for(is_back, PATIENCE_S)
        seconds = None if since is None else max(0.0, (since - at_ms) / 1000)
        recovery = Recovery(target, fault, seconds, BOUNDS_S[target] * strain)
        self.recoveries.append(recovery)
        self.note(target, fault, recovery_s=seconds, strain=strain)
        whole = (self.acked_since, self.stored_since, self.pushed_since)
        flows = wait_for(lambda: all(ask(at_ms) is not None for ask in whole), PATIENCE_S)
        if not flows:
            self.recoveries.append(Recovery("chain", f"{fault} of {target}", None, PATIENCE_S))
        return recovery

    def note(self, target: str, what: str, **more: Any) -> None:
        self.timeline.append({"at_ms": now_ms(), "target": target, "what": what} | more)

    def kill(self, target: str) -> Recovery:
        """``kill -9`` at a random moment, and the way back."""
        time.sleep(self.chance.uniform(0.2, 1.5))
        strain = strain_now()
        at_ms = self.world.keeper.kill(target)
        self.note(target, "kill -9")
        return self.recovered(target, "kill -9", at_ms, strain)

    def crash(self, point: str, service: str, after: int) -> Recovery:
        """The service ends itself at the point's ``after``-th reach, and the way back."""
        order = self.world.folder / "arm" / f"{service}.json"
        done = order.with_suffix(".done")
        done.unlink(missing_ok=True)
        strain = strain_now()
        self.world.keeper.expect(service, point)
        fresh = order.with_suffix(".new")
        fresh.write_text(json.dumps({"point": point, "after": after}))
        fresh.replace(order)
        reached = wait_for(done.exists, CONTINUE_S)
        assert reached, f"{point} was not reached within {CONTINUE_S:.0f} s: seed {self.seed}"
        at_ms = int(done.stat().st_ctime_ns / 1e6)
        self.note(service, point, after=after)
        return self.recovered(service, point, at_ms, strain)

    def kill_while_kafka_stands_still(self, target: str) -> Recovery:
        """``kill -9`` when Kafka answers nothing: what is in memory is all that is lost."""
        strain = strain_now()
        pid = self.world.keeper.pid("kafka")
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(1.5)
            at_ms = self.world.keeper.kill(target)
            self.note(target, "kill -9 while kafka stands still")
        finally:
            os.kill(pid, signal.SIGCONT)
        return self.recovered(target, "kill -9 while kafka stands still", at_ms, strain)

    def settle(self, within_s: float = 40.0) -> None:
        """Ends the making of readings; returns when nothing has arrived for some seconds."""
        self._tell("calm")
        seen: tuple[int, ...] = ()
        since_s = time.monotonic()

        def is_still() -> bool:
            nonlocal seen, since_s
            time.sleep(0.5)
            now = self.evidence()
            counts = (len(now.rows), len(now.incidents), len(now.pushes), self.status()["owed"])
            if counts != seen:
                seen, since_s = counts, time.monotonic()
            return time.monotonic() - since_s > STILL_S

        wait_for(is_still, within_s)

    def calm(self, within_s: float = QUIET_S) -> bool:
        """Ends the making of readings; whether everything has arrived in time."""
        self._tell("calm")
        return wait_for(self._is_quiet, within_s)

    def _is_quiet(self) -> bool:
        time.sleep(0.5)  # This looks at everything, and the chain needs the processor more.
        if self.status()["owed"]:
            return False
        try:
            evidence = self.evidence()
        except psycopg.OperationalError:
            return False
        found = checker.lost(evidence.ledger, evidence.rows)
        found += checker.missed(evidence.ledger.leaks, evidence.incidents)
        found += checker.untold(evidence.ledger.leaks, evidence.incidents, evidence.pushes)
        assert evidence.people is not None
        found += checker.called(evidence.incidents, evidence.people)
        return not found and set(evidence.people.signed) >= {
            push.key for push in evidence.pushes if push.kind == "alert"
        }

    def evidence(self) -> Evidence:
        """Everything that is known of this run now."""
        world = self.world
        mine = {sensor.channel for sensor in sensors(self.first, self.n)}
        assets = {sensor.asset for sensor in sensors(self.first, self.n)}
        from_ms = self.began_ms - 1000
        incidents = [i for i in world.incidents() if i.asset in assets]
        pushes = [p for p in world.pushes() if p.asset in assets]
        return Evidence(
            ledger=self.ledger(),
            rows=[row for row in world.rows(from_ms) if row.channel in mine],
            incidents=incidents,
            pushes=pushes,
            people=self._people({i.id for i in incidents}, {p.key for p in pushes}),
            exits=world.keeper.exits[self.exits_before :],
            recoveries=self.recoveries,
        )

    def _people(self, incidents: set[str], keys: set[str]) -> Calls:
        # Who rang is read before what was decided: nothing may seem to ring that never was.
        world, calls, seen_ms = self.world, self.world.calls(), now_ms()
        pages = [page for page in world.pages() if page.incident in incidents]
        mine = {page.key for page in pages}
        return Calls(
            pages=pages,
            calls=[call for call in calls if call.key in mine],
            acknowledged={} if self.officer is None else dict(self.officer.taken),
            taken=world.taken(),
            clocks=[*world.clocks(), *([] if self.officer is None else self.officer.clocks)],
            signed=[key for key in world.signed() if key in keys],
            receipts=world.receipts(),
            seen_ms=seen_ms,
        )

    def close_books(self) -> dict[str, Any]:
        """The run's report; what was seen and what is broken."""
        evidence = replace(self.evidence(), audit=self.world.audit())
        first = checker.first_pushes(evidence.ledger.leaks, evidence.pushes)
        waits = sorted((at_ms - leak.onset_ms) / 1000 for leak, at_ms in first.items())
        others = [i for i in evidence.incidents if i.grade >= checker.GRADE_FAULT]
        return {
            "run": self.name,
            "seed": self.seed,
            "seconds": round((now_ms() - self.began_ms) / 1000, 1),
            "readings": len(evidence.ledger.sent),
            "acknowledged": len(evidence.ledger.acked),
            "resent": evidence.ledger.resent,
            "rows": len(evidence.rows),
            "leaks": len(evidence.ledger.leaks),
            "incidents": len(evidence.incidents) - len(others),
            "device_incidents": len(others),
            "pushes": len(evidence.pushes),
            "pages": len(evidence.people.pages) if evidence.people else 0,
            "acknowledged_incidents": len(self.officer.taken) if self.officer else 0,
            "receipts": len(set(evidence.people.signed)) if evidence.people else 0,
            "push_s": {
                "median": waits[len(waits) // 2],
                "p90": waits[len(waits) * 9 // 10],
                "max": waits[-1],
            }
            if waits
            else None,
            "recoveries": [asdict(r) for r in self.recoveries],
            "exits": [asdict(e) for e in evidence.exits],
            "timeline": self.timeline,
            "facts": self.facts,
            "violations": [str(v) for v in checker.check(evidence)],
        }


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def strain_now() -> float:
    """How much longer than alone a program takes on this machine now; bounds are for a free one.

    Measured before the fault, so that what a recovery costs by itself is no excuse for it.
    """
    wall_s, work_s = time.monotonic(), time.process_time()
    while time.process_time() - work_s < 0.05:
        pass
    ratio = (time.monotonic() - wall_s) / 0.05
    return 1.0 if ratio < STRAIN_MIN else round(min(ratio, STRAIN_MAX), 1)
