"""The courier alone, as a process of its own: what the outbox holds goes out, nothing else runs."""

import asyncio
import os
import sys

import msgspec
import structlog

from alerting.outbox.service import Courier
from lifeline import config, crashpoints
from lifeline.db import Database


async def main(router: config.Router, dsn: str) -> None:
    database = Database(config.Postgres(dsn=dsn), connections=4)
    whole = config.Settings(router=router)
    courier = Courier(whole, database, structlog.stdlib.get_logger(), lambda _keys: None)
    await asyncio.gather(*(loop() for loop in courier.loops().values()))


if __name__ == "__main__":
    if len(sys.argv) > 3:
        crashpoints.armed[sys.argv[3]] = lambda: os._exit(99)
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=config.Router), sys.argv[2]))
