"""Signed webhooks: one POST, and what the receiver's answer means.  A shell.

Delivered is a 2xx answer whose JSON body says ``{"accepted": true}``, and nothing else: a proxy's
friendly page is not a receipt.  4xx means that the same bytes would be refused again (but for 408,
425 and 429, which ask us to come later); everything else is no answer.
"""

import ssl

import msgspec

from lifeline import answers, signing
from lifeline.answers import Answer, Vendor
from lifeline.channels.post import Poster, secret_of
from lifeline.errors import Unavailable
from lifeline.targets import Target

NO_CODES = Vendor("", "", "", {})
CAP_XML = "application/cap+xml; charset=utf-8"


class Receipt(msgspec.Struct, frozen=True):
    """The one answer that means delivered; whatever else it holds is the receiver's business."""

    accepted: bool


_receipt = msgspec.json.Decoder(Receipt)


class Webhook:
    """A client for one receiver."""

    def __init__(self, target: Target, tls: ssl.SSLContext) -> None:
        self.target = target
        self._poster = Poster(target, tls)

    async def send(self, key: str, body: bytes) -> str:
        """Delivers the notice and returns the receiver's code.  Raises Unavailable or Refused.

        Either exception's text begins with the code that a row of ``attempt`` keeps.
        """
        secret = secret_of(self.target.secret_file)
        headers = signing.headers(secret, self.target.key_id, key, body, int(self._poster.now_s()))
        if self.target.format.startswith("cap"):
            headers["Content-Type"] = CAP_XML
        status, text = await self._poster.post(self.target.url, body, headers)
        if not 200 <= status < 300:
            return answers.settle(answers.of_http(status, text, NO_CODES))
        return answers.settle(_judge(status, text))

    async def close(self) -> None:
        """Ends the connections."""
        await self._poster.close()


def _judge(status: int, text: bytes) -> Answer:
    said = answers.shown(text)
    try:
        receipt = _receipt.decode(text)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Unavailable(f"{status}-no-receipt: {said}") from error
    if not receipt.accepted:
        raise Unavailable(f"{status}-not-accepted: {said}")
    return Answer(str(status), "delivered", said)
