"""What pages and doors ask of the database about board, people and proof, as protocols.  Pure.

``alerting.console.seat.store`` keeps them, in the one transaction of a request.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from alerting.actions import Act
from alerting.alarms import Alarm
from alerting.audit.chain import Entry
from alerting.board.rows import DueRow, Listed, Member, Queued, Sift, Told, Wait
from alerting.desk.rows import NoticeRow, Outcome, Resent, Standing
from alerting.incidents import Incident
from alerting.kpi.report import Dimension, Report
from alerting.people.handover import Handover, ItemKey
from alerting.people.links import LinkView
from alerting.people.responders import Responder
from alerting.windows import Window


class Board(Protocol):
    """What lies before the desk, and what it does."""

    def queue(self, sift: Sift) -> Sequence[Queued]:
        """The queue, the highest risk first."""

    def members(self, incident: str) -> Sequence[Member]:
        """Its alarms, and why each belongs to it."""

    def whole(self, incident: str) -> tuple[Incident, tuple[Alarm, ...]]:
        """The incident as the engine knows it."""

    def deadlines(self, incident: str) -> Sequence[DueRow]:
        """What falls due for it."""

    def told(self, incident: str) -> Sequence[Told]:
        """Its pages."""

    def alarms(self, what: Listed, limit: int, after: str = "") -> Sequence[Member]:
        """One of the lists of alarms."""

    def alarm(self, key: str) -> Member | None:
        """One alarm."""

    def windows(self, ended_since_ms: int) -> Sequence[Window]:
        """The windows that run, and those that ended of late."""

    def window(self, name: str) -> Window | None:
        """One window."""

    def proposals(self, incident: str = "") -> Sequence[Wait]:
        """What waits for a second person."""

    def act(self, acts: Sequence[Act], now_ms: int) -> Sequence[Outcome]:
        """Does what is asked, one after the other, with audit rows; or says why not."""

    def standing(self, incident: str, now_ms: int) -> Standing:
        """What stands against closing it."""

    def letters(self) -> Sequence[NoticeRow]:
        """Notices that their receivers refused."""

    def resend(self, number: int, by: str, note: str = "") -> Resent:
        """Puts one of them back in line, and writes down who did."""


class Crew(Protocol):
    """People: who was told, links, hand-overs."""

    def responders(self, incident: str) -> Sequence[Responder]:
        """Everybody who was paged or called in."""

    def stop_own(self, incident: str, person: str, channel: str = "") -> int:
        """Ends one person's own pages of an incident, and writes it down where he asks for that.

        Without a ``channel`` it is part of what has been written down already.
        """

    def call_in(self, incident: str, person: str, by: str, now_ms: int, channel: str) -> int | None:
        """Pages somebody by hand, and writes it down; how many pages, None where nobody can be."""

    def look(self, token: str) -> LinkView:
        """What a link shows."""

    def press(self, token: str) -> LinkView:
        """Uses a link up."""

    def ask_support(self, token: str) -> LinkView:
        """Asks for support by a link, once."""

    def begin(
        self, desk: str, outgoing: str, incoming: str, since_ms: int, notes: str
    ) -> Handover | str:
        """A new sheet; or why not."""

    def sheet(self, name: str) -> Handover | None:
        """One sheet."""

    def newest(self, desk: str) -> Handover | None:
        """A desk's last sheet."""

    def accept(
        self, name: str, who: str, items: Sequence[ItemKey], now_ms: int
    ) -> Handover | str | None:
        """The incoming officer takes items over."""

    def annotate(self, name: str, who: str, notes: str) -> Handover | str | None:
        """The outgoing officer's own words."""

    def sign(self, name: str, who: str, now_ms: int) -> Handover | str | None:
        """Signs, after the sheet has been brought up to what is so now."""


class Sealed(msgspec.Struct, frozen=True):
    """One incident's audit: its chain, and which seal covers each head."""

    entries: tuple[Entry, ...]
    seals: Mapping[int, int]


class Proof(Protocol):
    """What can be shown later."""

    def chain(self, incident: str) -> Sealed:
        """An incident's audit."""

    def figures(self, by: Dimension, from_ms: int, until_ms: int) -> Report:
        """The figures of the alarm system."""
