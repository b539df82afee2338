"""Board, people and proof on one connection: what ``alerting.console.ask`` asks for.  A shell."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from psycopg import Connection

from alerting.actions import Act
from alerting.alarms import Alarm
from alerting.audit import store as audit
from alerting.audit.chain import Line
from alerting.board import store as board
from alerting.board.rows import DueRow, Listed, Member, Queued, Sift, Told, Wait
from alerting.console.ask import Sealed
from alerting.desk import store as desk
from alerting.desk.rows import NoticeRow, Outcome, Resent, Standing
from alerting.incidents import Incident
from alerting.kpi import store as kpi
from alerting.kpi.report import Dimension, Report
from alerting.notices import Wording
from alerting.people import handover
from alerting.people import store as people
from alerting.people.handover import Handover, ItemKey
from alerting.people.handovers import store as handovers
from alerting.people.links import LinkView
from alerting.people.paging import Paging
from alerting.people.responders import Responder
from alerting.store import lock_zones, now
from alerting.windows import Window


@dataclass(slots=True, frozen=True)
class BoardNow:
    """``ask.Board`` on one connection."""

    connection: Connection
    wording: Wording

    def queue(self, sift: Sift) -> Sequence[Queued]:
        """See ``alerting.board.store``."""
        return board.queue(self.connection, sift)

    def members(self, incident: str) -> Sequence[Member]:
        """See ``alerting.board.store``."""
        return board.members(self.connection, incident)

    def whole(self, incident: str) -> tuple[Incident, tuple[Alarm, ...]]:
        """See ``alerting.board.store``."""
        ((found, alarms),) = board.whole(self.connection, [incident])
        return found, alarms

    def deadlines(self, incident: str) -> Sequence[DueRow]:
        """See ``alerting.board.store``."""
        return board.deadlines(self.connection, incident)

    def told(self, incident: str) -> Sequence[Told]:
        """See ``alerting.board.store``."""
        return board.told(self.connection, incident)

    def alarms(self, what: Listed, limit: int, after: str = "") -> Sequence[Member]:
        """See ``alerting.board.store``."""
        return board.alarms(self.connection, what, now(self.connection), limit, after)

    def alarm(self, key: str) -> Member | None:
        """See ``alerting.board.store``."""
        return board.alarm(self.connection, key)

    def windows(self, ended_since_ms: int) -> Sequence[Window]:
        """See ``alerting.board.store``."""
        return board.windows(self.connection, ended_since_ms)

    def window(self, name: str) -> Window | None:
        """See ``alerting.board.store``."""
        return board.window(self.connection, name)

    def proposals(self, incident: str = "") -> Sequence[Wait]:
        """See ``alerting.board.store``."""
        return board.proposals(self.connection, now(self.connection), incident)

    def act(self, acts: Sequence[Act], now_ms: int) -> Sequence[Outcome]:
        """See ``alerting.desk.store``; the zones of all are waited for at once."""
        if len(acts) > 1:
            board.lock(self.connection, acts)
        return [desk.perform(self.connection, self.wording, act, now_ms) for act in acts]

    def standing(self, incident: str, now_ms: int) -> Standing:
        """See ``alerting.desk.store``."""
        return desk.standing(self.connection, self.wording, incident, now_ms)

    def letters(self) -> Sequence[NoticeRow]:
        """See ``alerting.desk.store``."""
        return desk.dead_letters(self.connection)

    def resend(self, number: int, by: str, note: str = "") -> Resent:
        """See ``alerting.desk.store``."""
        return desk.resend(self.connection, number, actor=by, channel="console", note=note)


@dataclass(slots=True, frozen=True)
class CrewNow:
    """``ask.Crew`` on one connection; ``paging`` is None where there is no roster."""

    connection: Connection
    paging: Paging | None
    link_s: float

    def responders(self, incident: str) -> Sequence[Responder]:
        """See ``alerting.people.store``."""
        return people.responders(self.connection, incident)

    def stop_own(self, incident: str, person: str, channel: str = "") -> int:
        """See ``alerting.people.store``."""
        if channel:
            ((found, _),) = board.whole(self.connection, [incident])
            line = Line(
                incident=incident, at_ms=lock_zones(self.connection, [found.zone]), actor=person,
                action="stop-own", reason="own-stopped", channel=channel, revision=found.revision,
            )  # fmt: skip
            if not audit.is_last(self.connection, line):
                audit.append(self.connection, [line])
        return people.acknowledge_own(self.connection, incident, person)

    def call_in(self, incident: str, person: str, by: str, now_ms: int, channel: str) -> int | None:
        """See ``alerting.people.store``."""
        if self.paging is None:
            return None
        ((found, _),) = board.whole(self.connection, [incident])
        known = self.paging.roster.callable_for(drill=found.drill).get(person)
        if known is None:
            return None
        lock_zones(self.connection, [found.zone])
        pushes = people.call_in(self.connection, self.paging, found, known, by, now_ms, self.link_s)
        line = Line(
            incident=incident, at_ms=now_ms, actor=by, action="call", reason="called",
            note=person, channel=channel, revision=found.revision,
        )  # fmt: skip
        audit.append(self.connection, [line])
        return len(pushes)

    def look(self, token: str) -> LinkView:
        """See ``alerting.people.store``."""
        return people.look(self.connection, token)

    def press(self, token: str) -> LinkView:
        """See ``alerting.people.store``."""
        return people.spend(self.connection, token)

    def ask_support(self, token: str) -> LinkView:
        """See ``alerting.people.store``."""
        return people.ask_support(self.connection, token)

    def begin(
        self, desk: str, outgoing: str, incoming: str, since_ms: int, notes: str
    ) -> Handover | str:
        """See ``alerting.people.handovers.store``."""
        assert self.paging is not None
        facts = handovers.facts(self.connection, self.paging.roster, desk, since_ms)
        told = f"{desk}\n{outgoing}\n{incoming}\n{facts.at_ms}"
        name = hashlib.blake2b(told.encode(), digest_size=12).hexdigest()
        made = handover.begin(name, desk, outgoing, incoming, facts, notes)
        if isinstance(made, str):
            return made
        return handovers.begin(self.connection, made) or made

    def sheet(self, name: str) -> Handover | None:
        """See ``alerting.people.handovers.store``."""
        return handovers.read(self.connection, name)

    def newest(self, desk: str) -> Handover | None:
        """See ``alerting.people.handovers.store``."""
        return handovers.newest(self.connection, desk)

    def accept(
        self, name: str, who: str, items: Sequence[ItemKey], now_ms: int
    ) -> Handover | str | None:
        """See ``alerting.people.handovers.store``."""

        def work(sheet: Handover) -> Handover | str:
            for item in items:
                taken = handover.accept(sheet, who, item, now_ms)
                if isinstance(taken, str):
                    return taken
                sheet = taken
            return sheet

        return handovers.change(self.connection, name, work)

    def annotate(self, name: str, who: str, notes: str) -> Handover | str | None:
        """See ``alerting.people.handovers.store``."""
        work = partial(handover.annotate, who=who, notes=notes)
        return handovers.change(self.connection, name, work)

    def sign(self, name: str, who: str, now_ms: int) -> Handover | str | None:
        """See ``alerting.people.handovers.store``."""
        assert self.paging is not None
        return handovers.sign(self.connection, self.paging.roster, name, who, now_ms)


@dataclass(slots=True, frozen=True)
class ProofNow:
    """``ask.Proof`` on one connection."""

    connection: Connection
    timezone: str

    def chain(self, incident: str) -> Sealed:
        """See ``alerting.audit.store``."""
        return Sealed(
            tuple(audit.entries_of(self.connection, incident)),
            audit.seals_of(self.connection, incident),
        )

    def figures(self, by: Dimension, from_ms: int, until_ms: int) -> Report:
        """See ``alerting.kpi.store``."""
        return kpi.report(self.connection, by, from_ms, until_ms, self.timezone)
