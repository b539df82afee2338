"""One POST to a checked address: pinned, never redirected, with every limit set.  A shell."""

import asyncio
import ssl
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import httpx

from lifeline import store
from lifeline.answers import Answer, Vendor, of_http
from lifeline.channels.addresses import find_way
from lifeline.config import ConfigError
from lifeline.errors import Unavailable
from lifeline.targets import Target

CONNECT_S = 3.0
ANSWER_BYTES_MAX = 64 * 1024
CLOCKS_S = 30.0
"""Clocks that differ by more do not agree; by less, it may be the way."""
STALE_STATUS = frozenset({400, 401, 403})
JSON = "application/json; charset=utf-8"


class Poster:
    """A client for one receiver: connections are never shared between two of them."""

    def __init__(self, target: Target, tls: ssl.SSLContext) -> None:
        self.target = target
        self._ahead_s = 0.0
        """How far the receiver's clock is ahead of ours, where that is far."""
        self._http = httpx.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            verify=tls,
            timeout=httpx.Timeout(target.timeout_s, connect=CONNECT_S),
            limits=httpx.Limits(max_connections=16, max_keepalive_connections=8),
        )

    def now_s(self) -> float:
        """The time to sign with: the receiver's, as its last answer told it, where ours is wrong.

        It judges by its own clock whether a signature is fresh; an alarm must not be refused, and
        end as a dead letter, because somebody has set the clock of the router.
        """
        return time.time() + self._ahead_s

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """The status and body of the answer; raises Unavailable.

        So it does for a refusal whose date says that we signed with a wrong time: the next try
        will be right.
        """
        before_s = self._ahead_s
        try:
            status, text = await asyncio.wait_for(
                self._post(url, body, headers), self.target.timeout_s
            )
        except TimeoutError as error:
            raise Unavailable(f"timeout: no answer within {self.target.timeout_s:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            # Of what httpx says, nothing: it may hold the URL, and that a robot's key.
            raise Unavailable(f"{type(error).__name__}: {self.target.host}") from error
        if status in STALE_STATUS and abs(self._ahead_s - before_s) >= CLOCKS_S:
            raise Unavailable(f"{status}-clock: ours is {-self._ahead_s:.0f} s ahead of theirs")
        return status, text

    async def ask(
        self,
        vendor: Vendor,
        url: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        success: str = "",
    ) -> Answer:
        """What the vendor's answer means; raises Unavailable when there is none."""
        head = {"Content-Type": JSON, **(headers or {})}
        status, text = await self.post(url, body, head)
        return of_http(status, text, vendor, success)

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        way = await find_way(url, private_allowed=self.target.private_allowed)
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
        self._ahead_s = _ahead_s(answer.headers.get("Date", ""), time.time())
        try:
            return answer.status_code, await _read(answer)
        finally:
            await answer.aclose()

    async def close(self) -> None:
        """Ends the connections."""
        await self._http.aclose()


def _ahead_s(date: str, now_s: float) -> float:
    """How far the clock of an answer is ahead; 0 where it says nothing, or nearly ours."""
    try:
        ahead_s = parsedate_to_datetime(date).timestamp() - now_s
    except (ValueError, OverflowError):
        return 0.0
    return ahead_s if abs(ahead_s) >= CLOCKS_S else 0.0


async def _read(answer: httpx.Response) -> bytes:
    text = bytearray()
    async for part in answer.aiter_raw():
        text += part
        if len(text) > ANSWER_BYTES_MAX:
            raise Unavailable(f"{answer.status_code}: the answer is longer than 64 KB")
    return bytes(text)


def secret_of(file: str) -> str:
    """The secret that signs now: the first line of its file; raises Unavailable."""
    try:
        return store.read_secrets(file)[0]
    except ConfigError as error:
        raise Unavailable(f"secret: {error}") from error
