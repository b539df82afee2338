"""``lifeline catalog``: check it, build it, print its data dictionary."""

import csv
import io
from typing import Annotated

import typer

from detectors import plan
from lifeline import store
from lifeline.catalog import METERS, Catalog, CatalogError
from lifeline.commands.migrate import build_catalog
from lifeline.commands.outcome import FILE_HELP, JSON_HELP, print_json, settings_from, spoken
from lifeline.compiler import compile_catalog

app = typer.Typer(
    no_args_is_help=True, help="What stands where in the city: check, build, data dictionary."
)
ConfigOption = Annotated[str | None, typer.Option("--config", help=FILE_HELP)]
SourcesArgument = Annotated[
    list[str] | None, typer.Argument(help="Files or folders; else catalog.sources.")
]
DICTIONARY = (
    "channel", "lifeline", "zone", "asset", "device", "local", "quantity", "unit",
    "low", "high", "interval_s", "longitude", "latitude",
)  # fmt: skip


def _compiled(sources: list[str] | None, config: str | None) -> Catalog:
    settings = settings_from(config)
    paths = tuple(sources) if sources else settings.catalog.sources
    return Catalog(compile_catalog(store.read_sources(paths)))


def rules_of(catalog: Catalog) -> plan.Plan:
    """The catalog's rules with their detectors; raises CatalogError naming the rule that is wrong."""
    try:
        return plan.compile_plan(catalog.head.rules, catalog.head.limits)
    except plan.PlanError as error:
        raise CatalogError([str(error)]) from error


@app.command()
def check(
    sources: SourcesArgument = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Say whether the catalog holds together, rules and detectors included; every problem, not the first.

    Example:  lifeline catalog check deploy/lifelines
    """
    with spoken():
        catalog = _compiled(sources, config)
        rules = rules_of(catalog)
    head = catalog.head
    counts = {
        "lifelines": len(head.lifelines),
        "zones": len(head.zones),
        "devices": head.n_devices,
        "channels": head.n_channels,
        "limits": len(head.limits),
        "limits_unverified": sum(not limit.verified for limit in head.limits.values()),
        "rules": len(rules.rules),
        "digest": catalog.digest,
    }
    if as_json:
        print_json(counts)
        return
    for name, value in counts.items():
        typer.echo(f"{name:18} {value}")
    typer.echo("The catalog holds together.")


@app.command()
def build(config: ConfigOption = None) -> None:
    """Compile the sources into the file that the services map; running services take it over.

    Example:  lifeline catalog build
    """
    settings = settings_from(config)
    with spoken():
        catalog = build_catalog(settings)
    typer.echo(f"{settings.catalog.compiled}: {catalog.head.n_channels} channels, {catalog.digest}")


@app.command()
def dictionary(
    sources: SourcesArgument = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Print every channel with unit, range, interval and place, as CSV.

    Example:  lifeline catalog dictionary > channels.csv
    """
    with spoken():
        catalog = _compiled(sources, config)
    rows = [
        (
            channel.name, device.lifeline, device.zone, device.asset, device.name, channel.local,
            channel.quantity, channel.unit, channel.low, channel.high, channel.interval_s,
            *(channel.position or device.position or (None, None)),
        )
        for device in catalog.devices()
        for channel in device.channels
    ]  # fmt: skip
    if as_json:
        print_json([dict(zip(DICTIONARY, row, strict=True)) for row in rows])
        return
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([DICTIONARY, *rows])
    typer.echo(out.getvalue(), nl=False)


@app.command()
def meters() -> None:
    """Print what is measured of every device itself.

    Example:  lifeline catalog meters
    """
    for local, unit in METERS.items():
        typer.echo(f"device/<device>/{local}  [{unit}]")
