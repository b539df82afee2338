"""``lifeline budget``: false alarms of each rule against what its profile states."""

from typing import Annotated

import typer

from alerting.kpi import report, store
from alerting.people import times
from calibration import budget
from lifeline.commands.outcome import (
    Config,
    Json,
    connected,
    fail,
    instant,
    language_of,
    print_json,
    settings_from,
    spoken,
    zone_of,
)
from lifeline.store import open_catalog
from lifeline.telemetry import now_ms

DAYS = 90


def budgets(
    since: Annotated[
        str, typer.Option("--from", help="A day or time; else 90 days before the end.")
    ] = "",
    until: Annotated[str, typer.Option("--to", help="A day or time; else now.")] = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show false alarms per sensor-year of each rule, with their interval, against its budget.

    What the desk verified as true or false counts; a rule whose whole interval lies above its
    budget has drifted from what its profile states: calibrate it anew.  Exit status 1 when one has.

    Example:  lifeline budget --from 2026-01-01
    """
    settings = settings_from(config)
    zone = zone_of(settings)
    until_ms = instant(until, zone) if until else now_ms()
    from_ms = instant(since, zone) if since else until_ms - DAYS * times.DAY_MS
    if from_ms >= until_ms:
        began, ended = times.clock(from_ms, zone), times.clock(until_ms, zone)
        raise fail(f"--from {began} is not before --to {ended}.")
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
