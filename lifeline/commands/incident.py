"""``lifeline incident``: the queue and what is done with it, as a console user, from a terminal."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import typer

from alerting.actions import Act
from alerting.board import store as board
from alerting.board.rows import Queued, Sift
from alerting.desk import store as desk
from alerting.incidents import LIVE, VERDICT_CODES, Verdict
from alerting.incidents import TRANSITIONS as PHASES
from alerting.store import now
from lifeline import words
from lifeline.commands.outcome import fail, print_json
from lifeline.commands.seat import Config, Json, Name, Note, Seat, Who, columns, seat

app = typer.Typer(
    no_args_is_help=True,
    help="The queue, and what is done with an incident.  Example:  lifeline incident list",
)
Revision = Annotated[
    int | None, typer.Option("--revision", help="Only if nothing has changed since that one.")
]
WIDTHS = (8, 12, 14, 8, 19, 16)


def _moment(at_ms: int, at: Seat) -> str:
    zone = ZoneInfo(at.settings.console.timezone)
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone):%Y-%m-%d %H:%M:%S}"


@app.command("list")
def listing(
    phase: Annotated[str, typer.Option(help="Phases with commas between; all that live.")] = "",
    lifeline: Annotated[str, typer.Option(help="One lifeline alone.")] = "",
    grade: Annotated[int | None, typer.Option(help="One grade alone.")] = None,
    text: Annotated[str, typer.Option(help="In names, titles, hazards, people.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=500, help="Not more than so many.")] = 50,
    config: Config = None,
    *,
    review: Annotated[bool, typer.Option("--review", help="What waits for offices.")] = False,
    as_json: Json = False,
) -> None:
    """Show the queue, the highest risk first.

    Example:  lifeline incident list --lifeline gas --grade 1
    """
    phases = tuple(p for p in PHASES if p in phase.split(",")) if phase else LIVE
    if phase and len(phases) != len(phase.split(",")):
        raise fail(f"--phase {phase}: choose of {', '.join(PHASES)}.")
    sift = Sift(
        phases=phases,
        lifeline=lifeline,
        grades=() if grade is None else (grade,),
        review=True if review else None,
        text=text,
        limit=limit,
    )
    with seat(config) as at:
        rows = at.database.run_now(lambda c: board.queue(c, sift))
        if as_json:
            print_json(rows)
            return
        for line in columns([_line(one, at) for one in rows], WIDTHS):
            typer.echo(line)
        typer.echo(f"{len(rows)} incidents")


def _line(one: Queued, at: Seat) -> list[str]:
    summary, language = one.summary, at.language
    what = f"{words.hazard(summary.hazard, language)} · {summary.asset}"
    who = summary.person or summary.acknowledged_by or "–"
    return [
        summary.id[:8],
        words.grade(summary.grade, language),
        words.phase(summary.phase, language),
        "–" if one.risk is None else f"{one.risk:g}",
        _moment(summary.onset_ms, at),
        who,
        what,
    ]


@app.command()
def show(incident: Name, config: Config = None, *, as_json: Json = False) -> None:
    """Show one incident: what it is, who has it, and what was done.

    Example:  lifeline incident show 1a439d32
    """
    with seat(config) as at:
        name = at.incident(incident)
        row = at.database.run_now(lambda c: desk.incident_detail(c, name))
        assert row is not None
        if as_json:
            print_json(row)
            return
        one, language = row.summary, at.language
        for line in _line(Queued(summary=one, risk=None), at)[1:]:
            typer.echo(line)
        typer.echo(words.explain(one.lead, language))
        if one.verdict:
            code = words.verdict_code(one.verdict_code, language)
            typer.echo(f"{words.verdict(one.verdict, language)} · {code} · {one.verdict_by}")
        if one.task:
            typer.echo(f"{one.task} · {one.person}")
        for entry in row.audit:
            told = words.reason(entry.reason or entry.action, language)
            typer.echo(
                f"{_moment(entry.at_ms, at)}  {entry.actor or '–'}  {told}  {entry.channel}"
                f"  {entry.note}".rstrip()
            )


@app.command()
def ack(
    incident: Annotated[list[str], typer.Argument(help="One or several ids.")],
    note: Note = "",
    who: Who = "",
    revision: Revision = None,
    config: Config = None,
    *,
    as_json: Json = False,
) -> None:
    """Take incidents in hand: reminders and escalations of them stop.

    Example:  lifeline incident ack 1a439d32 --as li --note "on my way"
    """
    with seat(config) as at:
        actor = at.who(who)
        for one in incident:
            act = Act(
                incident=at.incident(one), action="acknowledge", actor=actor, note=note,
                expected_revision=revision,
            )  # fmt: skip
            at.carry_out(act, as_json=as_json)


@app.command()
def undo(incident: Name, who: Who = "", config: Config = None, *, as_json: Json = False) -> None:
    """Take one's own acknowledgement back, within seconds.

    Example:  lifeline incident undo 1a439d32 --as li
    """
    with seat(config) as at:
        actor = at.who(who)
        act = Act(incident=at.incident(incident), action="undo", actor=actor)
        at.carry_out(act, as_json=as_json)


@app.command()
def verify(
    incident: Name,
    verdict: Annotated[str, typer.Argument(help="true, false, test or unknown.")],
    code: Annotated[str, typer.Argument(help="Why, such as leak, sensor or test-gas.")],
    note: Note = "",
    who: Who = "",
    revision: Revision = None,
    config: Config = None,
    *,
    as_json: Json = False,
) -> None:
    """Say what it is, and why.

    Example:  lifeline incident verify 1a439d32 true leak --as li
    """
    chosen = next((one for one in VERDICT_CODES if one == verdict), None)
    if chosen is None or code not in VERDICT_CODES[chosen]:
        known = "; ".join(f"{one}: {', '.join(codes)}" for one, codes in VERDICT_CODES.items())
        raise fail(f"{verdict} {code}: choose of {known}.")
    with seat(config) as at:
        actor = at.who(who)
        act = Act(
            incident=at.incident(incident), action="verify", actor=actor, note=note,
            verdict=chosen, code=code, expected_revision=revision,
        )  # fmt: skip
        at.carry_out(act, as_json=as_json)


@app.command()
def dispatch(
    incident: Name,
    task: Annotated[str, typer.Option("--task", help="What is to be done.")],
    person: Annotated[str, typer.Option("--person", help="Who goes.")],
    note: Note = "",
    who: Who = "",
    revision: Revision = None,
    config: Config = None,
    *,
    as_json: Json = False,
) -> None:
    """Send somebody with a task.

    Example:  lifeline incident dispatch 1a439d32 --task "close V-31" --person "Li Qiang" --as li
    """
    with seat(config) as at:
        actor = at.who(who)
        act = Act(
            incident=at.incident(incident), action="dispatch", actor=actor, note=note, task=task,
            person=person, expected_revision=revision,
        )  # fmt: skip
        at.carry_out(act, as_json=as_json)


@app.command()
def arrive(
    incident: Name, note: Note = "", who: Who = "", config: Config = None, *, as_json: Json = False
) -> None:
    """Whoever was sent is there.

    Example:  lifeline incident arrive 1a439d32 --as li
    """
    with seat(config) as at:
        act = Act(
            incident=at.incident(incident), action="arrive", actor=at.who(who), note=note,
        )  # fmt: skip
        at.carry_out(act, as_json=as_json)


@app.command()
def close(
    incident: Name,
    note: Annotated[str, typer.Option("--note", help="Why it is closed.")],
    verdict: Annotated[str, typer.Option("--verdict", help="Where nobody has said yet.")] = "",
    code: Annotated[str, typer.Option("--code", help="With --verdict: why.")] = "",
    who: Who = "",
    revision: Revision = None,
    config: Config = None,
    *,
    override: Annotated[
        bool, typer.Option("--override", help="Against the evidence: a second person confirms.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Close it: every sensor must be back in its limits for long enough.

    Example:  lifeline incident close 1a439d32 --note "valve shut, 0 %LEL" --as li
    """
    chosen: Verdict | Literal[""] = next((one for one in VERDICT_CODES if one == verdict), "")
    if verdict and not chosen:
        raise fail(f"--verdict {verdict}: choose of {', '.join(VERDICT_CODES)}.")
    with seat(config) as at:
        actor = at.who(who)
        act = Act(
            incident=at.incident(incident), action="close", actor=actor, note=note,
            verdict=chosen, code=code, override=override, expected_revision=revision,
        )  # fmt: skip
        at.carry_out(act, as_json=as_json)


