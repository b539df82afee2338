"""A slice read from PostgreSQL: every row that what has happened concerns, and no other.  A shell.

What concerns a finding: its alarm, the incidents of its place, those that the network puts within
reach, the windows of its zone, and the devices on which its own depends.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from psycopg import Connection

from alerting import excursions, windows
from alerting.actions import Act
from alerting.alarms import Alarm
from alerting.excursions import Excursion
from alerting.incidents import Incident
from alerting.policy import Policy
from alerting.slices import Proposal, Slice
from alerting.windows import Check, Window
from alerting.witnesses import Sensor, Witness
from lifeline.model import UNUSABLE, Finding, Quality

_finding = msgspec.json.Decoder(Finding)
_act = msgspec.json.Decoder(Act)
_checks = msgspec.json.Decoder(tuple[Check, ...])


@dataclass(slots=True)
class Wanted:
    """What is asked for by name."""

    findings: Sequence[Finding] = ()
    excursions: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    incidents: list[str] = field(default_factory=list)
    windows: list[str] = field(default_factory=list)
    proposals: list[str] = field(default_factory=list)
    zones: list[str] = field(default_factory=list)


def load(connection: Connection, wanted: Wanted, policy: Policy) -> Slice:
    """Every alarm, incident, excursion and window that these concern."""
    slice_ = Slice()
    keys = sorted({*map(excursions.key_of, wanted.findings), *wanted.alarms})
    keys += [alarm for alarm in _alarms_of(connection, wanted.excursions) if alarm not in keys]
    mine = _alarms(connection, "key", keys)
    mine += _alarms(connection, "incident", wanted.incidents)
    hiding = [*wanted.windows, *map(windows.cause_id, keys)]
    mine += _alarms(connection, "hidden_by", hiding)
    mine = list({alarm.key: alarm for alarm in mine}.values())
    _put_excursions(connection, slice_, sorted({*keys, *(a.key for a in mine)}), wanted)
    _put_history(connection, slice_, wanted.incidents)
    findings = [*wanted.findings, *(e.finding for e in slice_.excursions.values())]
    places = {(f.asset, f.hazard, f.drill) for f in findings}
    # An asset may have been renamed in the catalog while its alarm lasts: its incident counts.
    places |= {(a.asset, a.hazard, a.drill) for a in mine}
    held = {a.incident for a in mine if a.incident}
    # What is read for findings belongs where they do; what a deadline shows may belong elsewhere.
    moving = wanted.findings or findings
    near = reach(moving, policy)
    _put_incidents(connection, slice_, sorted(places), sorted({*held, *wanted.incidents}), near)
    members = _alarms(connection, "incident", list(slice_.incidents))
    causes = _alarms(connection, "standing", sorted(_parents(moving, policy)))
    # Whether what an incident's alarms no longer say is evidence, or a device that is at fault.
    asked = {alarm.asset for alarm in members if alarm.incident in wanted.incidents}
    around = _alarms(connection, "standing", sorted(asked))
    for alarm in (*causes, *around, *mine, *members):
        slice_.put_alarm(alarm)
    zones = {*wanted.zones, *(f.zone for f in findings), *(a.zone for a in mine)}
    zones |= {i.zone for i in slice_.incidents.values()}
    causing = [windows.cause_id(alarm.key) for alarm in causes]
    _put_windows(connection, slice_, sorted(zones), [*hiding, *causing])
    _put_proposals(connection, slice_, wanted.proposals)
    return slice_


def reach(findings: Iterable[Finding], policy: Policy) -> list[str]:
    """The assets whose incidents may matter to findings."""
    if policy.correlator is None:
        return []
    return sorted({asset for f in findings for asset in policy.correlator.reach(f)})


def _parents(findings: Iterable[Finding], policy: Policy) -> set[str]:
    parents = policy.parents
    if parents is None:
        return set()
    faults = [f for f in findings if f.hazard in windows.DEVICE_HAZARDS]
    return {asset for f in faults for asset in parents(f)}


INCIDENT = (
    "select i.id, i.asset, i.hazard, i.drill, i.episode, i.phase, i.zone, i.lifeline, i.grade,"
    " i.told, i.lane, i.lead::text, i.onset_ms, i.opened_ms, i.updated_ms, i.is_active, i.revision,"
    " i.changed_revision, i.acknowledged_by, i.acknowledged_ms, i.calm_ms, i.closed_by,"
    " i.closed_ms, i.overridden, i.last_actor, i.unseen_ms, i.undo_ms, i.verdict, i.verdict_code,"
    " i.verdict_by, i.verdict_ms, i.task, i.person, i.dispatched_ms, i.arrived_ms, i.progress_ms,"
    " i.prolonged, i.review, i.first_out, i.first_ms, i.merged_into, i.second, i.step"
    " from incident i"
)
_CONCERNED = (
    INCIDENT  # noqa: S608 (constants alone)
    + " where i.id = any(%(names)s) or (i.phase not in ('closed', 'archived') and ("
    + " (i.asset, i.hazard, i.drill) in (select * from unnest(%(assets)s::text[],"
    + " %(hazards)s::text[], %(drills)s::bool[])) or i.asset = any(%(near)s)))"
    + " or i.id in (select a.incident from alarm a join unnest(%(assets)s::text[],"
    + " %(hazards)s::text[], %(drills)s::bool[]) as p (asset, hazard, drill)"
    + " using (asset, hazard, drill) where a.incident <> '')"
)
_EPISODES = (
    "select p.asset, p.hazard, p.drill, max(i.episode)"
    " from unnest(%(assets)s::text[], %(hazards)s::text[], %(drills)s::bool[])"
    " as p (asset, hazard, drill) join incident i using (asset, hazard, drill) group by 1, 2, 3"
)
ALARM = (
    "select key, channel, detector, hazard, zone, asset, lifeline, drill, state, grade, since_ms,"
    " incident, revision, rule, active_ms, hidden_by, hidden_until_ms, hidden_raises, cycles,"
    " is_chattering, is_fleeting from alarm"
)
_ALARMS = {
    "key": ALARM + " where key = any(%s)",
    "incident": ALARM + " where incident = any(%s)",
    "hidden_by": ALARM + " where hidden_by = any(%s) and hidden_by <> ''",
    "standing": ALARM + " where asset = any(%s) and active_ms is not null",
}
_EXCURSION = (
    "select id, alarm, stage, body::text, last_ms, cleared_ms, due_ms, incident, damp_ms"
    " from excursion"
)
_NEAR = (
    _EXCURSION
    + " where id = any(%s) or (alarm = any(%s) and stage in ('pending', 'active', 'leaving'))"
)
_COVERING = (
    _EXCURSION + " where alarm = any(%s) and stage = 'over' and onset_ms <= %s and cleared_ms >= %s"
)
_FIRST = (
    "select distinct on (incident, alarm) id, alarm, stage, body::text, last_ms, cleared_ms,"
    " due_ms, incident, damp_ms from excursion where incident = any(%s) and stage <> 'ignored'"
    " order by incident, alarm, onset_ms, id"
)
WINDOW = (
    "select id, kind, author, reason, zone, assets, rules, from_ms, until_ms, work, factor,"
    " checks::text, ended_ms, ended_by, hidden, revision from alarm_window"
)
_RUNNING = WINDOW + " where (zone = any(%s) and ended_ms is null) or id = any(%s)"


def incident_of(row: Sequence[object]) -> Incident:
    """An incident from a row of ``INCIDENT``."""
    values = dict(zip(Incident.__struct_fields__, row, strict=True))
    values["lead"] = _finding.decode(str(values["lead"]))
    return Incident(**values)  # type: ignore[arg-type]


def alarm_of(row: Sequence[Any]) -> Alarm:
    """An alarm from a row of ``ALARM``."""
    values = dict(zip(Alarm.__struct_fields__, row, strict=True))
    return Alarm(**values | {"cycles": tuple(values["cycles"])})


def window_of(row: Sequence[Any]) -> Window:
    """A window from a row of ``WINDOW``."""
    values = dict(zip(Window.__struct_fields__, row, strict=True))
    values["assets"], values["rules"] = tuple(values["assets"]), tuple(values["rules"])
    values["checks"] = _checks.decode(values["checks"])
    return Window(**values)


def _put_incidents(
    connection: Connection,
    slice_: Slice,
    places: list[tuple[str, str, bool]],
    names: list[str],
    near: list[str],
) -> None:
    asked = {
        "names": names,
        "near": near,
        "assets": [asset for asset, _, _ in places],
        "hazards": [hazard for _, hazard, _ in places],
        "drills": [drill for _, _, drill in places],
    }
    for row in connection.execute(_CONCERNED, asked).fetchall():
        slice_.put_incident(incident_of(row))
    for asset, hazard, drill, episode in connection.execute(_EPISODES, asked).fetchall():
        slice_.episodes[asset, hazard, drill] = episode


def _alarms_of(connection: Connection, names: list[str]) -> list[str]:
    if not names:
        return []
    rows = connection.execute(
        "select distinct alarm from excursion where id = any(%s)", (names,)
    ).fetchall()
    return [alarm for (alarm,) in rows]


def _alarms(connection: Connection, column: str, names: list[str]) -> list[Alarm]:
    if not names:
        return []
    return [alarm_of(row) for row in connection.execute(_ALARMS[column], (names,)).fetchall()]


def _put_excursions(connection: Connection, slice_: Slice, keys: list[str], wanted: Wanted) -> None:
    names = [*wanted.excursions, *map(excursions.excursion_id, wanted.findings)]
    rows = connection.execute(_NEAR, (names, keys)).fetchall()
    late = [f for f in wanted.findings if f.lane != "live"]
    if late:
        onsets = [f.onset_ms for f in late]
        back_dated = [excursions.key_of(f) for f in late]
        rows += connection.execute(_COVERING, (back_dated, max(onsets), min(onsets))).fetchall()
    for row in rows:
        slice_.put_excursion(_excursion(row))


def _put_history(connection: Connection, slice_: Slice, incidents: list[str]) -> None:
    """What began each alarm of an incident that somebody works on: first-out needs it."""
    if not incidents:
        return
    for row in connection.execute(_FIRST, (incidents,)).fetchall():
        slice_.put_excursion(_excursion(row))


def _excursion(row: Sequence[object]) -> Excursion:
    values = dict(
        zip(
            (
                "id", "alarm", "stage", "finding", "last_ms", "cleared_ms", "due_ms", "incident",
                "damp_ms",
            ),
            row,
            strict=True,
        )
    )  # fmt: skip
    values["finding"] = _finding.decode(str(values["finding"]))
    return Excursion(**values)  # type: ignore[arg-type]


def _put_windows(connection: Connection, slice_: Slice, zones: list[str], names: list[str]) -> None:
    for row in connection.execute(_RUNNING, (zones, names)).fetchall():
        slice_.put_window(window_of(row))


def _put_proposals(connection: Connection, slice_: Slice, names: list[str]) -> None:
    if not names:
        return
    for name, zone, body, at_ms, expires_ms in connection.execute(
        "select id, zone, body::text, at_ms, expires_ms from proposal"
        " where id = any(%s) and decided_ms is null for update",
        (names,),
    ).fetchall():
        slice_.proposals[name] = Proposal(
            id=name, zone=zone, act=_act.decode(body), at_ms=at_ms, expires_ms=expires_ms
        )


_HEARD = """
select c.name, n.at_ms, w.low, w.high,
    array(select a.hazard from alarm a where a.channel = c.name and a.active_ms is not null
          and not a.drill)
