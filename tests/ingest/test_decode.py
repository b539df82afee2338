"""Payloads: three shapes of JSON, waveform blocks, presence; all else is a value with a reason."""

import json
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import decode
from ingest.decode import Block, Presence, Undecodable, Uplink
from lifeline.model import Quality

AT = 1_700_000_000_000
ONE = {"boot": 7, "seq": 12, "channel": "ch4", "at_ms": AT, "value": 1.2}
BLOCK = {
    "channel": "hum",
    "at_ms": AT,
    "rate_hz": 100.0,
    "n": 3,
    "scale": 0.5,
    "offset": 0.0,
    "encoding": "int16",
    "samples": np.array([1, -2, 3], "<i2").tobytes(),
    "boot": 7,
    "seq": 12,
}


def test_one_reading() -> None:
    said = ONE | {"unit": "%LEL", "state": ["test-gas", "fault"]}

    found = decode.native(msgspec.json.encode(said))

    bits = int(Quality.TEST_GAS | Quality.FAULT)
    assert found == Uplink(None, 7, 12, ("ch4",), [AT], [1.2], [bits], ("%LEL",))


def test_a_list_of_readings() -> None:
    rows = [
        {"channel": "ch4", "at_ms": AT, "value": 1},
        {"channel": "temperature", "at_ms": AT + 1, "value": 2.5, "unit": "°C", "state": ["fault"]},
    ]

    found = decode.native(msgspec.json.encode({"boot": 7, "seq": 12, "readings": rows}))

    assert found == Uplink(
        None, 7, 12, ("ch4", "temperature"), [AT, AT + 1], [1.0, 2.5], [0, 1], [None, "°C"]
    )


@pytest.mark.parametrize(
    ("at_ms", "state", "times", "bits"),
    [
        (AT, None, [AT, AT], [0, 0]),
        ([AT, AT + 5], ["fault"], [AT, AT + 5], [1, 1]),
        (AT, [[], ["immersed"]], [AT, AT], [0, 8]),
    ],
)
def test_columns(at_ms: object, state: object, times: list[int], bits: list[int]) -> None:
    said = {"channels": ["ch4", "temperature"], "at_ms": at_ms, "values": [1, 2.5]}
    said |= {"state": state} if state else {}

    found = decode.native(msgspec.json.encode(said))

    assert found == Uplink(None, 0, -1, ("ch4", "temperature"), times, [1.0, 2.5], bits, None)


numbers = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(min_size=1, max_size=12)


@given(
    st.lists(st.tuples(names, st.integers(-(2**70), 2**70), numbers), max_size=40),
    st.integers(0, 2**53 - 1),
)
def test_what_a_device_says_is_what_is_read(rows: list[tuple[str, int, float]], seq: int) -> None:
    channels, at_ms, values = (
        (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    )
    columns = {"seq": seq, "channels": channels, "at_ms": at_ms, "values": values}
    listed = [{"channel": c, "at_ms": t, "value": v} for c, t, v in rows]

    as_columns = decode.native(json.dumps(columns).encode())
    as_list = decode.native(json.dumps({"seq": seq, "readings": listed}).encode())

    wanted = Uplink(None, 0, seq, tuple(channels), at_ms, values, [0] * len(rows))
    assert as_columns == wanted
    assert as_list == wanted


@pytest.mark.parametrize(
    "wild", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "null", "1" + "0" * 400]
)
def test_a_number_that_is_none_costs_only_itself(wild: str) -> None:
    body = '{"boot":1,"seq":2,"channels":["a","b","c"],"at_ms":5,"values":[1.5,WILD,2]}'

    found = decode.native(body.replace("WILD", wild).encode())

    assert isinstance(found, Uplink)
    assert (found.boot, found.seq, found.channels) == (1, 2, ("a", "b", "c"))
    assert math.isnan(found.values[1])
    assert [found.values[0], found.values[2]] == [1.5, 2.0]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe{}",
        b'{"channel":"\xff","at_ms":1,"value":1}',
        b'{"channels":["\xff"],"at_ms":1,"values":[1]}',
        b"[" * 1_000_000,
        b'{"channels":' + b"[" * 100_000,
        b'{"readings":[{"channel":' + b'{"a":' * 100_000,
        b'{"value":NaN,"channel":' + b"[" * 100_000,
        b"\x00" * 1_000_000,
        msgspec.json.encode(ONE | {"extra": 1}),
        msgspec.json.encode(ONE | {"value": "1.2"}),
        msgspec.json.encode(ONE | {"value": True}),
        msgspec.json.encode(ONE | {"at_ms": True}),
        msgspec.json.encode(ONE | {"at_ms": 1.5}),
        msgspec.json.encode(ONE | {"at_ms": "2026-11-21"}),
        msgspec.json.encode(ONE | {"seq": -1}),
        msgspec.json.encode(ONE | {"seq": 2**53}),
        msgspec.json.encode(ONE | {"boot": 1.5}),
        msgspec.json.encode(ONE | {"state": ["haunted"]}),
        msgspec.json.encode(ONE | {"state": [["fault"]]}),
        msgspec.json.encode(ONE | {"channels": ["a"], "values": [1]}),
        msgspec.json.encode(ONE | {"units": ["%LEL"]}),
        b'{"boot":1,"seq":2}',
        b'{"value":1,"at_ms":1}',
        b'{"channel":"a","value":1}',
        b'{"channel":"a","value":1,"at_ms":NaN}',
        b'{"channels":["a","b"],"at_ms":1,"values":[1]}',
        b'{"channels":["a","b"],"at_ms":[1],"values":[1,2]}',
        b'{"channels":["a","b"],"at_ms":1,"values":[1,2],"units":["x"]}',
        b'{"channels":["a","b"],"at_ms":1,"values":[1,2],"state":[["fault"]]}',
        b'{"channels":["a","b"],"at_ms":1,"values":[1,2],"state":["fault",["fault"]]}',
        b'{"channels":["a","b"],"at_ms":1,"values":[1,2],"state":[["fault"],"fault"]}',
        b'{"channels":[1],"at_ms":1,"values":[1]}',
        b'{"readings":[],"at_ms":1}',
        b'{"readings":[],"units":[]}',
        b'{"channel":"a","at_ms":' + b"9" * 5000 + b',"value":1}',
    ],
)  # fmt: skip
def test_what_is_not_a_message_is_malformed(payload: bytes) -> None:
    found = decode.native(payload)

    assert isinstance(found, Undecodable)
    assert found.reason == "malformed"
    assert 0 < len(found.detail) <= 500


