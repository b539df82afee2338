"""What the router keeps of its exchange with others: chains, clocks, switches, zones.  A shell.

Every function works in the transaction of the connection that it is given.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from psycopg import Connection, sql

from alerting import receipts
from alerting.exchange import product, tables
from alerting.exchange.mail import Shared
from alerting.exchange.product import Facts, ZoneHead
from alerting.exchange.tables import Tables
from alerting.notices import Chains, Push
from alerting.receipts import Receipt, Sent
from lifeline.catalog import Catalog
from lifeline.config import ConfigError, Exchange
from lifeline.model import CANARY
from lifeline.store import here_or_shipped

RECEIPT = "receipt"
"""The kind of the deadlines of incidents whose notices are to be signed for."""
PRODUCT_LOCK = 0x11FE20
KEPT_MS = 86_400_000

_receipt = msgspec.json.Decoder(Receipt)


def read_tables(settings: Exchange) -> Tables:
    """The codes agreed with others; raises ConfigError naming file and key."""
    folder = here_or_shipped(settings.tables)
    if not folder.is_dir():
        raise ConfigError(f"exchange.tables: there is no folder {settings.tables}.")
    trees = {}
    for file in sorted(folder.glob("*.toml")):
        try:
            trees[str(file)] = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{file} cannot be read: {error}.") from error
    try:
        return tables.read(trees)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def chains(connection: Connection, incidents: Iterable[str]) -> Chains:
    """What each target was sent of these incidents, as references, oldest first.

    What its receiver has refused it does not know: the next document that begins or worsens is the
    first that he hears, an alert.
    """
    found: Chains = {}
    for incident, target, reference in connection.execute(
        "select incident, target, reference from outbox o"
        " where incident = any(%s) and reference <> '' and dead_at is null"
        " and not exists (select 1 from receipt r where r.outbox = o.id"
        "  having bool_or(r.word = 'refused') and not bool_or(r.word in ('accepted', 'seen')))"
        " order by id",
        (sorted(set(incidents)),),
    ).fetchall():
        found[incident, target] = (*found.get((incident, target), ()), reference)
    return found


def keep(connection: Connection, pushes: Sequence[Push], within_s: Mapping[str, float]) -> None:
    """Keeps how documents are named, and starts the clocks of what is to be signed for.

    After the pushes were put in line, in the same transaction; ``within_s`` is by target.
    """
    named = [(p.identifier, p.reference, p.key) for p in pushes if p.reference]
    if named:
        with connection.cursor() as cursor:
            cursor.executemany(
                "update outbox set identifier = %s, reference = %s where key = %s"
                " and reference = ''",
                named,
            )
    set_clocks(connection, {p.incident for p in pushes if p.target in within_s}, within_s)


_SIGN = (
    "insert into receipt (outbox, partner, message, word, by, note, at_ms)"
    " select o.id, %(partner)s, %(id)s, %(word)s, %(by)s, %(note)s, %(at_ms)s from outbox o"
    " where o.target = %(partner)s and ((%(identifier)s <> '' and o.identifier = %(identifier)s)"
    " or (%(key)s <> '' and o.key = %(key)s)) on conflict do nothing returning outbox"
)


def sign(connection: Connection, partner: str, receipt: Receipt) -> list[int]:
    """Keeps a word about a notice; returns its number in the outbox, nothing where none fits.

    A partner signs for the target that bears its name, and for no other.
    """
    asked = msgspec.structs.asdict(receipt) | {"partner": partner}
    return [number for (number,) in connection.execute(_SIGN, asked).fetchall()]


def signed(connection: Connection, numbers: list[int], within_s: Mapping[str, float]) -> None:
    """Sets the clocks of these notices' incidents anew, and wakes whoever watches them."""
    rows = connection.execute(
        "select distinct incident from outbox where id = any(%s) and incident is not null",
        (numbers,),
    ).fetchall()
    incidents = [name for (name,) in rows]
    set_clocks(connection, incidents, within_s)
    connection.execute("select pg_notify('incident', n) from unnest(%s::text[]) n", (incidents,))


