"""Shifts from iCalendar files: who is named by an event, at which desk and post.  Pure.

An event puts people on duty whom its ATTENDEEs name (by an address of theirs, or by CN), or, if it
has none, its SUMMARY (``值班员一、值班员二``, ``Duty: Gas officer 1``).  CATEGORIES name the desk,
where one file serves several, and the post, where it is not the duty itself.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events

from alerting.people import times
from alerting.people.reading import RosterError
from alerting.people.roster import Stray, Turn
from alerting.people.rota import Post, Rota
from lifeline.model import Text

POST_WORDS: Mapping[str, Post] = {
    "on-duty": "on-duty",
    "duty": "on-duty",
    "主班": "on-duty",
    "值班": "on-duty",
    "second": "second",
    "副班": "second",
    "备班": "second",
    "leader": "leader",
    "带班": "leader",
    "值班长": "leader",
}
"""What CATEGORIES may call a post."""
_LABEL = re.compile(r"^.*[:：]", re.DOTALL)
_BETWEEN = re.compile(r"[,，、;；/|+&\n]")


@dataclass(slots=True)
class CalendarFile:
    """One file as one desk reads it."""

    file: str
    desk: str
    rota: Rota
    content: Any
    """What the library made of the text."""
    zone: ZoneInfo
    _names: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self._names = {}
        for person in self.rota.persons:
            own = (person.name, person.title.zh, person.title.en, *person.addresses.values())
            self._names |= {name.casefold(): person.name for name in own if name}

    def entries(self, from_ms: int, until_ms: int) -> Iterator[Turn | Stray]:
        """The turns that touch the given time, and the events that put nobody on duty."""
        begins, ends = (dt.datetime.fromtimestamp(t / 1000, dt.UTC) for t in (from_ms, until_ms))
        found = recurring_ical_events.of(self.content, components=["VEVENT"])
        for event in found.between(begins, ends):
            if str(event.get("STATUS", "")).upper() == "CANCELLED":
                continue
            words = [str(word).strip().casefold() for word in _categories(event)]
            desks = {desk.name for desk in self.rota.desks} & set(words)
            if desks and self.desk not in desks:
                continue
            yield self._turn(event, words)

    def _turn(self, event: Any, words: list[str]) -> Turn | Stray:
        begins_ms = self._instant(event["DTSTART"].dt)
        ends_ms = self._instant(event["DTEND"].dt)
        summary = str(event.get("SUMMARY", "")).strip()
        entry = f"{self.file}: {summary or 'event'} of {times.clock(begins_ms, self.zone)}"
        # Of an attendee one of several names is enough; of a summary every name must be known.
        called = _attendees(event) or [[n] for n in _BETWEEN.split(_LABEL.sub("", summary))]
        persons: list[str] = []
        for names in called:
            known = [self._names[name] for name in _plain(names) if name in self._names]
            if not known:
                return Stray(entry, _stranger(" ".join(names).strip()))
            persons.append(known[0])
        posts = [POST_WORDS[word] for word in words if word in POST_WORDS]
        post = posts[0] if posts else "on-duty"
        return Turn(post, tuple(dict.fromkeys(persons)), begins_ms, ends_ms, entry)

    def _instant(self, at: dt.date | dt.datetime) -> int:
        """Unix ms; a day begins at its midnight, and a time without a zone is the city's."""
        if not isinstance(at, dt.datetime):
            return times.instant(at, "00:00", self.zone)
        return round((at if at.tzinfo else at.replace(tzinfo=self.zone)).timestamp() * 1000)


def read(content: bytes, file: str, desk: str, rota: Rota) -> CalendarFile:
    """The calendar of a desk; raises RosterError."""
    try:
        calendar = icalendar.Calendar.from_ical(content)
    except ValueError as error:
        raise RosterError([f"{file} is not iCalendar: {error}"]) from error
    return CalendarFile(file, desk, rota, calendar, ZoneInfo(rota.timezone))


def _categories(event: Any) -> list[str]:
    """Every word of every CATEGORIES line."""
    found = event.get("CATEGORIES", [])
    lines = found if isinstance(found, list) else [found]
    return [str(word) for line in lines for word in line.cats]


def _attendees(event: Any) -> list[list[str]]:
    """For each attendee the names that he goes by: his address, and what CN calls him."""
    found = event.get("ATTENDEE", [])
    people = found if isinstance(found, list) else [found]
    return [
        [re.sub(r"(?i)^(mailto|tel|sip):", "", str(one)), str(one.params.get("CN", ""))]
        for one in people
    ]


def _plain(names: list[str]) -> list[str]:
    return [name.strip().casefold() for name in names if name.strip()]


def _stranger(called: str) -> Text:
    return Text(
        f"“{called}”不是名册中的人员。",
        f"{called or 'nobody'} is no person of the roster.",
    )
