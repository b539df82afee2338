"""What the demo's water zone was taught with: its EPANET file and its calibrated artefact.

    python benchmarks/demo_network.py            # writes both into deploy/
    python benchmarks/demo_network.py --history FILE.npz

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
from lifeline import artefact, store
from lifeline.catalog import Catalog, Group
from lifeline.compiler import compile_catalog
from simulators import epanet, mains
from simulators.city import build_city

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


def main() -> None:
    """Writes the file and the artefact, or the recording alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--history", type=Path)
    asked = parser.parse_args()
    catalog = Catalog(compile_catalog(store.read_sources((str(LIFELINES),))))
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
