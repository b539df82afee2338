"""Leaks of a network by its flows and pressures: found, placed, sized, known until repaired."""

from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from detectors.base import BELOW_ONE, Ground, GroupParams, Scores, State
from detectors.history import History
from detectors.water import hydraulics, learning, ledger
from detectors.water.ledger import PER_DAY, SLOTS, WINDOWS_D, Ledger
from detectors.water.sight import (
    Sight,
    Weighed,
    centre,
    fault_evidence,
    model_of,
    moments,
    projected,
    seen,
    seen_covariance,
    weigh,
)
from lifeline.model import Detail, Floats, GroupFrame

BLOCK_MS = 86_400_000 // PER_DAY
FIRST_AUDIT_D = 10.0
AUDIT_D = 4
"""An audit needs so many days in which the ledger did not change."""
SECOND_EVIDENCE, SECOND_SIZE_M3_H = 10.0, 15.0
FAULT_MARGIN, CEASED_MARGIN, CEASED_AFTER_D = 3.0, 3.0, 2.0
LATE_D, LATE_SHARE = 15.0, 0.4
SIZE_MIN_M3_H = 0.7
RECENT_D, RECENT_SHARE = 0.5, 0.5
BLOCK_SHARE_MIN = 0.25
JITTER_ROWS = 4000.0
TOLD_MAX = 32
ALARM = 1.5
MISFIT_BLOCKS, MISFIT_BETTER = 7.0 * PER_DAY, 0.7
"""The week of the history may stand otherwise to the calendar: holidays, a simulation's own."""


