"""``lifeline drill``: exercises on the real chain, begun, played, ended and scored."""

import getpass
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from alerting.drill import report as reports
from alerting.drill import scenarios, service, store
from alerting.drill.report import DrillReport
from alerting.drill.running import Drill, Refusal
from alerting.people.times import clock
from alerting.store import now
from lifeline import wire
from lifeline.commands.outcome import (
    Config,
    Json,
    Tongue,
    connected,
    fail,
    language_of,
    print_json,
    settings_from,
    spoken,
    zone_of,
)
from lifeline.config import Settings
from lifeline.db import Database
from lifeline.errors import Unavailable
from lifeline.store import open_catalog
from lifeline.words import Language

if TYPE_CHECKING:
    from simulators.city import City

app = typer.Typer(
    no_args_is_help=True,
    help="Exercises: real chain, marked throughout, scored at the end."
    "  Example:  lifeline drill start gas-leak",
)
POLL_S = 1.0
PLAYING = 2
"""Connections while readings are sent: it is watched meanwhile whether the exercise goes on."""
REPAIRED_S = 120.0
"""What was planted ends so long before the exercise, that its alarms can clear."""


@app.command("list")
def listing(config: Config = None, as_json: Json = False) -> None:
    """List what can be played.

    Example:  lifeline drill list
    """
    settings = settings_from(config)
    with spoken():
        known = service.read_scenarios(settings)
    if as_json:
        print_json(list(known.values()))
        return
    for one in known.values():
        typer.echo(f"{one.name:20} {one.minutes:4} min  {one.title.en} / {one.title.zh}")


