"""``lifeline roster``: who is reached, whether somebody always is, and trying it."""

from collections.abc import Iterator
from typing import Annotated

import structlog
import typer

from alerting.notices import Wording
from alerting.people import check as checks
from alerting.people import service, store, times
from alerting.people.reading import RosterError
from alerting.people.roster import Roster
from alerting.people.words import ANSWERS, WHOM, say
from alerting.store import now
from lifeline.commands.outcome import (
    Config,
    Json,
    Tongue,
    connected,
    fail,
    instant,
    language_of,
    print_json,
    settings_from,
)
from lifeline.config import Settings
from lifeline.telemetry import now_ms
from lifeline.words import Language, joined

app = typer.Typer(
    no_args_is_help=True,
    help="Who is on duty, who would be reached, and a page to try it."
    "  Example:  lifeline roster check",
)


def roster_from(settings: Settings) -> Roster:
    """The roster, or the sentences that say what is wrong with it."""
    if not settings.people.roster:
        raise fail("people.roster is empty: nobody is paged.", 1)
    try:
        return service.read_roster(settings)
    except RosterError as error:
        raise fail("\n".join(error.problems), 1) from error


@app.command()
def check(
    config: Config = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="How far ahead.")] = 14,
    language: Tongue = None,
    as_json: Json = False,
) -> None:
    """Refuse a roster in which nobody would be reached, now or at any hour of the days to come.

    Exit status 1 if somebody should be reached and would not be; a note is worth reading.

    Example:  lifeline roster check --days 14
    """
    settings = settings_from(config)
    roster = roster_from(settings)
    problems = checks.check(roster, now_ms(), days)
    if as_json:
        print_json(problems)
    else:
        tongue = language_of(settings, language)
        for problem in problems:
            mark = say(ANSWERS, "bad" if problem.is_grave else "note", tongue)
            typer.echo(f"{mark} {problem.sentence(tongue)}")
        if not problems:
            people, desks = str(len(roster.persons)), str(len(roster.desks))
            typer.echo(say(ANSWERS, "fine", tongue, people=people, desks=desks, days=str(days)))
    if checks.is_refused(problems):
        raise typer.Exit(1)


@app.command()
def who(
    config: Config = None,
    at: Annotated[str, typer.Option(help="City's time, as 2026-11-30T03:00; now.")] = "",
    desk: Annotated[str, typer.Option(help="One desk alone.")] = "",
    language: Tongue = None,
    as_json: Json = False,
) -> None:
    """Show who is on duty, and who would be called for each grade, step by step.

    Example:  lifeline roster who --desk gas --at 2026-11-30T03:00
    """
    settings = settings_from(config)
    roster, tongue = roster_from(settings), language_of(settings, language)
    at_ms = instant(at, roster.zone) if at else now_ms()
    if desk and desk not in roster.desks:
        raise fail(f"--desk {desk}: the roster has {', '.join(roster.desks)}.")
    names = [desk] if desk else list(roster.desks)
    rows = [row for name in names for row in _steps(roster, name, at_ms, tongue)]
    if as_json:
        print_json({"at": times.clock(at_ms, roster.zone), "steps": rows})
        return
    typer.echo(f"{times.clock(at_ms, roster.zone)} {roster.rota.timezone}")
    nobody = say(ANSWERS, "nobody", tongue)
    for name in names:
        people = joined(roster.on_duty(name, at_ms), tongue) or nobody
        typer.echo(say(ANSWERS, "on-duty", tongue, desk=name, people=people))
        for row in rows:
            if row["desk"] == name:
                whom = say(WHOM, str(row["whom"]), tongue)
                typer.echo(
                    f"  {row['grade']} {row['title']} +{row['after_s']:>4} s {whom:<12}"
                    f" {row['told'] or nobody}"
                )


def _steps(
    roster: Roster, desk: str, at_ms: int, language: Language
) -> Iterator[dict[str, object]]:
    for grade, chain in sorted(roster.chains.items()):
        for number, step in enumerate(chain.steps):
            then_ms = at_ms + step.after_s * 1000
            reach = roster.reach(desk, grade, number, then_ms)
            ways: dict[str, list[str]] = {}
            for one in reach.recipients:
                ways.setdefault(one.person, []).append(one.target)
            told = ", ".join(f"{person} ({' '.join(by)})" for person, by in ways.items())
            if step.whom == "list":
                told = say(WHOM, "list", language)
            yield {
                "desk": desk,
                "grade": grade,
                "title": roster.grades.word(grade, language),
                "step": number,
                "after_s": step.after_s,
                "whom": step.whom,
                "told": told,
                "taken": reach.step,
                "is_last_resort": reach.is_last_resort,
            }


@app.command()
def page(
    person: Annotated[str, typer.Argument(help="Whom; his name in the roster.")] = "",
    config: Config = None,
    everybody: Annotated[bool, typer.Option("--all", help="Everybody of the roster.")] = False,
    as_json: Json = False,
) -> None:
    """Send a test page, by every way that the roster tries; the router takes it out.

    Example:  lifeline roster page gas-officer-1
    """
    settings = settings_from(config)
    roster = roster_from(settings)
    if bool(person) == everybody:
        raise fail("Name one person, or say --all.")
    if person and person not in roster.persons:
        raise fail(f"{person} is no person of the roster: {', '.join(roster.persons)}.")
    people = list(roster.persons.values()) if everybody else [roster.persons[person]]
    with connected(settings) as database:
        duty = service.Duty(settings, Wording(None, settings.router), structlog.get_logger())
        paging = duty.paging
        assert paging is not None
        at_ms = database.run_now(now)
        run = f"page-{times.civil(at_ms, roster.zone):%Y-%m-%dT%H:%M:%S}-{person or 'all'}"
        link_s = settings.people.link_h * 3600
        pushes = database.run_now(lambda c: store.send_tests(c, paging, people, run, at_ms, link_s))
    if as_json:
        told = [{"person": push.person, "target": push.target} for push in pushes]
        print_json({"run": run, "pages": told})
    else:
        for push in pushes:
            typer.echo(f"{push.person:<24} {push.target}")
        typer.echo(f"{len(pushes)} pages in line: `lifeline roster receipts {run}`")
    missing = [one.name for one in people if one.name not in {push.person for push in pushes}]
    if missing:
        raise fail(
            f"No way of his own to reach {', '.join(missing)} by: see `lifeline roster check`.", 1
        )


@app.command()
def receipts(
    run: Annotated[str, typer.Argument(help="The run that `page` named; the newest.")] = "",
    config: Config = None,
    language: Tongue = None,
    as_json: Json = False,
) -> None:
    """Show who has confirmed a test page, those who have not first; status 1 if one is late.

    Example:  lifeline roster receipts
    """
    settings = settings_from(config)
    with connected(settings) as database:
        rows = database.run_now(lambda c: store.receipts(c, run))
    if as_json:
        print_json(rows)
    else:
        tongue = language_of(settings, language)
        for row in rows:
            state = "confirmed" if row.seen_ms else "late" if row.is_late else "waiting"
            sent = "delivered" if row.delivered_ms else "in-line"
            how = row.code if row.code and not row.delivered_ms else say(ANSWERS, sent, tongue)
            seen = say(ANSWERS, state, tongue)
            typer.echo(f"{row.person:<24} {row.target:<12} {how:<24} {seen}")
        typer.echo(
            say(ANSWERS, "pages", tongue, n=str(len(rows)), run=rows[0].run)
            if rows
            else say(ANSWERS, "no-pages", tongue)
        )
    if any(row.is_late for row in rows):
        raise typer.Exit(1)
