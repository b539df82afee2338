"""What a set's profile learns before the stream, by the code of ``lifeline calibrate``."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.detection_sets.known import BY_NAME, Set, stream_name
from calibration import store as history
from calibration.fit import fitted
from calibration.recording import Recording
from detectors.history import Calibrates
from detectors.plan import AnyDetector
from lifeline import artefact
from lifeline.profiles import Profile


def learn(one: Set, profile: Profile, folder: Path, kept: Path, seed: int) -> bytes:
    """The artefact of a set's profile; empty where it learns nothing before the stream.

    It is kept, by what it was made of: the profile, the files, the seed of the sensors' noise and
    the detectors' own code.  Two sets of one folder learn alike, from sensors with their noise.
    """
    teacher = BY_NAME[one.place]
    if one.teaches is None:
        return b""
    named = [(file, stream_name(file, folder)) for file in sorted(folder.glob(teacher.files))]
    files = [(file, stream) for file, stream in named if one.teaches(file)]
    detectors = [msgspec.convert(rule.detector, AnyDetector) for rule in profile.rule]
    learning = [detector for detector in detectors if isinstance(detector, Calibrates)]
    if not files or not learning:
        return b""
    target = (
        kept
        / f"{profile.name}-{_made_of(profile, [file for file, _ in files], learning, seed)}.art"
    )
    if not target.exists():
        recordings = [teacher.read(file, stream, seed) for file, stream in files]
        made = fitted(
            profile, recordings, _network(folder, recordings, kept), profile.far_per_sensor_year
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(artefact.pack(made))
    return target.read_bytes()


def _network(folder: Path, recordings: list[Recording], kept: Path) -> Mapping[str, NDArray[Any]]:
    """What EPANET says of the sensors: twenty seconds, waited for once."""
    inputs = history.networks([folder])
    if not inputs:
        return {}
    digest = hashlib.blake2b(
        inputs[0].read_bytes() + repr(recordings[0].columns).encode(), digest_size=6
    )
    target = kept / f"network-{digest.hexdigest()}.npz"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        np.savez(target, **history.surveyed_networks([folder], recordings))
    with np.load(target, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _made_of(profile: Profile, files: list[Path], learning: list[Calibrates], seed: int) -> str:
    digest = hashlib.blake2b(
        msgspec.msgpack.encode((profile, seed), order="deterministic"), digest_size=6
    )
    for file in files:
        digest.update(file.read_bytes())
    for detector in learning:
        module = __import__(type(detector).__module__, fromlist=["x"])
        folder = Path(module.__file__ or "").parent
        for source in sorted(folder.rglob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()
