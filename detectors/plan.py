"""Which detector watches what: the catalog's rules, decoded, with their limits' values put in.

The registry of detectors is the union type ``AnyDetector``: TOML decodes straight into it.
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import msgspec

from detectors.bad_value import BadValue
from detectors.base import Ground
from detectors.burst import Burst
from detectors.cusum import Cusum
from detectors.flatline import Flatline
from detectors.half_space import HalfSpace
from detectors.learned_residual import LearnedResidual
from detectors.mains_burst import MainsBurst
from detectors.median_jump import MedianJump
from detectors.mewma import Mewma
from detectors.noise import Noise
from detectors.novel_shape import NovelShape
from detectors.rate import Rate
from detectors.robust import Robust
from detectors.seasonal import Seasonal
from detectors.sensor_fault import SensorFault
from detectors.silence import Silence
from detectors.threshold import Threshold
from detectors.water.heads import HeadShift
from detectors.water.leaks import WaterLeaks
from detectors.water.shares import ShareShift
from lifeline.catalog import Limit, Rule
from lifeline.grades import GRADING

ChannelDetector = Threshold | Rate | Flatline | Cusum | Robust | Silence | BadValue
GroupDetector = (
    HalfSpace
    | Burst
    | MainsBurst
    | Noise
    | LearnedResidual
    | MedianJump
    | Mewma
    | NovelShape
    | Seasonal
    | SensorFault
    | HeadShift
    | ShareShift
    | WaterLeaks
)
AnyDetector = ChannelDetector | GroupDetector
"""The registry: a new detector is one file and one name here."""

KINDS: dict[str, type[Any]] = {
    str(kind.__struct_config__.tag): kind for kind in get_args(AnyDetector)
}
BUILT_IN = (
    Rule(
        id="sensor.bad-value",
        hazard="sensor-fault",
        grade=GRADING.device,
        detector={"kind": "bad_value"},
        quantity="*",
        confidence=1.0,
    ),
    Rule(
        id="device.silent",
        hazard="gateway-silent",
        grade=GRADING.device,
        detector={"kind": "silence"},
        quantity="meter.seen",
        confidence=1.0,
    ),
    Rule(
        id="device.offline",
        hazard="gateway-silent",
        grade=GRADING.device,
        detector={"kind": "threshold", "limit": 0.5, "side": "below"},
        quantity="meter.online",
        confidence=1.0,
    ),
    Rule(
        id="device.rejects",
        hazard="data-quality",
        grade=GRADING.device,
        detector={"kind": "threshold", "limit": 1.0, "side": "above"},
        quantity="meter.rejects",
    ),
    Rule(
        id="device.gaps",
        hazard="data-quality",
        grade=GRADING.device,
        detector={"kind": "threshold", "limit": 20.0, "side": "above"},
        quantity="meter.gaps",
    ),
    Rule(
        id="device.ahead",
        hazard="data-quality",
        grade=GRADING.device,
        detector={"kind": "threshold", "limit": -30000.0, "side": "below", "deadband": 5000.0},
        quantity="meter.skew",
    ),
)
"""Rules every city has.  A rule of the same id in TOML takes the place of one of these.

