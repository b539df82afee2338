"""The first page: everything that needs somebody, by band and risk, with its flood.  Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from alerting.actions import Act
from alerting.board.rows import Queued, Sift
from alerting.console import following, pages, views
from alerting.console.gate import page
from alerting.console.records import Records
from alerting.console.sessions import ACTORS
from alerting.console.visit import Answer, Problem, Visit, redirect
from alerting.flood import Raised, View
from alerting.people import times
from lifeline.model import CANARY

LISTED_MAX = 200
CLOSED_MS = 8 * 3_600_000
"""How long a closed incident stays on the first page: a shift."""
CLOSED_MAX = 20
DEVICES = "devices"
"""The filter that shows what is wrong with sensors and data; elsewhere they stand last."""
TEXT_MAX = 64
PICK, SEEN = "pick-", "seen-"
"""Fields of the form that takes several in hand: incidents' names, with revisions as values."""
GROUPS_MAX = 10


@dataclass(slots=True, frozen=True)
class FloodLine:
    """One line under the banner of a flood."""

    words: str
    href: str
    level: int


@dataclass(slots=True, frozen=True)
class FloodView:
    """A desk's flood as its banner shows it."""

    title: str
    highest: FloodLine | None
    top: str
    lane: Sequence[FloodLine]
    groups_title: str
    groups: Sequence[FloodLine]


def marks(visit: Visit) -> dict[str, str]:
    """The filters of this page that hold, as they stand in its address."""
    query, catalog = visit.call.query, visit.site.catalog
    kept: dict[str, str] = {}
    show = query.get("show", "")
    if show == DEVICES or show in {one.name for one in catalog.head.lifelines}:
        kept["show"] = show
    grade = query.get("grade", "")
    if grade in {str(one.level) for one in visit.site.grades.rows}:
        kept["grade"] = grade
    roster = visit.site.roster
    desk = query.get("desk", "")
    if roster is not None and desk in roster.desks:
        kept["desk"] = desk
    if query.get("review", "") == "1":
        kept["review"] = "1"
    text = query.get("text", "").strip()[:TEXT_MAX]
    if text:
        kept["text"] = text
    return kept


def address(kept: Mapping[str, str], path: str = "/") -> str:
    """A page with these filters."""
    return f"{path}?{urlencode(kept, quote_via=quote)}" if kept else path


def _sift(visit: Visit, kept: Mapping[str, str]) -> Sift:
    show = kept.get("show", "")
    grades: tuple[int, ...] = (int(kept["grade"]),) if "grade" in kept else ()
    if show == DEVICES:
        grades = (visit.site.grades.device,)
    roster = visit.site.roster
    zones = None
    if "desk" in kept and roster is not None:
        zones = following.zones_of(roster, visit, kept["desk"])
    return Sift(
        lifeline="" if show == DEVICES else show,
        grades=grades,
        zones=zones,
        review=True if "review" in kept else None,
        text=kept.get("text", ""),
        limit=LISTED_MAX,
    )


def queue(records: Records, visit: Visit) -> Answer:
    """GET /: refreshes itself; its filters stand in the address and survive going back."""
    assert visit.session is not None
    kept = marks(visit)
    sift = _sift(visit, kept)
    rows = records.board.queue(sift)
    closed = records.board.queue(_ended(sift, visit.pulse.now_ms - CLOSED_MS))
    broken_ms = records.last_break_glass()
    shown = views.bands(visit, (*rows, *closed))
    is_whole = not kept
    return page(
        visit,
        "queue.html",
        refresh=address({**kept, "auto": "1"}),
        bands=shown,
        marks=kept,
        filters=_filters(visit, kept),
        desks=_desks(visit),
        grades=visit.site.grades.rows,
        waiting=len(shown[0].cards),
        is_calm=is_whole and not rows,
        did=_told(visit),
        floods=[_flood(visit, name, view) for name, view in visit.site.floods.items()
                if view.is_flood],
        seal_broken=times.moment(broken_ms, visit.site.zone) if broken_ms else "",
        n_max=LISTED_MAX if len(rows) == LISTED_MAX else 0,
        may_act=visit.session.role in ACTORS,
        pick=PICK,
        seen=SEEN,
    )  # fmt: skip


def _ended(sift: Sift, since_ms: int) -> Sift:
    return Sift(
        phases=("closed", "archived"),
        lifeline=sift.lifeline,
        grades=sift.grades,
        zones=sift.zones,
        review=sift.review,
        text=sift.text,
        closed_since_ms=since_ms,
        limit=CLOSED_MAX,
    )