# Asked twice a second, for a month where a partner signs for what was never ours: each half must be
# a look into an index of the outbox, which is never cleared.
_TAKE_UP = (
    "select s.id, s.partner, s.receipt::text from exchange_stray s where s.id in ("
    " select w.id from exchange_stray w join outbox o on o.key = w.receipt ->> 'key'"
    "  and o.target = w.partner where w.receipt is not null and o.key <> ''"
    " union select w.id from exchange_stray w join outbox o"
    "  on o.identifier = w.receipt ->> 'identifier' and o.target = w.partner"
    "  where w.receipt is not null and o.identifier <> '' order by 1 limit 100)"
    " order by s.id for update of s skip locked"
)


def take_up(connection: Connection, within_s: Mapping[str, float]) -> int:
    """Words that came before their notice was here, as of a push past PostgreSQL, now that it is.

    Returns how many; of several routers each takes others.
    """
    rows = connection.execute(_TAKE_UP).fetchall()
    numbers: list[int] = []
    done: list[int] = []
    for number, partner, body in rows:
        try:
            numbers += sign(connection, partner, _receipt.decode(body))
        except msgspec.MsgspecError:
            # An older form of ours: what waits behind it must not.  It stays, to be looked at.
            connection.execute("update exchange_stray set receipt = null where id = %s", (number,))
        else:
            done.append(number)
    connection.execute("delete from exchange_stray where id = any(%s)", (done,))
    if numbers:
        signed(connection, numbers, within_s)
    return len(rows)


def set_clocks(
    connection: Connection, incidents: Iterable[str], within_s: Mapping[str, float]
) -> None:
    """Sets the deadline of each incident to when its next signature is overdue, or takes it away.

    Its subject is the incident: whoever is told hears of all that is owed by then.
    """
    for incident in sorted(incidents):
        row = connection.execute(
            "select zone, phase, (extract(epoch from clock_timestamp()) * 1000)::int8"
            " from incident where id = %s",
            (incident,),
        ).fetchone()
        if row is None:
            continue
        zone, phase, now_ms = row
        due_ms = receipts.clock_of(sent(connection, incident), within_s, phase, now_ms)
        if due_ms is None:
            connection.execute(
                "delete from deadline where subject = %s and kind = %s", (incident, RECEIPT)
            )
            continue
        connection.execute(
            "insert into deadline (subject, kind, zone, due_at)"
            " values (%s, %s, %s, to_timestamp(%s / 1000.0))"
            " on conflict (subject, kind) do update set due_at = excluded.due_at",
            (incident, RECEIPT, zone, due_ms),
        )


def sent(connection: Connection, incident: str) -> list[Sent]:
    """The notices of an incident, as far as they came with their receivers."""
    rows = connection.execute(
        "select o.id, o.target, o.kind, o.reason, o.attempts > 0, o.delivered_at is not null,"
        " (extract(epoch from o.created) * 1000)::int8,"
        " array(select r.word from receipt r where r.outbox = o.id)"
        " from outbox o where o.incident = %s and o.class = 'notice' order by o.id",
        (incident,),
    ).fetchall()
    return [
        Sent(
            number,
            target,
            kind,
            reason,
            receipts.stage_of(is_sent=is_sent, is_delivered=is_delivered, words=tuple(words)),
            told_ms,
        )
        for number, target, kind, reason, is_sent, is_delivered, told_ms, words in rows
    ]


def lease_switches(
    connection: Connection, limit: int, lease_s: float
) -> list[tuple[str, str, bytes]]:
    """Takes context records that wait for Kafka: (id, zone, body), in the order of their making.

    Of one zone only the oldest that waits: what ends must not overtake what it ends.
    """
    rows = connection.execute(
        "update context_change set leased_until = clock_timestamp() + make_interval(secs => %s)"
        " where id in (select c.id from context_change c where c.published_at is null"
        " and (c.leased_until is null or c.leased_until < clock_timestamp())"
        " and not exists (select 1 from context_change p where p.zone = c.zone"
        "  and p.published_at is null and p.number < c.number)"
        " order by c.number limit %s for update skip locked) returning number, id, zone, body",
        (lease_s, limit),
    ).fetchall()
    return [(name, zone, bytes(body)) for _, name, zone, body in sorted(rows)]


def published(connection: Connection, ids: Sequence[str]) -> None:
    """Notes that Kafka has these context records."""
    connection.execute(
        "update context_change set published_at = clock_timestamp() where id = any(%s)",
        (list(ids),),
    )


