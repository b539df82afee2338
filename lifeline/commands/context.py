"""``lifeline context``: tell a zone's detectors what no sensor says: work, permits, weather."""

import asyncio
from typing import Annotated

import typer

from lifeline import store, wire
from lifeline.commands.outcome import Config, fail, instant, settings_from, spoken, zone_of
from lifeline.config import Kafka
from lifeline.log.service import Publisher, Send
from lifeline.model import Context
from lifeline.telemetry import now_ms

app = typer.Typer(
    no_args_is_help=True,
    help="What a zone must know that no sensor says.  Example:  lifeline context add …",
)


@app.command()
def add(
    zone: Annotated[str, typer.Argument(help="A zone of the catalog, such as gas/heping.")],
    kind: Annotated[str, typer.Argument(help="work-order, permit, hotline, heavy-rain, gale …")],
    until: Annotated[str, typer.Option(help="How long it holds, such as 2026-11-21T18:00+08:00.")],
    detail: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE, as often as you like.")
    ] = None,
    config: Config = None,
) -> None:
    """Put a record among the readings of a zone, in their order; findings name its kind.

    Example:  lifeline context add gas/heping work-order --until 2026-11-21T18:00+08:00
    """
    settings = settings_from(config)
    began_ms = now_ms()
    until_ms = instant(until, zone_of(settings))
    try:
        details = dict(pair.split("=", 1) for pair in detail or ())
    except ValueError as error:
        raise fail(f"{error}: --detail is KEY=VALUE.") from error
    if until_ms <= began_ms:
        raise fail(f"--until {until} has passed.")
    with spoken():
        catalog = store.open_catalog(settings.catalog.compiled)
        if not catalog.lifeline_of(zone):
            known = ", ".join(sorted(name for name, _ in catalog.head.zones)[:5])
            raise fail(f"There is no zone {zone}: the catalog has {known} …", 1)
        record = Context(zone, kind, began_ms, until_ms, dict(details))
        asyncio.run(_send(settings.kafka, record))
    typer.echo(f"{zone} knows of {kind} until {until}.")


async def _send(kafka: Kafka, record: Context) -> None:
    publisher = Publisher(kafka, "lifeline-context")
    partition = wire.partition_of(record.zone, kafka.partitions)
    headers = [("schema", wire.CONTEXT_SCHEMA)]
    one = Send(wire.READINGS, partition, None, wire.encode_context(record), headers)
    try:
        await publisher.send([one], attempts=1)
    finally:
        await publisher.stop()
