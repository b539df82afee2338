"""Which channels a bank has seen: a row each, the cohort it belongs to, and when it last spoke."""

from collections.abc import Sequence
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from detectors.cohort import Cohort, Watch, longer
from detectors.plan import Plan
from detectors.silence import Silence
from lifeline.catalog import SEEN, Catalog, Channel, Device
from lifeline.model import Ints
from lifeline.wire import partition_of

INTERVALS = 3.0
"""A channel is silent after so many of its intervals."""
COHORTS_MAX = 32_767


class Roster:
    """Rows are only ever added, at first sight: memory follows what was heard, not the catalog."""

    def __init__(self, plan: Plan, catalog: Catalog, partition: int, partitions: int) -> None:
        self.plan = plan
        self.catalog = catalog
        self.partition = partition
        self.partitions = partitions
        self.rows: dict[str, int] = {}
        self.names: list[str] = []
        self.cohorts: list[Cohort] = []
        self._cohort_of_rules: dict[tuple[int, ...], int] = {}
        self.cohort: NDArray[np.int16] = np.zeros(0, np.int16)
        """Cohort of each row."""
        self.local: NDArray[np.intp] = np.zeros(0, np.intp)
        """Row within its cohort."""
        self.last_ms: Ints = np.zeros(0, np.int64)
        """Event time of each row's last live reading."""
        self.scratch: NDArray[np.int32] = np.zeros(0, np.int32)
        """Room to find repeated rows in; means nothing between two calls."""
        bad_value = plan.bad_value
        self.faults = Watch(bad_value, bad_value.detector, {}, np.zeros(0, np.bool_))
        """Bad values, over the rows of all cohorts."""

    def find(self, names: Sequence[str]) -> NDArray[np.intp]:
        """The row of each name, new ones enrolled; -1 for what is not of this partition.

        That is what the catalog does not know, and whatever has moved to another partition's zone:
        here it would be silent for ever.
        """
        found = self._rows_of(names)
        if len(names) and found.min() < 0:
            self._enrol([names[i] for i in np.flatnonzero(found < 0).tolist()])
            found = self._rows_of(names)
        return found

    def _rows_of(self, names: Sequence[str]) -> NDArray[np.intp]:
        return np.fromiter(map(self.rows.get, names, repeat(-1)), np.intp, len(names))

    def _enrol(self, names: Sequence[str]) -> None:
        newcomers: dict[int, dict[str, tuple[Device, Channel]]] = {}
        for name in names:
            place = self.catalog.find(name)
            if place is not None and self._is_here(place[0].zone):
                rules = self.plan.rules_for(place[1].quantity, name)
                newcomers.setdefault(self._cohort(rules), {})[name] = place
        for index, places in newcomers.items():
            self.add(index, places)

    def _is_here(self, zone: str) -> bool:
        return partition_of(zone, self.partitions) == self.partition

    def _cohort(self, rules: tuple[int, ...]) -> int:
        index = self._cohort_of_rules.get(rules)
        if index is None:
            index = len(self.cohorts)
            assert index < COHORTS_MAX, "more combinations of rules than int16 counts"
            self.cohorts.append(Cohort([self.plan.rules[k] for k in rules]))
            self._cohort_of_rules[rules] = index
        return index

    def add(self, index: int, places: dict[str, tuple[Device, Channel]]) -> None:
        """Rows in cohort ``index`` for these channels, which have none yet."""
        start = len(self.names)
        cohort = self.cohorts[index]
        local = cohort.add(list(places))
        self.names.extend(places)
        end = len(self.names)
        if end > len(self.local):
            self._grow(start, end + end // 4 + 64)
        self.cohort[start:end] = index
        self.local[start:end] = local
        for row, (name, (device, channel)) in enumerate(places.items(), start):
            self.rows[name] = row
            for watch in cohort.tickers:
                assert isinstance(watch.detector, Silence), watch.detector
                if watch.detector.limit_s == 0.0:
                    limit_s = silent_after_s(device, channel)
                    watch.state["limit_s"][self.local[row]] = limit_s

    def _grow(self, size: int, capacity: int) -> None:
        self.cohort = longer(self.cohort, size, capacity)
        self.local = longer(self.local, size, capacity)
        self.last_ms = longer(self.last_ms, size, capacity)
        self.scratch = np.zeros(capacity, np.int32)
        self.faults.alarm = longer(self.faults.alarm, size, capacity)


def silent_after_s(device: Device, channel: Channel) -> float:
    """How long this channel may say nothing: a device by its own limit, a channel by its intervals.

    A device that stores and sends in blocks has a ``silent_after_s`` longer than its intervals, so
    a channel is never expected before its device is.
    """
    if channel.quantity == f"meter.{SEEN}":
        return device.silent_after_s
    return max(INTERVALS * channel.interval_s, device.silent_after_s)
