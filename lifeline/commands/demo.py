"""``lifeline demo``: a city on this machine's own servers, and its story told as it happens."""

import asyncio
import fcntl
import os
import secrets
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Annotated, Literal

import typer
from psycopg import Connection

from alerting.actions import Act, Action
from alerting.board.rows import Sift
from alerting.board.store import queue
from alerting.console.accounts import store as users
from alerting.desk.store import perform
from alerting.notices import Wording
from alerting.people.service import read_roster
from alerting.policy import policy_of
from lifeline import db
from lifeline.commands.demo_officer import Officer
from lifeline.commands.demo_seat import OFFICER, Api
from lifeline.commands.demo_story import Story, read_lines
from lifeline.commands.migrate import build_catalog, create_topics
from lifeline.commands.outcome import fail, print_json, spoken
from lifeline.commands.supervisor import Supervisor, environment, lifeline_command
from lifeline.config import Settings
from lifeline.db import Database
from lifeline.demonstration import SETTINGS, Teller
from lifeline.stack import Stack, StackError
from lifeline.stack.processes import free_port, is_free
from lifeline.store import read_settings
from lifeline.telemetry import now_ms

USER = "demo"
SERVICES = ("ingest", "detect", "archive", "router", "watchdog", "console")
OLD = (
    "truth.jsonl", "spool.db", "spool.db-wal", "spool.db-shm", "log/sensors.log", "repairs",
)  # fmt: skip
LOOK_S = 0.1
STORED_S = 30.0
Until = Literal["push", "calm", "closed", "stopped"]
Ended = Literal["happened", "late", "stuck", "interrupted"]


def demo(
    until: Annotated[
        Until,
        typer.Option(
            help="push: end after the first; calm: after all scenarios; closed: when what can be"
            " closed is; stopped: Ctrl-C."
        ),
    ] = "stopped",
    report: Annotated[
        str, typer.Option(help="Write the figures as JSON there; - prints them.")
    ] = "",
    folder: Annotated[Path, typer.Option(help="Data of servers and demo; used again.")] = Path(
        ".lifeline/demo"
    ),
    language: Annotated[str, typer.Option(help="zh or en; default by your locale.")] = "",
    seed: Annotated[int, typer.Option(help="The same seed makes the same city.")] = 1,
    limit: Annotated[float, typer.Option(help="Seconds for --until, then exit status 1.")] = 300.0,
) -> None:
    """Run a demo city: four lifelines, real servers, a leak from its first reading to its push.

    With `closed` it plays the duty officer too: from the push to the archive.

    Example:  lifeline demo --until push --report -
    """
    tongue = language or ("zh" if os.environ.get("LANG", "").startswith("zh") else "en")
    with spoken():
        try:
            teller = Teller(tongue, typer.echo if report != "-" else _to_stderr)
            figures = _Demo(folder.resolve(), teller, seed).run(until, limit)
        except StackError as error:
            raise fail(str(error)) from error
    if report == "-":
        print_json(figures)
    elif report:
        target = Path(report)
        target.write_text(_json(figures), encoding="utf-8")
        teller.tell("report", where=str(target))
    if figures["ended"] == "stuck":
        raise fail(teller.said("failed", folder=str(folder.resolve())), 1)
    if figures["ended"] == "late":
        raise fail(teller.said("late", limit_s=f"{limit:.0f}"), 1)
    if figures["ended"] == "interrupted" and until != "stopped":
        raise typer.Exit(130)


def close_leftovers(connection: Connection, wording: Wording) -> int:
    """Closes what an earlier demo left open, as itself, so that its story begins anew."""
    steps: tuple[Action, ...] = ("acknowledge", "close")
    closed = 0
    while left := queue(connection, Sift()):
        before = closed
        for one in left:
            for action in steps:
                wanted = Act(
                    incident=one.summary.id, action=action, actor=USER, channel="demo",
                    note="earlier demonstration ended", override=True, second=f"{USER}, again",
                    verdict="test", code="maintenance",
                )  # fmt: skip
                done = perform(connection, wording, wanted, now_ms())
            closed += done.is_done
        if closed == before:
            break  # What cannot be closed now would be listed for ever.
    return closed


def _to_stderr(text: str) -> None:
    typer.echo(text, err=True)


def _json(figures: dict[str, object]) -> str:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(figures), indent=1).decode() + "\n"


