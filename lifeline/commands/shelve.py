"""``lifeline shelve``: alarms put out of sight for a stated time, and what is out of sight now."""

from typing import Annotated

import typer

from alerting.actions import Act, Action
from alerting.board import store as board
from alerting.board.rows import Listed, Member
from alerting.store import now
from lifeline import words
from lifeline.commands.outcome import Config, Json, fail, print_json
from lifeline.commands.seat import Note, Seat, Who, columns, seat

app = typer.Typer(
    no_args_is_help=True,
    help="Put alarms out of sight for a while, and list what is.  Example:  lifeline shelve list",
)
Alarm = Annotated[str, typer.Argument(help="The alarm's key, as `lifeline shelve list` has it.")]
WIDTHS = (60, 24, 16)


@app.command("list")
def listing(
    what: Annotated[Listed, typer.Option("--what", help="Which of them.")] = "hidden",
    limit: Annotated[int, typer.Option(min=1, max=500, help="Not more than so many.")] = 100,
    config: Config = None,
    *,
    as_json: Json = False,
) -> None:
    """List alarms out of sight, latched, chattering, or standing for more than a day.

    Example:  lifeline shelve list --what stale --json
    """
    with seat(config) as at:
        rows = at.database.run_now(lambda c: board.alarms(c, what, now(c), limit))
        if as_json:
            print_json(rows)
            return
        for line in columns([_line(one, at) for one in rows], WIDTHS):
            typer.echo(line)
        typer.echo(f"{len(rows)} alarms")


def _line(one: Member, at: Seat) -> list[str]:
    state = words.alarm_state(one.state, at.language)
    return [one.key, state, one.hidden_by or "–", words.hazard(one.hazard, at.language)]


def _act(
    config: str | None, who: str, action: Action, alarm: str, note: str, minutes: int, as_json: bool
) -> None:
    with seat(config) as at:
        known = at.database.run_now(lambda c: board.alarm(c, alarm))
        if known is None:
            raise fail(words.refusal("unknown-alarm", at.language), 1)
        wanted = Act(
            action=action,
            actor=who,
            alarm=alarm,
            incident=known.incident,
            note=note,
            until_ms=at.now_ms() + minutes * 60_000 if minutes else None,
        )
        at.carry_out(wanted, as_json=as_json)


@app.command()
def put(
    alarm: Alarm,
    note: Annotated[str, typer.Option("--note", help="Why.")],
    minutes: Annotated[int, typer.Option(min=1, max=240, help="For how long.")] = 60,
    who: Who = "",
    config: Config = None,
    *,
    as_json: Json = False,
) -> None:
    """Shelve an alarm; a highly managed one needs a second person.

    Example:  lifeline shelve put "gas/well-2/ch4|threshold|gas-leak" --note "probe changed" --as li
    """
    _act(config, who, "shelve", alarm, note, minutes, as_json)


@app.command()
def end(
    alarm: Alarm, note: Note = "", who: Who = "", config: Config = None, *, as_json: Json = False
) -> None:
    """End a shelf by hand.

    Example:  lifeline shelve end "gas/well-2/ch4|threshold|gas-leak" --as li
    """
    _act(config, who, "unshelve", alarm, note, 0, as_json)


@app.command()
def reset(
    alarm: Alarm, note: Note = "", who: Who = "", config: Config = None, *, as_json: Json = False
) -> None:
    """Reset a latched alarm whose condition has gone.

    Example:  lifeline shelve reset "gas/well-2/ch4|threshold|gas-leak" --as li
    """
    _act(config, who, "reset", alarm, note, 0, as_json)


@app.command()
def retire(
    alarm: Alarm,
    note: Annotated[str, typer.Option("--note", help="Why.")],
    who: Who = "",
    config: Config = None,
    *,
    as_json: Json = False,
) -> None:
    """Take an alarm out of service.

    Example:  lifeline shelve retire "gas/well-2/ch4|flatline|sensor-fault" --note "removed" --as li
    """
    _act(config, who, "retire", alarm, note, 0, as_json)


@app.command()
def restore(
    alarm: Alarm, note: Note = "", who: Who = "", config: Config = None, *, as_json: Json = False
) -> None:
    """Put an alarm back into service.

    Example:  lifeline shelve restore "gas/well-2/ch4|flatline|sensor-fault" --as li
    """
    _act(config, who, "restore", alarm, note, 0, as_json)
