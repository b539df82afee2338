"""Physics against the computed tables of the domain study."""

import numpy as np
import pytest
from scipy import signal

from simulators import bridge, gas, heating, mains, water

HOLES_KG_H = {
    (1, 2.5): 0.12, (1, 100): 0.72, (1, 200): 1.07, (1, 400): 1.78,
    (2, 2.5): 0.48, (2, 100): 2.9, (2, 200): 4.3, (2, 400): 7.1,
    (5, 2.5): 3.0, (5, 100): 17.9, (5, 200): 26.8, (5, 400): 44.6,
    (10, 2.5): 11.9, (10, 100): 71.6, (10, 200): 107, (10, 400): 178,
}  # fmt: skip


@pytest.mark.parametrize(("hole_mm", "kpa"), HOLES_KG_H)
def test_outflow_agrees_with_the_table_within_5_percent(hole_mm: float, kpa: float) -> None:
    assert gas.outflow_kg_h(hole_mm, kpa) == pytest.approx(HOLES_KG_H[hole_mm, kpa], rel=0.05)


def test_outflow_is_continuous_where_it_chokes_at_85_kpa() -> None:
    below, above = gas.outflow_kg_h(5, 84.0), gas.outflow_kg_h(5, 86.0)

    assert 1.0 < above / below < 1.02


def minutes_to(fraction: float, reach: float, ach: float) -> float:
    one = np.array([1.0])
    c, minutes = np.array([0.0]), 0.0
    while c[0] < fraction:
        c = gas.well_step(c, 0.75 * reach * one, 2.0 * one, ach * one, 6.0)
        minutes += 0.1
    return minutes


@pytest.mark.parametrize(
    ("fraction", "reach", "ach", "minutes"),
    [(0.01, 0.05, 1.0, 46), (0.01, 0.10, 0.5, 17), (0.05, 0.10, 0.5, 141), (0.05, 0.30, 0.5, 31)],
)
def test_the_box_model_reaches_its_fractions_when_the_table_says(
    fraction: float, reach: float, ach: float, minutes: float
) -> None:
    assert minutes_to(fraction, reach, ach) == pytest.approx(minutes, abs=1.0)


def test_the_box_model_does_not_depend_on_the_step() -> None:
    one = np.array([1.0])
    big = gas.well_step(np.array([0.02]), 0.3 * one, 2.0 * one, 0.5 * one, 3600.0)
    small = np.array([0.02])
    for _ in range(360):
        small = gas.well_step(small, 0.3 * one, 2.0 * one, 0.5 * one, 10.0)

    assert small == pytest.approx(big, rel=1e-9)


@pytest.mark.parametrize(("hole_mm", "m3_h"), [(5, 1.3), (10, 5.1), (20, 20.6), (50, 129)])
def test_water_leaks_as_the_table_says_at_30_m(hole_mm: float, m3_h: float) -> None:
    assert water.leak_m3_h(hole_mm, 30.0) == pytest.approx(m3_h, rel=0.05)


def test_a_burst_lowers_every_head_and_agrees_with_its_own_flow() -> None:
    losses = water.losses_of(mains.hunnan(is_true=True), ["A1", "D4", "H8"], water.BURST_PIPE)
    calm, nothing = water.burst_heads(100.0, 0.0, losses)

    heads, burst = water.burst_heads(100.0, 80.0, losses)

    assert nothing == 0.0
    assert (heads < calm).all()
    assert heads.argmin() == losses.broken
    assert burst == pytest.approx(water.leak_m3_h(80.0, heads[losses.broken]), rel=1e-6)


@pytest.mark.parametrize("demand_m3_h", [70.0, 190.0])
def test_the_table_of_losses_says_what_the_network_itself_does(demand_m3_h: float) -> None:
    whole = mains.hunnan(is_true=False)
    losses = water.losses_of(whole, ["H5", "H8"], water.BURST_PIPE)
    network, broken = whole.broken(water.BURST_PIPE)
    names = [junction.name for junction in network.junctions]

    heads = losses.heads(demand_m3_h, 237.0)

    loss = network.losses({broken: 237.0 / demand_m3_h}) * demand_m3_h**1.852
    ground = np.array([junction.ground_m for junction in network.junctions])
    wanted = (44.0 - ground - loss)[[names.index(name) for name in ("H5", "H8", broken)]]
    assert heads == pytest.approx(wanted, abs=0.05)


def test_ten_thousand_cubic_metres_shrink_by_5_8_when_they_cool_by_a_kelvin_at_70() -> None:
    shrunk = 10_000 * (1 - heating.water_kg_m3(70.5) / heating.water_kg_m3(69.5))

    assert shrunk == pytest.approx(5.8, abs=0.2)


def test_the_span_rings_at_its_frequency_and_a_loss_of_stiffness_lowers_it_by_the_root() -> None:
    def rings_at(f1_hz: float) -> float:
        span = bridge.Span(np.random.default_rng(3))
        _, acceleration = span.run(8192, f1_hz)
        spectrum = np.abs(np.fft.rfft(acceleration[0] - acceleration[0].mean()))
        return float(spectrum.argmax() * bridge.RATE_HZ / 8192)

    whole, cracked = bridge.frequency_hz(10.0, 0.0), bridge.frequency_hz(10.0, 0.35)

    assert rings_at(whole) == pytest.approx(2.6, abs=0.05)
    assert rings_at(cracked) == pytest.approx(2.6 * 0.65**0.5, abs=0.05)


@pytest.mark.parametrize("f1_hz", [1.4, bridge.F1_HZ, 3.7])
def test_the_modes_are_discretised_as_scipy_does_it(f1_hz: float) -> None:
    mass = bridge.MASS_KG_M * bridge.SPAN_M / 2.0

    made = bridge.modal_coefficients(f1_hz)

    for n, (b, a) in zip(bridge.MODES, made, strict=True):
        omega = 2.0 * np.pi * f1_hz * n**2
        continuous = ([1.0 / mass], [1.0, 2.0 * bridge.DAMPING * omega, omega**2])
        wanted_b, wanted_a, _ = signal.cont2discrete(continuous, bridge.STEP_S, method="zoh")
        # Its matrix exponential of a stiff system is good to six digits; a load at rest is exact.
        assert b == pytest.approx(np.ravel(wanted_b), rel=1e-6, abs=1e-20)
        assert a == pytest.approx(wanted_a, rel=1e-6)
        assert b.sum() / a.sum() == pytest.approx(1.0 / (mass * omega**2), rel=1e-12)


def test_a_lorry_of_30_t_sags_the_span_as_the_point_load_formula_says() -> None:
    load_n, ei = 30_000 * bridge.G, bridge.stiffness_n_m2()
    span = bridge.Span(np.random.default_rng(0))
    span.next_entry_s, span.overload_t = 0.0, 30.0

    moved, _ = span.run(150, bridge.F1_HZ)

    expected = load_n * bridge.SPAN_M**3 / (48 * ei)
    # One mode carries 98.6 % of a mid-span load; the crossing adds some dynamics.
    assert moved[0].max() == pytest.approx(expected, rel=0.2)
