"""The sets that lie as tables: SKAB, NAB, BATADAL, GECCO, real flows, heating, bridges."""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.recording import Recording, unix_ms
from detectors.history import Event

Quantity = Callable[[str], str]
GRID_MIN_S = 0.01
SKAB_QUANTITIES = (
    ("Flow", "flow"), ("Accelerometer", "vibration"), ("Current", "current"),
    ("Pressure", "pressure"), ("Voltage", "voltage"), ("Therm", "temperature"),
    ("Temperature", "temperature"),
)  # fmt: skip
BATADAL_ATTACKS = (
    # Start and end of the seven attacks of the second training set, as the competition's
    # documentation lists them; the file's own flags are "partly labelled" on purpose.
    ("13/09/16 23", "16/09/16 00"),
    ("26/09/16 11", "27/09/16 10"),
    ("09/10/16 09", "11/10/16 20"),
    ("29/10/16 19", "02/11/16 16"),
    ("26/11/16 17", "29/11/16 04"),
    ("06/12/16 07", "10/12/16 04"),
    ("14/12/16 15", "19/12/16 04"),
)


def lines_of(file: Path) -> list[str]:
    """The lines of a text file, unpacked where it is packed."""
    content = file.read_bytes()
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    # Some archives hold an archive.
    while content[:2] == b"PK":
        packed = zipfile.ZipFile(io.BytesIO(content))
        content = packed.read(packed.namelist()[0])
    return content.decode("utf-8-sig", errors="replace").splitlines()


def number(text: str) -> float:
    """A number as it is written, NaN where there is none; a comma may stand for the point."""
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return float("nan")


def table(
    name: str,
    lines: Sequence[str],
    *,
    quantity: Quantity,
    delimiter: str = ",",
    labels: Sequence[str] = (),
    form: str = "",
    step_s: float = 0.0,
) -> tuple[Recording, dict[str, NDArray[np.float64]]]:
    """A table whose first column is the time, and its columns of labels apart."""
    rows = list(csv.reader(lines, delimiter=delimiter))
    header = [one.strip() for one in rows[0]]
    rows = [row for row in rows[1:] if row and row[0].strip()]
    time_ms = np.array([_time_ms(row[0].strip(), form) for row in rows], np.int64)
    cells = np.array([[_cell(text) for text in row[1 : len(header)]] for row in rows])
    if len(time_ms) > 1 and time_ms[0] > time_ms[-1]:
        order = np.argsort(time_ms, kind="stable")
        time_ms, cells = time_ms[order], cells[order]
    if not step_s and len(time_ms) > 1:
        step_s = max(GRID_MIN_S, float(np.median(np.diff(time_ms))) / 1000.0)
    kept = [i for i, one in enumerate(header[1:]) if one not in labels]
    recording = Recording(
        name=name,
        columns=tuple(header[1:][i] for i in kept),
        quantities=tuple(quantity(header[1:][i]) for i in kept),
        time_ms=time_ms,
        values=cells[:, kept],
        step_s=step_s or 1.0,
    )
    told = {one: cells[:, i] for i, one in enumerate(header[1:]) if one in labels}
    return recording, told


def _time_ms(text: str, form: str) -> int:
    """A time in the set's own form, or as ISO 8601."""
    try:
        return unix_ms(text, form)
    except ValueError:
        return unix_ms(text)


def _cell(text: str) -> float:
    truth = {"True": 1.0, "False": 0.0}
    return truth[text] if text in truth else number(text)


def flagged(recording: Recording, flags: NDArray[np.bool_], kind: str) -> None:
    """Puts what is known of every row into the recording, with the runs of it as events."""
    recording.truth = {**recording.truth, "flags": flags}
    recording.events = tuple(Event(kind=kind, row=row, end=end) for row, end in runs(flags))


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last row of each run of true rows."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]


def skab(file: Path, name: str) -> Recording:
    """A run of the water loop: eight signals at about 1 Hz."""
    made, told = table(
        name,
        lines_of(file),
        quantity=lambda column: next(
            (quantity for word, quantity in SKAB_QUANTITIES if word in column), "loop-signal"
        ),
        delimiter=";",
        labels=("anomaly", "changepoint"),
        step_s=1.0,
    )
    if "anomaly" in told:
        flagged(made, told["anomaly"] == 1.0, "anomaly")
        changes = told.get("changepoint", np.zeros(len(made)))
        made.truth = {**made.truth, "changepoints": changes == 1.0}
    return made


def nab(file: Path, name: str) -> Recording:
    """One series of the Numenta benchmark; its windows stand in a file beside the folders."""
    made, _ = table(name, lines_of(file), quantity=lambda _: "telemetry")
    listed = file.parent.parent / "windows.json"
    key = f"{file.parent.name}/{file.name.removesuffix('.gz')}"
    windows = json.loads(listed.read_text(encoding="utf-8")) if listed.exists() else {}
    if key in windows:
        spans = [(unix_ms(a[:19]), unix_ms(b[:19])) for a, b in windows[key]]
        made.events = tuple(
            Event(
                kind="anomaly",
                row=int(np.searchsorted(made.time_ms, a, "left")),
                end=int(np.searchsorted(made.time_ms, b, "right")) - 1,
            )
            for a, b in spans
        )
    return made


