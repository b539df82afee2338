"""What holds in a zone decides which rules judge there: regimes select, maintenance freezes."""

import numpy as np
import pytest

from detectors.bank import Bank
from lifeline.catalog import CatalogError, Rule
from lifeline.model import Context, Finding, GroupFrame
from tests.detectors.city import START_MS, bank, catalog, feed

RISE = {"kind": "rate", "limit": 1.0, "min_s": 1.0, "direction": "rise"}
IN_FROST = Rule("frost", "gas-leak", 3, RISE, quantity="ch4", during=("frozen-ground",))
IN_WORK = Rule("work", "gas-leak", 3, RISE, quantity="ch4", unless=("maintenance",))
SHIFT = Rule(
    "shift", "gas-leak", 4, {"kind": "cusum", "warm_up": 20}, quantity="ch4",
    unless=("maintenance",),
)  # fmt: skip
PICTURE = {"kind": "half_space", "window": 32}


def holds(of: Bank, kind: str, from_s: float, until_s: float, zone: str = "gas/z") -> None:
    at_ms, until_ms = START_MS + round(from_s * 1000), START_MS + round(until_s * 1000)
    of.context(Context(zone, kind, at_ms, until_ms))


def rises(of: Bank, from_s: float, channel: str = "w0/ch4") -> list[Finding]:
    """What a climb of 5 %LEL in a second leads to."""
    found = feed(of, (channel, from_s, 1.0), received_s=from_s)
    return found + feed(of, (channel, from_s + 1.0, 6.0), received_s=from_s + 1.0)


def learned(of: Bank) -> int:
    """How many readings the detector of shifts has learned from."""
    every = (watch for cohort in of.roster.cohorts for watch in cohort.watches)
    return int(next(w for w in every if w.watching.rule.id == "shift").state["learned"][0])


@pytest.mark.feature("D-8")
def test_a_rule_of_a_regime_judges_only_while_it_holds_and_there() -> None:
    city = bank([IN_FROST])
    holds(city, "frozen-ground", 100, 200)

    assert rises(city, 10.0) == []
    (raised,) = rises(city, 110.0)
    assert (raised.rule, raised.phase) == ("frost", "raised")
    other = bank([IN_FROST])
    holds(other, "frozen-ground", 100, 200, zone="gas/y")
    assert rises(other, 110.0) == []


def test_what_a_regimes_rule_has_said_is_over_with_the_regime() -> None:
    city = bank([IN_FROST])
    holds(city, "frozen-ground", 100, 200)
    rises(city, 110.0)

    (cleared,) = feed(city, ("w0/ch4", 201.0, 50.0), received_s=201.0)

    assert (cleared.rule, cleared.phase) == ("frost", "cleared")


@pytest.mark.feature("D-5")
def test_maintenance_freezes_a_rule_its_alarm_stays_and_nothing_is_learned() -> None:
    city = bank([IN_WORK])
    assert [f.phase for f in rises(city, 10.0)] == ["raised"]
    holds(city, "maintenance", 20, 100)

    assert feed(city, ("w0/ch4", 30.0, 6.0), received_s=30.0) == []
    assert [f.phase for f in feed(city, ("w0/ch4", 101.0, 6.0), received_s=101.0)] == ["cleared"]

    calm, worked = bank([SHIFT]), bank([SHIFT])
    holds(worked, "maintenance", 200, 300)
    for of, during in ((calm, ()), (worked, range(200, 300))):
        for k in (*range(100), *during):
            feed(of, ("w0/ch4", float(k), 10.0 + (k % 2)), received_s=float(k))
    assert [learned(of) for of in (calm, worked)] == [100, 100]


@pytest.mark.feature("D-5")
def test_a_group_is_frozen_in_a_maintenance_and_off_outside_of_its_regime() -> None:
    rng = np.random.default_rng(1)
    rules = [
        Rule("picture", "burst", 2, PICTURE, groups=("pair",), unless=("maintenance",)),
        Rule("season", "burst", 2, PICTURE, groups=("pair",), during=("heating-season",)),
    ]
    city = bank(rules)
    holds(city, "maintenance", 1_000, 2_000)
    holds(city, "heating-season", 0, 1_000)
    found = []
    for k in range(300):
        away = 20.0 if 80 <= k < 260 else 0.0
        at_ms = START_MS + k * 10_000
        values = 5.0 + away + rng.normal(size=2)
        found += city.group_frame(GroupFrame(at_ms, values, np.zeros(2)), "pair", received_ms=at_ms)

    told = [(f.rule, f.phase, (f.at_ms - START_MS) // 10_000) for f in found if f.phase != "held"]
    assert ("picture", "raised", 82) in told
    assert ("season", "raised", 82) in told
    assert ("season", "cleared", 101) in told
    assert next(at for rule, phase, at in told if (rule, phase) == ("picture", "cleared")) > 200


def test_a_limit_holds_whatever_goes_on() -> None:
    eased = Rule(
        "gas.ch4.20", "gas-leak", 2, {"kind": "threshold"}, quantity="ch4", limit="lel20",
        unless=("maintenance",),
    )  # fmt: skip
    with pytest.raises(CatalogError, match="holds whatever goes on"):
        catalog([eased])
