"""A storm and a silent well on a real PostgreSQL: nothing is dropped, nothing closes unseen."""

import itertools
import time
from collections.abc import Iterator

import psycopg
import pytest

from alerting import excursions, incidents, store
from alerting.actions import Act
from alerting.board import store as board
from alerting.board.rows import Sift
from alerting.correlate import Correlator
from alerting.notices import Wording
from alerting.policy import Policy
from alerting.rulegraph import parse_rules
from lifeline import config
from lifeline.life import Life
from lifeline.stack import Stack
from tests.alerting.accidents import RULE_TREE, RULES
from tests.alerting.scene import cleared, close, raised
from tests.alerting.test_storm import city, storm
from tests.integration.outbox_rig import own_database

pytestmark = pytest.mark.integration
FOLDED = 1000
BATCH = 100


@pytest.fixture
def dsn(stack: Stack) -> Iterator[str]:
    with own_database(stack.addresses()) as made:
        yield made


@pytest.mark.feature("A-6")
def test_a_thousand_raw_alarms_are_all_kept_and_the_leaks_stand_first(dsn: str) -> None:
    catalog = city()
    knower = Correlator(catalog, parse_rules(str(RULES), RULE_TREE))
    policy = Policy(correlator=knower, parents=knower.parents)
    target = config.Target(name="city", url="http://127.0.0.1:9/p", secret_file="k")
    wording = Wording(catalog, config.Router(targets=(target,)), policy=policy)
    findings = list(itertools.islice(storm(), FOLDED))
    leaks = {excursions.key_of(one) for one in findings if one.grade == 1}
    began = time.monotonic()

    with psycopg.connect(dsn, autocommit=True) as connection:
        for start in range(0, FOLDED, BATCH):
            with connection.transaction():
                store.fold(connection, wording, findings[start : start + BATCH])
        took_s = time.monotonic() - began
        kept = connection.execute("select id from excursion").fetchall()
        alarms = dict(connection.execute("select key, incident from alarm").fetchall())
        told = connection.execute("select distinct incident::text from outbox").fetchall()
        first = board.queue(connection, Sift(limit=len(leaks)))

    assert {name for (name,) in kept} == {excursions.excursion_id(one) for one in findings}
    assert {*alarms} == {excursions.key_of(one) for one in findings}
    assert all(alarms.values()), "each is in an incident that somebody works on"
    assert {row.summary.grade for row in first} == {1}
    assert {row.summary.id for row in first} == {alarms[key] for key in leaks}
    assert {row.summary.id for row in first} <= {name for (name,) in told}
    assert took_s < 30, "a minute's worth of a storm in less than the minute"


@pytest.mark.feature("A-12")
def test_a_well_that_fell_silent_is_seen_from_the_rows_and_nothing_closes(dsn: str) -> None:
    wording = Wording(None, config.Router(), policy=Policy(life=Life(quiet_s=0.0)))
    silent = {"channel": "gas/well-1/seen", "hazard": "gateway-silent", "grade": 5}
    name = incidents.incident_id("gone")

    def done(connection: psycopg.Connection, act: Act) -> str:
        with connection.transaction():
            reason, _ = store.act(connection, wording, act, store.now(connection))
        return str(reason)

    with psycopg.connect(dsn, autocommit=True) as connection:
        for one in (
            raised(0, name="gone"),
            raised(5, name="mute", detector="silence", **silent),
            cleared(9, name="gone"),
        ):
            with connection.transaction():
                store.fold(connection, wording, [one])
        taken = done(connection, Act(incident=name, action="acknowledge", actor="li"))
        blind = done(connection, close(name))
        with connection.transaction():
            back = cleared(20, 5, name="mute", detector="silence", **silent)
            store.fold(connection, wording, [back])
        closed = done(connection, close(name))

    assert (taken, blind, closed) == ("acknowledged", "blind", "closed")
