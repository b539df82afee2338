"""``lifeline config``: what is set, where it came from, what could be."""

import ast
import inspect
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import msgspec
import typer

from lifeline import config as settings_of
from lifeline import grades, life, store, targets
from lifeline.commands import rules
from lifeline.commands.outcome import Config, Json, fail, print_json, spoken

app = typer.Typer(
    no_args_is_help=True,
    help="What is set and where it came from; rules and limits as versions."
    "  Example:  lifeline config check",
)
for _name, _command in (
    ("diff", rules.diff),
    ("propose", rules.propose),
    ("approve", rules.approve),
    ("apply", rules.apply),
    ("withdraw", rules.withdraw),
    ("rollback", rules.rollback),
    ("versions", rules.listing),
):
    app.command(_name)(_command)


@app.command()
def check(
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Print every setting with its value and where that came from; exit status 2 if one is wrong.

    Example:  LIFELINE_MQTT_PORT=1884 lifeline config check
    """
    with spoken():
        settings, origin = store.read_settings(config)
    rows = settings_of.listing(settings, origin)
    if as_json:
        print_json([{"key": key, "value": value, "from": where} for key, value, where in rows])
        return
    for key, value, where in rows:
        typer.echo(f"{key:32} {value!s:44} {where}")


@app.command()
def explain(
    key: Annotated[str, typer.Argument(help="section or section.key; all without it")] = "",
    as_json: Json = False,
) -> None:
    """Print what a setting is: type, default, meaning, and the variable that overrides it.

    Example:  lifeline config explain ingest.instance
    """
    rows = [row for row in _settings() if key == "" or f"{row['key']}.".startswith(f"{key}.")]
    if not rows:
        raise fail(f"There is no setting {key}: see `lifeline config explain`.", 1)
    if as_json:
        print_json(rows)
        return
    for row in rows:
        typer.echo(
            f"{row['key']:32} {row['type']:10} default {row['default']!r:40} {row['variable']}"
        )
        if row["what"]:
            typer.echo(f"    {row['what']}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of lifeline.toml, for editors.

    Example:  lifeline config schema > lifeline.schema.json
    """
    print_json(msgspec.json.schema(settings_of.Settings))


def _settings() -> Iterator[dict[str, Any]]:
    """Every setting, and after a list of tables the keys that one of its tables has."""
    told = _told()
    for section in settings_of.sections().values():
        for field in msgspec.structs.fields(section.type):
            key = f"{section.name}.{field.name}"
            variable = f"{settings_of.PREFIX}{section.name}_{field.name}".upper()
            yield _row(key, section.type, field, told) | {"variable": variable}
            for part in get_args(field.type):
                if isinstance(part, type) and issubclass(part, msgspec.Struct):
                    for inner in msgspec.structs.fields(part):
                        yield _row(f"{key}.{inner.name}", part, inner, told) | {"variable": ""}
    for inner in msgspec.structs.fields(grades.Grade):
        yield _row(f"grades.{inner.name}", grades.Grade, inner, told) | {"variable": ""}


def _row(
    key: str, owner: type[Any], field: msgspec.structs.FieldInfo, told: dict[tuple[str, str], str]
) -> dict[str, Any]:
    what = told.get((owner.__name__, field.name), "")
    return {"key": key, "type": _word(field.type), "default": _default(field), "what": what}


def _told() -> dict[tuple[str, str], str]:
    """The sentence under each setting, which Python itself does not keep."""
    found: dict[tuple[str, str], str] = {}
    sources = (settings_of, targets, life, grades)
    for owner in (c for source in sources for c in ast.parse(inspect.getsource(source)).body):
        if isinstance(owner, ast.ClassDef):
            for before, after in zip(owner.body, owner.body[1:], strict=False):
                match before, after:
                    case (
                        ast.AnnAssign(target=ast.Name(id=name)),
                        ast.Expr(value=ast.Constant(value=str(text))),
                    ):
                        found[owner.name, name] = " ".join(text.split())
    return found


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.required:
        return None
    return field.default if field.default is not msgspec.NODEFAULT else field.default_factory()


def _word(kind: Any) -> str:
    while hasattr(kind, "__metadata__"):
        kind = get_args(kind)[0]
    return str(getattr(get_origin(kind) or kind, "__name__", kind))
