"""``lifeline incident``: the queue and what is done with it, as a console user, from a terminal."""

from typing import Annotated

import msgspec
import typer

from alerting.actions import Act
from alerting.board import store as board
from alerting.board.rows import Queued, Sift
from alerting.desk import store as desk
from alerting.hotline import store as hotline
from alerting.hotline.calls import Heard, Taken
from alerting.incidents import LIVE, VERDICT_CODES, Verdict
from alerting.incidents import TRANSITIONS as PHASES
from alerting.store import now
from lifeline import words
from lifeline.commands.outcome import Config, Json, fail, print_json
from lifeline.commands.seat import CHANNEL, Name, Note, Seat, Who, act, columns, seat

app = typer.Typer(
    no_args_is_help=True,
    help="The queue, and what is done with an incident.  Example:  lifeline incident list",
)
Revision = Annotated[
    int | None, typer.Option("--revision", help="Only if nothing has changed since that one.")
]
WIDTHS = (8, 12, 14, 8, 19, 16)


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
        at.settings.grading.word(summary.grade, language),
        words.phase(summary.phase, language),
        "–" if one.risk is None else f"{one.risk:g}",
        at.moment(summary.onset_ms),
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
                f"{at.moment(entry.at_ms)}  {entry.actor or '–'}  {told}  {entry.channel}"
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
    wanted = [
        Act(incident=one, action="acknowledge", actor=who, note=note, expected_revision=revision)
        for one in incident
    ]
    act(config, *wanted, as_json=as_json)


@app.command()
def undo(incident: Name, who: Who = "", config: Config = None, *, as_json: Json = False) -> None:
    """Take one's own acknowledgement back, within seconds.

    Example:  lifeline incident undo 1a439d32 --as li
    """
    act(config, Act(incident=incident, action="undo", actor=who), as_json=as_json)


@app.command()
def verify(
    incident: Name,
    verdict: Annotated[Verdict, typer.Argument(help="What it is.")],
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
    if code not in VERDICT_CODES[verdict]:
        raise fail(f"{verdict} {code}: choose of {', '.join(VERDICT_CODES[verdict])}.")
    wanted = Act(
        incident=incident, action="verify", actor=who, note=note, verdict=verdict, code=code,
        expected_revision=revision,
    )  # fmt: skip
    act(config, wanted, as_json=as_json)


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
    wanted = Act(
        incident=incident, action="dispatch", actor=who, note=note, task=task, person=person,
        expected_revision=revision,
    )  # fmt: skip
    act(config, wanted, as_json=as_json)


@app.command()
def arrive(
    incident: Name, note: Note = "", who: Who = "", config: Config = None, *, as_json: Json = False
) -> None:
    """Whoever was sent is there.

    Example:  lifeline incident arrive 1a439d32 --as li
    """
    act(config, Act(incident=incident, action="arrive", actor=who, note=note), as_json=as_json)


@app.command()
def close(
    incident: Name,
    note: Annotated[str, typer.Option("--note", help="Why it is closed.")],
    verdict: Annotated[
        Verdict | None, typer.Option("--verdict", help="Where nobody has said yet.")
    ] = None,
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
    wanted = Act(
        incident=incident, action="close", actor=who, note=note, verdict=verdict or "", code=code,
        override=override, expected_revision=revision,
    )  # fmt: skip
    act(config, wanted, as_json=as_json)


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
    act(config, Act(incident=incident, action="note", actor=who, note=text), as_json=as_json)


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
    wanted = Act(incident=incident, action="merge", actor=who, note=note, other=other)
    act(config, wanted, as_json=as_json)


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
    wanted = Act(incident=incident, action="split", actor=who, note=note, alarms=tuple(alarm))
    act(config, wanted, as_json=as_json)


@app.command("open")
def opening(
    said: Annotated[str, typer.Argument(help="What the caller said, in his words.")],
    kind: Annotated[str, typer.Option(help="What is told of: gas-smell, steam …")] = "gas-smell",
    asset: Annotated[str, typer.Option(help="The asset, where it is known.")] = "",
    zone: Annotated[str, typer.Option(help="The zone, where nobody can say more.")] = "",
    at_position: Annotated[str, typer.Option("--at", help="Longitude,latitude, where known.")] = "",
    ticket: Annotated[str, typer.Option(help="The hotline's number: one call each.")] = "",
    who: Who = "",
    config: Config = None,
    *,
    as_json: Json = False,
) -> None:
    """Open an incident of what somebody told on the telephone.

    Example:  lifeline incident open "gas, strong, by the school" --zone gas/heping --as li
    """
    with seat(config) as at:
        body = {"kind": kind, "said": said, "asset": asset, "zone": zone, "ticket": ticket}
        try:
            where = [float(part) for part in at_position.split(",")] if at_position else None
            heard = msgspec.convert(body | {"position": where}, Heard)
        except ValueError as error:
            raise fail(str(error)) from error
        actor = at.who(who)
        done = at.written(
            lambda c, wording: hotline.take(
                c, wording, heard, actor=actor, channel=CHANNEL, now_ms=now(c)
            )
        )
        _tell(at, done, as_json=as_json)


@app.command("end-call")
def end_call(
    name: Name, note: Note = "", who: Who = "", config: Config = None, *, as_json: Json = False
) -> None:
    """Say what was found where the caller smelled or saw it.

    Example:  lifeline incident end-call 1a439d32 --note "0 %LEL in four wells" --as li
    """
    with seat(config) as at:
        actor, incident = at.who(who), at.incident(name)
        done = at.written(
            lambda c, wording: hotline.end(
                c, wording, incident, actor=actor, note=note, channel=CHANNEL, now_ms=now(c)
            )
        )
        _tell(at, done, as_json=as_json)


def _tell(at: Seat, done: Taken, *, as_json: bool) -> None:
    if done.code not in ("call-taken", "call-known", "call-ended"):
        raise fail(words.refusal(done.code, at.language), 1)
    if as_json:
        print_json({"code": done.code, "incident": done.incident})
        return
    typer.echo(f"{words.reason(done.code, at.language)}: {done.incident}")


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
    if proposal:
        act(config, Act(action="approve", actor=who, proposal=proposal), as_json=as_json)
        return
    with seat(config) as at:
        rows = at.database.run_now(lambda c: board.proposals(c, now(c)))
        if as_json:
            print_json(rows)
            return
        for one in rows:
            what = words.action(one.action, at.language)
            until = at.moment(one.expires_ms)
            typer.echo(f"{one.id}  {what}  {one.by}  {until}  {one.note}")
