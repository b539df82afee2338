"""A burst by what the inlet's flow and all pressures did at once, and which main it would be."""

from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from detectors.base import BELOW_ONE, Ground, GroupParams, Learned, Scores, State
from detectors.history import History
from lifeline.model import Detail, Floats, GroupFrame

SIZES_M3_H = np.geomspace(8.0, 500.0, 14)
"""Flows that are weighed; more of them say nothing more, as a flow meter tells the size anyway."""
GAP = 1
"""The frame before this one may hold half of it: sensors do not speak at one instant."""
KNOWN_MIN = 2
"""So many frames must be known before a change is one."""
MODEL_ERROR = 0.15
"""A sensor's share in what a burst shows is known so well: roughness, demands, half-shut valves."""
FAULT_MARGIN = 3.0
FAULT_PRIOR = 20.0
"""A sensor at fault is off by about so many of its own standard deviations."""
DOWN_SHARE = 0.5
"""Over when less than this share of it is left."""
WEIGHED_MAX = 64
TOLD_MAX = 32
SHARE_MIN = 0.005
REFINED = 12
"""Frames after which the place is known as well as it will be: demand has moved on by then."""
FLOWS = ("inlet-flow", "inflow")
HEADS = ("head",)
FLOOR_M = 0.02
NONE = -1


