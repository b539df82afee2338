"""The pages: what each shows, and where each form leads.  Pure; SQL is in the stores."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

import msgspec

from alerting.console import details, evidence, sessions, views
from alerting.console.gate import Handler, Route, page
from alerting.console.records import Records
from alerting.console.sessions import ACTORS
from alerting.console.visit import Answer, Call, Problem, Site, Visit, redirect
from alerting.console.words import age
from alerting.desk.rows import Detail, Outcome
from alerting.engine import Action
from lifeline import words
from lifeline.model import CANARY

LISTED_MAX = 200
CLOSED_MS = 8 * 3_600_000
"""How long a closed incident stays on the first page: a shift."""
CLOSED_MAX = 20
NOTE_MAX = 2000
SPANS_S = (900, 3600, 86_400)
NOW = "now"
NOW_MS = 3_600_000
"""The window that ends now, however old the incident is: whether it is over is judged there."""
DEVICES = "devices"
"""The filter that shows what is wrong with sensors and data; elsewhere they stand last."""


def incidents(records: Records, visit: Visit) -> Answer:
    """GET /: everything that needs somebody, by phase; refreshes itself."""
    chosen = visit.call.query.get("show", "")
    known = {one.name for one in visit.site.catalog.head.lifelines}
    lifeline = chosen if chosen in known else ""
    rows = records.incidents(views.BANDS[:3], lifeline, LISTED_MAX)
    since_ms = visit.pulse.now_ms - CLOSED_MS
    closed = records.incidents(views.BANDS[3:], lifeline, CLOSED_MAX, since_ms)
    shown = [one for one in (*rows, *closed) if chosen != DEVICES or views.is_device(one)]
    marks = {"show": chosen} if chosen in known or chosen == DEVICES else {}
    broken_ms = records.last_break_glass()
    waiting = sum(one.phase == "open" for one in shown)
    return page(
        visit,
        "incidents.html",
        refresh="/?" + urlencode({**marks, "auto": "1"}),
        bands=views.bands(visit, shown),
        filters=_filters(visit, chosen if marks else ""),
        waiting=waiting,
        is_calm=not rows,
        seal_broken=evidence.moment(broken_ms, visit.site.zone) if broken_ms else "",
        n_max=LISTED_MAX if len(rows) == LISTED_MAX else 0,
    )


def _filters(visit: Visit, chosen: str) -> list[Mapping[str, object]]:
    named = [("", visit.say("filter.all"))]
    named += [
        (one.name, views.lifeline_title(visit.site.catalog, one.name, visit.language))
        for one in visit.site.catalog.head.lifelines
        if one.name != CANARY
    ]
    named.append((DEVICES, visit.say("filter.devices")))
    return [
        {
            "href": f"/?{urlencode({'show': name})}" if name else "/",
            "title": shown,
            "is_here": name == chosen,
        }
        for name, shown in named
    ]


def incident(records: Records, visit: Visit) -> Answer:
    """GET /incidents/{id}: one incident with its evidence, notices, history and forms."""
    row = load(records, visit)
    one = row.summary
    from_ms, until_ms, made = evidence_of(records, visit, row)
    assert visit.session is not None
    here = NOW if visit.call.query.get("window") == NOW else (until_ms - from_ms) // 1000
    return page(
        visit,
        "incident.html",
        incident=details.detail(visit, row),
        pictures=details.pictures(visit, made),
        windows=[
            {
                "href": f"/incidents/{one.id}?window={choice}",
                "title": visit.say(f"detail.window.{choice}"),
                "is_here": choice == here,
            }
            for choice in (*SPANS_S, NOW)
        ],
        may_act=visit.session.role in ACTORS,
    )


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


def act(action: Action) -> Handler:
    """The handler of a form: does it once, on the revision seen, and shows the incident again."""

    def handler(records: Records, visit: Visit) -> Answer:
        row = load(records, visit)
        note = checked_note(action, visit.call.form.get("note", ""))
        revision = visit.call.form.get("revision", "")
        if not (revision.isascii() and revision.isdigit() and len(revision) < 10):
            raise Problem(400)
        # A note is welcome whatever has happened meanwhile; a decision holds for what was seen.
        expected = None if action == "note" else int(revision)
        is_override = visit.call.form.get("override", "") == "yes"
        outcome = perform(
            records, visit, row.summary.id, action, note, expected, is_override=is_override
        )
        if not outcome.is_done:
            raise refusal(visit, outcome, note)
        return redirect(f"/incidents/{row.summary.id}")

    return handler


def checked_note(action: Action, given: str) -> str:
    """The note with line ends as people meant them; raises Problem if missing or too long."""
    note = given.replace("\r\n", "\n").strip()
    if len(note) > NOTE_MAX:
        raise Problem(400, "problem.note-long", note[:NOTE_MAX])
    if action == "note" and not note:
        raise Problem(400, "problem.note-empty")
    if action == "close" and not note:
        raise Problem(400, "problem.note-missing")
    return note


def perform(
    records: Records,
    visit: Visit,
    incident_id: str,
    action: Action,
    note: str,
    expected: int | None,
    *,
    is_override: bool,
) -> Outcome:
    """Carries an action out in this transaction, with its audit row.

    ``is_override``: close although an alarm still stands; the audit says so.
    """
    assert visit.session is not None
    actor, now_ms = visit.session.name, visit.pulse.now_ms
    return records.act(incident_id, action, actor, now_ms, note, expected, is_override=is_override)


def refusal(visit: Visit, outcome: Outcome, note: str = "") -> Problem:
    """Why an action was not carried out, as a problem that says who was faster."""
    if outcome.code == "unknown":
        return Problem(404)
    if outcome.code == "needs-note":
        return Problem(400, "problem.note-missing")
    if outcome.code in ("faster", "already-acknowledged", "already-closed") and outcome.actor:
        if views.is_person(outcome.actor):
            at = evidence.clock(outcome.at_ms, visit.site.zone)
            return Problem(409, "problem.409.faster", note, name=outcome.actor, at=at)
        return Problem(409, "problem.409.changed", note)
    if outcome.code == "faster":
        return Problem(409, "problem.409.changed", note)
    return Problem(
        409, "problem.409.refused", note, why=words.refusal(outcome.code, visit.language)
    )


def account(_: Records, visit: Visit) -> Answer:
    """GET /account: who one is, what one may, and the way out."""
    assert visit.session is not None
    return page(
        visit,
        "account.html",
        since=evidence.moment(visit.session.created_ms, visit.site.zone),
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
