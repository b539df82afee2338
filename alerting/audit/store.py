"""The audit in PostgreSQL: lines kept with what they tell of, seals, anchors, proof.  A shell.

Every function works in the transaction of the connection that it is given.
"""

import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import psycopg
from psycopg import Connection, Cursor

from alerting.audit import chain, proof
from alerting.audit.anchors import Anchor
from alerting.audit.chain import Entry, Head, Line, Seal
from alerting.audit.proof import Proof

SUBJECT_LOCK = 0x11FA
SUBJECT_LOCKS = 1024
SEAL_LOCK = 0x11FE5EA1
PAGE = 5000
OWED_AT_ONCE = 500

_line = msgspec.json.Decoder(Line)


def append(connection: Connection | Cursor[Any], lines: Sequence[Line]) -> None:
    """Puts lines at the ends of their chains, in their order.

    The chain of an incident needs its zone's lock, which whoever changes the incident holds; of
    other chains it takes the lock itself.  Should somebody come between all the same, the unique
    key (subject, number) refuses the second.
    """
    if not lines:
        return
    own = sorted({_lock_of(line.chain) for line in lines if not line.incident})
    if own:
        connection.execute(
            "select pg_advisory_xact_lock(%s, n) from unnest(%s::int4[]) as n", (SUBJECT_LOCK, own)
        )
    rows = connection.execute(
        "select s.subject, h.number, h.hash, (extract(epoch from greatest(clock_timestamp(),"
        # A clock that was set back makes nobody a forger: no line is older than the last seal.
        " (select sealed from seal order by seal.number desc limit 1))) * 1000000)::int8"
        " from unnest(%s::text[]) as s (subject) left join lateral (select number, hash from audit"
        " where audit.subject = s.subject order by number desc limit 1) h on true",
        (sorted({line.chain for line in lines}),),
    ).fetchall()
    heads = {name: (number, bytes(made)) for name, number, made, _ in rows if number is not None}
    entries = chain.extend(heads, lines, rows[-1][3])
    connection.execute(_APPEND, list(map(list, zip(*map(_values, entries), strict=True))))


def is_last(connection: Connection, line: Line) -> bool:
    """Whether the last line of its chain says the same, whenever it was."""
    row = connection.execute(
        "select actor, action, reason, note, channel, revision, alarm, second, detail from audit"
        " where subject = %s order by number desc limit 1",
        (line.chain,),
    ).fetchone()
    told = (line.actor, line.action, line.reason, line.note, line.channel, line.revision)
    return row == (*told, line.alarm, line.second, line.detail)


_FIELDS = (
    "incident", "at_ms", "actor", "action", "reason", "note", "channel", "revision", "alarm",
    "second", "detail",
)  # fmt: skip
_APPEND = (
    "with added as (insert into audit (subject, number, hash, written, incident, at_ms, actor,"
    " action, reason, note, channel, revision, alarm, second, detail)"
    " select subject, number, hash, 'epoch'::timestamptz + us * interval '1 microsecond', incident,"
    " at_ms, actor, action, reason, note, channel, revision, alarm, second, detail"
    " from unnest(%s::text[], %s::int8[], %s::bytea[], %s::int8[], %s::text[], %s::int8[],"
    " %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::int4[], %s::text[],"
    " %s::text[], %s::text[])"
    " as row (subject, number, hash, us, incident, at_ms, actor, action, reason, note, channel,"
    " revision, alarm, second, detail) returning subject, number)"
    " insert into audit_pending (subject, number) select subject, number from added"
)


def _values(entry: Entry) -> tuple[Any, ...]:
    line = entry.line
    told = (getattr(line, name) for name in _FIELDS)
    return (line.chain, entry.number, entry.hash, entry.written_us, *told)


def _lock_of(subject: str) -> int:
    return zlib.crc32(subject.encode()) % SUBJECT_LOCKS


def append_or_owe(connection: Connection, lines: Sequence[Line]) -> bool:
    """Appends what the house itself did; an alarm goes on also where the audit takes no line.

    What was refused is owed (and False returned): the sealer appends it as soon as it can.  Lines
    that no table could hold, a lost race and a server that is away stay exceptions.
    """
    if not lines:
        return True
    try:
        with connection.transaction():
            append(connection, lines)
    except (psycopg.ProgrammingError, psycopg.InternalError):
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into audit_owed (body) values (%s)",
                [(msgspec.json.encode(line),) for line in lines],
            )
        return False
    return True


def pay(connection: Connection) -> int:
    """Appends what is owed, the oldest first; returns how many lines."""
    rows = connection.execute(
        "delete from audit_owed where id in (select id from audit_owed order by id limit %s"
        " for update skip locked) returning id, body",
        (OWED_AT_ONCE,),
    ).fetchall()
    append(connection, [_line.decode(body) for _, body in sorted(rows)])
    return len(rows)


