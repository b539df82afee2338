"""People on a real PostgreSQL: links, own acknowledgements, test pages, hand-overs."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from psycopg import Connection
from typer.testing import CliRunner

from alerting import store as router
from alerting.actions import Act
from alerting.house.service import House
from alerting.incidents import Incident, Reason
from alerting.notices import Push, Wording
from alerting.outbox import store as outbox
from alerting.people import handover, links, store
from alerting.people.handover import Handover
from alerting.people.handovers import store as handovers
from alerting.people.paging import Paging
from alerting.people.service import Duty
from alerting.slices import Page
from lifeline.__main__ import build
from lifeline.config import People, Router, Settings
from lifeline.stack import Addresses
from tests.alerting.people.city import WRITTEN, roster
from tests.alerting.people.test_paging import LEAK, catalog
from tests.integration.people_rig import Register, register

pytestmark = pytest.mark.integration
SECRET = b"between router and telephone"
HOUR_S = 3600.0


def paging() -> Paging:
    return Paging(roster(), Wording(None, Router()), SECRET)


@pytest.fixture(scope="module")
def city(addresses: Addresses) -> Iterator[Register]:
    with register(addresses) as made:
        yield made


def page(one: Incident, kind: Any = "first", step: int = 0) -> Page:
    return Page(
        incident=one.id,
        revision=one.revision,
        grade=one.grade,
        step=step,
        kind=kind,
        reason=Reason.OPENED,
        at_ms=one.opened_ms,
        finding=one.lead,
    )


def send(city: Register, one: Incident, *pages: Page, link_s: float = HOUR_S) -> list[Push]:
    """The pages of an incident, as the ledger keeps them."""

    def work(connection: Connection) -> list[Push]:
        pushes = store.pages(connection, paging(), [(p, one) for p in pages], link_s)
        with connection.cursor() as cursor:
            outbox.put(cursor, pushes, {one.id: one.revision})
        return pushes

    return city.database.run_now(work)


def token(push: Push) -> str:
    return links.token_of(SECRET, push.key)


def mine(city: Register, name: str) -> list[tuple[Any, ...]]:
    return city.rows(
        "select person, target, ended_why from outbox where incident = %s and class = 'page'"
        " order by person, target",
        name,
    )


def test_a_page_that_is_made_twice_is_in_line_once_and_a_link_acts_once(city: Register) -> None:
    one = city.incident(city.leak())

    pushes = send(city, one, page(one))
    again = send(city, one, page(one))

    assert again == pushes
    assert len(mine(city, one.id)) == len(pushes)
    own = [push for push in pushes if push.address]
    assert city.rows("select count(*) from link where incident = %s", one.id) == [(len(own),)]
    look = [city.database.run_now(lambda c: store.look(c, token(own[0]))) for _ in range(3)]
    assert [view.can_act for view in look] == [True] * 3, "looking is no acting"
    with ThreadPoolExecutor(8) as many:
        spent = many.map(
            lambda _: city.database.run_now(lambda c: store.spend(c, token(own[0]))), range(8)
        )
        assert sorted(view.can_act for view in spent) == [False] * 7 + [True]
    used = city.database.run_now(lambda c: store.look(c, token(own[0])))
    assert (used.state, used.incident, used.person) == ("used", one.id, pushes[0].person)
    assert city.rows("select person from responder where incident = %s", one.id) == [
        (pushes[0].person,)
    ]


def test_a_link_that_has_expired_or_that_nobody_sent_shows_and_does_nothing(city: Register) -> None:
    one = city.incident(city.leak())
    push = send(city, one, page(one), link_s=-1.0)[-1]

    for typed in (token(push), "", "x" * 10_000, "燃气"):
        for work in (store.look, store.spend):
            view = city.database.run_now(lambda c, w=work, t=typed: w(c, t))  # type: ignore[misc]
            assert (view.is_shown, view.can_act, view.incident) == (False, False, "")
    assert city.rows("select count(*) from responder where incident = %s", one.id) == [(0,)]


@pytest.mark.feature("OnCall #4761")
def test_a_responder_stops_his_own_pages_and_nobody_elses_until_something_is_new(
    city: Register,
) -> None:
    one = city.incident(city.leak())
    first = send(city, one, page(one))
    everyone = send(city, one, page(one, "escalate", 4))
    (officer,) = {push.person for push in first}
    others = {push.person for push in everyone} - {officer}

    ended = city.database.run_now(lambda c: store.acknowledge_own(c, one.id, officer))

    assert ended == len(first) + 1
    assert {person for person, _, why in mine(city, one.id) if why == "own"} == {officer}
    assert send(city, one, page(one, "remind")) == []
    told = city.database.run_now(lambda c: store.responders(c, one.id))
    assert {r.person: r.waiting for r in told} == {officer: 0, **dict.fromkeys(others, 1)}
    assert {r.person for r in told if r.acknowledged_ms} == {officer}
    # It waits for a human anew: what he stopped was another matter.
    city.rows("update incident set unseen_ms = %s where id = %s", city.clock_ms() + 1000, one.id)
    assert city.database.run_now(lambda c: store.stopped(c, [one.id])) == {}


@pytest.mark.feature("OnCall #4761")
def test_somebody_added_to_a_taken_incident_is_called_and_can_stop_his_pages(
    city: Register,
) -> None:
    one = city.incident(city.leak())
    chief = roster().persons["chief"]

    pushes = city.database.run_now(
        lambda c: store.call_in(c, paging(), one, chief, "li", one.opened_ms, HOUR_S)
    )

    assert [(p.person, p.reason) for p in pushes] == [("chief", "call")] * 2
    (told,) = city.database.run_now(lambda c: store.responders(c, one.id))
    assert (told.person, told.added_by, told.waiting, told.seen_ms) == ("chief", "li", 2, None)
    assert city.database.run_now(lambda c: store.spend(c, token(pushes[0]))).person == "chief"
    assert city.database.run_now(lambda c: store.acknowledge_own(c, one.id, "chief")) == 2
    assert all(why == "own" for _, _, why in mine(city, one.id))


@pytest.mark.feature("A-4")
def test_support_by_a_link_calls_the_next_once_and_an_acknowledgement_does_not_take_it_back(
    city: Register,
) -> None:
    name = city.leak()
    one = city.incident(name)
    push = next(push for push in send(city, one, page(one)) if push.address)
    wording = Wording(
        None, Router(), pager=lambda c, found: store.pages(c, paging(), found, HOUR_S)
    )

    def ask(_: int) -> bool:
        def work(connection: Connection) -> bool:
            view = store.ask_support(connection, token(push))
            if view.can_call:
                asked = Act(incident=name, action="support", actor=view.person, channel="link")
                router.act(connection, wording, asked, router.now(connection))
            return view.can_call

        return city.database.run_now(work)

    with ThreadPoolExecutor(8) as many:
        assert sorted(many.map(ask, range(8))) == [False] * 7 + [True]
    taken = Act(incident=name, action="acknowledge", actor="li")
    city.database.run_now(lambda c: router.act(c, wording, taken, city.clock_ms()))

    asked = "select distinct reason, held_until is not null from outbox where incident = %s"
    assert sorted(city.rows(asked, name)) == [("first", True), ("support", False)]
    told = "select action, channel from audit where incident = %s and actor <> 'router' order by id"
    assert city.rows(told, name) == [("support", "link"), ("acknowledge", "console")]


def duty(city: Register, folder: Path, **more: Any) -> Duty:
    file = folder / "roster.toml"
    if not file.exists():
        file.write_text(WRITTEN, encoding="utf-8")
    targets = [
        {"name": "sms", "kind": "sms", "url": "https://sms.example", "secret_file": "x"},
        {"name": "voice", "kind": "voice", "url": "https://call.example", "secret_file": "x"},
    ]
    router = msgspec.convert({"targets": targets}, Router)
    settings = msgspec.structs.replace(
        city.settings, router=router, people=People(roster=str(file), **more)
    )
    return Duty(settings, Wording(None, settings.router), structlog.get_logger())


@pytest.mark.feature("OnCall #4654, #4760")
def test_a_finding_calls_whoever_is_on_duty_and_his_acknowledgement_ends_what_is_in_line(
    city: Register, tmp_path: Path
) -> None:
    settings = duty(city, tmp_path).settings
    house = House(settings, catalog(), structlog.get_logger())
    now_ms = city.clock_ms()
    leak = msgspec.structs.replace(
        LEAK, id="new", asset="gas/well-new", channel="x", onset_ms=now_ms, at_ms=now_ms
    )

    city.database.run_now(lambda c: router.fold(c, house.wording, [leak]))

    ((name,),) = city.rows("select id from incident where asset = 'gas/well-new'")
    (on_duty,) = roster().on_duty("gas", now_ms)
    told = city.rows("select person, target, address from outbox where incident = %s", name)
    assert told == [(on_duty, "sms", roster().persons[on_duty].addresses["sms"])]
    ((due,),) = city.rows(
        "select (extract(epoch from due_at) * 1000)::int8 - i.unseen_ms from deadline d"
        " join incident i on i.id = d.subject where i.id = %s and d.kind = 'remind'",
        name,
    )
    assert due == 30_000, "the clock is the chain's"
    act = Act(incident=name, action="acknowledge", actor=on_duty)
    city.database.run_now(lambda c: router.act(c, house.wording, act, city.clock_ms()))
    assert city.rows("select held_until is not null from outbox where incident = %s", name) == [
        (True,)
    ]


@pytest.mark.feature("OnCall #1326")
def test_two_routers_send_one_nightly_test_and_who_did_not_confirm_is_listed(
    city: Register, tmp_path: Path
) -> None:
    one, other = (duty(city, tmp_path) for _ in range(2))
    planned = city.database.run_now(one.nightly)
    city.rows("update deadline set due_at = clock_timestamp() where kind = %s", store.TEST)

    with ThreadPoolExecutor(2) as both:
        sent = list(both.map(lambda d: city.database.run_now(d.nightly), (one, other)))

    assert planned == []
    (pushes,) = [found for found in sent if found]
    assert {(p.person, p.target) for p in pushes} == {
        (person, target) for person in roster().persons for target in ("sms", "voice")
    }
    assert city.rows("select due_at > now() from deadline where kind = %s", store.TEST) == [(True,)]
    secret = one.secret if sent[0] else other.secret
    pressed = links.token_of(secret, pushes[0].key)
    assert city.database.run_now(lambda c: store.spend(c, pressed)).run.startswith("nightly-")
    city.rows("update test_page set confirm_by = clock_timestamp()")
    rows = city.database.run_now(store.receipts)
    assert len(rows) == len(pushes)
    confirmed = [(row.person, row.target) for row in rows if not row.is_late]
    assert confirmed == [(pushes[0].person, pushes[0].target)]
    assert rows[-1].seen_ms is not None
    silent = city.database.run_now(store.unconfirmed)
    assert silent == sorted(set(roster().persons) - {pushes[0].person})


def test_a_nightly_test_that_is_hours_late_wakes_nobody(city: Register, tmp_path: Path) -> None:
    late = duty(city, tmp_path)
    city.database.run_now(late.nightly)
    city.rows(
        "update deadline set due_at = clock_timestamp() - interval '3 hours' where kind = %s",
        store.TEST,
    )

    assert city.database.run_now(late.nightly) == []
    assert city.rows("select due_at > now() from deadline where kind = %s", store.TEST) == [(True,)]


def test_a_roster_that_is_spoilt_while_it_is_used_leaves_the_last_good_one(
    city: Register, tmp_path: Path
) -> None:
    now = duty(city, tmp_path)
    file = tmp_path / "roster.toml"

    assert now.reload() is False
    file.write_text(WRITTEN + "\nslip =", encoding="utf-8")
    assert now.reload() is False
    assert "is not TOML" in now.problem
    assert now.paging is not None
    file.write_text(WRITTEN.replace('"sms", "voice"', '"sms"'), encoding="utf-8")
    assert now.reload() is True
    assert now.problem == ""
    assert now.examine(city.clock_ms()) != []
    city.database.run_now(now.nightly)
    file.write_text(WRITTEN + '\n[test]\nat = "07:15"\n', encoding="utf-8")
    assert now.reload() is True
    city.database.run_now(now.nightly)
    asked = "select to_char(due_at at time zone 'Asia/Shanghai', 'HH24:MI') from deadline"
    assert city.rows(asked + " where kind = %s", store.TEST) == [("07:15",)], "another hour holds"


@pytest.mark.feature("C-4", "OnCall #325, #4062, #3870, #3841")
def test_a_shift_is_handed_over_item_by_item_with_the_facts_of_the_database(city: Register) -> None:
    city.rows("delete from incident")
    city.rows("delete from alarm")
    leak, other = city.leak(), city.leak(grade=3)
    faulty = city.leak(grade=5, hazard="sensor-fault")
    city.rows("update incident set phase = 'closed', closed_ms = %s where id = %s", 2**53, faulty)
    city.rows("insert into deadline values (%s, 'remind', 'gas', to_timestamp(4e9))", leak)
    people = roster()
    now_ms = city.clock_ms()

    def facts() -> handover.Facts:
        return city.database.run_now(lambda c: handovers.facts(c, people, "gas", now_ms - 999_999))

    seen = facts()
    assert [one.id for one in seen.incidents] == [leak, other]
    assert (seen.opened, seen.closed, seen.incidents[0].next_kind) == (3, 1, "remind")
    assert [one.hazard for one in seen.faulty] == ["sensor-fault"]
    above = city.database.run_now(lambda c: handovers.facts(c, people, "city", now_ms))
    assert len(above.incidents) == 2, "the city's desk hands over its districts' too"
    sheet = handover.begin("h1", "gas", "wang", "zhao.b", seen)
    assert isinstance(sheet, Handover)
    assert city.database.run_now(lambda c: handovers.begin(c, sheet)) == ""
    twin = msgspec.structs.replace(sheet, id="h2")
    assert city.database.run_now(lambda c: handovers.begin(c, twin)) == "open"

    def sign(who: str) -> Any:
        return city.database.run_now(lambda c: handovers.sign(c, people, "h1", who, now_ms))

    def accept(subject: str) -> Any:
        return city.database.run_now(
            lambda c: handovers.change(
                c, "h1", lambda s: handover.accept(s, "zhao.b", ("incident", subject), now_ms)
            )
        )

    accept(leak)
    accept(other)
    assert sign("wang").outgoing_signed_ms == now_ms
    late = city.leak(grade=2)
    assert sign("zhao.b") == "items-left", "what came up meanwhile is on the sheet now"
    assert city.database.run_now(lambda c: handovers.newest(c, "gas")).left() == (
        ("incident", late),
    )
    accept(late)
    assert sign("zhao.b") == "not-signed", "the outgoing officer has not signed for that one"
    sign("wang")
    assert sign("zhao.b").is_done
    trail = "select actor, action from audit where subject = 'handover h1' order by number"
    assert city.rows(trail) == [
        ("wang", "handover-begin"), ("zhao.b", "handover-accept"), ("zhao.b", "handover-accept"),
        ("wang", "handover-sign"), ("zhao.b", "handover-accept"), ("wang", "handover-sign"),
        ("zhao.b", "handover-sign"),
    ]  # fmt: skip
    assert city.database.run_now(lambda c: handovers.begin(c, twin)) == ""
    assert city.database.run_now(lambda c: handovers.read(c, "none")) is None
    assert city.database.run_now(lambda c: handovers.sign(c, people, "none", "li", 1)) is None


def test_the_command_tries_one_person_and_lists_who_did_not_confirm(
    city: Register, tmp_path: Path
) -> None:
    (tmp_path / "roster.toml").write_text(WRITTEN, encoding="utf-8")
    file = tmp_path / "lifeline.toml"
    file.write_text(
        f'[postgres]\ndsn = "{city.settings.postgres.dsn}"\n'
        f'[people]\nroster = "{tmp_path}/roster.toml"\n'
        '[[router.targets]]\nname = "sms"\nkind = "sms"\nurl = "https://sms.example"\n'
        'secret_file = "x"\n',
        encoding="utf-8",
    )

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(build("roster"), ["roster", *words, "--config", str(file)])
        return done.exit_code, done.output

    assert run("page", "wang")[0] == 0
    assert run("page", "--all")[0] == 0
    assert run("page", "lin")[0] == 2
    assert run("page")[0] == 2
    code, text = run("receipts")
    assert code == 0
    assert "4 pages of page-" in text
    city.rows("update test_page set confirm_by = clock_timestamp()")
    code, text = run("receipts")
    assert code == 1
    assert "LATE" in text


def test_settings_without_a_roster_page_nobody(city: Register) -> None:
    settings: Settings = msgspec.structs.replace(city.settings, people=People(roster=""))

    none = Duty(settings, Wording(None, settings.router), structlog.get_logger())

    assert (none.paging, none.reload(), none.examine(0)) == (None, False, [])
    assert city.database.run_now(none.nightly) == []
