"""Notices and feed records on their way out: leased, marked, the canary's swept.  A shell."""

import msgspec
from psycopg import Connection

from lifeline.model import CANARY


class Leased(msgspec.Struct, frozen=True):
    """A notice that is ours to send until the lease runs out."""

    id: int
    key: str
    body: bytes
    incident: str
    target: str
    attempts: int
    refusals: int
    received_ms: int


class Sent(msgspec.Struct, frozen=True):
    """What became of one try.  ``wait_s`` counts only when it is neither delivered nor dead."""

    id: int
    outcome: str
    """``delivered``, ``failed`` or ``refused``."""
    code: str
    latency_ms: int
    wait_s: float
    is_dead: bool


_LEASE = """
update outbox set lease = %(owner)s,
    leased_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
where id in (
    select o.id from outbox o
    where o.target = %(target)s and o.delivered_at is null and o.dead_at is null
      and o.due_at <= clock_timestamp()
      and (o.leased_until is null or o.leased_until < clock_timestamp()
           or not exists (select 1 from pg_stat_activity a where a.application_name = o.lease))
      and not exists (
          select 1 from outbox p
          where p.incident = o.incident and p.target = o.target and p.id < o.id
            and p.delivered_at is null and p.dead_at is null)
    order by o.grade, o.id limit %(limit)s
    for update skip locked)
returning id, key, body, incident, target, attempts, refusals, received_ms
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


def lease(
    connection: Connection, target: str, owner: str, *, limit: int, lease_s: float
) -> list[Leased]:
    """Takes up to ``limit`` notices for a target, the gravest first, one an incident at a time.

    The order within an incident holds: an update waits until what came before it is delivered or
    dead.  The connection bears its owner's name, so that the leases of a router that was killed end
    with its connections and are not waited for.
    """
    connection.execute("select set_config('application_name', %s, false)", (owner,))
    rows = connection.execute(
        _LEASE, {"target": target, "owner": owner, "limit": limit, "lease_s": lease_s}
    ).fetchall()
    return [Leased(*row) for row in sorted(rows)]


def mark(connection: Connection, sent: Sent) -> None:
    """Writes down what became of a try.  Delivered stays delivered, whoever else tried."""
    connection.execute(
        "insert into attempt (outbox, code, latency_ms) select id, %s, %s from outbox"
        " where id = %s",
        (f"{sent.outcome} {sent.code}".strip(), sent.latency_ms, sent.id),
    )
    connection.execute(_MARK, msgspec.structs.asdict(sent))


def settled(connection: Connection, keys: list[str]) -> list[str]:
    """Those of the notices that need no further try, whoever made the last one."""
    rows = connection.execute(
        "select key from outbox where key = any(%s)"
        " and (delivered_at is not null or dead_at is not null)",
        (keys,),
    ).fetchall()
    return [key for (key,) in rows]


def waiting(connection: Connection) -> dict[str, int]:
    """How many notices each target has not accepted yet."""
    rows = connection.execute(
        "select target, count(*) from outbox where delivered_at is null and dead_at is null"
        " group by 1"
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
    """Removes the canary's closed incidents with their notices and findings; returns how many."""
    gone = connection.execute(
        "with gone as (delete from incident where id in (select id from incident"
        " where lifeline = %s and phase = 'closed'"
        " and closed_ms < (extract(epoch from clock_timestamp()) - %s) * 1000 limit 5000)"
        " returning id) delete from excursion where incident in (select id from gone)",
        (CANARY, older_than_s),
    )
    return gone.rowcount
