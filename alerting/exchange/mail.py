"""What calls from other organisations ask of the database, as a protocol.  Pure."""

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from alerting.cases import CaseBody
from alerting.exchange.regimes import Warned
from alerting.receipts import Receipt
from lifeline.config import May

Once = Literal["new", "same", "other"]


class Caller(msgspec.Struct, frozen=True):
    """Who a key belongs to, what he may do, and the secrets that are good for it now."""

    partner: str
    may: frozenset[May]
    secrets: tuple[str, ...]


class Shared(msgspec.Struct, frozen=True):
    """The newest state of every zone as it is shared."""

    made_ms: int
    body: bytes
    sheet: bytes


class CaseDone(msgspec.Struct, frozen=True):
    """What became of a case's message; '' as ``step`` where nobody has mapped the code."""

    is_known: bool
    step: str = ""
    reason: str = ""
    outcome: str = ""
    """The code of what was done about the incident, a key of ``lifeline.words``."""


class Mail(Protocol):
    """One call's view of what is exchanged: everything below happens in one transaction."""

    def caller(self, key_id: str) -> Caller | None:
        """Who signs with this key."""

    def once(self, partner: str, kind: str, name: str, body: bytes) -> Once:
        """Whether a message is new, the same again, or another one under its name."""

    def sign(self, partner: str, receipts: Sequence[Receipt], body: bytes) -> int:
        """Keeps a receiver's words; returns how many were about something of ours."""

    def case(self, partner: str, body: CaseBody, raw: bytes) -> CaseDone:
        """Keeps the other system's word about a case, and does what it means."""

    def warn(self, partner: str, warned: Warned, body: bytes) -> int:
        """Keeps a warning; returns how many zones' regimes it switches, on or off."""

    def shared(self) -> Shared | None:
        """The newest state of every zone."""
