"""``lifeline notices``: who is told by which way, what a receiver refused, and trying a way out."""

import asyncio
import getpass
import ssl
import time
from typing import Annotated, Any

import msgspec
import typer

from alerting import cards
from alerting.desk import store as desk
from alerting.outbox.pace import pace_of
from lifeline import layouts
from lifeline.channels.choice import channel_for
from lifeline.commands.outcome import Config, Json, connected, fail, print_json, settings_from
from lifeline.errors import Refused, Unavailable
from lifeline.targets import MACHINES, Target

app = typer.Typer(
    no_args_is_help=True,
    help="Who is told by which way, and what was refused.  Example:  lifeline notices list",
)


@app.command("list")
def show(config: Config = None, as_json: Json = False) -> None:
    """Show the dead letters, the newest first, with the receiver's last word.

    Example:  lifeline notices list --json
    """
    settings = settings_from(config)
    with connected(settings) as database:
        rows = database.run_now(desk.dead_letters)
    kinds = {target.name: target.kind for target in settings.router.targets}
    if as_json:
        # The kind is today's: the target may have had another when it refused.
        print_json(
            [msgspec.structs.asdict(row) | {"channel": kinds.get(row.target, "")} for row in rows]
        )
        return
    for row in rows:
        typer.echo(
            f"{row.id:8}  {row.target:12} {kinds.get(row.target, '?'):9} {row.reason:12}"
            f" {row.last_code:40} {row.incident}"
        )
    typer.echo(f"{len(rows)} dead letters" + (": `lifeline notices resend ID`" if rows else ""))


@app.command()
def resend(
    number: Annotated[int, typer.Argument(help="The first column of `lifeline notices list`.")],
    config: Config = None,
) -> None:
    """Put a dead letter back in line, under its old key: a receiver that has it answers as before.

    Example:  lifeline notices resend 17
    """
    who = getpass.getuser()
    with connected(settings_from(config)) as database:
        done = database.run_now(lambda c: desk.resend(c, number, actor=who, channel="command"))
    if done == "taken":
        raise fail(f"{number}: somebody has taken its incident since; nobody is called for it.", 1)
    if done == "unknown":
        raise fail(f"{number} is no dead letter: see `lifeline notices list`.", 1)
    typer.echo(f"{number} is in line again.")


@app.command()
def targets(config: Config = None, as_json: Json = False) -> None:
    """Show every target: its kind, where it is, how many messages a minute it is given.

    Example:  lifeline notices targets
    """
    rows = [_row(target) for target in settings_from(config).router.targets]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        pace = f"{row['per_minute']} a minute" if row["per_minute"] else "as they come"
        typer.echo(f"{row['name']:16} {row['kind']:9} {row['host']:32} {pace}")
    typer.echo(f"{len(rows)} targets" + (": `lifeline notices test NAME`" if rows else ""))


def _row(target: Target) -> dict[str, Any]:
    pace = pace_of(target)
    return {
        "name": target.name,
        "kind": target.kind,
        "host": target.host,
        "per_minute": 0 if pace is None else pace.per_minute,
        "lifelines": target.lifelines,
        "grade_max": target.grade_max,
    }


@app.command("test")
def try_out(
    name: Annotated[str, typer.Argument(help="A target of the router or the watchdog.")],
    to: Annotated[str, typer.Option("--to", help="Somebody's number, address or topic.")] = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Send a test card by a target, and say what its vendor said; exit status 1 if not delivered.

    Example:  lifeline notices test duty-group
    """
    settings = settings_from(config)
    known = (*settings.router.targets, *settings.watchdog.targets)
    found = [target for target in known if target.name == name]
    if not found:
        raise fail(f"There is no target {name}: see `lifeline notices targets`.", 1)
    target = found[0]
    if target.kind in MACHINES:
        raise fail(f"{name} is a {target.kind}: a machine acts on what it gets; hold a drill.", 1)
    card = cards.of_test(target.language, settings.router.public_url, settings.grading)
    began = time.monotonic()
    try:
        code = asyncio.run(_send(target, layouts.payload(target, card, to)))
    except (Unavailable, Refused) as error:
        raise fail(f"{name} ({target.kind}) did not take it: {error}", 1) from error
    took_ms = (time.monotonic() - began) * 1000
    if as_json:
        print_json({"target": name, "kind": target.kind, "code": code, "took_ms": round(took_ms)})
        return
    typer.echo(f"{name} ({target.kind}) took it: {code}, {took_ms:.0f} ms")


async def _send(target: Target, body: bytes) -> str:
    channel = channel_for(target, ssl.create_default_context())
    try:
        return await channel.send(f"test-{time.time_ns()}", body)
    finally:
        await channel.close()
