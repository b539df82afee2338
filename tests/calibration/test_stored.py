"""Stored readings as a stream again, what the desk said of them, and another profile over them."""

import msgspec
import numpy as np
import pytest

from calibration import stored, whatif
from calibration.stored import Said, Stored
from calibration.whatif import Excursion, differences, excursions, joined
from lifeline.catalog import (
    Asset,
    Catalog,
    Channel,
    DeviceEntry,
    Group,
    Lifeline,
    Model,
    Rule,
    Source,
    Zone,
)
from lifeline.compiler import compile_catalog
from lifeline.model import Finding, Quality
from lifeline.profiles import Profile

MINUTE = 60_000
GROUP = Group("a/all", "a", ("a/x/p", "a/x/q"), 300.0, profile="mains")
CITY = Catalog(
    compile_catalog(
        [
            Source(
                lifeline=Lifeline("water"),
                zone=(Zone("a"),),
                asset=(Asset("a/x", "a"),),
                model=(Model("m", (Channel("p", "head", "m", -10.0, 200.0),)),),
                device=(
                    DeviceEntry("d1", "a", "a/x", "m"),
                    DeviceEntry(
                        "d2", "a", "a/x", channel=(Channel("q", "inflow", "m3/h", -9.0, 999.0),)
                    ),
                ),
                group=(msgspec.structs.replace(GROUP, profile=""),),
            )
        ]
    )
)


def profile(limit: float) -> Profile:
    low = {"kind": "threshold", "limit": limit, "side": "below"}
    return Profile("mains", rule=(Rule("low", "leak", 3, low, "head"),))


def kept(*rows: tuple[int, int, float]) -> Stored:
    """(channel, minute, value)"""
    return Stored(
        GROUP.channels,
        np.array([row[0] for row in rows], np.int32),
        np.array([row[1] * MINUTE for row in rows], np.int64),
        np.array([row[2] for row in rows]),
        np.zeros(len(rows), np.uint16),
    )


def test_a_cell_holds_the_last_usable_reading_before_its_end() -> None:
    held = kept((0, 1, 1.0), (0, 5, 2.0), (1, 6, 3.0), (0, 9, 4.0), (1, 9, 5.0), (0, 11, np.nan))
    held.quality[4] = int(Quality.OUT_OF_RANGE)

    made = stored.on_grid(held, GROUP, {"a/x/p": "head"}, 0, 15 * MINUTE)

    assert made.time_ms.tolist() == [0, 300_000, 600_000, 900_000]
    assert made.values[1].tolist()[0] == 2.0
    assert made.values[2].tolist() == [4.0, 3.0]
    assert np.isnan(made.values[[0, 3]]).all()
    assert made.quantities == ("head", "")


def test_what_was_true_or_a_test_is_an_event_and_what_was_false_is_none() -> None:
    made = stored.on_grid(kept((0, 0, 1.0)), GROUP, {}, 0, 3600_000)
    words = [
        Said("a/all", "leak", "true", 300_000, 900_000),
        Said("a/x/p", "leak", "false", 600_000, 900_000),
        Said("a/x/q", "sensor-fault", "test", 600_000, 600_000),
        Said("elsewhere", "leak", "true", 600_000, 600_000),
    ]

    told = stored.events(words, made, "a/all")

    assert [(one.kind, one.row, one.end, one.place) for one in told] == [
        ("leak", 1, 3, ""),
        ("test", 2, 2, "a/x/q"),
    ]


def test_readings_come_by_the_minute_from_their_own_devices() -> None:
    made = list(stored.batches(kept((0, 1, 1.0), (1, 1, 2.0), (0, 3, 3.0)), CITY))

    assert [(one.received_ms, len(one)) for one in made] == [(MINUTE, 2), (3 * MINUTE, 1)]
    assert [one.device for one in made[0].messages] == ["d1", "d2"]
    assert made[0].message.tolist() == [0, 1]
    assert list(stored.batches(kept(), CITY)) == []


