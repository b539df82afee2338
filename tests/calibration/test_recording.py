"""Recordings: their times on the grid, the layouts that they are read from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration import layouts, store
from calibration.layouts import LayoutError
from calibration.recording import Recording
from detectors.history import Event
from lifeline.errors import Refused

N = 12
WATER: dict[str, Any] = {
    "P": np.arange(2.0 * N).reshape(N, 2).astype(np.float32),
    "Q": np.ones((N, 3), np.float32),
    "T": np.full(N, 3.0, np.float32),
    "PS": np.array(["n1", "n4"]),
    "t0": np.array("2019-01-01 00:00:00"),
    "leaks": np.array(["{'pipe': 'p30', 't0': 3, 't1': 9, 'tpk': 5}"]),
    "LK": np.linspace(0, 11, N).reshape(N, 1),
}


def of(times_ms: list[int], step_s: float = 1.0) -> Recording:
    n = len(times_ms)
    return Recording("x", ("a",), ("q",), np.array(times_ms, np.int64), np.zeros((n, 1)), step_s)


@given(st.lists(st.integers(0, 100_000), max_size=40).map(sorted), st.integers(0, 40))
def test_every_row_gets_a_later_time_on_the_grid_whatever_follows_it(
    times_ms: list[int], cut: int
) -> None:
    whole = of(times_ms).at_ms

    assert (np.diff(whole) > 0).all()
    assert (whole % 1000 == 0).all()
    assert np.array_equal(of(times_ms).cut(cut).at_ms, whole[:cut])


def test_a_year_of_water_becomes_columns_with_their_quantities_and_leaks() -> None:
    made = layouts.of_arrays("y", WATER)

    assert made.columns == ("n1", "n4", "p227", "p235", "PUMP_1", "T1")
    assert made.quantities == ("head", "head", "inflow", "inflow", "pump-flow", "tank-level")
    assert made.time_ms[:2].tolist() == [1_546_300_800_000, 1_546_301_100_000]
    assert made.values[1].tolist() == [2.0, 3.0, 1.0, 1.0, 1.0, 3.0]
    assert made.events == (Event(kind="leak", row=3, end=9, peak=5, place="p30", size=11.0),)
    assert made.truth["leak_flow"].shape == (N, 1)


def test_without_labels_a_year_is_still_a_recording() -> None:
    bare = {name: WATER[name] for name in ("P", "Q", "T", "PS")}

    made = layouts.of_arrays("y", bare)

    assert (made.events, made.truth) == (None, {})


def test_a_piece_with_faults_names_their_channels() -> None:
    piece = {name: WATER[name] for name in ("P", "Q", "T", "PS")} | {
        "first_row": np.array(288),
        "step_s": np.array(300),
        "leaks": np.array("[{'pipe': 'p9', 'row': -5, 'end': 4}]"),
        "faults": np.array("[{'channel': 1, 'kind': 'drift', 'row': 2, 'end': 8}]"),
    }

    made = layouts.of_arrays("y", piece)

    assert made.time_ms[0] - layouts.water("z", WATER).time_ms[0] == -364 * 86_400_000
    assert made.events == (
        Event(kind="leak", row=-5, end=4, place="p9"),
        Event(kind="drift", row=2, end=8, place="n4"),
    )


def test_our_own_layout_comes_back_as_it_was_written(tmp_path: Path) -> None:
    made = layouts.of_arrays("y", WATER)

    store.write(tmp_path / "y.npz", made)

    (again,) = store.recordings([tmp_path])
    assert (again.columns, again.quantities, again.events) == (
        made.columns,
        made.quantities,
        made.events,
    )
    assert np.array_equal(again.values, made.values)
    assert np.array_equal(again.at_ms, made.at_ms)


def test_without_events_the_own_layout_says_that_nobody_knows(tmp_path: Path) -> None:
    store.write(tmp_path / "y.npz", of([0, 1000]))

    assert store.read(tmp_path / "y.npz").events is None


def test_what_is_no_recording_is_refused_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros(2))
    (tmp_path / "b.npz").write_bytes(b"no")

    for name in ("a.npz", "b.npz", "c.npz"):
        with pytest.raises(Refused, match=name):
            store.recordings([tmp_path / name])
    with pytest.raises(LayoutError):
        layouts.of_arrays("a", {"x": np.zeros(1)})


def test_several_network_files_are_too_many(tmp_path: Path) -> None:
    (tmp_path / "a.inp").touch()
    (tmp_path / "b.inp").touch()

    assert store.surveyed_networks([], [of([0])]) == {}
    with pytest.raises(Refused, match="2 EPANET files"):
        store.surveyed_networks([tmp_path], [of([0])])
