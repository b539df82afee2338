"""``lifeline migrate``: the topics, the tables and the compiled catalog, brought to this version."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import typer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError

from lifeline import db, store, wire
from lifeline.catalog import Catalog
from lifeline.commands.outcome import FILE_HELP, settings_from, spoken
from lifeline.config import Kafka, Settings
from lifeline.errors import Refused, Unavailable
from watchdog import canary

CONNECT_S = 15.0


def migrate(
    config: str = typer.Option(None, "--config", help=FILE_HELP),
) -> None:
    """Create what is missing: Kafka topics, PostgreSQL tables, the compiled catalog.

    Safe to run at any time and as often as you like.

    Example:  lifeline migrate --config lifeline.toml
    """
    settings = settings_from(config)
    with spoken():
        bring_up_to_date(settings, typer.echo)


def bring_up_to_date(settings: Settings, say: Callable[[str], None]) -> None:
    """Everything that ``lifeline migrate`` does; raises Unavailable, Refused, CatalogError."""
    catalog = build_catalog(settings)
    say(f"catalog   {catalog.head.n_channels} channels, digest {catalog.digest}")
    made = asyncio.run(create_topics(settings.kafka))
    say(f"kafka     {', '.join(made) or 'nothing to do'}")
    applied = db.migrate(settings.postgres, lambda name: say(f"postgres  {name}"))
    if not applied:
        say("postgres  nothing to do")


def build_catalog(settings: Settings) -> Catalog:
    """The city's catalog with the watchdog's canaries in it, compiled and in place."""
    return store.build_catalog(settings.catalog, [canary.source(settings.kafka.partitions)])


async def create_topics(settings: Kafka) -> list[str]:
    """Creates the missing topics with our retention and sizes; returns their names.

    Raises Unavailable when Kafka does not answer in 15 s, Refused when a topic that is there has other
    partitions: the partition of a zone would change, and with it where its detectors live.
    """
    async with _admin(settings) as admin:
        missing = await _missing(admin, settings)
        if missing:
            made = admin.create_topics([_topic(name, settings) for name in missing])
            with suppress(TopicAlreadyExistsError):  # Somebody else was as quick.
                await asyncio.wait_for(made, CONNECT_S)
        return missing


async def missing_topics(settings: Kafka) -> list[str]:
    """The topics that are not there; changes nothing.  Raises as ``create_topics`` does."""
    async with _admin(settings) as admin:
        return await _missing(admin, settings)


async def _missing(admin: AIOKafkaAdminClient, settings: Kafka) -> list[str]:
    there = {t["topic"]: t for t in await asyncio.wait_for(admin.describe_topics(), CONNECT_S)}
    for name in wire.TOPICS:
        n = len(there[name]["partitions"]) if name in there else settings.partitions
        if n != settings.partitions:
            raise Refused(
                f"topic {name} has {n} partitions, kafka.partitions says {settings.partitions}:"
                f" set kafka.partitions = {n}."
            )
    return [name for name in wire.TOPICS if name not in there]


@asynccontextmanager
async def _admin(settings: Kafka) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap, request_timeout_ms=10_000)
    try:
        await asyncio.wait_for(admin.start(), CONNECT_S)
        yield admin
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable(
            f"Kafka at {settings.bootstrap} does not answer ({type(error).__name__}):"
            " start it (`lifeline stack up`) or set kafka.bootstrap."
        ) from error
    finally:
        await asyncio.wait_for(admin.close(), CONNECT_S)


def _topic(name: str, settings: Kafka) -> NewTopic:
    return NewTopic(
        name,
        num_partitions=settings.partitions,
        replication_factor=settings.replication,
        topic_configs={
            "max.message.bytes": str(wire.RECORD_BYTES_MAX),
            "retention.ms": str(settings.retention_h * 3_600_000),
            "min.insync.replicas": str(max(1, settings.replication - 1)),
            "compression.type": "producer",
        },
    )
