"""``lifeline window``: maintenance, calibration and watches after work, opened and ended."""

import uuid
from typing import Annotated

import typer

from alerting.actions import Act
from alerting.board import store as board
from alerting.book.store import read_book
from alerting.console.doors.windows import ENDED_MS, MINUTES_MAX
from alerting.store import now
from alerting.windows import Check, Opened, Window, unticked
from alerting.work.orders import checks_of
from lifeline import words
from lifeline.commands.outcome import Config, Json, fail, print_json
from lifeline.commands.seat import Note, Seat, Who, act, seat
from lifeline.store import open_catalog

app = typer.Typer(
    no_args_is_help=True,
    help="Stated times in which alarms are suppressed, or sharpened after work."
    "  Example:  lifeline window list",
)
Id = Annotated[str, typer.Argument(help="The window's id, as `lifeline window list` has it.")]


@app.command("list")
def listing(config: Config = None, *, as_json: Json = False) -> None:
    """List the windows that run, and those that ended within a day, with missing checks.

    Example:  lifeline window list
    """
    with seat(config) as at:
        rows = at.database.run_now(lambda c: board.windows(c, now(c) - ENDED_MS))
        if as_json:
            print_json(rows)
            return
        for one in rows:
            typer.echo(_line(one, at))
        typer.echo(f"{len(rows)} windows")


def _line(one: Window, at: Seat) -> str:
    missing = ", ".join(unticked(one))
    state = "ended" if one.ended_ms is not None else f"until {at.moment(one.until_ms)}"
    told = f"{one.id}  {words.window(one.kind, at.language)}  {one.zone}  {state}  {one.author}"
    return f"{told}  missing: {missing}" if missing and one.ended_ms is None else told


@app.command("open")
def open_window(
    kind: Annotated[Opened, typer.Argument(help="What it is for.")],
    zone: Annotated[str, typer.Argument(help="The zone's name.")],
    note: Annotated[str, typer.Option("--note", help="Why.")],
    minutes: Annotated[int, typer.Option(min=1, max=MINUTES_MAX, help="For how long.")] = 120,
    asset: Annotated[list[str] | None, typer.Option(help="Only these; else the zone.")] = None,
    check: Annotated[
        list[str] | None, typer.Option(help="Of a watch: to be ticked beside what the plan says.")
    ] = None,
    work: Annotated[str, typer.Option(help="The work order.")] = "",
    who: Who = "",
    config: Config = None,
    *,
    as_json: Json = False,
) -> None:
    """Open a window from now on.

    Example:  lifeline window open maintenance gas/heping --note "valve V-31 changed" --as li
    """
    with seat(config) as at:
        lifeline = dict(open_catalog(at.settings.catalog.compiled).head.zones).get(zone)
        if lifeline is None:
            raise fail(f"{zone} is no zone of the catalog: see `lifeline catalog dictionary`.", 1)
        now_ms, is_watch = at.now_ms(), kind == "work-watch"
        checks = checks_of(read_book(at.settings.router), lifeline, check or ()) if is_watch else ()
        opening = Window(
            id=uuid.uuid4().hex[:24],
            kind=kind,
            author="",
            reason=note,
            zone=zone,
            assets=tuple(asset or ()),
            from_ms=now_ms,
            until_ms=now_ms + minutes * 60_000,
            work=work,
            checks=tuple(Check(name) for name in checks),
        )
        wanted = Act(action="open-window", actor=who, note=note, opening=opening)
        at.carry_out(wanted, as_json=as_json)


@app.command()
def tick(
    window: Id,
    check: Annotated[str, typer.Argument(help="The check that is done.")],
    note: Note = "",
    who: Who = "",
    config: Config = None,
    *,
    as_json: Json = False,
) -> None:
    """Tick a mandatory check of a watch after work.

    Example:  lifeline window tick 5f2a91c07d3e measured-adjacent --as li
    """
    wanted = Act(action="check", actor=who, window=window, check=check, note=note)
    act(config, wanted, as_json=as_json)


@app.command()
def end(
    window: Id, note: Note = "", who: Who = "", config: Config = None, *, as_json: Json = False
) -> None:
    """End a window; a watch after work only when all its checks are ticked.

    Example:  lifeline window end 5f2a91c07d3e --as li
    """
    act(config, Act(action="end-window", actor=who, window=window, note=note), as_json=as_json)
