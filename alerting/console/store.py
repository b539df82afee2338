"""What a page asks of PostgreSQL: who asks, the age of feeds, a picture's readings.  A shell.

Every function works on the connection (and so in the transaction) that it is given.  Times come
from PostgreSQL's clock, in unix ms.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from psycopg import Connection

from alerting.console import sessions
from alerting.console.accounts import store as accounts
from alerting.console.city.store import CityNow
from alerting.console.evidence import Point
from alerting.console.records import Feed, Kept, Pulse
from alerting.console.seat.store import BoardNow, CrewNow, ProofNow
from alerting.console.sessions import Session
from alerting.console.visit import Site
from alerting.desk import store as desk_store
from alerting.desk.rows import Detail
from alerting.exchange.post.store import Post
from alerting.people.paging import Paging
from lifeline.model import Text

POINTS_MAX = 6000
"""Readings of one picture that leave the database."""


def pulse(connection: Connection, token: bytes | None) -> Pulse:
    """The clock, the feeds and the session of that token digest, in two short queries."""
    rows = connection.execute(
        "select (extract(epoch from clock_timestamp()) * 1000)::int8,"
        " (select title::text from drill where ended_ms is null and stop_by = ''"
        " and ends_ms > extract(epoch from clock_timestamp()) * 1000), lifeline, newest_ms,"
        " received_ms from (select 1) one left join feed on true order by lifeline"
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
    now_ms, title = rows[0][:2]
    drill = None if title is None else msgspec.json.decode(title, type=Text)
    feeds = tuple(Feed(*row[2:]) for row in rows if row[2] is not None)
    return Pulse(now_ms, feeds, session, drill)


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
    """The answer kept under this key, or None: then the key is ours until the transaction ends."""
    taken = connection.execute(
        "insert into console_request (name, key, digest) values (%s, %s, %s)"
        " on conflict do nothing",
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


def release(connection: Connection, name: str, key: str) -> None:
    """Gives back a key under which nothing was done."""
    connection.execute("delete from console_request where name = %s and key = %s", (name, key))


def keep_package(
    connection: Connection, name: str, key: str, body: bytes, digest: str
) -> tuple[bytes, str] | None:
    """Keeps a package under its key; the one that is kept already, with its digest, if one is.

    A key that was taken by who died over it, or who is still about it, has no answer yet.
    """
    changed = connection.execute(
        "update console_request set status = 200, body = %s, etag = %s"
        " where name = %s and key = %s and status = 0",
        (body, digest, name, key),
    )
    if changed.rowcount == 1:
        return None
    row = connection.execute(
        "select body, etag from console_request where name = %s and key = %s", (name, key)
    ).fetchone()
    return None if row is None else (bytes(row[0]), row[1])


@dataclass(slots=True, frozen=True)
class Connected:
    """``Records`` on one connection."""

    connection: Connection
    site: Site
    paging: Paging | None = None

    @property
    def mail(self) -> Post:
        """See ``alerting.exchange.post.store``."""
        return Post(self.connection, self.site.wording, self.site.settings.exchange)

    @property
    def board(self) -> BoardNow:
        """See ``alerting.console.seat.store``."""
        return BoardNow(self.connection, self.site.wording)

    @property
    def crew(self) -> CrewNow:
        """See ``alerting.console.seat.store``."""
        return CrewNow(self.connection, self.paging, self.site.settings.people.link_h * 3600)

    @property
    def proof(self) -> ProofNow:
        """See ``alerting.console.seat.store``."""
        return ProofNow(self.connection, self.site.settings.console.timezone)

    @property
    def city(self) -> CityNow:
        """See ``alerting.console.city.store``."""
        site = self.site
        return CityNow(self.connection, site.settings, site.wording, site.topology)

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

    def incident(self, name: str) -> Detail | None:
        """See ``alerting.desk.store``."""
        return desk_store.incident_detail(self.connection, name)

    def readings(
        self, channels: Sequence[str], from_ms: int, until_ms: int
    ) -> Mapping[str, Sequence[Point]]:
        """See ``readings`` of this module."""
        return readings(self.connection, channels, from_ms, until_ms)

    def end_session(self, token: bytes) -> None:
        """See ``accounts.store``."""
        accounts.end_session(self.connection, token)

    def last_break_glass(self) -> int | None:
        """See ``accounts.store``."""
        return accounts.last_break_glass(self.connection)

    def recall(self, name: str, key: str, digest: bytes) -> Kept | None:
        """See ``recall`` of this module."""
        return recall(self.connection, name, key, digest)

    def keep(self, name: str, key: str, status: int, body: bytes, etag: str) -> None:
        """See ``keep`` of this module."""
        keep(self.connection, name, key, status, body, etag)

    def release(self, name: str, key: str) -> None:
        """See ``release`` of this module."""
        release(self.connection, name, key)
