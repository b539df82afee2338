"""What a device loses, repeats and has refused is counted once and reported soon."""

from hypothesis import given
from hypothesis import strategies as st

from lifeline.model import Message
from streams.meters import GAP_MAX, REPORTED, Meters
from tests.streams.town import START_MS, batch


def told(meters: Meters, now_ms: int) -> dict[str, float]:
    meters.note(batch([], received_ms=now_ms, messages=[]))
    made = meters.report()
    return {} if made is None else dict(zip(made.channels, made.value.tolist(), strict=True))


def note(meters: Meters, *seqs: int, boot: int = 1, rejected: int = 0, at: int = START_MS) -> None:
    messages = [Message("G1", boot, seq, rejected) for seq in seqs]
    meters.note(batch([], received_ms=at, messages=messages))


def test_gaps_duplicates_and_refusals_are_reported_within_seconds_and_then_zero_again() -> None:
    meters = Meters()
    note(meters, 1, 2, 5, 5, rejected=1)

    soon = told(meters, START_MS + 10_000)
    later = told(meters, START_MS + 70_000)

    assert soon["device/G1/gaps"] == 2
    assert soon["device/G1/duplicates"] == 1
    assert soon["device/G1/rejects"] == 4
    assert later["device/G1/gaps"] == later["device/G1/rejects"] == 0


def test_a_number_that_comes_after_all_is_no_gap() -> None:
    meters = Meters()
    note(meters, 1, 3, 2)

    seen = told(meters, START_MS + 10_000)

    assert seen["device/G1/gaps"] == 0
    assert seen["device/G1/duplicates"] == 0


def test_a_new_boot_counts_from_where_it_begins_and_an_old_one_says_nothing() -> None:
    meters = Meters()
    note(meters, 900)
    note(meters, 0, 1, boot=2)
    note(meters, 901, 950, boot=1)

    assert told(meters, START_MS + 10_000)["device/G1/gaps"] == 0


def test_a_device_with_nothing_new_is_quiet_for_ten_minutes() -> None:
    meters = Meters()
    note(meters, 1)
    first = told(meters, START_MS + 60_000)

    assert first
    assert told(meters, START_MS + 120_000) == {}
    assert told(meters, START_MS + 500_000) == {}
    assert told(meters, START_MS + 720_000)


def test_our_own_reports_are_not_metered() -> None:
    meters = Meters()
    note(meters, 1)
    meters.note(batch([], received_ms=START_MS + 60_000, messages=[]))
    made = meters.report()
    assert made is not None

    meters.note(made)

    assert list(meters.rows) == ["G1"]


@given(st.lists(st.integers(0, 200), max_size=60), st.integers(0, 60))
def test_cut_and_resumed_anywhere_the_counts_are_the_same(seqs: list[int], cut: int) -> None:
    whole, halves = Meters(), Meters()
    note(whole, *seqs)
    note(halves, *seqs[:cut])
    again = Meters()
    again.resume(halves.state())
    note(again, *seqs[cut:])

    assert told(again, START_MS + 10_000) == told(whole, START_MS + 10_000)


ABSURD = st.integers(-(2**63), 2**64 - 1)


@given(st.lists(st.tuples(ABSURD, ABSURD), min_size=1))
def test_absurd_counters_are_survived_and_the_counts_stay_plausible(
    pairs: list[tuple[int, int]],
) -> None:
    meters, again = Meters(), Meters()
    for boot, seq in pairs:
        note(meters, seq, boot=boot)
    again.resume(meters.state())

    found = told(meters, START_MS + 10_000)

    assert set(found) == {f"device/G1/{name}" for name in REPORTED}
    assert 0 <= found["device/G1/gaps"] <= GAP_MAX * (len(pairs) - 1)
    assert 0 <= found["device/G1/duplicates"] < len(pairs)
    assert (found["device/G1/rejects"], found["device/G1/skew"]) == (0, 0)
    assert told(again, START_MS + 10_000) == found
