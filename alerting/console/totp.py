"""The second factor: six digits of RFC 6238 (SHA-1, 30 s), as authenticators show them.  Pure."""

import base64
import hashlib
import hmac
import unicodedata
from urllib.parse import quote, urlencode

ISSUER = "Urban Lifeline"
STEP_S = 30
DIGITS = 6
SLACK_STEPS = 1
"""How many steps a telephone's clock may be off, either way."""
SEED_BYTES = 20


def secret_of(seed: bytes, key: str) -> bytes:
    """The secret that telephone and console share.

    The database keeps the seed alone: without the key file nobody makes a code from it.  Where no
    key file is set ``key`` is empty, and whoever reads the table can.
    """
    return hmac.digest(key.encode("utf-8", "surrogatepass"), seed, hashlib.sha1)


def code(secret: bytes, step: int) -> str:
    """The code of one step (RFC 4226).

    >>> code(b"12345678901234567890", 1)
    '287082'
    """
    mac = hmac.digest(secret, step.to_bytes(8, "big"), hashlib.sha1)
    start = mac[-1] & 0xF
    number = int.from_bytes(mac[start : start + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**DIGITS).zfill(DIGITS)


def fitting_step(secret: bytes, given: str, now_ms: int, used: int) -> int | None:
    """The step whose code this is, or None.  Steps up to ``used`` are spent."""
    # A Chinese keyboard may write the digits full width, and people write 123 456.
    typed = "".join(unicodedata.normalize("NFKC", given).split())
    now = now_ms // (STEP_S * 1000)
    found = None
    for step in range(now - SLACK_STEPS, now + SLACK_STEPS + 1):
        is_same = hmac.compare_digest(
            code(secret, step).encode(), typed.encode("utf-8", "surrogatepass")
        )
        if is_same and step > used and found is None:
            found = step
    return found


def spoken(secret: bytes) -> str:
    """The secret in base32, for an authenticator into which it is typed."""
    return base64.b32encode(secret).decode()


def uri(name: str, secret: bytes) -> str:
    """What an authenticator reads from a QR code."""
    asked = urlencode(
        {
            "secret": spoken(secret),
            "issuer": ISSUER,
            "algorithm": "SHA1",
            "digits": DIGITS,
            "period": STEP_S,
        },
        quote_via=quote,
    )
    return f"otpauth://totp/{quote(ISSUER)}:{quote(name, safe='')}?{asked}"
