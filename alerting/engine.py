"""What a finding, a time that has come, or somebody's action does to alarms and incidents.  Pure.

Router, timers, console and replay all come through here: the state that the event concerns goes in
as a ``Slice`` and is brought forward, and what has to be kept, told and remembered comes out as
effects.
"""

import msgspec

from alerting import alarms, course, deadlines, excursions, handling, shelving, spans
from alerting.actions import ON_ALARMS, ON_WINDOWS, Act
from alerting.excursions import Excursion
from alerting.incidents import Reason
from alerting.policy import DEFAULT, Policy
from alerting.slices import Decided, Effect, Slice
from alerting.turn import Turn
from lifeline.model import Finding


def step(slice_: Slice, finding: Finding, now_ms: int, policy: Policy = DEFAULT) -> list[Effect]:
    """What one finding does.  Reading the same finding again does nothing."""
    turn = Turn(slice_, now_ms, policy)
    alarm = excursions.key_of(finding)
    if alarm not in slice_.alarms:
        slice_.put_alarm(alarms.blank(finding, now_ms))
    if finding.lane == "live":
        course.settle(turn, alarm, finding)
    known = slice_.excursions.get(excursions.excursion_id(finding))
    if finding.phase == "cleared":
        course.clear(turn, known, finding)
    elif known is None or _is_news(known, finding):
        course.begin(turn, finding)
    elif finding.phase == "held":
        course.hold(turn, known, finding)
    return turn.effects


def _is_news(known: Excursion, finding: Finding) -> bool:
    """Whether live readings now say what only back-filled ones said, inside a known alarm."""
    return known.stage == "ignored" and known.cleared_ms is None and finding.lane == "live"


def tick(slice_: Slice, now_ms: int, policy: Policy = DEFAULT) -> list[Effect]:
    """What the deadlines that have come by now do, in their order."""
    turn = Turn(slice_, now_ms, policy)
    while (due := slice_.next_deadline()) is not None and due[0] <= now_ms:
        _, kind, subject = due
        del slice_.deadlines[kind, subject]
        deadlines.meet(turn, kind, subject)
    return turn.effects


def act(
    slice_: Slice, action: Act, now_ms: int, policy: Policy = DEFAULT
) -> tuple[Reason, list[Effect]]:
    """What somebody's action does; without effects the reason says why it was refused."""
    turn = Turn(slice_, now_ms, policy, seat=action.seat)
    if action.action == "approve":
        return _approve(turn, action)
    if action.action in ON_WINDOWS:
        return spans.act(turn, action), turn.effects
    if action.action in ON_ALARMS:
        return shelving.act(turn, action), turn.effects
    return handling.act(turn, action), turn.effects


def _approve(turn: Turn, action: Act) -> tuple[Reason, list[Effect]]:
    """A second person confirms what the first asked for: it is done in both names."""
    proposal = turn.slice.proposals.get(action.proposal)
    if proposal is None or turn.now_ms >= proposal.expires_ms:
        return Reason.PROPOSAL_GONE, []
    if proposal.act.actor == action.actor:
        return Reason.SAME_PERSON, []
    seats = "; second ".join(text for text in (proposal.act.seat, action.seat) if text)
    confirmed = msgspec.structs.replace(proposal.act, second=action.actor, seat=seats)
    reason, effects = act(turn.slice, confirmed, turn.now_ms, turn.policy)
    if effects:
        del turn.slice.proposals[proposal.id]
        effects.append(Decided(proposal.id, action.actor, turn.now_ms))
    return reason, effects
