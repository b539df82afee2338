"""The sensor that cannot be believed: each channel of a group against what the others say of it.

A leak, a burst or a change of season moves several channels along a physical direction; a fault
moves one.  So if one channel is left out and all others agree, it is at fault; if they do not, it
is not.  That vote is what tells a fault from a leak.  The predictions are those of ``neighbours``;
the kinds of faults are those of Isermann, Fault-Diagnosis Systems, 2006, 7.
"""

from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from detectors.base import Ground, GroupParams, Mask, Scores, State
from detectors.neighbours import Row, learn, precision_of, scale_of, vote
from lifeline.model import Detail, Floats, GroupFrame, Ints

TRUSTED, LOSS, STUCK, BIAS, SCALE, NOISE, SPIKES, DRIFT, CLIP = range(9)
CODES = ("", "loss", "stuck", "bias", "scale", "noise", "spikes", "drift", "clipped")
Z_MAX = 100.0
"""Standard deviations beyond it say nothing more."""
Z_CLIP = 6.0
"""One reading adds no more to a mean of deviations."""
AWAY_MAX, AWAY_CLIP = 1e3, 8.0
"""Likewise for deviations from the running mean, now and as they are learned."""
SETTLE_ROWS = 32
"""Before so many rows there is no scale by which to clip."""
NEVER, FREE = -(1 << 40), -1
HONEST = 1.5
"""A limit is at least so many times what the channel did while nothing was wrong."""
REST_MAX = 1000
AGREES = 0.67
"""Of its limit, below which a channel agrees with the others again."""
SHORT_ROWS = 3
"""What lasts less is a spike."""
SURE_SIGMA = 20.0
"""No leak moves one sensor so far and its neighbours not at all."""
APART_SIGMA, ALIKE = 5.0, 0.3
"""Neighbours move along with a level when their mean since then is so unlikely; deviations of one
level differ by less than three, and this share of themselves."""
OFTEN = 0.4
"""Share of the last ten rows beyond the limit that is noise."""
SCALED = 0.05
"""A level off by more of its prediction is a wrong factor rather than an offset."""
LEAP_SIGMA = 1.2
"""Between the means of 12 rows and of a quarter of the memory: a level leapt, by two sigma or more;
a drift does not."""
SHARE = 0.45
"""Of a drift, in limits, that no other channel may reach."""
CREEP_ROWS, USUAL_MEMORIES = 6, 4.0
"""Means over a memory are looked at so often, against their own mean over so many memories: a
drifting sensor outruns it, a leak that grows for weeks does not."""
BRISK_ROWS, STEADY_ROWS_MIN, OFTEN_ROWS = 12, 24, 10
TOGETHER_ROWS = 2
"""Levels that leave within so many rows of each other have one cause, which is no sensor."""


