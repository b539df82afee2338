"""Devices of single tests, and what has become of what they sent."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from tests.faults import town
from tests.faults.checker import Incident, Row
from tests.faults.run import now_ms
from tests.faults.sender import Sender, reading
from tests.faults.world import World, wait_for

ARRIVES_S = 20.0
GOOD = 30
"""Readings of the good neighbour in every test."""

_free = count()


class Well:
    """A device that no other test has."""

    def __init__(self, world: World, lifeline: str = "gas") -> None:
        number = next(_free)
        self.world, self.device = world, f"{lifeline}-{number:05}"
        self.asset = town.asset(lifeline, number)
        self.channel = f"{self.asset}/level"

    def rows(self) -> list[Row]:
        return sorted(self.world.rows(0, self.channel), key=lambda row: row.at_ms)

    def incidents(self, hazard: str = "gas-leak") -> list[Incident]:
        return [i for i in self.world.incidents() if (i.asset, i.hazard) == (self.asset, hazard)]

    def flagged(self, bit: int) -> set[str]:
        """The local names of its channels that have a reading with this bit."""
        with self.world.database() as link:
            found = link.execute(
                "select distinct c.name from reading r join channel c on c.id = r.channel"
                " where starts_with(c.name, %s) and r.quality & %s > 0",
                (f"{self.asset}/", int(bit)),
            ).fetchall()
        return {row[0].removeprefix(f"{self.asset}/") for row in found}

    def is_active(self, hazard: str = "gas-leak") -> bool:
        with self.world.database() as link:
            found = link.execute(
                "select is_active from incident where asset = %s and hazard = %s",
                (self.asset, hazard),
            ).fetchall()
        return [row[0] for row in found] == [True]

    def is_over(self, hazard: str) -> bool:
        return bool(self.incidents(hazard)) and not self.is_active(hazard)

    def lanes(self) -> list[str]:
        with self.world.database() as link:
            found = link.execute(
                "select lane from excursion where body->>'channel' = %s and stage <> 'ignored'",
                (self.channel,),
            ).fetchall()
        return [row[0] for row in found]

    def pushed(self) -> list[str]:
        return [push.kind for push in self.world.pushes() if push.asset == self.asset]

    def rejects(self) -> list[dict[str, Any]]:
        said = self.world.run("rejects", "list", "--json", "--device", self.device)
        found: list[dict[str, Any]] = json.loads(said)
        return found


@contextmanager
def neighbour(world: World, sender: Sender) -> Iterator[None]:
    """Sends good readings around the block, and sees all of them stored, once, as they were."""
    well = Well(world)
    begin_ms = now_ms() - GOOD * 1000
    sent = [(begin_ms + n * 1000, float(n)) for n in range(GOOD)]
    for at_ms, value in sent[: GOOD // 2]:
        sender.send(well.device, reading(at_ms, value))
    yield
    for at_ms, value in sent[GOOD // 2 :]:
        sender.send(well.device, reading(at_ms, value))
    sender.settle()
    expect(lambda: [(row.at_ms, row.value) for row in well.rows()], sent)


def expect(ask: Callable[[], Any], wanted: Any, within_s: float = ARRIVES_S) -> None:
    """The answer becomes what is wanted in time."""
    wait_for(lambda: ask() == wanted, within_s)
    assert ask() == wanted


def pass_through(world: World, sender: Sender) -> None:
    """Returns when a live alarm of now has been pushed: what was to come before it has come."""
    well = Well(world)
    sender.send(well.device, reading(now_ms(), 70.0))
    expect(well.pushed, ["alert"])
    sender.send(well.device, reading(now_ms(), 10.0))
