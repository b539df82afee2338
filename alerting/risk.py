"""How bad an incident is: likelihood times consequence, with every factor shown.  Pure.

likelihood = 1 - (1 - c·d)·(1 - w)^(n - 1): the rule author's confidence ``c``, less by doubt ``d``
where the sensor reports its own trouble, and ``n`` channels that agree, each of which removes the
share ``w`` of the doubt that is left (noisy or).  A person's verdict replaces it.

consequence = Σ weight·factor / Σ weight over severity (1 at the gravest grade, 0 at the fifth),
people p/(p + half), schools and hospitals s/(s + 2) with a hospital as two, and for what explodes
the adjacent closed space V/(V + half) and ignition.

risk = 100 · likelihood · consequence.

The shape is ISO 31000's usual product; curves and weights are this project's own and no standard's:
they order a queue, they do not predict losses.  Half-values say where a factor is worth one half.
"""

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from alerting.alarms import Alarm
from alerting.incidents import Incident
from alerting.topology import Topology
from lifeline.model import Finding, Quality, Text
from lifeline.network import SPACES, Exposure

Weight = Annotated[float, Meta(ge=0.1, le=10.0)]
Part = Literal["likelihood", "consequence"]
DOUBTFUL = (
    Quality.FAULT | Quality.CALIBRATION_DUE | Quality.TEST_GAS | Quality.IMMERSED
)  # fmt: skip
DENIED = 0.05
"""What is left of the likelihood when somebody has looked and found nothing: people err too."""
GRADES_SPAN = 4
"""From the gravest to the one of devices."""
HOSPITAL_AS_SCHOOLS = 2
SENSITIVE_HALF = 2.0
UNRAISED = frozenset(("normal", "returned-unacknowledged"))

