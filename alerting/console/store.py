"""People, sessions, failed sign-ins, the age of each feed and the readings of a picture.  A shell.

Every function works on the connection (and so in the transaction) that it is given; ``create_user`` and
its neighbours, for commands, take the database.  Times come from PostgreSQL's clock, in unix ms.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from psycopg import Connection

from alerting.console import sessions
from alerting.console.evidence import Point
from alerting.console.records import Feed, Kept, Pulse
from alerting.console.sessions import Role, Session
from alerting.desk import store as desk_store
from alerting.desk.rows import Detail, Outcome, Summary
from alerting.engine import Action
from alerting.notices import Desk
from lifeline.db import Database
from lifeline.errors import Refused

HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
"""argon2id by RFC 9106's second recommendation, on one lane: two cores serve the whole chain."""
NOBODY = HASHER.hash(secrets.token_hex(16))
"""Verified against when nobody has that name, so that the answer takes as long."""
POINTS_MAX = 6000
"""Readings of one picture that leave the database."""


class User(msgspec.Struct, frozen=True):
    """Somebody who may sign in."""

    name: str
    role: Role
    disabled: bool
    created_ms: int


def pulse(connection: Connection, token: bytes | None) -> Pulse:
    """The clock, the feeds and the session of that token digest, in two short queries."""
    rows = connection.execute(
        "select (extract(epoch from clock_timestamp()) * 1000)::int8, lifeline, newest_ms, received_ms from (select 1) one left join feed on true"
        " order by lifeline"
    ).fetchall()
    session = None
    if token is not None:
        found = connection.execute(
            "select s.name, u.role, s.form, (extract(epoch from s.created) * 1000)::int8,"
            " (extract(epoch from s.seen) * 1000)::int8 from console_session s"
            " join console_user u using (name) where s.token = %s and not u.disabled",
            (token,),
        ).fetchone()
        session = None if found is None else Session(*found)
    return Pulse(rows[0][0], tuple(Feed(*row[1:]) for row in rows if row[1] is not None), session)


def touch(connection: Connection, token: bytes) -> None:
    """Notes that the session is in use; writes at most every 10 s."""
    connection.execute(
        "update console_session set seen = clock_timestamp()"
        " where token = %s and seen < clock_timestamp() - interval '10 seconds'",
        (token,),
    )


def look_only(connection: Connection) -> None:
    """From here on this transaction cannot write: the database itself keeps GET harmless."""
    connection.execute("set transaction read only")


def begin_session(
    connection: Connection, name: str, old: str, seat: str
) -> tuple[str, str, Session]:
    """A new session for somebody who has proved who he is: (its token, the seat's token, the session).

    The session that the browser had before, whoever's it was, ends: a token planted earlier is worth
    nothing.  The seat is remembered, so that strangers' failures do not lock it out.
    """
    if old:
        end_session(connection, sessions.digest(old))
    token, form = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    seat = seat or secrets.token_urlsafe(32)
    row = connection.execute(
        "insert into console_session (token, name, form) values (%s, %s, %s)"
        " returning (extract(epoch from created) * 1000)::int8,"
        " (select role from console_user where name = %s)",
        (sessions.digest(token), name, form, name),
    ).fetchone()
    assert row is not None
    connection.execute(
        "insert into console_seat (token, name) values (%s, %s)"
        " on conflict (token, name) do update set created = clock_timestamp()",
        (sessions.digest(seat), name),
    )
    return token, seat, Session(name, row[1], form, row[0], row[0])


def end_session(connection: Connection, token: bytes) -> None:
    """Signs a session out."""
    connection.execute("delete from console_session where token = %s", (token,))


def forget_old(connection: Connection, session_h: float) -> None:
    """Removes what has run out: sessions, failures, seats, answers under idempotency keys."""
    connection.execute(
        "delete from console_session where created < clock_timestamp() - make_interval(secs => %s)",
        (session_h * 3600.0,),
    )
    connection.execute(
        "delete from console_attempt where last < clock_timestamp() - interval '1 hour'"
    )
    connection.execute(
        "delete from console_seat where created < clock_timestamp() - make_interval(days => %s)",
        (sessions.SEAT_DAYS,),
    )
    connection.execute(
        "delete from console_request where at < clock_timestamp() - interval '1 day'"
    )


