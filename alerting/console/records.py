"""What the pages ask of the database, as a protocol; ``store.Connected`` keeps it.  Pure."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from alerting.console.evidence import Point
from alerting.console.sessions import Session
from alerting.desk.rows import Detail, Outcome, Summary
from alerting.engine import Action
from alerting.exchange.mail import Mail


class Feed(msgspec.Struct, frozen=True):
    """How far a lifeline's stored data reach."""

    lifeline: str
    newest_ms: int
    received_ms: int


class Pulse(msgspec.Struct, frozen=True):
    """What every page begins with: the database's clock, the feeds, and who is asking."""

    now_ms: int
    feeds: tuple[Feed, ...]
    session: Session | None


class Kept(msgspec.Struct, frozen=True):
    """An answer given earlier under the same idempotency key."""

    digest: bytes
    status: int
    body: bytes
    etag: str


class Records(Protocol):
    """One request's view of the database: everything below happens in one transaction."""

    @property
    def mail(self) -> Mail:
        """What is exchanged with other organisations."""

    def pulse(self, token: bytes | None) -> Pulse:
        """The clock, the feeds, and the session of that token digest."""

    def touch(self, token: bytes) -> None:
        """Notes that the session is in use."""

    def whole(self, *, may_write: bool) -> AbstractContextManager[object]:
        """What happens inside is kept whole, or with an exception not at all."""

    def incidents(
        self,
        phases: Sequence[str],
        lifeline: str,
        limit: int,
        closed_since_ms: int = 0,
        after: str = "",
    ) -> Sequence[Summary]:
        """The queue, as the desk orders it; ``after`` goes on behind that incident."""

    def incident(self, name: str) -> Detail | None:
        """One incident with everything that belongs to it."""

    def act(
        self,
        name: str,
        action: Action,
        actor: str,
        now_ms: int,
        note: str,
        expected: int | None,
        *,
        is_override: bool = False,
    ) -> Outcome:
        """Does what an officer asks, with its audit row, or says why not."""

    def readings(
        self, channels: Sequence[str], from_ms: int, until_ms: int
    ) -> Mapping[str, Sequence[Point]]:
        """Stored readings by channel, oldest first."""

    def end_session(self, token: bytes) -> None:
        """Signs a session out."""

    def last_break_glass(self) -> int | None:
        """When the sealed account was last used, if within a day."""

    def recall(self, name: str, key: str, digest: bytes) -> Kept | None:
        """The answer kept under this key, or None: then the key is taken by this transaction."""

    def keep(self, name: str, key: str, status: int, body: bytes, etag: str) -> None:
        """Keeps the answer that was given under this key."""
