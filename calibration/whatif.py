"""Stored readings under one set of rules, to the incidents that it would have made.  Pure.

Partition and engine are those of production, as in ``lifeline.replay``; the clock is the readings'
own, as if each had come at once.  Somebody acknowledges every incident and closes it as soon as it
is calm, for else the first one of a place would take all later ones in.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping

import msgspec
from msgspec.structs import replace

from alerting import engine
from alerting.actions import Act
from alerting.incidents import ENDED, Incident
from alerting.policy import Policy
from alerting.slices import Effect, SaveIncident, Slice
from calibration.differences import Spell
from calibration.stored import Said
from detectors.plan import Plan
from ingest.batch import tick
from lifeline.catalog import Catalog
from lifeline.config import Detect
from lifeline.model import Batch
from lifeline.wire import encode_finding
from streams.partition import blank

TICK_MS = 60_000
OFFICER = "whatif"


class Side:
    """One set of rules over the readings; feed it batches in the order of their times."""

    def __init__(self, catalog: Catalog, plan: Plan, policy: Policy, times: Detect) -> None:
        self._part = blank(catalog, plan, 0, 1, lateness_s=times.lateness_s, held_s=times.held_s)
        self._rules = frozenset(rule.id for rule in catalog.head.rules)
        # No sensor is asked before an incident closes: what it says now is not what it said then.
        self._policy = policy_of(policy)
        self._slice = Slice()
        self._live: dict[str, None] = {}
        self._incidents: dict[str, Incident] = {}
        self._digest = hashlib.sha256()
        self._now_ms = 0
        self.findings = 0

    def feed(self, batch: Batch) -> None:
        """Works one batch in, and what the clock brings before it."""
        self._advance(batch.received_ms)
        self._work(batch)

    def incidents(self) -> list[Incident]:
        """Every incident so far as it is now, by time; without those that went on in another."""
        kept = [one for one in self._incidents.values() if not one.merged_into]
        return sorted(kept, key=lambda one: (one.opened_ms, one.id))

    def digest(self) -> str:
        """Names everything that came of it: the same readings and rules, the same digest."""
        whole = self._digest.copy()
        whole.update(msgspec.json.encode(self.incidents()))
        return whole.hexdigest()

    def spells(self) -> list[Spell]:
        """The incidents in short."""
        return [
            Spell(
                one.zone, one.asset, one.hazard, one.lead.channel, one.lead.rule, one.opened_ms,
                None if one.is_active else one.calm_ms,
            )
            for one in self.incidents()
        ]  # fmt: skip

    def _advance(self, now_ms: int) -> None:
        """Ticks at full minutes; over a gap in the readings only while something is under way."""
        at_ms = (self._now_ms // TICK_MS + 1) * TICK_MS
        while self._now_ms and at_ms <= now_ms and (self._live or self._part.bank.open):
            self._work(tick(at_ms))
            at_ms += TICK_MS
        self._now_ms = now_ms

    def _work(self, batch: Batch) -> None:
        now_ms = batch.received_ms
        for finding in self._part.step(batch).findings:
            if finding.rule in self._rules:
                self.findings += 1
                self._digest.update(encode_finding(finding))
                self._note(engine.step(self._slice, finding, now_ms, self._policy))
        self._note(engine.tick(self._slice, now_ms, self._policy))
        for name in list(self._live):
            self._attend(self._incidents[name], now_ms)

    def _attend(self, incident: Incident, now_ms: int) -> None:
        """What a desk with nothing else to do would do now."""
        if incident.phase == "open":
            act = Act(incident=incident.id, action="acknowledge", actor=OFFICER)
        elif incident.phase == "watching":
            act = Act(
                incident=incident.id, action="close", actor=OFFICER, note=OFFICER,
                verdict="unknown", code="other",
            )  # fmt: skip
        else:
            return
        self._note(engine.act(self._slice, act, now_ms, self._policy)[1])

    def _note(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, SaveIncident):
                one = effect.incident
                self._incidents[one.id] = one
                if one.phase in ENDED:
                    self._live.pop(one.id, None)
                else:
                    self._live[one.id] = None


def policy_of(policy: Policy) -> Policy:
    """The policy without what needs people on site: sensors asked, alarms that latch."""
    treatments = {name: replace(one, latching=False) for name, one in policy.treatments.items()}
    return dataclasses.replace(policy, sensors=None, treatments=treatments)


def judged(said: Iterable[Said], places: Mapping[str, tuple[str, str]]) -> list[Spell]:
    """What the desk said as events to compare with; ``places``: zone and asset of each channel."""
    return [
        Spell(*places[one.channel], one.hazard, one.channel, "", one.onset_ms, one.until_ms,
              one.verdict)
        for one in said
        if one.channel in places
    ]  # fmt: skip


def places_of(catalog: Catalog, groups: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Zone and asset of these groups and their channels, by name."""
    wanted = frozenset(groups)
    made: dict[str, tuple[str, str]] = {}
    for group in catalog.head.groups:
        if group.name not in wanted:
            continue
        made[group.name] = (group.zone, group.asset)
        for name in group.channels:
            found = catalog.find(name)
            assert found is not None, f"{name}: a compiled group has channels of the catalog"
            made[name] = (found[0].zone, found[0].asset)
    return made
