"""The part of the state that a step concerns, indexed; and what a step wants done.  Pure."""

from dataclasses import dataclass, field

import msgspec

from alerting.alarms import ACTIVE, Alarm, Excursion
from alerting.incidents import Incident, Reason
from lifeline.model import Finding

Place = tuple[str, str, bool]
"""(asset, hazard, drill): what has one open incident at most."""


class SaveExcursion(msgspec.Struct, frozen=True, tag=True):
    """Keep this excursion."""

    excursion: Excursion


class SaveAlarm(msgspec.Struct, frozen=True, tag=True):
    """Keep this alarm."""

    alarm: Alarm


class SaveIncident(msgspec.Struct, frozen=True, tag=True):
    """Keep this incident, publish it, and wake whoever watches."""

    incident: Incident
    reason: Reason


class Join(msgspec.Struct, frozen=True, tag=True):
    """The alarm is a member of the incident."""

    incident: str
    alarm: str
    reason: Reason
    at_ms: int


class Tell(msgspec.Struct, frozen=True, tag=True):
    """Send a notice.  ``revision`` 0: it is a function of the finding that made it, alone."""

    incident: str
    finding: Finding
    reason: Reason
    at_ms: int
    revision: int
    is_first: bool = False
    """Nobody was told of this incident before."""


class Wait(msgspec.Struct, frozen=True, tag=True):
    """Come back to this excursion when its delay has run out."""

    excursion: str
    zone: str
    due_ms: int


class Forget(msgspec.Struct, frozen=True, tag=True):
    """Nothing more to wait for."""

    excursion: str


class Record(msgspec.Struct, frozen=True, tag=True):
    """One line of the audit."""

    incident: str
    zone: str
    at_ms: int
    actor: str
    action: str
    reason: Reason
    note: str
    channel: str
    revision: int


Effect = SaveExcursion | SaveAlarm | SaveIncident | Join | Tell | Wait | Forget | Record


@dataclass(slots=True)
class Slice:
    """Alarms, incidents and excursions, found by every name that a step needs.

    Loaded from the database for one transaction, or grown from nothing by a replay.
    """

    alarms: dict[str, Alarm] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    excursions: dict[str, Excursion] = field(default_factory=dict)
    episodes: dict[Place, int] = field(default_factory=dict)
    """The last episode's number of each place."""
    _open: dict[Place, str] = field(default_factory=dict)
    _members: dict[str, set[str]] = field(default_factory=dict)
    _excursions_of: dict[str, set[str]] = field(default_factory=dict)

    def put_alarm(self, alarm: Alarm) -> None:
        """Takes the alarm in, in place of its older self."""
        before = self.alarms.get(alarm.key)
        if before is not None and before.incident:
            self._members.get(before.incident, set()).discard(alarm.key)
        self.alarms[alarm.key] = alarm
        if alarm.incident:
            self._members.setdefault(alarm.incident, set()).add(alarm.key)

    def put_incident(self, incident: Incident) -> None:
        """Takes the incident in, in place of its older self."""
        place = (incident.asset, incident.hazard, incident.drill)
        self.incidents[incident.id] = incident
        self.episodes[place] = max(incident.episode, self.episodes.get(place, 0))
        if incident.phase != "closed":
            assert self._open.get(place, incident.id) == incident.id, (
                "two open incidents of a place"
            )
            self._open[place] = incident.id
        elif self._open.get(place) == incident.id:
            del self._open[place]

    def put_excursion(self, excursion: Excursion) -> None:
        """Takes the excursion in, in place of its older self."""
        self.excursions[excursion.id] = excursion
        self._excursions_of.setdefault(excursion.alarm, set()).add(excursion.id)

    def excursions_of(self, alarm: str) -> list[Excursion]:
        """The excursions of an alarm that are here, oldest first."""
        found = [self.excursions[e] for e in self._excursions_of.get(alarm, ())]
        return sorted(found, key=lambda e: (e.finding.onset_ms, e.id))

    def active_of(self, alarm: str) -> list[Excursion]:
        """Those that count now."""
        return [e for e in self.excursions_of(alarm) if e.stage in ACTIVE]

    def members(self, incident: str) -> list[Alarm]:
        """The alarms that an incident holds, by name."""
        return [self.alarms[key] for key in sorted(self._members.get(incident, ()))]

    def incident_for(self, alarm: Alarm) -> Incident | None:
        """The open incident that an alarm is in or would join; None: it would open one."""
        name = alarm.incident or self._open.get((alarm.asset, alarm.hazard, alarm.drill), "")
        found = self.incidents.get(name)
        return found if found is not None and found.phase != "closed" else None