def _told(visit: Visit) -> str:
    """What an acknowledgement of several came to."""
    counts = [visit.call.query.get(name, "") for name in ("did", "not")]
    done, refused = (int(c) if c.isascii() and c.isdigit() and len(c) < 4 else 0 for c in counts)
    told = visit.say("queue.did", n=done) if done else ""
    return f"{told} {visit.say('queue.not-did', n=refused)}".strip() if refused else told


def _desks(visit: Visit) -> list[tuple[str, str]]:
    roster = visit.site.roster
    if roster is None:
        return []
    return [(name, views.title(one.title, name, visit.language)) for name, one in
            roster.desks.items()]  # fmt: skip


def _filters(visit: Visit, kept: Mapping[str, str]) -> list[Mapping[str, object]]:
    named = [("", visit.say("filter.all"))]
    named += [
        (one.name, views.lifeline_title(visit.site.catalog, one.name, visit.language))
        for one in visit.site.catalog.head.lifelines
        if one.name != CANARY
    ]
    named.append((DEVICES, visit.say("filter.devices")))
    rest = {key: value for key, value in kept.items() if key != "show"}
    return [
        {
            "href": address({"show": name, **rest} if name else rest),
            "title": shown,
            "is_here": name == kept.get("show", ""),
        }
        for name, shown in named
    ]


def _flood(visit: Visit, desk: str, view: View) -> FloodView:
    roster = visit.site.roster
    known = None if roster is None else roster.desks.get(desk)
    name = views.lifeline_title(visit.site.catalog, desk, visit.language)
    if known is not None:
        name = views.title(known.title, desk, visit.language)

    def line(one: Raised) -> FloodLine:
        place = views.asset_title(visit.site.catalog, one.asset, visit.language)
        risk = visit.say("queue.risk", n=f"{one.risk:g}")
        return FloodLine(f"{place} · {risk}", f"/incidents/{one.incident}", one.grade)

    groups = [
        FloodLine(
            visit.say(
                "flood.group",
                place=views.asset_title(visit.site.catalog, one.first_out.asset, visit.language),
                n=len(one.standing),
                m=one.incidents,
                at=times.second(one.first_out.onset_ms, visit.site.zone),
            ),
            f"/incidents/{one.worst.incident}",
            one.worst.grade,
        )
        for one in view.groups[:GROUPS_MAX]
    ]
    return FloodView(
        title=visit.say("flood.title", desk=name),
        highest=None if view.highest is None else line(view.highest),
        top=visit.say("flood.top", n=len(view.top)),
        lane=[line(one) for one in view.top],
        groups_title=visit.say("flood.groups", n=len(groups)),
        groups=groups,
    )


def acknowledge_many(records: Records, visit: Visit) -> Answer:
    """POST /acknowledge: the chosen ones, or all that were shown, with one comment."""
    assert visit.session is not None
    form = visit.call.form
    prefix = SEEN if form.get("all", "") == "1" else PICK
    chosen = {
        key.removeprefix(prefix): value for key, value in form.items() if key.startswith(prefix)
    }
    if not chosen:
        raise Problem(400, "queue.none-chosen")
    if not all(v.isascii() and v.isdigit() and len(v) < 10 for v in chosen.values()):
        raise Problem(400)
    note = pages.checked_note("acknowledge", form.get("note", ""))
    acts = [
        Act(
            incident=name[:128],
            action="acknowledge",
            actor=visit.session.name,
            note=note,
            seat=visit.seat,
            expected_revision=int(revision),
        )
        for name, revision in chosen.items()
    ]
    outcomes = records.board.act(acts, visit.pulse.now_ms)
    done = sum(one.is_done for one in outcomes)
    kept = {**back(visit), "did": str(done), "not": str(len(outcomes) - done)}
    return redirect(address(kept))


def back(visit: Visit) -> dict[str, str]:
    """The filters of the page that a form was on; its hidden fields carry them."""
    names = ("show", "grade", "desk", "review", "text")
    form = visit.call.form
    return {n: form[f"back-{n}"][:TEXT_MAX] for n in names if form.get(f"back-{n}", "")}


def others(rows: Sequence[Queued], visit: Visit, incident: str) -> list[tuple[str, str]]:
    """The incidents that could go on in this one: name and headline."""
    return [
        (one.summary.id, views.headline(visit.site, one.summary, visit.language))
        for one in rows
        if one.summary.id != incident
    ]
