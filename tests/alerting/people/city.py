"""A small city's roster, and changes to it."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from alerting.people.reading import parse
from alerting.people.roster import Roster
from alerting.people.rota import Chain, Desk, Person, Rota
from lifeline.grades import GRADING
from lifeline.model import Text

SHANGHAI = ZoneInfo("Asia/Shanghai")
FILE = "roster.toml"
WRITTEN = """
timezone = "Asia/Shanghai"

[working]
holidays = [2026-11-27]
workdays = [2026-11-28]

[drill]
persons = ["wang"]

[[persons]]
name = "wang"
title = { zh = "值班员甲", en = "Officer A" }
addresses = { chat = "", sms = "1", voice = "1" }

[[persons]]
name = "zhao"
title = { zh = "值班员乙", en = "Officer B" }
language = "en"
addresses = { chat = "", sms = "2", voice = "2", mail = "b@city.example" }
login = "zhao.b"

[[persons]]
name = "chief"
title = { zh = "值班长", en = "Chief" }
grade_max = 2
quiet = [{ begins = "22:30", ends = "06:30" }]
addresses = { sms = "3", voice = "3" }

[[persons]]
name = "city-officer"
title = { zh = "市级值班员", en = "City officer" }
addresses = { chat = "", sms = "4", voice = "4" }

[[desks]]
name = "city"
title = { zh = "市级值班席", en = "City desk" }
level = "city"
standing = { on-duty = ["city-officer"] }

[[desks]]
name = "gas"
title = { zh = "燃气值班席", en = "Gas desk" }
lifelines = ["gas"]
parent = "city"
standing = { leader = ["chief"] }
crews = [
  { name = "a", posts = { on-duty = ["wang"], second = ["zhao"] } },
  { name = "b", posts = { on-duty = ["zhao"], second = ["wang"] } },
]

[desks.rotation]
starts = 2026-11-02
shifts = [{ begins = "08:00", ends = "20:00" }, { begins = "20:00", ends = "08:00" }]
order = ["a", "b"]

[[chains]]
grade = 1
remind_s = 30
progress_s = 600
steps = [
  { after_s = 0, whom = "on-duty", targets = ["chat", "sms"] },
  { after_s = 120, whom = "second", targets = ["sms"] },
  { after_s = 300, whom = "leader", targets = ["voice"] },
  { after_s = 600, whom = "parent-desk", targets = ["voice"] },
  { after_s = 900, whom = "everyone", targets = ["voice"] },
]

[[chains]]
grade = 2
remind_s = 120
progress_s = 1200
steps = [
  { after_s = 0, whom = "on-duty", targets = ["sms"] },
  { after_s = 300, whom = "leader", targets = ["voice"] },
]

[[chains]]
grade = 3
hours = "working"
remind_s = 600
progress_s = 7200
steps = [
  { after_s = 0, whom = "on-duty", targets = ["sms"] },
  { after_s = 1800, whom = "list" },
]
"""


def rota() -> Rota:
    """The city's roster as written."""
    return parse(WRITTEN, FILE)


def roster(**changes: Any) -> Roster:
    """The city's roster, with other persons, desks, chains …"""
    calendars = changes.pop("calendars", {})
    targets = changes.pop("targets", None)
    grades = changes.pop("grades", GRADING)
    return Roster(msgspec.structs.replace(rota(), **changes), FILE, calendars, targets, grades)


def desk(name: str, **changes: Any) -> tuple[Desk, ...]:
    """The city's desks, one of them changed."""
    return tuple(
        msgspec.structs.replace(one, **changes) if one.name == name else one for one in rota().desks
    )


def person(name: str, **changes: Any) -> tuple[Person, ...]:
    """The city's people, one of them changed."""
    return tuple(
        msgspec.structs.replace(one, **changes) if one.name == name else one
        for one in rota().persons
    )


def chain(grade: int, **changes: Any) -> tuple[Chain, ...]:
    """The city's chains, one of them changed."""
    return tuple(
        msgspec.structs.replace(one, **changes) if one.grade == grade else one
        for one in rota().chains
    )


def at(text: str, zone: ZoneInfo = SHANGHAI) -> int:
    """A moment of 2026, as 11-23 10:00, in unix ms."""
    moment = dt.datetime.strptime(f"2026-{text}", "%Y-%m-%d %H:%M").replace(tzinfo=zone)
    return round(moment.timestamp()) * 1000


def titled(name: str) -> Text:
    return Text(name, name)
