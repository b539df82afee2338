"""Notices and feed records on their way out: put, leased, held, ended, marked.  A shell."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from psycopg import Connection, Cursor

from alerting.notices import Push
from alerting.outbox import pace
from alerting.outbox.messages import Leased, Message, Sent
from alerting.outbox.pace import Begun, Pace, Waiting
from lifeline.model import CANARY

MESSAGES_KEPT_S = 3600.0
ASKED = ("call", "support")
"""Pages that somebody asked for: an acknowledgement, perhaps his own, does not take them back."""


_PUT = """
insert into outbox (key, incident, target, kind, reason, revision, grade, body, received_ms,
    class, person, address, language)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (key) do nothing
"""
# An update tells an organisation nothing before what it updates; a page stands for itself, and one
# person does not wait for another's.  What is to wait longer than anything ever does was put off by
# a clock that has been set back since: an alarm does not wait until it comes round.
_WAITING = """
select o.id, o.grade, o.address, coalesce(o.incident, o.key) from outbox o
where o.target = %(target)s
  and o.delivered_at is null and o.dead_at is null and o.ended_at is null
  and o.held_until is null and (o.due_at <= clock_timestamp()
       or o.due_at > clock_timestamp() + make_interval(secs => %(wait_s)s))
  and (o.leased_until is null or o.leased_until < clock_timestamp()
       or (o.lease = %(owner)s and o.id <> all(%(in_hand)s::int8[]))
       or not exists (select 1 from pg_stat_activity a where a.application_name = o.lease))
  and (o.class = 'page' or not exists (
      select 1 from outbox p
      where p.incident = o.incident and p.target = o.target and p.class = 'notice'
        and p.id < o.id and p.delivered_at is null and p.dead_at is null))
order by o.grade, o.id limit %(limit)s
"""
_NEXT = _WAITING + " for update skip locked"
_TAKE = """
update outbox set lease = %(owner)s,
    leased_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
where id = any(%(ids)s) and delivered_at is null and dead_at is null and ended_at is null
  and held_until is null
returning id, key, body, coalesce(incident, ''), target, attempts, refusals, received_ms, grade,
    class = 'page', address, language
"""
# What a router was killed over has told nobody, as far as anybody knows: a page of it does not wait
# as if it had been read.  Whether its vendor counted it nobody knows either: there it counts.
_BEGUN = """
select (extract(epoch from at) * 1000)::int8, grade, address, incidents, failed or (not marked
    and not exists (select 1 from pg_stat_activity a where a.application_name = m.lease))
from outbox_message m
where target = %s and at > clock_timestamp() - make_interval(secs => %s)
  and at <= clock_timestamp()
"""
_MARK = """
update outbox set
    attempts = attempts + 1,
    refusals = refusals + case when %(outcome)s = 'refused' then 1 else 0 end,
    last_code = %(code)s,
    last_at = clock_timestamp(),
    leased_until = null,
    lease = null,
    due_at = clock_timestamp() + make_interval(secs => %(wait_s)s),
    delivered_at = case when %(outcome)s = 'delivered' then clock_timestamp() end,
    dead_at = case when %(is_dead)s then clock_timestamp() end
where id = %(id)s and delivered_at is null
"""
_ATTEMPT = """
insert into attempt (outbox, code, latency_ms, channel, number, message)
select id, %(said)s, %(latency_ms)s, %(channel)s,
    1 + (select count(*) from attempt a where a.outbox = o.id), %(message)s
