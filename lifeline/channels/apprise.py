"""Anything that Apprise reaches by one URL; delivered when Apprise says so.  A shell.

Its word is worth what its plug-in checks, for many services an HTTP status alone: where the
vendor's own code matters, there is a channel of ours.  The URL is a secret and stands in a file.
"""

import asyncio
import ssl

from lifeline import letters
from lifeline.channels.post import secret_of
from lifeline.channels.threads import aside
from lifeline.errors import Mendable, Unavailable
from lifeline.letters import Letter
from lifeline.targets import Target


class AppriseService:
    """One service; a call that hangs is waited for by nobody, and none is begun beside it."""

    def __init__(self, target: Target, tls: ssl.SSLContext) -> None:  # noqa: ARG002 - its own TLS
        self.target = target
        self._calls: set[asyncio.Task[bool]] = set()

    async def send(self, key: str, body: bytes) -> str:  # noqa: ARG002 - it knows no keys
        """Delivers the letter; raises Unavailable, or Mendable for a URL that is none."""
        if self._calls:
            raise Unavailable("hanging: an earlier call has not ended yet")
        url, letter = secret_of(self.target.secret_file), letters.read(body)
        call = asyncio.create_task(aside(lambda: _notify(url, letter)))
        self._calls.add(call)
        call.add_done_callback(self._forget)
        done, _ = await asyncio.wait({call}, timeout=self.target.timeout_s)
        if not done:
            raise Unavailable(f"timeout: no answer within {self.target.timeout_s:g} s")
        if not call.result():
            raise Unavailable("apprise-false: the service did not take it")
        return "apprise-true"

    def _forget(self, call: asyncio.Task[bool]) -> None:
        self._calls.discard(call)
        _ = call.cancelled() or call.exception()

    async def close(self) -> None:
        """Waits for nothing: a thread that hangs ends with the process."""
        await asyncio.sleep(0)


def _notify(url: str, letter: Letter) -> bool:
    import apprise

    service = apprise.Apprise()
    if not service.add(url):
        raise Mendable("url: Apprise knows no service by the URL in secret_file")
    return bool(service.notify(title=letter.subject, body=letter.text))
