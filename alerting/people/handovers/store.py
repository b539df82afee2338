"""Hand-overs in PostgreSQL: the facts of a shift, and the sheet as it is signed.  A shell."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import psycopg
from psycopg import Connection

from alerting.audit import store as audit
from alerting.audit.chain import Line
from alerting.people import handover
from alerting.people.handover import (
    Facts,
    FaultySensor,
    Handover,
    OpenIncident,
    ShelvedPoint,
)
from alerting.people.roster import Roster
from alerting.store import now
from lifeline.model import CANARY

_facts = msgspec.json.Decoder(Facts)
_json = msgspec.json.Encoder().encode

_INCIDENTS = """
select i.lifeline, i.zone, i.id, i.grade, i.hazard, i.asset, i.phase, i.onset_ms,
    coalesce(nullif(i.person, ''), i.acknowledged_by), i.review, d.kind, d.due_ms, a.note
from incident i
left join lateral (
    select kind, (extract(epoch from due_at) * 1000)::int8 as due_ms from deadline
    where subject = i.id order by due_at limit 1) d on true
left join lateral (
    select note from audit where incident = i.id and note <> '' order by id desc limit 1) a on true
where i.phase not in ('closed', 'archived') and not i.drill and i.lifeline <> %s
order by i.grade, i.onset_ms, i.id
"""
_SHELVED = """
select lifeline, zone, key, channel, hazard, grade, hidden_by, hidden_until_ms from alarm
where state in ('shelved', 'out-of-service') and not drill and lifeline <> %s
order by grade, hidden_until_ms, key
"""
_FAULTY = """
select lifeline, zone, channel, hazard, state, active_ms from alarm
where active_ms is not null and grade >= %s and not drill and lifeline <> %s
order by active_ms, channel
"""
_COUNTS = """
select lifeline, zone, count(*) filter (where opened_ms >= %(since)s),
    count(*) filter (where closed_ms >= %(since)s),
    count(*) filter (where acknowledged_ms >= %(since)s)
from incident
where greatest(opened_ms, coalesce(closed_ms, 0), coalesce(acknowledged_ms, 0)) >= %(since)s
    and not drill and lifeline <> %(canary)s
group by 1, 2
"""


def facts(connection: Connection, roster: Roster, desk: str, since_ms: int) -> Facts:
    """What a desk hands over now; a desk above others hands over theirs too."""

    def mine(rows: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
        return [row[2:] for row in rows if desk in roster.line(roster.desk_of(row[0], row[1]))]

    counts = mine(connection.execute(_COUNTS, {"since": since_ms, "canary": CANARY}).fetchall())
    return Facts(
        at_ms=now(connection),
        since_ms=since_ms,
        opened=sum(row[0] for row in counts),
        closed=sum(row[1] for row in counts),
        acknowledged=sum(row[2] for row in counts),
        incidents=tuple(
            OpenIncident(
                id=name,
                grade=grade,
                hazard=hazard,
                asset=asset,
                phase=phase,
                since_ms=onset_ms,
                owner=owner,
                next_kind=kind or "",
                next_ms=due_ms,
                note=note or "",
                review=review,
            )
            for name, grade, hazard, asset, phase, onset_ms, owner, review, kind, due_ms, note in (
                mine(connection.execute(_INCIDENTS, (CANARY,)).fetchall())
            )
        ),
        shelved=tuple(
            ShelvedPoint(
                key=key, channel=channel, hazard=hazard, grade=grade, by=by, until_ms=until_ms
            )
            for key, channel, hazard, grade, by, until_ms in mine(
                connection.execute(_SHELVED, (CANARY,)).fetchall()
            )
        ),
        faulty=tuple(
            FaultySensor(channel=channel, hazard=hazard, state=state, since_ms=active_ms)
            for channel, hazard, state, active_ms in mine(
                connection.execute(_FAULTY, (roster.grades.device, CANARY)).fetchall()
            )
        ),
    )


_SHEET = (
    "select id, desk, outgoing, incoming, opened_ms, notes, facts::text, outgoing_signed_ms,"
    " incoming_signed_ms, revision from handover"
)
_ONE = _SHEET + " where id = %s"
_NEWEST = _SHEET + " where desk = %s order by opened_ms desc limit 1"
_LOCKED = _ONE + " for update"


def begin(connection: Connection, sheet: Handover) -> str:
    """Keeps a new sheet; '' or why not, a key of ``REFUSALS``."""
    try:
        with connection.transaction():
            connection.execute(
                "insert into handover (id, desk, outgoing, incoming, opened_ms, notes, facts)"
                " values (%s, %s, %s, %s, %s, %s, %s)",
                (
                    sheet.id,
                    sheet.desk,
                    sheet.outgoing,
                    sheet.incoming,
                    sheet.opened_ms,
                    sheet.notes,
                    _json(sheet.facts).decode(),
                ),
            )
    except psycopg.errors.UniqueViolation:
        return "open"
    _write(connection, sheet, "handover-begin", sheet.outgoing, f"{sheet.desk} {sheet.incoming}")
    return ""


def _write(connection: Connection, sheet: Handover, action: str, actor: str, note: str) -> None:
    line = Line(
        subject=f"handover {sheet.id}", at_ms=now(connection), actor=actor, action=action,
        note=note, channel="console", revision=sheet.revision,
    )  # fmt: skip
    audit.append(connection, [line])


def read(connection: Connection, name: str) -> Handover | None:
    """One sheet."""
    return _read(connection, connection.execute(_ONE, (name,)).fetchone())


def newest(connection: Connection, desk: str) -> Handover | None:
    """The desk's last sheet, signed or not."""
    return _read(connection, connection.execute(_NEWEST, (desk,)).fetchone())


