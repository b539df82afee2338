"""Vendors on this machine: they check signature, fields and pace, and have their own codes."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lifeline import signing
from tests.vendors import schemas

SECRET = "SEC-between-us"
TOKEN = "robot-key-1"
TRUSTED_S = 3600.0
"""By how much DingTalk and Feishu let the clock of a request be off."""


@dataclass(slots=True)
class Request:
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def value(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class Vendor:
    """One vendor: what it took, what it was asked, how it is to behave."""

    kind: str
    per_minute: int = 20
    mode: str = "ok"
    """``ok``, ``slow``, ``500``, ``error`` (200 with a code), ``hang``."""
    code: int | str = 0
    """What ``error`` answers."""
    script: list[str] = field(default_factory=list)
    """Modes of the next requests, before ``mode`` holds again."""
    delay_s: float = 10.0
    clock: Callable[[], float] = time.time
    asked: list[Request] = field(default_factory=list)
    took: list[Any] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{self.kind}"

    def judge(self, request: Request) -> tuple[int, dict[str, Any]]:
        """Status and answer, as the vendor's documents say."""
        now_s = self.clock()
        problem = _signature_problem(self.kind, request, now_s)
        if problem:
            return problem
        if schemas.BYTES_MAX.get(self.kind, 1 << 20) < len(request.body):
            return _said(self.kind, "size")
        said = schemas.problem(self.kind, request.value)
        if said:
            return _said(self.kind, "schema", said)
        if sum(now_s - at < 60 for at in self.at_s) >= self.per_minute:
            return _said(self.kind, "limit")
        self.at_s.append(now_s)
        self.took.append(request.value)
        return _said(self.kind, "ok")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await _read(reader)
            self.asked.append(request)
            status, answer = await self._answer(request)
            body = json.dumps(answer).encode()
            head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
            head += f"Date: {formatdate(usegmt=True)}\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()

    async def _answer(self, request: Request) -> tuple[int, dict[str, Any]]:
        mode = self.script.pop(0) if self.script else self.mode
        if mode == "500":
            return 500, {}
        if mode == "hang":
            await asyncio.sleep(3600)
        if mode == "slow":
            await asyncio.sleep(self.delay_s)
        if mode == "error":
            keys = {
                "feishu": ("code", "msg"),
                "sms": ("code", "message"),
                "voice": ("code", "message"),
                "ntfy": ("code", "error"),
                "webhook": ("code", "error"),
            }
            code, text = keys.get(self.kind, ("errcode", "errmsg"))
            return 200, {code: self.code, text: "told to fail"}
        return self.judge(request)


@contextlib.asynccontextmanager
async def vendor(kind: str, **options: Any) -> AsyncIterator[Vendor]:
    """A vendor that listens."""
    async with listening(Vendor(kind, **options)) as one:
        yield one


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head[1:] if line)}
    body = await reader.readexactly(int(headers["content-length"]))
    parts = urlsplit(head[0].split(" ")[1])
    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    return Request(parts.path, query, headers, body)


def _signature_problem(
    kind: str, request: Request, now_s: float
) -> tuple[int, dict[str, Any]] | None:
    if "application/json" not in request.headers.get("content-type", ""):
        return _said(kind, "schema", "Content-Type")
    match kind:
        case "wecom":
            is_known = request.query.get("key") == TOKEN
        case "dingtalk":
            if request.query.get("access_token") != TOKEN:
                return 200, {"errcode": 300001, "errmsg": "token is not exist"}
            at_ms = request.query.get("timestamp", "0")
            digest = hmac.new(SECRET.encode(), f"{at_ms}\n{SECRET}".encode(), hashlib.sha256)
            good = base64.b64encode(digest.digest()).decode()
            is_late = abs(now_s - int(at_ms) / 1000) > TRUSTED_S
            is_known = request.query.get("sign") == good and not is_late
        case "feishu":
            if request.path.rpartition("/")[2] != TOKEN:
                return 200, {"code": 19001, "msg": "param invalid: incoming webhook access token"}
            at_s = request.value.get("timestamp", "0")
            digest = hmac.new(f"{at_s}\n{SECRET}".encode(), b"", hashlib.sha256)
            good = base64.b64encode(digest.digest()).decode()
            is_late = abs(now_s - int(at_s)) > TRUSTED_S
            is_known = request.value.get("sign") == good and not is_late
        case "ntfy":
            is_known = request.headers.get("authorization") == f"Bearer {TOKEN}"
        case _:
            is_known = not signing.problem(SECRET, request.headers, request.body, int(now_s))
    return None if is_known else _said(kind, "signature")


