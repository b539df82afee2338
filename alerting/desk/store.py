"""Reading incidents, and acting on them, for console and commands.  A shell.

Every function works in the transaction of the connection that it is given.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from psycopg import Connection

from alerting import handling, incidents, store
from alerting.actions import Act
from alerting.audit import store as audit
from alerting.audit.chain import Line
from alerting.cases import Case
from alerting.desk.rows import (
    AlarmRow,
    AuditRow,
    Detail,
    FindingRow,
    NoticeRow,
    Outcome,
    Resent,
    Standing,
    Summary,
)
from alerting.ledger.store import contended
from alerting.loading.store import Wanted, hear, load
from alerting.notices import Wording
from alerting.outbox.store import ASKED
from alerting.turn import Turn
from lifeline.model import Finding

ROWS_MAX = 500
"""Findings, notices and audit lines of one incident that leave the database, the newest of each."""

_finding = msgspec.json.Decoder(Finding)

_SUMMARY = (
    "select i.id, i.asset, i.zone, i.lifeline, i.hazard, i.drill, i.episode, i.phase, i.grade,"
    " i.lane, i.revision, i.onset_ms, i.opened_ms, i.updated_ms, i.acknowledged_by,"
    " i.acknowledged_ms, i.calm_ms, i.closed_by, i.closed_ms, i.overridden, i.is_active,"
    " (select count(*) from membership m where m.incident = i.id), i.lead::text,"
    " i.verdict, i.verdict_code, i.verdict_by, i.verdict_ms, i.task, i.person, i.dispatched_ms,"
    " i.arrived_ms, i.prolonged, i.review, i.unseen_ms, i.undo_ms, i.first_out, i.first_ms,"
    " i.merged_into, i.second, i.changed_revision, i.progress_ms, i.step from incident i"
)
_NOTICE = (
    "select o.id, coalesce(o.incident, ''), o.target, o.reason, o.kind, case"
    " when o.delivered_at is not null and o.overtaken_at is not null then 'overtaken'"
    " when o.delivered_at is not null then 'delivered' when o.dead_at is not null then 'dead'"
    " when o.ended_at is not null then 'ended' when o.held_until is not null then 'held'"
    " when o.leased_until > clock_timestamp() then 'leased' else 'waiting' end, o.attempts,"
    " o.last_code, (extract(epoch from o.last_at) * 1000)::int8,"
    " (extract(epoch from o.delivered_at) * 1000)::int8,"
    " o.key, o.body, array(select r.word from receipt r where r.outbox = o.id order by r.id)"
    " from outbox o"
)


_CASES = (
    "select incident, system, number, state, step, person, at_ms, messages, strange from city_case"
    " where incident = %s order by system"
)
_ONE = _SUMMARY + " where i.id = %s"
_SOME = _SUMMARY + " where i.id = any(%s)"
_NOTICES = _NOTICE + " where o.incident = %s order by o.id desc limit %s"
_DEAD = _NOTICE + " where o.dead_at is not null order by o.id desc limit %s"


def incident_detail(connection: Connection, incident_id: str) -> Detail | None:
    """One incident, also by the name that a push gave it while PostgreSQL was away."""
    summary = find(connection, incident_id)
    if summary is None:
        row = connection.execute(
            "select incident from excursion where would_open = %s and incident <> '' limit 1",
            (incident_id,),
        ).fetchone()
        summary = None if row is None else find(connection, row[0])
    if summary is None:
        return None
    name = summary.id
    alarms = connection.execute(
        "select a.key, a.channel, a.detector, a.hazard, a.state, a.grade, a.since_ms"
        " from membership m"
        " join alarm a on a.key = m.alarm where m.incident = %s order by m.at_ms, a.key",
        (name,),
    ).fetchall()
    findings = connection.execute(
        "select id, alarm, stage, lane, cleared_ms, last_ms, body::text from excursion"
        " where incident = %s order by onset_ms desc, id limit %s",
        (name, ROWS_MAX),
    ).fetchall()
    notices = connection.execute(_NOTICES, (name, ROWS_MAX)).fetchall()
    audit = connection.execute(
        "select id, at_ms, actor, action, reason, note, channel, revision from audit"
        " where incident = %s order by id desc limit %s",
        (name, ROWS_MAX),
    ).fetchall()
    return Detail(
        summary,
        tuple(AlarmRow(*row) for row in alarms),
        tuple(_finding_row(row) for row in reversed(findings)),
        tuple(_notice_row(row) for row in reversed(notices)),
        tuple(AuditRow(*row) for row in reversed(audit)),
        tuple(Case(*row) for row in connection.execute(_CASES, (name,)).fetchall()),
    )


def _notice_row(row: Sequence[Any]) -> NoticeRow:
    fields = dict(zip(NoticeRow.__struct_fields__, row, strict=True))
    return NoticeRow(**fields | {"words": tuple(fields["words"])})


def _finding_row(row: Sequence[Any]) -> FindingRow:
    name, alarm, stage, lane, cleared_ms, last_ms, body = row
    return FindingRow(name, alarm, stage, lane, cleared_ms, last_ms, _finding.decode(body))


def find(connection: Connection, incident_id: str) -> Summary | None:
    """One line of the queue."""
    row = connection.execute(_ONE, (incident_id,)).fetchone()
    return None if row is None else _summary(row)


def lines(connection: Connection, names: Sequence[str]) -> list[Summary]:
    """Lines of the queue by name, in no order."""
    return [_summary(row) for row in connection.execute(_SOME, (list(names),)).fetchall()]


def _summary(row: Sequence[Any]) -> Summary:
    fields = dict(zip(Summary.__struct_fields__, row, strict=True))
    fields["lead"] = _finding.decode(fields["lead"])
    return Summary(**fields)


def perform(connection: Connection, wording: Wording, wanted: Act, now_ms: int) -> Outcome:
    """Does it, with its audit rows and notices in the same transaction, or says why not.

    Also for alarms, windows and proposals.  ``now_ms`` is PostgreSQL's clock.  Raises Contended
    when the router was changing the same rows: roll back and ask again.
    """
    reason, slice_ = contended(lambda c: store.act(c, wording, wanted, now_ms))(connection)
    incident = slice_.incidents.get(wanted.incident)
    asked = [one.id for one in slice_.proposals.values() if one.act == wanted]
    turn = Turn(slice_, now_ms, wording.policy)
    named = [i for i in slice_.incidents.values() if reason in incidents.UNWITNESSED]
    return Outcome(
        is_done=reason in incidents.DONE,
        code="closed" if reason is incidents.Reason.CLOSED_ACTIVE else str(reason),
        summary=find(connection, wanted.incident) if wanted.incident else None,
        actor=incident.last_actor if incident else "",
        at_ms=incident.updated_ms if incident else 0,
        proposal=asked[-1] if asked and reason is incidents.Reason.PROPOSED else "",
        is_written=wanted.action in ("close", "approve") and reason in incidents.TRIED,
        against=tuple(one for i in named for one in handling.objections(turn, i)),
    )


def standing(connection: Connection, wording: Wording, name: str, now_ms: int) -> Standing:
    """What stands against closing an incident as it is; nobody has to wait for this look."""
    policy = wording.policy
    slice_ = load(connection, Wanted(incidents=[name]), policy)
    incident = slice_.incidents.get(name)
    if incident is None or not incident.is_live:
        return Standing()
    if policy.sensors is not None:
        sensors = policy.sensors(incident, slice_.members(name))
        slice_.witnesses |= hear(connection, sensors, now_ms, policy.life.quiet_s)
    turn = Turn(slice_, now_ms, policy)
    codes = tuple(map(str, handling.against(turn, incident)))
    return Standing(codes, tuple(handling.objections(turn, incident)))


def dead_letters(connection: Connection, limit: int = 200) -> list[NoticeRow]:
    """The notices that their receivers refused, the newest first."""
    rows = connection.execute(_DEAD, (limit,)).fetchall()
    return [_notice_row(row) for row in rows]


def resend(
    connection: Connection, outbox_id: int, *, actor: str, channel: str, note: str = ""
) -> Resent:
    """Puts a dead letter back in line, under its old key, and writes down who did.

    A page of what somebody has taken since stays where it is: nobody is called for that.
    """
    row = connection.execute(
        "select o.incident, i.zone, i.phase, o.class, o.reason, o.person, o.target from outbox o"
        " left join incident i on i.id = o.incident where o.id = %s and o.dead_at is not null",
        (outbox_id,),
    ).fetchone()
    if row is None:
        return "unknown"
    incident, zone, _, kind, reason, person, target = row
    # Whoever takes it at this moment comes before or after, with what he ends.
    now_ms = store.lock_zones(connection, [zone] if zone is not None else [])
    found = None if zone is None else find(connection, incident)
    is_stopped = kind == "page" and reason not in ASKED
    if found is not None and is_stopped and found.phase != "open":
        return "taken"
    moved = connection.execute(
        "update outbox set dead_at = null, refusals = 0, due_at = clock_timestamp(),"
        " leased_until = null where id = %s and dead_at is not null",
        (outbox_id,),
    )
    if moved.rowcount == 0:
        return "unknown"
    line = Line(
        incident=incident or "",
        at_ms=now_ms,
        actor=actor,
        action="resend",
        reason="resent",
        note=note,
        channel=channel,
        revision=0 if found is None else found.revision,
        detail=" ".join(filter(None, (target, person, reason))),
    )
    audit.append(connection, [line])
    return "resent"
