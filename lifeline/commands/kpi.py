"""``lifeline kpi``: the figures of the alarm system."""

from typing import Annotated

import typer

from alerting.kpi import report, store
from alerting.kpi.report import Dimension
from lifeline.commands.outcome import (
    Config,
    Json,
    Until,
    connected,
    language_of,
    print_json,
    settings_from,
    span,
    zone_of,
)
from lifeline.words import said

DAYS = 7


def kpi(
    by: Annotated[Dimension, typer.Option(help="What a line is about.")] = "lifeline",
    since: Annotated[
        str, typer.Option("--from", help="A day or time; else 7 days before the end.")
    ] = "",
    until: Until = "",
    config: Config = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, for spreadsheets.")] = False,
    as_json: Json = False,
) -> None:
    """Show rates, floods, what chatters or stands, how fast people were, and how often wrong.

    Drills and the canary never count.  Days are the city's.

    Example:  lifeline kpi --by desk --from 2026-11-01 --to 2026-12-01 --csv
    """
    settings = settings_from(config)
    zone = zone_of(settings)
    from_ms, until_ms = span(settings, since, until, DAYS)
    with connected(settings) as database:
        found = database.run_now(lambda c: store.report(c, by, from_ms, until_ms, zone.key))
    if as_json:
        print_json(found)
    elif as_csv:
        typer.echo(report.as_csv(found), nl=False)
    else:
        language = language_of(settings)
        rows = report.table(found, language, settings.grading)
        for line in report.aligned(rows):
            typer.echo(line)
        if found.top:
            typer.echo(f"\n{said(report.TOP, language)}")
        for line in report.top_lines(found):
            typer.echo(line)