SAID: dict[str, dict[str, tuple[int, dict[str, Any]]]] = {
    "wecom": {
        "ok": (200, {"errcode": 0, "errmsg": "ok"}),
        "signature": (200, {"errcode": 93000, "errmsg": "invalid webhook url"}),
        "schema": (200, {"errcode": 40058, "errmsg": "invalid Request Parameter"}),
        "size": (200, {"errcode": 45002, "errmsg": "content size out of limit"}),
        "limit": (200, {"errcode": 45009, "errmsg": "api freq out of limit"}),
    },
    "dingtalk": {
        "ok": (200, {"errcode": 0, "errmsg": "ok"}),
        "signature": (200, {"errcode": 310000, "errmsg": "sign not match"}),
        "schema": (200, {"errcode": 40035, "errmsg": "缺少参数 json"}),
        "size": (200, {"errcode": 34016, "errmsg": "too long"}),
        "limit": (
            200,
            {"errcode": 130101, "errmsg": "send too fast, exceed 20 times per minute"},
        ),
    },
    "feishu": {
        "ok": (200, {"code": 0, "msg": "success", "data": {}}),
        "signature": (200, {"code": 19021, "msg": "sign match fail"}),
        "schema": (400, {"code": 9499, "msg": "Bad Request", "data": {}}),
        "size": (400, {"code": 9499, "msg": "Bad Request", "data": {}}),
        "limit": (200, {"code": 11232, "msg": "frequency limited psm"}),
    },
    "ntfy": {
        "ok": (200, {"id": "x", "event": "message"}),
        "signature": (403, {"code": 40301, "http": 403, "error": "forbidden"}),
        "schema": (400, {"code": 40024, "http": 400, "error": "invalid request"}),
        "size": (413, {"code": 41301, "http": 413, "error": "too large"}),
        "limit": (429, {"code": 42901, "http": 429, "error": "limit reached"}),
    },
    "sms": {
        "ok": (200, {"code": "OK", "message": "OK"}),
        "signature": (401, {"code": "SignatureDoesNotMatch", "message": "signature"}),
        "schema": (200, {"code": "isv.MOBILE_NUMBER_ILLEGAL", "message": "number"}),
        "size": (200, {"code": "isv.PARAM_LENGTH_LIMIT", "message": "long"}),
        "limit": (200, {"code": "isv.BUSINESS_LIMIT_CONTROL", "message": "触发分钟级流控"}),
    },
    "webhook": {
        "ok": (200, {"accepted": True}),
        "signature": (401, {"accepted": False}),
        "limit": (429, {"accepted": False}),
    },
}
SAID["voice"] = SAID["sms"]


def _said(kind: str, what: str, detail: str = "") -> tuple[int, dict[str, Any]]:
    status, answer = SAID[kind][what]
    return status, {**answer, "detail": detail} if detail else answer


@dataclass(slots=True)
class MailServer:
    """A mail server that speaks just enough, and keeps what it took."""

    refuses: dict[str, str] = field(default_factory=dict)
    """Verb, or recipient, to what is answered instead."""
    tls: ssl.SSLContext | None = None
    """What it offers STARTTLS with."""
    took: list[tuple[list[str], bytes]] = field(default_factory=list)
    signed_in: list[str] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to: list[str] = []
        writer.write(b"220 here\r\n")
        while line := (await reader.readline()).decode().strip():
            verb = line.partition(" ")[0].upper()
            answer = self.refuses.get(verb) or self._answer(verb, line, to)
            writer.write(answer.encode() + b"\r\n")
            if verb == "AUTH":
                self.signed_in.append(line.split(" ")[2])
            if verb == "STARTTLS":
                await writer.start_tls(self.tls)
            if verb == "DATA" and answer.startswith("354"):
                body = await reader.readuntil(b"\r\n.\r\n")
                said = self.refuses.get("BODY", "250 2.0.0 queued as 17")
                writer.write(said.encode() + b"\r\n")
                if said.startswith("250"):
                    self.took.append((list(to), body))
            if verb == "QUIT":
                break

    def _answer(self, verb: str, line: str, to: list[str]) -> str:
        if verb == "EHLO":
            offered = "250-STARTTLS\r\n" if self.tls else ""
            return f"250-here\r\n{offered}250-8BITMIME\r\n250 AUTH PLAIN"
        if verb == "STARTTLS":
            return "220 go on"
        if verb == "AUTH":
            return "235 welcome"
        if verb == "RCPT":
            address = line.partition("<")[2].rstrip(">")
            if address in self.refuses:
                return self.refuses[address]
            to.append(address)
        return "354 go on" if verb == "DATA" else "221 bye" if verb == "QUIT" else "250 fine"


@dataclass(slots=True)
class Collector:
    """A syslog collector by TCP: octet counting, closes when we have."""

    lines: list[bytes] = field(default_factory=list)
    closes: bool = True
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while count := await reader.readuntil(b" "):
                self.lines.append(await reader.readexactly(int(count)))
        if not self.closes:
            await asyncio.sleep(3600)


@contextlib.asynccontextmanager
async def listening(one: Any, tls: ssl.SSLContext | None = None) -> AsyncIterator[Any]:
    """A server that listens; at the end its connections are ended."""
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await one.serve(reader, writer)
        except asyncio.CancelledError:
            pass  # The test is over.
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await server.wait_closed()


@dataclass(slots=True)
class Broker:
    """As much of an MQTT 5 broker as one message needs; answers with the reasons it is told."""

    welcome: int = 0
    reason: int = 0
    is_mute: bool = False
    """It takes messages and acknowledges none."""
    took: list[bytes] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            kind, body = await self._packet(reader)
            if kind == 1:
                writer.write(bytes((0x20, 3, 0, self.welcome, 0)))
            elif kind == 3:
                topic = int.from_bytes(body[:2], "big")
                self.took.append(body[2 + topic + 2 :])
                if not self.is_mute:
                    writer.write(
                        bytes((0x40, 3)) + body[2 + topic : 4 + topic] + bytes((self.reason,))
                    )
            elif kind == 14:
                return

    async def _packet(self, reader: asyncio.StreamReader) -> tuple[int, bytes]:
        first = (await reader.readexactly(1))[0]
        length, shift = 0, 0
        while True:
            byte = (await reader.readexactly(1))[0]
            length |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return first >> 4, await reader.readexactly(length)


def make_certificate(folder: Path) -> Path:
    """``ca.pem`` and ``key.pem`` for the name localhost, its own authority; returns the folder."""
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ours"
    files = ["-keyout", folder / "key.pem", "-out", folder / "ca.pem"]
    subprocess.run(
        ["openssl", *words.split(), "-addext", "subjectAltName=DNS:localhost", *files],
        check=True,
        capture_output=True,
    )
    return folder


def serving(certificate: Path) -> ssl.SSLContext:
    """How a server shows the certificate in that folder."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "ca.pem", certificate / "key.pem")
    return context
