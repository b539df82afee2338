"""What keeps a raise out of sight: a shelf, a window, a device at fault that explains it.  Pure.

None of them ever hides what already waits for people.
"""

from alerting import alarms, windows
from alerting.alarms import Alarm
from alerting.incidents import Reason
from alerting.turn import ROUTER, Turn
from alerting.windows import DEVICE_HAZARDS, Window
from lifeline.model import HOTLINE, Finding

CAUSE_MS = 7 * 86_400_000
"""A common cause ends with its alarm; nobody has to wait longer than this for that."""


def stays_hidden(turn: Turn, alarm: Alarm, finding: Finding) -> bool:
    """Whether a person has put it out of sight, and this is no rise beyond what he knew."""
    if alarm.state == "shelved":
        return finding.grade >= alarm.grade
    if alarm.state != "out-of-service":
        return False
    # One person alone takes out of service what lives do not depend on, and nothing else by it.
    treatment = turn.policy.treatment
    return treatment(alarm.rule).is_managed or not treatment(finding.rule).is_managed


def window_over(turn: Turn, alarm: Alarm, finding: Finding) -> Window | None:
    """The window that suppresses this raise; one never hides what already waits for people.

    Nor what a person has told: works explain what a sensor shows, not what somebody smells.
    """
    if finding.detector == HOTLINE:
        return None
    if alarm.state not in ("normal", "latched-acknowledged", "suppressed"):
        return None
    found = windows.suppressing(turn.slice.windows_of(finding.zone), finding, turn.now_ms)
    return found or _cause(turn, finding)


def _cause(turn: Turn, finding: Finding) -> Window | None:
    """The common cause behind a device's fault: a device that it depends on is itself at fault."""
    if finding.hazard not in DEVICE_HAZARDS or turn.policy.parents is None:
        return None
    for asset in sorted(turn.policy.parents(finding)):
        for parent in turn.slice.standing_at(asset):
            is_fault = parent.hazard in DEVICE_HAZARDS and parent.drill == finding.drill
            if is_fault and parent.state in alarms.RAISED:
                return _cause_window(turn, parent)
    return None


def _cause_window(turn: Turn, parent: Alarm) -> Window:
    name = windows.cause_id(parent.key)
    known = turn.slice.windows.get(name)
    if known is not None and windows.runs(known, turn.now_ms):
        return known
    opened = Window(
        id=name,
        kind="common-cause",
        author=ROUTER,
        reason=parent.hazard,
        zone=parent.zone,
        assets=(parent.asset,),
        from_ms=turn.now_ms,
        until_ms=turn.now_ms + CAUSE_MS,
        hidden=known.hidden if known else 0,
        revision=known.revision if known else 0,
    )
    turn.schedule("window", name, parent.zone, opened.until_ms)
    turn.record(None, ROUTER, Reason.WINDOW_OPENED, alarm=parent, note=name)
    return turn.keep_window(opened)
