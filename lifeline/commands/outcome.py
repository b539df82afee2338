"""How a command ends: 0 done, 1 the answer is no, 2 it could not be tried; one sentence."""

import errno
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
import psycopg
import typer

from alerting.people import times
from lifeline.catalog import CatalogError
from lifeline.config import ConfigError, Settings
from lifeline.db import Database
from lifeline.errors import Refused, Unavailable
from lifeline.store import read_settings
from lifeline.telemetry import now_ms
from lifeline.words import Language

Config = Annotated[
    str | None,
    typer.Option(
        help="Settings file; without it ./lifeline.toml if there is one, else the defaults."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Until = Annotated[str, typer.Option("--to", help="A day or time; else now.")]
Tongue = Annotated[
    Language | None, typer.Option("--language", help="In which one; else console.language.")
]

for _library in ("aiokafka", "psycopg.pool"):
    # A command says one sentence of its own; a service sets up logging and hears the libraries too.
    logging.getLogger(_library).addHandler(logging.NullHandler())


def fail(sentence: str, status: int = 2) -> typer.Exit:
    """The exception that ends the command with that sentence on standard error."""
    typer.secho(sentence, err=True, fg="red")
    return typer.Exit(status)


@contextmanager
def spoken() -> Iterator[None]:
    """Turns what the world refused into one sentence and exit status 2."""
    try:
        yield
    except CatalogError as error:
        raise fail("\n".join(error.problems)) from error
    except (ConfigError, Unavailable, Refused) as error:
        raise fail(str(error)) from error
    except psycopg.errors.UndefinedTable as error:
        raise fail(
            f"PostgreSQL: {str(error).splitlines()[0]}: the tables are not those of this version;"
            " run `lifeline migrate`."
        ) from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise fail(
                f"{error.strerror}: {error}. Something else listens there: stop it, or set"
                " another port (`lifeline config explain`)."
            ) from error
        raise fail(f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")) from error


def settings_from(file: str | None) -> Settings:
    """The settings, or the sentence that says what is wrong with them."""
    with spoken():
        settings, _ = read_settings(file)
        return settings


@contextmanager
def connected(settings: Settings, connections: int = 1) -> Iterator[Database]:
    """PostgreSQL for one command; what it refuses is a sentence and exit status 2."""
    with spoken():
        database = Database(settings.postgres, connections=connections)
        try:
            yield database
        finally:
            database.close()


def language_of(settings: Settings, wanted: Language | None = None) -> Language:
    """The language of what is printed: the wanted one, else that of the console."""
    return wanted or ("zh" if settings.console.language == "zh" else "en")


def instant(text: str, zone: ZoneInfo) -> int:
    """Unix ms of a time as somebody writes it: the city's own unless it names an offset."""
    try:
        at = datetime.fromisoformat(text)
        return round((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise fail(f"{text} is no time: write it as 2026-11-30T03:00.") from error


def span(settings: Settings, since: str, until: str, days: int) -> tuple[int, int]:
    """From when until when, unix ms: as written, else the last so many days before the end."""
    zone = zone_of(settings)
    until_ms = instant(until, zone) if until else now_ms()
    from_ms = instant(since, zone) if since else until_ms - days * times.DAY_MS
    if from_ms >= until_ms:
        began, ended = times.clock(from_ms, zone), times.clock(until_ms, zone)
        raise fail(f"--from {began} is not before --to {ended}.")
    return from_ms, until_ms


def zone_of(settings: Settings) -> ZoneInfo:
    """The city's time, in which everything is printed."""
    return ZoneInfo(settings.console.timezone)


def print_json(value: Any) -> None:
    """One JSON document on standard output; anything msgspec knows may be in it."""
    typer.echo(json.dumps(msgspec.to_builtins(value), ensure_ascii=False, indent=2))
