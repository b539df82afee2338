"""People in PostgreSQL: links, who has taken what, test pages, hand-overs.  A shell.

Every function works in the transaction of the connection that it is given, and by PostgreSQL's
clock.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from psycopg import Connection

from alerting.incidents import Incident
from alerting.notices import Push
from alerting.outbox import store as outbox
from alerting.people import links
from alerting.people.links import Link, LinkView
from alerting.people.paging import Paging
from alerting.people.responders import Responder
from alerting.people.rota import Person
from alerting.slices import Page

NIGHTLY = "nightly"
TEST = "test-page"
"""Kind of the deadline at which the nightly test page is due."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """One test page and how far it came."""

    run: str
    person: str
    target: str
    sent_ms: int
    delivered_ms: int | None
    code: str
    """The vendor's last word."""
    seen_ms: int | None
    is_late: bool
    """Not confirmed by the time that was given."""


# Pages of incidents.


def pages(
    connection: Connection,
    paging: Paging,
    wanted: Sequence[tuple[Page, Incident]],
    link_s: float,
) -> list[Push]:
    """The pushes of pages, their links kept; to be put into the outbox in this transaction."""
    if not wanted:
        return []
    own = stopped(connection, [incident.id for _, incident in wanted])
    pushes = [
        push
        for page, incident in wanted
        for push in paging.pages(page, incident, own.get(incident.id, frozenset()))
    ]
    issue(connection, paging, pushes, link_s)
    return pushes


def issue(
    connection: Connection, paging: Paging, pushes: Iterable[Push], link_s: float, run: str = ""
) -> None:
    """Keeps what the links of these pages stand for; those that a group reads have none."""
    rows = [
        (
            links.digest_of(links.token_of(paging.secret, push.key)),
            push.incident or None,
            run,
            push.person,
            push.target,
            push.key,
            link_s,
        )
        for push in pushes
        if paging.is_own(push.target, push.address)
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into link (token, incident, run, person, target, key, expires_at)"
                " values (%s, %s, %s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s))"
                " on conflict do nothing",
                rows,
            )


_LINK = (
    "select coalesce(incident, ''), run, person, target, key,"
    " (extract(epoch from expires_at) * 1000)::int8, (extract(epoch from used_at) * 1000)::int8,"
    " (extract(epoch from supported_at) * 1000)::int8,"
    " (extract(epoch from clock_timestamp()) * 1000)::int8 from link where token = %s"
)
_SPEND = (
    "update link set used_at = clock_timestamp() where token = %s and used_at is null"
    " and expires_at > clock_timestamp()"
)


_SUPPORT = (
    "update link set supported_at = clock_timestamp() where token = %s and supported_at is null"
    " and incident is not null and expires_at > clock_timestamp()"
)


def look(connection: Connection, token: str) -> LinkView:
    """What a link shows.  Nothing is changed by it: mail filters look at every link."""
    row = connection.execute(_LINK, (links.digest_of(token),)).fetchone()
    if row is None:
        return links.view(None, 0)
    incident, run, person, target, key, expires_ms, used_ms, supported_ms, now_ms = row
    link = Link(
        incident=incident,
        run=run,
        person=person,
        target=target,
        key=key,
        expires_ms=expires_ms,
        used_ms=used_ms,
        supported_ms=supported_ms,
    )
    return links.view(link, now_ms)


def spend(connection: Connection, token: str) -> LinkView:
    """Uses a link up: ``can_act`` for the first who presses, once, and for nobody afterwards.

    Of a test page this is the receipt.  Of an incident's the caller acknowledges in the same
    transaction, as the person of the link; if another one has, ``acknowledge_own``.
    """
    before = look(connection, token)
    digest = links.digest_of(token)
    if not before.can_act or connection.execute(_SPEND, (digest,)).rowcount != 1:
        return look(connection, token)
    if before.run:
        connection.execute(
            "update test_page set seen_at = clock_timestamp()"
            " where key = (select key from link where token = %s) and seen_at is null",
            (digest,),
        )
    else:
        note_seen(connection, before.incident, before.person)
    return before


