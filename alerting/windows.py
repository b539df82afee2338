"""Windows: stated times in which alarms are suppressed, or sharpened after work.  Pure.

Maintenance suppresses what it names.  Calibration suppresses only readings that carry the
test-gas mark: neither the mark nor the window alone does.  A common cause suppresses the device
faults behind a device that is itself at fault; it is opened and ended by its alarm.  A work-watch
does the opposite: until its checks are ticked its zone's findings reach the desk one grade graver,
and reminders come sooner.
"""

from collections.abc import Iterable
from typing import Literal, get_args

import msgspec

from lifeline.grades import Grading
from lifeline.model import Finding, Quality

Kind = Literal["maintenance", "calibration", "common-cause", "work-watch"]
Opened = Literal["maintenance", "calibration", "work-watch"]
OPENED: tuple[Opened, ...] = get_args(Opened)
"""Kinds that people open; a common cause is opened by its alarm."""
WATCH_FACTOR = 0.5
"""While a zone is watched after work its reminders come twice as fast."""
DEVICE_HAZARDS = frozenset(("sensor-fault", "data-quality", "gateway-silent"))
"""What a common cause may hide: never a hazard of the city."""


class Check(msgspec.Struct, frozen=True):
    """One thing that must be done before a work-watch can end."""

    name: str
    done_by: str = ""
    done_ms: int | None = None


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """One window; times by PostgreSQL's clock, which event times are compared with."""

    id: str
    kind: Kind
    author: str
    reason: str
    zone: str
    assets: tuple[str, ...] = ()
    """Empty: all of the zone."""
    rules: tuple[str, ...] = ()
    """Empty: all."""
    from_ms: int
    until_ms: int
    work: str = ""
    """The work order."""
    factor: float = 1.0
    """Of a work-watch: what the clocks of reminders are multiplied by."""
    checks: tuple[Check, ...] = ()
    ended_ms: int | None = None
    ended_by: str = ""
    hidden: int = 0
    """How many raises it has suppressed."""
    revision: int = 0


def runs(window: Window, at_ms: int) -> bool:
    """Whether it holds at a moment; a work-watch goes on beyond its time until it is ended."""
    if window.ended_ms is not None or at_ms < window.from_ms:
        return False
    return window.kind == "work-watch" or at_ms < window.until_ms


def names(window: Window, finding: Finding) -> bool:
    """Whether a finding is one of those that the window is about."""
    return (
        window.zone == finding.zone
        and (not window.assets or finding.asset in window.assets)
        and (not window.rules or finding.rule in window.rules)
    )


def suppressing(windows: Iterable[Window], finding: Finding, now_ms: int) -> Window | None:
    """The window that suppresses a finding, by when it happened and as long as the window lasts."""
    for window in windows:
        if not (names(window, finding) and runs(window, now_ms) and runs(window, finding.at_ms)):
            continue
        if window.kind == "maintenance":
            return window
        if window.kind == "calibration" and finding.quality & Quality.TEST_GAS:
            return window
    return None


def watching(windows: Iterable[Window], zone: str, at_ms: int) -> Window | None:
    """The work-watch of a zone, the one with the fastest clocks."""
    found = [w for w in windows if w.kind == "work-watch" and w.zone == zone and runs(w, at_ms)]
    return min(found, key=lambda w: (w.factor, w.id), default=None)


def sharpened(windows: Iterable[Window], finding: Finding, grades: Grading) -> Finding:
    """The finding as it reaches the desk: one grade graver where its zone is watched.

    Sensors' own faults stay what they are: nothing has happened in the city.
    """
    if not 1 < finding.grade <= grades.least or not _is_watched(windows, finding):
        return finding
    return msgspec.structs.replace(finding, grade=finding.grade - 1)


def _is_watched(windows: Iterable[Window], finding: Finding) -> bool:
    window = watching(windows, finding.zone, finding.at_ms)
    return window is not None and names(window, finding)


def cause_id(alarm: str) -> str:
    """The window of what an alarm causes."""
    return f"cause|{alarm}"


def unticked(window: Window) -> list[str]:
    """The checks that are still to be done."""
    return [check.name for check in window.checks if check.done_ms is None]
