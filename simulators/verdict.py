"""What the platform's stand-in thinks of one request: signature, time, schema, repetition."""

import hashlib
from collections.abc import Mapping

import msgspec

from lifeline import signing, wire

BODY_BYTES_MAX = 1024 * 1024


class Verdict(msgspec.Struct, frozen=True):
    """The answer: status, body, and why; ``is_new`` when it is the first acceptance of its key."""

    status: int
    reply: dict[str, bool | str]
    reason: str
    is_new: bool = False


_object = msgspec.json.Decoder(dict[str, object])


def judge(
    secret: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    now_s: int,
    seen: Mapping[str, str],
) -> Verdict:
    """The verdict on one POST; ``seen`` maps the keys accepted so far to their bodies' SHA-256.

    ``/incidents`` takes notices, ``/silence`` the watchdog's voice: any JSON object.
    """
    if path not in ("/incidents", "/silence"):
        return _refused(404, f"nothing is received at {path}: post to /incidents or /silence")
    if len(body) > BODY_BYTES_MAX:
        return _refused(413, f"the body is longer than {BODY_BYTES_MAX} bytes")
    problem = signing.problem(secret, headers, body, now_s)
    if problem:
        return _refused(401, problem)
    try:
        wire.decode_notice(body) if path == "/incidents" else _object.decode(body)
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        return _refused(422, f"the body is not a notice: {error}")
    key = key_of(headers)
    digest = hashlib.sha256(body).hexdigest()
    known = seen.get(key)
    if known is None:
        return Verdict(200, {"accepted": True, "duplicate": False}, "accepted", is_new=True)
    if known == digest:
        return Verdict(200, {"accepted": True, "duplicate": True}, "duplicate")
    return _refused(409, "this idempotency key came before with another body")


def key_of(headers: Mapping[str, str]) -> str:
    """The idempotency key among headers in any case; '' without one."""
    wanted = signing.IDEMPOTENCY_KEY.lower()
    return next((value for name, value in headers.items() if name.lower() == wanted), "")


def _refused(status: int, reason: str) -> Verdict:
    return Verdict(status, {"accepted": False, "reason": reason}, reason)