def make_product(
    connection: Connection, catalog: Catalog, known: Tables, every_s: float
) -> int | None:
    """Makes the state of every zone when the last one is old; returns the newest one's time.

    Of several routers one makes it: the others find the new one there, or the lock taken (None).
    """
    (is_ours,) = connection.execute(
        "select pg_try_advisory_xact_lock(%s)", (PRODUCT_LOCK,)
    ).fetchone() or (False,)
    if not is_ours:
        return None
    row = connection.execute(
        "select (extract(epoch from clock_timestamp()) * 1000)::int8,"
        " (select max(made_ms) from zone_product)"
    ).fetchone()
    assert row is not None
    now_ms, newest_ms = row
    if newest_ms is not None and 0 <= now_ms - newest_ms < every_s * 1000:
        return int(newest_ms)
    made = product.made_of(heads(catalog, known), facts(connection, catalog, now_ms), every_s)
    connection.execute(
        "insert into zone_product (made_ms, body, sheet) values (%s, %s, %s)"
        " on conflict do nothing",
        (now_ms, product.as_json(made), product.as_csv(made)),
    )
    # What a clock that was wrong has dated ahead goes too: it would be the newest for ever.
    connection.execute(
        "delete from zone_product where made_ms < %s or made_ms > %s", (now_ms - KEPT_MS, now_ms)
    )
    return int(now_ms)


def shared(connection: Connection) -> Shared | None:
    """The newest state of every zone."""
    row = connection.execute(
        "select made_ms, body, sheet from zone_product order by made_ms desc limit 1"
    ).fetchone()
    return None if row is None else Shared(row[0], bytes(row[1]), bytes(row[2]))


def heads(catalog: Catalog, known: Tables) -> list[ZoneHead]:
    """The zones of the catalog, the canary's left out."""
    titles = catalog.head.zone_titles
    return [
        ZoneHead(
            zone,
            titles[zone].zh if zone in titles else "",
            titles[zone].en if zone in titles else "",
            lifeline,
            known.place_of(zone).geocode,
        )
        for zone, lifeline in catalog.head.zones
        if lifeline != CANARY
    ]


def facts(connection: Connection, catalog: Catalog, now_ms: int) -> Facts:
    """What the database knows of every zone; drills are never counted."""
    incidents: dict[str, dict[int, int]] = {}
    for zone, grade, n in connection.execute(
        "select zone, grade, count(*) from incident where not drill"
        " and phase not in ('closed', 'archived') group by 1, 2"
    ).fetchall():
        incidents.setdefault(zone, {})[grade] = n
    silent = connection.execute(
        "select zone, count(distinct asset) from alarm where not drill and detector = 'silence'"
        " and active_ms is not null group by 1"
    ).fetchall()
    return Facts(now_ms, incidents, dict(silent), _newest(connection, catalog))


def _newest(connection: Connection, catalog: Catalog) -> dict[str, int]:
    """The time of the newest reading of each zone within a day: one look at the index a channel."""
    zones: dict[str, str] = {}
    for device in catalog.devices():
        zones.update((channel.name, device.zone) for channel in device.channels)
    found: dict[str, int] = {}
    for name, at_ms in connection.execute(
        "select c.name, (extract(epoch from r.time) * 1000)::int8 from channel c,"
        " lateral (select time from reading where channel = c.id"
        "  and time > clock_timestamp() - interval '1 day'"
        "  and time <= clock_timestamp() + interval '2 minutes' order by time desc limit 1) r"
    ).fetchall():
        zone = zones.get(name)
        if zone is not None:
            found[zone] = max(at_ms, found.get(zone, 0))
    return found


def sweep(connection: Connection, days: int) -> None:
    """Forgets what is older: names of messages, strays, context records that Kafka has."""
    old = "clock_timestamp() - make_interval(days => %(days)s)"
    for table, column in (
        ("exchange_message", "at"),
        ("exchange_stray", "at"),
        ("context_change", "published_at"),
    ):
        connection.execute(
            sql.SQL("delete from {} where {} < {}").format(
                sql.Identifier(table), sql.Identifier(column), sql.SQL(old)
            ),
            {"days": days},
        )
