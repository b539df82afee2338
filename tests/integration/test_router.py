"""The router on real servers: findings in, incidents and signed pushes out, whatever dies."""

import contextlib
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import psycopg.conninfo
import pytest
from psycopg import sql

from alerting import engine, incidents
from alerting import store as router_store
from alerting.actions import Act, Action
from alerting.audit import store as audit
from alerting.audit.chain import Line
from alerting.board import store as board
from alerting.board.rows import Sift
from alerting.desk import store as desk_store
from alerting.notices import Wording
from alerting.policy import Policy
from alerting.slices import Slice
from lifeline import config, db, wire
from lifeline.commands.doctor import plainly
from lifeline.life import Life
from lifeline.stack import Stack
from tests.integration.rig import consume, rig, wait_for
from tests.integration.router_house import SECRET, House, Platform, wild_findings
from tests.streams.town import catalog

pytestmark = pytest.mark.integration


@pytest.fixture
def house(stack: Stack, tmp_path: Path) -> Iterator[House]:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    platform = Platform()
    target = config.Target(
        name="platform",
        url=f"http://127.0.0.1:{platform.server_address[1]}/push",
        secret_file=str(secret),
        private_allowed=True,
    )
    with rig(stack.addresses(), tmp_path, timescale=False) as made:
        yield House(made, platform, config.Router(targets=(target,)))
        print(made.tail())
    platform.shutdown()
    platform.server_close()


def test_a_finding_becomes_an_incident_a_signed_push_and_a_feed_record(house: House) -> None:
    process = house.ready()
    leak = house.finding()

    began = time.monotonic()
    house.publish(leak)
    wait_for(lambda: house.platform.pushes, 10, "push")
    took_s = time.monotonic() - began

    incident = incidents.incident_id(leak.id)
    assert house.incidents() == [(incident, "gas/well-0", 1, "open", 1)]
    assert house.platform.notices()[0].incident == incident
    assert house.platform.problems == []
    assert took_s < 3.0
    wait_for(lambda: house.waiting() == 0, 5, "mark")
    assert house.delivered() == dict(house.platform.pushes)
    wait_for(lambda: consume(house.rig, wire.INCIDENTS), 10, "feed")
    sealed = "select 1 from seal_head where subject = %s"
    wait_for(lambda: house.rig.rows(sealed, incident), 5, "seal")
    wait_for((house.rig.folder / "anchors" / "audit.log").exists, 5, "anchor")
    ((_, record),) = consume(house.rig, wire.INCIDENTS)
    assert wire.decode_incident(record).incident == incident
    assert house.rig.end(process) == 0


def test_the_same_findings_again_change_nothing(house: House) -> None:
    house.ready()
    leak = house.finding(on_delay_s=0.0)
    timeline = [leak, msgspec.structs.replace(leak, phase="cleared", at_ms=leak.at_ms + 1000)]
    house.publish(*timeline)
    wait_for(lambda: len(house.platform.pushes) == 2, 10, "alert and return")
    before = house.incidents()

    house.publish(*timeline, *timeline, house.finding(1))
    wait_for(lambda: len(house.incidents()) == 2, 10, "the other leak")

    assert house.incidents()[:1] == before
    wait_for(lambda: len(house.platform.pushes) == 3, 10, "its push")
    assert len(set(house.platform.keys())) == 3


@pytest.mark.feature("OnCall #1931")
def test_delays_run_by_rows_that_survive_a_kill(house: House) -> None:
    process = house.ready()
    house.publish(house.finding(on_delay_s=3.0))
    delays = "select 1 from deadline where kind = 'delay'"
    wait_for(lambda: house.rig.rows(delays), 5, "deadline")
    assert house.platform.pushes == []

    house.rig.kill(process)
    house.start()

    wait_for(lambda: house.platform.pushes, 15, "push")
    assert len(house.incidents()) == 1
    assert house.rig.rows(delays) == []


