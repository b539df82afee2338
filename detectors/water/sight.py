"""One look at a network: how far residuals stand from what is known, which leak would do it.

Every pipe is a hypothesis with a direction of its own; evidence is the logarithm of a Bayes factor
against *nothing new*, with the size integrated out (a normal prior), so that a pipe that hardly
shows gains nothing by a size without bounds.
"""

from dataclasses import dataclass

import numpy as np

from detectors.base import Learned
from lifeline.model import Floats

SIZE_PRIOR_M3_H = 10.0
SIZE_MAX_M3_H = 60.0
FAULT_PRIOR = 4.0
"""A faulty sensor is off by about so many of the steps in which faults are stated."""
NEVER = -50.0
TINY_WEIGHT = 1e-4


@dataclass(frozen=True, slots=True)
class Model:
    """What was learned, as the ledger reads it."""

    signatures: Floats
    """(pipes, 2 width): what 1 m3/h shows at rest, and more of it by load."""
    within_reach: Floats
    """(pipes, pipes): 1 where a crew at one would find a leak of the other."""
    day_cov: Floats
    slow_cov: Floats
    faults: Floats
    heads: int

    @property
    def width(self) -> int:
        """How many residuals there are."""
        return len(self.day_cov)


def model_of(learned: Learned) -> Model:
    """The model in a calibrated artefact."""
    signatures = np.asarray(learned["signatures"], np.float64)
    pipes = len(signatures)
    reach = np.unpackbits(learned["within_reach"], axis=1, count=pipes)
    return Model(
        signatures=signatures,
        within_reach=np.asarray(reach, np.float64),
        day_cov=np.asarray(learned["day_cov"], np.float64),
        slow_cov=np.asarray(learned["slow_cov"], np.float64),
        faults=np.asarray(learned["faults"], np.float64),
        heads=len(learned["of_heads"].T),
    )


@dataclass(frozen=True, slots=True)
class Sight:
    """A window's mean residuals less what is known, with their covariance, at the window's load."""

    away: Floats
    covariance: Floats
    load: float
    days: float
    audits: bool = False
    """Seen against the network as it was learned, not against an earlier day."""

    def wider(self, covariance: Floats) -> "Sight":
        """The same with more doubt."""
        return Sight(self.away, self.covariance + covariance, self.load, self.days, self.audits)

    def turned(self) -> "Sight":
        """The same with its sign changed: what ceased looks like what began."""
        return Sight(-self.away, self.covariance, self.load, self.days, self.audits)


@dataclass(frozen=True, slots=True)
class Weighed:
    """What a look says of all pipes together."""

    evidence: float
    weights: Floats
    """How probable each pipe is, if it is a leak at all."""
    sizes: Floats
    """Which size each would have, m3/h."""

    @property
    def size(self) -> float:
        """The expected size, m3/h."""
        return float(self.weights @ self.sizes)


def seen(mean: Floats, load: float) -> Floats:
    """A vector of still and loaded parts, at this load."""
    width = len(mean) // 2
    made: Floats = mean[:width] + load * mean[width:]
    return made


def seen_covariance(covariance: Floats, load: float) -> Floats:
    """A covariance of still and loaded parts, at this load."""
    width = len(covariance) // 2
    cross = covariance[:width, width:] + covariance[width:, :width]
    made: Floats = covariance[:width, :width] + load * cross + load**2 * covariance[width:, width:]
    return made


def projected(sight: Sight, directions: Floats) -> tuple[Floats, Floats]:
    """Of each direction (a row): its precision, and the look's projection on it."""
    root = np.linalg.cholesky(sight.covariance)
    whitened = np.linalg.solve(root, np.column_stack([sight.away, directions.T]))
    white, rows = whitened[:, 0], whitened[:, 1:]
    precision: Floats = np.einsum("ij,ij->j", rows, rows)
    return precision, rows.T @ white


def weigh(model: Model, sight: Sight) -> Weighed:
    """How much speaks for one new leak somewhere, and where.

    The log Bayes factor of a pipe with precision p and projection b under a size ~ N(0, s^2) is
    b^2 / 2 (p + 1/s^2) - log(1 + s^2 p) / 2; a negative size is no leak.
    """
    width = model.width
    directions = model.signatures[:, :width] + sight.load * model.signatures[:, width:]
    precision, along = projected(sight, directions)
    total = precision + SIZE_PRIOR_M3_H**-2
    factor = along**2 / total / 2.0 - np.log1p(SIZE_PRIOR_M3_H**2 * precision) / 2.0
    factor = np.where(along > 0.0, factor, NEVER)
    highest = float(factor.max())
    weights = np.exp(factor - highest)
    evidence = highest + float(np.log(weights.mean()))
    return Weighed(evidence, weights / weights.sum(), np.clip(along / total, 0.0, SIZE_MAX_M3_H))


def fault_evidence(model: Model, sight: Sight) -> float:
    """How much speaks for one sensor that is off instead: the best of them."""
    precision, along = projected(sight, model.faults)
    total = precision + FAULT_PRIOR**-2
    factor = along**2 / total / 2.0 - np.log1p(FAULT_PRIOR**2 * precision) / 2.0
    return float(factor.max() - np.log(len(factor)))


def moments(model: Model, pipes: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Expected direction of a leak that is at one of these pipes, and its second moment."""
    rows = model.signatures[np.asarray(pipes, np.intp)]
    mean = weights @ rows
    second: Floats = (rows * weights[:, None]).T @ rows
    return mean, second


def likely(weighed: Weighed, most: int) -> tuple[Floats, Floats]:
    """The most probable pipes and their weights, which add up to 1."""
    order = np.argsort(-weighed.weights, kind="stable")[:most]
    kept = order[weighed.weights[order] > TINY_WEIGHT * weighed.weights[order[0]]]
    weights = weighed.weights[kept]
    return np.asarray(kept, np.float64), weights / weights.sum()


def centre(model: Model, weighed: Weighed) -> tuple[int, float]:
    """Where a crew should go, and how probable the leak is within its reach there."""
    within = model.within_reach @ weighed.weights
    best = int(np.argmax(within + 1e-3 * weighed.weights))
    return best, float(within[best])
