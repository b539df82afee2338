"""What the desk looks at, from PostgreSQL.  A shell.

Every function works in the transaction of the connection that it is given.  Nothing here reads
more rows than it is asked for, however many incidents are open.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from psycopg import Connection

from alerting import store as router
from alerting.actions import Act
from alerting.alarms import STALE_MS, Alarm
from alerting.board.rows import (
    CALLING,
    DueRow,
    Listed,
    Member,
    Queued,
    Sift,
    Told,
    Wait,
)
from alerting.desk import store as desk
from alerting.incidents import ENDED, Incident
from alerting.loading.store import ALARM, INCIDENT, WINDOW, alarm_of, incident_of, window_of
from alerting.windows import Window
from lifeline.model import CANARY

_act = msgspec.json.Decoder(Act)

_ORDER = (
    # As migration 023 has it in an index.  Who is not yet assessed stands where the gravest of his
    # grade would.  Of one risk whoever has waited longest: his deadline is the next one.
    "case {0}.phase when 'open' then 1 when 'watching' then 3 when 'closed' then 4"
    " when 'archived' then 5 else 2 end, -coalesce({0}.closed_ms, 9e15::int8),"
    " -coalesce({0}.score, 101 - {0}.grade), {0}.told is null,"
    " coalesce({0}.unseen_ms, {0}.progress_ms, {0}.onset_ms), {0}.id"
)


Span = Literal["live", "ended", "any"]
_SPANS: dict[Span, str] = {
    "live": " and i.phase not in ('closed', 'archived')",
    "ended": " and i.phase in ('closed', 'archived') and i.closed_ms >= %(since)s",
    "any": " and coalesce(i.closed_ms, %(since)s) >= %(since)s",
}


def _query(span: Span, *, is_searched: bool) -> str:
    """The queue's query; what is not asked for would keep it from the index for the rest."""
    return (
        # The limit stands inside: of ten thousand no more are looked at than are shown.
        "with picked as (select id, score, row_number() over () as place from"  # noqa: S608 (constants)
        " (select i.id, i.score from incident i"
        + (" left join incident_rank r on r.incident = i.id" if is_searched else "")
        + " where i.phase = any(%(phases)s)"
        + _SPANS[span]
        + " and case when %(lifeline)s = '' then i.lifeline <> %(canary)s"
        " else i.lifeline = %(lifeline)s end"
        " and (%(grades)s::int4[] is null or i.grade = any(%(grades)s))"
        " and (%(zones)s::text[] is null or i.zone = any(%(zones)s))"
        " and (%(review)s::boolean is null or i.review = %(review)s)"
        + (
            " and (r.words ilike %(text)s escape '!' or i.id ilike %(text)s escape '!'"
            " or i.asset ilike %(text)s escape '!')"
            if is_searched
            else ""
        )
        + " and (%(after)s = '' or ("
        + _ORDER.format("i")
        + ") > (select "
        + _ORDER.format("a")
        + " from incident a where a.id = %(after)s)) order by "
        + _ORDER.format("i")
        + " limit %(limit)s) s)"
        " select p.id, p.score, d.kind, d.due_ms from picked p left join lateral"
        " (select kind, (extract(epoch from due_at) * 1000)::int8 as due_ms from deadline"
        " where subject = p.id and kind = any(%(calling)s) order by due_at limit 1) d on true"
        " order by p.place"
    )


_QUEUE = {
    (span, is_searched): _query(span, is_searched=is_searched)
    for span in _SPANS
    for is_searched in (True, False)
}


def queue(connection: Connection, sift: Sift) -> list[Queued]:
    """The queue: open before taken before watching; the highest risk, then the longest wait first.

    What has ended, where asked for, the newest first.  The canary's are left out unless they are
    asked for by name.
    """
    ended = set(sift.phases) & set(ENDED)
    span: Span = "live" if not ended else "ended" if ended == set(sift.phases) else "any"
    rows = connection.execute(
        _QUEUE[span, bool(sift.text)],
        {
            "phases": list(sift.phases),
            "lifeline": sift.lifeline,
            "canary": CANARY,
            "grades": list(sift.grades) or None,
            "zones": None if sift.zones is None else list(sift.zones),
            "review": sift.review,
            "text": _like(sift.text),
            "since": sift.closed_since_ms,
            "after": sift.after,
            "limit": sift.limit,
            "calling": list(CALLING),
        },
    ).fetchall()
    lines = {one.id: one for one in desk.lines(connection, [row[0] for row in rows])}
    return [
        Queued(summary=lines[name], risk=score, next_kind=kind or "", next_ms=due_ms)
        for name, score, kind, due_ms in rows
    ]


def named(connection: Connection, start: str) -> list[str]:
    """The incidents whose id begins like that, two at most; the live ones alone if there is one."""
    if not start:
        return []
    rows = connection.execute(
        "select id, phase in ('closed', 'archived') from incident"
        " where id like %s escape '!' order by 2, 1 limit 2",
        (_like(start)[1:],),
    ).fetchall()
    live = [name for name, is_over in rows if not is_over]
    return live or [name for name, _ in rows]


