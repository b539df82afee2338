"""What is pushed while PostgreSQL is away: the same engine, over what was heard since.  Pure.

It begins blank at every outage: a state remembered from before might be one that an officer has
closed since, and would hide an alarm.  The price is that an incident which was open before may be
told anew; its page finds the true one by the finding.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from alerting import engine, excursions
from alerting.notices import Chains, Push, Wording
from alerting.slices import Effect, Slice, Tell
from alerting.windows import Window
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
    begun_ms: int = 0
    delayed: dict[str, Finding] = field(default_factory=dict)
    """First records that were folded and are in their on-delay, by excursion."""
    owed: dict[str, Push] = field(default_factory=dict)
    """What the outbox was given and no receiver has accepted yet, by key."""
    windows: Sequence[Window] = ()
    """Those that hold, as they were last heard of."""
    chains: Chains = field(default_factory=dict)
    """What was told in this outage, as later documents name it."""

    def heard(self, findings: Sequence[Finding]) -> None:
        """Remembers, of what was folded, what an outage could meet in its on-delay."""
        for finding in findings:
            if finding.lane != "live" or finding.grade > self.grade:
                continue
            name, is_over = excursions.excursion_id(finding), finding.phase == "cleared"
            if is_over or excursions.on_at_ms(finding) <= finding.at_ms:
                self.delayed.pop(name, None)
            else:
                self.delayed.setdefault(name, finding)

    def owe(self, pushes: Iterable[Push]) -> None:
        """Remembers, of what was committed, what would have to go past PostgreSQL."""
        self.owed |= {p.key: p for p in pushes if p.received_ms and p.grade <= self.grade}

    def settle(self, keys: Iterable[str]) -> None:
        """Forgets what was accepted, or never will be."""
        for key in keys:
            self.owed.pop(key, None)

    def begin(self, now_ms: int) -> list[Push]:
        """An outage begins: what the outbox holds and cannot give out until it ends."""
        self.slice, self.begun_ms, self.chains = Slice(), now_ms, {}
        for window in self.windows:
            self.slice.put_window(window)
        for finding in self.delayed.values():
            if excursions.on_at_ms(finding) >= now_ms - excursions.BACKLOG_MS:
                engine.step(self.slice, finding, now_ms, self.wording.policy)
        return list(self.owed.values())

    def take(self, findings: Sequence[Finding], now_ms: int) -> list[Push]:
        """What to push for these findings and for the delays that have run out by now."""
        effects: list[Effect] = []
        for finding in findings:
            if now_ms - finding.received_ms > FRESH_MS or finding.lane != "live":
                continue  # Of a leak that lasts there is a live one, told before or in this outage.
            is_known = excursions.excursion_id(finding) in self.slice.excursions
            is_old = finding.phase == "cleared" or excursions.on_at_ms(finding) < self.begun_ms
            if finding.phase != "raised" and is_old and not is_known:
                continue  # It counted before the outage and was told then, under its first record.
            effects += engine.step(self.slice, finding, now_ms, self.wording.policy)
        effects += engine.tick(self.slice, now_ms, self.wording.policy)
        tells = [e for e in effects if isinstance(e, Tell) and e.revision == 0]
        pushes = [
            p
            for t in tells
            if t.finding.grade <= self.grade
            for p in self.wording.pushes(t, self.chains)
        ]
        fresh = [p for p in pushes if p.key not in self.sent]
        self.sent.update(p.key for p in fresh)
        return fresh
