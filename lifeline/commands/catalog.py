"""``lifeline catalog``: check it, build it, print its data dictionary."""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Annotated

import typer

from detectors import plan
from lifeline import bounds, store
from lifeline.catalog import METERS, SEEN, Catalog, CatalogError, Limit, Rule, meter
from lifeline.commands.migrate import build_catalog
from lifeline.commands.outcome import Config, Json, fail, print_json, settings_from, spoken
from lifeline.compiler import compile_catalog, problems_of
from lifeline.config import ROUTINE, Settings

app = typer.Typer(
    no_args_is_help=True,
    help="What stands where in the city: check, build, data dictionary."
    "  Example:  lifeline catalog check",
)
SourcesArgument = Annotated[
    list[str] | None, typer.Argument(help="Files or folders; else catalog.sources.")
]
DICTIONARY = (
    "channel", "lifeline", "zone", "asset", "device", "local", "quantity", "unit",
    "low", "high", "interval_s", "retention", "longitude", "latitude",
)  # fmt: skip


def _compiled(sources: list[str] | None, config: str | None) -> Catalog:
    settings = settings_from(config)
    paths = tuple(sources) if sources else settings.catalog.sources
    return Catalog(compile_catalog(store.read_sources(paths), settings.grading))


def rules_of(catalog: Catalog, settings: Settings) -> plan.Plan:
    """The catalog's rules with their detectors; raises CatalogError naming each that is wrong."""
    head = catalog.head
    problems = [text for rule in head.rules for text in _rule_problems(rule, head.limits)]
    if problems:
        raise CatalogError(problems)
    return plan.compile_plan(head.rules, head.limits, settings.grading.device)


def _rule_problems(rule: Rule, limits: Mapping[str, Limit]) -> Iterator[str]:
    try:
        plan.compile_plan([rule], limits)
    except plan.PlanError as error:
        yield str(error)


def class_problems(catalog: Catalog, settings: Settings, places: Mapping[str, str]) -> list[str]:
    """A sentence for each retention class that the settings lack: its readings stay longest.

    ``places`` says where each lifeline was read.
    """
    days = settings.archive.retention_days
    return [
        f"{places.get(lifeline, f'lifeline {lifeline}')}: retention class {name} is none of"
        f" archive.retention_days: {', '.join(days)}"
        for lifeline, classes in catalog.head.retention.items()
        for name in sorted(set(classes.values()) - {"", *days})
    ]


def survey(paths: tuple[str, ...], settings: Settings) -> tuple[Catalog | None, list[str]]:
    """The compiled catalog of these files, or every problem of every file."""
    sources, problems = store.survey_sources(paths)
    problems += problems_of(sources, settings.grading, is_all=not problems)
    limits = {limit.id: limit for source in sources for limit in source.limit}
    problems += [
        f"{source.place}: {text}"
        for source in sources
        for rule in source.rule
        # An unknown limit has been told already, or stands in a part that could not be read.
        if not rule.limit or rule.limit in limits
        for text in _rule_problems(rule, limits)
    ]
    problems += [text.en for text in bounds.missing(sources, settings.grading)]
    if problems:
        return None, problems
    catalog = Catalog(compile_catalog(sources, settings.grading))
    places = {source.lifeline.name: source.place for source in sources}
    return catalog, class_problems(catalog, settings, places)


@app.command()
def check(
    sources: SourcesArgument = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Say whether the catalog holds together, rules and detectors included.

    Every problem of every file is told with its place; exit status 2 when there is one.

    Example:  lifeline catalog check deploy/lifelines
    """
    settings = settings_from(config)
    with spoken():
        catalog, problems = survey(
            tuple(sources) if sources else settings.catalog.sources, settings
        )
    if catalog is None or problems:
        if as_json:
            places = [text.partition(": ") for text in problems]
            told = [{"place": place, "problem": rest or place} for place, _, rest in places]
            print_json({"ok": False, "problems": told})
            raise typer.Exit(2)
        many = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise fail("\n".join([*problems, f"{many}: mend them and check again."]))
    head = catalog.head
    counts = {
        "lifelines": len(head.lifelines),
        "zones": len(head.zones),
        "devices": head.n_devices,
        "channels": head.n_channels,
        "limits": len(head.limits),
        "limits_unverified": sum(not limit.verified for limit in head.limits.values()),
        "rules": len(rules_of(catalog, settings).rules),
        "digest": catalog.digest,
    }
    if as_json:
        print_json({"ok": True, "problems": [], **counts})
        return
    for name, value in counts.items():
        typer.echo(f"{name:18} {value}")
    typer.echo("The catalog holds together.")


@app.command()
def build(
    config: Config = None,
    keep_rules: Annotated[
        bool, typer.Option("--keep-rules", help="Rules and limits stay as they run.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compile the sources into the file that the services map; running services take it over.

    Example:  lifeline catalog build
    """
    settings = settings_from(config)
    with spoken():
        catalog = build_catalog(settings, keep_rules=keep_rules)
    compiled, channels = settings.catalog.compiled, catalog.head.n_channels
    if as_json:
        print_json({"compiled": compiled, "channels": channels, "digest": catalog.digest})
        return
    typer.echo(f"{compiled}: {channels} channels, {catalog.digest}")


@app.command()
def dictionary(
    sources: SourcesArgument = None,
    config: Config = None,
    as_json: Json = False,
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
            catalog.retention_of(device.lifeline, channel.quantity) or ROUTINE,
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
def meters(
    as_json: Json = False,
) -> None:
    """Print what is measured of every device itself.

    Example:  lifeline catalog meters --json
    """
    rows = [(meter("<device>", local), unit) for local, unit in {**METERS, SEEN: "s"}.items()]
    if as_json:
        print_json([{"channel": channel, "unit": unit} for channel, unit in rows])
        return
    for channel, unit in rows:
        typer.echo(f"{channel}  [{unit}]")