from channel c
left join lateral (
    select time, (extract(epoch from time) * 1000)::int8 as at_ms from reading
    where channel = c.id and value is not null and quality & %(unusable)s = 0
      and time > to_timestamp(%(since_s)s) and time <= to_timestamp(%(until_s)s)
    order by time desc limit 1) n on true
left join lateral (
    select min(value) as low, max(value) as high from reading
    where channel = c.id and value is not null and quality & %(unusable)s = 0
      and time >= least(n.time, to_timestamp(%(quiet_s)s)) and time <= n.time) w on true
where c.name = any(%(names)s)
"""
NO_EVIDENCE = UNUSABLE | Quality.FAULT | Quality.IMMERSED | Quality.TEST_GAS
"""Readings with one of these say nothing of the air in the well."""
AHEAD_S = 120.0
"""A sensor's clock may be ahead by so much."""
HEARD_FACTOR = 10
"""So far back it is looked, to say since when a sensor has been silent."""


def hear(
    connection: Connection, sensors: Sequence[Sensor], now_ms: int, quiet_s: float
) -> dict[str, Witness]:
    """What each of these sensors has said, of late and over the set time."""
    if not sensors:
        return {}
    now_s = now_ms / 1000
    asked = {
        "names": [sensor.channel for sensor in sensors],
        "unusable": int(NO_EVIDENCE),
        "since_s": now_s - HEARD_FACTOR * max(sensor.fresh_s for sensor in sensors),
        "until_s": now_s + AHEAD_S,
        "quiet_s": now_s - quiet_s,
    }
    return {
        name: Witness(at_ms, low or 0.0, high or 0.0, tuple(standing))
        for name, at_ms, low, high, standing in connection.execute(_HEARD, asked).fetchall()
    }


def revisions(slice_: Slice) -> dict[str, int]:
    """The revisions as loaded, which compare-and-set expects to find."""
    return {
        **{alarm.key: alarm.revision for alarm in slice_.alarms.values()},
        **{incident.id: incident.revision for incident in slice_.incidents.values()},
        **{f"window {window.id}": window.revision for window in slice_.windows.values()},
    }
