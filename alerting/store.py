"""The router's state in PostgreSQL: loaded as a slice, brought forward, kept whole.  A shell.

Whoever changes something of a zone (router, timer, officer) first takes the zone's lock, in one
order, so that none waits for another in a ring; the compare-and-set on revisions then proves that
nobody came between.  The clock is PostgreSQL's: a router whose own clock jumps loses no deadline.
"""

import zlib
from collections.abc import Iterable, Sequence

import msgspec
from psycopg import Connection

from alerting import engine, excursions
from alerting.alarms import Alarm
from alerting.engine import Act
from alerting.excursions import Excursion
from alerting.incidents import Incident, Reason
from alerting.ledger.store import DELAY, Folded, keep
from alerting.notices import Wording
from alerting.slices import Effect, Slice
from lifeline.model import GRADES, Finding, Grade

CONSUMER = "router"
ZONE_LOCK = 0x11FE
ZONE_LOCKS = 1024

_finding = msgspec.json.Decoder(Finding)


def lock_zones(connection: Connection, zones: Iterable[str]) -> int:
    """Waits for every zone, in one order; returns PostgreSQL's time after that, unix ms."""
    numbers = sorted({zlib.crc32(zone.encode()) % ZONE_LOCKS for zone in zones})
    connection.execute(
        "select pg_advisory_xact_lock(%s, n) from unnest(%s::int4[]) as n", (ZONE_LOCK, numbers)
    )
    return now(connection)


def now(connection: Connection) -> int:
    """PostgreSQL's clock, unix ms."""
    row = connection.execute(
        "select (extract(epoch from clock_timestamp()) * 1000)::int8"
    ).fetchone()
    assert row is not None
    return int(row[0])


def keep_grades(connection: Connection) -> None:
    """Brings the grading table up to date."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into grade values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " on conflict (level)"
            " do update set"
            " zh = excluded.zh, en = excluded.en, colour = excluded.colour, shape = excluded.shape,"
            " cap_severity = excluded.cap_severity, cap_urgency = excluded.cap_urgency,"
            " dark = excluded.dark, remind_s = excluded.remind_s,"
            " escalate_s = excluded.escalate_s, progress_s = excluded.progress_s",
            [_row(grade) for grade in GRADES],
        )


def _row(grade: Grade) -> list[object]:
    values = msgspec.structs.asdict(grade) | {"escalate_s": list(grade.escalate_s)}
    return list(values.values())


def fold(connection: Connection, wording: Wording, findings: Sequence[Finding]) -> Folded:
    """Takes findings in, in their order."""
    if not findings:
        return Folded()
    now_ms = lock_zones(connection, (f.zone for f in findings))
    slice_ = load(connection, findings)
    before = revisions(slice_)
    effects: list[Effect] = []
    for finding in findings:
        effects += engine.step(slice_, finding, now_ms)
    return keep(connection, wording, slice_, before, effects)


def fire(connection: Connection, wording: Wording, limit: int = 200) -> Folded:
    """Works on the delays that have run out; those that another router holds are left to it."""
    rows = connection.execute(
        "select subject, zone from deadline where kind = %s and due_at <= clock_timestamp()"
        " order by due_at limit %s",
        (DELAY, limit),
    ).fetchall()
    if not rows:
        return Folded()
    now_ms = lock_zones(connection, (zone for _, zone in rows))
    claimed = connection.execute(
        "select subject from deadline where kind = %s and subject = any(%s)"
        " and due_at <= clock_timestamp() for update skip locked",
        (DELAY, [subject for subject, _ in rows]),
    ).fetchall()
    found = connection.execute(
        "select body::text from excursion where id = any(%s)",
        ([subject for (subject,) in claimed],),
    ).fetchall()
    slice_ = load(connection, [_finding.decode(body) for (body,) in found])
    before = revisions(slice_)
    folded = keep(connection, wording, slice_, before, engine.tick(slice_, now_ms))
    waiting = {e.id for e in slice_.excursions.values() if e.due_ms is not None}
    idle = [subject for (subject,) in claimed if subject not in waiting]
    connection.execute("delete from deadline where kind = %s and subject = any(%s)", (DELAY, idle))
    return folded


def act(connection: Connection, wording: Wording, action: Act, now_ms: int) -> tuple[Reason, Slice]:
    """Does what an officer asks, or says why not; the slice holds the incident as it is then.

    ``now_ms`` is PostgreSQL's clock as the caller has read it.
    """
    row = connection.execute(
        "select zone from incident where id = %s", (action.incident,)
    ).fetchone()
    if row is None:
        return Reason.UNKNOWN, Slice()
    lock_zones(connection, [row[0]])
    slice_ = load_incident(connection, action.incident)
    before = revisions(slice_)
    reason, effects = engine.act(slice_, action, now_ms)
    keep(connection, wording, slice_, before, effects)
    return reason, slice_


def load(connection: Connection, findings: Sequence[Finding]) -> Slice:
    """Every alarm, incident and excursion that these findings concern."""
    slice_ = Slice()
    keys = sorted({excursions.key_of(f) for f in findings})
    places = sorted({(f.asset, f.hazard, f.drill) for f in findings})
    mine = _alarms(connection, "key", keys)
    # An asset may have been renamed in the catalog while its alarm lasts: its incident counts.
    places = sorted({*places, *((a.asset, a.hazard, a.drill) for a in mine)})
    rows = connection.execute(
        _CONCERNED,
        (
            [a.incident for a in mine if a.incident],
            [asset for asset, _, _ in places],
            [hazard for _, hazard, _ in places],
            [drill for _, _, drill in places],
        ),
    ).fetchall()
    _put_incidents(slice_, rows)
    for asset, hazard, drill, episode in connection.execute(
        "select p.asset, p.hazard, p.drill, max(i.episode)"
        " from unnest(%s::text[], %s::text[], %s::bool[]) as p (asset, hazard, drill)"
        " join incident i using (asset, hazard, drill) group by 1, 2, 3",
        ([p[0] for p in places], [p[1] for p in places], [p[2] for p in places]),
    ).fetchall():
        slice_.episodes[asset, hazard, drill] = episode
    members = _alarms(connection, "incident", list(slice_.incidents))
    for alarm in (*mine, *members):
        slice_.put_alarm(alarm)
    _put_excursions(connection, slice_, keys, findings)
    return slice_


def load_incident(connection: Connection, name: str) -> Slice:
    """One incident with its alarms: what an officer's action concerns."""
    slice_ = Slice()
    _put_incidents(slice_, connection.execute(_ONE, (name,)).fetchall())
    for alarm in _alarms(connection, "incident", [name]):
        slice_.put_alarm(alarm)
    return slice_


