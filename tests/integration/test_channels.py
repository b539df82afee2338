"""The outbox through its channels: vendors that are slow, broken, refusing, silent, stormed."""

import asyncio
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from lifeline.channels.choice import Channel, channel_for
from lifeline.errors import Busy
from lifeline.stack import Addresses
from lifeline.targets import Target
from tests.alerting.test_channels import TLS
from tests.integration.outbox_rig import (
    KINDS,
    Outbox,
    courier,
    targets_of,
    until,
    vendors,
)  # fmt: skip
from tests.vendors.servers import vendor

pytestmark = pytest.mark.integration


@pytest.mark.feature("E-1", "ThingsBoard #12728")
async def test_slow_broken_refusing_or_silent_vendors_lose_nothing_and_each_try_is_a_row(
    outbox: Outbox, files: Path
) -> None:
    later = {
        "wecom": 45009, "dingtalk": 130101, "feishu": 11232, "ntfy": 50701, "webhook": 0,
        "sms": "isv.BUSINESS_LIMIT_CONTROL", "voice": "isp.SYSTEM_ERROR",
    }  # fmt: skip
    async with vendors(per_minute=100) as there:
        for kind, one in there.items():
            one.code = later[kind]
            one.script = ["slow", "500", "error", "hang"]  # slow: 10 s, longer than we wait
        outbox.put(*(outbox.push(kind) for kind in KINDS))

        chosen = targets_of(there, files, timeout_s=0.5, per_minute=100)
        async with courier(outbox.dsn, *chosen):
            await until(lambda: outbox.waiting() == 0, 20, "delivered")

    for kind, one in there.items():
        codes = outbox.attempts(kind)
        assert [code.split()[0] for code in codes] == ["failed"] * 4 + ["delivered"], kind
        assert codes[0] == codes[3] == "failed timeout"
        assert codes[1] == "failed 500"
        assert str(later[kind]) in codes[2] or kind == "webhook"
        assert len(one.took) == 1, kind
    rows = outbox.rows("select distinct channel, number from attempt")
    assert sorted(rows) == sorted((kind, n) for kind in KINDS for n in range(1, 6))


