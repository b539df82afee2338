"""The bank: readings in, findings out, each fact on its own."""

import msgspec
import numpy as np
import pytest

from detectors.bank import Bank
from detectors.plan import compile_plan
from lifeline.catalog import Rule
from lifeline.model import (
    SKIP,
    Batch,
    Context,
    GroupFrame,
    Message,
    Quality,
    finding_id,
)  # fmt: skip
from lifeline.wire import decode_finding, encode_finding
from tests.detectors.city import BAD, START_MS, bank, batch, catalog, feed, ticks, told

HARD = (catalog().head.rules[0],)
TICK = np.zeros(0, np.int8)


def test_a_leak_is_raised_held_and_cleared_under_one_id() -> None:
    b = bank(HARD)
    values = [(0, 5.0), (1, 25.0), (2, 30.0), (61, 30.0), (62, 19.0), (63, 17.9), (64, 5.0)]

    said = [f for s, value in values for f in feed(b, ("w0/ch4", s, value), received_s=s)]

    ch4 = "gas.ch4.20", "w0/ch4"
    assert told(said) == [("raised", *ch4, 1.0), ("held", *ch4, 61.0), ("cleared", *ch4, 63.0)]
    assert {f.id for f in said} == {finding_id("gas/z", *ch4, START_MS + 1000)}
    assert b.open == 0


def test_a_finding_explains_itself() -> None:
    b = bank(HARD)
    feed(b, ("w0/ch4", 0, 5.0))

    (f,) = b.step(
        batch([("w0/ch4", 1, 25.0, int(Quality.TEST_GAS))], 2.0), np.zeros(1, np.int8), "t/3/17"
    )

    assert (f.zone, f.asset, f.lifeline, f.unit) == ("gas/z", "w0", "gas", "%LEL")
    assert (f.detector, f.version, f.code) == ("threshold", 1, "above-limit")
    assert (f.value, f.limit, f.limit_id, f.clause) == (25.0, 20.0, "lel20", "CJJ/T 146 5.2")
    assert (f.score, f.confidence, f.grade, f.hazard) == (1.25, 0.9, 2, "gas-leak")
    assert f.quality == Quality.TEST_GAS
    assert (f.received_ms, f.trace, f.lane, f.on_delay_s) == (
        START_MS + 2000,
        "t/3/17",
        "live",
        3.0,
    )
    assert f.evidence == ((START_MS, 5.0, 0), (START_MS + 1000, 25.0, int(Quality.TEST_GAS)))
    assert decode_finding(encode_finding(f)) == f


def test_evidence_is_the_last_eight_readings() -> None:
    b = bank(HARD)
    for s in range(20):
        feed(b, ("w0/ch4", s, float(s) / 2))

    (f,) = feed(b, ("w0/ch4", 20, 40.0))

    assert [reading[1] for reading in f.evidence] == [6.5, 7.0, 7.5, 8.0, 8.5, 9.0, 9.5, 40.0]


def test_a_channel_twice_in_a_batch_goes_in_order_of_time() -> None:
    b = bank(HARD)

    said = feed(b, ("w0/ch4", 3, 5.0), ("w1/ch4", 2, 30.0), ("w0/ch4", 1, 5.0), ("w0/ch4", 2, 25.0))

    assert told(said) == [
        ("raised", "gas.ch4.20", "w0/ch4", 2.0),
        ("raised", "gas.ch4.20", "w1/ch4", 2.0),
        ("cleared", "gas.ch4.20", "w0/ch4", 3.0),
    ]


def test_the_same_reading_again_and_skipped_ones_change_nothing() -> None:
    b = bank(HARD)
    feed(b, ("w0/ch4", 1, 25.0))
    before = b.snapshot()

    assert feed(b, ("w0/ch4", 1, 99.0)) == []
    assert feed(b, ("w0/ch4", 2, 1.0), lane=SKIP) == []
    assert b.snapshot() == before


def test_an_older_live_reading_is_judged_as_late_and_never_clears() -> None:
    b = bank(HARD)
    feed(b, ("w0/ch4", 10, 25.0))

    assert feed(b, ("w0/ch4", 5, 1.0)) == []
    assert b.demoted == 1
    assert b.open == 1


def test_unknown_channels_are_counted_and_survived() -> None:
    b = bank(HARD)

    said = feed(b, ("nowhere/x", 1, 5.0), ("w0/ch4", 1, 25.0))

    assert [f.phase for f in said] == ["raised"]
    assert b.unknown == 1
    assert b.channels == 2  # the well's and its device's


# Bad values