def seal(connection: Connection) -> Seal | None:
    """Seals every chain that has grown; None when none has, or another router is about it."""
    held = connection.execute("select pg_try_advisory_xact_lock(%s)", (SEAL_LOCK,)).fetchone()
    if held is None or not held[0]:
        return None
    rows = connection.execute(
        "with gone as (delete from audit_pending returning subject, number)"
        " select distinct on (a.subject) a.subject, a.number, a.hash,"
        " (extract(epoch from clock_timestamp()) * 1000000)::int8"
        " from gone join audit a using (subject, number) order by a.subject, a.number desc"
    ).fetchall()
    if not rows:
        return None
    heads = [Head(subject, number, bytes(made)) for subject, number, made, _ in rows]
    last = last_seal(connection)
    sealed_us = max(*(row[3] for row in rows), last.sealed_us if last else 0)
    made = chain.seal(last, heads, sealed_us)
    connection.execute(
        "insert into seal (number, sealed, heads, root, hash) values (%s,"
        " 'epoch'::timestamptz + %s * interval '1 microsecond', %s, %s, %s)",
        (made.number, made.sealed_us, made.count, made.root, made.hash),
    )
    connection.execute(
        "insert into seal_head (seal, subject, number, hash)"
        " select %s, * from unnest(%s::text[], %s::int8[], %s::bytea[])",
        (
            made.number,
            [h.subject for h in made.heads],
            [h.number for h in made.heads],
            [h.hash for h in made.heads],
        ),
    )
    return made


_SEAL = "select number, (extract(epoch from sealed) * 1000000)::int8, heads, root, hash from seal"
_LAST_SEAL = _SEAL + " order by number desc limit 1"
_SEALS_BETWEEN = _SEAL + " where number between %s and %s order by number"


def last_seal(connection: Connection) -> Seal | None:
    """The newest seal, without its heads."""
    row = connection.execute(_LAST_SEAL).fetchone()
    return None if row is None else Seal(*row)


def seals_between(connection: Connection, first: int, last: int) -> list[Seal]:
    """The seals from one to another, without their heads."""
    rows = connection.execute(_SEALS_BETWEEN, (first, last)).fetchall()
    return [
        Seal(number, us, count, bytes(root), bytes(made)) for number, us, count, root, made in rows
    ]


def to_anchor(connection: Connection) -> Anchor | None:
    """The newest seal with PostgreSQL's time: what is written down outside."""
    row = connection.execute(
        "select number, (extract(epoch from clock_timestamp()) * 1000000)::int8, hash"
        " from seal order by number desc limit 1"
    ).fetchone()
    return None if row is None else Anchor(*row)


def is_known(connection: Connection, anchor: Anchor) -> bool:
    """Whether the seal that was written down outside is still here, as it was."""
    row = connection.execute("select hash from seal where number = %s", (anchor.seal,)).fetchone()
    return row is not None and bytes(row[0]) == anchor.hash


def anchored(connection: Connection, anchor: Anchor, places: Sequence[str]) -> None:
    """Notes where an anchor lies now; a seal is noted once a place."""
    connection.execute(
        "insert into anchor (place, seal, hash, at) select p.place, %(seal)s, %(hash)s,"
        " 'epoch'::timestamptz + %(us)s * interval '1 microsecond'"
        " from unnest(%(places)s::text[]) as p (place) where %(seal)s is distinct from"
        " (select seal from anchor a where a.place = p.place order by id desc limit 1)",
        {"places": places, "seal": anchor.seal, "hash": anchor.hash, "us": anchor.at_us},
    )


# The proof.

_ENTRY = (
    "select number, (extract(epoch from written) * 1000000)::int8, hash, subject, incident, at_ms,"
    " actor, action, reason, note, channel, revision, alarm, second, detail from audit"
)
_ALL = _ENTRY + ' order by subject collate "C", number'
_CHAIN = _ENTRY + " where subject = %s order by number"
_SEALS = (
    "select s.number, (extract(epoch from s.sealed) * 1000000)::int8, s.heads, s.root, s.hash,"
    " h.subject, h.number, h.hash from seal s left join seal_head h on h.seal = s.number"
    " order by s.number"
)


def verified(connection: Connection, anchors: Sequence[Anchor]) -> Proof:
    """The whole audit looked at, as it was at one moment."""
    connection.execute("set transaction isolation level repeatable read read only")
    connection.execute("set local statement_timeout = 0")
    connection.execute("set local idle_in_transaction_session_timeout = 0")
    return proof.verify(_read_entries(connection), _read_seals(connection), anchors)


def entries_of(connection: Connection, subject: str) -> list[Entry]:
    """One chain, from its first line on."""
    return [_entry(row) for row in connection.execute(_CHAIN, (subject,)).fetchall()]


def seals_of(connection: Connection, subject: str) -> dict[int, int]:
    """Head number -> the seal that covers the chain up to it."""
    rows = connection.execute(
        "select number, seal from seal_head where subject = %s order by number", (subject,)
    ).fetchall()
    return dict(rows)


def _read_entries(connection: Connection) -> Iterator[Entry]:
    with connection.cursor("entries") as cursor:
        cursor.itersize = PAGE
        cursor.execute(_ALL)
        for row in cursor:
            yield _entry(row)


def _entry(row: Sequence[Any]) -> Entry:
    number, written_us, made, subject, incident, *rest = row
    line = Line(
        incident=incident,
        subject="" if incident else subject,
        **dict(zip(_FIELDS[1:], rest, strict=True)),
    )
    return Entry(number, written_us, bytes(made), line)


def _read_seals(connection: Connection) -> Iterator[Seal]:
    with connection.cursor("seals") as cursor:
        cursor.itersize = PAGE
        cursor.execute(_SEALS)
        row = cursor.fetchone()
        while row is not None:
            facts, heads = row[:5], []
            while row is not None and row[:5] == facts:
                if row[5] is not None:
                    heads.append(Head(row[5], row[6], bytes(row[7])))
                row = cursor.fetchone()
            number, sealed_us, count, root, made = facts
            yield Seal(number, sealed_us, count, bytes(root), bytes(made), tuple(heads))
