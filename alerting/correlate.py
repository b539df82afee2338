"""To which open incidents a finding may belong: by its own network, and across lifelines.  Pure.

Every candidate says by which rule, how far and how long apart, and what the two would mean
together.  Two findings get the same answer whichever comes first.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from alerting import policy
from alerting.alarms import Alarm
from alerting.incidents import Incident
from alerting.rulegraph import Crossing, Effect, Network, Rules, Selector
from alerting.sightings import Sighting, of_finding, sightings
from alerting.topology import Topology
from lifeline.catalog import Catalog
from lifeline.grades import GRADING, Grading
from lifeline.model import UNTITLED, Finding, Text

BOTH = " / "
"""Between the two languages of a hypothesis on record."""
MILD: frozenset[Effect] = frozenset(("lower", "suppress", "load"))
BESIDE_M, BESIDE = 30.0, frozenset(("adjacency",))
"""What lies beside something: so near, in the same ground."""
REACH_MAX = 512
"""Assets whose incidents are locked and loaded for one finding: the nearest ones."""
REACHES_MAX = 2048
"""What is remembered of it: the same channels speak again and again."""
ENDED = frozenset(("closed", "archived"))
NETWORK = "network"
RANKS: tuple[Effect | str, ...] = ("raise", "suppress", "load", "join", NETWORK, "lower")
"""Which of two hypotheses is acted on: the grave one first, the reassuring one last."""


def on_record(hypothesis: Text) -> str:
    """A hypothesis in both languages, as an alarm's membership and the audit keep it."""
    return f"{hypothesis.zh}{BOTH}{hypothesis.en}"


def of_record(kept: str, language: str) -> str:
    """A kept hypothesis in one language; whole where it is not two.

    >>> kept = on_record(Text("可能为燃气泄漏", "It may be a gas leak"))
    >>> of_record(kept, "zh"), of_record(kept, "en"), of_record("leak", "zh")
    ('可能为燃气泄漏', 'It may be a gas leak', 'leak')
    """
    zh, between, en = kept.partition(BOTH)
    return Text(zh, en).said(language) if between else kept


class Candidate(policy.Candidate, frozen=True, kw_only=True):
    """An incident to which a finding may belong, and everything that speaks for it.

    ``grade`` is what the finding counts as together with the incident, None where the rule leaves
    it as it is.  ``hypothesis`` has it in both languages, for the record.
    """

    effect: Effect = "join"
    lag_s: float = 0.0
    """How much later the finding began than the incident; negative: earlier."""
    said: Text = UNTITLED
    """The hypothesis, for pages of one language."""
    task: Text = UNTITLED
    is_cause: bool = False
    """Whether the finding is the cause and the incident its consequence."""
    origin: str = ""
    """The asset where it began, where the lags tell."""


