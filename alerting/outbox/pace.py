"""How fast a receiver may be written to, and what goes as one message when more waits.  Pure.

Robots of the office messengers take 20 messages a minute, and DingTalk's then falls silent for ten;
a person reads one message better than ten.  So the first few go one by one, and from then on
everything that waits goes as one message, once in ``bundle_s``, until so long nothing had to be
bundled.  What is graver than all that was sent of late does not wait for that.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from lifeline.targets import Target

MINUTE_MS = 60_000
ROWS_MAX = 2000
"""Waiting notices that one decision looks at, and one message may carry."""


class Pace(msgspec.Struct, frozen=True):
    """What a receiver of this kind bears."""

    per_minute: int
    """Messages in any minute."""
    singles: int
    """Messages within ``bundle_s`` that may go one by one."""
    is_personal: bool = False
    """Each address has its own: what goes to one person is not counted for another."""


PACES: Mapping[str, Pace] = MappingProxyType(
    {
        # Both document 20 a minute for a robot: two are kept back for who else uses it, and for
        # clocks that do not agree where a minute begins.
        "wecom": Pace(18, 5),
        "dingtalk": Pace(18, 5),
        # 100 a minute and 5 a second.
        "feishu": Pace(90, 5),
        "apprise": Pace(18, 5),
        "ntfy": Pace(30, 5, is_personal=True),
        # To one person: one message, then one for all that came since.
        "email": Pace(6, 1, is_personal=True),
        "sms": Pace(6, 1, is_personal=True),
        "voice": Pace(3, 1, is_personal=True),
    }
)
"""By kind; who is not here is a machine, and takes notices as they come."""


class Waiting(msgspec.Struct, frozen=True):
    """A notice that may go."""

    id: int
    grade: int
    address: str
    incident: str
    """What it tells of: two of one incident, to two people of a group, are one message."""


class Begun(msgspec.Struct, frozen=True):
    """A message that was begun, whatever became of it."""

    at_ms: int
    grade: int
    """The gravest in it."""
    address: str
    incidents: int = 1
    """Of how many it told."""
    is_failed: bool = False
    """It reached nobody."""


def pace_of(target: Target) -> Pace | None:
    """The pace of a target; None where there is none to keep.

    >>> pace_of(Target("desk", kind="wecom", token_file="k"))
    Pace(per_minute=18, singles=5, is_personal=False)
    >>> pace_of(Target("x", "http://x/", "s"))
    """
    usual = PACES.get(target.kind)
    if usual is None or not target.per_minute:
        return usual
    return msgspec.structs.replace(usual, per_minute=target.per_minute)


def choose(
    pace: Pace, bundle_s: float, waiting: Sequence[Waiting], begun: Sequence[Begun], now_ms: int
) -> list[list[Waiting]]:
    """The messages that may begin now, each with what it carries, the gravest first."""
    by_address: dict[str, list[Waiting]] = {}
    for one in sorted(waiting, key=_rank):
        by_address.setdefault(one.address if pace.is_personal else "", []).append(one)
    return [
        message
        for address, ones in by_address.items()
        for message in _choose(
            pace,
            round(bundle_s * 1000),
            ones,
            [b for b in begun if b.address == address or not pace.is_personal],
            now_ms,
        )
    ]


def _choose(
    pace: Pace, bundle_ms: int, waiting: list[Waiting], begun: list[Begun], now_ms: int
) -> list[list[Waiting]]:
    # The vendor counts what it did not take; a person is only told by what reached him.
    recent = [b for b in begun if now_ms - b.at_ms < bundle_ms and not b.is_failed]
    free = pace.per_minute - sum(now_ms - b.at_ms < MINUTE_MS for b in begun)
    if free <= 0:
        return []
    told: dict[str, list[Waiting]] = {}
    for one in waiting:
        told.setdefault(one.incident, []).append(one)
    is_storm = any(b.incidents > 1 for b in recent)
    if not is_storm and len(recent) + len(told) <= pace.singles:
        return list(told.values())[:free]
    if all(waiting[0].grade < b.grade for b in recent):
        return [waiting]
    return []


def _rank(waiting: Waiting) -> tuple[int, int]:
    return waiting.grade, waiting.id
