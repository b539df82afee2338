"""Acknowledgements: in order, only of what is durable, only on the connection it came by."""

import itertools

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ingest.acks import Acknowledgements, Receipt, ranges


@given(st.integers(1, 30).flatmap(lambda n: st.tuples(
    st.lists(st.integers(1, 3), min_size=n, max_size=n),
    st.permutations([i for i in range(n) for _ in range(3)]),
)))  # fmt: skip
def test_the_broker_is_told_of_a_prefix_of_what_is_durable(
    said: tuple[list[int], list[int]],
) -> None:
    parts, finishing = said
    acks = Acknowledgements()
    epoch = acks.connect()
    receipts = [Receipt(epoch, mid + 1, waits=n) for mid, n in enumerate(parts)]
    for receipt in receipts:
        acks.arrive(receipt)

    told: list[int] = []
    for place in finishing:
        if receipts[place].waits:
            acks.settle([receipts[place]])
        told += acks.due()
        durable = [r.mid for r in receipts if not r.waits]
        prefix = next((i for i, r in enumerate(receipts) if r.waits), len(receipts))
        assert told == [r.mid for r in receipts[:prefix]]
        assert set(told) <= set(durable)

    assert told == [receipt.mid for receipt in receipts]


def test_what_an_older_connection_brought_is_never_acknowledged_on_the_next() -> None:
    acks = Acknowledgements()
    old = Receipt(acks.connect(), 5, waits=1)
    acks.arrive(old)

    new = Receipt(acks.connect(), 5, waits=1)
    acks.arrive(old)
    acks.arrive(new)
    acks.settle([old])
    before = acks.due()
    acks.settle([new])

    assert before == []
    assert acks.due() == [5]


def test_the_device_is_told_all_the_same() -> None:
    acks = Acknowledgements()
    old = Receipt(acks.connect(), 5, "well-1", boot=7, seq=3, waits=1)
    acks.connect()

    acks.settle([old])

    assert acks.take_notes() == [("lifeline/v1/well-1/ack", b'{"boot":7,"seq":[[3,3]]}')]


def test_nothing_is_told_of_a_message_of_which_a_part_is_still_on_its_way() -> None:
    acks = Acknowledgements()
    receipt = Receipt(acks.connect(), 1, "well-1", boot=7, seq=3, waits=2)
    acks.arrive(receipt)

    acks.settle([receipt])

    assert acks.due() == []
    assert acks.take_notes() == []


def test_notes_are_coalesced_by_device_and_boot_and_drill() -> None:
    acks = Acknowledgements()
    epoch = acks.connect()
    counted = [Receipt(epoch, 0, "w", boot=7, seq=seq, waits=1) for seq in (5, 1, 2, 3)]
    other = Receipt(epoch, 0, "w", boot=8, seq=0, waits=1)
    drill = Receipt(epoch, 0, "w", drill=True, boot=7, seq=9, waits=1)
    rubbish = Receipt(epoch, 0, "w", digest="ab", waits=1)
    uncounted = Receipt(epoch, 0, "v", waits=1)

    acks.settle([*counted, other, drill, rubbish, uncounted])
    notes = [(topic, msgspec.json.decode(body)) for topic, body in acks.take_notes()]

    assert notes == [
        ("lifeline/v1/w/ack", {"boot": 7, "seq": [[1, 3], [5, 5]]}),
        ("lifeline/v1/w/ack", {"boot": 8, "seq": [[0, 0]]}),
        ("lifeline/v1/w/ack", {"sha256": ["ab"]}),
        ("lifeline/drill/v1/w/ack", {"boot": 7, "seq": [[9, 9]]}),
    ]
    assert acks.take_notes() == []


@given(st.lists(st.integers(0, 50)))
def test_ranges_cover_exactly_these_numbers(seqs: list[int]) -> None:
    made = ranges(seqs)

    covered = [seq for first, last in made for seq in range(first, last + 1)]
    assert covered == sorted(set(seqs))
    assert all(b[0] > a[1] + 1 for a, b in itertools.pairwise(made))
