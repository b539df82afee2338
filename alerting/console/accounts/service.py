"""Signing in: the attempt is counted, password and code are checked, a session begins.  A shell.

Whatever was wrong, the answer is the same; only the log says which.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from psycopg import Connection

from alerting.console import gate, pages, sessions, totp
from alerting.console.accounts import store
from alerting.console.accounts.store import Challenge
from alerting.console.gate import Route
from alerting.console.sessions import BREAK_GLASS
from alerting.console.visit import Answer, Call, Site
from lifeline import telemetry
from lifeline.config import Console
from lifeline.db import Database
from lifeline.store import read_secret

Log = structlog.stdlib.BoundLogger
Through = Callable[[Route, Call], Awaitable[Answer]]
HASHES_AT_ONCE = 2
"""Each takes a core and 64 MB for some 60 ms; more at once would starve the rest of the chain."""
HASH_WAIT_S = 5.0


def key_of(settings: Console) -> str:
    """What second factors are made with besides the seeds in the database; raises ConfigError."""
    file = settings.second_factor_key_file
    return read_secret(file) if file else ""


class Door:
    """Lets people in; holds the queue for password checks."""

    def __init__(self, settings: Console, database: Database, log: Log) -> None:
        self._settings = settings
        self._database = database
        self._log = log
        self._key = key_of(settings)
        self._hashing = asyncio.Semaphore(HASHES_AT_ONCE)

    async def sign_in(self, site: Site, through: Through, call: Call) -> Answer:
        """POST /login: count, check the password outside any transaction, begin a session."""
        seat = call.cookies.get(sessions.seat_cookie(is_secure=site.is_secure), "")[:128]
        name = sessions.login_name(call.form.get("name", ""))
        password = call.form.get("password", "")[: sessions.PASSWORD_MAX]
        refused = await through(pages.LOGIN_ALLOWED, call)
        if refused.status != 204:
            return refused
        challenge = await self._database.run(
            lambda connection: store.challenge(connection, name, call.address, seat)
        )
        if challenge.wait_ms > 0:
            self._note_failure("login-waiting", name, call)
            return await through(pages.login_failed(429, challenge.wait_ms), call)
        try:
            async with asyncio.timeout(HASH_WAIT_S):
                await self._hashing.acquire()
        except TimeoutError:
            return gate.away(site, call, "problem.busy", 503)
        try:
            is_right = await asyncio.to_thread(store.fits, challenge.password, password)
        finally:
            self._hashing.release()
        step, problem = self._second_factor(challenge, name, call.form.get("code", "")[:32])
        problem = problem if is_right else "login-failed"
        begun = None
        if not problem:
            old = call.cookies.get(sessions.session_cookie(is_secure=site.is_secure), "")

            def begin(connection: Connection) -> tuple[str, str] | None:
                if not _spend(connection, challenge, name, step, call.address):
                    return None
                store.forgive(connection, challenge.keys)
                return store.begin_session(connection, name, old, seat)[:2]

            begun = await self._database.run(begin)
        if begun is None:
            self._note_failure(problem or "login-spent", name, call)
            return await through(pages.login_failed(401, 0), call)
        self._note_success(name, call)
        return pages.signed_in(site, call, *begun)

    def _second_factor(self, challenge: Challenge, name: str, given: str) -> tuple[int | None, str]:
        """The step whose code was given, if one is needed, and what is wrong ('': nothing)."""
        if name == BREAK_GLASS:
            return None, ""
        if challenge.seed is None:
            is_required = self._settings.second_factor_required
            return None, "login-no-second-factor" if is_required else ""
        secret = totp.secret_of(challenge.seed, self._key)
        step = totp.fitting_step(secret, given, challenge.now_ms, challenge.step)
        return step, "login-code" if step is None else ""

    def _note_failure(self, reason: str, name: str, call: Call) -> None:
        telemetry.security_events.labels(reason).inc()
        self._log.warning("sign-in failed", reason=reason, name=name, address=call.address)

    def _note_success(self, name: str, call: Call) -> None:
        if name == BREAK_GLASS:
            telemetry.security_events.labels("break-glass").inc()
            self._log.critical("the sealed account was used", name=name, address=call.address)
        else:
            self._log.info("signed in", name=name, address=call.address)


def _spend(
    connection: Connection, challenge: Challenge, name: str, step: int | None, address: str
) -> bool:
    """Uses up what is good only once; False when another attempt used it meanwhile."""
    if name == BREAK_GLASS:
        return store.break_glass(connection, challenge.password, address)
    return step is None or store.spend_code(connection, name, step)
