"""People, their second factors, their sessions and failed sign-ins, in PostgreSQL.  A shell.

What a sign-in needs works on the connection (and so in the transaction) that it is given;
``create_user`` and its neighbours, for commands, take the database.  Times come from PostgreSQL's
clock, in unix ms.
"""

import secrets
from collections.abc import Sequence

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from psycopg import Connection

from alerting.audit import store as audit
from alerting.audit.chain import Line
from alerting.console import sessions, totp
from alerting.console.sessions import BREAK_GLASS, Role, Session
from alerting.store import now
from lifeline.db import Database
from lifeline.errors import Refused

HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
"""argon2id by RFC 9106's second recommendation, on one lane: two cores serve the whole chain."""
NOBODY = HASHER.hash(secrets.token_hex(16))
"""Verified against when nobody has that name, so that the answer takes as long."""


class User(msgspec.Struct, frozen=True):
    """Somebody who may sign in."""

    name: str
    role: Role
    disabled: bool
    created_ms: int
    has_second_factor: bool
    is_used_up: bool
    """Whether his password was good once, and that once is over: the break-glass account's."""


def begin_session(
    connection: Connection, name: str, old: str, seat: str
) -> tuple[str, str, Session]:
    """A new session for who has proved himself: (its token, the seat's token, the session).

    The session that the browser had before, whoever's it was, ends: a token planted earlier is
    worth nothing.  The seat is remembered, so that strangers' failures do not lock it out.
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


class Challenge(msgspec.Struct, frozen=True):
    """What an attempt to sign in is measured against."""

    now_ms: int
    wait_ms: int
    """More than 0: too early, nothing was tried."""
    password: str
    """The encoded password, or one that nothing fits."""
    seed: bytes | None
    """Of the second factor; None when the account has none."""
    step: int
    """The newest step whose code was used."""
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
            "insert into console_attempt (key, failures, last) values"
            " (%(key)s, 0, clock_timestamp())"
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
        "select (extract(epoch from clock_timestamp()) * 1000)::int8, u.password, f.seed,"
        " coalesce(f.step, 0) from (select 1) one"
        " left join console_user u on u.name = %s and not u.disabled"
        " left join console_second_factor f on f.name = u.name",
        (name,),
    ).fetchone()
    assert row is not None
    now_ms, password, seed, step = row
    return Challenge(now_ms, longest_ms, password or NOBODY, seed, step, tuple(sorted(keys)))


def spend_code(connection: Connection, name: str, step: int) -> bool:
    """Marks a step's code, and all before it, as used; False when somebody was faster with it."""
    spent = connection.execute(
        "update console_second_factor set step = %(step)s where name = %(name)s"
        " and step < %(step)s",
        {"name": name, "step": step},
    )
    return spent.rowcount == 1


def break_glass(connection: Connection, password: str, address: str) -> bool:
    """Uses the sealed password up, with its audit row; False when somebody was faster with it."""
    used = connection.execute(
        "update console_user set password = '' where name = %s and password = %s",
        (BREAK_GLASS, password),
    )
    if used.rowcount == 0:
        return False
    line = Line(
        at_ms=now(connection),
        actor=BREAK_GLASS,
        action="sign-in",
        reason="break-glass",
        note=f"from {address}",
        channel="console",
    )
    audit.append(connection, [line])
    return True


def last_break_glass(connection: Connection) -> int | None:
    """When the sealed account was last used, if within a day."""
    row = connection.execute(
        "select max(at_ms) from audit where incident = '' and actor = %s and action = 'sign-in'"
        " and at_ms > (extract(epoch from clock_timestamp()) - 86400) * 1000",
        (BREAK_GLASS,),
    ).fetchone()
    return None if row is None else row[0]


def forgive(connection: Connection, keys: Sequence[str]) -> None:
    """After a success: a person's failures are forgotten, of an address's the one just counted."""
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


def create_user(
    database: Database, name: str, role: Role, password: str, *, replace: bool = False
) -> None:
    """Lets somebody sign in; with ``replace`` changes role and password of one who may already.

    Raises Refused with a sentence, Unavailable.
    """
    problem = sessions.name_problem(name) or sessions.password_problem(name, password)
    if problem:
        raise Refused(f"{name}: {problem}.")
    if name == BREAK_GLASS:
        raise Refused(f"{name} is the sealed account: `lifeline user break-glass` makes it.")
    if not _keep_user(database, name, role, password, replace=replace):
        raise Refused(f"{name} exists already; add --replace to set a new role and password.")


def seal_break_glass(database: Database) -> str:
    """Makes the sealed account, or its next password, and returns that: it is kept nowhere.

    A session begun with an earlier one ends.  Raises Unavailable.
    """
    groups = ("".join(secrets.choice(sessions.SEALED_LETTERS) for _ in range(5)) for _ in range(6))
    password = "-".join(groups)
    _keep_user(database, BREAK_GLASS, "admin", password, replace=True)
    return password


def _keep_user(database: Database, name: str, role: Role, password: str, *, replace: bool) -> bool:
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

    return database.run_now(work)


def enrol(database: Database, name: str, key: str) -> bytes:
    """Gives somebody a new second factor and returns its secret; he signs in again, with a code.

    Raises Refused when nobody has that name, Unavailable.
    """
    if name == BREAK_GLASS:
        raise Refused(f"{name} works without a second factor: it is for when nothing else does.")
    seed = secrets.token_bytes(totp.SEED_BYTES)

    def work(connection: Connection) -> int:
        connection.execute("delete from console_session where name = %s", (name,))
        return connection.execute(
            "insert into console_second_factor (name, seed)"
            " select name, %s from console_user where name = %s"
            " on conflict (name) do update set seed = excluded.seed, step = 0,"
            " created = clock_timestamp()",
            (seed, name),
        ).rowcount

    if database.run_now(work) == 0:
        raise _nobody(name)
    return totp.secret_of(seed, key)


def remove_second_factor(database: Database, name: str) -> None:
    """From now on the password alone is enough.  Raises Refused when he has no second factor."""

    def work(connection: Connection) -> int:
        return connection.execute(
            "delete from console_second_factor where name = %s", (name,)
        ).rowcount

    if database.run_now(work) == 0:
        raise Refused(f"{name} has no second factor: see `lifeline user list`.")


def users(database: Database) -> list[User]:
    """Everybody who may or might sign in, by name.  Raises Unavailable."""
    return database.run_now(
        lambda connection: [
            User(*row)
            for row in connection.execute(
                "select u.name, role, disabled, (extract(epoch from u.created) * 1000)::int8,"
                " f.seed is not null, u.password = '' from console_user u"
                " left join console_second_factor f using (name) order by name"
            ).fetchall()
        ]
    )


def disable_user(database: Database, name: str) -> None:
    """Ends somebody's sessions and lets him in no more.  Raises Refused for an unknown name."""

    def work(connection: Connection) -> int:
        connection.execute("delete from console_session where name = %s", (name,))
        connection.execute("delete from console_seat where name = %s", (name,))
        return connection.execute(
            "update console_user set disabled = true where name = %s", (name,)
        ).rowcount

    if database.run_now(work) == 0:
        raise _nobody(name)


def _nobody(name: str) -> Refused:
    return Refused(f"nobody is called {name}: see `lifeline user list`.")