from outbox o where id = %(id)s
"""


def put(cursor: Cursor[Any], pushes: Sequence[Push], revisions: Mapping[str, int]) -> None:
    """Puts pushes in line, once a key; ``revisions`` are those of their incidents.

    A push without an incident, a test page, is put in line as well.
    """
    rows = [
        (
            p.key,
            p.incident or None,
            p.target,
            p.kind,
            p.reason,
            revisions.get(p.incident, 0),
            p.grade,
            p.body,
            p.received_ms,
            "page" if p.is_page else "notice",
            p.person,
            p.address,
            p.language,
        )
        for p in pushes
    ]
    if rows:
        cursor.executemany(_PUT, rows)


def hold(connection: Connection, incident: str, until_ms: int) -> int:
    """Keeps the pages of an incident from being leased; returns how many were not sent yet.

    They stay held until ``release`` or ``end``, however late those come: who has acknowledged is
    not paged because a deadline was missed.  One that is on its way is marked overtaken.
    """
    changed = connection.execute(
        "update outbox set held_until = to_timestamp(%s / 1000.0), overtaken_at ="
        " case when leased_until > clock_timestamp() then clock_timestamp() else overtaken_at end"
        " where incident = %s and class = 'page' and delivered_at is null and dead_at is null"
        " and ended_at is null and not reason = any(%s)",
        (until_ms, incident, list(ASKED)),
    )
    return changed.rowcount


def release(connection: Connection, incident: str) -> int:
    """Lets the held pages of an incident go after all; returns how many."""
    changed = connection.execute(
        "update outbox set held_until = null, overtaken_at = null, due_at = clock_timestamp()"
        " where incident = %s and class = 'page' and held_until is not null"
        " and delivered_at is null and dead_at is null and ended_at is null",
        (incident,),
    )
    return changed.rowcount


def end(connection: Connection, incident: str, why: str, *, held_only: bool = False) -> int:
    """Ends the pages of an incident for good, or those that are held; returns how many.

    ``held_only`` is for the end of the time in which an acknowledgement could be undone: what came
    after it, a rise, stays.  One that is on its way is marked overtaken.
    """
    changed = connection.execute(
        "update outbox set ended_at = clock_timestamp(), ended_why = %s, held_until = null,"
        " overtaken_at = case when leased_until > clock_timestamp()"
        " then coalesce(overtaken_at, clock_timestamp()) else overtaken_at end"
        " where incident = %s and class = 'page' and delivered_at is null and dead_at is null"
        " and ended_at is null and (held_until is not null or not %s)"
        " and not (%s = 'acknowledged' and reason = any(%s))",
        (why, incident, held_only, why, list(ASKED)),
    )
    return changed.rowcount


class Asked(msgspec.Struct, frozen=True):
    """What a router asks to be given for one target."""

    target: str
    owner: str
    limit: int
    lease_s: float
    wait_s: float = 30.0
    """The longest wait that its owner puts a notice off by."""
    in_hand: list[int] | None = None
    """What its owner carries, where he may hold more: a lease of which the answer did not come may
    have been given, and nobody would carry it until it runs out."""

    def values(self, limit: int) -> dict[str, Any]:
        """The parameters of ``_WAITING``."""
        mine = {"owner": None if self.in_hand is None else self.owner, "in_hand": self.in_hand}
        return {"target": self.target, "limit": limit, "wait_s": self.wait_s, **mine}


def lease(connection: Connection, asked: Asked) -> list[Message]:
    """Takes notices for a target, the gravest first, each a message of its own.

    The order within an incident holds: an update waits until what came before it is delivered or
    dead.  The connection bears its owner's name, so that the leases of a router that was killed end
    with its connections and are not waited for.
    """
    _sign(connection, asked.owner)
    found = connection.execute(_NEXT, asked.values(asked.limit)).fetchall()
    waiting = [Waiting(*row) for row in found]
    rows = _take(connection, asked, [one.id for one in waiting])
    return [Message((row,)) for row in rows]


def lease_paced(
    connection: Connection, asked: Asked, *, rule: Pace, bundle_s: float
) -> list[Message]:
    """The same for a receiver who bears a pace: what may begin now, bundled where too much waits.

    A message counts from here on, sent or not, whichever router began it: only one of them decides
    for a target at a time.
    """
    target = asked.target
    mine = connection.execute(
        "select pg_try_advisory_xact_lock(hashtextextended('lifeline outbox ' || %s, 0)),"
        " (extract(epoch from clock_timestamp()) * 1000)::int8",
        (target,),
    ).fetchone()
    assert mine is not None
    if not mine[0]:
        return []
    _sign(connection, asked.owner)
    # Not locked: in a storm thousands wait half a minute, and are looked at twice a second.
    look = asked.values(pace.ROWS_MAX)
    waiting = [Waiting(*row) for row in connection.execute(_WAITING, look)]
    if not waiting:
        return []
    begun = [Begun(*row) for row in connection.execute(_BEGUN, (target, max(60.0, bundle_s)))]
    chosen = pace.choose(rule, bundle_s, waiting, begun, mine[1])
    taken = (
        _take(connection, asked, [one.id for one in message]) for message in chosen[: asked.limit]
    )
    return [_begin(connection, asked, rows) for rows in taken if rows]


def _sign(connection: Connection, owner: str) -> None:
    """The connection bears its owner's name: a lease ends with it."""
    connection.execute("select set_config('application_name', %s, false)", (owner,))