NAMES = {
    "confidence": Text("规则置信度", "Confidence of the rule"),
    "doubt": Text("传感器自报状态", "What the sensor says of itself"),
    "witnesses": Text("同时报警测点数", "Channels in alarm"),
    "verdict": Text("研判结论", "Verdict of an officer"),
    "severity": Text("等级", "Grade"),
    "people": Text("影响范围内人口", "People near"),
    "sensitive": Text("学校、医院", "Schools and hospitals"),
    "volume": Text("相邻密闭空间容积", "Volume of the adjacent closed space"),
    "ignition": Text("点火可能性", "Ignition"),
}


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much each factor counts; none can be set to nothing."""

    severity: Weight = 3.0
    people: Weight = 2.0
    sensitive: Weight = 2.0
    volume: Weight = 1.5
    ignition: Weight = 1.5
    people_half: Annotated[float, Meta(ge=10, le=100_000)] = 500.0
    volume_half_m3: Annotated[float, Meta(ge=1, le=100_000)] = 200.0
    witness: Annotated[float, Meta(ge=0, le=0.9)] = 0.4
    doubt: Annotated[float, Meta(ge=0.2, le=1)] = 0.6
    """What remains of a confidence when the sensor reports trouble of its own."""
    unknown: Annotated[float, Meta(ge=0.2, le=1)] = 0.5
    """What a factor is taken to be where nobody has said: not knowing is no reason to be calm."""
    explosive: Annotated[tuple[str, ...], Meta(min_length=1)] = ("gas-leak", "gas-composition")

    def __post_init__(self) -> None:
        if "gas-leak" not in self.explosive:
            raise ValueError("risk: a gas leak is explosive whatever a file says")


class Factor(msgspec.Struct, frozen=True):
    """One reason for a score."""

    name: str
    part: Part
    value: float
    """0 to 1, as it entered."""
    raw: str
    """What it was read from: ``1200``, ``3 channels``, ``?`` where nobody has said."""
    weight: float
    said: Text


class Risk(msgspec.Struct, frozen=True):
    """A score with its why; both parts are 0 to 1, the score 0 to 100."""

    likelihood: float
    consequence: float
    score: float
    factors: tuple[Factor, ...]


def assess(
    incident: Incident,
    alarms: Iterable[Alarm],
    exposure: Exposure | None,
    weights: Weights | None = None,
) -> Risk:
    """How bad an incident is, and why; ``exposure`` None where nobody has said what is near."""
    weights = weights or Weights()
    channels = {alarm.channel for alarm in alarms if alarm.state not in UNRAISED}
    verdict = incident.verdict
    likely = _likely(incident.lead, max(1, len(channels)), verdict, weights)
    likelihood = _likelihood(incident.lead, max(1, len(channels)), verdict, weights)
    grave = _grave(incident, exposure, weights)
    total = sum(one.weight for one in grave)
    consequence = sum(one.weight * one.value for one in grave) / total
    score = round(100.0 * likelihood * consequence, 1)
    return Risk(likelihood, consequence, score, (*likely, *grave))


def _likelihood(lead: Finding, n: int, verdict: str, weights: Weights) -> float:
    if verdict == "true":
        return 1.0
    if verdict in ("false", "test"):
        return DENIED
    doubt = weights.doubt if lead.quality & DOUBTFUL else 1.0
    rest: float = (1.0 - lead.confidence * doubt) * (1.0 - weights.witness) ** (n - 1)
    return 1.0 - rest


def _likely(lead: Finding, n: int, verdict: str, weights: Weights) -> list[Factor]:
    if verdict in ("true", "false", "test"):
        value = 1.0 if verdict == "true" else DENIED
        return [_factor("verdict", "likelihood", value, verdict, 1.0)]
    is_doubtful = bool(lead.quality & DOUBTFUL)
    doubt = weights.doubt if is_doubtful else 1.0
    agreeing = 1.0 - (1.0 - weights.witness) ** (n - 1)
    return [
        _factor("confidence", "likelihood", lead.confidence, f"{lead.confidence:g}", 1.0),
        _factor("doubt", "likelihood", doubt, "!" if is_doubtful else "ok", 1.0),
        _factor("witnesses", "likelihood", agreeing, str(n), weights.witness),
    ]


def _grave(incident: Incident, exposure: Exposure | None, weights: Weights) -> list[Factor]:
    severity = min(1.0, max(0.0, 1.0 - (incident.grade - 1) / GRADES_SPAN))
    people = sensitive = volume = spark = None
    if exposure is not None:
        people = exposure.population / (exposure.population + weights.people_half)
        places = exposure.schools + HOSPITAL_AS_SCHOOLS * exposure.hospitals
        sensitive = places / (places + SENSITIVE_HALF)
        volume = exposure.volume_m3 / (exposure.volume_m3 + weights.volume_half_m3)
        spark = exposure.ignition
    told = exposure or Exposure()
    rows = [
        ("severity", severity, f"{incident.grade}", weights.severity),
        ("people", people, f"{told.population}", weights.people),
        ("sensitive", sensitive, f"{told.schools}+{told.hospitals}", weights.sensitive),
    ]
    if incident.hazard in weights.explosive:
        rows += [
            ("volume", volume, f"{told.volume_m3:g} m³", weights.volume),
            ("ignition", spark, f"{told.ignition:g}", weights.ignition),
        ]
    return [
        _factor(name, "consequence", weights.unknown, "?", weight)
        if value is None
        else _factor(name, "consequence", value, raw, weight)
        for name, value, raw, weight in rows
    ]


def _factor(name: str, part: Part, value: float, raw: str, weight: float) -> Factor:
    return Factor(name, part, value, raw, weight, NAMES[name])


def at_stake(topology: Topology, asset: str) -> Exposure | None:
    """What is near an asset, its adjoining closed spaces included; None where nobody has said.

    Volumes of spaces that open into each other add up, and a spark in one is a spark in all.
    """
    own = topology.asset(asset)
    around = [topology.asset(name) for name in topology.neighbours(asset, SPACES)]
    known = [one.exposure for one in (own, *around) if one is not None and one.exposure]
    if not known:
        return None
    stake = own.exposure if own is not None and own.exposure else Exposure()
    return msgspec.structs.replace(
        stake,
        population=max(one.population for one in known),
        schools=max(one.schools for one in known),
        hospitals=max(one.hospitals for one in known),
        volume_m3=sum(one.volume_m3 for one in known),
        ignition=max(one.ignition for one in known),
    )
