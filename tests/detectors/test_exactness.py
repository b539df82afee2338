"""The bank's promise: the same readings give the same findings, however cut or restarted."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.bank import Bank
from detectors.plan import compile_plan
from detectors.resume import SnapshotError
from lifeline.catalog import Rule
from lifeline.model import Batch, Context, Finding, GroupFrame, Message
from tests.detectors.city import RULES, START_MS, bank, batch, catalog

CHANNELS = [f"w{k}/{local}" for k in range(4) for local in ("ch4", "temperature")]
CHANNELS += ["device/d0/gaps", "device/d1/online"]


def day(seed: int, steps: int = 120) -> list[tuple[str, int, float, int, int]]:
    """(channel, ms, value, quality, lane) as they come: noise, leaks, bad, back-fill, gaps."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, int, float, int, int]] = []
    for k in range(steps):
        for name in CHANNELS:
            if rng.random() < 0.2:
                continue
            value = 5.0 + rng.normal() + (30.0 if 40 <= k % 60 < 48 and "ch4" in name else 0.0)
            bits = int(rng.choice([0, 0, 0, 0, 0, 0, 1, 4, 256, 512]))
            value = float("nan") if bits == 256 else value
            rows.append((name, START_MS + 1000 * k + int(rng.integers(0, 900)), value, bits, 0))
        if k % 10 == 0:
            name = CHANNELS[int(rng.integers(0, 4)) * 2]
            rows.append(
                (
                    name,
                    START_MS - 10**6 + 1000 * k,
                    float(rng.choice([5.0, 40.0])),
                    0,
                    1 + k // 10 % 2,
                )
            )
        if k % 17 == 0:
            rows.append((*rows[-3][:4], 3))
    return rows


def batches(rows, cuts: list[int]) -> list[tuple[Batch, np.ndarray]]:
    """The rows as batches ending at these places; received times do not depend on the cuts."""
    made = []
    for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        part = rows[start:end]
        if not part:
            continue
        names = list(dict.fromkeys(row[0] for row in part))
        received = np.array([START_MS + 1000 * ((start + i) // 8) for i in range(len(part))])
        made.append(
            (
                Batch(
                    int(received[-1]),
                    names,
                    [Message("d0", 1, 1), Message("d1", 1, 1)],
                    np.array([names.index(row[0]) for row in part], np.int32),
                    np.array([row[1] for row in part]),
                    np.array([row[2] for row in part]),
                    np.array([row[3] for row in part], np.uint16),
                    received,
                    np.array([i % 2 for i in range(len(part))], np.int32),
                ),
                np.array([row[4] for row in part], np.int8),
            )
        )
    return made


def essence(findings: list[Finding]) -> list[Finding]:
    """Everything but when and in which record the reading came; in one order."""
    bare = [msgspec.structs.replace(f, received_ms=0, trace="") for f in findings]
    return sorted(bare, key=lambda f: (f.at_ms, f.channel, f.rule, f.phase, f.lane))


def play(target: Bank, work: list[tuple[Batch, np.ndarray]]) -> list[Finding]:
    return [f for made, lanes in work for f in target.step(made, lanes)]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.data())
def test_findings_do_not_depend_on_how_readings_are_batched(seed: int, data) -> None:
    rows = day(seed)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(rows) - 1), max_size=40)))

    whole, parts = bank(), bank()
    expected = essence(play(whole, batches(rows, [])))
    found = essence(play(parts, batches(rows, cuts)))

    assert found == expected
    assert len(expected) > 20


def test_rounds_equal_one_by_one() -> None:
    rows = day(3)

    together = essence(play(bank(), batches(rows, [])))
    alone = essence(play(bank(), batches(rows, list(range(1, len(rows))))))

    assert together == alone
    assert {"raised", "cleared"} <= {f.phase for f in together}
    assert {f.lane for f in together} == {"live", "late", "historical"}
    assert {"gas.ch4.20", "gas.ch4.rise", "sensor.bad-value", "gaps"} <= {f.rule for f in together}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_findings_do_not_depend_on_the_order_across_devices(seed: int) -> None:
    rows = day(seed)
    rng = np.random.default_rng(seed)
    # Each channel keeps its order; which channel comes next is shuffled.
    queues = {name: [row for row in rows if row[0] == name] for name in CHANNELS}
    turns = rng.permutation([row[0] for row in rows])
    shuffled = [queues[name].pop(0) for name in turns]

    expected = essence(play(bank(), batches(rows, [400])))
    found = essence(play(bank(), batches(shuffled, [100, 150, 500])))

    assert found == expected


def everything(seed: int) -> tuple[list, list[tuple[Batch, np.ndarray]]]:
    rows = day(seed)
    return rows, batches(rows, list(range(50, len(rows), 50)))


