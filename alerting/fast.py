"""What is pushed while PostgreSQL is away: the same engine, over what was heard since.  Pure.

It begins blank at every outage: a state remembered from before might be one that an officer has
closed since, and would hide an alarm.  The price is that an incident which was open before may be
told anew; its page finds the true one by the finding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from alerting import alarms, engine
from alerting.notices import Push, Wording
from alerting.slices import Effect, Slice, Tell
from lifeline.model import Finding

FRESH_MS = 15 * 60_000
"""Findings older than this are history: told, if at all, when PostgreSQL is back."""


@dataclass(slots=True)
class FastPath:
    """One outage: the state since it began, and the keys that this process has sent, ever."""

    wording: Wording
    grade: int
    """The least grave grade that goes this way; 0: none."""
    sent: set[str] = field(default_factory=set)
    slice: Slice = field(default_factory=Slice)

    def begin(self) -> None:
        """An outage begins."""
        self.slice = Slice()

    def take(self, findings: Sequence[Finding], now_ms: int) -> list[Push]:
        """What to push for these findings and for the delays that have run out by now."""
        effects: list[Effect] = []
        for finding in findings:
            if now_ms - finding.received_ms > FRESH_MS or finding.lane != "live":
                continue  # Of a leak that lasts there is a live one, told before or in this outage.
            is_known = alarms.excursion_id(finding) in self.slice.excursions
            if finding.phase != "raised" and not is_known:
                continue  # It began before the outage and was told then, under its first record.
            effects += engine.step(self.slice, finding, now_ms)
        effects += engine.tick(self.slice, now_ms)
        tells = [e for e in effects if isinstance(e, Tell) and e.revision == 0]
        pushes = [p for t in tells if t.finding.grade <= self.grade for p in self.wording.pushes(t)]
        fresh = [p for p in pushes if p.key not in self.sent]
        self.sent.update(p.key for p in fresh)
        return fresh
