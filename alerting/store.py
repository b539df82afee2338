"""The router's work in PostgreSQL: findings folded, deadlines met, actions done.  A shell.

Whoever changes something of a zone (router, timer, officer) first takes the zone's lock, in one
order, so that none waits for another in a ring; the compare-and-set on revisions then proves that
nobody came between.  The clock is PostgreSQL's: a router whose own clock jumps loses no deadline.
"""

import zlib
from collections.abc import Iterable, Sequence
from typing import get_args

import msgspec
from psycopg import Connection

from alerting import engine, handling, incidents
from alerting.actions import Act
from alerting.audit import store as audit
from alerting.audit.chain import HOUSE, Line
from alerting.incidents import Incident, Reason
from alerting.ledger.store import Folded, keep
from alerting.loading.store import Wanted, hear, load, reach, revisions
from alerting.notices import Wording
from alerting.policy import DEFAULT
from alerting.slices import Deadline, Effect, Slice
from alerting.turn import ROUTER, Turn
from alerting.windows import Window
from lifeline import crashpoints
from lifeline.catalog import Catalog
from lifeline.grades import Grade, Grading
from lifeline.model import Finding

__all__ = ["act", "fire", "fold", "keep_grades", "lock_zones", "now", "running"]

CONSUMER = "router"
ZONE_LOCK = 0x11FE
ZONE_LOCKS = 1024
KINDS: tuple[Deadline, ...] = get_args(Deadline)


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


def keep_grades(connection: Connection, grades: Grading) -> None:
    """Makes the table that reports join with what is configured now."""
    levels = [grade.level for grade in grades.rows]
    connection.execute("delete from grade where level <> all(%s)", (levels,))
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into grade (level, zh, en, colour, shape, cap_severity, cap_urgency, dark,"
            " remind_s, escalate_s, progress_s) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " on conflict (level)"
            " do update set"
            " zh = excluded.zh, en = excluded.en, colour = excluded.colour, shape = excluded.shape,"
            " cap_severity = excluded.cap_severity, cap_urgency = excluded.cap_urgency,"
            " dark = excluded.dark, remind_s = excluded.remind_s,"
            " escalate_s = excluded.escalate_s, progress_s = excluded.progress_s",
            [_row(grade) for grade in grades.rows],
        )


def _row(one: Grade) -> list[object]:
    return [
        one.level, one.zh, one.en, one.colour, one.shape, one.cap_severity, one.cap_urgency,
        one.dark, one.remind_s, list(one.escalate_s), one.progress_s,
    ]  # fmt: skip


def fold(connection: Connection, wording: Wording, findings: Sequence[Finding]) -> Folded:
    """Takes findings in, in their order."""
    if not findings:
        return Folded()
    near = reach(findings, wording.policy)
    now_ms = lock_zones(connection, {*(f.zone for f in findings), *_zones(wording.catalog, near)})
    slice_ = load(connection, Wanted(findings=findings), wording.policy)
    before = revisions(slice_)
    effects: list[Effect] = []
    for finding in findings:
        effects += engine.step(slice_, finding, now_ms, wording.policy)
    return keep(connection, wording, slice_, before, effects)


def note_plain(
    connection: Connection, findings: Sequence[Finding], left_out: str, why: str
) -> None:
    """Writes down that findings were folded without some of the rules, because one failed."""
    audit.append_or_owe(
        connection,
        [
            Line(
                at_ms=now(connection),
                actor=ROUTER,
                action="fold-plain",
                reason=left_out,
                note=why[:500],
                channel="router",
                detail=f"{finding.id} {finding.zone} {finding.channel}",
            )
            for finding in findings
        ],
    )


def plain_since(connection: Connection, hours: int) -> tuple[int, str]:
    """How many findings were folded without some of the rules of late, and the newest reason."""
    rows = connection.execute(
        "select note from audit where subject = %s and action = 'fold-plain'"
        " and written > clock_timestamp() - make_interval(hours => %s) order by number desc",
        (HOUSE, hours),
    ).fetchall()
    return len(rows), str(rows[0][0]) if rows else ""


def _zones(catalog: Catalog | None, assets: Iterable[str]) -> set[str]:
    """Where the assets lie; what the catalog does not know lies nowhere."""
    if catalog is None:
        return set()
    known = (catalog.asset(name) for name in assets)
    return {asset.zone for asset in known if asset is not None}


class Due(msgspec.Struct, frozen=True):
    """A deadline that has come."""

    kind: str
    subject: str
    zone: str


def due(connection: Connection, limit: int = 200) -> list[Due]:
    """The deadlines that have come, the oldest first.

    They go by PostgreSQL's clock, whatever that of a router does.
    """
    rows = connection.execute(
        "select kind, subject, zone from deadline where kind = any(%s)"
        " and due_at <= clock_timestamp() order by due_at limit %s",
        (list(KINDS), limit),
    ).fetchall()
    return [Due(*row) for row in rows]


def put_off(connection: Connection, one: Due, by_s: float) -> Folded:
    """Leaves a deadline that cannot be met for later."""
    connection.execute(
        "update deadline set due_at = clock_timestamp() + make_interval(secs => %s)"
        " where kind = %s and subject = %s",
        (by_s, one.kind, one.subject),
    )
    return Folded()


