"""Calls taken and ended, each with its incident, its notices and its line of the audit.  A shell.

Every function works in the transaction of the connection that it is given.
"""

import msgspec
from psycopg import Connection

from alerting import excursions
from alerting.audit import store as audit
from alerting.audit.chain import Line
from alerting.hotline import calls
from alerting.hotline.calls import Heard, Taken
from alerting.notices import Wording
from alerting.store import fold, lock_zones
from lifeline import wire
from lifeline.model import HOTLINE, Finding

_finding = msgspec.json.Decoder(Finding)


def take(
    connection: Connection, wording: Wording, heard: Heard, *, actor: str, channel: str, now_ms: int
) -> Taken:
    """Opens the call's incident, or joins it to the one that it belongs to; or says why not."""
    assert wording.catalog is not None
    tables = wording.tables
    found = calls.understood(heard, tables.call, wording.catalog, tables.place, now_ms)
    if isinstance(found, str):
        return Taken(found)
    # The same call on two lines at once: the second waits, and finds the first.
    lock_zones(connection, [found.zone])
    known = _incident_of(connection, found)
    if known is not None:
        return Taken("call-known", known)
    fold(connection, wording, [found])
    incident = _incident_of(connection, found)
    assert incident, "a call is never hidden"
    told = calls.known_in(found)
    connection.execute(
        "insert into context_change (id, partner, warning, zone, body)"
        " values (%s, %s, %s, %s, %s) on conflict (id) do nothing",
        (told.id, HOTLINE, found.channel, found.zone, wire.encode_context(told.context)),
    )
    line = Line(
        incident=incident,
        at_ms=now_ms,
        actor=actor,
        action="call",
        reason="call-taken",
        note=found.said,
        channel=channel,
        alarm=excursions.key_of(found),
        detail=msgspec.json.encode(heard).decode(),
    )
    audit.append(connection, [line])
    return Taken("call-taken", incident)


def _incident_of(connection: Connection, finding: Finding) -> str | None:
    row = connection.execute(
        "select incident from excursion where id = %s", (finding.id,)
    ).fetchone()
    return None if row is None else str(row[0])


_STANDING = (
    "select body::text from excursion where incident = %s and stage = 'active'"
    " and body ->> 'detector' = %s order by onset_ms, id"
)


def end(
    connection: Connection,
    wording: Wording,
    incident: str,
    *,
    actor: str,
    note: str,
    channel: str,
    now_ms: int,
) -> Taken:
    """Somebody has looked at what the calls of an incident told of: they stand no more.

    The incident goes on: it closes by the evidence of the connected sensors, like any other.
    """
    row = connection.execute("select zone from incident where id = %s", (incident,)).fetchone()
    if row is None:
        return Taken("unknown")
    if not note.strip():
        return Taken("needs-note", incident)
    zones = {row[0]} | {f.zone for f in _standing(connection, incident)}
    lock_zones(connection, zones)
    found = _standing(connection, incident)
    if not found:
        return Taken("no-call", incident)
    fold(connection, wording, [calls.over(one, now_ms) for one in found])
    line = Line(
        incident=incident,
        at_ms=now_ms,
        actor=actor,
        action="end-call",
        reason="call-ended",
        note=note.strip(),
        channel=channel,
        detail=", ".join(one.channel for one in found),
    )
    audit.append(connection, [line])
    return Taken("call-ended", incident)


def _standing(connection: Connection, incident: str) -> list[Finding]:
    rows = connection.execute(_STANDING, (incident, HOTLINE)).fetchall()
    return [_finding.decode(body) for (body,) in rows]