class MainsBurst(GroupParams, frozen=True, kw_only=True, tag="mains_burst"):
    """Alarm when inflow and heads moved within a frame or two as a burst somewhere would move them.

    What changed against the ``memory`` frames before is compared with what EPANET says of a burst
    of every size at every pipe, at the load of the hour.  Evidence is the logarithm of a Bayes
    factor against *nothing happened*, pipes and sizes integrated out; what demand does between two
    frames is in the covariance, learned from history, so that a busy hour is no burst.  It alarms
    when ``patience`` frames running have ``limit`` of evidence, and more than one sensor at fault
    or a change of the supply's head would have.  It lasts until surely less than half of it is
    left, or ``hold_s``: what then goes on is the network's habit.

    Sources: GLR for jumps (Willsky and Jones, IEEE TAC 21, 1976); location by pressure
    sensitivities (Pudar and Liggett, J. Hydraulic Eng. 118, 1992).  Without a calibrated artefact
    it is silent.

    A leak that grows over hours is not for it, and a hydrant that is opened is a burst to it.

    False alarms, defaults: none in 22,000 frames of the demo's area without a burst (simulated,
    most evidence 7 of 20), so below 15 a group-year on a grid of 5 minutes at the 95 % limit.
    """

    memory: Annotated[int, Meta(ge=2, le=60)] = 6
    patience: Annotated[int, Meta(ge=1, le=10)] = 2
    limit: Annotated[float, Meta(gt=0)] = 20.0
    hold_s: Annotated[float, Meta(gt=0)] = 86_400.0
    water_cny_m3: Annotated[float, Meta(ge=0)] = 4.0
    """What a cubic metre of treated water is worth."""

    @property
    def code(self) -> str:
        """``burst-shown``."""
        return "burst-shown"

    def calibrate(self, history: History) -> dict[str, NDArray[np.generic]]:
        """What demand and noise do between frames, and what a burst of each pipe would show."""
        network = history.network
        if "burst_response" not in network:
            return {}
        flows, heads = history.members.of(*FLOWS), history.members.of(*HEADS)
        values = np.column_stack([history.values[:, flows].sum(axis=1), history.values[:, heads]])
        for event in history.events:
            values[max(event.row, 0) : event.end + 1] = np.nan
        wandering, noise = scattered(values, self.memory + GAP)
        response = np.asarray(network["burst_response"], np.float64)
        base = np.asarray(network["burst_base"], np.float64)
        ends = np.asarray(network["ends"], np.int64)
        flow = response[..., flows].sum(axis=-1, keepdims=True)
        shown = np.concatenate([flow, response[..., heads]], axis=-1)
        sizes = np.asarray(network["burst_m3_h"], np.float64)
        first = np.where(ends[:, 0] >= 0, ends[:, 0], ends[:, 1])
        second = np.where(ends[:, 1] >= 0, ends[:, 1], ends[:, 0])
        of_nodes = at_sizes(sizes, shown)
        of_pipes = (of_nodes[:, :, first] + of_nodes[:, :, second]) / 2.0
        return {
            "burst_members": np.array(history.members.names),
            "burst_wandering": wandering,
            "burst_noise": noise,
            "burst_loads": base[:, flows].sum(axis=1),
            "burst_shown": of_pipes.astype(np.float32),
        }

    def blank(self, ground: Ground) -> State:
        """Nothing remembered, nothing wrong."""
        heads = len(ground.members.of(*HEADS))
        return {
            "ring": np.full((self.memory + GAP, heads + 1), np.nan),
            "run": np.zeros(1, np.int64),
            "since": np.zeros(1, np.int64),
            "known": np.ones(1, np.int64),
            "onset_ms": np.zeros(1, np.int64),
            "changed": np.zeros((2, heads + 1)),
            "before": np.zeros(heads + 1),
            "shown": np.zeros(heads + 1),
            "size": np.zeros(3),
            "pipe": np.full(TOLD_MAX, NONE, np.int32),
            "share": np.zeros(TOLD_MAX),
        }

    def step(self, ground: Ground, state: State, frame: GroupFrame) -> Scores:
        """How much speaks for a burst, as a share of the limit; 1 and more while it lasts."""
        learned = ground.learned
        if "burst_shown" not in learned or not _fits(ground):
            return np.zeros(1)
        flows, heads = ground.members.of(*FLOWS), ground.members.of(*HEADS)
        now = np.concatenate([[frame.values[flows].sum()], frame.values[heads]])
        if state["since"][0]:
            return np.array([self._followed(state, learned, now, frame.at_ms)])
        frame_ms = round(ground.members.grid_s * 1000)
        score = self._searched(state, learned, now, frame.at_ms, frame_ms)
        if not state["run"][0]:
            state["ring"][:-1] = state["ring"][1:]
            state["ring"][-1] = now
        return np.array([score])

    def told(self, ground: Ground, state: State, slot: int, at_ms: int) -> Detail:  # noqa: ARG002
        """Which pipes it may be, how much runs out, and how each sensor shows it."""
        names = ground.learned.get("pipe", np.zeros(0, "U1"))
        size, low, high = (float(one) for one in state["size"])
        hours = max(at_ms - int(state["onset_ms"][0]), 0) / 3.6e6
        lost = size * hours
        heads = [ground.members.names[k] for k in ground.members.of(*HEADS).tolist()]
        flow = [ground.members.names[k] for k in ground.members.of(*FLOWS)[:1].tolist()]
        kept = zip(state["pipe"].tolist(), state["share"].tolist(), strict=True)
        return Detail(
            onset_ms=int(state["onset_ms"][0]),
            value=round(size, 0),
            unit="m3/h",
            facts={
                "size_m3_h": round(size, 0),
                "size_low_m3_h": round(low, 0),
                "size_high_m3_h": round(high, 0),
                "lost_m3": round(lost, 1),
                "cost_cny": round(lost * self.water_cny_m3, 0),
            },
            candidates=tuple(
                (str(names[pipe]), round(share, 3))
                for pipe, share in kept
                if pipe >= 0 and share >= SHARE_MIN
            ),
            residuals=tuple(
                (name, round(float(z), 1))
                for name, z in zip((*flow, *heads), state["shown"], strict=True)
            ),
        )

    def _searched(
        self, state: State, learned: Learned, now: Floats, at_ms: int, frame_ms: int
    ) -> float:
        """The score of a change against the frames before; begins an alarm where it lasts."""
        before = state["ring"][:-GAP]
        known = np.isfinite(before).sum(axis=0)
        if known[0] < KNOWN_MIN or not np.isfinite(now[0]):
            state["run"][0] = 0
            return 0.0
        level = np.where(known > 0, np.nansum(before, axis=0) / np.maximum(known, 1), np.nan)
        changed = now - level
        covariance = doubt(learned, int(known[0]), float(state["run"][0]) + GAP)
        evidence = self._evidence(learned, level[0], changed, covariance)
        if evidence < self.limit:
            state["run"][0] = 0
            return min(max(evidence / self.limit, 0.0), BELOW_ONE)
        if state["run"][0] == 0:
            state["onset_ms"][0] = at_ms - frame_ms
        state["run"][0] += 1
        if state["run"][0] < self.patience:
            return BELOW_ONE
        state["since"][0], state["before"][:] = 1, level
        state["known"][0] = known[0]
        state["changed"][:] = 0.0
        self._place(state, learned, changed)
        return evidence / self.limit

    def _evidence(
        self, learned: Learned, load: float, changed: Floats, covariance: Floats
    ) -> float:
        """For a burst somewhere, unless something else explains it as well."""
        real = np.isfinite(changed)
        white, shown = _whitened(
            changed[real], covariance[np.ix_(real, real)], _at_load(learned, load)[..., real]
        )
        factors = shown @ white - (shown**2).sum(axis=-1) / 2.0
        best = float(factors.max())
        evidence = best + float(np.log(np.exp(factors - best).mean()))
        other = otherwise(changed[real], covariance[np.ix_(real, real)])
        return 0.0 if other + FAULT_MARGIN > evidence else evidence

    def _followed(self, state: State, learned: Learned, now: Floats, at_ms: int) -> float:
        """The score while it lasts; it is over when surely less than half of it is left."""
        since = int(state["since"][0])
        changed = now - state["before"]
        if since < REFINED:
            self._place(state, learned, changed)
        left, deviation = self._left(state, learned, changed)
        state["since"][0] = since + 1
        is_old = at_ms - int(state["onset_ms"][0]) >= self.hold_s * 1000.0
        if left + deviation < DOWN_SHARE or is_old:
            for name, empty in (("ring", np.nan), ("run", 0), ("since", 0)):
                state[name][:] = empty
            return min(max(left, 0.0), BELOW_ONE)
        return 1.0 + max(left, 0.0)

    def _left(self, state: State, learned: Learned, changed: Floats) -> tuple[float, float]:
        """Which share of the burst is still there, and its standard deviation.

        By least squares along what it showed at first.  Demand goes on changing under it, the
        farther the longer; the directions in which it does so count ever less.
        """
        real = np.isfinite(changed) & (state["changed"][1] > 0.0)
        if not real.any():
            return 1.0, 0.0
        showed = state["changed"][0][real] / state["changed"][1][real]
        apart = GAP + self.patience + float(state["since"][0])
        covariance = doubt(learned, int(state["known"][0]), apart)[np.ix_(real, real)]
        weights = np.linalg.solve(covariance, showed)
        precision = max(float(weights @ showed), 1e-12)
        return float(weights @ changed[real]) / precision, float(precision**-0.5)

    def _place(self, state: State, learned: Learned, changed: Floats) -> None:
        """Which pipes, and how large, by the mean of all frames since: the longer, the surer."""
        real = np.isfinite(changed)
        state["changed"][0, real] += changed[real]
        state["changed"][1, real] += 1.0
        count = state["changed"][1]
        seen = count > 0.0
        mean = state["changed"][0][seen] / count[seen]
        frames = int(count.max())
        apart = GAP + self.patience + frames / 2.0
        covariance = doubt(learned, int(state["known"][0]), apart, frames)
        covariance = covariance[np.ix_(seen, seen)]
        shown = _at_load(learned, float(state["before"][0]))[..., seen]
        white, rows = _whitened(mean, covariance, shown)
        factors = rows @ white - (rows**2).sum(axis=-1) / 2.0
        likely = np.sort(np.argsort(-factors.max(axis=0), kind="stable")[:WEIGHED_MAX])
        logs = _logs(mean, covariance, shown[:, likely])
        weights = np.exp(logs - logs.max())
        weights /= weights.sum()
        of_pipe, of_size = weights.sum(axis=0), weights.sum(axis=1)
        order = np.argsort(-of_pipe, kind="stable")[:TOLD_MAX]
        state["pipe"][:], state["share"][:] = NONE, 0.0
        state["pipe"][: len(order)] = likely[order]
        state["share"][: len(order)] = of_pipe[order]
        state["size"][:] = _sized(of_size, mean[0], covariance[0, 0])
        state["shown"][seen] = mean / np.sqrt(np.diag(covariance))


