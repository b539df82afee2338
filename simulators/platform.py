"""A stand-in for the emergency platform: an HTTP server that trusts nothing it is sent.

Told to, it answers later as such platforms do: CAP Ack or Error, an officer who has seen it, the
states of a case, each signed and sent to the address that it was told.
"""

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import httpx
import msgspec
from lxml import etree

from lifeline import signing
from simulators import papers
from simulators.store import Journal, read_journal
from simulators.verdict import BODY_BYTES_MAX, Verdict, judge, key_of

Mode = Literal["ok", "500", "slow", "refuse", "hang"]
REQUEST_S_MAX = 10.0
HANG_S = 60.0
KEY_IDS = {"receipts": "platform", "cases": "city"}
REASONS = {
    200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 409: "Conflict",
    413: "Content Too Large", 422: "Unprocessable Content", 500: "Internal Server Error",
}  # fmt: skip


class Control(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a test asks of the stand-in: how to behave from now on."""

    mode: Mode = "ok"
    delay_s: float = 3.0
    """For ``slow``: before the answer."""
    callback: str = ""
    """Where the console is, to be called back; '': nobody is."""
    key_ids: dict[str, str] = {}
    """Which key signs at which of its doors; else ``platform``, and ``city`` for cases."""
    words: tuple[papers.Word, ...] = ()
    """What is said later of each notice that was accepted."""
    states: tuple[str, ...] = ()
    """The states that each case goes through later."""


@dataclass(slots=True)
class Platform:
    """What was accepted under which key; a restart reads it again from the record."""

    secret: str
    record: Journal
    seen: dict[str, str] = field(default_factory=dict)
    control: Control = field(default_factory=Control)
    counts: dict[str, int] = field(default_factory=dict)
    heard: Callable[[dict[str, object]], None] | None = None
    schema: etree.XMLSchema | None = None
    known: set[str] = field(default_factory=set)
    """Documents that came, as others refer to them."""
    calls: int = 0
    later: set[asyncio.Task[None]] = field(default_factory=set)


async def serve(
    secret: str,
    record: str,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    heard: Callable[[dict[str, object]], None] | None = None,
    schema: str = "",
    control: Control | None = None,
) -> tuple[asyncio.Server, Platform]:
    """Starts listening; returns the server (its port: ``server.sockets[0].getsockname()[1]``).

    Every request to /incidents and /silence is on the disk, with its verdict, before it is
    answered.  ``heard`` gets each recorded line; ``schema`` is the file of CAP's, if
    documents are to be held against it; ``control`` is how it behaves until it is told otherwise.
    Raises OSError when the port is taken.
    """
    seen, known = {}, set()
    journal = Journal(record)  # Opened first: the file exists from here on.
    for line in read_journal(record):
        if line.get("verdict") == "accepted":
            seen[str(line.get("key"))] = str(line.get("sha256"))
            body = str(line.get("body")).encode()
            if body.startswith(b"<"):
                known.add(papers.cap_reference(body))
    rules = etree.XMLSchema(etree.parse(schema)) if schema else None
    platform = Platform(secret, journal, seen, control or Control(), heard=heard, schema=rules)
    platform.known = known

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _answer(platform, reader, writer)
        except (
            OSError,
            TimeoutError,
            ValueError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
        ):
            pass  # A sender that breaks off mid-request is one of the things it is there for.
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    return await asyncio.start_server(answer, host, port), platform


async def _answer(
    platform: Platform, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    method, path, headers, body = await asyncio.wait_for(_request(reader), REQUEST_S_MAX)
    control = platform.control
    reply: dict[str, object]
    if method == "GET" and path == "/healthz":
        status, reply = 200, {"mode": control.mode, "counts": platform.counts}
    elif method == "POST" and path == "/control":
        status, reply = _controlled(platform, body)
    else:
        verdict = _verdict(platform, method, path, headers, body)
        _remember(platform, path, headers, body, verdict)
        if verdict.is_new and control.callback:
            task = asyncio.create_task(_speak(platform, control, path, key_of(headers), body))
            platform.later.add(task)
            task.add_done_callback(platform.later.discard)
        if control.mode == "slow":
            await asyncio.sleep(control.delay_s)
        if control.mode == "hang":
            await asyncio.sleep(HANG_S)
            return
        status, reply = verdict.status, {**verdict.reply}
    text = json.dumps(reply).encode()
    writer.write(
        f"HTTP/1.1 {status} {REASONS.get(status, 'Error')}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n".encode()
        + text
    )
    await asyncio.wait_for(writer.drain(), REQUEST_S_MAX)


async def _request(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str], bytes]:
    first = (await reader.readline()).decode("latin-1").split()
    if len(first) != 3:
        raise ValueError("not HTTP")
    headers: dict[str, str] = {}
    while line := (await reader.readline()).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
        if len(headers) > 100:
            raise ValueError("too many headers")
    length = int(headers.get("content-length", "0"))
    # One byte beyond the bound is enough to know that it is too long.
    body = await reader.readexactly(min(max(length, 0), BODY_BYTES_MAX + 1))
    return first[0], first[1].partition("?")[0], headers, body


async def _speak(platform: Platform, control: Control, path: str, key: str, body: bytes) -> None:
    """What is said later of what was accepted, in order; each with its answer in the record."""
    now_s = int(time.time())
    said = list(papers.later(path, key, body, control.words, control.states, platform.calls, now_s))
    platform.calls += len(said)
    async with httpx.AsyncClient(timeout=REQUEST_S_MAX, trust_env=False) as client:
        for door, answer in said:
            url = f"{control.callback.rstrip('/')}/api/v1/exchange/{door}"
            stamp = hashlib.sha256(answer).hexdigest()
            key_id = control.key_ids.get(door, KEY_IDS[door])
            headers = signing.headers(platform.secret, key_id, stamp, answer, now_s)
            try:
                status = (await client.post(url, content=answer, headers=headers)).status_code
            except httpx.HTTPError:
                status = 0
            line = {"path": door, "key": key, "status": status, "verdict": "called", "body": "{}"}
            platform.record.append([line])


def _controlled(platform: Platform, body: bytes) -> tuple[int, dict[str, object]]:
    try:
        platform.control = msgspec.json.decode(body, type=Control)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return 400, {"reason": str(error)}
    return 200, {"mode": platform.control.mode}


def _verdict(
    platform: Platform, method: str, path: str, headers: dict[str, str], body: bytes
) -> Verdict:
    mode = platform.control.mode
    if method != "POST":
        return Verdict(404, {"accepted": False}, "only POST is received")
    if mode == "500":
        return Verdict(500, {"accepted": False}, "told to fail")
    if mode == "refuse":
        return Verdict(422, {"accepted": False}, "told to refuse")
    if mode == "hang":
        return Verdict(500, {"accepted": False}, "told to hang")
    now_s = int(time.time())
    return judge(
        platform.secret, path, headers, body, now_s, platform.seen, platform.known, platform.schema
    )


def _remember(
    platform: Platform, path: str, headers: dict[str, str], body: bytes, verdict: Verdict
) -> None:
    key, digest = key_of(headers), hashlib.sha256(body).hexdigest()
    line: dict[str, object] = {
        "received_ms": time.time_ns() // 1_000_000,
        "path": path,
        "key": key,
        "sha256": digest,
        "status": verdict.status,
        "verdict": verdict.reason,
        "body": body.decode("utf-8", "replace"),
    }
    platform.record.append([line])
    if verdict.is_new:
        platform.seen[key] = digest
        if path == "/incidents" and body.startswith(b"<"):
            platform.known.add(papers.cap_reference(body))
    word = verdict.reason if verdict.status == 200 else str(verdict.status)
    platform.counts[word] = platform.counts.get(word, 0) + 1
    if platform.heard is not None:
        platform.heard(line)
