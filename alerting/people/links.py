"""Links in pages: one-time tokens that show an incident and acknowledge it as one person.  Pure.

A token is a function of the page's key and of a secret, so that a page made twice is the same
bytes; the database knows its SHA-256 alone.  Looking never acts: messengers and mail filters open
every link they see.
"""

import base64
import hashlib
import hmac
from typing import Literal

import msgspec

PATH = "/l/"
"""What a link's path begins with, under ``router.public_url``."""
TOKEN_BYTES = 24
TOKEN_LENGTH_MAX = 64
State = Literal["good", "used", "expired", "unknown"]


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """What a token stands for."""

    incident: str
    """Empty for a test page."""
    run: str
    """The test that it belongs to; empty for an incident's."""
    person: str
    target: str
    key: str
    """Of the page that it came with."""
    expires_ms: int
    used_ms: int | None
    supported_ms: int | None = None


class LinkView(msgspec.Struct, frozen=True):
    """What may be shown, and whether the button still acts."""

    state: State
    incident: str
    run: str
    person: str
    is_shown: bool
    can_act: bool
    can_call: bool = False
    """Whether support can still be asked for by it."""


def token_of(secret: bytes, key: str) -> str:
    """The token of a page's link.

    >>> token_of(b"secret", "key")
    'GWQPQx-VR3xazF0zXmHM8_Xc1E97aLCD'
    """
    mac = hmac.new(secret, b"link\n" + key.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac[:TOKEN_BYTES]).decode()


def digest_of(token: str) -> bytes:
    """What the database keeps of a token, whatever somebody typed."""
    return hashlib.sha256(token[:TOKEN_LENGTH_MAX].encode()).digest()


def url_of(public_url: str, token: str) -> str:
    """The link that a page carries."""
    return f"{public_url.rstrip('/')}{PATH}{token}"


def view(link: Link | None, now_ms: int) -> LinkView:
    """What whoever follows a link may see and do.

    A used one still shows its incident, so that an officer who looks again finds it; an expired one
    shows nothing.
    """
    if link is None:
        return LinkView("unknown", "", "", "", is_shown=False, can_act=False)
    state: State = "good" if link.used_ms is None else "used"
    if now_ms >= link.expires_ms:
        return LinkView("expired", "", "", link.person, is_shown=False, can_act=False)
    return LinkView(
        state, link.incident, link.run, link.person, is_shown=True, can_act=state == "good",
        can_call=bool(link.incident) and link.supported_ms is None,
    )  # fmt: skip
