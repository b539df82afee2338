"""The sender's state machine: nothing leaves it but by ingest's own word."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from simulators.device import Ack, Entry, Outbox, read_ack


def entry(seq: int, device: str = "d", boot: int = 1) -> Entry:
    return Entry(device, boot, seq, "up", b"%d" % seq)


def test_what_is_not_acknowledged_is_sent_again_after_the_limit_and_not_before() -> None:
    outbox = Outbox(in_flight_max=10, resend_ms=15_000)
    outbox.offer([entry(1), entry(2)])

    first = outbox.due(0)
    outbox.settle("d", Ack(1, ((1, 1),)))
    early, late = outbox.due(14_999), outbox.due(15_000)

    assert [e.seq for e in first] == [1, 2]
    assert early == []
    assert [e.seq for e in late] == [2]
    assert outbox.resent == 1


def test_no_more_than_the_bound_is_in_flight() -> None:
    outbox = Outbox(in_flight_max=3, resend_ms=15_000)
    outbox.offer(entry(seq) for seq in range(10))

    first = outbox.due(0)
    outbox.settle("d", Ack(1, ((0, 1),)))

    assert [e.seq for e in first] == [0, 1, 2]
    assert [e.seq for e in outbox.due(1)] == [3, 4]


def test_a_lost_connection_sends_everything_in_flight_again_before_newer_messages() -> None:
    outbox = Outbox(in_flight_max=3, resend_ms=15_000)
    outbox.offer(entry(seq) for seq in range(5))
    outbox.due(0)

    outbox.disconnected()

    assert [e.seq for e in outbox.due(1)] == [0, 1, 2]


def test_another_boot_or_device_settles_nothing() -> None:
    outbox = Outbox(in_flight_max=3, resend_ms=15_000)
    outbox.offer([entry(1)])

    assert outbox.settle("d", Ack(2, ((1, 1),))) == []
    assert outbox.settle("e", Ack(1, ((1, 1),))) == []
    assert outbox.count == 1


def test_a_payload_that_could_not_be_decoded_is_let_go_and_counted() -> None:
    outbox = Outbox(in_flight_max=3, resend_ms=15_000)
    outbox.offer([entry(1), entry(2)])

    gone = outbox.settle("d", Ack(sha256=(hashlib.sha256(b"2").hexdigest(),)))

    assert [e.seq for e in gone] == [2]
    assert outbox.refused == 1


def test_rubbish_on_the_acknowledgement_topic_is_no_acknowledgement() -> None:
    assert read_ack(b"\xff{") is None
    assert read_ack(b'{"boot":"x"}') is None
    assert read_ack(b'{"sha256":["\xff"]}') is None
    assert read_ack(b'{"boot":1,"seq":[[1,5],[7,7]]}') == Ack(1, ((1, 5), (7, 7)))


def test_an_enormous_range_costs_only_what_is_owed() -> None:
    outbox = Outbox(in_flight_max=3, resend_ms=15_000)
    outbox.offer([entry(1), entry(2)])

    assert len(outbox.settle("d", Ack(1, ((0, 10**18),)))) == 2


STEPS = st.one_of(
    st.tuples(st.just("offer"), st.integers(1, 5)),
    st.tuples(st.just("send"), st.integers(0, 20_000)),
    st.tuples(st.just("ack"), st.tuples(st.integers(0, 30), st.integers(0, 10))),
    st.tuples(st.just("drop"), st.none()),
)


@given(st.lists(STEPS, max_size=60))
def test_whatever_happens_every_message_is_owed_until_it_is_acknowledged(steps: list) -> None:
    outbox = Outbox(in_flight_max=4, resend_ms=1000)
    made, acked, now_ms = 0, set(), 0
    for what, value in steps:
        if what == "offer":
            outbox.offer(entry(made + k) for k in range(value))
            made += value
        elif what == "send":
            now_ms += value
            assert len({e.key for e in outbox.due(now_ms)}) <= 4
        elif what == "ack":
            first, more = value
            acked |= {e.seq for e in outbox.settle("d", Ack(1, ((first, first + more),)))}
        else:
            outbox.disconnected()

    owed = {seq for _, seq in outbox.owed.get("d", {})}
    assert owed == set(range(made)) - acked
    waiting = {key[2] for key in outbox.unsent} | {key[2] for key in outbox.flying}
    assert owed <= waiting
    assert outbox.count == len(owed)