def go_on(target: Bank, work, start: int, end: int) -> list[Finding]:
    """Batches with ticks, group frames, drills and context between them."""
    said = []
    for k in range(start, end):
        made, lanes = work[k]
        said += target.step(made, lanes, f"t/0/{k}", drill=k % 5 == 4)
        said += target.tick(made.received_ms + 500, f"t/0/{k}")
        for j in range(8):
            values = np.random.default_rng(8 * k + j).normal(size=2) + (9.0 if k > 15 else 0.0)
            frame = GroupFrame(START_MS + (8 * k + j) * 10_000, values, np.zeros(2))
            said += target.group_frame(
                frame, "pair", received_ms=made.received_ms, trace=f"t/0/{k}"
            )
        target.context(Context("gas/z", "permit", START_MS + k, START_MS + 30_000 * k))
    return said


@pytest.mark.parametrize("stop", [1, 3, 10, 17, 19])
def test_a_snapshot_resumes_to_the_byte(stop: int) -> None:
    _, work = everything(5)
    through = bank()
    go_on(through, work, 0, stop)
    packed = through.snapshot()
    expected = go_on(through, work, stop, len(work))

    resumed = bank()
    blank = resumed.restore(packed)
    copied = resumed.snapshot()
    found = go_on(resumed, work, stop, len(work))

    assert blank == []
    assert copied == packed
    assert resumed.records == through.records
    assert found == expected
    assert resumed.snapshot() == through.snapshot()
    assert any(f.rule == "picture" for f in found)


def test_a_day_replayed_twice_gives_the_same_findings() -> None:
    _, work = everything(6)

    first = go_on(bank(), work, 0, len(work))
    second = go_on(bank(), work, 0, len(work))

    assert first == second
    assert len({f.id for f in first}) > 10


def test_a_day_replayed_into_the_same_bank_says_nothing_new_live() -> None:
    rows = [row for row in day(7) if row[4] == 0 and row[3] == 0]
    target = bank()
    known = {f.id for f in play(target, batches(rows, [300]))}

    again = play(target, batches(rows, [300]))

    assert known
    assert {f.lane for f in again} <= {"late"}
    assert {f.id for f in again if f.rule == "gas.ch4.20"} <= known


def changed(rules=RULES, **by_id) -> tuple[Rule, ...]:
    return tuple(
        msgspec.structs.replace(rule, **by_id[rule.id.replace(".", "_")])
        if rule.id.replace(".", "_") in by_id
        else rule
        for rule in rules
    )


def test_a_changed_rule_starts_blank_alone() -> None:
    _, work = everything(8)
    old = bank()
    play(old, work[:10])
    new = bank(changed(gas_ch4_shift={"detector": {"kind": "cusum", "warm_up": 30}}))

    said = new.restore(old.snapshot())

    assert said == ["rule gas.ch4.shift starts blank for 4 channels or groups"]
    before = {w.watching.rule.id: w.state for w in old.roster.cohorts[1].watches}
    after = {w.watching.rule.id: w.state for c in new.roster.cohorts for w in c.watches}
    assert (after["gas.ch4.shift"]["learned"] == 0).all()
    assert before.keys() <= after.keys()
    kept = [f for f in play(new, work[10:]) if f.rule != "gas.ch4.shift"]
    expected = [f for f in play(old, work[10:]) if f.rule != "gas.ch4.shift"]
    assert kept == expected


def test_another_grade_or_name_of_the_limit_keeps_the_state() -> None:
    _, work = everything(9)
    old = bank()
    play(old, work[:9])
    new = bank(changed(gas_ch4_20={"grade": 1}))

    assert new.restore(old.snapshot()) == []
    assert [f.id for f in play(new, work[9:])] == [f.id for f in play(old, work[9:])]


def test_an_open_alarm_of_a_changed_limit_keeps_its_id_and_clears_by_the_new_one() -> None:
    old = bank()
    (raised,) = [
        f for f in old.step(batch([("w0/ch4", 1, 25.0)]), np.zeros(1, np.int8)) if "20" in f.rule
    ]
    inline = {"detector": {"kind": "threshold", "limit": 30.0}, "limit": ""}
    new = bank(changed(gas_ch4_20=inline))

    new.restore(old.snapshot())
    said = new.step(batch([("w0/ch4", 2, 25.0)]), np.zeros(1, np.int8))

    assert [(f.phase, f.id) for f in said] == [("cleared", raised.id)]


