"""The official scores: what the trivial answers get, the perfect ones, and each formula's parts."""

import doctest

import numpy as np
import pytest

from benchmarks.detection_scores import economic, events, nab, rows
from benchmarks.detection_scores.alarms import Alarm
from benchmarks.detection_scores.economic import Leak
from benchmarks.detection_sets import goals
from benchmarks.detection_sets.known import BY_NAME
from detectors.history import Event


def mask(n: int, *spans: tuple[int, int]) -> np.ndarray:
    made = np.zeros(n, bool)
    for start, last in spans:
        made[start : last + 1] = True
    return made


@pytest.mark.parametrize("module", [economic, events, nab, rows])
def test_the_examples_of_the_scores_are_true(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


def test_always_one_scores_on_skabs_shares_what_its_leaderboard_would_give() -> None:
    # 23,801 scored rows of which 53.7 % are anomalous: F1 of always-1 is 0.698.
    truth = mask(23_801, (0, round(0.537 * 23_801) - 1))

    got = rows.rates(rows.confusion(np.ones(23_801, bool), truth))

    assert got["f1"] == pytest.approx(0.698, abs=1e-3)
    assert (got["far"], got["mar"]) == (100.0, 0.0)


def test_all_ones_score_three_quarters_at_batadal() -> None:
    truth = mask(1000, (100, 150), (500, 520))
    flags = np.ones(1000, bool)

    got = rows.attack_scores(
        rows.confusion(flags, truth) | rows.attack_tally(flags, [(100, 150), (500, 520)])
    )

    assert (got["s"], got["s_ttd"], got["s_cm"]) == (0.75, 1.0, 0.5)


def test_silence_scores_a_quarter_at_batadal() -> None:
    truth = mask(1000, (100, 150))
    flags = np.zeros(1000, bool)

    got = rows.attack_scores(rows.confusion(flags, truth) | rows.attack_tally(flags, [(100, 150)]))

    assert (got["s"], got["s_ttd"], got["found"]) == (0.25, 0.0, 0.0)


def test_all_ones_have_a_perfect_early_score_and_no_true_negatives_at_leakdb() -> None:
    truth, flags = mask(500, (100, 200)), np.ones(500, bool)

    early = rows.early_tally(flags, [(100, 200)])

    assert 100 * early["sed"] / early["leaks"] == 100.0
    assert rows.rates(rows.confusion(flags, truth))["tnr"] == 0.0


def test_an_early_flag_that_does_not_last_counts_nothing_at_leakdb() -> None:
    short, late = mask(500, (100, 120)), mask(500, (150, 260))

    assert rows.early_tally(short, [(100, 200)])["sed"] == 0.0
    assert rows.early_tally(np.zeros(500, bool), [(100, 200)])["sed"] == 0.0
    expected = 2.0 / (1.0 + np.exp(5.0 * 50 / 111))
    assert rows.early_tally(late, [(100, 200)])["sed"] == pytest.approx(expected)


def test_changes_at_the_changepoints_are_perfect_and_none_is_null() -> None:
    times, points = np.arange(1000.0), mask(1000, (300, 300), (700, 700))
    exact, silent = mask(1000, (300, 699)), np.zeros(1000, bool)

    best = rows.changepoint_scores(rows.changepoint_tally(times, exact, points))
    null = rows.changepoint_scores(rows.changepoint_tally(times, silent, points))

    assert best == {"nab_standard": 100.0, "nab_low_fp": 100.0, "nab_low_fn": 100.0}
    assert null == {"nab_standard": 0.0, "nab_low_fp": 0.0, "nab_low_fn": 0.0}


def test_a_change_late_in_its_window_is_worth_less_and_outside_it_costs() -> None:
    times, points = np.arange(1000.0), mask(1000, (300, 300))

    early, late, outside = (
        rows.changepoint_scores(rows.changepoint_tally(times, mask(1000, (at, 999)), points))[
            "nab_standard"
        ]
        for at in (310, 350, 500)
    )

    # A miss costs what a hit earns: the worst hit is half of the way from null to perfect.
    assert 100.0 > early > 90.0 > late + 30.0 > 80.0
    assert outside == pytest.approx(-100 * 0.11 / 2)


def test_a_window_that_begins_within_another_begins_where_that_ends() -> None:
    times, points = np.arange(300.0), mask(300, (100, 100), (120, 120))

    first = rows.changepoint_tally(times, mask(300, (100, 299)), points)
    both = rows.changepoint_tally(times, mask(300, (100, 159)), points)

    assert (first["hit"], first["missed"], first["false"]) == (1.0, 1.0, 0.0)
    assert (both["hit"], both["missed"], both["false"]) == (2.0, 0.0, 0.0)


def test_nothing_flagged_is_nabs_null_and_the_first_row_of_each_window_its_best() -> None:
    windows = [(1000, 1099), (3000, 3099)]

    null = nab.scores(nab.tally(4032, [], windows))
    best = nab.scores(nab.tally(4032, [1000, 3000, 3050], windows))
    probation = nab.tally(4032, [603], windows)

    assert null == {"standard": 0.0, "low_fp": 0.0, "low_fn": 0.0}
    assert best["standard"] == pytest.approx(100.0)
    assert probation == nab.tally(4032, [], windows)


def test_nabs_false_positives_cost_more_the_farther_they_lie_behind_a_window() -> None:
    windows = [(1000, 1100)]

    costs = [nab.tally(4032, [row], windows)["false_cost"] for row in (900, 1102, 1150, 1900)]

    assert costs[0] == 1.0
    assert 0.0 < costs[1] < costs[2] < 1.0
    assert costs[3] == 1.0


INP = """
[JUNCTIONS]
 a 0 1
[PIPES]
;name from to length
 p1 a b 100 200 ; comment
 p2 b c 200 200
 p3 c d 500 200
 p4 e f 50 200
[PUMPS]
 u d e HEAD 1
"""


def test_distances_run_along_the_pipes_from_middle_to_middle() -> None:
    made = economic.network(INP)

    assert made.distance("p1", "p2") == 150.0
    assert made.distance("p1", "p3") == 500.0
    assert made.distance("p3", "p4") == 275.0
    assert made.distance("p1", "p4") == float("inf")


def leak(pipe: str, row: int, end: int, n: int = 2000, m3_h: float = 12.0) -> Leak:
    flow = np.zeros(n)
    flow[row : end + 1] = m3_h
    return Leak(pipe, row, end, flow)


def test_the_right_pipe_at_the_first_row_is_the_perfect_score() -> None:
    mains, leaks = economic.network(INP), [leak("p1", 100, 1999), leak("p4", 500, 900)]

    got = economic.score([(100, "p1"), (500, "p4")], leaks, mains)

    assert got["share"] == 1.0
    assert (got["tp"], got["fp"]) == (2, 0)
    # 1,900 rows of 1 m3 each, at 0.80 EUR.
    assert leaks[0].saved_eur(101) == pytest.approx(1520.0)


def test_the_distance_costs_a_part_of_the_crew_and_a_miss_all_of_it() -> None:
    mains, leaks = economic.network(INP), [leak("p1", 100, 1999)]

    near = economic.score([(100, "p2")], leaks, mains)
    far = economic.score([(100, "p3")], leaks, mains)
    early = economic.score([(99, "p1")], leaks, mains)

    assert near["eur"] == pytest.approx(near["perfect_eur"] - 250.0)
    assert (far["eur"], far["fp"]) == (-500.0, 1)
    assert (early["eur"], early["fp"]) == (-500.0, 1)


def test_a_leak_found_twice_is_free_and_the_nearest_of_two_is_the_one_found() -> None:
    mains, leaks = economic.network(INP), [leak("p1", 100, 1999), leak("p2", 100, 1999)]

    got = economic.score([(200, "p2"), (300, "p2"), (400, "p1")], leaks, mains)

    assert (got["tp"], got["fp"]) == (2, 0)
    first = leaks[1].saved_eur(200)
    assert got["eur"] == pytest.approx(first + leaks[0].saved_eur(300) - 250.0)


def alarm(row: int, kind: str = "leak", channel: str = "") -> Alarm:
    return Alarm(row=row, at="", kind=kind, rule="r", channel=channel)


FAULTS = (
    Event(kind="drift", row=100, end=200, place="n1"),
    Event(kind="stuck", row=300, end=310, place="n4"),
    Event(kind="leak", row=400, end=900, place="p1"),
)


def test_a_fault_is_found_on_its_own_channel_alone() -> None:
    said = [alarm(150, "fault", "n1"), alarm(160, "fault", "n1"), alarm(305, "fault", "n1")]

    total, kinds = events.fault_tally(said, FAULTS, 300.0)

    got = events.fault_scores(total, kinds)
    assert (got["found"], got["events"], got["false"]) == (1.0, 2.0, 1.0)
    assert got["event_f1"] == 0.5
    assert got["drift_delay_h"] == pytest.approx(50 / 12)
    assert got["stuck_found"] == 0.0


def test_a_leak_alarm_during_a_fault_is_a_confusion_unless_a_leak_has_begun() -> None:
    during, about, before = alarm(120), alarm(450), alarm(50)

    total, _ = events.fault_tally([during, about, before], FAULTS, 300.0)

    assert total["confused"] == 1.0


def test_leaks_of_the_real_flows_are_explained_by_what_began() -> None:
    told = (
        Event(kind="leak", row=0, end=9000, peak=0, place="old"),
        Event(kind="leak", row=1000, end=5000, peak=1000, place="abrupt"),
        Event(kind="leak", row=6000, end=9000, peak=8000, place="slow"),
    )

    got = events.flow_scores([alarm(500), alarm(1012), alarm(1100), alarm(7000)], told, 300.0, 0.5)

    assert (got["abrupt"], got["abrupt_found"], got["abrupt_delay_h_max"]) == (1.0, 1.0, 1.0)
    assert (got["unexplained_per_year"], got["abrupt_share_72h"]) == (2.0, 1.0)
    assert (got["slow"], got["slow_found_before_peak"], got["unexplained"]) == (1.0, 1.0, 1.0)


def test_delays_count_from_the_latest_event_that_has_begun() -> None:
    told = [
        Event(kind="gas", row=100, end=200), Event(kind="gas", row=150, end=200),
        Event(kind="gas", row=900, end=950),
    ]  # fmt: skip

    found, false = events.delays(
        [alarm(160, "gas"), alarm(170, "gas"), alarm(300, "gas"), alarm(960, "biogas")],
        told, frozenset(("gas",)), 3600.0, 0.0,
    )  # fmt: skip

    assert (found, false) == ([70.0, 10.0, None], 1)
    assert events.delay_scores(found, false)["found"] == 2.0
    assert events.delay_scores([], 0)["events"] == 0.0


def test_a_goal_is_reached_from_its_own_side_and_unknown_without_a_figure() -> None:
    more, less = (
        goals.Goal("G", "s", "f1", 0.8, 0.9),
        goals.Goal("G", "s", "far", None, 8.0, least=False),
    )

    assert [more.state(v) for v in (0.95, 0.85, 0.7, None)] == [
        "moonshot", "gate", "missed", "unknown",
    ]  # fmt: skip
    assert [less.state(v) for v in (7.0, 9.0, float("nan"))] == ["moonshot", "gate", "unknown"]


def test_every_goal_names_a_figure_that_its_set_has() -> None:
    assert {goal.of for goal in goals.GOALS} <= set(BY_NAME)
    entry = {"score": {"f1": 0.9}, "spread": {"f1": (0.8, 1.0)}, "detectors": {}}

    told = goals.judged({"skab": entry, "nab": {**entry, "score": None}})

    assert [one["state"] for one in told] == ["moonshot", "unknown", "unknown", "unknown"]
    assert "| G5 | `skab` | f1 | ≥ 0.8 | ≥ 0.88 | **0.9** | 0.8 … 1 | moonshot |" in goals.table(
        told
    )
