"""The map sketch of a leak and the bars of its sensors."""

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alerting.console import sketch
from alerting.console.sketch import Mains

PIPES = Mains(["p1", "p2", "p3"], np.array([[0.0, 0, 100, 0], [100, 0, 100, 50], [100, 0, 200, 0]]))


def test_every_main_is_drawn_and_the_probable_ones_stand_out() -> None:
    drawn = sketch.draw(PIPES, [("p2", 0.6), ("p3", 0.1), ("gone", 0.3)], "en", 1)

    assert drawn.count("<path") == 3
    assert 'class="main likely"' in drawn
    assert "p2 60%" in drawn
    assert "p3 10%" in drawn


def test_north_is_up_and_nothing_leaves_the_picture() -> None:
    place = sketch._placer(PIPES.ends)
    x1, y1, x2, y2 = place(PIPES.ends[1])

    assert x1 == x2
    assert y2 < y1
    assert all(0 <= v <= sketch.WIDTH for pipe in PIPES.ends for v in place(pipe))


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4), min_size=1, max_size=5))
def test_any_network_fits_the_picture(ends: list[list[float]]) -> None:
    pipes = Mains([f"p{i}" for i in range(len(ends))], np.array(ends))
    place = sketch._placer(pipes.ends)

    for four in pipes.ends:
        x1, y1, x2, y2 = place(four)
        assert -0.2 <= min(x1, x2) <= max(x1, x2) <= sketch.WIDTH + 0.2
        assert -0.2 <= min(y1, y2) <= max(y1, y2) <= sketch.HEIGHT + 0.2


def test_names_from_a_calibration_cannot_write_markup() -> None:
    evil = Mains(["<script>"], np.array([[0.0, 0, 1, 1]]))

    assert "<script>" not in sketch.draw(evil, [("<script>", 0.9)], "zh", 1)
    assert "<script>" not in sketch.bars([("<script>", 3.0)], "zh", 1)


def test_bars_point_the_way_of_their_residual_and_the_farthest_comes_first() -> None:
    drawn = sketch.bars([("calm", 0.2), ("west", -9.0), ("wild", 400.0)], "en", 2)

    assert drawn.index("wild") < drawn.index("west") < drawn.index("calm")
    assert drawn.count("bar far") == 2
    assert "+400.0" in drawn


def test_a_calibration_without_a_network_has_no_mains() -> None:
    assert sketch.mains({}) is None
    assert sketch.mains({"pipe": np.array(["p1"])}) is None
    known = sketch.mains({"pipe": np.array(["p1"]), "pipe_xy": np.zeros((1, 4))})
    assert known is not None
    assert known.names == ["p1"]


def test_the_sketch_is_said_in_words_too() -> None:
    assert sketch.describe([("p2", 0.6), ("p3", 0.1)], "zh") == "最可能的管段：p2 60%、p3 10%"


def test_what_is_drawn_holds_the_probable_pipes_and_leaves_far_streets_out() -> None:
    streets = np.array([[x, 0.0, x + 100.0, 0.0] for x in range(0, 2000, 100)])
    pipes = Mains([f"p{k}" for k in range(20)], streets)

    (shown,) = sketch.frame(pipes.ends, pipes.ends[[18, 19]])
    (whole,) = sketch.frame(pipes.ends, pipes.ends[[]])

    assert shown.tolist() == [1200.0, 0.0, 2000.0, 0.0]
    assert whole.tolist() == [0.0, 0.0, 2000.0, 0.0]


def test_names_of_one_block_are_written_one_above_the_other() -> None:
    block = Mains(["p1", "p2", "p3", "far"], np.array([
        [0.0, 0, 10, 0], [0, 0, 0, 10], [0, 0, 10, 1], [0, 0, 5000, 5000],
    ]))  # fmt: skip

    drawn = sketch.draw(block, [("p3", 0.4), ("p2", 0.35), ("p1", 0.25)], "en", 1)

    places = [
        (float(x), float(y)) for x, y in re.findall(r'class="axis" x="(.*?)" y="(.*?)"', drawn)
    ]
    assert len(places) == 3
    for k, (x, y) in enumerate(places):
        assert 0 < x <= sketch.WIDTH - sketch.LABEL_WIDTH
        assert 0 < y < sketch.HEIGHT
        assert all(
            abs(x - a) >= sketch.LABEL_WIDTH or abs(y - b) >= sketch.LABEL_HEIGHT
            for a, b in places[:k]
        )


def test_bars_are_named_by_what_tells_them_apart() -> None:
    drawn = sketch.bars([("w/z/head-1", -60.0), ("w/z/head-2", 30.0)], "en", 1)

    assert ">head-1<" in drawn
    assert "w/z/head-1 -60.0" in drawn
