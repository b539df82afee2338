"""Excursions: one finding id from ``raised`` to ``cleared``, with its delays.  Pure.

Delays count event time, so that a replay delays as the live system did; our own clock only says
when to look again.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from lifeline.model import Finding, Lane

Stage = Literal["pending", "active", "leaving", "over", "ignored"]
"""Of an excursion: in its on-delay, counting, in its off-delay, ended, never counted."""
ACTIVE: frozenset[Stage] = frozenset(("active", "leaving"))
BACKLOG_MS = 2000
"""After an outage records come late: a delay that ran out meanwhile waits so long for a clear."""

FORGOTTEN_MS = 180_000
"""A finding that lasts says so every minute: silent for three of them, it is believed no more."""


class Excursion(msgspec.Struct, frozen=True, kw_only=True):
    """One finding id and how far it has come.  Kept for good: re-delivery is then harmless."""

    id: str
    alarm: str
    stage: Stage
    finding: Finding
    """Its first record: what explains it."""
    last_ms: int
    """Event time of its newest record."""
    cleared_ms: int | None = None
    due_ms: int | None = None
    """When its delay runs out by our clock, unless a record says so earlier by event time."""
    incident: str = ""
    damp_ms: int = 0
    """By how much its present delay is longer than the rule's: its alarm chatters or flits."""


def key_of(finding: Finding) -> str:
    """The name of the alarm that a finding belongs to.  Drills never touch a real alarm."""
    drill = "drill|" if finding.drill else ""
    return f"{drill}{finding.detector}|{finding.hazard}|{finding.channel}"


def excursion_id(finding: Finding) -> str:
    """The name of the excursion; a drill's is another one even at the same instant."""
    return f"drill-{finding.id}" if finding.drill else finding.id


def on_at_ms(finding: Finding) -> int:
    """Event time at which an excursion has lasted through its on-delay."""
    return finding.onset_ms + round(finding.on_delay_s * 1000)


def ripe_at_ms(excursion: Excursion) -> int:
    """The same for a pending excursion, with what its alarm's flitting adds."""
    return on_at_ms(excursion.finding) + excursion.damp_ms


def off_at_ms(excursion: Excursion) -> int:
    """Event time at which a cleared excursion has been quiet through its off-delay."""
    assert excursion.cleared_ms is not None
    off_ms = round(excursion.finding.off_delay_s * 1000)
    return excursion.cleared_ms + off_ms + excursion.damp_ms


def due_ms(record: Finding, until_ms: int, now_ms: int) -> int:
    """Our time at which event time ``until_ms`` is over, as seen from the record just read."""
    rest_ms = max(0, until_ms - record.at_ms)
    return max(record.received_ms + rest_ms, now_ms + min(rest_ms, BACKLOG_MS))


def may_clear(opened: Lane, record: Lane) -> bool:
    """Whether a ``cleared`` of one lane ends what another lane opened.

    Back-filled readings never clear a live alarm: they say how it was, not how it is.
    """
    return record in ("live", opened)


def is_covered(finding: Finding, excursions: Iterable[Excursion]) -> bool:
    """Whether a back-filled excursion lies inside one that is known, at least as grave: no news."""
    return any(
        e.stage not in ("ignored", "pending")
        and e.finding.grade <= finding.grade
        and e.finding.onset_ms <= finding.onset_ms
        and (e.cleared_ms is None or finding.onset_ms <= e.cleared_ms)
        for e in excursions
    )


def superseded(newer: Excursion, active: Iterable[Excursion]) -> list[Excursion]:
    """Those that a newer live excursion of the same rule and channel proves to be over.

    A detector holds one at a time: an older one still counting is one whose ``cleared`` was lost,
    or that got another name when the detector began blank.
    """
    if newer.finding.lane != "live":
        return []
    return [
        e
        for e in active
        if e.id != newer.id
        and e.stage == "active"
        and e.finding.lane == "live"
        and e.finding.rule == newer.finding.rule
        and e.finding.onset_ms <= newer.finding.onset_ms
    ]


def is_forgotten(excursion: Excursion, newer: Finding) -> bool:
    """Whether an excursion had long been silent when a newer one began."""
    return newer.onset_ms - excursion.last_ms > FORGOTTEN_MS


def leading(active: Iterable[Excursion]) -> Excursion | None:
    """The one that explains why people are called: the gravest of those that page."""
    return min(
        active,
        key=lambda e: (
            e.finding.lane == "historical",
            e.finding.grade,
            e.finding.onset_ms,
            e.id,
        ),
        default=None,
    )
