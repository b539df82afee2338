"""Effects into rows, in the transaction of whoever decided them.  A shell."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
import psycopg
from psycopg import Connection, Cursor

from alerting import notices, slices
from alerting.alarms import Alarm
from alerting.audit import store as audit
from alerting.audit.chain import Line
from alerting.exchange import store as exchange
from alerting.excursions import Excursion
from alerting.incidents import Incident, Reason, incident_id
from alerting.notices import Push, Wording
from alerting.outbox import store as outbox
from alerting.slices import Effect, Slice
from alerting.turn import ROUTER
from lifeline import wire
from lifeline.errors import Unavailable
from lifeline.model import CANARY

CHANNEL = "incident"
"""NOTIFY carries the incident's id here."""

T = TypeVar("T")
_json = msgspec.json.Encoder().encode


class Contended(Unavailable):
    """Somebody else changed the same rows; the transaction was rolled back and may be run again."""


@dataclass(slots=True)
class Folded:
    """What a transaction changed, for logs, metrics and whoever has to be woken."""

    opened: list[Incident] = field(default_factory=list)
    pushes: list[Push] = field(default_factory=list)
    changes: int = 0
    met: int = 0
    """Deadlines that had come."""


def contended(work: Callable[[Connection], T]) -> Callable[[Connection], T]:
    """The work, with PostgreSQL's words for a lost race turned into Contended."""

    def run(connection: Connection) -> T:
        try:
            return work(connection)
        except (
            psycopg.errors.UniqueViolation,
            psycopg.errors.SerializationFailure,
            psycopg.errors.DeadlockDetected,
        ) as error:
            raise Contended(str(error)) from error

    return run


def is_poison(error: Exception) -> bool:
    """Whether what was worked on is to blame, and not a table that is not there or not whole."""
    is_values = isinstance(error, psycopg.DataError | psycopg.IntegrityError)
    return is_values or not isinstance(error, psycopg.Error | Unavailable)


def keep(
    connection: Connection,
    wording: Wording,
    slice_: Slice,
    before: dict[str, int],
    effects: Sequence[Effect],
) -> Folded:
    """Writes what the effects say; raises Contended when somebody came between."""
    folded = Folded()
    pushes: list[Push] = []
    changed: dict[str, slices.SaveIncident] = {}
    states: list[tuple[str, bytes]] = []
    told = [e.incident for e in effects if isinstance(e, slices.Tell)]
    chains = exchange.chains(connection, told) if told and wording.is_chained else {}
    for effect in effects:
        match effect:
            case slices.SaveIncident(incident, reason):
                changed[incident.id] = effect
                if reason is Reason.OPENED:
                    folded.opened.append(incident)
                if incident.lifeline != CANARY:
                    state = notices.state_of(incident, reason, incident.updated_ms)
                    states.append((incident.zone, wire.encode_incident(state)))
            case slices.Tell():
                verdict = slice_.incidents[effect.incident].verdict
                pushes += wording.pushes(effect, chains, verdict)
    found = {e.excursion.id for e in effects if isinstance(e, slices.SaveExcursion)}
    keys = {e.alarm.key for e in effects if isinstance(e, slices.SaveAlarm)}
    with connection.cursor() as cursor:
        _keep_incidents(cursor, [slice_.incidents[name] for name in changed], before)
        _keep_alarms(cursor, [slice_.alarms[key] for key in sorted(keys)], before)
        _keep_excursions(cursor, [slice_.excursions[name] for name in sorted(found)])
        _keep_rest(cursor, effects)
        revisions = {i.id: i.revision for i in slice_.incidents.values()}
        outbox.put(cursor, pushes, revisions)
        exchange.keep(connection, pushes, wording.sign_within_s)
        pushes += _keep_calls(connection, cursor, wording, slice_, effects)
        _keep_windows(cursor, slice_, before, effects)
        _keep_judgements(cursor, effects)
        if states:
            cursor.executemany("insert into incident_change (zone, body) values (%s, %s)", states)
        if changed:
            cursor.execute(
                "select pg_notify(%s, n) from unnest(%s::text[]) n", (CHANNEL, [*changed])
            )
    folded.pushes, folded.changes = pushes, len(states)
    return folded


