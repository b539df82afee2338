"""E-mail: one message to the mail server, delivered on its 250 to the whole of it.  A shell.

That the server has taken it is all that SMTP tells; who sends it on and who reads it, nobody says.
"""

import asyncio
import base64
import socket
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import formatdate
from urllib.parse import urlsplit

from lifeline import answers, letters
from lifeline.answers import Answer
from lifeline.channels.post import secret_of
from lifeline.channels.streams import Streams, connected, trusting
from lifeline.errors import Mendable, Refused, Unavailable
from lifeline.letters import Letter
from lifeline.targets import Target

PORTS = {"smtp": 25, "smtps": 465}
LINES_MAX = 100
"""Of one answer: a server that talks for ever is none."""


class Email:
    """A mail server that we hand messages in at."""

    def __init__(self, target: Target, tls: ssl.SSLContext) -> None:
        self.target = target
        self._tls = tls

    async def send(self, key: str, body: bytes) -> str:
        """Hands the letter in and returns 250; raises Unavailable or Refused."""
        try:
            return await asyncio.wait_for(
                self._send(key, letters.read(body)), self.target.timeout_s
            )
        except TimeoutError as error:
            raise Unavailable(f"timeout: no answer within {self.target.timeout_s:g} s") from error
        except (
            OSError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,  # a line without an end
            ValueError,
        ) as error:
            raise Unavailable(f"{type(error).__name__}: {self.target.host}") from error

    async def close(self) -> None:
        """Nothing is kept open."""
        await asyncio.sleep(0)

    async def _send(self, key: str, letter: Letter) -> str:
        target, parts = self.target, urlsplit(self.target.url)
        tls = trusting(target, self._tls)
        port = parts.port or PORTS[parts.scheme]
        is_tls = parts.scheme == "smtps"
        if not letter.to:
            raise Refused("no-recipient: neither a person's address nor target.recipients")
        async with connected(target, target.host, port, tls if is_tls else None) as streams:
            await _expect(streams, "", 220)
            offered = await _greet(streams)
            if not is_tls and "STARTTLS" in offered:
                await _expect(streams, "STARTTLS", 220)
                await streams[1].start_tls(tls, server_hostname=target.host)
                offered, is_tls = await _greet(streams), True
            if target.username:
                await self._sign_in(streams, is_tls=is_tls)
            refused = await self._name(streams, letter.to)
            await _expect(streams, "DATA", 354)
            answer = await _ask(streams, _dotted(self._message(key, letter)) + b"\r\n.")
            code = answers.settle(answer)
            await _say(streams, b"QUIT")
            return f"{code}-partly: {'; '.join(refused)}" if refused else code

    async def _sign_in(self, streams: Streams, *, is_tls: bool) -> None:
        if not is_tls:
            raise Mendable("no-tls: the server offers no TLS, and without it goes no password")
        word = f"\0{self.target.username}\0{secret_of(self.target.secret_file)}".encode()
        await _expect(streams, f"AUTH PLAIN {base64.b64encode(word).decode()}", 235)

    async def _name(self, streams: Streams, to: tuple[str, ...]) -> list[str]:
        """Names sender and recipients; returns what was said of those that were refused."""
        await _expect(streams, f"MAIL FROM:<{_bare(self.target.sender)}>", 250)
        refused: list[Answer] = []
        for one in to:
            answer = await _ask(streams, f"RCPT TO:<{_bare(one)}>".encode())
            if answer.verdict != "delivered":
                refused.append(answer)
        if len(refused) == len(to):
            answers.settle(refused[0])
        return [answer.said for answer in refused]

    def _message(self, key: str, letter: Letter) -> bytes:
        message = EmailMessage(policy=SMTP_POLICY)
        message["Subject"] = letter.subject
        message["From"] = Address(addr_spec=_bare(self.target.sender))
        message["To"] = ", ".join(_bare(one) for one in letter.to)
        message["Date"] = formatdate()
        # The same for every try: who keeps mail apart by its id shows it once.
        message["Message-ID"] = f"<{key}@{self.target.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        if letter.grade == 1:
            message["X-Priority"] = "1"
        message.set_content(letter.text, charset="utf-8", cte="base64")
        return message.as_bytes()


def _bare(address: str) -> str:
    """The address; raises Refused where it would end the line or the brackets that it stands in."""
    if any(c.isspace() or c in "<>" or not c.isprintable() for c in address) or "@" not in address:
        raise Refused(f"address: {address!r} is none")
    return address


def _dotted(message: bytes) -> bytes:
    return message.rstrip(b"\r\n").replace(b"\r\n.", b"\r\n..")


async def _greet(streams: Streams) -> set[str]:
    """What the server offers."""
    said = await _expect(streams, f"EHLO {socket.gethostname() or 'localhost'}", 250)
    return {line[4:].split(" ")[0].upper() for line in said.split("\n")}


async def _expect(streams: Streams, command: str, code: int) -> str:
    """What the server says with that code; raises what any other code means."""
    answer = await _ask(streams, command.encode()) if command else await _hear(streams)
    if answer.code != str(code):
        if answer.verdict == "delivered":
            raise Unavailable(f"{answer.code}: not what {code} was expected for")
        answers.settle(answer)
    return answer.said


async def _say(streams: Streams, line: bytes) -> None:
    streams[1].write(line + b"\r\n")
    await streams[1].drain()


async def _ask(streams: Streams, line: bytes) -> Answer:
    await _say(streams, line)
    return await _hear(streams)


async def _hear(streams: Streams) -> Answer:
    lines: list[str] = []
    for _ in range(LINES_MAX):
        line = (await streams[0].readuntil(b"\n")).decode("utf-8", "replace").strip()
        if not line[:3].isdigit():
            break
        lines.append(line)
        if line[3:4] != "-":
            answer = answers.of_smtp(int(line[:3]), "")
            return Answer(answer.code, answer.verdict, "\n".join(lines))
    raise Unavailable("not-smtp: what answers there is no mail server")
