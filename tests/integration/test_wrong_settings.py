"""What is set wrongly ends at once: one sentence of what, where and what to do, status 2."""

import os
import re
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from lifeline import db, store
from lifeline.compiler import compile_catalog
from lifeline.config import Postgres
from lifeline.stack import Addresses
from lifeline.stack.processes import free_port
from tests.faults import town

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

SERVICES = ("ingest", "detect", "archive", "router", "watchdog", "console")
ON_KAFKA = ("ingest", "detect", "archive")
"""The router waits for it: people are paged about what is stored."""
SPEAKS_S = 60.0
OBJECT = re.compile(r"[\[<(]\(?'|Unable to bootstrap")
"""What only a program's own representation of its objects looks like."""


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """An environment in which only the test's own mistake is wrong."""
    (tmp_path / "gas.toml").write_text(town.as_toml(town.source("gas", 2)))
    compiled = str(tmp_path / "catalog.bin")
    store.write_catalog(
        compile_catalog(store.read_sources((str(tmp_path / "gas.toml"),))), compiled
    )
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith("LIFELINE_")},
        "LIFELINE_CATALOG_COMPILED": compiled,
        "LIFELINE_TELEMETRY_PORT": str(free_port()),
    }


def begin(
    folder: Path, environ: Mapping[str, str], *words: str, **changed: str
) -> "subprocess.Popen[str]":
    # What is imported is this checkout's, wherever the process looks for its settings.
    root = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-m", "lifeline", *words],
        cwd=folder,
        env={**environ, "PYTHONPATH": root, "NO_COLOR": "1", **changed},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def said(process: "subprocess.Popen[str]") -> str:
    """The one sentence with which it ended."""
    try:
        output, _ = process.communicate(timeout=SPEAKS_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 2, output
    assert "Traceback" not in output
    own = [line for line in output.splitlines() if not line.startswith("{")]
    assert own, "nothing was said"
    return " ".join(own)


@pytest.mark.parametrize("service", SERVICES)
def test_a_wrong_value_is_named(tmp_path: Path, settings: dict[str, str], service: str) -> None:
    ended = said(begin(tmp_path, settings, service, LIFELINE_MQTT_PORT="seventeen"))

    assert "LIFELINE_MQTT_PORT" in ended
    assert "seventeen" in ended


@pytest.mark.parametrize("service", SERVICES)
def test_an_unknown_key_is_named_with_its_file(
    tmp_path: Path, settings: dict[str, str], service: str
) -> None:
    file = tmp_path / "city.toml"
    file.write_text('[mqtt]\nhots = "broker"\n')

    ended = said(begin(tmp_path, settings, service, "--config", str(file)))

    assert "city.toml" in ended
    assert "hots" in ended


@pytest.mark.parametrize("service", SERVICES)
def test_a_missing_file_is_named(tmp_path: Path, settings: dict[str, str], service: str) -> None:
    ended = said(begin(tmp_path, settings, service, "--config", "nowhere.toml"))

    assert "nowhere.toml does not exist" in ended


@pytest.mark.parametrize("service", SERVICES)
def test_a_missing_catalog_names_the_command_that_makes_it(
    tmp_path: Path, settings: dict[str, str], service: str
) -> None:
    ended = said(begin(tmp_path, settings, service, LIFELINE_CATALOG_COMPILED="none.bin"))

    assert "none.bin" in ended
    assert "lifeline catalog build" in ended


@pytest.mark.parametrize("service", SERVICES)
def test_a_port_in_use_is_named(tmp_path: Path, settings: dict[str, str], service: str) -> None:
    port = settings["LIFELINE_TELEMETRY_PORT"]
    with socket.create_server(("127.0.0.1", int(port))):
        ended = said(begin(tmp_path, settings, service))

    assert port in ended
    assert "taken" in ended


@pytest.fixture
def database(addresses: Addresses) -> Iterator[str]:
    """A database of the test's own, empty."""
    name = f"wrong_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(addresses.postgres_admin_dsn, autocommit=True) as admin:
        admin.execute(f"create database {name} owner lifeline".encode())
    yield make_conninfo(addresses.postgres_dsn, dbname=name)
    with psycopg.connect(addresses.postgres_admin_dsn, autocommit=True) as admin:
        admin.execute(f"drop database {name} with (force)".encode())


def test_a_kafka_that_is_not_there_at_the_start_is_named(
    tmp_path: Path, settings: dict[str, str], addresses: Addresses, database: str
) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    db.migrate(Postgres(dsn=database), lambda _name: None)
    there = addresses.environment() | {"LIFELINE_KAFKA_BOOTSTRAP": nowhere}
    there |= {"LIFELINE_POSTGRES_DSN": database}
    started = [
        begin(tmp_path, {**settings, **there}, service, LIFELINE_TELEMETRY_PORT=str(free_port()))
        for service in ON_KAFKA
    ]

    sentences = [said(process) for process in started]

    assert all(nowhere in sentence for sentence in sentences), sentences
    assert all("lifeline stack up" in sentence for sentence in sentences), sentences
    assert not [sentence for sentence in sentences if OBJECT.search(sentence)]


@pytest.mark.parametrize(
    "words",
    [
        ("tap", "findings"),
        ("rejects", "list"),
        ("rejects", "replay"),
        ("context", "add", "gas/zone-0", "permit", "--until", "2126-01-01T00:00+00:00"),
        ("migrate",),
    ],
    ids=" ".join,
)
def test_a_command_says_where_it_looked_for_kafka_and_what_to_do(
    tmp_path: Path, settings: dict[str, str], words: tuple[str, ...]
) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    there = {
        "LIFELINE_KAFKA_BOOTSTRAP": nowhere,
        "LIFELINE_CATALOG_SOURCES": f'["{tmp_path / "gas.toml"}"]',
    }

    ended = said(begin(tmp_path, {**settings, **there}, *words))

    assert nowhere in ended
    assert "lifeline stack up" in ended
    assert not OBJECT.search(ended)


@pytest.mark.parametrize("service", ["archive", "router", "console"])
def test_a_database_without_tables_names_the_command_that_makes_them(
    tmp_path: Path,
    settings: dict[str, str],
    addresses: Addresses,
    database: str,
    service: str,
) -> None:
    there = addresses.environment() | {"LIFELINE_POSTGRES_DSN": database}

    ended = said(begin(tmp_path, {**settings, **there}, service, LIFELINE_CONSOLE_PORT="0"))

    assert "lifeline migrate" in ended


@pytest.mark.parametrize("service", ["archive", "console"])
def test_a_postgresql_that_is_not_there_at_the_start_is_named(
    tmp_path: Path, settings: dict[str, str], addresses: Addresses, service: str
) -> None:
    port = str(free_port())
    there = addresses.environment() | {
        "LIFELINE_POSTGRES_DSN": f"postgresql://lifeline@127.0.0.1:{port}/lifeline"
    }

    ended = said(begin(tmp_path, {**settings, **there}, service, LIFELINE_CONSOLE_PORT="0"))

    assert "PostgreSQL" in ended


def test_a_simulation_that_reaches_no_broker_names_it(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    port = str(free_port())

    ended = said(begin(tmp_path, settings, "simulate", "-p", port, "--seconds", "1"))

    assert f"127.0.0.1:{port}" in ended
    assert "Published" not in ended
