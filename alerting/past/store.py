"""The journal's file, and what is stored brought in line with it.  A shell.

Each router writes a file of its own and holds its lock; whoever starts takes over what a killed
one has left, and nobody takes a file from a router that lives.
"""

import fcntl
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

import msgspec
from psycopg import Connection

from alerting import excursions
from alerting.exchange import store as exchange
from alerting.incidents import Reason
from alerting.notices import Chains, Push, Wording
from alerting.outbox import store as outbox
from alerting.past import journal
from alerting.past.journal import Entry, Journal, Named, Settled
from alerting.slices import Tell

BYTES_MAX = 64 * 1024 * 1024
OVER = frozenset(("over", "ignored"))


class PastFile:
    """One router's file; '' for none: then a router that is killed forgets what it sent."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._number: int | None = None
        self._path = Path(folder) / f"{os.getpid()}-{secrets.token_hex(4)}.jsonl"

    def adopt(self) -> list[Entry]:
        """What routers that are no more have left behind; from now on it is in this one's file."""
        found: list[Entry] = []
        if not self.folder or not Path(self.folder).is_dir():
            return found
        for path in sorted(Path(self.folder).glob("*.jsonl")):
            with path.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    continue  # Its router lives.
                entries = journal.decode(file.read(BYTES_MAX))
                self.write(entries)
                path.unlink(missing_ok=True)
                found += entries
        return found

    def write(self, entries: Sequence[Entry]) -> None:
        """Adds entries; they are on the disk when this returns.  Raises OSError."""
        if not entries or not self.folder:
            return
        if self._number is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            self._number = os.open(self._path, flags, 0o600)
            fcntl.flock(self._number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        rest = memoryview(journal.encode(entries))
        while rest:
            rest = rest[os.write(self._number, rest) :]
        os.fsync(self._number)

    def clear(self) -> None:
        """Everything in it is in line with what is stored.  Raises OSError."""
        if self._number is not None:
            os.ftruncate(self._number, 0)

    def close(self) -> None:
        """Lets the file go, and removes it where nothing is left in it."""
        if self._number is None:
            return
        if os.fstat(self._number).st_size == 0:
            self._path.unlink(missing_ok=True)
        os.close(self._number)
        self._number = None


_FOUND = "select id, stage, incident from excursion where id = any(%s)"
_MARK = """
update outbox set
    body = case when attempts = 0 and leased_until is null then %(body)s else body end,
    delivered_at = case when %(is_done)s then coalesce(delivered_at, clock_timestamp())
                        else delivered_at end,
    last_code = case when %(is_done)s and delivered_at is null then 'past-postgresql'
                     else last_code end,
    last_at = case when %(is_done)s and delivered_at is null then clock_timestamp() else last_at end
where key = %(key)s and dead_at is null returning id, last_code = 'past-postgresql'
"""
_KNOWN = """
update outbox set ended_at = clock_timestamp(), ended_why = 'past-postgresql',
    last_code = 'past-postgresql', held_until = null
where incident = %s and class = 'page' and reason = 'first' and person = %s and target = %s
  and received_ms = %s and delivered_at is null and dead_at is null and ended_at is null
  and attempts = 0 and leased_until is null
"""
_ATTEMPT = """
insert into attempt (outbox, code, latency_ms, channel, number)
select %(id)s, 'delivered past-postgresql', 0, %(channel)s,
    1 + (select count(*) from attempt where outbox = %(id)s)
where not exists (select 1 from attempt where outbox = %(id)s
                  and code = 'delivered past-postgresql')
"""


def settle(connection: Connection, wording: Wording, past: Journal, now_ms: int) -> Settled:
    """Brings what is stored in line with what was sent past it; the same again changes nothing.

    A name that turns out to belong to another incident is told to have been merged into that one,
    after the alert that bore it; what a receiver has accepted is not sent again.
    """
    names: set[str] = set()
    ids = {excursions.excursion_id(one.tell.finding): one for one in past.named.values()}
    for name, stage, incident in connection.execute(_FOUND, (sorted(ids),)).fetchall():
        one = ids[name]
        if not incident and stage not in OVER:
            continue  # It is still in a delay.
        names.add(one.tell.incident)
        if incident != one.tell.incident:
            _end(connection, wording, past, one, incident, now_ms)
            _call_nobody_twice(connection, past, one, incident)
    keys: set[str] = set()
    for key, sent in past.sent.items():
        asked = {"key": key, "body": sent.push.body, "is_done": key in past.done}
        row = connection.execute(_MARK, asked).fetchone()
        if row is not None:
            keys.add(key)
        if row is not None and row[1]:
            connection.execute(_ATTEMPT, {"id": row[0], "channel": sent.push.target})
    return Settled(frozenset(keys), frozenset(names))


def _end(
    connection: Connection, wording: Wording, past: Journal, one: Named, into: str, now_ms: int
) -> None:
    """The name's alert as it was sent, and that it goes on in another incident, or was nothing."""
    alerts = [
        sent.push
        for sent in past.sent.values()
        if sent.push.incident == one.tell.incident and not sent.push.is_page
    ]
    if not alerts:
        return
    chains: Chains = {
        (push.incident, push.target): (push.reference,) for push in alerts if push.reference
    }
    told = Tell(
        one.tell.incident,
        one.tell.finding,
        Reason.MERGED if into else Reason.CLOSED,
        now_ms,
        1,
        into=into,
    )
    heard = {push.target for push in alerts}
    ends = [push for push in wording.pushes(told, chains) if push.target in heard]
    pushes = [_of(push, into) for push in (*alerts, *ends)]
    with connection.cursor() as cursor:
        outbox.put(cursor, pushes, {})
    exchange.keep(connection, pushes, {})


def _call_nobody_twice(connection: Connection, past: Journal, one: Named, into: str) -> None:
    """Who was paged for this finding under the other name knows it."""
    for key, sent in past.sent.items():
        push = sent.push
        if push.is_page and push.incident == one.tell.incident and key in past.done:
            asked = (into, push.person, push.target, push.received_ms)
            connection.execute(_KNOWN, asked)


def _of(push: Push, incident: str) -> Push:
    """The push in line behind what the other incident was told of; its bytes stay what they are."""
    return msgspec.structs.replace(push, incident=incident)
