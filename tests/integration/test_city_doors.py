"""Rules, work orders and exercises as the doors of the console do them, on a real PostgreSQL."""

from collections.abc import Iterator
from typing import Any

import pytest

from alerting.console.city.store import CityNow
from alerting.notices import Wording
from alerting.rules import versions
from alerting.rules.moves import Move
from alerting.rules.versions import Refusal
from alerting.topology import Topology
from lifeline.stack import Addresses
from tests.integration.console_rig import City, new_city
from tests.integration.test_city_desk import TARGETS, end, moved, order, propose, run, trail

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def town(addresses: Addresses) -> Iterator[City]:
    with new_city(addresses) as made:
        yield made


def test_what_the_doors_do_is_what_the_commands_do(town: City) -> None:
    def at_the_door(work: Any) -> Any:
        wording, topology = Wording(town.catalog, TARGETS), Topology(town.catalog)
        return run(town, lambda c: work(CityNow(c, town.settings, wording, topology)))

    running = versions.of_head(town.catalog.head)
    made = propose(town, moved(running, 21.0), running)
    begun = at_the_door(lambda desk_: desk_.start("free", 5, "boss", "api"))

    assert at_the_door(lambda desk_: desk_.start("storm", 5, "boss", "api")) is None
    assert begun.ends_ms - begun.started_ms == 300_000
    assert at_the_door(lambda desk_: desk_.stop("boss", "api")).id == begun.id
    assert end(town).drill == at_the_door(lambda desk_: desk_.report(begun.id)).drill
    taken_order = order(town, id="W-3")
    taken = at_the_door(lambda desk_: desk_.order(taken_order, "li", "console"))
    assert taken.became == "taken"
    for step, who, state in (
        ("approve", "wang", "approved"), ("schedule", "li", "scheduled"),
        ("withdraw", "li", "withdrawn"),
    ):  # fmt: skip
        done = at_the_door(lambda desk_, s=step, w=who: desk_.take(made.number, s, w, None, "api"))
        assert done.state == state
    incident = town.leak(grade=3)
    assert at_the_door(lambda desk_: desk_.tick(incident, 1, "li"))
    assert at_the_door(lambda desk_: desk_.steps(incident))[1][0] == "li"
    assert at_the_door(lambda desk_: desk_.work_order("W-3")).contractor == taken_order.contractor
    assert at_the_door(lambda desk_: desk_.work_order("none")) is None


@pytest.mark.feature("O-4")
def test_a_desk_proposes_a_number_once_within_the_bounds_and_brings_a_version_back(
    town: City,
) -> None:
    def at_the_door(work: Any) -> Any:
        wording, topology = Wording(town.catalog, TARGETS), Topology(town.catalog)
        return run(town, lambda c: work(CityNow(c, town.settings, wording, topology)))

    def wish(value: float) -> Any:
        move = Move("limit", "gas.20lel", "value", value)
        return at_the_door(lambda desk_: desk_.propose((move,), "why", "li", "console"))

    made = wish(23.5)

    assert (made.state, made.is_life_safety) == ("proposed", True)
    assert wish(23.5) == Refusal("same", {"number": made.number})
    assert wish(70.0).code == "beyond"
    strange = (Move("limit", "x", "value", 1.0),)
    assert at_the_door(lambda d: d.propose(strange, "n", "li", "api")).code == "no-such"
    at_the_door(lambda d: d.take(made.number, "withdraw", "li", None, "console"))
    again = at_the_door(lambda d: d.roll_back(made.number, "wang", "console"))
    assert (again.state, again.author, again.digest) == ("proposed", "wang", made.digest)
    assert trail(town, "rules")[-3:] == [
        ("rules-propose", "li", "proposed", ""),
        ("rules-withdraw", "li", "withdrawn", ""),
        ("rules-rollback", "wang", "proposed", ""),
    ]
