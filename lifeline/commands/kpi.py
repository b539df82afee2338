"""``lifeline kpi``: the figures of the alarm system."""

from datetime import datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from alerting.kpi import report, store
from alerting.kpi.report import Dimension
from lifeline.commands.outcome import (
    Config,
    Json,
    connected,
    fail,
    language_of,
    print_json,
    settings_from,
)
from lifeline.words import LANGUAGES

DAYS = 7


def kpi(
    by: Annotated[Dimension, typer.Option(help="What a line is about.")] = "lifeline",
    since: Annotated[
        str, typer.Option("--from", help="A day or time; else 7 days before the end.")
    ] = "",
    until: Annotated[str, typer.Option("--to", help="A day or time; else now.")] = "",
    config: Config = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, for spreadsheets.")] = False,
    as_json: Json = False,
) -> None:
    """Show rates, floods, what chatters or stands, how fast people were, and how often wrong.

    Drills and the canary never count.  Days are the city's.

    Example:  lifeline kpi --by desk --from 2026-11-01 --to 2026-12-01 --csv
    """
    settings = settings_from(config)
    zone = ZoneInfo(settings.console.timezone)
    end = _moment(until, zone) if until else datetime.now(zone)
    begin = _moment(since, zone) if since else end - timedelta(days=DAYS)
    if begin >= end:
        raise fail(f"--from {begin:%Y-%m-%d %H:%M} is not before --to {end:%Y-%m-%d %H:%M}.")
    span = (round(begin.timestamp() * 1000), round(end.timestamp() * 1000))
    with connected(settings) as database:
        found = database.run_now(lambda c: store.report(c, by, *span, zone.key))
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
            typer.echo(f"\n{report.TOP[LANGUAGES.index(language)]}")
        for line in report.top_lines(found):
            typer.echo(line)


def _moment(text: str, zone: ZoneInfo) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone)
    except ValueError as error:
        raise fail(f"{text} is no day such as 2026-11-21, nor a time of one.") from error
