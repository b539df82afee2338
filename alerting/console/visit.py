"""One request as facts, who makes it, and what is answered.  Pure: the shell reads and writes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

import msgspec
from jinja2 import Environment

from alerting.console import sessions
from alerting.console.records import Pulse
from alerting.console.sessions import Sender, Session
from alerting.console.words import text
from alerting.flood import View
from alerting.notices import Wording
from alerting.people.roster import Roster
from alerting.plans import Book
from alerting.risk import Weights
from alerting.topology import Topology
from lifeline.catalog import Catalog
from lifeline.config import Settings
from lifeline.grades import Grading
from lifeline.words import Language

SCREEN = "the hash of this page"
"""What stands in a form's hidden field while the page around it is hashed."""
HASH = re.compile(r"[0-9a-f]{64}")
SEAT_LENGTH = 16
HTML, JSON, PROBLEM = "text/html; charset=utf-8", "application/json", "application/problem+json"


@dataclass(slots=True, frozen=True)
class Site:
    """What is the same for every request."""

    settings: Settings
    catalog: Catalog
    templates: Environment
    zone: tzinfo
    """The city's time, in which pages speak."""
    wording: Wording
    """What the notices of an action need."""
    topology: Topology
    book: Book | None = None
    """Plans; None: none are written."""
    weights: Weights = field(default_factory=Weights)
    roster: Roster | None = None
    """None: nobody is paged."""
    floods: Mapping[str, View] = field(default_factory=dict)
    """By desk, as of a second ago."""

    @property
    def grades(self) -> Grading:
        """The city's grading table."""
        return self.wording.policy.grades

    @property
    def is_secure(self) -> bool:
        """Whether cookies are for TLS only."""
        return self.settings.console.secure_cookie


@dataclass(slots=True, frozen=True)
class Call:
    """A request as read: everything text, nothing checked but its size and that no NUL is in it."""

    method: str
    path: str
    address: str
    sender: Sender
    params: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_api: bool = False


@dataclass(slots=True, frozen=True)
class Visit:
    """A request together with who makes it, in which language, and how old the data are."""

    site: Site
    call: Call
    pulse: Pulse
    language: Language
    session: Session | None
    form: str
    """What the hidden field of this visitor's forms must say."""

    @property
    def screen(self) -> str:
        """What forms carry in place of the hash of their page."""
        return SCREEN

    @property
    def seat(self) -> str:
        """Which browser, session and screen an action comes from: hashes, for the audit.

        Of device and session they are how those the database keeps begin; of the screen that of the
        page as it was sent, its own place filled with ``SCREEN``.
        """
        cookies, is_secure = self.call.cookies, self.site.is_secure
        tokens = {
            "device": cookies.get(sessions.seat_cookie(is_secure=is_secure), ""),
            "session": cookies.get(sessions.session_cookie(is_secure=is_secure), ""),
            "link": "" if self.session else self.call.params.get("token", ""),
        }
        told = [
            f"{name} {sessions.digest(token).hex()[:SEAT_LENGTH]}"
            for name, token in tokens.items()
            if token
        ]
        screen = self.call.form.get("screen", "")
        told += [f"screen {screen}"] if HASH.fullmatch(screen) else []
        return ", ".join(told)

    def say(self, key: str, **values: object) -> str:
        """Words in the visitor's language."""
        return text(key, self.language, **values)


class Answer(msgspec.Struct, frozen=True):
    """What goes back."""

    status: int
    body: bytes = b""
    kind: str = HTML
    headers: tuple[tuple[str, str], ...] = ()
    package: str = ""
    """The incident whose evidence package is the body: made in a transaction of its own."""
    by: str = ""
    """Who asked for it."""
    key: str = ""
    """The Idempotency-Key under which it is kept."""


class Problem(Exception):
    """A request that is not carried out: status and the sentence, as a key of the words."""

    def __init__(self, status: int, key: str = "", note: str = "", **values: object) -> None:
        super().__init__(key or str(status))
        self.status = status
        self.key = key or f"problem.{status}"
        self.note = note
        """What the person had written, so that it is not lost."""
        self.values = values
        self.is_written = False
        """Whether the audit says that it was asked for: what was written stays."""


def language_of(site: Site, call: Call) -> Language:
    """The language to answer in; ``?lang=`` holds for one page, the cookie until it is changed."""
    asked = call.query.get("lang", "")
    chosen = asked if asked in ("zh", "en") else call.cookies.get("lifeline-lang", "")
    return sessions.preferred(
        chosen, site.settings.console.language, call.headers.get("accept-language", "")
    )


def redirect(path: str, cookies: tuple[str, ...] = ()) -> Answer:
    """Sends the browser on with GET; ``path`` must be one of our own."""
    assert path.startswith("/")
    assert not path.startswith("//")
    headers = (("Location", path), *(("Set-Cookie", value) for value in cookies))
    return Answer(303, headers=headers)


def as_json(value: Any, status: int = 200, *, etag: str = "") -> Answer:
    """A JSON answer; ``etag`` is the revision of what is shown."""
    headers = (("ETag", etag),) if etag else ()
    return Answer(status, msgspec.json.encode(value), JSON, headers)
