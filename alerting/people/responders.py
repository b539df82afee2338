"""How far one person has come with one incident.  Pure."""

import msgspec


class Responder(msgspec.Struct, frozen=True, kw_only=True):
    """One person on one incident: told, seen, taken."""

    person: str
    added_by: str
    told_ms: int | None
    """When a page was first accepted by a vendor."""
    waiting: int
    """Pages that are not sent yet."""
    seen_ms: int | None
    acknowledged_ms: int | None
