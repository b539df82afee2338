"""A snapshot meets another catalog: what is gone is cleared, what changed starts blank alone."""

import numpy as np
from msgspec.structs import replace

from detectors.bank import Bank
from detectors.plan import compile_plan
from lifeline.catalog import Rule
from lifeline.model import GroupFrame
from lifeline.wire import partition_of
from tests.detectors.city import BAD, RULES, START_MS, bank, catalog, feed, ticks


def test_whatever_was_open_on_a_channel_that_is_gone_is_cleared_by_the_next_tick() -> None:
    old = bank(RULES[:1])
    raised = feed(old, ("w0/ch4", 1, 5.0), ("w4/ch4", 1, 25.0), ("w5/temperature", 1, 900.0, BAD))
    raised += feed(old, ("w5/ch4", 2, 25.0))
    known = catalog(RULES[:1], wells=4)
    new = Bank(compile_plan(known.head.rules, known.head.limits), known)

    new.restore(old.snapshot())

    begun = {f.id for f in raised if f.phase == "raised"}
    cleared = new.tick(START_MS + 3000)
    assert len(begun) == 3
    assert begun == {f.id for f in raised + cleared if f.phase == "cleared"}
    assert new.open == 0


def group_bank(*rules: Rule) -> Bank:
    """A bank with these rules on the group ``pair``, one of them in alarm by a wild frame."""
    made = bank(rules)
    rng = np.random.default_rng(5)
    for k in range(200):
        wild = k > 190
        values = np.array([90.0, 5.0]) if wild else 20.0 + rng.normal(size=2)
        at_ms = START_MS + 10_000 * k
        made.group_frame(GroupFrame(at_ms, values, np.zeros(2)), "pair", received_ms=at_ms)
    return made


PICTURE = next(rule for rule in RULES if rule.id == "picture")
OTHER = replace(PICTURE, id="other", detector={"kind": "half_space", "window": 64})


def test_a_changed_rule_of_a_group_starts_blank_alone() -> None:
    old = group_bank(PICTURE, OTHER)
    changed_other = replace(OTHER, detector={"kind": "half_space", "window": 128})
    new = bank((PICTURE, changed_other))

    said = new.restore(old.snapshot())

    assert said == ["rule other starts blank for 1 channels or groups"]
    picture = {w.watching.rule.id: w for w in new.watches_of("pair")}["picture"]
    before = {w.watching.rule.id: w for w in old.watches_of("pair")}["picture"]
    assert all((picture.state[name] == before.state[name]).all() for name in before.state)


def test_an_open_alarm_of_a_group_whose_rule_is_gone_is_cleared_by_the_next_tick() -> None:
    old = group_bank(PICTURE, OTHER)
    raised = {w.watching.rule.id for w in old.watches_of("pair") if w.open}
    new = bank((PICTURE,))

    new.restore(old.snapshot())

    assert raised == {"picture", "other"}
    assert new.open == 1
    said = new.tick(START_MS + 10_000 * 200)
    assert [(f.phase, f.rule) for f in said if f.rule == "other"] == [("cleared", "other")]


def placed(number: int, *rules: Rule, moved: tuple[int, ...] = ()) -> Bank:
    """The bank of partition ``number`` of twelve."""
    known = catalog(rules, moved=moved)
    return Bank(compile_plan(known.head.rules, known.head.limits), known, number, 12)


HERE = partition_of("gas/z", 12)


def test_a_device_that_moved_to_another_partition_leaves_no_ghost() -> None:
    old = placed(HERE, RULES[0])
    raised = feed(old, ("w0/ch4", 1, 50.0), ("w2/ch4", 1, 50.0), ("w0/temperature", 1, 900.0, BAD))
    new = placed(HERE, RULES[0], moved=(0, 1))

    assert new.restore(old.snapshot()) == []
    feed(new, ("w0/ch4", 2, 50.0), ("w0/temperature", 2, 900.0, BAD))  # what was on its way
    said = ticks(new, 3, 400)

    of_moved = {f.id for f in raised if f.channel.startswith("w0/")}
    assert len(of_moved) == 2
    assert {f.id for f in said if f.phase == "cleared"} == of_moved
    assert {f.channel for f in said if f.phase != "cleared"} == {"w2/ch4"}
    assert new.open == 1


def test_a_group_that_moved_to_another_partition_is_cleared_where_it_was() -> None:
    packed = group_bank(PICTURE).snapshot()
    kept = placed(HERE, PICTURE)
    kept.restore(packed)
    there = placed(HERE, PICTURE, moved=(0, 1))

    there.restore(packed)

    assert (kept.open, there.open) == (1, 0)
    said = there.tick(START_MS + 10_000 * 200)
    assert [(f.phase, f.rule) for f in said] == [("cleared", "picture")]
