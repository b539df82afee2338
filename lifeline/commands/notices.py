"""``lifeline notices``: what a receiver has refused, and sending it again."""

from typing import Annotated

import typer

from alerting.desk import store as desk
from lifeline.commands.outcome import (
    FILE_HELP,
    JSON_HELP,
    fail,
    print_json,
    settings_from,
    spoken,
)
from lifeline.db import Database

app = typer.Typer(
    no_args_is_help=True,
    help="Notices that their receiver refused.  Example:  lifeline notices list",
)
Config = Annotated[str | None, typer.Option("--config", help=FILE_HELP)]


@app.command("list")
def show(
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Show the dead letters, the newest first, with the receiver's last word.

    Example:  lifeline notices list --json
    """
    with spoken():
        database = Database(settings_from(config).postgres, connections=1)
        try:
            rows = database.run_now(desk.dead_letters)
        finally:
            database.close()
    if as_json:
        print_json(rows)
        return
    for row in rows:
        typer.echo(f"{row.id:8}  {row.target:12} {row.reason:12} {row.last_code:40} {row.incident}")
    typer.echo(f"{len(rows)} dead letters" + (": `lifeline notices resend ID`" if rows else ""))


@app.command()
def resend(
    number: Annotated[int, typer.Argument(help="The first column of `lifeline notices list`.")],
    config: Config = None,
) -> None:
    """Put a dead letter back in line, under its old key: a receiver that has it answers as before.

    Example:  lifeline notices resend 17
    """
    with spoken():
        database = Database(settings_from(config).postgres, connections=1)
        try:
            is_moved = database.run_now(lambda c: desk.resend(c, number))
        finally:
            database.close()
    if not is_moved:
        raise fail(f"{number} is no dead letter: see `lifeline notices list`.", 1)
    typer.echo(f"{number} is in line again.")
