"""Whatever is asked, candidates are safe, near and in one order; the demo city stays apart."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from alerting import correlate
from alerting.correlate import Candidate, Correlator
from alerting.rulegraph import parse_rules, problems_with
from lifeline import store
from lifeline.catalog import Catalog
from lifeline.compiler import compile_catalog
from lifeline.model import Finding
from tests.alerting.city import CITY, finding, incident

SHIPPED = Path("deploy/correlation.toml")
TREE = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
RULES = parse_rules(str(SHIPPED), TREE)
FROZEN = ("frozen-ground",)

PLACES = st.sampled_from([asset.name for asset in CITY.assets()])
HAZARDS = st.sampled_from(sorted({h for r in RULES.rule for h in (*r.a.hazards, *r.b.hazards)}))
FINDINGS = st.builds(
    finding,
    PLACES,
    HAZARDS,
    st.integers(0, 500).map(lambda n: n * 400.0),
    grade=st.integers(1, 5),
    detector=st.sampled_from(("threshold", "robust")),
    drill=st.booleans(),
    contexts=st.sampled_from(((), FROZEN)),
)
EITHER = Correlator(
    CITY,
    msgspec.structs.replace(
        RULES, rule=tuple(msgspec.structs.replace(r, count_min=1) for r in RULES.rule)
    ),
)


@given(FINDINGS, FINDINGS)
def test_two_findings_get_one_answer_whichever_comes_first(one: Finding, two: Finding) -> None:
    two = msgspec.structs.replace(two, contexts=one.contexts)

    there = EITHER.candidates(one, [incident(two)], 0)
    back = EITHER.candidates(two, [incident(one)], 0)

    def meaning(found: Sequence[object]) -> list[object]:
        return [
            (c.reason, c.rule, c.distance_m, abs(c.lag_s), c.hypothesis, c.effect)
            for c in found
            if isinstance(c, Candidate)
        ]

    assert meaning(there) == meaning(back)


@given(FINDINGS, st.lists(FINDINGS, max_size=6), st.randoms(use_true_random=False))
def test_candidates_are_safe_within_reach_and_in_one_order(
    new: Finding, leads: list[Finding], random: object
) -> None:
    open_ = [incident(lead, id=f"I-{n}") for n, lead in enumerate(leads)]
    shuffled = list(open_)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    by_id = {one.id: one for one in open_}

    found = EITHER.candidates(new, open_, 0)

    assert found == EITHER.candidates(new, shuffled, 0)
    reach = EITHER.reach(new)
    for candidate in found:
        other = by_id[candidate.incident]
        assert other.drill == new.drill
        assert other.asset in reach
        assert candidate.rule
        assert candidate.distance_m is not None
        if candidate.reason == "network":
            assert (other.lifeline, other.hazard) == (new.lifeline, new.hazard)
        elif candidate.effect in ("suppress", "load", "lower"):
            # What may be hidden, or be called harmless, is never of the top grade.
            hidden = other.grade if candidate.is_cause else new.grade
            assert hidden > 1
            # And a cause counts as what it is: only the consequence is eased.
            assert (candidate.grade is None) == candidate.is_cause
        elif candidate.effect == "raise":
            assert candidate.grade == 1


# The demo city.


def test_no_shipped_rule_joins_what_the_demo_city_tells_apart() -> None:
    city = Catalog(compile_catalog(store.read_sources(("deploy/lifelines",))))
    known = {device.asset: device for device in city.devices()}
    planted = [
        ("gas/well-0007", "gas-leak", "threshold", 3.0),
        ("water/hunnan-dma3/network", "burst", "threshold", 30.0),
        ("heating/plant-tiexi-01", "heating-leak", "threshold", 60.0),
        ("bridge/hunhe-east/span-2", "overload", "threshold", 85.0),
        ("bridge/hunhe-east/span-2", "stiffness-loss", "threshold", 95.0),
        ("bridge/hunhe-east/span-2", "stiffness-loss", "cusum", 95.0),
    ]
    findings = [
        msgspec.structs.replace(
            finding("gas/v1", hazard, at_s, detector=detector, contexts=FROZEN),
            asset=asset,
            zone=known[asset].zone,
            lifeline=known[asset].lifeline,
            channel=known[asset].channels[0].name,
        )
        for asset, hazard, detector, at_s in planted
    ]
    correlator = Correlator(city, RULES)

    for new in findings:
        others = [incident(one) for one in findings if one is not new]
        assert correlator.candidates(new, others, new.at_ms) == []
        assert len(correlator.reach(new)) <= correlate.REACH_MAX
    assert problems_with(RULES, city) == []


def test_wells_of_the_demo_city_are_too_far_apart_to_be_one_leak() -> None:
    city = Catalog(compile_catalog(store.read_sources(("deploy/lifelines",))))
    correlator = Correlator(city, RULES)
    wells = [a for a in city.assets() if a.kind == "valve-well"]
    leaks = [
        msgspec.structs.replace(
            finding("gas/v1", "gas-leak", 10.0 * n, contexts=FROZEN), asset=a.name, zone=a.zone
        )
        for n, a in enumerate(wells)
    ]

    for new in leaks:
        others = [incident(one) for one in leaks if one is not new]
        assert correlator.candidates(new, others, new.at_ms) == []
