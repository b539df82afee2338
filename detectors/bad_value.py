"""The reading that cannot be true: flagged by ingest, or called faulty by the device itself."""

import numpy as np

from detectors.base import Mask, Params, Scores, State
from lifeline.model import UNUSABLE, Bits, Floats, Frame, Quality

BAD = int(UNUSABLE | Quality.FAULT)
"""Bits of a reading that make it a sensor fault."""


class BadValue(Params, frozen=True, kw_only=True, tag="bad_value"):
    """Alarm on NaN, infinity, the physically impossible, a wrong unit or the device's fault bit.

    The next good value clears it.  It keeps no state.  False alarms: none that are not the
    device's.

    >>> flags = np.array([0, Quality.OUT_OF_RANGE, Quality.TEST_GAS], np.uint16)
    >>> frame = Frame(np.arange(3), np.zeros(3, np.int64), np.zeros(3), flags)
    >>> BadValue().step({}, frame).tolist()
    [0.0, 2.0, 0.0]
    """

    @property
    def code(self) -> str:
        """``bad-value``; the finding's quality bits say which kind."""
        return "bad-value"

    def blank(self, n: int) -> State:
        """Nothing."""
        assert n >= 0, n
        return {}

    def step(self, state: State, frame: Frame) -> Scores:
        """Scores of the frame's rows: 2 for a bad one, 0 for a good one."""
        assert not state, state
        scores: Scores = np.where(bad_readings(frame.values, frame.quality), 2.0, 0.0)
        return scores


def bad_readings(values: Floats, quality: Bits) -> Mask:
    """Which of these are sensor faults."""
    bad: Mask = (quality & BAD) != 0
    bad |= ~np.isfinite(values)
    return bad


def unusable_readings(values: Floats, quality: Bits) -> Mask:
    """Which of these no detector of the physical world may see.  The device's fault bit alone is no
    reason: a methane alarm of a sensor in doubt is still heard.
    """
    unusable: Mask = (quality & int(UNUSABLE)) != 0
    unusable |= ~np.isfinite(values)
    return unusable