def test_an_open_alarm_of_a_rule_that_is_gone_is_cleared_by_the_next_tick() -> None:
    old = bank()
    lanes = np.zeros(1, np.int8)
    raised = old.step(batch([("w0/ch4", 1, 25.0)]), lanes)
    raised += old.step(batch([("w0/ch4", -50, 25.0)]), lanes + 1)
    new = bank(tuple(rule for rule in RULES if rule.id != "gas.ch4.20"))

    new.restore(old.snapshot())
    again = bank(tuple(rule for rule in RULES if rule.id != "gas.ch4.20"))
    again.restore(new.snapshot())

    for target in (new, again):
        said = target.tick(START_MS + 1000)
        assert {(f.phase, f.code, f.id) for f in said} == {
            ("cleared", "rule-gone", f.id) for f in raised
        }
        assert target.tick(START_MS + 2000) == []


def test_a_new_channel_starts_blank_and_disturbs_nobody() -> None:
    _, work = everything(10)
    lanes = np.zeros(1, np.int8)
    one, two = bank(), bank()
    said_one = play(one, work[:5])
    said_two = play(two, work[:5])
    two.step(batch([("w5/ch4", 1, 5.0)]), lanes)

    said_one += play(one, work[5:])
    said_two += play(two, work[5:])

    assert said_two == said_one


def test_many_new_channels_leave_the_state_of_old_ones_as_it_was() -> None:
    known = catalog(wells=200)
    plan = compile_plan(known.head.rules, known.head.limits)
    one, two = Bank(plan, known), Bank(plan, known)
    lanes = np.zeros(1, np.int8)
    crowd = [
        (f"w{k}/{local}", 1.0, 5.0) for k in range(10, 200) for local in ("ch4", "temperature")
    ]
    rng = np.random.default_rng(3)
    said: list[list[Finding]] = [[], []]
    for k in range(150):
        value = 5.0 + rng.normal() + 20.0 * (60 <= k < 90)
        if k == 75:
            two.step(batch(crowd), np.zeros(len(crowd), np.int8))
        for target, heard in zip((one, two), said, strict=True):
            heard.extend(target.step(batch([("w0/ch4", float(k), value)]), lanes))
            heard.extend(target.step(batch([("w0/ch4", k - 900.0, value)]), lanes + 1))

    assert said[0] == said[1]
    assert {"late", "live"} == {f.lane for f in said[0]}
    assert {"gas.ch4.20", "gas.ch4.shift"} <= {f.rule for f in said[0]}
    a, b = one.roster, two.roster
    assert a.last_ms[a.rows["w0/ch4"]] == b.last_ms[b.rows["w0/ch4"]]
    states = [roster.cohorts[roster.cohort[roster.rows["w0/ch4"]]] for roster in (a, b)]
    for left, right in zip(states[0].watches, states[1].watches, strict=True):
        for name in left.state:
            np.testing.assert_array_equal(left.state[name][0], right.state[name][0])
    assert states[0].evidence(0) == states[1].evidence(0)


@pytest.mark.parametrize("packed", [b"", b"rubbish", b"\x80", msgspec.msgpack.encode({"v": 1})])
def test_bytes_that_are_no_snapshot_are_refused_and_leave_the_bank_fresh(packed: bytes) -> None:
    target = bank()

    with pytest.raises(SnapshotError):
        target.restore(packed)

    assert target.channels == 0


def test_a_snapshot_with_a_name_that_is_no_text_is_refused() -> None:
    heard = bank()
    heard.step(batch([("w0/ch4", 1.0, 25.0)]), np.zeros(1, np.int8))

    with pytest.raises(SnapshotError, match="utf-8"):
        bank().restore(heard.snapshot().replace(b"w0/ch4", b"\xff0/ch4"))


def test_a_snapshot_of_a_newer_version_is_refused() -> None:
    tree = msgspec.msgpack.decode(bank().snapshot())
    tree["v"] = 99

    with pytest.raises(SnapshotError, match="newer"):
        bank().restore(msgspec.msgpack.encode(tree))


def test_memory_stays_below_a_kilobyte_a_channel() -> None:
    rules = (
        *RULES[:3],
        Rule("r", "h", 5, {"kind": "robust"}, quantity="ch4"),
        Rule("f", "h", 5, {"kind": "flatline"}, quantity="ch4"),
    )
    known = catalog(rules, wells=3000)
    target = Bank(compile_plan(known.head.rules, known.head.limits), known)
    for start in range(0, 3000, 240):
        rows = [(f"w{k}/ch4", 1.0, 5.0) for k in range(start, min(start + 240, 3000))]
        target.step(batch(rows), np.zeros(len(rows), np.int8))
    roster = target.roster

    arrays = [roster.cohort, roster.local, roster.last_ms, roster.scratch, roster.faults.alarm]
    for cohort in roster.cohorts:
        arrays += [cohort.ring_at, cohort.ring_value, cohort.ring_next]
        for watch in cohort.watches:
            arrays += [watch.alarm, *watch.state.values()]

    assert sum(array.nbytes for array in arrays) / 3000 < 750
