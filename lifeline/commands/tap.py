"""``lifeline tap TOPIC``: what flows on a topic, as JSON that a person can read."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
import typer

from lifeline import wire
from lifeline.commands.outcome import Config, fail, settings_from, spoken
from lifeline.config import Kafka
from lifeline.log.service import Reader, Record, check_topics

NAMES = {topic.removeprefix("lifeline."): topic for topic in wire.TOPICS}


def tap(
    topic: Annotated[
        str, typer.Argument(help=f"One of {', '.join(NAMES)}, with or without lifeline.")
    ],
    config: Config = None,
    from_start: Annotated[bool, typer.Option(help="From the oldest record kept.")] = False,
    limit: Annotated[
        int, typer.Option("-c", "--count", help="End after so many records; 0: never.")
    ] = 0,
    seconds: Annotated[float, typer.Option(help="End after so many seconds; 0: never.")] = 0.0,
    ticks: Annotated[
        bool, typer.Option(help="Show the empty batches that carry the clock, too.")
    ] = False,
) -> None:
    """Print a topic's records as JSON lines: key, headers, and the value in our own words.

    Reads beside the services and moves nobody's offset.

    Example:  lifeline tap findings --count 1
    """
    name = NAMES.get(topic.removeprefix("lifeline."))
    if name is None:
        raise fail(f"There is no topic {topic}: take one of {', '.join(NAMES)}.")
    settings = settings_from(config)
    with spoken():
        asyncio.run(_print(settings.kafka, name, from_start, limit, seconds, ticks))


async def _print(
    kafka: Kafka, topic: str, from_start: bool, limit: int, seconds: float, ticks: bool
) -> None:
    await check_topics(kafka, [topic])
    records = Reader(kafka, "lifeline-tap").follow(topic, from_start=from_start)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds or None), contextlib.aclosing(records):
            await _follow(records, limit, ticks=ticks)


async def _follow(records: AsyncIterator[Record], limit: int, *, ticks: bool) -> None:
    shown = 0
    async for record in records:
        line = readable(record)
        if not ticks and line["value"].get("readings") == []:
            continue
        typer.echo(json.dumps(line, ensure_ascii=False))
        shown += 1
        if shown == limit:
            return


def readable(record: Record) -> dict[str, Any]:
    """A record as plain values; what cannot be read is shown as base64 with the reason."""
    headers = {key: value.decode("utf-8", "replace") for key, value in record.headers}
    try:
        value = _value(record.topic, headers.get("schema", ""), record.value)
    except wire.Malformed as error:
        value = {"unreadable": str(error), "base64": base64.b64encode(record.value).decode()}
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "key": record.key.decode("utf-8", "replace") if record.key else None,
        "headers": headers,
        "value": value,
    }


def _value(topic: str, schema: str, payload: bytes) -> dict[str, Any]:
    if schema == wire.CONTEXT_SCHEMA.decode():
        return _builtin(wire.decode_context(payload))
    if topic == wire.READINGS:
        batch = wire.decode_batch(payload)
        names = [batch.channels[i] for i in batch.channel]
        columns = zip(names, batch.at_ms, batch.value, batch.quality, strict=True)
        return {
            "received_ms": batch.received_ms,
            "messages": msgspec.to_builtins(batch.messages),
            "readings": [[c, int(t), _finite(float(v)), int(q)] for c, t, v, q in columns],
        }
    if topic == wire.FINDINGS:
        return _builtin(wire.decode_finding(payload))
    if topic == wire.REJECTS:
        return _builtin(wire.decode_reject(payload))
    if topic == wire.WAVES:
        shown = _builtin(wire.decode_wave(payload))
        return {**shown, "samples": f"{shown['n']} samples"}
    decoded: dict[str, Any] = msgspec.json.decode(payload)
    return decoded


def _finite(value: float) -> float | str:
    return value if value - value == 0 else str(value)


def _builtin(value: msgspec.Struct) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(value)
    return plain
