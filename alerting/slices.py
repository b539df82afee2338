"""The part of the state that a step concerns, indexed; and what a step wants done.  Pure."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from alerting.actions import Act
from alerting.alarms import Alarm
from alerting.excursions import ACTIVE, Excursion
from alerting.incidents import Incident, Reason, Verdict
from alerting.windows import Window
from alerting.witnesses import Witness
from lifeline.model import Finding

Deadline = Literal[
    "delay",
    "realarm",
    "shelf",
    "window",
    "fall",
    "remind",
    "escalate",
    "progress",
    "quiet",
    "undo",
    "archive",
    "receipt",
]
"""What a deadline is for; its subject is an excursion (delay), an alarm (realarm, shelf), a window,
or an incident."""

Place = tuple[str, str, bool]
"""(asset, hazard, drill): what has one open incident at most."""


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What one person asked for and a second must confirm."""

    id: str
    zone: str
    act: Act
    at_ms: int
    expires_ms: int


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
    rule: str = ""
    hypothesis: str = ""
    distance_m: float | None = None


class Tell(msgspec.Struct, frozen=True, tag=True):
    """Send a notice.  ``revision`` 0: it is a function of the finding that made it, alone."""

    incident: str
    finding: Finding
    reason: Reason
    at_ms: int
    revision: int
    is_first: bool = False
    """Nobody was told of this incident before."""
    into: str = ""
    """Of a merger: the incident in which it goes on."""


class Page(msgspec.Struct, frozen=True, tag=True):
    """People must be told, and must act."""

    incident: str
    revision: int
    grade: int
    step: int
    """Of the escalation; 0 before the first."""
    kind: Literal["first", "remind", "escalate", "support", "progress", "unsigned"]
    reason: Reason
    at_ms: int
    finding: Finding


class Hold(msgspec.Struct, frozen=True, tag=True):
    """Pages of the incident that nobody has leased yet wait until then."""

    incident: str
    until_ms: int


class Release(msgspec.Struct, frozen=True, tag=True):
    """What was held goes out after all."""

    incident: str


class End(msgspec.Struct, frozen=True, tag=True):
    """Pages of the incident that nobody has leased yet are never sent."""

    incident: str
    reason: Reason
    held_only: bool = False
    """Only those that are held: what came after the acknowledgement stays."""


class Schedule(msgspec.Struct, frozen=True, tag=True):
    """Come back to this subject at this time; an earlier time for the same is forgotten."""

    kind: Deadline
    subject: str
    zone: str
    due_ms: int


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """Nothing more to come back for."""

    kind: Deadline
    subject: str


class Label(msgspec.Struct, frozen=True, tag=True):
    """What the incident's findings were, as a person judged: kept for the detectors."""

    incident: str
    verdict: Verdict
    code: str
    actor: str
    at_ms: int


class SaveWindow(msgspec.Struct, frozen=True, tag=True):
    """Keep this window."""

    window: Window


class Propose(msgspec.Struct, frozen=True, tag=True):
    """Keep what one person asked for until a second confirms it."""

    proposal: Proposal


class Decided(msgspec.Struct, frozen=True, tag=True):
    """A second person has confirmed it."""

    proposal: str
    by: str
    at_ms: int


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
    alarm: str = ""
    """The alarm that it is about, where it is about one."""
    second: str = ""
    """Who confirmed it."""
    detail: str = ""
    """What stood against it, where it was done all the same; from which seat."""


Effect = (
    SaveExcursion
    | SaveAlarm
    | SaveIncident
    | Join
    | Tell
    | Page
    | Hold
    | Release
    | End
    | Schedule
    | Cancel
    | Label
    | SaveWindow
    | Propose
    | Decided
    | Record
)


