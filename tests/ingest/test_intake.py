"""From bytes to what becomes of them: what is refused stays visible, what is good goes on."""

import hashlib
import struct

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.acks import Receipt
from ingest.batch import Batcher, tick
from ingest.decode import Uplink
from ingest.intake import REPEATED
from ingest.quality import Directory, judge
from lifeline import wire
from lifeline.model import Message, Quality
from tests.ingest.test_decode import BLOCK, ONE
from tests.ingest.world import NOW_MS, PARTITIONS, WINDOW, city, intake, reasons, taken

GOOD = msgspec.json.encode(ONE)


def test_a_good_message_has_its_row_and_its_reading() -> None:
    found = taken(GOOD)

    assert found.rejects == []
    assert found.message == Message("well-1", 7, 12)
    assert found.verdict is not None
    assert list(found.verdict.names) == ["gas/well-1/ch4"]


@pytest.mark.parametrize("payload", [b"{", b"\xff" * 1000, b"\x00" * 1_000_000, b"[" * 5000])
def test_rubbish_is_kept_with_its_bytes_and_seen_at_the_devices_meter(payload: bytes) -> None:
    found = taken(payload)

    ((reject, n),) = found.rejects
    assert (reject.reason, n, reject.device) == ("malformed", 1, "well-1")
    assert reject.payload == payload
    assert reject.received_ms == NOW_MS
    assert found.message == Message("well-1", 0, -1, 1)
    assert found.digest == hashlib.sha256(payload).hexdigest()


def test_a_device_that_the_catalog_lacks_is_refused_but_told_by_its_count() -> None:
    found = taken(GOOD, device="well-9")

    assert reasons(found) == {"unknown-device": 1}
    assert found.known is None
    assert found.message is not None
    assert (found.message.seq, found.digest) == (12, "")


def test_topic_and_payload_that_disagree_are_a_security_event() -> None:
    found = taken(msgspec.json.encode(ONE | {"device": "well-2"}))

    ((reject, _),) = found.rejects
    assert (reject.reason, reject.security) == ("identity", True)
    assert found.verdict is not None
    assert list(found.verdict.names) == []
    assert taken(msgspec.json.encode(ONE | {"device": "well-1"})).rejects == []


def test_topic_and_catalog_that_disagree_are_a_security_event() -> None:
    found = taken(msgspec.json.encode(ONE | {"channel": "gas/well-2/ch4"}))

    ((reject, _),) = found.rejects
    assert (reject.reason, reject.security) == ("identity", True)


def test_refused_readings_are_counted_and_placed_and_the_rest_goes_on() -> None:
    said = {
        "boot": 7,
        "seq": 12,
        "channels": ["ch4", "co2", "temperature", "ch4"],
        "at_ms": [NOW_MS, NOW_MS, NOW_MS, NOW_MS + 10**8],
        "values": [1.0, 2.0, 3.0, 4.0],
    }

    found = taken(msgspec.json.encode(said))

    assert {r.reason: (n, r.rows) for r, n in found.rejects} == {
        "unknown-channel": (1, (1,)),
        "ahead": (1, (3,)),
    }
    assert found.message == Message("well-1", 7, 12, 2)
    assert found.verdict is not None
    assert list(found.verdict.values) == [1.0, 3.0]


@pytest.mark.parametrize("kind", ["up", "wave"])
def test_what_the_broker_had_stored_is_no_reading(kind: str) -> None:
    assert reasons(taken(GOOD, kind=kind, retained=True)) == {"retained": 1}


@pytest.mark.parametrize(
    "topic",
    [b"lifeline/v1/well-1", b"lifeline/v1/a/b/up", b"lifeline/v2/w/up", b"\xff/up", b"",
     b"lifeline/v1//up", b"lifeline/v1/w/up\n", b"lifeline/v1/+/up", b"lifeline/v1/w/ack"],
)  # fmt: skip
def test_a_topic_that_is_no_devices_is_refused(topic: bytes) -> None:
    found = intake().take(topic, GOOD, NOW_MS, retained=False)

    assert reasons(found) == {"topic": 1}
    assert found.message is None


