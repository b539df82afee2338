"""A leak by its noise: the quietest moment of the night grew louder, and keeps its tone."""

from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from detectors.base import BELOW_ONE, SIGMA_PER_MAD, Ground, GroupParams, Mask, Scores, State
from lifeline.model import Detail, Floats, GroupFrame

LEVEL, TONE = "noise-level", "noise-frequency"
"""Quantities of a logger: dB in its band, and the frequency with the most power, Hz."""
LOGGERS_MAX = 64
NIGHTS = 28
"""Nights remembered of a logger, and so its reference: two kilobytes with the tones."""
NIGHTS_MIN = 5
"""Before so many nights nothing is judged."""
SCALE_DB_MIN = 1.0
EARTH_M = 6_371_000.0
DAY_MS = 86_400_000


class Noise(GroupParams, frozen=True, kw_only=True, tag="noise"):
    """Alarm on a logger whose nightly minimum has risen for ``nights`` nights and keeps its tone.

    Water that leaves a pipe under pressure never pauses: between ``from_h`` and ``until_h`` local
    time the lowest level of the histogram rises, whereas use comes and goes (manual of a maker of
    such loggers: the minimum level is the strongest sign; leaks sound between 50 and 1,000 Hz).  A
    night's minimum counts as loud when it stands ``limit_db`` and four deviations above the median
    of the quiet nights, and as a leak's when the tone stayed within ``tone_share`` of its median.
    A neighbour closer than ``neighbour_m`` that is loud too makes it sure; alone a logger needs
    one night more and a rise half as large again.

    Quiet nights alone are learned; the alarm ends with the first quiet night.
    """

    from_h: Annotated[float, Meta(ge=0, lt=24)] = 2.0
    until_h: Annotated[float, Meta(gt=0, le=24)] = 4.0
    utc_offset_h: Annotated[float, Meta(ge=-12, le=14)] = 8.0
    limit_db: Annotated[float, Meta(gt=0)] = 6.0
    nights: Annotated[int, Meta(ge=1, le=14)] = 2
    tone_share: Annotated[float, Meta(gt=0)] = 0.2
    band_hz: tuple[float, float] = (50.0, 1000.0)
    neighbour_m: Annotated[float, Meta(gt=0)] = 120.0

    SLOTS: ClassVar[int] = LOGGERS_MAX

    def __post_init__(self) -> None:
        if not self.from_h < self.until_h:
            raise ValueError("until_h must come after from_h: a night is judged when it is over")

    @property
    def code(self) -> str:
        """``leak-noise``."""
        return "leak-noise"

    def blank(self, ground: Ground) -> State:
        """The night under way: lowest level and tones; the quiet nights; how many were loud."""
        k = len(ground.members.of(LEVEL))
        if k > LOGGERS_MAX:
            raise ValueError(f"{k} loggers in one group, {LOGGERS_MAX} fit: divide it")
        return {
            "night": np.zeros(1, np.int64),
            "lowest": np.full(k, np.inf),
            "tone": np.zeros((k, 3)),
            "quiet": np.full((k, NIGHTS), np.nan),
            "loud": np.zeros(k, np.int32),
            "rise": np.zeros(k),
        }

    def step(self, ground: Ground, state: State, frame: GroupFrame) -> Scores:
        """One score a logger, the same all day: it changes when a night is over."""
        local_ms = frame.at_ms + round(self.utc_offset_h * 3_600_000)
        day, hour = local_ms // DAY_MS, local_ms % DAY_MS / 3_600_000
        is_night = self.from_h <= hour < self.until_h
        if state["night"][0] and (state["night"][0] != day or hour >= self.until_h):
            self._judge(state)
        if is_night:
            state["night"][0] = day
            self._listen(ground, state, frame)
        return self._scores(ground, state)

    def told(self, ground: Ground, state: State, slot: int, at_ms: int) -> Detail:  # noqa: ARG002
        """Which logger, how much louder, and the neighbour on the other side of the leak."""
        rows = ground.members.of(LEVEL)
        near = self._near(ground)[slot] & (state["loud"] > 0)
        rise = state["rise"]
        total = float(rise[slot] + rise[near].sum())
        shown = [slot, *np.flatnonzero(near).tolist()] if total > 0.0 else []
        pairs = [(ground.members.names[rows[i]], round(float(rise[i]) / total, 2)) for i in shown]
        return Detail(
            channel=ground.members.names[rows[slot]],
            value=round(float(rise[slot]), 1),
            unit="dB",
            facts={"nights": float(state["loud"][slot])},
            candidates=tuple(sorted(pairs, key=lambda one: -one[1])),
        )

    def _listen(self, ground: Ground, state: State, frame: GroupFrame) -> None:
        levels = frame.values[ground.members.of(LEVEL)]
        np.fmin(state["lowest"], levels, out=state["lowest"])
        tones = frame.values[ground.members.of(TONE)]
        if len(tones) == len(levels):
            real = np.isfinite(tones)
            state["tone"][real, 0] += 1.0
            state["tone"][real, 1] += tones[real]
            state["tone"][real, 2] += tones[real] ** 2

    def _judge(self, state: State) -> None:
        """A night is over: loud, or quiet and learned."""
        lowest, quiet = state["lowest"], state["quiet"]
        known = np.isfinite(quiet).sum(axis=1) >= NIGHTS_MIN
        heard = np.isfinite(lowest)
        level, scale = np.zeros(len(lowest)), np.full(len(lowest), SCALE_DB_MIN)
        if known.any():
            level[known] = np.nanmedian(quiet[known], axis=1)
            spread = np.nanmedian(np.abs(quiet[known] - level[known, None]), axis=1)
            scale[known] = np.maximum(SIGMA_PER_MAD * spread, SCALE_DB_MIN)
        rise = np.where(known & heard, lowest - level, 0.0)
        is_loud = (rise >= np.maximum(self.limit_db, 4.0 * scale)) & self._keeps_tone(state["tone"])
        state["loud"][heard] = np.where(is_loud, state["loud"] + 1, 0)[heard]
        state["rise"][heard] = np.where(is_loud, rise, 0.0)[heard]
        learned = heard & ~is_loud
        quiet[learned] = np.roll(quiet[learned], 1, axis=1)
        quiet[learned, 0] = lowest[learned]
        state["night"][0] = 0
        lowest[:] = np.inf
        state["tone"][:] = 0.0

    def _keeps_tone(self, tone: Floats) -> Mask:
        """Whether the night's tone lay in a leak's band and stayed; true where nobody told it."""
        n = np.maximum(tone[:, 0], 1.0)
        mean = tone[:, 1] / n
        spread = np.sqrt(np.maximum(tone[:, 2] / n - mean**2, 0.0))
        low, high = self.band_hz
        keeps = (mean >= low) & (mean <= high) & (spread <= self.tone_share * mean)
        keeps |= tone[:, 0] == 0.0
        return np.asarray(keeps, np.bool_)

    def _near(self, ground: Ground) -> Mask:
        """Which loggers stand closer to each other than ``neighbour_m``."""
        rows = ground.members.of(LEVEL)
        places = ground.members.positions
        at = [places[i] if i < len(places) else None for i in rows.tolist()]
        lon, lat = (
            np.radians([np.nan if place is None else place[axis] for place in at])
            for axis in (0, 1)
        )
        east = (lon[:, None] - lon) * np.cos(0.5 * (lat[:, None] + lat))
        apart_m = EARTH_M * np.hypot(east, lat[:, None] - lat)
        near: Mask = apart_m < self.neighbour_m
        np.fill_diagonal(near, val=False)
        return near

    def _scores(self, ground: Ground, state: State) -> Scores:
        loud = state["loud"]
        scores = np.zeros(LOGGERS_MAX)
        if not loud.any():
            return scores
        accompanied = (self._near(ground) & (loud > 0)).any(axis=1)
        needed = np.where(accompanied, self.nights, self.nights + 1)
        is_large = accompanied | (state["rise"] >= 1.5 * self.limit_db)
        sure = (loud >= needed) & is_large
        scores[: len(loud)] = np.where(sure, 1.0, np.minimum(loud / needed, BELOW_ONE))
        return scores
