"""WeCom's group robot: 20 messages a minute, delivered on ``errcode`` 0.  A shell.

The key is in the query of its URL, so it is a secret: it stands in a file.
"""

import ssl
from urllib.parse import quote

from lifeline import answers
from lifeline.answers import WECOM
from lifeline.channels.post import Poster, secret_of
from lifeline.targets import Target


class WeCom:
    """A robot in one group."""

    def __init__(self, target: Target, tls: ssl.SSLContext) -> None:
        self.target = target
        self._poster = Poster(target, tls)

    async def send(self, key: str, body: bytes) -> str:  # noqa: ARG002 - it knows no keys
        """Delivers the message and returns ``errcode``; raises Unavailable or Refused."""
        token = quote(secret_of(self.target.token_file), safe="")
        url = f"{self.target.address}?key={token}"
        return answers.settle(await self._poster.ask(WECOM, url, body))

    async def close(self) -> None:
        """Ends the connections."""
        await self._poster.close()