def test_birth_and_will_are_readings_of_the_devices_own_meter() -> None:
    house = intake()
    topic = b"lifeline/v1/well-1/state"

    said = [house.take(topic, word, NOW_MS, retained=True) for word in (b'{"online":false}', b"1")]

    verdicts = [found.verdict for found in said if found.verdict is not None]
    assert [list(v.names) for v in verdicts] == [["device/well-1/online"]] * 2
    assert [list(v.values) for v in verdicts] == [[0.0], [1.0]]
    assert [list(v.at_ms) for v in verdicts] == [[NOW_MS], [NOW_MS + 1]], "never one key for two"


def test_a_birth_that_the_broker_repeats_is_no_sign_of_life() -> None:
    topic = b"lifeline/v1/well-1/state"

    first, again = (
        intake().take(topic, b'{"online":true,"boot":3}', NOW_MS, retained=retained)
        for retained in (False, True)
    )

    assert first.message == Message("well-1", 3, -1)
    assert again.message == Message(REPEATED, 3, -1)
    assert again.verdict == first.verdict, "what it says still holds"


def test_the_removal_of_a_retained_state_says_nothing() -> None:
    found = taken(b"", kind="state")

    assert found.rejects == []
    assert found.verdict is None


def test_a_block_keeps_its_samples_and_its_device_a_row_for_the_count() -> None:
    found = taken(msgspec.msgpack.encode(BLOCK | {"state": ["immersed"]}), kind="wave")

    assert found.rejects == []
    assert found.wave is not None
    assert (found.wave.channel, found.wave.device) == ("gas/well-1/hum", "well-1")
    assert found.wave.quality == Quality.IMMERSED
    assert found.wave.samples == BLOCK["samples"]
    assert found.message == Message("well-1", 7, 12)


def test_a_block_with_a_sample_that_is_no_number_is_flagged() -> None:
    samples = np.array([1.0, np.nan, 3.0], "<f4").tobytes()

    found = taken(
        msgspec.msgpack.encode(BLOCK | {"encoding": "float32", "samples": samples}), kind="wave"
    )

    assert found.wave is not None
    assert found.wave.quality == Quality.NON_FINITE


def test_a_block_of_an_unknown_channel_or_time_is_refused() -> None:
    far = msgspec.msgpack.encode(BLOCK | {"at_ms": NOW_MS + 10**9})
    foreign = msgspec.msgpack.encode(BLOCK | {"channel": "co2"})

    assert reasons(taken(far, kind="wave")) == {"ahead": 1}
    assert reasons(taken(foreign, kind="wave")) == {"unknown-channel": 1}


@pytest.mark.parametrize("rate_hz", [1e-306, 1e-20, 1e-12, 0.0166])
def test_a_block_whose_last_sample_lies_ahead_is_refused_and_told_by_its_count(
    rate_hz: float,
) -> None:
    found = taken(msgspec.msgpack.encode(BLOCK | {"rate_hz": rate_hz}), kind="wave")

    ((reject, n),) = found.rejects
    assert (reject.reason, n) == ("ahead", 1)
    assert f"3 samples at {rate_hz} Hz" in reject.detail
    assert found.wave is None
    assert found.message == Message("well-1", 7, 12, 1)


def test_a_block_may_end_as_far_ahead_as_a_reading_may_lie() -> None:
    found = taken(msgspec.msgpack.encode(BLOCK | {"rate_hz": 0.017}), kind="wave")

    assert found.rejects == []
    assert found.wave is not None


@pytest.mark.parametrize("wrong", [{"scale": 40.0}, {"offset": -150.0}, {"scale": 1e308}])
def test_a_block_with_a_sample_out_of_range_is_flagged(wrong: dict[str, float]) -> None:
    found = taken(msgspec.msgpack.encode(BLOCK | wrong), kind="wave")

    assert found.wave is not None
    assert found.wave.quality == Quality.OUT_OF_RANGE


@given(st.binary(max_size=60), st.binary(max_size=120), st.booleans())
def test_no_topic_and_no_payload_is_an_exception(topic: bytes, payload: bytes, kept: bool) -> None:
    house = intake()

    for name in (topic, b"lifeline/v1/well-1/up", b"lifeline/v1/well-1/wave"):
        found = house.take(name, payload, NOW_MS, retained=kept)
        assert found.rejects or found.verdict is not None


