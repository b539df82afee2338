"""The breaker opens, tries with one, and closes; it only ever delays."""

import pytest

from alerting.outbox import breaker
from alerting.outbox.breaker import Breaker


@pytest.mark.feature("E-1")
def test_failures_open_it_one_try_is_let_through_and_an_answer_closes_it() -> None:
    state = Breaker()
    for _ in range(5):
        state = breaker.failed(state, 0, failures_max=5, open_s=10.0)

    assert state.state(9_999) == "open"
    assert state.state(10_000) == "trying"
    trying = breaker.begun(state, 10_000)
    assert trying.state(10_001) == "open", "one at a time"
    assert breaker.failed(trying, 10_002, 5, 10.0).state(10_003) == "open"


def test_single_failures_do_not_open_it() -> None:
    state = breaker.failed(Breaker(), 0, failures_max=5, open_s=10.0)

    assert state.state(1) == "closed"
    assert breaker.begun(state, 1) == state


@pytest.mark.feature("E-1")
def test_waits_double_up_to_the_longest_and_are_spread() -> None:
    waits = [breaker.wait_s(n, 30.0, 1.0) for n in range(8)]

    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert breaker.wait_s(7, 30.0, 0.0) == 15.0
