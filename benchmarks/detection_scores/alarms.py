"""An alarm as the bench writes it."""

import msgspec


class Alarm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One alarm of one stream; a line of ``alarms/SET/STREAM.jsonl``."""

    row: int
    """The row during which it was raised."""
    at: str
    """That row's time, as the stream has it."""
    kind: str
    """leak, burst, fault, gas, biogas, damage, attack, event, anomaly …"""
    rule: str
    channel: str = ""
    column: int | None = None
    """The channel's place among the stream's columns."""
    pipe: str = ""
    size: float | None = None
    """In the unit of its kind: m3/h of a leak."""
    score: float = 1.0
    probability: float | None = None
    code: str = ""
    onset: str = ""
    """When the detector believes that it began."""
    cleared_row: int | None = None
    candidates: tuple[tuple[str, float], ...] = ()
    facts: dict[str, float] = {}
