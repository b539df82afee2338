"""Rules, work orders and exercises in memory: what the doors of the city ask for."""

from collections.abc import Mapping, Sequence

import msgspec

from alerting.drill import scoring
from alerting.drill.report import DrillReport
from alerting.drill.running import Drill
from alerting.drill.running import Refusal as Hindered
from alerting.drill.scenarios import FREE, Scenario
from alerting.hotline.calls import Heard
from alerting.hotline.calls import Taken as Called
from alerting.rules import moves, versions
from alerting.rules.moves import Move
from alerting.rules.versions import Refusal, Ruleset, Step, Version
from alerting.windows import Window
from alerting.work.kept import Listed, Taken
from alerting.work.orders import Order
from lifeline.catalog import Limit, Rule
from lifeline.grades import GRADING
from tests.alerting.scene import T0

LEAK = Rule("leak", "gas-leak", 2, {"kind": "threshold"}, "ch4", limit="ch4")
RUNNING = Ruleset((Limit("ch4", 20.0, "%LEL"),), (LEAK,))
WANTED = Ruleset((Limit("ch4", 25.0, "%LEL"),), (LEAK,))


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
        self.kept = Version(
            number=1, digest=WANTED.digest, base=RUNNING.digest, author="li", note="n", at_ms=1,
            is_life_safety=True, state="proposed",
        )  # fmt: skip
        self.orders: list[Order] = []
        self.windows: tuple[Window, ...] = ()
        self.called = Called("call-taken")
        self.heard: list[tuple[Heard, str, int]] = []
        self.ended: list[tuple[str, str, str, int]] = []
        self.channels: list[str] = []
        """By which way each of the actions came."""

    def call(self, heard: Heard, actor: str, channel: str, now_ms: int) -> Called:
        self.channels.append(channel)
        self.heard.append((heard, actor, now_ms))
        return self.called

    def end_calls(self, incident: str, actor: str, note: str, channel: str, now_ms: int) -> Called:
        self.channels.append(channel)
        self.ended.append((incident, actor, note, now_ms))
        return self.called

    def drill(self) -> Drill | None:
        return self.running

    def drills(self) -> Sequence[Drill]:
        return [*([self.running] if self.running else []), *self.past]

    def scenarios(self) -> Sequence[Scenario]:
        return [FREE]

    def start(
        self, scenario: str, minutes: int | None, actor: str, channel: str
    ) -> Drill | Hindered | None:
        self.channels.append(channel)
        if scenario != FREE.name:
            return None
        if self.real or self.running:
            return Hindered("real", self.real) if self.real else Hindered("running", "d")
        self.running = Drill(
            id="d", scenario=FREE, started_by=actor, started_ms=0, ends_ms=60_000 * (minutes or 30)
        )
        return self.running

    def stop(self, actor: str, channel: str) -> Drill | None:
        self.channels.append(channel)
        ended, self.running = self.running, None
        return None if ended is None else msgspec.structs.replace(ended, stop_by=actor)

    def report(self, drill: str) -> DrillReport | None:
        if drill != "d":
            return None
        return DrillReport(
            drill="d", scenario=FREE, started_by="li", started_ms=0, ended_ms=1, ended_why="time",
            score=scoring.score(FREE, [COURSE], {}),
        )  # fmt: skip

    def tick(self, incident: str, step: int, actor: str) -> bool:
        self.ticked.append((incident, step, actor))
        return True

    def steps(self, incident: str) -> Mapping[int, tuple[str, int]]:
        return {step: (by, T0) for name, step, by in self.ticked if name == incident}

    def versions(self) -> Sequence[Version]:
        return [self.kept]

    def version(self, number: int) -> tuple[Version, Ruleset, Ruleset] | None:
        return (self.kept, WANTED, RUNNING) if number == 1 else None

    def rules(self) -> Ruleset:
        return RUNNING

    def propose(
        self, wanted: Sequence[Move], note: str, actor: str, channel: str
    ) -> Version | Refusal:
        self.channels.append(channel)
        made = moves.moved(RUNNING, wanted, GRADING)
        if isinstance(made, Refusal):
            return made
        changes = versions.differences(RUNNING, made, GRADING)
        self.kept = msgspec.structs.replace(
            self.kept, digest=made.digest, author=actor, note=note,
            is_life_safety=versions.is_grave(changes), state="proposed",
        )  # fmt: skip
        return self.kept

    def roll_back(self, number: int, actor: str, channel: str) -> Version | Refusal:
        self.channels.append(channel)
        if number != 1:
            return Refusal("unknown", {"number": number})
        self.kept = msgspec.structs.replace(self.kept, author=actor, state="proposed")
        return self.kept

    def take(
        self, number: int, step: Step, actor: str, effective_ms: int | None, channel: str
    ) -> Version | Refusal:
        self.channels.append(channel)
        if number != 1:
            return Refusal("unknown", {"number": number})
        why = versions.refused(self.kept, step, actor, RUNNING.digest)
        if why is not None:
            return why
        state = versions.after(self.kept, step)
        assert state is not None
        made = {
            "approve": {"approved_by": actor, "approved_ms": T0},
            "schedule": {"effective_ms": effective_ms, "scheduled_by": actor},
        }.get(step, {})
        self.kept = msgspec.structs.replace(self.kept, state=state, **made)
        return self.kept

    def work(self) -> Sequence[Listed]:
        return [Listed(order, 1, "li", 0, self.windows) for order in self.orders]

    def work_order(self, name: str) -> Order | None:
        return next((order for order in self.orders if order.id == name), None)

    def order(self, order: Order, actor: str, channel: str) -> Taken:
        assert actor
        self.channels.append(channel)
        self.orders = [*(one for one in self.orders if one.id != order.id), order]
        return Taken(order.id, "taken", 1)
