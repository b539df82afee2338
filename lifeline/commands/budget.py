"""``lifeline budget``: false alarms of each rule against what its profile states."""

from typing import Annotated

import typer

from alerting.kpi import report, store
from calibration import budget
from lifeline.commands.outcome import (
    Config,
    Json,
    Until,
    connected,
    language_of,
    print_json,
    settings_from,
    span,
    spoken,
)
from lifeline.store import open_catalog

DAYS = 90


def budgets(
    since: Annotated[
        str, typer.Option("--from", help="A day or time; else 90 days before the end.")
    ] = "",
    until: Until = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show false alarms per sensor-year of each rule, with their interval, against its budget.

    What the desk verified as true or false counts; a rule whose whole interval lies above its
    budget has drifted from what its profile states: calibrate it anew.  Exit status 1 when one has.

    Example:  lifeline budget --from 2026-01-01
    """
    settings = settings_from(config)
    from_ms, until_ms = span(settings, since, until, DAYS)
    with connected(settings) as database:
        judged = database.run_now(lambda c: store.judged(c, from_ms, until_ms))
    with spoken():
        catalog = open_catalog(settings.catalog.compiled)
    found = budget.lines(catalog, judged, (until_ms - from_ms) / 1000.0)
    if as_json:
        print_json(found)
    else:
        for line in report.aligned(budget.table(found, language_of(settings))):
            typer.echo(line)
    if any(line.state == "broken" for line in found):
        raise typer.Exit(1)
