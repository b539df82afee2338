"""Every channel against a server that checks what its vendor checks, on this machine."""

import asyncio
import base64
import email
import email.policy
import json
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifeline import layouts
from lifeline.channels.choice import channel_for
from lifeline.errors import Busy, Mendable, Refused, Unavailable
from lifeline.targets import Target
from tests.alerting.test_cards import card
from tests.alerting.test_webhook import fixed, receiver
from tests.vendors.servers import (
    SECRET,
    TOKEN,
    Collector,
    MailServer,
    Vendor,
    listening,
    make_certificate,
    serving,
    vendor,
)

HTTP = ("wecom", "dingtalk", "feishu", "ntfy", "sms", "voice")
TLS = ssl.create_default_context()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text(f"{SECRET}\nthe one before\n")
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    return tmp_path


def target(kind: str, url: str, files: Path, **changes: Any) -> Target:
    token, secret = str(files / "token"), str(files / "secret")
    needs: dict[str, dict[str, Any]] = {
        "wecom": {"token_file": token},
        "ntfy": {"token_file": token, "topic": "duty"},
        "dingtalk": {"token_file": token, "secret_file": secret},
        "feishu": {"token_file": token, "secret_file": secret},
        "sms": {"secret_file": secret, "recipients": ("+8613800000000",)},
        "voice": {"secret_file": secret, "recipients": ("+8613800000000",)},
        "email": {"sender": "lifeline@city.example", "recipients": ("duty@city.example",)},
        "syslog": {},
    }
    keys = {"timeout_s": 5.0, "private_allowed": True, **needs[kind], **changes}
    return Target("t", url, kind=kind, **keys)


async def send(one: Target, what: bytes | None = None, address: str = "") -> str:
    channel = channel_for(one, TLS)
    body = layouts.payload(one, card(), address) if what is None else what
    try:
        return await channel.send("key-1", body)
    finally:
        await channel.close()


@pytest.mark.feature("ThingsBoard #12728")
@pytest.mark.parametrize("kind", HTTP)
async def test_a_card_is_delivered_on_the_vendors_own_code(kind: str, files: Path) -> None:
    async with vendor(kind) as there:
        code = await send(target(kind, there.url, files))

    assert code == {"ntfy": "200", "sms": "OK", "voice": "OK"}.get(kind, "0")
    assert len(there.took) == 1


@pytest.mark.parametrize("kind", HTTP)
async def test_a_wrong_secret_is_refused_and_may_be_mended(kind: str, files: Path) -> None:
    (files / "secret").write_text("another")
    (files / "token").write_text("another")

    async with vendor(kind) as there:
        with pytest.raises(Mendable):
            await send(target(kind, there.url, files))

    assert there.took == []


@pytest.mark.parametrize("kind", HTTP)
async def test_who_is_written_to_too_fast_asks_for_later(kind: str, files: Path) -> None:
    async with vendor(kind, per_minute=1) as there:
        one = target(kind, there.url, files)
        await send(one)
        with pytest.raises(Busy):
            await send(one)

    assert len(there.took) == 1


@pytest.mark.parametrize("kind", HTTP)
async def test_what_the_vendor_cannot_use_is_refused_for_good(kind: str, files: Path) -> None:
    async with vendor(kind) as there:
        with pytest.raises(Refused) as refusal:
            await send(target(kind, there.url, files), b'{"msgtype": "x"}')

    assert not isinstance(refusal.value, Mendable)


@pytest.mark.parametrize("kind", HTTP)
@pytest.mark.parametrize("mode", ["500", "hang", "slow"])
async def test_no_answer_in_time_is_no_delivery(kind: str, mode: str, files: Path) -> None:
    async with vendor(kind, mode=mode) as there:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await send(target(kind, there.url, files, timeout_s=0.3))

    assert time.monotonic() - began < 3.0


@pytest.mark.parametrize("kind", HTTP)
async def test_nobody_there_or_a_private_address_is_no_delivery(kind: str, files: Path) -> None:
    async with vendor(kind) as there:
        url = there.url
        with pytest.raises(Unavailable, match="private_allowed"):
            await send(target(kind, url, files, private_allowed=False))
    assert there.asked == []

    with pytest.raises(Unavailable) as failure:
        await send(target(kind, url, files))
    assert TOKEN not in str(failure.value)


@pytest.mark.feature("ThingsBoard #12728")
async def test_an_answer_of_200_with_an_error_code_is_no_delivery(files: Path) -> None:
    for kind, code, error in (
        ("wecom", 45009, Busy),
        ("dingtalk", 410100, Busy),
        ("dingtalk", 430104, Refused),
        ("feishu", 11232, Busy),
        ("sms", "isv.AMOUNT_NOT_ENOUGH", Mendable),
    ):
        async with vendor(kind, mode="error", code=code) as there:
            with pytest.raises(error, match=str(code)):
                await send(target(kind, there.url, files))


