"""One profile held against another on the same readings: incidents gained, lost, moved.  Pure.

Both run over the stored readings through the path of production, with the city's own catalog.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from calibration.stored import Said, Stored, batches
from detectors.plan import compile_plan
from lifeline.catalog import Catalog, Group, Rule
from lifeline.model import Finding
from lifeline.profiles import Profile, spread
from streams.partition import blank

What = Literal["gained", "lost", "earlier", "later", "same"]
WHAT: tuple[What, ...] = ("gained", "lost", "earlier", "later", "same")
HELD_S = 1e9
"""Nobody reads what is held: raised and cleared are enough."""
SAME_MS = 1
JOIN_MS = 3_600_000
"""Excursions of one hazard at one group or channel within an hour are one incident."""


class Excursion(msgspec.Struct, frozen=True):
    """An incident in short: what, where, from when until when."""

    hazard: str
    group: str
    channel: str
    """A member; the group's own name where it is about all of it."""
    from_ms: int
    until_ms: int
    """-1 while it lasts."""
    rules: tuple[str, ...]


class Change(msgspec.Struct, frozen=True):
    """What becomes of one incident."""

    what: What
    old: Excursion | None
    new: Excursion | None
    verdict: str = ""
    """What the desk found, where it did."""

    @property
    def by_s(self) -> float:
        """How much later it is, below 0 earlier; 0 where one of the two is not there."""
        if self.old is None or self.new is None:
            return 0.0
        return (self.new.from_ms - self.old.from_ms) / 1000.0


def rules_of(profile: Profile, groups: Sequence[Group], catalog: Catalog) -> list[Rule]:
    """The profile's rules over these groups of a compiled catalog."""
    found = {name: catalog.find(name) for group in groups for name in group.channels}
    quantities = {name: pair[1].quantity for name, pair in found.items() if pair is not None}
    return list(spread(profile, "whatif", groups, quantities))


def excursions(
    profile: Profile, groups: Sequence[Group], catalog: Catalog, stored: Stored, lateness_s: float
) -> list[Excursion]:
    """What these readings come to under a profile, joined to incidents, by time."""
    plan = compile_plan(rules_of(profile, groups, catalog), catalog.head.limits)
    part = blank(catalog, plan, 0, 1, lateness_s=lateness_s, held_s=HELD_S)
    findings: list[Finding] = []
    for batch in batches(stored, catalog):
        outcome = part.step(batch)
        findings += [one for one in outcome.findings if one.rule.startswith("whatif.")]
    group_of = {name: group.name for group in groups for name in (*group.channels, group.name)}
    return joined(findings, group_of)


def joined(findings: Iterable[Finding], group_of: dict[str, str]) -> list[Excursion]:
    """Findings as incidents: one hazard at one place, without an hour between."""
    open_of: dict[str, Finding] = {}
    spans: list[tuple[Finding, int]] = []
    for finding in findings:
        if finding.phase == "raised":
            open_of[finding.id] = finding
        elif finding.phase == "cleared" and finding.id in open_of:
            spans.append((open_of.pop(finding.id), finding.at_ms))
    spans += [(finding, -1) for finding in open_of.values()]
    spans.sort(key=lambda span: (span[0].at_ms, span[0].channel, span[0].rule))
    made: dict[tuple[str, str], list[Excursion]] = {}
    for finding, until_ms in spans:
        place = (finding.hazard, finding.channel)
        kept = made.setdefault(place, [])
        rule = finding.rule.removeprefix("whatif.")
        last = kept[-1] if kept else None
        if last and (last.until_ms < 0 or finding.at_ms - last.until_ms <= JOIN_MS):
            ends = -1 if -1 in (until_ms, last.until_ms) else max(until_ms, last.until_ms)
            rules = tuple(dict.fromkeys((*last.rules, rule)))
            kept[-1] = msgspec.structs.replace(last, until_ms=ends, rules=rules)
        else:
            group = group_of[finding.channel]
            kept.append(
                Excursion(finding.hazard, group, finding.channel, finding.at_ms, until_ms, (rule,))
            )
    return sorted(
        (one for kept in made.values() for one in kept),
        key=lambda one: (one.from_ms, one.channel, one.hazard),
    )


def differences(
    old: Sequence[Excursion], new: Sequence[Excursion], said: Sequence[Said], within_ms: int
) -> list[Change]:
    """Every incident of either with what becomes of it; those within reach of another are one.

    The nearest in time of the same hazard and place belong together, if no more than ``within_ms``
    lie between.
    """
    pairs = sorted(
        (abs(a.from_ms - b.from_ms), i, k)
        for i, a in enumerate(old)
        for k, b in enumerate(new)
        if (a.hazard, a.channel) == (b.hazard, b.channel)
        and abs(a.from_ms - b.from_ms) <= within_ms
    )
    taken_old: dict[int, int] = {}
    taken_new: set[int] = set()
    for _, i, k in pairs:
        if i not in taken_old and k not in taken_new:
            taken_old[i] = k
            taken_new.add(k)
    changes = [
        _changed(a, new[taken_old[i]] if i in taken_old else None) for i, a in enumerate(old)
    ]
    changes += [Change("gained", None, b) for k, b in enumerate(new) if k not in taken_new]
    judged = [
        msgspec.structs.replace(one, verdict=_verdict(one.old or one.new, said, within_ms))
        for one in changes
    ]
    return sorted(judged, key=_when)


def _changed(old: Excursion, new: Excursion | None) -> Change:
    if new is None:
        return Change("lost", old, None)
    if abs(new.from_ms - old.from_ms) < SAME_MS:
        return Change("same", old, new)
    return Change("earlier" if new.from_ms < old.from_ms else "later", old, new)


def _verdict(one: Excursion | None, said: Sequence[Said], within_ms: int) -> str:
    """What the desk found of the excursion nearest to it; '' where nobody looked."""
    assert one is not None, "a change has one of the two"
    own = [
        (abs(word.onset_ms - one.from_ms), word.verdict)
        for word in said
        if (word.hazard, word.channel) == (one.hazard, one.channel)
        and abs(word.onset_ms - one.from_ms) <= within_ms
    ]
    return min(own)[1] if own else ""


def _when(change: Change) -> tuple[int, str, str]:
    one = change.new or change.old
    assert one is not None, "a change has one of the two"
    return one.from_ms, one.channel, one.hazard
