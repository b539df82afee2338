"""What is worked out about the queue beside the engine: risk, search words, floods.  Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from alerting import flood, risk
from alerting.alarms import RAISED, Alarm
from alerting.flood import Raised, View
from alerting.incidents import Incident
from alerting.risk import Risk, Weights
from alerting.topology import Topology
from lifeline import words
from lifeline.model import UNTITLED

OVERLAP_MS = 2000
"""Alarms of a transaction that ends late bear an earlier time than some that were seen before."""


def assess(
    topology: Topology, weights: Weights, incident: Incident, alarms: Iterable[Alarm]
) -> Risk:
    """How bad an incident is where it is."""
    return risk.assess(incident, alarms, risk.at_stake(topology, incident.asset), weights)


def found_by(topology: Topology, incident: Incident) -> str:
    """The words under which somebody looks for an incident, in both languages."""
    asset = topology.asset(incident.asset)
    titles = topology.catalog.head.zone_titles.get(incident.zone, UNTITLED)
    texts = [incident.asset, incident.zone, titles.zh, titles.en, incident.lead.channel]
    if asset is not None:
        texts += [asset.title.zh, asset.title.en]
    for language in words.LANGUAGES:
        texts += [
            words.hazard(incident.hazard, language),
            words.lifeline(incident.lifeline, language),
        ]
    texts += [incident.hazard, incident.person, incident.acknowledged_by]
    return "\n".join(text for text in texts if text)


@dataclass(slots=True)
class Floods:
    """Every desk's flood, fed with the alarms that have changed."""

    topology: Topology
    desk_of: Callable[[str, str], str]
    """(lifeline, zone) -> desk."""
    scores: dict[str, float] = field(default_factory=dict)
    """Incident -> risk."""
    _desks: dict[str, flood.Desk] = field(default_factory=dict)
    _seen: dict[str, int] = field(default_factory=dict)
    """Alarm -> the revision that was taken in."""
    _raised: dict[str, int] = field(default_factory=dict)
    """Alarm -> since when its condition has stood, as it was counted."""
    since_ms: int = 0

    def take(self, alarms: Sequence[Alarm]) -> None:
        """Takes in what has changed; the same again does nothing."""
        for one in alarms:
            self.since_ms = max(self.since_ms, one.since_ms - OVERLAP_MS)
            if self._seen.get(one.key) == one.revision:
                continue
            self._seen[one.key] = one.revision
            name = self.desk_of(one.lifeline, one.zone)
            desk = self._desks.setdefault(name, flood.Desk(self.topology))
            if one.state not in RAISED or not one.incident:
                self._raised.pop(one.key, None)
                desk.clear(one.key, one.since_ms)
            elif self._raised.get(one.key) != one.active_ms:
                self._raised[one.key] = one.active_ms or 0
                desk.take(self._as_raised(one), one.since_ms)

    def _as_raised(self, one: Alarm) -> Raised:
        return Raised(
            alarm=one.key,
            incident=one.incident,
            asset=one.asset,
            zone=one.zone,
            lifeline=one.lifeline,
            grade=one.grade,
            risk=self.scores.get(one.incident, 101.0 - one.grade),
            onset_ms=one.since_ms,
        )

    def views(self, now_ms: int) -> Mapping[str, View]:
        """What each desk that has had an alarm shows now."""
        return {name: desk.view(now_ms) for name, desk in self._desks.items()}