def fire(connection: Connection, wording: Wording, only: Sequence[Due] | None = None) -> Folded:
    """Meets the deadlines that have come; those that another router holds are left to it."""
    found = due(connection) if only is None else only
    if not found:
        return Folded()
    lock_zones(connection, (one.zone for one in found))
    claimed = connection.execute(
        "select kind, subject, (extract(epoch from due_at) * 1000)::int8, zone from deadline"
        " join unnest(%s::text[], %s::text[]) as come (kind, subject) using (kind, subject)"
        " where due_at <= clock_timestamp() for update of deadline skip locked",
        ([one.kind for one in found], [one.subject for one in found]),
    ).fetchall()
    if not claimed:
        return Folded()
    # A deadline is over when this commits; what must be looked at again is a new row.
    connection.execute(
        "delete from deadline d using unnest(%s::text[], %s::text[]) as c (kind, subject)"
        " where d.kind = c.kind and d.subject = c.subject",
        ([row[0] for row in claimed], [row[1] for row in claimed]),
    )
    now_ms = max(now(connection), *(row[2] for row in claimed))
    slice_ = load(connection, _wanted(claimed), wording.policy)
    before = revisions(slice_)
    for kind, subject, due_ms, _ in claimed:
        slice_.put_deadline(kind, subject, due_ms)
    effects = engine.tick(slice_, now_ms, wording.policy)
    folded = keep(connection, wording, slice_, before, effects)
    folded.met = len(claimed)
    crashpoints.reach("router.before-deadline")
    return folded


def _wanted(claimed: Sequence[Sequence[str]]) -> Wanted:
    """What the subjects of deadlines are: excursions, alarms, windows, incidents."""
    wanted = Wanted(zones=[row[3] for row in claimed])
    kinds = {
        "delay": wanted.excursions,
        "realarm": wanted.alarms,
        "shelf": wanted.alarms,
        "window": wanted.windows,
    }
    for kind, subject, _, _ in claimed:
        kinds.get(kind, wanted.incidents).append(subject)
    return wanted


def act(connection: Connection, wording: Wording, action: Act, now_ms: int) -> tuple[Reason, Slice]:
    """Does what somebody asks, or says why not; the slice holds the incident as it is then.

    ``now_ms`` is PostgreSQL's clock as the caller has read it.
    """
    asked = _confirmed(connection, action)
    wanted = Wanted(
        alarms=[key for key in (asked.alarm, *asked.alarms) if key],
        incidents=[name for name in (asked.incident, asked.other) if name],
        windows=[name for name in (asked.window,) if name],
        proposals=[name for name in (action.proposal,) if name],
    )
    if asked.opening is not None:
        wanted.windows.append(asked.opening.id)
        wanted.zones.append(asked.opening.zone)
    lock_zones(connection, {*wanted.zones, *_zones_of(connection, wanted)})
    slice_ = load(connection, wanted, wording.policy)
    incident = slice_.incidents.get(asked.incident)
    is_closing = asked.action == "close" and incident is not None
    if is_closing and wording.policy.sensors is not None:
        assert incident is not None
        sensors = wording.policy.sensors(incident, slice_.members(incident.id))
        slice_.witnesses |= hear(connection, sensors, now_ms, wording.policy.life.quiet_s)
    before = revisions(slice_)
    reason, effects = engine.act(slice_, action, now_ms, wording.policy)
    keep(connection, wording, slice_, before, effects)
    if is_closing and reason in incidents.TRIED:
        assert incident is not None
        turn = Turn(slice_, now_ms, wording.policy)
        detail = handling.detailed(handling.against(turn, incident))
        line = _tried(incident, asked, action, reason, detail, now_ms)
        if not audit.is_last(connection, line):  # A request that came twice is one try.
            audit.append(connection, [line])
    return reason, slice_


def _tried(
    incident: Incident, asked: Act, action: Act, reason: Reason, detail: str, now_ms: int
) -> Line:
    """The line of a closure that was refused: who asked for it, and what stood against it."""
    return Line(
        incident=incident.id,
        at_ms=now_ms,
        actor=action.actor,
        action="override" if asked.override else "close",
        reason=str(reason),
        note=asked.note,
        channel=action.channel,
        revision=incident.revision,
        detail=detail,
    )


def _confirmed(connection: Connection, action: Act) -> Act:
    """What an approval is about: the action that was asked for; any other is about itself."""
    if action.action != "approve":
        return action
    row = connection.execute(
        "select body::text from proposal where id = %s", (action.proposal,)
    ).fetchone()
    return action if row is None else msgspec.json.decode(row[0], type=Act)


def _zones_of(connection: Connection, wanted: Wanted) -> list[str]:
    rows = connection.execute(
        "select zone from incident where id = any(%(incidents)s)"
        " union select zone from alarm where key = any(%(alarms)s)"
        " or incident = any(%(incidents)s)"
        " union select zone from alarm_window where id = any(%(windows)s)",
        {
            "incidents": wanted.incidents,
            "alarms": wanted.alarms,
            "windows": wanted.windows,
        },
    ).fetchall()
    return [zone for (zone,) in rows]


def running(connection: Connection) -> list[Window]:
    """The windows that have not ended: what the way past PostgreSQL must know of them."""
    zones = connection.execute("select distinct zone from alarm_window where ended_ms is null")
    slice_ = load(connection, Wanted(zones=[zone for (zone,) in zones]), DEFAULT)
    return list(slice_.windows.values())
