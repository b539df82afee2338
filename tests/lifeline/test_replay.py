"""The pure steps chained: same messages, same answer, however often and in whatever pieces."""

from collections import defaultdict
from itertools import count

import msgspec
import numpy as np
import pytest

from detectors.plan import compile_plan
from lifeline import wire, words
from lifeline.catalog import Catalog, Device
from lifeline.compiler import compile_catalog
from lifeline.config import CatalogFiles, Settings
from lifeline.replay import Message, Outcome, read_messages, replay
from lifeline.store import read_sources
from simulators import mains
from simulators.base import Truth, encode
from simulators.city import build_city

START_MS = 1_700_000_000_000
SECONDS = 40


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog(compile_catalog(read_sources(CatalogFiles().sources)))


@pytest.fixture(scope="module")
def recorded(catalog: Catalog) -> tuple[list[Message], list[Truth]]:
    """Forty seconds of the demo city as ingest would receive them, 20 ms after they were sent."""
    return sent(list(catalog.devices()), SECONDS)


def sent(devices: list[Device], seconds: int) -> tuple[list[Message], list[Truth]]:
    city = build_city(devices, np.random.default_rng(7), START_MS)
    counts: dict[str, count[int]] = defaultdict(count)
    messages = [
        Message(
            u.at_ms + 20,
            f"{wire.MQTT_ROOT}/{u.device}/{u.suffix}",
            encode(u, 1, next(counts[u.device])),
        )
        for u in city.step(START_MS + seconds * 1000)
    ]
    return sorted(messages, key=lambda m: m.ms), city.truth


def run(catalog: Catalog, messages: list[Message]) -> Outcome:
    plan = compile_plan(catalog.head.rules, catalog.head.limits)
    return replay(messages, catalog, plan, Settings(), idle_s=5.0)


def test_what_the_simulator_did_becomes_its_incident_and_nothing_else(
    catalog: Catalog, recorded: tuple[list[Message], list[Truth]]
) -> None:
    messages, truth = recorded

    outcome = run(catalog, messages)

    assert {(i.asset, i.hazard) for i in outcome.incidents.values()} == {
        (t.asset, t.hazard) for t in truth
    }
    assert outcome.rejects == []
    assert outcome.readings > 1000


def test_the_demo_s_burst_is_placed_beside_its_main_and_its_incident_says_so(
    catalog: Catalog,
) -> None:
    devices = [device for device in catalog.devices() if device.lifeline == "water"]
    messages, (truth,) = sent(devices, 60)

    outcome = run(catalog, messages)

    network = mains.hunnan(is_true=True)
    at = {junction.name: complex(junction.x, junction.y) for junction in network.junctions}
    middle = {p.name: (at[p.a] + at[p.b]) / 2 for p in network.pipes if p.a in at}
    there = middle[str(truth.detail["pipe"])]
    (incident,) = (i for i in outcome.incidents.values() if i.hazard == "burst")
    detail = incident.lead.detail
    assert detail is not None
    near = [name for name, _ in detail.candidates if abs(middle[name] - there) < 200.0]
    assert truth.detail["pipe"] in near
    assert detail.candidates[0][0] in near
    assert sum(p for name, p in detail.candidates if name in near) > 0.5
    assert detail.onset_ms == truth.onset_ms
    assert len(detail.residuals) == 13
    assert min(sigma for name, sigma in detail.residuals if "head" in name) < -10.0
    assert detail.candidates[0][0] in words.explain(incident.lead, "zh")


@pytest.mark.feature("S-3")
def test_the_same_messages_give_the_same_answer_byte_for_byte(
    catalog: Catalog, recorded: tuple[list[Message], list[Truth]]
) -> None:
    messages, _ = recorded

    outcomes = [run(catalog, messages) for _ in range(2)]

    first, second = (
        [wire.encode_finding(f) for f in o.findings] + [msgspec.json.encode(o.incidents)]
        for o in outcomes
    )
    assert first == second


def test_a_message_that_comes_twice_changes_nothing(
    catalog: Catalog, recorded: tuple[list[Message], list[Truth]]
) -> None:
    messages, _ = recorded
    twice = [again for message in messages for again in (message, message)]

    once, doubled = run(catalog, messages), run(catalog, twice)

    assert {f.id for f in doubled.findings if "meter" not in f.rule} >= {
        f.id for f in once.findings
    }
    assert {(i.asset, i.hazard, i.episode) for i in doubled.incidents.values()} == {
        (i.asset, i.hazard, i.episode) for i in once.incidents.values()
    }


def test_a_trace_is_read_line_by_line_and_a_wrong_line_is_named() -> None:
    good = '{"ms": 1, "topic": "lifeline/v1/d/up", "payload": "e30="}'

    assert list(read_messages([good, "", good]))[1].payload == b"{}"
    with pytest.raises(ValueError, match="line 2"):
        list(read_messages([good, "{"]))


def test_a_device_that_was_never_heard_is_reported_as_silent(
    catalog: Catalog, recorded: tuple[list[Message], list[Truth]]
) -> None:
    messages, _ = recorded
    plan = compile_plan(catalog.head.rules, catalog.head.limits)
    silent_s = max(device.silent_after_s for device in catalog.devices())

    outcome = replay(messages[:1], catalog, plan, Settings(), idle_s=silent_s + 5)

    silent = {f.channel for f in outcome.findings if f.rule == "device.silent"}
    assert silent == {f"device/{device.name}/seen" for device in catalog.devices()}


def test_a_drill_stays_a_drill(catalog: Catalog) -> None:
    plan = compile_plan(catalog.head.rules, catalog.head.limits)
    values = (1.0, 60.0)
    messages = [
        Message(
            START_MS + 1000 * i,
            f"{wire.MQTT_DRILL_ROOT}/gas-0003/up",
            b'{"boot":1,"seq":%d,"channel":"ch4","at_ms":%d,"value":%f}'
            % (i, START_MS + 1000 * i, v),
        )
        for i, v in enumerate(values)
    ]

    outcome = replay(messages, catalog, plan, Settings(), idle_s=5.0)

    assert {f.drill for f in outcome.findings} == {True}
    assert {i.drill for i in outcome.incidents.values()} == {True}


def test_what_cannot_be_used_is_kept_with_its_reason_and_nothing_else(catalog: Catalog) -> None:
    block = {
        "channel": "accel-01", "at_ms": START_MS, "rate_hz": 50.0, "n": 1, "scale": 1.0,
        "offset": 0.0, "encoding": "int16", "samples": b"\x01\x00", "boot": 1, "seq": 1,
    }  # fmt: skip
    messages = [
        Message(START_MS, "somewhere/else", b"{}"),
        Message(START_MS, f"{wire.MQTT_ROOT}/nobody/up", b'{"channel":"x","at_ms":1,"value":1}'),
        Message(START_MS, f"{wire.MQTT_ROOT}/bridge-acc-01/wave", msgspec.msgpack.encode(block)),
    ]

    outcome = run(catalog, messages)

    assert [r.reason for r in outcome.rejects] == ["topic", "unknown-device", "wave-length"]
    assert outcome.findings == []