class WaterLeaks(GroupParams, frozen=True, kw_only=True, tag="water_leaks"):
    """Alarm for every leak that flows, tank and pressures show, with the pipes where it may be.

    Every six hours the mean residuals of the last 1 to 32 days (``hydraulics``) are compared with
    the level of the time before (``ledger``).  Each pipe has a direction of its own, computed from
    the network's model, in which a leak there would move all of them; the flows' balance is one
    equation among them.  An alarm waits until a new leak somewhere has ``limit`` of log evidence,
    more than a sensor at fault has and than anything that ceased; until it has stood for ``wait_d``
    days; and until ``reach_share`` of the probability lies within a crew's reach of one place, or
    15 days.  Known leaks stay in the model, may grow, and are struck out when repaired, so that the
    next is seen beside them; an audit looks for what was learned as habit.

    Sources: likelihood ratios on a Kalman filter (Willsky and Jones, IEEE TAC 21, 1976);
    pressure sensitivities (Pudar and Liggett, J. Hydraulic Eng. 118, 1992); the data of BattLeDIM
    (Vrachimis et al., JWRPM 148, 2022).  Without a calibrated artefact it is silent.

    False alarms, defaults: 2 to 7 a year on simulated networks with 20 to 24 leaks, most of them
    leaks placed wrongly; none in a year without leaks is to be expected, but few have been run.
    """

    SLOTS: ClassVar[int] = SLOTS

    limit: Annotated[float, Meta(gt=0)] = 12.0
    audit_limit: Annotated[float, Meta(gt=0)] = 12.0
    wait_d: Annotated[float, Meta(ge=0)] = 1.0
    reach_share: Annotated[float, Meta(gt=0, lt=1)] = 0.75
    water_cny_m3: Annotated[float, Meta(ge=0)] = 4.0
    """What a cubic metre of treated water is worth."""

    @property
    def code(self) -> str:
        """``leak``."""
        return "leak"

    def calibrate(self, history: History) -> dict[str, NDArray[Any]]:
        """Habits, noise and directions, from a year with its leaks and the network's model."""
        return learning.learned(history, BLOCK_MS)

    def blank(self, ground: Ground) -> State:
        """An open block, and an empty ledger; next to nothing where nothing was learned."""
        if "signatures" not in ground.learned:
            return {"block": np.full(1, -1, np.int64)}
        at = hydraulics.layout(ground.members)
        state = ledger.blank(at.width, 86_400.0 / ground.members.grid_s)
        state |= {
            "block": np.full(1, -1, np.int64),
            "sums": np.zeros(at.width + 1),
            "counts": np.zeros(at.width + 1),
            "last": np.full(at.width, np.nan),
            "fast": np.zeros((2, at.width)),
            "level": np.full((2, 2), np.nan),
            "shift": np.zeros(1, np.int64),
            "misfit": np.zeros(7),
            "suspected": np.full(1, -1, np.int64),
            "changed": np.zeros(1, np.int64),
            "ceased": np.full(1, -1, np.int64),
            "onset_ms": np.zeros(SLOTS, np.int64),
            "place": np.full(SLOTS, -1, np.int32),
            "within": np.zeros(SLOTS),
            "lost_m3": np.zeros(SLOTS),
            "spread": np.zeros(SLOTS),
            "shown": np.zeros((SLOTS, at.width), np.float32),
        }
        Ledger(model_of(ground.learned), state).begin(
            np.asarray(ground.learned["roughness"], np.float64), at.balances
        )
        return state

    def step(self, ground: Ground, state: State, frame: GroupFrame) -> Scores:
        """1.5 for a known leak; the first free slot shows how much speaks for a new one."""
        if "signatures" not in ground.learned:
            return np.zeros(SLOTS)
        block = frame.at_ms // BLOCK_MS
        if block != state["block"][0]:
            if state["block"][0] >= 0:
                self._close(ground, state, int(block - state["block"][0]))
            state["block"][0] = block
            state["sums"][:], state["counts"][:], state["level"][:] = 0.0, 0.0, np.nan
        self._add(ground, state, frame)
        scores = np.where(state["known"], ALARM, 0.0)
        if not state["known"].all():
            free = int(np.argmin(state["known"]))
            scores[free] = min(max(float(state["evidence"][0]) / self.limit, 0.0), BELOW_ONE)
        return scores

    def told(self, ground: Ground, state: State, slot: int, at_ms: int) -> Detail:  # noqa: ARG002
        """Where the leak may be, how large it is and what it has cost."""
        if state["place"][slot] < 0:
            return Detail()
        at = hydraulics.layout(ground.members)
        book = Ledger(model_of(ground.learned), state)
        size, deviation = book.size(slot)
        deviation = min(deviation, float(state["spread"][slot]))
        lost = float(state["lost_m3"][slot])
        heads = [(ground.members.names[c], k) for k, c in enumerate(at.heads.tolist())]
        return Detail(
            onset_ms=int(state["onset_ms"][slot]),
            value=round(max(size, 0.0), 1),
            unit="m3/h",
            probability=round(float(state["within"][slot]), 2),
            facts={
                "size_m3_h": round(max(size, 0.0), 1),
                "size_low_m3_h": round(max(size - 2.0 * deviation, 0.0), 1),
                "size_high_m3_h": round(max(size, 0.0) + 2.0 * deviation, 1),
                "lost_m3": round(lost, 0),
                "cost_cny": round(lost * self.water_cny_m3, 0),
            },
            candidates=self._candidates(ground, state, slot),
            residuals=tuple((name, round(float(state["shown"][slot, k]), 1)) for name, k in heads),
        )

    def _candidates(self, ground: Ground, state: State, slot: int) -> tuple[tuple[str, float], ...]:
        """The place to go to first, then the others by their own probability."""
        names = ground.learned["pipes"]
        kept = state["pipe"][slot] >= 0
        weights = dict(
            zip(
                state["pipe"][slot][kept].tolist(),
                state["weight"][slot][kept].tolist(),
                strict=True,
            )
        )
        place = int(state["place"][slot])
        order = sorted(weights, key=lambda pipe: (pipe != place, -weights[pipe]))
        first = [] if place in weights else [place]
        return tuple(
            (str(names[pipe]), round(float(weights.get(pipe, 0.0)), 3))
            for pipe in [*first, *order][:TOLD_MAX]
        )

    def _add(self, ground: Ground, state: State, frame: GroupFrame) -> None:
        """One row into the open block: what flows do not explain, and where the water went."""
        at = hydraulics.layout(ground.members)
        values = frame.values[None]
        if not np.isfinite(frame.values[at.needed()]).all():
            return
        learned = ground.learned
        heads = len(at.heads)
        row = np.empty(at.width)
        told_ms = frame.at_ms + int(state["shift"][0]) * learning.DAY_MS
        habit = learned["habit"][learning.hour_of_week(np.array([told_ms]))[0]]
        row[:heads] = (
            frame.values[at.heads]
            - (hydraulics.regressors(at, values) @ learned["of_heads"])[0]
            - habit[:heads]
        )
        row[heads : heads + 2] = (
            frame.values[at.inflows].sum(),
            frame.values[at.pumps].sum(),
        )
        shares = (hydraulics.share_regressors(at, values) @ learned["of_shares"])[0]
        row[heads + 2 :] = frame.values[at.inflows[:-1]] - shares - habit[heads:]
        real = np.isfinite(row)
        state["sums"][:-1][real] += row[real]
        state["sums"][-1] += hydraulics.load(at, values)[0]
        state["counts"][:-1] += real
        state["counts"][-1] += 1.0
        moved = row - state["last"]
        both = np.isfinite(moved)
        state["fast"][0, both] += moved[both] ** 2 / 2.0
        state["fast"][1, both] += 1.0
        state["last"][:] = row
        level = float(frame.values[at.levels].sum())
        if np.isnan(state["level"][0, 0]):
            state["level"][0] = frame.at_ms, level
        state["level"][1] = frame.at_ms, level

    def _close(self, ground: Ground, state: State, blocks: int) -> None:
        """Enters the block that ended, judges, and at a day's end learns."""
        at = hydraulics.layout(ground.members)
        book = Ledger(model_of(ground.learned), state)
        self._count_noise(ground, state)
        book.put(self._block(ground, state))
        # Where nothing came for longer the time passes, for at most the length of the ring.
        for _ in range(min(blocks - 1, len(state["ring"]))):
            book.put(np.full(at.width + 1, np.nan))
        if state["counts"][-1] == 0.0 or book.day < 1.0:
            return
        self._judge(state, book)
        for slot in book.slots():
            state["lost_m3"][slot] += max(book.size(slot)[0], 0.0) * 24.0 / PER_DAY
        if int(state["blocks"][0]) % PER_DAY == 0:
            book.close_day()

    def _count_noise(self, ground: Ground, state: State) -> None:
        """What the sensors add to single rows, beyond what the history's rows did."""
        fast = state["fast"]
        seen_enough = fast[1] > 0.0
        variance = np.where(seen_enough, fast[0] / np.maximum(fast[1], 1.0), 0.0)
        known = np.asarray(ground.learned["row_var"], np.float64)
        heads = len(hydraulics.layout(ground.members).heads)
        jitter = np.maximum(variance - known, 0.0)
        jitter[heads : heads + 2] = 0.0
        state["jitter"][:] = jitter
        fast *= np.minimum(1.0, JITTER_ROWS / np.maximum(fast[1], 1.0))

    def _block(self, ground: Ground, state: State) -> Floats:
        """The block's mean residuals and load; balances are what the habit does not explain."""
        at, learned = hydraulics.layout(ground.members), ground.learned
        heads = len(at.heads)
        rows = state["rows_a_day"][0] / PER_DAY
        enough = state["counts"] >= BLOCK_SHARE_MIN * rows
        mean = np.where(enough, state["sums"] / np.maximum(state["counts"], 1.0), np.nan)
        if state["counts"][-1] < learning.FULL_SHARE * rows:
            mean[heads : heads + 2] = np.nan
            return mean
        (first_ms, first), (last_ms, last) = state["level"]
        hours = max((last_ms - first_ms) / learning.HOUR_MS, 1e-9)
        stored = float(learned["tank_area"][0]) * (last - first) / hours
        key = state["block"]
        year = hydraulics.season((key + 0.5) * BLOCK_MS / learning.DAY_MS)
        phases = learning.week_phase(key + PER_DAY * np.arange(7), BLOCK_MS)
        expected = year @ learned["seasons"] * learned["profile"][phases]
        mean[heads : heads + 2] -= stored
        misfit = (mean[heads] - expected[:, 0]) ** 2
        state["misfit"] += (misfit - state["misfit"]) / MISFIT_BLOCKS
        best = int(np.argmin(state["misfit"]))
        if state["misfit"][best] < MISFIT_BETTER * state["misfit"][state["shift"][0]]:
            state["shift"][0] = best
        mean[heads : heads + 2] -= expected[state["shift"][0]]
        if not at.has_zone:
            mean[heads + 1] = 0.0
        return mean

    def _judge(self, state: State, book: Ledger) -> None:
        """At most one change of the ledger a block: struck out, or entered."""
        for slot in book.ghosts():
            self._strike(state, book, slot, gone=False)
        growing = book.growing()
        now = int(state["blocks"][0])
        looks = [book.sight(days, growing) for days in WINDOWS_D if now >= days * PER_DAY]
        weighed = [weigh(book.model, sight) for sight in looks]
        best = max(range(len(looks)), key=lambda k: weighed[k].evidence)
        sight, found, limit = looks[best], weighed[best], self.limit
        state["evidence"][0] = found.evidence
        calm = now - int(state["changed"][0]) >= AUDIT_D * PER_DAY
        if found.evidence < limit and calm and book.day >= FIRST_AUDIT_D and now % PER_DAY == 0:
            audit = book.audit(AUDIT_D)
            again = weigh(book.model, audit)
            if again.evidence > self.audit_limit:
                sight, found, limit = audit, again, self.audit_limit
                state["evidence"][0] = 0.0
        gone = book.repaired(growing)
        if gone >= 0:
            self._strike(state, book, gone, gone=True)
        elif found.evidence >= limit:
            self._consider(state, book, sight, found)
        else:
            state["suspected"][0] = -1
        if gone < 0:
            lasting = min(1, len(looks) - 1)
            self._relearn(state, book, looks[lasting], weighed[lasting])

    def _relearn(self, state: State, book: Ledger, sight: Sight, found: Weighed) -> None:
        """What ceased and was never known, such as a large consumer, becomes the level."""
        ceased = weigh(book.model, sight.turned())
        now = int(state["blocks"][0])
        if ceased.evidence < max(self.limit, found.evidence + CEASED_MARGIN):
            state["ceased"][0] = -1
        elif state["ceased"][0] < 0:
            state["ceased"][0] = now
        elif now - int(state["ceased"][0]) > CEASED_AFTER_D * PER_DAY:
            book.absorb(ceased)
            state["ceased"][0], state["changed"][0] = -1, now

    def _consider(self, state: State, book: Ledger, sight: Sight, found: Weighed) -> None:
        """A leak is likely: where, beside what else, and is it worth a crew by now?"""
        limit = self.audit_limit if sight.audits else self.limit
        sight, found = _refined(book, sight, found)
        if found.evidence < limit:
            state["suspected"][0] = -1
            return
        now = int(state["blocks"][0])
        if state["suspected"][0] < 0:
            state["suspected"][0] = now
        waited_d = (now - int(state["suspected"][0])) / PER_DAY
        place, within = centre(book.model, found)
        ceased = weigh(book.model, sight.turned())
        is_less = ceased.evidence > found.evidence + CEASED_MARGIN
        if sight.audits:
            state["suspected"][0] = -1
            if within < self.reach_share:
                return
        elif waited_d < self.wait_d:
            return
        if is_less or not _goes_on(book, sight, found):
            return
        late = waited_d >= LATE_D and within >= LATE_SHARE
        is_fault = fault_evidence(book.model, sight) + FAULT_MARGIN > found.evidence
        if is_fault or found.size < SIZE_MIN_M3_H or not (within >= self.reach_share or late):
            return
        slot = book.enter(found, learned=sight.audits)
        state["suspected"][0], state["changed"][0] = -1, now
        if slot < 0:
            return
        # The block's key counts from the epoch; the window that showed it best began with it.
        ended_ms = (int(state["block"][0]) + 1) * BLOCK_MS
        state["onset_ms"][slot] = ended_ms - round(sight.days * learning.DAY_MS)
        state["place"][slot], state["within"][slot] = place, within
        apart = float(found.weights @ (found.sizes - found.size) ** 2)
        state["spread"][slot] = (apart + (ledger.SIGNATURE_ERROR * found.size) ** 2) ** 0.5
        state["lost_m3"][slot] = found.size * 24.0 * sight.days / 2.0
        state["shown"][slot] = sight.away / np.sqrt(np.diag(sight.covariance))

    def _strike(self, state: State, book: Ledger, slot: int, *, gone: bool) -> None:
        book.strike(slot, gone=gone)
        state["suspected"][0], state["changed"][0] = -1, state["blocks"][0]


