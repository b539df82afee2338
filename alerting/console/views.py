"""The frame of every page and the list: ages, bands, cards, with every word chosen.  Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from alerting.board.rows import Queued
from alerting.console import duty, following
from alerting.console.records import Feed
from alerting.console.sessions import safe_next
from alerting.console.visit import Site, Visit
from alerting.console.words import age
from alerting.desk.rows import Summary
from alerting.incidents import ENDED, TAKEN
from alerting.people import times
from alerting.people.words import KINDS, say
from lifeline import words
from lifeline.catalog import Catalog
from lifeline.grades import Grade
from lifeline.model import CANARY, Text
from lifeline.words import Language, joined

WARNING_S = 120.0
"""How long before the end of an idle session the page says so."""
SYSTEM = ("", "router", "system", "timer")
BANDS = ("open", "acknowledged", "watching", "review", "closed")


@dataclass(slots=True, frozen=True)
class FeedView:
    """How old a lifeline's data are, and whether they still tell the present."""

    title: str
    words: str
    is_stale: bool


@dataclass(slots=True, frozen=True)
class Frame:
    """What surrounds every page."""

    feeds: Sequence[FeedView]
    stopped: str
    """Names of the lifelines without fresh data; '' when all are fresh."""
    at: str
    here: str
    other: Language
    expiring: str
    refresh: str


@dataclass(slots=True, frozen=True)
class Card:
    """An incident in the list."""

    id: str
    grade: Grade
    headline: str
    lifeline: str
    asset: str
    words: Sequence[str]
    age: str
    onset: str
    onset_iso: str
    is_drill: bool
    is_stale: bool
    """Whether its lifeline's data have stopped: what it shows is then the past."""
    revision: int
    next: str = ""
    """What happens next by itself, when, and who is called; from the stored deadline."""
    undo: str = ""
    """Until when the visitor can take his acknowledgement back; empty: he cannot."""


@dataclass(slots=True, frozen=True)
class Band:
    """Incidents in one phase."""

    name: str
    cards: Sequence[Card]


def title(named: Text, name: str, language: Language) -> str:
    """A title in the wanted language, else in the other, else the name."""
    first, second = (named.zh, named.en) if language == "zh" else (named.en, named.zh)
    return first or second or name


def lifeline_title(catalog: Catalog, name: str, language: Language) -> str:
    """The name of a lifeline for people."""
    for one in catalog.head.lifelines:
        if one.name == name and (one.title.zh or one.title.en):
            return title(one.title, name, language)
    return words.lifeline(name, language)


def asset_title(catalog: Catalog, name: str, language: Language) -> str:
    """The name of an asset for people."""
    asset = catalog.asset(name)
    return name if asset is None else title(asset.title, name, language)


def frame(visit: Visit, refresh: str) -> Frame:
    """Ages, banner and the rest of the frame."""
    pulse, console = visit.pulse, visit.site.settings.console
    feeds, stopped = feed_views(visit)
    expiring = ""
    if visit.session is not None:
        left_s = console.idle_s - (pulse.now_ms - visit.session.seen_ms) / 1000.0
        # Only a page that refreshes itself gets here with little time left.
        if left_s < min(WARNING_S, console.idle_s / 3) and "auto" in visit.call.query:
            expiring = age(left_s, visit.language)
    return Frame(
        feeds=feeds,
        stopped=joined(stopped, visit.language),
        at=times.moment(pulse.now_ms, visit.site.zone),
        here=here(visit),
        other="en" if visit.language == "zh" else "zh",
        expiring=expiring,
        refresh=refresh,
    )


def here(visit: Visit) -> str:
    """The address of this page without what was said only once."""
    call = visit.call
    kept = urlencode(
        {k: v for k, v in call.query.items() if k not in ("auto", "lang", "did", "not")},
        quote_via=quote,
    )
    path = call.path if call.method == "GET" else "/"
    if path == "/login":
        return f"/login?next={safe_next(call.query.get('next', '/'))}"
    return safe_next(f"{path}?{kept}" if kept else path)


def feed_age_s(visit: Visit, feed: Feed) -> float:
    """How old the newest stored data of a lifeline are.

    Old values received just now, and new values received long ago, are both not the present.
    """
    return max(0.0, (visit.pulse.now_ms - min(feed.newest_ms, feed.received_ms)) / 1000.0)


def is_stopped(visit: Visit, feed: Feed) -> bool:
    """Whether a lifeline's data no longer tell the present."""
    return feed_age_s(visit, feed) > visit.site.settings.console.stale_after_s


def feed_views(visit: Visit) -> tuple[Sequence[FeedView], Sequence[str]]:
    """The age of each lifeline's data, and the names of those that have stopped."""
    known = {feed.lifeline: feed for feed in visit.pulse.feeds}
    shown: list[FeedView] = []
    stopped: list[str] = []
    for one in visit.site.catalog.head.lifelines:
        if one.name == CANARY:
            continue
        name = lifeline_title(visit.site.catalog, one.name, visit.language)
        feed = known.get(one.name)
        if feed is None:
            shown.append(FeedView(name, visit.say("feed.never"), is_stale=True))
            stopped.append(name)
            continue
        old_s, is_stale = feed_age_s(visit, feed), is_stopped(visit, feed)
        key = "feed.stale" if is_stale else "feed.fresh"
        shown.append(FeedView(name, visit.say(key, age=age(old_s, visit.language)), is_stale))
        if is_stale:
            stopped.append(name)
    return shown, stopped


