"""What is on its way out, as the outbox holds it.  Pure."""

import msgspec


class Leased(msgspec.Struct, frozen=True):
    """A notice that is ours to send until the lease runs out."""

    id: int
    key: str
    body: bytes
    incident: str
    target: str
    attempts: int
    refusals: int
    received_ms: int
    grade: int
    is_page: bool
    address: str
    language: str


class Message(msgspec.Struct, frozen=True):
    """What goes out as one: a notice, or several for a receiver who counts messages."""

    rows: tuple[Leased, ...]
    """The gravest first."""
    id: int | None = None
    """Of ``outbox_message``, where the receiver has a pace."""


class Sent(msgspec.Struct, frozen=True):
    """What became of one try.  ``wait_s`` counts only when it is neither delivered nor dead."""

    id: int
    outcome: str
    """``delivered``, ``failed`` or ``refused``."""
    code: str
    latency_ms: int
    wait_s: float
    is_dead: bool
    channel: str
    message: int | None
