"""ntfy, the public server or one's own: delivered when it answers 2xx without a code.  A shell."""

import ssl

from lifeline import answers
from lifeline.answers import NTFY
from lifeline.channels.post import Poster, secret_of
from lifeline.targets import Target


class Ntfy:
    """A server; the topic is in the message, and as good as a password where it needs no token."""

    def __init__(self, target: Target, tls: ssl.SSLContext) -> None:
        self.target = target
        self._poster = Poster(target, tls)

    async def send(self, key: str, body: bytes) -> str:  # noqa: ARG002 - it knows no keys
        """Delivers the message and returns the status; raises Unavailable or Refused."""
        file = self.target.token_file
        headers = {"Authorization": f"Bearer {secret_of(file)}"} if file else {}
        return answers.settle(await self._poster.ask(NTFY, self.target.url, body, headers))

    async def close(self) -> None:
        """Ends the connections."""
        await self._poster.close()
