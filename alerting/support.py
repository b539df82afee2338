"""Steps of escalation: gone at their time, or at once where somebody asks for support.  Pure."""

import msgspec

from alerting.actions import Act
from alerting.incidents import Incident, Reason
from alerting.slices import Page
from alerting.turn import ROUTER, Turn

LEAST_GAP_S = 60.0
"""The last step of escalation is repeated, but not faster than this."""


def ask(turn: Turn, incident: Incident, action: Act) -> Reason:
    """Escalates at once.  Whoever asks has not taken it by that: who has not, is still reminded."""
    step = incident.step + 1
    asked = msgspec.structs.replace(incident, step=step, review=False)
    turn.done(asked, action, Reason.SUPPORT)
    kept = turn.slice.incidents[incident.id]
    turn.effects.append(
        Page(
            incident=kept.id,
            revision=kept.revision,
            grade=kept.grade,
            step=step,
            kind="support",
            reason=Reason.SUPPORT,
            at_ms=turn.now_ms,
            finding=kept.lead,
        )
    )
    turn.record(kept, ROUTER, Reason.SUPPORT, action="page", note=str(step))
    if kept.phase == "open":
        escalate_later(turn, kept)
    else:
        turn.watch_progress(kept)
    return Reason.SUPPORT


def escalate_later(turn: Turn, incident: Incident) -> None:
    """Comes back for the step after the one that has just been gone."""
    times, step = turn.policy.clocks_for(incident.grade).escalate_s, incident.step
    if not times:
        return
    haste = turn.haste(incident)
    if step < len(times):
        since_ms = turn.now_ms if incident.unseen_ms is None else incident.unseen_ms
        due_ms = max(since_ms + round(times[step] * haste * 1000), turn.now_ms)
        turn.schedule("escalate", incident.id, incident.zone, due_ms)
    else:
        # The last step goes on until somebody answers.
        gap_s = times[-1] - (times[-2] if len(times) > 1 else 0.0)
        turn.due_in("escalate", incident, max(gap_s * haste, LEAST_GAP_S))