The broker speaks a last will after 1.5 keep-alives, ``device.silent`` after the device's own limit:
the first finds a gateway that lost its line, the second also one that lost its mind.  Refused and
missing messages are those since the device's last report; what a resend after 15 s would have
brought is not missing, so twenty are.  The clock is ahead when it is so by half a minute.
"""
BAD_VALUE_ID = BUILT_IN[0].id
ONLINE = BUILT_IN[2].quantity


class PlanError(ValueError):
    """A rule of the catalog cannot be run; the sentence names it."""


@dataclass(frozen=True, slots=True)
class Watching:
    """A rule with its detector ready to run; ``key`` names the state that it may resume."""

    rule: Rule
    detector: ChannelDetector | GroupDetector
    key: str
    limit: Limit | None


class Plan:
    """The rules, findable by quantity, channel and group."""

    def __init__(self, rules: Sequence[Watching]) -> None:
        self.rules = tuple(rules)
        lines = [msgspec.json.encode((w.rule, w.key)) for w in rules]
        self.digest = hashlib.blake2b(b"\n".join(lines), digest_size=12).hexdigest()
        self._of_quantity: dict[str, list[int]] = defaultdict(list)
        self._of_channel: dict[str, list[int]] = defaultdict(list)
        self._of_group: dict[str, list[int]] = defaultdict(list)
        for k, watching in enumerate(self.rules):
            if isinstance(watching.detector, BadValue):
                continue  # The bank itself shows every channel to it.
            if watching.rule.quantity:
                self._of_quantity[watching.rule.quantity].append(k)
            for channel in watching.rule.channels:
                self._of_channel[channel].append(k)
            for group in watching.rule.groups:
                self._of_group[group].append(k)
        found = [w for w in self.rules if isinstance(w.detector, BadValue)]
        assert len(found) == 1, "exactly one rule watches for bad values"
        self.bad_value = found[0]
        """The one rule that sees every channel."""

    @property
    def groups(self) -> frozenset[str]:
        """The groups that some rule watches."""
        return frozenset(self._of_group)

    def rules_for(self, quantity: str, channel: str) -> tuple[int, ...]:
        """Indices into ``rules`` of those that watch this channel, in the order of the catalog."""
        named = self._of_channel.get(channel, ())
        return tuple(sorted({*self._of_quantity.get(quantity, ()), *named}))

    def rules_of_group(self, group: str) -> tuple[int, ...]:
        """Indices into ``rules`` of those that watch this group."""
        return tuple(self._of_group.get(group, ()))


def compile_plan(
    rules: Sequence[Rule], limits: Mapping[str, Limit], device_grade: int = GRADING.device
) -> Plan:
    """The plan of these rules and the built-in ones; PlanError names the first wrong rule.

    ``device_grade``: of what the built-in ones find, by the city's grading table.
    """
    own = {rule.id for rule in rules}
    built_in = (msgspec.structs.replace(rule, grade=device_grade) for rule in BUILT_IN)
    everything = [*rules, *(rule for rule in built_in if rule.id not in own)]
    return Plan([_bind(rule, limits) for rule in everything])


def _bind(rule: Rule, limits: Mapping[str, Limit]) -> Watching:
    kind = rule.detector.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise PlanError(f"rule {rule.id}: detector kind {kind!r} is none of {', '.join(KINDS)}")
    limit = limits.get(rule.limit) if rule.limit else None
    if rule.limit and limit is None:
        raise PlanError(f"rule {rule.id}: limit {rule.limit} is not in the table of limits")
    parameters = dict(rule.detector)
    if limit is not None:
        field = KINDS[kind].LIMIT
        if not field:
            raise PlanError(f"rule {rule.id}: detector {kind} takes no limit")
        if field in parameters:
            raise PlanError(
                f"rule {rule.id}: {field} comes from limit {limit.id}, do not give both"
            )
        parameters[field] = limit.value
    try:
        detector: ChannelDetector | GroupDetector = msgspec.convert(parameters, AnyDetector)
    except msgspec.ValidationError as error:
        raise PlanError(f"rule {rule.id}: detector {kind}: {error}") from error
    _check(rule, detector)
    return Watching(rule, detector, state_key(detector), limit)


def _check(rule: Rule, detector: ChannelDetector | GroupDetector) -> None:
    for field in msgspec.structs.fields(detector):
        value = getattr(detector, field.name)
        if isinstance(value, float) and not math.isfinite(value):
            raise PlanError(f"rule {rule.id}: {field.name} is {value}, a limit must be finite")
    if isinstance(detector, GroupDetector) != bool(rule.groups):
        judged = "groups" if isinstance(detector, GroupDetector) else "channels or a quantity"
        raise PlanError(f"rule {rule.id}: detector {detector.kind} watches {judged}")
    if isinstance(detector, BadValue) != (rule.id == BAD_VALUE_ID):
        raise PlanError(f"rule {rule.id}: only rule {BAD_VALUE_ID} may watch for bad values")


def state_key(detector: ChannelDetector | GroupDetector) -> str:
    """Names the state of these parameters: ``kind/version/hash``, the same on every worker.

    >>> state_key(Threshold(limit=20.0)), state_key(Threshold(limit=20.0, deadband=1.0))
    ('threshold/1/b064cd763794', 'threshold/1/b67c8e299899')
    """
    packed = msgspec.msgpack.encode(detector, order="deterministic")
    digest = hashlib.blake2b(packed, digest_size=6).hexdigest()
    return f"{detector.kind}/{detector.version}/{digest}"


def ground_key(ground: Ground) -> str:
    """Names what a group's state rests on: its channels and what was learned before the stream."""
    digest = hashlib.blake2b(msgspec.msgpack.encode(ground.members), digest_size=6)
    for name in sorted(ground.learned):
        array = ground.learned[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
