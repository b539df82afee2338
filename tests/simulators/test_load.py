"""The load generator's bytes mean what they should, and its plan is kept."""

import json

import numpy as np
import pytest

from detectors.plan import compile_plan
from lifeline.catalog import Catalog
from lifeline.compiler import compile_catalog
from simulators.load.bench import LEAK_RULE, STEP_RULE, bench_sources
from simulators.load.packets import LEAK_VALUE, SEQ_FIRST, Packets, connect
from simulators.load.service import Plan, Plants


def parse(packet: bytes) -> tuple[str, int, dict]:
    assert packet[0] == 0x32, "PUBLISH, QoS 1"
    length, shift, at = 0, 0, 1
    while True:
        byte = packet[at]
        length |= (byte & 0x7F) << shift
        shift += 7
        at += 1
        if not byte & 0x80:
            break
    assert len(packet) == at + length
    size = int.from_bytes(packet[at : at + 2], "big")
    topic = packet[at + 2 : at + 2 + size].decode()
    at += 2 + size
    return topic, int.from_bytes(packet[at : at + 2], "big"), json.loads(packet[at + 2 :])


@pytest.mark.parametrize(("per_message", "boot"), [(1, 1), (100, 7), (20, 123)])
def test_every_packet_decodes_to_the_channels_of_its_device(per_message: int, boot: int) -> None:
    made = Packets(3, 100, per_message, boot, np.random.default_rng(1))
    catalog = Catalog(compile_catalog(bench_sources(300)))

    seen: dict[tuple[str, str], list[int]] = {}
    for i in range(2 * made.slots):
        topic, packet_id, body = parse(made.build(i, i % 65_535 + 1, 1_700_000_000_000 + i))
        device = catalog.device(topic.split("/")[2])

        assert device is not None
        assert packet_id == i % 65_535 + 1
        assert body["boot"] == boot
        assert len(body["channels"]) == len(body["values"]) == per_message
        assert all(20 <= value <= 75 for value in body["values"])
        assert {f"{device.asset}/{c}" for c in body["channels"]} <= {
            c.name for c in device.channels
        }
        assert made.channel(i) == f"{device.asset}/{body['channels'][0]}"
        for local in body["channels"]:
            seen.setdefault((device.name, local), []).append(body["seq"])
    assert len(seen) == 300
    assert all(len(set(seqs)) == 2 for seqs in seen.values())


def test_a_device_counts_its_messages_without_gap() -> None:
    made = Packets(2, 100, 10, 1, np.random.default_rng(1))

    parsed = [parse(made.build(i, 1, 1_700_000_000_000)) for i in range(3 * made.slots)]

    for device in ("bench-000000", "bench-000001"):
        seqs = [body["seq"] for topic, _, body in parsed if device in topic]
        assert seqs == list(range(SEQ_FIRST, SEQ_FIRST + 30))


def test_a_planted_value_stands_in_the_first_channel_alone() -> None:
    made = Packets(1, 100, 100, 1, np.random.default_rng(1))

    _, _, body = parse(made.build(0, 1, 1_700_000_000_000, LEAK_VALUE))

    assert body["values"][0] == float(LEAK_VALUE)
    assert max(body["values"][1:]) < 80


def test_all_steps_are_planted_and_no_channel_twice_before_it_came_back() -> None:
    made = Packets(100, 100, 100, 1, np.random.default_rng(1))
    plan = Plan(rate=10_000, seconds=60, n_channels=10_000, steps=1000, leaks=20)
    plants = Plants(plan, 6000, 500)

    marks = [
        (i, is_leak) for i in range(6000) for value, is_leak in [plants.value(i, made)] if value
    ]

    assert sum(is_leak for _, is_leak in marks) == 20
    assert sum(not is_leak for _, is_leak in marks) == 1000
    assert len({made.asset(i) for i, is_leak in marks if is_leak}) == 20
    last: dict[int, int] = {}
    for i, _ in marks:
        slot = i % made.slots
        assert i - last.get(slot, -10_000) >= 2 * made.slots
        last[slot] = i


def test_the_benchmark_city_has_the_rules_that_its_plants_break() -> None:
    catalog = Catalog(compile_catalog(bench_sources(1000)))

    assert catalog.head.n_channels == 1000
    assert {STEP_RULE, LEAK_RULE} <= {rule.id for rule in catalog.head.rules}


def test_connect_is_what_mqtt_3_1_1_says() -> None:
    assert connect("ab", 0) == b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x00\x00\x02ab"


def test_the_full_bank_watches_every_channel_more_closely_and_a_group_a_zone() -> None:
    catalog = Catalog(compile_catalog(bench_sources(1000, full=True)))
    plan = compile_plan(catalog.head.rules, catalog.head.limits)

    kinds = {watching.detector.kind for watching in plan.rules}
    assert {"robust", "sensor_fault", "mewma", "half_space", "novel_shape"} <= kinds
    assert plan.groups == {"bench/zone-00000/group"}