def _like(text: str) -> str:
    """What is typed, as a pattern: its own signs mean themselves."""
    if not text:
        return ""
    plain = text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return f"%{plain}%"


_MEMBER = (
    "a.key, a.channel, a.detector, a.hazard, a.asset, a.zone, a.lifeline, a.rule, a.state, a.grade,"
    " a.since_ms, a.active_ms, a.hidden_by, a.hidden_until_ms, a.hidden_raises, a.is_chattering,"
    " a.is_fleeting, a.revision, a.incident"
)
_MEMBERS = (
    "select "  # noqa: S608 (constants alone)
    + _MEMBER
    + ", m.reason, m.at_ms, m.rule, m.hypothesis, m.distance_m from membership m"
    " join alarm a on a.key = m.alarm where m.incident = %s order by m.at_ms, a.key limit %s"
)
_ALONE = "select " + _MEMBER + ", '', null::int8, '', '', null::float8 from alarm a"  # noqa: S608
_LISTS: dict[Listed, str] = {
    "hidden": "a.state in ('shelved', 'suppressed', 'out-of-service')",
    "shelved": "a.state = 'shelved'",
    "suppressed": "a.state = 'suppressed'",
    "out-of-service": "a.state = 'out-of-service'",
    "latched": "a.state in ('latched-unacknowledged', 'latched-acknowledged')",
    "chattering": "a.is_chattering",
    "stale": "a.active_ms < %(now)s - %(stale)s",
}
_LISTED = {
    name: _ALONE  # noqa: S608 (constants alone)
    + " where "
    + what
    + " and a.lifeline <> %(canary)s"
    + " and (%(after)s = '' or (a.grade, a.since_ms, a.key) > (select b.grade, b.since_ms, b.key"
    + " from alarm b where b.key = %(after)s)) order by a.grade, a.since_ms, a.key limit %(limit)s"
    for name, what in _LISTS.items()
}
_ONE_ALARM = _ALONE + " where a.key = %s"


def members(connection: Connection, incident: str, limit: int = 500) -> list[Member]:
    """Every alarm that ever belonged to an incident, and why, in the order in which they came."""
    return [_member(row) for row in connection.execute(_MEMBERS, (incident, limit)).fetchall()]


def alarms(
    connection: Connection, what: Listed, now_ms: int, limit: int = 200, after: str = ""
) -> list[Member]:
    """One of the lists of alarms, the gravest and then the oldest first."""
    asked = {"now": now_ms, "stale": STALE_MS, "canary": CANARY, "limit": limit, "after": after}
    return [_member(row) for row in connection.execute(_LISTED[what], asked).fetchall()]


def alarm(connection: Connection, key: str) -> Member | None:
    """One alarm."""
    row = connection.execute(_ONE_ALARM, (key,)).fetchone()
    return None if row is None else _member(row)


def _member(row: Sequence[Any]) -> Member:
    return Member(**dict(zip(Member.__struct_fields__, row, strict=True)))


_INCIDENTS = INCIDENT + " where i.id = any(%s)"
_ALARMS = ALARM + " where incident = any(%s) order by key"


def whole(connection: Connection, names: Sequence[str]) -> list[tuple[Incident, tuple[Alarm, ...]]]:
    """Incidents with the alarms that they hold now, as the engine knows them."""
    held: dict[str, list[Alarm]] = {}
    for row in connection.execute(_ALARMS, (list(names),)).fetchall():
        one = alarm_of(row)
        held.setdefault(one.incident, []).append(one)
    rows = connection.execute(_INCIDENTS, (list(names),)).fetchall()
    found = [incident_of(row) for row in rows]
    return [(one, tuple(held.get(one.id, ()))) for one in found]


# Risk, and the words that an incident is found by.

_UNRANKED = (
    "select i.id from incident i left join incident_rank r on r.incident = i.id"
    " where i.phase not in ('closed', 'archived') and r.revision is distinct from i.revision"
    " and i.lifeline <> %s order by i.grade, i.opened_ms limit %s"
)
_RANK = (
    "insert into incident_rank (incident, revision, words)"
    " select * from unnest(%s::text[], %s::int4[], %s::text[])"
    " on conflict (incident) do update set revision = excluded.revision, words = excluded.words"
)
_FREE = "select id from incident where id = any(%s) order by id for update skip locked"
_SCORE = (
    "update incident i set score = n.score from unnest(%s::text[], %s::float8[]) as n (id, score)"
    " where i.id = n.id and i.score is distinct from n.score"
)
_SINCE = (
    ALARM + " where since_ms >= %s and lifeline <> %s and not drill order by since_ms, key limit %s"
)


def unranked(connection: Connection, limit: int) -> list[tuple[Incident, tuple[Alarm, ...]]]:
    """Open incidents whose risk is not known at the revision they have, the gravest first."""
    rows = connection.execute(_UNRANKED, (CANARY, limit)).fetchall()
    return whole(connection, [name for (name,) in rows])


