"""What the platform's stand-in thinks of one request: signature, time, schema, repetition."""

import hashlib
from collections.abc import Container, Mapping

import msgspec
from lxml import etree

from lifeline import signing, wire
from simulators import papers

BODY_BYTES_MAX = 1024 * 1024
PATHS = ("/incidents", "/cases", "/silence", "/messages")
MESSAGE_KEYS = frozenset(("kind", "to", "text"))


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
    known: Container[str] = frozenset(),
    schema: etree.XMLSchema | None = None,
) -> Verdict:
    """The verdict on one POST; ``seen`` maps the keys accepted so far to their bodies' SHA-256.

    ``/incidents`` takes notices, as JSON or as CAP that refers to nothing but ``known``; ``/cases``
    takes cases, ``/silence`` the watchdog's voice: any JSON object; ``/messages`` is a gateway for
    SMS and calls, which answers with its provider's code.
    """
    if path not in PATHS:
        return _refused(404, f"nothing is received at {path}: post to {', '.join(PATHS)}")
    if len(body) > BODY_BYTES_MAX:
        return _refused(413, f"the body is longer than {BODY_BYTES_MAX} bytes")
    problem = signing.problem(secret, headers, body, now_s)
    if problem:
        return _refused(401, problem)
    problem = _problem(path, body, known, schema)
    if problem:
        return _refused(422, problem)
    before = seen.get(key_of(headers))
    code: dict[str, bool | str] = {"code": "OK"} if path == "/messages" else {}
    if before is None:
        reply = {"accepted": True, "duplicate": False, **code}
        return Verdict(200, reply, "accepted", is_new=True)
    if before == hashlib.sha256(body).hexdigest():
        return Verdict(200, {"accepted": True, "duplicate": True, **code}, "duplicate")
    return _refused(409, "this idempotency key came before with another body")


def _problem(path: str, body: bytes, known: Container[str], schema: etree.XMLSchema | None) -> str:
    if path == "/cases":
        return papers.case_problem(body)
    if path == "/incidents" and body.startswith(b"<"):
        return papers.cap_problem(body, known, schema)
    try:
        if path == "/incidents":
            wire.decode_notice(body)
        else:
            found = _object.decode(body)
            if path == "/messages" and not found.keys() >= MESSAGE_KEYS:
                return f"the message lacks {', '.join(sorted(MESSAGE_KEYS - found.keys()))}"
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        return f"the body is not a notice: {error}"
    return ""


def key_of(headers: Mapping[str, str]) -> str:
    """The idempotency key among headers in any case; '' without one."""
    wanted = signing.IDEMPOTENCY_KEY.lower()
    return next((value for name, value in headers.items() if name.lower() == wanted), "")


def _refused(status: int, reason: str) -> Verdict:
    return Verdict(status, {"accepted": False, "reason": reason}, reason)
