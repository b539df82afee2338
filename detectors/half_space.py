"""The rare picture: a group's channels, judged together, look unlike their last reference window.

River's half-space trees (Tan, Ting, Liu, IJCAI 2011).  Of river's detectors this one serves best
here: it needs no labels and no distribution, learns in constant memory, and its verdict is a pure
function of one reference window, so that its state is two plain arrays.  It runs once a group and
grid instant, never once a sensor: an instance costs up to a megabyte and 30 us a vector.
"""

import functools
from dataclasses import dataclass
from typing import Annotated, Protocol

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from detectors.base import BELOW_ONE, SIGMA_PER_MAD, Ground, GroupParams, Scores, State
from lifeline.model import Floats, GroupFrame

REACH_SIGMA = 8.0
"""Features are squeezed into the trees' unit interval from this far around the median."""
FEATURES = 4
FORESTS = 16
"""Grown forests remembered at a time, about 0.3 MB each with the default parameters."""


class HalfSpace(GroupParams, frozen=True, kw_only=True, tag="half_space"):
    """Alarm when ``patience`` frames running are ``limit_ratio`` times rarer than the median.

    Each channel is standardised by the reference window's median and MAD; the trees see mean,
    lowest, highest and root mean square of the standardised channels.  (On the channels themselves
    the trees are blind: of 13 channels one at 8 sigma reached a ratio of 1.35 where noise reached
    1.58.)  So it finds what moves many channels a little, as a burst or a heating leak does; one
    wild channel is for robust.

    While it alarms it learns nothing, for at most one window.  A missing channel counts as normal;
    a frame without any channel is not judged.

    False alarms, defaults, 13 channels, white or AR(0.9) noise: none in 12,000 frames (simulated;
    the worst run of three reached 6.5), so below 27 a group-year on a grid of 5 minutes.  A shift
    of all of 8 channels by 3 sigma reached 8.6 or more, by 2 sigma 3 to 6.
    """

    window: Annotated[int, Meta(ge=32, le=2048)] = 256
    trees: Annotated[int, Meta(ge=5, le=100)] = 25
    height: Annotated[int, Meta(ge=3, le=8)] = 6
    limit_ratio: Annotated[float, Meta(gt=1)] = 8.0
    patience: Annotated[int, Meta(ge=1, le=16)] = 3
    seed: int = 1

    @property
    def code(self) -> str:
        """``anomalous``."""
        return "anomalous"

    def blank(self, ground: Ground) -> State:
        """The ring that fills, the window to judge by, and how long it has been so."""
        return {
            "ring": np.full((self.window, ground.width), np.nan),
            "reference": np.full((self.window, ground.width), np.nan),
            "filled": np.zeros(1, np.int32),
            "ready": np.zeros(1, np.int8),
            "run": np.zeros(1, np.int32),
            "alarmed": np.zeros(1, np.int32),
        }

    def step(self, ground: Ground, state: State, frame: GroupFrame) -> Scores:  # noqa: ARG002
        """The group's score at this instant."""
        return np.array([self._score(state, frame.values)])

    def _score(self, state: State, values: Floats) -> float:
        if not np.isfinite(values).any():
            return 1.0 if state["run"][0] == self.patience else 0.0
        score = 0.0
        if state["ready"][0]:
            reference = np.ascontiguousarray(state["reference"])
            forest = _grow(self, reference.tobytes(), len(values))
            score = forest.rarity(values) / self.limit_ratio
            run = min(int(state["run"][0]) + 1, self.patience) if score >= 1.0 else 0
            state["run"][0] = run
            if run < self.patience:
                score = min(score, BELOW_ONE)
        alarmed = int(state["alarmed"][0]) + 1 if score >= 1.0 else 0
        state["alarmed"][0] = alarmed % (2 * self.window)
        if 0 < alarmed <= self.window:
            return score
        self._learn(state, values)
        return score

    def _learn(self, state: State, values: Floats) -> None:
        filled = int(state["filled"][0])
        state["ring"][filled] = values
        filled += 1
        if filled == self.window:
            state["reference"][:] = state["ring"]
            state["ready"][0] = 1
            filled = 0
        state["filled"][0] = filled


class Trees(Protocol):
    """What is used of river's model, which ships no types."""

    def learn_one(self, x: dict[int, float]) -> None:
        """Count one vector."""

    def score_one(self, x: dict[int, float]) -> float:
        """0 (common) to 1 (never seen)."""


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees grown on one reference window, with what standardises a frame for them."""

    trees: "Trees"
    channels: tuple[Floats, Floats]
    """Centre and scale of each channel."""
    features: tuple[Floats, Floats]
    typical: float
    """Median of 1 - score over the reference window."""

    def rarity(self, values: Floats) -> float:
        """How many times rarer this frame is than the median frame of the reference window."""
        x = _unit(_features(values[None, :], self.channels), self.features)[0]
        mass = 1.0 - float(self.trees.score_one(dict(enumerate(x.tolist()))))
        return self.typical / max(mass, 1e-12)


@functools.lru_cache(maxsize=FORESTS)
def _grow(detector: HalfSpace, reference: bytes, width: int) -> Forest:
    """The forest of one window.

    A pure function of its arguments (the seed is one): remembered, never part of the state.
    """
    from river.anomaly import HalfSpaceTrees

    window = np.frombuffer(reference).reshape(detector.window, width)
    channels = _spread(window)
    raw = _features(window, channels)
    features = _spread(raw)
    trees: Trees = HalfSpaceTrees(
        n_trees=detector.trees,
        height=detector.height,
        window_size=detector.window,
        limits=dict.fromkeys(range(FEATURES), (0.0, 1.0)),
        seed=detector.seed,
    )
    points = [dict(enumerate(x)) for x in _unit(raw, features).tolist()]
    for point in points:
        trees.learn_one(point)
    typical = float(np.median([1.0 - float(trees.score_one(point)) for point in points]))
    return Forest(trees, channels, features, typical)


def _spread(columns: Floats) -> tuple[Floats, Floats]:
    """Median and robust deviation of each column without NaN; 0 and 1 where there are none."""
    centre = np.zeros(columns.shape[1])
    scale = np.ones(columns.shape[1])
    for k, column in enumerate(columns.T):
        real = column[np.isfinite(column)]
        if len(real):
            centre[k] = np.median(real)
            # A column that rests has no deviation: any movement of it is then far out, never
            # infinite.
            scale[k] = max(
                SIGMA_PER_MAD * float(np.median(np.abs(real - centre[k]))),
                1e-6 * max(abs(float(centre[k])), 1.0),
            )
    return centre, scale


def _features(frames: Floats, channels: tuple[Floats, Floats]) -> Floats:
    z = (frames - channels[0]) / channels[1]
    z = np.where(np.isfinite(z), np.clip(z, -1e6, 1e6), 0.0)
    made: Floats = np.stack(
        [z.mean(axis=1), z.min(axis=1), z.max(axis=1), np.sqrt((z * z).mean(axis=1))], axis=1
    )
    return made


def _unit(raw: Floats, features: tuple[Floats, Floats]) -> NDArray[np.float64]:
    z = (raw - features[0]) / features[1]
    return np.clip(0.5 + z / (2.0 * REACH_SIGMA), 0.0, 1.0)
