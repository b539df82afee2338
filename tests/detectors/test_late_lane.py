"""The late lane: a back-fill says what the clean run said, and touches nothing live."""

from lifeline.model import HISTORICAL, LATE
from tests.detectors.city import BAD, START_MS, bank, catalog, feed, ticks

HARD = (catalog().head.rules[0],)


def test_a_back_fill_gives_the_ids_of_the_clean_run_and_touches_nothing_live() -> None:
    rows = [("w0/ch4", float(s), v) for s, v in [(1, 5.0), (2, 25.0), (3, 30.0), (4, 5.0)]]
    one = bank(HARD)
    clean = [f for row in rows for f in feed(one, row)]
    b = bank(HARD)
    feed(b, ("w0/ch4", 100, 22.0))

    late = [f for row in rows for f in feed(b, row, lane=HISTORICAL)]

    assert [(f.phase, f.id, f.onset_ms, f.at_ms) for f in late] == [
        (f.phase, f.id, f.onset_ms, f.at_ms) for f in clean
    ]
    assert {f.lane for f in late} == {"historical"}
    assert b.open == 1
    (after,) = feed(b, ("w0/ch4", 101, 1.0))
    assert (after.phase, after.lane, after.onset_ms) == ("cleared", "live", START_MS + 100_000)


def test_a_back_fill_that_begins_again_says_the_same_again() -> None:
    b = bank(HARD)
    rows = [("w0/ch4", 1.0, 25.0), ("w0/ch4", 2.0, 26.0), ("w0/ch4", 3.0, 5.0)]

    first = feed(b, *rows, lane=LATE)
    second = feed(b, *rows, lane=LATE)

    assert [f.phase for f in first] == ["raised", "cleared"]
    assert [f.id for f in second] == [f.id for f in first]


def test_a_back_fill_that_begins_again_in_an_alarm_forgets_it() -> None:
    b = bank(HARD)
    (raised,) = feed(b, ("w0/ch4", 5, 25.0), lane=LATE)

    again = feed(b, ("w0/ch4", 1, 5.0), ("w0/ch4", 5, 25.0), ("w0/ch4", 6, 5.0), lane=LATE)

    assert [(f.phase, f.id, f.at_ms - START_MS) for f in again] == [
        ("raised", raised.id, 5000),
        ("cleared", raised.id, 6000),
    ]


def test_a_bad_late_reading_says_nothing_and_learners_skip_late_ones() -> None:
    b = bank()

    assert feed(b, ("w0/ch4", 1, 50.0, BAD), lane=LATE) == []
    assert feed(b, ("w0/temperature", 1, 900.0), lane=LATE) == []


def test_a_back_dated_excursion_ends_when_nothing_continues_it() -> None:
    b = bank(HARD, lateness_s=600.0)
    (raised,) = feed(b, ("w0/ch4", 1, 25.0), lane=LATE)

    early = b.tick(START_MS + 9_000)
    over = [f for s in range(18, 700, 9) for f in b.tick(START_MS + s * 1000)]

    assert early == []
    assert [(f.phase, f.id, f.lane, f.at_ms) for f in over if f.hazard == "gas-leak"] == [
        ("cleared", raised.id, "late", START_MS + 1000)
    ]


def test_a_back_dated_excursion_lasts_as_long_as_readings_continue_it() -> None:
    b = bank(HARD, lateness_s=600.0)
    feed(b, ("w0/ch4", 1, 25.0), lane=LATE, received_s=0)
    ticks(b, 1, 500)
    feed(b, ("w0/ch4", 2, 25.0), lane=LATE, received_s=500)

    assert [f for f in ticks(b, 501, 1099) if f.hazard == "gas-leak"] == []
    assert [f.at_ms for f in ticks(b, 1099, 1101) if f.hazard == "gas-leak"] == [START_MS + 2000]
