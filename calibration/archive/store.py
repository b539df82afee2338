"""Readings and the desk's labels of a time, from PostgreSQL.  A shell."""

from collections.abc import Sequence

import numpy as np
from psycopg import Connection

from calibration.stored import Said, Stored

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
