"""Which readings are kept for an incident: of which channels, of what time, copied when.  Pure."""

from collections.abc import Iterable, Sequence
from typing import Literal

from lifeline.catalog import Catalog

Stage = Literal["new", "live", "settling", "whole"]
"""Of the copy: not begun, of an incident that lives, of one that is over, complete."""
Span = tuple[int, int]
"""(from, until), unix ms."""

READINGS_MIN = 120
"""As many on each side of a moment, however seldom a channel is read."""
DAY_MS = 86_400_000
MOMENTS_MAX = 50
CHANNELS_MAX = 64
LAG_MS = 60_000
"""So long after its last reading a span is looked at again: the archive is behind by seconds."""
LATE_MS = 8 * DAY_MS
"""Readings come up to seven days late, and the shortest retention is nine."""


def reach_ms(interval_s: float, reach_s: float) -> int:
    """How far before and after a moment the readings of such a channel are kept.

    >>> reach_ms(1.0, 3600.0), reach_ms(60.0, 3600.0), reach_ms(1800.0, 3600.0)
    (3600000, 7200000, 86400000)
    """
    return round(min(DAY_MS, max(reach_s, READINGS_MIN * interval_s) * 1000))


def spans(moments: Iterable[int], reach: int) -> list[Span]:
    """The time around these moments, where they overlap as one; of very many the first and last.

    >>> spans([1000, 1500, 9000], 600)
    [(400, 2100), (8400, 9600)]
    """
    known = sorted(set(moments))
    if len(known) > MOMENTS_MAX:
        known = known[: MOMENTS_MAX // 2] + known[-MOMENTS_MAX // 2 :]
    found: list[Span] = []
    for at_ms in known:
        if found and at_ms - reach <= found[-1][1]:
            found[-1] = (found[-1][0], at_ms + reach)
        else:
            found.append((at_ms - reach, at_ms + reach))
    return found


def channels(catalog: Catalog, own: Sequence[str], near: Sequence[str]) -> dict[str, float]:
    """Channel -> how often it is read, s: its alarms' first, then what the same devices and the
    same asset measure; at most 64.
    """
    groups = {group.name: group.channels for group in catalog.head.groups}
    named = [name for one in own for name in groups.get(one, (one,))]
    devices = [found[0] for name in named if (found := catalog.find(name)) is not None]
    beside = [channel.name for device in devices for channel in device.channels]
    chosen = list(dict.fromkeys((*named, *beside, *near)))[:CHANNELS_MAX]
    known = {name: catalog.find(name) for name in chosen}
    return {name: found[1].interval_s if found else 60.0 for name, found in known.items()}


def next_look(until_ms: int, fed_ms: int, now_ms: int, *, is_over: bool) -> tuple[Stage, int]:
    """How far the copy is, and when to look again.

    ``until_ms`` is the end of the last span, ``fed_ms`` how far the archive has stored.
    """
    stage: Stage = "settling" if is_over else "live"
    if now_ms < until_ms + LAG_MS:
        return stage, until_ms + LAG_MS
    if fed_ms < until_ms + LAG_MS and now_ms < until_ms + DAY_MS:
        return stage, now_ms + LAG_MS
    if not is_over:
        return stage, now_ms + DAY_MS
    if now_ms < until_ms + LATE_MS:
        return stage, until_ms + LATE_MS
    return "whole", now_ms
