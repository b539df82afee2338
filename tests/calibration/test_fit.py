"""What a profile learns from recordings, and how its false alarms are counted."""

from typing import Annotated

import msgspec
import numpy as np
import pytest

from calibration import fit, rehearsal
from calibration.fit import FitError, fitted, history_of
from calibration.rates import rate
from calibration.recording import Recording
from detectors import plan
from detectors.base import Ground, GroupParams, Scores, State
from detectors.history import Calibrates, Event, History
from lifeline import artefact
from lifeline.catalog import Rule
from lifeline.model import GroupFrame
from lifeline.profiles import Profile

DAY_S = 86_400.0


class Above(GroupParams, frozen=True, tag="above"):
    """Alarm above what history's calm rows never reached."""

    factor: Annotated[float, msgspec.Meta(gt=0)] = 1.0

    @property
    def code(self) -> str:
        return "odd"

    def calibrate(self, history: History) -> dict[str, np.ndarray]:
        assert history.network["pipes"].tolist() == ["p1"]
        calm = np.ones(len(history.values), bool)
        for event in history.events:
            calm[event.row : event.end + 1] = False
        return {"highest": self.factor * history.values[calm].max(axis=0)}

    def blank(self, ground: Ground) -> State:
        return {"seen": np.zeros(1, np.int64)}

    def step(self, ground: Ground, state: State, frame: GroupFrame) -> Scores:
        state["seen"] += 1
        over = np.nanmax(frame.values / ground.learned["highest"])
        return np.array([over if over > 1.0 else 0.5])


NETWORK = {"pipes": np.array(["p1"])}
PROFILE = Profile("mains", rule=(Rule("high", "leak", 3, {"kind": "above"}),))


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The detector of these tests is in the registry while they run."""
    monkeypatch.setattr(plan, "AnyDetector", plan.AnyDetector | Above)
    monkeypatch.setattr(plan, "GroupDetector", plan.GroupDetector | Above)
    monkeypatch.setattr(fit, "AnyDetector", plan.AnyDetector | Above)
    monkeypatch.setitem(plan.KINDS, "above", Above)


def year(*high: tuple[int, int], events: tuple[Event, ...] | None = ()) -> Recording:
    values = np.ones((365, 2))
    for start, end in high:
        values[start:end] = 2.0
    rows = np.arange(365, dtype=np.int64) * round(DAY_S * 1000)
    return Recording("y", ("a", "b"), ("q", "q"), rows, values, DAY_S, events=events)


LEAK = Event(kind="leak", row=100, end=120, place="p1")


def test_a_detector_finds_in_the_stream_what_it_learned_from_history() -> None:
    taught = year((100, 121), events=(LEAK,))

    made = fitted(PROFILE, [taught], NETWORK, 0.2)

    assert made.arrays["highest"].tolist() == [1.0, 1.0]
    part, _ = rehearsal.prepared(rehearsal.catalog_of(year(), PROFILE, artefact.pack(made)))
    found = rehearsal.findings_of(part, year((40, 50)))
    assert [(one.phase, one.at_ms // 86_400_000) for one in found] == [
        ("raised", 40),
        ("cleared", 50),
    ]


def test_an_alarm_about_what_is_known_is_not_false_and_every_other_is() -> None:
    taught = year((100, 121), events=(LEAK,))
    noisy = year((200, 210), (300, 310), events=None)

    made = fitted(PROFILE, [taught, noisy], NETWORK, 1.0)

    assert made.facts["false_alarms"] == 2
    assert made.facts["sensor_years"] == pytest.approx(4 * 365 / 365.25)
    assert (
        float(made.facts["far_low"]) < float(made.facts["far_seen"]) < float(made.facts["far_high"])
    )
    assert (made.facts["far_stated"], made.facts["recordings"]) == (1.0, "y,y")


def test_a_limit_rises_until_history_would_have_cried_wolf_as_seldom_as_stated() -> None:
    taught = year((100, 121), events=(LEAK,))
    noisy = year((200, 210), (300, 310), events=None)
    noisy.values[300:310] = 3.0

    # Four sensor-years: two are allowed, one, none.
    made = [fitted(PROFILE, [taught, noisy], NETWORK, far) for far in (0.6, 0.3, 0.1)]

    assert [one.facts["false_alarms"] for one in made] == [2, 1, 0]
    assert [float(one.facts.get("limit.high", 1.0)) for one in made] == pytest.approx(
        [1.0, 2.002, 3.003]
    )
    part, _ = rehearsal.prepared(rehearsal.catalog_of(noisy, PROFILE, artefact.pack(made[1])))
    found = rehearsal.findings_of(part, noisy)
    assert [one.at_ms // 86_400_000 for one in found] == [300, 310]
    assert found[0].score == pytest.approx(3.0 / 2.002)


def test_what_grows_between_two_looks_is_held_back_by_another_round() -> None:
    noisy = year((200, 290), events=None)
    noisy.values[230:240] = 5.0

    made = fitted(PROFILE, [year(), noisy], NETWORK, 0.1)

    # Its peak lies between the looks at rows 200, 250: the first round does not see it.
    assert (made.facts["false_alarms"], made.facts["limit.high"]) == (0, pytest.approx(5.01, 1e-2))


def test_a_profile_that_learns_nothing_is_counted_all_the_same() -> None:
    plain = Profile("plain", rule=(Rule("odd", "leak", 3, {"kind": "half_space"}),))

    made = fitted(plain, [year()], {}, 1.0)

    assert (made.arrays, made.facts["false_alarms"]) == ({}, 0)


def test_without_a_recording_there_is_nothing_to_learn() -> None:
    with pytest.raises(FitError):
        fitted(PROFILE, [], {}, 1.0)


def test_two_detectors_may_not_learn_under_one_name() -> None:
    twice = msgspec.structs.replace(PROFILE, rule=(PROFILE.rule[0], PROFILE.rule[0]))

    with pytest.raises(AssertionError, match="two detectors of mains learn highest"):
        fitted(twice, [year()], NETWORK, 1.0)


def test_history_is_the_recording_as_detectors_see_it() -> None:
    seen = history_of(year(events=None), {}, 0.5)

    assert (seen.events, seen.event_flow, seen.members.grid_s) == ((), None, DAY_S)
    assert isinstance(Above(), Calibrates)


def test_the_interval_of_a_rate_holds_what_was_seen_and_narrows_with_time() -> None:
    short, long = rate(3, 10.0), rate(30, 100.0)

    assert short.low < short.per_year == long.per_year < short.high
    assert long.high - long.low < short.high - short.low


def test_rows_without_a_value_are_never_said_and_batches_do_not_change_what_is_found() -> None:
    made = fitted(PROFILE, [year()], NETWORK, 0.2)
    holed = year((40, 50), (60, 65))
    holed.values[45:48] = np.nan
    holed.values[10:20, 0] = np.nan
    packed = artefact.pack(made)

    found = [
        rehearsal.findings_of(
            rehearsal.prepared(rehearsal.catalog_of(holed, PROFILE, packed))[0], holed, rows
        )
        for rows in (1, 7, 64)
    ]

    assert [(f.phase, f.at_ms) for f in found[0]] == [(f.phase, f.at_ms) for f in found[1]]
    assert [(f.phase, f.at_ms) for f in found[0]] == [(f.phase, f.at_ms) for f in found[2]]
    assert len(found[0]) == 4
