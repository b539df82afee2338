"""Windows and proposals for programs: open, tick, end; confirm as the second person.  Pure."""

import hashlib
from typing import Annotated

import msgspec
from msgspec import Meta

from alerting.board.rows import Wait
from alerting.console.documents import MAY_MATCH, Door, parameter
from alerting.console.doors import acting
from alerting.console.doors.acting import Confirmed, NoteBody, Said
from alerting.console.records import Records
from alerting.console.sessions import ACTORS
from alerting.console.visit import Answer, Problem, Visit, as_json
from alerting.windows import Check, Opened, Window
from alerting.work.orders import checks_of
from lifeline import words

ENDED_MS = 24 * 3600_000
"""How long a window that has ended is listed."""
LIST_MAX = 50
MINUTES_MAX = 7 * 24 * 60

Named = Annotated[str, Meta(min_length=1, max_length=128)]


class OpenBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A window to be opened, from now on or from ``from_ms``."""

    kind: Opened
    zone: Named
    reason: Said
    minutes: Annotated[int, Meta(ge=1, le=MINUTES_MAX)]
    from_ms: Annotated[int, Meta(ge=0, lt=2**53)] | None = None
    assets: Annotated[tuple[Named, ...], Meta(max_length=LIST_MAX)] = ()
    """Empty: all of the zone."""
    rules: Annotated[tuple[Named, ...], Meta(max_length=LIST_MAX)] = ()
    work: Annotated[str, Meta(max_length=128)] = ""
    """The work order."""
    checks: Annotated[tuple[Named, ...], Meta(max_length=LIST_MAX)] = ()
    """Of a work-watch: what must be ticked beside what the plans say."""


class CheckBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What has been done."""

    check: Named
    note: Said = ""


class WindowList(msgspec.Struct, frozen=True):
    """The windows that run, and those that ended within a day."""

    now_ms: int
    windows: tuple[Window, ...]


class WindowOpened(msgspec.Struct, frozen=True):
    """What became of it; ``window`` is missing while a second person must confirm."""

    code: str
    said: str
    window: Window | None
    proposal: str | None = None


class ProposalList(msgspec.Struct, frozen=True):
    """What waits for a second person."""

    now_ms: int
    proposals: tuple[Wait, ...]


def listed(records: Records, visit: Visit) -> Answer:
    """GET /api/v1/windows."""
    now_ms = visit.pulse.now_ms
    return as_json(WindowList(now_ms, tuple(records.board.windows(now_ms - ENDED_MS))))


def opening(visit: Visit, body: OpenBody) -> Window:
    """The window that is asked for; raises Problem 422 where its zone is unknown."""
    assert visit.session is not None
    now_ms, author = visit.pulse.now_ms, visit.session.name
    zones = dict(visit.site.catalog.head.zones)
    if body.zone not in zones:
        raise Problem(422, detail=f"zone: {body.zone} is unknown")
    from_ms = now_ms if body.from_ms is None else body.from_ms
    told = f"{body.kind}\n{body.zone}\n{author}\n{now_ms}\n{body.reason}"
    return Window(
        id=hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest(),
        kind=body.kind,
        author=author,
        reason=body.reason.strip(),
        zone=body.zone,
        assets=body.assets,
        rules=body.rules,
        from_ms=from_ms,
        until_ms=from_ms + body.minutes * 60_000,
        work=body.work,
        checks=tuple(Check(name) for name in _checks(visit, body, zones[body.zone])),
    )


def _checks(visit: Visit, body: OpenBody, lifeline: str) -> tuple[str, ...]:
    if body.kind != "work-watch":
        return ()
    if visit.site.book is None:
        return tuple(dict.fromkeys(body.checks))
    return checks_of(visit.site.book, lifeline, body.checks)


def open_window(records: Records, visit: Visit) -> Answer:
    """POST /api/v1/windows."""
    body = acting.read(visit, OpenBody)
    window = opening(visit, body)
    given = acting.act_of(visit, NoteBody(body.reason), action="open-window", opening=window)
    outcome = acting.perform(records, visit, given)
    opened = records.board.window(window.id)
    said = acting.confirmed(visit, outcome)
    made = WindowOpened(
        outcome.code, words.reason(outcome.code, visit.language), opened, outcome.proposal or None
    )
    return as_json(made, said.status, etag="" if opened is None else f'"{opened.revision}"')


def _known(records: Records, visit: Visit) -> Window:
    window = records.board.window(visit.call.params["id"][:128])
    if window is None:
        why = words.refusal("unknown-window", visit.language)
        raise Problem(404, "problem.gone", why=why)
    acting.matching(visit, window.revision)
    return window


def check(records: Records, visit: Visit) -> Answer:
    """POST /api/v1/windows/{id}/check."""
    body = acting.read(visit, CheckBody)
    window = _known(records, visit)
    given = acting.act_of(visit, body, action="check", window=window.id)
    outcome = acting.perform(records, visit, given)
    return acting.confirmed(visit, outcome, window.revision + 1)


def end(records: Records, visit: Visit) -> Answer:
    """POST /api/v1/windows/{id}/end."""
    body = acting.read(visit, NoteBody)
    window = _known(records, visit)
    given = acting.act_of(visit, body, action="end-window", window=window.id)
    outcome = acting.perform(records, visit, given)
    return acting.confirmed(visit, outcome, window.revision + 1)


def proposals(records: Records, visit: Visit) -> Answer:
    """GET /api/v1/proposals."""
    return as_json(ProposalList(visit.pulse.now_ms, tuple(records.board.proposals())))


def approve(records: Records, visit: Visit) -> Answer:
    """POST /api/v1/proposals/{id}/approve: by another person than who asked."""
    body = acting.read(visit, NoteBody)
    given = acting.act_of(visit, body, action="approve", proposal=visit.call.params["id"][:128])
    return acting.confirmed(visit, acting.perform(records, visit, given))


WINDOW = parameter("path", "id", "The window's id.", required=True, minLength=1, maxLength=128)
PROPOSAL = parameter("path", "id", "The proposal's id.", required=True, minLength=1, maxLength=128)
DOORS: tuple[Door, ...] = (
    Door(method="GET", path="/windows", name="windows", handler=listed, shown=WindowList,
         summary="Windows of maintenance, calibration, common causes, and watches after work."),
    Door(method="POST", path="/windows", name="open-window", handler=acting.once(open_window),
         roles=ACTORS, shown=WindowOpened, body=OpenBody, more=WindowOpened,
         summary="Open a window."),
    Door(method="POST", path="/windows/{id}/check", name="check", handler=acting.once(check),
         roles=ACTORS, shown=Confirmed, body=CheckBody, parameters=(WINDOW, MAY_MATCH),
         summary="Tick a mandatory check of a watch after work."),
    Door(method="POST", path="/windows/{id}/end", name="end-window", handler=acting.once(end),
         roles=ACTORS, shown=Confirmed, body=NoteBody, parameters=(WINDOW, MAY_MATCH),
         summary="End a window; a watch only when all its checks are ticked."),
    Door(method="GET", path="/proposals", name="proposals", handler=proposals,
         shown=ProposalList, summary="What waits for a second person."),
    Door(method="POST", path="/proposals/{id}/approve", name="approve",
         handler=acting.once(approve), roles=ACTORS, shown=Confirmed, body=NoteBody,
         parameters=(PROPOSAL,), summary="Confirm, as the second person, what another asked for."),
)  # fmt: skip
