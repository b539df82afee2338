"""``lifeline kpi``: the figures of the alarm system."""

from datetime import datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from alerting.kpi import report, store
from lifeline.commands.outcome import FILE_HELP, JSON_HELP, fail, print_json, settings_from, spoken
from lifeline.db import Database
from lifeline.words import LANGUAGES, Language

DAYS = 7


def kpi(
    by: Annotated[str, typer.Option("--by", help="desk, lifeline, model or day.")] = "lifeline",
    since: Annotated[
        str, typer.Option("--from", help="A day or time; else 7 days before the end.")
    ] = "",
    until: Annotated[str, typer.Option("--to", help="A day or time; else now.")] = "",
    config: Annotated[str | None, typer.Option("--config", help=FILE_HELP)] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, for spreadsheets.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Show rates, floods, what chatters or stands, how fast people were, and how often wrong.

    Drills and the canary never count.  Days are the city's.

    Example:  lifeline kpi --by desk --from 2026-11-01 --to 2026-12-01 --csv
    """
    chosen = next((one for one in report.DIMENSIONS if one == by), None)
    if chosen is None:
        raise fail(f"--by {by}: choose one of {', '.join(report.DIMENSIONS)}.")
    settings = settings_from(config)
    zone = ZoneInfo(settings.console.timezone)
    end = _moment(until, zone) if until else datetime.now(zone)
    begin = _moment(since, zone) if since else end - timedelta(days=DAYS)
    if begin >= end:
        raise fail(f"--from {begin:%Y-%m-%d %H:%M} is not before --to {end:%Y-%m-%d %H:%M}.")
    span = (round(begin.timestamp() * 1000), round(end.timestamp() * 1000))
    with spoken():
        database = Database(settings.postgres, connections=1)
        try:
            found = database.run_now(lambda c: store.report(c, chosen, *span, zone.key))
        finally:
            database.close()
    if as_json:
        print_json(found)
    elif as_csv:
        typer.echo(report.as_csv(found), nl=False)
    else:
        language: Language = "zh" if settings.console.language == "zh" else "en"
        rows = report.table(found, language)
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