def test_what_cannot_be_read_or_kept_goes_to_quarantine_and_the_rest_goes_on(house: House) -> None:
    house.ready()
    evil = house.finding(2, unit="a\0b")

    house.publish(b"{not json", evil, house.finding(3), b"\xff")

    wait_for(lambda: house.platform.pushes, 15, "push")
    wait_for(lambda: len(house.rig.rows("select 1 from quarantine")) == 3, 10, "quarantine")
    assert [row[1] for row in house.incidents()] == ["gas/well-3"]

    # Nor does what another version has left in line for the feed hold up what waits behind it.
    with psycopg.connect(house.rig.dsn) as connection:
        connection.execute(
            "insert into incident_change (zone, body) values ('gas/east', '{\"schema\": 9}')"
        )
    house.publish(house.finding(4))
    wait_for(lambda: len(consume(house.rig, wire.INCIDENTS)) == 2, 15, "feed")
    assert len(house.rig.rows("select 1 from quarantine where topic = 'lifeline.incidents'")) == 1


def test_a_rule_with_a_mistake_costs_nobody_an_alarm_and_doctor_says_so(house: House) -> None:
    process = house.start("bug-in-rules")
    house.rig.wait_ready(process)

    house.publish(house.finding(1), house.finding(2, on_delay_s=1.0))

    wait_for(lambda: len(house.platform.pushes) == 2, 20, "pushes")
    assert {row[1] for row in house.incidents()} == {"gas/well-1", "gas/well-2"}
    assert house.rig.rows("select 1 from quarantine") == []
    noted = "select reason, note from audit where action = 'fold-plain' order by id"
    assert ("rules", "KeyError: 'gas/well-1'") in house.rig.rows(noted)
    with psycopg.connect(house.rig.dsn) as connection:
        verdict = plainly(connection)
    assert (verdict.ok, verdict.warning) == (True, True)
    assert "KeyError" in verdict.text


def test_without_postgresql_the_gravest_go_out_and_become_one_incident_later(
    house: House, stack: Stack
) -> None:
    process = house.ready()
    house.publish(house.finding(0))
    wait_for(lambda: house.platform.pushes, 10, "first push")
    wait_for(lambda: house.waiting() == 0, 5, "mark")

    stack.kill("postgresql")
    try:
        minor, leak = house.finding(1, grade=3), house.finding(2)
        began = time.monotonic()
        house.publish(minor, leak)
        wait_for(lambda: len(house.platform.pushes) == 2, 20, "push without PostgreSQL")
        took_s = time.monotonic() - began
        assert not house.rig.is_ready(process)
    finally:
        stack.start("postgresql")
    wait_for(lambda: len(house.incidents()) == 3, 30, "reconciled")
    wait_for(lambda: house.waiting() == 0, 10, "delivered")

    fast = house.platform.pushes[1]
    assert took_s < 15
    assert wire.decode_notice(fast[1]).incident == incidents.incident_id(leak.id)
    assert house.delivered()[fast[0]] == fast[1]
    assert dict(house.platform.pushes) == house.delivered()
    assert [row[2] for row in house.incidents()] == [1, 1, 1]
    wait_for(lambda: house.rig.is_ready(process), 10, "ready again")


def test_a_notice_that_postgresql_holds_goes_out_while_it_is_away(
    house: House, stack: Stack
) -> None:
    house.platform.status = 503
    house.ready()
    house.publish(house.finding(0))
    wait_for(lambda: house.waiting() == 1, 10, "notice in the outbox")

    stack.kill("postgresql")
    try:
        house.platform.status = 200
        wait_for(lambda: house.platform.pushes, 25, "push without PostgreSQL")
    finally:
        stack.start("postgresql")
    wait_for(house.delivered, 40, "delivered")

    assert dict(house.platform.pushes) == house.delivered()


