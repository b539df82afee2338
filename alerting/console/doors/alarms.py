"""Alarms for programs: out of sight, latched, chattering, stale; shelf and service.  Pure."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from alerting.actions import Action
from alerting.board.rows import LISTS, Listed, Member
from alerting.console.documents import AFTER, LIMIT, MAY_MATCH, Door, parameter
from alerting.console.doors import acting
from alerting.console.doors.acting import Confirmed, Name, Said
from alerting.console.gate import Handler
from alerting.console.records import Records
from alerting.console.sessions import ACTORS
from alerting.console.visit import Answer, Problem, Visit, as_json
from lifeline import words
from lifeline.life import Life

MINUTES_MAX = 240
"""The longest shelf; the settings may allow less, and for managed alarms an hour at most."""
assert Life().shelf_s_max <= MINUTES_MAX * 60


class AlarmQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which alarms."""

    list: Listed = "hidden"
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    after: Name = ""


class AlarmList(msgspec.Struct, frozen=True):
    """The alarms of one list, and when the database answered."""

    now_ms: int
    alarms: tuple[Member, ...]
    after: str | None


class AlarmBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The alarm's key, and why."""

    alarm: Annotated[str, Meta(min_length=1, max_length=600)]
    note: Said = ""


class ShelveBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The alarm's key, for how long, and why."""

    alarm: Annotated[str, Meta(min_length=1, max_length=600)]
    note: Said
    minutes: Annotated[int, Meta(ge=1, le=MINUTES_MAX)]


def listed(records: Records, visit: Visit) -> Answer:
    """GET /api/v1/alarms."""
    asked = acting.asked(visit, AlarmQuery)
    rows = tuple(records.board.alarms(asked.list, asked.limit, asked.after))
    after = rows[-1].key if len(rows) == asked.limit else None
    return as_json(AlarmList(visit.pulse.now_ms, rows, after))


def act(action: Action, kind: type[msgspec.Struct]) -> Handler:
    """The handler of an action on an alarm; If-Match may name the alarm's revision."""

    def handler(records: Records, visit: Visit) -> Answer:
        body: Any = acting.read(visit, kind)
        known = records.board.alarm(body.alarm)
        if known is None:
            why = words.refusal("unknown-alarm", visit.language)
            raise Problem(404, "problem.gone", why=why)
        acting.matching(visit, known.revision)
        more: dict[str, Any] = {}
        if isinstance(body, ShelveBody):
            more["until_ms"] = visit.pulse.now_ms + body.minutes * 60_000
        given = acting.act_of(visit, body, action=action, incident=known.incident, **more)
        outcome = acting.perform(records, visit, given)
        after = records.board.alarm(body.alarm)
        assert after is not None
        return acting.confirmed(visit, outcome, after.revision)

    return acting.once(handler)


ACTIONS: tuple[tuple[Action, type[msgspec.Struct], str], ...] = (
    ("reset", AlarmBody, "Reset a latched alarm whose condition has gone."),
    ("shelve", ShelveBody, "Put an alarm out of sight for a stated time, with a reason."),
    ("unshelve", AlarmBody, "End a shelf by hand."),
    ("retire", AlarmBody, "Take an alarm out of service, with a reason."),
    ("restore", AlarmBody, "Put an alarm back into service."),
)
DOORS: tuple[Door, ...] = (
    Door(method="GET", path="/alarms", name="alarms", handler=listed, shown=AlarmList,
         summary="Alarms out of sight, latched, chattering, or standing for more than a day.",
         parameters=(
             parameter("query", "list", "Which of them.", enum=list(LISTS), default="hidden"),
             LIMIT, AFTER)),
    *(
        Door(method="POST", path=f"/alarms/{action}", name=f"alarm-{action}", roles=ACTORS,
             handler=act(action, kind), shown=Confirmed, body=kind, summary=summary,
             parameters=(MAY_MATCH,),
             more=Confirmed if action in ("shelve", "retire") else None)
        for action, kind, summary in ACTIONS
    ),
)  # fmt: skip
