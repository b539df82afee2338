"""``lifeline doctor``: is everything there that the services need, and what to do where it is not."""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Annotated

import msgspec
import psycopg
import typer

from lifeline import db, store, wire
from lifeline.catalog import CatalogError
from lifeline.commands.catalog import rules_of
from lifeline.commands.migrate import missing_topics
from lifeline.commands.outcome import FILE_HELP, JSON_HELP, print_json, settings_from
from lifeline.config import ConfigError, Settings
from lifeline.errors import Refused, Unavailable

CLOCK_S_MAX = 2.0


class Verdict(msgspec.Struct, frozen=True):
    """One check: what was looked at, how it stands, what to do."""

    check: str
    ok: bool
    text: str
    warning: bool = False


def doctor(
    config: Annotated[str | None, typer.Option("--config", help=FILE_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Check broker, Kafka, PostgreSQL, catalog, clocks and secrets; exit status 1 if one is wrong.

    Example:  lifeline doctor
    """
    settings = settings_from(config)
    checks: tuple[Callable[[Settings], list[Verdict]], ...] = (
        _mqtt, _kafka, _postgres, _catalog, _targets,
    )  # fmt: skip
    findings = [finding for check in checks for finding in check(settings)]
    if as_json:
        print_json(findings)
    else:
        for finding in findings:
            mark = (
                "ok  " if finding.ok and not finding.warning else "note" if finding.ok else "BAD "
            )
            typer.echo(f"{mark} {finding.check:12} {finding.text}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _mqtt(settings: Settings) -> list[Verdict]:
    where = f"{settings.mqtt.host}:{settings.mqtt.port}"
    try:
        with socket.create_connection((settings.mqtt.host, settings.mqtt.port), timeout=3.0):
            return [Verdict("mqtt", ok=True, text=f"the broker listens on {where}")]
    except OSError as error:
        return [
            Verdict(
                "mqtt", ok=False, text=f"{where}: {error}. `lifeline stack up`, or set mqtt.host"
            )
        ]


def _kafka(settings: Settings) -> list[Verdict]:
    try:
        missing = asyncio.run(missing_topics(settings.kafka))
    except (Unavailable, Refused) as error:
        return [Verdict("kafka", ok=False, text=str(error))]
    if missing:
        text = f"{', '.join(missing)} missing: run `lifeline migrate`"
        return [Verdict("kafka", ok=False, text=text)]
    text = f"{len(wire.TOPICS)} topics with {settings.kafka.partitions} partitions"
    return [Verdict("kafka", ok=True, text=text)]


def _postgres(settings: Settings) -> list[Verdict]:
    try:
        with db.connect(settings.postgres) as connection:
            return [*_database(connection), _clock(connection)]
    except (Unavailable, ConfigError) as error:
        return [
            Verdict("postgres", ok=False, text=f"{error}. `lifeline stack up`, or set postgres.dsn")
        ]
    except psycopg.errors.UndefinedTable:
        return [Verdict("postgres", ok=False, text="no tables yet: run `lifeline migrate`")]


def _database(connection: psycopg.Connection) -> list[Verdict]:
    row = connection.execute("select current_setting('server_version')").fetchone()
    assert row is not None
    found = [Verdict("postgres", ok=True, text=f"PostgreSQL {row[0]}")]
    extension = connection.execute(
        "select extversion from pg_extension where extname = 'timescaledb'"
    ).fetchone()
    found.append(
        Verdict("timescaledb", ok=True, text=f"TimescaleDB {extension[0]}")
        if extension
        else Verdict(
            "timescaledb",
            ok=True,
            warning=True,
            text="not installed: plain PostgreSQL with range partitions serves, readings stay uncompressed",
        )
    )
    names = connection.execute("select count(*) from migration").fetchone()
    assert names is not None
    found.append(Verdict("migrations", ok=True, text=f"{names[0]} applied"))
    for name, value in (("synchronous_commit", "on"), ("fsync", "on"), ("full_page_writes", "on")):
        setting = connection.execute("select current_setting(%s)", (name,)).fetchone()
        assert setting is not None
        if setting[0] != value:
            text = f"{name} is {setting[0]}: an acknowledged reading may be lost; set it to {value}"
            found.append(Verdict("postgres", ok=False, text=text))
    return found


def _clock(connection: psycopg.Connection) -> Verdict:
    row = connection.execute("select extract(epoch from clock_timestamp())::float8").fetchone()
    assert row is not None
    apart_s = abs(float(row[0]) - time.time())
    text = f"PostgreSQL's clock and ours are {apart_s:.2f} s apart"
    if apart_s > CLOCK_S_MAX:
        return Verdict(
            "clock", ok=False, text=f"{text}: deadlines would be wrong; synchronise both"
        )
    return Verdict("clock", ok=True, text=text)


def _catalog(settings: Settings) -> list[Verdict]:
    try:
        catalog = store.open_catalog(settings.catalog.compiled)
        rules = rules_of(catalog)
    except CatalogError as error:
        return [Verdict("catalog", ok=False, text=problem) for problem in error.problems]
    head = catalog.head
    found = [
        Verdict(
            "catalog",
            ok=True,
            text=f"{head.n_channels} channels, {len(rules.rules)} rules, {head.digest}",
        )
    ]
    unverified = sorted(limit.id for limit in head.limits.values() if not limit.verified)
    if unverified:
        text = f"{len(unverified)} limits are not verified against their clause: {', '.join(unverified[:3])} …"
        found.append(Verdict("limits", ok=True, warning=True, text=text))
    return found


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
            store.read_secret(target.secret_file)
        except ConfigError as error:
            found.append(Verdict("targets", ok=False, text=f"{target.name}: {error}"))
        else:
            found.append(
                Verdict("targets", ok=True, text=f"{target.name}: {target.url}, secret readable")
            )
    return found