def _goes_on(book: Ledger, sight: Sight, found: Weighed) -> bool:
    """Whether the last half day shows it too: a draw for a fire is over, and still in the mean."""
    pipes = np.arange(len(found.weights), dtype=np.float64)
    mean, _ = moments(book.model, pipes, found.weights)
    recent = book.audit(RECENT_D) if sight.audits else book.sight(RECENT_D, book.growing())
    precision, along = projected(recent, seen(mean, recent.load)[None])
    size, deviation = along[0] / precision[0], precision[0] ** -0.5
    return bool(size + 2.0 * deviation >= RECENT_SHARE * found.size)


def _refined(book: Ledger, sight: Sight, found: Weighed) -> tuple[Sight, Weighed]:
    """The same look with the model's own error, and with another new leak that may be beside it."""
    model = book.model
    pipes = np.arange(len(found.weights), dtype=np.float64)
    mean, second = moments(model, pipes, found.weights)
    shown = seen(mean, sight.load) * found.size
    error = shown**2
    error[: model.heads] += (shown[: model.heads] ** 2).mean()
    sight = sight.wider(ledger.SIGNATURE_ERROR**2 * np.diag(error))
    found = weigh(model, sight)
    _, second = moments(model, pipes, found.weights)
    beside = weigh(model, sight.wider(SECOND_SIZE_M3_H**2 * seen_covariance(second, sight.load)))
    if beside.evidence > SECOND_EVIDENCE:
        _, other = moments(model, pipes, beside.weights)
        sight = sight.wider(SECOND_SIZE_M3_H**2 * seen_covariance(other, sight.load))
        found = weigh(model, sight)
    return sight, found
