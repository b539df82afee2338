"""The grading table: what makes one, what cannot be configured away, what it answers."""

from typing import Any

import msgspec
import pytest

from lifeline.config import ConfigError, Settings, load
from lifeline.grades import GRADES, GRADING, Grade, Grading, ink_on, unfit
from tests.flood import FLOOD

RED, ORANGE, YELLOW = FLOOD.written


def replaced(grade: Grade, **changes: Any) -> Grade:
    return msgspec.structs.replace(grade, **changes)


def test_the_default_table_is_one() -> None:
    assert list(unfit(GRADES)) == []
    assert Settings().grading == GRADING
    assert (GRADING.top, GRADING.least, GRADING.device) == ((1, 2), 4, 5)


@pytest.mark.feature("A-4")
def test_three_flood_grades_load_and_devices_keep_theirs() -> None:
    assert [FLOOD.word(level, "zh") for level in (1, 2, 3)] == ["红色", "橙色", "黄色"]
    assert (FLOOD.top, FLOOD.least, FLOOD.device) == ((1, 2), 3, 5)
    assert FLOOD.rows[-1] == GRADES[-1]
    assert FLOOD.of(3).colour == "#E8B800"


def test_more_grades_than_the_laws_push_devices_down() -> None:
    city = tuple(replaced(GRADES[min(n, 3)], level=n + 1) for n in range(6))

    table = Grading(city)

    assert list(unfit(city)) == []
    assert (table.device, table.least, table.is_device(6), table.is_device(7)) == (
        7,
        6,
        False,
        True,
    )
    assert table.reaches(6, 0)
    assert not table.reaches(7, 0)
    assert table.reaches(7, 7)
    assert not table.reaches(3, 2)


def test_a_level_that_the_table_lacks_shows_as_its_number() -> None:
    assert FLOOD.of(4) == Grade(4, "4", "4", "#6B7280", "○")
    assert not FLOOD.is_device(4)
    assert not FLOOD.is_top(4)


def test_a_city_may_have_more_than_two_that_page_at_any_hour() -> None:
    all_top = Grading((RED, ORANGE, replaced(YELLOW, is_top=True)))

    assert all_top.top == (1, 2, 3)


SLOW = "remind_s must be set, to 300 s at most"


@pytest.mark.parametrize(
    ("grades", "sentence"),
    [
        ((), "one of them at least"),
        ((GRADES[-1],), "one of them at least"),
        ((RED, RED), "each level once"),
        ((ORANGE, RED), "in rising order"),
        ((RED, replaced(ORANGE, level=3)), "without a hole"),
        ((replaced(RED, is_device=True), ORANGE), "the last one alone"),
        (tuple(replaced(RED, level=n) for n in range(1, 9)), "must be left for devices"),
        ((*FLOOD.written, replaced(YELLOW, level=4, is_top=True)), "all that are graver"),
        ((replaced(RED, remind_s=None), ORANGE), f"level 1: {SLOW}"),
        ((RED, replaced(ORANGE, remind_s=301.0)), f"level 2: {SLOW}"),
        ((replaced(RED, escalate_s=()),), "the first of escalate_s must be set, to 900 s"),
        ((replaced(RED, escalate_s=(901.0, 902.0)),), "the first of escalate_s"),
        ((replaced(RED, progress_s=0.0),), "progress_s must be set, to 3600 s"),
    ],
)
def test_what_is_no_table_or_sets_a_bound_aside_is_refused(
    grades: tuple[Grade, ...], sentence: str
) -> None:
    assert sentence in "; ".join(unfit(grades))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('colour = "red"', "colour"),
        ('colour = "#fff; } body { display: none"', "colour"),
        ('dark = "dark"', "dark"),
        ('cap_severity = "Bad"', "cap_severity"),
        ("level = 9", "level"),
        ('zh = ""', "zh"),
    ],
)
def test_a_row_that_cannot_be_shown_is_refused(line: str, sentence: str) -> None:
    row = {"level": "1", "zh": '"红"', "en": '"Red"', "colour": '"#C8102E"', "shape": '"▲"'}
    key, _, value = line.partition(" = ")
    text = "[[grades]]\n" + "".join(f"{k} = {v}\n" for k, v in {**row, key: value}.items())

    with pytest.raises(ConfigError, match=sentence):
        load(text, "lifeline.toml", {})


@pytest.mark.parametrize("colour", [f"#{n:06X}" for n in range(0, 0xFFFFFF, 0x0A1B2D)])
def test_what_is_written_on_a_colour_can_be_read(colour: str) -> None:
    def light(text: str) -> float:
        parts = [int(text[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    low, high = sorted((light(colour), light(ink_on(colour))))

    assert (high + 0.05) / (low + 0.05) >= 4.5