def stand_by(house: House, is_standby: str) -> None:
    """Every connection to the router's database, now and later, may read alone, or write again."""
    name = psycopg.conninfo.conninfo_to_dict(house.rig.dsn)["dbname"]
    with psycopg.connect(house.rig.addresses.postgres_admin_dsn, autocommit=True) as admin:
        admin.execute(
            sql.SQL("alter database {} set default_transaction_read_only = {}").format(
                sql.Identifier(str(name)), sql.SQL(is_standby)
            )
        )
        admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,)
        )


def test_a_server_that_is_a_standby_for_a_while_is_waited_for(house: House) -> None:
    process = house.ready()
    stand_by(house, "on")
    leak = house.finding(0)
    house.publish(leak)
    wait_for(lambda: house.platform.pushes, 25, "push past the standby")
    stand_by(house, "off")

    wait_for(lambda: house.rig.is_ready(process), 30, "ready again")
    wait_for(house.delivered, 20, "delivered")
    assert len(house.incidents()) == 1
    assert house.rig.rows("select 1 from quarantine") == []


def test_a_start_without_postgresql_pushes_the_gravest_all_the_same(
    house: House, stack: Stack
) -> None:
    leak = house.finding(4)
    stack.kill("postgresql")
    try:
        house.start()
        house.publish(leak)
        wait_for(lambda: house.platform.pushes, 25, "push without PostgreSQL")
    finally:
        stack.start("postgresql")

    wait_for(house.delivered, 30, "reconciled")
    assert dict(house.platform.pushes) == house.delivered()


@pytest.mark.faults  # `make test` dies at these points in tests/faults, all in one run.
@pytest.mark.parametrize(
    "point",
    [
        "router.before-commit",
        "router.after-commit",
        "router.before-send",
        "router.after-send",
        "router.after-mark",
        "router.before-seal",
    ],
)
def test_a_crash_at_any_point_loses_nothing_and_changes_no_bytes(house: House, point: str) -> None:
    process = house.start(point)
    leak = house.finding(5)
    house.publish(leak)
    assert process.wait(30) == 99

    house.start()
    wait_for(lambda: house.platform.pushes, 20, "push")
    wait_for(lambda: house.incidents() and house.waiting() == 0, 20, "delivered")

    assert house.incidents() == [(incidents.incident_id(leak.id), "gas/well-5", 1, "open", 1)]
    assert dict(house.platform.pushes) == house.delivered()


@pytest.mark.feature("ThingsBoard #2986, #5652, #15583")
def test_two_routers_make_one_incident_and_either_may_die(house: House) -> None:
    first, _ = house.ready(), house.ready()
    house.publish(*(house.finding(n % 10) for n in range(40)))
    wait_for(lambda: len(house.incidents()) == 10, 15, "incidents")
    house.rig.kill(first)

    house.publish(*(house.finding(n, hazard="burst") for n in range(5)))

    wait_for(lambda: len(house.incidents()) == 15, 5, "the other goes on")
    wait_for(lambda: house.waiting() == 0, 40, "delivered")
    assert sorted(set(house.platform.keys())) == sorted(house.delivered())


@pytest.mark.feature("E-1")
def test_a_refusal_is_kept_and_can_be_sent_again_an_outage_of_the_receiver_is_waited_for(
    house: House,
) -> None:
    house.ready()
    house.platform.status = 400
    house.publish(house.finding(6))
    wait_for(lambda: house.rig.rows("select 1 from outbox where dead_at is not null"), 10, "dead")
    house.platform.status = 503
    house.publish(house.finding(7))
    wait_for(lambda: house.rig.rows("select 1 from outbox where attempts >= 2"), 10, "tries")
    house.platform.status = 200
    wait_for(lambda: len(house.platform.pushes) == 1, 20, "delivered late")

    with psycopg.connect(house.rig.dsn) as connection:
        (letter,) = desk_store.dead_letters(connection)
        again = [
            desk_store.resend(connection, letter.id, actor="li", channel="console")
            for _ in range(2)
        ]

    assert again == ["resent", "unknown"]

    wait_for(lambda: len(house.platform.pushes) == 2, 10, "sent again")
    assert house.platform.keys()[1] == letter.key
    codes = {row[0] for row in house.rig.rows("select code from attempt")}
    assert {"refused 400", "failed 503", "delivered 200"} <= codes


