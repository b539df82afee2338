"""The demo's mains: a whole network whose heads EPANET computes alike."""

from pathlib import Path

import numpy as np
import pytest

from simulators import epanet, mains, water

NETWORK = mains.hunnan(is_true=False)


def test_every_crossing_is_reached_from_the_inlet_and_their_shares_are_one() -> None:
    reached = {mains.INLET}
    while more := {p.b for p in NETWORK.pipes if p.a in reached} | {
        p.a for p in NETWORK.pipes if p.b in reached
    }:
        if more <= reached:
            break
        reached |= more

    names = {junction.name for junction in NETWORK.junctions}
    assert reached == names | {mains.INLET}
    assert len(names) == 64
    assert len({pipe.name for pipe in NETWORK.pipes}) == len(NETWORK.pipes) == 101
    assert sum(junction.share for junction in NETWORK.junctions) == pytest.approx(1.0)


def test_the_truth_has_the_same_mains_and_is_not_what_the_model_says() -> None:
    truth = mains.hunnan(is_true=True)

    assert [pipe.name for pipe in truth.pipes] == [pipe.name for pipe in NETWORK.pipes]
    other = truth.losses({}) / NETWORK.losses({})
    assert 0.01 < np.abs(other - 1.0).max() < 0.2


def test_a_position_is_at_its_nearest_crossing_and_an_unknown_one_at_the_first() -> None:
    assert NETWORK.nearest((123.4810, 41.6955)) == "H8"
    assert NETWORK.nearest(None) == "A1"


def test_losses_grow_with_one_power_of_all_flows() -> None:
    once = NETWORK.losses({"H8": 2.0})

    assert NETWORK.losses({}) * 150.0**1.852 == pytest.approx(_scaled(150.0), rel=1e-5)
    assert (once > NETWORK.losses({})).all()


def _scaled(demand_m3_h: float) -> list[float]:
    """The same by the network whose customers draw so much themselves."""
    extra = {j.name: j.share * (demand_m3_h - 1.0) for j in NETWORK.junctions}
    return NETWORK.losses(extra).tolist()


@pytest.mark.parametrize("burst_m3_h", [0.0, 300.0])
def test_epanet_computes_the_same_heads(tmp_path: Path, burst_m3_h: float) -> None:
    wntr = pytest.importorskip("wntr", reason="EPANET is an extra: pip install '.[calibrate]'")
    network, broken = NETWORK.broken(water.BURST_PIPE)
    file = tmp_path / "mains.inp"
    file.write_text(epanet.model_text(network, {}), encoding="utf-8")
    model = wntr.network.WaterNetworkModel(str(file))
    model.get_node(broken).add_demand(burst_m3_h / 3600.0, None)
    names = [junction.name for junction in network.junctions]
    ground = np.array([junction.ground_m for junction in network.junctions])

    made = wntr.sim.EpanetSimulator(model).run_sim(file_prefix=str(tmp_path / "run"))

    for hour in (3, 12, 19):
        inflow = float(made.link["flowrate"].loc[hour * 3600, epanet.VALVE]) * 3600.0
        demand = inflow - burst_m3_h
        loss = network.losses({broken: burst_m3_h / demand}) * demand**1.852
        heads = mains.SOURCE_HEAD_M - ground - loss
        told = made.node["pressure"].loc[hour * 3600, names].to_numpy()
        assert told == pytest.approx(heads, abs=0.01)


def test_sensors_are_tagged_at_junctions_and_links() -> None:
    text = epanet.model_text(NETWORK, {"B2": "w/head-01", epanet.VALVE: "w/flow"})

    assert "NODE B2 w/head-01\n" in text
    assert f"LINK {epanet.VALVE} w/flow\n" in text
    assert text.endswith("[END]\n")
