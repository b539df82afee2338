"""Which pieces of the table are past their time, whole or for some classes only.  Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

DAY_MS = 86_400_000
EVIDENCE_MS = DAY_MS
"""An incident's picture lies within a day before and a day after its onset."""


@dataclass(slots=True, frozen=True)
class Piece:
    """A chunk of TimescaleDB or a partition of plain PostgreSQL: a day of readings."""

    table: str
    """Quoted, with its schema."""
    from_ms: int
    until_ms: int


@dataclass(slots=True, frozen=True)
class Due:
    """What is to be done now."""

    drop: tuple[Piece, ...]
    """Past every class."""
    sweep: tuple[tuple[Piece, tuple[str, ...]], ...]
    """Past these classes, not past all."""
    held: tuple[Piece, ...]
    """Past one class at least, and kept whole: an open incident needs it."""


def due(
    pieces: Sequence[Piece], days: Mapping[str, int], onsets_ms: Sequence[int], now_ms: int
) -> Due:
    """What retention asks for, oldest first; ``onsets_ms`` are those of the open incidents.

    A clock that jumps years ahead deletes nothing: time goes no further than the newest readings.
    """
    now_ms = min(now_ms, max((piece.from_ms for piece in pieces), default=now_ms))
    drop: list[Piece] = []
    sweep: list[tuple[Piece, tuple[str, ...]]] = []
    held: list[Piece] = []
    for piece in sorted(pieces, key=lambda one: one.from_ms):
        past = tuple(
            sorted(name for name, n in days.items() if piece.until_ms <= now_ms - n * DAY_MS)
        )
        if not past:
            continue
        if any(
            piece.from_ms <= onset + EVIDENCE_MS and onset - EVIDENCE_MS < piece.until_ms
            for onset in onsets_ms
        ):
            held.append(piece)
        elif len(past) == len(days):
            drop.append(piece)
        else:
            sweep.append((piece, past))
    return Due(tuple(drop), tuple(sweep), tuple(held))
