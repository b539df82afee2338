"""What sensors say for or against closing an incident.  Pure.

No alarm is not the same as evidence: a neighbouring well that is silent has not said that it holds
no gas.  So each sensor that the network connects to an incident, whether it ever alarmed or not, is
asked for a fresh value, and for what it has shown over the set time.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from alerting.incidents import Incident
from lifeline import words
from lifeline.words import Language

NAMED_MAX = 5
"""Sensors that a refusal names one by one."""


class Sensor(NamedTuple):
    """A channel that must have spoken, and between which limits."""

    channel: str
    unit: str
    fresh_s: float
    """How old its newest value may be."""
    below: float | None
    """It must stay below this; None: no hard limit says so."""
    above: float | None
    hazards: frozenset[str] = frozenset()
    """Of which no alarm of it may stand."""


class Witness(msgspec.Struct, frozen=True):
    """What a sensor has said; without a usable value of late ``newest_ms`` is None."""

    newest_ms: int | None = None
    low: float = 0.0
    """The least and the greatest value over the set time, and of the newest one."""
    high: float = 0.0
    alarms: tuple[str, ...] = ()
    """The hazards of its alarms that stand, in whichever incident, shown or hidden."""


class Objection(msgspec.Struct, frozen=True):
    """One sensor that stands against a closure."""

    channel: str
    why: Literal["silent", "beyond"]
    unit: str = ""
    newest_ms: int | None = None
    value: float | None = None
    """The value beyond its limit, where a hard limit says so."""


NOBODY = Witness()


def objections(
    sensors: Iterable[Sensor],
    witnesses: Mapping[str, Witness],
    incident: Incident,
    now_ms: int,
) -> list[Objection]:
    """The sensors that stand against closing the incident now; those that nobody asked are silent.

    A value from before the incident says nothing of how it is after it.
    """
    found: list[Objection] = []
    for sensor in sensors:
        said = witnesses.get(sensor.channel, NOBODY)
        since_ms = max(now_ms - round(sensor.fresh_s * 1000), incident.onset_ms)
        if said.newest_ms is None or said.newest_ms < since_ms:
            found.append(Objection(sensor.channel, "silent", newest_ms=said.newest_ms))
            continue
        value = _beyond(sensor, said)
        if value is not None or sensor.hazards & {*said.alarms}:
            found.append(Objection(sensor.channel, "beyond", sensor.unit, said.newest_ms, value))
    return found


def _beyond(sensor: Sensor, said: Witness) -> float | None:
    if sensor.below is not None and said.high >= sensor.below:
        return said.high
    if sensor.above is not None and said.low <= sensor.above:
        return said.low
    return None


_SAID: dict[str, tuple[str, str]] = {
    "never": ("{channel}（近期没有可用数据）", "{channel} (nothing usable of late)"),
    "silent": ("{channel}（已 {age}没有新数据）", "{channel} (silent for {age})"),
    "beyond": ("{channel}（{value}，仍超限）", "{channel} ({value}, beyond its limit)"),
    "alarmed": ("{channel}（仍在报警）", "{channel} (its alarm stands)"),
}
_MORE = ("另有 {n} 个", "{n} more")


def named(found: Sequence[Objection], now_ms: int, language: Language) -> str:
    """The sensors that stand against it and why, for the end of a sentence; '' for none."""
    told = [_said(one, now_ms, language) for one in found[:NAMED_MAX]]
    if len(found) > NAMED_MAX:
        told.append(words.said(_MORE, language).format(n=len(found) - NAMED_MAX))
    return words.joined(told, language)


def _said(one: Objection, now_ms: int, language: Language) -> str:
    if one.why == "beyond":
        key = "alarmed" if one.value is None else "beyond"
    else:
        key = "never" if one.newest_ms is None else "silent"
    age_min = 0 if one.newest_ms is None else max(0, now_ms - one.newest_ms) // 60_000
    age = words.said((f"{age_min} 分钟", f"{age_min} min"), language)
    value = words.quantity(one.value, one.unit)
    return words.said(_SAID[key], language).format(channel=one.channel, age=age, value=value)
