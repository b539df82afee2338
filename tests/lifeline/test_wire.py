"""Codecs: what was encoded comes back; anything else is Malformed, never another exception."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifeline import wire
from lifeline.model import Batch, Context, Finding, Message

names = st.text(min_size=1, max_size=20)
int64 = st.integers(-(2**63), 2**63 - 1)


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    channels = draw(st.lists(names, min_size=1, max_size=5))
    messages = draw(
        st.lists(st.builds(Message, names, int64, int64, st.integers(0, 9)), min_size=1, max_size=4)
    )
    n = draw(st.integers(0, 20))

    def column(values: st.SearchStrategy, kind: type) -> np.ndarray:
        return np.array(draw(st.lists(values, min_size=n, max_size=n)), dtype=kind)

    return Batch(
        received_ms=draw(int64),
        channels=channels,
        messages=messages,
        channel=column(st.integers(0, len(channels) - 1), np.int32),
        at_ms=column(int64, np.int64),
        value=column(st.floats(allow_nan=True), np.float64),
        quality=column(st.integers(0, 2**16 - 1), np.uint16),
        received=column(int64, np.int64),
        message=column(st.integers(0, len(messages) - 1), np.int32),
    )


@given(batches())
def test_a_batch_comes_back_as_it_went(batch: Batch) -> None:
    decoded = wire.decode_batch(wire.encode_batch(batch))

    assert (decoded.received_ms, decoded.channels, decoded.messages) == (
        batch.received_ms,
        batch.channels,
        batch.messages,
    )
    for column in ("channel", "at_ms", "value", "quality", "received", "message"):
        np.testing.assert_array_equal(getattr(decoded, column), getattr(batch, column))


@given(batches(), st.data())
def test_a_damaged_batch_is_a_batch_or_malformed(batch: Batch, data: st.DataObject) -> None:
    payload = bytearray(wire.encode_batch(batch))
    at = data.draw(st.integers(0, len(payload) - 1))
    payload[at] ^= data.draw(st.integers(1, 255))

    try:
        decoded = wire.decode_batch(bytes(payload))
    except wire.Malformed:
        return

    assert all(0 <= i < len(decoded.channels) for i in decoded.channel)


@pytest.mark.parametrize(
    "change",
    [
        {"channel": b"\1\0\0\0"},
        {"v": 2},
        {"at_ms": b"123"},
        {"channels": [1]},
        {"messages": "x"},
        {"value": b""},
    ],
)
def test_columns_that_do_not_fit_each_other_are_malformed(change: dict) -> None:
    one = Batch(
        1, ["a"], [Message("d", 1, 1)], np.zeros(1, np.int32), np.zeros(1, np.int64), np.zeros(1),
        np.zeros(1, np.uint16), np.zeros(1, np.int64), np.zeros(1, np.int32),
    )  # fmt: skip
    body = msgspec.msgpack.decode(wire.encode_batch(one)) | change

    with pytest.raises(wire.Malformed):
        wire.decode_batch(msgspec.msgpack.encode(body))


FINDING = Finding(
    id="1", phase="raised", zone="z", asset="a", lifeline="gas", channel="c", rule="r",
    detector="threshold", hazard="gas-leak", grade=1, onset_ms=1, at_ms=2, received_ms=3, value=1.5,
    evidence=((1, 1.5, 0),),
)  # fmt: skip
RECORDS = (
    (FINDING, wire.encode_finding, wire.decode_finding),
    (
        wire.Reject("malformed", "not JSON", "lifeline/v1/d/up", b"\xff{", 5),
        wire.encode_reject,
        wire.decode_reject,
    ),
    (
        wire.Wave("c", "d", 1, 2, 3, 50.0, 2, 1.0, 0.0, "int16", b"abcd", 4),
        wire.encode_wave,
        wire.decode_wave,
    ),
    (Context("z", "permit", 1, 2, {"radius_m": 5.0}), wire.encode_context, wire.decode_context),
    (
        wire.IncidentState(
            incident="i", episode=1, revision=2, phase="open", lifeline="gas", zone="z", asset="a",
            hazard="gas-leak", grade=1, drill=False, is_active=True, onset_ms=1, opened_ms=2,
            changed_ms=3, stamped_ms=4, acknowledged_by="", closed_by="", reason="opened",
        ),
        wire.encode_incident,
        wire.decode_incident,
    ),
)  # fmt: skip


@pytest.mark.parametrize(("record", "encode", "decode"), RECORDS)
def test_records_come_back_as_they_went(record, encode, decode) -> None:
    assert decode(encode(record)) == record


@pytest.mark.parametrize(("record", "encode", "decode"), RECORDS)
@given(data=st.data())
def test_a_damaged_record_is_a_record_or_malformed(record, encode, decode, data) -> None:
    payload = bytearray(encode(record))
    at = data.draw(st.integers(0, len(payload) - 1))
    payload[at] ^= data.draw(st.integers(1, 255))

    try:
        found = decode(bytes(payload))
    except wire.Malformed:
        return

    assert isinstance(found, type(record))
    assert encode(decode(encode(found))) == encode(found)


@given(st.binary(max_size=200).filter(lambda payload: payload[:1] not in (b"{", b"\x88")))
def test_bytes_that_are_no_map_are_malformed_on_every_topic(payload: bytes) -> None:
    for decode in (wire.decode_batch, *(decode for _, _, decode in RECORDS)):
        with pytest.raises(wire.Malformed):
            decode(payload)


@given(names, st.integers(1, 64))
def test_a_zone_has_one_partition_of_those_there_are(zone: str, partitions: int) -> None:
    assert 0 <= wire.partition_of(zone, partitions) < partitions


def test_a_zone_keeps_its_partition_for_ever() -> None:
    found = [wire.partition_of(zone, 12) for zone in ("gas/heping", "water/dma-3", "桥")]

    assert found == [1, 4, 3]


def test_a_records_headers_say_what_it_is_whence_it_comes_and_whether_it_is_a_drill() -> None:
    bare = wire.headers(wire.FINDINGS)
    full = wire.headers(wire.FINDINGS, trace="lifeline.readings/1/5", drill=True)

    assert bare == [("schema", b"finding/1")]
    assert full == [*bare, ("trace", b"lifeline.readings/1/5"), ("drill", b"1")]
