"""The whole chain on real servers: every stage a process, addressed by settings alone."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psycopg

from alerting.audit import service as audit
from alerting.audit import store as audit_store
from alerting.audit import words
from lifeline.catalog import Source
from lifeline.stack import Stack
from lifeline.stack.processes import free_port
from tests.faults.checker import Call, Incident, Page, Push, Row
from tests.faults.keeper import Keeper, python
from tests.faults.ledger import Tail
from tests.faults.town import as_toml
from tests.integration.conftest import new_stack

SERVICES = ("ingest", "detect", "archive", "router", "watchdog", "console")
READY_S = 40.0
ROSTER = """
timezone = "Asia/Shanghai"

[[persons]]
name = "li"
title = { zh = "值班员", en = "Officer" }
addresses = { phones = "1" }

[[desks]]
name = "desk"
title = { zh = "值班席", en = "Desk" }
standing = { on-duty = ["li"] }
""" + "".join(
    f"""
[[chains]]
grade = {grade}
remind_s = 3
progress_s = 3600
steps = [
  {{ after_s = 0, whom = "on-duty", targets = ["phones"] }},
  {{ after_s = 5, whom = "everyone", targets = ["phones"] }},
]
"""
    for grade in (1, 2)
)
"""One officer, called about both lifelines, and soon again: deadlines fall due all the time."""
POLL_S = 0.05


def wait_for(fact: Callable[[], bool], within_s: float) -> bool:
    """Whether the fact became true in time."""
    deadline_s = time.monotonic() + within_s
    while not fact():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(POLL_S)
    return True


@dataclass(slots=True)
class World:
    """Servers, topics, tables, catalog, receiver and services; leaving it ends all of them."""

    sources: Sequence[Source]
    stack: Stack = field(default_factory=new_stack)
    services: tuple[str, ...] = SERVICES
    settings: dict[str, str] = field(default_factory=dict)
    """More of the environment, for every service."""
    keeper: Keeper = field(init=False)
    ports: dict[str, int] = field(default_factory=dict)
    _link: psycopg.Connection | None = None
    _tail: Tail | None = None
    _received: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.keeper = Keeper(self.stack)

    @property
    def folder(self) -> Path:
        return self.stack.folder

    @property
    def record(self) -> Path:
        """What the receiver of pushes wrote."""
        return self.folder / "pushes.jsonl"

    def __enter__(self) -> Self:
        try:
            self._begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.keeper.finish()
        if self._link is not None:
            self._link.close()
        self.stack.remove()

    def _begin(self) -> None:
        self.stack.start()
        catalog = self.folder / "catalog"
        catalog.mkdir()
        for source in self.sources:
            (catalog / f"{source.lifeline.name}.toml").write_text(as_toml(source))
        (self.folder / "secret").write_text("a secret of this test\n")
        (self.folder / "arm").mkdir()
        self.run("migrate")
        self.keeper.begin()
        (self.folder / "roster.toml").write_text(ROSTER)
        environment = self.environment()
        words = [str(self.ports["receiver"]), str(self.folder / "secret"), str(self.record)]
        words.append(str(self.ports["console-pages"]))
        receiver = python("tests.faults.receiver", *words)
        self.keeper.want("receiver", receiver, self.log("receiver"), environment)
        assert wait_for(lambda: self.answers("receiver"), READY_S), "the receiver does not answer"
        for name in self.services:
            self.start(name)
        self.await_ready(*self.services)

    def environment(self) -> dict[str, str]:
        """What points a service at this world."""
        for name in ("watchdog-receiver", "console-pages", "receiver"):
            self.ports.setdefault(name, free_port())
        secret = str(self.folder / "secret")
        pushes = f"http://127.0.0.1:{self.ports['receiver']}"
        canaries = f"http://127.0.0.1:{self.ports['watchdog-receiver']}/canary"
        common = {"secret_file": secret, "private_allowed": True, "timeout_s": 5.0}
        to_platform = {"name": "platform", "url": f"{pushes}/incidents"} | common
        to_watchdog = {"name": "watchdog", "url": canaries} | common
        # Told of nobody's incidents by itself: it is the roster's.
        phones = {"name": "phones", "url": f"{pushes}/pages", "desks": ["nobody"]} | common
        partner = {"name": "platform", "keys": {"platform": secret}, "may": ["receipts"]}
        of_silence = {"name": "duty", "url": f"{pushes}/silence"} | common
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("LIFELINE_")},
            **self.stack.addresses().environment(),
            "LIFELINE_CATALOG_SOURCES": json.dumps([str(self.folder / "catalog")]),
            "LIFELINE_CATALOG_COMPILED": str(self.folder / "catalog.bin"),
            "LIFELINE_AUDIT_ANCHOR_FILE": str(self.folder / "anchors" / "audit.log"),
            "LIFELINE_ROUTER_PAST_FOLDER": str(self.folder / "past"),
            "LIFELINE_ROUTER_TARGETS": json.dumps([to_platform, to_watchdog, phones]),
            "LIFELINE_EXCHANGE_PARTNERS": json.dumps([partner]),
            "LIFELINE_PEOPLE_ROSTER": str(self.folder / "roster.toml"),
            "LIFELINE_WATCHDOG_TARGETS": json.dumps([of_silence]),
            "LIFELINE_WATCHDOG_PORT": str(self.ports["watchdog-receiver"]),
            "LIFELINE_WATCHDOG_SECRET_FILE": secret,
            "LIFELINE_WATCHDOG_TOLD_FILE": str(self.folder / "watchdog.json"),
            "LIFELINE_CONSOLE_PORT": str(self.ports["console-pages"]),
            "LIFELINE_CONSOLE_SECURE_COOKIE": "false",
            **self.settings,
        }

    def log(self, name: str) -> Path:
        return self.folder / "log" / f"{name}.log"

    def run(self, *words: str) -> str:
        """The output of a ``lifeline`` command that must succeed within a minute."""
        done = subprocess.run(
            python("lifeline", *words),
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"lifeline {words}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, name: str, *, worker: str = "", sabotage: str = "none", **settings: str) -> str:
        """One process of a service under the hand of the launcher; returns its name here."""
        called = name + worker
        self.ports.setdefault(called, free_port())
        command = python("tests.faults.launch", str(self.folder / "arm"), called, sabotage, name)
        environ = {
            **self.environment(),
            "LIFELINE_TELEMETRY_PORT": str(self.ports[called]),
            **settings,
        }
        self.keeper.want(called, command, self.log(called), environ)
        return called

    def await_ready(self, *names: str) -> None:
        """Returns when each of these says that it is ready."""
        for name in names:
            is_ready = wait_for(lambda name=name: self.is_ready(name), READY_S)
            assert is_ready, f"{name} is not ready: {self.tail(name)}"

    def is_ready(self, name: str) -> bool:
        return self._get(self.ports[name], "/readyz") == 200

    def answers(self, name: str) -> bool:
        """Whether the HTTP server there speaks at all."""
        port = self.ports["console-pages" if name == "console" else name]
        return self._get(port, "/") is not None

    @staticmethod
    def _get(port: int, path: str) -> int | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2.0) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return None

    def metric(self, name: str, starts: str) -> float:
        """The sum of the samples whose line starts so, from the service's own page."""
        url = f"http://127.0.0.1:{self.ports[name]}/metrics"
        with urllib.request.urlopen(url, timeout=5.0) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(starts))

    def tail(self, name: str, lines: int = 12) -> str:
        try:
            return "\n".join(self.log(name).read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection]:
        """A connection of the programme's own, made anew after the server was away."""
        if self._link is None or self._link.closed or self._link.broken:
            dsn = self.stack.addresses().postgres_dsn
            self._link = psycopg.connect(
                dsn, autocommit=True, connect_timeout=2, options="-c statement_timeout=20000"
            )
        yield self._link

    def rows(self, from_ms: int, prefix: str = "") -> list[Row]:
        """Every stored reading from that time on; read in full, never through the key."""
        query = (
            "select c.name, (extract(epoch from r.time) * 1000)::bigint, r.value"
            " from reading r join channel c on c.id = r.channel"
            " where r.time >= to_timestamp(%s) and starts_with(c.name, %s)"
        )
        with self.database() as link, link.transaction():
            link.execute("set local enable_indexscan = off")
            link.execute("set local enable_indexonlyscan = off")
            link.execute("set local enable_bitmapscan = off")
            return [Row(*row) for row in link.execute(query, (from_ms / 1000, prefix))]

    def incidents(self, opened_from_ms: int = 0) -> list[Incident]:
        query = (
            "select id, asset, hazard, episode, lifeline, grade, opened_ms from incident"
            " where opened_ms >= %s and not drill"
        )
        with self.database() as link:
            return [Incident(*row) for row in link.execute(query, (opened_from_ms,))]

    def audit(self) -> list[str]:
        """What is wrong with the audit, given the anchors that the routers wrote."""
        file = self.folder / "anchors" / "audit.log"
        anchors, bad = audit.read((str(file),)) if file.exists() else ([], [])
        with self.database() as link, link.transaction():
            proof = audit_store.verified(link, anchors)
        return [*bad, *(words.sentence(problem, "en") for problem in proof.problems)]

    def received(self) -> list[dict[str, Any]]:
        """Everything that the receiver was sent."""
        if self._tail is None:
            self._tail = Tail(self.record)
        self._received += self._tail.news()
        return self._received

    def pushes(self) -> list[Push]:
        """What the receiver accepted of the router."""
        return [
            Push(
                line["key"],
                line["sha256"],
                line["incident"],
                line["asset"],
                line["hazard"],
                line["kind"],
                line["at_ms"],
            )
            for line in self.received()
            if line["accepted"] and line["path"] == "/incidents"
        ]

    def calls(self) -> list[Call]:
        """Every time that the telephone rang, answered or not."""
        return [
            Call(line["key"], line["sha256"], line["at_ms"], line["accepted"])
            for line in self.received()
            if line["path"] == "/pages"
        ]

    def signed(self) -> list[str]:
        """The keys of which the desk said that it had the receipt."""
        return [line["key"] for line in self.received() if line["path"] == "/receipt"]

    def pages(self) -> list[Page]:
        """Every page that was decided."""
        query = (
            "select key, incident, reason, (extract(epoch from created) * 1000)::int8,"
            " overtaken_at is not null, held_until is not null or ended_at is not null"
            " from outbox where class = 'page' and incident is not null"
        )
        with self.database() as link:
            return [Page(*row) for row in link.execute(query)]

    def receipts(self) -> list[str]:
        """The keys of the notices that were signed for, as the tables have it."""
        query = "select o.key from receipt r join outbox o on o.id = r.outbox"
        with self.database() as link:
            return [key for (key,) in link.execute(query)]

    def clocks(self) -> list[tuple[str, str]]:
        """Incidents, and which of their clocks for who has not answered runs."""
        query = "select subject, kind from deadline where kind in ('remind', 'escalate')"
        with self.database() as link:
            return [(subject, kind) for subject, kind in link.execute(query)]

    def taken(self) -> list[str]:
        """Incidents by the lines of the audit that say that somebody acknowledged them."""
        query = "select incident from audit where reason = 'acknowledged'"
        with self.database() as link:
            return [incident for (incident,) in link.execute(query)]

    def silences(self) -> int:
        """How often the watchdog told that the chain was silent."""
        return sum(line["path"] == "/silence" for line in self.received())