def headline(site: Site, one: Summary, language: Language) -> str:
    """What and where, in one line."""
    where = asset_title(site.catalog, one.asset, language)
    return words.headline(one.lead, where, language, site.grades)


def card(visit: Visit, queued: Queued) -> Card:
    """An incident as the list shows it."""
    catalog, language, one = visit.site.catalog, visit.language, queued.summary
    more = [visit.say("incident.alarms", n=one.alarms)] if one.alarms > 1 else []
    if one.episode > 1:
        more.append(visit.say("incident.episode", n=one.episode))
    if one.acknowledged_by and one.phase in (*TAKEN, "watching"):
        at = times.second(one.acknowledged_ms or one.updated_ms, visit.site.zone)
        more.append(visit.say("incident.by", name=one.acknowledged_by, at=at))
    if one.verdict:
        more.append(words.verdict(one.verdict, language))
    if one.person:
        arrived = words.reason("arrived" if one.arrived_ms else "dispatched", language)
        more.append(f"{one.person} {arrived}")
    if queued.risk is not None:
        more.append(visit.say("queue.risk", n=f"{queued.risk:g}"))
    if one.drill:
        more.append(visit.say("incident.drill"))
    if is_past(one):
        more.append(visit.say("incident.late"))
    is_closed = one.phase in ENDED
    feed = next(
        (one_feed for one_feed in visit.pulse.feeds if one_feed.lifeline == one.lifeline), None
    )
    start_ms = (one.closed_ms or one.updated_ms) if is_closed else one.onset_ms
    old = age((visit.pulse.now_ms - start_ms) / 1000.0, language)
    onset = times.moment(one.onset_ms, visit.site.zone)
    lasting = visit.say("incident.closed-at" if is_closed else "incident.age", age=old)
    if is_past(one) and not is_closed:
        # Nobody knows whether it still lasts: the day is all that can be said.
        lasting = visit.say("incident.on", at=onset[5:10])
    return Card(
        id=one.id,
        grade=visit.site.grades.of(one.grade),
        headline=headline(visit.site, one, language),
        lifeline=lifeline_title(catalog, one.lifeline, language),
        asset=asset_title(catalog, one.asset, language),
        words=more,
        age=lasting,
        onset=onset[5:19],
        onset_iso=iso(one.onset_ms),
        is_drill=one.drill,
        is_stale=not is_closed and (feed is None or is_stopped(visit, feed)),
        revision=one.revision,
        next=next_step(visit, queued),
        undo=undo(visit, one),
    )


def undo(visit: Visit, one: Summary) -> str:
    """Until when the visitor can take his acknowledgement back; empty: he cannot."""
    if one.undo_ms is None or not following.can_undo(visit, one):
        return ""
    return visit.say("undo.until", at=times.second(one.undo_ms, visit.site.zone))


def next_step(visit: Visit, queued: Queued) -> str:
    """What happens next by itself: when, what, who is called, how long until then."""
    if queued.next_ms is None:
        return ""
    what = visit.say(f"next.{queued.next_kind}")
    at = times.second(queued.next_ms, visit.site.zone)
    told = visit.say("next.at", at=at[:5], what=what)
    persons = following.persons(visit, queued.summary, queued.next_kind, queued.next_ms)
    if persons:
        titles = [duty.title_of(visit.site.roster, name, visit.language) for name in persons]
        told += visit.say("next.who", who=joined(titles, visit.language))
    left_s = (queued.next_ms - visit.pulse.now_ms) / 1000.0
    if left_s <= 0:
        return told + visit.say("next.late")
    return told + visit.say("next.left", age=age(left_s, visit.language))


def told_why(code: str, language: Language) -> str:
    """Why somebody was told: the kind of a page, or what a notice is about."""
    return say(KINDS, code, language) if code in KINDS else words.reason(code, language)


def is_past(one: Summary) -> bool:
    """Whether only back-filled readings speak of it, so that nobody was told.

    ``Summary.lane`` is of the finding that opened it; a live one that joins later takes the lead.
    """
    return one.lead.lane == "historical"


def is_person(actor: str) -> bool:
    """Whether a history's actor is somebody, not the router."""
    return actor not in SYSTEM


def band_of(one: Summary) -> str:
    """The band in which an incident stands."""
    if one.phase in ENDED:
        return "closed"
    if one.review:
        return "review"
    return "acknowledged" if one.phase in TAKEN else one.phase


def bands(visit: Visit, rows: Sequence[Queued]) -> Sequence[Band]:
    """The list's bands in their fixed order."""
    held: dict[str, list[Card]] = {name: [] for name in BANDS}
    for one in rows:
        held[band_of(one.summary)].append(card(visit, one))
    return [Band(name, cards) for name, cards in held.items()]


def iso(at_ms: int) -> str:
    """A moment for machines."""
    return datetime.fromtimestamp(at_ms / 1000.0, UTC).isoformat(timespec="seconds")