@pytest.mark.parametrize(
    ("value", "flags"),
    [
        (np.nan, Quality.NON_FINITE),
        (np.inf, 0),
        (900.0, Quality.OUT_OF_RANGE),
        (5.0, Quality.WRONG_UNIT),
    ],
)
def test_a_bad_value_is_a_sensor_fault_and_a_threshold_stays_in_alarm(
    value: float, flags: int
) -> None:
    b = bank(HARD)
    feed(b, ("w0/ch4", 0, 25.0))

    (bad,) = feed(b, ("w0/ch4", 1, value, int(flags)))
    again = feed(b, ("w0/ch4", 2, value, int(flags)))
    good = feed(b, ("w0/ch4", 3, 26.0))

    assert (bad.phase, bad.rule, bad.hazard, bad.grade) == (
        "raised",
        "sensor.bad-value",
        "sensor-fault",
        5,
    )
    assert bad.evidence[-1][0] == START_MS + 1000
    assert decode_finding(encode_finding(bad)) == bad
    assert again == []
    assert told(good) == [("cleared", "sensor.bad-value", "w0/ch4", 3.0)]
    assert b.open == 1


def test_the_devices_own_fault_bit_is_a_sensor_fault_and_its_alarm_is_still_heard() -> None:
    said = feed(bank(HARD), ("w0/ch4", 1, 50.0, int(Quality.FAULT)))

    assert [f.rule for f in said] == ["gas.ch4.20", "sensor.bad-value"]
    assert said[0].quality == Quality.FAULT


def test_a_bad_value_is_a_fault_also_where_no_rule_watches() -> None:
    said = feed(bank(HARD), ("w0/temperature", 1, 500.0, BAD), ("w1/ch4", 1, 1.0))

    assert told(said) == [("raised", "sensor.bad-value", "w0/temperature", 1.0)]


# Ticks and silence


def test_a_silent_device_is_found_within_its_limit_and_cleared_by_its_next_message() -> None:
    b = bank(HARD)
    feed(b, ("w0/ch4", 0, 1.0), received_s=0.5)

    quiet, silent = ticks(b, 1, 180), ticks(b, 180, 200)
    empty = batch([], 200.0)
    back = b.step(empty, TICK)

    assert quiet == []
    (f,) = silent
    assert (f.phase, f.rule, f.channel, f.hazard) == (
        "raised",
        "device.silent",
        "device/d0/seen",
        "gateway-silent",
    )
    assert (f.onset_ms, f.at_ms, f.value, f.limit) == (
        START_MS + 500,
        START_MS + 181_000,
        180.5,
        180.0,
    )
    assert [(f.phase, f.id) for f in back] == [("cleared", f.id)]


def test_every_device_has_the_silence_of_its_own_catalog_entry() -> None:
    known = catalog(HARD, silent_after_s=60.0)
    b = Bank(compile_plan(known.head.rules, known.head.limits), known)
    feed(b, ("w0/ch4", 0, 1.0))

    assert [(f.at_ms - START_MS, f.limit) for f in ticks(b, 1, 100)] == [(60_000, 60.0)]


def test_a_device_is_heard_by_a_message_of_which_nothing_could_be_used() -> None:
    b = bank(HARD)
    feed(b, ("w0/ch4", 0, 1.0))

    for s in range(1, 400):
        assert b.step(batch([], float(s)), TICK) == []


def test_an_outage_of_our_own_is_no_silence() -> None:
    b = bank(HARD)
    feed(b, ("w0/ch4", 0, 1.0))
    ticks(b, 1, 60)

    after = ticks(b, 4000, 4100)
    later = ticks(b, 4100, 4130)

    assert after == []
    assert [f.rule for f in later] == ["device.silent"]


def test_an_expected_device_that_never_spoke_is_silent() -> None:
    b = bank(HARD)
    b.expect(["d3", "ghost"], START_MS)

    assert [f.channel for f in ticks(b, 1, 200)] == ["device/d3/seen"]
    assert b.unknown == 1


def test_a_last_will_is_a_silent_gateway_until_the_birth() -> None:
    b = bank(HARD)

    gone = feed(b, ("device/d0/online", 1, 0.0))
    back = feed(b, ("device/d0/online", 2, 1.0))

    assert [(f.phase, f.rule, f.hazard, f.code) for f in gone + back] == [
        ("raised", "device.offline", "gateway-silent", "offline"),
        ("cleared", "device.offline", "gateway-silent", "offline"),
    ]


def test_what_lasts_is_held_on_ticks_when_nothing_comes() -> None:
    b = bank(HARD)
    (raised,) = feed(b, ("w0/ch4", 0, 25.0), ("w1/temperature", 0, 900.0, BAD), received_s=0)[:1]

    held = ticks(b, 1, 130)

    assert [(f.phase, f.at_ms - START_MS, f.value) for f in held if f.id == raised.id] == [
        ("held", 60_000, 25.0),
        ("held", 120_000, 25.0),
    ]
    assert sum(f.rule == "sensor.bad-value" for f in held) == 2


