"""The commands that run one service each, until they are told to stop."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
import structlog
import typer
import uvloop

from lifeline import store, telemetry
from lifeline.catalog import Catalog
from lifeline.commands.outcome import Config, fail, settings_from, spoken
from lifeline.config import Settings
from lifeline.stack.processes import step_back
from lifeline.telemetry import Health

Log = structlog.stdlib.BoundLogger
Body = Callable[[Settings, Catalog, Health, Log, asyncio.Event], Awaitable[None]]


def ingest(
    config: Config = None,
    instance: Annotated[
        int | None, typer.Option(help="Its number, fixed; else ingest.instance. Two must differ.")
    ] = None,
) -> None:
    """Run ingest: MQTT in, readings on Kafka, then the acknowledgement.

    Several may run, each with its own --instance.

    Example:  lifeline ingest --instance 1
    """
    from ingest.service import run as body

    run("ingest", config, body, instance)


def detect(config: Config = None) -> None:
    """Run a detect worker: readings in, findings out.

    Several may run; Kafka deals the partitions out.

    Example:  lifeline detect
    """
    from streams.detect.service import run as body

    run("detect", config, body)


def archive(config: Config = None) -> None:
    """Run an archive worker: every reading into TimescaleDB, exactly once.

    Example:  lifeline archive
    """
    from streams.archive.service import run as body

    step_back(0)
    run("archive", config, body)


def router(config: Config = None) -> None:
    """Run the router: findings into alarms, incidents and notices.

    Example:  lifeline router
    """
    from alerting.service import run as body

    run("router", config, body)


def watchdog(config: Config = None) -> None:
    """Run the watchdog: the canary through the whole chain, and a voice when it is missing.

    Example:  lifeline watchdog
    """
    from watchdog.service import run as body

    run("watchdog", config, body)


def console(config: Config = None) -> None:
    """Run the duty officer's console: pages and API.

    Example:  lifeline console
    """
    from alerting.console.app import run as body

    run("console", config, body)


def run(name: str, config: str | None, body: Body, instance: int | None = None) -> None:
    """Runs a service in this process: settings, catalog, logs, metrics, signals, exit status."""
    settings = settings_from(config)
    if instance is not None:
        ingest_settings = msgspec.structs.replace(settings.ingest, instance=instance)
        settings = msgspec.structs.replace(settings, ingest=ingest_settings)
    with spoken():
        catalog = store.open_catalog(settings.catalog.compiled)
        log = telemetry.configure(settings.telemetry, name)
        uvloop.run(_serve(name, settings, catalog, log, body))


async def _serve(name: str, settings: Settings, catalog: Catalog, log: Log, body: Body) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    health = Health()
    instance = settings.ingest.instance if name == "ingest" else 0
    port = telemetry.port_of(settings.telemetry, name, instance)
    try:
        server = await telemetry.serve(port, health)
    except OSError as error:
        raise fail(
            f"{name}: port {port} on loopback is taken ({error.strerror}); is {name} running"
            " already? Set telemetry.port or LIFELINE_TELEMETRY_PORT."
        ) from error
    watch = asyncio.create_task(telemetry.watch_loop(health))
    log.info("service starting", port=port, catalog=catalog.digest)
    telemetry.settle_memory()
    try:
        await body(settings, catalog, health, log, stop)
    finally:
        watch.cancel()
        server.close()
        log.info("service stopped")
