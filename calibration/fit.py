"""From recordings to an artefact: every detector of a profile learns, its false alarms are counted.

Pure: the network's model comes as arrays, which the shell has computed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from calibration import rehearsal
from calibration.rates import YEAR_S, Rate, rate
from calibration.recording import Recording
from detectors.base import Members
from detectors.history import Calibrates, History
from detectors.plan import AnyDetector
from lifeline import artefact
from lifeline.artefact import Artefact
from lifeline.model import Finding
from lifeline.profiles import Profile

GRACE_S = 86_400.0
"""An alarm so long after an event's end is still about it."""


class FitError(ValueError):
    """These recordings cannot be learned from, and why."""


def fitted(
    profile: Profile,
    recordings: Sequence[Recording],
    network: Mapping[str, NDArray[Any]],
    far_per_sensor_year: float,
) -> Artefact:
    """What the profile's detectors learn from these recordings, and how often they are wrong there.

    The first recording teaches, all of them count.  Raises FitError.
    """
    if not recordings:
        raise FitError("there is no recording to learn from")
    first = recordings[0]
    arrays = _learned(profile, history_of(first, network, far_per_sensor_year))
    facts: dict[str, float | str] = {
        "recordings": ",".join(recording.name for recording in recordings),
        "columns": len(first.columns),
        "quantities": ",".join(first.quantities),
        "step_s": first.step_s,
        "rows": len(first),
        "far_stated": far_per_sensor_year,
    }
    made = Artefact(profile.name, facts, arrays)
    seen = false_alarms(profile, recordings, artefact.pack(made) if arrays else b"")
    facts |= {
        "false_alarms": seen.count,
        "sensor_years": seen.sensor_years,
        "far_seen": seen.per_year,
        "far_low": seen.low,
        "far_high": seen.high,
    }
    return msgspec.structs.replace(made, facts=facts)


def history_of(
    recording: Recording, network: Mapping[str, NDArray[Any]], far_per_sensor_year: float
) -> History:
    """The recording as detectors see it."""
    return History(
        members=Members(recording.columns, recording.quantities, recording.step_s),
        at_ms=recording.at_ms,
        values=recording.values,
        events=recording.events or (),
        event_flow=recording.truth.get("leak_flow"),
        network=network,
        far_per_sensor_year=far_per_sensor_year,
    )


def _learned(profile: Profile, history: History) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    for rule in profile.rule:
        detector = msgspec.convert(rule.detector, AnyDetector)
        if isinstance(detector, Calibrates):
            made = detector.calibrate(history)
            twice = arrays.keys() & made.keys()
            assert not twice, f"two detectors of {profile.name} learn {', '.join(sorted(twice))}"
            arrays |= made
    return arrays


def false_alarms(profile: Profile, recordings: Sequence[Recording], packed: bytes) -> Rate:
    """How many findings were about nothing that is known to have happened.

    A recording of which nobody says what happened counts as calm: what it raises is false.
    """
    count, sensor_years = 0, 0.0
    for recording in recordings:
        part, _ = rehearsal.prepared(rehearsal.catalog_of(recording, profile, packed))
        found = rehearsal.findings_of(part, recording)
        count += sum(_is_false(finding, recording) for finding in found)
        sensor_years += len(recording) * recording.step_s / YEAR_S * len(recording.columns)
    return rate(count, sensor_years)


def _is_false(finding: Finding, recording: Recording) -> bool:
    if finding.phase != "raised":
        return False
    row = int(np.searchsorted(recording.at_ms, finding.at_ms))
    grace = GRACE_S / recording.step_s
    return not any(event.row <= row <= event.end + grace for event in recording.events or ())
