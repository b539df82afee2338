"""What each channel of a group should read, by the others: the regressions within a covariance.

The inverse of a correlation matrix holds the regression of every channel on all others: with the
precision ``K`` and standardised deviations ``e``, ``(K e)_i / K_ii`` is how far channel i stands
from its prediction, and ``1 / K_ii`` the variance of that (Whittaker, Graphical Models in Applied
Multivariate Statistics, 1990, 5.7).  Leaving channels out is a Schur complement, no new inverse.
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import Mask
from lifeline.model import Floats

RIDGE = 1e-4
"""Of a channel's variance: no prediction is believed to be better than a hundredth of its swing."""
SCALE_MIN = 1e-12
UNSURE_MIN = 1e-9


@dataclass(slots=True)
class Row:
    """One instant, on its way through the steps of judging it."""

    x: Floats
    missing: Mask
    away: Floats
    """Standardised deviations from the running mean."""
    scale: Floats
    bad: Mask
    """Already at fault."""
    limit: Floats
    """Of ``z``; infinite for channels that nobody can contradict."""
    decides: bool
    z: Floats
    beyond: Mask


@dataclass(slots=True)
class Vote:
    """What a group says of its channels at one instant."""

    z: Floats
    """How far each is from its prediction by the believed ones, in standard deviations."""
    predicted: Floats
    """Its standardised deviation; where it is left out, by the prediction of the others."""
    unsure: Floats
    """The variance of that prediction; 0 where it was believed."""
    out: Mask
    """Who was left out: beforehand, or because everyone else agrees without it."""
    is_shared: bool
    """More channels disagree than may be wrong at once: something happened, nobody is at fault."""


def precision_of(covariance: Floats) -> Floats:
    """The inverse of the correlation matrix, with a ridge."""
    scale = scale_of(covariance)
    correlation = covariance / np.outer(scale, scale)
    made = np.linalg.inv(correlation + RIDGE * np.eye(len(scale)))
    return np.asarray(made, np.float64)


def scale_of(covariance: Floats) -> Floats:
    """The channels' standard deviations."""
    made: Floats = np.sqrt(np.maximum(np.diagonal(covariance), SCALE_MIN**2))
    return made


def vote(precision: Floats, away: Floats, out: Mask, limit: Floats, most: int) -> Vote:
    """Leave out whoever stands farthest from its prediction, until all others agree.

    ``out`` are left out from the start; if more than ``most`` would have to follow, nobody does.
    """
    believed = _without(precision, out)
    left, z = out, _distances(believed, away, out)
    rest, worst = believed, _worst(z, limit)
    while worst >= 0 and left.sum() - out.sum() < most:
        left = left.copy()
        left[worst] = True
        rest = rest - np.outer(rest[:, worst], rest[worst]) / rest[worst, worst]
        z = _distances(rest, away, left)
        worst = _worst(z, limit)
    is_shared = worst >= 0
    if is_shared:
        left, z = out, _distances(believed, away, out)
    predicted, unsure = away.copy(), np.zeros_like(away)
    if left.any():
        inner = np.linalg.inv(precision[np.ix_(left, left)])
        told = -inner @ (precision[left] @ np.where(left, 0.0, away))
        spread = np.diagonal(inner)
        predicted[left], unsure[left] = told, spread
        z[left] = (away[left] - told) / np.sqrt(np.maximum(spread, UNSURE_MIN))
    return Vote(z, predicted, unsure, left, is_shared)


def learn(mean: Floats, covariance: Floats, away: Floats, unsure: Floats, weight: float) -> None:
    """Take one instant into running mean and covariance; what was only predicted adds its doubt."""
    mean += weight * away
    covariance += weight * np.outer(away, away)
    covariance *= 1.0 - weight
    covariance.flat[:: len(mean) + 1] += weight * unsure


def _without(precision: Floats, out: Mask) -> Floats:
    if not out.any():
        return precision
    columns = precision[:, out]
    inner = np.linalg.solve(precision[np.ix_(out, out)], columns.T)
    made: Floats = precision - columns @ inner
    return made


def _distances(precision: Floats, away: Floats, out: Mask) -> Floats:
    if not out.any():
        made: Floats = (precision @ away) / np.sqrt(np.diagonal(precision))
        return made
    unsure = np.where(out, 1.0, np.maximum(np.diagonal(precision), UNSURE_MIN))
    found = (precision @ np.where(out, 0.0, away)) / np.sqrt(unsure)
    return np.where(out, 0.0, found)


def _worst(z: Floats, limit: Floats) -> int:
    """Who stands farthest beyond its limit; -1 where nobody does."""
    ratio = np.abs(z) / limit
    at = int(np.argmax(ratio))
    return at if ratio[at] > 1.0 else -1
