"""Rules, work orders and exercises on one connection: what the protocol asks for.  A shell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg import Connection

from alerting.drill import service as exercises
from alerting.drill import store as drills
from alerting.drill.report import DrillReport
from alerting.drill.running import Drill
from alerting.drill.running import Refusal as Hindered
from alerting.drill.scenarios import Scenario
from alerting.hotline import store as hotline
from alerting.hotline.calls import Heard
from alerting.hotline.calls import Taken as Called
from alerting.notices import Wording
from alerting.rules import moves, versions
from alerting.rules import store as rules
from alerting.rules.moves import Move
from alerting.rules.versions import Refusal, Ruleset, Step, Version
from alerting.topology import Topology
from alerting.work import store as work
from alerting.work.kept import Listed, Taken
from alerting.work.orders import Order
from lifeline.catalog import Catalog
from lifeline.config import Settings


@dataclass(slots=True, frozen=True)
class CityNow:
    """``asked.City`` on one connection."""

    connection: Connection
    settings: Settings
    wording: Wording
    topology: Topology

    def drill(self) -> Drill | None:
        """See ``alerting.drill.store``."""
        return drills.current(self.connection)

    def drills(self) -> Sequence[Drill]:
        """See ``alerting.drill.store``."""
        return drills.listed(self.connection)

    def scenarios(self) -> Sequence[Scenario]:
        """See ``alerting.drill.service``."""
        return list(exercises.read_scenarios(self.settings).values())

    def start(
        self, scenario: str, minutes: int | None, actor: str, channel: str
    ) -> Drill | Hindered | None:
        """See ``alerting.drill.store``."""
        chosen = exercises.read_scenarios(self.settings).get(scenario)
        if chosen is None:
            return None
        return drills.start(
            self.connection, chosen, exercises.new_id(), actor=actor, minutes=minutes,
            channel=channel,
        )  # fmt: skip

    def stop(self, actor: str, channel: str) -> Drill | None:
        """See ``alerting.drill.store``."""
        return drills.stop(self.connection, actor=actor, channel=channel)

    def report(self, drill: str) -> DrillReport | None:
        """See ``alerting.drill.store``."""
        return drills.report_of(self.connection, drill)

    def tick(self, incident: str, step: int, actor: str) -> bool:
        """See ``alerting.drill.store``."""
        return drills.tick_step(self.connection, incident, step, actor=actor)

    def steps(self, incident: str) -> Mapping[int, tuple[str, int]]:
        """See ``alerting.drill.store``."""
        return drills.steps_done(self.connection, incident)

    def call(self, heard: Heard, actor: str, channel: str, now_ms: int) -> Called:
        """See ``alerting.hotline.store``."""
        return hotline.take(
            self.connection, self.wording, heard, actor=actor, channel=channel, now_ms=now_ms
        )

    def end_calls(self, incident: str, actor: str, note: str, channel: str, now_ms: int) -> Called:
        """See ``alerting.hotline.store``."""
        return hotline.end(
            self.connection, self.wording, incident,
            actor=actor, note=note, channel=channel, now_ms=now_ms,
        )  # fmt: skip

    def versions(self) -> Sequence[Version]:
        """See ``alerting.rules.store``."""
        return rules.listed(self.connection)

    def rules(self) -> Ruleset:
        """See ``alerting.rules.versions``."""
        return versions.of_head(self._catalog.head)

    @property
    def _catalog(self) -> Catalog:
        catalog = self.wording.catalog
        assert catalog is not None, "a console has read its catalog"
        return catalog

    def version(self, number: int) -> tuple[Version, Ruleset, Ruleset] | None:
        """See ``alerting.rules.store``."""
        found = rules.find(self.connection, number)
        body = rules.body_of(self.connection, number)
        return None if found is None or body is None else (found, body, self.rules())

    def propose(
        self, wanted: Sequence[Move], note: str, actor: str, channel: str
    ) -> Version | Refusal:
        """See ``alerting.rules.store``; beyond the bounds of the program nothing is proposed."""
        running, grades = self.rules(), self.wording.policy.grades
        made = moves.moved(running, wanted, grades)
        if isinstance(made, Refusal):
            return made
        beyond = moves.beyond(self._catalog, made, grades)
        if beyond is not None:
            return Refusal("beyond", {"why": beyond})
        return rules.propose(
            self.connection, made, running, grades, author=actor, note=note, channel=channel
        )

    def roll_back(self, number: int, actor: str, channel: str) -> Version | Refusal:
        """See ``alerting.rules.store``."""
        running, grades = self.rules(), self.wording.policy.grades
        return rules.roll_back(
            self.connection, number, running, grades, author=actor, channel=channel
        )

    def take(
        self, number: int, step: Step, actor: str, effective_ms: int | None, channel: str
    ) -> Version | Refusal:
        """See ``alerting.rules.store``."""
        now = self.rules().digest
        if step == "schedule":
            return rules.schedule(
                self.connection, number, now, actor=actor, effective_ms=effective_ms,
                channel=channel,
            )  # fmt: skip
        done = rules.approve if step == "approve" else rules.withdraw
        return done(self.connection, number, now, actor=actor, channel=channel)

    def work(self) -> Sequence[Listed]:
        """See ``alerting.work.store``."""
        return work.listed(self.connection)

    def work_order(self, name: str) -> Order | None:
        """See ``alerting.work.store``."""
        return work.find(self.connection, name)

    def order(self, order: Order, actor: str, channel: str) -> Taken:
        """See ``alerting.work.store``."""
        return work.take(
            self.connection, self.wording, self.topology, order, actor=actor, channel=channel
        )
