"""``lifeline work``: work orders from a file into watches over the zones connected with them."""

import getpass
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from alerting.book.store import policy, read_book, read_rules
from alerting.ledger.store import contended
from alerting.notices import Wording
from alerting.people.times import clock
from alerting.topology import Topology
from alerting.windows import unticked
from alerting.work import orders, store
from alerting.work.kept import Taken
from alerting.work.orders import Order
from lifeline.commands.outcome import (
    Config,
    Json,
    connected,
    fail,
    print_json,
    settings_from,
    spoken,
    zone_of,
)
from lifeline.store import open_catalog

app = typer.Typer(
    no_args_is_help=True,
    help="Work orders: what is announced to us, and the watch after it."
    "  Example:  lifeline work import orders.csv",
)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A .csv or .toml file.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Take work orders in; an order that is known is moved or cancelled as the file has it.

    All of a file or nothing: every wrong line is told, exit status 2.  The same file again does
    nothing.  Columns: docs/operations.md, "Work orders".

    Example:  lifeline work import orders.csv
    """
    settings = settings_from(config)
    with spoken():
        written, problems = orders.read(file.name, file.read_bytes())
        catalog = open_catalog(settings.catalog.compiled)
        book, rules = read_book(settings.router), read_rules(settings.router)
    topology = Topology(catalog)
    zone = zone_of(settings)
    found: list[Order] = []
    for one in written:
        order = orders.understood(one, topology, book, zone)
        if isinstance(order, list):
            problems += [f"{file.name}: {text}" for text in order]
        else:
            found.append(order)
    if problems:
        raise fail("\n".join(problems))
    wording = Wording(catalog, settings.router, policy=policy(settings, catalog, rules))
    who = getpass.getuser()
    with connected(settings) as database:
        taken = [
            database.run_now(
                contended(lambda c, o=order: store.take(c, wording, topology, o, actor=who))  # type: ignore[misc]
            )
            for order in found
        ]
    _told(taken, as_json=as_json)


def _told(taken: list[Taken], *, as_json: bool) -> None:
    if as_json:
        print_json(taken)
        return
    for one in taken:
        zones = ", ".join(one.windows) or "no zone"
        typer.echo(f"{one.id:20} {one.became:10} watched after it: {zones}")


@app.command("list")
def listing(config: Config = None, as_json: Json = False) -> None:
    """List orders to come, their watches, and the checks that are missing.

    Example:  lifeline work list
    """
    settings = settings_from(config)
    zone = zone_of(settings)
    with connected(settings) as database:
        found = database.run_now(store.listed)
    if as_json:
        print_json(found)
        return
    for one in found:
        order = one.order
        span = f"{clock(order.from_ms, zone)} – {clock(order.until_ms, zone)}"
        typer.echo(f"{order.id:20} {order.kind:18} {order.state:10} {span} {order.contractor}")
        for window in one.windows:
            state = "ended" if window.ended_ms is not None else "to be ticked"
            missing = ", ".join(unticked(window)) or "nothing"
            typer.echo(f"    {window.zone:24} {state}: {missing}")


@app.command()
def cancel(
    order: Annotated[str, typer.Argument(help="The order's id.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Cancel an order; a watch that runs already goes on until its checks are ticked.

    Example:  lifeline work cancel WO-2026-118
    """
    settings = settings_from(config)
    with spoken():
        catalog = open_catalog(settings.catalog.compiled)
        rules = read_rules(settings.router)
    wording = Wording(catalog, settings.router, policy=policy(settings, catalog, rules))
    topology, who = Topology(catalog), getpass.getuser()
    with connected(settings) as database:
        known = database.run_now(lambda c: store.find(c, order))
        if known is None:
            raise fail(f"There is no work order {order}: see `lifeline work list`.", 1)
        ended = msgspec.structs.replace(known, state="cancelled")
        taken = database.run_now(
            contended(lambda c: store.take(c, wording, topology, ended, actor=who))
        )
    _told([taken], as_json=as_json)