def ask_support(connection: Connection, token: str) -> LinkView:
    """Asks for support by a link: ``can_call`` for the first who presses, used or not.

    The caller escalates in the same transaction, as the person of the link.
    """
    before = look(connection, token)
    asked = connection.execute(_SUPPORT, (links.digest_of(token),))
    if asked.rowcount != 1:
        return look(connection, token)
    note_seen(connection, before.incident, before.person)
    return before


def sweep(connection: Connection) -> int:
    """Removes links that have expired a month ago; returns how many."""
    gone = connection.execute(
        "delete from link where expires_at < clock_timestamp() - interval '30 days'"
    )
    return gone.rowcount


# Each person's own state.


def stopped(connection: Connection, incidents: Sequence[str]) -> Mapping[str, frozenset[str]]:
    """By incident, who has taken note for himself since it began to wait for a human."""
    found: dict[str, set[str]] = {}
    for incident, person in connection.execute(
        "select r.incident, r.person from responder r join incident i on i.id = r.incident"
        " where r.incident = any(%s) and r.acknowledged_ms >= coalesce(i.unseen_ms, 0)",
        (list(incidents),),
    ).fetchall():
        found.setdefault(incident, set()).add(person)
    return {incident: frozenset(people) for incident, people in found.items()}


def note_seen(connection: Connection, incident: str, person: str) -> None:
    """The person has seen the incident."""
    connection.execute(
        "insert into responder (incident, person, seen_ms)"
        " values (%s, %s, (extract(epoch from clock_timestamp()) * 1000)::int8)"
        " on conflict (incident, person) do update"
        " set seen_ms = coalesce(responder.seen_ms, excluded.seen_ms)",
        (incident, person),
    )


def acknowledge_own(connection: Connection, incident: str, person: str) -> int:
    """Stops a person's own pages of an incident, whoever has acknowledged it; returns how many.

    What is new on it is told to him again.  A page on its way is marked overtaken.
    """
    connection.execute(
        "insert into responder (incident, person, seen_ms, acknowledged_ms)"
        " select %s, %s, n, n from (select (extract(epoch from clock_timestamp()) * 1000)::int8 n)"
        " as now on conflict (incident, person) do update"
        " set seen_ms = coalesce(responder.seen_ms, excluded.seen_ms),"
        " acknowledged_ms = excluded.acknowledged_ms",
        (incident, person),
    )
    ended = connection.execute(
        "update outbox set ended_at = clock_timestamp(), ended_why = 'own', held_until = null,"
        " overtaken_at = case when leased_until > clock_timestamp()"
        " then coalesce(overtaken_at, clock_timestamp()) else overtaken_at end"
        " where incident = %s and person = %s and class = 'page' and delivered_at is null"
        " and dead_at is null and ended_at is null",
        (incident, person),
    )
    return ended.rowcount


def call_in(
    connection: Connection,
    paging: Paging,
    incident: Incident,
    person: Person,
    by: str,
    now_ms: int,
    link_s: float,
) -> list[Push]:
    """Calls somebody to an incident by hand: his pages, put in line here."""
    connection.execute(
        "insert into responder (incident, person, added_by) values (%s, %s, %s)"
        " on conflict (incident, person) do update set added_by = excluded.added_by,"
        " acknowledged_ms = null",
        (incident.id, person.name, by),
    )
    pushes = paging.call(incident, person, now_ms)
    issue(connection, paging, pushes, link_s)
    with connection.cursor() as cursor:
        outbox.put(cursor, pushes, {incident.id: incident.revision})
    return pushes


def responders(connection: Connection, incident: str) -> list[Responder]:
    """Everybody who was paged or called in, and how far that came."""
    rows = connection.execute(
        "select coalesce(r.person, o.person), coalesce(r.added_by, ''), o.told,"
        " coalesce(o.waiting, 0), r.seen_ms, r.acknowledged_ms"
        " from (select * from responder where incident = %(incident)s) r full join"
        " (select person, (extract(epoch from min(delivered_at)) * 1000)::int8 told,"
        " count(*) filter (where delivered_at is null and dead_at is null and ended_at is null)"
        " waiting from outbox where incident = %(incident)s and class = 'page' group by person) o"
        " on o.person = r.person order by 1",
        {"incident": incident},
    ).fetchall()
    return [
        Responder(
            person=person,
            added_by=added_by,
            told_ms=told_ms,
            waiting=waiting,
            seen_ms=seen_ms,
            acknowledged_ms=acknowledged_ms,
        )
        for person, added_by, told_ms, waiting, seen_ms, acknowledged_ms in rows
    ]