def change(
    connection: Connection, name: str, work: Callable[[Handover], Handover | str]
) -> Handover | str | None:
    """The sheet as ``work`` leaves it, kept; or why not, a key of ``REFUSALS``; None: no such."""
    before = _read(connection, connection.execute(_LOCKED, (name,)).fetchone())
    if before is None:
        return None
    after = work(before)
    if isinstance(after, str) or after == before:
        return after
    connection.execute(
        "update handover set notes = %s, facts = %s, outgoing_signed_ms = %s,"
        " incoming_signed_ms = %s, revision = %s where id = %s",
        (
            after.notes,
            _json(after.facts).decode(),
            after.outgoing_signed_ms,
            after.incoming_signed_ms,
            after.revision,
            name,
        ),
    )
    new = [
        (name, *key, at_ms) for key, at_ms in after.accepted if (key, at_ms) not in before.accepted
    ]
    if new:
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into handover_item (handover, kind, subject, accepted_ms)"
                " values (%s, %s, %s, %s) on conflict do nothing",
                new,
            )
        taken = ", ".join(f"{kind} {subject}" for _, kind, subject, _ in new)
        _write(connection, after, "handover-accept", after.incoming, taken)
    # What is signed is the sheet as it is then: its hash says which one that was.
    sha256 = hashlib.sha256(_json(after.facts) + after.notes.encode()).hexdigest()
    if after.outgoing_signed_ms is not None and before.outgoing_signed_ms is None:
        _write(connection, after, "handover-sign", after.outgoing, sha256)
    if after.incoming_signed_ms is not None and before.incoming_signed_ms is None:
        _write(connection, after, "handover-sign", after.incoming, sha256)
    return after


def sign(
    connection: Connection, roster: Roster, name: str, who: str, now_ms: int
) -> Handover | str | None:
    """Signs, after the sheet has been brought up to what is so now."""

    def renew(sheet: Handover) -> Handover:
        return handover.refresh(sheet, facts(connection, roster, sheet.desk, sheet.facts.since_ms))

    change(connection, name, renew)
    return change(connection, name, lambda sheet: handover.sign(sheet, who, now_ms))


def _read(connection: Connection, row: Sequence[Any] | None) -> Handover | None:
    if row is None:
        return None
    items = connection.execute(
        "select kind, subject, accepted_ms from handover_item where handover = %s"
        " order by accepted_ms, kind, subject",
        (row[0],),
    ).fetchall()
    name, desk, outgoing, incoming, opened_ms, notes, text, out_ms, in_ms, revision = row
    return Handover(
        id=name,
        desk=desk,
        outgoing=outgoing,
        incoming=incoming,
        opened_ms=opened_ms,
        notes=notes,
        facts=_facts.decode(text),
        accepted=tuple(((kind, subject), at_ms) for kind, subject, at_ms in items),
        outgoing_signed_ms=out_ms,
        incoming_signed_ms=in_ms,
        revision=revision,
    )
