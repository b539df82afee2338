"""The layouts of recordings that a file may have, read from its arrays.  Pure.

``water``: ``P`` pressure heads at ``PS``, ``Q`` flows, ``T`` a tank's level, ``t0``; the leaks as
one literal each.  ``plain``: our own, which ``lifeline labels export`` writes.
"""

import ast
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from calibration.recording import Recording, unix_ms
from detectors.history import Event

Arrays = Mapping[str, NDArray[Any]]
FLOWS = ("p227", "p235", "PUMP_1")
TANK = "T1"
WATER_STEP_S = 300.0
YEAR_START = "2018-01-01 00:00:00"


class LayoutError(ValueError):
    """Arrays that are in none of the layouts."""


def water(name: str, arrays: Arrays) -> Recording:
    """A year, or a piece of one, of pressures, inflows, pump flow and tank level."""
    sensors = tuple(str(one) for one in arrays["PS"])
    pressures, flows, level = arrays["P"], arrays["Q"], arrays["T"]
    step_s = float(arrays["step_s"]) if "step_s" in arrays else WATER_STEP_S
    start = str(arrays["t0"]) if "t0" in arrays else YEAR_START
    first_row = int(arrays["first_row"]) if "first_row" in arrays else 0
    rows = np.arange(len(pressures)) + first_row
    return Recording(
        name=name,
        columns=(*sensors, *FLOWS, TANK),
        quantities=(
            *("head" for _ in sensors),
            *("pump-flow" if flow.startswith("PUMP") else "inflow" for flow in FLOWS),
            "tank-level",
        ),
        time_ms=unix_ms(start) + np.asarray(rows * step_s * 1000, np.int64),
        values=np.column_stack([pressures, flows, level]).astype(np.float64),
        step_s=step_s,
        events=_water_events(arrays, sensors),
        truth={"leak_flow": arrays["LK"]} if "LK" in arrays else {},
    )


def _water_events(arrays: Arrays, sensors: tuple[str, ...]) -> tuple[Event, ...] | None:
    if "leaks" not in arrays:
        return None
    flows = arrays.get("LK")
    made: list[Event] = []
    for number, leak in enumerate(_literals(arrays["leaks"])):
        row, end = int(leak.get("t0", leak.get("row", 0))), int(leak.get("t1", leak.get("end", 0)))
        size = None if flows is None else float(flows[:, number].max())
        peak = int(leak.get("tpk", -1))
        made.append(
            Event(kind="leak", row=row, end=end, peak=peak, place=str(leak["pipe"]), size=size)
        )
    names = (*sensors, *FLOWS, TANK)
    made += [
        Event(
            kind=str(fault["kind"]),
            row=int(fault["row"]),
            end=int(fault["end"]),
            place=names[int(fault["channel"])],
        )
        for fault in _literals(arrays.get("faults", np.zeros(0)))
    ]
    return tuple(made)


def _literals(texts: NDArray[Any]) -> Iterable[Mapping[str, Any]]:
    """What a field of text holds: a literal an entry, or one of them all."""
    for text in np.atleast_1d(texts).tolist():
        found = ast.literal_eval(text)
        yield from found if isinstance(found, list) else [found]


def plain(name: str, arrays: Arrays) -> Recording:
    """A recording in our own layout: ``columns``, ``quantities``, ``time_ms``, ``values``."""
    events = None
    if "events" in arrays:
        events = msgspec.json.decode(str(arrays["events"]), type=tuple[Event, ...])
    return Recording(
        name=name,
        columns=tuple(str(one) for one in arrays["columns"]),
        quantities=tuple(str(one) for one in arrays["quantities"]),
        time_ms=np.asarray(arrays["time_ms"], np.int64),
        values=np.asarray(arrays["values"], np.float64),
        step_s=float(arrays["step_s"]),
        events=events,
    )


def plain_arrays(recording: Recording) -> dict[str, NDArray[Any]]:
    """The recording as the arrays that ``plain`` reads."""
    arrays: dict[str, NDArray[Any]] = {
        "columns": np.array(recording.columns),
        "quantities": np.array(recording.quantities),
        "time_ms": recording.time_ms,
        "values": recording.values,
        "step_s": np.array(recording.step_s),
    }
    if recording.events is not None:
        arrays["events"] = np.array(msgspec.json.encode(recording.events).decode())
    return arrays


def of_arrays(name: str, arrays: Arrays) -> Recording:
    """The recording in these arrays, whatever its layout; raises LayoutError."""
    if {"P", "Q", "T", "PS"} <= arrays.keys():
        return water(name, arrays)
    if {"columns", "quantities", "time_ms", "values", "step_s"} <= arrays.keys():
        return plain(name, arrays)
    raise LayoutError(f"{name}: {', '.join(sorted(arrays))} are the arrays of no layout")