async def test_the_gateway_knows_the_key_and_the_numbers(files: Path) -> None:
    async with vendor("sms") as there:
        one = target("sms", there.url, files)
        await send(one, layouts.payload(one, card(), "+8613911112222"))

    (request,) = there.asked
    assert request.headers["idempotency-key"] == "key-1"
    assert request.value["to"] == ["+8613911112222"]


async def test_a_mail_goes_out_in_chinese_and_is_delivered_on_250(files: Path) -> None:
    async with listening(MailServer()) as there:
        code = await send(target("email", f"smtp://127.0.0.1:{there.port}", files))

    ((to, data),) = there.took
    mail = email.message_from_bytes(data.removesuffix(b".\r\n"), policy=email.policy.SMTP)
    assert code == "250"
    assert to == ["duty@city.example"]
    assert mail["Subject"] == "▲一级燃气报警：1 号井 燃气泄漏"
    assert mail["Message-ID"] == "<key-1@city.example>"
    assert data.isascii()
    assert "https://city.example/incidents/i-1" in mail.get_content()


@pytest.mark.parametrize(
    ("refuses", "error", "code"),
    [
        ({"BODY": "452 4.3.1 full"}, Busy, "452"),
        ({"BODY": "554 5.7.1 spam"}, Refused, "554"),
        ({"RCPT": "550 5.1.1 nobody"}, Refused, "550"),
        ({"MAIL": "530 5.7.0 sign in"}, Mendable, "530"),
        ({"EHLO": "421 4.3.2 closing"}, Busy, "421"),
        ({"EHLO": "hello"}, Unavailable, "not-smtp"),
        ({"EHLO": "250 " + "x" * 100_000}, Unavailable, "LimitOverrunError"),
        ({"MAIL": "251 odd"}, Mendable, "251"),
    ],
)
async def test_what_the_mail_server_says_instead_counts(
    files: Path, refuses: dict[str, str], error: type[Exception], code: str
) -> None:
    async with listening(MailServer(refuses)) as there:
        with pytest.raises(error, match=f"^{code}"):
            await send(target("email", f"smtp://127.0.0.1:{there.port}", files))

    assert there.took == []


async def test_of_several_recipients_one_is_enough_and_the_attempt_says_so(files: Path) -> None:
    async with listening(MailServer({"b@c.d": "550 no such user"})) as there:
        one = target(
            "email", f"smtp://127.0.0.1:{there.port}", files, recipients=("a@c.d", "b@c.d")
        )
        code = await send(one)

    assert code.startswith("250-partly: 550 no such user")
    assert there.took[0][0] == ["a@c.d"]


async def test_no_password_goes_without_tls_and_no_address_ends_a_line(files: Path) -> None:
    async with listening(MailServer()) as there:
        url = f"smtp://127.0.0.1:{there.port}"
        secret = str(files / "secret")
        with pytest.raises(Mendable, match="no-tls"):
            await send(target("email", url, files, username="u", secret_file=secret))
        for to in ("a@b\r\nDATA", "a@b>", "nobody", ""):
            one = target("email", url, files, recipients=(to,) if to else ())
            with pytest.raises(Refused):
                await send(one)

    assert there.took == []


async def test_syslog_by_tcp_says_whether_the_collector_has_closed_after_it_had_all(
    files: Path,
) -> None:
    async with listening(Collector()) as there:
        code = await send(target("syslog", f"tcp://127.0.0.1:{there.port}", files))
    (line,) = there.lines
    head, _, text = line.partition(b"\xef\xbb\xbf")
    assert code == "closed"
    assert head.startswith(b"<105>1 20")
    assert b'[lifeline@32473 key="key-1" incident="i-0" grade="1"]' in head
    assert text.decode().startswith("▲一级燃气报警：1 号井 燃气泄漏 | 等级：▲一级")
    assert b"\n" not in line

    async with listening(Collector(closes=False)) as there:
        code = await send(target("syslog", f"tcp://127.0.0.1:{there.port}", files))
    assert code == "written"


