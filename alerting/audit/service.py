"""Seals what is done every second and writes the newest seal down outside every minute.  A shell.

Of several routers one seals at a time, whoever comes first; each writes the seal down in places of
its own, so that what one machine loses the other has.
"""

import asyncio
import contextlib
import errno
import os
import socket
from pathlib import Path

import psycopg
import structlog
from psycopg import Connection

from alerting.audit import anchors, store
from alerting.audit.anchors import Anchor
from alerting.audit.chain import Seal
from lifeline import crashpoints, telemetry
from lifeline.config import Audit
from lifeline.db import Database
from lifeline.errors import Unavailable

Log = structlog.stdlib.BoundLogger
SYSLOG_S = 5.0
AGAIN_S = 2.0
"""Where nothing is sealed yet, or a place did not take the anchor."""
TAIL_BYTES = 65_536


class Sealer:
    """The loops of the proof; ``last`` is the newest seal that this router wrote down."""

    def __init__(self, settings: Audit, database: Database, log: Log) -> None:
        self.settings, self.database, self.log = settings, database, log
        self.last: Anchor | None = None
        self.is_sealing = False
        """Whether the last try to seal was made: without, nothing may be said of the time."""

    async def seal(self) -> None:
        """Seals for ever."""
        while True:
            self.is_sealing = await self._seal()
            await asyncio.sleep(self.settings.seal_s)

    async def _seal(self) -> bool:
        try:
            await self.database.run(store.pay)
            made = await self.database.run(_sealed)
        except Unavailable as error:
            self.log.debug("sealing waits", why=str(error))
            return False
        except psycopg.Error:
            self.log.exception("sealing failed")
            return False
        if made is not None:
            self.log.debug("sealed", seal=made.number, chains=made.count)
        return True

    async def anchor(self) -> None:
        """Writes the newest seal down outside, for ever."""
        self.last = await asyncio.to_thread(read_last, self.settings.anchor_file)
        while True:
            is_done = self.is_sealing and await self._anchor()
            await asyncio.sleep(self.settings.anchor_s if is_done else self._again_s)

    @property
    def _again_s(self) -> float:
        return min(AGAIN_S, self.settings.anchor_s)

    async def _anchor(self) -> bool:
        try:
            anchor = await self.database.run(store.to_anchor)
            if self.last is not None and not await self._is_as_it_was(self.last):
                telemetry.security_events.labels("audit-rewritten").inc()
                self.log.critical("the audit is not what was written down", seal=self.last.seal)
        except (Unavailable, psycopg.Error) as error:
            self.log.warning("anchor waits", why=str(error))
            return False
        if anchor is None:
            return False
        written = [await self._to_file(anchor), await self._to_syslog(anchor)]
        places = [place for place in written if place]
        if places:
            self.last = anchor
            telemetry.audit_anchored_seconds.set(anchor.at_us / 1e6)
        with contextlib.suppress(Unavailable, psycopg.Error):
            await self.database.run(lambda c: store.anchored(c, anchor, places))
        return None not in written

    async def _is_as_it_was(self, anchor: Anchor) -> bool:
        return await self.database.run(lambda c: store.is_known(c, anchor))

    async def _to_file(self, anchor: Anchor) -> str | None:
        """Where it lies now; '' where none is wanted, None where it could not be written."""
        if not self.settings.anchor_file:
            return ""
        try:
            await asyncio.to_thread(write, self.settings.anchor_file, anchor)
        except OSError as error:
            self.log.warning("anchor not written", file=self.settings.anchor_file, why=str(error))
            return None
        return f"{socket.gethostname()}:{self.settings.anchor_file}"

    async def _to_syslog(self, anchor: Anchor) -> str | None:
        host, port = self.settings.syslog_host, self.settings.syslog_port
        if not host:
            return ""
        is_stream = self.settings.syslog_protocol == "tcp"
        message = anchors.syslog(anchor, socket.gethostname(), is_stream=is_stream)
        try:
            async with asyncio.timeout(SYSLOG_S):
                await (_stream if is_stream else _datagram)(host, port, message)
        except (OSError, TimeoutError) as error:
            self.log.warning("anchor not sent", host=host, port=port, why=str(error))
            return None
        return f"syslog://{host}:{port}"


def _sealed(connection: Connection) -> Seal | None:
    made = store.seal(connection)
    if made is not None:
        crashpoints.reach("router.before-seal")
    return made


async def _stream(host: str, port: int, message: bytes) -> None:
    _, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(message)
        await writer.drain()
    finally:
        writer.close()
    await writer.wait_closed()


async def _datagram(host: str, port: int, message: bytes) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=(host, port)
    )
    transport.sendto(message)
    transport.close()


def write(path: str, anchor: Anchor) -> None:
    """Adds the anchor as a line that survives a power cut; raises OSError."""
    target = Path(path)
    is_new = not target.exists()
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # One write of one short line: two routers of a machine may share the file.
    number = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        line = f"{anchors.text_of(anchor)}\n".encode()
        if os.write(number, line) < len(line):
            raise OSError(errno.ENOSPC, "the line was not written whole")
        os.fsync(number)
    finally:
        os.close(number)
    if is_new:
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read(paths: tuple[str, ...]) -> tuple[list[Anchor], list[str]]:
    """The anchors in these files, and a sentence on each that says something else; OSError."""
    found: list[Anchor] = []
    problems: list[str] = []
    for path in paths:
        made, bad = anchors.parse(Path(path).read_text(encoding="utf-8", errors="replace"))
        found += made
        if bad:
            problems.append(f"{path}: {bad} anchors cannot be read / {bad} 个锚点无法读取")
        if not made:
            problems.append(f"{path}: no anchor in it / 其中没有锚点")
    return found, problems


def read_last(path: str) -> Anchor | None:
    """The newest anchor of the file; None where there is none."""
    with contextlib.suppress(OSError):
        if path:
            with Path(path).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
                made, _ = anchors.parse(file.read().decode("utf-8", "replace"))
            return max(made, default=None)
    return None
