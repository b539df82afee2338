"""Pages: what a person is told who must act, as a card for every way he is reached by.  Pure."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from alerting.incidents import Incident, Reason
from alerting.notices import TOLD, Push, Wording
from alerting.people import links, times
from alerting.people.roster import Reach, Recipient, Roster
from alerting.people.rota import Chain, Person
from alerting.people.words import KINDS, LINES, PAGES, WHOM, say
from alerting.slices import Page
from lifeline import words
from lifeline.cards import Card
from lifeline.model import CANARY
from lifeline.words import Language

LATE_KINDS = frozenset(("remind", "escalate", "progress"))
"""Pages for which nothing new has happened."""
UNTAKEN = frozenset(("first", "remind", "escalate"))
"""Pages that only what nobody has acknowledged has."""


@dataclass(slots=True)
class Paging:
    """How a ``Page`` becomes pushes: the roster, the catalog's places, the secret of links."""

    roster: Roster
    wording: Wording
    secret: bytes

    def reach(self, page: Page, incident: Incident) -> Reach:
        """Whom a page is for, before anybody is left out who has stopped his own."""
        desk = self.roster.desk_of(incident.lifeline, incident.zone)
        chain = self.roster.chains.get(page.grade)
        is_nobodys = chain is None or incident.lifeline == CANARY
        if is_nobodys or (chain is not None and self._waits(page, chain)):
            return Reach((), page.step)
        return self.roster.reach(desk, page.grade, page.step, page.at_ms, drill=incident.drill)

    def _waits(self, page: Page, chain: Chain) -> bool:
        """Whether it is for the list of the next working day: nobody is woken by nothing new."""
        is_late = page.kind in LATE_KINDS and chain.hours == "working"
        return is_late and not self.roster.is_working(page.at_ms)

    def pages(
        self, page: Page, incident: Incident, stopped: frozenset[str] = frozenset()
    ) -> list[Push]:
        """The pushes of a page, one a recipient and target.

        ``stopped`` are the people who have acknowledged it for themselves; what is new, and
        somebody's call for support, goes to them all the same.
        """
        reach = self.reach(page, incident)
        found = list(reach.recipients)
        if page.kind == "progress" and found:
            found = [*self._taker(page, incident), *found]
        if page.kind not in ("first", "support"):
            found = [one for one in found if one.person not in stopped]
        return [self._push(page, incident, one, reach) for one in dict.fromkeys(found)]

    def _taker(self, page: Page, incident: Incident) -> Iterable[Recipient]:
        """Whoever acknowledged it is the first to be asked how it goes."""
        person = self.roster.person_of(incident.acknowledged_by)
        if person is None or (incident.drill and person.name not in self.roster.rota.drill.persons):
            return ()
        if self.roster.is_quiet(person, page.grade, page.at_ms):
            return ()
        chain = self.roster.chains[page.grade]
        return self.roster.ways([person], chain.steps[0].targets)

    def call(self, incident: Incident, person: Person, at_ms: int) -> list[Push]:
        """The pushes with which somebody is called in by hand, by every way that he has."""
        page = Page(
            incident=incident.id,
            revision=incident.revision,
            grade=incident.grade,
            step=0,
            kind="first",
            reason=Reason.OPENED,
            at_ms=at_ms,
            finding=incident.lead,
        )
        ways = tuple(self.roster.ways([person], sorted(person.addresses)))
        reach = Reach(ways, 0)
        return [self._push(page, incident, way, reach, f"call {at_ms}") for way in ways]

    def _push(
        self, page: Page, incident: Incident, to: Recipient, reach: Reach, called: str = ""
    ) -> Push:
        what = called or page.kind
        key = key_of(page.incident, str(page.revision), str(page.step), what, to.person, to.target)
        kind = what.split()[0]
        is_first = kind == "first"
        card = self._card(page, incident, to, reach, key, kind)
        received_ms = page.finding.received_ms if is_first else 0
        return push_of(card, to, key, kind, incident=page.incident, received_ms=received_ms)

    def _card(
        self, page: Page, incident: Incident, to: Recipient, reach: Reach, key: str, kind: str
    ) -> Card:
        language = to.language
        finding = page.finding
        grades = self.roster.grades
        grade, word = grades.of(page.grade), grades.word(page.grade, language)
        told = TOLD.get(page.reason, "opened")
        where = self._place(finding.asset, language)
        title = words.headline(finding, where, language, grades, reason=told)
        if kind != "first":
            title = words.bracketed(title, say(KINDS, kind, language), language)
        what = words.hazard(finding.hazard, language)
        of = words.lifeline(finding.lifeline, language)
        lines = [
            ("grade", f"{grade.shape} {word}"),
            (
                "what",
                what if of in what else f"{of} {what}" if language == "zh" else f"{of}: {what}",
            ),
            ("where", where),
            ("since", times.clock(incident.onset_ms, self.roster.zone)),
            ("why", words.explain(finding, language)),
            *(("next", text) for text in self._next(page, incident, reach, language, kind)),
        ]
        asks = "acknowledge" if is_untaken(kind, incident) else "seen"
        button = asks if self.is_own(to.target, to.address) else "open"
        return Card(
            title=title,
            grade=page.grade,
            grade_word=word,
            colour=grade.colour,
            shape=grade.shape,
            lines=tuple((say(LINES, code, language), text) for code, text in lines),
            button=say(PAGES, button, language),
            url=self._url(to, key, incident.id),
            is_drill=incident.drill,
            language=language,
            text=_plain(title, [text for code, text in lines if code in PLAIN], language),
            incident=incident.id,
        )

    def _next(
        self, page: Page, incident: Incident, reach: Reach, language: Language, kind: str
    ) -> Iterable[str]:
        """Who is called next, and when, unless somebody acts."""
        if reach.is_last_resort:
            yield say(PAGES, "last-resort", language)
        if not is_untaken(kind, incident):
            return
        steps = self.roster.chains[page.grade].steps
        if page.step + 1 >= len(steps):
            yield say(PAGES, "last", language)
            return
        step = steps[page.step + 1]
        since_ms = page.at_ms if incident.unseen_ms is None else incident.unseen_ms
        at_ms = since_ms + step.after_s * 1000
        time = times.hour(at_ms, self.roster.zone)
        if step.whom == "list":
            yield say(PAGES, "next-list", language, time=time)
            return
        desk = self.roster.desk_of(incident.lifeline, incident.zone)
        people = [self.roster.persons[n] for n in self.roster.whom(desk, step.whom, at_ms)]
        names = [person.title.said(language) for person in people]
        whom = say(WHOM, step.whom, language)
        if step.whom == "everyone" or not names:
            yield f"{time} {whom}"
            return
        yield say(
            PAGES, "next", language, time=time, whom=whom, people=words.joined(names, language)
        )

    def _place(self, asset: str, language: Language) -> str:
        known = self.wording.catalog.asset(asset) if self.wording.catalog else None
        title = "" if known is None else known.title.said(language)
        return title or asset

    def is_own(self, target: str, address: str) -> bool:
        """Whether only the person himself reads what is sent there.

        A group's robot shows a card to everybody: its link must not act as one of them.
        """
        kinds = {one.name: one.kind for one in self.wording.settings.targets}
        return bool(address) and kinds.get(target, "sms") in OWN_KINDS

    def _url(self, to: Recipient, key: str, incident: str) -> str:
        """The person's own one-time link, or where everybody signs in."""
        public_url = self.wording.settings.public_url
        if self.is_own(to.target, to.address):
            return links.url_of(public_url, links.token_of(self.secret, key))
        return f"{public_url.rstrip('/')}/incidents/{incident}"

    def tests(self, persons: Iterable[Person], run: str, at_ms: int) -> list[Push]:
        """Test pages: one for every way in which each of them is to be tried, if it is his own."""
        wanted = self.roster.rota.test.targets
        return [
            self._test(recipient, run, at_ms)
            for person in persons
            for recipient in self.roster.ways([person], wanted or sorted(person.addresses))
            if self.is_own(recipient.target, recipient.address)
        ]

    def _test(self, to: Recipient, run: str, at_ms: int) -> Push:
        language = to.language
        key = key_of("test", run, to.person, to.target)
        mark = say(PAGES, "test-mark", language)
        title = say(PAGES, "test-title", language, mark=mark)
        why = say(PAGES, "test-why", language)
        lines = (
            (say(LINES, "since", language), times.clock(at_ms, self.roster.zone)),
            (say(LINES, "what", language), why),
        )
        card = Card(
            title=title,
            grade=TEST_GRADE,
            grade_word=say(KINDS, "test", language),
            colour="#6B7280",
            shape="○",
            lines=lines,
            button=say(PAGES, "seen", language),
            url=self._url(to, key, ""),
            is_drill=False,
            language=language,
            text=_plain(title, [why], language),
        )
        return msgspec.structs.replace(push_of(card, to, key, "test"), kind="test")


