"""Every metric is on the operator's list, and the loopback port tells the truth."""

import asyncio
from pathlib import Path

import pytest
from prometheus_client import Counter, Gauge, Histogram

from lifeline import telemetry
from lifeline.telemetry import Health, serve

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


def test_every_metric_is_on_the_operators_list() -> None:
    listed = OPERATIONS.read_text(encoding="utf-8")
    names = [
        m._name + ("_total" if isinstance(m, Counter) else "")
        for m in vars(telemetry).values()
        if isinstance(m, Counter | Gauge | Histogram)
    ]

    assert len(names) > 20
    assert [name for name in names if f"`{name}" not in listed] == []


async def ask(port: int, path: str) -> tuple[str, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = (await asyncio.wait_for(reader.read(), 5)).decode()
    writer.close()
    head, _, body = answer.partition("\r\n\r\n")
    return head.splitlines()[0], body


@pytest.mark.parametrize(
    ("problem", "path", "status"),
    [
        ("", "/readyz", "200"),
        ("no partitions yet", "/readyz", "503"),
        ("no partitions yet", "/healthz", "200"),
        ("", "/metrics", "200"),
        ("", "/else", "404"),
    ],
)
async def test_a_service_says_how_it_stands(problem: str, path: str, status: str) -> None:
    health = Health()
    health.problem = problem
    server = await serve(0, health)
    port = server.sockets[0].getsockname()[1]

    line, body = await ask(port, path)
    server.close()

    assert status in line
    assert body
    if path == "/readyz":
        assert problem in body


async def test_a_loop_that_no_longer_turns_is_not_alive() -> None:
    health = Health(stale_s=0.0)
    health.problem = ""
    server = await serve(0, health)
    port = server.sockets[0].getsockname()[1]

    answers = [await ask(port, path) for path in ("/healthz", "/readyz")]
    server.close()

    assert all("503" in line for line, _ in answers)