@app.command()
def start(
    scenario: Annotated[str, typer.Argument(help="See `lifeline drill list`.")] = "free",
    minutes: Annotated[
        int | None, typer.Option(min=1, max=scenarios.MINUTES_MAX, help="How long; else its own.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed makes the same readings.")] = 1,
    play_it: Annotated[
        bool, typer.Option("--play/--no-play", help="Whether this command sends the readings.")
    ] = True,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Begin an exercise and send its readings until it ends; Ctrl-C ends it.

    Refused with exit status 1 while a real incident of the top grade is open.

    Example:  lifeline drill start gas-leak --minutes 15
    """
    settings, who = settings_from(config), getpass.getuser()
    with spoken():
        known = service.read_scenarios(settings)
        if scenario not in known:
            raise fail(f"There is no exercise {scenario}: take one of {', '.join(known)}.")
        chosen = known[scenario]
        catalog = open_catalog(settings.catalog.compiled)
        problems = scenarios.problems_with(chosen, catalog)
    if problems:
        raise fail("\n".join(problems))
    with connected(settings, PLAYING) as database:
        made = database.run_now(
            lambda c: store.start(c, chosen, service.new_id(), actor=who, minutes=minutes)
        )
        if isinstance(made, Refusal):
            raise fail(made.why.said(language_of(settings)), 1)
        _told(settings, made, as_json=as_json)
        if chosen.event and play_it:
            _play(settings, database, made, seed)


@app.command()
def play(
    seed: Annotated[int, typer.Option(help="The same seed makes the same readings.")] = 1,
    once: Annotated[bool, typer.Option("--once", help="End after one exercise.")] = False,
    config: Config = None,
) -> None:
    """Send the readings of exercises that others begin, such as the console; until stopped.

    Example:  lifeline drill play
    """
    settings = settings_from(config)
    with connected(settings, PLAYING) as database:
        while True:
            drill = database.run_now(store.current)
            if drill is not None and drill.played_ms is None and drill.scenario.event:
                _play(settings, database, drill, seed)
                if once:
                    return
            time.sleep(POLL_S)


def _play(settings: Settings, database: Database, drill: Drill, seed: int) -> None:
    from simulators.service import Sending, run_devices

    if not database.run_now(lambda c: store.played(c, drill.id)):
        raise fail(f"The readings of {drill.id} are sent by somebody else.", 1)
    left_s = max(1.0, (drill.ends_ms - database.run_now(now)) / 1000)
    source = city_of(settings, drill, left_s, seed, time.time_ns() // 1_000_000)
    ended = threading.Event()
    interrupted = threading.Event()

    def interrupt(*_: object) -> None:
        interrupted.set()
        ended.set()

    before = {n: signal.signal(n, interrupt) for n in (signal.SIGINT, signal.SIGTERM)}
    watcher = threading.Thread(target=_watch, args=(database, drill, ended), daemon=True)
    watcher.start()
    sending = Sending(
        settings.mqtt, root=wire.MQTT_DRILL_ROOT, client_id=f"lifeline-drill-{drill.id}",
        seconds=left_s, drain_s=5.0,
    )  # fmt: skip
    try:
        sent = run_devices(sending, source, source.devices, stop=ended)
    finally:
        ended.set()
        watcher.join(5 * POLL_S)
        for number, handler in before.items():
            signal.signal(number, handler)
    if interrupted.is_set():
        database.run_now(lambda c: store.stop(c, actor=getpass.getuser()))
    if not sent.connects:
        raise fail("The broker took no connection: nothing of the exercise was sent.")
    typer.echo(f"{sent.acked} messages of the exercise taken in")


def _watch(database: Database, drill: Drill, ended: threading.Event) -> None:
    """Ends the sending when the exercise ends: by hand, or because something real happens."""
    while not ended.wait(POLL_S):
        # Without PostgreSQL nobody can end it; its own time still does.
        with suppress(Unavailable):
            running = database.run_now(store.current)
            if running is None or running.id != drill.id:
                ended.set()


def city_of(settings: Settings, drill: Drill, left_s: float, seed: int, now_ms: int) -> "City":
    """The devices of the exercise's lifeline, and what is planted there."""
    import numpy as np

    from simulators import city
    from simulators.base import Scenario

    catalog = open_catalog(settings.catalog.compiled)
    devices = [d for d in catalog.devices() if d.lifeline == drill.scenario.lifeline]
    planted = tuple(
        Scenario(event.what, event.at_s, max(event.at_s + 1.0, left_s - REPAIRED_S), event.asset,
                 event.size)
        for event in drill.scenario.event
    )  # fmt: skip
    return city.build_city(devices, np.random.default_rng(seed), now_ms, scenarios=planted)


@app.command()
def stop(config: Config = None, as_json: Json = False) -> None:
    """End the exercise that runs; a router puts away what is open and makes the report.

    Example:  lifeline drill stop
    """
    settings, who = settings_from(config), getpass.getuser()
    with connected(settings) as database:
        drill = database.run_now(lambda c: store.stop(c, actor=who))
    if drill is None:
        raise fail("No exercise runs.", 1)
    if as_json:
        print_json(drill)
    else:
        typer.echo(f"{drill.id} ends; `lifeline drill report` shows what it was worth")


@app.command()
def status(config: Config = None, as_json: Json = False) -> None:
    """Say whether an exercise runs; exit status 1 when none does.

    Example:  lifeline drill status
    """
    settings = settings_from(config)
    with connected(settings) as database:
        drill = database.run_now(store.current)
    if as_json:
        print_json(drill)
    elif drill is not None:
        _told(settings, drill, as_json=False)
    else:
        typer.echo("No exercise runs.")
    if drill is None:
        raise typer.Exit(1)


def _told(settings: Settings, drill: Drill, *, as_json: bool) -> None:
    if as_json:
        print_json(drill)
        return
    until = clock(drill.ends_ms, zone_of(settings))
    title = drill.scenario.title
    typer.echo(f"【演练】{title.zh} / [EXERCISE] {title.en}: {drill.id}, until {until}")


@app.command()
def report(
    drill: Annotated[str, typer.Argument(help="Its id; the last one's without.")] = "",
    language: Tongue = None,
    html: Annotated[bool, typer.Option("--html", help="A page to print.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Print what an exercise was worth, each point with its reason.

    Example:  lifeline drill report --html --language zh > report.html
    """
    settings = settings_from(config)
    with connected(settings) as database:
        made = database.run_now(lambda c: store.report_of(c, drill))
    if made is None:
        raise fail("There is no such report; a router makes it when the exercise ends.", 1)
    tongue = language_of(settings, language)
    if as_json:
        print_json(made)
    elif html:
        zone = zone_of(settings)
        typer.echo(reports.as_html(made, tongue, zone, settings.grading))
    else:
        typer.echo("\n".join(_lines(made, tongue)))


def _lines(made: DrillReport, language: Language) -> Iterator[str]:
    title = made.scenario.title.said(language)
    points = "–" if made.score.points is None else f"{made.score.points:g}"
    yield f"{title}: {points} / 100"
    for one in made.score.scored:
        yield f"  {one.course.hazard} {one.course.asset}: {one.points:g}"
        for mark in one.marks:
            why = mark.why.said(language)
            yield f"    {mark.aspect:14}{mark.points:6g} / {mark.of:g}  {why}"
