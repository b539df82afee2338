"""Civil time of a city as spans of unix ms: shifts, quiet hours, working hours.  Pure.

A span is always made from the two instants at which it begins and ends, never by comparing wall
clocks: on the two days a year on which clocks are moved, that is the same everywhere or nowhere.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

Hour = Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
DAY_MS = 86_400_000
ONE_DAY = dt.timedelta(days=1)


class Hours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of every day; one that ends at or before its beginning ends the next day."""

    begins: Hour
    ends: Hour


class Working(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When offices are staffed, and reviews are due."""

    begins: Hour = "08:30"
    ends: Hour = "17:30"
    days: tuple[int, ...] = (1, 2, 3, 4, 5)
    """Monday is 1."""
    holidays: tuple[dt.date, ...] = ()
    """Days off, whatever weekday they are."""
    workdays: tuple[dt.date, ...] = ()
    """Worked, whatever weekday they are: the week-ends that make up for a long holiday."""

    def __post_init__(self) -> None:
        if not self.days or not set(self.days) <= set(range(1, 8)):
            raise ValueError("days: numbers from 1 (Monday) to 7 (Sunday), one at least")

    def has(self, day: dt.date) -> bool:
        """Whether people work that day."""
        if day in self.workdays:
            return True
        return day.isoweekday() in self.days and day not in self.holidays


def instant(day: dt.date, hour: str, zone: ZoneInfo) -> int:
    """That hour of that day as unix ms; of an hour that comes twice, the first.

    >>> instant(dt.date(2026, 11, 21), "20:00", ZoneInfo("Asia/Shanghai"))
    1795262400000
    """
    time = dt.time(int(hour[:2]), int(hour[3:]))
    return round(dt.datetime.combine(day, time, zone).timestamp()) * 1000


def civil(at_ms: int, zone: dt.tzinfo) -> dt.datetime:
    """The city's date and time."""
    return dt.datetime.fromtimestamp(at_ms / 1000, zone)


def spans(
    hours: Hours, from_ms: int, until_ms: int, zone: ZoneInfo
) -> Iterator[tuple[dt.date, int, int]]:
    """The day's part wherever it touches the given time: (day on which it begins, begin, end)."""
    day = civil(from_ms, zone).date() - ONE_DAY
    last = civil(until_ms, zone).date()
    while day <= last:
        ending = day if hours.ends > hours.begins else day + ONE_DAY
        begins_ms = instant(day, hours.begins, zone)
        ends_ms = instant(ending, hours.ends, zone)
        # Of a part that the clocks skip nothing may be left, or less than nothing.
        if begins_ms < min(until_ms, ends_ms) and from_ms < ends_ms:
            yield day, begins_ms, ends_ms
        day += ONE_DAY


def is_within(hours: Hours, at_ms: int, zone: ZoneInfo) -> bool:
    """Whether the instant lies in that part of a day."""
    return any(True for _ in spans(hours, at_ms, at_ms + 1, zone))


def is_working(working: Working, at_ms: int, zone: ZoneInfo) -> bool:
    """Whether offices are staffed."""
    hours = Hours(working.begins, working.ends)
    return any(working.has(day) for day, _, _ in spans(hours, at_ms, at_ms + 1, zone))


def clock(at_ms: int, zone: dt.tzinfo) -> str:
    """Date and time as a person reads them.

    >>> clock(1795262405000, ZoneInfo("Asia/Shanghai"))
    '2026-11-21 20:00'
    """
    return f"{civil(at_ms, zone):%Y-%m-%d %H:%M}"


def moment(at_ms: int, zone: dt.tzinfo) -> str:
    """The same to the second, with the offset from UTC.

    >>> moment(1795262405000, ZoneInfo("Asia/Shanghai"))
    '2026-11-21 20:00:05 +0800'
    """
    return f"{civil(at_ms, zone):%Y-%m-%d %H:%M:%S %z}"


def day_hour(at_ms: int, zone: dt.tzinfo) -> str:
    """The same where the year goes without saying.

    >>> day_hour(1795262405000, ZoneInfo("Asia/Shanghai"))
    '11-21 20:00'
    """
    return f"{civil(at_ms, zone):%m-%d %H:%M}"


def day_second(at_ms: int, zone: dt.tzinfo) -> str:
    """The same, to the second.

    >>> day_second(1795262405000, ZoneInfo("Asia/Shanghai"))
    '11-21 20:00:05'
    """
    return f"{civil(at_ms, zone):%m-%d %H:%M:%S}"


def hour(at_ms: int, zone: dt.tzinfo) -> str:
    """The time of day.

    >>> hour(1795262405000, ZoneInfo("Asia/Shanghai"))
    '20:00'
    """
    return f"{civil(at_ms, zone):%H:%M}"


def second(at_ms: int, zone: dt.tzinfo) -> str:
    """The time of day, to the second.

    >>> second(1795262405000, ZoneInfo("Asia/Shanghai"))
    '20:00:05'
    """
    return f"{civil(at_ms, zone):%H:%M:%S}"
