"""The doctor says of each thing whether it is well, what is wrong, and the next command."""

import asyncio
import json
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner

from lifeline import wire
from lifeline.__main__ import build
from lifeline.commands import doctor as doctor_command
from lifeline.commands.doctor import Verdict, examine
from lifeline.commands.migrate import bring_up_to_date
from lifeline.config import Archive, CatalogFiles, Kafka, Mqtt, Postgres, Router, Settings, Target
from lifeline.stack import Addresses
from lifeline.stack.mosquitto import Mosquitto
from lifeline.stack.processes import free_port, wait_until
from tests.integration.rig import clean_topics

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def whole(addresses: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings under which everything is well, over a database and a catalog of this file alone."""
    name = f"doctor_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(addresses.postgres_admin_dsn, autocommit=True) as admin:
        admin.execute(f"create database {name} owner lifeline".encode())
    folder = tmp_path_factory.mktemp("doctor")
    settings = Settings(
        mqtt=Mqtt(addresses.mqtt_host, addresses.mqtt_port),
        kafka=Kafka(addresses.kafka_bootstrap),
        postgres=Postgres(make_conninfo(addresses.postgres_dsn, dbname=name)),
        catalog=CatalogFiles(compiled=str(folder / "catalog.bin")),
    )
    asyncio.run(clean_topics(addresses.kafka_bootstrap))
    bring_up_to_date(settings, lambda _text: None)
    yield settings
    with psycopg.connect(addresses.postgres_admin_dsn, autocommit=True) as admin:
        admin.execute(f"drop database {name} with (force)".encode())


def changed(settings: Settings, section: str, **values: object) -> Settings:
    part = msgspec.structs.replace(getattr(settings, section), **values)
    return msgspec.structs.replace(settings, **{section: part})


def bad(settings: Settings) -> list[Verdict]:
    return [one for one in examine(settings) if not one.ok]


def test_where_all_is_well_it_says_so_and_ends_with_0(
    whole: Settings, addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in addresses.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LIFELINE_POSTGRES_DSN", whole.postgres.dsn)
    monkeypatch.setenv("LIFELINE_CATALOG_COMPILED", whole.catalog.compiled)

    told = CliRunner().invoke(build("doctor"), ["doctor", "--json"])
    read = CliRunner().invoke(build("doctor"), ["doctor"])

    assert (told.exit_code, read.exit_code) == (0, 0), read.output
    found = {one["check"] for one in json.loads(told.stdout) if one["ok"]}
    assert found >= {"mqtt", "kafka", "postgres", "timescaledb", "migrations", "clock", "disk"}
    assert "BAD" not in read.stdout
    monkeypatch.setenv("LIFELINE_MQTT_PORT", str(free_port()))
    wrong = CliRunner().invoke(build("doctor"), ["doctor"])
    assert wrong.exit_code == 1
    assert "BAD  mqtt" in wrong.stdout
    assert "-> `lifeline stack up`" in wrong.stdout


def test_a_broker_that_is_not_there_is_told_from_one_that_says_nothing(whole: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        began = time.monotonic()
        [nobody] = bad(changed(whole, "mqtt", port=free_port()))
        [silent] = bad(changed(whole, "mqtt", port=mute.getsockname()[1]))

    assert "no broker answers" in nobody.text
    assert "listens but did not answer" in silent.text
    assert time.monotonic() - began < 12


def _hang_up(server: socket.socket) -> None:
    server.accept()[0].close()


def test_what_hangs_up_on_us_is_no_broker(whole: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_hang_up, args=(server,))
        thread.start()
        [found] = bad(changed(whole, "mqtt", port=server.getsockname()[1]))
        thread.join()

    assert found.check == "mqtt"
    assert "hung up" in found.text or "no broker answers" in found.text


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Mqtt]:
    """A broker that lets nobody in."""
    port = free_port()
    (tmp_path / "strict.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous false\n")
    own = Mosquitto(tmp_path, port)
    program = subprocess.Popen(
        [own.command()[0], "-c", str(tmp_path / "strict.conf")], env=own.environment()
    )
    (tmp_path / "password").write_text("wrong")
    try:
        assert wait_until(lambda: _listens(port), 5.0)
        yield Mqtt(port=port, password_file=str(tmp_path / "password"))
    finally:
        program.kill()
        program.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_refused_name_is_told_from_a_broker_that_is_away(whole: Settings, strict: Mqtt) -> None:
    named = msgspec.structs.replace(strict, username="li")

    [nameless] = bad(msgspec.structs.replace(whole, mqtt=strict))
    [refused] = bad(msgspec.structs.replace(whole, mqtt=named))

    assert "refuses us without a user name" in nameless.text
    assert "refuses user li" in refused.text
    assert "password_file" in refused.remedy


# paho forgets a socket whose handshake failed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_that_cannot_be_agreed_on_is_said(whole: Settings, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")

    [unusable] = bad(changed(whole, "mqtt", ca_file=str(tmp_path / "ca.pem")))

    assert "cannot be used" in unusable.text
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other",
         "-keyout", "key.pem", "-out", "ca.pem", "-days", "2"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    [plain] = bad(changed(whole, "mqtt", ca_file=str(tmp_path / "ca.pem")))
    assert plain.check == "mqtt"


def test_a_kafka_that_is_away_or_cut_otherwise_is_named(whole: Settings) -> None:
    [away] = bad(changed(whole, "kafka", bootstrap=f"127.0.0.1:{free_port()}"))
    other = bad(changed(whole, "kafka", partitions=7))

    assert "does not answer" in away.text
    assert "set kafka.partitions = 12" in other[0].text


def test_topics_that_are_missing_are_named_with_the_command(whole: Settings) -> None:
    asyncio.run(_without(whole.kafka.bootstrap, wire.INCIDENTS))
    try:
        [found] = bad(whole)
    finally:
        bring_up_to_date(whole, lambda _text: None)

    assert wire.INCIDENTS in found.text
    assert found.remedy == "`lifeline migrate`"


async def _without(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.delete_topics([topic])
    while topic in await admin.list_topics():  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    await admin.close()


def test_records_from_the_future_tell_of_a_wrong_clock(whole: Settings) -> None:
    asyncio.run(_from_the_future(whole.kafka.bootstrap))
    try:
        [found] = bad(whole)
    finally:
        asyncio.run(clean_topics(whole.kafka.bootstrap))

    assert found.check == "clock"
    assert "synchronise" in found.remedy


async def _from_the_future(bootstrap: str) -> None:
    later_ms = time.time_ns() // 1_000_000 + 600_000
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        await producer.send_and_wait(wire.READINGS, b"", partition=3, timestamp_ms=later_ms)


def test_a_postgresql_that_is_away_names_the_setting(whole: Settings) -> None:
    dsn = f"host=127.0.0.1 port={free_port()} dbname=x user=x"

    [found] = bad(changed(whole, "postgres", dsn=dsn))

    assert found.check == "postgres"
    assert "postgres.dsn" in found.remedy


def test_tables_that_are_missing_or_old_name_the_command(
    whole: Settings, addresses: Addresses
) -> None:
    [empty] = bad(changed(whole, "postgres", dsn=addresses.postgres_dsn))
    with psycopg.connect(whole.postgres.dsn) as link:
        link.execute("delete from migration where name = '004_retention.sql'")
    [old] = bad(whole)
    with psycopg.connect(whole.postgres.dsn) as link:
        link.execute("insert into migration (name) values ('004_retention.sql')")

    assert (empty.text, empty.remedy) == ("no tables yet", "`lifeline migrate`")
    assert (old.text, old.remedy) == ("004_retention.sql not applied", "`lifeline migrate`")


def test_a_database_that_may_forget_is_wrong_and_clocks_apart_are(
    whole: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(whole.postgres.dsn)["dbname"]
    with psycopg.connect(whole.postgres.dsn, autocommit=True) as link:
        link.execute(f"alter database {name} set synchronous_commit = off".encode())
    [forgetful] = bad(whole)
    with psycopg.connect(whole.postgres.dsn, autocommit=True) as link:
        link.execute(f"alter database {name} reset synchronous_commit".encode())
    ahead_s = time.time() + 60
    monkeypatch.setattr(doctor_command.time, "time", lambda: ahead_s)
    [apart] = bad(whole)

    assert "synchronous_commit is off" in forgetful.text
    assert apart.check == "clock"


def test_a_catalog_that_is_not_what_its_sources_say_is_wrong(
    whole: Settings, tmp_path: Path
) -> None:
    (tmp_path / "gas.toml").write_text('[lifeline]\nname = "gas"\n')
    (tmp_path / "broken.toml").write_text("[lifeline\n")
    (tmp_path / "twice.toml").write_text(
        'zone = [{ name = "a" }, { name = "a" }]\n[lifeline]\nname = "x"\n'
    )

    [missing] = bad(changed(whole, "catalog", compiled="nowhere.bin"))
    [stale] = bad(changed(whole, "catalog", sources=(str(tmp_path / "gas.toml"),)))
    [broken] = bad(changed(whole, "catalog", sources=(str(tmp_path / "broken.toml"),)))
    [twice] = bad(changed(whole, "catalog", sources=(str(tmp_path / "twice.toml"),)))
    classes = bad(msgspec.structs.replace(whole, archive=Archive(retention_days={"routine": 9})))

    alone = examine(changed(whole, "catalog", sources=("not-here",)))

    assert [one.warning for one in alone if one.check == "catalog"] == [False, True]
    assert missing.remedy == stale.remedy == "`lifeline catalog build`"
    assert "nowhere.bin" in missing.text
    assert "have changed" in stale.text
    assert broken.remedy == twice.remedy == "`lifeline catalog check`"
    assert {one.check for one in classes} == {"retention"}


def test_a_full_disk_and_an_unreadable_secret_are_wrong(
    whole: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Target("city", "https://example.org", "nowhere.secret")
    [secret] = bad(msgspec.structs.replace(whole, router=Router(targets=(target,))))
    monkeypatch.setattr(doctor_command, "DISK_BYTES_MIN", 1 << 60)
    [disk] = bad(whole)
    monkeypatch.setattr(doctor_command, "DISK_BYTES_MIN", 0)
    monkeypatch.setattr(doctor_command, "DISK_SHARE_MIN", 1.1)
    notes = [one for one in examine(whole) if one.check == "disk"]

    assert "nowhere.secret" in secret.text
    assert "make room" in disk.remedy
    assert [(one.ok, one.warning) for one in notes] == [(True, True)]
