"""What a detector may learn from before its stream: the past of its group, a model of its network.

A detector that learns has ``calibrate``; what it returns it finds again in ``Ground.learned``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import msgspec
from numpy.typing import NDArray

from detectors.base import Members
from lifeline.model import Floats, Ints


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is known to have happened: a leak, a fault, a drill."""

    kind: str
    row: int
    """The first row that it touches; before 0 where it began before the recording."""
    end: int
    """The last one."""
    peak: int = -1
    """The row from which it grows no more; -1 where nobody says."""
    place: str = ""
    """The pipe, or the channel, that it is about."""
    size: float | None = None
    """In the unit of its kind: m3/h at its peak, %LEL, kg/s, relative shift."""


@dataclass(frozen=True, slots=True)
class History:
    """One recording of a group's past; rows stand ``members.grid_s`` apart, NaN where none came."""

    members: Members
    at_ms: Ints
    values: Floats
    events: tuple[Event, ...] = ()
    event_flow: Floats | None = None
    """The flow of each event at each row, m3/h, where somebody knows it."""
    network: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """What the network's model says (``calibration.hydraulics``); empty where there is none."""
    far_per_sensor_year: float = 0.2


@runtime_checkable
class Calibrates(Protocol):
    """A detector that learns from history before its stream."""

    def calibrate(self, history: History) -> dict[str, NDArray[Any]]:
        """The arrays that it wants to find in ``Ground.learned``; text as arrays of ``U``."""
        ...  # pragma: no cover
