"""``lifeline config diff`` and after: rules and limits as versions, from proposal to roll-back."""

import getpass
from collections.abc import Callable
from typing import Annotated

import typer
from psycopg import Connection

from alerting.people.times import clock
from alerting.rules import store as rules
from alerting.rules import versions, words
from alerting.rules.versions import Refusal, Ruleset, Version
from lifeline import bounds, store
from lifeline.catalog import CatalogError
from lifeline.commands.catalog import survey
from lifeline.commands.outcome import (
    Config,
    Json,
    Tongue,
    connected,
    fail,
    instant,
    language_of,
    print_json,
    settings_from,
    spoken,
    zone_of,
)
from lifeline.config import Settings

Number = Annotated[int, typer.Argument(help="Its number: see `lifeline config versions`.")]
Side = Annotated[str, typer.Argument(help="running, written, or a version's number.")]


def running(settings: Settings) -> Ruleset:
    """The rules that the compiled catalog holds; raises CatalogError."""
    return versions.of_head(store.open_catalog(settings.catalog.compiled).head)


def written(settings: Settings) -> Ruleset:
    """The rules of the catalog's files, which must hold together; raises CatalogError."""
    catalog, problems = survey(settings.catalog.sources, settings)
    sources = store.read_sources(settings.catalog.sources)
    problems += [text.en for text in bounds.missing(sources, settings.grading)]
    if catalog is None or problems:
        raise CatalogError(problems)
    return versions.of_sources(sources)


def _with(settings: Settings, work: Callable[[Connection], Version | Refusal]) -> Version:
    """What became of a step; a refusal is a sentence and exit status 1."""
    with connected(settings) as database:
        made = database.run_now(work)
    if isinstance(made, Refusal):
        raise fail(words.refusal(made, language_of(settings)), 1)
    return made


def _side(settings: Settings, name: str) -> Ruleset:
    if name == "running":
        return running(settings)
    if name == "written":
        return versions.of_sources(store.read_sources(settings.catalog.sources))
    if not name.isdigit():
        raise fail(f"{name}: running, written, or a version's number.")
    with connected(settings) as database:
        found = database.run_now(lambda c: rules.body_of(c, int(name)))
    if found is None:
        unknown = Refusal("unknown", {"number": name})
        raise fail(words.refusal(unknown, language_of(settings)), 1)
    return found


def diff(
    a: Side = "running",
    b: Side = "written",
    config: Config = None,
    language: Tongue = None,
    as_json: Json = False,
) -> None:
    """Say what differs between two sets of rules and limits; exit status 1 if anything does.

    Example:  lifeline config diff running written --language zh
    """
    settings = settings_from(config)
    with spoken():
        changes = versions.differences(_side(settings, a), _side(settings, b), settings.grading)
    if as_json:
        print_json(changes)
    else:
        typer.echo("\n".join(words.sentences(changes, language_of(settings, language))))
    if changes:
        raise typer.Exit(1)


def propose(
    note: Annotated[str, typer.Option(help="Why it is changed.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Keep the rules as written as a version; where lives depend on it, another must approve.

    Example:  lifeline config propose --note "methane at 25 %LEL, protocol of 20 November"
    """
    settings = settings_from(config)
    with spoken():
        wanted, now = written(settings), running(settings)
    who = getpass.getuser()
    grades = settings.grading
    made = _with(settings, lambda c: rules.propose(c, wanted, now, grades, author=who, note=note))
    _told(settings, made, as_json=as_json)


def approve(number: Number, config: Config = None, as_json: Json = False) -> None:
    """Agree with a version that somebody else proposed.

    Example:  lifeline config approve 3
    """
    settings, who = settings_from(config), getpass.getuser()
    with spoken():
        now = running(settings).digest
    made = _with(settings, lambda c: rules.approve(c, number, now, actor=who))
    _told(settings, made, as_json=as_json)


def apply(
    number: Number,
    effective_from: Annotated[
        str, typer.Option(help="City's time, as 2026-12-01T02:00; now.")
    ] = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Say from when a version holds; a router puts it in force then, also after a restart.

    Example:  lifeline config apply 3 --effective-from 2026-12-01T02:00
    """
    settings, who = settings_from(config), getpass.getuser()
    from_ms = instant(effective_from, zone_of(settings)) if effective_from else None
    with spoken():
        now = running(settings).digest
    made = _with(
        settings, lambda c: rules.schedule(c, number, now, actor=who, effective_ms=from_ms)
    )
    _told(settings, made, as_json=as_json)


def withdraw(number: Number, config: Config = None, as_json: Json = False) -> None:
    """Take a version back that does not hold yet.

    Example:  lifeline config withdraw 3
    """
    settings, who = settings_from(config), getpass.getuser()
    made = _with(settings, lambda c: rules.withdraw(c, number, "", actor=who))
    _told(settings, made, as_json=as_json)


def rollback(number: Number, config: Config = None, as_json: Json = False) -> None:
    """Propose an earlier version again, to be approved and applied as any other.

    Example:  lifeline config rollback 2
    """
    settings, who = settings_from(config), getpass.getuser()
    with spoken():
        now = running(settings)
    grades = settings.grading
    made = _with(settings, lambda c: rules.roll_back(c, number, now, grades, author=who))
    _told(settings, made, as_json=as_json)


def listing(config: Config = None, language: Tongue = None, as_json: Json = False) -> None:
    """List the versions, the newest first.

    Example:  lifeline config versions --language zh
    """
    settings = settings_from(config)
    with connected(settings) as database:
        found = database.run_now(rules.listed)
    if as_json:
        print_json(found)
        return
    for one in found:
        typer.echo(words.line(one, _since(settings, one), language_of(settings, language)))


def _told(settings: Settings, version: Version, *, as_json: bool) -> None:
    if as_json:
        print_json(version)
        return
    typer.echo(words.told(version, _since(settings, version), language_of(settings)))


def _since(settings: Settings, version: Version) -> str:
    at_ms = version.effective_ms
    return "" if at_ms is None else clock(at_ms, zone_of(settings))
