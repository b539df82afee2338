"""The roster's file, read again when it changes, and the nightly test page.  A shell."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
import structlog
from psycopg import Connection

from alerting.incidents import Incident
from alerting.notices import Push, Wording
from alerting.people import check, store, times
from alerting.people.paging import Paging
from alerting.people.reading import RosterError, parse
from alerting.people.roster import Calendar, Roster
from alerting.people.rota import Rota
from alerting.people.times import DAY_MS, Hours
from alerting.slices import Page
from alerting.store import now
from lifeline import telemetry
from lifeline.config import People, Settings
from lifeline.db import Database
from lifeline.errors import Unavailable
from lifeline.store import here_or_shipped, read_secret

Log = structlog.stdlib.BoundLogger
LOOK_S = 10.0
"""How often the roster's files and the hour of the test are looked at."""
CHECK_S = 3600.0
LATE_MS = 30 * 60_000
"""A test that nobody sent in time is passed over: nobody is tried in the middle of the night."""
SECRET_BYTES = 32


def read_roster(settings: Settings) -> Roster:
    """The roster with its calendars; raises RosterError with a sentence for everything wrong."""
    file = settings.people.roster
    path = here_or_shipped(file)
    rota = parse(_read(path, file).decode("utf-8", "replace"), file)
    calendars: dict[str, tuple[Calendar, ...]] = {}
    problems: list[str] = []
    for desk in rota.desks:
        if desk.calendar:
            try:
                calendars[desk.name] = (_calendar(path, desk.name, desk.calendar, rota),)
            except RosterError as error:
                problems += error.problems
    if problems:
        raise RosterError(problems)
    targets = frozenset(target.name for target in settings.router.targets)
    return Roster(rota, file, calendars, targets, settings.grading)


def _calendar(roster: Path, desk: str, name: str, rota: Rota) -> Calendar:
    from alerting.people import ical

    path = roster.parent / name
    return ical.read(_read(path, str(path)), name, desk, rota)


def _read(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RosterError(
            [f"{name} cannot be read: {error.strerror}: set people.roster"]
        ) from error


def link_secret(settings: People) -> bytes:
    """What the links of pages are made with; raises ConfigError."""
    if settings.link_secret_file:
        return read_secret(settings.link_secret_file).encode()
    return secrets.token_bytes(SECRET_BYTES)


class Duty:
    """The roster as it is now, for whoever pages: ``paging`` is None while there is none.

    A roster that can no longer be read is said to be wrong, and the last good one holds: a slip in
    a file must not silence the city.
    """

    def __init__(self, settings: Settings, wording: Wording, log: Log) -> None:
        self.settings, self.wording, self.log = settings, wording, log
        self.secret = link_secret(settings.people)
        self.roster: Roster | None = None
        self.problem = ""
        """Why nobody, or not everybody, would be reached."""
        self._seen: dict[Path, tuple[int, int]] = {}
        self.reload()

    @property
    def paging(self) -> Paging | None:
        """How pages are made now, with the wording's catalog of now."""
        if self.roster is None:
            return None
        return Paging(self.roster, self.wording, self.secret)

    def pager(
        self, connection: Connection, wanted: Sequence[tuple[Page, Incident]]
    ) -> Sequence[Push]:
        """The pushes of pages, in the transaction of whoever decided them."""
        paging = self.paging
        if paging is None:
            return []
        for page, incident in wanted:
            reach = paging.reach(page, incident)
            if reach.lacks and paging.roster.can_page:
                self.log.error(
                    "a step reaches nobody",
                    incident=incident.id,
                    grade=page.grade,
                    step=page.step,
                    taken=reach.step,
                    last_resort=reach.is_last_resort,
                    why=[lack.code for lack in reach.lacks],
                )
        return store.pages(connection, paging, wanted, self.settings.people.link_h * 3600)

    def reload(self) -> bool:
        """Reads the files if one of them has changed; whether another roster holds since."""
        if not self.settings.people.roster:
            return False
        marks = self._marks()
        if marks == self._seen:
            return False
        self._seen = marks
        problems: tuple[str, ...] = ()
        try:
            self.roster = read_roster(self.settings)
        except RosterError as error:
            problems = error.problems
        if problems:
            self.problem = f"roster: {problems[0]}"
            self.log.error("roster cannot be used", problems=list(problems))
            return False
        self.problem = ""
        self._seen = self._marks()
        self.log.info("roster taken over", file=self.settings.people.roster)
        return True

    def _marks(self) -> dict[Path, tuple[int, int]]:
        path = here_or_shipped(self.settings.people.roster)
        names = [] if self.roster is None else [desk.calendar for desk in self.roster.rota.desks]
        found: dict[Path, tuple[int, int]] = {}
        for one in (path, *(path.parent / name for name in names if name)):
            with contextlib.suppress(OSError):
                state = one.stat()
                found[one] = (state.st_mtime_ns, state.st_size)
        return found

    def examine(self, now_ms: int) -> list[check.Problem]:
        """Looks the next fortnight through; what is grave is logged."""
        if self.roster is None:
            return []
        problems = check.check(self.roster, now_ms)
        grave = [problem.sentence("en") for problem in problems if problem.is_grave]
        self.problem = f"roster: {grave[0]}" if grave else ""
        telemetry.roster_problems.set(len(grave) if self.roster.can_page else 0)
        if grave:
            self.log.error("roster reaches nobody at times", problems=grave[:5], count=len(grave))
        return problems

    async def run(self, database: Database, wake: Callable[[], None]) -> None:
        """Takes changed files over and sends the nightly test page, for ever.

        ``wake`` is told that the outbox has something new.
        """
        waited_s = CHECK_S
        while True:
            is_new = self.reload()
            with contextlib.suppress(Unavailable, psycopg.Error):
                now_ms = await database.run(now)
                if is_new or waited_s >= CHECK_S:
                    waited_s = 0.0
                    await asyncio.to_thread(self.examine, now_ms)
                    silent = await database.run(store.unconfirmed)
                    telemetry.test_pages_unconfirmed.set(len(silent))
                pushes = await database.run(self.nightly)
                if pushes:
                    wake()
            await asyncio.sleep(LOOK_S)
            waited_s += LOOK_S

    def nightly(self, connection: Connection) -> list[Push]:
        """Sends the test page if it is due and nobody else has: the deadline's row is claimed."""
        paging = self.paging
        if paging is None:
            return []
        roster, now_ms = paging.roster, now(connection)
        following_ms = next_test(roster, now_ms)
        store.plan_nightly(connection, following_ms)
        due_ms = store.claim_nightly(connection)
        if due_ms is None:
            return []
        store.move_nightly(connection, following_ms)
        store.sweep(connection)
        if now_ms - due_ms > LATE_MS:
            self.log.warning("nightly test page passed over", late_ms=now_ms - due_ms)
            return []
        run = f"{store.NIGHTLY}-{times.civil(due_ms, roster.zone):%Y-%m-%d}"
        link_s = self.settings.people.link_h * 3600
        people = list(roster.rota.persons)
        pushes = store.send_tests(connection, paging, people, run, now_ms, link_s)
        self.log.info("nightly test page", run=run, pages=len(pushes))
        return pushes


def next_test(roster: Roster, now_ms: int) -> int:
    """When the next nightly test is due."""
    at = roster.rota.test.at
    spans = times.spans(Hours(at, at), now_ms, now_ms + 2 * DAY_MS, roster.zone)
    return min(begins_ms for _, begins_ms, _ in spans if begins_ms > now_ms)
