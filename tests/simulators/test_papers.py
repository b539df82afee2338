"""The stand-in reads CAP and cases by itself, and answers as such platforms do."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree

from alerting import cap, cases, receipts
from alerting.exchange.tables import CaseSystem
from lifeline import signing
from lifeline.grades import GRADING
from simulators import papers
from simulators.platform import serve
from simulators.store import read_journal
from simulators.verdict import judge
from tests.alerting.exchange.papers import TABLES, notice, schema

SECRET, NOW_S = "s3cret", 1_700_000_000
NAMES = cap.names_of(notice(), "platform", TABLES)
ALERT = cap.document(notice(), NAMES, (), TABLES, GRADING)
REFERENCE = cap.reference_of(notice(), NAMES, TABLES)
UPDATE = cap.document(
    notice(kind="update", reason="worsened"),
    cap.names_of(notice(kind="update", reason="worsened"), "platform", TABLES),
    (REFERENCE,),
    TABLES,
    GRADING,
)
CASE = cases.notice_of(notice(), CaseSystem(), "")


def post(path: str, body: bytes, known: frozenset[str] = frozenset()) -> tuple[int, str]:
    headers = signing.headers(SECRET, "1", "k", body, NOW_S)
    verdict = judge(SECRET, path, headers, body, NOW_S, {}, known, schema())
    return verdict.status, verdict.reason


def test_what_we_write_is_what_another_reader_accepts() -> None:
    assert post("/incidents", ALERT) == (200, "accepted")
    assert post("/incidents", UPDATE, frozenset((REFERENCE,))) == (200, "accepted")
    assert post("/cases", CASE) == (200, "accepted")
    assert papers.cap_reference(ALERT) == REFERENCE


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (UPDATE, "which never came"),
        (ALERT.replace(b"<msgType>Alert", b"<msgType>Update"), "needs references"),
        (UPDATE.replace(b"<msgType>Update", b"<msgType>Alert"), "has no references"),
        (ALERT.replace(b"<msgType>Alert", b"<msgType>Ack"), "none that we take"),
        (ALERT.replace(b"<status>Actual", b"<status>Real"), "schema refuses"),
        (ALERT.replace(b"<?xml", b"<!DOCTYPE a><?xml"), "document type"),
        (b"<alert/>", "not a CAP 1.2 alert"),
        (b"<alert>", "not XML"),
    ],
)
def test_each_wrong_document_is_refused(body: bytes, why: str) -> None:
    status, reason = post("/incidents", body)

    assert (status, why in reason) == (422, True), reason


@pytest.mark.parametrize(
    ("body", "why"),
    [(b"[", "not JSON"), (b"[]", "not a case/1"), (b'{"schema":"case/1"}', "lacks asked, at_ms")],
)
def test_each_wrong_case_is_refused(body: bytes, why: str) -> None:
    status, reason = post("/cases", body)

    assert (status, why in reason) == (422, True), reason


def said(path: str, body: bytes) -> list[tuple[str, bytes]]:
    return list(papers.later(path, "k", body, ("ack", "error", "seen"), ("10", "20"), 7, NOW_S))


def test_what_it_answers_is_understood_by_us() -> None:
    words = [receipts.read(answer)[0] for _, answer in said("/incidents", ALERT)]
    steps = [cases.read(answer) for _, answer in said("/cases", CASE)]

    assert [(one.word, one.identifier or one.key) for one in words] == [
        ("accepted", NAMES.identifier), ("refused", NAMES.identifier), ("seen", "k"),
    ]  # fmt: skip
    assert [(one.state, one.incident) for one in steps] == [("10", "i1"), ("20", "i1")]
    assert steps[0].at_ms < steps[1].at_ms
    for _, answer in said("/incidents", ALERT)[:2]:
        schema().assertValid(etree.fromstring(answer))


def test_of_a_notice_in_json_it_speaks_in_json_and_of_silence_not_at_all() -> None:
    assert [receipts.read(a)[0].word for _, a in said("/incidents", b"{}")] == [
        "accepted", "refused", "seen",
    ]  # fmt: skip
    assert said("/silence", b"{}") == []


async def test_told_to_it_calls_back_with_its_signature(tmp_path: Path) -> None:
    record = str(tmp_path / "record.jsonl")
    heard: list[tuple[str, str, bytes]] = []

    async def console(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        lower = {name.lower(): value for name, value in headers.items()}
        body = await reader.readexactly(int(lower["content-length"]))
        problem = signing.problem(SECRET, lower, body, int(time.time()))
        heard.append((head.split()[1], problem, body))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    caller = await asyncio.start_server(console, "127.0.0.1", 0)
    server, platform = await serve(SECRET, record)
    url, back = (f"http://127.0.0.1:{one.sockets[0].getsockname()[1]}" for one in (server, caller))
    told: dict[str, Any] = {"callback": back, "words": ["ack"], "states": ["20"]}
    async with httpx.AsyncClient() as client:
        await client.post(f"{url}/control", content=json.dumps(told))
        for path, key, body in (("/incidents", "a", ALERT), ("/cases", "b", CASE)):
            headers = signing.headers(SECRET, "1", key, body, int(time.time()))
            assert (await client.post(url + path, content=body, headers=headers)).status_code == 200
    await asyncio.wait_for(asyncio.gather(*platform.later), 10)
    server.close()
    caller.close()
    platform.record.close()

    again = await serve(SECRET, record)
    again[0].close()
    again[1].record.close()

    assert sorted((path, problem) for path, problem, _ in heard) == [
        ("/api/v1/exchange/cases", ""), ("/api/v1/exchange/receipts", ""),
    ]  # fmt: skip
    assert again[1].known == {REFERENCE}
    calls = [line for line in read_journal(record) if line["verdict"] == "called"]
    assert [line["status"] for line in calls] == [200, 200]
