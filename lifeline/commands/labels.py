"""``lifeline labels``: what the desk found, with its readings, for calibration and the bench."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from psycopg import Connection

from lifeline.catalog import Catalog, Group
from lifeline.commands.outcome import (
    Config,
    Json,
    Until,
    connected,
    fail,
    print_json,
    settings_from,
    span,
    spoken,
)
from lifeline.store import open_catalog

if TYPE_CHECKING:
    from calibration.recording import Recording

app = typer.Typer(
    no_args_is_help=True,
    help="What the desk found, with its readings.  Example:  lifeline labels export --out history",
)
DAYS = 30
Since = Annotated[str, typer.Option("--from", help="A day or time; else 30 days before the end.")]
Only = Annotated[list[str] | None, typer.Option("--group", help="Only these; else all.")]


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="Folder: a recording (.npz) for each group.")],
    since: Since = "",
    until: Until = "",
    group: Only = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Write the readings of each group with what the desk said of them, as recordings.

    What was found true, and tests, are events of a recording; what was found false is none, so
    that an alarm on it counts as false again.  `lifeline calibrate --data` reads these files.

    Example:  lifeline labels export --out history --from 2026-01-01
    """
    from calibration import store as recordings

    settings = settings_from(config)
    from_ms, until_ms = span(settings, since, until, DAYS)
    with spoken():
        catalog = open_catalog(settings.catalog.compiled)
    told: list[tuple[str, str, int, int]] = []
    with connected(settings) as database:
        for one in chosen(catalog, group):
            made = database.run_now(partial(_labelled, catalog, one, from_ms, until_ms))
            place = out / f"{made.name}.npz"
            with spoken():
                recordings.write(place, made)
            told.append((one.name, str(place), len(made), len(made.events or ())))
    if as_json:
        heads = ("group", "file", "rows", "events")
        print_json([dict(zip(heads, line, strict=True)) for line in told])
        return
    for name, file, rows, events in told:
        typer.echo(f"{name}: {file}, {rows} rows, {events} events")


def _labelled(
    catalog: Catalog, group: Group, from_ms: int, until_ms: int, connection: Connection
) -> "Recording":
    """A group's readings on its grid, with what the desk said of them."""
    from calibration import stored
    from calibration.archive import store as archive

    kept = archive.readings(connection, group.channels, from_ms, until_ms)
    names = (*group.channels, group.name)
    said = archive.labels(connection, names, from_ms, until_ms)
    made = stored.on_grid(kept, group, quantities_of(catalog, group), from_ms, until_ms)
    made.events = stored.events(said, made, group.name)
    return made


def chosen(catalog: Catalog, wanted: list[str] | None) -> list[Group]:
    """The catalog's groups, or those of these names; the sentence where one is not there."""
    known = {group.name: group for group in catalog.head.groups}
    missing = [name for name in wanted or () if name not in known]
    if missing:
        raise fail(f"group {missing[0]} is none of {', '.join(known) or 'none'}")
    return [known[name] for name in wanted] if wanted else list(known.values())


def quantities_of(catalog: Catalog, group: Group) -> dict[str, str]:
    """What each channel of a group measures."""
    found = {name: catalog.find(name) for name in group.channels}
    return {name: pair[1].quantity for name, pair in found.items() if pair is not None}
