"""``lifeline config``: what is set, where it came from, what could be."""

from typing import Annotated, Any, get_args, get_origin

import msgspec
import typer

from lifeline import config as settings_of
from lifeline import store
from lifeline.commands.outcome import FILE_HELP, JSON_HELP, fail, print_json, spoken

app = typer.Typer(
    no_args_is_help=True,
    help="What is set, where it came from, what could be.  Example:  lifeline config check",
)


@app.command()
def check(
    file: Annotated[str | None, typer.Option("--config", help=FILE_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Print every setting with its value and where that came from; exit status 2 if one is wrong.

    Example:  LIFELINE_MQTT_PORT=1884 lifeline config check
    """
    with spoken():
        settings, origin = store.read_settings(file)
    rows = settings_of.listing(settings, origin)
    if as_json:
        print_json([{"key": key, "value": value, "from": where} for key, value, where in rows])
        return
    for key, value, where in rows:
        typer.echo(f"{key:32} {value!s:44} {where}")


@app.command()
def explain(
    key: Annotated[str, typer.Argument(help="section or section.key; all without it")] = "",
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Print what a setting is: type, default, and the environment variable that overrides it.

    Example:  lifeline config explain ingest.batch_ms
    """
    rows = [
        {
            "key": f"{section.name}.{field.name}",
            "type": _word(field.type),
            "default": _default(field),
            "variable": f"{settings_of.PREFIX}{section.name}_{field.name}".upper(),
        }
        for section in msgspec.structs.fields(settings_of.Settings)
        for field in msgspec.structs.fields(section.type)
        if key in ("", section.name, f"{section.name}.{field.name}")
    ]
    if not rows:
        raise fail(f"There is no setting {key}: see `lifeline config explain`.", 1)
    if as_json:
        print_json(rows)
        return
    for row in rows:
        typer.echo(
            f"{row['key']:32} {row['type']:10} default {row['default']!r:40} {row['variable']}"
        )


@app.command()
def schema() -> None:
    """Print the JSON Schema of lifeline.toml, for editors.

    Example:  lifeline config schema > lifeline.schema.json
    """
    print_json(msgspec.json.schema(settings_of.Settings))


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default is not msgspec.NODEFAULT else field.default_factory()


def _word(kind: Any) -> str:
    while hasattr(kind, "__metadata__"):
        kind = get_args(kind)[0]
    return str(getattr(get_origin(kind) or kind, "__name__", kind))
