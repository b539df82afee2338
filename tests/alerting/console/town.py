"""Rules, work orders and exercises in memory: what the doors of the city ask for."""

from collections.abc import Mapping, Sequence

import msgspec

from alerting.drill import scoring
from alerting.drill.report import DrillReport
from alerting.drill.running import Drill
from alerting.drill.running import Refusal as Hindered
from alerting.drill.scenarios import FREE, Scenario
from alerting.rules import versions
from alerting.rules.versions import Refusal, Ruleset, Step, Version
from alerting.work.kept import Listed, Taken
from alerting.work.orders import Order
from lifeline.catalog import Limit
from tests.alerting.scene import T0

RUNNING = Ruleset((Limit("ch4", 20.0, "%LEL"),))
WANTED = Ruleset((Limit("ch4", 25.0, "%LEL"),))


COURSE = scoring.Course(
    incident="i", asset="gas/well-0001", hazard="gas-leak", grade=1, opened_ms=0
)


class Town:
    """``City`` in memory."""

    def __init__(self) -> None:
        self.running: Drill | None = None
        self.past: list[Drill] = []
        self.real = ""
        self.ticked: list[tuple[str, int, str]] = []
        self.rules = Version(
            number=1, digest=WANTED.digest, base=RUNNING.digest, author="li", note="n", at_ms=1,
            is_life_safety=True, state="proposed",
        )  # fmt: skip
        self.orders: list[Order] = []

    def drill(self) -> Drill | None:
        return self.running

    def drills(self) -> Sequence[Drill]:
        return [*([self.running] if self.running else []), *self.past]

    def scenarios(self) -> Sequence[Scenario]:
        return [FREE]

    def start(self, scenario: str, minutes: int | None, actor: str) -> Drill | Hindered | None:
        if scenario != FREE.name:
            return None
        if self.real or self.running:
            return Hindered("real", self.real) if self.real else Hindered("running", "d")
        self.running = Drill(
            id="d", scenario=FREE, started_by=actor, started_ms=0, ends_ms=60_000 * (minutes or 30)
        )
        return self.running

    def stop(self, actor: str) -> Drill | None:
        ended, self.running = self.running, None
        return None if ended is None else msgspec.structs.replace(ended, stop_by=actor)

    def report(self, drill: str) -> DrillReport | None:
        if drill != "d":
            return None
        return DrillReport(
            drill="d", scenario=FREE, started_by="li", started_ms=0, ended_ms=1, ended_why="time",
            score=scoring.score(FREE, [COURSE]),
        )  # fmt: skip

    def tick(self, incident: str, step: int, actor: str) -> bool:
        self.ticked.append((incident, step, actor))
        return True

    def steps(self, incident: str) -> Mapping[int, tuple[str, int]]:
        return {step: (by, T0) for name, step, by in self.ticked if name == incident}

    def versions(self) -> Sequence[Version]:
        return [self.rules]

    def version(self, number: int) -> tuple[Version, Ruleset, Ruleset] | None:
        return (self.rules, WANTED, RUNNING) if number == 1 else None

    def take(
        self, number: int, step: Step, actor: str, effective_ms: int | None
    ) -> Version | Refusal:
        if number != 1:
            return Refusal("unknown", {"number": number})
        why = versions.refused(self.rules, step, actor, RUNNING.digest)
        if why is not None:
            return why
        state = versions.after(self.rules, step)
        assert state is not None
        self.rules = msgspec.structs.replace(self.rules, state=state, effective_ms=effective_ms)
        return self.rules

    def work(self) -> Sequence[Listed]:
        return [Listed(order, 1, "li", 0, ()) for order in self.orders]

    def order(self, order: Order, actor: str) -> Taken:
        assert actor
        self.orders.append(order)
        return Taken(order.id, "taken", 1)
