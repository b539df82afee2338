"""What every detector shares: parameters that are the detector, arrays that are its state, scores.

A detector's ``step`` sees each row at most once a frame, writes nothing but its state, and returns
one score a row of the frame: 1.0 is the alarm limit, for every detector.
"""

from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

State = dict[str, NDArray[Any]]
"""Named arrays; axis 0 is the channel (or the group)."""
Scores = NDArray[np.float64]
"""One a row of the frame; 1.0 and more is an alarm."""

Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]

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
