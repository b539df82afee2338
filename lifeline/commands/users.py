"""``lifeline user``: who may sign in to the console, and with what."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from alerting.console import totp
from alerting.console.accounts import store as accounts
from alerting.console.accounts.service import key_of
from alerting.console.accounts.store import User
from alerting.console.sessions import BREAK_GLASS, Role, login_name
from lifeline.commands.outcome import Config, Json, connected, fail, print_json, settings_from
from lifeline.config import Settings
from lifeline.db import Database
from lifeline.errors import Refused
from lifeline.store import read_secret

app = typer.Typer(
    no_args_is_help=True,
    help="Add, list and disable the console's users, and their second factors."
    "  Example:  lifeline user list",
)

Name = Annotated[str, typer.Argument(help="Lower-case name to sign in with.")]


@contextmanager
def _database(config: str | None) -> Iterator[tuple[Database, Settings]]:
    """A connection for one command; a refusal ends it with status 1, anything else with 2."""
    settings = settings_from(config)
    with connected(settings) as database:
        try:
            yield database, settings
        except Refused as error:
            raise fail(str(error), 1) from error


@app.command()
def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="What he may do.")] = "officer",
    password_file: Annotated[Path | None, typer.Option(help="File with the password.")] = None,
    config: Config = None,
    *,
    replace: Annotated[bool, typer.Option("--replace", help="Change one who exists.")] = False,
) -> None:
    """Let somebody sign in; the password is asked for, or read from a file.

    Example:  lifeline user add li --role officer
    """
    with _database(config) as (database, _):
        if password_file is not None:
            password = read_secret(str(password_file))
        else:
            password = str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
        accounts.create_user(database, login_name(name), role, password, replace=replace)
    typer.echo(f"{login_name(name)} may sign in as {role}.")


@app.command(name="list")
def list_users(
    config: Config = None,
    *,
    as_json: Json = False,
) -> None:
    """Show who may sign in.

    Example:  lifeline user list --json
    """
    with _database(config) as (database, _):
        found = accounts.users(database)
    if as_json:
        print_json(found)
        return
    for user in found:
        second = "second factor" if user.has_second_factor else "password only"
        typer.echo(f"{user.name:<24} {user.role:<10} {_state(user):<10} {second}")


def _state(user: User) -> str:
    if user.disabled:
        return "disabled"
    return "used up" if user.is_used_up else "active"


@app.command(name="second-factor")
def second_factor(
    name: Name,
    config: Config = None,
    *,
    remove: Annotated[bool, typer.Option("--remove", help="Password alone from now on.")] = False,
    as_json: Json = False,
) -> None:
    """Give somebody a second factor (TOTP), or a new one; its secret is shown this once.

    Whoever was signed in under that name signs in again, with a code.

    Example:  lifeline user second-factor li
    """
    person = login_name(name)
    with _database(config) as (database, settings):
        if remove:
            accounts.remove_second_factor(database, person)
            typer.echo(f"{person} signs in with the password alone.")
            return
        secret = accounts.enrol(database, person, key_of(settings.console))
    uri, spoken_secret = totp.uri(person, secret), totp.spoken(secret)
    if as_json:
        print_json({"name": person, "uri": uri, "secret": spoken_secret})
        return
    typer.echo(f"{uri}\nsecret {spoken_secret}")
    typer.echo(f"Put it into {person}'s authenticator now: it is not shown again.")


@app.command(name="break-glass")
def break_glass(
    config: Config = None,
    *,
    as_json: Json = False,
) -> None:
    """Make the sealed emergency account, or its next password, which is good for one sign-in.

    It may do everything, needs no second factor, and everybody is told when it is used.

    Example:  lifeline user break-glass
    """
    with _database(config) as (database, _):
        password = accounts.seal_break_glass(database)
    if as_json:
        print_json({"name": BREAK_GLASS, "password": password})
        return
    typer.echo(f"name     {BREAK_GLASS}\npassword {password}")
    typer.echo("Write it down and seal it: it is not shown again, and is good for one sign-in.")


@app.command()
def disable(name: Name, config: Config = None) -> None:
    """Sign somebody out everywhere and let him in no more.

    Example:  lifeline user disable li
    """
    with _database(config) as (database, _):
        accounts.disable_user(database, login_name(name))
    typer.echo(f"{login_name(name)} can no longer sign in.")
