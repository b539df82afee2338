"""What the outbox's tests share: a database of their own, vendors, and the courier in between."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import structlog

from alerting.notices import Push
from alerting.outbox import store
from alerting.outbox.service import Courier
from lifeline import config, db
from lifeline.stack import Addresses
from lifeline.targets import Target
from lifeline.wire import encode_notice
from tests.alerting.test_cards import card, notice
from tests.alerting.test_channels import target
from tests.integration.rig import replace_database, wait_for
from tests.vendors.servers import Vendor, vendor

KINDS = ("webhook", "wecom", "dingtalk", "feishu", "ntfy", "sms", "voice")


@contextlib.contextmanager
def own_database(addresses: Addresses) -> Iterator[str]:
    """A database whose outbox stands alone, without incidents behind it."""
    name = f"channels_{time.time_ns()}"
    with psycopg.connect(addresses.postgres_admin_dsn, autocommit=True) as admin:
        admin.execute(f"create database {name} owner lifeline")
    made = replace_database(addresses.postgres_dsn, name)
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute(
            "create table migration (name text primary key,"
            " at timestamptz not null default clock_timestamp())"
        )
        connection.execute("insert into migration (name) values ('000_chosen.plain.sql')")
        db.migrate(config.Postgres(dsn=made), lambda _: None)
        connection.execute("alter table outbox drop constraint outbox_incident_fkey")
    yield made
    with psycopg.connect(addresses.postgres_admin_dsn, autocommit=True) as admin:
        admin.execute(f"drop database if exists {name} with (force)")


@dataclass(slots=True)
class Outbox:
    """The tables, from outside."""

    dsn: str
    count: int = 0

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            done = connection.execute(query, values)
            return done.fetchall() if done.description else []

    def push(self, to: str, incident: str = "", **changes: Any) -> Push:
        self.count += 1
        incident = incident or f"i-{self.count}"
        is_page = changes.get("is_page", False)
        what = msgspec.json.encode(card()) if is_page else encode_notice(notice(incident=incident))
        base = Push(to, f"{to}-{self.count}", what, incident, "alert", "opened", 1, 0)
        return msgspec.structs.replace(base, **changes)

    def put(self, *pushes: Push) -> None:
        with psycopg.connect(self.dsn) as connection, connection.cursor() as cursor:
            store.put(cursor, pushes, {})

    def waiting(self) -> int:
        return int(self.rows("select count(*) from outbox where delivered_at is null")[0][0])

    def attempts(self, to: str) -> list[str]:
        return [
            code
            for (code,) in self.rows(
                "select a.code from attempt a join outbox o on o.id = a.outbox"
                " where o.target = %s order by a.outbox, a.number", to,
            )
        ]  # fmt: skip


@contextlib.asynccontextmanager
async def courier(dsn: str, *targets: Target, **changes: Any) -> AsyncIterator[Courier]:
    keys = {"retry_s_max": 0.2, "breaker_failures": 1000, **changes}
    database = db.Database(config.Postgres(dsn=dsn), connections=10)
    whole = config.Settings(router=config.Router(targets=targets, **keys))
    one = Courier(whole, database, structlog.stdlib.get_logger(), lambda _keys: None)
    loops = [asyncio.ensure_future(loop()) for loop in one.loops().values()]
    try:
        yield one
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await one.close()
        await asyncio.to_thread(database.close)


async def until(is_true: Callable[[], Any], limit_s: float, what: str) -> None:
    await asyncio.to_thread(wait_for, is_true, limit_s, what)


@contextlib.asynccontextmanager
async def vendors(**options: Any) -> AsyncIterator[dict[str, Vendor]]:
    async with contextlib.AsyncExitStack() as all_of_them:
        yield {
            kind: await all_of_them.enter_async_context(vendor(kind, **options)) for kind in KINDS
        }


def targets_of(there: dict[str, Vendor], files: Path, **changes: Any) -> list[Target]:
    made = []
    for kind, one in there.items():
        if kind == "webhook":
            hook = Target("webhook", one.url, str(files / "secret"), private_allowed=True)
            made.append(msgspec.structs.replace(hook, **changes))
        else:
            made.append(msgspec.structs.replace(target(kind, one.url, files, **changes), name=kind))
    return made
