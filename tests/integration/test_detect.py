"""Findings are durable before offsets, and the same whatever dies in between."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lifeline import wire
from lifeline.model import Batch, Finding, Message
from lifeline.stack import Addresses, Stack
from tests.integration.rig import (
    PARTITIONS,
    ZONE_PARTITION,
    Rig,
    committed,
    consume,
    expected_findings,
    findings,
    publish,
    publish_raw,
    rig,
    wait_for,
)
from tests.streams.town import batch

pytestmark = pytest.mark.integration

NOW_MS = time.time_ns() // 1_000_000 - 300_000


@pytest.fixture
def city(addresses: Addresses, tmp_path: Path) -> Iterator[Rig]:
    with rig(addresses, tmp_path, timescale=False) as made:
        yield made


def leaks(first: int, n: int) -> list[Batch]:
    """``n`` seconds of ten wells; well k leaks in every second with s // 5 % 10 == k."""
    made = []
    for s in range(first, first + n):
        at = NOW_MS + s * 1000
        rows = [
            (f"gas/well-{k}/ch4", at, 40.0 if s // 5 % 10 == k else 1.0 + k / 100)
            for k in range(10)
        ]
        table = [Message(f"G{k}", 1, s) for k in range(10)]
        made.append(batch(rows, received_ms=at + 20, messages=table, of=list(range(10))))
    return made


def gist(made: list[Finding]) -> set[tuple[str, str, int]]:
    return {(one.id, one.phase, one.at_ms) for one in made if one.rule == "gas.ch4"}


def wait_for_findings(city: Rig, wanted: list[Finding], limit_s: float = 40.0) -> None:
    wait_for(lambda: gist(findings(city)) >= gist(wanted), limit_s, "the findings")


def test_findings_are_those_of_the_pure_path_with_their_zone_as_key(city: Rig) -> None:
    batches = leaks(0, 60)
    publish(city, batches)
    worker = city.start("detect")

    wait_for_findings(city, expected_findings(batches))

    made = findings(city)
    assert gist(made) == gist(expected_findings(batches))
    assert {partition for partition, _ in consume(city, wire.FINDINGS)} == {ZONE_PARTITION}
    assert made[0].trace.startswith(f"{wire.READINGS}/{ZONE_PARTITION}/")
    assert city.end(worker) == 0


@pytest.mark.faults  # `make test` kills detect in tests/faults.
def test_killed_and_restarted_it_says_exactly_what_an_undisturbed_run_says(city: Rig) -> None:
    batches = leaks(0, 120)
    for turn in range(3):
        worker = city.start("detect")
        city.wait_ready(worker)
        publish(city, batches[turn * 30 : turn * 30 + 30])
        time.sleep(0.4 + turn)
        city.kill(worker)
    city.start("detect")
    publish(city, batches[90:])

    wait_for_findings(city, expected_findings(batches), 60)

    assert gist(findings(city)) == gist(expected_findings(batches))


@pytest.mark.faults
@pytest.mark.parametrize(
    "point", ["detect.before-publish", "detect.after-publish", "detect.after-snapshot"]
)
def test_an_exit_at_a_crash_point_loses_no_finding(city: Rig, point: str) -> None:
    batches = leaks(0, 80)
    worker = city.start("detect", point, "3")
    publish(city, batches[:40])
    for k in range(40, 80, 4):
        if worker.poll() is None:
            time.sleep(1.0)
        publish(city, batches[k : k + 4])
    assert worker.wait(20) == 99
    before = committed(city, "lifeline.detect").get(ZONE_PARTITION, 0)

    city.start("detect")

    wait_for_findings(city, expected_findings(batches))
    assert gist(findings(city)) == gist(expected_findings(batches))
    assert before <= 80


@pytest.mark.faults
def test_a_worker_that_slept_20_s_does_no_harm(city: Rig) -> None:
    batches = leaks(0, 90)
    sleeper = city.start("detect")
    city.wait_ready(sleeper)
    publish(city, batches[:30])
    wait_for_findings(city, expected_findings(batches[:30]))
    sleeper.send_signal(signal.SIGSTOP)
    other = city.start("detect")
    publish(city, batches[30:60])
    time.sleep(20)
    sleeper.send_signal(signal.SIGCONT)
    publish(city, batches[60:])

    wait_for_findings(city, expected_findings(batches))

    assert gist(findings(city)) == gist(expected_findings(batches))
    assert other.poll() is None


@pytest.mark.faults
def test_one_of_two_workers_killed_the_other_goes_on_within_12_s(city: Rig) -> None:
    batches = leaks(0, 60)
    workers = [city.start("detect"), city.start("detect")]
    for worker in workers:
        city.wait_ready(worker)
    publish(city, batches[:30])
    wait_for_findings(city, expected_findings(batches[:30]))

    city.kill(workers[0])
    publish(city, batches[30:])

    wait_for_findings(city, expected_findings(batches), 12)


def test_without_postgresql_it_starts_blank_and_still_finds_after_one_wait_for_all(
    city: Rig,
) -> None:
    batches = leaks(0, 30)
    for number in range(PARTITIONS):
        publish(city, [batch([], received_ms=NOW_MS, messages=[])], number)
    publish(city, batches)
    worker = city.start("detect", LIFELINE_POSTGRES_DSN="postgresql://nobody@127.0.0.1:1/x")

    city.wait_ready(worker)
    wait_for_findings(city, expected_findings(batches), 15)
    assert (
        "starts blank" in city.tail() or "starts blank" in (city.folder / "detect.log").read_text()
    )


def test_poison_is_parked_with_its_bytes_and_the_records_beside_it_count(city: Rig) -> None:
    batches = leaks(0, 20)
    publish(city, batches[:10])
    publish_raw(city, b"\xc1 rubbish")
    publish_raw(city, b"rubbish", schema=wire.CONTEXT_SCHEMA)
    publish(city, batches[10:])
    city.start("detect")

    wait_for_findings(city, expected_findings(batches))

    parked = [wire.decode_reject(value) for _, value in consume(city, wire.REJECTS)]
    assert {one.payload for one in parked} == {b"\xc1 rubbish", b"rubbish"}
    assert len(parked) == 2
    assert city.rows("select record_offset from quarantine order by 1") == [(10,), (11,)]


@pytest.mark.faults
def test_a_mistake_of_ours_is_parked_at_the_third_failure(city: Rig) -> None:
    batches = leaks(0, 20)
    bad = batch([("gas/well-9/temp", NOW_MS, 66.0)])
    publish(city, batches[:10])
    publish(city, [bad])
    publish(city, batches[10:])

    ends = [city.start("detect", "bug").wait(40) for _ in range(3)]
    city.start("detect", "bug")

    assert ends == [70, 70, 70]
    wait_for_findings(city, expected_findings(batches))
    assert city.rows("select record_offset from quarantine") == [(10,)]


def test_kafka_killed_and_back_the_findings_go_on(city: Rig, stack: Stack) -> None:
    batches = leaks(0, 60)
    worker = city.start("detect")
    city.wait_ready(worker)
    publish(city, batches[:30])
    wait_for_findings(city, expected_findings(batches[:30]))

    stack.kill("kafka")
    stack.restart("kafka")
    publish(city, batches[30:])

    wait_for_findings(city, expected_findings(batches), 20)
    assert worker.poll() is None


def test_losses_of_a_device_come_back_as_readings_of_its_meters(city: Rig) -> None:
    batches = leaks(0, 30)
    gap = batch([], received_ms=NOW_MS + 31_000, messages=[Message("G1", 1, 40, 2)])
    tick = batch([], received_ms=NOW_MS + 60_000, messages=[])
    publish(city, [*batches, gap, tick])
    city.start("detect")

    def told() -> dict[str, float]:
        made = [wire.decode_batch(value) for _, value in consume(city, wire.READINGS)]
        return {
            one.channels[i]: value
            for one in made
            if one.messages and one.messages[0].device == "~detect"
            for i, value in enumerate(one.value.tolist())
            if value
        }

    wait_for(lambda: told().get("device/G1/gaps") == 10, 30)
    assert told()["device/G1/rejects"] == 2
