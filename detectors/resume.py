"""The bank as bytes, and the bank from bytes: versioned msgpack, arrays as they lie in memory.

State belongs to (detector kind and parameters, channel), so a changed rule or a new channel starts
blank alone and everything else goes on.  Excursions belong to (rule, channel): a rule whose
parameters changed keeps its open alarms, and clears them by its new measure.
"""

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from detectors.cohort import Cohort, Excursion, Watch, channel_detector
from detectors.silence import Silence
from lifeline.model import Context, Finding
from lifeline.wire import partition_of

if TYPE_CHECKING:
    from detectors.bank import Bank

VERSION = 1


class SnapshotError(ValueError):
    """These bytes are no snapshot that this version can read."""


class Array(msgspec.Struct, frozen=True, array_like=True):
    """An array's rows as bytes."""

    kind: str
    shape: tuple[int, ...]
    cells: bytes


class Opened(msgspec.Struct, frozen=True, array_like=True):
    """An open excursion of one row."""

    row: int
    told_ms: int
    raised: Finding


class SavedWatch(msgspec.Struct, frozen=True):
    """One rule over one cohort or group."""

    rule: str
    key: str
    state: dict[str, Array]
    open: tuple[Opened, ...]


class SavedCohort(msgspec.Struct, frozen=True):
    """Channels with the same rules.  ``hard`` is empty when nothing back-dated came."""

    names: tuple[str, ...]
    last_ms: Array
    ring: tuple[Array, Array, Array] | None
    watches: tuple[SavedWatch, ...]
    hard: tuple[SavedWatch, ...] = ()
    hard_last_ms: Array | None = None


class Saved(msgspec.Struct, frozen=True):
    """One bank."""

    v: int
    now_ms: int
    unknown: int
    demoted: int
    cohorts: tuple[SavedCohort, ...]
    faults: dict[str, tuple[int, Finding]]
    groups: dict[str, tuple[SavedWatch, ...]]
    records: tuple[Context, ...]
    orphans: tuple[Finding, ...]
    shadow: "Saved | None" = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Saved).decode


def pack(bank: "Bank") -> bytes:
    """The bank as bytes."""
    return _encode(_saved(bank))


def unpack(bank: "Bank", packed: bytes) -> list[str]:
    """Fill a fresh bank; says what started blank.  SnapshotError leaves the bank fresh."""
    try:
        saved = _decode(packed)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SnapshotError(f"not a bank's snapshot: {error}") from error
    if saved.v > VERSION:
        raise SnapshotError(f"snapshot version {saved.v} is newer than {VERSION}")
    return _fill(bank, saved)


def _saved(bank: "Bank") -> Saved:
    roster = bank.roster
    faults = {roster.names[row]: (e.told_ms, e.raised) for row, e in roster.faults.open.items()}
    index = roster.cohort[: len(roster.names)]
    return Saved(
        v=VERSION,
        now_ms=bank.now_ms,
        unknown=bank.unknown,
        demoted=bank.demoted,
        cohorts=tuple(
            _saved_cohort(cohort, roster.last_ms[: len(index)][index == k])
            for k, cohort in enumerate(roster.cohorts)
        ),
        faults=dict(sorted(faults.items())),
        groups={
            name: tuple(_saved_watch(watch) for watch in watches)
            for name, watches in sorted(bank.groups.items())
        },
        records=tuple(record for zone in sorted(bank.records) for record in bank.records[zone]),
        orphans=tuple(bank.orphans),
        shadow=_saved(bank.shadow) if bank.shadow else None,
    )


def _saved_cohort(cohort: Cohort, last_ms: NDArray[np.int64]) -> SavedCohort:
    n = len(cohort)
    rings = (cohort.ring_at, cohort.ring_value, cohort.ring_next)
    late = cohort.late
    return SavedCohort(
        names=tuple(cohort.names),
        last_ms=_array(last_ms),
        ring=(_array(rings[0][:n]), _array(rings[1][:n]), _array(rings[2][:n]))
        if cohort.readers
        else None,
        watches=tuple(_saved_watch(watch, n) for watch in cohort.watches),
        hard=tuple(_saved_watch(watch, n) for watch in late.watches) if late else (),
        hard_last_ms=_array(late.last_ms[:n]) if late else None,
    )


def _saved_watch(watch: Watch, n: int | None = None) -> SavedWatch:
    """A watch with the first ``n`` rows of its state; that of a group has no rows but is whole."""
    state = watch.state if n is None else {name: a[:n] for name, a in watch.state.items()}
    return SavedWatch(
        rule=watch.watching.rule.id,
        key=watch.key,
        state={name: _array(array) for name, array in state.items()},
        open=tuple(Opened(row, e.told_ms, e.raised) for row, e in sorted(watch.open.items())),
    )


def _array(array: NDArray[Any]) -> Array:
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return Array(little.dtype.str, array.shape, little.tobytes())


def _cells(array: Array) -> NDArray[Any]:
    return np.frombuffer(array.cells, array.kind).reshape(array.shape)


