"""The rules of a desk: grades and their clocks, rules' treatment, times that bound actions.  Pure.

Also what the engine asks of whoever knows the network: which incidents a finding may belong to.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

import msgspec

from alerting.alarms import Alarm
from alerting.conditions import Condition
from alerting.incidents import Incident
from alerting.people import times
from alerting.witnesses import Sensor
from lifeline.catalog import Rule
from lifeline.grades import GRADING, Grading
from lifeline.life import Life
from lifeline.model import Finding


class Clocks(msgspec.Struct, frozen=True):
    """What a grade's clocks are set to; seconds since it began to wait for a human."""

    remind_s: float | None = None
    escalate_s: tuple[float, ...] = ()
    """When each step of escalation falls due."""
    progress_s: float | None = None
    """How long an acknowledged incident may go without a step of its people."""


class Treatment(msgspec.Struct, frozen=True):
    """How a rule's alarms are treated."""

    latching: bool = False
    is_managed: bool = False
    """Lives depend on it: putting it out of sight takes a second person."""
    realarm_s: float = 0.0
    fall_hold_s: float = 0.0


class Candidate(msgspec.Struct, frozen=True):
    """An incident to which a finding may belong, and why."""

    incident: str
    reason: Literal["network", "rule"]
    rule: str = ""
    distance_m: float | None = None
    hypothesis: str = ""
    grade: int | None = None
    """What the two together are, where that is graver than the finding."""


class Correlator(Protocol):
    """Who knows the network."""

    def reach(self, finding: Finding) -> frozenset[str]:
        """The assets whose incidents may matter to a finding."""

    def candidates(
        self,
        finding: Finding,
        open_incidents: Sequence[Incident],
        now_ms: int,
        *,
        members: Mapping[str, Sequence[Alarm]] | None = None,
    ) -> Sequence[Candidate]:
        """The incidents that it may belong to, the best first."""


def _default_clocks() -> Mapping[int, Clocks]:
    return clocks_of(GRADING)


def clocks_of(grades: Grading) -> Mapping[int, Clocks]:
    """The clocks of a grading table."""
    return {g.level: Clocks(g.remind_s, g.escalate_s, g.progress_s) for g in grades.rows}


def offices(timezone: str) -> Callable[[int], bool]:
    """When offices work where no roster says it: on weekdays, from 8:30 to 17:30."""
    zone, usual = ZoneInfo(timezone), times.Working()
    return lambda at_ms: times.is_working(usual, at_ms, zone)


WEEKDAYS = offices("Asia/Shanghai")


@dataclass(slots=True, frozen=True)
class Policy:
    """Everything about a desk that the engine must know and that is neither state nor finding."""

    grades: Grading = GRADING
    clocks: Mapping[int, Clocks] = field(default_factory=_default_clocks)
    treatments: Mapping[str, Treatment] = field(default_factory=dict)
    life: Life = field(default_factory=Life)
    correlator: Correlator | None = None
    parents: Callable[[Finding], Iterable[str]] | None = None
    """The assets whose own fault would explain a device's fault; None: nothing depends."""
    conditions: tuple[Condition, ...] = ()
    """What follows from a regime that holds in a zone."""
    sensors: Callable[[Incident, Sequence[Alarm]], Sequence[Sensor]] | None = None
    """The sensors that must speak before an incident closes; None: none is asked."""
    rules_in: Callable[[str], frozenset[str]] | None = None
    """The rules that judge something in a zone; None: any may."""
    is_working: Callable[[int], bool] = WEEKDAYS
    """Whether the city's offices work at that moment: the roster's, where one is written."""

    def treatment(self, rule: str) -> Treatment:
        """How the alarms of a rule are treated."""
        return self.treatments.get(rule, PLAIN)

    def clocks_for(self, grade: int) -> Clocks:
        """The clocks of a grade; one that the table lacks has none."""
        return self.clocks.get(grade, STILL)

    def is_top(self, grade: int) -> bool:
        """Whether it pages at any hour."""
        return self.grades.is_top(grade)

    def may_page(self, grade: int, at_ms: int) -> bool:
        """Whether a clock of this grade may call somebody at that moment."""
        return self.is_top(grade) or self.is_working(at_ms)


PLAIN, STILL = Treatment(), Clocks()
GRAVEST = 1
DEFAULT = Policy()


def policy_of(
    grades: Grading,
    life: Life,
    rules: Sequence[Rule],
    correlator: Correlator | None = None,
    clocks: Mapping[int, Clocks] | None = None,
    parents: Callable[[Finding], Iterable[str]] | None = None,
    sensors: Callable[[Incident, Sequence[Alarm]], Sequence[Sensor]] | None = None,
    conditions: Sequence[Condition] = (),
    is_working: Callable[[int], bool] = WEEKDAYS,
) -> Policy:
    """The policy of these settings and this catalog.

    ``clocks``: the roster's, where one is written; without, those of the grading table.
    """
    return Policy(
        grades=grades,
        clocks=clocks_of(grades) if clocks is None else clocks,
        treatments={
            rule.id: Treatment(
                rule.latching,
                # Whatever its file says: people may have minutes to leave.
                rule.is_managed or rule.grade == GRAVEST,
                rule.realarm_s,
                rule.fall_hold_s,
            )
            for rule in rules
        },
        life=life,
        correlator=correlator,
        parents=parents,
        is_working=is_working,
        sensors=sensors,
        conditions=tuple(conditions),
    )
