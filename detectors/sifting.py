"""A batch sorted out: which readings are judged live, which back-dated, and in which rounds.

``array[rows] += x`` keeps one write when a row comes twice, so a frame holds each channel at most
once: a batch that repeats a channel goes through the detectors in rounds, each channel's oldest
reading first.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.bad_value import unusable_readings
from detectors.base import Mask, Rows
from detectors.cohort import Cohort
from detectors.roster import Roster
from lifeline.model import LATE, LIVE, SKIP, Bits, Floats, Ints


@dataclass(slots=True)
class Columns:
    """Readings of one batch, or some of them, as the bank judges them."""

    rows: Rows
    at_ms: Ints
    value: Floats
    quality: Bits
    received: Ints
    bad: Mask
    lane: NDArray[np.int8]

    def take(self, chosen: NDArray[np.intp] | Mask) -> "Columns":
        """Only the chosen readings, in that order."""
        return Columns(
            self.rows[chosen],
            self.at_ms[chosen],
            self.value[chosen],
            self.quality[chosen],
            self.received[chosen],
            self.bad[chosen],
            self.lane[chosen],
        )


def is_plain(roster: Roster, columns: Columns) -> bool:
    """Whether every reading is live, known and newer, and each channel comes once."""
    rows = columns.rows
    if columns.lane.any() or rows.min() < 0:
        return False
    numbers = np.arange(len(rows), dtype=np.int32)
    roster.scratch[rows] = numbers
    if not np.array_equal(roster.scratch[rows], numbers):
        return False
    return bool((columns.at_ms > roster.last_ms[rows]).all())


def sift(roster: Roster, columns: Columns) -> tuple[Columns, Columns, int]:
    """Live readings, back-dated ones, and how many of the latter came as live.

    Each is sorted by row and time and holds no (row, time) twice.  A live reading no newer than its
    channel's last would run a detector's time backwards, so it is judged as late; one of the same
    time is the same reading again.  A back-dated reading that cannot be used says nothing.
    """
    order = np.lexsort((columns.at_ms, columns.rows))
    sorted_ = columns.take(order[(columns.rows[order] >= 0) & (columns.lane[order] != SKIP)])
    newest_ms = roster.last_ms[sorted_.rows]
    claimed = sorted_.lane == LIVE
    live = claimed & (sorted_.at_ms > newest_ms)
    demoted = claimed & (sorted_.at_ms < newest_ms)
    sorted_.lane[demoted] = LATE
    back_dated = (sorted_.lane != LIVE) & ~unusable_readings(sorted_.value, sorted_.quality)
    lives, lates = _once(sorted_.take(live)), _once(sorted_.take(back_dated))
    return lives, lates, int(demoted.sum())


def _once(columns: Columns) -> Columns:
    rows, at_ms = columns.rows, columns.at_ms
    again = (rows[1:] == rows[:-1]) & (at_ms[1:] == at_ms[:-1])
    if not again.any():
        return columns
    return columns.take(np.concatenate(([True], ~again)))


def rounds(columns: Columns) -> Iterator[Columns]:
    """Parts that hold each row at most once, a row's oldest reading in the first.

    ``columns`` are sorted by row and time.
    """
    rows = columns.rows
    if len(rows) == 0:
        return
    first = np.concatenate(([True], rows[1:] != rows[:-1]))
    starts = np.flatnonzero(first)
    rank = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
    if rank.max() == 0:
        yield columns
        return
    order = np.argsort(rank, kind="stable")
    for part in np.split(order, np.cumsum(np.bincount(rank))[:-1]):
        yield columns.take(part)


def by_cohort(roster: Roster, columns: Columns) -> list[tuple[Cohort, Rows, Columns]]:
    """The parts that belong to one cohort each, with the rows within it."""
    index = roster.cohort[columns.rows]
    first = index[0]
    if (index == first).all():
        return [(roster.cohorts[first], roster.local[columns.rows], columns)]
    order = np.argsort(index, kind="stable")
    index = index[order]
    made = []
    for part in np.split(order, np.flatnonzero(index[1:] != index[:-1]) + 1):
        piece = columns.take(part)
        cohort = roster.cohorts[roster.cohort[piece.rows[0]]]
        made.append((cohort, roster.local[piece.rows], piece))
    return made
