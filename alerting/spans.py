"""What people do with windows: open, tick a check, end; and what their end shows again.  Pure."""

import msgspec

from alerting import windows
from alerting.actions import Act
from alerting.alarms import Change
from alerting.incidents import Reason
from alerting.shelving import uncovered
from alerting.turn import ROUTER, Turn
from alerting.windows import Window

OVERDUE_MS = 3600_000
"""How often a work-watch that is over time says so."""


def act(turn: Turn, action: Act) -> Reason:
    """Does what is asked of a window, or says why not."""
    if action.action == "open-window":
        return _open(turn, action)
    window = turn.slice.windows.get(action.window)
    if window is None or window.ended_ms is not None:
        return Reason.UNKNOWN_WINDOW
    if action.action == "check":
        return _check(turn, window, action)
    if windows.unticked(window):
        return Reason.UNCHECKED
    end(turn, window, action.actor)
    return _written(turn, window, action, Reason.WINDOW_ENDED)


def _written(turn: Turn, window: Window, action: Act, reason: Reason) -> Reason:
    turn.record(
        None,
        action.actor,
        reason,
        action=action.action,
        note=action.note,
        channel=action.channel,
        zone=window.zone,
        subject=f"window {window.id}",
        second=action.second,
    )
    return reason


def _open(turn: Turn, action: Act) -> Reason:
    asked = action.opening
    if asked is None or asked.id in turn.slice.windows or asked.kind == "common-cause":
        return Reason.UNKNOWN_WINDOW
    if not asked.reason.strip():
        return Reason.NEEDS_NOTE
    if asked.until_ms <= max(turn.now_ms, asked.from_ms):
        return Reason.NEEDS_END
    is_watch = asked.kind == "work-watch"
    if not is_watch and asked.until_ms - turn.now_ms > turn.policy.life.window_s_max * 1000:
        return Reason.TOO_LONG
    if asked.kind == "maintenance" and _covers_managed(turn, asked) and not action.second:
        return turn.propose(action, asked.zone)
    opened = msgspec.structs.replace(
        asked,
        author=action.actor,
        factor=windows.WATCH_FACTOR if is_watch else 1.0,
        ended_ms=None,
        ended_by="",
        hidden=0,
        revision=0,
        checks=tuple(windows.Check(check.name) for check in asked.checks),
    )
    turn.keep_window(opened)
    turn.schedule("window", opened.id, opened.zone, opened.until_ms)
    return _written(turn, opened, action, Reason.WINDOW_OPENED)


def _covers_managed(turn: Turn, window: Window) -> bool:
    """Whether it would hide alarms that cannot be shelved by one person alone."""
    managed = {
        rule
        for rule, treatment in turn.policy.treatments.items()
        if treatment.is_managed and (not window.rules or rule in window.rules)
    }
    rules_in = turn.policy.rules_in
    return bool(managed if rules_in is None or not managed else managed & rules_in(window.zone))


def _check(turn: Turn, window: Window, action: Act) -> Reason:
    if action.check not in windows.unticked(window):
        return Reason.NO_SUCH_CHECK
    ticked = windows.Check(action.check, action.actor, turn.now_ms)
    checks = tuple(ticked if one.name == action.check else one for one in window.checks)
    kept = turn.keep_window(msgspec.structs.replace(window, checks=checks))
    said = msgspec.structs.replace(action, note=f"{action.check} {action.note}".strip())
    return _written(turn, kept, said, Reason.CHECKED)


def end(turn: Turn, window: Window, by: str) -> None:
    """The window holds no more: what it hid and still stands is shown, and needs a human."""
    turn.cancel("window", window.id)
    turn.keep_window(msgspec.structs.replace(window, ended_ms=turn.now_ms, ended_by=by))
    for alarm in turn.slice.hidden_by(window.id):
        if alarm.state == "suppressed":
            incident = turn.slice.incidents.get(alarm.incident)
            note = f"{window.id} {alarm.hidden_raises}"
            turn.record(incident, ROUTER, Reason.SHOWN, alarm=alarm, note=note)
            uncovered(turn, alarm, Change.SHOW, Change.SHOW_CALM, Reason.SURFACED)


def expire(turn: Turn, window: Window) -> None:
    """Its time is over: it ends, but for a watch whose checks are missing."""
    if windows.unticked(window):
        reason = Reason.WINDOW_OVERDUE
        turn.schedule("window", window.id, window.zone, turn.now_ms + OVERDUE_MS)
    else:
        reason = Reason.WINDOW_ENDED
        end(turn, window, ROUTER)
    turn.record(None, ROUTER, reason, zone=window.zone, subject=f"window {window.id}")
