"""Lanes depend on what each channel has shown, never on batches or neighbours."""

import itertools

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lifeline.model import HISTORICAL, LATE, LIVE, SKIP, Quality
from streams.window import Window
from tests.streams.town import START_MS, batch

ROWS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(1, 12), st.just(0.0)), max_size=30
)


def lanes_of(window: Window, rows: list[tuple[str, int, float]], quality: int = 0) -> list[int]:
    one = batch(rows, quality=quality)
    return window.classify(one, window.rows_of(one.channels)).tolist()


def by_hand(rows: list[tuple[str, int, float]]) -> list[int]:
    last: dict[str, int] = {}
    lanes = []
    for name, at, _ in rows:
        before = last.get(name, 0)
        lanes.append(LIVE if at > before else SKIP if at == before else LATE)
        last[name] = max(before, at)
    return lanes


@given(ROWS, st.lists(st.integers(0, 30), max_size=4))
def test_lanes_are_those_of_one_reading_after_the_other_however_batches_are_cut(
    rows: list[tuple[str, int, float]], cuts: list[int]
) -> None:
    window = Window(3_600_000)
    bounds = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]

    seen: list[int] = []
    for start, end in itertools.pairwise(bounds):
        seen += lanes_of(window, rows[start:end])

    assert seen == by_hand(rows)


@given(ROWS)
def test_order_across_channels_changes_nothing(rows: list[tuple[str, int, float]]) -> None:
    grouped = sorted(rows, key=lambda row: row[0])

    mixed, sorted_ = lanes_of(Window(1000), rows), lanes_of(Window(1000), grouped)

    def of(name: str, order: list[tuple[str, int, float]], lanes: list[int]) -> list[int]:
        return [lane for row, lane in zip(order, lanes, strict=True) if row[0] == name]

    for name in "abc":
        assert of(name, rows, mixed) == of(name, grouped, sorted_)


def test_far_behind_its_channel_is_historical_and_back_fill_moves_nothing() -> None:
    window = Window(1000)
    lanes_of(window, [("a", START_MS, 0.0)])

    assert lanes_of(window, [("a", START_MS - 1001, 0.0)]) == [HISTORICAL]
    assert lanes_of(window, [("a", START_MS - 1000, 0.0)]) == [LATE]
    assert lanes_of(window, [("a", START_MS + 9, 0.0)], int(Quality.HISTORICAL)) == [HISTORICAL]
    assert lanes_of(window, [("a", START_MS + 5, 0.0)]) == [LIVE]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=8))
def test_absurd_times_are_survived(times: list[int]) -> None:
    window = Window(1000)

    lanes = lanes_of(window, [("a", at, 0.0) for at in times])

    assert set(lanes) <= {LIVE, LATE, HISTORICAL, SKIP}
    assert (window.last_ms >= 0).all()


def test_a_resumed_window_goes_on_where_it_was() -> None:
    window, again = Window(1000), Window(1000)
    lanes_of(window, [(f"c{i}", i + 1, 0.0) for i in range(100)])

    again.resume(msgspec.msgpack.decode(msgspec.msgpack.encode(window.state())))

    assert again.rows == window.rows
    assert np.array_equal(again.last_ms[:100], window.last_ms[:100])
