"""Incidents as the duty desk reads them.  Pure."""

from typing import Literal

import msgspec

from alerting.alarms import State
from alerting.cases import Case
from alerting.excursions import Stage
from alerting.incidents import Phase, Verdict
from alerting.receipts import Stage as Signed
from alerting.receipts import Word, stage_of
from alerting.witnesses import Objection
from lifeline.model import Finding, Lane

Resent = Literal["resent", "taken", "unknown"]
"""What becomes of a dead letter that is to be sent again."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the queue; times in unix ms."""

    id: str
    asset: str
    zone: str
    lifeline: str
    hazard: str
    drill: bool
    episode: int
    phase: Phase
    grade: int
    lane: Lane
    revision: int
    onset_ms: int
    opened_ms: int
    updated_ms: int
    acknowledged_by: str
    acknowledged_ms: int | None
    calm_ms: int | None
    closed_by: str
    closed_ms: int | None
    overridden: bool
    is_active: bool
    alarms: int
    """How many alarms belong to it, or did."""
    lead: Finding
    """What explains it."""
    verdict: Verdict | Literal[""] = ""
    verdict_code: str = ""
    verdict_by: str = ""
    verdict_ms: int | None = None
    task: str = ""
    person: str = ""
    """Who was sent."""
    dispatched_ms: int | None = None
    arrived_ms: int | None = None
    prolonged: bool = False
    review: bool = False
    """On the list for working hours."""
    unseen_ms: int | None = None
    undo_ms: int | None = None
    first_out: str = ""
    first_ms: int = 0
    merged_into: str = ""
    second: str = ""
    changed_revision: int = 0
    progress_ms: int | None = None
    step: int = 0
    """How far its calls have been escalated."""


class AlarmRow(msgspec.Struct, frozen=True):
    """One alarm of an incident."""

    key: str
    channel: str
    detector: str
    hazard: str
    state: State
    grade: int
    since_ms: int


class FindingRow(msgspec.Struct, frozen=True):
    """One excursion of an incident, with its first record."""

    id: str
    alarm: str
    stage: Stage
    lane: Lane
    cleared_ms: int | None
    last_ms: int
    finding: Finding


class NoticeRow(msgspec.Struct, frozen=True):
    """One notice or page and how far it came.

    ``waiting``, ``leased``, ``delivered``, ``dead``; a page also ``held`` and ``ended``, by an
    acknowledgement, or ``overtaken``: delivered, and on its way when that came.
    """

    id: int
    incident: str
    target: str
    reason: str
    kind: str
    state: str
    attempts: int
    last_code: str
    last_ms: int | None
    delivered_ms: int | None
    key: str
    body: bytes
    words: tuple[Word, ...] = ()
    """What its receiver has said of it since."""

    @property
    def stage(self) -> Signed:
        """How far it came with its receiver."""
        return stage_of(
            is_sent=self.attempts > 0, is_delivered=self.state == "delivered", words=self.words
        )


class AuditRow(msgspec.Struct, frozen=True):
    """One line of what was done."""

    id: int
    at_ms: int
    actor: str
    action: str
    reason: str
    note: str
    channel: str
    revision: int


class Detail(msgspec.Struct, frozen=True):
    """One incident with everything that belongs to it."""

    summary: Summary
    alarms: tuple[AlarmRow, ...]
    findings: tuple[FindingRow, ...]
    notices: tuple[NoticeRow, ...]
    audit: tuple[AuditRow, ...]
    cases: tuple[Case, ...] = ()
    """What it is in the systems of the city's management."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of an action; ``code`` is a key of ``lifeline.words``.

    Where it was refused, ``actor`` and ``at_ms`` say who changed the incident last, and when.
    """

    is_done: bool
    code: str
    summary: Summary | None
    actor: str
    at_ms: int
    proposal: str = ""
    """What a second person must confirm, where the action needs one."""
    is_written: bool = False
    """Whether the audit says that it was asked for and refused: that must be kept."""
    against: tuple[Objection, ...] = ()
    """The connected sensors that stand against a closure."""


class Standing(msgspec.Struct, frozen=True):
    """What stands against closing an incident now."""

    codes: tuple[str, ...] = ()
    """Why it would be refused, each a key of ``lifeline.terms.REFUSALS``."""
    sensors: tuple[Objection, ...] = ()
