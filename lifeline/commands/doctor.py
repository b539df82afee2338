"""``lifeline doctor``: is all there that the services need, and what to do where it is not."""

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psycopg
import typer
from aiokafka import TopicPartition

from alerting import store as router_store
from alerting.exchange import store as exchange
from alerting.people import check, service
from alerting.people.reading import RosterError
from lifeline import db, store, telemetry, wire
from lifeline.catalog import Catalog, CatalogError
from lifeline.commands.broker import greet
from lifeline.commands.catalog import class_problems, rules_of
from lifeline.commands.migrate import missing_topics
from lifeline.commands.outcome import Config, Json, print_json, settings_from
from lifeline.compiler import compile_catalog
from lifeline.config import ConfigError, Kafka, Settings
from lifeline.errors import Refused, Unavailable
from lifeline.log.service import make_consumer, running, within
from lifeline.targets import MACHINES
from watchdog import canary

CLOCK_S_MAX = 2.0
KAFKA_S = 10.0
TIMESCALE_FLOOR = (2, 28)
PLAIN_H = 24
"""Older ones let late duplicates into compressed chunks, or stop at the first."""
DISK_BYTES_MIN = 1 << 30
DISK_SHARE_MIN = 0.1


class Verdict(msgspec.Struct, frozen=True):
    """One check: what was looked at, how it stands, what to do."""

    check: str
    ok: bool
    text: str
    remedy: str = ""
    """The next command or setting; empty where there is nothing to do."""
    warning: bool = False


