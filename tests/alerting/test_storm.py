"""Raw alarms at ten thousand a minute, and twenty real leaks inside: the leaks stay in sight.

Through the whole of the pure path: engine with the network's rules, risk, the desk's flood.
"""

import random
from collections.abc import Iterator
from itertools import pairwise

import pytest

from alerting import engine, excursions
from alerting.board.sight import Floods, assess
from alerting.correlate import Correlator
from alerting.flood import GROUPS_MAX, ON_ABOVE
from alerting.policy import Policy
from alerting.risk import Weights
from alerting.rulegraph import parse_rules
from alerting.slices import Page, SaveAlarm, Slice
from lifeline.catalog import Catalog, Lifeline, Source
from lifeline.compiler import compile_catalog
from lifeline.model import Finding
from lifeline.network import Asset, Exposure, Link, Zone
from tests.alerting.accidents import RULE_TREE, RULES
from tests.alerting.scene import T0, raised

WELLS = 1000
RAW = 2000
"""Twelve seconds of it."""
WEIGHTS = Weights()
SCHOOL = Exposure(population=2000, schools=2, volume_m3=900.0, ignition=0.5)


def city() -> Catalog:
    """Streets of ten wells each, in 25 zones; every fiftieth well is by a school."""
    names = [f"gas/w{n:04}" for n in range(WELLS)]
    return Catalog(
        compile_catalog(
            [
                Source(
                    lifeline=Lifeline("gas"),
                    zone=tuple(Zone(f"gas/z{n}") for n in range(25)),
                    asset=tuple(
                        Asset(
                            name,
                            f"gas/z{n // 40}",
                            "valve-well",
                            exposure=SCHOOL if n % 50 == 7 else Exposure(population=50),
                        )
                        for n, name in enumerate(names)
                    ),
                    link=tuple(
                        Link(a, b, kind="gas-main", length_m=150.0)
                        for a, b in pairwise(names)
                        if a[-1] != "9"
                    ),
                )
            ]
        )
    )


def storm() -> Iterator[Finding]:
    """Findings of any lower grade and anywhere, and twenty leaks by the schools."""
    chance = random.Random(7)
    leaks = {n * RAW // 21: 50 * (n - 1) + 7 for n in range(1, 21)}
    for number in range(RAW):
        second = number * 60 / 10_000
        well = leaks.get(number, chance.randrange(WELLS))
        asset, hazard = f"gas/w{well:04}", "gas-leak" if number in leaks else "sensor-fault"
        yield raised(
            second,
            name=f"f{number}",
            zone=f"gas/z{well // 40}",
            asset=asset,
            channel=f"{asset}/{hazard}/{number % 3}",
            hazard=hazard,
            grade=1 if number in leaks else chance.randrange(2, 6),
            rule=f"rule.{hazard}",
        )


@pytest.mark.feature("A-6")
def test_twenty_leaks_in_raw_alarms_at_ten_thousand_a_minute_are_on_top_at_once() -> None:
    catalog = city()
    knower = Correlator(catalog, parse_rules(str(RULES), RULE_TREE))
    policy, slice_ = Policy(correlator=knower, parents=knower.parents), Slice()
    floods = Floods(knower.topology, lambda _lifeline, _zone: "gas")
    kept: set[str] = set()
    leaks: list[str] = []
    called: list[str] = []

    for one in storm():
        effects = engine.step(slice_, one, one.at_ms, policy)
        saved = [e.alarm for e in effects if isinstance(e, SaveAlarm)]
        kept |= {alarm.key for alarm in saved}
        for incident in {alarm.incident: 0 for alarm in saved if one.grade == 1}:
            members = slice_.members(incident)
            found = assess(knower.topology, WEIGHTS, slice_.incidents[incident], members)
            floods.scores[incident] = found.score
        floods.take(saved)
        if one.grade == 1:
            leaks.append(excursions.key_of(one))
            called += [e.incident for e in effects if isinstance(e, Page) and e.grade == 1]
            view = floods.views(one.at_ms)["gas"]
            assert {raw.alarm for raw in view.top} == {*leaks}, "at once, and so are all before it"

    view = floods.views(T0 + 12_000)["gas"]
    alarms = {key for key, alarm in slice_.alarms.items() if alarm.is_active}
    grouped = {name for line in view.groups for name in line.standing}

    assert view.is_flood
    assert len(leaks) == len(view.top) == len(set(called)) == 20
    assert len(view.groups) <= GROUPS_MAX
    assert kept == alarms == grouped | {*leaks}, "none is dropped, from the store or from sight"
    assert len(slice_.excursions) == RAW
    assert all(alarm.incident in slice_.incidents for alarm in slice_.alarms.values())
    assert sum(line.raises for line in view.groups) + 20 > len(alarms) - ON_ABOVE
