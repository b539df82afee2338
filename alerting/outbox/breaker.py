"""When to leave a receiver in peace: a circuit breaker, and the wait between tries.  Pure.

A breaker only delays: what was to be sent stays in the outbox until the receiver has accepted it.
Its times are of a clock that only goes forward.
"""

from typing import Literal

import msgspec

State = Literal["closed", "open", "trying"]
FIRST_WAIT_S = 0.5


class Breaker(msgspec.Struct, frozen=True):
    """How a receiver has answered of late.  ``trying`` lets one notice through to see."""

    failures: int = 0
    open_until_ms: int = 0
    is_trying: bool = False

    def state(self, now_ms: int) -> State:
        """Whether notices may go: all, none, or one."""
        if self.open_until_ms == 0:
            return "closed"
        return "open" if now_ms < self.open_until_ms or self.is_trying else "trying"


def begun(breaker: Breaker, now_ms: int) -> Breaker:
    """The breaker after a notice was handed to the channel."""
    if breaker.state(now_ms) != "trying":
        return breaker
    return msgspec.structs.replace(breaker, is_trying=True)


def failed(breaker: Breaker, now_ms: int, failures_max: int, open_s: float) -> Breaker:
    """The breaker after no answer, or one that asks us to come again."""
    failures = breaker.failures + 1
    until_ms = now_ms + round(open_s * 1000) if failures >= failures_max else 0
    return Breaker(failures, until_ms)


def wait_s(attempts: int, longest_s: float, chance: float) -> float:
    """Seconds until the next try: doubling, up to half of it by chance, at most the longest.

    >>> wait_s(0, 30.0, 0.0), wait_s(3, 30.0, 1.0), wait_s(50, 30.0, 0.5)
    (0.25, 4.0, 22.5)
    """
    assert 0.0 <= chance <= 1.0
    full_s = min(longest_s, FIRST_WAIT_S * 2.0 ** min(attempts, 20))
    return full_s * (0.5 + 0.5 * chance)
