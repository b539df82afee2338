"""What the tests of people share: a database with incidents in it, and nothing around it."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from psycopg import Connection

from alerting.incidents import Incident
from lifeline import config, db
from lifeline.stack import Addresses
from tests.alerting.people.test_paging import LEAK, incident
from tests.integration.outbox_rig import own_database


class Register:
    """Incidents and alarms as rows, without the router that would make them."""

    def __init__(self, dsn: str) -> None:
        self.settings = config.Settings(postgres=config.Postgres(dsn=dsn))
        self.database = db.Database(self.settings.postgres)
        self.numbers = itertools.count(1)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the database answers; writes are committed."""

        def work(connection: Connection) -> list[tuple[Any, ...]]:
            cursor = connection.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else []

        return self.database.run_now(work)

    def clock_ms(self) -> int:
        """The database's clock."""
        asked = "select (extract(epoch from clock_timestamp()) * 1000)::int8"
        return int(self.rows(asked)[0][0])

    def leak(self, *, grade: int = 1, hazard: str = "gas-leak") -> str:
        """A new open incident with its alarm; returns its id."""
        number, now_ms = next(self.numbers), self.clock_ms()
        name, asset = f"incident-{number}", f"gas/well-{number}"
        lead = msgspec.structs.replace(LEAK, asset=asset, grade=grade, hazard=hazard)
        self.rows(
            "insert into incident (id, asset, hazard, drill, episode, phase, zone, lifeline, grade,"
            " lane, lead, onset_ms, opened_ms, updated_ms, is_active, revision, changed_revision,"
            " acknowledged_by, closed_by, overridden, last_actor) values (%s, %s, %s, false, 1,"
            " 'open', 'gas/heping', 'gas', %s, 'live', %s, %s, %s, %s, true, 1, 1, '', '', false,"
            " 'router')",
            *(name, asset, hazard, grade, msgspec.json.encode(lead).decode()),
            *(now_ms, now_ms, now_ms),
        )
        self.rows(
            "insert into alarm (key, channel, detector, hazard, zone, asset, lifeline, drill,"
            " state, grade, since_ms, incident, revision, active_ms) values (%s, %s, 'threshold',"
            " %s, 'gas/heping', %s, 'gas', false, 'unacknowledged', %s, %s, %s, 1, %s)",
            *(f"alarm-{number}", f"{asset}/ch4", hazard, asset, grade, now_ms, name, now_ms),
        )
        return name

    def incident(self, name: str) -> Incident:
        """An incident of the table as far as pages look at it."""
        (row,) = self.rows("select asset, grade, opened_ms from incident where id = %s", name)
        asset, grade, at_ms = row
        return incident(id=name, asset=asset, grade=grade, opened_ms=at_ms, unseen_ms=at_ms)


@contextmanager
def register(addresses: Addresses) -> Iterator[Register]:
    """A register in a database of its own, dropped at the end."""
    with own_database(addresses) as dsn:
        made = Register(dsn)
        try:
            yield made
        finally:
            made.database.close()
