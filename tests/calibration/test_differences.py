"""Two versions of a profile held against each other, in events, tallies and words."""

import pytest

from calibration import tables
from calibration.differences import Spell, counts, differences, tallies
from calibration.trial import Watch, trial
from lifeline.wire import partition_of
from streams.shadow import Run

HOUR = 3_600_000
DAY = 24 * HOUR
YEAR = round(365.25 * DAY)
HERE = partition_of("water/a", 12)


def spell(
    from_ms: int,
    until_ms: int | None = None,
    *,
    asset: str = "net",
    hazard: str = "leak",
    rule: str = "r",
    zone: str = "water/a",
    verdict: str = "",
) -> Spell:
    return Spell(zone, asset, hazard, "c", rule, from_ms, until_ms, verdict)


@pytest.mark.parametrize(
    ("old", "new", "what", "by_s"),
    [
        ([spell(0, HOUR)], [spell(0, DAY)], "same", 0.0),
        ([spell(0, HOUR)], [spell(999, DAY)], "same", 0.999),
        ([spell(0, HOUR)], [spell(1800_000, DAY)], "later", 1800.0),
        ([spell(DAY)], [spell(HOUR, DAY)], "earlier", -23 * 3600.0),
        ([spell(0, HOUR)], [], "lost", 0.0),
        ([], [spell(0, HOUR)], "gained", 0.0),
        ([spell(0, HOUR)], [spell(2 * HOUR, DAY)], "later", 7200.0),
    ],
)
def test_what_overlaps_at_one_place_is_one_event(
    old: list[Spell], new: list[Spell], what: str, by_s: float
) -> None:
    (found,) = differences(old, new)

    assert (found.what, found.by_s) == (what, by_s)
    assert (found.old, found.new) == (tuple(old), tuple(new))


@pytest.mark.parametrize(
    "other",
    [spell(2 * HOUR + 1, DAY), spell(0, HOUR, asset="tank"), spell(0, HOUR, hazard="burst")],
)
def test_what_is_elsewhere_or_at_another_time_or_of_another_kind_is_not(other: Spell) -> None:
    found = differences([spell(0, HOUR)], [other])

    assert sorted(one.what for one in found) == ["gained", "lost"]


def test_one_that_lasts_takes_in_all_that_flits_about_it_and_the_first_counts() -> None:
    flitting = [spell(k * DAY, k * DAY + HOUR) for k in range(1, 4)]

    (found,) = differences([spell(0)], flitting)

    assert (found.what, found.by_s, len(found.new)) == ("later", 86400.0, 3)


def test_what_the_desk_found_is_said_of_the_event_and_the_truth_goes_first() -> None:
    said = [spell(0, HOUR, verdict="false"), spell(HOUR, DAY, verdict="true")]

    found = differences([], [spell(0, HOUR), spell(9 * DAY)], [*said, spell(5 * DAY, 6 * DAY)])

    assert [(one.what, one.verdict) for one in found] == [("gained", "true"), ("gained", "")]


def test_the_order_of_what_is_given_does_not_matter() -> None:
    old = [spell(k * DAY, k * DAY + HOUR, asset=f"a{k % 2}") for k in range(6)]
    new = [spell(k * DAY + k, k * DAY + HOUR, asset=f"a{k % 2}") for k in range(3, 8)]

    assert differences(old, new) == differences(old[::-1], new[::-1])
    assert counts(differences(old, new)) == {
        "lost": 3, "gained": 2, "later": 0, "earlier": 0, "same": 3,
    }  # fmt: skip


def test_alarms_are_counted_by_rule_and_by_what_the_desk_found() -> None:
    old = [spell(0, HOUR, verdict="true"), spell(9 * DAY, 9 * DAY + 1, rule="s", verdict="false")]
    new = [spell(0, HOUR), spell(10, 20), spell(20 * DAY, rule="s")]

    made = tallies(differences(old, new), lambda one: one.rule)

    assert [(t.name, t.old, t.new, t.old_true, t.new_true, t.old_false, t.new_false)
            for t in made] == [("r", 1, 2, 1, 2, 0, 0), ("s", 1, 1, 0, 0, 1, 0)]  # fmt: skip