def doctor(
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Check broker, Kafka, PostgreSQL, catalog, clocks, disk and secrets.

    Exit status 1 if one is wrong; a note is worth reading and wrong it is not.

    Example:  lifeline doctor
    """
    settings = settings_from(config)
    findings = examine(settings)
    if as_json:
        print_json(findings)
    else:
        for finding in findings:
            mark = "BAD " if not finding.ok else "note" if finding.warning else "ok  "
            remedy = f"  -> {finding.remedy}" if finding.remedy else ""
            typer.echo(f"{mark} {finding.check:12} {finding.text}{remedy}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def examine(settings: Settings) -> list[Verdict]:
    """Every check, in the order in which the readings travel."""
    checks: tuple[Callable[[Settings], list[Verdict]], ...] = (
        _mqtt, _kafka, _postgres, _catalog, _disk, _targets, _exchange, _roster,
    )  # fmt: skip
    return [finding for check in checks for finding in check(settings)]


def _mqtt(settings: Settings) -> list[Verdict]:
    where = f"{settings.mqtt.host}:{settings.mqtt.port}"
    try:
        said = greet(settings.mqtt)
    except Refused as error:
        remedy = "set mqtt.username, password_file, ca_file, cert_file as the broker wants them"
        return [Verdict("mqtt", ok=False, text=str(error), remedy=remedy)]
    except (Unavailable, ConfigError) as error:
        remedy = "`lifeline stack up`, or set mqtt.host, mqtt.port"
        return [Verdict("mqtt", ok=False, text=str(error), remedy=remedy)]
    return [Verdict("mqtt", ok=True, text=f"the broker at {where} lets us in{said}")]


def _kafka(settings: Settings) -> list[Verdict]:
    try:
        missing = asyncio.run(missing_topics(settings.kafka))
        if missing:
            text = f"{', '.join(missing)} missing"
            return [Verdict("kafka", ok=False, text=text, remedy="`lifeline migrate`")]
        is_ahead = asyncio.run(_is_stamped_ahead(settings.kafka))
    except (Unavailable, Refused) as error:
        return [Verdict("kafka", ok=False, text=str(error))]
    text = f"{len(wire.TOPICS)} topics with {settings.kafka.partitions} partitions"
    found = [Verdict("kafka", ok=True, text=text)]
    if is_ahead:
        text = f"records on {wire.READINGS} are stamped more than {CLOCK_S_MAX:g} s ahead of us"
        remedy = "synchronise the clocks of ingest's machine and of this one"
        found.append(Verdict("clock", ok=False, text=text, remedy=remedy))
    return found


async def _is_stamped_ahead(kafka: Kafka) -> bool:
    """Whether a writer's clock runs ahead of ours: Kafka finds records by their time."""
    later_ms = telemetry.now_ms() + int(CLOCK_S_MAX * 1000)
    wanted = {TopicPartition(wire.READINGS, n): later_ms for n in range(kafka.partitions)}
    async with running(make_consumer(kafka, "lifeline-doctor"), kafka) as consumer:
        found = await within(consumer.offsets_for_times(wanted), KAFKA_S)
    return any(one is not None for one in found.values())


def _postgres(settings: Settings) -> list[Verdict]:
    try:
        with db.connect(settings.postgres) as connection:
            found = [*_database(connection), *_migrations(connection), _clock(connection)]
            return [*found, plainly(connection)] if all(one.ok for one in found) else found
    except (Unavailable, ConfigError) as error:
        remedy = "`lifeline stack up`, or set postgres.dsn"
        return [Verdict("postgres", ok=False, text=str(error), remedy=remedy)]


def _database(connection: psycopg.Connection) -> list[Verdict]:
    row = connection.execute("select current_setting('server_version')").fetchone()
    assert row is not None
    found = [Verdict("postgres", ok=True, text=f"PostgreSQL {row[0]}"), _timescale(connection)]
    for name in ("synchronous_commit", "fsync", "full_page_writes"):
        setting = connection.execute("select current_setting(%s)", (name,)).fetchone()
        assert setting is not None
        if setting[0] != "on":
            text = f"{name} is {setting[0]}: an acknowledged reading may be lost"
            remedy = f"`alter system set {name} = on`, then restart PostgreSQL"
            found.append(Verdict("postgres", ok=False, text=text, remedy=remedy))
    return found


def _timescale(connection: psycopg.Connection) -> Verdict:
    row = connection.execute(
        "select extversion from pg_extension where extname = 'timescaledb'"
    ).fetchone()
    if row is None:
        text = (
            "not installed: plain PostgreSQL with range partitions serves,"
            " readings stay uncompressed"
        )
        return Verdict("timescaledb", ok=True, warning=True, text=text)
    version = tuple(int(part) for part in row[0].split("-")[0].split(".")[:2])
    if version < TIMESCALE_FLOOR:
        text = f"TimescaleDB {row[0]} mishandles late readings in compressed chunks"
        remedy = "`alter extension timescaledb update` to 2.28 or newer"
        return Verdict("timescaledb", ok=False, text=text, remedy=remedy)
    return Verdict("timescaledb", ok=True, text=f"TimescaleDB {row[0]}")


def _migrations(connection: psycopg.Connection) -> list[Verdict]:
    remedy = "`lifeline migrate`"
    try:
        missing = db.missing_migrations(connection)
    except psycopg.errors.UndefinedTable:
        connection.rollback()
        return [Verdict("migrations", ok=False, text="no tables yet", remedy=remedy)]
    if missing:
        text = f"{', '.join(missing)} not applied"
        return [Verdict("migrations", ok=False, text=text, remedy=remedy)]
    return [Verdict("migrations", ok=True, text="the tables are those of this version")]


def plainly(connection: psycopg.Connection) -> Verdict:
    """Whether a rule of the house failed on a finding within a day: a mistake of ours."""
    count, why = router_store.plain_since(connection, PLAIN_H)
    if not count:
        text = "no rule of the house failed on a finding within a day"
        return Verdict("rules", ok=True, text=text)
    text = f"a rule of the house failed on {count} findings within a day, told all the same: {why}"
    return Verdict("rules", ok=True, warning=True, text=text)


def _clock(connection: psycopg.Connection) -> Verdict:
    row = connection.execute("select extract(epoch from clock_timestamp())::float8").fetchone()
    assert row is not None
    apart_s = abs(float(row[0]) - time.time())
    text = f"PostgreSQL's clock and ours are {apart_s:.2f} s apart"
    if apart_s > CLOCK_S_MAX:
        remedy = "synchronise both: people's deadlines go by PostgreSQL's"
        return Verdict("clock", ok=False, text=text, remedy=remedy)
    return Verdict("clock", ok=True, text=text)


def _catalog(settings: Settings) -> list[Verdict]:
    try:
        catalog = store.open_catalog(settings.catalog.compiled)
        rules = rules_of(catalog, settings)
    except CatalogError as error:
        return [
            Verdict("catalog", ok=False, text=problem, remedy="`lifeline catalog build`")
            for problem in error.problems
        ]
    head = catalog.head
    text = f"{head.n_channels} channels, {len(rules.rules)} rules, {head.digest}"
    found = [Verdict("catalog", ok=True, text=text), *_sources(settings, catalog)]
    found += [
        Verdict("retention", ok=False, text=problem, remedy="set archive.retention_days")
        for problem in class_problems(catalog, settings, {})
    ]
    unverified = sorted(limit.id for limit in head.limits.values() if not limit.verified)
    if unverified:
        some = ", ".join(unverified[:3])
        text = f"{len(unverified)} limits are not verified against their clause: {some} …"
        found.append(Verdict("limits", ok=True, warning=True, text=text))
    return found


def _sources(settings: Settings, catalog: Catalog) -> list[Verdict]:
    """Whether the compiled catalog says what its sources say now."""
    sources, problems = store.survey_sources(settings.catalog.sources)
    if not sources and all("does not exist" in problem for problem in problems):
        # A machine that only runs a service has the compiled form alone.
        text = f"nothing to compare with: {problems[0]}"
        return [Verdict("catalog", ok=True, warning=True, text=text)]
    if not problems:
        try:
            extra = canary.source(settings.kafka.partitions)
            wanted = Catalog(compile_catalog([*sources, extra], settings.grading))
        except CatalogError as error:
            problems = list(error.problems)
    if problems:
        text = f"the sources do not hold together: {problems[0]}"
        remedy = "`lifeline catalog check`"
        return [Verdict("catalog", ok=False, text=text, remedy=remedy)]
    if wanted.digest != catalog.digest:
        text = f"the sources have changed since: they make {wanted.digest}"
        return [Verdict("catalog", ok=False, text=text, remedy="`lifeline catalog build`")]
    return [Verdict("catalog", ok=True, text="compiled from the sources as they are now")]


def _disk(settings: Settings) -> list[Verdict]:
    """Free space where our files lie; servers elsewhere are for their own monitoring."""
    folder = Path(settings.catalog.compiled).absolute().parent
    while not folder.exists():
        folder = folder.parent
    disk = shutil.disk_usage(folder)
    share = disk.free / disk.total
    text = f"{disk.free / (1 << 30):.1f} GB ({share:.0%}) free under {folder}"
    remedy = "make room: a full disk stops Kafka and PostgreSQL"
    if disk.free < DISK_BYTES_MIN:
        return [Verdict("disk", ok=False, text=text, remedy=remedy)]
    if share < DISK_SHARE_MIN:
        return [Verdict("disk", ok=True, warning=True, text=text, remedy=remedy)]
    return [Verdict("disk", ok=True, text=text)]


def _roster(settings: Settings) -> list[Verdict]:
    """Whether somebody would be reached at every hour of the next fortnight."""
    remedy = "`lifeline roster check`"
    if not settings.people.roster:
        text = "people.roster is empty: nobody is paged"
        return [Verdict("roster", ok=True, warning=True, text=text)]
    try:
        roster = service.read_roster(settings)
    except RosterError as error:
        return [Verdict("roster", ok=False, text=error.problems[0], remedy=remedy)]
    if not roster.can_page:
        wanted = ", ".join(sorted(roster.wanted()))
        text = f"nobody is paged: the roster uses {wanted}, and router.targets has none of them"
        return [Verdict("roster", ok=True, warning=True, text=text, remedy=remedy)]
    problems = check.check(roster, telemetry.now_ms())
    if problems:
        text = f"{problems[0].sentence('en')} ({len(problems)} in all)"
        is_bad = check.is_refused(problems)
        return [Verdict("roster", ok=not is_bad, warning=not is_bad, text=text, remedy=remedy)]
    text = f"{len(roster.persons)} people; somebody is reached at every hour of the next 14 days"
    return [Verdict("roster", ok=True, text=text)]


def _exchange(settings: Settings) -> list[Verdict]:
    """The codes agreed with other organisations, and the keys with which they call us."""
    try:
        known = exchange.read_tables(settings.exchange)
        for partner in settings.exchange.partners:
            for file in partner.keys.values():
                store.read_secrets(file)
    except ConfigError as error:
        return [Verdict("exchange", ok=False, text=str(error))]
    targets = settings.router.targets
    strange = [t.name for t in targets if t.format == "case" and t.system not in known.case]
    if strange:
        text = f"{strange[0]}: no file under {settings.exchange.tables} knows its system"
        return [Verdict("exchange", ok=False, text=text, remedy="set its `system`")]
    if any(t.format == "cap-gb" for t in targets) and not known.issuer.verified:
        text = "the GB/T 35965 style profile is in use, and nobody has read its clauses"
        remedy = f"have {settings.exchange.tables}/profile.toml checked, then set verified"
        return [Verdict("exchange", ok=True, warning=True, text=text, remedy=remedy)]
    text = f"codes for {len(known.event)} hazards, {len(settings.exchange.partners)} partners"
    return [Verdict("exchange", ok=True, text=text)]


def _targets(settings: Settings) -> list[Verdict]:
    found: list[Verdict] = []
    if not settings.router.targets:
        text = "router.targets is empty: incidents are shown on the console and pushed nowhere"
        found.append(Verdict("targets", ok=True, warning=True, text=text))
    if not settings.watchdog.targets:
        text = "watchdog.targets is empty: nobody would be told that the chain is silent"
        found.append(Verdict("watchdog", ok=True, warning=True, text=text))
    for target in (*settings.router.targets, *settings.watchdog.targets):
        try:
            for file in filter(None, (target.secret_file, target.token_file)):
                store.read_secrets(file)
        except ConfigError as error:
            found.append(Verdict("targets", ok=False, text=f"{target.name}: {error}"))
        else:
            remedy = f"`lifeline notices test {target.name}`" if target.kind not in MACHINES else ""
            text = f"{target.name}: {target.kind} at {target.host or 'a secret URL'}"
            found.append(Verdict("targets", ok=True, text=text, remedy=remedy))
    return found