@dataclass(slots=True)
class Correlator:
    """The rules over one catalog; remembers how far things are, nothing else."""

    catalog: Catalog
    rules: Rules
    grades: Grading = GRADING
    topology: Topology = field(init=False)
    _reaches: dict[Sighting, frozenset[str]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.topology = Topology(self.catalog)

    def alike(self, hazards: Iterable[str]) -> frozenset[str]:
        """These hazards, and those that a network's rule takes for the same thing."""
        named = frozenset(hazards)
        groups = (rule.hazards for rule in self.rules.network if named & {*rule.hazards})
        return named.union(*groups)

    def connected(self, asset: str, hazard: str, finding: Finding) -> Mapping[str, float]:
        """The assets that a hazard at this one may have reached by its own network, with metres."""
        near: dict[str, float] = {asset: 0.0}
        for rule in self.rules.network:
            if hazard in rule.hazards:
                metres = metres_of(rule, finding.contexts)
                _nearer(near, self.topology.within(asset, metres, frozenset(rule.kinds)))
        return near

    def parents(self, finding: Finding) -> list[str]:
        """The assets whose own fault would explain a device's: those through which it speaks."""
        return self.topology.speakers(finding.asset)

    def reach(self, finding: Finding) -> frozenset[str]:
        """The assets whose open incidents may matter, the nearest ``REACH_MAX`` of them."""
        # When it began and how grave it is do not change what may be near.
        seen = of_finding(finding)._replace(onset_ms=0, grade=0)
        found = self._reaches.get(seen)
        if found is None:
            if len(self._reaches) >= REACHES_MAX:
                del self._reaches[next(iter(self._reaches))]
            found = self._reaches[seen] = self._reach(finding, seen)
        return found

    def _reach(self, finding: Finding, seen: Sighting) -> frozenset[str]:
        near = dict(self.connected(finding.asset, finding.hazard, finding))
        for crossing in self.rules.rule:
            for mine, other in ((crossing.a, crossing.b), (crossing.b, crossing.a)):
                if self._fits(mine, seen):
                    _nearer(near, self._around(crossing, seen, other))
        order = sorted(near, key=lambda name: (near[name], name))
        return frozenset(order[:REACH_MAX])

    def _around(self, rule: Crossing, seen: Sighting, other: Selector) -> Mapping[str, float]:
        match rule.scope:
            case "network":
                kinds = frozenset(rule.kinds)
                return self.topology.within(seen.asset, metres_of(rule, seen.contexts), kinds)
            case "asset":
                return {}
            case "feed":
                # Behind whatever the network puts next to it.
                return dict.fromkeys(self.topology.kin(seen.asset), 1.0)
            case _:
                zones = [seen.zone]
                if rule.scope == "basin":
                    zones = self.topology.zones_of(self.topology.basin(seen.zone))
                kinds = frozenset(other.asset_kinds)
                standing = [*((zone, "zone") for zone in zones), *self.topology.of_zones(zones)]
                return {name: DISTANT_M for name, kind in standing if not kinds or kind in kinds}

    def candidates(
        self,
        finding: Finding,
        open_incidents: Sequence[Incident],
        now_ms: int,
        *,
        members: Mapping[str, Sequence[Alarm]] | None = None,
    ) -> Sequence[Candidate]:
        """The open incidents that a finding may belong to, the best first; [] where it is alone.

        ``members``: an incident's alarms, where they are known: it is as near as the nearest one.
        """
        del now_ms  # Everything is measured in event time: a replay must come to the same.
        seen = of_finding(finding)
        open_ = [
            (incident, sightings(incident, (members or {}).get(incident.id, ())))
            for incident in open_incidents
            if incident.phase not in ENDED and incident.drill == finding.drill
        ]
        others = [one for _, there in open_ for one in there]
        # What the finding can be in each hypothesis is asked once, not for every incident.
        roles = [
            (rule, is_cause)
            for rule in self.rules.rule
            for is_cause in (True, False)
            if self._fits(rule.a if is_cause else rule.b, seen)
        ]
        scene = _Scene(seen, others, roles)
        found: list[tuple[_Key, Candidate]] = []
        for incident, there in open_:
            if (incident.asset, incident.hazard) == (finding.asset, finding.hazard):
                continue  # The place's own incident takes it without asking.
            offers = [offer for s in there for offer in self._offers(scene, incident, s)]
            if offers:
                found.append(min(offers, key=lambda offer: offer[0]))
        found.sort(key=lambda offer: (offer[0], offer[1].incident))
        return [candidate for _, candidate in found]

    def _offers(
        self, scene: "_Scene", incident: Incident, there: Sighting
    ) -> Iterator[tuple["_Key", Candidate]]:
        lag_ms = scene.seen.onset_ms - there.onset_ms
        for number, network in enumerate(self.rules.network):
            metres = self._apart(network, scene, there)
            if metres is not None and abs(lag_ms) <= network.window_s * 1000:
                key = (RANKS.index(NETWORK), metres, abs(lag_ms), f"{NETWORK}-{number:03}")
                yield (
                    key,
                    Candidate(
                        incident=incident.id,
                        reason="network",
                        rule=NETWORK,
                        distance_m=metres,
                        lag_s=lag_ms / 1000,
                    ),
                )
        for rule, is_cause in scene.roles:
            if not self._fits(rule.b if is_cause else rule.a, there):
                continue
            made = self._crossed(rule, scene, incident, there, is_cause=is_cause)
            if made is not None:
                assert made.distance_m is not None
                key = (RANKS.index(rule.effect), made.distance_m, abs(lag_ms), rule.id)
                yield key, made

    def _apart(self, rule: Network, scene: "_Scene", there: Sighting) -> float | None:
        """Metres between two of one hazard in one lifeline, where the rule joins them."""
        seen = scene.seen
        if seen.hazard not in rule.hazards or seen.hazard != there.hazard:
            return None
        if seen.lifeline != there.lifeline:
            return None
        metres = metres_of(rule, seen.contexts)
        return self.topology.distance_m(seen.asset, there.asset, metres, frozenset(rule.kinds))

    def _crossed(
        self,
        rule: Crossing,
        scene: "_Scene",
        incident: Incident,
        there: Sighting,
        *,
        is_cause: bool,
    ) -> Candidate | None:
        a, b = (scene.seen, there) if is_cause else (there, scene.seen)
        lag_ms = b.onset_ms - a.onset_ms
        is_in_time = abs(lag_ms) <= rule.window_s * 1000 and (rule.order == "either" or lag_ms >= 0)
        if not is_in_time:
            return None
        metres = self._between(rule, a, b, scene.seen.contexts)
        if metres is None or not self._holds(rule, scene, a, b):
            return None
        if rule.effect in MILD and b.grade <= self.rules.top_grade:
            return None  # What is of the top grade is neither reassured nor explained away.
        return Candidate(
            incident=incident.id,
            reason="rule",
            rule=rule.id,
            distance_m=metres,
            hypothesis=on_record(rule.hypothesis),
            grade=self._grade(rule, a.grade, b.grade, is_cause=is_cause),
            effect=rule.effect,
            lag_s=(scene.seen.onset_ms - there.onset_ms) / 1000,
            said=rule.hypothesis,
            task=rule.task,
            is_cause=is_cause,
            origin=self._origin(rule, scene) or "",
        )

    def _grade(self, rule: Crossing, a: int, b: int, *, is_cause: bool) -> int | None:
        """What the finding counts as; None: what it is."""
        match rule.effect:
            case "raise":
                return min(a, b, self.rules.top_grade)
            case "lower":
                # A device's own fault it does not become: something has happened.
                return None if is_cause else max(b, min(b + 1, self.grades.least))
            case "suppress" | "load":
                # No graver than its cause: it calls nobody by itself.
                return None if is_cause else max(a, b)
            case _:
                return None

    def _holds(self, rule: Crossing, scene: "_Scene", a: Sighting, b: Sighting) -> bool:
        """Whether nothing speaks against it, there are enough of them, and the lags fit."""
        every = [scene.seen, *scene.others]
        for selector in rule.unless:
            for one in every:
                if self._fits(selector, one) and any(
                    self._between(rule, one, end, scene.seen.contexts) is not None for end in (a, b)
                ):
                    return False
        if rule.count_min > 1:
            like = {
                (one.asset, one.channel)
                for one in every
                if self._fits(rule.b, one)
                and self._between(rule, a, one, scene.seen.contexts) is not None
            }
            if len(like) < rule.count_min:
                return False
        return not rule.lag_grows or self._origin(rule, scene) is not None

    def _trail(self, rule: Crossing, scene: "_Scene") -> list[Sighting]:
        """What was seen along the way that the rule walks, in the order in which it began."""
        found = {
            one
            for one in (scene.seen, *scene.others)
            if self._fits(rule.a, one) or self._fits(rule.b, one)
            if self._between(rule, scene.seen, one, scene.seen.contexts) is not None
        }
        return sorted(found, key=lambda one: (one.onset_ms, one.asset, one.channel))

    def _origin(self, rule: Crossing, scene: "_Scene") -> str | None:
        """Where it began, if what is farther from there began later; None where it does not fit."""
        if not rule.lag_grows:
            return None
        if rule.id not in scene.origins:
            trail = self._trail(rule, scene)
            first = trail[0].asset
            way = [
                self._between(rule, trail[0], one, scene.seen.contexts)
                for one in trail
                if one.asset != first
            ]
            # One that is out of the origin's reach says nothing of a single leak that spreads.
            known = [metres for metres in way if metres is not None]
            fits = bool(known) and len(known) == len(way) and known == sorted(known)
            scene.origins[rule.id] = first if fits else None
        return scene.origins[rule.id]

    def _between(
        self, rule: Crossing, a: Sighting, b: Sighting, regimes: Sequence[str]
    ) -> float | None:
        """Metres between two, None where they are not in the rule's scope."""
        is_in = False
        match rule.scope:
            case "network":
                metres = metres_of(rule, regimes)
                return self.topology.distance_m(a.asset, b.asset, metres, frozenset(rule.kinds))
            case "asset":
                is_in = a.asset == b.asset
            case "zone":
                is_in = a.zone == b.zone
            case "basin":
                is_in = self.topology.basin(a.zone) == self.topology.basin(b.zone)
            case _:
                is_in = self.topology.is_fed_by(b.asset, a.asset)
        return 0.0 if is_in else None

    def _fits(self, selector: Selector, one: Sighting) -> bool:
        if selector.hazards and one.hazard not in selector.hazards:
            return False
        if selector.lifelines and one.lifeline not in selector.lifelines:
            return False
        if selector.detectors and one.detector not in selector.detectors:
            return False
        if selector.contexts and not {*selector.contexts} & {*one.contexts}:
            return False
        if selector.asset_kinds and self.topology.kind(one.asset) not in selector.asset_kinds:
            return False
        if selector.beside and not any(
            self.topology.kind(name) in selector.beside
            for name in self.topology.within(one.asset, BESIDE_M, BESIDE)
        ):
            return False
        return not selector.quantities or self._quantity(one.channel) in selector.quantities

    def _quantity(self, channel: str) -> str:
        found = self.catalog.find(channel)
        return found[1].quantity if found is not None else ""


_Key = tuple[int, float, int, str]
DISTANT_M = 1e9
"""Of what is in scope without a way between: after all that is near."""


@dataclass(slots=True)
class _Scene:
    """One question: what was seen now, what stands around it, and what is known of them so far."""

    seen: Sighting
    others: list[Sighting]
    roles: list[tuple[Crossing, bool]]
    """(rule, whether the finding would be its cause)"""
    origins: dict[str, str | None] = field(default_factory=dict)


def metres_of(rule: Network | Crossing, regimes: Sequence[str]) -> float:
    """How far a rule reaches under what holds there: gas runs farther under a frozen lid."""
    return rule.distance_m * max((rule.factors.get(name, 1.0) for name in regimes), default=1.0)


def _nearer(near: dict[str, float], found: Mapping[str, float]) -> None:
    for name, metres in found.items():
        near[name] = min(metres, near.get(name, metres))
