"""``lifeline stack``: the machine's own servers on their own, for any tool to be pointed at."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from lifeline.stack import FETCHED, Stack, StackError, fetch, is_fetched

app = typer.Typer(
    no_args_is_help=True,
    help="Start and stop mosquitto, Kafka and PostgreSQL on this machine, in one data folder."
    "  Example:  lifeline stack up",
)

Folder = Annotated[Path, typer.Option(help="Where the servers keep their data.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def _say(name: str, seconds: float, text: str) -> None:
    typer.echo(f"  {name:<11} {text}  {seconds:.1f} s", err=True)


def _fail(error: StackError) -> typer.Exit:
    typer.echo(f"lifeline stack: {error}", err=True)
    return typer.Exit(2)


def _print_addresses(stack: Stack, *, as_json: bool) -> None:
    where = stack.addresses()
    if as_json:
        told = msgspec.to_builtins(where)
        told |= {"environment": where.environment(), "servers": stack.status()}
        typer.echo(msgspec.json.encode(told).decode())
        return
    for key, value in where.environment().items():
        typer.echo(f"export {key}={_quoted(value)}")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


@app.command()
def up(folder: Folder = Path(".lifeline"), *, as_json: Json = False) -> None:
    """Start the servers and leave them running; those already running are kept.

    Example: eval "$(lifeline stack up)" && lifeline migrate
    """
    try:
        stack = Stack(folder, _say)
        stack.start()
        _print_addresses(stack, as_json=as_json)
    except StackError as error:
        raise _fail(error) from error


@app.command()
def down(folder: Folder = Path(".lifeline")) -> None:
    """Stop every server of the folder; its data stays.

    Example: lifeline stack down --folder .lifeline
    """
    try:
        Stack(folder, _say).down()
    except StackError as error:
        raise _fail(error) from error


@app.command()
def status(folder: Folder = Path(".lifeline"), *, as_json: Json = False) -> None:
    """Tell which servers run, and where; status 1 when one does not.

    Example: lifeline stack status --json
    """
    stack = Stack(folder, _say)
    try:
        servers = stack.status()
        if as_json:
            _print_addresses(stack, as_json=True)
        for server in () if as_json else servers:
            state = f"pid {server.pid}" if server.running else "not running"
            typer.echo(f"{server.name:<11} 127.0.0.1:{server.port:<6} {state}")
    except StackError as error:
        raise _fail(error) from error
    if not all(server.running for server in servers):
        raise typer.Exit(1)


@app.command("fetch")
def fetch_missing(
    only: Annotated[
        Literal["kafka", "mosquitto", "both"], typer.Option(help="Which of the two.")
    ] = "both",
) -> None:
    """Get Kafka's jars and mosquitto where they are missing; says nothing when they are there.

    Example: lifeline stack fetch --only kafka
    """
    try:
        for name in FETCHED if only == "both" else (only,):
            if not is_fetched(name):
                typer.echo(f"  {name:<11} installing", err=True)
                typer.echo(f"  {name:<11} {fetch(name)}", err=True)
    except StackError as error:
        raise _fail(error) from error
