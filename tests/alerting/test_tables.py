"""Every transition, legal and illegal, of alarms and incidents."""

from typing import get_args

import pytest

from alerting import alarms, incidents
from alerting.alarms import Change
from alerting.incidents import Event
from lifeline import words

LEGAL_ALARM = {
    ("normal", "raise"): "unacknowledged",
    ("normal", "realarm"): "unacknowledged",
    ("unacknowledged", "raise"): "unacknowledged",
    ("unacknowledged", "realarm"): "unacknowledged",
    ("unacknowledged", "return"): "returned-unacknowledged",
    ("unacknowledged", "acknowledge"): "acknowledged",
    ("acknowledged", "raise"): "acknowledged",
    ("acknowledged", "realarm"): "unacknowledged",
    ("acknowledged", "return"): "normal",
    ("returned-unacknowledged", "raise"): "unacknowledged",
    ("returned-unacknowledged", "realarm"): "unacknowledged",
    ("returned-unacknowledged", "acknowledge"): "normal",
}
LEGAL_INCIDENT = {
    ("open", "join"): "open",
    ("open", "worsen"): "open",
    ("open", "recur"): "open",
    ("open", "calm"): "open",
    ("open", "acknowledge"): "acknowledged",
    ("open", "acknowledge-calm"): "watching",
    ("open", "self-close"): "closed",
    ("acknowledged", "join"): "acknowledged",
    ("acknowledged", "worsen"): "open",
    ("acknowledged", "calm"): "watching",
    ("acknowledged", "close"): "closed",
    ("acknowledged", "self-close"): "closed",
    ("watching", "recur"): "open",
    ("watching", "close"): "closed",
}


@pytest.mark.parametrize("state", get_args(alarms.State))
@pytest.mark.parametrize("change", list(Change))
def test_an_alarm_changes_as_the_standard_says_and_not_otherwise(
    state: alarms.State, change: Change
) -> None:
    assert alarms.advance(state, change) == LEGAL_ALARM.get((state, str(change)))


@pytest.mark.parametrize("phase", get_args(incidents.Phase))
@pytest.mark.parametrize("event", list(Event))
def test_an_incident_changes_as_the_table_says_and_not_otherwise(
    phase: incidents.Phase, event: Event
) -> None:
    assert incidents.advance(phase, event) == LEGAL_INCIDENT.get((phase, str(event)))


def test_every_reason_phase_and_state_has_words_in_both_languages() -> None:
    said = {*words.REASONS, *words.REFUSALS, "worsened"}

    assert {str(r) for r in incidents.Reason} <= said
    assert set(get_args(incidents.Phase)) == set(words.PHASES)
    assert set(get_args(alarms.State)) == set(words.ALARM_STATES)
    for table in (
        words.REASONS,
        words.REFUSALS,
        words.PHASES,
        words.EXPLANATIONS,
        words.HAZARDS,
        words.CONTEXTS,
    ):
        assert all(zh and en and zh != en for zh, en in table.values())
