"""The sets that lie as arrays: the water networks, and those that a generator made."""

import ast
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.detection_sets.tables import flagged
from calibration import layouts
from calibration.recording import Recording, unix_ms
from detectors.history import Event

HANOI_SENSORS = (3, 8, 12, 17, 21, 25, 30)
"""Columns of the seven pressures that a detector may use of the 31, spread over the network."""
START_MS = 1_546_300_800_000
"""2019-01-01: where a generator's rows begin, as they bear no time."""
HEAD_NOISE_M = {"ltown": 0.05, "leakdb_hanoi": 0.1}
FLOW_NOISE_SHARE = {"ltown": 0.01, "leakdb_hanoi": 0.005}


def load(file: Path) -> dict[str, NDArray]:
    """The arrays of a file, none of them an object."""
    with np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def noisy(recording: Recording, folder: str, seed: int) -> Recording:
    """The recording as sensors would have told it: 0.05 m and 1 % of flow, the tank by centimetres.

    The noise is a function of the seed, of the stream's name and of the row: what is cut off
    behind a row does not change it.
    """
    salt = [seed, *recording.name.encode()]
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(salt)))
    drawn = rng.standard_normal(recording.values.shape)
    values = recording.values.copy()
    for column, quantity in enumerate(recording.quantities):
        if quantity == "head":
            values[:, column] += HEAD_NOISE_M[folder] * drawn[:, column]
        elif quantity.endswith("flow"):
            values[:, column] *= 1.0 + FLOW_NOISE_SHARE[folder] * drawn[:, column]
    recording.values = values
    return recording


def ltown(file: Path, name: str, seed: int, *, clean: bool = False) -> Recording:
    """A year of the town's network; without its own noise it gets the sensors'."""
    arrays = load(file)
    made = layouts.water(name, arrays)
    has_noise = bool(arrays.get("noisy", np.zeros(()))) or "faults" in arrays
    return made if has_noise or clean else noisy(made, "ltown", seed)


def is_2018(file: Path) -> bool:
    """Whether this is the year with its leak list that may be learned from, whatever its name."""
    with np.load(file, allow_pickle=False) as arrays:
        return "leaks" in arrays.files and str(arrays["t0"]).startswith("2018")


def sensor_faults(file: Path, name: str) -> Recording:
    """Sixty days of the town's network with faults of its sensors; its noise is in it."""
    return layouts.water(name, load(file))


def hanoi(file: Path, name: str, seed: int) -> Recording:
    """A year of the Hanoi network: inflow and seven pressures."""
    arrays = load(file)
    pressures = arrays["P"][:, list(HANOI_SENSORS)]
    junctions = [str(arrays["jn"][k]) for k in HANOI_SENSORS]
    made = Recording(
        name,
        ("inflow", *(f"n{one}" for one in junctions)),
        ("inflow", *("head" for _ in junctions)),
        START_MS + np.arange(len(pressures), dtype=np.int64) * 1_800_000,
        np.column_stack([arrays["inflow"], pressures]).astype(np.float64),
        1800.0,
    )
    if "y" in arrays:
        flagged(made, arrays["y"] == 1, "leak")
    is_noisy = bool(arrays.get("noisy", np.zeros(())))
    return made if is_noisy else noisy(made, "leakdb_hanoi", seed)


GENERATED = {
    "gas_wells": {
        "lel": "methane",
        "co2_ppm": "carbon-dioxide",
        "temp_c": "air-temperature",
        "rh": "humidity",
        "c2h6_ppm": "ethane",
    },
    "heating_balance": {
        "supply_kg_s": "supply-flow",
        "return_kg_s": "return-flow",
        "makeup_kg_s": "makeup-flow",
        "mean_temp_c": "water-temperature",
        "outdoor_c": "outdoor-temperature",
    },
    "bridge_modes": {"freq_hz": "mode-frequency", "air_c": "air-temperature"},
}
KINDS = {"heating_balance": "leak", "bridge_modes": "damage"}


def generated(file: Path, name: str, folder: str) -> Recording:
    """A stream of one of our own generators."""
    arrays = load(file)
    columns: list[str] = []
    quantities: list[str] = []
    parts: list[NDArray] = []
    for field, quantity in GENERATED[folder].items():
        part = arrays[field].reshape(len(arrays[field]), -1)
        if np.isnan(part).all():
            continue
        single = part.shape[1] == 1
        columns += [field] if single else [f"{field}-{k + 1}" for k in range(part.shape[1])]
        quantities += [quantity] * part.shape[1]
        parts.append(part)
    step_s = float(arrays["step_s"])
    rows = np.arange(len(parts[0]), dtype=np.int64)
    made = Recording(
        name,
        tuple(columns),
        tuple(quantities),
        START_MS + rows * round(step_s * 1000),
        np.column_stack(parts).astype(np.float64),
        step_s,
    )
    if "events" in arrays:
        told = ast.literal_eval(str(arrays["events"]))
        made.events = tuple(_event(one, KINDS.get(folder, ""), len(made) - 1) for one in told)
    return made


def _event(told: dict, kind: str, last: int) -> Event:
    sizes = [
        told[key] for key in ("peak", "kg_s", "shift", "size", "relative_shift") if key in told
    ]
    size = float(sizes[0]) if sizes else None
    return Event(
        kind=str(told.get("kind", kind)),
        row=int(told["row"]),
        end=int(told.get("end", last)),
        size=size,
    )


def listed_leaks(text: str, recording: Recording) -> tuple[Event, ...]:
    """The leaks of a list in BattLeDIM's own form, as rows of this recording.

    Leaks that begin after it are left out; those of the year before have their row before 0.
    """
    made: list[Event] = []
    start_ms, step_ms = int(recording.time_ms[0]), round(recording.step_s * 1000)
    for line in text.splitlines():
        parts = [part.strip() for part in line.removeprefix("- ").split(",")]
        if not line.startswith("- p") or len(parts) < 6:
            continue
        row, end, peak = ((unix_ms(parts[i]) - start_ms) // step_ms for i in (1, 2, 5))
        if row < len(recording):
            made.append(
                Event(kind="leak", row=int(row), end=int(end), peak=int(peak), place=parts[0])
            )
    return tuple(made)
