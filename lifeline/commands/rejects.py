"""``lifeline rejects``: what could not be used, and a second look with a mended catalog."""

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
import typer

from alerting.people.times import moment
from ingest.batch import Sealed
from ingest.intake import Intake
from ingest.quality import Directory, Window
from ingest.replay import Replay
from lifeline import store, telemetry, wire
from lifeline.catalog import Catalog
from lifeline.commands.outcome import (
    Config,
    Json,
    instant,
    print_json,
    settings_from,
    spoken,
    zone_of,
)
from lifeline.config import Kafka, Settings
from lifeline.log.service import Publisher, Reader, Send, check_topics

app = typer.Typer(
    no_args_is_help=True,
    help="What could not be used, and a second look at it.  Example:  lifeline rejects list",
)

ReasonOption = Annotated[str, typer.Option(help="Only this reason, such as unknown-channel.")]
DeviceOption = Annotated[str, typer.Option(help="Only what this device sent.")]
TopicOption = Annotated[str, typer.Option(help="Only this MQTT topic.")]
SinceOption = Annotated[str, typer.Option(help="Not before, such as 2026-11-21T09:00+08:00.")]
UntilOption = Annotated[str, typer.Option(help="Before this moment.")]


class Filter(msgspec.Struct, frozen=True):
    """Which rejects are meant."""

    reason: str = ""
    device: str = ""
    topic: str = ""
    since_ms: int = 0
    until_ms: int = 2**62

    def admits(self, reject: wire.Reject) -> bool:
        """Whether this one is."""
        return (
            self.reason in ("", reject.reason)
            and self.device in ("", reject.device)
            and self.topic in ("", reject.topic)
            and self.since_ms <= reject.received_ms < self.until_ms
        )


class Kept(msgspec.Struct, frozen=True):
    """A reject and where it lies; ``mark`` names it for ever, also when topics are made anew."""

    mark: str
    reject: wire.Reject


@app.command("list")
def list_(
    config: Config = None,
    reason: ReasonOption = "",
    device: DeviceOption = "",
    topic: TopicOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    limit: Annotated[int, typer.Option("-c", "--count", help="At most so many; 0: all.")] = 0,
    as_json: Json = False,
) -> None:
    """Show what was refused, oldest first, with the reason and the first bytes.

    Example:  lifeline rejects list --reason unknown-channel --json
    """
    settings = settings_from(config)
    chosen = _filter(zone_of(settings), reason, device, topic, since, until)
    with spoken():
        found = asyncio.run(_collect(settings.kafka, chosen, limit))
    if as_json:
        print_json([_plain(kept) for kept in found])
        return
    zone = zone_of(settings)
    for kept in found:
        said = kept.reject
        at = moment(said.received_ms, zone)
        typer.echo(f"{at}  {said.reason:16} {said.topic}  {said.detail}")
        typer.echo(f"{'':27}{said.payload[:100]!r}")
    reasons = Counter(kept.reject.reason for kept in found)
    typer.echo(f"{len(found)} rejects: {dict(reasons.most_common())}" if found else "No rejects.")


