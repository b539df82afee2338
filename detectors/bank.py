"""The bank of one partition: every detector over every channel seen, batch by batch, to findings.

Pure and exact: the same records in the same order give the same findings, however the readings were
split into batches; a snapshot resumes as if nothing had happened.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from detectors import resume
from detectors.bad_value import bad_readings, unusable_readings
from detectors.base import Ground, Members
from detectors.cohort import (
    Cohort,
    Watch,
    channel_detector,
    group_watch,
)
from detectors.plan import Plan
from detectors.report import Report
from detectors.roster import Roster
from detectors.sifting import (
    Columns,
    by_cohort,
    is_plain,
    rounds,
    sift,
)
from detectors.verdicts import Cause, place_of_channel, place_of_group
from lifeline.catalog import SEEN, Catalog, Group, Rule, meter
from lifeline.model import Batch, Context, Finding, Frame, GroupFrame

DEAF_MS = 10_000
"""Ticks come every second: a longer gap is an outage of ours, not the silence of any device."""


class Bank:
    """All detector state of one partition."""

    def __init__(
        self,
        plan: Plan,
        catalog: Catalog,
        partition: int = 0,
        partitions: int = 1,
        *,
        held_s: float = 60.0,
        lateness_s: float = 3600.0,
        drill: bool = False,
    ) -> None:
        assert 0 <= partition < partitions, (partition, partitions)
        self.plan = plan
        self.catalog = catalog
        self.partition = partition
        self.partitions = partitions
        self.held_ms = int(held_s * 1000)
        self.lateness_ms = int(lateness_s * 1000)
        self.is_drill = drill
        self.now_ms = 0
        """The largest ``received_ms`` seen: the only clock there is."""
        self.unknown = 0
        """Readings, and group frames, of what the catalog does not know, or knows elsewhere."""
        self.demoted = 0
        """Live readings that were no newer than their channel's last, judged as late."""
        self.roster = Roster(plan, catalog, partition, partitions)
        self.groups: dict[str, tuple[Watch, ...]] = {}
        self._declared = {group.name: group for group in catalog.head.groups}
        self._seen_rows: dict[str, int] = {}
        self.records: dict[str, list[Context]] = {}
        """Context by zone, until its time is over."""
        self.failed: list[tuple[str, str]] = []
        """(rule, what went wrong) of detectors of groups that failed; its reader empties it."""
        self.orphans: list[Finding] = []
        """What the next tick clears: excursions of rules that a restored bank no longer has."""
        self.shadow: Bank | None = None
        """The state of drill readings, which must not touch the real one."""

    @property
    def channels(self) -> int:
        """How many channels have a row."""
        return len(self.roster.names)

    @property
    def open(self) -> int:
        """How many excursions last now, in any lane."""
        return sum(len(watch.open) for watch in self._every_watch())

    def step(
        self, batch: Batch, lanes: NDArray[np.int8], trace: str = "", *, drill: bool = False
    ) -> list[Finding]:
        """The findings of a batch whose readings have been classed; an empty batch is a tick."""
        assert len(lanes) == len(batch), (len(lanes), len(batch))
        if drill and not self.is_drill:
            return self.drills().step(batch, lanes, trace, drill=True)
        self._listen(batch.received_ms)
        report = self._report(batch.received_ms, trace)
        if batch.messages and not self.is_drill:
            self._hear_devices(batch, report)
        if len(batch) == 0:
            return _sorted(report.findings + self.tick(batch.received_ms, trace))
        rows = self.roster.find(batch.channels)[batch.channel]
        bad = bad_readings(batch.value, batch.quality)
        columns = Columns(rows, batch.at_ms, batch.value, batch.quality, batch.received, bad, lanes)
        if is_plain(self.roster, columns):
            self._round(columns, report)
        else:
            live, late, demoted = sift(self.roster, columns)
            self.unknown += int((rows < 0).sum())
            self.demoted += demoted
            for part in rounds(live):
                self._round(part, report)
            for part in rounds(late):
                self._round_late(part, report)
        return _sorted(report.findings)

    def tick(self, now_ms: int, trace: str = "") -> list[Finding]:
        """What time alone brings: silence, what is held, and the end of back-dated excursions."""
        self._listen(now_ms)
        report = self._report(self.now_ms, trace)
        for cohort in self.roster.cohorts:
            # The end of a drill is no silence.
            if cohort.tickers and not self.is_drill:
                n = len(cohort)
                times = np.full(n, self.now_ms, np.int64)
                nothing = Frame(np.arange(n), times, np.full(n, np.nan), np.zeros(n, np.uint16))
                self._listen_to(cohort, nothing, report)
            for watch in cohort.readers:
                if watch.open:
                    report.hold(cohort.names, cohort, watch, self.now_ms)
            if cohort.late is not None:
                report.expire(cohort, cohort.late, self.now_ms, self.lateness_ms)
        if self.roster.faults.open:
            report.hold(self.roster.names, None, self.roster.faults, self.now_ms)
        told = report.findings
        told += [replace(f, at_ms=self.now_ms, received_ms=self.now_ms) for f in self.orphans]
        self.orphans = []
        self._forget_contexts()
        if self.shadow is not None:
            told += self.shadow.tick(now_ms, trace)
        return _sorted(told)

    def group_frame(
        self,
        frame: GroupFrame,
        group: str,
        *,
        received_ms: int,
        trace: str = "",
    ) -> list[Finding]:
        """The findings of a group's channels at one instant of its grid."""
        declared = self._declared.get(group)
        if declared is None or len(declared.channels) != len(frame.values):
            self.unknown += 1
            return []
        self._listen(received_ms)
        report = self._report(received_ms, trace)
        place = place_of_group(self.catalog, declared)
        held = self.contexts(declared.zone, frame.at_ms)
        regimes = tuple(sorted({record.kind for record in held}))
        own = GroupFrame(frame.at_ms, frame.values, frame.age_s, regimes)
        for watch in self.watches_of(group):
            sleep = watch.sleeps(regimes)
            if sleep == "frozen":
                continue
            try:
                report.judge_group(place, watch, own, is_off=sleep == "off")
                own = watch.believed(own)
            except Exception as error:  # our bug: the limits of this record are told all the same
                self._fail(watch.watching.rule, group, error)
                watch.begin_anew()
        return _sorted(report.findings)

    def _fail(self, rule: Rule, group: str, error: Exception) -> None:
        self.failed.append((rule.id, f"{rule.id} on {group}: {error!r}"))

    def watches_of(self, group: str) -> tuple[Watch, ...]:
        """A declared group's rules with their state, made at first sight."""
        if group not in self.groups:
            self.groups[group] = tuple(self._watched(self._declared[group]))
        return self.groups[group]

    def _watched(self, group: Group) -> Iterator[Watch]:
        ground = self._ground(group)
        for watching in (self.plan.rules[k] for k in self.plan.rules_of_group(group.name)):
            try:
                yield group_watch(watching, ground)
            except Exception as error:  # this rule cannot begin here: the others can
                self._fail(watching.rule, group.name, error)

    def _ground(self, group: Group) -> Ground:
        found = [self.catalog.find(name) for name in group.channels]
        quantities = tuple(pair[1].quantity if pair else "" for pair in found)
        positions = tuple(pair[0].position if pair else None for pair in found)
        members = Members(group.channels, quantities, group.grid_s, positions)
        return Ground(members, self.catalog.learned(group.artefact))

    def context(self, record: Context) -> None:
        """Keep what a zone must know until its time is over, of one name the newest revision."""
        kept = self.records.setdefault(record.zone, [])
        if record in kept or any(_is_older(record, other) for other in kept):
            return
        kept[:] = [other for other in kept if not _is_older(other, record)]
        kept.append(record)

    def contexts(self, zone: str, at_ms: int) -> tuple[Context, ...]:
        """What holds in this zone at this moment."""
        kept = self.records.get(zone, ())
        return tuple(r for r in kept if r.at_ms <= at_ms <= r.until_ms)

    def expect(self, devices: Iterable[str], now_ms: int) -> None:
        """Devices that should speak although none was heard yet: their silence counts from now."""
        self._listen(now_ms)
        for row in self.roster.find([meter(device, SEEN) for device in devices]).tolist():
            if row < 0:
                self.unknown += 1
                continue
            local = self.roster.local[row]
            for watch in self.roster.cohorts[self.roster.cohort[row]].tickers:
                seen_ms = watch.state["seen_ms"]
                seen_ms[local] = seen_ms[local] or now_ms

    def drills(self) -> "Bank":
        """The bank of drill readings, made when the first ones come."""
        if self.shadow is None:
            self.shadow = Bank(
                self.plan,
                self.catalog,
                self.partition,
                self.partitions,
                held_s=self.held_ms / 1000,
                lateness_s=self.lateness_ms / 1000,
                drill=True,
            )
        return self.shadow

    def snapshot(self) -> bytes:
        """Everything, for ``restore``."""
        return resume.pack(self)

    def restore(self, packed: bytes) -> list[str]:
        """Resume in a fresh bank; says in sentences what started blank.  Raises SnapshotError.

        Excursions of rules that are gone are cleared by the next tick.
        """
        assert not self.channels, "restore fills a fresh bank"
        return resume.unpack(self, packed)

    def _report(self, received_ms: int, trace: str) -> Report:
        cause = Cause(received_ms, trace, self.is_drill)
        return Report(self.catalog, cause, self.held_ms)

    def _every_watch(self) -> Iterator[Watch]:
        yield self.roster.faults
        for cohort in self.roster.cohorts:
            yield from cohort.watches
            yield from cohort.late.watches if cohort.late else ()
        for watches in self.groups.values():
            yield from watches

    def _listen(self, received_ms: int) -> None:
        """Move the clock; time in which nothing could reach us is nobody's silence."""
        gap_ms = received_ms - self.now_ms
        if gap_ms > DEAF_MS and self.now_ms:
            for cohort in self.roster.cohorts:
                for watch in cohort.tickers:
                    seen_ms = watch.state["seen_ms"]
                    seen_ms[seen_ms > 0] += gap_ms
        self.now_ms = max(self.now_ms, received_ms)

    def _forget_contexts(self) -> None:
        for zone in [z for z, kept in self.records.items() if _is_over(kept, self.now_ms)]:
            kept = [r for r in self.records[zone] if r.until_ms >= self.now_ms]
            self.records[zone] = kept
            if not kept:
                del self.records[zone]

    def _hear_devices(self, batch: Batch, report: Report) -> None:
        """Whoever sent a message lives, also when nothing in it could be used."""
        row_of = self._seen_rows.get
        rows = np.array([row_of(m.device, -1) for m in batch.messages], np.intp)
        if rows.min() < 0:
            devices = {m.device for m in batch.messages} - self._seen_rows.keys()
            found = self.roster.find([meter(device, SEEN) for device in devices]).tolist()
            self._seen_rows |= {d: r for d, r in zip(devices, found, strict=True) if r >= 0}
            rows = np.array([row_of(m.device, -1) for m in batch.messages], np.intp)
        heard_ms = np.zeros(len(rows), np.int64)
        np.maximum.at(heard_ms, batch.message, batch.received)
        heard_ms[heard_ms == 0] = batch.received_ms
        known, nth = np.unique(rows, return_inverse=True)
        latest_ms = np.zeros(len(known), np.int64)
        np.maximum.at(latest_ms, nth, heard_ms)
        start = int(known[0] < 0)
        if start == len(known):
            return
        n = len(known) - start
        columns = Columns(
            known[start:],
            latest_ms[start:],
            np.zeros(n),
            np.zeros(n, np.uint16),
            latest_ms[start:],
            np.zeros(n, np.bool_),
            np.zeros(n, np.int8),
        )
        for cohort, local, part in by_cohort(self.roster, columns):
            frame = Frame(local, part.at_ms, part.value, part.quality)
            self._listen_to(cohort, frame, report)

    def _round(self, columns: Columns, report: Report) -> None:
        """Step every detector over live readings, each channel at most once."""
        roster = self.roster
        roster.last_ms[columns.rows] = columns.at_ms
        any_bad = bool(columns.bad.any())
        if any_bad or roster.faults.open:
            report.judge_faults(roster, columns)
        for cohort, local, part in by_cohort(roster, columns):
            if cohort.tickers:
                heard = Frame(local, part.received, np.zeros(len(local)), part.quality)
                self._listen_to(cohort, heard, report)
            if not cohort.readers:
                continue
            frame = Frame(local, part.at_ms, part.value, part.quality)
            if any_bad:
                usable = ~unusable_readings(part.value, part.quality)
                frame = frame.only(usable)
            cohort.remember(frame.rows, frame.at_ms, frame.values, frame.quality)
            for watch in cohort.readers:
                if watch.is_conditional:
                    self._judge_awake(cohort, watch, frame, report)
                    continue
                scores = channel_detector(watch.watching).step(watch.state, frame)
                report.judge(cohort, watch, frame, scores)

    def _judge_awake(self, cohort: Cohort, watch: Watch, frame: Frame, report: Report) -> None:
        """A rule that what holds in a zone decides over, on the rows where it judges."""
        calm = watch.sleeps(())
        asleep = np.full(len(frame.rows), bool(calm))
        off = np.full(len(frame.rows), calm == "off")
        for i, row in enumerate(frame.rows.tolist() if self.records else ()):
            zone = place_of_channel(self.catalog, cohort.names[row]).zone
            held = {one.kind for one in self.contexts(zone, int(frame.at_ms[i]))}
            sleep = watch.sleeps(held)
            asleep[i], off[i] = bool(sleep), sleep == "off"
        scores = np.zeros(len(frame.rows))
        if not asleep.all():
            awake = frame.only(~asleep)
            scores[~asleep] = channel_detector(watch.watching).step(watch.state, awake)
        heard = ~asleep | off
        report.judge(cohort, watch, frame.only(heard), scores[heard])

    def _listen_to(self, cohort: Cohort, frame: Frame, report: Report) -> None:
        for watch in cohort.tickers:
            scores = channel_detector(watch.watching).step(watch.state, frame)
            report.judge(cohort, watch, frame, scores)

    def _round_late(self, columns: Columns, report: Report) -> None:
        """Hard limits over back-dated readings, each channel at most once; live state stays."""
        for cohort, local, part in by_cohort(self.roster, columns):
            if cohort.tickers:
                heard = Frame(local, part.received, np.zeros(len(local)), part.quality)
                self._listen_to(cohort, heard, report)
            if not cohort.hard:
                continue
            late = cohort.open_late()
            # The same reading again says nothing; an older one begins the back-fill anew.
            fresh = part.at_ms != late.last_ms[local]
            frame = Frame(local[fresh], part.at_ms[fresh], part.value[fresh], part.quality[fresh])
            late.forget(frame.rows[frame.at_ms < late.last_ms[frame.rows]])
            late.last_ms[frame.rows] = frame.at_ms
            lanes = part.lane[fresh]
            for watch in late.watches:
                scores = channel_detector(watch.watching).step(watch.state, frame)
                report.judge_late(cohort, watch, frame, scores, lanes)


def _is_older(record: Context, other: Context) -> bool:
    """Whether ``other`` bears the same name (``id``) and a later word of it (``revision``)."""
    name = record.detail.get("id", "")
    if not name or name != other.detail.get("id"):
        return False
    before, after = record.detail.get("revision", 0.0), other.detail.get("revision", 0.0)
    return isinstance(before, float) and isinstance(after, float) and before < after


def _is_over(records: list[Context], now_ms: int) -> bool:
    return any(record.until_ms < now_ms for record in records)


def _sorted(findings: list[Finding]) -> list[Finding]:
    """One order, whichever channel came first in its batch."""
    if len(findings) > 1:
        findings.sort(key=lambda f: (f.at_ms, f.channel, f.rule))
    return findings
