"""Retention by class: what is due, what an open incident holds back, which class a channel has."""

import msgspec
import pytest

from lifeline.catalog import Catalog, CatalogError, parse_source
from lifeline.compiler import compile_catalog
from lifeline.config import Archive, ConfigError, load
from streams.archive.names import retention_of
from streams.archive.upkeep.due import DAY_MS, Due, Piece, due
from tests.streams.town import GAS

NOW_MS = 20_000 * DAY_MS + 5
DAYS = {"features": 9, "routine": 20}


def day(ago: int) -> Piece:
    """The piece that ended ``ago`` days before today began."""
    return Piece(f"d{ago}", NOW_MS - 5 - (ago + 1) * DAY_MS, NOW_MS - 5 - ago * DAY_MS)


TODAY = day(-1)


def test_a_piece_is_swept_when_one_class_is_past_and_dropped_when_all_are() -> None:
    found = due([TODAY, day(8), day(9), day(20), day(19)], DAYS, [], NOW_MS)

    assert found == Due(
        drop=(day(20),), sweep=((day(19), ("features",)), (day(9), ("features",))), held=()
    )


def test_what_an_open_incident_needs_is_kept_whole() -> None:
    onset_ms = day(12).from_ms + 1000

    pieces = [TODAY, *(day(ago) for ago in (9, 10, 11, 12, 13, 14, 25))]

    found = due(pieces, DAYS, [onset_ms], NOW_MS)

    assert found.held == (day(13), day(12), day(11))
    assert [piece for piece, _ in found.sweep] == [day(14), day(10), day(9)]
    assert found.drop == (day(25),)


def test_a_day_that_a_back_dated_incident_may_need_is_never_past() -> None:
    shortest = {"features": 9, "routine": 9}
    oldest_onset_ms = NOW_MS - 7 * DAY_MS

    found = due([TODAY, *(day(ago) for ago in range(30))], shortest, [], NOW_MS)

    assert max(piece.until_ms for piece in found.drop) <= oldest_onset_ms - DAY_MS


def test_a_clock_that_is_years_ahead_deletes_nothing() -> None:
    assert due([TODAY, day(0), day(8)], DAYS, [], NOW_MS + 3650 * DAY_MS) == Due((), (), ())


def town(**named: object) -> Catalog:
    return Catalog(compile_catalog([parse_source("gas.toml", GAS | named)]))


def test_a_class_is_the_quantitys_else_the_lifelines_else_routine() -> None:
    mixed = town(
        lifeline={"name": "gas", "retention": "regulatory"},
        retention={"temp": "features", "meter.gaps": "features"},
    )

    assert retention_of(mixed, "gas/well-1/temp") == "features"
    assert retention_of(mixed, "gas/well-1/ch4") == "regulatory"
    assert retention_of(mixed, "device/G1/gaps") == "features"
    assert retention_of(mixed, "gas/well-1/temp/rms") == "features"
    assert retention_of(mixed, "nobody/knows") == ""
    assert retention_of(mixed, "nobody") == ""
    assert retention_of(town(), "gas/well-1/ch4") == "routine"


def test_a_quantity_that_nothing_measures_is_a_slip() -> None:
    with pytest.raises(CatalogError, match="quantity tmep, which no channel measures"):
        town(retention={"tmep": "features"})


def test_the_classes_come_from_the_settings_and_routine_is_one_of_them() -> None:
    settings, _ = load("[archive]\nretention_days = { routine = 30 }\n", "x.toml", {})

    assert settings.archive.retention_days == {"routine": 30}
    assert msgspec.structs.asdict(Archive())["retention_days"]["routine"] == 90
    with pytest.raises(ConfigError, match="lacks routine"):
        load("[archive]\nretention_days = { waves = 30 }\n", "x.toml", {})
    with pytest.raises(ConfigError, match="retention_days"):
        load("", "x.toml", {"LIFELINE_ARCHIVE_RETENTION_DAYS": '{"routine": 8}'})
