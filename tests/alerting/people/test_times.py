"""Civil time as spans: shifts over midnight, clocks that are moved, working days."""

import datetime as dt
from zoneinfo import ZoneInfo

import msgspec
import pytest

from alerting.people import times
from alerting.people.times import Hours, Working
from tests.alerting.people.city import SHANGHAI, at

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = Hours("20:00", "08:00")


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    (found,) = times.spans(NIGHT, at("11-23 03:00"), at("11-23 03:01"), SHANGHAI)

    assert found == (dt.date(2026, 11, 22), at("11-22 20:00"), at("11-23 08:00"))


def test_its_last_minute_is_within_and_its_end_is_not() -> None:
    assert times.is_within(NIGHT, at("11-23 07:59"), SHANGHAI)
    assert not times.is_within(NIGHT, at("11-23 08:00"), SHANGHAI)
    assert times.is_within(NIGHT, at("11-23 20:00"), SHANGHAI)


def test_a_day_from_eight_to_eight_lasts_a_day() -> None:
    assert all(
        times.is_within(Hours("08:00", "08:00"), at(text), SHANGHAI)
        for text in ("11-23 07:59", "11-23 08:00", "11-23 00:00")
    )


@pytest.mark.parametrize(
    ("night", "hours"), [("03-28 20:00", 11), ("10-24 20:00", 13), ("06-01 20:00", 12)]
)
def test_on_the_nights_on_which_clocks_are_moved_a_shift_is_shorter_or_longer(
    night: str, hours: int
) -> None:
    begins_ms = at(night, BERLIN)

    (found,) = times.spans(NIGHT, begins_ms, begins_ms + 1, BERLIN)

    assert found[2] - found[1] == hours * 3_600_000


def test_shifts_follow_each_other_without_gap_over_every_change_of_the_clocks() -> None:
    day, night = (
        list(times.spans(hours, at("01-01 00:00", BERLIN), at("12-31 00:00", BERLIN), BERLIN))
        for hours in (Hours("08:00", "20:00"), NIGHT)
    )
    ends = sorted(span[2] for span in (*day, *night))
    begins = sorted(span[1] for span in (*day, *night))

    assert begins[1:] == ends[:-1]


def test_a_time_that_the_clocks_skip_makes_no_span_that_ends_before_it_begins() -> None:
    found = times.spans(
        Hours("02:30", "03:00"), at("03-28 12:00", BERLIN), at("03-29 12:00", BERLIN), BERLIN
    )

    assert list(found) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("11-23 08:29", False),
        ("11-23 08:30", True),
        ("11-23 17:30", False),
        ("11-22 10:00", False),  # Sunday
        ("11-27 10:00", False),  # a Friday off
        ("11-28 10:00", True),  # the Saturday that makes up for it
    ],
)
def test_offices_are_staffed_on_working_days_and_on_those_that_make_up_for_holidays(
    text: str, *, expected: bool
) -> None:
    working = Working(holidays=(dt.date(2026, 11, 27),), workdays=(dt.date(2026, 11, 28),))

    assert times.is_working(working, at(text), SHANGHAI) is expected


@pytest.mark.parametrize("days", [(), (0,), (8,)])
def test_days_of_the_week_are_one_to_seven(days: tuple[int, ...]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"days": days}, Working)
