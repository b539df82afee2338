"""Findings and timelines for the tests of alerting: seconds in, what came out as words."""

from collections.abc import Sequence
from typing import Any

import msgspec

from alerting import alarms, engine
from alerting.actions import Act
from alerting.alarms import Alarm
from alerting.incidents import DONE, Incident, taken
from alerting.policy import Policy
from alerting.slices import Effect, End, Hold, Page, Record, Release, SaveIncident, Slice, Tell
from lifeline.life import Life
from lifeline.model import Finding

T0 = 1_700_000_000_000
AT_ONCE = Policy(life=Life(quiet_s=0.0))
"""Closes as soon as it is calm, so that a timeline is short."""


def finding(
    second: float = 0, *, name: str = "", onset_s: float | None = None, **changes: Any
) -> Finding:
    """A gas leak's finding at a second; ``name`` is its id, by default made of its onset."""
    onset = second if onset_s is None else onset_s
    at_ms = T0 + round(second * 1000)
    base = Finding(
        id=name or f"f{onset:g}",
        phase="raised",
        zone="gas/heping",
        asset="gas/well-1",
        lifeline="gas",
        channel="gas/well-1/ch4",
        rule="gas.ch4",
        detector="threshold",
        hazard="gas-leak",
        grade=2,
        onset_ms=T0 + round(onset * 1000),
        at_ms=at_ms,
        received_ms=at_ms,
        code="above-limit",
        value=23.4,
        unit="%LEL",
        limit=20.0,
        limit_id="gas.ch4.alarm",
    )
    return msgspec.structs.replace(base, **changes)


def raised(second: float, **changes: Any) -> Finding:
    return finding(second, **changes)


def held(second: float, onset_s: float = 0, **changes: Any) -> Finding:
    return finding(second, onset_s=onset_s, phase="held", **changes)


def cleared(second: float, onset_s: float = 0, **changes: Any) -> Finding:
    return finding(second, onset_s=onset_s, phase="cleared", **changes)


def ack(incident: str = "", **changes: Any) -> Act:
    return msgspec.structs.replace(
        Act(incident=incident, action="acknowledge", actor="li"), **changes
    )


def close(incident: str = "", **changes: Any) -> Act:
    act = Act(
        incident=incident,
        action="close",
        actor="li",
        note="checked on site",
        verdict="true",
        code="leak",
    )
    return msgspec.structs.replace(act, **changes)


SILENT = ("quiet", "escalated", "no-progress", "review", "archived")
"""Steps of the clocks: shown by ``pages``."""


def pages(effects: Sequence[Effect]) -> list[str]:
    """Who was called: ``first 2``, ``escalate 2 step 1``; what was held, ended and released."""
    said: list[str] = []
    for effect in effects:
        match effect:
            case Page():
                step = f" step {effect.step}" if effect.step else ""
                said.append(f"{effect.kind} {effect.grade}{step}")
            case Hold():
                said.append("hold")
            case Release():
                said.append("release")
            case End():
                said.append("end held" if effect.held_only else f"end {effect.reason}")
    return said


def words(effects: Sequence[Effect]) -> list[str]:
    """What came out: an incident's steps as ``episode:reason>phase``, notices as ``tell …``."""
    said: list[str] = []
    for effect in effects:
        match effect:
            case SaveIncident(incident, reason) if reason not in SILENT:
                said.append(f"{incident.episode}:{reason}>{incident.phase}")
            case Tell():
                first = "alert " if effect.is_first else ""
                said.append(f"tell {first}{effect.reason} {effect.finding.grade}")
    return said


