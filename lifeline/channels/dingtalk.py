"""DingTalk's group robot: signed, 20 messages a minute, delivered on ``errcode`` 0.  A shell.

Whoever sends it more is not heard for ten minutes.
"""

import base64
import hashlib
import hmac
import ssl
from urllib.parse import urlencode

from lifeline import answers
from lifeline.answers import DINGTALK
from lifeline.channels.post import Poster, secret_of
from lifeline.targets import Target


def signature(secret: str, at_ms: int) -> str:
    """The ``sign`` of a request: HMAC-SHA256 of time and secret under the secret.

    >>> signature("SEC1", 1_700_000_000_000)[:12]
    'ukR4+WoOOBTG'
    """
    text = f"{at_ms}\n{secret}".encode()
    return base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()


class DingTalk:
    """A robot in one group, made with the security setting 加签."""

    def __init__(self, target: Target, tls: ssl.SSLContext) -> None:
        self.target = target
        self._poster = Poster(target, tls)

    async def send(self, key: str, body: bytes) -> str:  # noqa: ARG002 - it knows no keys
        """Delivers the message and returns ``errcode``; raises Unavailable or Refused."""
        token, secret = secret_of(self.target.token_file), secret_of(self.target.secret_file)
        at_ms = round(self._poster.now_s() * 1000)
        query = {"access_token": token, "timestamp": at_ms, "sign": signature(secret, at_ms)}
        url = f"{self.target.address}?{urlencode(query)}"
        return answers.settle(await self._poster.ask(DINGTALK, url, body))

    async def close(self) -> None:
        """Ends the connections."""
        await self._poster.close()
