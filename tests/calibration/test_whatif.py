"""Stored readings under another profile: incidents gained, lost, earlier, later; the same bytes."""

import numpy as np
import pytest

from alerting.policy import Policy, Treatment
from calibration import stored
from calibration.differences import Difference, differences
from calibration.stored import Said, Stored
from calibration.whatif import Side, judged, places_of
from detectors.plan import compile_plan
from lifeline.candidate import exchanged
from lifeline.catalog import Catalog, Channel, DeviceEntry, Group, Lifeline, Rule, Source
from lifeline.commands.whatif import SPAN_MS_MAX, SPAN_MS_MIN, span_ms
from lifeline.compiler import compile_catalog
from lifeline.config import Detect
from lifeline.life import Life
from lifeline.model import Quality
from lifeline.network import Asset, Zone
from lifeline.profiles import Profile, expanded

MINUTE = 60_000
START = 30_000_000
"""Minutes: some day."""
POLICY = Policy(life=Life(), treatments={"water.mains.low": Treatment(latching=True)})


def profile(limit: float, delay_s: float = 0.0) -> Profile:
    low = {"kind": "threshold", "limit": limit, "side": "below"}
    rule = Rule("low", "leak", 3, low, "head", on_delay_s=delay_s)
    return Profile("mains", rule=(rule,))


SOURCE = Source(
    lifeline=Lifeline("water"),
    zone=(Zone("a"),),
    asset=(Asset("a/x", "a"),),
    device=(DeviceEntry("d1", "a", "a/x", channel=(Channel("p", "head", "m", -10.0, 200.0),)),),
    group=(
        Group("a/all", "a", ("a/x/p",), 300.0, "a/x", profile="mains"),
        Group("a/other", "a", ("a/x/p",), 300.0),
    ),
)


def city(limit: float = 35.0) -> Catalog:
    return Catalog(compile_catalog([expanded(SOURCE, {"mains": profile(limit)})]))


CITY = city()


def dips(*dips: tuple[int, float], minutes: int = 4000) -> Stored:
    """50 m, read every 5 minutes; from each (minute, depth) on 20 minutes lower by the depth."""
    minute = np.arange(0, minutes, 5, dtype=np.int64)
    value = np.full(len(minute), 50.0)
    for at, depth in dips:
        value[(minute >= at) & (minute < at + 20)] -= depth
    return Stored(
        ("a/x/p",),
        np.zeros(len(minute), np.int32),
        (START + minute) * MINUTE,
        value,
        np.zeros(len(minute), np.uint16),
    )


def side(catalog: Catalog, *pieces: Stored) -> Side:
    plan = compile_plan(catalog.head.rules, catalog.head.limits)
    made = Side(catalog, plan, POLICY, Detect())
    for piece in pieces:
        for batch in stored.batches(piece, catalog):
            made.feed(batch)
    return made


def against(new: Profile, held: Stored, *said: Said) -> list[Difference]:
    tried = exchanged(CITY, new, {}).catalog
    words = judged(said, places_of(CITY, ["a/all"]))
    return differences(side(CITY, held).spells(), side(tried, held).spells(), words)


@pytest.mark.feature("D-22")
def test_a_stricter_profile_gains_an_incident_a_laxer_one_loses_it() -> None:
    held = dips((1000, 20.0), (3000, 8.0))
    true = Said("a/x/p", "leak", "true", (START + 1005) * MINUTE, (START + 1010) * MINUTE)

    gained = against(profile(45.0), held, true)
    lost = against(profile(20.0), held, true)

    assert [(one.what, one.verdict) for one in gained] == [("same", "true"), ("gained", "")]
    assert [(one.what, one.verdict) for one in lost] == [("lost", "true")]
    assert gained[0].from_ms == (START + 1000) * MINUTE
    assert gained[0].old[0].until_ms == (START + 1020) * MINUTE


def test_a_delay_makes_it_later() -> None:
    (one,) = against(profile(35.0, 600.0), dips((1000, 20.0)))

    assert one.what == "later"
    assert one.by_s == pytest.approx(600.0, abs=60.0)


def test_each_dip_is_an_incident_of_its_own_because_somebody_closes_what_is_calm() -> None:
    made = side(CITY, dips((500, 20.0), (1500, 20.0), (3990, 20.0)))

    assert [(one.episode, one.phase) for one in made.incidents()] == [
        (1, "closed"), (2, "closed"), (3, "acknowledged"),
    ]  # fmt: skip
    assert made.spells()[-1].until_ms is None
    assert made.findings >= 5


@pytest.mark.feature("D-22")
def test_the_same_readings_and_profile_are_the_same_bytes_however_they_come_in_pieces() -> None:
    held = dips((500, 20.0), (1500, 20.0))
    cut = 302
    pieces = [
        Stored(held.channels, held.channel[at], held.at_ms[at], held.value[at], held.quality[at])
        for at in (slice(0, cut), slice(cut, None))
    ]

    digests = {side(CITY, held).digest(), side(CITY, *pieces).digest(), side(city(), held).digest()}

    assert len(digests) == 1
    assert side(city(34.0), held).digest() not in digests


def test_what_a_sensor_says_of_itself_is_no_incident_of_the_profile() -> None:
    held = dips()
    held.value[40], held.quality[40] = np.nan, int(Quality.NON_FINITE)

    made = side(CITY, held)

    assert (made.incidents(), made.findings) == ([], 0)


def test_a_gap_in_what_is_stored_costs_no_minute_of_work_and_opens_nothing() -> None:
    held = dips((10, 20.0), minutes=100)
    held.at_ms[12:] += 10**9

    made = side(CITY, held)

    assert [one.phase for one in made.incidents()] == ["closed"]


def test_places_are_those_of_groups_and_of_their_channels() -> None:
    places = places_of(CITY, ["a/other"])

    assert places == {"a/other": ("a", ""), "a/x/p": ("a", "a/x")}
    assert judged([Said("elsewhere", "leak", "true", 0, 1)], places) == []


@pytest.mark.parametrize(
    ("intervals_s", "expected_ms"),
    [([], SPAN_MS_MAX), ([300.0] * 37, SPAN_MS_MAX), ([0.001] * 100_000, SPAN_MS_MIN),
     ([1.0] * 1000, 180_000)],
)  # fmt: skip
def test_a_piece_of_readings_is_bounded_whatever_the_sensors(
    intervals_s: list[float], expected_ms: int
) -> None:
    assert span_ms(intervals_s) == expected_ms