@app.command("replay")
def replay(
    config: Config = None,
    reason: ReasonOption = "",
    device: DeviceOption = "",
    topic: TopicOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    again: Annotated[
        bool, typer.Option("--all", help="Those too that were replayed before; changes nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Send quarantined originals through the same checks again, and on to Kafka what passes now.

    Times are judged as of when the message came.  What is still refused stays where it is.

    Example:  lifeline rejects replay --reason unknown-device
    """
    settings = settings_from(config)
    chosen = _filter(zone_of(settings), reason, device, topic, since, until)
    with spoken():
        catalog = store.open_catalog(settings.catalog.compiled)
        report = asyncio.run(_replay(settings, catalog, chosen, again=again))
    if as_json:
        print_json(report)
        return
    typer.echo(
        f"{report['looked_at']} rejects looked at: {report['accepted']} accepted now with"
        f" {report['readings']} readings, {report['refused']} refused still"
        f" {report['reasons']}, {report['before']} replayed before."
    )


def _filter(zone: ZoneInfo, reason: str, device: str, topic: str, since: str, until: str) -> Filter:
    times = {
        name: instant(text, zone)
        for name, text in (("since_ms", since), ("until_ms", until))
        if text
    }
    return Filter(reason, device, topic, **times)


def _plain(kept: Kept) -> dict[str, Any]:
    said: dict[str, Any] = msgspec.to_builtins(kept.reject)
    said["text"] = kept.reject.payload[:2000].decode("utf-8", "replace")
    return {"mark": kept.mark, **said}


async def _collect(kafka: Kafka, chosen: Filter, limit: int) -> list[Kept]:
    found = [kept async for kept in _read(kafka, chosen)]
    found.sort(key=lambda kept: kept.reject.received_ms)
    return found[: limit or None]


async def _read(kafka: Kafka, chosen: Filter) -> AsyncIterator[Kept]:
    """Every reject that is on the topic now and is meant; ends at what was its end at the start."""
    await check_topics(kafka, [wire.REJECTS])
    reader = Reader(kafka, "lifeline-rejects")
    ends = await reader.ends(wire.REJECTS, range(kafka.partitions))
    for partition, (first, last) in ends.items():
        async for records in reader.read(wire.REJECTS, partition, first, last):
            for record in records:
                # A record of another make on this topic is nobody's message.
                with contextlib.suppress(wire.Malformed):
                    reject = wire.decode_reject(record.value)
                    if chosen.admits(reject):
                        yield Kept(f"{partition} {record.offset} {record.written_ms}", reject)


async def _replay(
    settings: Settings, catalog: Catalog, chosen: Filter, *, again: bool
) -> dict[str, Any]:
    directory = Directory(catalog, settings.kafka.partitions)
    intake = Intake(directory, Window.of(settings.ingest))
    book = Path(settings.catalog.compiled).with_name("rejects-replayed.txt")
    done = set(book.read_text(encoding="utf-8").splitlines()) if book.exists() else set()
    second = Replay(intake, settings.ingest.batch_bytes)
    report: dict[str, Any] = dict.fromkeys(
        ("looked_at", "accepted", "readings", "refused", "before"), 0
    )
    reasons: Counter[str] = Counter()
    accepted: list[str] = []
    publisher = Publisher(settings.kafka, "lifeline-rejects")
    try:
        async for kept in _read(settings.kafka, chosen):
            if kept.mark in done and not again:
                report["before"] += 1
                continue
            report["looked_at"] += 1
            found, full = second.look(kept.reject, telemetry.now_ms())
            for partition, wave in found.waves:
                headers = wire.headers(wire.WAVES, drill=kept.reject.drill)
                value = wire.encode_wave(wave)
                await publisher.send(
                    [Send(wire.WAVES, partition, None, value, headers)], attempts=1
                )
            for sealed in full:
                await publisher.send([_batch(sealed)], attempts=1)
            report["readings"] += found.accepted
            if found.accepted:
                report["accepted"] += 1
                accepted.append(kept.mark)
            if found.refused:
                reasons[found.refused] += 1
                report["refused"] += not found.accepted
        for sealed in second.batcher.seal_all(telemetry.now_ms()):
            await publisher.send([_batch(sealed)], attempts=1)
    finally:
        await publisher.stop()
    _remember(book, [mark for mark in accepted if mark not in done])
    return {**report, "reasons": dict(reasons)}


def _remember(book: Path, marks: list[str]) -> None:
    """After Kafka has them, never before: whoever is killed between the two replays once more."""
    if not marks:
        return
    book.parent.mkdir(parents=True, exist_ok=True)
    with book.open("a", encoding="utf-8") as out:
        out.write("".join(f"{mark}\n" for mark in marks))
        out.flush()
        os.fsync(out.fileno())


def _batch(sealed: Sealed) -> Send:
    headers = wire.headers(wire.READINGS, drill=sealed.drill)
    value = wire.encode_batch(sealed.batch)
    return Send(wire.READINGS, sealed.partition, None, value, headers)