_INCIDENT = (
    "select i.id, i.asset, i.hazard, i.drill, i.episode, i.phase, i.zone, i.lifeline, i.grade,"
    " i.told, i.lane, i.lead::text, i.onset_ms, i.opened_ms, i.updated_ms, i.is_active, i.revision,"
    " i.changed_revision, i.acknowledged_by, i.acknowledged_ms, i.calm_ms, i.closed_by,"
    " i.closed_ms, i.overridden, i.last_actor, i.unseen_ms, i.undo_ms, i.verdict, i.verdict_code,"
    " i.verdict_by, i.verdict_ms, i.task, i.person, i.dispatched_ms, i.arrived_ms, i.progress_ms,"
    " i.prolonged, i.review, i.first_out, i.first_ms, i.merged_into, i.second from incident i"
)
_CONCERNED = (
    _INCIDENT  # noqa: S608 (constants alone)
    + " where i.id = any(%s) or (i.phase not in ('closed', 'archived') and"
    + " (i.asset, i.hazard, i.drill) in"
    + " (select * from unnest(%s::text[], %s::text[], %s::bool[])))"
)
_ONE = _INCIDENT + " where i.id = %s"
_ALARM = (
    "select key, channel, detector, hazard, zone, asset, lifeline, drill, state, grade, since_ms,"
    " incident, revision, rule, active_ms, hidden_by, hidden_until_ms, hidden_raises, cycles,"
    " is_chattering, is_fleeting from alarm"
)
_ALARMS = {"key": _ALARM + " where key = any(%s)", "incident": _ALARM + " where incident = any(%s)"}
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


_CYCLES = Alarm.__struct_fields__.index("cycles")


def incident_of(row: Sequence[object]) -> Incident:
    """An incident from a row of ``_INCIDENT``."""
    values = dict(zip(Incident.__struct_fields__, row, strict=True))
    values["lead"] = _finding.decode(str(values["lead"]))
    return Incident(**values)  # type: ignore[arg-type]


def _put_incidents(slice_: Slice, rows: Iterable[Sequence[object]]) -> None:
    for row in rows:
        slice_.put_incident(incident_of(row))


def _alarms(connection: Connection, column: str, names: list[str]) -> list[Alarm]:
    fields = Alarm.__struct_fields__
    return [
        Alarm(**{**dict(zip(fields, row, strict=True)), "cycles": tuple(row[_CYCLES])})
        for row in connection.execute(_ALARMS[column], (names,)).fetchall()
    ]


def _put_excursions(
    connection: Connection, slice_: Slice, keys: list[str], findings: Sequence[Finding]
) -> None:
    names = [excursions.excursion_id(f) for f in findings]
    rows = connection.execute(_NEAR, (names, keys)).fetchall()
    late = [f for f in findings if f.lane != "live"]
    if late:
        onsets = [f.onset_ms for f in late]
        back_dated = [excursions.key_of(f) for f in late]
        rows += connection.execute(_COVERING, (back_dated, max(onsets), min(onsets))).fetchall()
    for name, alarm, stage, body, last_ms, cleared_ms, due_ms, incident, damp_ms in rows:
        excursion = Excursion(
            id=name,
            alarm=alarm,
            stage=stage,
            finding=_finding.decode(body),
            last_ms=last_ms,
            cleared_ms=cleared_ms,
            due_ms=due_ms,
            incident=incident,
            damp_ms=damp_ms,
        )
        slice_.put_excursion(excursion)


def revisions(slice_: Slice) -> dict[str, int]:
    """The revisions as loaded, which compare-and-set expects to find."""
    return {
        **{alarm.key: alarm.revision for alarm in slice_.alarms.values()},
        **{incident.id: incident.revision for incident in slice_.incidents.values()},
    }
