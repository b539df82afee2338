"""SMS and voice calls by a gateway that is signed to like a webhook.  A shell.

No two providers are alike, and their keys belong beside their contract: a gateway of the house
takes ``{"kind", "to", "text", "drill"}`` under our signature, knows the idempotency key, and hands
the provider's own code back as ``{"code", "message"}``.
"""

import ssl

from lifeline import answers, signing
from lifeline.answers import GATEWAY
from lifeline.channels.post import Poster, secret_of
from lifeline.targets import Target


class Gateway:
    """One gateway: for messages or for calls."""

    def __init__(self, target: Target, tls: ssl.SSLContext) -> None:
        self.target = target
        self._poster = Poster(target, tls)

    async def send(self, key: str, body: bytes) -> str:
        """Delivers the message and returns the provider's code; raises Unavailable or Refused."""
        secret = secret_of(self.target.secret_file)
        headers = signing.headers(secret, self.target.key_id, key, body, int(self._poster.now_s()))
        answer = await self._poster.ask(
            GATEWAY, self.target.url, body, headers, self.target.success_code
        )
        return answers.settle(answer)

    async def close(self) -> None:
        """Ends the connections."""
        await self._poster.close()