def _fill(bank: "Bank", saved: Saved) -> list[str]:
    blank: dict[str, int] = {}
    bank.now_ms, bank.unknown, bank.demoted = saved.now_ms, saved.unknown, saved.demoted
    bank.orphans = list(saved.orphans)
    for cohort in saved.cohorts:
        _fill_cohort(bank, cohort, blank)
    for name, (told_ms, raised) in saved.faults.items():
        row = bank.roster.rows.get(name, -1)
        if row < 0:
            bank.orphans.append(_orphan(raised))
        else:
            _reopen(bank.roster.faults, row, told_ms, raised)
    for group, watches in saved.groups.items():
        _fill_group(bank, group, watches, blank)
    for record in saved.records:
        bank.context(record)
    said = [f"{what} starts blank for {n} channels or groups" for what, n in blank.items()]
    if saved.shadow is not None:
        said += [f"drill: {line}" for line in _fill(bank.drills(), saved.shadow)]
    return said


def _fill_cohort(bank: "Bank", saved: SavedCohort, blank: dict[str, int]) -> None:
    """Enrol the channels, then copy the rows of each cohort that they belong to now."""
    roster = bank.roster
    rows = roster.find(saved.names)
    old = np.flatnonzero(rows >= 0)
    roster.last_ms[rows[old]] = _cells(saved.last_ms)[old]
    gone = {int(row) for row in np.flatnonzero(rows < 0)}
    for watch in (*saved.watches, *saved.hard):
        bank.orphans += [_orphan(o.raised) for o in watch.open if o.row in gone]
    for index in np.unique(roster.cohort[rows[old]]).tolist():
        cohort = roster.cohorts[index]
        from_rows = old[roster.cohort[rows[old]] == index]
        to_rows = roster.local[rows[from_rows]]
        if saved.ring is not None and cohort.readers:
            at, value, following = (_cells(array) for array in saved.ring)
            cohort.ring_at[to_rows] = at[from_rows]
            cohort.ring_value[to_rows] = value[from_rows]
            cohort.ring_next[to_rows] = following[from_rows]
        moved = dict(zip(from_rows.tolist(), to_rows.tolist(), strict=True))
        _fill_watches(bank, cohort.watches, saved.watches, moved, blank)
        if saved.hard_last_ms is not None:
            late = cohort.open_late()
            late.last_ms[to_rows] = _cells(saved.hard_last_ms)[from_rows]
            _fill_watches(bank, late.watches, saved.hard, moved, {})


def _fill_watches(
    bank: "Bank",
    watches: tuple[Watch, ...],
    saved: tuple[SavedWatch, ...],
    moved: dict[int, int],
    blank: dict[str, int],
) -> None:
    from_rows = np.fromiter(moved, np.intp, len(moved))
    to_rows = np.fromiter(moved.values(), np.intp, len(moved))
    by_key = {watch.key: watch for watch in saved}
    # Two rules may have one detector; then each resumes its own state.
    own = {(watch.rule, watch.key): watch for watch in saved}
    for watch in watches:
        rule, key = watch.watching.rule.id, watch.watching.key
        source = own.get((rule, key)) or by_key.get(key)
        fresh = channel_detector(watch.watching).blank(0)
        if source is None or not _fits(source.state, fresh):
            blank[f"rule {rule}"] = blank.get(f"rule {rule}", 0) + len(moved)
            continue
        for name, array in source.state.items():
            if not (isinstance(watch.detector, Silence) and name == "limit_s"):
                watch.state[name][to_rows] = _cells(array)[from_rows]
    now = {watch.watching.rule.id: watch for watch in watches}
    for source in saved:
        for opened in source.open:
            if opened.row in moved and source.rule in now:
                row = moved[opened.row]
                _reopen(now[source.rule], row, opened.told_ms, opened.raised)
            elif opened.row in moved:
                bank.orphans.append(_orphan(opened.raised))


def _fill_group(
    bank: "Bank", group: str, saved: tuple[SavedWatch, ...], blank: dict[str, int]
) -> None:
    known = any(
        g.name == group and partition_of(g.zone, bank.partitions) == bank.partition
        for g in bank.catalog.head.groups
    )
    watches = bank.watches_of(group) if known else ()
    by_key = {watch.key: watch for watch in saved}
    for watch in watches:
        source = by_key.get(watch.key)
        if source is None or not _fits(source.state, watch.state, 0):
            name = f"rule {watch.watching.rule.id}"
            blank[name] = blank.get(name, 0) + 1
            continue
        for name, array in source.state.items():
            watch.state[name][...] = _cells(array)
    now = {watch.watching.rule.id: watch for watch in watches}
    for source in saved:
        for opened in source.open:
            if source.rule in now and opened.row < len(now[source.rule].alarm):
                _reopen(now[source.rule], opened.row, opened.told_ms, opened.raised)
            else:
                bank.orphans.append(_orphan(opened.raised))


def _fits(state: dict[str, Array], fresh: dict[str, NDArray[Any]], axis: int = 1) -> bool:
    """Whether saved arrays have the names, kinds and shapes (from ``axis``) that are used now."""
    return state.keys() == fresh.keys() and all(
        array.shape[axis:] == fresh[name].shape[axis:] and np.dtype(array.kind) == fresh[name].dtype
        for name, array in state.items()
    )


def _reopen(watch: Watch, row: int, told_ms: int, raised: Finding) -> None:
    rule = watch.watching.rule
    current = replace(raised, hazard=rule.hazard, grade=rule.grade, confidence=rule.confidence)
    watch.open[row] = Excursion(current, told_ms)
    watch.alarm[row] = True


def _orphan(raised: Finding) -> Finding:
    return replace(raised, phase="cleared", code="rule-gone", score=0.0, evidence=())
