"""``lifeline up``: every service of one machine, supervised."""

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from lifeline.commands.outcome import Config, settings_from
from lifeline.commands.supervisor import Supervisor, environment, lifeline_command

SERVICES = ("ingest", "detect", "archive", "router", "watchdog", "console")
TEND_S = 0.1


def up(
    config: Config = None,
    services: Annotated[str, typer.Option(help="Which, separated by commas.")] = ",".join(SERVICES),
    logs: Annotated[Path, typer.Option(help="Folder of the services' logs.")] = Path(
        ".lifeline/log"
    ),
) -> None:
    """Run the services of this machine: restart what ends, stop all in order on Ctrl-C.

    The servers must be there: `lifeline stack up`, or your own; `lifeline migrate` comes first.

    Example:  lifeline up --services ingest,detect,router
    """
    settings_from(config)  # A wrong setting is one sentence here, not six in six logs.
    wanted = [name.strip() for name in services.split(",") if name.strip()]
    unknown = sorted(set(wanted) - set(SERVICES))
    if unknown:
        typer.secho(
            f"There is no service {unknown[0]}: take from {', '.join(SERVICES)}.",
            err=True,
            fg="red",
        )
        raise typer.Exit(2)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    supervisor = Supervisor(_say)
    words = ["--config", config] if config else []
    for name in wanted:
        supervisor.add(name, lifeline_command(name, *words), logs / f"{name}.log", environment({}))
        _say(name, f"started, log {logs / f'{name}.log'}")
    while not stop.wait(TEND_S):
        supervisor.tend()
    supervisor.stop()
    typer.echo("Everything that was started here has stopped.")


def _say(name: str, text: str) -> None:
    typer.echo(f"{name:10} {text}")