_KEEP_INCIDENT = (
    "insert into incident (id, asset, hazard, drill, episode, phase, zone, lifeline, grade, told,"
    " lane, lead, onset_ms, opened_ms, updated_ms, is_active, revision, changed_revision,"
    " acknowledged_by, acknowledged_ms, calm_ms, closed_by, closed_ms, overridden, last_actor,"
    " unseen_ms, undo_ms, verdict, verdict_code, verdict_by, verdict_ms, task, person,"
    " dispatched_ms, arrived_ms, progress_ms, prolonged, review, first_out, first_ms,"
    " merged_into, second, step)"
    " values (%(id)s, %(asset)s, %(hazard)s, %(drill)s, %(episode)s, %(phase)s, %(zone)s,"
    " %(lifeline)s, %(grade)s, %(told)s, %(lane)s, %(lead)s, %(onset_ms)s, %(opened_ms)s,"
    " %(updated_ms)s, %(is_active)s, %(revision)s, %(changed_revision)s, %(acknowledged_by)s,"
    " %(acknowledged_ms)s, %(calm_ms)s, %(closed_by)s, %(closed_ms)s, %(overridden)s,"
    " %(last_actor)s, %(unseen_ms)s, %(undo_ms)s, %(verdict)s, %(verdict_code)s, %(verdict_by)s,"
    " %(verdict_ms)s, %(task)s, %(person)s, %(dispatched_ms)s, %(arrived_ms)s, %(progress_ms)s,"
    " %(prolonged)s, %(review)s, %(first_out)s, %(first_ms)s, %(merged_into)s, %(second)s,"
    " %(step)s)"
    " on conflict (id) do update set phase = excluded.phase, grade ="
    " excluded.grade, told = excluded.told, lead = excluded.lead, updated_ms ="
    " excluded.updated_ms, is_active = excluded.is_active, revision = excluded.revision,"
    " changed_revision = excluded.changed_revision, acknowledged_by = excluded.acknowledged_by,"
    " acknowledged_ms = excluded.acknowledged_ms, calm_ms = excluded.calm_ms, closed_by ="
    " excluded.closed_by, closed_ms = excluded.closed_ms, overridden = excluded.overridden,"
    " last_actor = excluded.last_actor, unseen_ms = excluded.unseen_ms, undo_ms ="
    " excluded.undo_ms, verdict = excluded.verdict, verdict_code = excluded.verdict_code,"
    " verdict_by = excluded.verdict_by, verdict_ms = excluded.verdict_ms, task = excluded.task,"
    " person = excluded.person, dispatched_ms = excluded.dispatched_ms, arrived_ms ="
    " excluded.arrived_ms, progress_ms = excluded.progress_ms, prolonged = excluded.prolonged,"
    " review = excluded.review, first_out = excluded.first_out, first_ms = excluded.first_ms,"
    " merged_into = excluded.merged_into, second = excluded.second,"
    " step = excluded.step where incident.revision = %(before)s"
)
_KEEP_ALARM = (
    "insert into alarm (key, channel, detector, hazard, zone, asset, lifeline, drill, state,"
    " grade, since_ms, incident, revision, rule, active_ms, hidden_by, hidden_until_ms,"
    " hidden_raises, cycles, is_chattering, is_fleeting)"
    " values (%(key)s, %(channel)s, %(detector)s, %(hazard)s,"
    " %(zone)s, %(asset)s, %(lifeline)s, %(drill)s, %(state)s, %(grade)s, %(since_ms)s,"
    " %(incident)s, %(revision)s, %(rule)s, %(active_ms)s, %(hidden_by)s, %(hidden_until_ms)s,"
    " %(hidden_raises)s, %(cycles)s, %(is_chattering)s, %(is_fleeting)s)"
    " on conflict (key) do update set state = excluded.state, grade ="
    " excluded.grade, since_ms = excluded.since_ms, incident = excluded.incident, revision ="
    " excluded.revision, rule = excluded.rule, active_ms = excluded.active_ms, hidden_by ="
    " excluded.hidden_by, hidden_until_ms = excluded.hidden_until_ms, hidden_raises ="
    " excluded.hidden_raises, cycles = excluded.cycles, is_chattering = excluded.is_chattering,"
    " is_fleeting = excluded.is_fleeting where alarm.revision = %(before)s"
)
_KEEP_EXCURSION = (
    "insert into excursion (id, alarm, stage, lane, grade, onset_ms, last_ms, cleared_ms, due_ms,"
    " incident, would_open, body, damp_ms)"
    " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
    " on conflict (id) do update set stage = excluded.stage, lane = excluded.lane,"
    " last_ms = excluded.last_ms, cleared_ms = excluded.cleared_ms, due_ms = excluded.due_ms,"
    " incident = excluded.incident, body = excluded.body, damp_ms = excluded.damp_ms"
)


