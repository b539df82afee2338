"""What the demo's water zone was taught with: its EPANET file and its calibrated artefact.

    python benchmarks/demo_network.py            # writes both into deploy/
    python benchmarks/demo_network.py --history FILE.npz
    python benchmarks/demo_network.py --bursts 200    # how often bursts are found, how well placed

The second writes the recording alone, for ``lifeline calibrate water-bursts --data FILE.npz --data
deploy/lifelines/networks/hunnan-dma3.inp --out deploy/profiles/hunnan-dma3.art``, which is what the
first does.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np

from calibration import store as history
from calibration.fit import fitted
from calibration.recording import Recording
from detectors.base import Ground, Members
from detectors.mains_burst import MainsBurst
from lifeline import artefact, store
from lifeline.catalog import Catalog, Group
from lifeline.compiler import compile_catalog
from lifeline.model import GroupFrame
from simulators import epanet, mains
from simulators.city import build_city
from simulators.water import losses_of

LIFELINES = ROOT / "deploy" / "lifelines"
INP = LIFELINES / "networks" / "hunnan-dma3.inp"
ART = ROOT / "deploy" / "profiles" / "hunnan-dma3.art"
PROFILE = "water-bursts"
GROUP = "water/hunnan-dma3/hydraulics"
START_MS = 1_700_000_000_000
HOURS = 2.0
"""Of the clock; the city's day runs sixty times as fast, so it holds five of them."""
SEED = 11
GRID_MS = 500
MASS = 0.9
"""The most probable pipes that together are so probable should hold the burst as often."""


def group_of(catalog: Catalog) -> Group:
    """The zone's group."""
    return next(group for group in catalog.head.groups if group.name == GROUP)


def model(catalog: Catalog) -> str:
    """The EPANET file: the mains with a tag for each channel of the group."""
    network = mains.hunnan(is_true=False)
    tags = {}
    for device in catalog.devices():
        for channel in device.channels:
            if channel.name in group_of(catalog).channels:
                is_inlet = device.model == "water-inlet"
                at = epanet.VALVE if is_inlet else network.nearest(device.position)
                tags[at] = channel.name
    return epanet.model_text(network, tags)


def recorded(catalog: Catalog, hours: float, seed: int) -> Recording:
    """What the healthy zone sends, on the group's grid: the newest value of each cell."""
    group = group_of(catalog)
    devices = [one for one in catalog.devices() if one.zone == group.zone]
    city = build_city(devices, np.random.default_rng(seed), START_MS, scenarios=(), grid_ms=GRID_MS)
    column = {name: k for k, name in enumerate(group.channels)}
    place = {(d.name, c.local): column.get(c.name, -1) for d in devices for c in d.channels}
    quantity = {c.name: c.quantity for d in devices for c in d.channels}
    step_ms = round(group.grid_s * 1000)
    rows = round(hours * 3600.0 / group.grid_s)
    values = np.full((rows, len(column)), np.nan)
    for row in range(rows):
        for uplink in city.step(START_MS + (row + 1) * step_ms):
            for local, value in zip(uplink.channels, uplink.values, strict=True):
                if place[uplink.device, local] >= 0:
                    values[row, place[uplink.device, local]] = value
    return Recording(
        "hunnan-dma3",
        group.channels,
        tuple(quantity[name] for name in group.channels),
        START_MS + step_ms * np.arange(1, rows + 1),
        values,
        group.grid_s,
        events=(),
    )


def taught(recording: Recording, inp: Path) -> bytes:
    """The artefact that ``lifeline calibrate`` makes of the recording and the network."""
    profile = store.read_profile(ROOT / "deploy" / "profiles" / f"{PROFILE}.toml")
    network = history.surveyed_networks([inp], [recording])
    return artefact.pack(fitted(profile, [recording], network, profile.far_per_sensor_year))


def bursts(catalog: Catalog, count: int) -> None:
    """Prints what the shipped artefact makes of bursts anywhere in the true network."""
    group = group_of(catalog)
    learned = artefact.unpack(ART.read_bytes()).arrays
    calm = recorded(catalog, 0.5, SEED + 1)
    ground = Ground(Members(group.channels, calm.quantities, group.grid_s), learned)
    network = mains.hunnan(is_true=True)
    devices = {c.name: d for d in catalog.devices() for c in d.channels}
    places = [network.nearest(devices[name].position) for name in group.channels[1:]]
    at = {junction.name: complex(junction.x, junction.y) for junction in network.junctions}
    middle = {p.name: (at[p.a] + at[p.b]) / 2 for p in network.pipes if p.a in at}
    rng = np.random.default_rng(SEED)
    detector = MainsBurst()
    for low, high in ((20, 50), (50, 100), (100, 200), (200, 400)):
        found, off, first, shares = 0, [], 0, []
        for _ in range(count):
            pipe = str(rng.choice(sorted(middle)))
            losses = losses_of(network, places, pipe)
            rows = calm.values[(start := int(rng.integers(len(calm) - 24))) : start + 24].copy()
            size = float(rng.uniform(low, high))
            demand = rows[12:, :1]
            before = np.array([losses.heads(float(d), 0.0)[:-1] for d in demand[:, 0]])
            after = np.array([losses.heads(float(d), size)[:-1] for d in demand[:, 0]])
            rows[12:] += np.column_stack([np.full(12, size), after - before])
            state = detector.blank(ground)
            for k, row in enumerate(rows):
                frame = GroupFrame((k + 1) * 10_000, row, np.zeros(len(row)))
                if detector.step(ground, state, frame)[0] >= 1.0:
                    told = dict(detector.told(ground, state, 0, frame.at_ms).candidates)
                    best = max(told, key=lambda name: told[name])
                    found += 1
                    off.append(abs(middle.get(best, 0j) - middle[pipe]))
                    first += best == pipe
                    shares.append(sum(p for p in told.values() if p > told.get(pipe, 0.0)))
                    break
        inside = np.mean([share < MASS for share in shares]) if shares else 0.0
        middle_m, far_m = np.quantile(off or [0.0], [0.5, 0.9])
        print(
            f"{low:3}-{high:3} m3/h: found {found / count:.0%}, as that pipe {first / count:.0%},"
            f" metres off median {middle_m:.0f} p90 {far_m:.0f},"
            f" within the pipes that hold {MASS:.0%}: {inside:.0%}"
        )


def main() -> None:
    """Writes the file and the artefact, or the recording alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--history", type=Path)
    parser.add_argument("--bursts", type=int)
    asked = parser.parse_args()
    catalog = Catalog(compile_catalog(store.read_sources((str(LIFELINES),))))
    if asked.bursts:
        bursts(catalog, asked.bursts)
        return
    recording = recorded(catalog, HOURS, SEED)
    if asked.history:
        history.write(asked.history, recording)
        return
    INP.parent.mkdir(exist_ok=True)
    INP.write_text(model(catalog), encoding="utf-8")
    ART.write_bytes(taught(recording, INP))
    print(f"{INP.relative_to(ROOT)}, {ART.relative_to(ROOT)}: {ART.stat().st_size} bytes")


if __name__ == "__main__":
    main()
