"""What holds in a zone (rain, flood, frost) and how findings made under it are treated.  Pure.

Warnings from outside switch regimes; ``deploy/correlation.toml`` says what follows from each: what
is graver and sooner, and what is only the weather and may wait a little longer before it counts.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from lifeline.grades import Grading
from lifeline.model import Finding

DELAY_S_MAX = 1800.0


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """While a regime holds, findings of these hazards are treated so."""

    regime: Annotated[str, Meta(min_length=1, max_length=128)]
    hazards: Annotated[tuple[str, ...], Meta(min_length=1)]
    lifelines: tuple[str, ...] = ()
    """Empty: of every lifeline."""
    is_graver: bool = False
    """One grade, never a device's own fault."""
    clock_factor: Annotated[float, Meta(ge=0.1, le=1)] = 1.0
    """What the clocks of reminders and escalation are multiplied by."""
    delay_s: Annotated[float, Meta(ge=0, le=DELAY_S_MAX)] = 0.0
    """How much longer it must last before it counts; never what pages at any hour."""
    source: str = ""
    verified: bool = False


def holding(conditions: Iterable[Condition], finding: Finding) -> Iterator[Condition]:
    """Those that held where and when the finding was made, and that are about it."""
    for one in conditions:
        is_meant = finding.hazard in one.hazards and finding.lifeline in (
            one.lifelines or (finding.lifeline,)
        )
        if is_meant and one.regime in finding.contexts:
            yield one


def treated(conditions: Iterable[Condition], finding: Finding, grades: Grading) -> Finding:
    """The finding as it reaches the desk under what holds there.

    Nothing of the grades that page at any hour waits a second longer for it.
    """
    found = list(holding(conditions, finding))
    if any(one.is_graver for one in found) and 1 < finding.grade <= grades.least:
        return msgspec.structs.replace(finding, grade=finding.grade - 1)
    delay_s = max((one.delay_s for one in found), default=0.0)
    if not delay_s or grades.is_top(finding.grade):
        return finding
    return msgspec.structs.replace(finding, on_delay_s=finding.on_delay_s + delay_s)


def haste(conditions: Iterable[Condition], finding: Finding) -> float:
    """What the clocks of its incident are multiplied by."""
    return min((one.clock_factor for one in holding(conditions, finding)), default=1.0)