class Challenge(msgspec.Struct, frozen=True):
    """What an attempt to sign in is measured against."""

    wait_ms: int
    """More than 0: too early, nothing was tried."""
    password: str
    """The encoded password, or one that nothing fits."""
    keys: tuple[str, ...]


def challenge(connection: Connection, name: str, address: str, seat: str) -> Challenge:
    """Counts an attempt before it is made, so that a thousand at once are a thousand failures."""
    known = connection.execute(
        "select 1 from console_seat where token = %s and name = %s", (sessions.digest(seat), name)
    ).fetchone()
    keys = sessions.attempt_keys(name, address, is_known_seat=known is not None, seat=seat)
    longest_ms = 0
    for key, allowed in sorted(keys.items()):
        row = connection.execute(
            "insert into console_attempt (key, failures, last) values (%(key)s, 0, clock_timestamp())"
            " on conflict (key) do update set failures ="
            " case when console_attempt.last < clock_timestamp() - make_interval(secs => %(old)s)"
            " then 0 else console_attempt.failures end returning failures,"
            " (extract(epoch from clock_timestamp()) * 1000)::int8,"
            " (extract(epoch from last) * 1000)::int8",
            {"key": key, "old": sessions.FORGOTTEN_MS / 1000},
        ).fetchone()
        assert row is not None
        longest_ms = max(longest_ms, sessions.wait_ms(row[0], row[2], row[1], allowed))
    if longest_ms == 0:
        connection.execute(
            "update console_attempt set failures = failures + 1, last = clock_timestamp()"
            " where key = any(%s)",
            (sorted(keys),),
        )
    row = connection.execute(
        "select password from console_user where name = %s and not disabled", (name,)
    ).fetchone()
    return Challenge(longest_ms, NOBODY if row is None else row[0], tuple(sorted(keys)))


def forgive(connection: Connection, keys: Sequence[str]) -> None:
    """After a success: the person's own failures are forgotten, an address's by the one just counted."""
    # The order of ``challenge``, addresses first, so that two of them never wait for each other.
    connection.execute(
        "update console_attempt set failures = greatest(0, failures - 1) where key = any(%s)",
        ([key for key in keys if key.startswith("address:")],),
    )
    connection.execute(
        "delete from console_attempt where key = any(%s)",
        ([key for key in keys if not key.startswith("address:")],),
    )


def fits(encoded: str, password: str) -> bool:
    """Whether the password is the one encoded; takes some 60 ms of a core either way."""
    try:
        return HASHER.verify(encoded, password.encode("utf-8", "surrogatepass"))
    except (VerificationError, InvalidHashError):
        return False


def readings(
    connection: Connection, channels: Sequence[str], from_ms: int, until_ms: int
) -> Mapping[str, Sequence[Point]]:
    """Stored readings of the window by channel, oldest first, the newest 6000 of each."""
    found: dict[str, list[Point]] = {name: [] for name in channels}
    ids = connection.execute(
        "select id, name from channel where name = any(%s)", (list(channels),)
    ).fetchall()
    for number, name in ids:
        rows = connection.execute(
            "select (extract(epoch from time) * 1000)::int8, value, quality::int4 from reading"
            " where channel = %s and time between %s and %s order by time desc limit %s",
            (number, _time(from_ms), _time(until_ms), POINTS_MAX),
        ).fetchall()
        found[name] = [(at_ms, value, quality & 0xFFFF) for at_ms, value, quality in reversed(rows)]
    return found


def _time(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000.0, UTC)


def recall(connection: Connection, name: str, key: str, digest: bytes) -> Kept | None:
    """The answer kept under this key, or None: then the key is taken, by us, until the transaction ends."""
    taken = connection.execute(
        "insert into console_request (name, key, digest) values (%s, %s, %s) on conflict do nothing",
        (name, key, digest),
    )
    if taken.rowcount == 1:
        return None
    row = connection.execute(
        "select digest, status, body, etag from console_request where name = %s and key = %s",
        (name, key),
    ).fetchone()
    assert row is not None
    return Kept(*row)


def keep(connection: Connection, name: str, key: str, status: int, body: bytes, etag: str) -> None:
    """Keeps the answer that was given under this key."""
    connection.execute(
        "update console_request set status = %s, body = %s, etag = %s where name = %s and key = %s",
        (status, body, etag, name, key),
    )


