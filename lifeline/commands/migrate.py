"""``lifeline migrate``: topics, tables and the compiled catalog, brought to this version."""

import asyncio
from collections.abc import Callable

import msgspec
import typer
from aiokafka.admin import NewTopic
from aiokafka.errors import NoError, TopicAlreadyExistsError

from alerting.rules import versions
from lifeline import bounds, db, store, wire
from lifeline.catalog import Catalog, CatalogError
from lifeline.commands.outcome import Config, settings_from, spoken
from lifeline.compiler import compile_catalog, with_rules
from lifeline.config import Kafka, Settings
from lifeline.errors import Refused
from lifeline.log.service import make_admin, partitions_there, running, within
from watchdog import canary

CREATE_S = 15.0


def migrate(config: Config = None) -> None:
    """Create what is missing: Kafka topics, PostgreSQL tables, the compiled catalog.

    Safe to run at any time and as often as you like.

    Example:  lifeline migrate --config lifeline.toml
    """
    settings = settings_from(config)
    with spoken():
        bring_up_to_date(settings, typer.echo)


def bring_up_to_date(settings: Settings, say: Callable[[str], None]) -> None:
    """Everything that ``lifeline migrate`` does; raises Unavailable, Refused, CatalogError."""
    # An upgrade must go on while a change of rules waits for its time: they stay as they run.
    catalog = build_catalog(settings, keep_rules=settings.catalog.review == "required")
    say(f"catalog   {catalog.head.n_channels} channels, digest {catalog.digest}")
    made = asyncio.run(create_topics(settings.kafka))
    say(f"kafka     {', '.join(made) or 'nothing to do'}")
    applied = db.migrate(settings.postgres, lambda name: say(f"postgres  {name}"))
    if not applied:
        say("postgres  nothing to do")


def build_catalog(settings: Settings, *, keep_rules: bool = False) -> Catalog:
    """The city's catalog with the watchdog's canaries in it, compiled and in place.

    With ``keep_rules`` the rules and limits stay as they run.  Where their review is required, and
    others are written than those that run, raises CatalogError with the command that comes next.
    """
    files = settings.catalog
    sources = store.read_sources(files.sources)
    problems = [text.en for text in bounds.missing(sources, settings.grading)]
    if problems:
        raise CatalogError(problems)
    canaries = canary.source(settings.kafka.partitions)
    packed = compile_catalog([*sources, canaries], settings.grading)
    now = _running(files.compiled)
    if now is not None and keep_rules:
        packed = with_rules(packed, now.limits, now.rules)
    elif now is not None and files.review == "required":
        changes = versions.differences(now, versions.of_sources(sources), settings.grading)
        if changes:
            vital = sum(change.is_life_safety for change in changes)
            why = (
                f"rules and limits are not those that run ({len(changes)} differences, {vital} of"
                " them where lives depend on it), and nobody has put them in force:"
                " `lifeline config propose`, or `lifeline catalog build --keep-rules`"
            )
            raise CatalogError([why])
    store.write_catalog(packed, files.compiled)
    return store.open_catalog(files.compiled)


def _running(compiled: str) -> versions.Ruleset | None:
    """The rules that run; None before the first catalog, and beside one that cannot be read."""
    try:
        return versions.of_head(store.open_catalog(compiled).head)
    except (CatalogError, msgspec.MsgspecError):
        return None


async def create_topics(settings: Kafka) -> list[str]:
    """Creates the missing topics with our retention and sizes; returns their names.

    Raises Unavailable when Kafka does not answer, Refused when a topic that is there has other
    partitions: the partition of a zone would change, and with it where its detectors live.
    """
    async with running(make_admin(settings, "lifeline-migrate"), settings) as admin:
        missing = _missing(await partitions_there(admin), settings)
        if missing:
            made = admin.create_topics([_topic(name, settings) for name in missing])
            for name, code, *why in (await within(made, CREATE_S)).topic_errors:
                if code not in (NoError.errno, TopicAlreadyExistsError.errno):  # as quick as we
                    raise Refused(f"Kafka does not make topic {name}: {why or code}")
        return missing


async def missing_topics(settings: Kafka) -> list[str]:
    """The topics that are not there; changes nothing.  Raises as ``create_topics`` does."""
    async with running(make_admin(settings, "lifeline-doctor"), settings) as admin:
        return _missing(await partitions_there(admin), settings)


def _missing(there: dict[str, int], settings: Kafka) -> list[str]:
    for name in wire.TOPICS:
        n = there.get(name, settings.partitions)
        if n != settings.partitions:
            raise Refused(
                f"topic {name} has {n} partitions, kafka.partitions says {settings.partitions}:"
                f" set kafka.partitions = {n}."
            )
    return [name for name in wire.TOPICS if name not in there]


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
