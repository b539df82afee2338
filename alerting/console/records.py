"""What the pages ask of the database, as a protocol; ``store.Connected`` keeps it.  Pure."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from alerting.console.ask import Board, Crew, Proof
from alerting.console.city.asked import City
from alerting.console.evidence import Point
from alerting.console.sessions import Session
from alerting.desk.rows import Detail
from alerting.exchange.mail import Mail
from lifeline.model import Text


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
    drill: Text | None = None
    """What the exercise is called that runs now."""


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

    @property
    def board(self) -> Board:
        """What lies before the desk, and what it does."""

    @property
    def crew(self) -> Crew:
        """People, links, hand-overs."""

    @property
    def proof(self) -> Proof:
        """What can be shown later."""

    @property
    def city(self) -> City:
        """Rules, work orders, exercises."""

    def pulse(self, token: bytes | None) -> Pulse:
        """The clock, the feeds, and the session of that token digest."""

    def touch(self, token: bytes) -> None:
        """Notes that the session is in use."""

    def whole(self, *, may_write: bool) -> AbstractContextManager[object]:
        """What happens inside is kept whole, or with an exception not at all."""

    def incident(self, name: str) -> Detail | None:
        """One incident with everything that belongs to it."""

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

    def release(self, name: str, key: str) -> None:
        """Gives back a key that ``recall`` took."""

    def keep(self, name: str, key: str, status: int, body: bytes, etag: str) -> None:
        """Keeps the answer that was given under this key."""