def dip(at: int, depth: float) -> list[tuple[int, int, float]]:
    return [(0, minute, 50.0 if minute < at or minute > at + 20 else 50.0 - depth)
            for minute in range(at - 100, at + 200)]  # fmt: skip


def test_another_limit_gains_loses_and_moves_incidents() -> None:
    held = kept(*sorted([*dip(1000, 20.0), *dip(3000, 8.0)], key=lambda row: row[1]))
    old, new = (excursions(profile(limit), [GROUP], CITY, held, 3600.0) for limit in (35.0, 45.0))

    strict = differences(old, new, [Said("a/x/p", "leak", "true", 1000 * MINUTE, 0)], 3_600_000)
    lax = differences(new, old, [Said("a/x/p", "leak", "false", 3000 * MINUTE, 0)], 3_600_000)

    assert [(one.what, one.verdict) for one in strict] == [("same", "true"), ("gained", "")]
    assert [(one.what, one.verdict) for one in lax] == [("same", ""), ("lost", "false")]
    assert (old[0].group, old[0].rules, old[0].channel) == ("a/all", ("mains.low",), "a/x/p")
    assert old[0].until_ms - old[0].from_ms == 21 * MINUTE


def test_the_same_readings_and_profile_are_the_same_incidents() -> None:
    held = kept(*dip(1000, 20.0))

    runs = [excursions(profile(40.0), [GROUP], CITY, held, 3600.0) for _ in range(2)]

    assert msgspec.json.encode(runs[0]) == msgspec.json.encode(runs[1])
    assert {one.what for one in differences(*runs, [], 0)} == {"same"}


def incident(from_ms: int, until_ms: int = -1) -> Excursion:
    return Excursion("leak", "g", "c", from_ms, until_ms, ("r",))


def test_the_nearest_belong_together_and_each_only_once() -> None:
    got = differences([incident(1000)], [incident(400), incident(1300)], [], 5000)
    moved = differences([incident(1000)], [incident(400)], [], 5000)
    far = differences([incident(1000)], [incident(9000)], [], 5000)

    assert [(one.what, one.by_s) for one in got] == [("gained", 0.0), ("later", 0.3)]
    assert [(one.what, one.by_s) for one in moved] == [("earlier", -0.6)]
    assert [one.what for one in far] == ["lost", "gained"]


def finding(phase: str, at_ms: int, name: str, rule: str = "whatif.p.r") -> Finding:
    return Finding(
        id=name, phase=phase, zone="a", asset="", lifeline="w", channel="c", rule=rule,
        detector="d", hazard="leak", grade=3, onset_ms=at_ms, at_ms=at_ms, received_ms=at_ms,
    )  # type: ignore[arg-type]  # fmt: skip


@pytest.mark.parametrize(("gap_ms", "incidents"), [(3_600_000, 1), (3_600_001, 2)])
def test_excursions_within_an_hour_are_one_incident(gap_ms: int, incidents: int) -> None:
    told = [
        finding("raised", 0, "a"),
        finding("held", 50, "a"),
        finding("cleared", 100, "a"),
        finding("raised", 100 + gap_ms, "b", "whatif.p.s"),
        finding("cleared", 200 + gap_ms, "b", "whatif.p.s"),
        finding("cleared", 300 + gap_ms, "of nobody"),
    ]

    made = joined(told, {"c": "g"})

    assert len(made) == incidents
    assert made[-1].until_ms == 200 + gap_ms


def test_what_lasts_has_no_end() -> None:
    lasting = joined(
        [finding("raised", 0, "a"), finding("raised", 10, "b"), finding("cleared", 20, "b")],
        {"c": "g"},
    )

    assert [(one.from_ms, one.until_ms) for one in lasting] == [(0, -1)]
    assert whatif.WHAT[-1] == "same"
