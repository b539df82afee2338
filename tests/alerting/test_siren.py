"""MQTT for sirens and boards: delivered on the broker's acknowledgement, by its reason."""

import time
from pathlib import Path
from typing import Any

import pytest

from lifeline.channels.choice import channel_for
from lifeline.errors import Busy, Mendable, Refused, Unavailable
from lifeline.targets import Target
from tests.alerting.test_channels import TLS
from tests.vendors.servers import Broker, listening, make_certificate, serving


def siren(url: str, **changes: Any) -> Target:
    keys = {"kind": "mqtt", "topic": "city/siren/1", "private_allowed": True, **changes}
    return Target("siren", url, timeout_s=3.0, **keys)


async def send(target: Target) -> str:
    return await channel_for(target, TLS).send("key-1", b"wake up")


async def test_a_message_is_delivered_on_its_puback_with_its_key() -> None:
    async with listening(Broker()) as there:
        code = await send(siren(f"mqtt://127.0.0.1:{there.port}"))

    assert code == "puback-0"
    assert there.took[0].endswith(b"wake up")
    assert b"key-1" in there.took[0]


@pytest.mark.parametrize(
    ("reason", "error"),
    [(0x10, Busy), (0x87, Mendable), (0x97, Busy), (0x90, Refused), (0x99, Refused)],
)
async def test_another_reason_is_no_delivery(reason: int, error: type[Exception]) -> None:
    async with listening(Broker(reason=reason)) as there:
        with pytest.raises(error, match=str(reason)):
            await send(siren(f"mqtt://127.0.0.1:{there.port}"))


async def test_a_broker_that_lets_us_not_in_hangs_or_is_away_is_no_delivery(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("wrong")
    async with listening(Broker(welcome=0x86)) as there:
        known = {"username": "u", "secret_file": str(tmp_path / "password")}
        with pytest.raises(Mendable, match="134"):
            await send(siren(f"mqtt://127.0.0.1:{there.port}", **known))
    async with listening(Broker(is_mute=True)) as there:
        began = time.monotonic()
        with pytest.raises(Unavailable, match="timeout"):
            await send(siren(f"mqtt://127.0.0.1:{there.port}"))
        assert time.monotonic() - began < 6.0

    with pytest.raises(Unavailable):
        await send(siren(f"mqtt://127.0.0.1:{there.port}"))


async def test_its_certificate_must_be_for_its_name_though_the_address_is_pinned(
    tmp_path: Path,
) -> None:
    make_certificate(tmp_path)
    ca = str(tmp_path / "ca.pem")

    async with listening(Broker(), serving(tmp_path)) as there:
        url = f"mqtts://localhost:{there.port}"
        code = await send(siren(url, ca_file=ca))
        for target in (siren(url), siren(url.replace("localhost", "127.0.0.1"), ca_file=ca)):
            with pytest.raises(Mendable, match="certificate"):
                await send(target)

    assert code == "puback-0"
    assert len(there.took) == 1