BATADAL_QUANTITIES = {"L": "tank-level", "F": "pump-flow", "S": "pump-state", "P": "head"}


def batadal(file: Path, name: str) -> Recording:
    """An hourly year of a town's control system: levels, flows, states, pressures."""
    made, told = table(
        name,
        lines_of(file),
        quantity=lambda column: BATADAL_QUANTITIES.get(column[0], "signal"),
        labels=("ATT_FLAG",),
        form="%d/%m/%y %H",
        step_s=3600.0,
    )
    if "ATT_FLAG" in told:
        flags = told["ATT_FLAG"] == 1.0
        if name.startswith("dataset04"):
            for start, end in BATADAL_ATTACKS:
                a, b = (unix_ms(text, "%d/%m/%y %H") for text in (start, end))
                flags |= (made.time_ms >= a) & (made.time_ms <= b)
        flagged(made, flags, "attack")
    return made


def is_calm_year(file: Path) -> bool:
    """Whether this is the year without attacks that may be learned from."""
    return file.name.startswith("dataset03")


def gecco(file: Path, name: str) -> Recording:
    """Minutes of drinking-water quality."""
    made, told = table(
        name,
        lines_of(file),
        quantity=lambda column: f"quality-{column.lower().replace('_', '-')}",
        labels=("EVENT",),
        step_s=60.0,
    )
    if "EVENT" in told:
        flagged(made, told["EVENT"] == 1.0, "event")
    return made


def real_flows(file: Path, name: str) -> Recording:
    """The real network's inflows and tank level; the level lies in the file beside."""
    level = file.with_name(file.name.replace("Flows", "Levels"))
    flows, _ = table(name, lines_of(file), quantity=_flow, delimiter=";", step_s=300.0)
    if not level.exists():
        return flows
    levels, _ = table(name, lines_of(level), quantity=_flow, delimiter=";", step_s=300.0)
    n = min(len(flows), len(levels))
    assert np.array_equal(flows.time_ms[:n], levels.time_ms[:n]), "flows and levels of other times"
    return Recording(
        name,
        (*flows.columns, *levels.columns),
        (*flows.quantities, *levels.quantities),
        flows.time_ms[:n],
        np.column_stack([flows.values[:n], levels.values[:n]]),
        300.0,
    )


def _flow(column: str) -> str:
    if column.startswith("PUMP"):
        return "pump-flow"
    return "tank-level" if column.startswith("T") else "inflow"


HEAT = {
    "t_amb": "outdoor-temperature",
    "t_sup_prim": "supply-temperature",
    "t_ret_prim": "return-temperature",
    "t_sup_sec": "secondary-supply-temperature",
    "t_ret_sec": "secondary-return-temperature",
    "t_ref": "reference-temperature",
    "qizm": "heat",
    "e": "heat-meter",
}


def xai4heat(file: Path, name: str) -> Recording:
    """A heating substation's own columns; what else stands in the file is weather and rooms."""
    made, _ = table(name, lines_of(file), quantity=lambda column: HEAT.get(column, ""))
    kept = [i for i, quantity in enumerate(made.quantities) if quantity]
    return Recording(
        name,
        tuple(made.columns[i] for i in kept),
        tuple(made.quantities[i] for i in kept),
        made.time_ms,
        made.values[:, kept],
        900.0,
    )


def lbnl_ahu(file: Path, name: str) -> Recording:
    """Minutes of an air-handling unit."""
    truth = "Fault Detection Ground Truth"
    made, told = table(
        name,
        lines_of(file),
        quantity=lambda column: "temperature" if "Temperature" in column else "air-signal",
        labels=(truth,),
        form="%m/%d/%Y %H:%M",
        step_s=60.0,
    )
    if truth in told:
        flagged(made, told[truth] == 1.0, "fault")
    return made


def yonghe(file: Path, name: str) -> Recording:
    """Hourly natural frequencies of a cable-stayed bridge; damaged from row 192 on."""
    rows = [row for row in csv.reader(lines_of(file)) if row and not row[0].startswith("#")]
    values = np.array([[number(text) for text in row] for row in rows])
    made = Recording(
        name,
        tuple(f"mode-{k + 1}" for k in range(values.shape[1])),
        ("mode-frequency",) * values.shape[1],
        np.arange(len(values), dtype=np.int64) * 3_600_000,
        values,
        3600.0,
    )
    flagged(made, np.arange(len(values)) >= 192, "damage")
    return made


def munich(file: Path, name: str) -> Recording:
    """A test bridge at 100 Hz: strain, force or inclination in one state; the name tells which."""
    made, _ = table(
        name,
        lines_of(file),
        quantity=lambda column: "inclination" if "INC" in column else "strain",
        step_s=0.01,
    )
    made.events = ()
    if "lowering" in name:
        made.events = (Event(kind="damage", row=0, end=len(made) - 1),)
    return made