def test_a_channel_may_have_a_rule_for_its_own_silence() -> None:
    rule = Rule(
        "ch4.quiet", "sensor-fault", 5, {"kind": "silence", "limit_s": 30.0}, quantity="ch4"
    )
    b = bank((rule,))
    feed(b, ("w0/ch4", 0, 1.0), received_s=0)

    said = [f for s in range(1, 40) for f in b.step(batch([], float(s)), TICK)]
    back = feed(b, ("w0/ch4", 40, 1.0), received_s=40)

    assert told(said) == [("raised", "ch4.quiet", "w0/ch4", 30.0)]
    assert told(back) == [("cleared", "ch4.quiet", "w0/ch4", 40.0)]


# Drill, groups, context


def test_a_drill_touches_nothing_real() -> None:
    b = bank(HARD)
    feed(b, ("w0/ch4", 0, 25.0))

    (drill,) = b.step(batch([("w0/ch4", 1, 60.0)]), np.zeros(1, np.int8), drill=True)
    b.step(batch([("w0/ch4", 2, 1.0)]), np.zeros(1, np.int8), drill=True)
    (real,) = feed(b, ("w0/ch4", 3, 1.0))

    assert drill.drill
    assert (real.phase, real.drill) == ("cleared", False)


def test_a_drill_at_the_same_moment_has_another_id() -> None:
    b = bank(HARD)

    (real,) = feed(b, ("w0/ch4", 0, 25.0))
    (drill,) = b.step(batch([("w0/ch4", 0, 25.0)]), np.zeros(1, np.int8), drill=True)

    assert real.id != drill.id


def test_a_group_is_judged_together_and_unknown_ones_are_counted() -> None:
    b = bank()
    rng = np.random.default_rng(1)
    said = []
    for k in range(70):
        values = rng.normal(size=2) + (30.0 if k >= 60 else 0.0)
        frame = GroupFrame(START_MS + k * 10_000, values, np.array([1.0, np.nan]))
        said += b.group_frame(frame, "pair", received_ms=START_MS + k * 10_000)

    b.group_frame(GroupFrame(1, np.zeros(2), np.zeros(2)), "ghost", received_ms=1)

    assert told(said)[0] == ("raised", "picture", "pair", 620.0)
    assert (said[0].zone, said[0].code, len(said[0].evidence)) == ("gas/z", "anomalous", 1)
    assert b.unknown == 1


def test_context_is_kept_until_its_time_is_over() -> None:
    b = bank(HARD)
    permit = Context("gas/z", "dig-permit", START_MS, START_MS + 60_000)
    b.context(permit)
    b.context(permit)

    assert b.contexts("gas/z", START_MS + 1000) == (permit,)
    assert b.contexts("gas/z", START_MS - 1) == ()
    b.tick(START_MS + 61_000)
    assert b.records == {}


def test_of_a_context_with_a_name_the_newest_revision_holds() -> None:
    def rain(name: str | float, revision: str | float, until_ms: int) -> Context:
        detail = {"id": name, "revision": revision}
        return Context("gas/z", "regime", START_MS, START_MS + until_ms, detail)

    b, on, off = bank(), rain("w1", 1.0, 60_000), rain("w1", 2.0, 10_000)
    others = (rain("w2", 1.0, 60_000), rain("w1", "x", 60_000), rain("", 1.0, 60_000))
    for record in (on, *others, off, on):
        b.context(record)

    assert b.contexts("gas/z", START_MS + 5000) == (*others, off)
    assert b.contexts("gas/z", START_MS + 20_000) == others


def test_meters_of_a_device_are_channels_like_any_other() -> None:
    said = feed(bank(), ("device/d0/gaps", 1, 7.0))

    assert told(said) == [("raised", "gaps", "device/d0/gaps", 1.0)]
    assert said[0].asset == "w0"


def test_columns_that_are_read_only_are_enough() -> None:
    made = batch([("w0/ch4", 2, 25.0), ("w0/ch4", 1, 1.0), ("w0/ch4", 3, np.nan)])
    for column in ("channel", "at_ms", "value", "quality", "received", "message"):
        getattr(made, column).flags.writeable = False
    lanes = np.zeros(3, np.int8)
    lanes.flags.writeable = False

    said = bank(HARD).step(made, lanes)

    assert [f.phase for f in said] == ["raised", "raised"]


def test_a_message_table_may_name_a_device_often_or_not_at_all() -> None:
    made = batch([("w0/ch4", 1, 1.0)], 5.0)
    messages = [Message("d0", 1, k) for k in range(3)] + [Message("ghost", 1, 1)]
    made = Batch(**{**{f: getattr(made, f) for f in Batch.__slots__}, "messages": messages})
    b = bank(HARD)

    b.step(made, np.zeros(1, np.int8))

    assert b.channels == 2
    assert msgspec.msgpack.decode(b.snapshot())["now_ms"] == START_MS + 5000