@dataclass(slots=True)
class Slice:
    """Alarms, incidents, excursions, windows, found by every name that a step needs.

    Loaded from the database for one transaction, or grown from nothing by a replay.
    """

    alarms: dict[str, Alarm] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    excursions: dict[str, Excursion] = field(default_factory=dict)
    episodes: dict[Place, int] = field(default_factory=dict)
    """The last episode's number of each place."""
    windows: dict[str, Window] = field(default_factory=dict)
    proposals: dict[str, Proposal] = field(default_factory=dict)
    deadlines: dict[tuple[Deadline, str], int] = field(default_factory=dict)
    """When to come back, and for what."""
    witnesses: dict[str, Witness] = field(default_factory=dict)
    """What connected sensors have said, where a closure is asked for; by channel."""
    _open: dict[Place, str] = field(default_factory=dict)
    _live_at: dict[str, set[str]] = field(default_factory=dict)
    _members: dict[str, set[str]] = field(default_factory=dict)
    _held_at: dict[Place, dict[str, str]] = field(default_factory=dict)
    _standing_at: dict[str, set[str]] = field(default_factory=dict)
    _hidden_by: dict[str, set[str]] = field(default_factory=dict)
    _excursions_of: dict[str, set[str]] = field(default_factory=dict)
    _windows_of: dict[str, set[str]] = field(default_factory=dict)
    _due: list[tuple[int, Deadline, str]] = field(default_factory=list)

    def put_alarm(self, alarm: Alarm) -> None:
        """Takes the alarm in, in place of its older self."""
        before = self.alarms.get(alarm.key)
        place = (alarm.asset, alarm.hazard, alarm.drill)
        if before is not None and before.incident:
            self._members.get(before.incident, set()).discard(alarm.key)
            self._held_at.get(place, {}).pop(alarm.key, None)
        if before is not None and before.hidden_by:
            self._hidden_by.get(before.hidden_by, set()).discard(alarm.key)
        self.alarms[alarm.key] = alarm
        if alarm.incident:
            self._members.setdefault(alarm.incident, set()).add(alarm.key)
            self._held_at.setdefault(place, {})[alarm.key] = alarm.incident
        if alarm.hidden_by:
            self._hidden_by.setdefault(alarm.hidden_by, set()).add(alarm.key)
        if alarm.is_active:
            self._standing_at.setdefault(alarm.asset, set()).add(alarm.key)
        else:
            self._standing_at.get(alarm.asset, set()).discard(alarm.key)

    def put_incident(self, incident: Incident) -> None:
        """Takes the incident in, in place of its older self."""
        place = incident.place
        self.incidents[incident.id] = incident
        self.episodes[place] = max(incident.episode, self.episodes.get(place, 0))
        if incident.is_live:
            assert self._open.get(place, incident.id) == incident.id, (
                "two open incidents of a place"
            )
            self._open[place] = incident.id
            self._live_at.setdefault(incident.asset, set()).add(incident.id)
        elif self._open.get(place) == incident.id:
            del self._open[place]
            self._live_at[incident.asset].discard(incident.id)

    def put_excursion(self, excursion: Excursion) -> None:
        """Takes the excursion in, in place of its older self."""
        self.excursions[excursion.id] = excursion
        self._excursions_of.setdefault(excursion.alarm, set()).add(excursion.id)
        if excursion.due_ms is not None:
            self.put_deadline("delay", excursion.id, excursion.due_ms)

    def put_window(self, window: Window) -> None:
        """Takes the window in, in place of its older self."""
        self.windows[window.id] = window
        running = self._windows_of.setdefault(window.zone, set())
        if window.ended_ms is None:
            running.add(window.id)
        else:
            running.discard(window.id)

    def put_deadline(self, kind: Deadline, subject: str, due_ms: int) -> None:
        """Comes back then, and at no earlier or later time that was set before."""
        if self.deadlines.get((kind, subject)) != due_ms:
            self.deadlines[kind, subject] = due_ms
            heapq.heappush(self._due, (due_ms, kind, subject))

    def next_deadline(self) -> tuple[int, Deadline, str] | None:
        """The deadline that falls due first."""
        while self._due:
            due_ms, kind, subject = self._due[0]
            if self.deadlines.get((kind, subject)) == due_ms:
                return self._due[0]
            heapq.heappop(self._due)
        return None

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

    def hidden_by(self, window: str) -> list[Alarm]:
        """The alarms that a window hides, by name."""
        return [self.alarms[key] for key in sorted(self._hidden_by.get(window, ()))]

    def standing_at(self, asset: str) -> list[Alarm]:
        """The alarms of an asset whose condition stands, by name."""
        return [self.alarms[key] for key in sorted(self._standing_at.get(asset, ()))]

    def windows_of(self, zone: str) -> list[Window]:
        """The windows of a zone that have not ended, by name."""
        return [self.windows[name] for name in sorted(self._windows_of.get(zone, ()))]

    def live_at(self, assets: Iterable[str]) -> list[Incident]:
        """The live incidents of these assets, by name."""
        found = {name for asset in assets for name in self._live_at.get(asset, ())}
        return [self.incidents[name] for name in sorted(found)]

    def incident_for(self, alarm: Alarm) -> Incident | None:
        """The live incident that an alarm is in, or that has its place; None: it may open one.

        A place belongs to the incident that holds one of its alarms, whoever put it there.
        """
        place = (alarm.asset, alarm.hazard, alarm.drill)
        holders = self._held_at.get(place, {}).values()
        name = alarm.incident or self._open.get(place) or next(iter(holders), "")
        found = self.incidents.get(name)
        return found if found is not None and found.is_live else None