def test_a_key_said_twice_counts_as_said_last() -> None:
    found = decode.native(b'{"channel":"a","at_ms":1,"value":1,"value":2}')

    assert isinstance(found, Uplink)
    assert found.values == [2.0]


def test_a_message_of_too_many_readings_is_refused_before_it_can_burst_a_record() -> None:
    n = decode.READINGS_MAX + 1

    found = decode.native(
        msgspec.json.encode({"channels": ["a"] * n, "at_ms": 1, "values": [0.0] * n})
    )

    assert isinstance(found, Undecodable)
    assert found.reason == "too-many"


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(
                ["device", "boot", "seq", "channel", "at_ms", "value", "unit", "state",
                 "readings", "channels", "values", "units", "x"]
            ),
            inner,
            max_size=6,
        ),
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.one_of(st.binary(max_size=300), json_values.map(lambda tree: json.dumps(tree).encode())))
def test_any_bytes_are_a_value_and_never_an_exception(payload: bytes) -> None:
    for form in decode.FORMATS.values():
        found = form(payload)
        assert isinstance(found, Uplink | Block | Presence | Undecodable)
        if isinstance(found, Uplink):
            columns = (found.channels, found.at_ms, found.values, found.states)
            assert len({len(column) for column in columns}) == 1


def test_a_waveform_block() -> None:
    found = decode.block(msgspec.msgpack.encode(BLOCK))

    assert isinstance(found, Block)
    assert (found.channel, found.n, found.scale, found.seq) == ("hum", 3, 0.5, 12)


@pytest.mark.parametrize(
    "wrong",
    [
        {"n": 4},
        {"n": 0, "samples": b""},
        {"n": -1},
        {"encoding": "float32"},
        {"encoding": "int32"},
        {"rate_hz": 0.0},
        {"rate_hz": math.inf},
        {"scale": math.nan},
        {"scale": 0.0},
        {"offset": math.inf},
        {"samples": "text"},
        {"extra": 1},
        {"state": ["haunted"]},
    ],
)
def test_a_block_that_contradicts_itself_is_malformed(wrong: dict[str, object]) -> None:
    found = decode.block(msgspec.msgpack.encode(BLOCK | wrong))

    assert isinstance(found, Undecodable)
    assert found.reason == "malformed"


@pytest.mark.parametrize(
    ("payload", "online"),
    [
        (b'{"online":true,"boot":3,"at_ms":5,"firmware":"1.2"}', True),
        (b'{"online":false,"boot":3}', False),
        (b"offline", False),
        (b"1", True),
        (b"false", False),
    ],
)
def test_presence(payload: bytes, online: bool) -> None:
    found = decode.presence(payload)

    assert isinstance(found, Presence)
    assert found.online is online


def test_lists_of_names_that_change_with_every_message_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ingest.decode._KNOWN_NAMES_MAX", 2)

    found = [
        decode.native(msgspec.json.encode({"channels": [f"x{n}"], "at_ms": AT, "values": [1]}))
        for n in range(5)
    ]

    assert [one.channels for one in found if isinstance(one, Uplink)] == [
        (f"x{n}",) for n in range(5)
    ]
    assert len(decode._known_names) <= 2
