"""The command ``lifeline``: composes the sub-commands; the only place that exits."""

import importlib
import sys
from importlib.metadata import version
from typing import Annotated

import typer

SERVICES, SETUP, MACHINE, LOOK = "Services", "Set-up", "This machine", "Look and repeat"

COMMANDS: dict[str, tuple[str, str, str]] = {
    # name: module under lifeline.commands, its Typer app or function, panel of the help
    "ingest": ("serve", "ingest", SERVICES),
    "detect": ("serve", "detect", SERVICES),
    "archive": ("serve", "archive", SERVICES),
    "router": ("serve", "router", SERVICES),
    "watchdog": ("serve", "watchdog", SERVICES),
    "console": ("serve", "console", SERVICES),
    "up": ("up", "up", SERVICES),
    "migrate": ("migrate", "migrate", SETUP),
    "doctor": ("doctor", "doctor", SETUP),
    "catalog": ("catalog", "app", SETUP),
    "config": ("configuration", "app", SETUP),
    "user": ("users", "app", SETUP),
    "stack": ("stack", "app", MACHINE),
    "demo": ("demo", "demo", MACHINE),
    "simulate": ("simulate", "simulate", MACHINE),
    "replay": ("replay", "replay", LOOK),
    "tap": ("tap", "tap", LOOK),
    "context": ("context", "app", LOOK),
    "rejects": ("rejects", "app", LOOK),
    "notices": ("notices", "app", LOOK),
    "incident": ("incident", "app", LOOK),
    "shelve": ("shelve", "app", LOOK),
    "window": ("window", "app", LOOK),
    "plan": ("plan", "app", LOOK),
    "work": ("work", "app", LOOK),
    "drill": ("drill", "app", LOOK),
    "roster": ("roster", "app", LOOK),
    "audit": ("audit", "app", LOOK),
    "evidence": ("evidence", "app", LOOK),
    "kpi": ("kpi", "kpi", LOOK),
}


def build(wanted: str = "") -> typer.Typer:
    """The command with all its sub-commands, or with the wanted one alone.

    A service must not carry the imports of the others: they are half of what a process weighs.
    """
    app = typer.Typer(
        name="lifeline",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        help="Watches a city's gas, water, heating and bridges: sensors in, incidents out, nothing"
        " lost. 城市生命线监测。  Example:  lifeline demo",
    )
    app.callback()(_root)
    for name in [wanted] if wanted in COMMANDS else COMMANDS:
        module, attribute, panel = COMMANDS[name]
        command = getattr(importlib.import_module(f"lifeline.commands.{module}"), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, rich_help_panel=panel)
        else:
            app.command(name=name, rich_help_panel=panel)(command)
    return app


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"lifeline {version('urban-lifeline')}")
        raise typer.Exit


def _root(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and end."
        ),
    ] = False,
) -> None:
    assert not show_version, "the eager call-back has ended the command"


def main() -> None:
    """Runs the command; exit status 0 done, 1 the answer is no, 2 it could not be tried."""
    try:
        build(sys.argv[1] if len(sys.argv) > 1 else "")()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
