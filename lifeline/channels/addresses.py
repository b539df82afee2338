"""Which addresses a notice may be sent to: none in this machine or network unless allowed.

The name is resolved once, every address is judged, and the connection goes to the one that was
judged: a name that changes its mind between the check and the connection changes nothing.
"""

import asyncio
import ipaddress
import socket
from urllib.parse import urlsplit

import msgspec

from lifeline.channels.threads import aside
from lifeline.errors import Unavailable

RESOLVE_S = 3.0
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Way(msgspec.Struct, frozen=True):
    """How to reach a receiver: the checked address in the URL, its name for Host and TLS."""

    url: str
    host: str
    """The Host header."""
    name: str
    """The name that its certificate must bear."""


def is_public(address: Address) -> bool:
    """Whether an address lies outside this machine and network, also when IPv6 disguises it.

    >>> [is_public(ipaddress.ip_address(at)) for at in ("::ffff:127.0.0.1", "8.8.8.8")]
    [False, True]
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        inner = address.ipv4_mapped or address.sixtofour
        if address.teredo is not None:
            inner = address.teredo[1]
        if inner is not None:
            return is_public(inner)
    return address.is_global and not (address.is_multicast or address.is_reserved)


async def find_way(url: str, *, private_allowed: bool) -> Way:
    """The way to a receiver; raises Unavailable when its name or address cannot be used."""
    parts = urlsplit(url)
    name = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not name or parts.username or parts.password:
        raise Unavailable("address: the URL is not plain http(s)://host/path")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    chosen = await find_address(name, port, private_allowed=private_allowed)
    literal = f"[{chosen}]" if chosen.version == 6 else str(chosen)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Way(f"{parts.scheme}://{literal}:{port}{path}", parts.netloc, name)


async def find_address(name: str, port: int, *, private_allowed: bool) -> Address:
    """The address that a name stands for, judged; raises Unavailable when it cannot be used."""
    addresses = await _resolve(name, port)
    if not private_allowed and not all(map(is_public, addresses)):
        raise Unavailable(
            f"address: {name} is inside this machine or network; private_allowed would let it"
        )
    return addresses[0]


async def _resolve(name: str, port: int) -> list[Address]:
    try:
        found = await asyncio.wait_for(
            aside(lambda: socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)), RESOLVE_S
        )
    except (OSError, UnicodeError, TimeoutError) as error:
        raise Unavailable(f"address: {name} cannot be resolved") from error
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    if not addresses:
        raise Unavailable(f"address: {name} has none")
    return list(dict.fromkeys(addresses))