@pytest.mark.feature("E-1")
async def test_a_refusal_that_may_be_mended_is_tried_again_and_what_is_unfit_is_a_dead_letter(
    outbox: Outbox, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerting.outbox.service.MENDED_S", 0.2)
    async with vendor("wecom") as wecom, vendor("sms") as sms:
        wecom.code, wecom.script = 93000, ["error", "error"]
        sms.code, sms.mode = "isv.MOBILE_NUMBER_ILLEGAL", "error"
        outbox.put(outbox.push("wecom"), outbox.push("sms"))

        chosen = targets_of({"wecom": wecom, "sms": sms}, files)
        async with courier(outbox.dsn, *chosen):
            await until(
                lambda: (
                    outbox.rows("select 1 from outbox where dead_at is not null")
                    and len(wecom.took) == 1
                ),
                15,
                "mended, and dead",
            )

    assert outbox.attempts("wecom") == ["refused 93000", "refused 93000", "delivered 0"]
    assert outbox.attempts("sms") == ["refused isv.MOBILE_NUMBER_ILLEGAL"]


@dataclass
class Odd:
    """A way out with a fault of its own, which shows at some keys."""

    way: Channel
    at: set[str]

    async def send(self, key: str, body: bytes) -> str:
        if key in self.at:
            raise KeyError(key)
        return await self.way.send(key, body)

    async def close(self) -> None:
        await self.way.close()


async def test_a_fault_of_our_own_in_a_way_out_neither_stops_it_nor_stays_unseen(
    outbox: Outbox, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerting.outbox.service.MENDED_S", 0.05)
    monkeypatch.setattr("alerting.outbox.service.STRANGE_TRIES", 3)
    async with vendor("sms") as there:
        there.script = ["500"]
        chosen = targets_of({"sms": there}, files, per_minute=100, bundle_s=0.1)
        odd, sound = (outbox.push("sms", address=f"+861380000000{n}") for n in (1, 2))
        async with courier(outbox.dsn, *chosen, breaker_failures=1, breaker_open_s=0.2) as one:
            box = one.boxes["sms"]
            box.channel = Odd(box.channel, {odd.key})
            outbox.put(odd, sound)
            await until(lambda: outbox.rows("select 1 from outbox where dead_at is not null"), 15,
                        "a dead letter that is listed")  # fmt: skip
            await until(lambda: len(there.took) == 1, 15, "what waited behind it")

    assert outbox.rows("select key, last_code from outbox where dead_at is not null") == [
        (odd.key, "KeyError")
    ]


@pytest.mark.feature("PagerDuty, liked")
async def test_a_storm_of_200_is_one_message_with_counts_and_every_row_has_its_receipt(
    outbox: Outbox, files: Path
) -> None:
    async with vendor("dingtalk") as there:
        chosen = targets_of({"dingtalk": there}, files, bundle_s=2.0)
        grades = [1 + n % 4 for n in range(200)]
        outbox.put(*(outbox.push("dingtalk", grade=grade) for grade in grades))
        async with courier(outbox.dsn, *chosen):
            await until(lambda: outbox.waiting() == 0, 15, "the storm")
            first_s = time.monotonic()
            outbox.put(*(outbox.push("dingtalk", grade=2) for _ in range(30)))
            await until(lambda: outbox.waiting() == 0, 15, "what came after")
            waited_s = time.monotonic() - first_s

    assert len(there.took) == 2
    assert "【汇总】200 起" in there.took[0]["actionCard"]["text"]
    assert "【汇总】30 起" in there.took[1]["actionCard"]["text"]
    assert waited_s > 0.8
    assert outbox.rows("select count(*), count(distinct message) from attempt") == [(230, 2)]
    assert outbox.rows("select incidents from outbox_message order by id") == [(200,), (30,)]


async def test_words_that_a_vendor_refuses_keep_nobody_from_the_counts(
    outbox: Outbox, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerting.outbox.service.MENDED_S", 0.2)
    async with vendor("dingtalk") as there:
        there.code, there.script = 430104, ["error"]
        outbox.put(*(outbox.push("dingtalk") for _ in range(9)))
        async with courier(outbox.dsn, *targets_of({"dingtalk": there}, files, bundle_s=0.3)):
            await until(lambda: outbox.waiting() == 0, 15, "counts")

    (took,) = there.took
    assert "【汇总】9 起：▲一级 9" in took["actionCard"]["text"]
    assert "井" not in took["actionCard"]["text"]


async def test_several_pages_to_one_person_are_one_message_and_two_persons_are_two(
    outbox: Outbox, files: Path
) -> None:
    async with vendor("sms") as there:
        to = ("+8611", "+8611", "+8611", "+8622")
        outbox.put(*(outbox.push("sms", is_page=True, address=one, person="p") for one in to))
        async with courier(outbox.dsn, *targets_of({"sms": there}, files)):
            await until(lambda: outbox.waiting() == 0, 15, "pages")

    assert sorted(took["to"][0] for took in there.took) == ["+8611", "+8622"]


@dataclass(slots=True)
class Siren:
    """A subscriber, and what it has heard."""

    addresses: Addresses
    heard: list[bytes] = field(default_factory=list)
    subscribed: threading.Event = field(default_factory=threading.Event)
    client: Client = field(init=False)

    def __enter__(self) -> Self:
        self.client = Client(
            CallbackAPIVersion.VERSION2, client_id="siren", protocol=MQTTProtocolVersion.MQTTv5
        )
        self.client.on_message = lambda _c, _u, message: self.heard.append(message.payload)
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.on_connect = lambda client, *_: client.subscribe("city/siren/1", qos=1)
        self.client.connect(self.addresses.mqtt_host, self.addresses.mqtt_port)
        self.client.loop_start()
        assert self.subscribed.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()


async def test_a_siren_has_it_when_the_broker_says_so_and_nobody_is_no_delivery(
    addresses: Addresses,
) -> None:
    url = f"mqtt://{addresses.mqtt_host}:{addresses.mqtt_port}"
    siren = Target("siren", url, kind="mqtt", topic="city/siren/1", private_allowed=True)
    channel = channel_for(siren, TLS)

    with pytest.raises(Busy, match="16-nobody"):
        await channel.send("k", b"wake up")
    with Siren(addresses) as there:
        code = await channel.send("k", b"wake up")
        await until(lambda: there.heard, 5, "heard")

    assert code == "puback-0"
    assert there.heard == [b"wake up"]


async def test_past_postgresql_a_robot_is_written_to_at_its_pace_and_tried_again(
    outbox: Outbox, files: Path
) -> None:
    async with vendor("wecom") as there:
        chosen = targets_of({"wecom": there}, files, per_minute=2)
        there.script = ["500"]
        is_back = asyncio.Event()
        async with courier(outbox.dsn, *chosen) as one:
            await one.push_now(outbox.push("wecom"), is_back)
            is_back.set()
            await one.push_now(outbox.push("wecom"), is_back)

    assert [len(there.asked), len(there.took)] == [2, 1]
