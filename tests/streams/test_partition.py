"""One partition's state is exact over cuts, snapshots and repetitions."""

import random

import msgspec
import numpy as np
import pytest

from detectors.plan import compile_plan
from lifeline import wire
from lifeline.model import Batch, Context, Finding, Message
from streams.detect.waves import readings_of
from streams.partition import (
    Partition,
    SnapshotError,
    blank,
    devices_by_partition,
    squeeze,
    unsqueeze,
)
from tests.streams.town import START_MS, batch, catalog

CITY = catalog()
PLAN = compile_plan(CITY.head.rules, CITY.head.limits)


def fresh() -> Partition:
    return blank(CITY, PLAN, 0, 1, lateness_s=3600.0, held_s=60.0)


def day(seed: int = 1) -> list[Batch]:
    """Two minutes of ten wells, one of them leaking; a tick every second."""
    rng = random.Random(seed)
    made: list[Batch] = []
    for second in range(120):
        at = START_MS + second * 1000
        rows, table, of = [], [], []
        for well in range(10):
            if rng.random() < 0.1:
                continue
            ch4 = 35.0 if well == 3 and 40 <= second < 80 else 1.0 + rng.random()
            rows += [(f"gas/well-{well}/ch4", at, ch4), (f"gas/well-{well}/temp", at, 10.0)]
            of += [len(table)] * 2
            table.append(Message(f"G{well}", 1, second))
        made.append(batch(rows, received_ms=at + 40, messages=table, of=of))
        made.append(batch([], received_ms=at + 500, messages=[]))
    return made


def gist(findings: list[Finding]) -> list[tuple[str, str, int]]:
    return [(one.id, one.phase, one.at_ms) for one in findings]


def play(partition: Partition, batches: list[Batch]) -> list[tuple[str, str, int]]:
    """What real readings led to; a drill speaks of itself on ticks too."""
    made = [one for b in batches for one in partition.step(b).findings]
    return gist([one for one in made if not one.drill])


def test_a_leak_is_raised_and_cleared_once() -> None:
    seen = play(fresh(), day())

    ch4 = [phase for id_, phase, _ in seen if phase != "held"]
    assert ch4.count("raised") == 1
    assert ch4.count("cleared") == 1


@pytest.mark.parametrize("cut", [1, 77, 100, 161, 239])
def test_a_restored_partition_says_exactly_what_the_undisturbed_one_says(cut: int) -> None:
    whole, first, second = fresh(), fresh(), fresh()
    batches = day()

    before = play(first, batches[:cut])
    blank_again = second.restore(unsqueeze(squeeze(first.snapshot())))
    after = play(second, batches[cut:])

    assert blank_again == []
    assert before + after == play(whole, batches)
    assert second.snapshot() == whole.snapshot()


def test_a_day_sent_twice_raises_nothing_new() -> None:
    partition = fresh()
    once = play(partition, day())

    again = play(partition, day())

    assert once
    assert {id_ for id_, _, _ in again} <= {id_ for id_, _, _ in once}


def test_a_damaged_snapshot_is_refused_and_never_taken_for_a_good_one() -> None:
    stored = squeeze(fresh().snapshot())

    for i in range(len(stored)):
        broken = stored[:i] + bytes([stored[i] ^ 0x55]) + stored[i + 1 :]
        with pytest.raises(SnapshotError):
            fresh().restore(unsqueeze(broken))


def test_a_snapshot_of_a_newer_version_is_refused_in_a_sentence() -> None:
    state = msgspec.msgpack.decode(fresh().snapshot())

    with pytest.raises(SnapshotError, match="version 9 is newer"):
        fresh().restore(msgspec.msgpack.encode({**state, "v": 9}))


def test_a_snapshot_that_lacks_a_part_is_refused() -> None:
    state = msgspec.msgpack.decode(fresh().snapshot())

    with pytest.raises(SnapshotError, match="not a snapshot of ours"):
        fresh().restore(msgspec.msgpack.encode({k: v for k, v in state.items() if k != "grid"}))


def test_a_device_that_never_spoke_is_silent_from_the_first_record_on() -> None:
    (names,) = devices_by_partition(CITY, 1)
    partition = blank(CITY, PLAN, 0, 1, lateness_s=3600.0, held_s=60.0, devices=names)

    made = [
        one
        for second in range(200)
        for one in partition.step(
            batch([], received_ms=START_MS + second * 1000, messages=[])
        ).findings
    ]

    assert {one.channel for one in made if one.phase == "raised"} == {
        f"device/{name}/seen" for name in names
    }


def test_a_wave_becomes_readings_of_its_features_at_its_last_sample() -> None:
    still = np.zeros(51, "<i2").tobytes()
    wave = wire.Wave("gas/well-0/ch4", "G0", 1, 1, START_MS, 50.0, 51, 1.0, 0.0, "int16", still, 5)

    made = readings_of(wave, CITY)

    assert isinstance(made, Batch)
    assert made.channels == ["gas/well-0/ch4/rms", "gas/well-0/ch4/peak"]
    assert made.at_ms.tolist() == [START_MS + 1000] * 2


def test_a_wave_that_cannot_be_read_is_refused_whole() -> None:
    wave = wire.Wave("gas/well-0/ch4", "G0", 1, 1, START_MS, 50.0, 3, 1.0, 0.0, "int16", b"odd", 5)

    refused = readings_of(wave, CITY)

    assert isinstance(refused, wire.Reject)
    assert (refused.device, refused.received_ms) == ("G0", 5)
    assert wire.decode_wave(refused.payload) == wave


def test_drill_readings_touch_no_real_state() -> None:
    partition, control = fresh(), fresh()
    leak = batch([("gas/well-1/ch4", START_MS, 50.0)])

    drilled = partition.step(leak, drill=True)

    assert [one.drill for one in drilled.findings] == [True]
    assert play(partition, day()) == play(control, day())


def test_a_finding_names_what_its_zone_knew_at_that_moment() -> None:
    partition, batches = fresh(), day()
    zone = next(zone for zone, _ in CITY.head.zones)
    partition.context(Context(zone, "work-order", START_MS, START_MS + 60_000))
    partition.context(Context("gas/elsewhere", "permit", START_MS, START_MS + 60_000))

    made = [one for b in batches for one in partition.step(b).findings]

    raised = next(one for one in made if one.phase == "raised")
    cleared = next(one for one in made if one.phase == "cleared")
    assert raised.contexts == ("work-order",)
    assert cleared.contexts == (), "the work was over by then"


def test_what_failed_in_the_bank_is_told_once_with_the_record() -> None:
    part = fresh()
    part.bank.failed.append(("gas.shape", "gas.shape on gas/all: ZeroDivisionError()"))
    first, second = day()[:2]

    assert [rule for rule, _ in part.step(first).failed] == ["gas.shape"]
    assert part.step(second).failed == []