triples = st.tuples(*[st.sampled_from(["well-1", "well-2", "well-9", "logger"])] * 2)


@given(triples)
def test_only_who_is_what_topic_and_payload_and_catalog_say_gets_in(said: tuple[str, str]) -> None:
    on_topic, in_payload = said

    found = taken(msgspec.json.encode(ONE | {"device": in_payload}), device=on_topic)

    gets_in = on_topic == in_payload and on_topic in ("well-1", "well-2")
    assert (not found.rejects) == gets_in


readings = st.lists(
    st.tuples(
        st.sampled_from(["well-1", "well-2", "logger"]),
        st.lists(st.floats(0, 10), min_size=1, max_size=40),
        st.booleans(),
    ),
    max_size=12,
)


@given(readings, st.integers(200, 5000))
def test_batches_hold_every_reading_once_by_partition_and_drill(
    said: list[tuple[str, list[float], bool]], limit: int
) -> None:
    directory = Directory(city(), PARTITIONS)
    batcher = Batcher(limit)
    sealed = []
    wanted = []
    for seq, (device, values, drill) in enumerate(said):
        known = directory.find(device)
        assert known is not None
        names = (
            [f"c{n}" for n in range(len(values))] if device == "logger" else ["ch4"] * len(values)
        )
        uplink = Uplink(
            None, 1, seq, tuple(names), [NOW_MS + seq] * len(values), values, [0] * len(values)
        )
        verdict = judge(uplink, known, directory, NOW_MS, WINDOW)
        receipt = Receipt(1, seq + 1, device, drill)
        full = batcher.add(known, Message(device, 1, seq), verdict, NOW_MS + 7, receipt)
        wanted += [
            (known.partition, drill, seq, n, v) for n, v in zip(verdict.names, values, strict=True)
        ]
        sealed += [batcher.seal(full, NOW_MS)] if full else []
    sealed += batcher.seal_all(NOW_MS)

    got = []
    for one in sealed:
        batch = wire.decode_batch(wire.encode_batch(one.batch))
        assert len(set(batch.channels)) == len(batch.channels)
        assert [r.seq if r.seq >= 0 else r.mid - 1 for r in one.receipts] == [
            m.seq for m in batch.messages
        ]
        for c, m, v, r in zip(
            batch.channel, batch.message, batch.value, batch.received, strict=True
        ):
            assert r == NOW_MS + 7
            got.append(
                (one.partition, one.drill, batch.messages[m].seq, batch.channels[c], float(v))
            )
        assert sum(one.counts.values()) == len(batch)

    assert sorted(got) == sorted(wanted)
    assert batcher.size == 0


def test_a_tick_is_an_empty_batch_with_the_time() -> None:
    batch = wire.decode_batch(wire.encode_batch(tick(NOW_MS)))

    assert len(batch) == 0
    assert batch.received_ms == NOW_MS


def test_a_wholly_refused_message_still_has_its_row_in_the_batch() -> None:
    found = taken(struct.pack(">I", 7))
    batcher = Batcher(1 << 20)
    assert found.known is not None
    assert found.message is not None
    assert found.verdict is not None

    batcher.add(found.known, found.message, found.verdict, NOW_MS, Receipt(1, 1))

    (sealed,) = batcher.seal_all(NOW_MS)
    assert len(sealed.batch) == 0
    assert sealed.batch.messages == [Message("well-1", 0, -1, 1)]


def test_topics_that_nobody_will_send_again_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.intake._TOPICS_MAX", 2)
    one = intake()

    topics = [f"lifeline/v1/well-{n % 2 + 1}/{kind}" for n in range(4) for kind in ("up", "state")]
    found = [one.take(t.encode(), GOOD, NOW_MS, retained=False).topic for t in topics]

    assert len(one._topics) <= 2
    assert [topic.device for topic in found if topic] == [t.split("/")[2] for t in topics]


def test_of_a_message_too_long_to_keep_the_beginning_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ingest.intake.PAYLOAD_BYTES_MAX", 10)
    payload = b"{" * 11

    ((reject, _),) = taken(payload).rejects

    assert reject.payload == payload[:10]
    assert reject.detail.endswith(" (cut)")
