"""EPANET asked what a leak would do: on a small network whose answer is known."""

from pathlib import Path

import numpy as np
import pytest

from calibration import store
from calibration.recording import Recording

INP = """[JUNCTIONS]
 n1 10 20
 n2 10 10
 n3 10 10
[RESERVOIRS]
 r 60
[PIPES]
 p1 r n1 500 200 100 0 Open
 p2 n1 n2 300 150 100 0 Open
 p3 n1 n3 400 150 100 0 Open
[OPTIONS]
 Units CMH
 Headloss H-W
[TIMES]
 Duration 24:00
[COORDINATES]
 n1 0 0
 n2 1 0
 n3 0 1
 r 2 2
[END]
"""


def hearing(*columns: str) -> Recording:
    quantities = ("q",) * len(columns)
    return Recording(
        "x", columns, quantities, np.zeros(1, np.int64), np.zeros((1, len(columns))), 300.0
    )


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("town")
    (folder / "town.inp").write_text(INP)
    return folder


def test_a_leak_lowers_the_heads_behind_the_common_main_most_where_it_is(town: Path) -> None:
    made = store.surveyed_networks([town], [hearing("n2", "n3", "p1", "unknown")])

    response = made["response"].mean(axis=0)
    at_n2 = response[made["nodes"].tolist().index("n2")]
    assert at_n2[0] < at_n2[1] < 0.0
    # What leaks comes through the one main; the file knows nothing of the fourth column.
    assert at_n2[2] == pytest.approx(made["leak_m3_h"].mean(axis=0)[1], rel=0.02)
    assert at_n2[3] == 0.0


def test_pipes_lie_apart_from_middle_to_middle_and_end_at_junctions(town: Path) -> None:
    made = store.surveyed_networks([town], [hearing("n1")])

    assert made["pipes"].tolist() == ["p1", "p2", "p3"]
    assert made["distance_m"][1].tolist() == pytest.approx([400.0, 0.0, 350.0])
    assert made["ends"].tolist()[0] == [-1, 0]


def test_without_leaks_the_base_is_the_networks_own(town: Path) -> None:
    made = store.surveyed_networks([town], [hearing("p1", "n1")])

    assert made["base"][:, 0] == pytest.approx(np.full(8, 40.0), rel=1e-3)
    assert (made["base"][:, 1] < 50.0).all()
