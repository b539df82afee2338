"""Signing in and out, the account, and what several pages share.  Pure."""

from collections.abc import Sequence

import msgspec

from alerting.actions import Action
from alerting.console import details, evidence, sessions
from alerting.console.gate import Route, page
from alerting.console.records import Records
from alerting.console.visit import Answer, Call, Problem, Site, Visit, redirect
from alerting.console.words import age
from alerting.desk.rows import Detail
from alerting.people import times

NOTE_MAX = 2000
NEED_NOTE = frozenset(("close", "prolong", "shelve", "retire"))
SPANS_S = (900, 3600, 86_400)
NOW = "now"
NOW_MS = 3_600_000
"""The window that ends now, however old the incident is: whether it is over is judged there."""


def evidence_of(
    records: Records, visit: Visit, row: Detail
) -> tuple[int, int, Sequence[evidence.Trace]]:
    """The window (unix ms) and traces of an incident's evidence; ``?window=`` is in seconds.

    It is about the finding last told: of a leak that came back, the moment it came back.
    """
    one = row.summary
    now_ms = visit.pulse.now_ms
    asked = visit.call.query.get("window", "")
    span_s = int(asked) if asked in map(str, SPANS_S) else None
    ended_ms = None if one.is_active else one.calm_ms or one.closed_ms
    onset_ms = max(one.onset_ms, one.lead.onset_ms)
    from_ms, until_ms, _ = evidence.window(onset_ms, ended_ms or None, now_ms, span_s)
    if asked == NOW:
        from_ms, until_ms = now_ms - NOW_MS, now_ms
    names = tuple(details.channels(visit.site.catalog, row))
    found = records.readings(names, from_ms, until_ms)
    return from_ms, until_ms, details.traces(visit, row, found, from_ms, until_ms)


def load(records: Records, visit: Visit) -> Detail:
    """The incident that the address names; raises Problem 404."""
    row = records.incident(visit.call.params["id"][:128])
    if row is None:
        raise Problem(404)
    return row


def checked_note(action: Action, given: str) -> str:
    """The note with line ends as people meant them; raises Problem if missing or too long."""
    note = given.replace("\r\n", "\n").strip()
    if len(note) > NOTE_MAX:
        raise Problem(400, "problem.note-long", note[:NOTE_MAX])
    if action == "note" and not note:
        raise Problem(400, "problem.note-empty")
    if action in NEED_NOTE and not note:
        raise Problem(400, "problem.note-missing")
    return note


def person_of(visit: Visit) -> str:
    """Who is signed in, as the roster names him."""
    assert visit.session is not None
    roster = visit.site.roster
    known = None if roster is None else roster.person_of(visit.session.name)
    return visit.session.name if known is None else known.name


def account(_: Records, visit: Visit) -> Answer:
    """GET /account: who one is, what one may, and the way out."""
    assert visit.session is not None
    return page(
        visit,
        "account.html",
        since=times.moment(visit.session.created_ms, visit.site.zone),
        idle=age(visit.site.settings.console.idle_s, visit.language),
    )


def login(_: Records, visit: Visit) -> Answer:
    """GET /login: the form; who is signed in already goes on."""
    following = sessions.safe_next(visit.call.query.get("next", "/"))
    if visit.session is not None:
        return redirect(following)
    why = visit.call.query.get("why", "")
    sentence = visit.say(f"login.{why}") if why in ("needed", "over", "out") else ""
    return page(visit, "login.html", sentence=sentence, is_error=False, next=following, name="")


def login_failed(status: int, wait_ms: int) -> Route:
    """The sign-in page after a failure: the same words whether name or password was wrong."""

    def handler(_: Records, visit: Visit) -> Answer:
        key = "login.wait" if wait_ms else "login.wrong"
        answered = page(
            visit,
            "login.html",
            status,
            sentence=visit.say(key, age=age(wait_ms / 1000.0 + 1.0, visit.language)),
            is_error=True,
            next=sessions.safe_next(visit.call.form.get("next", "/")),
            name=sessions.login_name(visit.call.form.get("name", "")),
        )
        if not wait_ms:
            return answered
        waiting = ("Retry-After", str(wait_ms // 1000 + 1))
        return msgspec.structs.replace(answered, headers=(*answered.headers, waiting))

    return Route(method="POST", path="/login", handler=handler, is_public=True)


def _nothing(_: Records, __: Visit) -> Answer:
    return Answer(204)


LOGIN_ALLOWED = Route(method="POST", path="/login", handler=_nothing, is_public=True)
"""Asks the gate alone: whether a sign-in comes from our own form."""


def signed_in(site: Site, call: Call, token: str, seat: str) -> Answer:
    """Goes on to where the visitor wanted, with the cookies of his session and his seat."""
    is_secure = site.is_secure
    cookies = (
        sessions.cookie(sessions.session_cookie(is_secure=is_secure), token, is_secure=is_secure),
        sessions.cookie(
            sessions.seat_cookie(is_secure=is_secure),
            seat,
            is_secure=is_secure,
            age_s=sessions.SEAT_DAYS * 86_400,
        ),
        sessions.cookie(
            sessions.form_cookie(is_secure=is_secure), "", is_secure=is_secure, age_s=0
        ),
    )
    return redirect(sessions.safe_next(call.form.get("next", "/")), cookies)


def logout(records: Records, visit: Visit) -> Answer:
    """POST /logout: the session ends in the database, and the cookie with it."""
    is_secure = visit.site.is_secure
    name = sessions.session_cookie(is_secure=is_secure)
    records.end_session(sessions.digest(visit.call.cookies.get(name, "")))
    return redirect("/login?why=out", (sessions.cookie(name, "", is_secure=is_secure, age_s=0),))


def language(_: Records, visit: Visit) -> Answer:
    """POST /language: remembers the choice in this browser, and goes back."""
    chosen = visit.call.form.get("lang", "")
    if chosen not in ("zh", "en"):
        raise Problem(400)
    value = sessions.cookie(
        "lifeline-lang", chosen, is_secure=visit.site.is_secure, age_s=sessions.SEAT_DAYS * 86_400
    )
    following = visit.call.form.get("next", "/")
    if following.startswith("/login?next="):
        return redirect(
            f"/login?next={sessions.safe_next(following.removeprefix('/login?next='))}", (value,)
        )
    return redirect(sessions.safe_next(following), (value,))


def problem_route(status: int, path: str) -> Route:
    """A door behind which there is only a sentence."""

    def handler(_: Records, __: Visit) -> Answer:
        raise Problem(status)

    return Route(method="GET", path=path, handler=handler, is_public=True)
