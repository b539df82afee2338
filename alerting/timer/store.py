"""People's clocks in PostgreSQL, when its own is set back.  A shell.

Deadlines go by PostgreSQL's clock.  One that is set back by two hours would call the next person
two hours too late: what counts from a time before is brought along, once, by whichever router sees
it first.
"""

from psycopg import Connection

from alerting.store import lock_zones

STEP_S = 30.0
"""Less is a clock that is being disciplined, or two servers after a fail-over."""
KINDS = ("remind", "escalate", "progress", "receipt", "undo", "fall", "realarm", "quiet")
"""Those that count from when something happened.  What a person has named by the wall's clock, the
end of a shelf or a window, stays; delays go by the time of events."""

_SEEN = (
    "select extract(epoch from at - clock_timestamp())::float8 from clock_seen"
    " for update skip locked"
)
_LIVE = "phase not in ('closed', 'archived')"
_ZONES = f"select distinct zone from incident where {_LIVE}"  # noqa: S608 (constants alone)
_DEADLINES = (
    "update deadline set due_at = due_at - make_interval(secs => %(back_s)s)"
    " where kind = any(%(kinds)s) and due_at > clock_timestamp()"
)
_INCIDENTS = (
    "update incident set unseen_ms = unseen_ms - %(back_ms)s, undo_ms = undo_ms - %(back_ms)s"  # noqa: S608 (constants alone)
    f" where {_LIVE}"
)
_RESPONDERS = (
    "update responder set seen_ms = seen_ms - %(back_ms)s,"  # noqa: S608 (constants alone)
    " acknowledged_ms = acknowledged_ms - %(back_ms)s"
    f" where incident in (select id from incident where {_LIVE})"
)


def keep_time(connection: Connection) -> float:
    """By how many seconds the clock was set back since anybody looked; 0: it was not."""
    row = connection.execute(_SEEN).fetchone()
    if row is None or 0.0 <= row[0] <= STEP_S:
        return 0.0  # Another router is about it, or it is only a little behind.
    back_s = max(0.0, float(row[0]))
    if back_s:
        lock_zones(connection, (zone for (zone,) in connection.execute(_ZONES).fetchall()))
        facts = {"back_s": back_s, "back_ms": round(back_s * 1000), "kinds": list(KINDS)}
        for statement in (_DEADLINES, _INCIDENTS, _RESPONDERS):
            connection.execute(statement, facts)
    connection.execute("update clock_seen set at = clock_timestamp()")
    return back_s
