"""``lifeline user``: who may sign in to the console."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from alerting.console import store as console_store
from alerting.console.sessions import ROLES, login_name
from lifeline.commands.outcome import FILE_HELP, JSON_HELP, fail, print_json, settings_from, spoken
from lifeline.db import Database
from lifeline.errors import Refused
from lifeline.store import read_secret

app = typer.Typer(no_args_is_help=True, help="Add, list and disable the console's users.")

Config = Annotated[str | None, typer.Option("--config", help=FILE_HELP)]
Name = Annotated[str, typer.Argument(help="Lower-case name to sign in with.")]


@contextmanager
def _database(config: str | None) -> Iterator[Database]:
    """A connection for one command; a refusal ends it with status 1, anything else with 2."""
    settings = settings_from(config)
    with spoken():
        database = Database(settings.postgres, connections=1)
        try:
            yield database
        except Refused as error:
            raise fail(str(error), 1) from error
        finally:
            database.close()


@app.command()
def add(
    name: Name,
    role: Annotated[str, typer.Option(help="operator, officer or admin.")] = "officer",
    password_file: Annotated[Path | None, typer.Option(help="File with the password.")] = None,
    config: Config = None,
    *,
    replace: Annotated[bool, typer.Option("--replace", help="Change one who exists.")] = False,
) -> None:
    """Let somebody sign in; the password is asked for, or read from a file.

    Example:  lifeline user add li --role officer
    """
    chosen = next((one for one in ROLES if one == role), None)
    if chosen is None:
        raise fail(f"--role {role}: choose one of {', '.join(ROLES)}.")
    with _database(config) as database:
        if password_file is not None:
            password = read_secret(str(password_file))
        else:
            password = str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
        console_store.create_user(database, login_name(name), chosen, password, replace=replace)
    typer.echo(f"{login_name(name)} may sign in as {role}.")


@app.command(name="list")
def list_users(
    config: Config = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Show who may sign in.

    Example:  lifeline user list --json
    """
    with _database(config) as database:
        found = console_store.users(database)
    if as_json:
        print_json(found)
        return
    for user in found:
        typer.echo(f"{user.name:<24} {user.role:<10} {'disabled' if user.disabled else 'active'}")


@app.command()
def disable(name: Name, config: Config = None) -> None:
    """Sign somebody out everywhere and let him in no more.

    Example:  lifeline user disable li
    """
    with _database(config) as database:
        console_store.disable_user(database, login_name(name))
    typer.echo(f"{login_name(name)} can no longer sign in.")
