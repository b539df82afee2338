"""A router's loops: the fault of one is its own."""

import asyncio

import pytest
import structlog

from alerting.chores import service
from lifeline import telemetry

LOG = structlog.stdlib.get_logger("lifeline.test")


def failed(name: str) -> float:
    return float(telemetry.loops_failed.labels(name)._value.get())


@pytest.mark.parametrize("fault", [ZeroDivisionError("a row that stays"), None])
async def test_a_loop_that_ends_is_begun_anew_and_counted(
    fault: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "AGAIN_S", 0.0)
    begun = asyncio.Queue[int]()
    before = failed("test")

    async def loop() -> None:
        await begun.put(1)
        if fault is not None:
            raise fault

    running = asyncio.create_task(service.kept(loop, "test", LOG))
    for _ in range(3):
        await asyncio.wait_for(begun.get(), 5.0)

    assert failed("test") - before >= 2
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
