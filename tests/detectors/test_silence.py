"""Who speaks is not silent, whatever is wrong with what it says."""

import numpy as np

from lifeline.catalog import Rule
from tests.detectors.city import bank, batch, feed, told

TICK = np.zeros(0, np.int8)
LATE_LANE = 1


def quiet(limit_s: float) -> Rule:
    detector = {"kind": "silence", "limit_s": limit_s}
    return Rule("ch4.quiet", "sensor-fault", 5, detector, quantity="ch4")


def test_a_late_reading_shows_that_its_channel_lives() -> None:
    b = bank((quiet(30.0),))
    feed(b, ("w0/ch4", 0, 1.0), received_s=0)
    feed(b, ("w0/ch4", -5, 1.0), lane=LATE_LANE, received_s=20)

    said = [f for s in range(21, 60) for f in b.step(batch([], float(s)), TICK)]

    assert told(said) == [("raised", "ch4.quiet", "w0/ch4", 50.0)]


def test_a_channel_without_a_limit_of_its_own_may_be_silent_as_long_as_its_device() -> None:
    b = bank((quiet(0.0),))
    feed(b, ("w0/ch4", 0, 1.0), received_s=0)

    said = [f for s in range(1, 190) for f in b.step(batch([], float(s)), TICK)]

    own = [f for f in said if f.rule == "ch4.quiet"]
    assert told(own) == [("raised", "ch4.quiet", "w0/ch4", 180.0)]


def test_a_message_of_devices_that_nobody_knows_is_survived() -> None:
    b = bank(())

    assert b.step(batch([], 1.0, device="stranger"), TICK) == []
