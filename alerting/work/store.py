"""Work orders in PostgreSQL: taken, moved, cancelled, each with its watches and contexts.  A shell.

Every function works in the transaction of the connection that it is given.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from psycopg import Connection

from alerting.audit import store as audit
from alerting.audit.chain import Line
from alerting.exchange.regimes import id_of
from alerting.ledger.store import keep
from alerting.loading.store import Wanted, load, revisions
from alerting.notices import Push, Wording
from alerting.outbox import store as outbox
from alerting.people.roster import Roster
from alerting.plans import Book
from alerting.policy import DEFAULT
from alerting.store import lock_zones, now
from alerting.topology import Topology
from alerting.turn import Turn
from alerting.windows import unticked
from alerting.work import pages, watch
from alerting.work.kept import Became, Listed, Taken
from alerting.work.orders import Order
from lifeline import wire
from lifeline.model import Text

LOCK = 0x11FE_2019
"""One order at a time: two who move the same one must see each other."""
REMIND_MS = 4 * 3_600_000
"""How often a desk is told of one watch whose checks are missing."""

_FIELDS = tuple(Order.__struct_fields__)
_SELECT = (
    "select o.id, o.kind, o.state, o.lifeline, o.hazard, o.zones, o.assets, o.from_ms, o.until_ms,"
    " o.watch_h, o.contractor, o.contact, o.note, o.checks, o.revision, o.taken_by, o.taken_ms"
    " from work_order o"
)
_ONE = _SELECT + " where o.id = %s"
_LISTED = (
    _SELECT  # noqa: S608 (constants alone)
    + " where o.until_ms + o.watch_h * 3600000 >= %(since)s or exists (select 1 from alarm_window w"
    + " where w.work = o.id and w.ended_ms is null) order by o.from_ms desc, o.id limit %(limit)s"
)


def take(
    connection: Connection,
    wording: Wording,
    topology: Topology,
    order: Order,
    *,
    actor: str,
    channel: str = "command",
) -> Taken:
    """Takes an order in, new or changed, with everything that follows from it.

    The same again does nothing.  Raises Contended when the router was changing the same rows.
    """
    connection.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
    row = connection.execute(_ONE, (order.id,)).fetchone()
    known: dict[str, str] = dict(
        connection.execute(
            "select zone, window_id from work_zone where work = %s", (order.id,)
        ).fetchall()
    )
    if row is not None and _order(row) == order:
        return Taken(order.id, "same", row[-3], known)
    places = watch.connected(topology, order)
    now_ms = lock_zones(connection, {*places, *known})
    if row is None and (order.watch_until_ms <= now_ms or order.state == "cancelled"):
        return Taken(order.id, "over", 0)
    revision = 1 if row is None else row[-3] + 1
    _keep(connection, order, revision, actor, now_ms)
    policy = wording.policy
    wanted = Wanted(windows=list(known.values()), zones=sorted({*places, *known}))
    slice_ = load(connection, wanted, policy)
    turn, before = Turn(slice_, now_ms, policy), revisions(slice_)
    windows = watch.settle(turn, order, places, known, actor, revision, channel)
    keep(connection, wording, slice_, before, turn.effects)
    connection.execute("delete from work_zone where work = %s", (order.id,))
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into work_zone (work, zone, window_id) values (%s, %s, %s)",
            [(order.id, zone, name) for zone, name in windows.items()],
        )
        for context in watch.contexts(order, places, known, now_ms, revision):
            cursor.execute(
                "insert into context_change (id, partner, warning, zone, body)"
                " values (%s, 'work', %s, %s, %s) on conflict (id) do nothing",
                (id_of(context), order.id, context.zone, wire.encode_context(context)),
            )
    became: Became = "cancelled" if order.state == "cancelled" else "moved" if row else "taken"
    line = Line(
        subject=f"work {order.id}",
        at_ms=now_ms,
        actor=actor,
        action=f"work-{became}",
        note=order.note,
        channel=channel,
        revision=revision,
        detail=msgspec.json.encode(order).decode(),
    )
    audit.append(connection, [line])
    return Taken(order.id, became, revision, windows)


def _order(row: Sequence[Any]) -> Order:
    values = dict(zip(_FIELDS, row[: len(_FIELDS)], strict=True))
    return msgspec.convert(values, Order)


def _keep(connection: Connection, order: Order, revision: int, actor: str, now_ms: int) -> None:
    connection.execute(
        "insert into work_order (id, kind, state, lifeline, hazard, zones, assets, from_ms,"
        " until_ms, watch_h, contractor, contact, note, checks, revision, taken_by, taken_ms)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " on conflict (id) do update set kind = excluded.kind, state = excluded.state,"
        " lifeline = excluded.lifeline, hazard = excluded.hazard, zones = excluded.zones,"
        " assets = excluded.assets, from_ms = excluded.from_ms, until_ms = excluded.until_ms,"
        " watch_h = excluded.watch_h, contractor = excluded.contractor, contact = excluded.contact,"
        " note = excluded.note, checks = excluded.checks, revision = excluded.revision,"
        " taken_by = excluded.taken_by, taken_ms = excluded.taken_ms",
        (
            *(list(v) if isinstance(v, tuple) else v for v in msgspec.structs.astuple(order)),
            revision, actor, now_ms,
        ),
    )  # fmt: skip


def find(connection: Connection, name: str) -> Order | None:
    """One order as it is kept."""
    row = connection.execute(_ONE, (name,)).fetchone()
    return None if row is None else _order(row)


def listed(connection: Connection, limit: int = 200, days: float = 7.0) -> list[Listed]:
    """Orders whose watch is to come, runs, lacks checks, or ended in these days; latest first."""
    since = now(connection) - round(days * 86_400_000)
    rows = connection.execute(_LISTED, {"since": since, "limit": limit}).fetchall()
    zones = sorted({zone for row in rows for zone in row[_FIELDS.index("zones")]})
    names = [row[0] for row in rows]
    windows = connection.execute(
        "select work, window_id from work_zone where work = any(%s)", (names,)
    ).fetchall()
    wanted = Wanted(windows=[name for _, name in windows], zones=zones)
    slice_ = load(connection, wanted, DEFAULT)
    return [
        Listed(
            order=_order(row),
            revision=row[-3],
            taken_by=row[-2],
            taken_ms=row[-1],
            windows=tuple(
                slice_.windows[n] for work, n in windows if work == row[0] and n in slice_.windows
            ),
        )
        for row in rows
    ]


def remind(
    connection: Connection, wording: Wording, roster: Roster, book: Book, url: str
) -> list[Push]:
    """Pages the desks whose watches are over time with checks missing, in working hours."""
    now_ms = now(connection)
    if not roster.is_working(now_ms):
        return []
    names = connection.execute(
        "select w.id from alarm_window w left join watch_reminder r on r.window_id = w.id"
        " where w.kind = 'work-watch' and w.ended_ms is null and w.until_ms < %(now)s"
        " and coalesce(r.reminded_ms, 0) < %(now)s - %(gap)s for update of w skip locked",
        {"now": now_ms, "gap": REMIND_MS},
    ).fetchall()
    slice_ = load(connection, Wanted(windows=[name for (name,) in names]), DEFAULT)
    pushes: list[Push] = []
    for (name,) in names:
        window = slice_.windows[name]
        title = _title(wording, window.zone)
        checks = [_said(book, check) for check in unticked(window)]
        lifeline = wording.catalog.lifeline_of(window.zone) if wording.catalog else ""
        desk = roster.desk_of(lifeline, window.zone)
        pushes += pages.pages(roster, desk, window, title, checks, url, now_ms)
        connection.execute(
            "insert into watch_reminder values (%s, %s) on conflict (window_id)"
            " do update set reminded_ms = excluded.reminded_ms",
            (name, now_ms),
        )
    with connection.cursor() as cursor:
        outbox.put(cursor, pushes, {})
    return pushes


def _title(wording: Wording, zone: str) -> Text:
    known = wording.catalog.head.zone_titles if wording.catalog else {}
    return known.get(zone, Text(zone, zone))


def _said(book: Book, check: str) -> Text:
    """The words of a check, from whatever plan has it."""
    said = (c.said for plan in book.plans.values() for c in plan.check if c.id == check)
    return next(said, Text(check, check))
