"""A recording: the columns of one stream on its own steps, and what is known of it.  Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.history import Event
from lifeline.model import Floats, Ints

KINDS = {
    "water-leak": "leak",
    "heating-leak": "leak",
    "gas-leak": "gas",
    "sensor-fault": "fault",
    "equipment-fault": "fault",
    "stiffness-loss": "damage",
    "water-quality": "event",
}


def kind_of(hazard: str) -> str:
    """How recordings and their scores name a hazard: by what happened, whatever the lifeline.

    >>> kind_of("water-leak"), kind_of("burst")
    ('leak', 'burst')
    """
    return KINDS.get(hazard, hazard)


@dataclass(slots=True)
class Recording:
    """One stream: a row an instant, a column a channel, NaN where nothing was said."""

    name: str
    """The file's path within its set without endings, ``/`` written as ``__``."""
    columns: tuple[str, ...]
    quantities: tuple[str, ...]
    time_ms: Ints
    """The rows' own times, as written."""
    values: Floats
    step_s: float
    events: tuple[Event, ...] | None = None
    """None where nobody says what happened."""
    truth: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """What is known of every row: ``flags``, ``changepoints``, ``leak_flow``."""

    def __post_init__(self) -> None:
        shape = (len(self.time_ms), len(self.columns))
        assert self.values.shape == shape, (self.name, self.values.shape, shape)
        assert len(self.quantities) == len(self.columns), self.name

    def __len__(self) -> int:
        return len(self.time_ms)

    @property
    def at_ms(self) -> Ints:
        """The rows' times as the pipeline is told them: on the grid, each later than the last.

        Loggers repeat a time or start beside the grid; a repeated time would be no reading at all,
        and a time beside the grid would be judged with the following row.  Every row depends on
        those before it alone.

        >>> late = np.array([61_000, 121_000, 121_000, 300_000])
        >>> Recording("x", ("a",), ("q",), late, np.zeros((4, 1)), 60.0).at_ms.tolist()
        [60000, 120000, 180000, 300000]
        """
        if len(self) == 0:
            return np.zeros(0, np.int64)
        step_ms = max(1, round(self.step_s * 1000))
        first_ms = int(self.time_ms[0])
        wanted = np.floor_divide(self.time_ms - first_ms + step_ms // 2, step_ms)
        # slot[i] = max(wanted[i], slot[i-1] + 1), as a running maximum.
        order = np.arange(len(self))
        slots = np.maximum.accumulate(wanted - order) + order
        return np.asarray((first_ms // step_ms + slots) * step_ms, np.int64)

    def cut(self, rows: int) -> "Recording":
        """Its first rows alone, without anything said of them."""
        return Recording(
            self.name, self.columns, self.quantities, self.time_ms[:rows], self.values[:rows],
            self.step_s,
        )  # fmt: skip


def unix_ms(text: str, form: str = "") -> int:
    """A time as it is written, read as UTC: only differences and the hour of day matter.

    >>> unix_ms("1970-01-01 00:01:00"), unix_ms("02/01/70 00", "%d/%m/%y %H")
    (60000, 86400000)
    """
    at = datetime.strptime(text, form) if form else datetime.fromisoformat(text)  # noqa: DTZ007
    return round(at.replace(tzinfo=UTC).timestamp() * 1000)
