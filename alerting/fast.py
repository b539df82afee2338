"""What is pushed while PostgreSQL is away: the same engine, over what was heard since.  Pure.

It begins blank at every outage: a state remembered from before might be one that an officer has
closed since, and would hide an alarm.  The price is that an incident which was open before may be
told anew; its page finds the true one by the finding.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from alerting import engine, excursions
from alerting.incidents import Reason, incident_id
from alerting.notices import Chains, Push, Wording
from alerting.people.paging import Paging
from alerting.slices import Effect, Page, Slice, Tell
from alerting.windows import Window
from lifeline.model import Finding
from lifeline.wire import Malformed, decode_finding

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
    paging: Paging | None = None
    """How the people on duty are paged, by the last good roster; None: nobody is."""
    told: list[Tell] = field(default_factory=list)
    """First notices that were made and that nobody has written down yet."""

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
        strange: list[Push] = []
        for name, finding in list(self.delayed.items()):
            if excursions.on_at_ms(finding) < now_ms - excursions.BACKLOG_MS:
                continue
            try:
                engine.step(self.slice, finding, now_ms, self.wording.policy)
            except Exception:
                del self.delayed[name]
                strange += alone(self.wording, finding, self.grade)
        return [*self.owed.values(), *self._fresh(strange)]

    def pass_by(
        self, findings: Sequence[Finding], now_ms: int
    ) -> tuple[list[Push], list[Exception]]:
        """The same as ``take``, also where the engine fails, with what it failed with.

        A finding with which it does is told by itself, and the others as if it had not come.
        """
        try:
            return self.take(findings, now_ms), []
        except Exception as error:
            pushes = self.begin(now_ms)[len(self.owed) :]
            if len(findings) <= 1:
                told = [p for f in findings for p in alone(self.wording, f, self.grade)]
                return [*pushes, *self._fresh(told)], [error]
        parts = [self.pass_by([one], now_ms) for one in findings]
        faults = [error for _, errors in parts for error in errors]
        return [*pushes, *(p for made, _ in parts for p in made)], faults

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
        pushes = []
        for tell in tells:
            if tell.finding.grade <= self.grade:
                pushes += self.wording.pushes(tell, self.chains)
                self.told += [tell] if tell.is_first else []
        return self._fresh([*pushes, *self._pages(effects)])

    def _pages(self, effects: Sequence[Effect]) -> list[Push]:
        """The pages of whoever is on duty, as the ledger will make them: under the same names.

        Only the first of an incident that begins: nobody can acknowledge while PostgreSQL is away,
        so nobody is reminded of it either.
        """
        if self.paging is None:
            return []
        first = [e for e in effects if isinstance(e, Page) and e.kind == "first"]
        return [
            push
            for page in first
            if page.revision == 1 and page.grade <= self.grade
            for push in self.paging.pages(page, self.slice.incidents[page.incident])
        ]

    def drain(self) -> list[Tell]:
        """The first notices that were made since it was asked last."""
        told, self.told = self.told, []
        return told

    def _fresh(self, pushes: Sequence[Push]) -> list[Push]:
        fresh = [p for p in pushes if p.key not in self.sent]
        self.sent.update(p.key for p in fresh)
        return fresh


def alone(wording: Wording, finding: Finding, grade: int) -> list[Push]:
    """What is told of a finding of which no incident can be made, by a fault of ours.

    The same bytes as if it had opened one by itself: whoever must act hears of a leak all the same.
    Nothing where the fault is in the words themselves.
    """
    if finding.phase != "raised" or finding.lane != "live" or finding.grade > grade:
        return []
    name = incident_id(excursions.excursion_id(finding))
    try:
        at_ms = max(finding.at_ms, excursions.on_at_ms(finding))
        return wording.pushes(Tell(name, finding, Reason.OPENED, at_ms, 0, is_first=True))
    except Exception:
        return []


def quarantined(wording: Wording, body: bytes, grade: int) -> list[Push]:
    """The same for a record that goes to quarantine: it belongs to no incident."""
    try:
        finding = decode_finding(body)
    except Malformed:
        return []
    pushes = alone(wording, finding, grade)
    return [msgspec.structs.replace(push, incident="") for push in pushes]
