"""Notices: what receivers are told, as bytes under a key.  Pure.

A notice that a finding made is a function of that finding (and of the catalog), whoever makes it
and when: the push that was sent while PostgreSQL was away and the one in the outbox later are the
same bytes under the same key.  The body's digest is part of the key, so that one key never has two
bodies.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from alerting import cap, cap_profile, cases, routes
from alerting.exchange.tables import CaseSystem, Tables
from alerting.incidents import Incident, Reason
from alerting.policy import DEFAULT, Policy
from alerting.slices import Page, Tell
from lifeline import words
from lifeline.catalog import Catalog
from lifeline.config import Router
from lifeline.model import UNTITLED, Finding, Text
from lifeline.network import Asset
from lifeline.targets import Target
from lifeline.wire import (
    Explanation,
    IncidentState,
    Notice,
    NoticeAsset,
    NoticeGrade,
    Told,
    encode_notice,
)

Kind = Literal["alert", "update", "end"]
Judged = Literal["", "true", "false", "test", "unknown"]
Chains = dict[tuple[str, str], tuple[str, ...]]
"""(incident, target) to the references of the documents that the target was sent of it."""
CHAINED = frozenset(("cap", "cap-gb"))
TOLD: dict[Reason, Told] = {
    Reason.OPENED: "opened",
    Reason.LOCATED: "located",
    Reason.WORSENED: "worsened",
    Reason.EASED: "eased",
    Reason.REOPENED: "reopened",
    Reason.SURFACED: "reopened",
    Reason.ACKNOWLEDGED: "acknowledged",
    Reason.UNDONE: "undone",
    Reason.VERIFIED: "verified",
    Reason.DISPATCHED: "dispatched",
    Reason.RETURNED: "returned",
    Reason.MERGED: "merged",
    Reason.CLOSED: "closed",
}
"""The reasons that receivers hear of."""
ENDS = frozenset(("closed", "merged"))


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
    identifier: str = ""
    """The name of the document in it, by which its receiver signs for it."""
    reference: str = ""
    """How later documents of the incident name it."""


Pager = Callable[[Any, Sequence[tuple[Page, Incident]]], Sequence[Push]]
"""The pushes of pages, made in the transaction of a connection: who knows whom to call, and how."""


@dataclass(slots=True)
class Wording:
    """How what the engine decides is put to receivers, and by which rules of the house it decides.

    The settings, the catalog's places and limits, the policy of the desk, the roster's pages.
    """

    catalog: Catalog | None
    settings: Router
    policy: Policy = field(default=DEFAULT, kw_only=True)
    pager: Pager | None = field(default=None, kw_only=True)
    tables: Tables = field(default_factory=Tables, kw_only=True)
    """Codes agreed with the receivers."""
    desk_of: Callable[[str, str], str] | None = field(default=None, kw_only=True)
    """The roster's desk of a lifeline and zone."""
    _assets: dict[str, Asset | None] = field(default_factory=dict)

    @property
    def is_chained(self) -> bool:
        """Whether a target is sent documents that name those before them."""
        return any(target.format in CHAINED for target in self.settings.targets)

    @property
    def sign_within_s(self) -> dict[str, float]:
        """The targets that must sign for what begins or worsens, and within how long."""
        return {t.name: t.sign_within_s for t in self.settings.targets if t.sign_within_s > 0}

    def pushes(self, tell: Tell, chains: Chains | None = None, verdict: Judged = "") -> list[Push]:
        """The pushes of a notice, one a target that wants it; brings ``chains`` forward.

        ``verdict`` is what an officer found; of a notice that a finding made, nobody has yet.
        """
        finding = tell.finding
        desk = self.desk(finding.lifeline, finding.zone)
        targets = routes.targets_for(
            self.settings.targets, finding.lifeline, finding.grade, self.policy.grades, desk
        )
        if not targets:
            return []
        notice = self.notice(tell, verdict if tell.revision else "")
        known = {} if chains is None else chains
        made = (self._push(target, notice, tell, desk, known) for target in targets)
        return [push for push in made if push is not None]

    def desk(self, lifeline: str, zone: str) -> str:
        """The desk whose incidents those of a zone are: the roster's, else the tables'."""
        found = self.desk_of(lifeline, zone) if self.desk_of is not None else ""
        return found or self.tables.place_of(zone).desk

    def _push(
        self, target: Target, notice: Notice, tell: Tell, desk: str, chains: Chains
    ) -> Push | None:
        """The push for a target; None where it was told nothing of what now goes on."""
        identifier = reference = ""
        match target.format:
            case "json":
                body = encode_notice(notice)
            case "case":
                system = self.tables.case.get(target.system, CaseSystem())
                body = cases.notice_of(notice, system, desk)
            case _:
                profile = cap_profile if target.format == "cap-gb" else cap
                names = profile.names_of(notice, target.name, self.tables)
                chain = chains.get((notice.incident, target.name), ())
                if cap.type_of(notice, chain) is None:
                    return None
                body = cap.document(notice, names, chain, self.tables, self.policy.grades)
                identifier = names.identifier
                reference = cap.reference_of(notice, names, self.tables)
                if reference not in chain:
                    chains[notice.incident, target.name] = (*chain, reference)
        return Push(
            target.name,
            key_of(notice, target.name, body),
            body,
            tell.incident,
            notice.kind,
            notice.reason,
            tell.finding.grade,
            0 if tell.revision else tell.finding.received_ms,
            identifier=identifier,
            reference=reference,
        )

    def notice(self, tell: Tell, verdict: Judged = "") -> Notice:
        """What is told."""
        finding = tell.finding
        title = self._title(finding.asset)
        asset = self._asset(finding.asset)
        reason, grades = TOLD[tell.reason], self.policy.grades
        kind: Kind = "alert" if tell.is_first else "end" if reason in ENDS else "update"
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
                finding.grade, grades.word(finding.grade, "zh"), grades.word(finding.grade, "en")
            ),
            onset_ms=finding.onset_ms,
            detected_ms=finding.received_ms,
            at_ms=tell.at_ms,
            revision=tell.revision,
            headline=Text(
                words.headline(finding, title.zh, "zh", grades, reason=reason),
                words.headline(finding, title.en, "en", grades, reason=reason),
            ),
            explanation=self._explanation(finding),
            link=f"{self.settings.public_url.rstrip('/')}/incidents/{tell.incident}",
            verdict=verdict,
            merged_into=tell.into,
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
    cause = cap.cause_of(notice, target)
    return hashlib.sha256(cause.encode() + b"\n" + body).hexdigest()


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