@app.command()
def note(
    incident: Name,
    text: Annotated[str, typer.Argument(help="What is to be remembered.")],
    who: Who = "",
    config: Config = None,
    *,
    as_json: Json = False,
) -> None:
    """Add a note.

    Example:  lifeline incident note 1a439d32 "gas company informed" --as wang
    """
    with seat(config) as at:
        actor = at.who(who, may_only_note=True)
        act = Act(
            incident=at.incident(incident), action="note", actor=actor, note=text,
        )  # fmt: skip
        at.carry_out(act, as_json=as_json)


@app.command()
def merge(
    incident: Name,
    other: Annotated[str, typer.Argument(help="The one that ends and goes on in the first.")],
    note: Note = "",
    who: Who = "",
    config: Config = None,
    *,
    as_json: Json = False,
) -> None:
    """Let another incident go on in this one.

    Example:  lifeline incident merge 1a439d32 77b0c1aa --as li
    """
    with seat(config) as at:
        actor = at.who(who)
        act = Act(
            incident=at.incident(incident), action="merge", actor=actor, note=note,
            other=at.incident(other),
        )  # fmt: skip
        at.carry_out(act, as_json=as_json)


@app.command()
def split(
    incident: Name,
    alarm: Annotated[list[str], typer.Argument(help="Keys of alarms, as `show --json` has them.")],
    note: Note = "",
    who: Who = "",
    config: Config = None,
    *,
    as_json: Json = False,
) -> None:
    """Let alarms of other places go on in an incident of their own.

    Example:  lifeline incident split 1a439d32 "gas/well-2/ch4|threshold|gas-leak" --as li
    """
    with seat(config) as at:
        actor = at.who(who)
        act = Act(
            incident=at.incident(incident), action="split", actor=actor, note=note,
            alarms=tuple(alarm),
        )  # fmt: skip
        at.carry_out(act, as_json=as_json)


@app.command()
def approve(
    proposal: Annotated[str, typer.Argument(help="Its id; without, what waits is listed.")] = "",
    who: Who = "",
    config: Config = None,
    *,
    as_json: Json = False,
) -> None:
    """Confirm, as the second person, what another asked for.

    Example:  lifeline incident approve --as boss 5f2a91c07d3e
    """
    with seat(config) as at:
        if proposal:
            act = Act(action="approve", actor=at.who(who), proposal=proposal)
            at.carry_out(act, as_json=as_json)
            return
        rows = at.database.run_now(lambda c: board.proposals(c, now(c)))
        if as_json:
            print_json(rows)
            return
        for one in rows:
            what = words.action(one.action, at.language)
            until = _moment(one.expires_ms, at)
            typer.echo(f"{one.id}  {what}  {one.by}  {until}  {one.note}")
