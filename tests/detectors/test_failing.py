"""A detector of a group that fails, by a bug of ours, takes nothing with it but its own memory."""

from dataclasses import replace

import numpy as np

from detectors.bank import Bank
from detectors.base import Ground, Scores, State
from detectors.half_space import HalfSpace
from detectors.plan import Plan, Watching, compile_plan
from lifeline.catalog import Rule
from lifeline.model import GroupFrame
from tests.detectors.city import START_MS, catalog, feed

BAD_S = 90
RULES = (
    Rule("gas.ch4.20", "gas-leak", 2, {"kind": "threshold"}, quantity="ch4", limit="lel20"),
    Rule("first", "burst", 2, {"kind": "half_space", "window": 32}, groups=("pair",)),
    Rule("second", "burst", 2, {"kind": "half_space", "window": 32}, groups=("pair",)),
)


class Breaks(HalfSpace, frozen=True, kw_only=True, tag="breaks"):
    """Broken: one instant is too much for it, after it has changed its state."""

    def step(self, ground: Ground, state: State, frame: GroupFrame) -> Scores:
        scores = super().step(ground, state, frame)
        if frame.at_ms == START_MS + BAD_S * 10_000:
            state["run"][:] = 99
            raise np.linalg.LinAlgError("Singular matrix")
        return scores


class NeverBegins(HalfSpace, frozen=True, kw_only=True, tag="never_begins"):
    """Broken: it cannot begin on this group."""

    def blank(self, ground: Ground) -> State:
        raise ValueError(f"{ground.width} channels are too many")


def bank(broken: HalfSpace) -> Bank:
    """The rule ``first`` has the broken detector."""
    known = catalog(RULES)
    plan = compile_plan(known.head.rules, known.head.limits)

    def one(watching: Watching) -> Watching:
        return replace(watching, detector=broken) if watching.rule.id == "first" else watching

    return Bank(Plan([one(watching) for watching in plan.rules]), known)


def told(target: Bank, frames: int, wild_from: int) -> list[tuple[str, str, int]]:
    """(rule, phase, frame) of frames every ten seconds, far away from ``wild_from`` on."""
    rng = np.random.default_rng(1)
    found: list[tuple[str, str, int]] = []
    for k in range(frames):
        at_ms = START_MS + k * 10_000
        values = 5.0 + (20.0 if k >= wild_from else 0.0) + rng.normal(size=2)
        frame = GroupFrame(at_ms, values, np.zeros(2))
        heard = target.group_frame(frame, "pair", received_ms=at_ms)
        found += [(one.rule, one.phase, k) for one in heard if one.phase != "held"]
    return found


def test_the_others_of_the_group_see_the_frame_at_which_one_fails() -> None:
    target = bank(Breaks(window=32))

    found = told(target, 100, wild_from=BAD_S - 2)

    assert ("second", "raised", BAD_S) in found
    assert not [one for one in found if one[0] == "first"]
    assert target.failed == [
        ("first", "first on pair: LinAlgError('Singular matrix')"),
    ]


def test_it_begins_blank_and_learns_anew() -> None:
    target = bank(Breaks(window=32))
    told(target, BAD_S + 1, wild_from=1000)

    state = target.watches_of("pair")[0].state

    assert state["run"].tolist() == [0]
    assert not np.isfinite(state["reference"]).any()


def test_a_detector_that_cannot_begin_is_left_out_and_named() -> None:
    target = bank(NeverBegins(window=32))

    found = told(target, 60, wild_from=50)

    assert [one for one in found if one[1] == "raised"] == [("second", "raised", 52)]
    assert target.failed == [("first", "first on pair: ValueError('2 channels are too many')")]


def test_a_limit_is_told_whatever_fails_beside_it() -> None:
    target = bank(Breaks(window=32))
    told(target, BAD_S + 1, wild_from=1000)

    assert [one.rule for one in feed(target, ("w0/ch4", 1.0, 50.0))] == ["gas.ch4.20"]
