"""Scores by event: leaks of the real flows, faults of sensors, and what our generators made."""

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.detection_scores.alarms import Alarm
from benchmarks.detection_scores.rows import Tally, share
from detectors.history import Event

DAY_S = 86_400.0


def delays(
    alarms: Sequence[Alarm],
    events: Sequence[Event],
    kinds: frozenset[str],
    step_s: float,
    grace_s: float,
) -> tuple[list[float | None], int]:
    """Hours from each event to its first alarm of these kinds, None where none came; false alarms.

    An alarm belongs to the latest event that has begun and ended no longer than ``grace_s`` ago.
    Alarms that belong to an event found before are its repetition, and not false.
    """
    first: dict[int, float] = {}
    false = 0
    grace = grace_s / step_s
    for alarm in sorted((a for a in alarms if a.kind in kinds), key=lambda a: a.row):
        running = [k for k, e in enumerate(events) if e.row <= alarm.row <= e.end + grace]
        if not running:
            false += 1
            continue
        fresh = [k for k in running if k not in first]
        if fresh:
            k = max(fresh, key=lambda one: events[one].row)
            first[k] = (alarm.row - events[k].row) * step_s / 3600.0
    return [first.get(k) for k in range(len(events))], false


def delay_scores(found: Sequence[float | None], false: int) -> dict[str, float]:
    """How many of the events were found, after how many hours, and how many alarms were false."""
    hours = [one for one in found if one is not None]
    return {
        "events": float(len(found)),
        "found": float(len(hours)),
        "delay_h_median": float(np.median(hours)) if hours else float("nan"),
        "delay_h_max": max(hours, default=float("nan")),
        "false": float(false),
    }


def fault_tally(
    alarms: Sequence[Alarm], events: Sequence[Event], step_s: float, grace_s: float = 3600.0
) -> tuple[Tally, dict[str, Tally]]:
    """Faults found on their own channel, false fault alarms, confusions with leaks; by kind too.

    A fault is found by a fault alarm on its channel from its first row to an hour after its last.
    A fault alarm without such a fault is false; one that repeats a fault is neither.  A leak alarm
    during a fault, without a leak that began in the ten days before, takes the fault for a leak.
    """
    faults = [event for event in events if event.kind != "leak"]
    leaks = [event for event in events if event.kind == "leak"]
    grace = grace_s / step_s
    found: dict[int, float] = {}
    confused: set[int] = set()
    false = 0
    for alarm in sorted(alarms, key=lambda a: a.row):
        if alarm.kind == "fault":
            own = [
                k for k, e in enumerate(faults)
                if e.place == alarm.channel and e.row <= alarm.row <= e.end + grace
            ]  # fmt: skip
            for k in own:
                found.setdefault(k, (alarm.row - faults[k].row) * step_s / 3600.0)
            false += not own
        elif alarm.kind in ("leak", "burst"):
            ten_days = 10 * DAY_S / step_s
            is_leak = any(0 <= alarm.row - leak.row <= ten_days for leak in leaks)
            during = [k for k, e in enumerate(faults) if e.row <= alarm.row <= e.end + grace]
            confused |= set() if is_leak else set(during)
    kinds: dict[str, Tally] = {}
    for k, event in enumerate(faults):
        tally = kinds.setdefault(event.kind, {"events": 0.0, "found": 0.0, "delay_h": 0.0})
        tally["events"] += 1
        tally["found"] += k in found
        tally["delay_h"] += found.get(k, 0.0)
    total = {
        "tp": float(len(found)),
        "fn": float(len(faults) - len(found)),
        "fp": float(false),
        "confused": float(len(confused)),
    }
    return total, kinds


def fault_scores(tally: Tally, kinds: Mapping[str, Tally]) -> dict[str, float]:
    """The event F1 of faults, and the share of them that was taken for a leak."""
    tp, fp, fn = tally["tp"], tally["fp"], tally["fn"]
    made = {
        "event_f1": share(tp, tp + (fp + fn) / 2),
        "found": tp,
        "events": tp + fn,
        "false": fp,
        "confusion": share(tally["confused"], tp + fn),
    }
    for kind, one in sorted(kinds.items()):
        made[f"{kind}_found"] = share(one["found"], one["events"])
        made[f"{kind}_delay_h"] = share(one["delay_h"], one["found"])
    return made


def flow_scores(
    alarms: Sequence[Alarm],
    events: Sequence[Event],
    step_s: float,
    years: float,
    window_s: float = 7 * DAY_S,
) -> dict[str, float]:
    """Abrupt leaks by delay, slow ones found before their peak, alarms that nothing explains.

    An alarm is explained by an abrupt leak that began within the week before, or by a slow one that
    grows.  Leaks that ran when the recording began are no news.
    """
    window = window_s / step_s
    fresh = [event for event in events if event.row > 0]
    abrupt: dict[int, float] = {}
    slow: dict[int, float] = {}
    unexplained = 0
    for alarm in sorted((a for a in alarms if a.kind in ("leak", "burst")), key=lambda a: a.row):
        why = [
            k for k, e in enumerate(fresh)
            if e.row <= alarm.row <= (e.peak if e.peak > e.row else min(e.end, e.row + window))
        ]  # fmt: skip
        unexplained += not why
        for k in why:
            hours = (alarm.row - fresh[k].row) * step_s / 3600.0
            (slow if fresh[k].peak > fresh[k].row else abrupt).setdefault(k, hours)
    sudden = [k for k, e in enumerate(fresh) if e.peak <= e.row]
    return {
        "abrupt": float(len(sudden)),
        "abrupt_found": float(len(abrupt)),
        "abrupt_share_72h": share(sum(hours <= 72.0 for hours in abrupt.values()), len(sudden)),
        "abrupt_delay_h_median": float(np.median([*abrupt.values()])) if abrupt else float("nan"),
        "abrupt_delay_h_max": max(abrupt.values(), default=float("nan")),
        "slow": float(len(fresh) - len(sudden)),
        "slow_found_before_peak": float(len(slow)),
        "slow_share_before_peak": share(len(slow), len(fresh) - len(sudden)),
        "unexplained": float(unexplained),
        "unexplained_per_year": unexplained / years,
    }