def at_sizes(flows: Floats, shown: Floats) -> Floats:
    """(hours, sizes of ours, nodes, width): what was computed at some flows, at ours.

    Between two flows in a straight line, beyond the largest by the same of each m3/h.
    """
    hours, _, nodes, width = shown.shape
    made = np.zeros((hours, len(SIZES_M3_H), nodes, width))
    for h in range(hours):
        for n in range(nodes):
            at = np.concatenate([[0.0], flows[h, :, n]])
            each = np.concatenate(
                [shown[h, :1, n] / max(at[1], 1e-9), shown[h, :, n] / at[1:, None]]
            )
            for c in range(width):
                made[h, :, n, c] = SIZES_M3_H * np.interp(SIZES_M3_H, at, each[:, c])
    return made


def scattered(values: Floats, lag: int) -> tuple[Floats, Floats]:
    """Covariances: of what demand adds from frame to frame, and of the sensors' own noise.

    Of changes over 1 and over ``lag`` frames; the first is twice the noise and once the wandering,
    the other has the wandering ``lag`` times.
    """
    near, far = _changes(values, 1), _changes(values, lag)
    wandering = _positive((far - near) / (lag - 1))
    noise = _positive((near - wandering) / 2.0)
    floor = np.full(len(noise), FLOOR_M**2)
    floor[0] = (0.002 * float(np.nanmean(values[:, 0]))) ** 2
    return wandering, noise + np.diag(floor)