def watch(**changes: object) -> Watch:
    values: dict[str, object] = {
        "shadow": "d", "profile": "mains", "sensors": 4, "since_ms": DAY, "until_ms": YEAR + DAY,
    }  # fmt: skip
    return Watch(HERE, Run(**(values | changes)))  # type: ignore[arg-type]


def test_what_was_live_counts_only_where_and_while_the_shadow_watched() -> None:
    live = [spell(0), spell(2 * DAY, 3 * DAY), spell(2 * DAY, zone="b"), spell(YEAR + 2 * DAY)]

    made = trial([watch()], live, [spell(2 * DAY + HOUR, 3 * DAY)], 12, (0, 2 * YEAR))

    assert made.counts == {"lost": 0, "gained": 0, "later": 1, "earlier": 0, "same": 0}
    assert (made.sensors, made.sensor_years, made.off) == (4, 4.0, ())
    assert [one.name for one in made.zones] == ["water/a"]
    assert (made.since_ms, made.until_ms) == (DAY, YEAR + DAY)


def test_a_report_says_why_it_is_not_whole() -> None:
    made = trial([watch(lost=3, off="ZeroDivisionError()")], [], [], 12, (0, 2 * YEAR))

    assert made.off == (f"{HERE}: ZeroDivisionError()",)
    told = tuple(tables.headline(made, "a", "b", language) for language in ("zh", "en"))
    assert told[1].endswith(f"\npartition {HERE}: ZeroDivisionError() (switched off)")
    assert told[0].endswith(f"\n数据分区 {HERE}: ZeroDivisionError()（已停用）")
    assert tuple(one.splitlines()[0] for one in told) == (
        "mains d：a 至 b，传感器 4 个，4 传感器年；3 条结果未能保存",
        "mains d: a to b, 4 sensors, 4 sensor-years; 3 findings could not be kept",
    )
    whole = trial([watch()], [], [], 12, (0, 2 * YEAR))
    assert "未能保存" not in tables.headline(whole, "a", "b", "zh")
    assert tables.headline(whole, "a", "b", "en").endswith("4 sensor-years")


def test_tables_have_a_row_for_each_difference_in_words() -> None:
    old = [spell(0, HOUR, verdict="true"), spell(5 * DAY, 6 * DAY)]
    new = [spell(5 * DAY, 6 * DAY), spell(9 * DAY, 10 * DAY), spell(20 * DAY)]
    found = differences([*old, spell(20 * DAY + 2 * HOUR)], new)

    rows = tables.events(found, "en", str)
    zh = tables.events(found, "zh", str)

    assert [row[:1] + row[4:] for row in rows[1:]] == [
        ["lost", "–", "1", "0", "True"],
        ["gained", "–", "0", "1", "–"],
        ["earlier", "-2 h", "1", "1", "–"],
    ]
    assert (zh[0][0], zh[1][0], zh[1][-1]) == ("差异", "不再发现", "属实")
    assert tables.summary(counts(found), "en") == "lost 1, gained 1, later 0, earlier 1, same 1"
    assert tables.summary(counts(found), "zh") == "不再发现 1，新发现 1，较晚 0，较早 1，相同 1"


@pytest.mark.parametrize(
    ("seconds", "told"), [(-5400.0, "-1.5 h"), (42.0, "+42 s"), (259_200.0, "+3 d")]
)
def test_a_shift_in_time_is_as_short_as_it_can_be_read(seconds: float, told: str) -> None:
    assert tables.lasting(seconds) == told


def test_a_tally_bears_its_rate_where_something_was_watched() -> None:
    made = tallies(differences([spell(0)], []), lambda one: one.rule)

    (head, row) = tables.tallied(made, "rule", 10.0, "zh")
    (_, empty) = tables.tallied(made, "rule", 0.0, "en")

    assert head[0] == "规则"
    assert row[:5] == ["r", "1", "0", "0", "0.1 (0.00513 – 0.474)"]
    assert empty[4] == "–"
