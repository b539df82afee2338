"""A TCP or TLS connection to a checked address, with every limit set.  A shell."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator

from lifeline.channels.addresses import find_address
from lifeline.errors import Mendable, Unavailable
from lifeline.targets import Target

CONNECT_S = 3.0
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def trusting(target: Target, tls: ssl.SSLContext) -> ssl.SSLContext:
    """What its certificate is judged by: its own authority where it names one."""
    if not target.ca_file:
        return tls
    try:
        return ssl.create_default_context(cafile=target.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise Unavailable(f"ca_file: {target.ca_file} cannot be used: {error}") from error


@contextlib.asynccontextmanager
async def connected(
    target: Target, host: str, port: int, tls: ssl.SSLContext | None
) -> AsyncIterator[Streams]:
    """An open connection, closed at the end; raises Unavailable, or Mendable for a certificate."""
    address = await find_address(host, port, private_allowed=target.private_allowed)
    try:
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection(
                str(address), port, ssl=tls, server_hostname=host if tls else None
            ),
            CONNECT_S,
        )
    except ssl.SSLCertVerificationError as error:
        raise Mendable(f"certificate: {error.verify_message}") from error
    except (OSError, TimeoutError) as error:
        raise Unavailable(f"{type(error).__name__}: {host}:{port}") from error
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), 1.0)
