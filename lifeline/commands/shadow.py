"""``lifeline shadow``: what a profile that runs beside the live one would have done differently."""

from typing import TYPE_CHECKING

import typer
from psycopg import Connection

from alerting.kpi import report as figures
from alerting.people import times
from lifeline.candidate import rules_of
from lifeline.catalog import Catalog
from lifeline.commands.labels import DAYS, Since
from lifeline.commands.outcome import (
    Config,
    Json,
    Tongue,
    Until,
    connected,
    fail,
    language_of,
    print_json,
    settings_from,
    span,
    spoken,
    zone_of,
)
from lifeline.store import open_catalog

if TYPE_CHECKING:
    from calibration.trial import Trial

app = typer.Typer(
    no_args_is_help=True,
    help="A profile tried beside the live one.  Example:  lifeline shadow report --from 2026-11-01",
)


@app.command()
def report(
    since: Since = "",
    until: Until = "",
    config: Config = None,
    language: Tongue = None,
    as_json: Json = False,
) -> None:
    """Show what shadows raised that was not live, what they missed, and what came earlier or later.

    Alarms are counted as detectors raise them, before the delays that the desk's rules add.  Rates
    are alarms per sensor-year, with the interval that holds the true rate in 90 %.

    Example:  lifeline shadow report --from 2026-11-01
    """
    from calibration import tables

    settings = settings_from(config)
    at = span(settings, since, until, DAYS)
    with spoken():
        catalog = open_catalog(settings.catalog.compiled)
    with connected(settings) as database:
        made = database.run_now(lambda c: _trials(c, catalog, settings.kafka.partitions, at))
    if as_json:
        print_json(made)
        return
    if not made:
        raise fail(
            "No shadow ran in this time: name a profile in detect.shadow, and start detect anew.", 1
        )
    tongue, zone = language_of(settings, language), zone_of(settings)
    for one in made:
        began, ended = times.clock(one.since_ms, zone), times.clock(one.until_ms, zone)
        typer.echo(tables.headline(one, began, ended, tongue))
        for table in (
            tables.tallied(one.rules, "rule", one.sensor_years, tongue),
            tables.tallied(one.zones, "zone", one.sensor_years, tongue),
            tables.events(one.differences, tongue, lambda ms: times.clock(ms, zone)),
        ):
            for line in figures.aligned(table):
                typer.echo(line)
            typer.echo("")
        typer.echo(tables.summary(one.counts, tongue))


def _trials(
    connection: Connection, catalog: Catalog, partitions: int, at: tuple[int, int]
) -> list["Trial"]:
    """Each shadow that ran in this time, the oldest first."""
    from calibration.archive import store as archive
    from calibration.trial import trial

    watches = archive.shadow_runs(connection, *at)
    made = []
    for name in dict.fromkeys(watch.run.shadow for watch in watches):
        own = [watch for watch in watches if watch.run.shadow == name]
        rules = sorted(rules_of(catalog, own[0].run.profile))
        live = archive.live_spells(connection, rules, *at)
        tried = archive.shadow_spells(connection, name, *at)
        made.append(trial(own, live, tried, partitions, at))
    return made