class Scene:
    """A city of one slice, played in virtual time with every tick that falls due."""

    def __init__(self, policy: Policy = AT_ONCE) -> None:
        self.policy = policy
        self.slice = Slice()
        self.effects: list[Effect] = []
        self.called: list[tuple[float, str]] = []
        """(second, who was called, what was held, ended, released)."""

    def do(self, second: float, action: str, **fields: Any) -> str:
        """What became of an action at a second, in one word; actions mean the newest incident."""
        wanted = Act(action=action, actor=fields.pop("actor", "li"), **fields)  # type: ignore[arg-type]
        if not (wanted.incident or wanted.alarm or wanted.proposal or wanted.window):
            is_of_window = wanted.opening is not None
            name = "" if is_of_window or not self.slice.incidents else self.newest().id
            wanted = msgspec.structs.replace(wanted, incident=name)
        self._run_to(second, [])
        now_ms = T0 + round(second * 1000)
        reason, effects = engine.act(self.slice, wanted, now_ms, self.policy)
        assert bool(effects) == (reason in DONE), (reason, effects)
        self._take(effects, second)
        return str(reason)

    def play(
        self, timeline: Sequence[tuple[float, Finding | Act]], until_s: float = 0
    ) -> list[Any]:
        """What came out, as (second, words); actions name their incident or mean the newest."""
        seen: list[Any] = []
        for second, event in timeline:
            self._run_to(second, seen)
            now_ms = T0 + round(second * 1000)
            if isinstance(event, Act):
                name = event.incident or self.newest().id
                wanted = msgspec.structs.replace(event, incident=name)
                reason, effects = engine.act(self.slice, wanted, now_ms, self.policy)
                out = words(effects) or [str(reason) if effects else f"refused: {reason}"]
            else:
                effects = engine.step(self.slice, event, now_ms, self.policy)
                out = words(effects)
            self._take(effects, second)
            if out:
                seen.append((second, *out))
        self._run_to(until_s, seen)
        return seen

    def _run_to(self, second: float, seen: list[Any]) -> None:
        while (due := self.slice.next_deadline()) is not None and due[0] <= T0 + second * 1000:
            effects = engine.tick(self.slice, due[0], self.policy)
            self._take(effects, (due[0] - T0) / 1000)
            if words(effects):
                seen.append(((due[0] - T0) / 1000, *words(effects)))

    def _take(self, effects: Sequence[Effect], second: float) -> None:
        self.effects += effects
        self.called += [(second, text) for text in pages(effects)]
        check(self.slice)

    def newest(self) -> Incident:
        return list(self.slice.incidents.values())[-1]

    def alarm(self, channel: str = "gas/well-1/ch4") -> Alarm:
        (found,) = [a for a in self.slice.alarms.values() if a.channel == channel and not a.drill]
        return found

    def recorded(self) -> list[str]:
        """The reasons of what was written down, in order."""
        return [str(e.reason) for e in self.effects if isinstance(e, Record)]

    def state(self, channel: str = "gas/well-1/ch4") -> str:
        return self.alarm(channel).state


def check(slice_: Slice) -> None:
    """The facts that hold after every step, whatever happened."""
    places: dict[tuple[str, str, bool], str] = {}
    for incident in slice_.incidents.values():
        members = slice_.members(incident.id)
        if not incident.is_live:
            assert members == []
            continue
        assert incident.place not in places, "two open episodes of a place"
        places[incident.place] = incident.id
        is_active = any(a.is_active for a in members)
        has_unseen = any(a.state in alarms.UNACKNOWLEDGED for a in members)
        assert incident.is_active == is_active
        expected = "open" if has_unseen else taken(incident) if is_active else "watching"
        assert incident.phase == expected, (incident, members)
        assert (incident.calm_ms is None) == is_active
        assert (incident.acknowledged_ms is None) == (incident.phase == "open")
    for alarm in slice_.alarms.values():
        assert alarm.is_active == bool(slice_.active_of(alarm.key)), alarm
        if alarm.state not in alarms.HIDDEN:
            assert alarm.is_active == (alarm.state in alarms.RAISED), alarm
        assert not alarm.incident or slice_.incidents[alarm.incident].is_live
        assert bool(alarm.hidden_by) == (alarm.state in alarms.HIDDEN)