class _Demo:
    """One demo in one folder: what was started, and what came of it."""

    def __init__(self, folder: Path, teller: Teller, seed: int) -> None:
        self.folder = folder
        self.teller = teller
        self.seed = seed
        self.began_s = time.monotonic()
        self.supervisor = Supervisor(
            lambda name, text: teller.tell("service", name=name, text=text)
        )

    def run(self, until: Until, limit_s: float) -> dict[str, object]:
        """Starts everything, tells the story, stops what it started; returns the figures."""
        stopping: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda signum, _frame: stopping.append(signum))
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = self._alone()
        stack = Stack(self.folder / "stack", self._server_up)
        try:
            self.teller.tell("servers")
            addresses = stack.start()
            servers_up_s = time.monotonic() - self.began_s
            self.teller.tell("servers-up", seconds=f"{servers_up_s:.1f}")
            settings = self._settings(stack)
            self._prepare(settings)
            story = Story(
                settings, self.teller, self.folder, began_ms=now_ms(), posts=self._posts(settings)
            )
            story.up_s = self.began_s + servers_up_s
            self._start(settings)
            following = self._follow(story, until, limit_s, lambda: bool(stopping))
            ended, closed = asyncio.run(following)
            figures = self._figures(story, servers_up_s, ended)
            return {**figures, "closed": closed, "versions": addresses.versions}
        finally:
            self.teller.tell("stopping")
            self.supervisor.stop()
            stack.stop()
            self.teller.tell("stopped")
            if any(one.running for one in stack.status()):
                self.teller.tell("still-there", folder=str(self.folder / "stack"))
            lock.close()

    def _alone(self) -> IO[bytes]:
        """Holds the folder while the file is open; a demo that runs in it already is refused."""
        lock = (self.folder / "demo.lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise fail(self.teller.said("taken", folder=str(self.folder))) from error
        return lock

    def _server_up(self, name: str, seconds: float, text: str) -> None:
        self.teller.tell("server", name=name, seconds=f"{seconds:.1f}", text=text)

    def _settings(self, stack: Stack) -> Settings:
        """The demo's lifeline.toml: ports and secrets are chosen once and used again."""
        file = self.folder / "lifeline.toml"
        secret_folder = self.folder / "secrets"
        secret_folder.mkdir(mode=0o700, exist_ok=True)
        for name in ("platform", "watchdog", USER, OFFICER):
            secret = secret_folder / name
            if not secret.exists():
                secret.touch(mode=0o600)
                secret.write_text(secrets.token_urlsafe(16), encoding="utf-8")
        addresses = stack.addresses()
        ports = self._ports()
        file.write_text(
            SETTINGS.format(
                mqtt_host=addresses.mqtt_host, mqtt_port=addresses.mqtt_port,
                kafka=addresses.kafka_bootstrap, dsn=addresses.postgres_dsn,
                folder=self.folder, **ports,
            ),
            encoding="utf-8",
        )  # fmt: skip
        return read_settings(str(file))[0]

    def _ports(self) -> dict[str, int]:
        wanted = {"console": 8080, "watchdog": 8090, "platform": 8091}
        return {name: port if is_free(port) else free_port() for name, port in wanted.items()}

    def _posts(self, settings: Settings) -> dict[str, str]:
        """Of each number in the roster, whose it is."""
        language = self.teller.language
        return {
            address: person.title.said(language)
            for person in read_roster(settings).rota.persons
            for address in person.addresses.values()
            if address
        }

    def _password(self, user: str) -> str:
        return (self.folder / "secrets" / user).read_text(encoding="utf-8")

    def _prepare(self, settings: Settings) -> None:
        catalog = build_catalog(settings)
        asyncio.run(create_topics(settings.kafka))
        db.migrate(settings.postgres, lambda name: self.teller.tell("migration", name=name))
        database = Database(settings.postgres, connections=1)
        try:
            for user in (USER, OFFICER):
                users.create_user(database, user, "officer", self._password(user), replace=True)
            policy = policy_of(settings.grading, settings.life, catalog.head.rules)
            wording = Wording(catalog, settings.router, policy=policy)
            closed = database.run_now(lambda c: close_leftovers(c, wording))
        finally:
            database.close()
        if closed:
            self.teller.tell("leftovers", number=str(closed))
        self.teller.tell("city", channels=str(catalog.head.n_channels))

    def _start(self, settings: Settings) -> None:
        file = str(self.folder / "lifeline.toml")
        logs = self.folder / "log"
        port = settings.router.targets[0].url.split(":")[2].split("/")[0]
        platform = lifeline_command(
            "simulate", "--platform", "--port", port,
            "--secret-file", settings.router.targets[0].secret_file,
            "--record", str(self.folder / "pushes.jsonl"),
            "--callback", f"http://127.0.0.1:{settings.console.port}",
        )  # fmt: skip
        # What an earlier city still owed is not this one's story.
        for old in OLD:
            (self.folder / old).unlink(missing_ok=True)
        sensors = lifeline_command(
            "simulate", "--config", file, "--seed", str(self.seed),
            "--spool", str(self.folder / "spool.db"),
            "--truth", str(self.folder / "truth.jsonl"), "--drain", "6", "--json",
            "--repairs", str(self.folder / "repairs"),
        )  # fmt: skip
        self.supervisor.add("sensors", sensors, logs / "sensors.log", environment({}))
        self.supervisor.add("platform", platform, logs / "platform.log", environment({}))
        for name in SERVICES:
            more = {"LIFELINE_TELEMETRY_PORT": str(free_port())}
            self.supervisor.add(
                name,
                lifeline_command(name, "--config", file),
                logs / f"{name}.log",
                environment(more),
            )
        self.teller.tell(
            "console", url=settings.router.public_url, user=USER, password=self._password(USER)
        )

    def _officer(self, story: Story) -> Officer:
        """Plays the duty officer from here on."""
        settings = story.settings
        officer = Officer(
            self.teller,
            Api(f"http://127.0.0.1:{settings.console.port}", self.teller.language),
            self.folder,
            story.since_s,
            settings.life.quiet_s,
            self._password(OFFICER),
        )
        story.on_push = officer.hear
        self.teller.tell("officer", user=OFFICER)
        officer.begin()
        return officer

    async def _follow(
        self, story: Story, until: Until, limit_s: float, is_stopped: Callable[[], bool]
    ) -> tuple[Ended, list[dict[str, object]]]:
        """Tells what happens until the end asked for, or time runs out, or somebody stops it.

        Returns also how far the officer came with each incident.
        """
        following = asyncio.create_task(story.follow_findings())
        officer = self._officer(story) if until == "closed" else None
        try:
            ended = await self._watch(story, until, limit_s, is_stopped, officer)
        finally:
            following.cancel()
            await asyncio.wait({following}, timeout=5.0)
            if officer is not None:
                await officer.end()
        cases = officer.cases.values() if officer is not None else ()
        return ended, [case.figures() for case in cases]

    async def _watch(
        self,
        story: Story,
        until: Until,
        limit_s: float,
        is_stopped: Callable[[], bool],
        officer: Officer | None,
    ) -> Ended:
        deadline_s = time.monotonic() + limit_s
        while not is_stopped():
            self.supervisor.tend()
            story.look()
            if (until == "push" and story.first_push_s) or (
                until == "calm" and story.is_complete()
            ):
                return "happened"
            if officer is not None and officer.is_done():
                officer.tell_end()
                return "happened"
            if officer is not None and officer.is_stuck:
                return "stuck"
            if until != "stopped" and time.monotonic() > deadline_s:
                return "late"
            await asyncio.sleep(LOOK_S)
        return "interrupted"

    def _figures(self, story: Story, servers_up_s: float, ended: Ended) -> dict[str, object]:
        """What was sent and stored: the sensors stop first, then archive gets time to finish.

        Who was interrupted is not kept waiting.
        """
        sensors = next(child for child in self.supervisor.children if child.name == "sensors")
        self.supervisor.stop_one(sensors)
        said = read_lines(sensors.log)
        sent = said[-1].get("readings") if said else None
        until_s = time.monotonic() + (STORED_S if ended != "interrupted" and sent else 0.0)
        while (stored := story.stored()) < (sent or 0) and time.monotonic() < until_s:
            time.sleep(0.5)
        return {
            "ended": ended,
            "servers_up_s": round(servers_up_s, 2),
            "first_finding_s": story.first_finding_s,
            "first_push_s": story.first_push_s,
            "readings_sent": sent,
            "readings_stored": stored,
            "incidents": story.incidents(),
            "scenarios": story.outcomes(),
        }
