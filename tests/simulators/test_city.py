"""The demo city: the same from its seed, silent when healthy, telling each story in time."""

import msgspec
import numpy as np
import pytest

from detectors.bank import Bank
from detectors.plan import compile_plan
from detectors.waveforms import Unreadable, features
from lifeline import store, wire, words
from lifeline.catalog import Catalog
from lifeline.compiler import compile_catalog
from lifeline.model import Batch, Finding, Message
from simulators.base import Uplink, encode
from simulators.city import DEMO, build_city, planted_leaks

START_MS = 1_700_000_000_000


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog(compile_catalog(store.read_sources(("deploy/lifelines",))))


def make(catalog: Catalog, seed: int, scenarios=DEMO, **options):
    return build_city(
        catalog.devices(), np.random.default_rng(seed), START_MS, scenarios=scenarios, **options
    )


def rows_of(uplink: Uplink, names: dict[tuple[str, str], str]) -> list[tuple[str, int, float]]:
    if uplink.wave is None:
        return [
            (names[uplink.device, local], uplink.at_ms, value)
            for local, value in zip(uplink.channels, uplink.values, strict=True)
        ]
    w, channel = uplink.wave, names[uplink.device, uplink.channels[0]]
    found = features(
        wire.Wave(channel, uplink.device, 1, 1, uplink.at_ms, w.rate_hz, w.n, w.scale, w.offset,
                  w.encoding, w.samples, uplink.at_ms)
    )  # fmt: skip
    assert not isinstance(found, Unreadable)
    end_ms = uplink.at_ms + round(w.n / w.rate_hz * 1000)
    return [(f"{channel}/{name}", end_ms, value) for name, value in found]


def batch_of(rows: list[tuple[str, int, float]], now_ms: int) -> Batch:
    table = sorted({name for name, _, _ in rows})
    index = {name: i for i, name in enumerate(table)}
    n = len(rows)
    return Batch(
        now_ms, table, [Message("city", 1, 1)],
        np.array([index[name] for name, _, _ in rows], np.int32),
        np.array([at_ms for _, at_ms, _ in rows], np.int64),
        np.array([value for _, _, value in rows], np.float64),
        np.zeros(n, np.uint16), np.full(n, now_ms, np.int64), np.zeros(n, np.int32),
    )  # fmt: skip


def watch(catalog: Catalog, city, seconds: int) -> list[Finding]:
    bank = Bank(compile_plan(catalog.head.rules, catalog.head.limits), catalog)
    names = {(d.name, c.local): c.name for d in catalog.devices() for c in d.channels}
    found: list[Finding] = []
    for second in range(1, seconds + 1):
        now_ms = START_MS + 1000 * second
        rows = [row for uplink in city.step(now_ms) for row in rows_of(uplink, names)]
        found += bank.step(batch_of(rows, now_ms), np.zeros(len(rows), np.int8))
    return found


def test_the_catalog_has_about_200_channels_and_the_city_speaks_on_every_measured_one(
    catalog: Catalog,
) -> None:
    city = make(catalog, 1, scenarios=())

    heard = {(u.device, local) for u in city.step(START_MS + 60_000) for local in u.channels}

    expected = {
        (d.name, c.local)
        for d in catalog.devices()
        for c in d.channels
        if not c.local.endswith(("/rms", "/peak", "/frequency"))
    }
    assert heard == expected
    assert 180 <= catalog.head.n_channels <= 220


def test_the_same_seed_makes_the_same_bytes_however_often_one_looks(catalog: Catalog) -> None:
    often, once = make(catalog, 7), make(catalog, 7)
    other = make(catalog, 8)

    steps = [u for ms in range(37, 40_000, 37) for u in often.step(START_MS + ms)]
    whole = once.step(START_MS + 39_997)

    assert [encode(u, 1, 1) for u in steps] == [encode(u, 1, 1) for u in whole]
    assert [encode(u, 1, 1) for u in other.step(START_MS + 39_997)] != [
        encode(u, 1, 1) for u in whole
    ]


def test_readings_are_inside_their_physical_range_and_never_two_at_one_time(
    catalog: Catalog,
) -> None:
    ranges = {(d.name, c.local): (c.low, c.high) for d in catalog.devices() for c in d.channels}
    seen: set[tuple[str, str, int]] = set()

    for uplink in make(catalog, 2).step(START_MS + 200_000):
        for local, value in zip(uplink.channels, uplink.values, strict=False):
            low, high = ranges[uplink.device, local]
            assert low <= value <= high
            assert (uplink.device, local, uplink.at_ms) not in seen
            seen.add((uplink.device, local, uplink.at_ms))
    assert len({(device, local) for device, local, _ in seen}) > 150


