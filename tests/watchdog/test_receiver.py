"""The end of the canaries' way: only a signed notice of a canary counts as heard."""

import time
from collections.abc import AsyncIterator

import httpx
import pytest
import structlog

from lifeline import signing, wire
from lifeline.config import Settings
from lifeline.model import CANARY, Text
from watchdog.canary import Watch, asset_of
from watchdog.service import BODY_BYTES_MAX, Dog, _receiver

SECRET = "s3cret"
TEXT = Text("中", "en")
PARTITIONS = 3


def notice(asset: str) -> bytes:
    return wire.encode_notice(
        wire.Notice(
            incident="i1", kind="alert", reason="opened", status="Actual", sender="city",
            lifeline=CANARY, lifeline_title=TEXT, zone="canary/1",
            asset=wire.NoticeAsset(asset, TEXT, None),
            hazard=CANARY, hazard_title=TEXT, grade=wire.NoticeGrade(4, "四级", "Minor"),
            onset_ms=1, detected_ms=2, at_ms=2, revision=0, headline=TEXT,
            explanation=wire.Explanation(
                "f", "threshold", 1, "r", "above-limit", f"{asset}/beat", 1.0, "1", 0.5, "l",
                "c", True, 1.0, 0.9, 1, "", TEXT, (),
            ),
            link="http://127.0.0.1/incidents/i1",
        )
    )  # fmt: skip


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return signing.headers(secret, "1", "k1", body, int(time.time()))


@pytest.fixture
def dog() -> Dog:
    log = structlog.stdlib.get_logger("lifeline.test")
    return Dog(Settings(), log, Watch(PARTITIONS, 45_000, started_ms=0), SECRET)


@pytest.fixture
async def sender(dog: Dog) -> AsyncIterator[httpx.AsyncClient]:
    way = httpx.ASGITransport(_receiver(dog))
    async with httpx.AsyncClient(transport=way, base_url="http://watchdog") as client:
        yield client


async def test_a_canary_that_came_through_is_heard(dog: Dog, sender: httpx.AsyncClient) -> None:
    body = notice(asset_of(1))
    dog.watch.send(1, at_ms=1, now_ms=5_000)

    answer = await sender.post("/canary", content=body, headers=signed(body))

    assert (answer.status_code, answer.json()) == (200, {"accepted": True})
    assert dog.watch.heard_ms == {1: 5_000}


async def test_a_canary_that_was_heard_before_is_accepted_and_proves_nothing(
    dog: Dog, sender: httpx.AsyncClient
) -> None:
    body = notice(asset_of(1))

    answer = await sender.post("/canary", content=body, headers=signed(body))

    assert (answer.status_code, answer.json()) == (200, {"accepted": True})
    assert dog.watch.heard_ms == {}


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (notice(asset_of(1)), {}, 401),
        (notice(asset_of(1)), signed(notice(asset_of(1)), "other"), 401),
        (notice(asset_of(1)), signed(notice(asset_of(2))), 401),
        (b"{}", signed(b"{}"), 400),
        (b"\xff", signed(b"\xff"), 400),
        (notice("gas/well-1"), signed(notice("gas/well-1")), 400),
        (notice(asset_of(PARTITIONS)), signed(notice(asset_of(PARTITIONS))), 400),
        (b" " * (BODY_BYTES_MAX + 1), signed(b" " * (BODY_BYTES_MAX + 1)), 413),
    ],
    ids=["unsigned", "another-key", "another-body", "no-notice", "no-text", "a-real-incident",
         "no-partition-of-ours", "too-large"],
)  # fmt: skip
async def test_what_is_no_signed_notice_of_a_canary_is_refused_and_proves_nothing(
    dog: Dog, sender: httpx.AsyncClient, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = await sender.post("/canary", content=body, headers=headers)

    assert answer.status_code == status
    assert dog.watch.heard_ms == {}


async def test_without_a_secret_nothing_is_believed(dog: Dog, sender: httpx.AsyncClient) -> None:
    dog.secret = ""
    body = notice(asset_of(1))

    answer = await sender.post("/canary", content=body, headers=signed(body, secret=""))

    assert answer.status_code == 401
    assert dog.watch.heard_ms == {}
