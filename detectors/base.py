"""What every detector shares: parameters that are the detector, arrays that are its state, scores.

A detector's ``step`` sees each row at most once a frame, writes nothing but its state, and returns
one score a row of the frame: 1.0 is the alarm limit, for every detector.  A detector of channels
watches many rows at a time, one of groups the channels of one group together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from lifeline.model import Detail, GroupFrame

State = dict[str, NDArray[Any]]
"""Named arrays; axis 0 is the channel (or the group)."""
Scores = NDArray[np.float64]
"""One a row of the frame; 1.0 and more is an alarm."""

Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]

Learned = Mapping[str, NDArray[Any]]
"""What was calibrated from history before the stream: named arrays, never written to."""

BELOW_ONE = float(np.nextafter(1.0, 0.0))
"""The largest score that is no alarm."""
SIGMA_PER_MAD = 1.4826
"""A Gaussian's standard deviation over its median absolute deviation: 1 / quantile(3/4)."""


class Params(
    msgspec.Struct, frozen=True, tag_field="kind", forbid_unknown_fields=True, kw_only=True
):
    """The parameters of a detector, which are the detector; ``kind`` names it in TOML."""

    version: ClassVar[int] = 1
    """Goes up when the same readings may score differently: other versions are not resumed."""
    LEARNS: ClassVar[bool] = True
    """Its verdict rests on earlier readings, so a late one is not shown to it."""
    TICKS: ClassVar[bool] = False
    """It also steps on ticks, on every row, with NaN for *nothing came*; its times are ingest's."""
    LIMIT: ClassVar[str] = ""
    """The parameter that a rule's named limit fills."""

    @property
    def kind(self) -> str:
        """The name of the detector in TOML, in findings and in alarms."""
        return str(self.__struct_config__.tag)

    @property
    def code(self) -> str:
        """What happened when it fires, as a key of the message catalogues."""
        raise NotImplementedError

    @property
    def limit_value(self) -> float | None:
        """The limit in the unit of the channel, for the explanation; None where there is none."""
        return None


class Members(msgspec.Struct, frozen=True):
    """The channels of a group, in the order of a frame's values."""

    names: tuple[str, ...]
    quantities: tuple[str, ...]
    """What each measures, by the catalog; empty where the catalog does not know the channel."""
    grid_s: float
    positions: tuple[tuple[float, float] | None, ...] = ()
    """Longitude and latitude (WGS-84) of each one's device, where the catalog knows them."""

    def of(self, *quantities: str) -> Rows:
        """Where the channels of these quantities stand.

        >>> Members(("w/flow", "w/p1", "w/p2"), ("inlet-flow", "head", "head"), 300.0).of("head")
        array([1, 2])
        """
        return np.array([i for i, one in enumerate(self.quantities) if one in quantities], np.intp)


@dataclass(frozen=True, slots=True)
class Ground:
    """What does not change while a group is watched: who belongs to it, what was learned before."""

    members: Members
    learned: Learned = field(default_factory=dict)

    @property
    def width(self) -> int:
        """How many channels the group has."""
        return len(self.members.names)


class GroupParams(Params, frozen=True, kw_only=True):
    """The parameters of a detector that judges the channels of one group together.

    Its state is that of one group: arrays of any shapes, and nothing else.
    """

    SLOTS: ClassVar[int] = 1
    """How many excursions may last at once: a network may have several leaks."""
    MASKS: ClassVar[bool] = False
    """It judges sensors: detectors behind it see NaN where it distrusts one."""

    def blank(self, ground: Ground) -> State:
        """The state before the first frame."""
        raise NotImplementedError

    def step(self, ground: Ground, state: State, frame: GroupFrame) -> Scores:
        """One score a slot at this instant."""
        raise NotImplementedError

    def told(self, ground: Ground, state: State, slot: int, at_ms: int) -> Detail:  # noqa: ARG002
        """What there is to say of a slot, asked only when a finding is made of it."""
        return Detail()

    def distrusted(self, ground: Ground, state: State) -> Mask:  # noqa: ARG002
        """Which channels nobody behind this detector should believe."""
        return np.zeros(ground.width, np.bool_)
