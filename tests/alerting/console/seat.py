"""Board, people and proof in memory, moved by the engine: what ``console.ask`` asks for."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from alerting import engine, handling, windows
from alerting.actions import Act
from alerting.alarms import LATCHED, STALE_MS, Alarm
from alerting.board.rows import CALLING, DueRow, Listed, Member, Queued, Sift, Told, Wait
from alerting.console.ask import Sealed
from alerting.desk.rows import NoticeRow, Outcome, Resent, Standing
from alerting.incidents import DONE, TRIED, UNWITNESSED, Incident
from alerting.kpi.report import Dimension, Report
from alerting.people import handover, links
from alerting.people.handover import Facts, Handover, ItemKey
from alerting.people.links import Link, LinkView
from alerting.people.responders import Responder
from alerting.policy import Policy
from alerting.turn import Turn
from alerting.windows import Window
from alerting.witnesses import Witness

ROSTER = """
timezone = "Asia/Shanghai"

[working]
begins = "08:30"
ends = "17:30"
days = [1, 2, 3, 4, 5]

[test]
at = "20:30"
targets = ["sms"]
confirm_s = 3600

[[chains]]
grade = 1
remind_s = 30
progress_s = 600
steps = [
  { after_s = 0, whom = "on-duty", targets = ["sms"] },
  { after_s = 120, whom = "second", targets = ["sms"] },
]

[[chains]]
grade = 2
remind_s = 120
progress_s = 1800
steps = [{ after_s = 0, whom = "on-duty", targets = ["sms"] }]

[[persons]]
name = "li-wei"
login = "li"
title = { zh = "李伟", en = "Li Wei" }
addresses = { sms = "1" }

[[persons]]
name = "zhao"
title = { zh = "赵敏", en = "Zhao Min" }
addresses = { sms = "2" }

[[desks]]
name = "gas"
title = { zh = "燃气席", en = "Gas desk" }
lifelines = ["gas"]
parent = "city"
part_time = true
standing = { leader = ["zhao"] }
crews = [
  { name = "a", posts = { on-duty = ["li-wei"], second = ["zhao"] } },
  { name = "b", posts = { on-duty = ["zhao"] } },
]
[desks.rotation]
starts = 2020-01-01
shifts = [{ begins = "00:00", ends = "12:00" }, { begins = "12:00", ends = "00:00" }]
order = ["a", "b"]

