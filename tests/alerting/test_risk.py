"""Risk: every factor shown, every factor the wrong way up never, not knowing is no comfort."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.alarms import Alarm, blank
from alerting.risk import Risk, Weights, assess, at_stake
from alerting.topology import Topology
from lifeline.model import Quality
from lifeline.network import Exposure
from tests.alerting.city import CITY, finding, incident

EXPOSURES = st.builds(
    Exposure,
    population=st.integers(0, 100_000),
    schools=st.integers(0, 20),
    hospitals=st.integers(0, 20),
    volume_m3=st.floats(0, 1e5),
    ignition=st.floats(0, 1),
)
WEIGHTS = st.builds(
    Weights,
    severity=st.floats(0.1, 10),
    people=st.floats(0.1, 10),
    sensitive=st.floats(0.1, 10),
    volume=st.floats(0.1, 10),
    ignition=st.floats(0.1, 10),
    people_half=st.floats(10, 1e5),
    volume_half_m3=st.floats(1, 1e5),
    witness=st.floats(0, 0.9),
    doubt=st.floats(0.2, 1),
)
HAZARDS = st.sampled_from(("gas-leak", "burst", "overload"))


def in_alarm(count: int, hazard: str = "gas-leak") -> list[Alarm]:
    return [
        msgspec.structs.replace(
            blank(finding("gas/v1", hazard, channel=f"gas/v1/c{n}"), 0), state="unacknowledged"
        )
        for n in range(count)
    ]


def risk(
    exposure: Exposure | None,
    weights: Weights | None = None,
    *,
    witnesses: int = 1,
    hazard: str = "gas-leak",
    grade: int = 2,
    **lead: object,
) -> Risk:
    one = incident(finding("gas/v1", hazard, grade=grade, **lead))
    return assess(one, in_alarm(witnesses, hazard), exposure, weights)


@pytest.mark.feature("A-9")
@given(EXPOSURES, WEIGHTS, HAZARDS, st.integers(1, 6), st.integers(1, 6), st.floats(0, 1))
def test_more_of_anything_bad_is_never_less_risk(
    exposure: Exposure,
    weights: Weights,
    hazard: str,
    grade: int,
    witnesses: int,
    confidence: float,
) -> None:
    def score(
        exposure: Exposure,
        grade: int = grade,
        witnesses: int = witnesses,
        confidence: float = confidence,
        **lead: object,
    ) -> float:
        return risk(
            exposure,
            weights,
            witnesses=witnesses,
            hazard=hazard,
            grade=grade,
            confidence=confidence,
            **lead,
        ).score

    base = score(exposure)

    assert 0.0 <= base <= 100.0
    for name, more in (
        ("population", exposure.population + 500),
        ("schools", exposure.schools + 1),
        ("hospitals", exposure.hospitals + 1),
        ("volume_m3", exposure.volume_m3 + 50.0),
        ("ignition", min(1.0, exposure.ignition + 0.2)),
    ):
        assert score(msgspec.structs.replace(exposure, **{name: more})) >= base
    assert score(exposure, grade=grade - 1 if grade > 1 else 1) >= base
    assert score(exposure, witnesses=witnesses + 1) >= base
    assert score(exposure, confidence=min(1.0, confidence + 0.1)) >= base
    assert score(exposure, quality=int(Quality.FAULT)) <= base


@pytest.mark.feature("A-9")
def test_the_score_is_the_product_of_its_parts_and_every_factor_is_shown() -> None:
    found = risk(Exposure(population=500, schools=2, volume_m3=200.0, ignition=0.5), grade=1)

    assert found.likelihood == 1.0
    assert found.consequence == pytest.approx((3 + 2 / 2 + 2 / 2 + 1.5 / 2 + 1.5 / 2) / 10)
    assert found.score == round(100 * found.likelihood * found.consequence, 1)
    assert [(f.name, f.part, f.raw) for f in found.factors] == [
        ("confidence", "likelihood", "1"),
        ("doubt", "likelihood", "ok"),
        ("witnesses", "likelihood", "1"),
        ("severity", "consequence", "1"),
        ("people", "consequence", "500"),
        ("sensitive", "consequence", "2+0"),
        ("volume", "consequence", "200 m³"),
        ("ignition", "consequence", "0.5"),
    ]
    assert all(f.said.zh and f.said.en for f in found.factors)


def test_a_closed_space_and_a_spark_count_only_for_what_explodes() -> None:
    names = [f.name for f in risk(Exposure(volume_m3=9.0), hazard="burst").factors]

    assert "volume" not in names
    assert "ignition" not in names


def test_not_knowing_what_is_near_is_not_taken_for_nothing() -> None:
    unknown, nothing = risk(None), risk(Exposure())

    assert unknown.score > nothing.score
    assert [f.raw for f in unknown.factors if f.part == "consequence"][1:] == ["?"] * 4


@pytest.mark.parametrize(
    ("verdict", "likelihood"), [("true", 1.0), ("false", 0.05), ("test", 0.05), ("unknown", 0.4)]
)
def test_a_verdict_replaces_the_likelihood_and_unknown_replaces_nothing(
    verdict: str, likelihood: float
) -> None:
    one = incident(finding("gas/v1", "gas-leak", confidence=0.4), verdict=verdict)

    found = assess(one, in_alarm(1), Exposure())

    assert found.likelihood == pytest.approx(likelihood)
    assert (found.factors[0].name == "verdict") == (verdict != "unknown")


def test_channels_that_have_returned_are_no_witnesses() -> None:
    calm = [msgspec.structs.replace(a, state="returned-unacknowledged") for a in in_alarm(5)]
    one = incident(finding("gas/v1", "gas-leak", confidence=0.5))

    assert assess(one, calm, None).likelihood == 0.5
    assert assess(one, in_alarm(3), None).likelihood == pytest.approx(1 - 0.5 * 0.6**2)


@pytest.mark.feature("A-9")
def test_what_is_at_stake_takes_in_the_closed_space_next_door() -> None:
    topology = Topology(CITY)

    assert at_stake(topology, "gas/v1") == Exposure(population=400, volume_m3=30.0, ignition=0.2)
    assert at_stake(topology, "sewer/s2") == Exposure(volume_m3=30.0)
    assert at_stake(topology, "gas/alone") is None
    assert at_stake(topology, "nothing") is None