@dataclass(slots=True, frozen=True)
class Connected:
    """``Records`` on one connection."""

    connection: Connection
    desk: Desk

    def pulse(self, token: bytes | None) -> Pulse:
        """See ``pulse`` of this module."""
        return pulse(self.connection, token)

    def touch(self, token: bytes) -> None:
        """See ``touch`` of this module."""
        touch(self.connection, token)

    @contextmanager
    def whole(self, *, may_write: bool) -> Iterator[None]:
        """A savepoint; for those who only look, the database itself refuses writes in it."""
        with self.connection.transaction():
            if not may_write:
                look_only(self.connection)
            yield

    def incidents(
        self, phases: Sequence[str], lifeline: str, limit: int, closed_since_ms: int = 0
    ) -> Sequence[Summary]:
        """See ``alerting.desk.store``."""
        return desk_store.list_incidents(
            self.connection,
            phases=phases,
            lifeline=lifeline,
            closed_since_ms=closed_since_ms,
            limit=limit,
        )

    def incident(self, name: str) -> Detail | None:
        """See ``alerting.desk.store``."""
        return desk_store.incident_detail(self.connection, name)

    def act(
        self, name: str, action: Action, actor: str, now_ms: int, note: str, expected: int | None
    ) -> Outcome:
        """See ``alerting.desk.store``."""
        return desk_store.act(
            self.connection,
            self.desk,
            name,
            action,
            actor=actor,
            now_ms=now_ms,
            note=note,
            expected_revision=expected,
        )

    def readings(
        self, channels: Sequence[str], from_ms: int, until_ms: int
    ) -> Mapping[str, Sequence[Point]]:
        """See ``readings`` of this module."""
        return readings(self.connection, channels, from_ms, until_ms)

    def end_session(self, token: bytes) -> None:
        """See ``end_session`` of this module."""
        end_session(self.connection, token)

    def recall(self, name: str, key: str, digest: bytes) -> Kept | None:
        """See ``recall`` of this module."""
        return recall(self.connection, name, key, digest)

    def keep(self, name: str, key: str, status: int, body: bytes, etag: str) -> None:
        """See ``keep`` of this module."""
        keep(self.connection, name, key, status, body, etag)


def create_user(
    database: Database, name: str, role: Role, password: str, *, replace: bool = False
) -> None:
    """Lets somebody sign in; with ``replace`` changes role and password of one who may already.

    Raises Refused with a sentence, Unavailable.
    """
    problem = sessions.name_problem(name) or sessions.password_problem(name, password)
    if problem:
        raise Refused(f"{name}: {problem}.")
    encoded = HASHER.hash(password)

    def work(connection: Connection) -> bool:
        made = connection.execute(
            "insert into console_user (name, role, password) values (%s, %s, %s)"
            " on conflict (name) do nothing",
            (name, role, encoded),
        )
        if made.rowcount == 1:
            return True
        if not replace:
            return False
        connection.execute(
            "update console_user set role = %s, password = %s, disabled = false where name = %s",
            (role, encoded, name),
        )
        # Whoever was signed in under the old password, or with the old role, signs in again.
        connection.execute("delete from console_session where name = %s", (name,))
        return True

    if not database.run_now(work):
        raise Refused(f"{name} exists already; add --replace to set a new role and password.")


def users(database: Database) -> list[User]:
    """Everybody who may or might sign in, by name.  Raises Unavailable."""
    return database.run_now(
        lambda connection: [
            User(*row)
            for row in connection.execute(
                "select name, role, disabled, (extract(epoch from created) * 1000)::int8"
                " from console_user order by name"
            ).fetchall()
        ]
    )


def disable_user(database: Database, name: str) -> None:
    """Ends somebody's sessions and lets him in no more.  Raises Refused when nobody has that name."""

    def work(connection: Connection) -> int:
        connection.execute("delete from console_session where name = %s", (name,))
        connection.execute("delete from console_seat where name = %s", (name,))
        return connection.execute(
            "update console_user set disabled = true where name = %s", (name,)
        ).rowcount

    if database.run_now(work) == 0:
        raise Refused(f"nobody is called {name}: see `lifeline user list`.")
