"""The page of work orders: what is announced, the watch after it, its checks.  Pure."""

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from alerting.console import boards, rules, views
from alerting.console.gate import page
from alerting.console.records import Records
from alerting.console.sessions import ACTORS
from alerting.console.visit import Answer, Problem, Visit, redirect
from alerting.people import times
from alerting.plans import Book
from alerting.windows import Window, runs, unticked
from alerting.work import orders
from alerting.work.kept import Listed
from alerting.work.orders import DAYS_MAX, Order, Written
from lifeline.words import joined

HOURS = 24
HOURS_MAX = 336


def order_list(records: Records, visit: Visit) -> Answer:
    """GET /work: orders with their watches, and the form that enters one."""
    assert visit.session is not None
    zones = boards.zones_of(visit)
    return page(
        visit,
        "work.html",
        orders=[_line(visit, one, dict(zones)) for one in records.city.work()],
        kinds=[(kind, visit.say(f"work.kind.{kind}")) for kind in boards.KINDS],
        zones=zones,
        hours=HOURS,
        hours_max=HOURS_MAX,
        has_plans=visit.site.book is not None,
        may_act=visit.session.role in ACTORS,
    )


def _line(visit: Visit, one: Listed, zones: Mapping[str, str]) -> Mapping[str, Any]:
    order, zone, say = one.order, visit.site.zone, visit.say
    places = [zones.get(name, name) for name in order.zones]
    assets = [views.asset_title(visit.site.catalog, name, visit.language) for name in order.assets]
    span = say(
        "windows.span",
        start=times.day_hour(order.from_ms, zone),
        end=times.day_hour(order.until_ms, zone),
    )
    facts = [
        (say("work.span"), span),
        (say("work.places"), joined([*places, *assets], visit.language)),
        (say("work.contractor"), " · ".join(t for t in (order.contractor, order.contact) if t)),
        (say("work.watch"), say("work.watch.until", at=times.day_hour(order.watch_until_ms, zone))),
        (say("work.taken"), f"{one.taken_by} · {times.day_hour(one.taken_ms, zone)}"),
    ]
    now_ms = visit.pulse.now_ms
    return {
        "id": order.id,
        "kind": say(f"work.kind.{order.kind}"),
        "state": _state(visit, order, one.windows),
        "is_late": any(
            unticked(w) and w.until_ms <= now_ms for w in one.windows if w.ended_ms is None
        ),
        "facts": facts,
        "note": order.note,
        "can_cancel": order.state == "planned" and order.until_ms > now_ms,
        "watches": [boards.window(visit, w, zones) for w in one.windows],
    }


def _state(visit: Visit, order: Order, windows: Sequence[Window]) -> str:
    """What a person calls the order now."""
    now_ms = visit.pulse.now_ms
    if any(runs(one, now_ms) for one in windows):
        return visit.say("work.state.watched")
    if order.state == "cancelled":
        return visit.say("work.state.cancelled")
    if now_ms < order.from_ms:
        return visit.say("work.state.planned")
    is_over = now_ms >= order.until_ms
    return visit.say("work.state.over") if is_over else visit.say("work.state.running")


def take(records: Records, visit: Visit) -> Answer:
    """POST /work: a new order, or one that is known and has moved."""
    assert visit.session is not None
    book = visit.site.book
    if book is None:
        raise Problem(409, "problem.409.refused", why=visit.say("work.no-plans"))
    order = _written(visit, book)
    records.city.order(order, visit.session.name, "console")
    return redirect("/work")


def _written(visit: Visit, book: Book) -> Order:
    """The order of the form, with the checks of the plan; raises Problem."""
    form = visit.call.form
    zone = ZoneInfo(visit.site.settings.console.timezone)
    begins, ends = (rules.time_of(form.get(field, ""), zone) for field in ("begins", "ends"))
    if begins is None or ends is None:
        raise Problem(400, "problem.time")
    if not 0 < ends - begins <= DAYS_MAX * 86_400_000:
        raise Problem(422, "problem.span", days=DAYS_MAX)
    assets = form.get("assets", "").replace("，", ",").split(",")
    named = [name for one in assets if (name := one.strip())]
    place = form.get("zone", "").strip()
    if not (place or named):
        raise Problem(422, "problem.place")
    strange = [name for name in named if visit.site.topology.asset(name) is None]
    if strange:
        names = joined([name[:128] for name in strange], visit.language)
        raise Problem(422, "problem.asset", names=names)
    fields = {name: form.get(name, "").strip() for name in Written.__struct_fields__}
    given = {
        **{name: value for name, value in fields.items() if value},
        "assets": named,
        "zones": [place] if place else [],
        "checks": [],
        "state": "planned",
    }
    try:
        written = msgspec.convert(given, Written, strict=False)
    except msgspec.ValidationError as error:
        raise Problem(422, detail=str(error)) from error
    order = orders.understood(written, visit.site.topology, book, zone)
    if not isinstance(order, Order):
        raise Problem(422, detail="; ".join(order))
    return order


def cancel(records: Records, visit: Visit) -> Answer:
    """POST /work/cancel: a watch that runs already goes on until its checks are ticked."""
    assert visit.session is not None
    known = records.city.work_order(visit.call.form.get("order", "")[:96])
    if known is None:
        raise Problem(404)
    ended = msgspec.structs.replace(known, state="cancelled")
    records.city.order(ended, visit.session.name, "console")
    return redirect("/work")
