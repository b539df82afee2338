"""A router whose clock is wrong signs by its receivers'."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from lifeline import layouts
from lifeline.channels import post
from lifeline.channels.choice import channel_for
from lifeline.errors import Mendable, Unavailable
from tests.alerting.test_cards import card
from tests.alerting.test_channels import TLS, files, target
from tests.vendors.servers import vendor

__all__ = ["files"]


@pytest.mark.parametrize("ahead_s", [3700.0, -7200.0])
@pytest.mark.parametrize("kind", ["dingtalk", "feishu", "sms", "voice"])
async def test_what_is_refused_for_its_time_is_signed_by_the_receivers_clock(
    kind: str, ahead_s: float, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    monkeypatch.setattr(post, "time", SimpleNamespace(time=lambda: real() + ahead_s))
    async with vendor(kind) as there:
        channel = channel_for(one := target(kind, there.url, files), TLS)
        body = layouts.payload(one, card(), "")
        with pytest.raises((Unavailable, Mendable)):
            await channel.send("key", body)
        await channel.send("key", body)
        monkeypatch.setattr(post, "time", SimpleNamespace(time=real))
        with pytest.raises((Unavailable, Mendable)):
            await channel.send("key", body)
        await channel.send("key", body)
        await channel.close()

    assert len(there.took) == 2


@pytest.mark.parametrize("date", ["", "yesterday", "Sat, 99 Nov 2026 00:00:00 GMT"])
async def test_an_answer_without_a_time_changes_nothing(
    date: str, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.vendors.servers.formatdate", lambda usegmt: date)
    async with vendor("sms") as there:
        channel = channel_for(one := target("sms", there.url, files), TLS)
        for _ in range(2):
            await channel.send("key", layouts.payload(one, card(), ""))
        await channel.close()

    assert len(there.took) == 2
