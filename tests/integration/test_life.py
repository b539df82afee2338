"""The life of an incident on real rows: second persons, shelves, windows, clocks, two routers."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
from psycopg import Connection

from alerting import store
from alerting.actions import Act
from alerting.desk import store as desk
from alerting.desk.rows import Outcome
from alerting.ledger.store import Folded, contended
from alerting.notices import Push, Wording
from alerting.outbox import store as outbox
from alerting.policy import Policy, Treatment
from alerting.timer.service import Timer
from alerting.timer.store import keep_time
from alerting.windows import Check, Window
from lifeline import config
from lifeline.grades import GRADING
from lifeline.life import Life
from lifeline.stack import Stack
from tests.flood import FLOOD
from tests.integration.rig import Rig, rig, wait_for
from tests.integration.router_house import House, Platform
from tests.streams.town import catalog

pytestmark = pytest.mark.integration
POLICY = Policy(
    life=Life(quiet_s=0.0), treatments={"gas.ch4": Treatment(is_managed=True, realarm_s=60.0)}
)


@pytest.fixture
def made(stack: Stack, tmp_path: Path) -> Iterator[House]:
    platform = Platform()
    with rig(stack.addresses(), tmp_path, timescale=False) as one:
        yield House(one, platform, config.Router())
    platform.shutdown()
    platform.server_close()


def wording() -> Wording:
    return Wording(catalog(), config.Router(), policy=POLICY)


def fold(one: Rig, *findings: Any) -> None:
    with psycopg.connect(one.dsn) as connection:
        store.fold(connection, wording(), findings)


def act(one: Rig, action: Any, **fields: Any) -> Outcome:
    with psycopg.connect(one.dsn) as connection:
        wanted = Act(action=action, actor=fields.pop("actor", "li"), **fields)
        return desk.perform(connection, wording(), wanted, store.now(connection))


def late(one: Rig, kind: str) -> None:
    """Deadlines of a kind come now."""
    one.rows("update deadline set due_at = clock_timestamp() where kind = %s returning 1", kind)


def fire(one: Rig) -> int:
    with psycopg.connect(one.dsn) as connection:
        return contended(lambda c: store.fire(c, wording()))(connection).changes


def test_every_action_is_rows_and_every_deadline_is_met_once(made: House) -> None:
    one = made.rig
    leak, other = made.finding(1), made.finding(2)
    fold(one, leak, other)
    (first, key), (second, _) = one.rows(
        "select i.id, a.key from incident i join alarm a on a.incident = i.id order by i.asset"
    )
    codes = [act(one, "acknowledge", incident=name).code for name in (first, second)]
    codes.append(act(one, "verify", incident=first, verdict="true", code="leak").code)
    codes.append(act(one, "merge", incident=first, other=second).code)
    now_ms = one.rows("select (extract(epoch from clock_timestamp()) * 1000)::int8")[0][0]
    asked = act(one, "shelve", alarm=key, note="works", until_ms=now_ms + 600_000)
    codes += [
        asked.code,
        act(one, "approve", proposal=asked.proposal).code,
        act(one, "approve", proposal=asked.proposal, actor="wang").code,
        act(one, "approve", proposal=asked.proposal, actor="zhao").code,
    ]

    assert codes == [
        "acknowledged", "acknowledged", "verified", "took-over", "proposed", "same-person",
        "shelved", "proposal-gone",
    ]  # fmt: skip
    assert one.rows("select state, hidden_by from alarm where key = %s", key) == [("shelved", "li")]
    assert one.rows("select verdict, code, by_whom from label") == [("true", "leak", "li")]
    assert one.rows("select phase, merged_into from incident where id = %s", second) == [
        ("closed", first)
    ]

    # The shelf's end comes due; two routers look at the same moment.
    one.rows("update alarm set hidden_until_ms = %s where key = %s returning 1", now_ms, key)
    late(one, "shelf")
    late(one, "undo")
    seen: list[int] = []
    routers = [threading.Thread(target=lambda: seen.append(fire(one))) for _ in range(2)]
    for router in routers:
        router.start()
    for router in routers:
        router.join(20)

    assert sorted(seen) == [0, 1]
    assert one.rows("select state from alarm where key = %s", key) == [("unacknowledged",)]
    assert one.rows("select phase, verdict from incident where id = %s", first) == [
        ("open", "true")
    ]
    reasons = [row[0] for row in one.rows("select reason from audit order by id")]
    assert reasons.count("shelf-ended") == 1


async def test_a_deadline_that_cannot_be_met_is_put_off_and_holds_up_no_other(made: House) -> None:
    one = made.rig
    fold(one, made.finding(1), made.finding(2))
    (broken,) = [row[0] for row in one.rows("select id from excursion order by id limit 1")]
    one.rows(
        "with e as (update excursion set due_ms = 1 where id = %s returning id)"
        " insert into deadline select id, 'delay', 'gas/east', now() from e returning 1",
        broken,
    )
    late(one, "remind")
    left: list[str] = []

    async def run(work: Callable[[Connection], Folded]) -> Folded:
        with psycopg.connect(one.dsn) as connection:
            return contended(work)(connection)

    timer = Timer(run, wording, lambda _: None, left.append, lambda: False, structlog.get_logger())
    going = asyncio.create_task(timer.go())
    reminded = "select incident from audit where reason = 'reminded'"
    await asyncio.to_thread(wait_for, lambda: one.rows(reminded), 15, "the other's reminder")
    put_off = "select due_at > clock_timestamp() from deadline where kind = 'delay'"
    await asyncio.to_thread(wait_for, lambda: one.rows(put_off) == [(True,)], 15, "put off")
    going.cancel()

    held_up = "select incident from excursion where id = %s"
    assert one.rows(reminded) != one.rows(held_up, broken)
    assert len(one.rows(reminded)) == 1
    assert left == []


def test_a_clock_that_is_set_back_delays_no_reminder_and_is_noticed_once(made: House) -> None:
    one = made.rig
    fold(one, made.finding(1))
    # As it looks when the clock is two hours earlier than it was.
    two_h = 7_200_000
    one.rows("update clock_seen set at = now() + interval '2 h' returning 1")
    one.rows("update deadline set due_at = due_at + interval '2 h' returning 1")
    one.rows(f"update incident set unseen_ms = unseen_ms + {two_h} returning 1")
    one.rows(
        "insert into responder (incident, person, acknowledged_ms)"
        " select id, 'li', unseen_ms + 1 from incident returning 1"
    )

    with psycopg.connect(one.dsn) as first, psycopg.connect(one.dsn) as second:
        back = [keep_time(first), keep_time(second)]
    with psycopg.connect(one.dsn) as later:
        back.append(keep_time(later))

    assert [round(s) for s in back] == [7200, 0, 0]
    in_s = (
        "select kind, round(extract(epoch from due_at - now()) / 30)::int from deadline order by 1"
    )
    assert one.rows(in_s) == [("escalate", 4), ("remind", 1)]
    assert one.rows("select abs(unseen_ms - opened_ms) < 5000 from incident") == [(True,)]
    taken = (
        "select r.acknowledged_ms >= unseen_ms from responder r join incident i on i.id = incident"
    )
    assert one.rows(taken) == [(True,)]


def test_windows_and_splits_are_rows_too(made: House) -> None:
    one = made.rig
    now_ms = one.rows("select (extract(epoch from clock_timestamp()) * 1000)::int8")[0][0]
    watch = Window(
        id="w1", kind="work-watch", author="", reason="repair", zone="gas/east",
        from_ms=now_ms, until_ms=now_ms + 60_000, checks=(Check("odour round"),), factor=0.5,
    )  # fmt: skip
    quiet = Window(
        id="w2", kind="maintenance", author="", reason="valves", zone="gas/east",
        rules=("valve",), from_ms=now_ms - 1000, until_ms=now_ms + 60_000,
    )  # fmt: skip
    codes = [act(one, "open-window", opening=w).code for w in (watch, quiet)]
    fold(one, made.finding(1, grade=3), made.finding(2), made.finding(3, rule="valve"))
    codes += [
        act(one, "end-window", window="w1").code,
        act(one, "check", window="w1", check="odour round").code,
        act(one, "end-window", window="w1").code,
    ]
    hidden = one.rows("select state, hidden_by from alarm where rule = 'valve'")
    late(one, "window")
    one.rows("update alarm_window set until_ms = %s where id = 'w2' returning 1", now_ms + 1)
    fire(one)
    names = [row[0] for row in one.rows("select id from incident order by asset")]
    act(one, "merge", incident=names[0], other=names[1])
    (moved,) = one.rows("select key from alarm where asset = 'gas/well-2'")
    codes.append(act(one, "split", incident=names[0], alarms=moved).code)

    assert codes == [
        "window-opened", "window-opened", "unchecked", "checked", "window-ended", "split",
    ]  # fmt: skip
    assert one.rows("select grade from incident where id = %s", names[0]) == [(1,)]
    assert hidden == [("suppressed", "w2")]
    assert len(names) == 3
    assert one.rows("select count(*) from incident where phase = 'open'") == [(3,)]
    with psycopg.connect(one.dsn) as connection:
        assert store.running(connection) == []


def test_the_grades_that_reports_join_are_those_that_are_configured_now(made: House) -> None:
    with psycopg.connect(made.rig.dsn) as connection:
        store.keep_grades(connection, GRADING)
        store.keep_grades(connection, FLOOD)

    assert made.rig.rows("select level, zh, colour, escalate_s from grade order by level") == [
        (1, "红色", "#D0021B", [240.0]),
        (2, "橙色", "#C05A00", [900.0]),
        (3, "黄色", "#E8B800", []),
        (5, "设备", "#6B7280", []),
    ]


@pytest.mark.feature("OnCall #4654, #4760")
def test_a_page_that_failed_is_sent_again_by_hand_until_somebody_has_taken_its_incident(
    made: House,
) -> None:
    one = made.rig
    fold(one, made.finding(1))
    ((name,),) = one.rows("select id from incident")
    dead = [
        Push("phones", f"page-{n}", b"{}", name, "page", reason, 1, 0, is_page=True, person="li")
        for n, reason in enumerate(("first", "first", "support"))
    ]
    with psycopg.connect(one.dsn) as connection:
        outbox.put(connection.cursor(), dead, {})
        connection.execute("update outbox set dead_at = clock_timestamp()")
    numbers = [number for (number,) in one.rows("select id from outbox order by id")]

    def resend(number: int) -> str:
        with psycopg.connect(one.dsn) as connection:
            return desk.resend(connection, number, actor="wang", channel="console", note="mended")

    before = resend(numbers[0])
    act(one, "acknowledge", incident=name)
    after = [resend(number) for number in numbers]

    assert before == "resent"
    assert after == ["unknown", "taken", "resent"]
    told = "select actor, note, detail from audit where incident = %s and action = 'resend'"
    assert sorted(one.rows(told, name)) == [
        ("wang", "mended", "phones li first"),
        ("wang", "mended", "phones li support"),
    ]
