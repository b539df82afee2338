"""The emergency platform's stand-in accepts what is right and refuses each thing that is wrong."""

import asyncio
import json
import time
from pathlib import Path

import httpx
import pytest

from lifeline import signing, wire
from lifeline.model import Text
from simulators.platform import serve
from simulators.store import read_journal
from simulators.verdict import judge

SECRET = "s3cret"
NOW_S = 1_700_000_000
TEXT = Text("中", "en")
BODY = wire.encode_notice(
    wire.Notice(
        incident="i1", kind="alert", reason="opened", status="Actual", sender="city",
        lifeline="gas",
        lifeline_title=TEXT, zone="gas/heping", asset=wire.NoticeAsset("gas/well-0001", TEXT, None),
        hazard="gas-leak", hazard_title=TEXT, grade=wire.NoticeGrade(1, "一级", "Critical"),
        onset_ms=1, detected_ms=2, at_ms=2, revision=0, headline=TEXT,
        explanation=wire.Explanation(
            "f", "threshold", 1, "r", "above-limit", "gas/well-0001/ch4", 51.0, "%LEL", 50.0, "l",
            "c", False, 1.0, 0.9, 1, "", TEXT, (),
        ),
        link="http://127.0.0.1/incidents/i1",
    )
)  # fmt: skip


def signed(body: bytes = BODY, key: str = "k1", now_s: int = NOW_S, secret: str = SECRET) -> dict:
    return signing.headers(secret, "1", key, body, now_s)


def test_a_good_notice_is_accepted_and_the_same_one_again_is_a_duplicate() -> None:
    first = judge(SECRET, "/incidents", signed(), BODY, NOW_S, {})
    seen = {"k1": __import__("hashlib").sha256(BODY).hexdigest()}
    again = judge(SECRET, "/incidents", signed(), BODY, NOW_S, seen)

    assert (first.status, first.reply, first.is_new) == (
        200,
        {"accepted": True, "duplicate": False},
        True,
    )
    assert (again.status, again.reply, again.is_new) == (
        200,
        {"accepted": True, "duplicate": True},
        False,
    )


@pytest.mark.parametrize(
    ("path", "headers", "body", "status"),
    [
        ("/incidents", signed(secret="other"), BODY, 401),
        ("/incidents", signed(now_s=NOW_S - 301), BODY, 401),
        ("/incidents", signed(now_s=NOW_S + 301), BODY, 401),
        ("/incidents", signed(key=""), BODY, 401),
        ("/incidents", {}, BODY, 401),
        ("/incidents", signed(), BODY + b" ", 401),
        ("/incidents", signed(b"{}"), b"{}", 422),
        ("/incidents", signed(b"not json"), b"not json", 422),
        ("/incidents", signed(b"[" * 5000), b"[" * 5000, 422),
        ("/messages", signed(b'{"to": ["1"]}'), b'{"to": ["1"]}', 422),
        ("/silence", signed(b"[]"), b"[]", 422),
        ("/silence", signed(b'{"a":"\xff"}'), b'{"a":"\xff"}', 422),
        ("/elsewhere", signed(), BODY, 404),
        ("/incidents", signed(), BODY + b" " * (1 << 20), 413),
    ],
)
def test_each_wrong_request_is_refused(path: str, headers: dict, body: bytes, status: int) -> None:
    verdict = judge(SECRET, path, headers, body, NOW_S, {})

    assert (verdict.status, verdict.reply["accepted"], verdict.is_new) == (status, False, False)


def test_a_message_is_answered_with_its_providers_code_also_when_it_comes_again() -> None:
    body = b'{"kind": "sms", "to": ["00000000003"], "text": "gas leak", "drill": false}'
    seen = {"k1": __import__("hashlib").sha256(body).hexdigest()}

    for known in ({}, seen):
        verdict = judge(SECRET, "/messages", signed(body), body, NOW_S, known)
        assert (verdict.status, verdict.reply["code"]) == (200, "OK")


def test_the_same_key_with_another_body_is_a_conflict() -> None:
    other = BODY.replace(b'"i1"', b'"i2"')

    verdict = judge(
        SECRET, "/incidents", signed(other), other, NOW_S, {"k1": "digest of the first"}
    )

    assert verdict.status == 409


async def test_the_server_records_before_it_answers_and_remembers_over_a_restart(
    tmp_path: Path,
) -> None:
    record = str(tmp_path / "record.jsonl")
    now_s = int(time.time())
    answers = []
    for _ in range(2):
        server, platform = await serve(SECRET, record)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with httpx.AsyncClient() as client:
            answer = await client.post(
                f"{url}/incidents", content=BODY, headers=signed(now_s=now_s)
            )
        answers.append((answer.status_code, answer.json()))
        server.close()
        await server.wait_closed()
        platform.record.close()

    lines = list(read_journal(record))
    assert answers == [
        (200, {"accepted": True, "duplicate": False}),
        (200, {"accepted": True, "duplicate": True}),
    ]
    assert [line["verdict"] for line in lines] == ["accepted", "duplicate"]
    assert {line["body"] for line in lines} == {BODY.decode()}


async def test_it_fails_as_it_is_told_and_recovers(tmp_path: Path) -> None:
    server, platform = await serve(SECRET, str(tmp_path / "record.jsonl"))
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    now_s = int(time.time())
    seen = []
    async with httpx.AsyncClient(timeout=0.5) as client:
        for mode in ("500", "refuse", "hang", "slow", "ok"):
            told = {"mode": mode, "delay_s": 0.05}
            assert (
                await client.post(f"{url}/control", content=json.dumps(told))
            ).status_code == 200
            try:
                answer = await client.post(
                    f"{url}/incidents", content=BODY, headers=signed(now_s=now_s)
                )
                seen.append(answer.status_code)
            except httpx.TimeoutException:
                seen.append(0)
    server.close()
    tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    platform.record.close()

    assert seen == [500, 422, 0, 200, 200]
