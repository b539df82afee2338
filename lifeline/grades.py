"""The grading table: how grave things are called, shown, told and clocked in this city.  Pure.

Grades are configuration (``[[grades]]``), no enum: four by the law, three for floods in one city,
with names, colours and clocks of its own.  A service reads its table once, as part of its settings,
and every reader is given that one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Severity = Literal["Extreme", "Severe", "Moderate", "Minor", "Unknown"]
Urgency = Literal["Immediate", "Expected", "Future", "Past", "Unknown"]
LEVEL_MAX = 8
"""A test page is of level 9: it waits behind whatever is real."""


class Grade(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the grading table."""

    level: Annotated[int, Meta(ge=1, le=LEVEL_MAX)]
    """1 is the gravest; the next is 2, and so on."""
    zh: Annotated[str, Meta(min_length=1)]
    en: Annotated[str, Meta(min_length=1)]
    colour: Annotated[str, Meta(pattern="^#[0-9A-Fa-f]{6}$")]
    """As #RRGGBB; what is written on it is black or white, whichever is read better."""
    shape: Annotated[str, Meta(min_length=1, max_length=2)]
    """A sign for who does not see colours."""
    cap_severity: Severity = "Unknown"
    cap_urgency: Urgency = "Unknown"
    dark: Annotated[str, Meta(pattern="^(#[0-9A-Fa-f]{6})?$")] = ""
    """Its colour on a dark ground; empty: the same."""
    remind_s: float | None = None
    """When people who have not acknowledged it are reminded; None: it is only listed."""
    escalate_s: tuple[float, ...] = ()
    """When each further step of escalation falls due, counted from the same moment."""
    progress_s: float | None = None
    """How long an acknowledged incident may go without a step of its people."""
    is_top: bool = False
    """Whether it, too, pages at any hour and lives depend on its rules: the two gravest always."""
    is_device: bool = False
    """Whether it is that of devices and data: nothing has happened in the city.  The last one."""

    @property
    def ink(self) -> str:
        """What is written on its colour."""
        return ink_on(self.colour)


def ink_on(colour: str) -> str:
    """Black or white, whichever has more contrast to a colour by WCAG 2: 4.5 to 1 at least.

    >>> ink_on("#C8102E"), ink_on("#F2C200")
    ('#FFFFFF', '#000000')
    """
    red, green, blue = (_linear(int(colour[n : n + 2], 16) / 255) for n in (1, 3, 5))
    light = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#000000" if (light + 0.05) / 0.05 >= 1.05 / (light + 0.05) else "#FFFFFF"


def _linear(share: float) -> float:
    return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)


GRADES = (
    Grade(
        1, "一级", "Critical", "#C8102E", "▲", "Extreme", "Immediate", "#FF5A5F",
        30.0, (120.0, 300.0, 600.0), 600.0,
    ),
    Grade(
        2, "二级", "Major", "#B85000", "◆", "Severe", "Immediate", "#FF9A3C",
        120.0, (300.0, 900.0), 1200.0,
    ),
    Grade(
        3, "三级", "Moderate", "#F2C200", "■", "Moderate", "Expected", "#F2C200",
        600.0, (1800.0,), 7200.0,
    ),
    Grade(4, "四级", "Minor", "#1F5FBF", "●", "Minor", "Future", "#6FA8FF"),
    Grade(5, "设备", "Device", "#6B7280", "○", is_device=True),
)  # fmt: skip
"""The default table: the four levels of the law, and one for devices and data."""

TOP_MIN = 2
"""So many of the gravest page at any hour, whatever a city writes."""
REMIND_S_MAX, ESCALATE_S_MAX, PROGRESS_S_MAX = 300.0, 900.0, 3600.0
"""How late the clocks of those may be.  This project's own bounds."""


@dataclass(slots=True, frozen=True)
class Grading:
    """The table as its readers ask it; one without a row for devices has the default's."""

    written: tuple[Grade, ...] = GRADES

    @property
    def rows(self) -> tuple[Grade, ...]:
        """The whole table, the gravest first."""
        if any(grade.is_device for grade in self.written):
            return self.written
        level = max(GRADES[-1].level, self.least + 1)
        return (*self.written, msgspec.structs.replace(GRADES[-1], level=level))

    def of(self, level: int) -> Grade:
        """The row of a level; one that the table lacks (any more) shows as its number."""
        for grade in self.rows:
            if grade.level == level:
                return grade
        return Grade(level, str(level), str(level), GRADES[-1].colour, GRADES[-1].shape)

    def word(self, level: int, language: Literal["zh", "en"]) -> str:
        """What a level is called.

        >>> Grading().word(1, "en"), Grading().word(1, "zh"), Grading().word(8, "en")
        ('Critical', '一级', '8')
        """
        grade = self.of(level)
        return grade.zh if language == "zh" else grade.en

    @property
    def city(self) -> tuple[Grade, ...]:
        """The grades of what happens in the city, the gravest first."""
        return tuple(grade for grade in self.written if not grade.is_device)

    @property
    def top(self) -> tuple[int, ...]:
        """The levels that page at any hour, and on whose rules lives depend."""
        city = self.city
        return tuple(g.level for n, g in enumerate(city) if n < TOP_MIN or g.is_top)

    def is_top(self, level: int) -> bool:
        """Whether a level is one of those."""
        return level in self.top

    @property
    def least(self) -> int:
        """The least grave level of what happens in the city."""
        return max((grade.level for grade in self.city), default=1)

    @property
    def device(self) -> int:
        """The level of what is wrong with devices and data."""
        return next(grade.level for grade in self.rows if grade.is_device)

    def is_device(self, level: int) -> bool:
        """Whether a level says that nothing has happened in the city."""
        return level >= self.device

    def reaches(self, level: int, grade_max: int) -> bool:
        """Whether whoever is told up to ``grade_max`` is told of a level; 0: all of the city's."""
        return level <= (grade_max or self.device - 1)


GRADING = Grading()
"""The table of a city that has written none."""


def unfit(grades: Sequence[Grade]) -> Iterator[str]:
    """A sentence for whatever makes rows no table, or sets a bound aside."""
    levels = [grade.level for grade in grades]
    if levels != sorted(set(levels)):
        yield "each level once, 1 the gravest, in rising order"
        return
    if any(grade.is_device for grade in grades[:-1]):
        yield "is_device is for the last one alone"
        return
    city = [grade for grade in grades if not grade.is_device]
    if [grade.level for grade in city] != list(range(1, len(city) + 1)):
        yield "levels count from 1 without a hole; only that of devices may stand apart"
    if not city:
        yield "one of them at least must be for what happens in the city"
    if max(levels, default=0) == LEVEL_MAX and not any(grade.is_device for grade in grades):
        yield f"one level up to {LEVEL_MAX} must be left for devices"
    marks = [grade.is_top for grade in city[TOP_MIN:]]
    if marks != sorted(marks, reverse=True):
        yield "is_top holds for all that are graver, too"
    for grade in city[:TOP_MIN]:
        yield from _slow(grade)


def _slow(grade: Grade) -> Iterator[str]:
    """What of a top grade's clocks is missing or too late: they cannot be configured away."""
    first_s = grade.escalate_s[0] if grade.escalate_s else None
    for name, value_s, most_s in (
        ("remind_s", grade.remind_s, REMIND_S_MAX),
        ("the first of escalate_s", first_s, ESCALATE_S_MAX),
        ("progress_s", grade.progress_s, PROGRESS_S_MAX),
    ):
        if value_s is None or not 0 < value_s <= most_s:
            yield f"level {grade.level}: {name} must be set, to {most_s:g} s at most"
