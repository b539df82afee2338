"""What was sent while PostgreSQL was away is brought in line: nobody is paged twice for it."""

from collections import Counter

import pytest

from alerting import incidents
from lifeline.stack import Stack
from tests.integration.rig import wait_for
from tests.integration.router_house import House
from tests.integration.test_kills import house  # noqa: F401 - the fixture

pytestmark = pytest.mark.integration
FIRST = (
    "select key, delivered_at is not null, last_code from outbox where class = 'page'"
    " and reason = 'first'"
)


def test_who_was_paged_past_postgresql_is_not_paged_again_though_the_router_is_killed(
    house: House,  # noqa: F811
    stack: Stack,
) -> None:
    process = house.ready()

    stack.kill("postgresql")
    try:
        house.publish(house.finding(2))
        wait_for(lambda: house.platform.pushes and house.platform.calls, 25, "push and page")
        wait_for(lambda: list((house.rig.folder / "past").glob("*.jsonl")), 5, "journal")
        house.rig.kill(process)
    finally:
        stack.start("postgresql")
    told = len(house.platform.pushes)
    second = house.ready()
    wait_for(lambda: len(house.incidents()) == 1, 30, "reconciled")
    wait_for(lambda: house.rig.rows(FIRST), 10, "page")

    ((key, is_delivered, code),) = house.rig.rows(FIRST)
    assert (is_delivered, code) == (True, "past-postgresql")
    assert Counter(call.key for call in house.platform.calls)[key] == 1
    assert len([n for n in house.platform.notices() if n.reason == "opened"]) == told
    assert house.rig.rows("select code from attempt where code like '%%past%%'") != []
    wait_for(lambda: _is_empty(house), 10, "journal in line")
    assert house.rig.is_ready(second)


def _is_empty(house: House) -> bool:  # noqa: F811
    files = (house.rig.folder / "past").glob("*.jsonl")
    return all(file.stat().st_size == 0 for file in files)


def test_a_name_told_in_an_outage_ends_in_the_incident_that_it_turns_out_to_be(
    house: House,  # noqa: F811
    stack: Stack,
) -> None:
    house.ready()
    house.publish(house.finding(1))
    wait_for(lambda: len(house.platform.pushes) == 1, 10, "first push")
    wait_for(lambda: house.waiting() == 0, 10, "mark")
    ((known, *_),) = house.incidents()

    stack.kill("postgresql")
    try:
        other = house.finding(1, rule="gas.rate", detector="rate", channel="gas/well-1/rate")
        house.publish(other)
        wait_for(lambda: len(house.platform.pushes) == 2, 25, "push past PostgreSQL")
    finally:
        stack.start("postgresql")
    name = incidents.incident_id(other.id)
    wait_for(lambda: [n for n in house.platform.notices() if n.reason == "merged"], 30, "merged")

    notices = [n for n in house.platform.notices() if n.incident == name]
    assert len(house.incidents()) == 1
    assert [(n.kind, n.reason, n.merged_into) for n in notices] == [
        ("alert", "opened", ""), ("end", "merged", known)
    ]  # fmt: skip
    keys = [key for key, _ in house.platform.pushes]
    assert len(keys) == len({*keys}), "nothing twice"


def test_who_was_paged_under_the_other_name_is_not_paged_for_the_same_finding_again(
    house: House,  # noqa: F811
    stack: Stack,
) -> None:
    house.ready()
    house.publish(house.finding(1, grade=2))
    wait_for(lambda: len(house.platform.pushes) == 1, 10, "first push")

    stack.kill("postgresql")
    try:
        before = len(house.platform.calls)
        worse = house.finding(1, rule="gas.rate", detector="rate", channel="gas/well-1/rate")
        house.publish(worse)
        wait_for(lambda: len(house.platform.calls) > before, 25, "page past PostgreSQL")
    finally:
        stack.start("postgresql")
    asked = (
        "select last_code from outbox where class = 'page' and reason = 'first'"
        f" and received_ms = {worse.received_ms}"
    )
    wait_for(lambda: house.rig.rows(asked), 30, "the page of what it turned out to be")

    assert house.rig.rows(asked) == [("past-postgresql",)]
    assert [row[1] for row in house.incidents()] == ["gas/well-1"]