@pytest.mark.feature("A-10", "OnCall #3161")
def test_an_officer_and_the_router_never_overwrite_each_other(house: House) -> None:
    house.ready()
    leak = house.finding(8)
    house.publish(leak)
    wait_for(house.incidents, 10, "incident")
    name = house.incidents()[0][0]
    calm = Policy(life=Life(quiet_s=0.0))
    wording = Wording(catalog(), house.settings, policy=calm)

    def act(action: Action, **more: Any) -> str:
        with psycopg.connect(house.rig.dsn) as connection:
            wanted = Act(incident=name, action=action, actor="li", **more)
            return desk_store.perform(
                connection, wording, wanted, router_store.now(connection)
            ).code

    codes = [act("acknowledge", expected_revision=1), act("acknowledge", expected_revision=1)]
    house.publish(msgspec.structs.replace(leak, phase="cleared", at_ms=leak.at_ms + 1000))
    wait_for(lambda: house.incidents()[0][3] == "watching", 10, "watching")
    judged = {"verdict": "true", "code": "leak"}
    codes += [act("close", note="checked", **judged), act("acknowledge")]
    wait_for(lambda: house.waiting() == 0, 10, "delivered")

    assert codes == ["acknowledged", "faster", "closed", "noted-late"]
    assert [n.reason for n in house.platform.notices()] == [
        "opened",
        "acknowledged",
        "returned",
        "closed",
    ]
    with psycopg.connect(house.rig.dsn) as connection:
        detail = desk_store.incident_detail(connection, name)
        assert detail is not None
        assert [(row.actor, row.reason) for row in detail.audit] == [
            ("router", "opened"),
            ("li", "acknowledged"),
            ("router", "returned"),
            ("li", "closed"),
            ("li", "noted-late"),
        ]
        assert [n.state for n in detail.notices] == ["delivered"] * 4
        assert board.queue(connection, Sift()) == []
        closed = board.queue(connection, Sift(phases=("closed",)))
        assert [c.summary.id for c in closed] == [name]


@pytest.mark.feature("O-2")
def test_nobody_rewrites_the_audit(house: House) -> None:
    line = Line(incident="i", at_ms=1, actor="li", action="note", channel="console")
    with psycopg.connect(house.rig.dsn) as connection:
        audit.append(connection, [line])

    for attack in ("update audit set actor = 'x'", "delete from audit", "truncate audit"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), contextlib.suppress(IndexError):
            house.rig.rows(attack)

    assert house.rig.rows("select actor from audit") == [("li",)]


def test_what_the_database_holds_is_what_the_pure_step_says(house: House) -> None:
    """Slices loaded batch by batch from rows come out as one slice that was never written down."""
    seed = 20261121
    chance = random.Random(seed)
    timeline = wild_findings(house, chance, 400)
    database = db.Database(house.rig.settings.postgres)
    wording = Wording(catalog(), house.settings)
    whole = Slice()

    rest = list(timeline)
    while rest:
        n = chance.randint(1, 40)
        batch, rest = rest[:n], rest[n:]
        database.run_now(lambda c, batch=batch: router_store.fold(c, wording, batch))
        for one in batch:
            engine.step(whole, one, 0)
    database.close()

    fields = "phase, grade, told, episode, revision, changed_revision, is_active"
    held = house.rig.rows(f"select id, {fields} from incident order by id")
    names = ["id", *fields.split(", ")]
    said = [tuple(getattr(i, name) for name in names) for i in whole.incidents.values()]
    assert held == sorted(said), f"seed {seed}"
    assert house.rig.rows("select key, state, grade, incident from alarm order by key") == sorted(
        (a.key, a.state, a.grade, a.incident) for a in whole.alarms.values() if a.revision
    )
