"""Bursts by their pressure wave: how soon, how near, and how often for nothing.

    python benchmarks/bursts.py --bursts 200 --hours 6

One main of 2.4 km, four loggers at 100 Hz with 2 cm of noise and clocks of 1 ms, whose blocks of
six seconds overlap by three; waves by the method of characteristics (simulators/transient.py).
Calm hours carry a pump that starts or stops every twenty minutes and is told a second later.
"""

import statistics
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.report import flags, put
from detectors.base import Ground, Members
from detectors.burst import Burst
from detectors.onset import onset
from lifeline.model import Floats, GroupFrame
from simulators.transient import Event, Line, heads, sampled

LINE = Line()
CHAINAGE = (400.0, 900.0, 1700.0, 2300.0)
RATE_HZ, BLOCK_S, HOP_S = 100.0, 6.0, 3.0
NOISE_M, CLOCK_S = 0.02, 0.001
PUMP_EVERY_S = 1200
NAMES = tuple(f"main/p{i}/onset" for i in range(4))
GROUND = Ground(Members((*NAMES, "main/pump"), ("pressure-step",) * 4 + ("pump-state",), 1.0))
DETECTOR = Burst(chainage_m=CHAINAGE, wave_speed_m_s=1100.0)
Heard = list[tuple[int, float, float, float]]
"""(logger, seconds, metres, when its block was whole)"""


def listened(levels: Floats, rng: np.random.Generator) -> Heard:
    """What the loggers pick from (samples, loggers) of heads, block by block."""
    block, hop = round(BLOCK_S * RATE_HZ), round(HOP_S * RATE_HZ)
    found: Heard = []
    for logger in range(levels.shape[1]):
        noisy = levels[:, logger] + NOISE_M * rng.normal(size=len(levels))
        clock_s = CLOCK_S * float(rng.normal())
        for start in range(0, len(noisy) - block + 1, hop):
            step = onset(noisy[start : start + block], RATE_HZ)
            if step is not None:
                at_s = start / RATE_HZ + step.after_s + clock_s
                found.append((logger, at_s, step.change, (start + block) / RATE_HZ))
    return found


def told(heard: Heard, seconds: int, pumped_s: tuple[int, ...] = ()) -> list[tuple[float, dict]]:
    """(when, facts) of every burst that the detector tells."""
    state = DETECTOR.blank(GROUND)
    bursts, was_over = [], False
    for k in range(1, seconds + 1):
        values, age_s = np.full(5, np.nan), np.full(5, np.inf)
        values[4], age_s[4] = float(sum(1 for s in pumped_s if k > s) % 2), 0.0
        for logger, at_s, change, _whole_s in heard:
            if k - 1 < at_s <= k:
                values[logger], age_s[logger] = change, k - at_s
        over = bool(DETECTOR.step(GROUND, state, GroupFrame(k * 1000, values, age_s))[0] >= 1.0)
        if over and not was_over:
            bursts.append((float(k), DETECTOR.told(GROUND, state, 0, k * 1000).facts))
        was_over = over
    return bursts


def one_burst(rng: np.random.Generator) -> dict[str, float]:
    """A burst somewhere between the loggers: seconds until told, metres off, in the interval."""
    at_m = float(rng.uniform(CHAINAGE[0] + 20, CHAINAGE[-1] - 20))
    size = float(10 ** rng.uniform(-3.6, -2.6))
    made = heads(LINE, 24.0, np.array(CHAINAGE), (Event("burst", 9.0, size, at_m, 0.05),))
    levels = np.column_stack([sampled(LINE, made[:, i], RATE_HZ) for i in range(4)])
    heard = listened(levels, rng)
    first = told(heard, 24)
    if not first:
        return {"found": 0.0}
    _, facts = first[0]
    whole_s = sorted(whole for *_, whole in heard)[1]
    return {
        "found": 1.0,
        "picked_s": min(at for _, at, _, _ in heard) - 9.0,
        "known_s": whole_s - 9.0,
        "off_m": abs(facts["chainage_m"] - at_m),
        "inside": float(facts["chainage_low_m"] <= at_m <= facts["chainage_high_m"]),
    }


def calm(hours: float, rng: np.random.Generator) -> dict[str, float]:
    """Bursts told in hours without any, beside a pump that works."""
    seconds = round(hours * 3600)
    levels = np.full((round(seconds * RATE_HZ), 4), 45.0)
    levels += 0.5 * np.sin(np.arange(len(levels)) / RATE_HZ / 900.0)[:, None]
    pumped = tuple(range(600, seconds - 60, PUMP_EVERY_S))
    for nth, start_s in enumerate(pumped):
        draw = Event("draw", 1.0, 0.02 if nth % 2 else -0.02, over_s=0.5)
        wave = heads(LINE, 20.0, np.array(CHAINAGE), (draw,))
        picked = np.column_stack([sampled(LINE, wave[:, i], RATE_HZ) for i in range(4)])
        at = round((start_s - 1) * RATE_HZ)
        levels[at : at + len(picked)] += picked - picked[0]
    heard = listened(levels, rng)
    return {
        "hours": hours,
        "operations": float(len(pumped)),
        "arrivals": float(len(heard)),
        "false": float(len(told(heard, seconds, pumped))),
    }


def main() -> None:
    """Reads the arguments, runs, prints and writes the report."""
    parser = flags(__doc__)
    parser.add_argument("--bursts", type=int, default=200, help="bursts at random places")
    parser.add_argument("--hours", type=float, default=6.0, help="calm hours with a pump")
    parser.add_argument("--seed", type=int, default=1, help="of places, sizes and noise")
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    runs = [one_burst(rng) for _ in range(arguments.bursts)]
    found = [run for run in runs if run["found"]]
    off = sorted(run["off_m"] for run in found)
    put(
        arguments.json,
        {
            "bursts": len(runs),
            "found": len(found),
            "picked_after_s_max": round(max(run["picked_s"] for run in found), 3),
            "known_after_s_median": round(statistics.median(r["known_s"] for r in found), 2),
            "known_after_s_max": round(max(run["known_s"] for run in found), 2),
            "off_m_median": round(statistics.median(off), 1),
            "off_m_p95": round(off[int(0.95 * (len(off) - 1))], 1),
            "off_share_of_line_p95": round(off[int(0.95 * (len(off) - 1))] / LINE.length_m, 4),
            "inside_interval": round(statistics.fmean(run["inside"] for run in found), 3),
            "calm": calm(arguments.hours, rng),
        },
    )


if __name__ == "__main__":
    main()