def _keep_incidents(
    cursor: Cursor[Any], incidents: Sequence[Incident], before: dict[str, int]
) -> None:
    rows = [
        {
            **msgspec.structs.asdict(incident),
            "lead": _json(incident.lead).decode(),
            "before": before.get(incident.id, 0),
        }
        for incident in incidents
    ]
    _compare_and_set(cursor, _KEEP_INCIDENT, rows)


def _keep_alarms(cursor: Cursor[Any], alarms: Sequence[Alarm], before: dict[str, int]) -> None:
    rows = [
        {**msgspec.structs.asdict(a), "cycles": list(a.cycles), "before": before.get(a.key, 0)}
        for a in alarms
    ]
    _compare_and_set(cursor, _KEEP_ALARM, rows)


def _compare_and_set(cursor: Cursor[Any], query: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    cursor.executemany(query, rows)
    if cursor.rowcount != len(rows):
        raise Contended("a revision has moved on since it was read")


def _keep_excursions(cursor: Cursor[Any], excursions: Sequence[Excursion]) -> None:
    rows = [
        (
            e.id,
            e.alarm,
            e.stage,
            e.finding.lane,
            e.finding.grade,
            e.finding.onset_ms,
            e.last_ms,
            e.cleared_ms,
            e.due_ms,
            e.incident,
            incident_id(e.id),
            _json(e.finding).decode(),
            e.damp_ms,
        )
        for e in excursions
    ]
    if rows:
        cursor.executemany(_KEEP_EXCURSION, rows)


def _keep_rest(cursor: Cursor[Any], effects: Iterable[Effect]) -> None:
    """Memberships, deadlines and the audit."""
    joins: list[tuple[Any, ...]] = []
    lines: list[Line] = []
    deadlines: dict[tuple[str, str], slices.Schedule | None] = {}
    for effect in effects:
        match effect:
            case slices.Join():
                joins.append(tuple(map(_plain, msgspec.structs.astuple(effect))))
            case slices.Record():
                lines.append(_line(effect))
            case slices.Schedule(kind, subject):
                deadlines[kind, subject] = effect
            case slices.Cancel(kind, subject):
                deadlines[kind, subject] = None
    if joins:
        cursor.executemany(
            "insert into membership (incident, alarm, reason, at_ms, rule, hypothesis, distance_m)"
            " values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
            joins,
        )
    _keep_deadlines(cursor, deadlines)
    if all(line.actor == ROUTER for line in lines):
        # What the house itself does must go on, whatever is the matter with the audit.
        audit.append_or_owe(cursor.connection, lines)
    else:
        audit.append(cursor, lines)


def _keep_deadlines(
    cursor: Cursor[Any], deadlines: dict[tuple[str, str], slices.Schedule | None]
) -> None:
    gone = [name for name, due in deadlines.items() if due is None]
    if gone:
        cursor.execute(
            "delete from deadline d using unnest(%s::text[], %s::text[]) as g (kind, subject)"
            " where d.kind = g.kind and d.subject = g.subject",
            ([kind for kind, _ in gone], [subject for _, subject in gone]),
        )
    due = [d for d in deadlines.values() if d is not None]
    if due:
        cursor.executemany(
            "insert into deadline (subject, kind, zone, due_at)"
            " values (%s, %s, %s, to_timestamp(%s))"
            " on conflict (subject, kind) do update set due_at = excluded.due_at",
            [(d.subject, d.kind, d.zone, d.due_ms / 1000.0) for d in due],
        )


def _line(record: slices.Record) -> Line:
    """The line in the chain of its incident, else of its alarm, else of its zone."""
    return Line(
        incident=record.incident,
        subject="" if record.incident else record.alarm or f"zone {record.zone}",
        at_ms=record.at_ms,
        actor=record.actor,
        action=record.action,
        reason=str(record.reason),
        note=record.note,
        channel=record.channel,
        revision=record.revision,
        alarm=record.alarm,
        second=record.second,
        detail=record.detail,
    )


def _plain(value: object) -> object:
    """The value as the tables hold it: psycopg would write an enumeration's name."""
    return str(value) if isinstance(value, Reason) else value


def _keep_calls(
    connection: Connection,
    cursor: Cursor[Any],
    wording: Wording,
    slice_: Slice,
    effects: Iterable[Effect],
) -> list[Push]:
    """Pages, and what holds, releases and ends them, in the order in which it was decided."""
    made: list[Push] = []
    for effect in effects:
        match effect:
            case slices.Page() if wording.pager is not None:
                incident = slice_.incidents[effect.incident]
                pages = wording.pager(connection, [(effect, incident)])
                outbox.put(cursor, pages, {incident.id: effect.revision})
                made += pages
            case slices.Hold(incident=name, until_ms=until_ms):
                outbox.hold(connection, name, until_ms)
            case slices.Release(incident=name):
                outbox.release(connection, name)
            case slices.End(incident=name, reason=reason, held_only=held_only):
                outbox.end(connection, name, str(reason), held_only=held_only)
    return made


_KEEP_WINDOW = (
    "insert into alarm_window (id, kind, author, reason, zone, assets, rules, from_ms, until_ms,"
    " work, factor, checks, ended_ms, ended_by, hidden, revision) values (%(id)s, %(kind)s,"
    " %(author)s, %(reason)s, %(zone)s, %(assets)s, %(rules)s, %(from_ms)s, %(until_ms)s,"
    " %(work)s, %(factor)s, %(checks)s, %(ended_ms)s, %(ended_by)s, %(hidden)s, %(revision)s)"
    " on conflict (id) do update set from_ms = excluded.from_ms, until_ms = excluded.until_ms,"
    " checks = excluded.checks, ended_ms = excluded.ended_ms, ended_by = excluded.ended_by,"
    " hidden = excluded.hidden, revision = excluded.revision"
    " where alarm_window.revision = %(before)s"
)


def _keep_windows(
    cursor: Cursor[Any], slice_: Slice, before: dict[str, int], effects: Iterable[Effect]
) -> None:
    names = {e.window.id for e in effects if isinstance(e, slices.SaveWindow)}
    rows = [
        {
            **msgspec.structs.asdict(window),
            "assets": list(window.assets),
            "rules": list(window.rules),
            "checks": _json(window.checks).decode(),
            "before": before.get(f"window {window.id}", 0),
        }
        for window in (slice_.windows[name] for name in sorted(names))
    ]
    _compare_and_set(cursor, _KEEP_WINDOW, rows)


_LABEL = (
    "insert into label (excursion, incident, alarm, channel, rule, detector, hazard, grade,"
    " onset_ms, verdict, code, by_whom, at_ms) select e.id, e.incident, e.alarm,"
    " e.body ->> 'channel', e.body ->> 'rule', e.body ->> 'detector', e.body ->> 'hazard', e.grade,"
    " e.onset_ms, %s, %s, %s, %s from excursion e where e.incident = %s and e.stage <> 'ignored'"
    " on conflict (excursion) do update set incident = excluded.incident, verdict ="
    " excluded.verdict, code = excluded.code, by_whom = excluded.by_whom, at_ms = excluded.at_ms"
)


def _keep_judgements(cursor: Cursor[Any], effects: Iterable[Effect]) -> None:
    """Labels, and what waits for a second person."""
    for effect in effects:
        match effect:
            case slices.Label(incident, verdict, code, actor, at_ms):
                cursor.execute(_LABEL, (verdict, code, actor, at_ms, incident))
            case slices.Propose(proposal):
                asked = proposal.act
                cursor.execute(
                    "insert into proposal (id, incident, alarm, zone, kind, body, proposed_by,"
                    " at_ms, expires_ms) values (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
                    " on conflict (id) do nothing",
                    (
                        proposal.id,
                        asked.incident,
                        asked.alarm,
                        proposal.zone,
                        asked.action,
                        _json(asked).decode(),
                        asked.actor,
                        proposal.at_ms,
                        proposal.expires_ms,
                    ),
                )
            case slices.Decided(proposal=name, by=by, at_ms=at_ms):
                cursor.execute(
                    "update proposal set decided_by = %s, decided_ms = %s where id = %s",
                    (by, at_ms, name),
                )
