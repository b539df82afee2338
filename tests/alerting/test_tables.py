"""Every transition, legal and illegal, of alarms and incidents."""

from typing import get_args

import pytest

from alerting import actions, alarms, incidents, windows
from alerting.alarms import Change
from alerting.incidents import Event
from lifeline import explanations, words

VISIBLE = (
    "normal",
    "unacknowledged",
    "acknowledged",
    "returned-unacknowledged",
    "latched-unacknowledged",
    "latched-acknowledged",
)
LEGAL_ALARM = {
    **{(state, "shelve"): "shelved" for state in VISIBLE},
    **{(state, "suppress"): "suppressed" for state in VISIBLE},
    **{(state, "retire"): "out-of-service" for state in (*VISIBLE, "shelved", "suppressed")},
    **{(state, "realarm"): "unacknowledged" for state in (*VISIBLE, "shelved")},
    ("normal", "raise"): "unacknowledged",
    ("normal", "undo"): "returned-unacknowledged",
    ("unacknowledged", "raise"): "unacknowledged",
    ("unacknowledged", "return"): "returned-unacknowledged",
    ("unacknowledged", "latch"): "latched-unacknowledged",
    ("unacknowledged", "acknowledge"): "acknowledged",
    ("acknowledged", "raise"): "acknowledged",
    ("acknowledged", "return"): "normal",
    ("acknowledged", "latch"): "latched-acknowledged",
    ("acknowledged", "undo"): "unacknowledged",
    ("returned-unacknowledged", "raise"): "unacknowledged",
    ("returned-unacknowledged", "acknowledge"): "normal",
    ("latched-unacknowledged", "raise"): "unacknowledged",
    ("latched-unacknowledged", "acknowledge"): "latched-acknowledged",
    ("latched-acknowledged", "raise"): "unacknowledged",
    ("latched-acknowledged", "reset"): "normal",
    ("latched-acknowledged", "undo"): "latched-unacknowledged",
    ("shelved", "raise"): "shelved",
    ("shelved", "return"): "shelved",
    ("shelved", "latch"): "shelved",
    ("shelved", "unshelve"): "acknowledged",
    ("shelved", "unshelve-calm"): "normal",
    ("shelved", "expire"): "unacknowledged",
    ("shelved", "expire-calm"): "normal",
    ("suppressed", "raise"): "suppressed",
    ("suppressed", "return"): "suppressed",
    ("suppressed", "latch"): "suppressed",
    ("suppressed", "show"): "unacknowledged",
    ("suppressed", "show-calm"): "normal",
    ("out-of-service", "raise"): "out-of-service",
    ("out-of-service", "return"): "out-of-service",
    ("out-of-service", "latch"): "out-of-service",
    ("out-of-service", "restore"): "unacknowledged",
    ("out-of-service", "restore-calm"): "normal",
}
TAKEN = ("acknowledged", "verified", "dispatched")
LEGAL_INCIDENT = {
    ("open", "join"): "open",
    ("open", "worsen"): "open",
    ("open", "recur"): "open",
    ("open", "surface"): "open",
    ("open", "stir"): "open",
    ("open", "calm"): "open",
    ("open", "acknowledge"): "taken",
    ("open", "acknowledge-calm"): "watching",
    ("open", "self-close"): "closed",
    ("open", "merge"): "closed",
    **{(phase, "join"): "taken" for phase in TAKEN},
    **{(phase, "worsen"): "open" for phase in TAKEN},
    **{(phase, "surface"): "open" for phase in TAKEN},
    **{(phase, "stir"): "taken" for phase in TAKEN},
    **{(phase, "calm"): "watching" for phase in TAKEN},
    **{(phase, "verify"): "taken" for phase in TAKEN},
    **{(phase, "dispatch"): "dispatched" for phase in TAKEN},
    **{(phase, "close"): "closed" for phase in TAKEN},
    **{(phase, "self-close"): "closed" for phase in TAKEN},
    **{(phase, "merge"): "closed" for phase in TAKEN},
    ("watching", "recur"): "open",
    ("watching", "surface"): "open",
    ("watching", "stir"): "taken",
    ("watching", "verify"): "watching",
    ("watching", "dispatch"): "watching",
    ("watching", "close"): "closed",
    ("watching", "merge"): "closed",
    ("closed", "archive"): "archived",
}


@pytest.mark.feature("A-1")
@pytest.mark.parametrize("state", get_args(alarms.State))
@pytest.mark.parametrize("change", list(Change))
def test_an_alarm_changes_as_the_standard_says_and_not_otherwise(
    state: alarms.State, change: Change
) -> None:
    assert alarms.advance(state, change) == LEGAL_ALARM.get((state, str(change)))


@pytest.mark.feature("A-3", "A-10")
@pytest.mark.parametrize("phase", get_args(incidents.Phase))
@pytest.mark.parametrize("event", list(Event))
def test_an_incident_changes_as_the_table_says_and_not_otherwise(
    phase: incidents.Phase, event: Event
) -> None:
    for as_far in TAKEN:
        expected = LEGAL_INCIDENT.get((phase, str(event)))

        assert incidents.advance(phase, event, as_far) == (
            as_far if expected == "taken" else expected
        )


def test_every_code_has_words_in_both_languages() -> None:
    said = {*words.REASONS, *words.REFUSALS}

    assert {str(r) for r in incidents.Reason} <= said
    assert set(get_args(incidents.Phase)) == set(words.PHASES)
    assert set(get_args(alarms.State)) == set(words.ALARM_STATES)
    assert set(get_args(incidents.Verdict)) == set(words.VERDICTS)
    assert {c for codes in incidents.VERDICT_CODES.values() for c in codes} == set(
        words.VERDICT_CODES
    )
    assert set(get_args(windows.Kind)) == set(words.WINDOWS)
    assert {*actions.ACTIONS, "call", "end-call"} == set(words.ACTIONS)
    for table in (
        words.REASONS,
        words.REFUSALS,
        words.PHASES,
        words.VERDICTS,
        words.VERDICT_CODES,
        words.WINDOWS,
        words.ACTIONS,
        words.ALARM_MARKS,
        explanations.EXPLANATIONS,
        words.HAZARDS,
        words.CONTEXTS,
    ):
        assert all(zh and en and zh != en for zh, en in table.values())


@pytest.mark.feature("A-1")
def test_a_refusal_is_a_sentence() -> None:
    for reason in set(incidents.Reason) - incidents.DONE:
        if reason in words.REFUSALS:
            zh, en = words.REFUSALS[reason]

            assert zh.endswith("。")
            assert en.endswith(".")
