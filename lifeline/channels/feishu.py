"""Feishu's group robot: signed, 100 messages a minute, delivered on ``code`` 0.  A shell."""

import base64
import hashlib
import hmac
import ssl
from typing import Any
from urllib.parse import quote

import msgspec

from lifeline import answers
from lifeline.answers import FEISHU
from lifeline.channels.post import Poster, secret_of
from lifeline.targets import Target


def signature(secret: str, at_s: int) -> str:
    """The ``sign`` of a request: HMAC-SHA256 of nothing under time and secret.

    >>> signature("s", 1_700_000_000)[:12]
    '+z1fiKH1w9xo'
    """
    key = f"{at_s}\n{secret}".encode()
    return base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()


class Feishu:
    """A robot in one group, made with the security setting 签名校验."""

    def __init__(self, target: Target, tls: ssl.SSLContext) -> None:
        self.target = target
        self._poster = Poster(target, tls)

    async def send(self, key: str, body: bytes) -> str:  # noqa: ARG002 - it knows no keys
        """Delivers the message and returns ``code``; raises Unavailable or Refused."""
        token, secret = secret_of(self.target.token_file), secret_of(self.target.secret_file)
        at_s = int(self._poster.now_s())
        signed = {"timestamp": str(at_s), "sign": signature(secret, at_s)}
        message = msgspec.json.encode(signed | msgspec.json.decode(body, type=dict[str, Any]))
        url = f"{self.target.address.rstrip('/')}/{quote(token, safe='')}"
        return answers.settle(await self._poster.ask(FEISHU, url, message))

    async def close(self) -> None:
        """Ends the connections."""
        await self._poster.close()
