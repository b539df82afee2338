"""What was done stays provable on a real PostgreSQL: chains, seals, anchors, roles, evidence."""

import json
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
from psycopg import Connection
from psycopg.conninfo import make_conninfo

from alerting.actions import Act
from alerting.audit import service, store
from alerting.audit.anchors import parse
from alerting.desk import store as desk
from alerting.notices import Wording
from lifeline import config, db
from lifeline.stack import Addresses
from tests.integration.console_rig import City, new_city
from tests.integration.proof_rig import as_service, codes, line, run, seal, settings_file, write
from tests.integration.rig import wait_for

pytestmark = pytest.mark.integration
GUARDED = ("audit", "seal", "seal_head", "anchor", "incident_reading")
LOG = structlog.get_logger("tests")


@pytest.fixture
def town(addresses: Addresses) -> Iterator[City]:
    with new_city(addresses) as made:
        yield made


@pytest.mark.feature("O-2")
def test_the_services_role_appends_and_can_change_nothing(city: City) -> None:
    services = as_service(city)
    try:
        services.run_now(lambda c: store.append(c, [line("i"), line("i"), line()]))
        services.run_now(store.seal)
        who = services.run_now(lambda c: c.execute("select current_user").fetchone())
        for table in GUARDED:
            column = "place" if table == "anchor" else "number" if table != "audit" else "actor"
            column = "quality" if table == "incident_reading" else column
            for attack in (
                f"update {table} set {column} = {column}",
                f"delete from {table}",
                f"truncate {table} cascade",
                f"alter table {table} disable trigger all",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    services.run_now(lambda c, attack=attack: c.execute(attack.encode()))
    finally:
        services.close()

    assert who == (db.SERVICE_ROLE,)
    assert codes(city, seal(city)) == set()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        city.rows("update seal set heads = 7")  # The owner's way: the trigger.


def test_appends_at_once_make_one_chain_each(city: City) -> None:
    services = as_service(city)

    def append_some() -> None:
        for _ in range(10):
            services.run_now(
                lambda c: store.append(c, [line(subject="desks"), line(subject="roster")])
            )

    threads = [threading.Thread(target=append_some) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    services.close()

    numbers = (
        "select subject, count(*), max(number) from audit where subject in ('desks', 'roster')"
        " group by 1 order by 1"
    )
    assert city.rows(numbers) == [("desks", 20, 20), ("roster", 20, 20)]
    assert codes(city, seal(city)) == set()


def test_who_comes_between_on_an_incidents_chain_is_refused_by_the_unique_key(city: City) -> None:
    with psycopg.connect(city.settings.postgres.dsn) as first:
        store.append(first, [line("between")])
        with psycopg.connect(city.settings.postgres.dsn) as second:
            waits = threading.Timer(0.2, first.commit)
            waits.start()
            with pytest.raises(psycopg.errors.UniqueViolation):
                store.append(second, [line("between")])
            waits.join()

    assert city.rows("select number from audit where subject = 'between'") == [(1,)]


def test_one_seals_at_a_time_and_a_killed_one_is_taken_over(city: City) -> None:
    city.database.run_now(store.seal)
    write(city, line("a"), line("b"))
    with psycopg.connect(city.settings.postgres.dsn) as dying:
        half = store.seal(dying)
        held = city.database.run_now(store.seal)
        city.rows("select pg_terminate_backend(%s)", dying.info.backend_pid)
        dying.close()
    wait_for(lambda: city.database.run_now(store.seal), 10, "taken over")

    assert held is None
    assert half is not None
    newest = "select number, heads from seal order by number desc limit 1"
    assert city.rows(newest) == [(half.number, 2)]
    assert city.database.run_now(store.seal) is None
    assert codes(city, seal(city)) == set()


def test_a_clock_that_is_set_back_makes_nobody_a_forger(town: City) -> None:
    write(town, line("i"))
    seal(town)
    town.rows("alter table seal disable trigger user")
    ahead = "update seal set sealed = sealed + interval '1 hour' returning number"
    assert town.rows(ahead) == [(1,)]

    write(town, line("i"))
    seal(town)

    times = "select s.sealed <= a.written from seal s, audit a where s.number = 1 and a.number = 2"
    assert town.rows(times) == [(True,)]
    assert codes(town) == {"seal-changed"}


TAMPERINGS: tuple[tuple[str, str], ...] = (
    ("update audit set actor = 'wang' where subject = 'i' and number = 2", "line-changed"),
    ("update audit set second = 'wang' where subject = 'i' and number = 1", "line-changed"),
    ("delete from audit where subject = 'i' and number = 2", "lines-gone"),
    ("delete from audit where subject = 'i' and number = 3", "sealed-line-gone"),
    ("delete from audit where subject = 'i'", "chain-gone"),
    ("update seal set sealed = sealed - interval '1 hour' where number = 1", "seal-changed"),
    ("delete from seal_head where subject = 'j'", "heads-changed"),
    ("delete from seal_head; delete from seal", "anchor-without-seal"),
)


@pytest.mark.feature("O-2")
@pytest.mark.parametrize(("attack", "code"), TAMPERINGS)
def test_what_an_owner_does_with_the_triggers_off_is_found(
    city: City, attack: str, code: str
) -> None:
    name = uuid.uuid4().hex
    write(city, line(name), line(name), line("j"))
    seal(city)
    write(city, line(name))
    anchor = seal(city)
    assert codes(city, anchor) == set()

    def work(connection: Connection) -> set[str]:
        for table in ("audit", "seal", "seal_head"):
            connection.execute(f"alter table {table} disable trigger user".encode())
        connection.execute(attack.replace("'i'", f"'{name}'").encode())
        entries, seals = list(store._read_entries(connection)), list(store._read_seals(connection))
        found = store.proof.verify(entries, seals, [anchor])
        raise Undone({problem.code for problem in found.problems})

    with pytest.raises(Undone) as undone:
        city.database.run_now(work)

    assert code in undone.value.codes
    assert codes(city, anchor) == set()


class Undone(Exception):
    """Rolls a tampering back, and carries what was found of it."""

    def __init__(self, codes: set[str]) -> None:
        super().__init__()
        self.codes = codes


def test_lines_from_before_the_chain_are_chained_by_the_migration(addresses: Addresses) -> None:
    name = f"older_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(addresses.postgres_admin_dsn, autocommit=True) as admin:
        admin.execute(f"create database {name} owner lifeline".encode())
    dsn = make_conninfo(addresses.postgres_dsn, dbname=name)
    try:
        with psycopg.connect(dsn, autocommit=True) as older:
            older.execute("create table migration (name text primary key)")
            older.execute("insert into migration values ('000.plain.sql')")
            older.execute("alter table migration add at timestamptz default now()")
            for file, text in db._migrations(is_timescale=False):
                if file < "015":
                    older.execute(text.encode())
                    older.execute("insert into migration (name) values (%s)", (file,))
            older.execute(
                "insert into audit (incident, at_ms, actor, action, reason, note, channel,"
                " revision) select case n % 3 when 0 then '' else 'i' || n % 3 end, n, 'li',"
                " 'note', 'noted', '看过了 ‖ ' || n, 'console', n from generate_series(1, 50) n"
            )
        db.migrate(config.Postgres(dsn=dsn), lambda _: None)
        with psycopg.connect(dsn) as newer:
            store.append(newer, [line("i1"), line()])
            store.seal(newer)
        with psycopg.connect(dsn) as newer:
            proof = store.verified(newer, [])
    finally:
        with psycopg.connect(addresses.postgres_admin_dsn, autocommit=True) as admin:
            admin.execute(f"drop database if exists {name} with (force)".encode())

    assert (proof.problems, proof.lines, proof.chains, proof.unsealed) == ((), 52, 3, 0)


def test_without_its_audit_line_nothing_is_done_and_the_alarm_goes_on(city: City) -> None:
    incident = city.leak("gas/well-9001")
    wording = Wording(city.catalog, city.settings.router)
    act = Act(incident=incident, action="acknowledge", actor="li")
    services = as_service(city)
    city.rows(f"revoke insert on audit from {db.SERVICE_ROLE}")
    try:
        acknowledge: Callable[[Connection], Any] = lambda c: desk.perform(  # noqa: E731
            c, wording, act, city.clock_ms()
        )
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            services.run_now(acknowledge)
        city.database, owner = services, city.database
        other = city.leak("gas/well-9002")
        city.database = owner
        phases = city.rows("select phase from incident where id = any(%s)", [incident, other])
        pushes = city.rows("select count(*) from audit_owed")
        city.rows(f"grant insert on audit to {db.SERVICE_ROLE}")

        paid = services.run_now(store.pay)
        services.run_now(acknowledge)
    finally:
        services.close()

    assert phases == [("open",), ("open",)]
    assert pushes == [(paid,)] != [(0,)]
    opened = city.rows("select action, reason from audit where incident = %s", other)
    assert ("state", "opened") in opened
    assert city.rows("select phase from incident where id = %s", incident) == [("acknowledged",)]
    assert codes(city, seal(city)) == set()


class Collector:
    """A log host: takes messages with their length before them (RFC 6587)."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.taken = b""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self.server.accept()
            except OSError:
                return
            with link:
                while part := link.recv(4096):
                    self.taken += part


@pytest.mark.feature("O-2")
async def test_a_seal_is_written_down_outside_and_what_was_rewritten_is_told(
    town: City, tmp_path: Path
) -> None:
    collector, file = Collector(), tmp_path / "apart" / "audit.log"
    port = collector.server.getsockname()[1]
    settings = config.Audit(
        anchor_file=str(file),
        syslog_host="127.0.0.1",
        syslog_port=port,
    )
    write(town, line("i"), line("j"))
    sealer = service.Sealer(settings, town.database, LOG)

    assert await sealer._seal()
    assert await sealer._anchor()
    wait_for(lambda: b"lifeline-anchor v1 " in collector.taken, 5, "syslog")
    collector.server.shutdown(socket.SHUT_RDWR)
    collector.server.close()
    assert not await sealer._anchor()  # Nobody takes it: tried again.

    (first, second), bad = parse(file.read_text())
    (sent,), _ = parse(collector.taken.decode() + "\n")
    assert (first.seal, first.hash, bad) == (sent.seal, sent.hash, 0)
    assert second.seal == first.seal
    assert service.read_last(str(file)) == second
    places = {row[0] for row in town.rows("select place from anchor")}
    assert places == {f"syslog://127.0.0.1:{port}", f"{socket.gethostname()}:{file}"}

    options = ["--config", str(settings_file(town, tmp_path, file))]
    assert run("audit", "verify", *options)[0] == 0
    town.rows("alter table seal disable trigger user")
    town.rows("update seal set hash = %s", bytes(32))
    status, told = run("audit", "verify", *options, "--json")
    found = json.loads(told)
    assert (status, found["is_whole"]) == (1, False)
    assert {p["code"] for p in found["problems"]} == {"seal-changed", "anchor-other"}
    assert not await sealer._is_as_it_was(second)
    assert run("audit", "show", "i", *options)[0] == 0
    assert run("audit", "show", "nobody", *options)[0] == 1