class SensorFault(GroupParams, frozen=True, kw_only=True, tag="sensor_fault"):
    """Alarm for every channel that its neighbours agree is wrong, and mask it for those behind.

    ``loss``: missing for ``loss_rows``.  ``stuck``: unmoved for ``stuck_rows``, and for twice its
    longest honest rest (a pump's flow rests at 0 for hours); at its own extreme it is ``clipped``.
    ``bias``, ``scale``: beyond ``limit_sigma`` of its prediction for 12 rows running (3 if far
    beyond) while its neighbours stay.  ``noise``: so in four of ten rows, to both sides.
    ``spikes``: so for a row or two, twice within ``patience_rows``.  ``drift``: its mean over
    ``memory_rows`` crept ``drift_sigma`` away, and nobody else's came near.  Limits are never
    below one and a half times what the channel did in the second half of ``learn_rows``.

    A masked channel is still predicted, and believed again when it agrees.  If more than a quarter
    of the channels disagree, none is at fault.  A relation that leaps with its neighbours (a leak,
    a valve) is learned as the new one after twice ``memory_rows``.  State is 16 bytes times the
    square of the channels and 180 a channel: the regression of each on all others.

    False alarms, six times 39 days of L-TOWN, 33 sensors, leaks beginning in them: none, with 36 of
    36 faults found.  In 14 months of it with 30 leaks and no fault: one, a drift beside a leak.
    """

    SLOTS: ClassVar[int] = 16
    MASKS: ClassVar[bool] = True

    judged: tuple[str, ...] = ()
    """Quantities that neighbours can contradict; empty: all.  (An inflow cannot: a leak moves it
    alone.)  The others are watched for loss and rest."""
    learn_rows: Annotated[int, Meta(ge=64)] = 6048
    """Rows before neighbours vote; three weeks at five minutes."""
    memory_rows: Annotated[int, Meta(ge=32)] = 288
    forget_rows: Annotated[int, Meta(ge=128)] = 6048
    """Rows over which the covariance is weighted."""
    limit_sigma: Annotated[float, Meta(gt=2)] = 6.0
    drift_sigma: Annotated[float, Meta(gt=0)] = 1.2
    loss_rows: Annotated[int, Meta(ge=1)] = 3
    stuck_rows: Annotated[int, Meta(ge=2)] = 6
    calm_rows: Annotated[int, Meta(ge=1)] = 6
    patience_rows: Annotated[int, Meta(ge=24)] = 288
    resolution: Annotated[float, Meta(ge=0)] = 0.0
    """By how much a resting sensor's value may move."""

    @property
    def code(self) -> str:
        """``bad-sensor``; a finding's detail says which, and how."""
        return "bad-sensor"

    def blank(self, ground: Ground) -> State:
        """Covariance and its inverse, what each channel did lately, verdicts, and their slots."""
        k = ground.width
        sums = ("z", "z_honest", "outliers", "swing", "near", "brisk", "steady")
        means = ("slow", "slow_z", "slow_honest", "usual", "expected", "gravest")
        counts = ("rest", "rest_longest", "missing", "streak", "calm")
        return {
            "rows": np.zeros(1, np.int64),
            "mean": np.full(k, np.nan),
            "covariance": np.zeros((k, k)),
            "precision": np.eye(k),
            "last": np.full(k, np.nan),
            "high": np.full(k, np.nan),
            "low": np.full(k, np.nan),
            **{name: np.zeros(k) for name in (*sums, *means)},
            **{name: np.zeros(k, np.int32) for name in counts},
            "spike_row": np.full(k, NEVER, np.int64),
            "leap_row": np.full(k, NEVER, np.int64),
            "since_ms": np.zeros(k, np.int64),
            "verdict": np.zeros(k, np.int8),
            "slot": np.full(self.SLOTS, FREE, np.int32),
            "slot_code": np.zeros(self.SLOTS, np.int8),
            "slot_over": np.zeros(self.SLOTS, np.bool_),
        }

    def distrusted(self, ground: Ground, state: State) -> Mask:  # noqa: ARG002
        """The channels with a verdict."""
        found: Mask = state["verdict"] != TRUSTED
        return found

    def told(self, ground: Ground, state: State, slot: int, at_ms: int) -> Detail:  # noqa: ARG002
        """Which sensor, in what way, since when, what it should read, and how the others stand."""
        at, names = int(state["slot"][slot]), ground.members.names
        farthest = np.argsort(-np.abs(state["z"]), kind="stable")[:8].tolist()
        return Detail(
            channel=names[at],
            code=CODES[state["slot_code"][slot]],
            value=float(state["last"][at]) if np.isfinite(state["last"][at]) else None,
            onset_ms=int(state["since_ms"][at]),
            facts={"expected": float(state["expected"][at])},
            residuals=tuple((names[i], round(float(state["z"][i]), 2)) for i in farthest),
        )

    def step(self, ground: Ground, state: State, frame: GroupFrame) -> Scores:
        """One score a slot; a slot is a channel at fault."""
        s = state
        missing = ~np.isfinite(frame.values)
        x = np.where(missing, np.nan, frame.values)
        s["rows"] += 1
        rows = int(s["rows"][0])
        fresh = np.isnan(s["mean"]) & ~missing
        s["mean"][fresh] = x[fresh]
        self._rest(s, x, missing)
        scale = scale_of(s["covariance"])
        away = np.clip((x - s["mean"]) / scale, -AWAY_MAX, AWAY_MAX)
        away[missing] = 0.0
        codes = np.where(s["missing"] >= self.loss_rows, LOSS, TRUSTED)
        unsure = np.zeros_like(away)
        calm = ~missing
        before = s["verdict"].copy()
        if rows > self.learn_rows // 2:
            limit = self._limit(ground, s)
            bad = before != TRUSTED
            row = Row(x, missing, away, scale, bad, limit, rows > self.learn_rows, away, missing)
            codes, calm = self._judge(s, row, codes)
        self._decide(s, codes, calm)
        fell = (before == TRUSTED) & (s["verdict"] != TRUSTED)
        if fell.any():
            lag_ms = self._lags(s)[s["verdict"], np.arange(len(x))] * ground.members.grid_s * 1e3
            s["since_ms"][fell] = frame.at_ms - lag_ms[fell].astype(np.int64)
        if rows > self.learn_rows // 2:
            away, unsure = self._believed(s, away, missing)
        if rows > SETTLE_ROWS:
            away = np.clip(away, -AWAY_CLIP, AWAY_CLIP)
        weight = max(1.0 / rows, 1.0 / self.forget_rows)
        learn(s["mean"], s["covariance"], away * scale, unsure * scale**2, weight)
        if rows % self.memory_rows == 0 or rows in (self.learn_rows // 2, self.learn_rows):
            s["precision"] = precision_of(s["covariance"])
        return self._slots(s)

    def _rest(self, s: State, x: Floats, missing: Mask) -> None:
        """How long each has not come, and not moved; a rest that ended honestly is remembered."""
        moved = ~missing & ~(np.abs(x - s["last"]) <= self.resolution)
        honest = moved & (s["verdict"] != STUCK) & (s["verdict"] != CLIP)
        rested = np.where(honest, np.minimum(s["rest"] + 1, REST_MAX), 0)
        s["rest_longest"][:] = np.maximum(s["rest_longest"], rested)
        s["high"][moved] = np.fmax(s["high"], s["last"])[moved]
        s["low"][moved] = np.fmin(s["low"], s["last"])[moved]
        s["rest"][:] = np.where(missing, s["rest"], np.where(moved, 0, s["rest"] + 1))
        s["missing"][:] = np.where(missing, s["missing"] + 1, 0)
        s["last"][~missing] = x[~missing]

    def _limit(self, ground: Ground, s: State) -> Floats:
        limit = np.maximum(self.limit_sigma, HONEST * s["z_honest"])
        if self.judged:
            contradicted = np.zeros(ground.width, np.bool_)
            contradicted[ground.members.of(*self.judged)] = True
            limit[~contradicted] = np.inf
        return limit

    def _judge(self, s: State, row: Row, codes: Ints) -> tuple[Ints, Mask]:
        """What each channel would be charged with at this instant, and which ones agree."""
        reach = row.limit if row.decides else np.full_like(row.limit, np.inf)
        out = row.missing | row.bad
        now = vote(s["precision"], row.away, out, reach, max(1, len(out) // 4))
        row.z = np.clip(np.where(row.missing, 0.0, now.z), -Z_MAX, Z_MAX)
        row.beyond = (np.abs(row.z) > reach) & (row.bad | (not now.is_shared))
        spiked = self._follow(s, row)
        s["expected"][:] = s["mean"] + row.scale * now.predicted
        crept = self._creep(s, row, np.where(row.bad | now.out, now.predicted, row.away))
        if row.decides:
            codes = self._charge(s, row, codes, crept, spiked)
        else:
            s["z_honest"][:] = np.maximum(s["z_honest"], np.abs(row.z))
        agrees = ~row.missing & (np.abs(row.z) < AGREES * row.limit)
        agrees &= s["rest"] + 1 < self.stuck_rows
        crept_back = np.abs(s["steady"] - s["usual"]) < AGREES * self._drift_limit(s)
        agrees &= (s["verdict"] != DRIFT) | crept_back
        return codes, agrees

    def _follow(self, s: State, row: Row) -> Mask:
        """Take this instant's deviations into what is known of each; who spiked the second time."""
        rows, came = int(s["rows"][0]), ~row.missing
        same = row.beyond & (np.abs(row.z - s["z"]) < 3.0 + ALIKE * np.abs(s["z"]))
        short = (s["streak"] > 0) & (s["streak"] < SHORT_ROWS) & ~row.beyond & came & ~row.bad
        spike = short & (np.abs(s["z"] - row.z) > row.limit)
        streak = np.where(same, s["streak"] + 1, row.beyond)
        s["streak"][came] = streak[came]
        s["outliers"] += came * (row.beyond - s["outliers"]) / OFTEN_ROWS
        s["swing"] += came * (row.beyond * np.sign(row.z) - s["swing"]) / OFTEN_ROWS
        s["z"][came] = row.z[came]
        clipped = np.clip(row.z, -Z_CLIP, Z_CLIP)
        s["steady"] += came * (clipped - s["steady"]) / max(STEADY_ROWS_MIN, self.memory_rows // 4)
        s["brisk"] += came * (clipped - s["brisk"]) / BRISK_ROWS
        quiet = np.where(row.missing | row.beyond, 0.0, clipped)
        s["near"] += (quiet - s["near"]) / BRISK_ROWS
        leapt = (np.abs(s["brisk"] - s["steady"]) > LEAP_SIGMA) & ~row.bad
        s["leap_row"][leapt] = rows
        gap = rows - s["spike_row"]
        apart = spike & (gap > OFTEN_ROWS)
        s["spike_row"][apart] = rows
        again: Mask = apart & (gap <= self.patience_rows) & (s["outliers"] < OFTEN / 2)
        return again

    def _creep(self, s: State, row: Row, away: Floats) -> Mask:
        """Whose mean over the memory crept away while nobody else's did."""
        rows, k = int(s["rows"][0]), len(away)
        s["slow"] += (np.clip(away, -AWAY_CLIP, AWAY_CLIP) - s["slow"]) / self.memory_rows
        if rows % CREEP_ROWS:
            return np.zeros(k, np.bool_)
        limit = np.where(np.isfinite(row.limit), self._drift_limit(s), np.inf)
        reach = limit if row.decides else np.full(k, np.inf)
        now = vote(s["precision"], s["slow"], row.bad, reach, max(1, k // 8))
        # Whatever lasts for days is how things stand: a leak that nobody has mended, a season.
        gone = now.z - s["usual"]
        s["usual"] += gone * (CREEP_ROWS / (USUAL_MEMORIES * self.memory_rows))
        s["slow_z"][:] = gone
        if not row.decides:
            if rows > self.learn_rows // 2 + self.memory_rows:
                s["slow_honest"][:] = np.maximum(s["slow_honest"], np.abs(gone))
            return np.zeros(k, np.bool_)
        leap_age = rows - s["leap_row"]
        settled = (leap_age // CREEP_ROWS == 2 * self.memory_rows // CREEP_ROWS) & ~row.bad
        if settled.any():
            told = vote(s["precision"], s["slow"], row.bad | settled, np.full(k, np.inf), 0)
            s["mean"][settled] += (row.scale * (s["slow"] - told.predicted))[settled]
            s["slow"][settled] = told.predicted[settled]
            s["brisk"][settled] = s["steady"][settled] = s["usual"][settled] = 0.0
        share = np.where(row.bad, 0.0, np.abs(gone) / limit)
        crept = np.zeros(k, np.bool_)
        first = int(np.argmax(share))
        # After a leap anywhere, a burst or a valve, slow means take their time to follow.
        calm = bool((leap_age > 2 * self.memory_rows)[np.isfinite(row.limit)].all())
        if share[first] > 1.0 and calm and not now.is_shared:
            leads = np.abs(s["steady"] - s["usual"])[first] > np.abs(gone[first])
            alone = np.delete(share, first).max(initial=0.0) < SHARE * share[first]
            crept[first] = leads and alone
            s["slow"][crept] = now.predicted[crept]
        return crept

    def _charge(self, s: State, row: Row, codes: Ints, crept: Mask, spiked: Mask) -> Ints:
        """The gravest charge against each channel."""
        made = np.where(crept, DRIFT, TRUSTED)
        made[spiked] = SPIKES
        noisy = (s["outliers"] > OFTEN) & (np.abs(s["swing"]) < 0.5 * s["outliers"])
        made[noisy] = NOISE
        off = self._level(s, row)
        near = np.abs(row.x - s["expected"]) <= SCALED * np.abs(s["expected"])
        made[off] = np.where(near, BIAS, SCALE)[off]
        stuck = s["rest"] + 1 >= np.maximum(self.stuck_rows, 2 * s["rest_longest"])
        ends = (s["last"] >= s["high"]) | (s["last"] <= s["low"])
        made[stuck] = np.where(ends, CLIP, STUCK)[stuck]
        return np.where(codes == LOSS, LOSS, made)

    def _level(self, s: State, row: Row) -> Mask:
        """Who stands at a wrong level: plainly, or for a while with neighbours that stay."""
        long = (s["streak"] >= SHORT_ROWS) & ~row.bad
        apart = np.abs(s["streak"][long, None] - s["streak"][None, long])
        together = np.zeros_like(long)
        together[long] = (apart <= TOGETHER_ROWS).sum(axis=1) > 1
        if together.any():
            self._accept(s, together)
        far = (s["streak"] >= SHORT_ROWS) & (np.abs(s["z"]) > SURE_SIGMA)
        lasts = (s["streak"] >= BRISK_ROWS) & ~far & ~row.bad
        if lasts.any():
            others = ~(row.bad | row.beyond | row.missing) & np.isfinite(row.limit)
            moved = np.abs(s["near"][others]) * np.sqrt(2.0 * BRISK_ROWS)
            if moved.max(initial=0.0) < APART_SIGMA:
                return far | lasts
            self._accept(s, lasts)
        return far

    def _accept(self, s: State, honest: Mask) -> None:
        """It was honest, as its neighbours say: from now on that is how far it may go."""
        s["z_honest"][honest] = np.maximum(s["z_honest"], np.abs(s["z"]))[honest]
        s["streak"][honest] = 0

    def _decide(self, s: State, codes: Ints, calm: Mask) -> None:
        """Who is at fault from now on, and who no longer."""
        bad = s["verdict"] != TRUSTED
        s["calm"][:] = np.where(bad & calm, s["calm"] + 1, 0)
        needed = np.full(len(bad), self.calm_rows)
        needed[s["verdict"] == NOISE] = 4 * self.calm_rows
        needed[s["verdict"] == SPIKES] = self.patience_rows
        done = bad & (s["calm"] >= needed)
        s["outliers"][done] = 0.0
        s["streak"][done] = 0
        s["spike_row"][done] = NEVER
        fell = ~bad & (codes != TRUSTED)
        s["leap_row"][fell | done] = NEVER
        s["brisk"][done] = s["steady"][done] = s["usual"][done] = 0.0
        s["verdict"][:] = np.where(bad, np.where(done, TRUSTED, s["verdict"]), codes)

    def _lags(self, s: State) -> Ints:
        """How many rows before its verdict a fault of each kind began."""
        k = len(s["rest"])
        often, creep = np.full(k, OFTEN_ROWS), np.full(k, self.memory_rows)
        none = np.zeros(k, np.int64)
        gap = np.full(k, self.patience_rows)
        level = np.maximum(s["streak"] - 1, 0)
        lost = np.maximum(s["missing"] - 1, 0)
        return np.stack([none, lost, s["rest"], level, level, often, gap, creep, s["rest"]])

    def _believed(self, s: State, away: Floats, missing: Mask) -> tuple[Floats, Floats]:
        """The instant as it may be learned: what is doubtful replaced by its prediction."""
        doubted = missing | (s["verdict"] != TRUSTED) | (s["streak"] > 0)
        doubted |= np.abs(s["slow_z"]) > 0.6 * self._drift_limit(s)
        if not doubted.any():
            return away, np.zeros_like(away)
        told = vote(s["precision"], away, doubted, np.full_like(away, np.inf), 0)
        return told.predicted, told.unsure

    def _drift_limit(self, s: State) -> Floats:
        limit: Floats = np.maximum(self.drift_sigma, HONEST * s["slow_honest"])
        return limit

    def _slots(self, s: State) -> Scores:
        """Each channel at fault has a slot; a slot that it leaves is free from the next row on."""
        scores = np.zeros(self.SLOTS)
        slot, verdict, over = s["slot"], s["verdict"], s["slot_over"]
        slot[over] = FREE
        held = slot != FREE
        over[:] = held & (verdict[slot] == TRUSTED)
        size = s["gravest"]
        size[:] = np.where(verdict == TRUSTED, 0.0, np.maximum(size, self._size(s)))
        lasts = held & ~over
        scores[lasts] = size[slot[lasts]]
        waiting = [at for at in np.flatnonzero(verdict).tolist() if at not in slot]
        for at, channel in zip(np.flatnonzero(slot == FREE).tolist(), waiting, strict=False):
            slot[at], s["slot_code"][at], scores[at] = channel, verdict[channel], size[channel]
        return scores

    def _size(self, s: State) -> Floats:
        """How far each is beyond what would do, never below one."""
        rests = (s["rest"] + 1) / np.maximum(self.stuck_rows, 2 * s["rest_longest"])
        lost, off = s["missing"] / self.loss_rows, np.abs(s["z"]) / self.limit_sigma
        crept = np.abs(s["steady"] - s["usual"]) / self.drift_sigma
        made: Floats = np.maximum.reduce([rests, lost, off, crept, np.ones_like(off)])
        return made
