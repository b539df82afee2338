"""Why an action was not carried out, as a problem with its sentence.  Pure."""

from alerting import witnesses
from alerting.console import views
from alerting.console.visit import Problem, Visit
from alerting.desk.rows import Outcome, Standing
from alerting.people import times
from lifeline import words
from lifeline.words import Language

LACKING = frozenset(
    ("needs-verdict", "needs-code", "needs-task", "needs-end", "too-long", "no-such-check")
)
"""What whoever asks has left out or written wrongly."""


def problem(visit: Visit, outcome: Outcome, note: str = "") -> Problem:
    """The problem, which says who was faster where somebody was."""
    if outcome.code in ("unknown", "unknown-alarm", "unknown-window", "proposal-gone"):
        why = words.refusal(outcome.code, visit.language)
        return Problem(404) if outcome.code == "unknown" else Problem(404, "problem.gone", why=why)
    if outcome.code == "needs-note":
        return Problem(400, "problem.note-missing")
    if outcome.code in ("faster", "already-acknowledged", "already-closed") and outcome.actor:
        if views.is_person(outcome.actor):
            at = times.second(outcome.at_ms, visit.site.zone)
            return Problem(409, "problem.409.faster", note, name=outcome.actor, at=at)
        return Problem(409, "problem.409.changed", note)
    if outcome.code == "faster":
        return Problem(409, "problem.409.changed", note)
    why = sentence(outcome, visit.pulse.now_ms, visit.language)
    if outcome.code in LACKING:
        return Problem(422, "problem.409.refused", note, why=why)
    refused = Problem(409, "problem.409.refused", note, why=why)
    refused.is_written = outcome.is_written
    return refused


def sentence(outcome: Outcome, now_ms: int, language: Language) -> str:
    """Why it was refused, with the sensors that stand against it."""
    why = words.refusal(outcome.code, language)
    named = witnesses.named(outcome.against, now_ms, language)
    if not named:
        return why
    return f"{why}{named}。" if language == "zh" else f"{why} {named}."


def standing(found: Standing, now_ms: int, language: Language) -> list[str]:
    """What stands against closing an incident, a sentence each, before anybody asks for it."""
    return [
        sentence(
            Outcome(
                is_done=False, code=code, summary=None, actor="", at_ms=0,
                against=tuple(one for one in found.sensors if one.why == code),
            ),
            now_ms,
            language,
        )
        for code in found.codes
    ]  # fmt: skip


def said(code: str, language: Language) -> str:
    """What an action came to, in words."""
    return words.reason(code, language)
