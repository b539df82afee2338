"""What commands that act at the desk share: who acts, the house's rules, how an outcome is said."""

import getpass
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec
import structlog
import typer

from alerting.actions import Act
from alerting.board import store as board
from alerting.console import refusals
from alerting.console.accounts import store as accounts
from alerting.console.sessions import ACTORS, VIEWERS, login_name
from alerting.desk import store as desk
from alerting.desk.rows import Outcome
from alerting.house.service import House
from alerting.ledger.store import Contended, contended
from alerting.notices import Wording
from alerting.people import times
from alerting.store import now
from lifeline import words
from lifeline.commands.outcome import (
    connected,
    fail,
    language_of,
    print_json,
    settings_from,
    spoken,
    zone_of,
)
from lifeline.config import Settings
from lifeline.db import Database
from lifeline.store import open_catalog
from lifeline.words import Language

Name = Annotated[str, typer.Argument(help="The incident's id, or the beginning of it.")]
Who = Annotated[
    str, typer.Option("--as", help="The console user who acts; else the one signed in here.")
]
Note = Annotated[str, typer.Option("--note", help="Why, or what was seen.")]
T = TypeVar("T")
CHANNEL = "command"
"""By which way an action came, for the audit."""
TRIES = 5
SHORT_MIN = 6


@dataclass(slots=True)
class Seat:
    """A place at the desk: everything that happens there is in the audit as ``command``."""

    settings: Settings
    database: Database

    @property
    def language(self) -> Language:
        """The language of what is printed."""
        return language_of(self.settings)

    def moment(self, at_ms: int) -> str:
        """A moment as the city reads it."""
        return times.moment(at_ms, zone_of(self.settings))

    def who(self, name: str, *, may_only_note: bool = False) -> str:
        """The console user who acts; ends the command with 1 where he may not."""
        wanted = login_name(name or getpass.getuser())
        known = next((u for u in accounts.users(self.database) if u.name == wanted), None)
        if known is None or known.disabled:
            raise fail(f"{wanted} is no console user: see `lifeline user list`, or use --as.", 1)
        if known.role not in (VIEWERS if may_only_note else ACTORS):
            raise fail(f"{wanted} is {known.role} and may not do this.", 1)
        return wanted

    def now_ms(self) -> int:
        """PostgreSQL's clock."""
        return int(self.database.run_now(now))

    def carry_out(self, act: Act, *, as_json: bool) -> None:
        """Does it and says what it came to; ends the command with 1 where it is refused.

        Its actor may be left to who is signed in here, its incidents be named by the beginning of
        their ids.
        """
        wanted = msgspec.structs.replace(
            act,
            actor=self.who(act.actor, may_only_note=act.action == "note"),
            incident=act.incident and self.incident(act.incident),
            other=act.other and self.incident(act.other),
            channel=CHANNEL,
        )
        outcome = self._done(wanted)
        if as_json:
            print_json(
                {
                    "code": outcome.code,
                    "proposal": outcome.proposal or None,
                    "incident": outcome.summary and outcome.summary.id,
                    "phase": outcome.summary and outcome.summary.phase,
                    "revision": outcome.summary and outcome.summary.revision,
                }
            )
            return
        told = words.reason(outcome.code, self.language)
        if outcome.proposal:
            told += f": lifeline incident approve {outcome.proposal}"
        typer.echo(told)

    def written(self, work: Callable[[Any, Wording], T]) -> T:
        """What the work comes to, by the house's rules; ends the command where it loses races."""
        with spoken():
            catalog = open_catalog(self.settings.catalog.compiled)
            house = House(self.settings, catalog, silent())
        for _ in range(TRIES):
            with suppress(Contended):
                return self.database.run_now(contended(lambda c: work(c, house.wording)))
        raise fail("Somebody else is changing the same incident. Try again.", 2)

    def _done(self, act: Act) -> Outcome:
        outcome = self.written(lambda c, wording: desk.perform(c, wording, act, now(c)))
        if not outcome.is_done:
            told = refusals.sentence(outcome, self.now_ms(), self.language)
            faster = f" ({outcome.actor})" if outcome.code == "faster" and outcome.actor else ""
            raise fail(f"{told}{faster}", 1)
        return outcome

    def incident(self, name: str) -> str:
        """The whole id of an incident; ends the command with 1 where there is none, or several."""
        found = self.database.run_now(
            lambda c: board.named(c, name if len(name) >= SHORT_MIN else "")
        )
        if len(found) != 1:
            which = "several incidents" if found else "no incident"
            raise fail(f"{name}: {which} of that name: see `lifeline incident list`.", 1)
        return found[0]


@contextmanager
def seat(config: str | None) -> Iterator[Seat]:
    """A seat for one command."""
    settings = settings_from(config)
    with connected(settings) as database:
        yield Seat(settings, database)


def act(config: str | None, *wanted: Act, as_json: bool) -> None:
    """Takes a seat and carries these actions out, one after the other."""
    with seat(config) as at:
        for one in wanted:
            at.carry_out(one, as_json=as_json)


def silent() -> Any:
    """A log that says nothing: what a command prints is its answer."""
    return structlog.wrap_logger(structlog.ReturnLogger())


def columns(rows: Sequence[Sequence[str]], widths: Sequence[int]) -> list[str]:
    """Rows as lines; the last column is as long as it is."""
    return [
        "  ".join(
            text if n == len(widths) else text[: widths[n]].ljust(widths[n])
            for n, text in enumerate(row)
        ).rstrip()
        for row in rows
    ]
