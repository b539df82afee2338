"""Notices: what receivers are told, as bytes under a key.  Pure.

A notice that a finding made is a function of that finding (and of the catalog), whoever makes it
and when: the push that was sent while PostgreSQL was away and the one in the outbox later are the
same bytes under the same key.  The body's digest is part of the key, so that one key never has two
bodies.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from alerting import routes
from alerting.incidents import Incident, Reason
from alerting.slices import Tell
from lifeline import words
from lifeline.catalog import Catalog
from lifeline.config import Router
from lifeline.model import UNTITLED, Finding, Text
from lifeline.network import Asset
from lifeline.wire import (
    Explanation,
    IncidentState,
    Notice,
    NoticeAsset,
    NoticeGrade,
    encode_notice,
)

Kind = Literal["alert", "update", "end"]
TOLD: dict[Reason, Literal["opened", "worsened", "reopened", "acknowledged", "returned", "closed"]]
TOLD = {
    Reason.OPENED: "opened",
    Reason.WORSENED: "worsened",
    Reason.REOPENED: "reopened",
    Reason.ACKNOWLEDGED: "acknowledged",
    Reason.RETURNED: "returned",
    Reason.CLOSED: "closed",
}
"""The reasons that receivers hear of."""


class Push(msgspec.Struct, frozen=True):
    """One notice for one target, ready to be sent as often as it takes."""

    target: str
    key: str
    body: bytes
    incident: str
    """Empty: a test page."""
    kind: Kind | Literal["page", "test"]
    reason: str
    grade: int
    received_ms: int
    """Ingest's clock of the reading behind it; 0 where a person or a timer was."""
    is_page: bool = False
    """It tells a person, who must act: held and ended by an acknowledgement.  Its body is a
    ``Card``; that of a notice, a ``Notice``."""
    person: str = ""
    address: str = ""
    """Where the person is reached by the target; empty: the target's own."""
    language: str = ""
    """Of the person; empty: the target's."""


@dataclass(slots=True)
class Wording:
    """How a ``Tell`` is put to receivers: the settings and the catalog's places and limits."""

    catalog: Catalog | None
    settings: Router
    _assets: dict[str, Asset | None] = field(default_factory=dict)

    def pushes(self, tell: Tell) -> list[Push]:
        """The pushes of a notice, one a target that wants it."""
        finding = tell.finding
        targets = routes.targets_for(self.settings.targets, finding.lifeline, finding.grade)
        if not targets:
            return []
        notice = self.notice(tell)
        body = encode_notice(notice)
        received_ms = 0 if tell.revision else finding.received_ms
        return [
            Push(
                target.name,
                key_of(notice, target.name, body),
                body,
                tell.incident,
                notice.kind,
                notice.reason,
                finding.grade,
                received_ms,
            )
            for target in targets
        ]

    def notice(self, tell: Tell) -> Notice:
        """What is told."""
        finding = tell.finding
        title = self._title(finding.asset)
        asset = self._asset(finding.asset)
        reason = TOLD[tell.reason]
        kind: Kind = "alert" if tell.is_first else "end" if reason == "closed" else "update"
        return Notice(
            incident=tell.incident,
            kind=kind,
            reason=reason,
            status="Exercise" if finding.drill else "Actual",
            sender=self.settings.sender,
            lifeline=finding.lifeline,
            lifeline_title=self._lifeline(finding.lifeline),
            zone=finding.zone,
            asset=NoticeAsset(finding.asset, title, asset.position if asset else None),
            hazard=finding.hazard,
            hazard_title=Text(
                words.hazard(finding.hazard, "zh"), words.hazard(finding.hazard, "en")
            ),
            grade=NoticeGrade(
                finding.grade, words.grade(finding.grade, "zh"), words.grade(finding.grade, "en")
            ),
            onset_ms=finding.onset_ms,
            detected_ms=finding.received_ms,
            at_ms=tell.at_ms,
            revision=tell.revision,
            headline=Text(
                words.headline(finding, title.zh, "zh", reason=reason),
                words.headline(finding, title.en, "en", reason=reason),
            ),
            explanation=self._explanation(finding),
            link=f"{self.settings.public_url.rstrip('/')}/incidents/{tell.incident}",
        )

    def _explanation(self, finding: Finding) -> Explanation:
        limit = self.catalog.head.limits.get(finding.limit_id) if self.catalog else None
        return Explanation(
            finding=finding.id,
            detector=finding.detector,
            version=finding.version,
            rule=finding.rule,
            code=finding.code,
            channel=finding.channel,
            value=finding.value,
            unit=finding.unit,
            limit=finding.limit,
            limit_id=finding.limit_id,
            clause=finding.clause,
            verified=limit is not None and limit.verified,
            score=finding.score,
            confidence=finding.confidence,
            since_ms=finding.onset_ms,
            trace=finding.trace,
            text=Text(words.explain(finding, "zh"), words.explain(finding, "en")),
            evidence=finding.evidence,
            quality=finding.quality,
        )

    def _lifeline(self, name: str) -> Text:
        heads = self.catalog.head.lifelines if self.catalog else ()
        title = next((lifeline.title for lifeline in heads if lifeline.name == name), UNTITLED)
        return Text(title.zh or words.lifeline(name, "zh"), title.en or words.lifeline(name, "en"))

    def _title(self, name: str) -> Text:
        asset = self._asset(name)
        title = asset.title if asset else UNTITLED
        return Text(title.zh or name, title.en or name)

    def _asset(self, name: str) -> Asset | None:
        if name not in self._assets:
            self._assets[name] = self.catalog.asset(name) if self.catalog else None
        return self._assets[name]


def key_of(notice: Notice, target: str, body: bytes) -> str:
    """The idempotency key of a notice for a target: the same notice, the same key, for ever."""
    cause = notice.explanation.finding if notice.revision == 0 else str(notice.revision)
    text = f"{notice.incident}\n{notice.reason}\n{cause}\n{target}"
    return hashlib.sha256(text.encode() + b"\n" + body).hexdigest()


def state_of(incident: Incident, reason: Reason, stamped_ms: int) -> IncidentState:
    """The incident as the city's shared feed tells it."""
    return IncidentState(
        incident=incident.id,
        episode=incident.episode,
        revision=incident.revision,
        phase=incident.phase,
        lifeline=incident.lifeline,
        zone=incident.zone,
        asset=incident.asset,
        hazard=incident.hazard,
        grade=incident.grade,
        drill=incident.drill,
        is_active=incident.is_active,
        onset_ms=incident.onset_ms,
        opened_ms=incident.opened_ms,
        changed_ms=incident.updated_ms,
        stamped_ms=stamped_ms,
        acknowledged_by=incident.acknowledged_by,
        closed_by=incident.closed_by,
        reason=str(reason),
    )
