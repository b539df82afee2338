"""Readings against the catalog: every row of the table of bad input that is ingest's."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import quality
from ingest.decode import Uplink
from ingest.quality import Directory, Window, judge
from lifeline.config import Ingest
from lifeline.model import Quality
from tests.ingest.world import NOW_MS, PARTITIONS, WIDE, WINDOW, city

DIRECTORY = Directory(city(), PARTITIONS)
WELL = DIRECTORY.find("well-1")
LOGGER = DIRECTORY.find("logger")
assert WELL is not None
assert LOGGER is not None


def one(
    value: float,
    *,
    channel: str = "ch4",
    at_ms: int = NOW_MS,
    state: int = 0,
    unit: str | None = None,
) -> tuple[list[int], dict[str, list[int]]]:
    assert WELL is not None
    uplink = Uplink(None, 0, -1, (channel,), [at_ms], [value], [state], (unit,))
    verdict = judge(uplink, WELL, DIRECTORY, NOW_MS, WINDOW)
    return [int(q) for q in verdict.quality], verdict.refused


def test_service_replay_and_second_look_round_the_window_alike() -> None:
    # 1.001 s are 1000.9999999999999 ms: cut off, they were a millisecond less than rounded.
    window = Window.of(Ingest(ahead_s_max=1.001, behind_s_max=1.003))

    assert window == Window(1001, 1003)


@given(st.floats())
def test_every_float_is_finite_and_in_range_or_flagged(value: float) -> None:
    (bits,), refused = one(value)

    assert refused == {}
    if not math.isfinite(value):
        assert bits == Quality.NON_FINITE
    elif 0.0 <= value <= 100.0:
        assert bits == 0
    else:
        assert bits == Quality.OUT_OF_RANGE


def test_a_foreign_unit_is_flagged_and_the_catalogs_own_is_not() -> None:
    assert one(50.0, unit="%LEL") == ([0], {})
    assert one(50.0, unit="ppm") == ([Quality.WRONG_UNIT], {})
    assert one(5000.0, unit="ppm") == ([Quality.WRONG_UNIT], {}), "the range is in another unit"


def test_the_devices_own_state_travels_with_our_verdict() -> None:
    assert one(500.0, state=int(Quality.TEST_GAS)) == (
        [Quality.TEST_GAS | Quality.OUT_OF_RANGE],
        {},
    )


@pytest.mark.parametrize(
    ("at_ms", "bits", "refused"),
    [
        (NOW_MS + 120_000, [0], {}),
        (NOW_MS + 120_001, [], {"ahead": [0]}),
        (2**300, [], {"ahead": [0]}),
        (NOW_MS - 900_000, [0], {}),
        (NOW_MS - 900_001, [Quality.HISTORICAL], {}),
        (NOW_MS - 7 * 86_400_000, [Quality.HISTORICAL], {}),
        (NOW_MS - 7 * 86_400_000 - 1, [], {"behind": [0]}),
        (-1, [], {"behind": [0]}),
        (-(2**300), [], {"behind": [0]}),
    ],
)
def test_times_have_a_window(at_ms: int, bits: list[int], refused: dict[str, list[int]]) -> None:
    assert one(1.0, at_ms=at_ms) == (bits, refused)


def test_an_unknown_channel_is_refused_and_another_devices_is_a_matter_of_identity() -> None:
    assert one(1.0, channel="co2") == ([], {"unknown-channel": [0]})
    assert one(1.0, channel="gas/well-2/ch4") == ([], {"identity": [0]})
    assert one(1.0, channel="device/well-2/online") == ([], {"identity": [0]})
    assert one(1.0, channel="device/well-1/online") == ([], {"unknown-channel": [0]})


def test_good_readings_go_on_beside_refused_ones() -> None:
    assert WELL is not None
    at = [NOW_MS, NOW_MS, NOW_MS + 10**9, NOW_MS]
    names = ("ch4", "co2", "ch4", "temperature")
    uplink = Uplink(None, 0, -1, names, at, [1.0, 2.0, 3.0, 4.0], [0] * 4)

    verdict = judge(uplink, WELL, DIRECTORY, NOW_MS, WINDOW)

    assert list(verdict.names) == ["gas/well-1/ch4", "gas/well-1/temperature"]
    assert list(verdict.values) == [1.0, 4.0]
    assert verdict.refused == {"unknown-channel": [1], "ahead": [2]}


rows = st.lists(
    st.tuples(
        st.sampled_from([*(f"c{n}" for n in range(WIDE)), "c99"]),
        st.one_of(
            st.integers(NOW_MS - 10**6, NOW_MS),
            st.sampled_from([NOW_MS + 10**9, NOW_MS - 2 * 10**6, 0, 2**90]),
        ),
        st.one_of(st.floats(), st.floats(0, 10)),
        st.integers(0, 63),
        st.sampled_from(["kPa", "kPa", "bar", None]),
    ),
    min_size=quality.WIDE,
    max_size=60,
)
clean_rows = st.lists(
    st.tuples(
        st.sampled_from([f"c{n}" for n in range(WIDE)]),
        st.integers(NOW_MS - 10**6, NOW_MS),
        st.one_of(st.floats(), st.floats(0, 10)),
        st.integers(0, 63),
        st.just("kPa"),
    ),
    min_size=quality.WIDE,
    max_size=60,
)


@given(st.one_of(rows, clean_rows), st.booleans())
def test_columns_and_rows_give_the_same_verdict(
    said: list[tuple[str, int, float, int, str | None]], with_units: bool
) -> None:
    assert LOGGER is not None
    channels, at_ms, values, states, units = (list(column) for column in zip(*said, strict=True))
    uplink = Uplink(
        None, 0, -1, tuple(channels), at_ms, values, states, units if with_units else None
    )

    wide = judge(uplink, LOGGER, DIRECTORY, NOW_MS, WINDOW)
    rowwise = quality._judge_rows(uplink, LOGGER, DIRECTORY, NOW_MS, WINDOW)

    assert list(wide.names) == list(rowwise.names)
    assert list(wide.at_ms) == list(rowwise.at_ms)
    assert np.array_equal(np.array(wide.values), np.array(rowwise.values), equal_nan=True)
    assert [int(q) for q in wide.quality] == [int(q) for q in rowwise.quality]
    assert wide.refused == rowwise.refused


def test_devices_of_one_make_share_what_they_have_in_common() -> None:
    directory = Directory(city(), PARTITIONS)

    first, second = directory.find("well-1"), directory.find("well-2")

    assert first is not None
    assert second is not None
    assert first.shape is second.shape
    assert directory.find("well-3") is None


def test_lists_of_channels_that_change_with_every_message_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ingest.quality._PLANS_MAX", 2)
    assert LOGGER is not None

    plans = [LOGGER.shape.plan((f"c{n}",)) for n in range(5)]

    assert all(plan is not None for plan in plans)
    assert len(LOGGER.shape.plans) <= 2


@pytest.mark.parametrize("at_ms", [NOW_MS + 10**9, NOW_MS - 10**9])
def test_one_time_outside_the_window_costs_a_wide_message_only_that_reading(at_ms: int) -> None:
    assert LOGGER is not None
    n = quality.WIDE
    names = tuple(f"c{i}" for i in range(n))
    times = [NOW_MS] * (n - 1) + [at_ms]
    uplink = Uplink(None, 0, -1, names, times, [1.0] * n, [0] * n, None)

    verdict = judge(uplink, LOGGER, DIRECTORY, NOW_MS, WINDOW)

    assert list(verdict.refused.values()) == [[n - 1]]
    assert len(verdict.names) == n - 1
