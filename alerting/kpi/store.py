"""The alarm figures from PostgreSQL.  A shell."""

from collections.abc import Callable

from psycopg import Connection

from alerting.kpi.report import Dimension, Figures, Frequent, Report
from lifeline.catalog import Catalog


def place(connection: Connection, catalog: Catalog, desk_of: Callable[[str, str], str]) -> None:
    """Notes the sensor model of every channel that has alarmed, and the desk of every zone."""
    rows = connection.execute("select distinct channel, lifeline, zone from alarm").fetchall()
    models = {
        name: found[0].model for name, _, _ in rows if (found := catalog.find(name)) is not None
    }
    connection.execute(
        "insert into kpi_model (channel, model) select * from unnest(%s::text[], %s::text[])"
        " on conflict (channel) do update set model = excluded.model"
        " where kpi_model.model <> excluded.model",
        (list(models), list(models.values())),
    )
    zones = sorted({(zone, lifeline) for _, lifeline, zone in rows})
    connection.execute(
        "insert into kpi_desk (zone, lifeline, desk)"
        " select * from unnest(%s::text[], %s::text[], %s::text[])"
        " on conflict (zone, lifeline) do update set desk = excluded.desk"
        " where kpi_desk.desk <> excluded.desk",
        (
            [zone for zone, _ in zones],
            [lifeline for _, lifeline in zones],
            [desk_of(lifeline, zone) for zone, lifeline in zones],
        ),
    )


def report(
    connection: Connection, by: Dimension, from_ms: int, until_ms: int, timezone: str
) -> Report:
    """The figures of a time; days are those of the time zone."""
    connection.execute("select set_config('timezone', %s, true)", (timezone,))
    span = (by, from_ms / 1000, until_ms / 1000)
    figures = connection.execute(
        "select * from kpi(%s, to_timestamp(%s), to_timestamp(%s))", span
    ).fetchall()
    top = connection.execute(
        "select * from kpi_top(%s, to_timestamp(%s), to_timestamp(%s))", span
    ).fetchall()
    return Report(
        by,
        from_ms,
        until_ms,
        tuple(Figures(*row) for row in figures),
        tuple(Frequent(*row) for row in top),
    )


def judged(connection: Connection, from_ms: int, until_ms: int) -> dict[str, tuple[int, int, int]]:
    """Alarms of each rule that the desk found true, found false, and has not judged."""
    rows = connection.execute(
        "select r.rule, count(*) filter (where i.verdict = 'true'),"
        " count(*) filter (where i.verdict = 'false'),"
        " count(*) filter (where coalesce(i.verdict, '') in ('', 'unknown'))"
        " from kpi_raise r left join incident i on i.id = r.incident"
        " where r.received_ms >= %s and r.received_ms < %s group by r.rule",
        (from_ms, until_ms),
    ).fetchall()
    return {rule: (true, false, unjudged) for rule, true, false, unjudged in rows}
