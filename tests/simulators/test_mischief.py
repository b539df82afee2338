"""Faults are seeded, composable, and do what their names say."""

import math

import numpy as np

from simulators.base import Uplink, encode
from simulators.device import Entry
from simulators.mischief import Fault, Mischief

MESSAGES = [Uplink("a", 1000 * i, ("x", "y"), (float(i), 2.0 * i)) for i in range(200)]
ENTRIES = [Entry("a", 1, i, "up", b'{"seq":%d}' % i) for i in range(200)]


def test_the_same_seed_spoils_the_same_messages() -> None:
    faults = [Fault("nan", 0.2), Fault("spike", 0.2), Fault("clock-jump", 0.1)]

    first = Mischief(faults, np.random.default_rng(5)).spoil(MESSAGES)
    second = Mischief(faults, np.random.default_rng(5)).spoil(MESSAGES)

    assert [encode(u, 1, 1) for u in first] == [encode(u, 1, 1) for u in second]
    assert [encode(u, 1, 1) for u in first] != [encode(u, 1, 1) for u in MESSAGES]


def test_nan_goes_out_as_nan_and_others_are_untouched() -> None:
    spoiled = Mischief([Fault("nan", 1.0, target="b*")], np.random.default_rng(1)).spoil(
        [Uplink("a", 1, ("x",), (1.0,)), Uplink("b1", 1, ("x",), (1.0,))]
    )

    assert spoiled[0].values == (1.0,)
    assert math.isnan(spoiled[1].values[0])
    assert b"NaN" in encode(spoiled[1], 1, 1)


def test_stuck_repeats_the_first_value_it_met() -> None:
    spoiled = Mischief([Fault("stuck", 1.0)], np.random.default_rng(1)).spoil(
        [Uplink("a", i, ("x",), (float(i),)) for i in range(5)]
    )

    assert [u.values[0] for u in spoiled] == [0.0] * 5


def test_dropped_duplicated_and_late_messages_are_accounted_for() -> None:
    dropped = Mischief([Fault("drop", 0.3)], np.random.default_rng(1)).carry(ENTRIES, 0)
    doubled = Mischief([Fault("duplicate", 1.0)], np.random.default_rng(1)).carry(ENTRIES, 0)
    late = Mischief([Fault("late", 1.0, amount=5.0)], np.random.default_rng(1))

    assert 100 < len(dropped) < 180
    assert len(doubled) == 400
    assert late.carry(ENTRIES, 0) == []
    assert late.carry([], 4999) == []
    assert late.carry([], 5000) == ENTRIES


def test_reordering_loses_nothing_and_malformed_bytes_differ() -> None:
    shuffled = Mischief([Fault("reorder", 1.0)], np.random.default_rng(1)).carry(ENTRIES, 0)
    broken = Mischief([Fault("malformed", 1.0)], np.random.default_rng(1)).carry(ENTRIES, 0)

    assert shuffled != ENTRIES
    assert sorted(shuffled, key=lambda e: e.seq) == ENTRIES
    assert sum(b.payload != e.payload for b, e in zip(broken, ENTRIES, strict=True)) > 190


def test_a_message_without_readings_has_nothing_to_spoil() -> None:
    empty = Uplink("a", 5, ())

    spoiled = Mischief([Fault("spike", 1.0)], np.random.default_rng(1)).spoil([empty])

    assert spoiled == [empty]
