"""Recordings and what an EPANET file says, from disk.  A shell."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration import layouts
from calibration.recording import Recording
from lifeline.errors import Refused


def read(path: Path) -> Recording:
    """The recording in a file; raises Refused."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return layouts.of_arrays(path.stem, {name: arrays[name] for name in arrays.files})
    except (OSError, ValueError, KeyError, SyntaxError, EOFError) as error:
        raise Refused(f"{path} is no recording: {error}") from error


def recordings(paths: Iterable[Path]) -> list[Recording]:
    """Every recording in these files and folders (``*.npz``, by name); raises Refused."""
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise Refused(f"{path} does not exist")
        if path.is_dir():
            files += sorted(path.glob("*.npz"))
        elif path.suffix != ".inp":
            files.append(path)
    return [read(file) for file in files]


def networks(paths: Iterable[Path]) -> list[Path]:
    """The EPANET files among these paths and in these folders."""
    return [
        file
        for path in paths
        for file in (sorted(path.glob("*.inp")) if path.is_dir() else [path])
        if file.suffix == ".inp"
    ]


def surveyed_networks(
    paths: Iterable[Path], recordings: Sequence[Recording]
) -> Mapping[str, NDArray[Any]]:
    """What the one EPANET file among these paths says of the first recording's columns.

    Empty where there is none; raises Refused where there are several.
    """
    found = networks(paths)
    if len(found) > 1:
        raise Refused(f"{len(found)} EPANET files: give one of {', '.join(map(str, found))}")
    if not found or not recordings:
        return {}
    from calibration.hydraulics.service import surveyed

    return surveyed(found[0], recordings[0])


def write(path: Path, recording: Recording) -> None:
    """Puts a recording into a file of our own layout."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        np.savez_compressed(out, allow_pickle=False, **layouts.plain_arrays(recording))
