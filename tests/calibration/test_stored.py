"""Stored readings as a stream again, and what the desk said of them."""

import msgspec
import numpy as np

from calibration import stored
from calibration.stored import Said, Stored
from lifeline.catalog import (
    Asset,
    Catalog,
    Channel,
    DeviceEntry,
    Group,
    Lifeline,
    Model,
    Source,
    Zone,
)
from lifeline.compiler import compile_catalog
from lifeline.model import Quality

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
        Said("a/all", "water-leak", "true", 300_000, 900_000),
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
