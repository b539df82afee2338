"""When a pressure wave arrived in a block of raw samples, and the change that it left behind."""

import msgspec
import numpy as np
from scipy.ndimage import median_filter

from detectors.base import SIGMA_PER_MAD
from lifeline.model import Floats

LEAD_S = 2.0
"""The block's beginning tells the level and the noise; a device whose blocks shall leave no gap
repeats as much of the block before."""
TRAIL_S = 0.5
"""What must follow an onset, to tell a step from a spike."""
SLACK_SIGMA = 1.0
LIMIT_SIGMA = 14.0
LASTING_SIGMA = 5.0
"""A change that lasts stands out so far from the noise of one sample."""
LASTING_SHARE = 0.4
"""It keeps so much of its first height: a water hammer's pulse does not."""
SAMPLES_MIN = 32


class Onset(msgspec.Struct, frozen=True):
    """The first arrival in a block."""

    after_s: float
    """From the block's first sample."""
    change: float
    """Level after less level before, in the channel's unit."""
    noise: float
    """Standard deviation of a sample before."""


def onset(values: Floats, rate_hz: float) -> Onset | None:
    """The first lasting step of the block, or None.

    Each sample's distance from the running median of the samples before it feeds Page's two-sided
    CUSUM (Biometrika 1954); the step begins where the sum that reached its limit last was zero, and
    its onset is where it then passes a sixth of its height, between two samples.  It is believed
    when the median of the half second behind it keeps away from the level before.  Valid at 10 to
    1,000 Hz; blocks without lead and trail, or with a sample that is no number, say None.

    >>> rng = np.random.default_rng(1)
    >>> calm = 40.0 + 0.02 * rng.normal(size=600)
    >>> onset(calm, 100.0) is None
    True
    >>> calm[350:] -= 1.5
    >>> found = onset(calm, 100.0)
    >>> round(found.after_s, 2), round(found.change, 1)
    (3.49, -1.5)
    """
    lead, trail = round(LEAD_S * rate_hz), max(2, round(TRAIL_S * rate_hz))
    n = len(values)
    if lead < SAMPLES_MIN // 2 or n < max(SAMPLES_MIN, lead + trail + 1):
        return None
    if not np.isfinite(values).all():
        return None
    noise = _noise(values[:lead])
    away = (values[lead:] - _levels(values, lead)) / noise
    found = [_crossing(side * away) for side in (1.0, -1.0)]
    # What is under way when the lead ends began before it, in the block before this one.
    starts = [start for start in found if start and start + trail <= n - lead]
    if not starts:
        return None
    start = min(starts) + lead
    before = float(np.median(values[start - lead : start]))
    first = values[start : start + trail] - before
    change = float(np.median(first))
    height = float(np.abs(first).max())
    if abs(change) < max(LASTING_SIGMA * noise, LASTING_SHARE * height):
        return None
    rise = np.sign(change) * (values[start - 1 : start + trail] - before)
    return Onset(
        (start - 1 + _crossed(rise, max(4.0 * noise, 0.15 * abs(change)))) / rate_hz, change, noise
    )


def _crossed(rise: Floats, level: float) -> float:
    """Where it first passes the level, between two samples: at the same share of every logger's."""
    at = max(1, int(np.argmax(rise >= level)))
    low, high = float(rise[at - 1]), float(rise[at])
    return at - 1 + min(max((level - low) / (high - low), 0.0), 1.0) if high > low else float(at)


def _noise(lead: Floats) -> float:
    """Of one sample, by its differences: a slope is no noise.  Never zero: sensors have steps."""
    steps = np.diff(lead)
    spread = float(np.median(np.abs(steps - np.median(steps)))) * SIGMA_PER_MAD / np.sqrt(2.0)
    resolution = float(np.min(np.abs(steps[steps != 0.0]), initial=np.inf))
    floor = resolution if np.isfinite(resolution) else max(1e-6, 1e-6 * float(np.abs(lead).max()))
    return float(max(spread, floor / 3.5))  # a quantum q has a standard deviation of q / sqrt(12)


def _levels(values: Floats, lead: int) -> Floats:
    """Before each sample behind the lead: the median of as many samples as the lead has."""
    # The window ends at its own sample, so the level before a sample is its neighbour's.
    through = median_filter(values, size=lead, origin=lead - lead // 2 - 1, mode="nearest")
    levels: Floats = through[lead - 1 : -1]
    return levels


def _crossing(z: Floats) -> int | None:
    """Where the sum that first reached the limit began, or None."""
    total = np.concatenate(([0.0], np.cumsum(z - SLACK_SIGMA)))
    lowest = np.minimum.accumulate(total)
    over = np.flatnonzero(total - lowest >= LIMIT_SIGMA)
    if len(over) == 0:
        return None
    return int(np.flatnonzero(total[: over[0] + 1] == lowest[over[0]])[-1])
