"""What the router does for others besides notices: regimes to Kafka, the state of zones.  A shell.

Rows were written with what caused them and are marked only when Kafka has them on ``acks=all``: a
crash between the two sends a record again, and detect knows it by its name and revision.  Nothing
here may stop the router: whatever the database says, it is tried again.
"""

import asyncio
import itertools
from collections.abc import Callable

import psycopg
import structlog

from alerting.exchange import store
from alerting.exchange.tables import Tables
from lifeline import telemetry, wire
from lifeline.catalog import Catalog
from lifeline.config import Settings
from lifeline.db import Database
from lifeline.errors import Unavailable
from lifeline.log.service import Publisher, Send

Log = structlog.stdlib.BoundLogger
POLL_S = 0.5
BATCH = 100
PRODUCT_S = 5.0
"""How often it is looked whether the state of the zones is due."""
MAKE_S = 30.0
SWEEP_LOOKS = 720
KEPT_DAYS = 30


class Exchange:
    """Publishes switched regimes, and makes the state of every zone."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        log: Log,
        known: Tables,
        catalog: Callable[[], Catalog],
    ) -> None:
        self.settings = settings
        self.database = database
        self.log = log
        self.known = known
        self.catalog = catalog
        """Asked each time: another one may have been taken over."""
        self.within_s = {
            t.name: t.sign_within_s for t in settings.router.targets if t.sign_within_s > 0
        }
        self._publisher = Publisher(settings.kafka, "lifeline-router-exchange")

    async def switch(self) -> None:
        """Publishes the context records that wait and takes up early receipts, for ever."""
        while True:
            try:
                # First what needs no Kafka: a receipt must stop its clock while that is away.
                await self.database.run(lambda c: store.take_up(c, self.within_s))
                count = await self._publish()
            except (Unavailable, psycopg.Error) as error:
                self.log.warning("regimes wait", why=str(error))
                await asyncio.sleep(1.0)
                continue
            if count < BATCH:
                await asyncio.sleep(POLL_S)

    async def _publish(self) -> int:
        lease_s = 2 * self.settings.kafka.send_timeout_s
        rows = await self.database.run(lambda c: store.lease_switches(c, BATCH, lease_s))
        if not rows:
            return 0
        headers = [("schema", wire.CONTEXT_SCHEMA)]
        sends = [
            Send(
                wire.READINGS,
                wire.partition_of(zone, self.settings.kafka.partitions),
                None,
                body,
                headers,
            )
            for _, zone, body in rows
        ]
        await self._publisher.send(sends, attempts=1)
        ids = [name for name, _, _ in rows]
        await self.database.run(lambda c: store.published(c, ids))
        self.log.info("regimes switched", records=len(rows))
        return len(rows)

    async def share(self) -> None:
        """Makes the state of every zone when it is due, for ever; of several routers, one does."""
        every_s = self.settings.exchange.zones_s
        for look in itertools.count():
            try:
                made_ms = await self.database.run(
                    lambda c: store.make_product(c, self.catalog(), self.known, every_s), MAKE_S
                )
                if made_ms is not None:
                    telemetry.zones_made.set(made_ms / 1000)
                if look % SWEEP_LOOKS == 0:
                    await self.database.run(lambda c: store.sweep(c, KEPT_DAYS))
            except (Unavailable, psycopg.Error) as error:
                self.log.warning("state of zones waits", why=str(error))
            await asyncio.sleep(min(PRODUCT_S, every_s))

    async def close(self) -> None:
        """Lets go of Kafka, in bounded time."""
        await self._publisher.stop()