def rank(connection: Connection, ranks: Sequence[tuple[str, int, float, str]]) -> None:
    """Keeps (incident, revision, risk, words); of two consoles the later one's stand.

    An incident that somebody is changing just now is left for the next time: nobody waits here, and
    so nobody waits in a ring.
    """
    if not ranks:
        return
    rows = connection.execute(_FREE, ([row[0] for row in ranks],)).fetchall()
    free = {name for (name,) in rows}
    # In one order, so that two consoles never wait for each other in a ring.
    kept = sorted(row for row in ranks if row[0] in free)
    names = [row[0] for row in kept]
    connection.execute(_SCORE, (names, [row[2] for row in kept]))
    connection.execute(_RANK, (names, [row[1] for row in kept], [row[3] for row in kept]))


def moved(connection: Connection, since_ms: int, limit: int) -> list[Alarm]:
    """The alarms that have changed their state since, in that order."""
    return [
        alarm_of(row) for row in connection.execute(_SINCE, (since_ms, CANARY, limit)).fetchall()
    ]


def deadlines(connection: Connection, incident: str) -> list[DueRow]:
    """What falls due for an incident, the next first."""
    rows = connection.execute(
        "select kind, (extract(epoch from due_at) * 1000)::int8 from deadline where subject = %s"
        " order by due_at, kind",
        (incident,),
    ).fetchall()
    return [DueRow(*row) for row in rows]


def told(connection: Connection, incident: str, limit: int = 200) -> list[Told]:
    """The pages of an incident, the oldest first."""
    rows = connection.execute(
        "select person, target, reason, case when delivered_at is not null then 'delivered'"
        " when dead_at is not null then 'dead' when ended_at is not null then 'ended'"
        " when held_until is not null then 'held'"
        " when leased_until > clock_timestamp() then 'leased' else 'waiting' end, attempts,"
        " last_code, (extract(epoch from coalesce(delivered_at, last_at, ended_at)) * 1000)::int8,"
        " overtaken_at is not null from outbox where incident = %s and class = 'page'"
        " order by id desc limit %s",
        (incident, limit),
    ).fetchall()
    return [
        Told(
            person=person,
            target=target,
            reason=reason,
            state=state,
            attempts=attempts,
            code=code,
            at_ms=at_ms,
            is_overtaken=is_overtaken,
        )
        for person, target, reason, state, attempts, code, at_ms, is_overtaken in reversed(rows)
    ]


_WINDOWS = (
    WINDOW + " where (ended_ms is null or ended_ms >= %s) order by ended_ms desc nulls first,"
    " until_ms, id limit %s"
)
_ONE_WINDOW = WINDOW + " where id = %s"


def windows(connection: Connection, ended_since_ms: int, limit: int = 200) -> list[Window]:
    """The windows that run, and those that ended of late."""
    return [
        window_of(row) for row in connection.execute(_WINDOWS, (ended_since_ms, limit)).fetchall()
    ]


def window(connection: Connection, name: str) -> Window | None:
    """One window."""
    row = connection.execute(_ONE_WINDOW, (name,)).fetchone()
    return None if row is None else window_of(row)


_WAITING = (
    "select id, incident, alarm, zone, kind, body::text, proposed_by, at_ms, expires_ms"
    " from proposal where decided_ms is null and expires_ms > %(now)s"
)
_WAITING_ALL = _WAITING + " order by expires_ms, id limit %(limit)s"
_WAITING_FOR = _WAITING + " and incident = %(incident)s order by expires_ms, id limit %(limit)s"


def proposals(
    connection: Connection, now_ms: int, incident: str = "", limit: int = 200
) -> list[Wait]:
    """What waits for a second person, of one incident or of all; what runs out soonest first."""
    rows = connection.execute(
        _WAITING_FOR if incident else _WAITING_ALL,
        {"now": now_ms, "incident": incident, "limit": limit},
    ).fetchall()
    return [_wait(row) for row in rows]


def _wait(row: Sequence[Any]) -> Wait:
    name, incident, alarm_key, zone, _, body, by, at_ms, expires_ms = row
    asked = _act.decode(body)
    return Wait(
        id=name,
        action=asked.action,
        incident=incident,
        alarm=alarm_key,
        zone=zone,
        by=by,
        note=asked.note or ("" if asked.opening is None else asked.opening.reason),
        at_ms=at_ms,
        expires_ms=expires_ms,
        until_ms=asked.until_ms if asked.opening is None else asked.opening.until_ms,
        kind="" if asked.opening is None else asked.opening.kind,
    )


def lock(connection: Connection, acts: Sequence[Act]) -> None:
    """Waits for the zones of all these actions at once: two batches never wait in a ring."""
    names = [act.incident for act in acts if act.incident]
    rows = connection.execute(
        "select distinct zone from incident where id = any(%s)", (names,)
    ).fetchall()
    router.lock_zones(connection, (zone for (zone,) in rows))
