"""What a batch holds twice is judged once."""

from tests.detectors.city import RULES, bank, feed, told


def test_the_same_channel_and_time_twice_in_a_batch_counts_once() -> None:
    once, twice = bank(RULES), bank(RULES)
    rows = [("w0/ch4", 1, 5.0), ("w0/ch4", 2, 25.0)]

    said = feed(twice, rows[0], rows[0], *rows)

    assert told(said) == told(feed(once, *rows))
    assert twice.snapshot() == once.snapshot()
