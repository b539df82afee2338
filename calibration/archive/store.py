"""Readings and the desk's labels of a time, from PostgreSQL.  A shell."""

from collections.abc import Sequence

import numpy as np
from psycopg import Connection

from calibration.differences import Spell
from calibration.stored import Said, Stored
from calibration.trial import Watch
from streams.shadow import Run

_READINGS = (
    "select c.name, (extract(epoch from r.time) * 1000)::int8, r.value, r.quality"
    " from reading r join channel c on c.id = r.channel where c.name = any(%s)"
    " and r.time >= to_timestamp(%s) and r.time < to_timestamp(%s) order by r.time, c.name"
)
_LABELS = (
    "select l.channel, l.hazard, l.verdict, l.onset_ms, coalesce(e.cleared_ms, %s)"
    " from label l left join excursion e on e.id = l.excursion"
    " where l.channel = any(%s) and l.onset_ms < %s and coalesce(e.cleared_ms, %s) >= %s"
    " order by l.onset_ms, l.excursion"
)

_RUNS = (
    "select r.partition, r.shadow, r.profile, r.sensors, r.since_ms, r.until_ms, r.lost, r.off"
    " from shadow_run r where r.since_ms > 0 and r.since_ms < %s and r.until_ms >= %s"
    " order by r.since_ms, r.partition"
)
_SHADOW = (
    "select zone, asset, hazard, channel, rule, raised_ms, cleared_ms from shadow_finding"
    " where shadow = %s and raised_ms >= %s and raised_ms < %s order by raised_ms, id"
)
_LIVE = (
    "select e.body->>'zone', e.body->>'asset', e.body->>'hazard', e.body->>'channel',"
    " e.body->>'rule', (e.body->>'received_ms')::int8, e.cleared_ms, coalesce(l.verdict, '')"
    " from excursion e left join label l on l.excursion = e.id"
    " where (e.body->>'received_ms')::int8 >= %s and (e.body->>'received_ms')::int8 < %s"
    " and e.body->>'rule' = any(%s)"
    " and not coalesce((e.body->>'drill')::boolean, false) order by e.onset_ms, e.id"
)


def readings(
    connection: Connection, channels: Sequence[str], from_ms: int, until_ms: int
) -> Stored:
    """The stored readings of these channels from the one time to before the other."""
    rows = connection.execute(
        _READINGS, (list(channels), from_ms / 1000, until_ms / 1000)
    ).fetchall()
    place = {name: k for k, name in enumerate(channels)}
    return Stored(
        tuple(channels),
        np.array([place[row[0]] for row in rows], np.int32),
        np.array([row[1] for row in rows], np.int64),
        np.array([np.nan if row[2] is None else row[2] for row in rows], np.float64),
        np.array([row[3] for row in rows], np.int64).astype(np.uint16),
    )


def labels(connection: Connection, names: Sequence[str], from_ms: int, until_ms: int) -> list[Said]:
    """What the desk said of excursions on these channels or groups that touch this time."""
    rows = connection.execute(
        _LABELS, (until_ms, list(names), until_ms, until_ms, from_ms)
    ).fetchall()
    return [Said(*row) for row in rows]


def shadow_runs(connection: Connection, from_ms: int, until_ms: int) -> list[Watch]:
    """What shadows have watched in this time, the oldest first."""
    rows = connection.execute(_RUNS, (until_ms, from_ms)).fetchall()
    return [Watch(row[0], Run(*row[1:])) for row in rows]


def shadow_spells(connection: Connection, shadow: str, from_ms: int, until_ms: int) -> list[Spell]:
    """What a shadow would have raised in this time."""
    rows = connection.execute(_SHADOW, (shadow, from_ms, until_ms)).fetchall()
    return [Spell(*row) for row in rows]


def live_spells(
    connection: Connection, rules: Sequence[str], from_ms: int, until_ms: int
) -> list[Spell]:
    """What these rules raised in this time, no drill, with what the desk found it to be."""
    rows = connection.execute(_LIVE, (from_ms, until_ms, list(rules))).fetchall()
    return [Spell(*row) for row in rows]
