"""What stands before every page: session, role, origin, hidden token; problems as answers.

Pure: the database is a protocol.  One request is one transaction; for GET the database itself
is told to refuse writes once the session's last use has been noted.
"""

import hashlib
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import msgspec

from alerting.console import sessions, views
from alerting.console.records import Records
from alerting.console.sessions import VIEWERS, Role
from alerting.console.visit import (
    HTML,
    PROBLEM,
    SCREEN,
    Answer,
    Call,
    Problem,
    Site,
    Visit,
    language_of,
    redirect,
)
from alerting.console.words import text

Handler = Callable[[Records, Visit], Answer]
REFRESH_S = 5


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One door: who may use it and what answers."""

    method: str
    path: str
    handler: Handler
    roles: frozenset[Role] = VIEWERS
    is_public: bool = False
    """No session needed."""
    is_signed: bool = False
    """Another system's door: no session, no token; its handler asks for a signature."""
    body_bytes_max: int = 64 * 1024
    document: dict[str, Any] = {}
    """OpenAPI's description of it; only doors under /api have one."""

    @property
    def is_api(self) -> bool:
        """Whether programs use it: errors are problem+json, the token is a header."""
        return self.path.startswith("/api/")


def answer(records: Records, route: Route, call: Call, site: Site, nonce: str) -> Answer:
    """The answer to one request.  ``nonce`` is fresh, for visitors who have no form cookie yet."""
    token = call.cookies.get(sessions.session_cookie(is_secure=site.is_secure), "")
    key = sessions.digest(token) if token else None
    pulse = records.pulse(key)
    session, console = pulse.session, site.settings.console
    if session and sessions.is_over(session, pulse.now_ms, console.idle_s, console.session_h):
        session = None
    visit = Visit(
        site, call, pulse, language_of(site, call), session, form_token(site, call, session, nonce)
    )
    if key is not None and session is not None and "auto" not in call.query:
        # A page that refreshes itself is not somebody at work: only people keep a session alive.
        records.touch(key)
    try:
        check(visit, route)
        with records.whole(may_write=call.method != "GET"):
            return _handled(records, visit, route)
    except Problem as problem:
        return refuse(visit, problem)


def _handled(records: Records, visit: Visit, route: Route) -> Answer:
    """What the handler answers; a refusal of which the audit tells does not take that back."""
    try:
        return route.handler(records, visit)
    except Problem as problem:
        if not problem.is_written:
            raise
        return refuse(visit, problem)


def form_token(site: Site, call: Call, session: sessions.Session | None, nonce: str) -> str:
    """The session's hidden token; before there is one, the form cookie's."""
    if session is not None:
        return session.form
    return call.cookies.get(sessions.form_cookie(is_secure=site.is_secure), "") or nonce


def check(visit: Visit, route: Route) -> None:
    """Raises Problem unless this visitor may do this, from where he does it."""
    if route.is_signed:
        return
    if visit.call.method != "GET":
        given = (
            visit.call.headers.get("x-csrf-token", "")
            if route.is_api
            else visit.call.form.get("form", "")
        )
        has_proof = route.is_public or visit.session is not None
        if not sessions.is_own(visit.call.sender) or (has_proof and not _is_proved(visit, given)):
            raise Problem(403, "problem.csrf")
    if route.is_public:
        return
    if visit.session is None:
        raise Problem(401)
    if visit.session.role not in route.roles:
        raise Problem(403)


def _is_proved(visit: Visit, given: str) -> bool:
    if visit.session is not None:
        return sessions.is_same(given, visit.session.form)
    name = sessions.form_cookie(is_secure=visit.site.is_secure)
    return sessions.is_same(given, visit.call.cookies.get(name, ""))


def refuse(visit: Visit, problem: Problem) -> Answer:
    """A problem as the visitor can read it: a page, problem+json, or the way to sign in."""
    if visit.call.is_api:
        return problem_json(problem.status, visit.say(problem.key, **problem.values))
    if problem.status == 401:
        return to_login(visit)
    incident = visit.call.params.get("id", "")
    return page(
        visit,
        "problem.html",
        problem.status,
        sentence=visit.say(problem.key, **problem.values),
        note=problem.note,
        back=f"/incidents/{quote(incident, safe='')}"
        if incident and problem.status != 404
        else "/",
    )


def to_login(visit: Visit) -> Answer:
    """To the sign-in page, and from there back to the page that was asked for."""
    call = visit.call
    if call.method != "GET":
        incident = call.params.get("id", "")
        target = sessions.safe_next(f"/incidents/{incident}" if incident else "/")
        return redirect(f"/login?why=over&next={quote(target, safe='')}")
    kept = "&".join(f"{quote(k)}={quote(v)}" for k, v in call.query.items() if k != "auto")
    target = sessions.safe_next(f"{call.path}?{kept}" if kept else call.path)
    return redirect(f"/login?why=needed&next={quote(target, safe='')}")


def page(
    visit: Visit, template: str, status: int = 200, *, refresh: str = "", **values: Any
) -> Answer:
    """A page in the common frame: ages, banner, language, who is signed in."""
    site, call = visit.site, visit.call
    cookies: list[tuple[str, str]] = []
    if visit.session is None:
        name = sessions.form_cookie(is_secure=site.is_secure)
        if call.cookies.get(name, "") != visit.form:
            cookies.append(
                ("Set-Cookie", sessions.cookie(name, visit.form, is_secure=site.is_secure))
            )
    body = site.templates.get_template(template).render(
        frame=views.frame(visit, refresh), visit=visit, say=visit.say, **values
    )
    sent = body.encode("utf-8", "replace")
    # What a form says of the screen that it was on is the hash of all that stood there.
    screen = hashlib.sha256(sent).hexdigest().encode()
    sent = sent.replace(f'value="{SCREEN}"'.encode(), b'value="%s"' % screen)
    return Answer(status, sent, HTML, tuple(cookies))


def problem_json(status: int, detail: str) -> Answer:
    """An error as RFC 9457 has it."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    return Answer(status, msgspec.json.encode(body), PROBLEM)


def away(site: Site, call: Call, key: str = "problem.503", status: int = 503) -> Answer:
    """The answer when there is no database to ask; a page that is shown tries again by itself."""
    language = language_of(site, call)
    sentence = text(key, language)
    if call.is_api:
        answered = problem_json(status, sentence)
    else:
        body = site.templates.get_template("away.html").render(
            language=language,
            name=text("name", language),
            sentence=sentence,
            reload=text("reload", language),
            refresh_s=REFRESH_S if call.method == "GET" else 0,
        )
        answered = Answer(status, body.encode(), HTML)
    headers = (("Retry-After", str(REFRESH_S)),) if status in (429, 503) else ()
    return msgspec.structs.replace(answered, headers=headers)
