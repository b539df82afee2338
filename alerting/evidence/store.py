"""Readings copied for an incident, and everything of it gathered into a dossier.  A shell.

Every function works in the transaction of the connection that it is given.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from psycopg import Connection

from alerting.audit import store as audit
from alerting.audit.anchors import Anchor
from alerting.audit.chain import GENESIS, Entry, Head, Line
from alerting.evidence import spans
from alerting.evidence.dossier import Dossier, Measured, Placed, Reading, Row, Run, Told
from alerting.evidence.spans import Span
from alerting.store import lock_zones
from lifeline.catalog import Catalog
from lifeline.config import Evidence
from lifeline.grades import Grading
from lifeline.model import CANARY, UNTITLED, Text

AGAIN_S = 30.0
"""An incident that changes all the time is looked at so often."""
BEGIN_AT_ONCE = 500


def begin(connection: Connection) -> None:
    """Notes the incidents of which no readings are kept yet: who lives, or was closed of late."""
    connection.execute(
        "insert into incident_evidence (incident) select i.id from incident i"
        " left join incident_evidence e on e.incident = i.id"
        " where e.incident is null and i.lifeline <> %(canary)s"
        " and i.phase not in ('closed', 'archived')"
        " union select i.id from incident i left join incident_evidence e on e.incident = i.id"
        " where e.incident is null and i.lifeline <> %(canary)s"
        " and i.phase in ('closed', 'archived')"
        " and i.closed_ms > (extract(epoch from clock_timestamp()) - 86400) * 1000"
        " limit %(limit)s on conflict do nothing",
        {"canary": CANARY, "limit": BEGIN_AT_ONCE},
    )


_CLAIM = (
    "select e.incident, e.readings, e.is_cut, i.asset, i.onset_ms, i.revision, i.lead::text,"
    " i.closed_ms, coalesce((select max(f.received_ms) from feed f where f.lifeline = i.lifeline),"
    " 0), (extract(epoch from clock_timestamp()) * 1000)::int8"
    " from incident_evidence e join incident i on i.id = e.incident where e.stage <> 'whole'"
    " and case when %(only)s <> '' then e.incident = %(only)s else e.due_at <= clock_timestamp()"
    " or e.revision <> i.revision and (e.copied_at is null"
    " or e.copied_at < clock_timestamp() - make_interval(secs => %(again_s)s)) end"
    " order by e.due_at limit 1 for update of e skip locked"
)


def copy_next(
    connection: Connection, catalog: Catalog, settings: Evidence, only: str = ""
) -> str | None:
    """Copies what is stored by now around one incident that is due; its id, None when none is.

    Another router's is left to it.  What is there already is not touched: it may be done again.
    ``only`` names an incident that is wanted now, due or not.
    """
    claim = connection.execute(_CLAIM, {"only": only, "again_s": AGAIN_S}).fetchone()
    if claim is None:
        return None
    name, kept, is_cut, asset, onset_ms, revision, lead, closed_ms, fed_ms, now_ms = claim
    rows = connection.execute(
        "select body->>'channel', body->>'rule', body->>'limit_id', onset_ms from excursion"
        " where incident = %s order by onset_ms",
        (name,),
    ).fetchall()
    own = dict.fromkeys([str(msgspec.json.decode(lead)["channel"]), *(row[0] for row in rows)])
    near = connection.execute(
        "select name from channel where starts_with(name, %s) order by name limit %s",
        (f"{asset}/", spans.CHANNELS_MAX),
    ).fetchall()
    chosen = spans.channels(catalog, list(own), [row[0] for row in near])
    moments = [onset_ms, *(row[3] for row in rows), *([closed_ms] if closed_ms else [])]
    wanted = {
        channel: spans.spans(moments, spans.reach_ms(interval_s, settings.reach_s))
        for channel, interval_s in chosen.items()
    }
    copied, is_full = _copy(connection, name, wanted, max(0, settings.rows_max - kept))
    stage, due_ms = spans.next_look(
        max(span[-1][1] for span in wanted.values()), fed_ms, now_ms, is_over=closed_ms is not None
    )
    facts = {
        "incident": name,
        "revision": revision,
        "stage": stage,
        "due_s": due_ms / 1000,
        "copied": copied,
        "is_cut": is_cut or is_full,
        "spans": msgspec.json.encode(wanted).decode(),
        "catalog": catalog.digest,
        "rules": _rules(catalog, {row[1] for row in rows}, {row[2] for row in rows if row[2]}),
    }
    connection.execute(_COPIED, facts)
    return str(name)


_COPIED = (
    "update incident_evidence set revision = %(revision)s, stage = %(stage)s,"
    " due_at = to_timestamp(%(due_s)s), copied_at = clock_timestamp(),"
    " readings = readings + %(copied)s, is_cut = %(is_cut)s, spans = %(spans)s,"
    # What was said first stands: a rule may have been changed since.
    " catalog = coalesce(nullif(catalog, ''), %(catalog)s), rules = jsonb_build_object('rules',"
    " %(rules)s::jsonb->'rules' || coalesce(rules->'rules', '{}'), 'limits',"
    " %(rules)s::jsonb->'limits' || coalesce(rules->'limits', '{}')) where incident = %(incident)s"
)


def _rules(catalog: Catalog, rules: set[str], limits: set[str]) -> str:
    known = {rule.id: rule for rule in catalog.head.rules if rule.id in rules}
    named = limits | {rule.limit for rule in known.values() if rule.limit}
    found = {key: limit for key, limit in catalog.head.limits.items() if key in named}
    return msgspec.json.encode({"rules": known, "limits": found}).decode()


_COPY = (
    "insert into incident_reading (incident, channel, time, value, quality)"
    " select %(incident)s, %(channel)s, r.time, r.value, r.quality from reading r"
    " where r.channel = %(id)s and r.time between to_timestamp(%(start)s) and to_timestamp(%(end)s)"
    " and not exists (select 1 from incident_reading k where k.incident = %(incident)s"
    " and k.channel = %(channel)s and k.time = r.time) order by r.time limit %(room)s"
    " on conflict do nothing"
)


def _copy(
    connection: Connection, incident: str, wanted: Mapping[str, Sequence[Span]], room: int
) -> tuple[int, bool]:
    """How many readings were copied, and whether there was no room for more."""
    ids: dict[str, int] = dict(
        connection.execute(
            "select name, id from channel where name = any(%s)", (list(wanted),)
        ).fetchall()
    )
    left = room
    for channel in (name for name in wanted if name in ids):
        for start_ms, end_ms in wanted[channel]:
            left -= connection.execute(
                _COPY,
                {
                    "incident": incident,
                    "channel": channel,
                    "id": ids[channel],
                    "start": start_ms / 1000,
                    "end": end_ms / 1000,
                    "room": left,
                },
            ).rowcount
            if left <= 0:
                return room - left, True
    return room - left, False


# The dossier.


def gather(
    connection: Connection,
    incident: str,
    catalog: Catalog,
    grades: Grading,
    *,
    settings: str = "",
    software: str = "",
) -> Dossier | None:
    """Everything about an incident as it is at one moment; None where there is none of that name.

    ``settings`` is the digest of the settings.  Begins its transaction's only snapshot.
    """
    connection.execute("set transaction isolation level repeatable read")
    rows = _rows(connection, "select to_jsonb(i) from incident i where id = %s", incident)
    if not rows:
        return None
    kept = _rows(
        connection, "select to_jsonb(e) from incident_evidence e where incident = %s", incident
    )
    facts: Row = kept[0] if kept else {}
    findings = _rows(connection, _FINDINGS, incident)
    entries = tuple(audit.entries_of(connection, incident))
    sealed = _seals(connection, incident, entries)
    own = {str(row["body"]["channel"]) for row in findings} | {str(rows[0]["lead"]["channel"])}
    groups = {group.name: group.channels for group in catalog.head.groups}
    own |= {name for one in own for name in groups.get(one, ())}
    readings = _readings(connection, incident)
    asset = catalog.asset(str(rows[0]["asset"]))
    clock = connection.execute("select (extract(epoch from now()) * 1000)::int8").fetchone()
    assert clock is not None
    return Dossier(
        incident=rows[0],
        alarms=tuple(_rows(connection, _ALARMS, incident)),
        findings=tuple(findings),
        notices=_notices(connection, incident),
        receipts=tuple(_rows(connection, _RECEIPTS, incident)),
        entries=entries,
        before=sealed.newest.before,
        seals=sealed.newest.seals,
        proven=sealed.proven,
        anchors=sealed.anchors,
        channels=_measured(catalog, sorted({*own, *(r.channel for r in readings)}), own),
        readings=readings,
        spans=facts.get("spans", {}),
        is_cut=bool(facts.get("is_cut", False)),
        rules=facts.get("rules", {}),
        catalog=str(facts.get("catalog") or catalog.digest),
        settings=settings,
        software=software,
        made_ms=clock[0],
        title=asset.title if asset is not None else UNTITLED,
        grade=Text(grades.word(rows[0]["grade"], "zh"), grades.word(rows[0]["grade"], "en")),
    )


_FINDINGS = "select to_jsonb(e) from excursion e where incident = %s order by onset_ms, id"
_ALARMS = (
    "select to_jsonb(a) || jsonb_build_object('joined', m.reason, 'joined_ms', m.at_ms)"
    " from membership m join alarm a on a.key = m.alarm where m.incident = %s"
    " order by m.at_ms, a.key"
)
_RECEIPTS = (
    "select to_jsonb(r) from receipt r join outbox o on o.id = r.outbox where o.incident = %s"
    " order by r.id"
)


def _rows(connection: Connection, query: Any, incident: str) -> list[Row]:
    return [row[0] for row in connection.execute(query, (incident,)).fetchall()]


def _measured(catalog: Catalog, names: Sequence[str], own: set[str]) -> dict[str, Measured]:
    known = {name: catalog.find(name) for name in names}
    return {
        name: Measured(
            found[1].unit if found else "", found[1].interval_s if found else 60.0, name in own
        )
        for name, found in known.items()
    }


def _readings(connection: Connection, incident: str) -> tuple[Reading, ...]:
    rows = connection.execute(
        "select channel, (extract(epoch from time) * 1000)::int8, value, quality::int4"
        " from incident_reading where incident = %s order by channel, time",
        (incident,),
    ).fetchall()
    return tuple(Reading(name, at_ms, value, bits & 0xFFFF) for name, at_ms, value, bits in rows)


def _notices(connection: Connection, incident: str) -> tuple[Told, ...]:
    rows = connection.execute(
        "select to_jsonb(o) - 'body', o.body, coalesce((select jsonb_agg(to_jsonb(a) order by a.id)"
        " from attempt a where a.outbox = o.id), '[]') from outbox o where o.incident = %s"
        " order by o.id",
        (incident,),
    ).fetchall()
    return tuple(Told(row, bytes(body), tuple(attempts)) for row, body, attempts in rows)


class _Sealed(NamedTuple):
    """What proves a chain."""

    newest: Run = Run(b"", ())
    proven: Run | None = None
    anchors: tuple[Placed, ...] = ()


def _seals(connection: Connection, incident: str, entries: Sequence[Entry]) -> _Sealed:
    """The seals over the newest line that one covers, those over the newest that is anchored."""
    covers = audit.seals_of(connection, incident)
    if not (covers and entries):
        return _Sealed()
    newest = covers[max(covers)]
    row = connection.execute("select max(seal) from anchor").fetchone()
    anchored = 0 if row is None or row[0] is None else row[0]
    earlier = max((seal for seal in covers.values() if seal <= anchored), default=0)
    runs = [_run(connection, first) for first in dict.fromkeys((newest, earlier)) if first]
    numbers = [seal.number for run in runs for seal in run.seals]
    placed = connection.execute(
        "select place, seal, (extract(epoch from at) * 1000000)::int8, hash from anchor"
        " where seal = any(%s) order by id",
        (numbers,),
    ).fetchall()
    return _Sealed(
        runs[0],
        runs[1] if len(runs) > 1 else None,
        tuple(Placed(row[0], Anchor(row[1], row[2], bytes(row[3]))) for row in placed),
    )


def _run(connection: Connection, first: int) -> Run:
    """The seals from one up to the next that is anchored; that one alone where none is yet."""
    row = connection.execute("select min(seal) from anchor where seal >= %s", (first,)).fetchone()
    last = first if row is None or row[0] is None else row[0]
    seals = audit.seals_between(connection, first - 1, last)
    before = GENESIS if first == 1 else seals.pop(0).hash
    heads = connection.execute(
        "select subject, number, hash from seal_head where seal = %s", (first,)
    ).fetchall()
    seals[0] = msgspec.structs.replace(
        seals[0], heads=tuple(sorted(Head(name, n, bytes(made)) for name, n, made in heads))
    )
    return Run(before, tuple(seals))


def is_sealed(dossier: Dossier) -> bool:
    """Whether a seal covers the last line of its audit."""
    name, sealed = dossier.incident["id"], dossier.seals[:1]
    covered = max((h.number for s in sealed for h in s.heads if h.subject == name), default=0)
    return not dossier.entries or covered >= dossier.entries[-1].number


def note_made(connection: Connection, incident: str, actor: str, digest: str, channel: str) -> None:
    """Writes down in the incident's own chain that a package with that SHA-256 was made."""
    row = connection.execute(
        "select zone, revision from incident where id = %s", (incident,)
    ).fetchone()
    assert row is not None
    now_ms = lock_zones(connection, [row[0]])
    line = Line(
        incident=incident,
        at_ms=now_ms,
        actor=actor,
        action="evidence",
        reason="evidence",
        channel=channel,
        revision=row[1],
        detail=f'{{"sha256": "{digest}"}}',
    )
    audit.append(connection, [line])
