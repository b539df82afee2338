"""Signed webhooks: one POST, and what the receiver's answer means.  A shell.

Delivered is a 2xx answer whose JSON body says ``{"accepted": true}``, and nothing else: a proxy's
friendly page is not a receipt.  4xx means that the same bytes would be refused again (but for 408,
425 and 429, which ask us to come later); everything else is no answer.
"""

import asyncio
import ssl
import time

import httpx
import msgspec

from lifeline import signing, store
from lifeline.channels.addresses import find_way
from lifeline.config import ConfigError, Target
from lifeline.errors import Refused, Unavailable

CONNECT_S = 3.0
ANSWER_BYTES_MAX = 64 * 1024
LATER = frozenset((408, 425, 429))
MENDABLE = frozenset(("401", "403", "404"))
"""Refusals that a wrong key or path makes, and that somebody may be mending: worth more tries."""


class Receipt(msgspec.Struct, frozen=True):
    """The one answer that means delivered; whatever else it holds is the receiver's business."""

    accepted: bool


_receipt = msgspec.json.Decoder(Receipt)


class Webhook:
    """A client for one receiver: connections are never shared between two of them."""

    def __init__(self, target: Target, tls: ssl.SSLContext) -> None:
        self.target = target
        self._http = httpx.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            verify=tls,
            timeout=httpx.Timeout(target.timeout_s, connect=CONNECT_S),
            limits=httpx.Limits(max_connections=16, max_keepalive_connections=8),
        )

    async def send(self, key: str, body: bytes) -> str:
        """Delivers the notice and returns the receiver's code.  Raises Unavailable or Refused.

        Either exception's text begins with the code that a row of ``attempt`` keeps.
        """
        try:
            return await asyncio.wait_for(self._send(key, body), self.target.timeout_s)
        except TimeoutError as error:
            raise Unavailable(f"timeout: no answer within {self.target.timeout_s:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise Unavailable(f"{type(error).__name__}: {error}") from error

    async def _send(self, key: str, body: bytes) -> str:
        target = self.target
        way = await find_way(target.url, private_allowed=target.private_allowed)
        try:
            secret = store.read_secret(target.secret_file)
        except ConfigError as error:
            raise Unavailable(f"secret: {error}") from error
        headers = signing.headers(secret, target.key_id, key, body, int(time.time()))
        request = self._http.build_request(
            "POST",
            way.url,
            content=body,
            headers={
                **headers,
                "Host": way.host,
                "Accept": "application/json",
                "Accept-Encoding": "identity",
            },
            extensions={"sni_hostname": way.name},
        )
        answer = await self._http.send(request, stream=True)
        try:
            return _judge(answer.status_code, await _read(answer))
        finally:
            await answer.aclose()

    async def close(self) -> None:
        """Ends the connections."""
        await self._http.aclose()


async def _read(answer: httpx.Response) -> bytes:
    text = bytearray()
    async for part in answer.aiter_raw():
        text += part
        if len(text) > ANSWER_BYTES_MAX:
            raise Unavailable(f"{answer.status_code}: the answer is longer than 64 KB")
    return bytes(text)


def _judge(status: int, text: bytes) -> str:
    if 400 <= status < 500 and status not in LATER:
        raise Refused(f"{status}: {_shown(text)}")
    if not 200 <= status < 300:
        raise Unavailable(f"{status}: {_shown(text)}")
    try:
        receipt = _receipt.decode(text)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Unavailable(f"{status}-no-receipt: {_shown(text)}") from error
    if not receipt.accepted:
        raise Unavailable(f"{status}-not-accepted: {_shown(text)}")
    return str(status)


def _shown(text: bytes) -> str:
    return text[:200].decode("utf-8", "replace").replace("\0", "")