# Test pages.


def send_tests(
    connection: Connection,
    paging: Paging,
    persons: Sequence[Person],
    run: str,
    now_ms: int,
    link_s: float,
) -> list[Push]:
    """Puts test pages in line, once a run; the links in them are the receipts."""
    pushes = paging.tests(persons, run, now_ms)
    confirm_s = paging.roster.rota.test.confirm_s
    new: list[Push] = []
    for push in pushes:
        added = connection.execute(
            "insert into test_page (run, person, target, key, confirm_by) values (%s, %s, %s, %s,"
            " clock_timestamp() + make_interval(secs => %s)) on conflict do nothing",
            (run, push.person, push.target, push.key, confirm_s),
        )
        new += [push] * added.rowcount
    issue(connection, paging, new, max(link_s, float(confirm_s)), run)
    with connection.cursor() as cursor:
        outbox.put(cursor, new, {})
    return new


def receipts(connection: Connection, run: str = "") -> list[Receipt]:
    """The pages of a run, without a name of the newest one: those not confirmed first."""
    rows = connection.execute(
        "select t.run, t.person, t.target, (extract(epoch from t.at) * 1000)::int8,"
        " (extract(epoch from o.delivered_at) * 1000)::int8, coalesce(o.last_code, ''),"
        " (extract(epoch from t.seen_at) * 1000)::int8,"
        " t.seen_at is null and t.confirm_by <= clock_timestamp()"
        " from test_page t left join outbox o on o.key = t.key where t.run ="
        " coalesce(nullif(%s, ''), (select run from test_page order by at desc limit 1))"
        " order by t.seen_at is not null, t.person, t.target",
        (run,),
    ).fetchall()
    return [
        Receipt(
            run=name,
            person=person,
            target=target,
            sent_ms=sent_ms,
            delivered_ms=delivered_ms,
            code=code,
            seen_ms=seen_ms,
            is_late=is_late,
        )
        for name, person, target, sent_ms, delivered_ms, code, seen_ms, is_late in rows
    ]


def unconfirmed(connection: Connection) -> list[str]:
    """The people who have confirmed no page of the last nightly test in time, by any way."""
    rows = connection.execute(
        "select person from test_page where run = (select run from test_page where run like %s"
        " order by at desc limit 1) group by person"
        " having bool_and(seen_at is null and confirm_by <= clock_timestamp()) order by 1",
        (f"{NIGHTLY}-%",),
    ).fetchall()
    return [person for (person,) in rows]


def plan_nightly(connection: Connection, due_ms: int) -> None:
    """Makes sure that the next test is due then; one that is due already stays to be claimed."""
    connection.execute(
        "insert into deadline (subject, kind, zone, due_at)"
        " values (%s, %s, '', to_timestamp(%s / 1000.0)) on conflict (subject, kind) do update"
        " set due_at = excluded.due_at where deadline.due_at > clock_timestamp()"
        " and deadline.due_at <> excluded.due_at",
        (NIGHTLY, TEST, due_ms),
    )


def claim_nightly(connection: Connection) -> int | None:
    """When the test was due, if it is and no other router has it; the row stays locked."""
    row = connection.execute(
        "select (extract(epoch from due_at) * 1000)::int8 from deadline where subject = %s"
        " and kind = %s and due_at <= clock_timestamp() for update skip locked",
        (NIGHTLY, TEST),
    ).fetchone()
    return None if row is None else int(row[0])


def move_nightly(connection: Connection, due_ms: int) -> None:
    """The claimed test is done, or passed over: the next one is due then."""
    connection.execute(
        "update deadline set due_at = to_timestamp(%s / 1000.0) where subject = %s and kind = %s",
        (due_ms, NIGHTLY, TEST),
    )
