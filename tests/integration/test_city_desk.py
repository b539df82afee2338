"""Rules as versions, work orders and exercises on a real PostgreSQL."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import psycopg
import pytest
from psycopg import Connection

from alerting import plans
from alerting.actions import Act
from alerting.audit import store as audit
from alerting.book.store import read_book
from alerting.console.city.store import CityNow
from alerting.desk import store as desk
from alerting.drill import service as drills
from alerting.drill import store as drill
from alerting.drill.running import Drill
from alerting.drill.running import Refusal as Hindered
from alerting.drill.scenarios import FREE, Event, Scenario
from alerting.notices import Push, Wording
from alerting.people.roster import Roster
from alerting.rules import service as enforcer
from alerting.rules import store as rules
from alerting.rules import versions
from alerting.rules.versions import Refusal, Ruleset, Version
from alerting.topology import Topology
from alerting.work import store as work
from alerting.work.kept import Taken
from alerting.work.orders import Order
from alerting.work.watch import window_id
from lifeline import db, wire
from lifeline.catalog import Catalog
from lifeline.compiler import with_rules
from lifeline.config import Router
from lifeline.grades import GRADING
from lifeline.model import Text
from lifeline.stack import Addresses
from lifeline.store import open_catalog, write_catalog
from lifeline.targets import Target
from tests.alerting.people.city import roster
from tests.integration.console_rig import OTHER, WELL, City, compiled, new_city

pytestmark = pytest.mark.integration
HOUR = 3_600_000
TARGETS = Router(targets=(Target(name="platform", url="http://127.0.0.1:1/", secret_file="s"),))
LEAK = Event(what="gas-leak", hazard="gas-leak", asset=WELL, codes=("leak",), steps=("measure",))
SCRIPT = Scenario(name="leak", title=Text("泄漏", "Leak"), lifeline="gas", event=(LEAK,))


@pytest.fixture(scope="module")
def town(addresses: Addresses) -> Iterator[City]:
    with new_city(addresses) as made:
        yield made


def run(town: City, work: Any) -> Any:
    """As the services do: under their role, which must have been given the new tables."""
    database = db.Database(town.settings.postgres, connections=1, role=db.SERVICE_ROLE)
    try:
        return database.run_now(work)
    finally:
        database.close()


def trail(town: City, like: str) -> list[tuple[Any, ...]]:
    return town.rows(
        "select action, actor, reason, second from audit where subject like %s order by id", like
    )


# Rules.


def moved(rules: Ruleset, value: float) -> Ruleset:
    limits = tuple(msgspec.structs.replace(limit, value=value) for limit in rules.limits)
    return msgspec.structs.replace(rules, limits=limits)


def propose(town: City, wanted: Ruleset, running: Ruleset, author: str = "li") -> Any:
    return run(town, lambda c: rules.propose(c, wanted, running, GRADING, author=author, note="w"))


def agree(town: City, number: int, running: Ruleset, who: str) -> Any:
    return run(town, lambda c: rules.approve(c, number, running.digest, actor=who))


def schedule(town: City, number: int, running: Ruleset, at_ms: int | None = None) -> Any:
    return run(
        town, lambda c: rules.schedule(c, number, running.digest, actor="li", effective_ms=at_ms)
    )


@pytest.mark.feature("O-4")
def test_a_limit_moves_when_two_have_agreed_and_its_time_has_come(
    town: City, tmp_path: Path
) -> None:
    path = str(tmp_path / "catalog.bin")
    write_catalog(compiled(), path)
    first = versions.of_head(open_catalog(path).head)
    one = propose(town, moved(first, 25.0), first)
    assert isinstance(one, Version)
    assert (one.state, one.is_life_safety) == ("proposed", True)
    assert propose(town, first, first) == Refusal("nothing")
    assert agree(town, one.number, first, "li") == Refusal("same-person", {"number": one.number})
    assert schedule(town, one.number, first).code == "needs-approval"
    with pytest.raises(psycopg.errors.CheckViolation):
        town.rows("update rules_version set state = 'approved' where number = %s", one.number)
    agree(town, one.number, first, "wang")
    later = town.clock_ms() + HOUR
    schedule(town, one.number, first, later)
    assert run(town, lambda c: enforcer.enforce(c, path)) is None

    # Its time comes; the router is killed between the file and the row.
    town.rows("update rules_version set effective_ms = %s", later - 2 * HOUR)
    with psycopg.connect(town.settings.postgres.dsn) as dying:
        enforcer.enforce(dying, path)
        # Meanwhile another router leaves it alone.
        assert run(town, lambda c: enforcer.enforce(c, path)) is None
        dying.rollback()
    half = Path(path).read_bytes()
    done = run(town, lambda c: enforcer.enforce(c, path))

    assert (done.state, Path(path).read_bytes()) == ("applied", half)
    now = open_catalog(path)
    assert now.head.limits["gas.20lel"].value == 25.0
    assert list(now.devices()) == list(Catalog(compiled()).devices())
    assert trail(town, "rules") == [
        ("rules-propose", "li", "proposed", ""),
        ("rules-approve", "wang", "approved", ""),
        ("rules-schedule", "li", "scheduled", "wang"),
        ("rules-apply", "router", "applied", "wang"),
    ]


@pytest.mark.feature("O-4")
def test_an_earlier_version_comes_back_by_the_same_way_and_overtakes_what_waits(
    town: City, tmp_path: Path
) -> None:
    path = str(tmp_path / "catalog.bin")
    first = versions.of_head(Catalog(compiled()).head)
    now = moved(first, 24.0)
    write_catalog(with_rules(compiled(), now.limits, now.rules), path)
    back = propose(town, first, now, "wang")
    waits = propose(town, moved(first, 30.0), now)
    agree(town, back.number, now, "li")
    schedule(town, back.number, now)
    run(town, lambda c: enforcer.enforce(c, path))

    rolled = run(town, lambda c: rules.roll_back(c, waits.number, first, GRADING, author="wang"))
    gone = run(town, lambda c: rules.withdraw(c, rolled.number, "", actor="wang"))

    def look(connection: Connection) -> Any:
        # As a page looks: in a transaction that cannot write.
        connection.execute("set transaction read only")
        desk_ = CityNow(
            connection, town.settings, Wording(town.catalog, TARGETS), Topology(town.catalog)
        )
        assert (desk_.drill(), desk_.steps("i"), desk_.version(10**6)) == (None, {}, None)
        assert desk_.scenarios()
        return desk_.version(back.number), desk_.versions(), desk_.drills(), desk_.work()

    (shown, body, running), *_ = run(town, look)
    assert (shown.number, body) == (back.number, first)
    assert running == first
    assert open_catalog(path).head.limits["gas.20lel"].value == 20.0
    assert agree(town, waits.number, first, "wang").code == "stale"
    assert (rolled.digest, rolled.state) == (waits.digest, "proposed")
    assert gone.state == "withdrawn"
    assert [v.state for v in run(town, rules.listed)] == [
        "withdrawn", "proposed", "applied", "replaced",
    ]  # fmt: skip


def test_what_was_scheduled_against_other_rules_is_not_put_in_force(
    town: City, tmp_path: Path
) -> None:
    path = str(tmp_path / "catalog.bin")
    write_catalog(compiled(), path)
    first = versions.of_head(open_catalog(path).head)
    titled = msgspec.structs.replace(first.rules[0], title=Text("新", "New"))
    plain = msgspec.structs.replace(first, rules=(titled,))
    # Where no life depends on it one person is enough.
    made = run(town, lambda c: rules.propose(c, plain, first, GRADING, author="li", note="title"))
    assert (made.state, made.is_life_safety) == ("approved", False)
    run(town, lambda c: rules.schedule(c, made.number, first.digest, actor="li"))
    other = moved(first, 22.0)
    write_catalog(with_rules(compiled(), other.limits, other.rules), path)

    done = run(town, lambda c: enforcer.enforce(c, path))

    assert done.state == "stale"
    assert open_catalog(path).head.limits["gas.20lel"].value == 22.0


# Work orders.


def order(town: City, **changes: Any) -> Order:
    now_ms = town.clock_ms()
    base = Order(
        id="W-1", kind="gas-work", state="planned", lifeline="gas", hazard="gas-leak",
        zones=("gas/heping",), assets=(WELL,), from_ms=now_ms, until_ms=now_ms + HOUR, watch_h=24.0,
        contractor="城燃", contact="", note="", checks=("residents", "hour-later"),
    )  # fmt: skip
    return msgspec.structs.replace(base, **changes)


@pytest.mark.feature("A-13")
def test_a_work_order_is_taken_and_moved_with_its_watch_and_context(
    town: City,
) -> None:
    wording = Wording(town.catalog, TARGETS)
    topology = Topology(town.catalog)

    def take(given: Order) -> Taken:
        taken: Taken = run(town, lambda c: work.take(c, wording, topology, given, actor="li"))
        return taken

    given = order(town)
    first, again = take(given), take(given)
    moved_on = take(msgspec.structs.replace(given, until_ms=given.until_ms + HOUR))

    assert (first.became, first.revision) == ("taken", 1)
    assert first.windows == {"gas/heping": window_id("W-1", "gas/heping")}
    assert (again.became, moved_on.became) == ("same", "moved")
    assert town.rows("select from_ms, until_ms, kind from alarm_window where work = 'W-1'") == [
        (given.until_ms + HOUR, given.until_ms + 25 * HOUR, "work-watch")
    ]
    told = [
        wire.decode_context(bytes(body))
        for (body,) in town.rows("select body from context_change order by number")
    ]
    assert [(c.kind, c.detail["revision"]) for c in told] == [
        ("work-order", 1.0), ("work-order", 2.0),
    ]  # fmt: skip
    (listed,) = run(town, work.listed)
    assert [check.name for check in listed.windows[0].checks] == list(given.checks)


@pytest.mark.feature("A-13")
def test_a_watch_that_runs_goes_on_until_every_check_is_ticked(town: City) -> None:
    wording, topology = Wording(town.catalog, TARGETS), Topology(town.catalog)
    given, name = order(town, id="W-2"), window_id("W-2", "gas/heping")
    run(town, lambda c: work.take(c, wording, topology, given, actor="li"))
    town.rows("update alarm_window set from_ms = 1, until_ms = 2 where id = %s", name)

    # It is over time with its checks missing: the desk hears of it once, in working hours.
    book = read_book(town.settings.router)
    today = dt.datetime.now(ZoneInfo("Asia/Shanghai")).date()
    always = msgspec.structs.replace(
        roster().rota.working, begins="00:00", ends="00:00", days=(1, 2, 3, 4, 5, 6, 7), holidays=()
    )
    closed = roster(working=msgspec.structs.replace(always, holidays=(today,)))

    def remind(known: Roster) -> list[Push]:
        pushes: list[Push] = run(town, lambda c: work.remind(c, wording, known, book, "u"))
        return pushes

    assert remind(closed) == []
    pages = remind(roster(working=always))
    assert pages
    assert remind(roster(working=always)) == []
    kept = town.rows("select count(*) from outbox where reason = 'watch' and class = 'page'")
    assert kept == [(len(pages),)]

    # Its order is cancelled: gas may have come back all the same.
    ended = msgspec.structs.replace(given, state="cancelled")
    cancelled = run(town, lambda c: work.take(c, wording, topology, ended, actor="li"))
    assert cancelled.became == "cancelled"

    def act(action: str, check: str = "") -> str:
        asked = Act(action=action, actor="li", window=name, check=check)  # type: ignore[arg-type]
        outcome = town.database.run_now(lambda c: desk.perform(c, wording, asked, town.clock_ms()))
        return outcome.code

    assert act("end-window") == "unchecked"
    assert [act("check", check) for check in given.checks] == ["checked", "checked"]
    assert act("end-window") == "window-ended"
    assert [row[0] for row in trail(town, "work W-2")] == ["work-taken", "work-cancelled"]


# Exercises.


def exercise(town: City, scenario: Scenario = SCRIPT) -> Any:
    return run(town, lambda c: drill.start(c, scenario, drills.new_id(), actor="boss"))


def end(town: City) -> Any:
    wording = Wording(town.catalog, TARGETS)
    return run(town, lambda c: drills.end_due(c, wording, town.settings))


@pytest.mark.feature("M-5")
def test_an_exercise_is_refused_beside_what_is_real_scored_and_put_away(town: City) -> None:
    real = town.leak(grade=1)
    refused = exercise(town)
    assert isinstance(refused, Hindered)
    assert (refused.code, refused.subject) == ("real", real)
    town.rows("update incident set phase = 'closed' where id = %s", real)

    begun = exercise(town)
    assert exercise(town).code == "running"
    assert town.database.run_now(drill.current) == begun
    assert run(town, lambda c: drill.played(c, begun.id))
    assert not run(town, lambda c: drill.played(c, begun.id))
    assert end(town) is None
    played = town.leak(grade=1, hazard="gas-leak", drill=True)
    stray = town.leak(OTHER, grade=2, drill=True)
    wording = Wording(town.catalog, TARGETS)

    def act(action: str, **more: Any) -> None:
        asked = Act(incident=played, action=action, actor="zhao", note="n", **more)  # type: ignore[arg-type]
        outcome = town.database.run_now(lambda c: desk.perform(c, wording, asked, town.clock_ms()))
        assert outcome.is_done, outcome

    act("acknowledge")
    act("verify", verdict="true", code="leak")
    plan, _ = read_book(town.settings.router).of("gas", "gas-leak")
    measure = next(n for n, step in plans.steps_under(plan, ()) if step.kind == "measure")
    assert run(town, lambda c: drill.tick_step(c, played, measure, actor="zhao"))
    assert not run(town, lambda c: drill.tick_step(c, played, measure, actor="li"))
    ticks = "select actor, note from audit where incident = %s and action = 'step'"
    assert town.rows(ticks, played) == [("zhao", str(measure))]
    run(town, lambda c: drill.stop(c, actor="boss"))
    assert town.database.run_now(drill.current) is None
    report = end(town)

    assert (report.ended_why, report.score.points, report.score.unfound) == ("stopped", 100.0, ())
    assert [one.course.incident for one in report.score.scored] == [played, stray]
    assert run(town, drill.report_of) == report
    assert town.rows(
        "select distinct phase, closed_by from incident where drill and phase <> 'archived'"
    ) == [("closed", "drill")]
    assert town.rows("select count(*) from label") == [(0,)]
    assert town.rows(
        "select count(*) from deadline where kind in ('remind', 'escalate', 'progress')"
        " and subject = any(%s)",
        [played, stray],
    ) == [(0,)]
    bodies = town.rows("select body from outbox where incident = any(%s)", [played, stray])
    assert bodies
    for (body,) in bodies:
        assert wire.decode_notice(bytes(body)).status == "Exercise"
    assert end(town) is None

    assert [row[0] for row in trail(town, f"drill {begun.id}")] == [
        "drill-start", "drill-stop", "drill-end",
    ]  # fmt: skip
    town.database.run_now(audit.seal)
    assert not town.database.run_now(lambda c: audit.verified(c, [])).problems


@pytest.mark.feature("M-5")
def test_what_is_real_breaks_an_exercise_off_at_once_and_goes_out_unmarked(town: City) -> None:
    second = exercise(town, FREE)
    assert isinstance(second, Drill)
    fire = town.leak(grade=1)
    broken = end(town)

    assert broken.ended_why == "real"
    assert town.rows("select broken_by from drill where id = %s", second.id) == [(fire,)]
    assert town.rows("select phase, drill from incident where id = %s", fire) == [("open", False)]
    town.rows("update incident set phase = 'closed' where id = %s", fire)

    # Nobody ends it: its time does.
    third = exercise(town, FREE)
    town.rows("update drill set started_ms = 1, ends_ms = 2 where id = %s", third.id)
    assert town.database.run_now(drill.current) is None
    assert end(town).ended_why == "time"
