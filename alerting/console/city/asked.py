"""What doors ask of the database about rules, work orders and exercises, as a protocol.  Pure."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from alerting.drill.report import DrillReport
from alerting.drill.running import Drill
from alerting.drill.running import Refusal as Hindered
from alerting.drill.scenarios import Scenario
from alerting.hotline.calls import Heard
from alerting.hotline.calls import Taken as Called
from alerting.rules.moves import Move
from alerting.rules.versions import Refusal, Ruleset, Step, Version
from alerting.work.kept import Listed, Taken
from alerting.work.orders import Order


class City(Protocol):
    """Rules, work orders and exercises, in the transaction of a request."""

    def drill(self) -> Drill | None:
        """The exercise that runs."""

    def drills(self) -> Sequence[Drill]:
        """Exercises, the newest first."""

    def scenarios(self) -> Sequence[Scenario]:
        """What can be played."""

    def start(
        self, scenario: str, minutes: int | None, actor: str, channel: str
    ) -> Drill | Hindered | None:
        """Begins one; None: there is no such scenario."""

    def stop(self, actor: str, channel: str) -> Drill | None:
        """Asks that the running one end; None: none runs."""

    def report(self, drill: str) -> DrillReport | None:
        """What one was worth."""

    def tick(self, incident: str, step: int, actor: str) -> bool:
        """Notes that a step of the plan is done; False: somebody was first."""

    def steps(self, incident: str) -> Mapping[int, tuple[str, int]]:
        """Step -> who ticked it, and when, unix ms."""

    def call(self, heard: Heard, actor: str, channel: str, now_ms: int) -> Called:
        """Takes a call: it opens an incident, or joins the one that it belongs to."""

    def end_calls(self, incident: str, actor: str, note: str, channel: str, now_ms: int) -> Called:
        """Somebody has looked at what the calls of an incident told of."""

    def versions(self) -> Sequence[Version]:
        """Versions of the rules, the newest first."""

    def version(self, number: int) -> tuple[Version, Ruleset, Ruleset] | None:
        """One version, its rules, and those that run."""

    def rules(self) -> Ruleset:
        """The rules that run."""

    def propose(
        self, moves: Sequence[Move], note: str, actor: str, channel: str
    ) -> Version | Refusal:
        """Keeps the rules that run, with these numbers moved, as a version."""

    def roll_back(self, number: int, actor: str, channel: str) -> Version | Refusal:
        """Proposes an earlier version again."""

    def take(
        self, number: int, step: Step, actor: str, effective_ms: int | None, channel: str
    ) -> Version | Refusal:
        """Approves, schedules or withdraws a version."""

    def work(self) -> Sequence[Listed]:
        """Work orders and their watches."""

    def work_order(self, name: str) -> Order | None:
        """One work order."""

    def order(self, order: Order, actor: str, channel: str) -> Taken:
        """Takes a work order in."""
