"""What the demo's water zone was taught with can be made again, and finds its burst."""

from pathlib import Path

import pytest

from benchmarks import demo_network
from calibration import store as history
from lifeline import artefact, store
from lifeline.catalog import Catalog
from lifeline.compiler import compile_catalog


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog(compile_catalog(store.read_sources((str(demo_network.LIFELINES),))))


def test_the_network_that_ships_is_what_the_simulator_hands_over(catalog: Catalog) -> None:
    assert demo_network.INP.read_text(encoding="utf-8") == demo_network.model(catalog)


def test_the_artefact_that_ships_is_what_calibration_makes_of_it(
    catalog: Catalog, tmp_path: Path
) -> None:
    pytest.importorskip("wntr", reason="EPANET is an extra: pip install '.[calibrate]'")
    file = tmp_path / "hunnan-dma3.npz"
    history.write(file, demo_network.recorded(catalog, demo_network.HOURS, demo_network.SEED))

    made = artefact.unpack(demo_network.taught(history.read(file), demo_network.INP))

    shipped = artefact.unpack(demo_network.ART.read_bytes())
    assert made.arrays.keys() == shipped.arrays.keys()
    for name, array in shipped.arrays.items():
        if array.dtype.kind == "f":
            assert made.arrays[name] == pytest.approx(array, rel=1e-3, abs=2e-3)
        else:
            assert made.arrays[name].tolist() == array.tolist()
    assert made.facts["false_alarms"] == shipped.facts["false_alarms"] == 0


def test_what_was_learned_is_about_the_group_s_channels(catalog: Catalog) -> None:
    group = demo_network.group_of(catalog)
    learned = artefact.unpack(demo_network.ART.read_bytes()).arrays

    assert tuple(learned["burst_members"].tolist()) == group.channels
