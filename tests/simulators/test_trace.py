"""A recorded trace sent again: the same messages, shifted and compressed in time, no rubbish."""

import json

import msgspec
import pytest

from simulators.base import Uplink, WaveBlock, encode
from simulators.trace import read_trace

THEN_MS = 1_600_000_000_000
NOW_MS = 1_700_000_000_000


def line(ms: int, body: object, topic: str = "lifeline/v1/d/up") -> dict[str, object]:
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return {"ms": THEN_MS + ms, "topic": topic, "payload": payload}


def one(ms: int, value: float) -> dict[str, object]:
    return line(ms, {"channel": "ch4", "at_ms": THEN_MS + ms - 100, "value": value})


def test_messages_come_when_they_are_due_in_order_and_once() -> None:
    trace = read_trace([one(2000, 2.0), one(0, 0.0), one(1000, 1.0)], NOW_MS, speed=1.0)

    seen = [[u.values for u in trace.step(NOW_MS + ms)] for ms in (0, 999, 2000, 9000)]

    assert seen == [[(0.0,)], [], [(1.0,), (2.0,)], []]
    assert trace.devices == ["d"]
    assert trace.truth == []


def test_device_times_are_shifted_and_compressed_with_the_trace() -> None:
    trace = read_trace([one(0, 0.0), one(10_000, 1.0)], NOW_MS, speed=10.0)

    sent = trace.step(NOW_MS + 1000)

    assert [u.at_ms - NOW_MS for u in sent] == [-10, 990]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"channel": "a", "at_ms": THEN_MS, "value": 1},
            [Uplink("d", NOW_MS, ("a",), (1.0,))],
        ),
        (
            {
                "readings": [
                    {"channel": "a", "at_ms": THEN_MS, "value": 1, "state": ["test-gas"]},
                    {"channel": "b", "at_ms": THEN_MS + 5, "value": 2},
                ]
            },
            [
                Uplink("d", NOW_MS, ("a",), (1.0,), ("test-gas",)),
                Uplink("d", NOW_MS + 5, ("b",), (2.0,)),
            ],
        ),
        (
            {"channels": ["a", "b"], "at_ms": THEN_MS, "values": [1, 2]},
            [Uplink("d", NOW_MS, ("a", "b"), (1.0, 2.0))],
        ),
        (
            {"channels": ["a", "b"], "at_ms": [THEN_MS, THEN_MS + 7], "values": [1, 2]},
            [Uplink("d", NOW_MS, ("a",), (1.0,)), Uplink("d", NOW_MS + 7, ("b",), (2.0,))],
        ),
    ],
)
def test_every_shape_of_a_payload_is_sent_again(
    body: dict[str, object], expected: list[Uplink]
) -> None:
    assert read_trace([line(0, body)], NOW_MS, speed=1.0).step(NOW_MS) == expected


def test_a_waveform_block_keeps_its_samples() -> None:
    wave = WaveBlock(50.0, 2, 0.1, 0.0, "int16", b"\1\0\2\0")
    payload = encode(Uplink("d", THEN_MS - 40, ("hum",), wave=wave), 3, 9)

    trace = read_trace([line(0, payload, "lifeline/v1/d/wave")], NOW_MS, speed=1.0)

    assert trace.step(NOW_MS) == [Uplink("d", NOW_MS - 40, ("hum",), wave=wave)]


@pytest.mark.parametrize(
    ("payload", "topic"),
    [
        (b"{", "lifeline/v1/d/up"),
        (b'{"channel":"a"}', "lifeline/v1/d/up"),
        (b'{"channels":["a"],"at_ms":[1,2],"values":[1]}', "lifeline/v1/d/up"),
        (b'{"channel":"\xff","at_ms":1,"value":1}', "lifeline/v1/d/up"),
        (b"[1]", "lifeline/v1/d/up"),
        (msgspec.msgpack.encode({"channel": "a"}), "lifeline/v1/d/wave"),
        (b'{"online":true}', "lifeline/v1/d/state"),
        (b'{"channel":"a","at_ms":1,"value":1}', "up"),
    ],
)
def test_what_is_no_reading_is_not_sent_again(payload: bytes, topic: str) -> None:
    trace = read_trace([line(0, payload, topic)], NOW_MS, speed=1.0)

    assert trace.step(NOW_MS + 10**9) == []


def test_an_empty_trace_begins_now_and_sends_nothing() -> None:
    trace = read_trace([], NOW_MS, speed=1.0)

    assert (trace.start_ms, trace.step(NOW_MS + 10**9)) == (NOW_MS, [])
