"""Anchors: a seal as it is written down outside, in a file and in syslog.  Pure."""

import re
from datetime import UTC, datetime, timedelta

import msgspec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WORD = "lifeline-anchor"
_LINE = re.compile(
    _WORD + r" v1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})Z ([1-9]\d{0,17}) ([0-9a-f]{64})\b"
)
AUDIT_NOTICE = 13 * 8 + 5
"""Facility "log audit", severity "notice" (RFC 5424, 6.2.1)."""


class Anchor(msgspec.Struct, frozen=True, order=True):
    """The newest seal as it was at a moment, PostgreSQL's clock."""

    seal: int
    at_us: int
    hash: bytes


def stamp(at_us: int) -> str:
    """A moment as RFC 3339 writes it.

    >>> stamp(1_700_000_000_000_001)
    '2023-11-14T22:13:20.000001Z'
    """
    moment = _EPOCH + timedelta(microseconds=at_us)
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"


def text_of(anchor: Anchor) -> str:
    """The anchor as one line, without its end."""
    return f"{_WORD} v1 {stamp(anchor.at_us)} {anchor.seal} {anchor.hash.hex()}"


def parse(text: str) -> tuple[list[Anchor], int]:
    """The anchors in a file, our own or syslog's, and how many lines of ours cannot be read.

    A last line without its end is one that a power cut has cut, and is not counted.
    """
    found: list[Anchor] = []
    bad = 0
    for line in text.splitlines(keepends=True):
        if _WORD not in line:
            continue
        match = _LINE.search(line)
        try:
            found.append(_anchor(match))
        except ValueError:
            bad += line.endswith("\n")
    return found, bad


def _anchor(match: re.Match[str] | None) -> Anchor:
    if match is None:
        raise ValueError
    moment = datetime.strptime(match[1], "%Y-%m-%dT%H:%M:%S.%f").replace(tzinfo=UTC)
    at_us = (moment - _EPOCH) // timedelta(microseconds=1)
    return Anchor(int(match[2]), at_us, bytes.fromhex(match[3]))


def syslog(anchor: Anchor, host: str, *, is_stream: bool) -> bytes:
    """The anchor as a message of RFC 5424; over TCP with its length before it (RFC 6587, 3.4.1)."""
    name = re.sub(r"[^!-~]", "-", host)[:255] or "-"
    head = f"<{AUDIT_NOTICE}>1 {stamp(anchor.at_us)} {name} lifeline - audit-anchor - "
    message = (head + text_of(anchor)).encode("ascii")
    return f"{len(message)} ".encode() + message if is_stream else message