def _take(connection: Connection, asked: Asked, ids: list[int]) -> list[Leased]:
    """Those of the notices that may still go, leased, the gravest first."""
    rows = connection.execute(
        _TAKE, {"owner": asked.owner, "lease_s": asked.lease_s, "ids": ids}
    ).fetchall()
    return sorted((Leased(*row) for row in rows), key=lambda one: (one.grade, one.id))


def _begin(connection: Connection, asked: Asked, rows: list[Leased]) -> Message:
    """The notices as one message, which counts from now on."""
    begun = connection.execute(
        "insert into outbox_message (target, lease, address, grade, incidents)"
        " values (%s, %s, %s, %s, %s) returning id",
        (
            asked.target,
            asked.owner,
            rows[0].address,
            rows[0].grade,
            len({row.incident or row.key for row in rows}),
        ),
    ).fetchone()
    assert begun is not None
    return Message(tuple(rows), begun[0])


def mark(connection: Connection, outcomes: Sequence[Sent]) -> None:
    """Writes down what became of a try.  Delivered stays delivered, whoever else tried."""
    rows = [
        msgspec.structs.asdict(one) | {"said": f"{one.outcome} {one.code}".strip()}
        for one in outcomes
    ]
    with connection.cursor() as cursor:
        cursor.executemany(_ATTEMPT, rows)
        cursor.executemany(_MARK, rows)
        messages = [one.message for one in outcomes if one.message is not None]
        failed = [one.message for one in outcomes if one.outcome != "delivered"]
        cursor.execute(
            "update outbox_message set marked = true, failed = failed or id = any(%s::int8[])"
            " where id = any(%s)",
            (failed, messages),
        )


def settled(connection: Connection, keys: list[str]) -> list[str]:
    """Those of the notices that need no further try, whoever made the last one.

    What is held is among them: past PostgreSQL nobody is called about what he has taken.
    """
    rows = connection.execute(
        "select key from outbox where key = any(%s) and (delivered_at is not null"
        " or dead_at is not null or ended_at is not null or held_until is not null)",
        (keys,),
    ).fetchall()
    return [key for (key,) in rows]


def waiting(connection: Connection) -> dict[str, int]:
    """How many notices each target has not accepted yet, without those that are held."""
    rows = connection.execute(
        "select target, count(*) from outbox where delivered_at is null and dead_at is null"
        " and ended_at is null and held_until is null group by 1"
    ).fetchall()
    return {target: int(n) for target, n in rows}


def oldest_open_s(connection: Connection) -> float:
    """Age of the oldest incident that nobody has acknowledged; 0 when there is none."""
    row = connection.execute(
        "select extract(epoch from clock_timestamp()) - min(opened_ms) / 1000.0 from incident"
        " where phase = 'open' and lifeline <> %s and not drill",
        (CANARY,),
    ).fetchone()
    return 0.0 if row is None or row[0] is None else float(row[0])


def lease_changes(
    connection: Connection, limit: int, lease_s: float
) -> list[tuple[int, str, bytes]]:
    """Takes feed records that wait for Kafka: (id, zone, body), the oldest first."""
    rows = connection.execute(
        "update incident_change set leased_until = clock_timestamp() + make_interval(secs => %s)"
        " where id in (select id from incident_change where leased_until is null"
        " or leased_until < clock_timestamp() order by id limit %s for update skip locked)"
        " returning id, zone, body",
        (lease_s, limit),
    ).fetchall()
    return sorted((int(number), zone, bytes(body)) for number, zone, body in rows)


def forget_changes(connection: Connection, ids: list[int]) -> None:
    """Removes feed records that Kafka has."""
    connection.execute("delete from incident_change where id = any(%s)", (ids,))


def sweep(connection: Connection, older_than_s: float) -> int:
    """Removes the canary's closed incidents with their notices and findings; returns how many.

    With them what no pace counts any more.
    """
    connection.execute(
        "delete from outbox_message where at < clock_timestamp() - make_interval(secs => %s)",
        (MESSAGES_KEPT_S,),
    )
    gone = connection.execute(
        "with gone as (delete from incident where id in (select id from incident"
        " where lifeline = %s and phase = 'closed'"
        " and closed_ms < (extract(epoch from clock_timestamp()) - %s) * 1000 limit 5000)"
        " returning id) delete from excursion where incident in (select id from gone)",
        (CANARY, older_than_s),
    )
    return gone.rowcount
