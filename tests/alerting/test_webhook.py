"""The webhook against a real HTTP server on this machine."""

import asyncio
import contextlib
import ipaddress
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from lifeline import signing
from lifeline.channels.addresses import find_way, is_public
from lifeline.channels.webhook import Webhook
from lifeline.errors import Refused, Unavailable
from lifeline.targets import Target

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
OK = b'{"accepted": true, "receipt": 7}'


class Receiver:
    """Answers every request with ``answer``; keeps the requests."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.port = 0
        self.serving: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.serving.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.split(": ", 1) for line in head[1:] if line)
            length = int({k.lower(): v for k, v in headers.items()}["content-length"])
            self.requests.append((head[0], headers, await reader.readexactly(length)))
            await self.answer(writer)
            await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def receiver(answer: Answer) -> AsyncIterator[Receiver]:
    one = Receiver(answer)
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    async with server:
        yield one
        if one.serving:
            await asyncio.wait(one.serving, timeout=5.0)


def fixed(status: str, body: bytes, extra: str = "") -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        head = (
            f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{extra}\r\n"
        )
        writer.write(head.encode() + body)

    return answer


async def post(port: int, secret: Path, *, timeout_s: float = 5.0, private: bool = True) -> str:
    url = f"http://127.0.0.1:{port}/in?x=1"
    target = Target("t", url, str(secret), "7", timeout_s=timeout_s, private_allowed=private)
    channel = Webhook(target, ssl.create_default_context())
    try:
        return await channel.send("the-key", b'{"a":1}')
    finally:
        await channel.close()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("s3cret\n")
    return path


@pytest.mark.feature("E-1")
async def test_a_notice_is_signed_under_its_key_and_delivered_on_accepted_alone(
    secret: Path,
) -> None:
    async with receiver(fixed("200 OK", OK)) as there:
        code = await post(there.port, secret)

    ((line, headers, body),) = there.requests
    assert code == "200"
    assert line == "POST /in?x=1 HTTP/1.1"
    assert body == b'{"a":1}'
    assert headers["Idempotency-Key"] == "the-key"
    assert headers["X-Lifeline-Key-Id"] == "7"
    assert headers["Host"] == f"127.0.0.1:{there.port}"
    assert headers["Content-Type"] == "application/json"
    assert signing.problem("s3cret", headers, body, int(time.time())) == ""
    assert "match" in signing.problem("s3cret", headers, body + b" ", int(time.time()))


async def test_a_cap_document_is_sent_as_one(secret: Path) -> None:
    async with receiver(fixed("200 OK", OK)) as there:
        url = f"http://127.0.0.1:{there.port}/"
        target = Target("t", url, str(secret), private_allowed=True, format="cap-gb")
        channel = Webhook(target, ssl.create_default_context())
        await channel.send("the-key", b"<alert/>")
        await channel.close()

    assert there.requests[0][1]["Content-Type"] == "application/cap+xml; charset=utf-8"


@pytest.mark.feature("E-1")
@pytest.mark.parametrize("status", ["400 Bad", "401 No", "404 None", "409 Conflict", "422 Odd"])
async def test_4xx_is_refused(secret: Path, status: str) -> None:
    async with receiver(fixed(status, b"no")) as there:
        with pytest.raises(Refused, match=status[:3]):
            await post(there.port, secret)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("500 Oops", b""),
        ("503 Busy", OK),
        ("408 Late", b""),
        ("425 Early", b""),
        ("429 Many", b""),
        ("302 Found", b""),
        ("200 OK", b"<html>signed in?</html>"),
        ("200 OK", b'{"accepted": false}'),
        ("200 OK", b'{"accepted": "yes"}'),
        ("204 Nothing", b""),
        ("200 OK", b" " * (64 * 1024) + OK),
    ],
)
async def test_anything_else_than_a_receipt_is_tried_again(
    secret: Path, status: str, body: bytes
) -> None:
    async with receiver(fixed(status, body, "Location: http://127.0.0.1:9/\r\n")) as there:
        with pytest.raises(Unavailable, match=status[:3]):
            await post(there.port, secret)

    assert len(there.requests) == 1, "a redirect is not followed"


async def test_a_slow_receiver_holds_us_no_longer_than_its_limit(secret: Path) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)

    began = time.monotonic()
    async with receiver(drip) as there:
        with pytest.raises(Unavailable, match="timeout"):
            await post(there.port, secret, timeout_s=0.4)

    assert time.monotonic() - began < 2.0


async def test_nobody_there_or_no_secret_is_tried_again(secret: Path, tmp_path: Path) -> None:
    async with receiver(fixed("200 OK", OK)) as there:
        port = there.port
        with pytest.raises(Unavailable, match="secret"):
            await post(port, tmp_path / "none")

    with pytest.raises(Unavailable):
        await post(port, secret)


async def test_an_address_inside_is_refused_unless_it_is_allowed(secret: Path) -> None:
    async with receiver(fixed("200 OK", OK)) as there:
        with pytest.raises(Unavailable, match="private_allowed"):
            await post(there.port, secret, private=False)

    assert there.requests == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0", "localhost",
        "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "[::1]", "[::]",
        "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[fe80::1]", "[fd00::1]", "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]", "224.0.0.1", "255.255.255.255",
    ],
)  # fmt: skip
async def test_no_spelling_of_an_inner_address_gets_through(host: str) -> None:
    with pytest.raises(Unavailable, match="address"):
        await find_way(f"http://{host}/", private_allowed=False)


@pytest.mark.parametrize(
    "url", ["ftp://a/", "http://u:p@127.0.0.1/", "file:///etc/passwd", "http:///"]
)
async def test_only_plain_web_addresses_are_used(url: str) -> None:
    with pytest.raises(Unavailable, match="address"):
        await find_way(url, private_allowed=True)


def test_public_addresses_are_public() -> None:
    for text in ("8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"):
        assert is_public(ipaddress.ip_address(text)), text