def test_what_is_mended_early_ends_early_and_what_has_not_begun_cannot_be(
    catalog: Catalog,
) -> None:
    left, mended = make(catalog, 1), make(catalog, 1)
    for city in (left, mended):
        city.step(START_MS + 20_000)
    mended.mend("gas-leak")
    mended.mend("gas-leak")
    mended.mend("burst")

    def gas(city) -> float:
        return max(u.values[0] for u in city.step(START_MS + 40_000) if u.channels[0] == "ch4")

    assert gas(left) == 100.0
    gas(mended)
    at_last = [u.values[0] for u in mended.step(START_MS + 45_000) if u.channels[0] == "ch4"]
    assert max(at_last, default=0.0) < 10.0
    assert 1 in mended.begun
    assert mended.ended == {0}


@pytest.mark.parametrize("seed", [2])
def test_an_hour_of_the_healthy_city_raises_nothing(catalog: Catalog, seed: int) -> None:
    found = watch(catalog, make(catalog, seed, scenarios=(), grid_ms=500), 3600)

    assert found == []


def test_a_cover_that_is_tilted_is_told_and_one_that_is_off_more_gravely(catalog: Catalog) -> None:
    bank = Bank(compile_plan(catalog.head.rules, catalog.head.limits), catalog)
    cover = "gas/well-0003/cover-tilt"
    told: list[tuple[float, str, int]] = []

    for second, angle in enumerate((2.0, 9.9, 11.0, 89.9, 91.0), 1):
        at_ms = START_MS + 1000 * second
        batch = batch_of([(cover, at_ms, angle)], at_ms)
        told += [(angle, f.hazard, f.grade) for f in bank.step(batch, np.zeros(1, np.int8))]

    assert told == [(11.0, "cover-moved", 3), (91.0, "cover-moved", 2)]
    assert {rule.hazard for rule in catalog.head.rules} <= words.HAZARDS.keys()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_story_is_found_at_its_asset_within_its_deadline_and_nothing_else_is(
    catalog: Catalog, seed: int
) -> None:
    city = make(catalog, seed)

    found = watch(catalog, city, 180)

    raised: dict[tuple[str, str], int] = {}
    for finding in found:
        if finding.phase == "raised":
            paged_ms = finding.at_ms + round(finding.on_delay_s * 1000)
            key = finding.asset, finding.hazard
            raised[key] = min(raised.get(key, paged_ms), paged_ms)
    assert set(raised) == {(truth.asset, truth.hazard) for truth in city.truth}
    late = [t for t in city.truth if raised[t.asset, t.hazard] > t.onset_ms + t.deadline_s * 1000]
    assert late == []
    assert min(raised.values()) < START_MS + 12_000


def test_a_repaired_city_comes_back_to_calm(catalog: Catalog) -> None:
    found = watch(catalog, make(catalog, 1, grid_ms=500), 1500)

    last = {finding.id: finding.phase for finding in found}
    assert set(last.values()) == {"cleared"}


def test_planted_leaks_strike_each_named_well(catalog: Catalog) -> None:
    wells = [d.asset for d in catalog.devices() if d.model == "gas-well"][:3]
    city = make(catalog, 1, scenarios=planted_leaks(wells, 3.0, 10.0, 40.0))

    found = watch(catalog, city, 60)

    assert [t.asset for t in city.truth] == wells
    assert {f.asset for f in found if f.hazard == "gas-leak"} == set(wells)


def test_a_well_that_reads_every_half_hour_wakes_itself_when_gas_comes(catalog: Catalog) -> None:
    leak = planted_leaks(["gas/well-0001"], 10.0, 1.0, 1e6)
    city = make(catalog, 1, scenarios=leak, speed=1.0, pace=900.0)  # 2 s times 900: half an hour

    sent = [u for u in city.step(START_MS + 1_700_000) if u.device == "gas-0001"]

    loud = [u for u in sent if u.values[0] >= 9.0]
    assert len(sent) - len(loud) <= 1
    assert len(loud) > 3, "a minute's cadence once awake"


def test_a_bridge_without_accelerometers_sends_its_strains_alone(catalog: Catalog) -> None:
    daus = [d for d in catalog.devices() if d.model == "bridge-dau"]

    city = build_city(daus, np.random.default_rng(1), START_MS, scenarios=())
    sent = city.step(START_MS + 30_000)

    assert {uplink.device for uplink in sent} == {device.name for device in daus}
    assert {uplink.wave for uplink in sent} == {None}


def test_an_instrument_that_asks_between_two_samples_hears_the_last_one(catalog: Catalog) -> None:
    (one,) = (d for d in catalog.devices() if d.model == "bridge-dau")
    slower = tuple(msgspec.structs.replace(c, interval_s=1.25) for c in one.channels)
    two = msgspec.structs.replace(one, name="second", channels=slower)

    city = build_city(
        [one, two], np.random.default_rng(1), START_MS, grid_ms=5, pace=0.02, scenarios=()
    )
    *_, before, between = city.step(START_MS + 50)

    assert [(u.device, u.at_ms - START_MS) for u in (before, between)] == [
        (one.name, 40),
        ("second", 45),
    ]
    sag = before.channels.index("deflection-01")
    assert between.values[sag] == pytest.approx(before.values[sag], abs=0.5)