def is_untaken(kind: str, incident: Incident) -> bool:
    """Whether a page is about what nobody has acknowledged: somebody else is called next."""
    return kind in UNTAKEN or (kind == "support" and incident.phase == "open")


PLAIN = ("since", "why", "next")
"""The lines that a voice reads out after the title, which says the rest."""
OWN_KINDS = frozenset(("email", "ntfy", "sms", "voice"))
"""Kinds of targets that reach one person where he is named."""
TEST_GRADE = 9
"""A test waits behind everything that is real."""
encode = msgspec.json.Encoder().encode


def push_of(
    card: Card, to: Recipient, key: str, reason: str, *, incident: str = "", received_ms: int = 0
) -> Push:
    """The card as a page to that person by that way."""
    return Push(
        target=to.target,
        key=key,
        body=encode(card),
        incident=incident,
        kind="page",
        reason=reason,
        grade=card.grade,
        received_ms=received_ms,
        is_page=True,
        person=to.person,
        address=to.address,
        language=to.language,
    )


def key_of(*parts: str) -> str:
    """The key of a page: the same telling of the same person by the same way, the same key."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _plain(title: str, texts: list[str], language: Language) -> str:
    """All of it as one text."""
    stop, between = ("。", "") if language == "zh" else (".", " ")
    return between.join(f"{text.rstrip('.。')}{stop}" for text in (title, *texts))
