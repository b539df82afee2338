"""Group frames are complete, and the same however devices interleave and batches are cut."""

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lifeline.model import Batch, GroupFrame, Message, Quality
from streams.grid import Grid, lay_out
from streams.window import Window
from tests.streams.town import START_MS, batch, catalog

CITY = catalog()
A, B = "gas/well-0/ch4", "gas/well-1/ch4"


def frames_of(grid: Grid, window: Window, one: Batch) -> list[tuple[int, list[float]]]:
    made = grid.take(one, window.classify(one, window.rows_of(one.channels)))
    return [(frame.at_ms - START_MS, frame.values.tolist()) for _, frame in made]


def fresh() -> tuple[Grid, Window]:
    return lay_out(CITY, CITY.head.groups), Window(3_600_000)


def test_a_frame_closes_when_every_device_has_passed_it() -> None:
    grid, window = fresh()

    first = frames_of(grid, window, batch([(A, START_MS + 1000, 1.0), (A, START_MS + 9000, 2.0)]))
    second = frames_of(grid, window, batch([(A, START_MS + 11000, 3.0)]))
    third = frames_of(grid, window, batch([(B, START_MS + 10000, 7.0)]))

    assert first == second == []
    assert third == [(10_000, [2.0, 7.0])]


def test_a_silent_device_is_waited_for_as_long_as_it_may_be_silent_and_then_missing() -> None:
    grid, window = fresh()
    frames_of(grid, window, batch([(A, START_MS + 1000, 1.0)]))

    early = frames_of(grid, window, batch([], received_ms=START_MS + 10_000 + 174_000, messages=[]))
    due = grid.take(batch([], received_ms=START_MS + 190_000, messages=[]), np.zeros(0, np.int8))

    assert early == []
    frame: GroupFrame = due[0][1]
    assert frame.at_ms == START_MS + 10_000
    assert frame.values[0] == 1.0
    assert np.isnan(frame.values[1])
    assert frame.age_s.tolist() == [9.0, np.inf]


def test_a_device_that_returns_after_its_time_was_up_does_not_open_its_cells_again() -> None:
    grid, window = fresh()
    frames_of(grid, window, batch([(A, START_MS + 1000, 1.0)]))
    grid.take(batch([], received_ms=START_MS + 190_000, messages=[]), np.zeros(0, np.int8))

    assert frames_of(grid, window, batch([(B, START_MS + 5000, 2.0)])) == []
    later = batch([(A, START_MS + 200_000, 3.0), (B, START_MS + 200_000, 4.0)])
    assert frames_of(grid, window, later) == [(200_000, [3.0, 4.0])]


def test_an_unusable_reading_moves_the_time_and_leaves_its_place_empty() -> None:
    grid, window = fresh()
    frames_of(grid, window, batch([(A, START_MS + 10_000, 900.0)], quality=Quality.OUT_OF_RANGE))

    (frame,) = frames_of(grid, window, batch([(B, START_MS + 10_000, 2.0)]))

    assert plain([frame]) == plain([(10_000, [float("nan"), 2.0])])


def test_a_device_that_is_not_of_the_group_moves_no_watermark() -> None:
    grid, window = fresh()
    strange = batch([(A, START_MS + 10_000, 1.0)], messages=[Message("other", 1, -1)], of=[0])

    assert frames_of(grid, window, strange) == []
    assert frames_of(grid, window, batch([(B, START_MS + 10_000, 2.0)])) == []


MESSAGES = st.lists(
    st.tuples(st.sampled_from([A, B]), st.lists(st.integers(1, 60), min_size=1, max_size=4)),
    max_size=14,
)


def play(messages: list[tuple[str, list[int]]], size: int) -> list[tuple[int, list[float]]]:
    """All messages in batches of ``size``; a message is never split, for ingest does not."""
    grid, window = fresh()
    seen: list[tuple[int, list[float]]] = []
    for start in range(0, len(messages), size):
        part = messages[start : start + size]
        rows = [(name, START_MS + s * 1000, float(s)) for name, times in part for s in times]
        of = [i for i, (_, times) in enumerate(part) for _ in times]
        table = [Message("G0" if name == A else "G1", 1, -1) for name, _ in part]
        seen += frames_of(grid, window, batch(rows, messages=table, of=of))
    return seen


def plain(frames: list[tuple[int, list[float]]]) -> str:
    return repr(frames)


@settings(max_examples=200)
@given(MESSAGES, st.integers(1, 14))
def test_frames_do_not_depend_on_how_batches_are_cut(
    messages: list[tuple[str, list[int]]], size: int
) -> None:
    assert plain(play(messages, size)) == plain(play(messages, 1))


@settings(max_examples=200)
@given(MESSAGES)
def test_frames_do_not_depend_on_how_devices_interleave(
    messages: list[tuple[str, list[int]]],
) -> None:
    apart = [m for m in messages if m[0] == A] + [m for m in messages if m[0] == B]

    assert plain(play(messages, 1)) == plain(play(apart, 1))


def test_a_resumed_grid_goes_on_with_its_open_cells() -> None:
    grid, window = fresh()
    frames_of(grid, window, batch([(A, START_MS + 1000, 1.0)]))
    again, _ = fresh()

    again.resume(msgspec.msgpack.decode(msgspec.msgpack.encode(grid.state())))

    late = batch([(A, START_MS + 12_000, 4.0), (B, START_MS + 12_000, 5.0)])
    assert plain(frames_of(again, window, late)) == plain([(10_000, [1.0, float("nan")])])


def test_a_group_that_was_declared_anew_starts_without_open_cells() -> None:
    grid, window = fresh()
    frames_of(grid, window, batch([(A, START_MS + 1000, 1.0)]))
    coarser = [replace(group, grid_s=20.0) for group in CITY.head.groups]
    again = lay_out(CITY, coarser)

    again.resume(grid.state())

    assert again.plots[0].cells == {}
    assert again.watermark_ms == grid.watermark_ms


def test_a_partition_without_groups_has_no_frames() -> None:
    assert lay_out(CITY, []).take(batch([(A, START_MS, 1.0)]), np.zeros(1, np.int8)) == []
