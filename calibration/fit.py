"""From recordings to an artefact: every detector of a profile learns, its false alarms are counted.

Pure: the network's model comes as arrays, which the shell has computed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from calibration import rehearsal
from calibration.rates import YEAR_S, rate
from calibration.recording import Recording
from detectors.base import Members
from detectors.cohort import limit_of
from detectors.history import Calibrates, History
from detectors.plan import AnyDetector
from lifeline import artefact
from lifeline.artefact import Artefact
from lifeline.model import Finding
from lifeline.profiles import Profile

Arrays = dict[str, NDArray[Any]]
ABOVE = 1.001
"""A limit stands so far above the highest score that it is to hold back."""
ROUNDS = 3
"""How often limits are raised: the peaks of what lasts are seen only now and then."""
HELD_ROWS = 50
"""How many rows lie between two looks at what lasts."""
GRACE_S = 86_400.0
"""An alarm so long after an event's end is still about it."""
DRAWN = ("pipe", "pipe_xy")


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
    # As it lies: an incident's page draws where a leak may be.
    arrays |= {name: network[name] for name in DRAWN if name in network}
    allowed = far_per_sensor_year * _sensor_years(recordings)
    limits: Arrays = {}
    seen = _false(profile, recordings, arrays)
    rounds = 0
    while rounds < ROUNDS and (raised := _limits(profile, seen, allowed, limits)):
        limits |= raised
        seen = _false(profile, recordings, arrays | limits)
        rounds += 1
    arrays |= limits
    facts: dict[str, float | str] = {
        "recordings": ",".join(recording.name for recording in recordings),
        "columns": len(first.columns),
        "quantities": ",".join(first.quantities),
        "step_s": first.step_s,
        "rows": len(first),
        "far_stated": far_per_sensor_year,
    }
    counted = rate(len(seen), _sensor_years(recordings))
    facts |= {name: float(limit) for name, limit in limits.items()}
    facts |= {
        "false_alarms": counted.count,
        "sensor_years": counted.sensor_years,
        "far_seen": counted.per_year,
        "far_low": counted.low,
        "far_high": counted.high,
    }
    return Artefact(profile.name, facts, arrays)


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


def _sensor_years(recordings: Sequence[Recording]) -> float:
    return sum(len(one) * one.step_s / YEAR_S * len(one.columns) for one in recordings)


def _false(
    profile: Profile, recordings: Sequence[Recording], arrays: Arrays
) -> list[tuple[str, float]]:
    """Rule and highest score of every finding about nothing that is known to have happened.

    A recording of which nobody says what happened counts as calm: what it raises is false.
    """
    packed = artefact.pack(Artefact(profile.name, {}, dict(arrays))) if arrays else b""
    false: list[tuple[str, float]] = []
    for recording in recordings:
        catalog = rehearsal.catalog_of(recording, profile, packed)
        part, _ = rehearsal.prepared(catalog, held_s=HELD_ROWS * recording.step_s)
        peaks: dict[str, float] = {}
        raised: dict[str, Finding] = {}
        for finding in rehearsal.findings_of(part, recording):
            raised.setdefault(finding.id, finding)
            peaks[finding.id] = max(finding.score, peaks.get(finding.id, 0.0))
        false += [
            (one.rule, peaks[name]) for name, one in raised.items() if _is_false(one, recording)
        ]
    return false


def _limits(
    profile: Profile, false: Sequence[tuple[str, float]], allowed: float, now: Arrays
) -> Arrays:
    """For each rule of groups that is wrong too often the score that it is not wrong beyond.

    What is allowed is shared among them alike.  A limit is only ever raised: how early a fault is
    found is the profile's own affair.
    """
    own = [rule.id for rule in profile.rule if not rule.quantity]
    limits: Arrays = {}
    for rule in own:
        name = limit_of(rule)
        peaks = sorted((peak for of, peak in false if limit_of(of) == name), reverse=True)
        at_most = int(allowed / len(own))
        if len(peaks) > at_most:
            limits[name] = np.array(float(now.get(name, 1.0)) * peaks[at_most] * ABOVE)
    return limits


def _is_false(finding: Finding, recording: Recording) -> bool:
    row = int(np.searchsorted(recording.at_ms, finding.at_ms))
    grace = GRACE_S / recording.step_s
    return not any(event.row <= row <= event.end + grace for event in recording.events or ())
