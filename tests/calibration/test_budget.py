"""A detector's false alarms against its budget: kept, broken, or too little seen to say."""

import pytest

from calibration import budget
from calibration.rates import YEAR_S
from lifeline.catalog import Catalog, Channel, DeviceEntry, Group, Lifeline, Model, Rule, Source
from lifeline.compiler import compile_catalog
from lifeline.model import Text
from lifeline.network import Asset, Zone
from lifeline.words import Language

CITY = Catalog(
    compile_catalog(
        [
            Source(
                Lifeline("water", Text("供水", "Water")),
                zone=(Zone("water/z"),),
                asset=(Asset("water/z/mains", "water/z", "area"),),
                model=(Model("m", (Channel("h1", "head", "m", 0.0, 100.0, 5.0),
                                   Channel("h2", "head", "m", 0.0, 100.0, 5.0))),),
                device=(DeviceEntry("l1", "water/z", "water/z/mains", "m"),),
                group=(Group("water/z", "water/z", ("water/z/mains/h1", "water/z/mains/h2")),),
                rule=(
                    Rule("level", "burst", 2, {"kind": "rate", "limit": 1.0}, quantity="head",
                         far_per_sensor_year=0.2),
                    Rule("one", "burst", 2, {"kind": "rate", "limit": 1.0},
                         channels=("water/z/mains/h1",), far_per_sensor_year=0.2),
                    Rule("both", "burst", 2, {"kind": "half_space"}, groups=("water/z",),
                         far_per_sensor_year=0.2),
                    Rule("free", "burst", 2, {"kind": "rate", "limit": 1.0}, quantity="head"),
                ),
            )
        ]
    )
)  # fmt: skip


def found(judged: dict[str, budget.Judged], years: float = 10.0) -> dict[str, budget.Line]:
    return {line.rule: line for line in budget.lines(CITY, judged, years * YEAR_S)}


def test_every_rule_counts_the_sensors_that_it_watches() -> None:
    watched = budget.watched(CITY)

    assert (watched["level"], watched["one"], watched["both"]) == (2, 1, 2)


def test_the_rate_is_of_what_was_found_false_in_a_sensor_year() -> None:
    line = found({"level": (3, 4, 7)})["level"]

    assert line.sensor_years == pytest.approx(20.0)
    assert line.per_year == pytest.approx(0.2)
    assert line.low < 0.2 < line.high
    assert (line.true, line.unjudged) == (3, 7)


@pytest.mark.feature("D-6")
@pytest.mark.parametrize(
    ("false", "years", "state"),
    [(0, 0.1, "unclear"), (4, 10.0, "unclear"), (0, 10.0, "kept"), (20, 10.0, "broken")],
)
def test_a_budget_is_judged_by_the_whole_interval(false: int, years: float, state: str) -> None:
    assert found({"level": (0, false, 0)}, years)["level"].state == state


def test_a_rule_without_a_budget_is_shown() -> None:
    lines = found({"free": (0, 99, 0)})

    assert lines["free"].state == "unstated"


def test_broken_budgets_come_first() -> None:
    lines = budget.lines(CITY, {"both": (0, 99, 0)}, YEAR_S)

    assert lines[0].rule == "both"


@pytest.mark.parametrize(("language", "word"), [("zh", "超标"), ("en", "broken")])
def test_people_read_it_in_their_language(language: Language, word: str) -> None:
    rows = budget.table(budget.lines(CITY, {"both": (0, 99, 0)}, YEAR_S), language)

    assert rows[1][0] == "both"
    assert rows[1][-1] == word
    assert {len(row) for row in rows} == {len(budget.HEADS)}
    assert [row[-2] for row in rows if row[0] == "free"] == ["–"]