[[desks]]
name = "city"
title = { zh = "市级席", en = "City desk" }
level = "city"
standing = { on-duty = ["zhao"], leader = ["zhao"] }
"""


class Table:
    """``Board`` on a slice."""

    def __init__(self, hall: Any) -> None:
        self.hall = hall
        self.risks: dict[str, float] = {}
        self.pages: dict[str, list[Told]] = {}
        self.dead: list[NoticeRow] = []
        self.resent: list[tuple[int, str, str]] = []
        self.acts: list[Act] = []
        self.silent: list[str] = []
        """Channels that say nothing when a closure asks them; every other one says: all is well."""

    def queue(self, sift: Sift) -> Sequence[Queued]:
        found = []
        for one in self.hall.slice.incidents.values():
            fits = (
                one.phase in sift.phases
                and sift.lifeline in ("", one.lifeline)
                and (not sift.grades or one.grade in sift.grades)
                and (sift.zones is None or one.zone in sift.zones)
                and sift.review in (None, one.review)
                and sift.text in f"{one.asset} {one.hazard}"
                and (one.closed_ms or sift.closed_since_ms) >= sift.closed_since_ms
                and one.id > sift.after
            )
            if fits:
                due = [(self.hall.slice.deadlines.get((kind, one.id)), kind) for kind in CALLING]
                next_ms, kind = min(((ms, k) for ms, k in due if ms), default=(None, ""))
                found.append(
                    Queued(
                        summary=self.hall.summary(one),
                        risk=self.risks.get(one.id),
                        next_kind=kind,
                        next_ms=next_ms,
                    )
                )
        return sorted(found, key=lambda q: q.summary.id)[: sift.limit]

    def members(self, incident: str) -> Sequence[Member]:
        joined = {j.alarm: j for j in self.hall.joins if j.incident == incident}
        return [
            self._member(alarm, joined.get(key))
            for key, alarm in self.hall.slice.alarms.items()
            if key in joined or alarm.incident == incident
        ]

    def _member(self, alarm: Alarm, join: Any = None) -> Member:
        fields = {n: getattr(alarm, n) for n in Member.__struct_fields__ if hasattr(alarm, n)}
        return Member(
            **fields,
            joined="" if join is None else str(join.reason),
            joined_ms=None if join is None else join.at_ms,
            join_rule="" if join is None else join.rule,
            hypothesis="" if join is None else join.hypothesis,
            distance_m=None if join is None else join.distance_m,
        )

    def whole(self, incident: str) -> tuple[Incident, tuple[Alarm, ...]]:
        return self.hall.slice.incidents[incident], tuple(self.hall.slice.members(incident))

    def deadlines(self, incident: str) -> Sequence[DueRow]:
        due = [(ms, kind) for (kind, name), ms in self.hall.slice.deadlines.items()
               if name == incident]  # fmt: skip
        return [DueRow(kind, ms) for ms, kind in sorted(due)]

    def told(self, incident: str) -> Sequence[Told]:
        return self.pages.get(incident, [])

    def alarms(self, what: Listed, limit: int, after: str = "") -> Sequence[Member]:
        fits: dict[str, Callable[[Alarm], bool]] = {
            "hidden": lambda a: a.state in ("shelved", "suppressed", "out-of-service"),
            "latched": lambda a: a.state in LATCHED,
            "chattering": lambda a: a.is_chattering,
            "stale": lambda a: self.hall.now_ms - (a.active_ms or self.hall.now_ms) > STALE_MS,
        }
        chosen = fits.get(what, lambda a: a.state == what)
        found = [a for key, a in sorted(self.hall.slice.alarms.items()) if key > after]
        return [self._member(a) for a in found if chosen(a)][:limit]

    def alarm(self, key: str) -> Member | None:
        found = self.hall.slice.alarms.get(key)
        return None if found is None else self._member(found)

    def windows(self, ended_since_ms: int) -> Sequence[Window]:
        known = self.hall.slice.windows.values()
        return [w for w in known if (w.ended_ms or ended_since_ms) >= ended_since_ms]

    def window(self, name: str) -> Window | None:
        found: Window | None = self.hall.slice.windows.get(name)
        return found

    def proposals(self, incident: str = "") -> Sequence[Wait]:
        return [
            Wait(
                id=one.id,
                action=one.act.action,
                incident=one.act.incident,
                alarm=one.act.alarm,
                zone=one.zone,
                by=one.act.actor,
                note=one.act.note,
                at_ms=one.at_ms,
                expires_ms=one.expires_ms,
                until_ms=one.act.until_ms,
                kind="" if one.act.opening is None else one.act.opening.kind,
            )
            for one in self.hall.slice.proposals.values()
            if incident in ("", one.act.incident)
        ]

    def act(self, acts: Sequence[Act], now_ms: int) -> Sequence[Outcome]:
        return [self._act(act, now_ms) for act in acts]

    def _act(self, act: Act, now_ms: int) -> Outcome:
        self.acts.append(act)
        slice_ = self.hall.slice
        policy: Policy = self.hall.site.wording.policy
        if act.incident in slice_.incidents:
            found = self._hear(act.incident, now_ms)
        reason, effects = engine.act(slice_, act, now_ms, policy)
        turn = Turn(slice_, now_ms, policy)
        against = handling.objections(turn, found) if reason in UNWITNESSED else []
        self.hall.keep_effects(effects)
        one = slice_.incidents.get(act.incident)
        asked = [p.id for p in slice_.proposals.values() if p.act == act]
        return Outcome(
            is_done=reason in DONE,
            code="closed" if reason == "closed-active" else str(reason),
            summary=None if one is None else self.hall.summary(one),
            actor="" if one is None else one.last_actor,
            at_ms=0 if one is None else one.updated_ms,
            proposal=asked[-1] if asked and reason == "proposed" else "",
            is_written=act.action == "close" and reason in TRIED,
            against=tuple(against),
        )

    def _hear(self, incident: str, now_ms: int) -> Incident:
        slice_, policy = self.hall.slice, self.hall.site.wording.policy
        found, members = self.whole(incident)
        well = Witness(now_ms)
        for sensor in policy.sensors(found, members):
            value = (sensor.above or 0.0) + 1.0 if sensor.below is None else sensor.below / 2
            slice_.witnesses[sensor.channel] = msgspec.structs.replace(well, low=value, high=value)
        for name in self.silent:
            slice_.witnesses.pop(name, None)
        return found

    def standing(self, incident: str, now_ms: int) -> Standing:
        found = self._hear(incident, now_ms)
        turn = Turn(self.hall.slice, now_ms, self.hall.site.wording.policy)
        codes = tuple(map(str, handling.against(turn, found)))
        return Standing(codes, tuple(handling.objections(turn, found)))

    def letters(self) -> Sequence[NoticeRow]:
        return self.dead

    def resend(self, number: int, by: str, note: str = "") -> Resent:
        found = [one for one in self.dead if one.id == number]
        if not found:
            return "unknown"
        if found[0].reason == "first":
            return "taken"
        self.dead = [one for one in self.dead if one.id != number]
        self.resent.append((number, by, note))
        return "resent"


class People:
    """``Crew`` in memory."""

    def __init__(self, hall: Any) -> None:
        self.hall = hall
        self.known: list[Responder] = []
        self.links: dict[str, Link] = {}
        self.sheets: dict[str, Handover] = {}
        self.facts: dict[str, Any] = {}
        self.stopped: list[tuple[str, str]] = []
        self.called: list[tuple[str, str, str]] = []
        self.channels: list[str] = []

    def responders(self, incident: str) -> Sequence[Responder]:
        return self.known if incident else []

    def stop_own(self, incident: str, person: str, channel: str = "") -> int:
        self.stopped.append((incident, person))
        return 2

    def call_in(self, incident: str, person: str, by: str, now_ms: int, channel: str) -> int | None:
        self.channels.append(channel)
        roster = self.hall.site.roster
        drill = self.hall.slice.incidents[incident].drill
        if roster is None or person not in roster.callable_for(drill=drill):
            return None
        assert now_ms == self.hall.now_ms
        self.called.append((incident, person, by))
        return 1

    def look(self, token: str) -> LinkView:
        return links.view(self.links.get(token), self.hall.now_ms)

    def press(self, token: str) -> LinkView:
        view = self.look(token)
        if view.can_act:
            link = self.links[token]
            self.links[token] = msgspec.structs.replace(link, used_ms=self.hall.now_ms)
        return view

    def ask_support(self, token: str) -> LinkView:
        view = self.look(token)
        if view.can_call:
            link = self.links[token]
            self.links[token] = msgspec.structs.replace(link, supported_ms=self.hall.now_ms)
        return view

    def begin(
        self, desk: str, outgoing: str, incoming: str, since_ms: int, notes: str
    ) -> Handover | str:
        facts = Facts(
            at_ms=self.hall.now_ms, since_ms=since_ms, opened=1, closed=0, acknowledged=1,
            **self.facts,
        )  # fmt: skip
        name = f"h{len(self.sheets)}"
        made = handover.begin(name, desk, outgoing, incoming, facts, notes)
        if isinstance(made, Handover):
            self.sheets[name] = made
        return made

    def sheet(self, name: str) -> Handover | None:
        return self.sheets.get(name)

    def newest(self, desk: str) -> Handover | None:
        return next((s for s in reversed(self.sheets.values()) if s.desk == desk), None)

    def _change(self, name: str, made: Handover | str | None) -> Handover | str | None:
        if isinstance(made, Handover):
            self.sheets[name] = made
        return made

    def accept(
        self, name: str, who: str, items: Sequence[ItemKey], now_ms: int
    ) -> Handover | str | None:
        made: Handover | str | None = self.sheets.get(name)
        for item in items:
            if not isinstance(made, Handover):
                break
            made = handover.accept(made, who, item, now_ms)
        return self._change(name, made)

    def annotate(self, name: str, who: str, notes: str) -> Handover | str | None:
        known = self.sheets.get(name)
        return self._change(name, known and handover.annotate(known, who, notes))

    def sign(self, name: str, who: str, now_ms: int) -> Handover | str | None:
        known = self.sheets.get(name)
        return self._change(name, known and handover.sign(known, who, now_ms))


class Proofs:
    """``Proof`` in memory."""

    def __init__(self, hall: Any) -> None:
        self.hall = hall
        self.sealed = Sealed((), {})
        self.asked: list[tuple[str, int, int]] = []

    def chain(self, incident: str) -> Sealed:
        assert incident in self.hall.slice.incidents
        return self.sealed

    def figures(self, by: Dimension, from_ms: int, until_ms: int) -> Report:
        self.asked.append((by, from_ms, until_ms))
        return Report(by, from_ms, until_ms, (), ())


def watch_of(hall: Any, kind: windows.Kind) -> Window:
    """The one window of a kind."""
    (found,) = [w for w in hall.slice.windows.values() if w.kind == kind]
    return found
