"""Which readings are kept, and when they are looked for again."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from alerting.evidence import spans
from alerting.evidence.spans import DAY_MS, LAG_MS, LATE_MS, MOMENTS_MAX
from tests.streams.town import catalog


@given(st.lists(st.integers(0, 10**9), max_size=40), st.integers(1, 10**7))
def test_each_moment_lies_in_one_span_and_spans_do_not_touch(
    moments: list[int], reach: int
) -> None:
    found = spans.spans(moments, reach)

    assert found == sorted(found)
    assert all(before[1] < after[0] for before, after in pairwise(found))
    for at_ms in moments:
        assert sum(a <= at_ms - reach and at_ms + reach <= b for a, b in found) == 1


def test_of_very_many_moments_the_first_and_the_last_are_kept() -> None:
    found = spans.spans(range(0, 1000 * 100, 1000), 1)

    assert len(found) == MOMENTS_MAX
    assert (found[0][0], found[-1][1]) == (-1, 99_001)


def test_own_channels_come_first_then_their_device_then_the_asset() -> None:
    near = ["gas/well-3/ch4", "gas/well-3/odd"]

    found = spans.channels(catalog(), ["gas/well-3/ch4", "gone/channel"], near)

    assert list(found) == ["gas/well-3/ch4", "gone/channel", "gas/well-3/temp", "gas/well-3/odd"]
    assert set(found.values()) == {60.0}


def test_a_group_stands_for_its_channels() -> None:
    found = spans.channels(catalog(), ["gas/pair"], [])

    assert list(found)[:2] == ["gas/well-0/ch4", "gas/well-1/ch4"]


def test_the_copy_is_looked_after_until_the_archive_has_everything_and_late_readings_are_in() -> (
    None
):
    end = 1_000_000_000
    fed = end + LAG_MS

    def look(fed_ms: int, now_ms: int, *, is_over: bool = True) -> tuple[str, int]:
        return spans.next_look(end, fed_ms, now_ms, is_over=is_over)

    assert look(0, end - 1) == ("settling", end + LAG_MS)
    assert look(0, end - 1, is_over=False) == ("live", end + LAG_MS)
    assert look(end, fed) == ("settling", fed + LAG_MS)
    assert look(fed, fed) == ("settling", end + LATE_MS)
    assert look(fed, fed, is_over=False) == ("live", fed + DAY_MS)
    assert look(0, end + DAY_MS) == ("settling", end + LATE_MS)
    assert look(fed, end + LATE_MS) == ("whole", end + LATE_MS)
