"""Somebody at the desk: takes every second incident by the API, until the desk says that it is his.

Whatever dies meanwhile, he asks again under the same key, as a browser or a program would.
"""

import contextlib
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import psycopg

from alerting.console.accounts import store as accounts
from lifeline import config, db
from lifeline.errors import Refused
from tests.faults.world import World

NAME = "li"
PASSWORD = "correct horse battery"
LOOK_S = 0.5
ANSWER_S = 5.0
END_S = 30.0
NOBODY_AGAIN = frozenset({403, 404, 409, 412})
"""Answers that the same request would get again: he looks anew."""


@dataclass(slots=True)
class Officer:
    """A thread that reads the queue and takes what is in it."""

    world: World
    run: str
    assets: frozenset[str]
    taken: dict[str, int] = field(default_factory=dict)
    """Incident -> when the desk said that it is his, unix ms."""
    clocks: list[tuple[str, str]] = field(default_factory=list)
    """Incidents, and which clock for who has not answered still ran when it was his."""
    seen: dict[str, bool] = field(default_factory=dict)
    """Incidents -> whether he takes it."""
    problem: BaseException | None = None
    over: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    def begin(self) -> None:
        """Makes the account, if it is not there, and goes to work."""
        database = db.Database(config.Postgres(dsn=self.world.stack.addresses().postgres_dsn))
        try:
            with contextlib.suppress(Refused):  # An earlier run made it.
                accounts.create_user(database, NAME, "officer", PASSWORD)
        finally:
            database.close()
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def end(self) -> None:
        """Returns when what he asked for last has been answered."""
        self.over.set()
        if self.thread is not None:
            self.thread.join(END_S)
            assert not self.thread.is_alive(), "the desk does not answer its officer"
        if self.problem is not None:
            raise self.problem

    def _work(self) -> None:
        base = f"http://127.0.0.1:{self.world.ports['console-pages']}"
        try:
            with httpx.Client(base_url=base, timeout=ANSWER_S, trust_env=False) as browser:
                self._until_done(lambda: _sign_in(browser))
                while not self.over.wait(LOOK_S):
                    self._look(browser)
        except BaseException as error:  # told to who ends him
            self.problem = error

    def _look(self, browser: httpx.Client) -> None:
        try:
            answer = browser.get("/api/v1/incidents?phase=open&limit=500")
            answer.raise_for_status()
        except httpx.HTTPError:
            return  # PostgreSQL or the console is away: he looks again.
        for one in answer.json()["incidents"]:
            name = one["id"]
            if one["asset"] not in self.assets or name in self.taken:
                continue
            if self.seen.setdefault(name, len(self.seen) % 2 == 0):
                self._take(browser, name, one["revision"])

    def _take(self, browser: httpx.Client, incident: str, revision: int) -> None:
        """Once per key: of a request without an answer, nobody knows what became of it."""
        headers = {"If-Match": f'"{revision}"', "Idempotency-Key": f"{incident}-{revision}"}
        status = 0

        def ask() -> bool:
            nonlocal status
            answer = browser.post(f"/api/v1/incidents/{incident}/acknowledge", headers=headers)
            status = answer.status_code
            return status == 200 or status in NOBODY_AGAIN

        self._until_done(ask)
        if status == 200:
            self.taken[incident] = time.time_ns() // 1_000_000
            self._until_done(lambda: self._note_clocks(incident))

    def _note_clocks(self, incident: str) -> bool:
        """Whether anybody would still be called, seen at once: a clock ends by itself, too late."""
        dsn = self.world.stack.addresses().postgres_dsn
        try:
            with psycopg.connect(dsn, autocommit=True, connect_timeout=2) as link:
                rows = link.execute(
                    "select kind from deadline where subject = %s"
                    " and kind in ('remind', 'escalate')",
                    (incident,),
                ).fetchall()
        except psycopg.OperationalError:
            return False
        self.clocks += [(incident, kind) for (kind,) in rows]
        return True

    def _until_done(self, ask: Callable[[], bool]) -> None:
        end_s = time.monotonic() + END_S
        while True:
            try:
                if ask():
                    return
            except httpx.HTTPError:
                pass
            assert time.monotonic() < end_s, "the desk did not answer its officer"
            time.sleep(LOOK_S)


def _sign_in(browser: httpx.Client) -> bool:
    page = browser.get("/login", headers={"accept-language": "en"}).text
    form = re.search(r'name="form" value="([^"]+)"', page)
    if form is None:
        return False
    fields = {"form": form[1], "name": NAME, "password": PASSWORD, "code": "", "next": "/"}
    if browser.post("/login", data=fields).status_code != 303:
        return False
    session = browser.get("/api/v1/session")
    if session.status_code != 200:
        return False
    browser.headers["x-csrf-token"] = session.json()["csrf"]
    return True
