"""Signed webhooks: HMAC-SHA256 over ``timestamp.body``, good for five minutes.

One place for both ends: the router signs, the watchdog's receiver and
the platform's stand-in verify.
"""

import hashlib
import hmac
from collections.abc import Mapping

TIMESTAMP = "X-Lifeline-Timestamp"
SIGNATURE = "X-Lifeline-Signature"
KEY_ID = "X-Lifeline-Key-Id"
IDEMPOTENCY_KEY = "Idempotency-Key"
WINDOW_S = 300


def signature(secret: str, timestamp_s: int, body: bytes) -> str:
    """The value of the signature header.

    >>> signature("s", 1700000000, b"{}")[:12]
    'v1=e9232c994'
    """
    text = str(timestamp_s).encode() + b"." + body
    return "v1=" + hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def headers(secret: str, key_id: str, key: str, body: bytes, now_s: int) -> dict[str, str]:
    """The headers of a signed request whose idempotency key is ``key``."""
    return {
        TIMESTAMP: str(now_s),
        SIGNATURE: signature(secret, now_s, body),
        KEY_ID: key_id,
        IDEMPOTENCY_KEY: key,
        "Content-Type": "application/json",
    }


def problem(
    secret: str | tuple[str, ...], received: Mapping[str, str], body: bytes, now_s: int
) -> str:
    """Why a request is not to be believed; '' when it is.  Header names in any case.

    Of several secrets, as while one is being changed, any is good.
    """
    lower = {name.lower(): value for name, value in received.items()}
    stamp = lower.get(TIMESTAMP.lower(), "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        return f"{TIMESTAMP} is missing or not a unix time in seconds"
    if abs(now_s - int(stamp)) > WINDOW_S:
        return f"{TIMESTAMP} is more than {WINDOW_S} s away from our clock"
    given = lower.get(SIGNATURE.lower(), "").encode()
    known = (secret,) if isinstance(secret, str) else secret
    signatures = [signature(one, int(stamp), body).encode() for one in known]
    if not any(hmac.compare_digest(given, one) for one in signatures):
        return f"{SIGNATURE} does not match body and time"
    if not lower.get(IDEMPOTENCY_KEY.lower()):
        return f"{IDEMPOTENCY_KEY} is missing"
    return ""
