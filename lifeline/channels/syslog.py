"""Syslog by RFC 5424, over TLS or TCP (RFC 6587, 5425) or UDP (RFC 5426).  A shell.

Syslog has no receipt.  Over TCP we close our side and wait until the server has closed its own:
then its machine has every byte, and the attempt says ``closed``; a server that does not close
within a second, and TLS, which has no such half-way, leave it at ``written``.  Over UDP nobody
knows, and the attempt says so.
"""

import asyncio
import contextlib
import os
import socket
import ssl
from datetime import UTC, datetime
from urllib.parse import urlsplit

from lifeline import letters
from lifeline.channels.addresses import find_address
from lifeline.channels.streams import connected, trusting
from lifeline.errors import Unavailable
from lifeline.letters import Letter
from lifeline.targets import Target

PORTS = {"udp": 514, "tcp": 514, "tls": 6514}
FACILITY = 13
"""Log alert."""
SEVERITIES = {1: 1, 2: 2, 3: 3, 4: 4}
"""Grade to alert, critical, error, warning; what is less is a notice."""
UDP_BYTES_MAX = 2048
"""What every receiver must take, and an Ethernet frame or two hold."""
CLOSED_S = 1.0


class Syslog:
    """A collector."""

    def __init__(self, target: Target, tls: ssl.SSLContext) -> None:
        self.target = target
        self._tls = tls

    async def send(self, key: str, body: bytes) -> str:
        """Writes the line and returns how far that is known; raises Unavailable or Refused."""
        line = _line(key, letters.read(body))
        parts = urlsplit(self.target.url)
        port = parts.port or PORTS[parts.scheme]
        try:
            if parts.scheme == "udp":
                return await self._throw(line, port)
            return await asyncio.wait_for(
                self._write(line, port, is_tls=parts.scheme == "tls"), self.target.timeout_s
            )
        except TimeoutError as error:
            raise Unavailable(f"timeout: not written in {self.target.timeout_s:g} s") from error
        except OSError as error:
            raise Unavailable(f"{type(error).__name__}: {self.target.host}") from error

    async def close(self) -> None:
        """Nothing is kept open."""
        await asyncio.sleep(0)

    async def _write(self, line: bytes, port: int, *, is_tls: bool) -> str:
        tls = trusting(self.target, self._tls) if is_tls else None
        async with connected(self.target, self.target.host, port, tls) as (reader, writer):
            writer.write(str(len(line)).encode() + b" " + line)
            await writer.drain()
            if not writer.can_write_eof():
                return "written"
            writer.write_eof()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(), CLOSED_S)
                return "closed"
        return "written"

    async def _throw(self, line: bytes, port: int) -> str:
        address = await find_address(
            self.target.host, port, private_allowed=self.target.private_allowed
        )
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=(str(address), port)
        )
        transport.sendto(line[:UDP_BYTES_MAX])
        transport.close()
        return "udp-no-receipt"


def _line(key: str, letter: Letter) -> bytes:
    priority = FACILITY * 8 + SEVERITIES.get(letter.grade, 5)
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    host = socket.gethostname() or "-"
    # 32473 is the number that RFC 5612 keeps for who has none of his own.
    values = {"key": key, "incident": letter.incident, "grade": str(letter.grade)}
    told = " ".join(f'{name}="{_escaped(value)}"' for name, value in values.items())
    said = " | ".join((letter.subject, *letter.text.split("\n")))
    head = f"<{priority}>1 {at} {host} lifeline {os.getpid()} notice [lifeline@32473 {told}] "
    return head.encode() + b"\xef\xbb\xbf" + said.encode("utf-8", "replace")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")
