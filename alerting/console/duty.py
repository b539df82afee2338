"""Who is on duty at each desk, now and next.  Pure."""

import msgspec

from alerting.people.handover import REFUSALS
from alerting.people.roster import Roster
from lifeline.model import Text
from lifeline.words import Language, said

SHIFT_MS = 12 * 3600_000
"""How long a shift is taken to be where the roster has none."""


class OnDuty(msgspec.Struct, frozen=True):
    """Somebody at a post."""

    person: str
    title: Text
    login: str
    """The name that he signs in with."""


class DeskDuty(msgspec.Struct, frozen=True, kw_only=True):
    """One desk: who has the duty, until when, who comes then."""

    desk: str
    title: Text
    seat: str
    """The desk itself, or the one that stands in for it now."""
    here: tuple[OnDuty, ...]
    """Now."""
    until_ms: int | None
    next: tuple[OnDuty, ...]
    second: tuple[OnDuty, ...]
    leader: tuple[OnDuty, ...]


def desks(roster: Roster, now_ms: int) -> tuple[DeskDuty, ...]:
    """Every desk, in the roster's order."""

    def people(names: tuple[str, ...]) -> tuple[OnDuty, ...]:
        known = [roster.persons[name] for name in names]
        return tuple(OnDuty(one.name, one.title, one.login or one.name) for one in known)

    made = []
    for name, desk in roster.desks.items():
        seat = roster.seat(name, now_ms)
        until_ms = roster.shift_ends_ms(seat, now_ms)
        made.append(
            DeskDuty(
                desk=name,
                title=desk.title,
                seat=seat,
                here=people(roster.on_duty(name, now_ms)),
                until_ms=until_ms,
                next=() if until_ms is None else people(roster.on_duty(name, until_ms)),
                second=people(roster.holders(seat, "second", now_ms)),
                leader=people(roster.holders(seat, "leader", now_ms)),
            )
        )
    return tuple(made)


def shift_since_ms(roster: Roster, desk: str, now_ms: int) -> int:
    """When the shift that is about to be handed over began."""
    running = [
        turn.begins_ms
        for turn in roster.turns(desk, now_ms, now_ms + 1)
        if turn.post == "on-duty" and turn.begins_ms <= now_ms < turn.ends_ms
    ]
    return min(running, default=now_ms - SHIFT_MS)


def title_of(roster: Roster | None, person: str, language: Language) -> str:
    """What a person of the roster is called; his name where it does not know him."""
    known = None if roster is None else roster.persons.get(person)
    return person if known is None else known.title.said(language)


def refusal(code: str, language: Language) -> str:
    """Why a hand-over was not done."""
    return said(REFUSALS[code], language)
