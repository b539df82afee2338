"""The course of one excursion: a record of it comes, a delay runs out.  Pure."""

import msgspec

from alerting import alarms, conditions, excursions, leaving, windows
from alerting.excursions import Excursion
from alerting.joining import activate
from alerting.turn import Turn
from lifeline.model import Finding


def settle(turn: Turn, alarm: str, record: Finding) -> None:
    """Ends the delays that event time has outrun: records go before any timer."""
    own = excursions.excursion_id(record)
    reached_ms = record.onset_ms if record.phase == "raised" else record.at_ms
    for excursion in turn.slice.excursions_of(alarm):
        if excursion.finding.lane != "live" and excursion.id != own:
            continue
        if excursion.stage == "pending" and excursions.ripe_at_ms(excursion) <= reached_ms:
            activate(turn, excursion)
        elif excursion.stage == "leaving" and excursions.off_at_ms(excursion) <= reached_ms:
            leaving.end(turn, excursion)


def begin(turn: Turn, record: Finding) -> None:
    """An excursion not heard of before.  ``held`` without ``raised`` counts: it lasts."""
    finding = windows.sharpened(turn.slice.windows_of(record.zone), record, turn.policy.grades)
    finding = conditions.treated(turn.policy.conditions, finding, turn.policy.grades)
    key = excursions.key_of(finding)
    excursion = Excursion(
        id=excursions.excursion_id(finding),
        alarm=key,
        stage="pending",
        finding=finding,
        last_ms=finding.at_ms,
    )
    others = turn.slice.excursions_of(key)
    if finding.lane != "live" and excursions.is_covered(finding, others):
        turn.keep(excursion, stage="ignored")
        return
    damp_ms = _flitting_ms(turn, key, finding)
    on_ms = excursions.on_at_ms(finding) + damp_ms
    if finding.at_ms < on_ms:
        due_ms = excursions.due_ms(finding, on_ms, turn.now_ms)
        turn.wait(excursion, "pending", due_ms, damp_ms)
    else:
        activate(turn, excursion)


def _flitting_ms(turn: Turn, key: str, finding: Finding) -> int:
    """How much longer an alarm that was gone before anybody could look must last this time.

    Never for the grades that page at any hour: a brief gas cloud is a gas cloud.
    """
    if not turn.slice.alarms[key].is_fleeting or turn.policy.is_top(finding.grade):
        return 0
    return max(0, alarms.FLEETING_MS - round(finding.on_delay_s * 1000))


def hold(turn: Turn, excursion: Excursion, record: Finding) -> None:
    """It lasts."""
    if record.at_ms > excursion.last_ms and excursion.stage in ("pending", "active"):
        excursion = turn.keep(excursion, last_ms=record.at_ms)
    if excursion.stage == "pending" and excursions.ripe_at_ms(excursion) <= record.at_ms:
        activate(turn, excursion)


def clear(turn: Turn, excursion: Excursion | None, record: Finding) -> None:
    """It is said to be over."""
    if excursion is None:
        # Its beginning is in quarantine or before our time: nothing was raised, nothing ends.
        unknown = Excursion(
            id=excursions.excursion_id(record),
            alarm=excursions.key_of(record),
            stage="ignored",
            finding=record,
            last_ms=record.at_ms,
            cleared_ms=record.at_ms,
        )
        turn.keep(unknown)
        return
    if not excursions.may_clear(excursion.finding.lane, record.lane):
        return
    if excursion.stage == "pending":
        if record.at_ms < excursions.ripe_at_ms(excursion):
            turn.keep(excursion, stage="over", cleared_ms=record.at_ms, last_ms=record.at_ms)
            return
        excursion = activate(turn, excursion)
    if excursion.stage == "ignored" and excursion.cleared_ms is None:
        # It is over before anybody believed it: read again, it ends nothing.
        turn.keep(excursion, cleared_ms=record.at_ms)
    if excursion.stage != "active":
        return
    # A chattering alarm stays until it has been quiet for as long as made it chatter.
    is_chattering = turn.slice.alarms[excursion.alarm].is_chattering
    damp_ms = alarms.CHATTER_MS if is_chattering else 0
    excursion = msgspec.structs.replace(
        excursion,
        cleared_ms=record.at_ms,
        last_ms=max(excursion.last_ms, record.at_ms),
        damp_ms=damp_ms,
    )
    if excursion.finding.off_delay_s > 0 or damp_ms:
        off_ms = excursions.off_at_ms(excursion)
        due_ms = excursions.due_ms(record, off_ms, turn.now_ms)
        turn.wait(excursion, "leaving", due_ms, damp_ms)
    else:
        leaving.end(turn, excursion)
