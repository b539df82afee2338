"""What has been seen where and since when: a finding, or the alarms of an incident.  Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from alerting.alarms import Alarm
from alerting.incidents import Incident
from lifeline.model import Finding


class Sighting(NamedTuple):
    """One thing seen at one place: a finding, or an alarm of an incident."""

    asset: str
    zone: str
    lifeline: str
    hazard: str
    detector: str
    channel: str
    onset_ms: int
    grade: int
    contexts: tuple[str, ...] = ()


def of_finding(finding: Finding) -> Sighting:
    """What a finding has seen."""
    return Sighting(
        finding.asset,
        finding.zone,
        finding.lifeline,
        finding.hazard,
        finding.detector,
        finding.channel,
        finding.onset_ms,
        finding.grade,
        finding.contexts,
    )


def sightings(incident: Incident, members: Iterable[Alarm] = ()) -> list[Sighting]:
    """What an incident is about: its own place since its onset, and each other alarm's."""
    lead = incident.lead
    own = of_finding(lead)._replace(
        asset=incident.asset, hazard=incident.hazard, onset_ms=incident.onset_ms
    )
    others = {
        Sighting(
            alarm.asset,
            alarm.zone,
            alarm.lifeline,
            alarm.hazard,
            alarm.detector,
            alarm.channel,
            alarm.since_ms,
            alarm.grade,
        )
        for alarm in members
        if (alarm.asset, alarm.hazard) != (own.asset, own.hazard)
    }
    return [own, *sorted(others)]
