"""What is learned from history: the tank, the noise without the known leaks, the directions."""

import numpy as np
import pytest

from detectors.base import Members
from detectors.water import hydraulics, learning
from detectors.water.leaks import BLOCK_MS
from tests.detectors.water import town


def test_the_tank_and_directions_are_recovered() -> None:
    made = learning.learned(town.history(), BLOCK_MS)

    assert made["tank_area"][0] == pytest.approx(town.AREA_M2, rel=0.02)
    drop = made["signatures"][3, : town.HEADS] + made["signatures"][3, 9:15]
    assert np.corrcoef(drop, -town.DROP[3])[0, 1] > 0.9
    assert made["signatures"][5, town.HEADS] == 1.0


def test_known_leaks_are_no_noise_with_or_without_their_flows() -> None:
    told = learning.learned(town.history(), BLOCK_MS)
    untold = learning.learned(town.history(known=False, model=False), BLOCK_MS)

    heads = slice(0, town.HEADS)
    for made in (told, untold):
        assert np.sqrt(np.diag(made["day_cov"]))[heads].max() < 0.01
    assert "signatures" not in untold


def test_flows_of_leaks_are_known_without_a_model_of_the_network() -> None:
    made = learning.learned(town.history(model=False), BLOCK_MS)

    assert np.sqrt(np.diag(made["day_cov"]))[: town.HEADS].max() < 0.01


def test_a_model_without_roughness_knows_no_doubt_of_it() -> None:
    history = town.history()
    network = {k: v for k, v in history.network.items() if not k.startswith("rougher")}
    object.__setattr__(history, "network", network)

    assert not learning.learned(history, BLOCK_MS)["roughness"].any()


def test_a_group_without_tank_has_no_zone() -> None:
    history = town.history(model=False)
    object.__setattr__(
        history,
        "members",
        Members(town.COLUMNS[:8], town.QUANTITIES[:8], town.GRID_S),
    )
    object.__setattr__(history, "values", history.values[:, :8])

    made = learning.learned(history, BLOCK_MS)

    assert made["tank_area"][0] == 0.0
    assert not hydraulics.layout(history.members).has_zone
