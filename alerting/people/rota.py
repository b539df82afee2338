"""``roster.toml`` as it is written: people, desks, shifts, covers, escalation chains.  Pure."""

import datetime as dt
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from alerting.people import times
from alerting.people.times import Hours, Working
from lifeline.model import Text

Post = Literal["on-duty", "second", "leader"]
POSTS: tuple[Post, ...] = ("on-duty", "second", "leader")
Whom = Literal["on-duty", "second", "leader", "parent-desk", "everyone", "list"]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=64)]
Level = Annotated[int, Meta(ge=1, le=9)]
Seconds = Annotated[int, Meta(ge=0, le=7 * 86400)]
Posts = dict[Post, tuple[str, ...]]


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody who can be reached."""

    name: Name
    """Also the name that he signs in to the console with, unless ``login`` says another."""
    title: Text
    addresses: dict[str, str]
    """By target of ``router.targets``: a telephone number, a mail address, an account; empty for a
    group's robot, which knows whom it speaks to."""
    language: Literal["zh", "en"] = "zh"
    grade_max: Annotated[int, Meta(ge=0, le=9)] = 0
    """The least grave grade that he is paged for; 0: whatever happens in the city."""
    quiet: tuple[Hours, ...] = ()
    """When he is paged for the top grade alone."""
    login: str = ""


class Crew(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """People who work one shift together."""

    name: Name
    posts: Posts


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Crews taking turns: the n-th shift since ``starts`` belongs to the n-th of ``order``."""

    starts: dt.date
    shifts: Annotated[tuple[Hours, ...], Meta(min_length=1)]
    """Of one day, in their order."""
    order: Annotated[tuple[str, ...], Meta(min_length=1)]
    """Crews; from the beginning again after the last."""


class Desk(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A seat that the roster fills, with the part of the city that is its own."""

    name: Name
    title: Text
    level: Literal["district", "city"] = "district"
    lifelines: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    """Patterns such as ``gas/heping*``; a desk with neither takes whatever no other takes."""
    parent: str = ""
    """The desk that it escalates to, district to city."""
    part_time: bool = False
    """Staffed at times only; its parent stands in for it the rest of the day."""
    standing: Posts = {}
    """Who holds a post whenever no shift does."""
    crews: tuple[Crew, ...] = ()
    rotation: Rotation | None = None
    calendar: str = ""
    """An iCalendar file of shifts, beside the roster."""


class Cover(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody stands in for somebody else, wherever that one would be on duty."""

    person: str
    absent: str
    begins: dt.datetime
    ends: dt.datetime
    """Both in the city's time, without a zone."""

    def __post_init__(self) -> None:
        if self.begins.tzinfo or self.ends.tzinfo or self.begins >= self.ends:
            raise ValueError("begins and ends: the city's time without a zone, the earlier first")


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step of an escalation: after how long, whom, by which targets (the voice call last)."""

    after_s: Seconds
    whom: Whom
    targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.targets) == (self.whom == "list"):
            raise ValueError("targets: at least one, but none where whom is list")


class Chain(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a grade is escalated while nobody acknowledges, and while nothing goes on."""

    grade: Level
    steps: Annotated[tuple[Step, ...], Meta(min_length=1)]
    remind_s: Annotated[int, Meta(ge=1, le=7 * 86400)]
    """After the first page, once more to the same people."""
    progress_s: Annotated[int, Meta(ge=1, le=7 * 86400)]
    """Acknowledged, and nothing done since."""
    hours: Literal["any", "working"] = "any"
    """``working``: reminders and escalations wait on the review list until offices open."""

    def __post_init__(self) -> None:
        waits = [step.after_s for step in self.steps]
        if waits[0] != 0 or sorted(set(waits)) != waits:
            raise ValueError("steps: after_s of the first is 0, and each is later than the last")
        if self.steps[0].whom == "list":
            raise ValueError("steps: the first must page somebody; a grade without chain is listed")


class Drill(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is paged in an exercise, and nobody else."""

    persons: tuple[str, ...] = ()


class NightlyTest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The nightly test page: that whoever would be called can be."""

    at: times.Hour = "21:00"
    targets: tuple[str, ...] = ()
    """Empty: every target for which somebody has an address."""
    confirm_s: Annotated[int, Meta(ge=60, le=86400)] = 3600
    """Whoever has not confirmed by then is on the list."""


class Rota(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``roster.toml`` as it is written."""

    timezone: str = "Asia/Shanghai"
    persons: tuple[Person, ...]
    desks: tuple[Desk, ...]
    chains: tuple[Chain, ...]
    covers: tuple[Cover, ...] = ()
    working: Working = Working()
    test: NightlyTest = NightlyTest()
    drill: Drill = Drill()

    def __post_init__(self) -> None:
        if not (self.persons and self.desks and self.chains):
            raise ValueError("persons, desks, chains: one of each at least")