def _changes(values: Floats, lag: int) -> Floats:
    moved = values[lag:] - values[:-lag]
    moved = moved[np.isfinite(moved).all(axis=1)]
    made: Floats = moved.T @ moved / max(len(moved), 1)
    return made


def _positive(matrix: Floats) -> Floats:
    """The nearest covariance: a difference of two estimates may have directions below 0."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2.0)
    made: Floats = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return made


def doubt(learned: Learned, known: int, apart: float, frames: int = 1) -> Floats:
    """Covariance of what changed without a burst: from the mean of ``known`` frames to another's.

    The two lie ``apart`` besides; of a random walk's own mean a third of its length counts.
    """
    noise = np.asarray(learned["burst_noise"], np.float64)
    wandering = np.asarray(learned["burst_wandering"], np.float64)
    made: Floats = noise * (1.0 / frames + 1.0 / known) + wandering * (apart + known / 3.0)
    return made


def otherwise(changed: Floats, covariance: Floats) -> float:
    """Evidence that one sensor is at fault, or that the supply's head changed under all of them.

    Of a pump that stops, or of a valve that is set anew, no water runs out: heads move, all alike.
    """
    supply = np.ones(len(changed))
    supply[0] = 0.0
    directions = np.vstack([np.eye(len(changed)), supply])
    weights = np.linalg.solve(covariance, directions.T)
    precision = np.einsum("ij,ji->i", directions, weights)
    wide = FAULT_PRIOR**2 * (directions @ np.diag(covariance))
    factors = (changed @ weights) ** 2 / (precision + 1.0 / wide) / 2.0
    factors -= np.log1p(wide * precision) / 2.0
    return float(factors.max() - np.log(len(factors)))


def _fits(ground: Ground) -> bool:
    """Whether what was learned is about these channels, in this order."""
    return tuple(ground.learned["burst_members"].tolist()) == ground.members.names


def _at_load(learned: Learned, load: float) -> Floats:
    """(sizes, pipes, width): what each burst shows when so much flowed before it."""
    loads = np.asarray(learned["burst_loads"], np.float64)
    nearest = int(np.argmin(np.abs(loads - load)))
    return np.asarray(learned["burst_shown"][nearest], np.float64)


def _whitened(changed: Floats, covariance: Floats, shown: Floats) -> tuple[Floats, Floats]:
    """Both in units in which nothing happening is white noise."""
    root = np.linalg.inv(np.linalg.cholesky(covariance))
    return root @ changed, shown @ root.T


def _logs(changed: Floats, covariance: Floats, shown: Floats) -> Floats:
    """(sizes, pipes): log likelihood with the model's own error, which grows with what is shown."""
    error = (MODEL_ERROR * shown) ** 2
    error[..., 0] = 0.0  # What runs out of the main runs through the meter, whatever the model.
    whole = covariance + error[..., None] * np.eye(len(changed))
    away = changed - shown
    solved = np.linalg.solve(whole, away[..., None])[..., 0]
    _, volume = np.linalg.slogdet(whole)
    made: Floats = -0.5 * (away * solved).sum(axis=-1) - 0.5 * volume
    return made


def _sized(of_size: Floats, flow: float, variance: float) -> Floats:
    """Size with its interval: the grid's mean, sharpened by what the meter shows."""
    mean = float(of_size @ SIZES_M3_H)
    spread = float(of_size @ (SIZES_M3_H - mean) ** 2) + mean**2 / 500.0
    gain = spread / (spread + variance)
    size, deviation = mean + gain * (flow - mean), float(np.sqrt(spread * (1.0 - gain)))
    made: Floats = np.array([size, size - 2.0 * deviation, size + 2.0 * deviation])
    return np.maximum(made, 0.0)