async def test_syslog_by_udp_says_that_there_is_no_receipt(files: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
        there.bind(("127.0.0.1", 0))
        there.setblocking(False)
        one = target("syslog", f"udp://127.0.0.1:{there.getsockname()[1]}", files)
        code = await send(one)
        data = await asyncio.get_running_loop().sock_recv(there, 65536)

    assert code == "udp-no-receipt"
    assert data.startswith(b"<105>1 ")


async def test_a_collector_that_is_not_there_is_waited_for(files: Path) -> None:
    async with listening(Collector()) as there:
        url = f"tcp://127.0.0.1:{there.port}"

    with pytest.raises(Unavailable):
        await send(target("syslog", url, files))


async def test_the_secret_that_signs_is_the_first_of_two(files: Path) -> None:
    (files / "secret").write_text(f"the new one\n{SECRET}\n")

    async with vendor("sms") as there:
        with pytest.raises(Mendable):
            await send(target("sms", there.url, files))
        (files / "secret").write_text(f"{SECRET}\nthe new one\n")
        assert await send(target("sms", there.url, files)) == "OK"


async def test_a_secret_that_cannot_be_read_delays(files: Path) -> None:
    (files / "token").unlink()

    with pytest.raises(Unavailable, match="secret"):
        await send(target("wecom", "http://127.0.0.1:9/", files))


def test_the_stand_in_minds_its_pace_over_any_minute() -> None:
    now = [1000.0]
    there = Vendor("wecom", per_minute=2, clock=lambda: now[0])
    body = layouts.payload(Target("t", kind="wecom", token_file="k"), card())

    def ask() -> int:
        from tests.vendors.servers import Request

        headers = {"content-type": "application/json"}
        return int(there.judge(Request("/", {"key": TOKEN}, headers, body))[1]["errcode"])

    codes = [ask(), ask(), ask()]
    now[0] += 61
    assert [*codes, ask()] == [0, 0, 45009, 0]


def test_a_message_of_ours_is_what_the_schema_reads() -> None:
    assert msgspec.json.decode(layouts.payload(Target("t", kind="wecom", token_file="k"), card()))


@pytest.mark.parametrize("url", ["smtp://127.0.0.1:1", "tcp://127.0.0.1:1", "udp://127.0.0.1:1"])
async def test_no_channel_goes_into_our_own_network_unasked(url: str, files: Path) -> None:
    kind = "email" if url.startswith("smtp") else "syslog"

    with pytest.raises(Unavailable, match="private_allowed"):
        await send(target(kind, url, files, private_allowed=False))
    siren = Target("t", "mqtt://127.0.0.1:1", topic="x", kind="mqtt")
    with pytest.raises(Unavailable, match="private_allowed"):
        await channel_for(siren, TLS).send("k", b"x")


# Apprise looks at modules that Python will lose.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("status", "expected"), [("200 OK", "apprise-true"), ("500 No", "apprise-false")]
)
async def test_what_apprise_reaches_is_delivered_when_apprise_says_so(
    files: Path, status: str, expected: str
) -> None:
    async with receiver(fixed(status, b"{}")) as there:
        (files / "secret").write_text(f"json://127.0.0.1:{there.port}/in")
        one = Target("t", secret_file=str(files / "secret"), kind="apprise", private_allowed=True)
        if expected == "apprise-true":
            assert await send(one) == expected
        else:
            with pytest.raises(Unavailable, match=expected):
                await send(one)

    assert "一级燃气报警" in json.loads(there.requests[0][2])["title"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_url_that_apprise_does_not_know_may_be_mended(files: Path) -> None:
    (files / "secret").write_text("pigeon://loft")
    one = Target("t", secret_file=str(files / "secret"), kind="apprise", private_allowed=True)

    with pytest.raises(Mendable, match="url"):
        await send(one)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for the name localhost, which is its own authority."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


async def test_tls_is_checked_by_name_and_authority_though_the_address_is_pinned(
    files: Path, certificate: Path
) -> None:
    mail, collector = MailServer(), Collector()
    ca = str(certificate / "ca.pem")
    async with (
        listening(mail, serving(certificate)),
        listening(collector, serving(certificate)),
    ):
        by_mail = f"smtps://localhost:{mail.port}"
        by_tls = f"tls://localhost:{collector.port}"
        codes = [
            await send(target("email", by_mail, files, ca_file=ca)),
            await send(target("syslog", by_tls, files, ca_file=ca)),
        ]
        wrong = [
            target("email", by_mail, files),
            target("syslog", by_tls, files),
            target("email", by_mail.replace("localhost", "127.0.0.1"), files, ca_file=ca),
        ]
        for one in wrong:
            with pytest.raises(Mendable, match="certificate"):
                await send(one)
        with pytest.raises(Unavailable, match="ca_file"):
            await send(target("syslog", by_tls, files, ca_file="/none.pem"))

    assert codes == ["250", "written"]
    assert len(mail.took) == len(collector.lines) == 1


async def test_a_mail_server_that_offers_tls_is_spoken_to_in_tls_before_the_password(
    files: Path, certificate: Path
) -> None:
    mail = MailServer(tls=serving(certificate))
    ca, secret = str(certificate / "ca.pem"), str(files / "secret")
    async with listening(mail):
        url = f"smtp://localhost:{mail.port}"
        one = target("email", url, files, ca_file=ca, username="u", secret_file=secret)
        code = await send(one)
        mail.refuses["AUTH"] = "535 5.7.8 no"
        with pytest.raises(Mendable, match="535"):
            await send(one)

    assert code == "250"
    assert mail.signed_in == [base64.b64encode(f"\0u\0{SECRET}".encode()).decode()] * 2
