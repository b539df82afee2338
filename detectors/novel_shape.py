"""The shape that was never seen: a series' last stretch against all kinds of stretches before.

Novelty by distance to prototypes, as in fuzzy ART and in nearest-neighbour discord search (Keogh,
Lin, Fu, ICDM 2005), made for streams without labels: blocks keep their extreme, so that spikes
survive; values are scaled by the range learned at the start, which grows slowly; and the limit is
the series' own record of late, so that a restless series must surprise more than a calm one.
"""

from typing import Annotated

import numpy as np
from msgspec import Meta

from detectors.base import BELOW_ONE, Ground, GroupParams, Mask, Scores, State
from lifeline.model import Detail, Floats, GroupFrame

LENGTH = 8
"""Blocks of one shape."""
LOWEST, HIGHEST = -1.0, 2.0
"""Values are cut at one range beyond the range."""
NEAR = 0.03
"""Shapes that differ by less, in ranges a block, are of one kind."""
PULL = 0.05
"""How far a prototype moves to a shape of its kind."""
CENTRE_STAYS = 0.8
NOVELTY_MAX = 1.0


class NovelShape(GroupParams, frozen=True, kw_only=True, tag="novel_shape"):
    """Alarm when a channel's last eight blocks are as new as nothing was of late.

    A block is ``block_s`` long, at least two rows.  A shape's novelty is its mean distance to the
    nearest of ``kinds`` prototypes; it counts against the largest one of before, which fades by
    half in ``fade_blocks`` blocks, plus ``floor``.  The alarm lasts ``rest_blocks`` blocks, and
    nothing new is said in them.  A block without readings is left out.

    State is 32 bytes times ``kinds`` a channel, 6.5 kB: the memory of shapes is the detector, so it
    runs where the catalog asks for it.

    False alarms, NAB's development files: about one in twelve days of a series of tweets, in eleven
    of a server, in 36 of hourly prices; clean daily cycles: none in 104 days (simulated).
    """

    block_s: Annotated[float, Meta(gt=0)] = 1800.0
    kinds: Annotated[int, Meta(ge=8, le=4096)] = 200
    warm_rows: Annotated[int, Meta(ge=16)] = 180
    fade_blocks: Annotated[float, Meta(gt=0)] = 140.0
    floor: Annotated[float, Meta(gt=0)] = 0.01
    grow: Annotated[float, Meta(ge=0, le=1)] = 0.2
    rest_blocks: Annotated[int, Meta(ge=0)] = 20

    @property
    def code(self) -> str:
        """``unseen``."""
        return "unseen"

    def blank(self, ground: Ground) -> State:
        """The block that fills, the last blocks, prototypes with their age, range, record."""
        k = ground.width
        return {
            "block": np.full((k, self._block_rows(ground)), np.nan),
            "shape": np.full((k, LENGTH), np.nan),
            "prototypes": np.full((k, self.kinds, LENGTH), np.nan, np.float32),
            "used": np.zeros((k, self.kinds), np.int32),
            "low": np.full(k, np.nan),
            "high": np.full(k, np.nan),
            "centre": np.full(k, np.nan),
            "record": np.zeros(k),
            "novelty": np.zeros(k),
            "last": np.full(k, np.nan),
            "rows": np.zeros(1, np.int64),
            "resting": np.zeros(1, np.int32),
        }

    def told(self, ground: Ground, state: State, slot: int, at_ms: int) -> Detail:  # noqa: ARG002
        """The channel whose shape is newest, with its value."""
        at = int(np.argmax(state["novelty"]))
        value = float(state["last"][at])
        name = ground.members.names[at]
        return Detail(channel=name, value=value if np.isfinite(value) else None)

    def step(self, ground: Ground, state: State, frame: GroupFrame) -> Scores:  # noqa: ARG002
        """The group's score at this instant; it changes when a block is full."""
        s = state
        values = np.where(np.isfinite(frame.values), frame.values, np.nan)
        s["last"] = np.where(np.isnan(values), s["last"], values)
        rows, size = int(s["rows"][0]), s["block"].shape[1]
        if rows < self.warm_rows:
            s["low"], s["high"] = np.fmin(s["low"], values), np.fmax(s["high"], values)
        s["block"][:, rows % size] = values
        s["rows"] += 1
        if (rows + 1) % size:
            return np.array([1.0 if s["resting"][0] else 0.0])
        came = np.asarray(np.isfinite(s["block"]).any(axis=1))
        self._close_block(s, came, rows)
        full = came & np.isfinite(s["shape"]).all(axis=1)
        s["novelty"][:] = 0.0
        for at in np.flatnonzero(full).tolist():
            s["novelty"][at] = self._meet(s, at, rows)
        score = float(s["novelty"].max(initial=0.0))
        if s["resting"][0]:
            s["resting"] -= 1
            return np.array([1.0 if s["resting"][0] else min(score, BELOW_ONE)])
        if score >= 1.0:
            s["resting"][0] = self.rest_blocks
        return np.array([score])

    def _block_rows(self, ground: Ground) -> int:
        return max(2, round(self.block_s / ground.members.grid_s))

    def _close_block(self, s: State, came: Mask, rows: int) -> None:
        """The block's extreme, scaled, becomes the last of the shape."""
        block = s["block"]
        middle = _median(block)
        centre = np.where(np.isnan(s["centre"]), middle, s["centre"])
        far = np.argmax(np.nan_to_num(np.abs(block - centre[:, None]), nan=-1.0), axis=1)
        extreme = block[np.arange(len(block)), far]
        moved = CENTRE_STAYS * centre + (1.0 - CENTRE_STAYS) * middle
        s["centre"][came] = moved[came]
        span = s["high"] - s["low"]
        unit = (extreme - s["low"]) / np.where(span > 0.0, span, 1.0)
        s["shape"][came, :-1] = s["shape"][came, 1:]
        s["shape"][came, -1] = np.clip(unit, LOWEST, HIGHEST)[came]
        if rows >= self.warm_rows:
            s["high"] += self.grow * np.fmax(extreme - s["high"], 0.0)
            s["low"] -= self.grow * np.fmax(s["low"] - extreme, 0.0)
        block[:] = np.nan

    def _meet(self, s: State, at: int, rows: int) -> float:
        """How new a channel's shape is, in limits; it is remembered."""
        shape, prototypes, used = s["shape"][at], s["prototypes"][at], s["used"][at]
        filled = int(np.count_nonzero(used))
        novelty, nearest = NOVELTY_MAX, -1
        if filled:
            distance = np.abs(prototypes[:filled] - shape).mean(axis=1)
            nearest = int(np.argmin(distance))
            novelty = min(float(distance[nearest]), NOVELTY_MAX)
        score = 0.0
        if rows >= self.warm_rows:
            score = novelty / (float(s["record"][at]) + self.floor)
        if rows > self.warm_rows // 3:
            fade = 0.5 ** (1.0 / self.fade_blocks)
            s["record"][at] = max(float(s["record"][at]) * fade, novelty)
        if nearest < 0 or novelty > NEAR:
            nearest = filled if filled < self.kinds else int(np.argmin(used))
            prototypes[nearest] = shape
        else:
            prototypes[nearest] += PULL * (shape - prototypes[nearest])
        used[nearest] = rows + 1
        return score


def _median(block: Floats) -> Floats:
    """Of each row without NaN; NaN where it has nothing else."""
    ordered = np.sort(block, axis=1)
    known = np.isfinite(ordered).sum(axis=1)
    at = np.arange(len(block))
    low, high = ordered[at, np.maximum(known - 1, 0) // 2], ordered[at, known // 2 % block.shape[1]]
    made: Floats = 0.5 * (low + high)
    return made
